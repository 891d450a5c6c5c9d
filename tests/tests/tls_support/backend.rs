//! Every TLS library in every adapter. A library to come is one more entry of [`BACKENDS`], and every suite that
//! goes through them then asks it for all it asks of the others.

use std::net::{SocketAddr, TcpStream};

use smtp_proto::connection::Config;
use smtp_proto::error::Error;
use smtp_proto::sasl::Plain;

use super::Authority;

/// A client with TLS.
pub(crate) struct Backend {
    pub(crate) name: &'static str,
    /// Connects, logs in, and quits.
    pub(crate) attempt: fn(Attempt<'_>) -> Outcome,
}

/// What a client is asked to do, and with what.
pub(crate) struct Attempt<'a> {
    pub(crate) address: SocketAddr,
    pub(crate) config: Config,
    pub(crate) trust: Trust<'a>,
}

/// Whose certificates are believed.
#[derive(Clone, Copy)]
pub(crate) enum Trust<'a> {
    Only(&'a Authority),
    /// What the platform believes: the adapter's default.
    Platform,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<(), Error>,
    /// The error as a user reads it.
    pub(crate) text: String,
    /// What the client met when it went on all the same.
    pub(crate) insisted: Vec<Result<(), Error>>,
}

pub(crate) const BACKENDS: &[Backend] = &[
    Backend { name: "smtp-blocking, rustls with ring", attempt: rustls_blocking },
    Backend { name: "smtp-tokio, rustls with ring", attempt: rustls_tokio },
];

/// Both adapters have the same verbs; `$wait` is what one puts behind each call.
macro_rules! attempt {
    ($client:ident, $host:expr $(, $wait:tt $await:ident)?) => {{
        let mut plain = Plain::new("", "alice", "secret", $host);
        match $client.auth(&mut plain)$($wait $await)? {
            Ok(_) => {
                assert!($client.security().is_tls() && $client.tls_state().is_some());
                let result = $client.quit()$($wait $await)?;
                Outcome { result: result.map_err(|e| e.into_kind()), text: String::new(), insisted: Vec::new() }
            }
            Err(error) => {
                assert!(!$client.security().is_tls() && $client.tls_state().is_none());
                let text = error.to_string();
                let insisted = [
                    $client.auth(&mut plain)$($wait $await)?.map(drop),
                    $client.start_tls()$($wait $await)?,
                    $client.noop()$($wait $await)?.map(drop),
                    $client.quit()$($wait $await)?,
                ];
                let insisted = insisted.map(|result| result.map_err(|e| e.into_kind())).into();
                Outcome { result: Err(error.into_kind()), text, insisted }
            }
        }
    }};
}

fn rustls_blocking(attempt: Attempt<'_>) -> Outcome {
    let host = attempt.config.host().to_owned();
    let mut client = smtp_blocking::Client::new(TcpStream::connect(attempt.address).unwrap(), attempt.config);
    if let Trust::Only(authority) = attempt.trust {
        client.set_tls_config(authority.client_config());
    }
    attempt!(client, &host)
}

fn rustls_tokio(attempt: Attempt<'_>) -> Outcome {
    let host = attempt.config.host().to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(attempt.address).await.unwrap();
        let mut client = smtp_tokio::Client::new(stream, attempt.config);
        if let Trust::Only(authority) = attempt.trust {
            client.set_tls_config(authority.client_config());
        }
        attempt!(client, &host, . await)
    })
}
