//! What the adapter asks of a stream beyond `Read` and `Write`, with an answer for those that cannot tell.

use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::time::Duration;

use smtp_proto::connection::Peer;

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

    /// Whether a read would find something at once. A stream that cannot tell says no: an early refusal of a
    /// message is then seen only after its last octet.
    fn has_input(&mut self) -> bool {
        false
    }

    /// Where the peer is, by its address.
    fn peer(&self) -> Peer {
        Peer::Remote
    }

    /// The local address, for the name given in EHLO.
    fn local_ip(&self) -> Option<IpAddr> {
        None
    }
}

impl Stream for TcpStream {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        TcpStream::set_read_timeout(self, Some(timeout))
    }

    fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        TcpStream::set_write_timeout(self, Some(timeout))
    }

    fn has_input(&mut self) -> bool {
        let ready = self.set_nonblocking(true).is_ok() && self.peek(&mut [0]).is_ok();
        self.set_nonblocking(false).is_ok() && ready
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

    fn has_input(&mut self) -> bool {
        (**self).has_input()
    }

    fn peer(&self) -> Peer {
        (**self).peer()
    }

    fn local_ip(&self) -> Option<IpAddr> {
        (**self).local_ip()
    }
}
