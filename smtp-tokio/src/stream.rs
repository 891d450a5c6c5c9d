//! What the adapter asks of a stream beyond `AsyncRead` and `AsyncWrite`, with an answer for those that cannot
//! tell.

use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::ops::DerefMut;
use std::pin::Pin;
use std::task::{Context, Poll};

use smtp_proto::connection::Peer;
use smtp_proto::security::ChannelBindings;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// A connected byte stream. Every method has a default, so that
/// `impl smtp_tokio::Stream for MyStream {}` is enough. A stream of another crate goes in a [`Remote`].
pub trait Stream: AsyncRead + AsyncWrite {
    /// Where the peer is, by its address.
    fn peer(&self) -> Peer {
        Peer::Remote
    }

    /// The address of the peer, to be shown to whoever watches the session.
    fn peer_address(&self) -> Option<SocketAddr> {
        None
    }

    /// The local address, for the name given in EHLO.
    fn local_ip(&self) -> Option<IpAddr> {
        None
    }

    /// What names the TLS channel, of a stream that is one itself
    /// ([`Client::over_tls`](crate::Client::over_tls), [`start_tls_with`](crate::Client::start_tls_with)).
    fn channel_bindings(&self) -> ChannelBindings {
        ChannelBindings::new()
    }
}

impl Stream for TcpStream {
    fn peer(&self) -> Peer {
        self.peer_addr().map_or(Peer::Remote, |address| Peer::of(address.ip()))
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        self.peer_addr().ok()
    }

    fn local_ip(&self) -> Option<IpAddr> {
        self.local_addr().ok().map(|address| address.ip().to_canonical())
    }
}

#[cfg(unix)]
impl Stream for tokio::net::UnixStream {
    fn peer(&self) -> Peer {
        Peer::Local
    }
}

impl Stream for DuplexStream {}

impl<S: Stream + Unpin + ?Sized> Stream for Box<S> {
    fn peer(&self) -> Peer {
        (**self).peer()
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        (**self).peer_address()
    }

    fn local_ip(&self) -> Option<IpAddr> {
        (**self).local_ip()
    }

    fn channel_bindings(&self) -> ChannelBindings {
        (**self).channel_bindings()
    }
}

impl<P: DerefMut<Target: Stream> + Unpin> Stream for Pin<P> {
    fn peer(&self) -> Peer {
        (**self).peer()
    }

    fn peer_address(&self) -> Option<SocketAddr> {
        (**self).peer_address()
    }

    fn local_ip(&self) -> Option<IpAddr> {
        (**self).local_ip()
    }

    fn channel_bindings(&self) -> ChannelBindings {
        (**self).channel_bindings()
    }
}

/// A stream to a server that is somewhere else, whatever the socket says: another crate's stream, and any that leads
/// through a proxy or a tunnel. The socket of a proxy on this machine has a loopback address at its other end, and by
/// that alone the server would pass for [local](Peer::Local): a password could leave in clear. Nor is the socket's own
/// address given in EHLO, which may be what the proxy hides:
/// [`Config::client_name`](smtp_proto::connection::Config::client_name) says what is.
///
/// Of a stream that is TLS itself the channel bindings are not known; one of a type of your own can tell them, by
/// implementing [`Stream`].
///
/// ```no_run
/// # async fn example(proxied: tokio::net::TcpStream) -> Result<(), smtp_tokio::Error> {
/// use smtp_tokio::{Client, Config, Remote};
///
/// // `proxied` is what the crate that speaks to the proxy has returned.
/// let mut client = Client::new(Remote(proxied), Config::new("mail.example.org"));
/// client.noop().await?; // over STARTTLS, as ever
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Remote<S>(pub S);

impl<S: AsyncRead + AsyncWrite + Unpin> Stream for Remote<S> {}

impl<S: AsyncRead + Unpin> AsyncRead for Remote<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Remote<S> {
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

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
