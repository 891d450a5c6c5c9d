//! TLS with rustls: the handshake, and what is known after it.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, InvalidMessage, ProtocolVersion};
use rustls_platform_verifier::BuilderVerifierExt as _;
use smtp_proto::security::{ChannelBindings, TlsState, TlsVersion};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::below_rustls::Below;
use crate::Stream;

/// The most octets that rustls takes in one call.
const TAKEN_AT_ONCE: usize = 64 * 1024;

/// The settings used when none are given.
pub(super) fn default_config() -> io::Result<ClientConfig> {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_platform_verifier())
        .map_err(io::Error::other)?
        .with_no_client_auth();
    Ok(config)
}

/// `ring` if it is there.
fn default_provider() -> CryptoProvider {
    #[cfg(feature = "rustls")]
    return rustls::crypto::ring::default_provider();
    #[cfg(not(feature = "rustls"))]
    rustls::crypto::aws_lc_rs::default_provider()
}

/// Whether a handshake failed because of a record that is none.
pub(super) fn is_clear_text(error: &io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)))
}

pub(crate) struct Protected<S: Stream>(TlsStream<Below<S>>);

impl<S: Stream> Protected<S> {
    pub(super) async fn handshake(
        stream: Pin<Box<S>>,
        config: Arc<ClientConfig>,
        server_name: &str,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(server_name.to_owned()).map_err(io::Error::other)?;
        let limit = |tls: &mut ClientConnection| tls.set_buffer_limit(Some(TAKEN_AT_ONCE));
        TlsConnector::from(config).connect_with(name, Below::new(stream), limit).await.map(Self)
    }

    fn connection(&self) -> &ClientConnection {
        self.0.get_ref().1
    }

    pub(super) fn channel_bindings(&self) -> ChannelBindings {
        let tls = self.connection();
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

    pub(super) fn state(&self) -> TlsState {
        let tls = self.connection();
        let mut state = TlsState::default();
        state.version = tls.protocol_version().and_then(|version| match version {
            ProtocolVersion::TLSv1_2 => Some(TlsVersion::Tls12),
            ProtocolVersion::TLSv1_3 => Some(TlsVersion::Tls13),
            _ => None,
        });
        let suite = tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        // rustls has names of its own for the suites of TLS 1.3.
        state.cipher_suite = suite.map(|name| name.replacen("TLS13_", "TLS_", 1));
        let certificates = tls.peer_certificates().unwrap_or_default();
        state.peer_certificates = certificates.iter().map(|der| der.to_vec()).collect();
        state.alpn_protocol = tls.alpn_protocol().map(<[u8]>::to_vec);
        state
    }

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let before = self.0.get_ref().0.taken();
        match Pin::new(&mut self.0).poll_write_vectored(cx, slices) {
            // Octets of this write may be in the records that have left: all count that TLS may have taken. The
            // next call meets the error again.
            Poll::Ready(Err(_)) if self.0.get_ref().0.taken() != before => {
                let offered: usize = slices.iter().map(|slice| slice.len()).sum();
                Poll::Ready(Ok(offered.min(TAKEN_AT_ONCE)))
            }
            result => result,
        }
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
}
