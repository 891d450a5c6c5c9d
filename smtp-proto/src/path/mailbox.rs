//! `Mailbox`: a local part at a domain or at an address literal.

use alloc::boxed::Box;
use core::fmt;
use core::str::FromStr;

use super::grammar;
use super::{AddressError, AddressErrorKind};

/// A mailbox, `local-part@domain` (RFC 5321 §4.1.2; with UTF-8, RFC 6531 §3.3).
///
/// The local part is a dot-string (`alice.b`) or a quoted string (`"alice b"`) of at most 64 octets; the
/// domain is a domain or an address literal (`[192.0.2.1]`, `[IPv6:2001:db8::1]`, `[tag:text]`); the whole is
/// at most 254 octets, so that it fits a path of 256. The text is kept as given, but for one pair of angle
/// brackets around it: two mailboxes are equal when their octets are, whatever a server may think of case.
///
/// ```
/// use smtp_proto::path::Mailbox;
///
/// let mailbox: Mailbox = r#"<"alice b"@example.com>"#.parse()?;
/// assert_eq!(mailbox.as_str(), r#""alice b"@example.com"#);
/// assert_eq!(mailbox.local_part(), r#""alice b""#);
/// assert_eq!(mailbox.domain(), "example.com");
/// assert!(mailbox.is_ascii());
/// assert!(!"δοκιμή@παράδειγμα.gr".parse::<Mailbox>()?.is_ascii());
/// # Ok::<(), smtp_proto::path::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    text: Box<str>,
    /// The octets before the `@`, which is not always the only one: `"a@b"@c`.
    local_len: u8,
    ascii: bool,
}

impl Mailbox {
    /// The whole mailbox, without angle brackets.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What comes before the `@`, with its quotes if it has any.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.text.get(..usize::from(self.local_len)).unwrap_or_default()
    }

    /// What comes after the `@`: a domain, or an address literal with its square brackets.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.get(usize::from(self.local_len) + 1..).unwrap_or_default()
    }

    /// Whether every octet is ASCII. If not, it may be sent only under SMTPUTF8 (RFC 6531).
    #[must_use]
    pub const fn is_ascii(&self) -> bool {
        self.ascii
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(given: &str) -> Result<Self, AddressError> {
        let error = |kind, offset| Err(AddressError::new(kind, offset));
        if given.is_empty() {
            return error(AddressErrorKind::Empty, 0);
        }
        grammar::refuse_controls(given)?;
        let (text, offset) = match given.strip_prefix('<').map(|rest| rest.strip_suffix('>')) {
            None => (given, 0),
            Some(None) => return error(AddressErrorKind::UnbalancedBrackets, given.len()),
            Some(Some("")) => return error(AddressErrorKind::NullPath, 0),
            Some(Some(inner)) => (inner, 1),
        };
        let local_len = grammar::check_mailbox(text, offset)?;
        Ok(Self { text: text.into(), local_len, ascii: text.is_ascii() })
    }
}

/// Writes the mailbox without angle brackets.
impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
