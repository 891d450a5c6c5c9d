//! One message (RFC 5321 §3.3): a batch of one.

use super::batch::Batch;
use super::outcome::{Delivery, SendError};
use super::{Body, Envelope, Flow, SendOptions, Step};
use crate::connection::Connection;
use crate::error::Error;

/// Sends one message.
///
/// What goes over the wire is told by [`Batch`], of which this is the shortest.
#[derive(Debug)]
pub struct Send<'a> {
    batch: Batch<&'a Envelope>,
}

impl<'a> Send<'a> {
    /// The flow for one message.
    #[must_use]
    pub fn new(envelope: &'a Envelope, body: Body<'_>, options: SendOptions) -> Self {
        let mut batch = Batch::new();
        batch.push(envelope, body, options);
        batch.finish();
        Self { batch }
    }
}

impl Flow for Send<'_> {
    type Output = Delivery;
    type Error = SendError;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Delivery>, SendError> {
        let step = self.batch.poll(connection);
        let error = match step {
            Ok(Step::Done(())) => Error::Abandoned,
            Ok(Step::Continue) => return Ok(Step::Continue),
            Ok(Step::SupplyBody { message }) => return Ok(Step::SupplyBody { message }),
            Ok(Step::UpgradeTls(upgrade)) => return Ok(Step::UpgradeTls(upgrade)),
            Err(error) => error,
        };
        let outcome = self.batch.next_outcome().unwrap_or_else(|| Err(error.into()));
        outcome.map(Step::Done)
    }
}
