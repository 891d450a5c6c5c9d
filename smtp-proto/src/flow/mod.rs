//! Flows: small state machines that drive a [`Connection`] through its public methods.
//!
//! Policy lives here once, for every adapter and every loop: when to say EHLO again, which recipients are
//! enough, what a broken connection means for a message. A flow is polled; each answer says what the loop has
//! to do before polling again. It never sees octets, sockets or time.

mod authenticate;
mod data;
mod exchange;
mod log_in;
mod open;
mod outcome;
mod quit;
mod send;

pub use authenticate::Authenticate;
pub use data::{BeginData, FinishData};
pub use exchange::{Exchange, Expect};
pub use log_in::LogIn;
pub use open::{Hello, Open, StartTls};
pub use outcome::{Delivery, RecipientOutcome, SendError, queue_id};
pub use quit::Quit;
pub use send::{Body, Envelope, Recipient, RecipientPolicy, Send, SendOptions};

use crate::connection::{Connection, TlsUpgrade};
use crate::error::Error;

/// A flow, driven by a loop that moves octets.
pub trait Flow {
    /// What it ends with.
    type Output;
    /// How it fails.
    type Error: From<Error>;

    /// Takes every event there is and goes as far as it can.
    ///
    /// # Errors
    /// The flow's own failure, or that of the connection; the flow is then over and is not polled again.
    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Self::Output>, Self::Error>;
}

/// What the loop has to do next.
#[derive(Debug)]
#[must_use = "a flow makes no progress unless its steps are carried out"]
pub enum Step<T> {
    /// Write [`Connection::output`] if there is any; otherwise read, and hand in what was read.
    Continue,
    /// Do the TLS handshake on the transport now, and give the token to [`Connection::tls_established`].
    UpgradeTls(TlsUpgrade),
    /// Supply the body of message `message` (counted from 0), through [`Connection::body`] and
    /// [`Connection::finish_body`].
    SupplyBody {
        /// Which message.
        message: usize,
    },
    /// The flow has ended, and nothing of it is left to write.
    Done(T),
}
