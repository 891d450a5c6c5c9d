//! The stream below TLS, which counts what leaves. tokio-rustls takes octets and makes records of them before it writes
//! any, and when a later record of the same call meets an error it says nothing of those that have left by then.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::Stream;

pub(crate) struct Below<S> {
    stream: Pin<Box<S>>,
    taken: u64,
    /// Why no write succeeds any more.
    broken: Option<io::ErrorKind>,
}

impl<S: Stream> Below<S> {
    pub(crate) fn new(stream: Pin<Box<S>>) -> Self {
        Self { stream, taken: 0, broken: None }
    }

    /// How many octets the stream has taken so far.
    pub(crate) fn taken(&self) -> u64 {
        self.taken
    }

    fn write(
        &mut self,
        mut call: impl FnMut(Pin<&mut S>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Some(kind) = self.broken {
            return Poll::Ready(Err(kind.into()));
        }
        loop {
            let result = call(self.stream.as_mut());
            match &result {
                Poll::Ready(Ok(count)) => self.taken = self.taken.wrapping_add(*count as u64),
                // Told of it, tokio-rustls would break off, and what it has taken would be offered to it again.
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                Poll::Ready(Err(error)) => self.broken = Some(error.kind()),
                Poll::Pending => {}
            }
            return result;
        }
    }
}

impl<S: Stream> AsyncRead for Below<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(cx, buffer)
    }
}

impl<S: Stream> AsyncWrite for Below<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write(cx, octets))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(|stream| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}
