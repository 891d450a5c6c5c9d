//! TLS that the caller does, with rustls, and hands to the client: through `start_tls_with`, or `over_tls` where it comes
//! first.

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use smtp_proto::SendError;
use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
use smtp_proto::error::Error;
use smtp_proto::flow::Envelope;
use smtp_proto::sasl::Plain;
use smtp_tests::library::{Library, Settings};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::backend::{Ask, Attempt, Outcome, Trust, attempt};

fn config_of(trust: Trust<'_>) -> io::Result<Arc<ClientConfig>> {
    let settings = match trust {
        Trust::Only(authority) => Library::Ring.trusting(&authority.der())?,
        Trust::Platform => Library::Ring.trusting_the_platform()?,
    };
    match settings {
        Settings::Rustls(config) => Ok(config),
        #[cfg(feature = "native-tls")]
        Settings::NativeTls(_) => unreachable!("asked for rustls"),
    }
}

/// The name that the caller has to verify before there is a client.
fn name_of(config: &Config) -> String {
    let mut connection = Connection::new(config.clone().tls(TlsPolicy::Implicit), Peer::Remote);
    connection.tls_upgrade().unwrap().server_name().to_owned()
}

struct Protected(StreamOwned<ClientConnection, TcpStream>);

impl Protected {
    fn handshake(mut stream: TcpStream, name: &str, trust: Trust<'_>) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(config_of(trust)?, name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut stream)?;
        }
        Ok(Self(StreamOwned::new(tls, stream)))
    }
}

impl Read for Protected {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Protected {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl smtp_blocking::Stream for Protected {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.0.sock.set_read_timeout(Some(timeout))
    }

    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.0.sock.set_write_timeout(Some(timeout))
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.sock.set_nonblocking(true)?;
        let result = self.0.read(buffer);
        self.0.sock.set_nonblocking(false)?;
        result
    }
}

struct TokioProtected(tokio_rustls::client::TlsStream<tokio::net::TcpStream>);

impl TokioProtected {
    async fn handshake(stream: tokio::net::TcpStream, name: &str, trust: Trust<'_>) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        tokio_rustls::TlsConnector::from(config_of(trust)?).connect(name, stream).await.map(Self)
    }
}

impl AsyncRead for TokioProtected {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TokioProtected {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl smtp_tokio::Stream for TokioProtected {}

pub(super) fn blocking(_: Library, attempt: Attempt<'_>) -> Outcome {
    let stream = TcpStream::connect(attempt.address).unwrap();
    let (trust, ask) = (attempt.trust, attempt.ask);
    if attempt.config.tls_policy() == TlsPolicy::Implicit {
        let stream = match Protected::handshake(stream, &name_of(&attempt.config), trust) {
            Ok(stream) => stream,
            Err(error) => return Outcome::without_client(&error),
        };
        let mut client = smtp_blocking::Client::over_tls(stream, attempt.config).unwrap();
        return attempt!(client, ask);
    }
    let client = smtp_blocking::Client::new(stream, attempt.config.tls(TlsPolicy::None));
    match client.start_tls_with(|stream, name| Protected::handshake(stream, name, trust)) {
        Ok(mut client) => attempt!(client, ask),
        Err(error) => Outcome::of_upgrade(error.to_string(), error.into_kind()),
    }
}

pub(super) fn tokio(_: Library, attempt: Attempt<'_>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(attempt.address).await.unwrap();
        let (trust, ask) = (attempt.trust, attempt.ask);
        if attempt.config.tls_policy() == TlsPolicy::Implicit {
            let stream = match TokioProtected::handshake(stream, &name_of(&attempt.config), trust).await {
                Ok(stream) => stream,
                Err(error) => return Outcome::without_client(&error),
            };
            let mut client = smtp_tokio::Client::over_tls(stream, attempt.config).unwrap();
            return attempt!(client, ask, . await);
        }
        let client = smtp_tokio::Client::new(stream, attempt.config.tls(TlsPolicy::None));
        let upgraded = client.start_tls_with(|stream, name| async move {
            TokioProtected::handshake(*Pin::into_inner(stream), &name, trust).await
        });
        match upgraded.await {
            Ok(mut client) => attempt!(client, ask, . await),
            Err(error) => Outcome::of_upgrade(error.to_string(), error.into_kind()),
        }
    })
}
