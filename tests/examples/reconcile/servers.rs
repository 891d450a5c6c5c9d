//! The servers of the run, as `tests/interop/run` announces them in the environment.

use std::env;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use smtp_proto::sasl::Plain;

use crate::proxy::Backend;
use crate::record::Record;

pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) backends: Arc<Vec<Backend>>,
    /// Where TLS and AUTH are.
    pub(crate) submission: Option<Arc<Vec<Backend>>>,
    pub(crate) chunking: bool,
    pub(crate) record: Record,
}

/// The smtp-sinks that fail, of those that `tests/interop/smtp-sink/start.sh` lists. It dumps a message when it has the
/// end of it, whatever it answers then; so the dumps of those that refuse there are no record of what they took.
const SINK_FAULTS: &[(&str, Dumps)] = &[
    ("CONNECT_500", Dumps::Taken),
    ("CONNECT_421", Dumps::Taken),
    ("CONNECT_CLOSE", Dumps::Taken),
    ("EHLO_CLOSE", Dumps::Taken),
    ("MAIL_500", Dumps::Taken),
    ("MAIL_450", Dumps::Taken),
    ("MAIL_421", Dumps::Taken),
    ("RCPT_500", Dumps::Taken),
    ("RCPT_450", Dumps::Taken),
    ("RCPT_421", Dumps::Taken),
    ("RCPT_CLOSE", Dumps::Taken),
    ("DATA_500", Dumps::Taken),
    ("DATA_421", Dumps::Taken),
    ("DATA_CLOSE", Dumps::Taken),
    ("DOT_500", Dumps::Refused),
    ("DOT_450", Dumps::Refused),
    ("DOT_421", Dumps::Refused),
    ("DOT_CLOSE", Dumps::Taken),
    ("QUIT_CLOSE", Dumps::Taken),
    ("EARLY", Dumps::Taken),
    ("NAP", Dumps::Taken),
    ("SLOW", Dumps::Taken),
    ("SLOW_DOT", Dumps::Taken),
    ("MORTAL", Dumps::Taken),
    ("NO_ESMTP", Dumps::Taken),
    ("NO_PIPELINING", Dumps::Taken),
];

#[derive(Clone, Copy, PartialEq)]
enum Dumps {
    Taken,
    Refused,
}

impl Server {
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        match name {
            "postfix" => {
                let folder = folder()?.join("postfix");
                let queue = |name| folder.join("spool").join(name);
                let queues = ["maildrop", "incoming", "active", "deferred"].map(queue).to_vec();
                Self::alone(name, Record::Mailbox { file: folder.join("mail/load"), queues })
            }
            "exim" => Self::alone(name, Record::Queue(folder()?.join("exim/spool/input"))),
            "smtp-sink" => Self::sinks(),
            _ => Err(format!("no record is known of {name}")),
        }
    }

    fn alone(name: &str, record: Record) -> Result<Self, String> {
        let alone = |listener| {
            let address = address(&name.to_uppercase(), listener)?;
            Ok::<_, String>(Arc::new(vec![Backend { address, fault: None, weight: 1 }]))
        };
        let (backends, submission) = (alone("MX")?, Some(alone("SUBMISSION")?));
        Ok(Self { name: name.to_owned(), backends, submission, chunking: true, record })
    }

    /// Two connections in three go to the one that is well.
    fn sinks() -> Result<Self, String> {
        let folder = folder()?;
        let well =
            Backend { address: address("SMTP_SINK", "MX")?, fault: None, weight: 2 * SINK_FAULTS.len() };
        let mut backends = vec![well];
        let mut folders = vec![folder.join("smtp-sink/mail")];
        for (fault, dumps) in SINK_FAULTS {
            let address = address("SMTP_SINK", fault)?;
            backends.push(Backend { address, fault: Some((*fault).to_owned()), weight: 1 });
            if *dumps == Dumps::Taken {
                folders.push(folder.join(format!("smtp-sink-{}/mail", fault.to_lowercase())));
            }
        }
        let backends = Arc::new(backends);
        let record = Record::Dumps(folders);
        Ok(Self { name: "smtp-sink".to_owned(), backends, submission: None, chunking: false, record })
    }
}

/// How a client logs in where TLS is.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) tls: Arc<rustls::ClientConfig>,
    user: String,
    password: String,
}

impl Access {
    pub(crate) fn new() -> Result<Self, Box<dyn Error>> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(variable("SMTP_INTEROP_CA")?)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = Arc::new(builder.with_root_certificates(roots).with_no_client_auth());
        Ok(Self { tls, user: variable("SMTP_INTEROP_USER")?, password: variable("SMTP_INTEROP_PASSWORD")? })
    }

    pub(crate) fn mechanism(&self) -> Plain {
        Plain::new("", &self.user, self.password.as_str(), "localhost")
    }
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("{name} is not set: run tests/interop/reconcile"))
}

fn folder() -> Result<PathBuf, String> {
    variable("SMTP_INTEROP_DIR").map(PathBuf::from)
}

fn address(server: &str, listener: &str) -> Result<SocketAddr, String> {
    let name = format!("SMTP_INTEROP_{server}_{listener}");
    variable(&name)?.parse().map_err(|error| format!("{name}: {error}"))
}
