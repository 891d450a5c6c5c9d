//! The stream below native-tls. OpenSSL stays in a defined state only as long as nothing but "not now" goes wrong below
//! it, and trusts the counts that it is told; so this layer says "not now" in place of every error, keeps the error for
//! the layer above, and believes no count that cannot be.

use std::io::{self, Read, Write};

use super::ClearText;
use crate::Stream;
use crate::clocked::Clocked;

pub(super) struct Below<S> {
    pub(super) stream: Clocked<S>,
    /// Why no read, and no write, succeeds any more.
    unreadable: Option<io::Error>,
    unwritable: Option<io::Error>,
    /// A call was refused for one of these reasons since the layer above last asked.
    refused: Option<io::Error>,
    /// A flush that the handshake asked for is still to be done.
    unflushed: bool,
    /// Nothing was read yet.
    silent: bool,
    /// Octets went either way since the layer above last asked.
    moved: bool,
}

/// The types of a TLS record, `change_cipher_spec` to `heartbeat`.
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=24;

impl<S: Stream> Below<S> {
    pub(super) fn new(stream: Clocked<S>) -> Self {
        Self {
            stream,
            unreadable: None,
            unwritable: None,
            refused: None,
            unflushed: false,
            silent: true,
            moved: false,
        }
    }

    /// The real reason of a `WouldBlock` that TLS has just told of.
    pub(super) fn refused(&mut self) -> Option<io::Error> {
        self.refused.take()
    }

    pub(super) fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    fn catch_up(&mut self) {
        if self.unflushed {
            self.unflushed = retry(|| self.stream.flush()).is_err();
        }
    }
}

/// Waits on after an interruption: told of it, OpenSSL would give up for ever. The stream's clock ends the wait.
fn retry<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Whether it is worth trying again.
fn is_wait(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Says "not now", and keeps the reason: whole for whoever asks first, its kind for the calls to come.
fn refuse<T>(broken: &mut Option<io::Error>, refused: &mut Option<io::Error>) -> io::Result<T> {
    if let Some(error) = broken {
        let kind = error.kind();
        *refused = Some(std::mem::replace(error, kind.into()));
    }
    Err(io::ErrorKind::WouldBlock.into())
}

impl<S: Stream> Read for Below<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.catch_up();
        if self.unreadable.is_some() {
            return refuse(&mut self.unreadable, &mut self.refused);
        }
        match retry(|| self.stream.read(buffer)) {
            Ok(count) if count <= buffer.len() => {
                if let (true, Some(first)) = (self.silent, buffer.get(..count).and_then(<[u8]>::first)) {
                    self.silent = false;
                    if !RECORD_TYPES.contains(first) {
                        self.unreadable = Some(io::Error::new(io::ErrorKind::InvalidData, ClearText));
                        return refuse(&mut self.unreadable, &mut self.refused);
                    }
                }
                self.moved |= count > 0;
                return Ok(count);
            }
            Ok(_) => self.unreadable = Some(io::Error::other("the stream read more than it was asked for")),
            Err(error) if is_wait(&error) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => self.unreadable = Some(error),
        }
        refuse(&mut self.unreadable, &mut self.refused)
    }
}

impl<S: Stream> Write for Below<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.unwritable.is_some() {
            return refuse(&mut self.unwritable, &mut self.refused);
        }
        match retry(|| self.stream.write(octets)) {
            Ok(0) if !octets.is_empty() => self.unwritable = Some(io::ErrorKind::WriteZero.into()),
            Ok(count) if count <= octets.len() => {
                self.moved |= count > 0;
                return Ok(count);
            }
            Ok(_) => self.unwritable = Some(io::Error::other("the stream took more than it was given")),
            Err(error) if is_wait(&error) => return Err(io::ErrorKind::WouldBlock.into()),
            Err(error) => self.unwritable = Some(error),
        }
        refuse(&mut self.unwritable, &mut self.refused)
    }

    /// OpenSSL takes a flush that has to wait for the end of everything: it is done before the next read.
    fn flush(&mut self) -> io::Result<()> {
        self.unflushed = true;
        self.catch_up();
        Ok(())
    }
}
