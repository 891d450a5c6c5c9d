//! What the adapter asks of a stream beyond `AsyncRead` and `AsyncWrite`, with an answer for those that cannot
//! tell.

use std::net::IpAddr;
use std::ops::DerefMut;
use std::pin::Pin;

use smtp_proto::connection::Peer;
use smtp_proto::security::ChannelBindings;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;

/// A connected byte stream. Every method has a default, so that
/// `impl smtp_tokio::Stream for MyStream {}` is enough.
pub trait Stream: AsyncRead + AsyncWrite {
    /// Where the peer is, by its address.
    fn peer(&self) -> Peer {
        Peer::Remote
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

    fn local_ip(&self) -> Option<IpAddr> {
        (**self).local_ip()
    }

    fn channel_bindings(&self) -> ChannelBindings {
        (**self).channel_bindings()
    }
}
