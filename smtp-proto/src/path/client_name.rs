//! The name that the client gives in EHLO, HELO and LHLO.

use alloc::boxed::Box;
use alloc::format;
use core::fmt;
use core::net::IpAddr;
use core::str::FromStr;

use super::grammar;
use super::{AddressError, AddressErrorKind};

/// The client's own name: a domain, or an address literal where it has none (RFC 5321 §4.1.1.1, §4.1.4).
///
/// ASCII only and at most 255 octets: an internationalised name is given as its A-labels (`xn--…`).
/// [`FromStr`] takes both forms, `mail.example.com` and `[192.0.2.1]`.
///
/// ```
/// use smtp_proto::path::ClientName;
///
/// assert_eq!(ClientName::domain("mail.example.com")?.as_str(), "mail.example.com");
/// assert_eq!(ClientName::from_ip([127, 0, 0, 1].into()).as_str(), "[127.0.0.1]");
/// assert_eq!("[IPv6:::1]".parse::<ClientName>()?, ClientName::from_ip("::1".parse().unwrap()));
/// assert!("mail.example.com\r\nMAIL FROM:<e@x>".parse::<ClientName>().is_err());
/// # Ok::<(), smtp_proto::path::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientName(Box<str>);

impl ClientName {
    /// A domain: labels of letters, digits and inner hyphens, one label being enough.
    ///
    /// # Errors
    /// When `name` is empty, longer than 255 octets, or not such a domain.
    pub fn domain(name: &str) -> Result<Self, AddressError> {
        check(name, grammar::check_domain)
    }

    /// The address literal of `address`: `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
    #[must_use]
    pub fn from_ip(address: IpAddr) -> Self {
        Self(match address {
            IpAddr::V4(address) => format!("[{address}]").into(),
            IpAddr::V6(address) => format!("[IPv6:{address}]").into(),
        })
    }

    /// The name as it is written after the verb.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClientName {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        check(text, grammar::check_domain_or_literal)
    }
}

fn check(
    text: &str,
    syntax: fn(&str, usize) -> Result<(), AddressError>,
) -> Result<ClientName, AddressError> {
    if text.is_empty() {
        return Err(AddressError::new(AddressErrorKind::Empty, 0));
    }
    grammar::refuse_controls(text)?;
    if let Some(offset) = text.bytes().position(|octet| !octet.is_ascii()) {
        return Err(AddressError::new(AddressErrorKind::DomainCharacter, offset));
    }
    syntax(text, 0)?;
    Ok(ClientName(text.into()))
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
