//! What names a TLS channel (RFC 5056).

use alloc::boxed::Box;
use core::fmt;

/// What names a TLS channel, so that a SASL mechanism can bind an exchange to it (RFC 5056). A man in the middle
/// has two channels, with two names.
///
/// Whoever does the TLS handshake finds it out and gives it to the connection with the token of the handshake,
/// in [`TlsUpgrade::bind`](crate::connection::TlsUpgrade::bind); mechanisms see it in
/// [`ServerInfo`](crate::sasl::ServerInfo).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ChannelBindings {
    exporter: Option<Box<[u8]>>,
    server_end_point: Option<Box<[u8]>>,
}

impl ChannelBindings {
    pub(crate) const NONE: &'static Self = &Self::new();

    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { exporter: None, server_end_point: None }
    }

    /// `tls-exporter` (RFC 9266): 32 octets of exported keying material with the label
    /// `EXPORTER-Channel-Binding` and no context. Under TLS 1.2 it names the channel only if the extended master
    /// secret (RFC 7627) was negotiated; leave it out otherwise.
    #[must_use]
    pub fn with_exporter(mut self, keying_material: [u8; 32]) -> Self {
        self.exporter = Some(Box::new(keying_material));
        self
    }

    /// `tls-server-end-point` (RFC 5929 §4): the hash of the server's certificate.
    #[must_use]
    pub fn with_server_end_point(mut self, hash: impl Into<Box<[u8]>>) -> Self {
        self.server_end_point = Some(hash.into());
        self
    }

    /// `tls-server-end-point`, found from the server's own certificate in DER: its hash by the algorithm that
    /// the certificate is signed with, SHA-256 in place of MD5 and SHA-1 (RFC 5929 §4.1).
    ///
    /// Nothing is added if that algorithm has no hash of its own, as Ed25519 has none, or is not known here: the
    /// binding is not defined then.
    #[cfg(feature = "scram")]
    #[must_use]
    pub fn with_certificate(self, der: &[u8]) -> Self {
        match super::certificate::end_point(der) {
            Some(hash) => self.with_server_end_point(hash),
            None => self,
        }
    }

    /// `tls-exporter`, if known.
    #[must_use]
    pub fn exporter(&self) -> Option<&[u8]> {
        self.exporter.as_deref()
    }

    /// `tls-server-end-point`, if known.
    #[must_use]
    pub fn server_end_point(&self) -> Option<&[u8]> {
        self.server_end_point.as_deref()
    }

    /// Whether neither is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exporter.is_none() && self.server_end_point.is_none()
    }
}

/// Tells which are known; keying material is nobody's business.
impl fmt::Debug for ChannelBindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelBindings")
            .field("exporter", &self.exporter.is_some())
            .field("server_end_point", &self.server_end_point.is_some())
            .finish()
    }
}
