//! The stream, in clear or under TLS.

use std::io::{self, IoSlice, Read, Write};

use crate::Stream;

/// What octets go through.
pub(crate) enum Transport<S: Stream> {
    Plain(S),
    #[cfg(feature = "rustls")]
    Tls(Box<rustls::StreamOwned<rustls::ClientConnection, S>>),
    /// Closed, because the connection broke or ended.
    Gone,
}

impl<S: Stream> Transport<S> {
    /// The stream itself, for its timeouts.
    pub(crate) fn stream(&mut self) -> Option<&mut S> {
        match self {
            Transport::Plain(stream) => Some(stream),
            #[cfg(feature = "rustls")]
            Transport::Tls(tls) => Some(&mut tls.sock),
            Transport::Gone => None,
        }
    }

    /// Whether a read would find something at once.
    pub(crate) fn has_input(&mut self) -> bool {
        self.stream().is_some_and(Stream::has_input)
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl<S: Stream> Read for Transport<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => stream.read(buffer),
            #[cfg(feature = "rustls")]
            Transport::Tls(tls) => tls.read(buffer),
            Transport::Gone => Err(gone()),
        }
    }
}

impl<S: Stream> Write for Transport<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => stream.write(octets),
            #[cfg(feature = "rustls")]
            Transport::Tls(tls) => tls.write(octets),
            Transport::Gone => Err(gone()),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => stream.write_vectored(slices),
            #[cfg(feature = "rustls")]
            Transport::Tls(tls) => tls.write_vectored(slices),
            Transport::Gone => Err(gone()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Transport::Plain(stream) => stream.flush(),
            #[cfg(feature = "rustls")]
            Transport::Tls(tls) => tls.flush(),
            Transport::Gone => Ok(()),
        }
    }
}
