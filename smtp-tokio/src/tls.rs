//! TLS with rustls: the handshake, and what is known after it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, InvalidMessage, ProtocolVersion, SupportedCipherSuite};
use rustls_platform_verifier::BuilderVerifierExt as _;
use smtp_proto::security::ChannelBindings;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::Stream;
use crate::below::Below;
use crate::transport::TAKEN_AT_ONCE;

/// The settings used when none are given: the `ring` provider, and the certificate authorities that the
/// platform trusts.
///
/// # Errors
/// When the platform's certificate store cannot be used.
pub fn default_tls_config() -> io::Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(io::Error::other)?
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Does the handshake; the name is the one the caller configured.
pub(crate) async fn handshake<S: Stream>(
    stream: Pin<Box<S>>,
    config: Arc<ClientConfig>,
    server_name: &str,
) -> io::Result<TlsStream<Below<S>>> {
    let name = ServerName::try_from(server_name.to_owned()).map_err(io::Error::other)?;
    let limit = |tls: &mut ClientConnection| tls.set_buffer_limit(Some(TAKEN_AT_ONCE));
    TlsConnector::from(config).connect_with(name, Below::new(stream), limit).await
}

/// Whether a handshake failed because the peer speaks clear text: no TLS record begins with a printable octet.
pub(crate) fn is_clear_text(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

/// What names the channel, for mechanisms that bind to it.
pub(crate) fn channel_bindings(tls: &ClientConnection) -> ChannelBindings {
    let bindings = ChannelBindings::new();
    #[cfg(feature = "scram")]
    let bindings = match tls.peer_certificates().and_then(<[_]>::first) {
        Some(certificate) => bindings.with_certificate(certificate),
        None => bindings,
    };
    // Under TLS 1.2 it takes the extended master secret (RFC 9266 §3), and rustls does not tell whether it is
    // there.
    if tls.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
        return bindings;
    }
    match tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None) {
        Ok(keying_material) => bindings.with_exporter(keying_material),
        Err(_) => bindings,
    }
}

/// What was agreed in the handshake.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TlsState {
    /// The protocol version.
    pub version: Option<ProtocolVersion>,
    /// The cipher suite.
    pub cipher_suite: Option<SupportedCipherSuite>,
    /// The server's certificate and the chain it sent.
    pub peer_certificates: Vec<CertificateDer<'static>>,
    /// The application protocol, if one was negotiated (ALPN).
    pub alpn_protocol: Option<Vec<u8>>,
}

impl TlsState {
    pub(crate) fn of(tls: &ClientConnection) -> Self {
        let certificates = tls.peer_certificates().unwrap_or_default();
        Self {
            version: tls.protocol_version(),
            cipher_suite: tls.negotiated_cipher_suite(),
            peer_certificates: certificates.iter().map(|der| der.clone().into_owned()).collect(),
            alpn_protocol: tls.alpn_protocol().map(<[u8]>::to_vec),
        }
    }
}
