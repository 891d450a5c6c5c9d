//! Whether a session may be used again by somebody else, as a pool of connections has to decide. The caller tells how
//! long the session has lasted and been idle; everything else the connection knows.

use core::fmt;
use core::time::Duration;

use super::Connection;
use super::phase::Phase;

impl Connection {
    /// Whether whoever comes next may take the session over as if it were his own: the client was introduced, nothing
    /// is half done, all that was asked is answered, and one more mail transaction may be begun
    /// ([`transactions_left`](Self::transactions_left)).
    ///
    /// It is never so again after XCLIENT and after a command that is not known here
    /// ([`Command::Custom`](crate::command::Command::Custom)): on whose behalf the server listens now is not for a
    /// client to tell, and RSET does not take it back. What the server has said meanwhile is known only once it was
    /// received and [`poll_event`](Self::poll_event) asked.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        self.unfit().is_none()
    }

    fn unfit(&self) -> Option<Retired> {
        if self.failure.is_some() || self.eof || self.receiving == Phase::Closed {
            Some(Retired::Ended)
        } else if self.estranged {
            Some(Retired::Estranged)
        } else if !self.is_idle()
            || (self.sending, self.receiving) != (Phase::Ready, Phase::Ready)
            || self.taken_back
            || self.partly_delivered
        {
            Some(Retired::Unfinished)
        } else {
            (self.transactions_left() == Some(0)).then_some(Retired::MailMax)
        }
    }
}

/// When a session is used again, and how.
///
/// ```
/// use core::time::Duration;
/// use smtp_proto::connection::{Config, Connection, Peer, Retired, ReusePolicy};
///
/// let mut policy = ReusePolicy::default();
/// policy.max_messages = Some(20);
/// policy.max_idle = None;
///
/// // A session that has not even been opened is nobody's to take over.
/// let connection = Connection::new(Config::new("mail.example.org"), Peer::Remote);
/// let (age, idle) = (Duration::from_secs(30), Duration::from_secs(3));
/// assert_eq!(policy.judge(&connection, age, idle), Err(Retired::Unfinished));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReusePolicy {
    /// Most mail transactions begun in a session: 100. It is asked between two uses, so that one use may go beyond it;
    /// what the server declares to take (RFC 9422, `MAILMAX`), no use goes beyond.
    pub max_messages: Option<u64>,
    /// Longest time that nothing was heard from the server: 60 seconds. Servers wait for five minutes (RFC 5321
    /// §4.5.3.2.7), those that are busy for less.
    pub max_idle: Option<Duration>,
    /// Longest time since the session began: 5 minutes. A new one follows the names, addresses and certificates that
    /// have changed.
    pub max_age: Option<Duration>,
    /// Time without a word from the server after which RSET asks whether it is still there: 5 seconds.
    pub check_after: Duration,
}

impl Default for ReusePolicy {
    fn default() -> Self {
        Self {
            max_messages: Some(100),
            max_idle: Some(Duration::from_secs(60)),
            max_age: Some(Duration::from_secs(300)),
            check_after: Duration::from_secs(5),
        }
    }
}

impl ReusePolicy {
    /// Judges a session that began `age` ago and whose server was last heard `idle` ago.
    ///
    /// # Errors
    /// Why it is not to be used again.
    pub fn judge(&self, connection: &Connection, age: Duration, idle: Duration) -> Result<Reuse, Retired> {
        if let Some(unfit) = connection.unfit() {
            Err(unfit)
        } else if self.max_messages.is_some_and(|max| connection.transactions() >= max) {
            Err(Retired::Messages)
        } else if self.max_idle.is_some_and(|max| idle > max) {
            Err(Retired::Idle)
        } else if self.max_age.is_some_and(|max| age > max) {
            Err(Retired::Age)
        } else if idle > self.check_after {
            Ok(Reuse::AfterReset)
        } else {
            Ok(Reuse::AtOnce)
        }
    }
}

/// How a session is used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reuse {
    /// As it is. What the server has said unasked has to be heard first, a 421 or that it has closed.
    AtOnce,
    /// If RSET succeeds. A transport can be dead and not know it: it takes an answer to find that out. NOOP would do, but
    /// RSET leaves the server with nothing half done besides (RFC 5321 §4.1.1.5), and so Postfix's client, too, asks with
    /// RSET before it uses a cached session. Servers count either as junk if nothing else is said (Postfix does:
    /// `smtpd_junk_command_limit`), which is one more reason for not asking a session that has just been in use.
    AfterReset,
}

/// Why a session is not used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Retired {
    /// It broke, was given up, or has ended.
    Ended,
    /// It was left in the middle of something: a command without a reply, a mail transaction, a message; or it was not
    /// opened yet.
    Unfinished,
    /// XCLIENT, or a command that is not known here, may have made it one on somebody else's behalf.
    Estranged,
    /// It is not one that its owner made, or not as its owner made it.
    Mismatched,
    /// The server takes no more mail transactions in it (RFC 9422, `MAILMAX`).
    MailMax,
    /// [`ReusePolicy::max_messages`].
    Messages,
    /// [`ReusePolicy::max_idle`].
    Idle,
    /// [`ReusePolicy::max_age`].
    Age,
}

impl fmt::Display for Retired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the session is not used again: ")?;
        f.write_str(match self {
            Retired::Ended => "it has ended",
            Retired::Unfinished => "it was left in the middle of something",
            Retired::Estranged => "it may be on somebody else's behalf",
            Retired::Mismatched => "it is not as its pool made it",
            Retired::MailMax => "the server takes no more messages in it (MAILMAX)",
            Retired::Messages => "it has had its messages (`max_messages`)",
            Retired::Idle => "it was idle for too long (`max_idle`)",
            Retired::Age => "it has lasted for too long (`max_age`)",
        })
    }
}

impl core::error::Error for Retired {}
