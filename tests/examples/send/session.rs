//! From a server to a session with it, and what is known of the session then.

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use smtp_blocking::{Client, Stream};
use smtp_proto::capabilities::Capabilities;
use smtp_proto::connection::Counters;
use smtp_proto::security::Security;

use crate::advice;
use crate::certificate::Certificate;
use crate::record::{Record, milliseconds};
use crate::server::Server;
use crate::status::Failure;

/// Something to do in a session that has been opened, without a login.
pub trait Task {
    type Output;
    fn run<S: Stream>(self, client: Client<S>) -> Self::Output;
}

/// Opens a session, and does the task in it.
pub fn begin<T: Task>(server: &Server, record: &Record, task: T) -> Result<T::Output, Failure> {
    let failed = |error: smtp_blocking::Error| advice::of_session(&server.place(), &error);
    let began = Instant::now();
    #[cfg(unix)]
    if let Some(path) = &server.socket {
        let stream = connect_unix(path)?;
        record.connected(began.elapsed());
        let mut client = Client::new(stream, server.config.clone());
        client.set_transcript(record.hook());
        if let Some(tls) = &server.tls {
            client.set_tls_config(tls.clone());
        }
        client.capabilities().map_err(failed)?;
        return Ok(task.run(client));
    }
    let client = server.builder.connect_prepared(|client| {
        record.connected(began.elapsed());
        client.set_transcript(record.hook());
    });
    Ok(task.run(client.map_err(failed)?))
}

#[cfg(unix)]
fn connect_unix(path: &std::path::Path) -> Result<std::os::unix::net::UnixStream, Failure> {
    std::os::unix::net::UnixStream::connect(path).map_err(|error: io::Error| {
        Failure::not_sent(
            format!("--unix: cannot connect to {}: {error}", path.display()),
            "the path of a socket that a server listens at, and the right to use it",
        )
    })
}

/// Logs in, if there is something to log in with.
pub fn log_in<S: Stream>(client: &mut Client<S>, server: &Server) -> Result<(), Failure> {
    match &server.credentials {
        Some(credentials) => match client.login(credentials) {
            Ok(_) => Ok(()),
            Err(error) => Err(advice::of_session(&server.place(), &error)),
        },
        None => Ok(()),
    }
}

/// What was agreed with the server.
pub struct Facts {
    security: &'static str,
    pub tls: Option<TlsFacts>,
    counters: Counters,
}

pub struct TlsFacts {
    pub version: String,
    pub cipher: String,
    pub certificates: Vec<Certificate>,
}

impl Facts {
    pub fn of<S: Stream>(client: &Client<S>) -> Self {
        let tls = client.tls_state().map(|state| TlsFacts {
            version: state.version.map_or("unknown".into(), |version| version.to_string()),
            cipher: state.cipher_suite.unwrap_or("unknown".into()),
            certificates: state.peer_certificates.iter().map(|der| Certificate::read(der)).collect(),
        });
        let security = match client.security() {
            Security::Tls(_) => "tls",
            Security::LocalPlaintext => "local",
            _ => "clear",
        };
        Self { security, tls, counters: client.counters() }
    }
}

/// A document that begins with what is known of the session.
pub fn document(server: &Server, record: &Record, facts: Option<&Facts>) -> Map<String, Value> {
    let mut notes = record.notes();
    notes.flush();
    let mut document = Map::new();
    let protocol = if server.config.is_lmtp() { "lmtp" } else { "smtp" };
    document.insert(
        "server".into(),
        json!({ "at": server.place(), "host": server.config.host(), "protocol": protocol, "greeting": notes.greeting }),
    );
    let listed = |offered: &Option<Capabilities>| offered.as_ref().map(lines);
    document.insert(
        "capabilities".into(),
        json!({ "in_clear": listed(&notes.in_clear), "under_tls": listed(&notes.under_tls) }),
    );
    let ms = |time: Duration| milliseconds(time).parse::<f64>().unwrap_or_default();
    let steps = notes.steps.iter().map(|step| json!({ "step": step.name, "ms": ms(step.took) }));
    document.insert("steps".into(), steps.collect());
    let transcript = notes.lines.iter().map(|(at, line)| json!({ "at_ms": ms(*at), "line": line }));
    document.insert("transcript".into(), transcript.collect());
    if let Some(facts) = facts {
        document.insert("security".into(), facts.security.into());
        let counters = facts.counters.iter().map(|(name, count)| (name.to_owned(), count.into()));
        document.insert("counters".into(), Value::Object(counters.collect()));
        if let Some(tls) = &facts.tls {
            let certificates: Vec<_> = tls.certificates.iter().map(Certificate::json).collect();
            document.insert(
                "tls".into(),
                json!({ "version": tls.version, "cipher": tls.cipher, "certificates": certificates }),
            );
        }
    }
    document
}

/// Keywords with their parameters, a line each.
pub fn lines(offered: &Capabilities) -> Vec<String> {
    let line = |(keyword, parameters): (&str, &str)| match parameters {
        "" => keyword.to_owned(),
        _ => format!("{keyword} {parameters}"),
    };
    offered.iter().map(line).collect()
}
