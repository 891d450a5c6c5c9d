//! Why a parameter was refused.

use core::fmt;

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
        })
    }
}
