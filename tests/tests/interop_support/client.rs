//! One client over either adapter, which keeps a transcript and shows it when its test fails.

use std::io::{BufReader, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use smtp_proto::body::BodyKind;
use smtp_proto::capabilities::Capabilities;
use smtp_proto::connection::{Connection, Timeouts, TlsPolicy};
use smtp_proto::flow::{Body, Delivery, Envelope, SendOptions};
use smtp_proto::params::XClient;
use smtp_proto::sasl::{Credentials, Mechanism};
use smtp_proto::{Config, Error, Reply, SendError};

use super::contract::variable;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adapter {
    Blocking,
    Tokio,
}

/// Long enough for a busy machine, and short enough for a server that hangs to be a failure soon.
pub(crate) fn patience() -> Timeouts {
    Timeouts::all(Duration::from_secs(60))
}

/// Clear text throughout.
pub(crate) fn plain_config() -> Config {
    Config::new("localhost").tls(TlsPolicy::None).timeouts(patience())
}

/// TLS settings that trust the authority of the run.
pub(crate) fn tls_config() -> Arc<rustls::ClientConfig> {
    tls_config_of(rustls::DEFAULT_VERSIONS)
}

/// [`tls_config`], for these versions of TLS only.
pub(crate) fn tls_config_of(
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<rustls::ClientConfig> {
    let authority = variable("SMTP_INTEROP_CA").expect("SMTP_INTEROP_CA");
    tls_with(Some(CertificateDer::from_pem_file(authority).unwrap()), versions)
}

/// TLS settings that trust nobody.
pub(crate) fn tls_config_without_authority() -> Arc<rustls::ClientConfig> {
    tls_with(None, rustls::DEFAULT_VERSIONS)
}

fn tls_with(
    authority: Option<CertificateDer<'_>>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(authority);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider);
    let builder = builder.with_protocol_versions(versions).unwrap();
    Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
}

/// [`tls_config`], with the client certificate of the user that may log in.
pub(crate) fn tls_config_with_certificate() -> Arc<rustls::ClientConfig> {
    let file = |name: &str| variable(name).unwrap_or_else(|| panic!("{name} is not set"));
    let certificate = CertificateDer::from_pem_file(file("SMTP_INTEROP_CLIENT_CERT")).unwrap();
    let key = PrivateKeyDer::from_pem_file(file("SMTP_INTEROP_CLIENT_KEY")).unwrap();
    let mut config = rustls::ClientConfig::clone(&tls_config());
    let provider = rustls::crypto::ring::default_provider();
    let certified = rustls::sign::CertifiedKey::from_der(vec![certificate], key, &provider).unwrap();
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
    Arc::new(config)
}

/// One message in one call.
pub(crate) fn send_mail(
    adapter: Adapter,
    address: &str,
    from: &str,
    to: &[&str],
    message: &[u8],
) -> Result<Delivery, SendError> {
    match adapter {
        Adapter::Blocking => {
            smtp_blocking::send_mail(address, None, from, to, message).map_err(|error| error.into_kind())
        }
        Adapter::Tokio => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let sent = smtp_tokio::send_mail(address, None, from, to, message);
            runtime.block_on(sent).map_err(|error| error.into_kind())
        }
    }
}

pub(crate) struct Client {
    inner: Inner,
    transcript: Transcript,
}

enum Inner {
    Blocking(smtp_blocking::Client),
    Tokio(tokio::runtime::Runtime, smtp_tokio::Client),
}

/// Calls the method of the same name and arguments on either client.
macro_rules! either {
    ($self:ident.$method:ident($($argument:expr),*)) => {
        match &mut $self.inner {
            Inner::Blocking(client) => client.$method($($argument),*).map_err(|error| error.into_kind()),
            Inner::Tokio(runtime, client) => {
                runtime.block_on(client.$method($($argument),*)).map_err(|error| error.into_kind())
            }
        }
    };
}

impl Client {
    pub(crate) fn connect(adapter: Adapter, address: &str, config: Config) -> Result<Self, Error> {
        Self::connect_with_tls(adapter, address, config, tls_config())
    }

    pub(crate) fn connect_with_tls(
        adapter: Adapter,
        address: &str,
        config: Config,
        tls: Arc<rustls::ClientConfig>,
    ) -> Result<Self, Error> {
        let mut inner = match adapter {
            Adapter::Blocking => Inner::Blocking(
                smtp_blocking::Client::connect_with_tls(address, config, tls)
                    .map_err(|error| error.into_kind())?,
            ),
            Adapter::Tokio => {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let client = runtime
                    .block_on(smtp_tokio::Client::connect_with_tls(address, config, tls))
                    .map_err(|error| error.into_kind())?;
                Inner::Tokio(runtime, client)
            }
        };
        let transcript = Transcript::default();
        let lines = Arc::clone(&transcript.lines);
        let hook = move |entry: smtp_proto::connection::TranscriptEntry<'_>| {
            lines.lock().unwrap().extend(entry.to_string().lines().map(str::to_owned));
        };
        match &mut inner {
            Inner::Blocking(client) => client.set_transcript(hook),
            Inner::Tokio(_, client) => client.set_transcript(hook),
        }
        Ok(Self { inner, transcript })
    }

    /// What has been said since the greeting, secrets redacted.
    pub(crate) fn transcript(&self) -> Vec<String> {
        self.transcript.lines.lock().unwrap().clone()
    }

    pub(crate) fn connection(&self) -> &Connection {
        match &self.inner {
            Inner::Blocking(client) => client.connection(),
            Inner::Tokio(_, client) => client.connection(),
        }
    }

    pub(crate) fn capabilities(&mut self) -> Result<Capabilities, Error> {
        match &mut self.inner {
            Inner::Blocking(client) => client.capabilities().cloned().map_err(|error| error.into_kind()),
            Inner::Tokio(runtime, client) => {
                runtime.block_on(client.capabilities()).cloned().map_err(|error| error.into_kind())
            }
        }
    }

    pub(crate) fn auth(&mut self, mechanism: &mut dyn Mechanism) -> Result<Reply, Error> {
        either!(self.auth(mechanism))
    }

    pub(crate) fn login(&mut self, credentials: &Credentials) -> Result<Reply, Error> {
        either!(self.login(credentials))
    }

    pub(crate) fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<Delivery, SendError> {
        either!(self.send(envelope, message))
    }

    pub(crate) fn send_with(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        options: SendOptions,
    ) -> Result<Delivery, SendError> {
        either!(self.send_with(envelope, message, options))
    }

    /// Sends messages without waiting for each; `quit` says QUIT behind the last.
    pub(crate) fn send_all(
        &mut self,
        messages: &[(Envelope, Vec<u8>)],
        options: SendOptions,
        quit: bool,
    ) -> Vec<Result<Delivery, SendError>> {
        match &mut self.inner {
            Inner::Blocking(client) => {
                let message = |(to, body)| smtp_blocking::Message::new(to, body).options(options);
                let batch = client.send_all(borrowed(messages).map(message));
                let batch = if quit { batch.then_quit() } else { batch };
                batch.map(|outcome| outcome.map_err(|error| error.into_kind())).collect()
            }
            Inner::Tokio(runtime, client) => {
                let message = |(to, body)| smtp_tokio::Message::new(to, body).options(options);
                let batch = client.send_all(borrowed(messages).map(message));
                runtime.block_on(outcomes(if quit { batch.then_quit() } else { batch }))
            }
        }
    }

    /// Sends messages in ASCII as they are read from readers, without waiting for each. Their sizes are not told.
    pub(crate) fn stream_all(
        &mut self,
        messages: &[(Envelope, Vec<u8>)],
    ) -> Vec<Result<Delivery, SendError>> {
        let kind = BodyKind::SevenBit;
        match &mut self.inner {
            Inner::Blocking(client) => {
                let message = |(to, body): (_, _)| {
                    smtp_blocking::Message::stream(to, BufReader::with_capacity(50, body), kind, None)
                };
                let batch = client.send_all(borrowed(messages).map(message));
                batch.map(|outcome| outcome.map_err(|error| error.into_kind())).collect()
            }
            Inner::Tokio(runtime, client) => {
                let message = |(to, body): (_, _)| {
                    let reader = tokio::io::BufReader::with_capacity(50, body);
                    smtp_tokio::Message::stream(to, reader, kind, None)
                };
                runtime.block_on(outcomes(client.send_all(borrowed(messages).map(message))))
            }
        }
    }

    pub(crate) fn etrn(&mut self, node: &str) -> Result<Reply, Error> {
        either!(self.etrn(node))
    }

    pub(crate) fn xclient(&mut self, xclient: &XClient) -> Result<Reply, Error> {
        either!(self.xclient(xclient))
    }

    pub(crate) fn renew_hello(&mut self) -> Result<Reply, Error> {
        either!(self.renew_hello())
    }

    pub(crate) fn verify(&mut self, user: &str) -> Result<Reply, Error> {
        either!(self.verify(user))
    }

    pub(crate) fn expand(&mut self, list: &str) -> Result<Reply, Error> {
        either!(self.expand(list))
    }

    pub(crate) fn help(&mut self, topic: &str) -> Result<Reply, Error> {
        either!(self.help(topic))
    }

    pub(crate) fn noop(&mut self) -> Result<Reply, Error> {
        either!(self.noop())
    }

    pub(crate) fn reset(&mut self) -> Result<Reply, Error> {
        either!(self.reset())
    }

    pub(crate) fn command(&mut self, line: &str) -> Result<Reply, Error> {
        either!(self.command(line))
    }

    pub(crate) fn start_tls(&mut self) -> Result<(), Error> {
        either!(self.start_tls())
    }

    pub(crate) fn quit(self) -> Result<(), Error> {
        let ended = match self.inner {
            Inner::Blocking(client) => client.quit().map_err(|error| error.into_kind()),
            Inner::Tokio(runtime, client) => {
                runtime.block_on(client.quit()).map_err(|error| error.into_kind())
            }
        };
        // The test can fail only once the transcript is gone.
        ended.inspect_err(|_| self.transcript.show())
    }

    /// Sends a message as it is read from a reader, a few octets at a time.
    pub(crate) fn stream(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        body: Body<'_>,
    ) -> Result<Delivery, SendError> {
        self.stream_with(envelope, message, body, SendOptions::default(), 5)
    }

    /// Sends a message as it is read from a reader, so many octets at a time.
    pub(crate) fn stream_with(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        body: Body<'_>,
        options: SendOptions,
        piece: usize,
    ) -> Result<Delivery, SendError> {
        match &mut self.inner {
            Inner::Blocking(client) => {
                let mut reader = BufReader::with_capacity(piece, message);
                client.send_stream(envelope, &mut reader, body, options).map_err(|error| error.into_kind())
            }
            Inner::Tokio(runtime, client) => {
                let mut reader = tokio::io::BufReader::with_capacity(piece, message);
                let sent = client.send_stream(envelope, &mut reader, body, options);
                runtime.block_on(sent).map_err(|error| error.into_kind())
            }
        }
    }

    /// Sends a message with the verbs one by one; each has to succeed.
    pub(crate) fn by_hand(&mut self, envelope: &Envelope, message: &[u8]) -> Delivery {
        match &mut self.inner {
            Inner::Blocking(client) => {
                client.mail(&envelope.reverse_path).unwrap();
                for recipient in &envelope.recipients {
                    client.rcpt(&recipient.forward_path).unwrap();
                }
                let mut writer = client.data().unwrap();
                for piece in message.chunks(7) {
                    writer.write_all(piece).unwrap();
                }
                writer.finish().unwrap()
            }
            Inner::Tokio(runtime, client) => runtime.block_on(async {
                client.mail(&envelope.reverse_path).await.unwrap();
                for recipient in &envelope.recipients {
                    client.rcpt(&recipient.forward_path).await.unwrap();
                }
                let mut writer = client.data().await.unwrap();
                for piece in message.chunks(7) {
                    writer.write(piece).await.unwrap();
                }
                writer.finish().await.unwrap()
            }),
        }
    }
}

fn borrowed(messages: &[(Envelope, Vec<u8>)]) -> impl Iterator<Item = (&Envelope, &[u8])> + Send {
    messages.iter().map(|(envelope, body)| (envelope, &body[..]))
}

async fn outcomes(
    mut batch: smtp_tokio::SendAll<'_, '_, tokio::net::TcpStream>,
) -> Vec<Result<Delivery, SendError>> {
    let mut outcomes = Vec::new();
    while let Some(outcome) = batch.next().await {
        outcomes.push(outcome.map_err(|error| error.into_kind()));
    }
    outcomes
}

/// The lines of a session; shown when a test fails while it is open.
#[derive(Default)]
struct Transcript {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Transcript {
    fn show(&self) {
        if let Ok(lines) = self.lines.lock() {
            println!("--- the session:\n{}", lines.join("\n"));
        }
    }
}

impl Drop for Transcript {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.show();
        }
    }
}
