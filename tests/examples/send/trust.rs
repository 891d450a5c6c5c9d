//! TLS settings of the user's own: the authorities to trust, and a certificate to show.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use crate::arguments::Arguments;
use crate::status::Failure;

pub type Settings = Arc<ClientConfig>;

/// The settings that the arguments ask for; `None` if those of the library will do.
pub fn settings(arguments: &Arguments) -> Result<Option<Settings>, Failure> {
    let roots = arguments.ca.as_deref().map(authorities).transpose()?;
    let own = arguments.client_cert.as_deref().map(|path| own(path).map(|own| (path, own))).transpose()?;
    if roots.is_none() && own.is_none() {
        return Ok(None);
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let builder = match roots {
        Some(roots) => builder.with_root_certificates(roots),
        None => builder.with_platform_verifier().map_err(unusable)?,
    };
    Ok(Some(Arc::new(match own {
        Some((path, (chain, key))) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| fault(path, &error))?
        }
        None => builder.with_no_client_auth(),
    })))
}

fn unusable(error: impl Display) -> Failure {
    Failure::usage(format!("TLS cannot be set up: {error}"), "--ca FILE, with the authorities to trust")
}

fn authorities(path: &Path) -> Result<RootCertStore, Failure> {
    let failure = |error: &dyn Display| {
        let what = format!("--ca: no certificate authorities in {}: {error}", path.display());
        Failure::usage(what, "a file with at least one -----BEGIN CERTIFICATE----- in it")
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failure(&error))? {
        roots.add(certificate.map_err(|error| failure(&error))?).map_err(|error| failure(&error))?;
    }
    match roots.is_empty() {
        true => Err(failure(&"there are none")),
        false => Ok(roots),
    }
}

fn own(path: &Path) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), Failure> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| fault(path, &error));
    let key = PrivateKeyDer::from_pem_file(path).map_err(|error| fault(path, &error))?;
    match chain? {
        chain if chain.is_empty() => Err(fault(path, &"there is no certificate")),
        chain => Ok((chain, key)),
    }
}

fn fault(path: &Path, error: &dyn Display) -> Failure {
    Failure::usage(
        format!("--client-cert: {} cannot be used: {error}", path.display()),
        "a file with the certificate, those between it and its authority, and -----BEGIN PRIVATE KEY-----",
    )
}
