//! What of an outcome may be written down anywhere: codes and numbers, no address and no word of the server's.

use super::{Delivery, RecipientState, SendError};
use crate::connection::Stage;
use crate::reply::{EnhancedCode, Reply, ReplyCode};

/// The fields of a log line, or the labels of a metric, about the outcome of a message.
///
/// There is nothing personal in it: no address, and none of the server's words, which often repeat one; but for the
/// queue id, which is made of letters, digits and `-_.@+`.
///
/// ```
/// use smtp_proto::flow::{SendError, Summary};
///
/// let error = SendError::from(smtp_proto::Error::TlsFailed);
/// let summary = Summary::of(Err(&error));
/// assert_eq!((summary.outcome, summary.cause), ("not_sent", Some("tls_failed")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary<'o> {
    /// `accepted`, `rejected`, `not_sent` or `unknown`.
    pub outcome: &'static str,
    /// What was refused, or had no reply.
    pub stage: Option<Stage>,
    /// The code of the reply that decided.
    pub code: Option<ReplyCode>,
    /// Its enhanced status code.
    pub enhanced: Option<EnhancedCode>,
    /// The server's name for the message.
    pub queue_id: Option<&'o str>,
    /// What went wrong, unless the server refused: see [`Error::label`](crate::Error::label).
    pub cause: Option<&'static str>,
    /// Recipients for whom the server has taken the message.
    pub accepted: usize,
    /// Recipients whom the server refused, or the message for them.
    pub refused: usize,
}

impl<'o> Summary<'o> {
    /// That of this outcome.
    #[must_use]
    pub fn of(outcome: Result<&'o Delivery, &'o SendError>) -> Self {
        let (recipients, reply) = match outcome {
            Ok(delivery) => (&*delivery.recipients, Some(&delivery.reply)),
            Err(error) => (error.recipients(), error.reply()),
        };
        let (name, stage) = match outcome {
            Ok(_) => ("accepted", None),
            Err(SendError::Rejected { stage, .. }) => ("rejected", Some(*stage)),
            Err(SendError::NotSent { cause, .. }) => ("not_sent", cause.stage()),
            Err(SendError::Unknown { cause, .. }) => ("unknown", cause.stage()),
        };
        let count = |state| recipients.iter().filter(|recipient| recipient.state == state).count();
        Self {
            outcome: name,
            stage,
            code: reply.map(Reply::code),
            enhanced: reply.and_then(Reply::enhanced),
            queue_id: outcome.ok().and_then(Delivery::queue_id),
            cause: outcome.err().and_then(SendError::cause).map(crate::Error::label),
            accepted: count(RecipientState::Accepted),
            refused: count(RecipientState::Refused),
        }
    }
}
