//! What can go wrong on a connection, sorted by who is to blame.
//!
//! *You* misused the interface or asked for something this server does not offer ([`Error::Misuse`],
//! [`Error::Unsupported`], [`Error::Command`]…): nothing was queued and the connection is as usable as
//! before. *The server* refused ([`Error::Refused`]): a reply, not a fault. *The peer or the wire* broke the
//! exchange (everything for which [`Error::is_fatal`] holds): the connection is poisoned, and nothing is ever
//! written on it again. What an error means for a message's delivery is [`SendError`](crate::flow::SendError).

mod failure;
mod label;

use alloc::boxed::Box;
use core::fmt::{self, Display as _};

pub use failure::{Attempt, Attempts, Failure};

use crate::body::BodyFault;
use crate::capabilities::{Extension, Limit};
use crate::command::CommandError;
use crate::escape::Escaped;
use crate::params::{OutOfRange, XClientAttribute};
use crate::path::AddressError;
use crate::reply::{Reply, ReplyError};
use crate::sasl::MechanismError;
use crate::stage::{Stage, TimeoutPhase};

/// Why a call or an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The call is not legal in the connection's present state. Nothing was queued.
    Misuse(Misuse),
    /// An argument cannot be put on a command line. Nothing was queued.
    Command(CommandError),
    /// The server did not advertise an extension that the call needs. Nothing was queued.
    Unsupported(Extension),
    /// The server offers XCLIENT, but not with this attribute. Nothing was queued.
    UnsupportedAttribute(XClientAttribute),
    /// The message is larger than the server's advertised SIZE limit (RFC 1870). Nothing was queued.
    TooLarge {
        /// The message's octets.
        size: u64,
        /// The server's limit in octets.
        limit: u64,
    },
    /// A parameter has a value beyond what the server said it takes. Nothing was queued.
    OutOfRange(OutOfRange),
    /// The session has reached a limit that the server declared (RFC 9422). Nothing was queued. The limits of a
    /// session begin anew on another connection, that of a mail transaction with the next one.
    LimitReached {
        /// Which limit.
        limit: Limit,
        /// The most that the server takes.
        max: u64,
    },
    /// The message's octets break the rules given for it. Found before MAIL, nothing was queued; found in
    /// the middle of a streamed body, the message is not sent; after DATA the connection is poisoned as well.
    Body(BodyFault),
    /// The mechanism refused to begin, no token was to be had for it, or the server did not prove itself to it. No
    /// secret left after that.
    Mechanism(MechanismError),
    /// None of the caller's mechanisms is advertised. Nothing was queued.
    NoMechanism,
    /// The server refused the command of this stage, or answered it with a code that is no success there.
    Refused {
        /// The command.
        stage: Stage,
        /// The server's words.
        reply: Box<Reply>,
    },
    /// The server did not accept the credentials, or broke off the exchange (RFC 4954 §6).
    AuthenticationFailed(AuthenticationFailed),
    /// An address that cannot be used. Nothing was queued.
    Address {
        /// Which recipient it is, counted from 0; `None` for the reverse-path, or where there is only one.
        recipient: Option<usize>,
        /// What is wrong with it.
        error: AddressError,
    },
    /// No transport to the server could be made.
    NotConnected,
    /// TLS is required, and the server does not offer STARTTLS.
    TlsRequired,
    /// The TLS handshake failed, or the server's certificate is not valid for the host.
    TlsFailed,
    /// The peer broke the protocol.
    Protocol(ProtocolError),
    /// The server ended the session of its own accord: 421, or a 221 nobody asked for (RFC 5321 §3.8).
    ServerClosed {
        /// The command it answered so; `None` when the connection was idle.
        stage: Option<Stage>,
        /// Its words.
        reply: Box<Reply>,
    },
    /// The transport ended while the session was still going on.
    Disconnected {
        /// The command whose reply was due.
        stage: Option<Stage>,
        /// Whether a reply had begun to arrive; it counts as none.
        truncated: bool,
        /// Whether credentials had left in an AUTH exchange that was not concluded.
        credentials_sent: bool,
    },
    /// The time allowed for this phase ran out.
    Timeout(TimeoutPhase),
    /// The octets of the message could not be supplied; nothing of it counts.
    BodySource,
    /// The caller gave the exchange up, or was cancelled in the middle of it.
    Abandoned,
    /// The connection broke earlier; the first error said why. Nothing is wrong with what was asked: another
    /// connection may do it.
    Poisoned,
}

impl Error {
    /// Whether the connection is lost with it, whatever it was doing: nothing more will be written on it. An
    /// error in the middle of a message body ends the connection as well;
    /// [`Connection::failure`](crate::Connection::failure) tells.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        match self {
            Error::Refused { stage, .. } => {
                matches!(
                    stage,
                    Stage::Greeting | Stage::Ehlo | Stage::Helo | Stage::Lhlo | Stage::StartTls | Stage::Rset
                )
            }
            // A server that cannot prove itself is talked to no more.
            Error::Mechanism(MechanismError::ServerNotAuthentic) => true,
            Error::Misuse(_)
            | Error::Command(_)
            | Error::Unsupported(_)
            | Error::UnsupportedAttribute(_)
            | Error::TooLarge { .. }
            | Error::OutOfRange(_)
            | Error::LimitReached { .. }
            | Error::Body(_)
            | Error::Mechanism(_)
            | Error::NoMechanism
            | Error::Address { .. }
            | Error::BodySource
            | Error::AuthenticationFailed(_) => false,
            Error::TlsRequired
            | Error::TlsFailed
            | Error::NotConnected
            | Error::Protocol(_)
            | Error::ServerClosed { .. }
            | Error::Disconnected { .. }
            | Error::Timeout(_)
            | Error::Abandoned
            | Error::Poisoned => true,
        }
    }

    /// The server's reply, where the error is one.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Error::Refused { reply, .. } | Error::ServerClosed { reply, .. } => Some(reply),
            Error::AuthenticationFailed(failed) => Some(&failed.reply),
            Error::Protocol(ProtocolError::UnexpectedReply { reply, .. }) => Some(reply),
            _ => None,
        }
    }

    /// The reply with which a server ends the session in place of a verdict, by closing or by refusing the last chunk
    /// unread: in LMTP that of one recipient and of nobody else.
    pub(crate) fn verdict(&self) -> Option<&Reply> {
        match self {
            Error::ServerClosed { stage: Some(Stage::EndOfData), reply } if reply.is_transient() => {
                Some(reply)
            }
            Error::Refused { stage: Stage::EndOfData, reply } => Some(reply),
            _ => None,
        }
    }

    /// The same with no more of the server's words than is shown of them, as other messages are told of it.
    pub(crate) fn brief(&self) -> Self {
        let mut brief = self.clone();
        match &mut brief {
            Error::Refused { reply, .. }
            | Error::ServerClosed { reply, .. }
            | Error::Protocol(ProtocolError::UnexpectedReply { reply, .. }) => **reply = reply.brief(),
            _ => {}
        }
        brief
    }

    /// Whether the same call may succeed later: a 4yz reply, or a connection that was lost.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Error::Refused { reply, .. } => reply.is_transient(),
            Error::AuthenticationFailed(failed) => failed.reply.is_transient(),
            Error::ServerClosed { .. }
            | Error::Disconnected { .. }
            | Error::Timeout(_)
            | Error::NotConnected => true,
            _ => false,
        }
    }

    /// Whether another server may do what this one does not: it is lost, short of time, or lacks something.
    pub(crate) fn is_about_this_server(&self) -> bool {
        match self {
            Error::Unsupported(_)
            | Error::UnsupportedAttribute(_)
            | Error::TooLarge { .. }
            | Error::OutOfRange(_)
            | Error::LimitReached { .. } => true,
            _ => self.is_fatal() || self.is_transient(),
        }
    }

    /// Whether the server refused for good: a 5yz reply.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        match self {
            Error::Refused { reply, .. } => reply.is_permanent(),
            Error::AuthenticationFailed(failed) => failed.reply.is_permanent(),
            _ => false,
        }
    }

    /// Whether the server refused the credentials for good. It will refuse the same ones again, and many servers lock
    /// out an account or an address that goes on trying: who connects by himself, as a pool does, should stop here for a
    /// while.
    #[must_use]
    pub fn is_login_refused(&self) -> bool {
        matches!(self, Error::AuthenticationFailed(_)) && self.is_permanent()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.describe(f)?;
        // Who reads of a session that failed to open asks first what was given away.
        if self.is_fatal() && self.opens() { f.write_str("; nothing more was sent") } else { Ok(()) }
    }
}

impl Error {
    /// Whether the session was still being opened: greeting, EHLO, STARTTLS and the handshake.
    fn opens(&self) -> bool {
        match self {
            Error::TlsRequired | Error::TlsFailed => return true,
            Error::Protocol(ProtocolError::StartTlsResidue | ProtocolError::ClearTextBeforeTls) => {
                return true;
            }
            Error::Timeout(TimeoutPhase::TlsHandshake) => return true,
            _ => {}
        }
        matches!(
            self.stage(),
            Some(Stage::Greeting | Stage::Ehlo | Stage::Helo | Stage::Lhlo | Stage::StartTls)
        )
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Misuse(misuse) => misuse.fmt(f),
            Error::Command(error) => error.fmt(f),
            Error::Unsupported(extension) => {
                write!(f, "the server does not offer {}", extension.keyword())
            }
            Error::UnsupportedAttribute(attribute) => {
                write!(f, "the server does not offer the attribute {} of XCLIENT", attribute.as_str())
            }
            Error::TooLarge { size, limit } => {
                write!(f, "the message has {size} octets; the server takes at most {limit}")
            }
            Error::OutOfRange(error) => error.fmt(f),
            Error::LimitReached { limit, max } => write!(f, "the server takes at most {max} {limit}"),
            Error::Body(fault) => fault.fmt(f),
            Error::Mechanism(error) => error.fmt(f),
            Error::NoMechanism => {
                f.write_str("the server offers no authentication mechanism that the credentials allow here")
            }
            Error::Refused { stage, reply } => write!(f, "{stage} refused: {reply}"),
            Error::AuthenticationFailed(failed) => failed.fmt(f),
            Error::TlsRequired => f.write_str("TLS is required, and the server does not offer STARTTLS"),
            Error::TlsFailed => f.write_str("the TLS handshake failed"),
            Error::NotConnected => f.write_str("could not connect to the server"),
            Error::Address { recipient: None, error } => error.fmt(f),
            Error::Address { recipient: Some(index), error } => {
                write!(f, "recipient {}: {error}", index.saturating_add(1))
            }
            Error::Protocol(error) => error.fmt(f),
            Error::ServerClosed { stage: Some(stage), reply } => {
                write!(f, "the server closed the session in answer to {stage}: {reply}")
            }
            Error::ServerClosed { stage: None, reply } => write!(f, "the server closed the session: {reply}"),
            Error::Disconnected { stage, truncated, credentials_sent } => {
                f.write_str("the connection ended")?;
                match (stage, truncated) {
                    (Some(stage), false) => write!(f, " before the reply to {stage}")?,
                    (Some(stage), true) => write!(f, " in the middle of the reply to {stage} (truncated)")?,
                    (None, true) => f.write_str(" in the middle of a reply (truncated)")?,
                    (None, false) => {}
                }
                if *credentials_sent { f.write_str("; credentials were transmitted") } else { Ok(()) }
            }
            Error::Timeout(phase) => write!(f, "timed out: {phase}"),
            Error::BodySource => f.write_str("the octets of the message could not be supplied"),
            Error::Abandoned => {
                f.write_str("the exchange was abandoned; the connection cannot be used again")
            }
            Error::Poisoned => f.write_str("the connection broke earlier and cannot be used again"),
        }
    }
}

impl core::error::Error for Error {}

impl From<Misuse> for Error {
    fn from(misuse: Misuse) -> Self {
        Error::Misuse(misuse)
    }
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        Error::Command(error)
    }
}

impl From<OutOfRange> for Error {
    fn from(error: OutOfRange) -> Self {
        Error::OutOfRange(error)
    }
}

impl From<AddressError> for Error {
    fn from(error: AddressError) -> Self {
        Error::Address { recipient: None, error }
    }
}

impl From<ProtocolError> for Error {
    fn from(error: ProtocolError) -> Self {
        Error::Protocol(error)
    }
}

impl From<MechanismError> for Error {
    fn from(error: MechanismError) -> Self {
        Error::Mechanism(error)
    }
}

/// A call that the connection's present state does not allow; it changed nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Misuse {
    /// The greeting has not arrived yet.
    BeforeGreeting,
    /// EHLO has been said already, under another name.
    AfterHello,
    /// EHLO or HELO has to come first (also again after STARTTLS, RFC 3207 §4.2).
    BeforeHello,
    /// A command is queued that nothing may be queued behind, because what may follow depends on its reply.
    AwaitingReply(Stage),
    /// The command may not be pipelined behind others (RFC 2920 §3.1, RFC 3207, RFC 4954).
    NotPipelined(Stage),
    /// The command is not allowed inside a mail transaction.
    InTransaction(Stage),
    /// RCPT or DATA without the MAIL that begins a mail transaction.
    NoTransaction(Stage),
    /// RSET has to come first: a message was taken back in this mail transaction of which a chunk had left.
    TakenBack(Stage),
    /// DATA or BDAT without a recipient.
    NoRecipient,
    /// EHLO or HELO in LMTP, or LHLO in SMTP.
    WrongProtocol,
    /// All-or-nothing cannot be kept for an envelope that takes several mail transactions.
    SplitAllOrNothing,
    /// A streamed body cannot be sent again for the other recipients of an envelope that takes several mail
    /// transactions.
    SplitStream,
    /// A body of any octets (`BODY=BINARYMIME`) cannot follow DATA; it takes chunks (RFC 3030 §3).
    NeedsChunks,
    /// TLS is established already (RFC 3207 §4.2).
    AlreadyTls,
    /// The session is authenticated already (RFC 4954 §4).
    AlreadyAuthenticated,
    /// The TLS handshake has to be done now.
    TlsPending,
    /// No TLS handshake is due.
    NoTlsPending,
    /// No AUTH challenge waits for a response.
    NoChallenge,
    /// No message body is due: DATA has not been answered with 354, or the window is full of chunks.
    NoBody,
    /// An address outside ASCII in a mail transaction that was not begun with SMTPUTF8 (RFC 6531 §3.4).
    NeedsSmtpUtf8,
    /// HELO is forced by [`Quirks`](crate::connection::Quirks), and leaves no way to the STARTTLS that the TLS policy
    /// requires.
    HeloWithoutTls,
    /// MAIL with REQUIRETLS on a connection that is not under verified TLS (RFC 8689 §4.2.1); any MAIL or AUTH on one,
    /// where the policy is [`TlsPolicy::Required`](crate::connection::TlsPolicy::Required).
    NeedsTls,
    /// More octets were reported as accepted than were on offer.
    AdvancedTooFar,
    /// The body's length is not the one declared.
    SizeMismatch {
        /// Octets declared.
        declared: u64,
        /// Octets supplied.
        supplied: u64,
    },
    /// The session has ended.
    Closed,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misuse::BeforeGreeting => f.write_str("the server's greeting has not arrived yet"),
            Misuse::AfterHello => f.write_str("the client has introduced itself already"),
            Misuse::BeforeHello => f.write_str("EHLO has to come first"),
            Misuse::AwaitingReply(stage) => write!(f, "nothing may be queued before the reply to {stage}"),
            Misuse::NotPipelined(stage) => write!(f, "{stage} may not be pipelined behind other commands"),
            Misuse::InTransaction(stage) => write!(f, "{stage} is not allowed inside a mail transaction"),
            Misuse::NoTransaction(stage) => write!(f, "{stage} needs a mail transaction, begun by MAIL"),
            Misuse::TakenBack(stage) => {
                write!(f, "RSET has to come before {stage}: a message was taken back")
            }
            Misuse::NoRecipient => f.write_str("a message needs at least one recipient"),
            Misuse::WrongProtocol => f.write_str("SMTP begins with EHLO or HELO, and LMTP with LHLO"),
            Misuse::SplitAllOrNothing => {
                f.write_str("recipients split over several mail transactions cannot be all or nothing")
            }
            Misuse::SplitStream => {
                f.write_str("a streamed body cannot be sent in several mail transactions; supply it whole")
            }
            Misuse::NeedsChunks => f.write_str("a BINARYMIME body cannot follow DATA; it takes BDAT"),
            Misuse::AlreadyTls => f.write_str("TLS is established already"),
            Misuse::AlreadyAuthenticated => f.write_str("the session is authenticated already"),
            Misuse::TlsPending => f.write_str("the TLS handshake has to be done first"),
            Misuse::NoTlsPending => f.write_str("no TLS handshake is due"),
            Misuse::NoChallenge => f.write_str("no AUTH challenge waits for a response"),
            Misuse::NoBody => f.write_str("no message body is due"),
            Misuse::NeedsSmtpUtf8 => {
                f.write_str("an address outside ASCII needs the SMTPUTF8 parameter on MAIL")
            }
            Misuse::HeloWithoutTls => {
                f.write_str("HELO is forced, and cannot be followed by the STARTTLS that is required")
            }
            Misuse::NeedsTls => f.write_str(
                "REQUIRETLS, and a policy that requires TLS, need a connection under verified TLS",
            ),
            Misuse::AdvancedTooFar => f.write_str("more octets were reported as accepted than were on offer"),
            Misuse::SizeMismatch { declared, supplied } => {
                write!(f, "the body was declared with {declared} octets but {supplied} were supplied")
            }
            Misuse::Closed => f.write_str("the session has ended"),
        }
    }
}

impl core::error::Error for Misuse {}

/// How the peer broke the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The octets are no reply, or overflow a limit (RFC 5321 §4.2).
    Reply {
        /// The command whose reply was due.
        stage: Option<Stage>,
        /// What is wrong with them.
        error: ReplyError,
    },
    /// A reply came that no command asked for, so replies and commands can no longer be matched. Some servers
    /// send a multi-line reply with a space after each code; that looks the same.
    Surplus,
    /// A reply came before the last octet of its command had left.
    Premature(Stage),
    /// The code is none that the command of this stage can be answered with.
    UnexpectedReply {
        /// The command.
        stage: Stage,
        /// The reply.
        reply: Box<Reply>,
    },
    /// Octets followed the 220 to STARTTLS in clear: what an attacker injects to have it taken for part of
    /// the protected session (RFC 3207 §6, CVE-2011-0411), or a server that said 220 and does not speak TLS.
    StartTlsResidue,
    /// Octets came in clear where TLS was due from the first octet on: the port is likely to be one for STARTTLS.
    ClearTextBeforeTls,
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ProtocolError::Reply { stage: Some(stage), error } => {
                write!(f, "the server's reply to {stage} is malformed: {error}")
            }
            ProtocolError::Reply { stage: None, error } => {
                write!(f, "the server sent something that is no reply: {error}")
            }
            ProtocolError::Surplus => f.write_str(
                "the server sent a reply that no command asked for; replies and commands are out of step (some \
                 servers put a space instead of a hyphen behind each code of a multi-line reply)",
            ),
            ProtocolError::Premature(stage) => {
                write!(f, "the server answered {stage} before all of it was sent")
            }
            ProtocolError::UnexpectedReply { stage, reply } => {
                write!(f, "the server answered {stage} with {reply}, which is no answer to it")
            }
            ProtocolError::StartTlsResidue => {
                f.write_str("the server went on in clear behind its 220 to STARTTLS (injection?)")
            }
            ProtocolError::ClearTextBeforeTls => f.write_str(
                "the server speaks clear text where TLS is due from the first octet (a STARTTLS port?)",
            ),
        }
    }
}

impl core::error::Error for ProtocolError {}

/// A failed AUTH exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuthenticationFailed {
    /// The server's final reply.
    pub reply: Box<Reply>,
    /// What the reply means.
    pub reason: AuthenticationFailure,
    /// What the mechanism objected to, if it was the client that broke the exchange off with `*`; or why there
    /// was no fresh token in place of the one refused.
    pub cause: Option<MechanismError>,
    /// What the server said of the failure before it (the error document of the OAuth mechanisms).
    pub detail: Option<Box<[u8]>>,
}

/// What a failed AUTH exchange means (RFC 4954 §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuthenticationFailure {
    /// 535, or another 5yz: the credentials are not valid.
    Credentials,
    /// 534, 538 or 504: this mechanism is too weak here, needs encryption, or is not known.
    Mechanism,
    /// 432: the user has to move to another mechanism first.
    PasswordTransition,
    /// 454 or another 4yz: try again later.
    Temporary,
    /// 530: authentication is required in another way first.
    Required,
    /// 500 or 501: the server did not understand the exchange, or confirmed that it was broken off.
    Cancelled,
}

impl fmt::Display for AuthenticationFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "authentication failed: {}", self.reply)?;
        match &self.cause {
            Some(MechanismError::Token(error)) => write!(f, " (no fresh token: {error})")?,
            Some(cause) => write!(f, " (broken off: {cause})")?,
            None => {}
        }
        if let Some(detail) = &self.detail {
            write!(f, " (server's detail: {})", Escaped::new(detail))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
