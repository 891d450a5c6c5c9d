//! What the adapter asks of a stream beyond `Read` and `Write`, with an answer for those that cannot tell.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use smtp_proto::connection::Peer;
use smtp_proto::security::ChannelBindings;

/// A connected byte stream. Every method has a default, so that
/// `impl smtp_blocking::Stream for MyStream {}` is enough; without timeouts there are no deadlines.
pub trait Stream: Read + Write {
    /// Bounds how long a read may block; `WouldBlock` or `TimedOut` is then its error.
    ///
    /// # Errors
    /// As the stream has them.
    fn set_read_timeout(&mut self, _timeout: Duration) -> io::Result<()> {
        Ok(())
    }

    /// Bounds how long a write may block.
    ///
    /// # Errors
    /// As the stream has them.
    fn set_write_timeout(&mut self, _timeout: Duration) -> io::Result<()> {
        Ok(())
    }

    /// Reads what is there at once, and never waits: `WouldBlock` if there is nothing. A stream that cannot do
    /// so says `WouldBlock` always, as the default does: what a server says unasked, and an early refusal of a
    /// message, are then seen only with the next reply.
    ///
    /// # Errors
    /// As the stream has them.
    fn try_read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

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
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        TcpStream::set_read_timeout(self, Some(timeout))
    }

    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        TcpStream::set_write_timeout(self, Some(timeout))
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.set_nonblocking(true)?;
        let result = self.read(buffer);
        self.set_nonblocking(false)?;
        result
    }

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
impl Stream for std::os::unix::net::UnixStream {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        std::os::unix::net::UnixStream::set_read_timeout(self, Some(timeout))
    }

    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        std::os::unix::net::UnixStream::set_write_timeout(self, Some(timeout))
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.set_nonblocking(true)?;
        let result = self.read(buffer);
        self.set_nonblocking(false)?;
        result
    }

    fn peer(&self) -> Peer {
        Peer::Local
    }
}

impl<S: Stream + ?Sized> Stream for Box<S> {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        (**self).set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        (**self).set_write_timeout(timeout)
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (**self).try_read(buffer)
    }

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

/// A stream to a server that is somewhere else, whatever the socket says: any that leads through a proxy or a tunnel.
/// The socket of a proxy on this machine has a loopback address at its other end, and by that alone the server would
/// pass for [local](Peer::Local): a password could leave in clear. Nor is the socket's own address given in EHLO, which
/// may be what the proxy hides: [`Config::client_name`](smtp_proto::connection::Config::client_name) says what is.
///
/// Deadlines are those of the stream inside. A proxy crate's own type has none to offer here; take its socket out
/// (`into_inner` is the usual name) once the proxy has connected.
///
/// ```no_run
/// # fn example(proxied: std::net::TcpStream) -> Result<(), smtp_blocking::Error> {
/// use smtp_blocking::{Client, Config, Remote};
///
/// // `proxied` is the socket that the crate which speaks to the proxy has returned.
/// let mut client = Client::new(Remote(proxied), Config::new("mail.example.org"));
/// client.noop()?; // over STARTTLS, as ever
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Remote<S>(pub S);

impl<S: Stream> Stream for Remote<S> {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.0.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.0.set_write_timeout(timeout)
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }

    fn channel_bindings(&self) -> ChannelBindings {
        self.0.channel_bindings()
    }
}

impl<S: Read> Read for Remote<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<S: Write> Write for Remote<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
