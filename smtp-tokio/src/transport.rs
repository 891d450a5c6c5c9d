//! The stream, in clear or under TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use smtp_proto::security::ChannelBindings;
use tokio::io::ReadBuf;

use crate::Stream;

/// What octets go through. The stream is boxed because it may be one that must not move.
pub(crate) enum Transport<S: Stream> {
    Plain(Pin<Box<S>>),
    #[cfg(feature = "__tls")]
    Tls(crate::tls::Tls<S>),
    /// Closed, because the connection broke or ended.
    Gone,
}

fn gone() -> io::Error {
    io::ErrorKind::NotConnected.into()
}

impl<S: Stream> Transport<S> {
    /// What names the TLS channel, as far as it is known.
    pub(crate) fn channel_bindings(&self) -> ChannelBindings {
        match self {
            Transport::Plain(stream) => stream.channel_bindings(),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.channel_bindings(),
            Transport::Gone => ChannelBindings::new(),
        }
    }

    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(stream) => stream.as_mut().poll_read(cx, buffer),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.poll_read(cx, buffer),
            Transport::Gone => Poll::Ready(Err(gone())),
        }
    }

    pub(crate) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self {
            Transport::Plain(stream) => stream.as_mut().poll_write_vectored(cx, slices),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.poll_write_vectored(cx, slices),
            Transport::Gone => Poll::Ready(Err(gone())),
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(stream) => stream.as_mut().poll_flush(cx),
            #[cfg(feature = "__tls")]
            Transport::Tls(tls) => tls.poll_flush(cx),
            Transport::Gone => Poll::Ready(Ok(())),
        }
    }
}
