//! Flows: small state machines that drive a [`Connection`] through its public methods.
//!
//! Policy lives here once, for every adapter and every loop: when to say EHLO again, which recipients are
//! enough, what a broken connection means for a message. A flow is polled; each answer says what the loop has
//! to do before polling again. It never sees octets, sockets or time.

mod authenticate;
mod batch;
mod data;
mod envelope;
mod exchange;
mod log_in;
mod open;
mod options;
mod outcome;
mod plan;
mod preview;
mod progress;
mod quit;
mod send;
mod submit;
mod summary;
mod texts;
mod transaction;
mod xclient;

pub use authenticate::Authenticate;
pub use batch::Batch;
pub use data::{BeginData, FinishData};
pub use envelope::{Envelope, Recipient};
pub use exchange::{Exchange, Expect};
pub use log_in::LogIn;
pub use open::{Hello, Open, StartTls};
pub use options::{Body, RecipientPolicy, SendOptions, Transfer};
pub use outcome::{Delivery, RecipientOutcome, RecipientState, SendError, queue_id};
pub use preview::Preview;
pub use progress::{Meter, Progress};
pub use quit::Quit;
pub use send::Send;
pub use submit::Submit;
pub use summary::Summary;
pub use xclient::XClient;

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
    /// Do the TLS handshake on the transport now, and give the token to [`Connection::tls_established`]. A loop that
    /// never blocks may poll on meanwhile, and is told to continue.
    UpgradeTls(TlsUpgrade),
    /// Supply more of the body of message `message` (counted from 0): [`Connection::supply_body`] does that for a
    /// message in memory; otherwise, a piece of it through [`Connection::body`], or its end through
    /// [`Connection::finish_body`]. Then poll again: under BDAT the next piece may have to wait. Where [`SendOptions::split`] makes several mail transactions of a message,
    /// its body is asked for again from the beginning, once [`Connection::body_id`] has changed.
    SupplyBody {
        /// Which message.
        message: usize,
    },
    /// The flow has ended, and nothing of it is left to write.
    Done(T),
}

impl<T> Step<T> {
    /// The same step, with what the flow ends with put through `convert`.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Step<U> {
        match self {
            Self::Continue => Step::Continue,
            Self::UpgradeTls(upgrade) => Step::UpgradeTls(upgrade),
            Self::SupplyBody { message } => Step::SupplyBody { message },
            Self::Done(output) => Step::Done(convert(output)),
        }
    }
}
