//! Why a parameter was refused.

use core::fmt;

use super::DateTime;

/// What is wrong with a parameter, and where in the text that was passed.
///
/// The text itself is not kept and not shown, so an error can be logged as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ParameterError {
    kind: ParameterErrorKind,
    offset: Option<usize>,
}

impl ParameterError {
    /// A fault in the argument as a whole.
    pub(super) const fn new(kind: ParameterErrorKind) -> Self {
        Self { kind, offset: None }
    }

    /// A fault behind `offset` octets of the argument.
    pub(super) const fn at(kind: ParameterErrorKind, offset: usize) -> Self {
        Self { kind, offset: Some(offset) }
    }

    /// Which rule was broken.
    #[must_use]
    pub const fn kind(&self) -> ParameterErrorKind {
        self.kind
    }

    /// How many octets of the faulty argument come before the fault; `None` when the fault is the whole of it.
    #[must_use]
    pub const fn offset(&self) -> Option<usize> {
        self.offset
    }
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            Some(offset) => write!(f, "{} at octet offset {offset}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl core::error::Error for ParameterError {}

/// The rule that a parameter broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParameterErrorKind {
    /// A raw keyword is empty, does not start with a letter or digit, or holds anything but letters, digits
    /// and hyphens (RFC 5321 `esmtp-keyword`).
    Keyword,
    /// A raw keyword has a setter of its own here, which checks its value.
    KeywordHasSetter,
    /// A raw keyword was given before.
    DuplicateKeyword,
    /// A raw value is empty or holds a space, a control character, `=` or a non-ASCII character (RFC 5321
    /// `esmtp-value`).
    Value,
    /// An envelope id is empty or holds anything but printable ASCII and spaces (RFC 3461 §4.4).
    EnvelopeId,
    /// An envelope id is longer than 100 octets as xtext (RFC 3461 §4.4).
    EnvelopeIdTooLong,
    /// An address type is empty or holds anything but ASCII letters, digits and hyphens (RFC 3461 §4.2).
    AddressType,
    /// An original recipient is empty or holds a control character; or, its type being other than `utf-8`, a
    /// non-ASCII character (RFC 3461 §4.2, RFC 6533 §3).
    OriginalRecipient,
    /// An original recipient makes the whole `ORCPT` parameter longer than 500 octets (RFC 3461 §4.2).
    OriginalRecipientTooLong,
    /// A time to deliver by has more than nine digits, or is not above 0 although the message is to be returned
    /// after it (RFC 2852 §4).
    DeliverBy,
    /// A priority is not from -9 to 9 (RFC 6710 §3).
    Priority,
    /// A time to hold a message for is 0 or has more than nine digits (RFC 4865 §3).
    HoldFor,
    /// A moment is not an RFC 3339 `date-time` in UTC, or does not exist (RFC 4865 §3).
    DateTime,
    /// An attribute of XCLIENT is empty or holds a control character.
    Attribute,
}

impl fmt::Display for ParameterErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keyword => "malformed parameter keyword",
            Self::KeywordHasSetter => "raw parameter with a keyword that has its own setter",
            Self::DuplicateKeyword => "parameter keyword given twice",
            Self::Value => "malformed parameter value",
            Self::EnvelopeId => "envelope id empty or not printable ASCII",
            Self::EnvelopeIdTooLong => "envelope id longer than 100 octets as xtext",
            Self::AddressType => "malformed address type",
            Self::OriginalRecipient => "original recipient empty or with a character its type does not allow",
            Self::OriginalRecipientTooLong => "ORCPT parameter longer than 500 octets",
            Self::DeliverBy => "time to deliver by not above 0, or of more than nine digits",
            Self::Priority => "priority not from -9 to 9",
            Self::HoldFor => "time to hold the message for 0, or of more than nine digits",
            Self::DateTime => "not a date and time in UTC",
            Self::Attribute => "attribute empty or with a control character",
        })
    }
}

/// A well-formed value that is beyond what the server said in its EHLO reply it would take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutOfRange {
    /// The message is to be returned sooner than the server can promise to try (RFC 2852 §2).
    DeliverBy {
        /// The seconds asked for.
        seconds: u32,
        /// The least the server takes.
        minimum: u64,
    },
    /// The message is to be held for longer than the server holds one (RFC 4865 §3).
    HoldFor {
        /// The seconds asked for.
        seconds: u32,
        /// The most the server takes.
        maximum: u64,
    },
    /// The message is to be held until later than the server holds one (RFC 4865 §3).
    HoldUntil {
        /// The moment asked for.
        moment: DateTime,
        /// The latest the server takes.
        maximum: DateTime,
    },
}

impl fmt::Display for OutOfRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeliverBy { seconds, minimum } => {
                write!(
                    f,
                    "delivery within {seconds} seconds is asked for; the server takes {minimum} at the least"
                )
            }
            Self::HoldFor { seconds, maximum } => {
                write!(
                    f,
                    "the message is to be held for {seconds} seconds; the server takes {maximum} at the most"
                )
            }
            Self::HoldUntil { moment, maximum } => {
                write!(
                    f,
                    "the message is to be held until {moment}; the server takes {maximum} at the latest"
                )
            }
        }
    }
}

impl core::error::Error for OutOfRange {}
