//! Every TLS library in every adapter. A library to come is one more [`Library`], and every suite that goes
//! through [`backends`] then asks it for all it asks of the others.

use std::net::{SocketAddr, TcpStream};

use smtp_proto::SendError;
use smtp_proto::connection::Config;
use smtp_proto::error::Error;
use smtp_proto::flow::Envelope;
use smtp_proto::sasl::Plain;

use smtp_tests::library::{Library, Settings};

use super::{Authority, brought};

/// A client with TLS.
pub(crate) struct Backend {
    pub(crate) name: String,
    library: Library,
    attempt: Adapter,
}

type Adapter = fn(Library, Attempt<'_>) -> Outcome;

impl Backend {
    /// Connects, does what is asked, and quits.
    pub(crate) fn attempt(&self, attempt: Attempt<'_>) -> Outcome {
        (self.attempt)(self.library, attempt)
    }
}

/// What a client is asked to do, and with what.
pub(crate) struct Attempt<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) config: Config,
    pub(crate) trust: Trust<'a>,
    pub(crate) ask: Ask,
}

/// Whose certificates are believed.
#[derive(Clone, Copy)]
pub(crate) enum Trust<'a> {
    Only(&'a Authority),
    /// What the platform believes: the adapter's default.
    Platform,
}

/// What to do before QUIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    LogIn,
    LogInAndSend,
    Send,
    Noop,
    /// Nothing but EHLO.
    Hello,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// Up to and with QUIT. What has nothing to do with a message is told as one that was not sent.
    pub(crate) result: Result<(), SendError>,
    /// The error as a user reads it.
    pub(crate) text: String,
    /// The client took the peer for verified.
    pub(crate) tls: bool,
    /// What the client met when it went on all the same; `None` if there is no client to go on with.
    pub(crate) insisted: Option<Vec<Result<(), Error>>>,
}

impl Outcome {
    /// The caller's own handshake failed, before there was a client to say anything.
    pub(crate) fn without_client(error: &std::io::Error) -> Self {
        let text = format!("the TLS handshake failed; nothing more was sent: {error}");
        Self { result: Err(Error::TlsFailed.into()), text, tls: false, insisted: None }
    }

    /// The client has gone into an upgrade, and did not come out of it.
    pub(crate) fn of_upgrade(text: String, error: Error) -> Self {
        Self { result: Err(error.into()), text, tls: false, insisted: None }
    }

    /// What was wrong, if nothing of a message left.
    pub(crate) fn not_sent(&self) -> Option<&Error> {
        match &self.result {
            Err(SendError::NotSent { cause, .. }) => Some(cause),
            _ => None,
        }
    }

    /// The connection broke in this way, and never speaks again.
    pub(crate) fn assert_broken(&self, expected: &Error, way: &str) {
        assert_eq!(self.not_sent(), Some(expected), "{way}: {:?}", self.result);
        if let Some(insisted) = &self.insisted {
            assert_eq!(insisted.len(), 4, "{way}");
            assert!(insisted.iter().all(Result::is_err), "{way}: {insisted:?}");
        }
    }

    /// The same, and a user reads that nothing more was sent.
    pub(crate) fn assert_unopened(&self, expected: &Error, way: &str) {
        self.assert_broken(expected, way);
        assert!(self.text.contains("; nothing more was sent"), "{way}: {}", self.text);
    }
}

/// Every library that this package was built with, in every adapter.
pub(crate) fn backends() -> Vec<Backend> {
    let adapters = [("smtp-blocking", blocking as Adapter), ("smtp-tokio", tokio)];
    let each = Library::all().iter().flat_map(|&library| {
        adapters.map(|(adapter, attempt)| {
            let name = format!("{adapter}, {}", library.name());
            Backend { name, library, attempt }
        })
    });
    each.collect()
}

/// TLS that the caller does, in either adapter.
pub(crate) fn brought() -> Vec<Backend> {
    let adapters = [("smtp-blocking", brought::blocking as Adapter), ("smtp-tokio", brought::tokio)];
    let each = adapters.map(|(adapter, attempt)| {
        let name = format!("{adapter}, rustls of the caller's");
        Backend { name, library: Library::Ring, attempt }
    });
    each.into()
}

/// Both adapters have the same verbs; `$wait` is what one puts behind each call.
macro_rules! attempt {
    ($client:ident, $ask:ident $(, $wait:tt $await:ident)?) => {{
        let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"]).unwrap();
        let mut plain = Plain::new("", "alice", "secret", $client.connection().config().host());
        let mut text = String::new();
        let mut result = $client.capabilities()$($wait $await)?.map(drop).map_err(|error| {
            text = error.to_string();
            SendError::from(error.into_kind())
        });
        let tls = $client.security().is_tls();
        if result.is_ok() && matches!($ask, Ask::LogIn | Ask::LogInAndSend) {
            result = $client.auth(&mut plain)$($wait $await)?.map(drop).map_err(|error| {
                text = error.to_string();
                SendError::from(error.into_kind())
            });
        }
        if result.is_ok() && matches!($ask, Ask::Send | Ask::LogInAndSend) {
            result = $client.send(&envelope, b"Subject: hi\r\n\r\nhi\r\n")$($wait $await)?.map(drop).map_err(|error| {
                text = error.to_string();
                error.into_kind()
            });
        }
        if result.is_ok() && $ask == Ask::Noop {
            result = $client.noop()$($wait $await)?.map(drop).map_err(|error| {
                text = error.to_string();
                SendError::from(error.into_kind())
            });
        }
        let mut insisted = Vec::new();
        if result.is_err() {
            let met = [
                $client.auth(&mut plain)$($wait $await)?.map(drop),
                $client.start_tls()$($wait $await)?,
                $client.noop()$($wait $await)?.map(drop),
                $client.quit()$($wait $await)?,
            ];
            insisted.extend(met.map(|met| met.map_err(|error| error.into_kind())));
        } else {
            result = $client.quit()$($wait $await)?.map_err(|error| SendError::from(error.into_kind()));
        }
        Outcome { result, text, tls, insisted: Some(insisted) }
    }};
}

pub(super) use attempt;

/// Settings, where they are not the adapter's own.
fn settings(library: Library, trust: Trust<'_>) -> Option<Settings> {
    match trust {
        Trust::Only(authority) => Some(library.trusting(&authority.der()).unwrap()),
        // The default of what is tried here is rustls with ring.
        Trust::Platform if library == Library::default() => None,
        Trust::Platform => Some(library.trusting_the_platform().unwrap()),
    }
}

fn blocking(library: Library, attempt: Attempt<'_>) -> Outcome {
    let mut client = smtp_blocking::Client::new(TcpStream::connect(attempt.address).unwrap(), attempt.config);
    if let Some(settings) = settings(library, attempt.trust) {
        client.set_tls_config(settings);
    }
    let ask = attempt.ask;
    attempt!(client, ask)
}

fn tokio(library: Library, attempt: Attempt<'_>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(attempt.address).await.unwrap();
        let mut client = smtp_tokio::Client::new(stream, attempt.config);
        if let Some(settings) = settings(library, attempt.trust) {
            client.set_tls_config(settings);
        }
        let ask = attempt.ask;
        attempt!(client, ask, . await)
    })
}
