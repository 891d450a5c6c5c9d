//! The message after DATA, as a writer.

use std::io::{self, Write};

use smtp_proto::flow::{Delivery, FinishData};

use crate::clock::Track;
use crate::job::{Single, Source};
use crate::pump::{Progress, Pump};
use crate::{SendError, Stream};

/// Takes a message and sends it as it is written, dot-stuffed. Each write becomes one on the transport: wrap
/// it in a [`BufWriter`](std::io::BufWriter) if yours are small.
///
/// After a failed write, [`finish`](Self::finish) tells what it means for the message. A server that refuses the
/// message before its end is noticed when a write has to wait, or by `finish`.
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

    /// Ends the message and waits for the server's verdict.
    ///
    /// # Errors
    /// [`SendError`] tells whether the message was rejected, certainly not sent, or may have been delivered.
    pub fn finish(mut self) -> Result<Delivery, SendError> {
        let Some(pump) = self.pump.take() else { return Err(poisoned()) };
        let outcome = match pump.drive(&mut Single::new(&mut FinishData::new(), Source::None)) {
            Ok(Progress::Done(delivery)) => Ok(delivery),
            Ok(Progress::UpgradeTls(_)) => Err(poisoned()),
            Err(error) => Err(error),
        };
        if let Some(track) = self.track.take() {
            track.over(outcome.as_ref().map_err(SendError::kind));
        }
        outcome
    }
}

fn poisoned() -> SendError {
    smtp_proto::Error::Poisoned.into()
}

impl<S: Stream> Write for DataWriter<'_, S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let Some(pump) = &mut self.pump else { return Err(io::ErrorKind::NotConnected.into()) };
        pump.watch.tell_time(&mut pump.connection);
        let mut part = pump.connection.body(octets).map_err(io::Error::other)?;
        let consumed = part.consumed();
        pump.write_part(&mut part);
        if let Some(failure) = pump.connection.failure() {
            return Err(io::Error::other(failure.clone()));
        }
        if let Some(track) = &mut self.track {
            track.passed(consumed);
        }
        Ok(consumed)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.pump {
            Some(pump) => pump.flush_body(),
            None => Ok(()),
        }
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
