//! TLS, whichever library does it: the settings, the handshake, and what the loop asks of a protected stream.

#[cfg(feature = "native-tls")]
mod below_native_tls;
#[cfg(feature = "native-tls")]
mod over_native_tls;
#[cfg(feature = "__rustls")]
mod over_rustls;

use std::fmt;
use std::io::{self, IoSlice};

use smtp_proto::security::{ChannelBindings, TlsState};

use crate::Stream;
use crate::clocked::{Clocked, Wait};

/// The settings of a TLS library: whom to believe, which versions to speak, a certificate of the client's own. They come
/// from that library's own type, by `into()`, and name the library by it.
///
/// | settings | feature |
/// |---|---|
/// | `rustls::ClientConfig`, alone or in an `Arc` | `rustls` (with the `ring` provider), `aws-lc-rs` |
/// | `native_tls::TlsConnector` | `native-tls` |
///
/// The certificate must be valid for the [`Config`](crate::Config)'s host, whatever library verifies it. With rustls
/// its verifier decides (RFC 9525). With native-tls the platform decides, and the names in the certificate are then
/// compared once more as rustls would do it, since OpenSSL takes the subject's common name for a host where a
/// certificate names none; a connector made with `danger_accept_invalid_hostnames` changes nothing about that.
///
/// native-tls neither tells the version and the cipher suite nor exports keying material: what names its channel is
/// `tls-server-end-point` alone ([`ChannelBindings`]). Its own connectors speak TLS 1.0 and 1.1 where the platform
/// still does, unless `min_protocol_version` says otherwise; [`default_tls_config`] does not.
///
/// ```
/// # #[cfg(feature = "native-tls")]
/// # fn example(client: &mut smtp_blocking::Client, authority: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// use native_tls::{Certificate, Protocol, TlsConnector};
///
/// let connector = TlsConnector::builder()
///     .add_root_certificate(Certificate::from_pem(authority)?)
///     .min_protocol_version(Some(Protocol::Tlsv12))
///     .build()?;
/// client.set_tls_config(connector);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct TlsConfig(Settings);

#[derive(Clone)]
enum Settings {
    #[cfg(feature = "__rustls")]
    Rustls(std::sync::Arc<rustls::ClientConfig>),
    #[cfg(feature = "native-tls")]
    NativeTls(native_tls::TlsConnector),
}

#[cfg(feature = "__rustls")]
impl From<std::sync::Arc<rustls::ClientConfig>> for TlsConfig {
    fn from(config: std::sync::Arc<rustls::ClientConfig>) -> Self {
        Self(Settings::Rustls(config))
    }
}

#[cfg(feature = "__rustls")]
impl From<rustls::ClientConfig> for TlsConfig {
    fn from(config: rustls::ClientConfig) -> Self {
        std::sync::Arc::new(config).into()
    }
}

#[cfg(feature = "native-tls")]
impl From<native_tls::TlsConnector> for TlsConfig {
    fn from(connector: native_tls::TlsConnector) -> Self {
        Self(Settings::NativeTls(connector))
    }
}

impl fmt::Debug for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(feature = "__rustls")]
            Settings::Rustls(_) => "TlsConfig(rustls)",
            #[cfg(feature = "native-tls")]
            Settings::NativeTls(_) => "TlsConfig(native-tls)",
        })
    }
}

/// The settings used when none are given: TLS 1.2 and 1.3, and the certificate authorities that the platform trusts.
///
/// With several features it is rustls rather than native-tls, and `ring` rather than `aws-lc-rs`: a later one that some
/// other crate turns on changes nothing for those who have an earlier one. Where it matters which of them it is, give
/// settings of your own.
///
/// # Errors
/// When the platform's certificate store cannot be used.
pub fn default_tls_config() -> io::Result<TlsConfig> {
    #[cfg(feature = "__rustls")]
    return Ok(over_rustls::default_config()?.into());
    #[cfg(not(feature = "__rustls"))]
    Ok(over_native_tls::default_connector()?.into())
}

/// A stream under TLS.
pub(crate) enum Tls<S: Stream> {
    #[cfg(feature = "__rustls")]
    Rustls(Box<over_rustls::Protected<S>>),
    #[cfg(feature = "native-tls")]
    NativeTls(Box<over_native_tls::Protected<S>>),
}

/// Does the handshake; the name is the one the caller configured. The stream's own clock bounds it.
pub(crate) fn handshake<S: Stream>(
    stream: Clocked<S>,
    config: &TlsConfig,
    server_name: &str,
) -> io::Result<Tls<S>> {
    match &config.0 {
        #[cfg(feature = "__rustls")]
        Settings::Rustls(config) => over_rustls::Protected::handshake(stream, config, server_name)
            .map(|tls| Tls::Rustls(Box::new(tls))),
        #[cfg(feature = "native-tls")]
        Settings::NativeTls(connector) => {
            over_native_tls::Protected::handshake(stream, connector, server_name)
                .map(|tls| Tls::NativeTls(Box::new(tls)))
        }
    }
}

/// Whether a handshake failed because the peer speaks clear text: no TLS record begins with a printable octet.
pub(crate) fn is_clear_text(error: &io::Error) -> bool {
    #[cfg(feature = "__rustls")]
    if over_rustls::is_clear_text(error) {
        return true;
    }
    #[cfg(feature = "native-tls")]
    if error.get_ref().is_some_and(|error| error.is::<ClearText>()) {
        return true;
    }
    false
}

/// The peer's first octet begins no TLS record.
#[cfg(feature = "native-tls")]
#[derive(Debug)]
struct ClearText;

#[cfg(feature = "native-tls")]
impl fmt::Display for ClearText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server does not answer in TLS")
    }
}

#[cfg(feature = "native-tls")]
impl std::error::Error for ClearText {}

/// Calls what every library answers.
macro_rules! ask {
    ($tls:expr, $protected:ident => $call:expr) => {
        match $tls {
            #[cfg(feature = "__rustls")]
            Tls::Rustls($protected) => $call,
            #[cfg(feature = "native-tls")]
            Tls::NativeTls($protected) => $call,
        }
    };
}

impl<S: Stream> Tls<S> {
    /// What names the channel, for mechanisms that bind to it.
    pub(crate) fn channel_bindings(&self) -> ChannelBindings {
        ask!(self, tls => tls.channel_bindings())
    }

    /// What was agreed.
    pub(crate) fn state(&self) -> TlsState {
        ask!(self, tls => tls.state())
    }

    /// How long the next calls may wait.
    pub(crate) fn set_wait(&mut self, wait: Wait) {
        ask!(self, tls => tls.set_wait(wait));
    }

    /// Whether TLS keeps octets that it has taken, because the stream did not take them.
    pub(crate) fn is_backed_up(&self) -> bool {
        ask!(self, tls => tls.is_backed_up())
    }

    /// Reads. If octets are still to be written, that may come first.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        ask!(self, tls => tls.read(buffer))
    }

    /// Reads, and writes nothing that was said.
    pub(crate) fn read_past_writes(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        ask!(self, tls => tls.read_past_writes(buffer))
    }

    /// Takes octets. Whatever it says it has taken may have left; `WouldBlock` and `Interrupted` have taken none.
    pub(crate) fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        ask!(self, tls => tls.write_vectored(slices))
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        ask!(self, tls => tls.flush())
    }
}
