//! TLS with the platform's library, through tokio-native-tls. Octets go to it by way of a buffer of one record: a
//! library that has been handed octets and could not write them wants the very same again, and may have encrypted them
//! already.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use native_tls::TlsConnector;
use rustls_pki_types::{CertificateDer, ServerName};
use smtp_proto::security::{ChannelBindings, TlsState};
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio_native_tls::TlsStream;
use webpki::EndEntityCert;

use super::ClearText;
use super::below_native_tls::Below;
use crate::Stream;

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
    pub(super) async fn handshake(
        stream: Pin<Box<S>>,
        connector: TlsConnector,
        server_name: &str,
    ) -> io::Result<Self> {
        let name = ServerName::try_from(server_name).map_err(io::Error::other)?;
        let clear_text = Arc::new(AtomicBool::new(false));
        let below = Below::new(stream, Arc::clone(&clear_text));
        let connector = tokio_native_tls::TlsConnector::from(connector);
        let mut tls = match connector.connect(server_name, below).await {
            Ok(tls) => tls,
            Err(_) if clear_text.load(Ordering::Relaxed) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, ClearText));
            }
            Err(error) => return Err(io::Error::other(error)),
        };
        let certificate = tls.get_ref().peer_certificate().map_err(io::Error::other)?;
        let certificate = certificate.ok_or_else(|| io::Error::other("the server showed no certificate"))?;
        let certificate = certificate.to_der().map_err(io::Error::other)?;
        verify_name(&certificate, &name)?;
        below_of(&mut tls).set_established();
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

    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.call(|tls| tls.poll_read(cx, buffer))
    }

    pub(super) fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.hand_over(cx))?;
        for slice in slices {
            let room = RECORD.saturating_sub(self.handed.len());
            self.handed.extend_from_slice(slice.get(..room).unwrap_or(slice));
        }
        let taken = self.handed.len();
        // They have been handed over, whatever comes of it.
        if let Poll::Ready(Err(error)) = self.hand_over(cx) {
            self.failed = Some(error);
        }
        Poll::Ready(Ok(taken))
    }

    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.hand_over(cx))?;
        self.call(|tls| tls.poll_flush(cx))
    }

    /// Gives TLS what it was handed before, until it has taken all of it.
    fn hand_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failed.take() {
            return Poll::Ready(Err(error));
        }
        while !self.handed.is_empty() {
            let handed = std::mem::take(&mut self.handed);
            let result = self.call(|tls| tls.poll_write(cx, &handed));
            self.handed = handed;
            match ready!(result)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => drop(self.handed.drain(..count.min(self.handed.len()))),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// One call of TLS, with the real reason if the stream below it failed.
    fn call<T>(
        &mut self,
        call: impl FnOnce(Pin<&mut TlsStream<Below<S>>>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        below_of(&mut self.tls).refused();
        match (call(Pin::new(&mut self.tls)), below_of(&mut self.tls).refused()) {
            (Poll::Pending, Some(error)) => Poll::Ready(Err(error)),
            (result, _) => result,
        }
    }
}

fn below_of<S: Stream>(tls: &mut TlsStream<Below<S>>) -> &mut Below<S> {
    tls.get_mut().get_mut().get_mut()
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
