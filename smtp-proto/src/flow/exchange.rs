//! One command and its reply.

use super::{Flow, Step};
use crate::command::Command;
use crate::connection::{CommandId, Connection, Event, Stage};
use crate::error::Error;
use crate::reply::Reply;

/// Sends one command and waits for its reply.
///
/// The command must be one that [`Connection::command`] takes at this point.
#[derive(Debug)]
pub struct Exchange<'a> {
    command: Command<'a>,
    expect: Expect,
    id: Option<CommandId>,
}

/// Which replies an [`Exchange`] takes for its result; others are [`Error::Refused`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// 2yz.
    Success,
    /// Any.
    Anything,
}

impl<'a> Exchange<'a> {
    /// An exchange of `command`.
    #[must_use]
    pub fn new(command: Command<'a>, expect: Expect) -> Self {
        Self { command, expect, id: None }
    }
}

impl Flow for Exchange<'_> {
    type Output = Reply;
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Reply>, Error> {
        let id = match self.id {
            Some(id) => id,
            None => {
                settle(connection)?;
                *self.id.insert(connection.command(self.command)?)
            }
        };
        let Some((stage, reply)) = reply_to(connection, id)? else { return Ok(Step::Continue) };
        match self.expect {
            Expect::Success if !reply.is_positive_completion() => {
                let error = Error::Refused { stage, reply: reply.into() };
                if stage == Stage::Rset {
                    // RFC 5321 §4.1.1.5: a server that cannot reset is in a state nobody knows.
                    connection.abandon();
                }
                Err(error)
            }
            _ => Ok(Step::Done(reply)),
        }
    }
}

/// Hears what the server said while nothing was asked, before anything is asked.
pub(super) fn settle(connection: &mut Connection) -> Result<(), Error> {
    if connection.failure().is_some() {
        return Err(Error::Poisoned);
    }
    hear(connection)
}

/// The same in the middle of a flow, whose failure is then the connection's own.
pub(super) fn hear(connection: &mut Connection) -> Result<(), Error> {
    while connection.poll_event()?.is_some() {}
    Ok(())
}

/// The reply to command `id`, once it is there. A session that ended instead is an error.
pub(super) fn reply_to(connection: &mut Connection, id: CommandId) -> Result<Option<(Stage, Reply)>, Error> {
    while let Some(event) = connection.poll_event()? {
        match event {
            Event::Reply { id: answered, stage, reply } if answered == id => return Ok(Some((stage, reply))),
            Event::Closed => return Err(Error::Poisoned),
            Event::Reply { .. } | Event::Greeting(_) => {}
        }
    }
    Ok(None)
}
