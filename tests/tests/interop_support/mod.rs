//! What the interop tests need: the servers' addresses, one session through either adapter, and the maildir.

use std::io::{BufReader, Write as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use smtp_proto::connection::{Config, TlsPolicy};
use smtp_proto::flow::{Body, Delivery, Envelope, SendOptions};
use smtp_proto::sasl::{Mechanism, Plain};
use smtp_proto::{Error, SendError};

/// A server that `tests/interop/run` has started.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) name: String,
    submission: String,
    smtps: String,
    mx: String,
    maildir: PathBuf,
    /// Whether the maildir holds the message with LF line ends, behind headers of the server's own.
    rewritten: bool,
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/interop/run"))
}

/// The servers to test against.
pub(crate) fn servers() -> Vec<Server> {
    let names = variable("SMTP_INTEROP_SERVERS");
    let server = |name: &str| {
        let of = |what: &str| variable(&format!("SMTP_INTEROP_{}_{what}", name.to_uppercase()));
        Server {
            name: name.to_owned(),
            submission: of("SUBMISSION"),
            smtps: of("SMTPS"),
            mx: of("MX"),
            maildir: of("MAILDIR").into(),
            rewritten: name == "postfix",
        }
    };
    names.split_whitespace().map(server).collect()
}

/// A word that no other message has.
pub(crate) fn token() -> String {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("interop-{}-{}-end", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl Server {
    /// Waits until the message with this subject is in the maildir, and compares it with what was sent.
    pub(crate) fn assert_delivered(&self, subject: &str, sent: &[u8]) {
        let mark = format!("Subject: {subject}");
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let stored = self.find(mark.as_bytes());
            if let Some(stored) = stored {
                let expected: Vec<u8> = if self.rewritten {
                    sent.iter().copied().filter(|&b| b != b'\r').collect()
                } else {
                    sent.to_vec()
                };
                let same = if self.rewritten { stored.ends_with(&expected) } else { stored == expected };
                assert!(same, "{}: {subject} arrived changed ({} octets)", self.name, stored.len());
                return;
            }
            assert!(Instant::now() < deadline, "{}: {subject} did not arrive", self.name);
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn find(&self, mark: &[u8]) -> Option<Vec<u8>> {
        let files = std::fs::read_dir(self.maildir.join("new")).ok()?;
        files.filter_map(|file| std::fs::read(file.ok()?.path()).ok()).find(|octets| {
            let head = &octets[..octets.len().min(4096)];
            head.windows(mark.len()).any(|window| window == mark)
        })
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Adapter {
    Blocking,
    Tokio,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Protection {
    StartTls,
    Implicit,
    None,
}

/// Why a session failed: before the message, or with it.
#[derive(Debug)]
pub(crate) enum Failure {
    Auth(Error),
    Send(SendError),
}

/// One connection to one server: authenticate, send, quit.
#[derive(Clone)]
pub(crate) struct Session {
    adapter: Adapter,
    address: String,
    config: Config,
    trusted: bool,
}

impl Session {
    pub(crate) fn new(server: &Server, adapter: Adapter, protection: Protection) -> Self {
        let (address, policy) = match protection {
            Protection::StartTls => (&server.submission, TlsPolicy::Required),
            Protection::Implicit => (&server.smtps, TlsPolicy::Implicit),
            Protection::None => (&server.mx, TlsPolicy::None),
        };
        let config = Config::new("localhost").tls(policy);
        Self { adapter, address: address.clone(), config, trusted: true }
    }

    pub(crate) fn host(self, host: &str) -> Self {
        let policy = self.config.tls_policy();
        Self { config: Config::new(host).tls(policy), ..self }
    }

    pub(crate) fn without_the_authority(self) -> Self {
        Self { trusted: false, ..self }
    }

    fn tls_config(&self) -> Arc<rustls::ClientConfig> {
        let mut roots = rustls::RootCertStore::empty();
        if self.trusted {
            let authority = CertificateDer::from_pem_file(variable("SMTP_INTEROP_CA")).unwrap();
            roots.add(authority).unwrap();
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }

    pub(crate) fn send(
        &self,
        mechanism: Option<&mut dyn Mechanism>,
        envelope: &Envelope,
        message: &[u8],
        options: SendOptions,
    ) -> Result<Delivery, Failure> {
        match self.adapter {
            Adapter::Blocking => self.send_blocking(mechanism, envelope, message, options),
            Adapter::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(self.send_tokio(mechanism, envelope, message, options))
            }
        }
    }

    fn send_blocking(
        &self,
        mechanism: Option<&mut dyn Mechanism>,
        envelope: &Envelope,
        message: &[u8],
        options: SendOptions,
    ) -> Result<Delivery, Failure> {
        let mut client =
            smtp_blocking::Client::connect_with_tls(&*self.address, self.config.clone(), self.tls_config())
                .map_err(|error| Failure::Auth(error.into_kind()))?;
        if let Some(mechanism) = mechanism {
            client.auth(mechanism).map_err(|error| Failure::Auth(error.into_kind()))?;
            assert!(client.tls_state().is_some_and(|tls| tls.version.is_some()));
        }
        let delivery =
            client.send_with(envelope, message, options).map_err(|error| Failure::Send(error.into_kind()))?;
        client.quit().map_err(|error| Failure::Auth(error.into_kind()))?;
        Ok(delivery)
    }

    async fn send_tokio(
        &self,
        mechanism: Option<&mut dyn Mechanism>,
        envelope: &Envelope,
        message: &[u8],
        options: SendOptions,
    ) -> Result<Delivery, Failure> {
        let mut client =
            smtp_tokio::Client::connect_with_tls(&*self.address, self.config.clone(), self.tls_config())
                .await
                .map_err(|error| Failure::Auth(error.into_kind()))?;
        if let Some(mechanism) = mechanism {
            client.auth(mechanism).await.map_err(|error| Failure::Auth(error.into_kind()))?;
        }
        let delivery = client
            .send_with(envelope, message, options)
            .await
            .map_err(|error| Failure::Send(error.into_kind()))?;
        client.quit().await.map_err(|error| Failure::Auth(error.into_kind()))?;
        Ok(delivery)
    }

    /// Sends a message piece by piece: from a reader, or with the verbs one by one.
    pub(crate) fn stream(&self, envelope: &Envelope, message: &[u8], by_hand: bool) {
        let mut client =
            smtp_blocking::Client::connect_with_tls(&*self.address, self.config.clone(), self.tls_config())
                .unwrap();
        client.auth(&mut Plain::new("", "alice", "secret", "localhost")).unwrap();
        if by_hand {
            client.mail(&envelope.reverse_path).unwrap();
            for recipient in &envelope.recipients {
                client.rcpt(&recipient.forward_path).unwrap();
            }
            let mut writer = client.data().unwrap();
            for piece in message.chunks(7) {
                writer.write_all(piece).unwrap();
            }
            writer.finish().unwrap();
        } else {
            let mut reader = BufReader::with_capacity(5, message);
            let body =
                Body::Stream { kind: smtp_proto::body::BodyKind::SevenBit, size: Some(message.len() as u64) };
            client.send_stream(envelope, &mut reader, body, SendOptions::default()).unwrap();
        }
        client.quit().unwrap();
    }
}
