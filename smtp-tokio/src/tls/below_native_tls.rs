//! The stream below native-tls. OpenSSL stays in a defined state only as long as nothing but "not now" goes wrong below
//! it, and trusts the counts that it is told; so once the handshake is done this layer says "not now" in place of every
//! error, keeps the error for the layer above, and believes no count that cannot be.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Stream;

pub(super) struct Below<S> {
    stream: Pin<Box<S>>,
    /// Why no read, and no write, succeeds any more.
    unreadable: Option<io::Error>,
    unwritable: Option<io::Error>,
    /// A call was refused for one of these reasons since the layer above last asked.
    refused: Option<io::Error>,
    /// The handshake is done, and so is whoever would be told of errors.
    established: bool,
    /// A flush that the handshake asked for is still to be done.
    unflushed: bool,
    /// Nothing was read yet.
    silent: bool,
    clear_text: Arc<AtomicBool>,
}

/// The types of a TLS record, `change_cipher_spec` to `heartbeat`.
const RECORD_TYPES: std::ops::RangeInclusive<u8> = 20..=24;

impl<S: Stream> Below<S> {
    /// `clear_text` becomes true if the peer's first octet begins no TLS record.
    pub(super) fn new(stream: Pin<Box<S>>, clear_text: Arc<AtomicBool>) -> Self {
        Self {
            stream,
            unreadable: None,
            unwritable: None,
            refused: None,
            established: false,
            unflushed: false,
            silent: true,
            clear_text,
        }
    }

    pub(super) fn set_established(&mut self) {
        self.established = true;
    }

    /// The real reason of a wait that TLS has just told of: nothing would end it.
    pub(super) fn refused(&mut self) -> Option<io::Error> {
        self.refused.take()
    }

    fn refuse<T>(&mut self, broken: fn(&mut Self) -> &mut Option<io::Error>) -> Poll<io::Result<T>> {
        let Some(error) = broken(self) else { return Poll::Pending };
        // Whole for whoever asks first, its kind for the calls to come.
        let kind = error.kind();
        let error = std::mem::replace(error, kind.into());
        if !self.established {
            return Poll::Ready(Err(error));
        }
        self.refused = Some(error);
        Poll::Pending
    }

    fn write_with(
        &mut self,
        length: usize,
        mut call: impl FnMut(Pin<&mut S>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if self.unwritable.is_some() {
            return self.refuse(|below| &mut below.unwritable);
        }
        match ready!(retry(|| call(self.stream.as_mut()))) {
            Ok(0) if length != 0 => self.unwritable = Some(io::ErrorKind::WriteZero.into()),
            Ok(count) if count <= length => return Poll::Ready(Ok(count)),
            Ok(_) => self.unwritable = Some(io::Error::other("the stream took more than it was given")),
            Err(error) => self.unwritable = Some(not_a_wait(error)),
        }
        self.refuse(|below| &mut below.unwritable)
    }
}

/// Goes on after an interruption: told of it, OpenSSL would give up for ever.
fn retry<T>(mut call: impl FnMut() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    loop {
        match call() {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// What is an error to tokio must not look like a wait to TLS: nobody would be woken.
fn not_a_wait(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => {
            io::Error::new(io::ErrorKind::BrokenPipe, error)
        }
        _ => error,
    }
}

impl<S: Stream> AsyncRead for Below<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let below = &mut *self;
        if below.unflushed {
            below.unflushed = below.stream.as_mut().poll_flush(cx).is_pending();
        }
        if below.unreadable.is_some() {
            return below.refuse(|below| &mut below.unreadable);
        }
        let before = buffer.filled().len();
        match ready!(retry(|| below.stream.as_mut().poll_read(cx, buffer))) {
            Ok(()) => {
                if let (true, Some(first)) = (below.silent, buffer.filled().get(before)) {
                    below.silent = false;
                    if !RECORD_TYPES.contains(first) {
                        below.clear_text.store(true, Ordering::Relaxed);
                        let says = "the server does not answer in TLS";
                        below.unreadable = Some(io::Error::new(io::ErrorKind::InvalidData, says));
                        return below.refuse(|below| &mut below.unreadable);
                    }
                }
                return Poll::Ready(Ok(()));
            }
            Err(error) => below.unreadable = Some(not_a_wait(error)),
        }
        below.refuse(|below| &mut below.unreadable)
    }
}

impl<S: Stream> AsyncWrite for Below<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.write_with(octets.len(), |stream| stream.poll_write(cx, octets))
    }

    /// In the handshake, OpenSSL takes a flush that has to wait for the end of everything: it is done before the next
    /// read.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let below = &mut *self;
        let flushed = below.stream.as_mut().poll_flush(cx);
        if below.established {
            return flushed;
        }
        below.unflushed = flushed.is_pending();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}
