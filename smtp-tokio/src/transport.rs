//! The stream, in clear or under TLS.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use smtp_proto::security::ChannelBindings;
use tokio::io::ReadBuf;
#[cfg(feature = "rustls")]
use tokio::io::{AsyncRead as _, AsyncWrite as _};

use crate::Stream;
#[cfg(feature = "rustls")]
use crate::below::Below;

/// The most octets that rustls takes in one call.
#[cfg(feature = "rustls")]
pub(crate) const TAKEN_AT_ONCE: usize = 64 * 1024;

/// What octets go through. The stream is boxed because it may be one that must not move.
pub(crate) enum Transport<S: Stream> {
    Plain(Pin<Box<S>>),
    #[cfg(feature = "rustls")]
    Tls(Box<tokio_rustls::client::TlsStream<Below<S>>>),
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
            #[cfg(feature = "rustls")]
            Transport::Tls(tls) => crate::tls::channel_bindings(tls.get_ref().1),
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
            #[cfg(feature = "rustls")]
            Transport::Tls(tls) => Pin::new(tls).poll_read(cx, buffer),
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
            #[cfg(feature = "rustls")]
            Transport::Tls(tls) => {
                let before = tls.get_ref().0.taken();
                match Pin::new(&mut *tls).poll_write_vectored(cx, slices) {
                    // Octets of this write may be in the records that have left: all count that TLS may have taken. The
                    // next call meets the error again.
                    Poll::Ready(Err(_)) if tls.get_ref().0.taken() != before => {
                        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
                        Poll::Ready(Ok(offered.min(TAKEN_AT_ONCE)))
                    }
                    result => result,
                }
            }
            Transport::Gone => Poll::Ready(Err(gone())),
        }
    }

    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Transport::Plain(stream) => stream.as_mut().poll_flush(cx),
            #[cfg(feature = "rustls")]
            Transport::Tls(tls) => Pin::new(tls).poll_flush(cx),
            Transport::Gone => Poll::Ready(Ok(())),
        }
    }
}
