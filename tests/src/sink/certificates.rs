//! The certificate authority of a sink, made in memory, and what it signs: the server's certificate, and
//! clients' on request.

use std::fmt;
use std::io;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier, client, server};

use super::settings::ClientCertificates;

/// The authority that signed a sink's certificate.
#[derive(Clone)]
pub struct CertificateAuthority {
    der: CertificateDer<'static>,
    pem: String,
    issuer: Arc<Issuer>,
}

/// What it takes to sign.
struct Issuer {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

/// A certificate that a client can show to the sink whose authority issued it, with its key.
#[derive(Clone)]
pub struct ClientCertificate {
    certificate: CertificateDer<'static>,
    pem: String,
    key: Arc<KeyPair>,
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
        Ok(Arc::new(self.trusting_client()?.with_no_client_auth()))
    }

    /// The same that shows `certificate` to a server that asks for one.
    ///
    /// # Errors
    /// What rustls objects to in the certificate; nothing is known to bring it about.
    pub fn client_config_with(&self, certificate: &ClientCertificate) -> io::Result<Arc<ClientConfig>> {
        let config = self
            .trusting_client()?
            .with_client_auth_cert(vec![certificate.certificate.clone()], certificate.key())
            .map_err(io::Error::other)?;
        Ok(Arc::new(config))
    }

    /// Issues a certificate with this common name to a client.
    ///
    /// ```
    /// use smtp_tests::sink::{ClientCertificates, Sink};
    ///
    /// let sink = Sink::builder().client_certificates(ClientCertificates::Required).start()?;
    /// let authority = sink.certificate_authority();
    /// let alice = authority.issue_client("alice")?;
    /// let config = authority.client_config_with(&alice)?; // an Arc<rustls::ClientConfig>
    /// # drop(config);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// The name cannot be put in a certificate.
    pub fn issue_client(&self, common_name: &str) -> io::Result<ClientCertificate> {
        self.issuer.issue_client(common_name).map_err(io::Error::other)
    }

    fn trusting_client(&self) -> io::Result<ConfigBuilder<ClientConfig, client::WantsClientCert>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).map_err(io::Error::other)?;
        let builder = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        Ok(builder.with_root_certificates(roots))
    }
}

impl fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAuthority").field("der", &self.der).finish_non_exhaustive()
    }
}

impl ClientCertificate {
    /// The certificate in DER.
    #[must_use]
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its private key, PKCS #8 in DER.
    #[must_use]
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.serialize_der()))
    }

    /// Certificate and key in PEM, one after the other, to write to a file that a client reads.
    #[must_use]
    pub fn pem(&self) -> String {
        format!("{}{}", self.pem, self.key.serialize_pem())
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What a sink needs for TLS.
pub(super) struct ServerTls {
    pub(super) config: Arc<ServerConfig>,
    /// The server's own certificate, signed with SHA-256.
    pub(super) certificate: CertificateDer<'static>,
}

/// An authority, and a server certificate for `localhost`, both loopback addresses and `host_name`.
pub(super) fn generate(
    host_name: &str,
    clients: ClientCertificates,
) -> io::Result<(CertificateAuthority, ServerTls)> {
    let issuer = Issuer::new().map_err(io::Error::other)?;
    let (certificate, key) = issuer.issue_server(host_name).map_err(io::Error::other)?;
    let authority = CertificateAuthority {
        pem: issuer.certificate.pem(),
        der: issuer.certificate.der().clone(),
        issuer: Arc::new(issuer),
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?;
    let config = verifying(builder, &authority, clients)?
        .with_single_cert(
            vec![certificate.clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .map_err(io::Error::other)?;
    Ok((authority, ServerTls { config: Arc::new(config), certificate }))
}

/// Client certificates as wanted, with `authority` to vouch for them.
fn verifying(
    builder: ConfigBuilder<ServerConfig, WantsVerifier>,
    authority: &CertificateAuthority,
    clients: ClientCertificates,
) -> io::Result<ConfigBuilder<ServerConfig, server::WantsServerCert>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone()).map_err(io::Error::other)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let verifier = match clients {
        ClientCertificates::Ignored => return Ok(builder.with_no_client_auth()),
        ClientCertificates::Requested => verifier.allow_unauthenticated(),
        ClientCertificates::Required => verifier,
    };
    Ok(builder.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?))
}

impl Issuer {
    fn new() -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "Sink test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(Self { certificate: params.self_signed(&key)?, key })
    }

    fn issue_server(&self, host_name: &str) -> Result<(CertificateDer<'static>, KeyPair), rcgen::Error> {
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "::1"].map(String::from).into();
        if !names.iter().any(|name| name == host_name) {
            names.push(host_name.to_owned());
        }
        let (certificate, key) = self.issue(names, "Sink", ExtendedKeyUsagePurpose::ServerAuth)?;
        Ok((certificate.der().clone(), key))
    }

    fn issue_client(&self, common_name: &str) -> Result<ClientCertificate, rcgen::Error> {
        let (certificate, key) = self.issue(Vec::new(), common_name, ExtendedKeyUsagePurpose::ClientAuth)?;
        Ok(ClientCertificate {
            certificate: certificate.der().clone(),
            pem: certificate.pem(),
            key: Arc::new(key),
        })
    }

    fn issue(
        &self,
        names: Vec<String>,
        common_name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<(rcgen::Certificate, KeyPair), rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        Ok((params.signed_by(&key, &self.certificate, &self.key)?, key))
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
