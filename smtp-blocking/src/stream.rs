//! What the adapter asks of a stream beyond `Read` and `Write`, with an answer for those that cannot tell.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
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

    fn local_ip(&self) -> Option<IpAddr> {
        (**self).local_ip()
    }

    fn channel_bindings(&self) -> ChannelBindings {
        (**self).channel_bindings()
    }
}
