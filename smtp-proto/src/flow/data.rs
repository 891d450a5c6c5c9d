//! DATA step by step, for a caller who writes MAIL and RCPT by hand.

use super::exchange::{reply_to, settle};
use super::{Delivery, Flow, SendError, Step};
use crate::command::{Command, DataCommand};
use crate::connection::{CommandId, Connection, Stage};
use crate::error::Error;
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

/// Ends the body and waits for the server's verdict on the message.
#[derive(Debug, Default)]
pub struct FinishData {
    id: Option<CommandId>,
}

impl FinishData {
    /// The flow.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Flow for FinishData {
    type Output = Delivery;
    type Error = SendError;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Delivery>, SendError> {
        let id = match self.id {
            Some(id) => id,
            None => {
                // A failure in the middle of the body says why; that the body cannot be ended now does not.
                if let Some(failure) = connection.failure().cloned() {
                    return Err(SendError::of(failure, false, true));
                }
                *self.id.insert(connection.finish_body()?)
            }
        };
        match reply_to(connection, id) {
            Ok(None) => Ok(Step::Continue),
            Ok(Some((_, reply))) if reply.is_positive_completion() => {
                let first_long_line = connection.first_long_line();
                Ok(Step::Done(Delivery { reply, recipients: alloc::vec::Vec::new(), first_long_line }))
            }
            Ok(Some((_, reply))) => Err(SendError::rejected(Stage::EndOfData, reply)),
            Err(error) => Err(SendError::of(error, connection.is_unanswered(id), true)),
        }
    }
}
