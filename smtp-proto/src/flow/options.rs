//! What a caller says about a message besides its envelope.

use crate::body::{BodyKind, LineEndings, LineLength};

/// What is known of a message's body before it is sent.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Body<'a> {
    /// The whole message: it is looked through first, so that any fault is found before MAIL. The flow keeps
    /// none of it; at [`Step::SupplyBody`](super::Step::SupplyBody) the same octets have to be supplied.
    Whole(&'a [u8]),
    /// A message that is supplied piece by piece.
    Stream {
        /// The kind of its octets. Octets of another kind end the message: after DATA, which nothing else takes
        /// back, with the connection, and in chunks with RSET.
        kind: BodyKind,
        /// Its exact length in octets, if known; it is declared to the server, and any other length supplied
        /// is refused.
        size: Option<u64>,
    },
}

impl Body<'_> {
    /// The message's octets, if they are known beforehand.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        match self {
            Body::Whole(message) => Some(message.len() as u64),
            Body::Stream { size, .. } => *size,
        }
    }
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SendOptions {
    /// What happens to stray CR and LF.
    pub line_endings: LineEndings,
    /// What happens to lines of more than 998 octets.
    pub line_length: LineLength,
    /// Which recipients have to be accepted.
    pub recipients: RecipientPolicy,
    /// Whether the message goes out after DATA or in chunks.
    pub transfer: Transfer,
    /// Whether an envelope with more recipients than the server takes at a time is sent in several mail
    /// transactions; otherwise it is refused before anything is sent.
    pub split: bool,
}

impl SendOptions {
    /// The defaults, but the message goes to all recipients or to nobody.
    #[must_use]
    pub fn all_or_nothing() -> Self {
        Self { recipients: RecipientPolicy::All, ..Self::default() }
    }

    /// What happens to stray CR and LF.
    #[must_use]
    pub fn line_endings(mut self, line_endings: LineEndings) -> Self {
        self.line_endings = line_endings;
        self
    }

    /// What happens to lines of more than 998 octets.
    #[must_use]
    pub fn line_length(mut self, line_length: LineLength) -> Self {
        self.line_length = line_length;
        self
    }

    /// Which recipients have to be accepted.
    #[must_use]
    pub fn recipients(mut self, policy: RecipientPolicy) -> Self {
        self.recipients = policy;
        self
    }

    /// Whether the message goes out after DATA or in chunks.
    #[must_use]
    pub fn transfer(mut self, transfer: Transfer) -> Self {
        self.transfer = transfer;
        self
    }

    /// Sends an envelope with more recipients than the server declares to take (RFC 9422, RCPTMAX)
    /// in several mail transactions, each with the whole message. The message has to be known
    /// whole, and [`RecipientPolicy::All`] cannot be kept across transactions.
    #[must_use]
    pub fn split(mut self, split: bool) -> Self {
        self.split = split;
        self
    }
}

/// Which recipients the server has to accept for the message to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RecipientPolicy {
    /// Any: the message goes to those accepted, and the others are told in the result.
    #[default]
    Any,
    /// All of them, or the message goes to nobody. In LMTP that is as far as RCPT goes: after the message each
    /// recipient has a verdict of its own.
    All,
}

/// How a message is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Transfer {
    /// In chunks where that saves a round trip: in SMTP, if the server offers CHUNKING and PIPELINING and the
    /// message is known whole or is a stream of a declared size of up to 64 KiB (each piece that the source gives
    /// becomes a chunk, and the window would hold a longer one up). After DATA otherwise, except for a body of
    /// kind [`BinaryMime`](BodyKind::BinaryMime), which takes chunks.
    #[default]
    Automatic,
    /// After DATA (RFC 5321 §4.1.1.4), which cannot carry a body of kind [`BinaryMime`](BodyKind::BinaryMime).
    Data,
    /// In chunks, with BDAT (RFC 3030); refused before anything is sent where the server does not offer
    /// CHUNKING.
    Chunks,
}
