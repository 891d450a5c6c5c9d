//! TLS with the platform's library, through native-tls. Octets go to it by way of a buffer of one record: a library that
//! has been handed octets and could not write them wants the very same again, and may have encrypted them already.

use std::io::{self, IoSlice, Read as _, Write as _};

use native_tls::{HandshakeError, TlsConnector, TlsStream};
use rustls_pki_types::{CertificateDer, ServerName};
use smtp_proto::security::{ChannelBindings, TlsState};
use webpki::EndEntityCert;

use super::below_native_tls::Below;
use crate::Stream;
use crate::clocked::{Clocked, Wait};

/// The most octets in one TLS record (RFC 8446 §5.1).
const RECORD: usize = 16 * 1024;

/// The settings used when none are given, and there is no rustls.
#[cfg(not(feature = "__rustls"))]
pub(super) fn default_connector() -> io::Result<TlsConnector> {
    let oldest = native_tls::Protocol::Tlsv12;
    TlsConnector::builder().min_protocol_version(Some(oldest)).build().map_err(io::Error::other)
}

pub(crate) struct Protected<S: Stream> {
    tls: TlsStream<Below<S>>,
    /// Octets that TLS was handed and has not taken. From then on they may leave, and none is handed twice.
    handed: Vec<u8>,
    /// Why TLS did not take them, where nobody was told so far.
    failed: Option<io::Error>,
    /// The server's certificate in DER.
    certificate: Vec<u8>,
}

impl<S: Stream> Protected<S> {
    pub(super) fn handshake(
        stream: Clocked<S>,
        connector: &TlsConnector,
        server_name: &str,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(server_name).map_err(io::Error::other)?;
        let mut attempt = connector.connect(server_name, Below::new(stream));
        let mut tls = loop {
            match attempt {
                Ok(tls) => break tls,
                Err(HandshakeError::Failure(error)) => return Err(io::Error::other(error)),
                Err(HandshakeError::WouldBlock(mut begun)) => {
                    let below = begun.get_mut();
                    if let Some(error) = below.refused() {
                        return Err(error);
                    }
                    if !below.has_moved() {
                        return Err(io::ErrorKind::WouldBlock.into());
                    }
                    // The stream gave up before the time was over. It may, as long as the handshake moves.
                    attempt = begun.handshake();
                }
            }
        };
        let certificate = tls.peer_certificate().map_err(io::Error::other)?;
        let certificate = certificate.ok_or_else(|| io::Error::other("the server showed no certificate"))?;
        let certificate = certificate.to_der().map_err(io::Error::other)?;
        verify_name(&certificate, &name)?;
        tls.get_mut().refused();
        Ok(Self { tls, handed: Vec::new(), failed: None, certificate })
    }

    pub(super) fn channel_bindings(&self) -> ChannelBindings {
        let bindings = ChannelBindings::new();
        #[cfg(feature = "scram")]
        let bindings = bindings.with_certificate(&self.certificate);
        bindings
    }

    pub(super) fn state(&self) -> TlsState {
        let mut state = TlsState::default();
        state.peer_certificates.push(self.certificate.clone());
        state
    }

    pub(super) fn set_wait(&mut self, wait: Wait) {
        self.tls.get_mut().stream.set_wait(wait);
    }

    pub(super) fn is_backed_up(&self) -> bool {
        !self.handed.is_empty()
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.call(|tls| tls.read(buffer))
    }

    /// A read never waits for a write.
    pub(super) fn read_past_writes(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.read(buffer)
    }

    pub(super) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.hand_over()?;
        for slice in slices {
            let room = RECORD.saturating_sub(self.handed.len());
            self.handed.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        let taken = self.handed.len();
        // They have been handed over, whatever comes of it.
        self.failed = self.hand_over().err().filter(|error| error.kind() != io::ErrorKind::WouldBlock);
        Ok(taken)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.hand_over()?;
        self.call(TlsStream::flush)?;
        self.tls.get_mut().stream.flush()
    }

    /// Gives TLS what it was handed before, until it has taken all of it.
    fn hand_over(&mut self) -> io::Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        while !self.handed.is_empty() {
            let handed = std::mem::take(&mut self.handed);
            let result = self.call(|tls| tls.write(&handed));
            self.handed = handed;
            match result? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => drop(self.handed.drain(..count.min(self.handed.len()))),
            }
        }
        Ok(())
    }

    /// One call of TLS, with the real reason if the stream below it failed.
    fn call<T>(&mut self, call: impl FnOnce(&mut TlsStream<Below<S>>) -> io::Result<T>) -> io::Result<T> {
        self.tls.get_mut().refused();
        match call(&mut self.tls) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(self.tls.get_mut().refused().unwrap_or(error))
            }
            result => result,
        }
    }
}

/// Compares the names in the certificate, which the platform has verified otherwise, as rustls does (RFC 9525): a common
/// name is no name of a host.
fn verify_name(certificate: &[u8], name: &ServerName<'_>) -> io::Result<()> {
    let certificate = CertificateDer::from(certificate);
    let certificate = EndEntityCert::try_from(&certificate).map_err(invalid)?;
    certificate.verify_is_valid_for_subject_name(name).map_err(invalid)
}

fn invalid(error: webpki::Error) -> io::Error {
    io::Error::other(format!("invalid peer certificate: {error}"))
}
