//! The TLS libraries that the adapters can be built with. What goes through TLS is tried with each that this package was
//! built with: `rustls` with `ring` always, the others with `--features aws-lc-rs,native-tls`, since those take more
//! than Rust and a C compiler, or minutes.

use std::io::{self, Write as _};
use std::sync::{Arc, Once};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};

/// A TLS library.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Library {
    /// rustls with the `ring` provider.
    #[default]
    Ring,
    /// rustls with the `aws-lc-rs` provider.
    #[cfg(feature = "aws-lc-rs")]
    AwsLc,
    /// The platform's, through native-tls.
    #[cfg(feature = "native-tls")]
    NativeTls,
}

/// Settings of one of them, for either adapter.
#[derive(Debug, Clone)]
pub enum Settings {
    /// For rustls.
    Rustls(Arc<ClientConfig>),
    /// For native-tls.
    #[cfg(feature = "native-tls")]
    NativeTls(native_tls::TlsConnector),
}

impl Library {
    const COMPILED: &[Library] = &[
        Library::Ring,
        #[cfg(feature = "aws-lc-rs")]
        Library::AwsLc,
        #[cfg(feature = "native-tls")]
        Library::NativeTls,
    ];

    /// Those that this package was built with. A program that asks says on standard error which they are, and which are
    /// missing.
    #[must_use]
    pub fn all() -> &'static [Library] {
        static SAID: Once = Once::new();
        SAID.call_once(|| {
            let names: Vec<_> = Self::COMPILED.iter().map(|library| library.name()).collect();
            let mut missing = Vec::new();
            if !cfg!(feature = "aws-lc-rs") {
                missing.push("rustls with aws-lc-rs (--features aws-lc-rs)");
            }
            if !cfg!(feature = "native-tls") {
                missing.push("native-tls (--features native-tls)");
            }
            let tried = format!("TLS libraries tried: {}; not tried: ", names.join(", "));
            let missing = if missing.is_empty() { "none".to_owned() } else { missing.join(", ") };
            // The test harness keeps what is printed by macros to itself.
            let _ = writeln!(io::stderr(), "{tried}{missing}");
        });
        Self::COMPILED
    }

    /// What it is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Library::Ring => "rustls with ring",
            #[cfg(feature = "aws-lc-rs")]
            Library::AwsLc => "rustls with aws-lc-rs",
            #[cfg(feature = "native-tls")]
            Library::NativeTls => "native-tls",
        }
    }

    /// Whether it tells the version and the cipher suite that were agreed, remembers sessions, and exports keying
    /// material. native-tls does nothing of that.
    #[must_use]
    pub fn is_rustls(self) -> bool {
        match self {
            Library::Ring => true,
            #[cfg(feature = "aws-lc-rs")]
            Library::AwsLc => true,
            #[cfg(feature = "native-tls")]
            Library::NativeTls => false,
        }
    }

    /// Settings that trust this authority alone, given in DER.
    ///
    /// # Errors
    /// If the library takes it for no certificate.
    pub fn trusting(self, authority: &[u8]) -> io::Result<Settings> {
        let rustls = |provider: CryptoProvider| {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from(authority).into_owned()).map_err(io::Error::other)?;
            let builder = ClientConfig::builder_with_provider(Arc::new(provider));
            let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
            let config = builder.with_root_certificates(roots).with_no_client_auth();
            Ok(Settings::Rustls(Arc::new(config)))
        };
        match self {
            Library::Ring => rustls(rustls::crypto::ring::default_provider()),
            #[cfg(feature = "aws-lc-rs")]
            Library::AwsLc => rustls(rustls::crypto::aws_lc_rs::default_provider()),
            #[cfg(feature = "native-tls")]
            Library::NativeTls => {
                let authority = native_tls::Certificate::from_der(authority).map_err(io::Error::other)?;
                let mut builder = native_tls::TlsConnector::builder();
                builder.disable_built_in_roots(true).add_root_certificate(authority);
                builder.min_protocol_version(Some(native_tls::Protocol::Tlsv12));
                Ok(Settings::NativeTls(builder.build().map_err(io::Error::other)?))
            }
        }
    }

    /// The settings that an adapter takes if it has this library alone.
    ///
    /// # Errors
    /// When the platform's certificate store cannot be used.
    pub fn trusting_the_platform(self) -> io::Result<Settings> {
        let rustls = |provider: CryptoProvider| {
            use rustls_platform_verifier::BuilderVerifierExt as _;
            let builder = ClientConfig::builder_with_provider(Arc::new(provider));
            let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
            let config = builder.with_platform_verifier().map_err(io::Error::other)?.with_no_client_auth();
            Ok(Settings::Rustls(Arc::new(config)))
        };
        match self {
            Library::Ring => rustls(rustls::crypto::ring::default_provider()),
            #[cfg(feature = "aws-lc-rs")]
            Library::AwsLc => rustls(rustls::crypto::aws_lc_rs::default_provider()),
            #[cfg(feature = "native-tls")]
            Library::NativeTls => {
                Ok(Settings::NativeTls(native_tls::TlsConnector::new().map_err(io::Error::other)?))
            }
        }
    }
}

impl From<Settings> for smtp_blocking::TlsConfig {
    fn from(settings: Settings) -> Self {
        match settings {
            Settings::Rustls(config) => config.into(),
            #[cfg(feature = "native-tls")]
            Settings::NativeTls(connector) => connector.into(),
        }
    }
}

impl From<Settings> for smtp_tokio::TlsConfig {
    fn from(settings: Settings) -> Self {
        match settings {
            Settings::Rustls(config) => config.into(),
            #[cfg(feature = "native-tls")]
            Settings::NativeTls(connector) => connector.into(),
        }
    }
}
