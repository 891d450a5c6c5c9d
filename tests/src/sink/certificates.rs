//! The certificate authority and server certificate that a sink makes for itself, in memory.

use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// The authority that signed a sink's certificate. Its key is forgotten once it has signed.
#[derive(Debug, Clone)]
pub struct CertificateAuthority {
    der: CertificateDer<'static>,
    pem: String,
}

impl CertificateAuthority {
    /// The certificate in DER, to add to a client's trusted roots.
    #[must_use]
    pub fn der(&self) -> &CertificateDer<'static> {
        &self.der
    }

    /// The certificate in PEM, to write to a file that a client reads.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A rustls client configuration that trusts this authority and no other.
    ///
    /// # Errors
    /// What rustls objects to in its own defaults; nothing is known to bring it about.
    pub fn client_config(&self) -> io::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).map_err(io::Error::other)?;
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// An authority, and a server certificate for `localhost`, both loopback addresses and `host_name`.
pub(super) fn generate(host_name: &str) -> io::Result<(CertificateAuthority, Arc<ServerConfig>)> {
    let (authority, certificate, key) = sign(host_name).map_err(io::Error::other)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate], key))
        .map_err(io::Error::other)?;
    Ok((authority, Arc::new(config)))
}

type Signed = (CertificateAuthority, CertificateDer<'static>, KeyPair);

fn sign(host_name: &str) -> Result<Signed, rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "Sink test authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority = params.self_signed(&authority_key)?;

    let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
    if !names.iter().any(|name| name == host_name) {
        names.push(host_name.to_owned());
    }
    let server_key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Sink");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let certificate = params.signed_by(&server_key, &authority, &authority_key)?;

    let authority = CertificateAuthority { pem: authority.pem(), der: authority.der().clone() };
    Ok((authority, certificate.der().clone(), server_key))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
