//! What was agreed in a TLS handshake, in words of no TLS library's.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// What was agreed in the TLS handshake, as far as the TLS library tells. An adapter that does the handshake makes one;
/// nothing is decided by it.
///
/// ```
/// use smtp_proto::security::{TlsState, TlsVersion};
///
/// let mut state = TlsState::default();
/// state.version = Some(TlsVersion::Tls13);
/// assert_eq!(state.version.unwrap().to_string(), "TLS 1.3");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsState {
    /// The protocol version.
    pub version: Option<TlsVersion>,
    /// The cipher suite, by its name in the IANA's registry: `TLS_AES_128_GCM_SHA256`.
    pub cipher_suite: Option<String>,
    /// The server's certificate and, where the TLS library tells of it, the chain it sent, each in DER.
    pub peer_certificates: Vec<Vec<u8>>,
    /// The application protocol, if one was negotiated (ALPN, RFC 7301).
    pub alpn_protocol: Option<Vec<u8>>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TlsVersion {
    /// TLS 1.2 (RFC 5246).
    Tls12,
    /// TLS 1.3 (RFC 8446).
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TlsVersion::Tls12 => "TLS 1.2",
            TlsVersion::Tls13 => "TLS 1.3",
        })
    }
}
