//! The ways in which octets from the server fail to be a reply. Every one is the server's fault.

use super::ReplyCode;
use crate::escape::Escaped;
use core::fmt;

/// Why octets from the server are not a reply, or not one within the [`ReplyLimits`](super::ReplyLimits).
///
/// The same octets make the same error however they are split over reads: it is decided by the first octet
/// that breaks a rule, and an excerpt ends with that octet. What arrived after it is in
/// [`ReplyParser::unread`](super::ReplyParser::unread).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplyError {
    /// A line is longer than [`ReplyLimits::line`](super::ReplyLimits::line).
    LineTooLong {
        /// The limit, in octets without the line end.
        limit: usize,
    },
    /// A reply goes on after [`ReplyLimits::lines`](super::ReplyLimits::lines) lines.
    TooManyLines {
        /// The limit, in lines.
        limit: usize,
    },
    /// A reply is longer than [`ReplyLimits::reply`](super::ReplyLimits::reply).
    ReplyTooLong {
        /// The limit, in octets with all line ends.
        limit: usize,
    },
    /// More than 8 blank lines came before a reply.
    TooManyBlankLines,
    /// More than [`ReplyLimits::unread`](super::ReplyLimits::unread) octets wait to be taken as replies.
    TooMuchUnread {
        /// The limit, in octets.
        limit: usize,
    },
    /// A line does not begin with three digits (RFC 5321 §4.2).
    MalformedCode {
        /// The line up to the octet that is not a digit.
        line: Excerpt,
    },
    /// A reply code does not begin with 2, 3, 4 or 5 (RFC 5321 §4.2.1).
    CodeOutOfRange {
        /// The line up to the digit.
        line: Excerpt,
    },
    /// A reply code is followed by something else than SP, `-` or the line end (RFC 5321 §4.2).
    MalformedSeparator {
        /// The line up to the octet that is none of these.
        line: Excerpt,
    },
    /// The lines of one reply have different codes (RFC 5321 §4.2.1).
    CodeMismatch {
        /// The code of the first line.
        first: ReplyCode,
        /// The code of the line that differs.
        then: ReplyCode,
    },
    /// The connection was closed within a reply (RFC 5321 §4.2: a reply ends with a line end).
    Truncated,
}

impl fmt::Display for ReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong { limit } => write!(f, "reply line longer than {limit} octets"),
            Self::TooManyLines { limit } => write!(f, "reply of more than {limit} lines"),
            Self::ReplyTooLong { limit } => write!(f, "reply longer than {limit} octets"),
            Self::TooManyBlankLines => f.write_str("too many blank lines before a reply"),
            Self::TooMuchUnread { limit } => write!(f, "more than {limit} octets of unread replies"),
            Self::MalformedCode { line } => {
                write!(f, "reply line does not begin with three digits: {line:?}")
            }
            Self::CodeOutOfRange { line } => {
                write!(f, "reply code does not begin with 2, 3, 4 or 5: {line:?}")
            }
            Self::MalformedSeparator { line } => {
                write!(f, "reply code not followed by a space, a hyphen or the line end: {line:?}")
            }
            Self::CodeMismatch { first, then } => {
                write!(f, "reply began with code {first} and went on with code {then}")
            }
            Self::Truncated => f.write_str("connection closed within a reply"),
        }
    }
}

impl core::error::Error for ReplyError {}

/// The first octets of a line that broke a rule; shown escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Excerpt {
    octets: [u8; Self::MAX],
    len: u8,
}

impl Excerpt {
    /// A rule about the head of a line is broken by its fifth octet (`250`, a CR and no LF) at the latest.
    const MAX: usize = 5;

    /// Keeps the line up to and with the octet at `offending`.
    pub(super) fn through(offending: usize, line: &[u8]) -> Self {
        let mut octets = [0; Self::MAX];
        let mut len = 0_u8;
        for (kept, octet) in octets.iter_mut().zip(line.iter().take(offending.saturating_add(1))) {
            *kept = *octet;
            len = len.saturating_add(1);
        }
        Self { octets, len }
    }

    /// The octets, as the server sent them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Escaped::new(self.as_bytes()), f)
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&Escaped::new(self.as_bytes()), f)
    }
}
