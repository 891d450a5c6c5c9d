//! XCLIENT, and the EHLO that has to follow it (Postfix, XCLIENT_README).

use alloc::boxed::Box;

use super::exchange::{reply_to, settle};
use super::{Flow, Open, Step};
use crate::command::Command;
use crate::connection::{CommandId, Connection};
use crate::error::Error;
use crate::params;
use crate::reply::Reply;

/// Says whom this client speaks for, and EHLO again, because the server takes the session for a new one.
///
/// It ends with the reply to XCLIENT, once the session takes commands again. TLS stays; without it, the policy is
/// asked again, as [`Open`] does. Refused, the session goes on as it was.
#[derive(Debug)]
pub struct XClient<'a> {
    client: &'a params::XClient,
    sent: Option<CommandId>,
    accepted: Option<Reply>,
    open: Open,
}

impl<'a> XClient<'a> {
    /// The flow.
    #[must_use]
    pub fn new(client: &'a params::XClient) -> Self {
        Self { client, sent: None, accepted: None, open: Open::new() }
    }

    fn exchange(&mut self, connection: &mut Connection) -> Result<Option<Reply>, Error> {
        let id = match self.sent {
            Some(id) => id,
            None => {
                settle(connection)?;
                *self.sent.insert(connection.command(Command::XClient(self.client))?)
            }
        };
        match reply_to(connection, id)? {
            Some((stage, reply)) if !reply.is_positive_completion() => {
                Err(Error::Refused { stage, reply: Box::new(reply) })
            }
            answered => Ok(answered.map(|(_, reply)| reply)),
        }
    }
}

impl Flow for XClient<'_> {
    type Output = Reply;
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Reply>, Error> {
        let reply = match self.accepted.take() {
            Some(reply) => reply,
            None => match self.exchange(connection)? {
                Some(reply) => reply,
                None => return Ok(Step::Continue),
            },
        };
        let step = match self.open.poll(connection)? {
            Step::Done(()) => return Ok(Step::Done(reply)),
            Step::Continue => Step::Continue,
            Step::UpgradeTls(upgrade) => Step::UpgradeTls(upgrade),
            Step::SupplyBody { message } => Step::SupplyBody { message },
        };
        self.accepted = Some(reply);
        Ok(step)
    }
}
