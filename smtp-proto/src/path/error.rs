//! Why a string is not a name or a path.

use core::fmt;

/// What is wrong with a client name, a mailbox or a path, and where.
///
/// The text itself is not kept and not shown, so an error can be logged as it is.
///
/// ```
/// use smtp_proto::path::{AddressErrorKind, Mailbox};
///
/// let error = "bob@example.net\r\nRSET".parse::<Mailbox>().unwrap_err();
/// assert_eq!(error.kind(), AddressErrorKind::ControlCharacter);
/// assert_eq!(error.offset(), 15);
/// assert_eq!(error.to_string(), "control character or line separator at octet offset 15");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AddressError {
    kind: AddressErrorKind,
    offset: usize,
}

impl AddressError {
    pub(crate) const fn new(kind: AddressErrorKind, offset: usize) -> Self {
        Self { kind, offset }
    }

    /// Which rule was broken.
    #[must_use]
    pub const fn kind(&self) -> AddressErrorKind {
        self.kind
    }

    /// How many octets of the given text come before the fault. For a length, the first octet too many.
    #[must_use]
    pub const fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet offset {}", self.kind, self.offset)
    }
}

impl core::error::Error for AddressError {}

/// The rule that a client name, a mailbox or a path broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressErrorKind {
    /// There is no text. The null reverse-path is written `<>`.
    Empty,
    /// A control character (C0, DEL, C1) or a Unicode line or paragraph separator, anywhere, quoted or not.
    ControlCharacter,
    /// The text starts with `<` and does not end with `>`.
    UnbalancedBrackets,
    /// The null path `<>` where a mailbox is needed: only a reverse-path may be null (RFC 5321 §4.1.1.3).
    NullPath,
    /// A source route `@a,@b:c@d`, which is not sent any more (RFC 5321 Appendix F.2).
    SourceRoute,
    /// No `@` ends the local part.
    MissingAt,
    /// Nothing comes before the `@`.
    EmptyLocalPart,
    /// A character that needs quotes stands outside of them, or one that not even quotes allow.
    LocalPartCharacter,
    /// A dot at the start or the end of an unquoted local part, or two in a row (RFC 5321 `Dot-string`).
    LocalPartDot,
    /// A quoted local part has no closing quote, or its closing quote is not followed by `@`.
    QuotedString,
    /// The local part is longer than 64 octets (RFC 5321 §4.5.3.1.1).
    LocalPartTooLong,
    /// Nothing comes after the `@`.
    EmptyDomain,
    /// A character that a domain cannot hold: ASCII other than letters, digits, hyphens and dots; white
    /// space, look-alikes of the dot and invisible direction marks beyond ASCII; any non-ASCII character in
    /// a client name.
    DomainCharacter,
    /// A label that is empty, longer than 63 octets, or starts or ends with a hyphen.
    DomainLabel,
    /// What the square brackets hold is neither an IPv4 address, nor `IPv6:` and an IPv6 address, nor a tag,
    /// a colon and printable text (RFC 5321 §4.1.3).
    AddressLiteral,
    /// The domain is longer than 255 octets (RFC 5321 §4.5.3.1.2).
    DomainTooLong,
    /// The path with its angle brackets is longer than 256 octets (RFC 5321 §4.5.3.1.3).
    PathTooLong,
}

impl fmt::Display for AddressErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty address",
            Self::ControlCharacter => "control character or line separator",
            Self::UnbalancedBrackets => "missing closing angle bracket",
            Self::NullPath => "null path where a mailbox is needed",
            Self::SourceRoute => "source route",
            Self::MissingAt => "missing @",
            Self::EmptyLocalPart => "empty local part",
            Self::LocalPartCharacter => "character not allowed in the local part",
            Self::LocalPartDot => "misplaced dot in an unquoted local part",
            Self::QuotedString => "quoted local part not closed before the @",
            Self::LocalPartTooLong => "local part longer than 64 octets",
            Self::EmptyDomain => "empty domain",
            Self::DomainCharacter => "character not allowed in the domain",
            Self::DomainLabel => "domain label empty, too long or with a hyphen at its edge",
            Self::AddressLiteral => "malformed address literal",
            Self::DomainTooLong => "domain longer than 255 octets",
            Self::PathTooLong => "path longer than 256 octets",
        })
    }
}
