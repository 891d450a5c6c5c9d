//! The stream, in clear or under TLS.

use std::io::{self, IoSlice, Read, Write};
use std::time::Duration;
#[cfg(feature = "__tls")]
use std::time::Instant;

use smtp_proto::security::ChannelBindings;

use crate::Stream;
use crate::clocked::{Clocked, Wait};

/// What octets go through.
pub(crate) enum Transport<S: Stream> {
    Plain(Clocked<S>),
    #[cfg(feature = "__tls")]
    Tls(crate::tls::Tls<S>),
    /// Closed, because the connection broke or ended.
    Gone,
}

impl<S: Stream> Transport<S> {
    pub(crate) fn new(stream: S) -> Self {
        Transport::Plain(Clocked::new(stream))
    }

    /// The bare stream, if there is one.
    pub(crate) fn into_stream(self) -> Option<S> {
        match self {
            Transport::Plain(clocked) => Some(clocked.stream),
            #[cfg(feature = "__tls")]
            Transport::Tls(_) => None,
            Transport::Gone => None,
        }
    }

    /// What names the TLS channel, as far as it is known.
    pub(crate) fn channel_bindings(&self) -> ChannelBindings {
        match self {
            Transport::Plain(clocked) => clocked.stream.channel_bindings(),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.channel_bindings(),
            Transport::Gone => ChannelBindings::new(),
        }
    }

    /// How long the next calls may wait.
    pub(crate) fn set_wait(&mut self, wait: Wait) {
        match self {
            Transport::Plain(clocked) => clocked.set_wait(wait),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.set_wait(wait),
            Transport::Gone => {}
        }
    }

    /// In clear a call is one call of the stream; under TLS it may be many, and they share the time.
    pub(crate) fn wait_for(&mut self, slice: Duration) {
        let wait = match self {
            #[cfg(feature = "__tls")]
            Transport::Tls(_) => match Instant::now().checked_add(slice) {
                Some(moment) => Wait::Until(moment, slice),
                None => Wait::Slice(slice),
            },
            Transport::Plain(_) | Transport::Gone => Wait::Slice(slice),
        };
        self.set_wait(wait);
    }

    /// Whether TLS keeps octets that it has taken, because the stream did not take them.
    pub(crate) fn is_backed_up(&self) -> bool {
        match self {
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.is_backed_up(),
            Transport::Plain(_) | Transport::Gone => false,
        }
    }

    /// Reads what is there at once, and never waits.
    pub(crate) fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(clocked) => clocked.stream.try_read(buffer),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => {
                tls.set_wait(Wait::Never);
                tls.read_past_writes(buffer)
            }
            Transport::Gone => Err(gone()),
        }
    }

    /// Reads, while a write may be stuck: under TLS an ordinary read would first wait for that.
    pub(crate) fn read_past_writes(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.read_past_writes(buffer),
            Transport::Plain(_) | Transport::Gone => self.read(buffer),
        }
    }
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl<S: Stream> Read for Transport<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => stream.read(buffer),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.read(buffer),
            Transport::Gone => Err(gone()),
        }
    }
}

impl<S: Stream> Write for Transport<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => stream.write(octets),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.write_vectored(&[IoSlice::new(octets)]),
            Transport::Gone => Err(gone()),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Transport::Plain(stream) => stream.write_vectored(slices),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.write_vectored(slices),
            Transport::Gone => Err(gone()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Transport::Plain(stream) => stream.flush(),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.flush(),
            Transport::Gone => Ok(()),
        }
    }
}
