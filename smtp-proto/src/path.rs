//! Names and paths that a command may carry: the client's own name, reverse-path and forward-path.
//!
//! Every value is valid by construction and never changes: what [`as_str`](Mailbox::as_str) returns is
//! exactly what is written, it cannot end a line, close a path early or add a parameter, and nothing after
//! the constructor has to check it again. Implements RFC 5321 §4.1.2 and §4.1.3 (the grammar), §4.5.3.1 (the
//! lengths) and RFC 6531 §3.3 (UTF-8 addresses).
//!
//! Three things that the grammar allows, or that are seen in the wild, are refused on purpose: source routes
//! (RFC 5321 Appendix F.2 tells clients not to send them), dots that are leading, trailing or doubled in an
//! unquoted local part (quote such a local part instead: `"a..b"@example.com`), and any control character,
//! those of Unicode and its line separators included.

mod client_name;
mod error;
mod grammar;
mod mailbox;

use alloc::string::String;
use core::fmt;
use core::str::FromStr;

pub use client_name::ClientName;
pub use error::{AddressError, AddressErrorKind};
pub use mailbox::Mailbox;

/// The bare local part that every server must accept as a recipient (RFC 5321 §4.1.1.3).
const POSTMASTER: &str = "postmaster";

/// Where failures are reported to: the argument of `MAIL FROM`. A mailbox, or the null path `<>`.
///
/// [`FromStr`] takes `a@b`, `<a@b>` and `<>`. It does not take the empty string: a setting that was left
/// empty should not turn into a message that can never bounce.
///
/// ```
/// use smtp_proto::path::ReversePath;
///
/// let path: ReversePath = "<alice@example.com>".parse()?;
/// assert_eq!(path.as_str(), "alice@example.com");
/// assert_eq!(path.to_string(), "<alice@example.com>");
/// assert!("<>".parse::<ReversePath>()?.is_null());
/// assert!("".parse::<ReversePath>().is_err());
/// # Ok::<(), smtp_proto::path::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ReversePath(Option<Mailbox>);

impl ReversePath {
    /// The null reverse-path `<>`, for messages that must not be answered by a failure report, such as
    /// failure reports themselves (RFC 5321 §4.5.5).
    #[must_use]
    pub const fn null() -> Self {
        Self(None)
    }

    /// Whether this is the null reverse-path.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        self.0.is_none()
    }

    /// The mailbox, or `None` for the null path.
    #[must_use]
    pub const fn mailbox(&self) -> Option<&Mailbox> {
        self.0.as_ref()
    }

    /// The path without its angle brackets; the empty string for the null path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", Mailbox::as_str)
    }

    /// Whether the path may be sent only with the `SMTPUTF8` parameter (RFC 6531 §3.4).
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        self.0.as_ref().is_some_and(|mailbox| !mailbox.is_ascii())
    }
}

impl FromStr for ReversePath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text == "<>" { Ok(Self::null()) } else { text.parse().map(|mailbox| Self(Some(mailbox))) }
    }
}

impl From<Mailbox> for ReversePath {
    fn from(mailbox: Mailbox) -> Self {
        Self(Some(mailbox))
    }
}

/// Writes the path as a command carries it, with its angle brackets.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}

/// A recipient: the argument of `RCPT TO`. A mailbox, or `<postmaster>` without a domain; never null.
///
/// [`FromStr`] takes `a@b`, `<a@b>`, and the bare word `postmaster` in any case, with or without brackets.
///
/// ```
/// use smtp_proto::path::{AddressErrorKind, ForwardPath};
///
/// let path: ForwardPath = "bob@example.net".parse()?;
/// assert_eq!(path.to_string(), "<bob@example.net>");
/// assert_eq!("<Postmaster>".parse::<ForwardPath>()?, ForwardPath::postmaster());
/// let refused = "<>".parse::<ForwardPath>().map_err(|error| error.kind());
/// assert_eq!(refused, Err(AddressErrorKind::NullPath));
/// # Ok::<(), smtp_proto::path::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ForwardPath(Option<Mailbox>);

impl ForwardPath {
    /// The server's own postmaster, `<postmaster>` (RFC 5321 §4.1.1.3).
    #[must_use]
    pub const fn postmaster() -> Self {
        Self(None)
    }

    /// Whether this is `<postmaster>` without a domain.
    #[must_use]
    pub const fn is_postmaster(&self) -> bool {
        self.0.is_none()
    }

    /// The mailbox, or `None` for `<postmaster>`.
    #[must_use]
    pub const fn mailbox(&self) -> Option<&Mailbox> {
        self.0.as_ref()
    }

    /// The path without its angle brackets, `postmaster` in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or(POSTMASTER, Mailbox::as_str)
    }

    /// Whether the path may be sent only in a transaction with the `SMTPUTF8` parameter (RFC 6531 §3.4).
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        self.0.as_ref().is_some_and(|mailbox| !mailbox.is_ascii())
    }
}

impl FromStr for ForwardPath {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let bare = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')).unwrap_or(text);
        if bare.eq_ignore_ascii_case(POSTMASTER) {
            return Ok(Self::postmaster());
        }
        text.parse().map(|mailbox| Self(Some(mailbox)))
    }
}

impl From<Mailbox> for ForwardPath {
    fn from(mailbox: Mailbox) -> Self {
        Self(Some(mailbox))
    }
}

/// Writes the path as a command carries it, with its angle brackets.
impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}

macro_rules! convert_from_strings {
    ($($type:ty),+) => {$(
        impl TryFrom<&str> for $type {
            type Error = AddressError;

            fn try_from(text: &str) -> Result<Self, AddressError> {
                text.parse()
            }
        }

        impl TryFrom<String> for $type {
            type Error = AddressError;

            fn try_from(text: String) -> Result<Self, AddressError> {
                text.parse()
            }
        }
    )+};
}

convert_from_strings!(ClientName, ReversePath, ForwardPath, Mailbox);

/// The host of `host:port`, brackets of an IPv6 literal taken off; without a port, all of it.
///
/// ```
/// use smtp_proto::path::host_of;
/// assert_eq!(host_of("mail.example.org:587"), "mail.example.org");
/// assert_eq!(host_of("[::1]:25"), "::1");
/// ```
#[must_use]
pub fn host_of(address: &str) -> &str {
    let is_port = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let host = match address.rsplit_once(':') {
        // An IPv6 address without brackets has no port.
        Some((host, port)) if is_port(port) && (host.ends_with(']') || !host.contains(':')) => host,
        _ => address,
    };
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

#[cfg(test)]
mod tests;
