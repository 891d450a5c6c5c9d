//! What has to be told of a session, from what crossed the transport: written from RFC 5321 (§3.3, §3.8, §4.1.1.4,
//! §4.2, §4.2.5), RFC 2920, RFC 3030, RFC 3207 §6, RFC 4954 §4, RFC 2033 §4.2 and RFC 1047, and from the promises
//! in the invariants. It has no part in common with the client it judges.
//!
//! It gets facts alone: which octets of the client the transport took, which octets of the server the client was
//! given, in which order, and how it ended. Replies are matched to commands in order. A reply that a fault
//! put into the stream *between* commands in flight cannot be told from an answer, by anybody: it is one here too,
//! and the fault shows where the replies run out of commands.

mod client;
mod message;
mod reader;
mod session;

pub use client::Verb;
pub use message::{Fate, Outcome};
pub use session::judge;

/// What is known of the session beforehand.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// All that the client says if nothing goes wrong.
    pub intended: Vec<u8>,
    /// How many recipients each message has.
    pub recipients: Vec<usize>,
    /// A message goes to all its recipients or to nobody.
    pub all: bool,
    pub lmtp: bool,
    pub tls_required: bool,
    /// TLS before anything is said.
    pub tls_first: bool,
    /// The SASL mechanism that the client will use.
    pub mechanism: Option<&'static str>,
    /// XCLIENT will be said, with a name.
    pub xclient: bool,
    /// Messages go in chunks or not at all.
    pub chunks: bool,
}

/// What crossed the transport.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// What the transport took of the client.
    pub wire: Vec<u8>,
    /// What the client was given of the server.
    pub heard: Vec<u8>,
    pub moments: Vec<Moment>,
}

/// What happened, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The transport took so many octets more.
    Took(usize),
    /// The client was given so many octets more.
    Heard(usize),
    /// The TLS handshake went well.
    Tls,
    /// The transport ended, in whichever way.
    Ended,
    /// Nothing happened for as long as the client waits.
    TimedOut,
}

/// Of what the session died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// The transport ended. `truncated`: within a reply. `secret`: credentials of an AUTH exchange had left, and it
    /// was not concluded.
    Lost { due: Due, truncated: bool, secret: bool },
    /// The time for the reply to this ran out.
    NoReply(Due),
    /// The time for the transport to take more of a message ran out.
    NoProgress,
    /// The time for the TLS handshake ran out.
    NoHandshake,
    /// The TLS handshake failed.
    TlsFailed,
    /// TLS is required and not offered.
    TlsMissing,
    /// Octets in clear where the TLS handshake has to come first.
    ClearText,
    /// Octets in clear behind the 220 to STARTTLS.
    Residue,
    /// Octets that are no reply.
    Malformed(Due),
    /// A reply that no command asked for.
    Surplus,
    /// A reply before the last octet of its command had left.
    Premature(Verb),
    /// A code that answers no such command.
    Unexpected(Verb, u16),
    /// 421, or 221 unasked; `None`: it answered nothing.
    Closed(Option<Verb>, u16),
    /// A refusal without which the session cannot go on.
    Refused(Verb, u16),
    /// The client gave up: the server's state is anybody's guess.
    GivenUp,
    /// After QUIT, which ends the session whatever comes.
    AtQuit,
}

/// The command whose reply was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    Reply(Verb),
    /// None was: nothing of the next command had left. A client may name what it was about to say, or nothing.
    Nothing,
}

/// What has to be told.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// Why the connection must not be used again.
    pub broken: Option<Broken>,
    /// The refusal of a command that is no part of a message; the session goes on.
    pub refused: Option<(Verb, u16)>,
    /// The server does not offer the mechanism.
    pub no_mechanism: bool,
    /// The server does not offer XCLIENT, or not the name in it.
    pub no_xclient: bool,
    /// The server does not offer the chunks in which messages are to go.
    pub no_chunking: bool,
    pub messages: Vec<(Outcome, Vec<Fate>)>,
    /// The client said something it must not say.
    pub offences: Vec<String>,
}
