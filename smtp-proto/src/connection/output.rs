//! Octets out: what the pipeline has released, and the message body between them.

use super::phase::Phase;
use super::{CommandId, Connection, TranscriptEntry};
use crate::body::BodyPart;
use crate::error::{Error, Misuse};

impl Connection {
    /// The octets to write now. If a [`BodyPart`] is in your hands, it goes first.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        // What the server said before it was asked is judged before anything is asked.
        let unheard = !self.pipeline.front_begun() && !self.parser.is_blank();
        if self.failure.is_some() || unheard { &[] } else { self.pipeline.output() }
    }

    /// Reports that the transport accepted `n` more octets, counted through the body part in your hands, if
    /// any, and then through [`output`](Self::output). Octets count as accepted when the write call took
    /// them, even if they are still in a TLS or kernel buffer.
    ///
    /// # Errors
    /// [`Misuse::AdvancedTooFar`] if that is more than was on offer; nothing is then counted.
    pub fn advance_output(&mut self, n: usize) -> Result<(), Error> {
        if self.failure.is_some() {
            return Err(Error::Poisoned);
        }
        if n == 0 {
            return Ok(());
        }
        let in_body = self.pipeline.body_owed() > 0;
        self.pipeline.advance(n).ok_or(Misuse::AdvancedTooFar)?;
        if in_body {
            self.sequence += 1;
        }
        Ok(())
    }

    /// Encodes the next part of the message body: the slices to write, borrowed from `chunk`.
    ///
    /// A part may cover less than the chunk; [`BodyPart::consumed`] says how much, and the rest is given again.
    /// The part has to be written, in order, before anything that [`output`](Self::output) holds, and every
    /// octet of it reported to [`advance_output`](Self::advance_output).
    ///
    /// # Errors
    /// [`Misuse::NoBody`] if no body is due. [`Error::Body`] if the octets break the body's rules: the message
    /// cannot be completed any more, and the connection is poisoned.
    pub fn body<'c>(&mut self, chunk: &'c [u8]) -> Result<BodyPart<'c>, Error> {
        self.alive()?;
        let Some(body) = self.body.as_mut().filter(|_| self.sending == Phase::Body) else {
            return Err(Misuse::NoBody.into());
        };
        match body.encode(chunk) {
            Ok(part) => {
                self.pipeline.lend_body(part.len() as u64);
                self.trace(TranscriptEntry::Body(part.len()));
                Ok(part)
            }
            Err(fault) => Err(self.fail(Error::Body(fault))),
        }
    }

    /// Ends the body: puts the terminator into [`output`](Self::output). The returned id names the end of the
    /// message, whose reply decides about it. Without a call of [`body`](Self::body) before it, this is the
    /// lone dot that takes back a DATA without recipients (RFC 2920 §3.1).
    ///
    /// # Errors
    /// [`Misuse::NoBody`] if no body is due; [`Misuse::SizeMismatch`] if a declared size was not met, and
    /// [`Error::Body`] if the last line end is stray and stray ones are to be rejected: the connection is then
    /// poisoned, without the terminator.
    pub fn finish_body(&mut self) -> Result<CommandId, Error> {
        self.alive()?;
        let Some(body) = self.body.as_ref().filter(|_| self.sending == Phase::Body) else {
            return Err(Misuse::NoBody.into());
        };
        let supplied = body.octets_in();
        match self.data.and_then(|data| data.size) {
            Some(declared) if declared != supplied => {
                return Err(self.fail(Misuse::SizeMismatch { declared, supplied }.into()));
            }
            _ => {}
        }
        self.end_body()
    }

    /// Takes back a DATA that was answered with 354 though every recipient was refused: sends the lone dot.
    ///
    /// # Errors
    /// [`Misuse::NoBody`] if no body is due or some of it was given already.
    pub fn cancel_body(&mut self) -> Result<CommandId, Error> {
        self.alive()?;
        match &self.body {
            Some(body) if self.sending == Phase::Body && body.octets_in() == 0 => self.end_body(),
            _ => Err(Misuse::NoBody.into()),
        }
    }

    fn end_body(&mut self) -> Result<CommandId, Error> {
        let Some(body) = self.body.take() else { return Err(Misuse::NoBody.into()) };
        let terminator = match body.terminator() {
            Ok(terminator) => terminator,
            Err(fault) => return Err(self.fail(Error::Body(fault))),
        };
        let Some(id) = self.pipeline.end_body(terminator) else { return Err(Misuse::NoBody.into()) };
        self.data = None;
        self.first_long_line = body.first_long_line();
        self.sending = Phase::Ready;
        self.trace(TranscriptEntry::EndOfData);
        Ok(id)
    }
}
