//! Octets in, events out: matching each reply to the oldest command in flight, and acting on it.

use alloc::boxed::Box;

use super::outgoing::Outgoing;
use super::phase::{Phase, Verdict, verdict};
use super::{Connection, Event, Stage};
use crate::capabilities::Capabilities;
use crate::error::{Error, ProtocolError};
use crate::reply::{Reply, ReplyRef};

impl Connection {
    /// Takes octets that the transport delivered, in any split. What they mean, and any fault in them, is
    /// told by [`poll_event`](Self::poll_event).
    pub fn receive(&mut self, octets: &[u8]) {
        if octets.is_empty() || self.failure.is_some() || self.receiving == Phase::Closed {
            return;
        }
        if self.receiving == Phase::TlsPending {
            // The same fault whether it came in the segment of the 220 or after it.
            self.fail(self.clear_text_fault());
        } else {
            // An overflow is told by `poll_event`, to which the parser repeats it.
            let _ = self.parser.receive(octets);
            self.tally.received(octets.len());
        }
    }

    /// Says that the transport has ended: end of file, reset, a TLS closure or any other read error. Replies
    /// received before are still delivered. After a *write* has failed, read what the server may have said
    /// before it closed, hand that in, and then call this.
    pub fn receive_eof(&mut self) {
        self.eof = true;
    }

    /// The next thing that happened, or `None` when more input is needed.
    ///
    /// # Errors
    /// The fatal error that ended the connection; every later call repeats it.
    pub fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        if let Some(failure) = &self.failure {
            return Err((**failure).clone());
        }
        let event = self.next_event().map_err(|error| self.fail(error))?;
        if event.is_none() {
            self.release();
        }
        Ok(event)
    }

    fn next_event(&mut self) -> Result<Option<Event>, Error> {
        if self.receiving == Phase::Closed {
            return Ok(None);
        }
        let stage = self.pipeline.front().map(|front| front.stage);
        match self.parser.next_reply() {
            Ok(Some(reply)) => self.answer(reply).map(Some),
            Err(_) if self.is_unasked_before_fault(stage) => Err(self.unasked(stage).into()),
            // Some servers answer QUIT with nothing that parses; it changes nothing any more.
            Err(_) if stage == Some(Stage::Quit) && self.pipeline.front_left() => Ok(Some(self.close())),
            Err(error) => {
                // What has not begun to leave cannot be what the server answers.
                let stage = stage.filter(|_| self.pipeline.front_begun());
                Err(ProtocolError::Reply { stage, error }.into())
            }
            Ok(None) if self.eof => self.ended(stage),
            Ok(None) => self.partial(stage).map(|()| None),
        }
    }

    /// The transport has ended and every complete reply has been delivered.
    fn ended(&mut self, stage: Option<Stage>) -> Result<Option<Event>, Error> {
        // What the server had begun to say before the command began to leave is no answer to it.
        let stage = stage.filter(|_| self.parser.is_blank() || self.pipeline.front_begun());
        if stage == Some(Stage::Quit) {
            return Ok(Some(self.close()));
        }
        let leaving = stage == Some(Stage::Auth) && self.credentials_said && self.pipeline.front_begun();
        let credentials_sent = self.credentials_left || leaving;
        Err(Error::Disconnected { stage, truncated: !self.parser.is_blank(), credentials_sent })
    }

    /// QUIT is as good as answered.
    fn close(&mut self) -> Event {
        self.pipeline.pop();
        self.sending = Phase::Closed;
        self.receiving = Phase::Closed;
        self.pipeline.stop();
        self.parser.discard();
        Event::Closed
    }

    /// Octets that are not yet a reply. Where none is due they are judged at once: waiting for the rest would let
    /// it be taken for a later command's reply.
    fn partial(&self, stage: Option<Stage>) -> Result<(), Error> {
        match self.first_unasked(stage) {
            Some(_) => Err(self.unasked(stage).into()),
            None => Ok(()),
        }
    }

    /// Where no reply is due, the first octet by which what was received is neither 421 nor 221: only these may
    /// come unasked.
    fn first_unasked(&self, stage: Option<Stage>) -> Option<usize> {
        let in_body = matches!(stage, Some(Stage::Bdat | Stage::EndOfData)) && self.pipeline.front_begun();
        if self.parser.is_blank() || self.pipeline.front_left() || in_body {
            return None;
        }
        let unread = self.parser.unread();
        let start = unread.iter().position(|&b| b != b'\r' && b != b'\n')?;
        let begun = unread.get(start..).unwrap_or_default();
        let goodbye = |code: &[u8]| begun.iter().zip(code).take_while(|(a, b)| a == b).count();
        let same = goodbye(b"421").max(goodbye(b"221"));
        (same < begun.len().min(3)).then_some(start.saturating_add(same))
    }

    /// Whether octets that cannot be read were unasked for before they were malformed: that is then what is wrong
    /// with them, as it is when they come one by one.
    fn is_unasked_before_fault(&self, stage: Option<Stage>) -> bool {
        self.first_unasked(stage).is_some_and(|at| {
            let until = self.parser.unread().get(..=at).unwrap_or_default();
            ReplyRef::parse(until, &self.config.limits).is_ok()
        })
    }

    /// What a reply is that came before its time: too early for a command that is being written, or for none.
    fn unasked(&self, stage: Option<Stage>) -> ProtocolError {
        match stage {
            Some(stage) if self.pipeline.front_begun() => ProtocolError::Premature(stage),
            _ => ProtocolError::Surplus,
        }
    }

    /// Matches a reply to the oldest command in flight.
    fn answer(&mut self, reply: Reply) -> Result<Event, Error> {
        let answered = self.pipeline.front().filter(|_| self.pipeline.front_begun());
        self.trace_reply(&reply, answered.map(|front| front.stage));
        self.tally.reply(reply.code().get());
        let Some(front) = self.pipeline.front().filter(|_| self.pipeline.front_left()) else {
            return Err(self.too_early(reply));
        };
        let stage = front.stage;
        let verdict = verdict(stage, &reply);
        match verdict {
            Verdict::Closing => {
                return Err(Error::ServerClosed { stage: Some(stage), reply: Box::new(reply) });
            }
            Verdict::Fatal => return Err(Error::Refused { stage, reply: Box::new(reply) }),
            Verdict::Unexpected => {
                return Err(ProtocolError::UnexpectedReply { stage, reply: Box::new(reply) }.into());
            }
            // Not to know BDAT, or to take no mail, is said without reading the chunk: its octets may be taken for
            // commands, and nobody knows what they do.
            Verdict::Refused if front.chunk && matches!(reply.code().get(), 500 | 502 | 530) => {
                return Err(Error::Refused { stage, reply: Box::new(reply) });
            }
            Verdict::Done | Verdict::GoOn | Verdict::Refused => {}
        }
        let id = front.id;
        self.end_wait();
        if !self.is_final(stage) {
            return Ok(Event::Reply { id, stage, reply });
        }
        self.pipeline.pop();
        self.receiving = self.receiving.answer(stage, verdict);
        self.take_effect(stage, verdict, &reply)?;
        // Under BDAT a body is due though nothing is in flight.
        if self.pipeline.is_empty() && self.sending != Phase::Body {
            self.sending = self.receiving;
        }
        Ok(match stage {
            Stage::Greeting => Event::Greeting(reply),
            _ => Event::Reply { id, stage, reply },
        })
    }

    /// What a reply is that answers no command that has left whole. A goodbye may come at any time, and a refusal of a
    /// message while it is being said: what is left of it has no reader (RFC 5321 §4.2.5).
    fn too_early(&self, reply: Reply) -> Error {
        let front = self.pipeline.front().map(|front| front.stage);
        let body = front.filter(|stage| matches!(stage, Stage::Bdat | Stage::EndOfData));
        let reply = Box::new(reply);
        match (reply.code().get(), body.filter(|_| self.pipeline.front_begun())) {
            (421 | 221, stage) => Error::ServerClosed { stage, reply },
            (400.., Some(stage)) => Error::Refused { stage, reply },
            _ => self.unasked(front).into(),
        }
    }

    /// Whether the reply just taken is all that answers the front. In LMTP the end of a message is answered once
    /// for each recipient that was accepted (RFC 2033 §4.2), or once if there was none.
    fn is_final(&mut self, stage: Stage) -> bool {
        if stage != Stage::EndOfData || !self.config.is_lmtp() {
            return true;
        }
        self.finals = self.finals.saturating_add(1);
        if self.finals < self.accepted {
            return false;
        }
        self.finals = 0;
        true
    }

    /// What a verdict changes besides the cursors.
    fn take_effect(&mut self, stage: Stage, verdict: Verdict, reply: &Reply) -> Result<(), Error> {
        match (stage, verdict) {
            (Stage::Ehlo | Stage::Lhlo, Verdict::Done) => {
                self.capabilities = Capabilities::parse(reply.lines());
                self.config.quirks.apply(&mut self.capabilities);
            }
            (Stage::StartTls, Verdict::Done) => {
                // RFC 3207 §4.2, §6: the server may say nothing more in clear; discarding it would hide an attack.
                if !self.parser.unread().is_empty() {
                    return Err(ProtocolError::StartTlsResidue.into());
                }
                self.capabilities = Capabilities::default();
            }
            (Stage::XClient, Verdict::Done) => {
                // The server has forgotten EHLO and AUTH, as on a new connection.
                self.forget_session();
            }
            (Stage::Auth, Verdict::GoOn) => self.credentials_left |= self.credentials_said,
            (Stage::Auth, verdict) => {
                self.credentials_left = false;
                self.tally.authentication(verdict == Verdict::Done);
                if verdict == Verdict::Done {
                    self.authenticated = true;
                    self.takes_mail = false;
                }
            }
            (Stage::Mail, _) => self.accepted = 0,
            (Stage::Rcpt, Verdict::Done) => {
                self.tally.recipient(true);
                self.accepted = self.accepted.saturating_add(1);
                self.takes_mail = true;
            }
            (Stage::Rcpt, _) => self.tally.recipient(false),
            (Stage::Data, Verdict::GoOn) => {
                let end = self.pipeline.begin_body();
                self.outgoing = self.data.map(|data| Box::new(Outgoing::after_data(data, end)));
                self.sending = Phase::Body;
            }
            _ => {}
        }
        Ok(())
    }
}
