//! What is known about the confidentiality of the connection.
//!
//! A secret leaves the client only over a connection whose [`Security`] allows it (RFC 4954 §4, §9). The
//! value is made by the connection alone, from tokens that only its own TLS step hands out: a caller
//! cannot claim TLS by setting a flag, and server text never enters into it.

mod bindings;
#[cfg(feature = "scram")]
mod certificate;

use alloc::boxed::Box;

pub use bindings::ChannelBindings;

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
pub struct VerifiedName(Box<str>);

impl VerifiedName {
    pub(crate) fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name, as it was given to the TLS library.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
