//! Every TLS library in every adapter. A library to come is one more entry of [`BACKENDS`], and every suite that
//! goes through them then asks it for all it asks of the others.

use std::net::{SocketAddr, TcpStream};

use smtp_proto::SendError;
use smtp_proto::connection::Config;
use smtp_proto::error::Error;
use smtp_proto::flow::Envelope;
use smtp_proto::sasl::Plain;

use super::Authority;

/// A client with TLS.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    /// Connects, does what is asked, and quits.
    pub(crate) attempt: fn(Attempt<'_>) -> Outcome,
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
    /// What the client met when it went on all the same.
    pub(crate) insisted: Vec<Result<(), Error>>,
}

impl Outcome {
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
        assert_eq!(self.insisted.len(), 4, "{way}");
        assert!(self.insisted.iter().all(Result::is_err), "{way}: {:?}", self.insisted);
    }

    /// The same, and a user reads that nothing more was sent.
    pub(crate) fn assert_unopened(&self, expected: &Error, way: &str) {
        self.assert_broken(expected, way);
        assert!(self.text.contains("; nothing more was sent"), "{way}: {}", self.text);
    }
}

pub(crate) const BACKENDS: &[Backend] = &[
    Backend { name: "smtp-blocking, rustls with ring", attempt: rustls_blocking },
    Backend { name: "smtp-tokio, rustls with ring", attempt: rustls_tokio },
];

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
        assert_eq!($client.tls_state().is_some(), tls && result.is_ok());
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
        Outcome { result, text, tls, insisted }
    }};
}

fn rustls_blocking(attempt: Attempt<'_>) -> Outcome {
    let mut client = smtp_blocking::Client::new(TcpStream::connect(attempt.address).unwrap(), attempt.config);
    if let Trust::Only(authority) = attempt.trust {
        client.set_tls_config(authority.client_config());
    }
    let ask = attempt.ask;
    attempt!(client, ask)
}

fn rustls_tokio(attempt: Attempt<'_>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(attempt.address).await.unwrap();
        let mut client = smtp_tokio::Client::new(stream, attempt.config);
        if let Trust::Only(authority) = attempt.trust {
            client.set_tls_config(authority.client_config());
        }
        let ask = attempt.ask;
        attempt!(client, ask, . await)
    })
}
