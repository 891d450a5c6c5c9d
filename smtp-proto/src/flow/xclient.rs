//! XCLIENT, and the EHLO that has to follow it (Postfix, XCLIENT_README).

use alloc::boxed::Box;

use super::exchange::{reply_to, settle};
use super::{Flow, Hello, Step};
use crate::command::Command;
use crate::connection::{CommandId, Connection};
use crate::error::Error;
use crate::params;
use crate::reply::Reply;

/// Says whom this client speaks for, and EHLO again, because the server takes the session for a new one.
///
/// It ends with the reply to EHLO, or HELO. Refused, the session goes on as it was; TLS stays either way.
#[derive(Debug)]
pub struct XClient<'a> {
    client: &'a params::XClient,
    sent: Option<CommandId>,
    hello: Option<Hello>,
}

impl<'a> XClient<'a> {
    /// The flow.
    #[must_use]
    pub fn new(client: &'a params::XClient) -> Self {
        Self { client, sent: None, hello: None }
    }
}

impl Flow for XClient<'_> {
    type Output = Reply;
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Reply>, Error> {
        if let Some(hello) = &mut self.hello {
            return hello.poll(connection);
        }
        let id = match self.sent {
            Some(id) => id,
            None => {
                settle(connection)?;
                *self.sent.insert(connection.command(Command::XClient(self.client))?)
            }
        };
        let Some((stage, reply)) = reply_to(connection, id)? else { return Ok(Step::Continue) };
        if !reply.is_positive_completion() {
            return Err(Error::Refused { stage, reply: Box::new(reply) });
        }
        self.hello.insert(Hello::new()).poll(connection)
    }
}
