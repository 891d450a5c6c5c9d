//! The message after DATA, as a writer.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use smtp_proto::flow::{Delivery, FinishData};
use tokio::io::AsyncWrite;

use crate::clock::Track;
use crate::job::{Single, Source};
use crate::pump::{Progress, Pump};
use crate::{SendError, Stream};

/// Takes a message and sends it as it is written, dot-stuffed. Each write, of up to 64 KiB, becomes
/// one on the transport: wrap it in a [`BufWriter`](tokio::io::BufWriter) if yours are small.
///
/// Only [`finish`](Self::finish) commits the message. A writer that is dropped before closes the connection
/// without the terminator, and the server discards what it got.
#[must_use = "the message is sent only by `finish`"]
pub struct DataWriter<'c, S: Stream> {
    pump: Option<&'c mut Pump<S>>,
    track: Option<Track>,
}

impl<'c, S: Stream> DataWriter<'c, S> {
    pub(crate) fn new(pump: &'c mut Pump<S>) -> Self {
        let track = pump.watch.tracker().begin(0, None, None);
        Self { pump: Some(pump), track: Some(track) }
    }

    /// Takes some octets of the message, and says how many.
    ///
    /// # Errors
    /// The connection's failure; an early refusal by the server is one.
    ///
    /// # Cancel safety
    /// Safe: if the future is dropped, nothing of `octets` was taken.
    pub async fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        poll_fn(|cx| self.poll_octets(cx, octets)).await
    }

    /// Takes the octets, all of them.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    ///
    /// # Cancel safety
    /// If the future is dropped, it is not known how many of `octets` were taken; the message can only be given
    /// up, by dropping the writer.
    pub async fn write_all(&mut self, mut octets: &[u8]) -> io::Result<()> {
        while !octets.is_empty() {
            let taken = self.write(octets).await?;
            octets = octets.get(taken..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the message and waits for the server's verdict.
    ///
    /// # Errors
    /// [`SendError`] tells whether the message was rejected, certainly not sent, or may have been delivered.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection;
    /// [`Client::may_have_been_delivered`](crate::Client::may_have_been_delivered) then tells of the message.
    pub async fn finish(mut self) -> Result<Delivery, SendError> {
        let Some(pump) = self.pump.take() else { return Err(poisoned()) };
        let outcome = match pump.drive(&mut Single::new(&mut FinishData::new(), Source::None)).await {
            Ok(Progress::Done(delivery)) => Ok(delivery),
            Ok(Progress::UpgradeTls(_)) => Err(poisoned()),
            Err(error) => Err(error),
        };
        if let Some(track) = self.track.take() {
            track.over(outcome.as_ref().map_err(SendError::kind));
        }
        outcome
    }

    fn poll_octets(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let Some(pump) = &mut self.pump else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let taken = ready!(pump.poll_body(cx, octets))?;
        if let Some(track) = &mut self.track {
            track.passed(taken);
        }
        Poll::Ready(Ok(taken))
    }
}

fn poisoned() -> SendError {
    smtp_proto::Error::Poisoned.into()
}

/// Shutting the writer down flushes it; it does not end the message.
impl<S: Stream> AsyncWrite for DataWriter<'_, S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().poll_octets(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().pump {
            Some(pump) => pump.poll_body_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl<S: Stream> Drop for DataWriter<'_, S> {
    fn drop(&mut self) {
        if let Some(pump) = &mut self.pump {
            pump.connection.abandon();
            pump.transport = crate::transport::Transport::Gone;
        }
    }
}
