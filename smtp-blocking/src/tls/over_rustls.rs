//! TLS with rustls: the handshake, and what is known after it.

use std::io::{self, IoSlice, Read as _, Write as _};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, InvalidMessage, ProtocolVersion};
use rustls_platform_verifier::BuilderVerifierExt as _;
use smtp_proto::security::{ChannelBindings, TlsState, TlsVersion};

use crate::Stream;
use crate::clocked::{Clocked, Wait};

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

pub(crate) struct Protected<S: Stream> {
    tls: ClientConnection,
    stream: Clocked<S>,
}

impl<S: Stream> Protected<S> {
    pub(super) fn handshake(
        mut stream: Clocked<S>,
        config: &Arc<ClientConfig>,
        server_name: &str,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(server_name.to_owned()).map_err(io::Error::other)?;
        let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            match tls.complete_io(&mut stream) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { tls, stream })
    }

    pub(super) fn channel_bindings(&self) -> ChannelBindings {
        let bindings = ChannelBindings::new();
        #[cfg(feature = "scram")]
        let bindings = match self.tls.peer_certificates().and_then(<[_]>::first) {
            Some(certificate) => bindings.with_certificate(certificate),
            None => bindings,
        };
        // Under TLS 1.2 it takes the extended master secret (RFC 9266 §3), and rustls does not tell whether it is
        // there.
        if self.tls.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            return bindings;
        }
        match self.tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None) {
            Ok(keying_material) => bindings.with_exporter(keying_material),
            Err(_) => bindings,
        }
    }

    pub(super) fn state(&self) -> TlsState {
        let mut state = TlsState::default();
        state.version = self.tls.protocol_version().and_then(|version| match version {
            ProtocolVersion::TLSv1_2 => Some(TlsVersion::Tls12),
            ProtocolVersion::TLSv1_3 => Some(TlsVersion::Tls13),
            _ => None,
        });
        let suite = self.tls.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        // rustls has names of its own for the suites of TLS 1.3.
        state.cipher_suite = suite.map(|name| name.replacen("TLS13_", "TLS_", 1));
        let certificates = self.tls.peer_certificates().unwrap_or_default();
        state.peer_certificates = certificates.iter().map(|der| der.to_vec()).collect();
        state.alpn_protocol = self.tls.alpn_protocol().map(<[u8]>::to_vec);
        state
    }

    pub(super) fn set_wait(&mut self, wait: Wait) {
        self.stream.set_wait(wait);
    }

    pub(super) fn is_backed_up(&self) -> bool {
        self.tls.wants_write()
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.both().read(buffer)
    }

    /// Reads what rustls has decrypted already, or else the next record.
    pub(super) fn read_past_writes(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result,
            }
            if self.tls.read_tls(&mut self.stream)? == 0 {
                return Ok(0);
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
    }

    pub(super) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.both().write_vectored(slices) {
            // Its buffer is full; that the stream has ended would be an error.
            Ok(0) if self.tls.wants_write() => Err(io::ErrorKind::WouldBlock.into()),
            result => result,
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.both().flush()
    }

    /// `StreamOwned` would write the first of several slices alone.
    fn both(&mut self) -> rustls::Stream<'_, ClientConnection, Clocked<S>> {
        rustls::Stream::new(&mut self.tls, &mut self.stream)
    }
}
