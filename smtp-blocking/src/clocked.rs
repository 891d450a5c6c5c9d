//! A stream and the moment until which it may be waited for.

use std::io::{self, IoSlice, Read, Write};
use std::time::Duration;
#[cfg(feature = "__tls")]
use std::time::Instant;

use crate::Stream;

/// A stream that is waited for until a moment, and not for so long at each call: a TLS record takes many reads,
/// and a server that sends one octet at a time must not get the whole time for each of them.
pub(crate) struct Clocked<S> {
    pub(crate) stream: S,
    wait: Wait,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

/// How long a call may wait.
#[derive(Clone, Copy)]
pub(crate) enum Wait {
    /// Not at all.
    #[cfg(feature = "__tls")]
    Never,
    /// For one slice of time in a single call.
    Slice(Duration),
    /// Until this moment, in however many calls; the slice is the longest that one of them lasts.
    #[cfg(feature = "__tls")]
    Until(Instant, Duration),
}

/// Socket timeouts are set only when they change, so that a reply costs one system call and not two.
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(feature = "__tls")]
/// What the time that is left may lack of the slice and still count as all of it.
const GRACE: Duration = Duration::from_millis(20);

impl<S: Stream> Clocked<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, wait: Wait::Slice(SHORTEST), read_timeout: None, write_timeout: None }
    }

    pub(crate) fn set_wait(&mut self, wait: Wait) {
        self.wait = wait;
    }

    /// The time for the next call; `WouldBlock` once there is none left.
    fn slice(&self) -> io::Result<Duration> {
        match self.wait {
            #[cfg(feature = "__tls")]
            Wait::Never => Err(io::ErrorKind::WouldBlock.into()),
            Wait::Slice(slice) => Ok(slice.max(SHORTEST)),
            #[cfg(feature = "__tls")]
            Wait::Until(moment, slice) => {
                let left = moment.saturating_duration_since(Instant::now());
                match left.is_zero() {
                    true => Err(io::ErrorKind::WouldBlock.into()),
                    // The first call of several gets the whole slice, so that its timeout need not be set anew.
                    false if left.saturating_add(GRACE) >= slice => Ok(slice.max(SHORTEST)),
                    false => Ok(left.max(SHORTEST)),
                }
            }
        }
    }

    fn before_write(&mut self) -> io::Result<()> {
        let slice = self.slice()?;
        if self.write_timeout != Some(slice) {
            self.stream.set_write_timeout(slice)?;
            self.write_timeout = Some(slice);
        }
        Ok(())
    }
}

impl<S: Stream> Read for Clocked<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        #[cfg(feature = "__tls")]
        if let Wait::Never = self.wait {
            return self.stream.try_read(buffer);
        }
        let slice = self.slice()?;
        if self.read_timeout != Some(slice) {
            self.stream.set_read_timeout(slice)?;
            self.read_timeout = Some(slice);
        }
        self.stream.read(buffer)
    }
}

impl<S: Stream> Write for Clocked<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.before_write()?;
        self.stream.write(octets)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.before_write()?;
        self.stream.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
