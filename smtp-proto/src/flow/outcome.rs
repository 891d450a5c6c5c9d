//! What became of a message, and what that means for a retry.
//!
//! RFC 5321 §4.1.1.4 lets a server take a message only after its last octet, the LF of CRLF `.` CRLF. Until
//! the transport has accepted that octet, a failure means *not sent*. After it, only a complete reply tells;
//! without one the outcome is *unknown* (RFC 1047), and sending again may deliver twice.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use crate::connection::{Outcome, Stage};
use crate::error::Error;
use crate::reply::Reply;

/// The server has taken responsibility for the message (RFC 5321 §4.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The reply to the end of the message; the queue id is in it.
    pub reply: Reply,
    /// What became of each recipient, in the envelope's order. Empty when there was no envelope: the verbs one
    /// by one have told of each recipient already.
    pub recipients: Vec<RecipientOutcome>,
    /// Where the body first had a line of more than 998 octets, which some servers break or refuse.
    pub first_long_line: Option<u64>,
}

impl Delivery {
    /// The server's name for the message, where its reply has one of the common forms.
    #[must_use]
    pub fn queue_id(&self) -> Option<&str> {
        queue_id(&self.reply)
    }
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecipientOutcome {
    /// The reply to RCPT; `None` when the recipient was never asked about, or no reply came.
    pub reply: Option<Reply>,
    /// The reply to the end of the message that is this recipient's own: in LMTP (RFC 2033 §4.2), and where the
    /// recipients were split over several mail transactions, with at most 512 octets of its text.
    pub verdict: Option<Reply>,
    /// Whether the message reaches this recipient.
    pub state: RecipientState,
}

/// Whether a message reaches a recipient, as far as this server goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RecipientState {
    /// The server has taken responsibility for it.
    Accepted,
    /// The server refused the recipient, or the message for it.
    Refused,
    /// The message certainly was not taken for this recipient, for another reason: sending it again is safe.
    NotSent,
    /// It may have been taken.
    Unknown,
}

impl RecipientOutcome {
    /// That of a recipient who was never asked about.
    pub(super) fn not_sent() -> Self {
        Self { reply: None, verdict: None, state: RecipientState::NotSent }
    }

    /// That of a recipient of whom no more is known than its verdict, if it came.
    pub(super) fn judged(verdict: Option<Reply>) -> Self {
        let state = match &verdict {
            Some(verdict) if verdict.is_positive_completion() => RecipientState::Accepted,
            Some(_) => RecipientState::Refused,
            None => RecipientState::Unknown,
        };
        Self { reply: None, verdict, state }
    }

    /// Whether no reply refused this recipient in particular: RCPT was accepted (251 and 252 count, RFC 5321
    /// §3.4), and so was the [`verdict`](Self::verdict) where there is one. Whether the message reaches it says
    /// [`state`](Self::state): in SMTP the end of the message may be refused for all of them together.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.verdict.as_ref().or(self.reply.as_ref()).is_some_and(Reply::is_positive_completion)
    }

    /// The reply that refused it, to RCPT or to the end of the message; `None` where none did.
    #[must_use]
    pub fn refusal(&self) -> Option<&Reply> {
        let replies = [&self.verdict, &self.reply].into_iter().flatten();
        replies.into_iter().find(|reply| !reply.is_positive_completion())
    }

    /// Whether it was refused because the transaction had too many recipients: 452, or 552, which servers say
    /// in its place (RFC 5321 §4.5.3.1.10), or enhanced status code X.5.3 (RFC 3463). The message can be sent
    /// to this recipient in another transaction.
    #[must_use]
    pub fn is_one_too_many(&self) -> bool {
        let refused = self.reply.as_ref().filter(|reply| !reply.is_positive_completion());
        refused.is_some_and(|reply| match reply.enhanced() {
            Some(enhanced) => (enhanced.subject, enhanced.detail) == (5, 3),
            None => matches!(reply.code().get(), 452 | 552),
        })
    }

    /// Whether a later try may succeed: 4yz, and 552, which RFC 5321 §4.5.3.1.10 has clients treat as 452.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.refusal().is_some_and(|reply| {
            reply.is_transient() || (reply.code().get() == 552 && self.verdict.is_none())
        })
    }

    /// Whether the recipient is refused for good.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.refusal().is_some_and(Reply::is_permanent) && !self.is_transient()
    }
}

/// Why a message was not delivered, or is not known to be. There is no fourth case, and none will be added.
///
/// # What to do with it
///
/// | outcome | send it again? |
/// |---|---|
/// | `Rejected`, [`is_transient`](Self::is_transient) | later |
/// | `Rejected` otherwise | no: tell the sender |
/// | `NotSent`, its cause [`is_fatal`](Error::is_fatal) | on another connection; this one is lost |
/// | `NotSent` otherwise | not before the cause is mended: an extension is missing, the message is too large |
/// | `Unknown` | only where twice is better than not at all; `is_transient` holds here too and does not say otherwise |
/// | `Ok`, with recipients refused or not sent to | to those alone whose outcome [`is_transient`](RecipientOutcome::is_transient) or whose state is [`NotSent`](RecipientState::NotSent), in an envelope of their own |
///
/// An error is about its own attempt: it does not say what became of one that was
/// [dropped](crate::Connection::may_have_been_delivered) half way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendError {
    /// The server refused the sender, every recipient, DATA, or the message itself. It does not have it.
    Rejected {
        /// Which command was refused.
        stage: Stage,
        /// The server's words. Of several refused recipients: a transient refusal before a permanent one.
        reply: Box<Reply>,
        /// What became of each recipient, as far as the server said; empty if none was asked about.
        recipients: Vec<RecipientOutcome>,
    },
    /// The end of the message never left, or the server went away with a definite refusal: it certainly does
    /// not have the message, and sending it again cannot deliver it twice. Whether it can succeed is another
    /// matter: a cause on this side (an extension that is missing, a fault in the body) stays until it is
    /// mended, and neither [`is_transient`](Self::is_transient) nor [`is_permanent`](Self::is_permanent) holds.
    NotSent {
        /// What went wrong.
        cause: Error,
        /// What became of each recipient, as far as the server said; empty if none was asked about.
        recipients: Vec<RecipientOutcome>,
    },
    /// The whole message left and no verdict came. It may have been delivered.
    Unknown {
        /// What went wrong.
        cause: Error,
        /// What became of each recipient, as far as the server said.
        recipients: Vec<RecipientOutcome>,
    },
}

impl SendError {
    pub(super) fn rejected(stage: Stage, reply: Reply) -> Self {
        Self::Rejected { stage, reply: reply.into(), recipients: Vec::new() }
    }

    /// The refusal of a message by all of these, its verdicts: a transient one is told before a permanent one.
    pub(super) fn refused(verdicts: &[Reply]) -> Self {
        let refusal = verdicts.iter().find(|reply| reply.is_transient()).or(verdicts.first());
        match refusal {
            Some(reply) => Self::rejected(Stage::EndOfData, reply.clone()),
            None => Error::Abandoned.into(),
        }
    }

    /// Judges a failure of the connection for one message. `unanswered`: the end of the message has left;
    /// `answered`: the failure is the server's answer to this message's transaction.
    pub(super) fn of(error: Error, unanswered: bool, answered: bool) -> Self {
        let recipients = Vec::new();
        match error {
            Error::Refused { stage: stage @ (Stage::EndOfData | Stage::Data | Stage::Bdat), reply }
                if answered =>
            {
                Self::Rejected { stage, reply, recipients }
            }
            // 421 in answer to the end of the message, or to MAIL, is a 4yz like any other (RFC 5321 §3.8).
            Error::ServerClosed { stage: Some(Stage::EndOfData | Stage::Mail), ref reply }
                if answered && reply.is_transient() =>
            {
                Self::NotSent { cause: error, recipients }
            }
            cause if unanswered => Self::Unknown { cause, recipients },
            cause => Self::NotSent { cause, recipients },
        }
    }

    pub(super) fn with_recipients(mut self, outcomes: Vec<RecipientOutcome>) -> Self {
        *self.recipients_mut() = outcomes;
        self
    }

    fn recipients_mut(&mut self) -> &mut Vec<RecipientOutcome> {
        match self {
            Self::Rejected { recipients, .. }
            | Self::NotSent { recipients, .. }
            | Self::Unknown { recipients, .. } => recipients,
        }
    }

    /// What became of each recipient, as far as the server said.
    #[must_use]
    pub fn recipients(&self) -> &[RecipientOutcome] {
        match self {
            Self::Rejected { recipients, .. }
            | Self::NotSent { recipients, .. }
            | Self::Unknown { recipients, .. } => recipients,
        }
    }

    /// What went wrong, unless the server refused the message.
    #[must_use]
    pub fn cause(&self) -> Option<&Error> {
        match self {
            Self::Rejected { .. } => None,
            Self::NotSent { cause, .. } | Self::Unknown { cause, .. } => Some(cause),
        }
    }

    /// The server's reply, where the error is one.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Rejected { reply, .. } => Some(reply),
            Self::NotSent { cause, .. } | Self::Unknown { cause, .. } => cause.reply(),
        }
    }

    /// Whether the same message may be taken later: by the server's word, or because a connection was lost. It says
    /// nothing about whether the message has been taken already: see [`is_safe_to_retry`](Self::is_safe_to_retry).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Rejected { stage: Stage::Rcpt, recipients, .. } if !recipients.is_empty() => {
                recipients.iter().any(RecipientOutcome::is_transient)
            }
            Self::Rejected { reply, .. } => reply.is_transient(),
            Self::NotSent { cause, .. } | Self::Unknown { cause, .. } => cause.is_transient(),
        }
    }

    /// Whether the server refused for good.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Self::Rejected { .. } => !self.is_transient(),
            Self::NotSent { cause, .. } | Self::Unknown { cause, .. } => cause.is_permanent(),
        }
    }

    /// Whether sending the message again cannot deliver it twice: everything but [`Unknown`](Self::Unknown). Whether it
    /// would be any use is another question, which the table above answers.
    #[must_use]
    pub fn is_safe_to_retry(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    /// Whether to try another server for the same recipients at once, the next of a domain's mail exchangers
    /// (RFC 5321 §5.1): this one is not to be reached, has no time, refused the session before any mail, or lacks
    /// something that the message needs. Not after a refusal for good, not where the message itself is at fault, and
    /// never when it may have been delivered.
    ///
    /// ```
    /// use smtp_proto::{Error, SendError};
    ///
    /// let unreachable = SendError::from(Error::NotConnected);
    /// assert!(unreachable.may_be_taken_elsewhere());
    /// let unknown = SendError::Unknown { cause: Error::NotConnected, recipients: vec![] };
    /// assert!(!unknown.may_be_taken_elsewhere());
    /// ```
    #[must_use]
    pub fn may_be_taken_elsewhere(&self) -> bool {
        match self {
            Self::Rejected { .. } => self.is_transient(),
            Self::NotSent { cause, .. } => cause.is_about_this_server(),
            Self::Unknown { .. } => false,
        }
    }
}

impl From<Error> for SendError {
    fn from(cause: Error) -> Self {
        Self::NotSent { cause, recipients: Vec::new() }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected { stage, reply, .. } => write!(f, "message rejected at {stage}: {reply}"),
            Self::NotSent { cause, .. } => write!(f, "message not sent: {cause}"),
            Self::Unknown { cause, .. } => {
                write!(f, "message sent, but no verdict came (it may have been delivered): {cause}")
            }
        }
    }
}

impl core::error::Error for SendError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Rejected { .. } => None,
            Self::NotSent { cause, .. } | Self::Unknown { cause, .. } => Some(cause),
        }
    }
}

/// Which of the four it is.
pub(super) fn kind(outcome: &Result<Delivery, SendError>) -> Outcome {
    match outcome {
        Ok(_) => Outcome::Accepted,
        Err(SendError::Rejected { .. }) => Outcome::Rejected,
        Err(SendError::NotSent { .. }) => Outcome::NotSent,
        Err(SendError::Unknown { .. }) => Outcome::Unknown,
    }
}

/// Makes one outcome of those of a message's mail transactions, in the order of their recipients.
pub(super) fn joined(parts: Vec<Result<Delivery, SendError>>) -> Option<Result<Delivery, SendError>> {
    let mut parts = parts.into_iter();
    let first = parts.next()?;
    if parts.len() == 0 {
        return Some(first);
    }
    let mut recipients = Vec::new();
    let mut told: Option<Result<Delivery, SendError>> = None;
    for mut part in core::iter::once(first).chain(parts) {
        let mut own = match &mut part {
            Ok(delivery) => core::mem::take(&mut delivery.recipients),
            Err(error) => core::mem::take(error.recipients_mut()),
        };
        // The recipients are told of together, and each with the verdict of its own transaction.
        let verdict = match &part {
            Ok(delivery) => Some(&delivery.reply),
            Err(SendError::Rejected { stage, reply, .. }) if *stage != Stage::Rcpt => Some(&**reply),
            Err(_) => None,
        };
        for outcome in own.iter_mut().filter(|outcome| outcome.is_accepted()) {
            outcome.verdict = outcome.verdict.take().or_else(|| verdict.map(Reply::brief));
        }
        recipients.append(&mut own);
        if told.as_ref().is_none_or(|told| weight(told) < weight(&part)) {
            told = Some(part);
        }
    }
    match &mut told {
        Some(Ok(delivery)) => delivery.recipients = recipients,
        Some(Err(error)) => *error.recipients_mut() = recipients,
        None => {}
    }
    told
}

/// Which of several outcomes is told: what is not known outweighs what is, a delivery outweighs a refusal, which its
/// recipients tell of, and what may be tried again what may not.
fn weight(outcome: &Result<Delivery, SendError>) -> u8 {
    match outcome {
        Err(SendError::Unknown { .. }) => 4,
        Ok(_) => 3,
        Err(SendError::NotSent { .. }) => 2,
        Err(error) => u8::from(error.is_transient()),
    }
}

/// Finds the queue id in the reply to an accepted message: Postfix, Exim, Sendmail, OpenSMTPD, qmail and
/// many others use `queued as ID`, `id=ID`, `ID Message accepted` or `qp ID`.
#[must_use]
pub fn queue_id(reply: &Reply) -> Option<&str> {
    if reply.is_shortened() {
        return None;
    }
    let line = reply.message_lines().last()?;
    let text = core::str::from_utf8(line).ok()?.trim();
    let after = |mark: &str| text.split_once(mark).map(|(_, rest)| rest);
    let named = after("queued as ")
        .or_else(|| after("id="))
        .or_else(|| after(" qp "))
        .or_else(|| after("Ok: queued "))
        .or_else(|| text.split_once(" Message accepted").map(|(id, _)| id));
    let id = named?.split([' ', ';', ',', ')', '>']).next()?.trim_start_matches(['<', '(']);
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.@+".contains(&b);
    (!id.is_empty() && id.len() <= 128 && id.bytes().all(legal)).then_some(id)
}

#[cfg(test)]
mod tests;
