//! What is known about the confidentiality of the connection.
//!
//! A secret leaves the client only over a connection whose [`Security`] allows it (RFC 4954 §4, §9). The
//! value is made by the connection alone, from tokens that only its own TLS step hands out: a caller
//! cannot claim TLS by setting a flag, and server text never enters into it.

mod bindings;
#[cfg(feature = "scram")]
mod certificate;
mod state;

use alloc::sync::Arc;
use core::net::IpAddr;

pub use bindings::ChannelBindings;
pub use state::{TlsState, TlsVersion};

/// The state of the connection's protection against eavesdropping and tampering.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Security {
    /// Clear text to a peer that is not known to be local.
    Plaintext,
    /// Clear text to a loopback address or a Unix socket, told by the adapter from the *peer's address*.
    LocalPlaintext,
    /// TLS, with the peer verified for the name it holds.
    Tls(VerifiedName),
}

impl Security {
    /// Whether the peer is verified and the channel encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        matches!(self, Security::Tls(_))
    }
}

/// The name that a TLS handshake verified the peer for; only the connection's TLS step makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedName(Arc<str>);

impl VerifiedName {
    pub(crate) fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name, as the caller configured it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The form in which a host's name stands in a certificate, and goes out as the server name indication: a DNS name
/// without the final dot that makes it absolute (RFC 6066 §3), an IP address without the brackets of an address
/// literal (RFC 5321 §4.1.3). What is neither stays as it is, for the TLS library to refuse.
pub(crate) fn certificate_name(host: &str) -> &str {
    let is_address = |text: &str| text.parse::<IpAddr>().is_ok();
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address = match literal.split_at_checked(5) {
            Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6:") => address,
            _ => literal,
        };
        return if is_address(address) { address } else { host };
    }
    match host.strip_suffix('.') {
        Some(name) if !name.ends_with('.') && !is_address(name) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::certificate_name;

    #[test]
    fn t16_a_name_as_certificates_have_it() {
        for (host, name) in [
            ("mail.example", "mail.example"),
            ("mail.example.", "mail.example"),
            ("192.0.2.1", "192.0.2.1"),
            ("[192.0.2.1]", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ] {
            assert_eq!(certificate_name(host), name);
        }
        // No names: the TLS library is to refuse them.
        for host in ["", "mail.example..", "192.0.2.1.", "[mail.example]", "[]", "[", "IPv6:::1"] {
            assert_eq!(certificate_name(host), host);
        }
    }
}
