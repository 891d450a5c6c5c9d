//! The end of a session.

use super::{Flow, Step};
use crate::command::Command;
use crate::connection::Connection;
use crate::error::Error;

/// Says QUIT and waits for the end, however the server makes it: with a reply, garbage, or by closing.
///
/// Once QUIT has left nothing can fail any more: what was delivered stays delivered.
#[derive(Debug, Default)]
pub struct Quit {
    queued: bool,
}

impl Quit {
    /// The flow.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Flow for Quit {
    type Output = ();
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<()>, Error> {
        if connection.is_closed() {
            return Ok(Step::Done(()));
        }
        if !self.queued {
            super::exchange::settle(connection)?;
            connection.command(Command::Quit)?;
            self.queued = true;
        }
        loop {
            match connection.poll_event() {
                Ok(Some(_)) => {}
                Ok(None) if connection.is_closed() => return Ok(Step::Done(())),
                Ok(None) => return Ok(Step::Continue),
                Err(_) => return Ok(Step::Done(())),
            }
        }
    }
}
