//! DATA step by step, for a caller who writes MAIL and RCPT by hand.

use alloc::vec::Vec;

use super::exchange::{reply_to, settle};
use super::outcome::{self, RecipientOutcome};
use super::texts::Texts;
use super::{Delivery, Flow, SendError, Step};
use crate::command::{Command, DataCommand};
use crate::connection::{CommandId, Connection, Outcomes};
use crate::error::{Error, Misuse};
use crate::reply::Reply;

/// Says DATA and waits for 354; then the body is due.
#[derive(Debug)]
pub struct BeginData {
    data: DataCommand,
    id: Option<CommandId>,
}

impl BeginData {
    /// The flow, with what the body will have to obey.
    #[must_use]
    pub fn new(data: DataCommand) -> Self {
        Self { data, id: None }
    }
}

impl Flow for BeginData {
    type Output = Reply;
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Reply>, Error> {
        let id = match self.id {
            Some(id) => id,
            None => {
                settle(connection)?;
                *self.id.insert(connection.command(Command::Data(self.data))?)
            }
        };
        let Some((stage, reply)) = reply_to(connection, id)? else { return Ok(Step::Continue) };
        if connection.wants_body() {
            Ok(Step::Done(reply))
        } else {
            Err(Error::Refused { stage, reply: reply.into() })
        }
    }
}

/// Ends the body and waits for the server's verdict on the message; in LMTP, for one on each recipient that was
/// accepted (RFC 2033 §4.2), which are then the [`Delivery::recipients`] in the order of their RCPT.
#[derive(Debug, Default)]
pub struct FinishData {
    id: Option<CommandId>,
    /// The replies to the end of the message.
    finals: Vec<Reply>,
    texts: Texts,
}

impl FinishData {
    /// The flow.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The whole verdict is there.
    fn judged(&mut self, connection: &Connection) -> Result<Delivery, SendError> {
        let recipients = self.recipients(connection);
        match self.finals.iter().find(|reply| reply.is_positive_completion()) {
            Some(reply) => {
                let first_long_line = connection.first_long_line();
                Ok(Delivery { reply: reply.clone(), recipients, first_long_line })
            }
            None => Err(SendError::refused(&self.finals).with_recipients(recipients)),
        }
    }

    fn broken(&mut self, error: Error, connection: &Connection) -> Result<Delivery, SendError> {
        let unanswered = self.id.is_some_and(|id| connection.is_unanswered(id));
        // A message before it, of which the caller did not await the end, may be what was answered.
        let mut judged = self.id.is_none_or(|id| connection.is_oldest_message(id));
        if connection.config().is_lmtp() && unanswered && judged {
            self.finals.extend(error.verdict().cloned());
            judged = self.finals.len() >= connection.accepted_recipients();
            if judged && self.finals.iter().any(Reply::is_positive_completion) {
                return self.judged(connection);
            }
        }
        let recipients = if unanswered { self.recipients(connection) } else { Vec::new() };
        Err(SendError::of(error, unanswered, judged).with_recipients(recipients))
    }

    fn recipients(&self, connection: &Connection) -> Vec<RecipientOutcome> {
        if !connection.config().is_lmtp() {
            return Vec::new();
        }
        let due = connection.accepted_recipients();
        (0..due).map(|at| RecipientOutcome::judged(self.finals.get(at).cloned())).collect()
    }
}

impl Flow for FinishData {
    type Output = Delivery;
    type Error = SendError;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Delivery>, SendError> {
        let Some(outcome) = self.verdict(connection).transpose() else { return Ok(Step::Continue) };
        let mut counted = Outcomes::default();
        counted.add(outcome::kind(&outcome));
        connection.count_outcomes(counted);
        outcome.map(Step::Done)
    }
}

impl FinishData {
    /// What became of the message, once that is known.
    fn verdict(&mut self, connection: &mut Connection) -> Result<Option<Delivery>, SendError> {
        let id = match self.id {
            Some(id) => id,
            None => {
                // A failure in the middle of the body says why; that the body cannot be ended now does not.
                if let Some(failure) = connection.failure().cloned() {
                    let own = connection.body_id().is_none_or(|end| connection.is_oldest_message(end));
                    return Err(SendError::of(failure, false, own));
                }
                let id = connection.finish_body()?;
                if !connection.is_outstanding(id) {
                    // The last chunk was answered before, and somebody else has heard what.
                    return Err(SendError::Unknown { cause: Misuse::NoBody.into(), recipients: Vec::new() });
                }
                *self.id.insert(id)
            }
        };
        loop {
            match reply_to(connection, id) {
                Ok(None) => return Ok(None),
                Ok(Some((_, reply))) => {
                    self.finals.push(self.texts.keep(reply, connection));
                    if !connection.is_outstanding(id) {
                        return self.judged(connection).map(Some);
                    }
                }
                Err(error) => return self.broken(error, connection).map(Some),
            }
        }
    }
}
