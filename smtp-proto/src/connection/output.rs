//! Octets out: what the pipeline has released, and the message body between them.

use alloc::boxed::Box;
use core::num::NonZeroU64;

use super::outgoing::{Announcement, Ending, Outgoing};
use super::phase::Phase;
use super::{CommandId, Connection, TranscriptLine};
use crate::body::BodyPart;
use crate::error::{Error, Misuse};

/// Most octets of a message that are copied at once.
const PIECE: usize = 16 * 1024;

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
    /// Settle writes that are under way before [`handle_timeout`](Self::handle_timeout) or
    /// [`abandon`](Self::abandon): what left is not counted after that, and decides whether a message may have
    /// been delivered.
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
        let in_body = self.awaits_own_octets();
        self.pipeline.advance(n).ok_or(Misuse::AdvancedTooFar)?;
        if in_body {
            self.end_wait();
        }
        Ok(())
    }

    /// Encodes the next part of the message body: the slices to write, borrowed from `chunk`.
    ///
    /// A part may cover less than the chunk; [`BodyPart::consumed`] says how much, and the rest is given again.
    /// The part has to be written, in order, before anything that [`output`](Self::output) holds, and every
    /// octet of it reported to [`advance_output`](Self::advance_output).
    ///
    /// Under `BDAT` the chunk, up to [`Window::chunk_octets`](super::Window::chunk_octets) of it, is announced by
    /// a command line of its own, and the part begins with that and with what was queued before it; of a chunk
    /// once announced all octets have to be given.
    ///
    /// # Errors
    /// [`Misuse::NoBody`] if no body is due. [`Error::Body`] if the octets break the body's rules, and
    /// [`Misuse::SizeMismatch`] if they are more than was declared: the message cannot be completed any more.
    /// After DATA the connection is poisoned; between two chunks the message is only taken back, and RSET ends
    /// the transaction.
    pub fn body<'c>(&mut self, chunk: &'c [u8]) -> Result<BodyPart<'c>, Error> {
        self.alive()?;
        if !self.wants_body() {
            return Err(Misuse::NoBody.into());
        }
        self.next_part(chunk).map_err(|error| self.body_failed(error))
    }

    /// Says that the rest of the body cannot be supplied. Under BDAT the message is taken back, and the flow
    /// goes on with RSET; after DATA nothing but the end of the connection takes it back (RFC 5321 §4.1.1.4).
    pub fn fail_body(&mut self) {
        if self.sending == Phase::Body {
            self.body_failed(Error::BodySource);
        }
    }

    fn body_failed(&mut self, error: Error) -> Error {
        let between = self.outgoing.as_deref().is_some_and(Outgoing::is_between_chunks);
        if self.failure.is_some() || !between || self.cancel_body().is_err() {
            return self.fail(error);
        }
        self.body_error = Some(Box::new(error.clone()));
        error
    }

    fn next_part<'c>(&mut self, chunk: &'c [u8]) -> Result<BodyPart<'c>, Error> {
        let Some(outgoing) = &mut self.outgoing else { return Err(Misuse::NoBody.into()) };
        let mut announced = None;
        if outgoing.is_between_chunks() && !chunk.is_empty() {
            let octets = chunk.get(..self.config.window.chunk_octets.max(1)).unwrap_or(chunk);
            announced = outgoing.announce(octets)?;
        }
        let (announcement, whole) = announced.unzip();
        let mut part = match whole.flatten() {
            Some(part) => part,
            None => outgoing.encode(chunk)?,
        };
        let complete = outgoing.is_complete().then(|| outgoing.end());
        let octets = part.len();
        if let Some(announcement) = announcement {
            self.announce(&announcement);
            let head = self.pipeline.take_head();
            part.lead_with(head);
        }
        self.pipeline.lend(part.len() as u64);
        self.trace(TranscriptLine::Body(octets));
        if complete.is_some() {
            // The server may answer the last chunk before the caller has seen that there is no more to come.
            self.body_over(Phase::Ready);
            self.completed = complete;
        }
        Ok(part)
    }

    /// Supplies the body of a message that is in memory, a piece at each call: what
    /// [`Step::SupplyBody`](crate::flow::Step::SupplyBody) asks for, in one line. Copies the next octets of `message`,
    /// from `at` on and up to 16 KiB (or [`Window::chunk_octets`](super::Window::chunk_octets), if that is less), into
    /// [`output`](Self::output), and moves `at` behind them. After the last it ends
    /// the body, and sets `at` back to 0: should the message be asked for again, for another mail transaction, it is at
    /// hand. A caller who wants no copy takes [`body`](Self::body).
    ///
    /// Does nothing if no body is [wanted](Self::wants_body). What is wrong with the octets, the flow tells.
    pub fn supply_body(&mut self, message: &[u8], at: &mut usize) {
        if !self.wants_body() {
            return;
        }
        let piece = PIECE.min(self.config.window.chunk_octets.max(1));
        let until = at.saturating_add(piece).min(message.len());
        while let Some(rest @ [_, ..]) = message.get(*at..until).filter(|_| self.takes_body()) {
            match self.next_part(rest) {
                Ok(part) => {
                    *at = at.saturating_add(part.consumed());
                    self.pipeline.keep(&part);
                }
                Err(error) => {
                    self.body_failed(error);
                    return;
                }
            }
        }
        if *at >= message.len() && self.finish_body().is_ok() {
            *at = 0;
        }
    }

    fn announce(&mut self, announcement: &Announcement) -> CommandId {
        let Announcement { stage, end, line, octets } = announcement;
        let id = end.unwrap_or_else(|| self.pipeline.new_id());
        self.pipeline.push_chunk(id, *stage, line.as_slice(), *octets);
        self.tally.command();
        let line = line.as_slice();
        self.trace(TranscriptLine::Client(line.strip_suffix(b"\r\n").unwrap_or(line)));
        id
    }

    /// Ends the body: puts the terminator, or the last chunk, into [`output`](Self::output). A body in chunks
    /// whose declared size has been supplied has ended already, and nothing is added. The returned id names the
    /// end of the message, whose reply decides about it. After DATA, and without a call of [`body`](Self::body) before it, this is the lone dot that takes back a
    /// DATA without recipients (RFC 2920 §3.1).
    ///
    /// # Errors
    /// [`Misuse::NoBody`] if no body is due; [`Misuse::SizeMismatch`] if a declared size was not met, and
    /// [`Error::Body`] if the last line end is stray and stray ones are to be rejected: as for
    /// [`body`](Self::body), and without the terminator.
    pub fn finish_body(&mut self) -> Result<CommandId, Error> {
        self.alive()?;
        if let Some(id) = self.completed {
            return Ok(id);
        }
        let wanted = self.takes_body();
        let ending = match self.outgoing.as_mut() {
            Some(outgoing) if wanted => outgoing.finish(),
            _ => return Err(Misuse::NoBody.into()),
        };
        let ending = ending.map_err(|error| self.body_failed(error))?;
        let id = match ending {
            Ending::Dot(terminator) => self.end_with_dot(terminator)?,
            Ending::Chunk(announcement, tail) => {
                let id = self.announce(&announcement);
                self.pipeline.append(tail);
                id
            }
        };
        self.body_over(Phase::Ready);
        Ok(id)
    }

    /// Takes the message back before anything of it was given: after DATA that was answered with 354 though every
    /// recipient was refused it sends the lone dot. Under BDAT it may be called between any two chunks but not
    /// after the last, and sends nothing: the transaction stays open, and RSET ends it. Nothing else may be added to it if a
    /// chunk had been given.
    ///
    /// # Errors
    /// [`Misuse::NoBody`] if no body is due or it is too late.
    pub fn cancel_body(&mut self) -> Result<(), Error> {
        self.alive()?;
        let outgoing = self.outgoing.as_ref().filter(|outgoing| outgoing.can_be_cancelled());
        let Some(outgoing) = outgoing.filter(|_| self.sending == Phase::Body) else {
            return Err(Misuse::NoBody.into());
        };
        self.taken_back = outgoing.has_begun();
        match outgoing.cancel() {
            Some(lone_dot) => {
                self.end_with_dot(lone_dot)?;
                self.body_over(Phase::Ready);
            }
            None => {
                let idle = self.pipeline.is_empty();
                self.body_over(if idle { self.receiving } else { Phase::Transaction { recipient: true } });
            }
        }
        Ok(())
    }

    fn end_with_dot(&mut self, terminator: &[u8]) -> Result<CommandId, Error> {
        let Some(id) = self.body_id() else { return Err(Misuse::NoBody.into()) };
        self.pipeline.end_body(terminator);
        self.trace(TranscriptLine::EndOfData);
        Ok(id)
    }

    fn body_over(&mut self, next: Phase) {
        if let Some(outgoing) = self.outgoing.take() {
            self.first_long_line = outgoing.first_long_line().and_then(NonZeroU64::new);
        }
        self.data = None;
        self.sending = next;
    }
}
