//! Certificate authorities, and certificates that are right or wrong in one way.

use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, GeneralSubtree,
    Ia5String, IsCa, KeyPair, NameConstraints, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore};

/// An authority that the client may trust.
pub(crate) struct Authority {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

/// What a server shows: its certificate, those it sends along, and its key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
}

/// A server's certificate to be: the names it is for, and what is odd about it.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Leaf {
    /// Subject alternative names: an IP address, or else a DNS name.
    pub(crate) names: &'static [&'static str],
    pub(crate) common_name: Option<&'static str>,
    /// First and last year of validity.
    pub(crate) years: Option<(i32, i32)>,
    /// For TLS clients, not servers.
    pub(crate) for_clients: bool,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // OpenSSL takes a certificate that has its issuer's name for signed by itself.
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "an authority");
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, key }
    }

    /// An authority below this one, or, if it is not `true` that it is one, a certificate that acts as if.
    pub(crate) fn below(&self, authority: bool) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(vec!["intermediate.example".into()]).unwrap();
        parameters.is_ca =
            if authority { IsCa::Ca(BasicConstraints::Unconstrained) } else { IsCa::ExplicitNoCa };
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, "intermediate");
        parameters.distinguished_name = name;
        let certificate = parameters.signed_by(&key, &self.certificate, &self.key).unwrap();
        Self { certificate, key }
    }

    /// An authority below this one that may sign for hosts in this domain alone (RFC 5280 §4.2.1.10).
    pub(crate) fn below_for(&self, domain: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name = DistinguishedName::new();
        parameters.distinguished_name.push(DnType::CommonName, "constrained");
        let permitted_subtrees = vec![GeneralSubtree::DnsName(domain.to_owned())];
        parameters.name_constraints =
            Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        let certificate = parameters.signed_by(&key, &self.certificate, &self.key).unwrap();
        Self { certificate, key }
    }

    pub(crate) fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }

    /// Its certificate, to write to a file that a client reads.
    pub(crate) fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// The certificate, signed by this authority and shown alone.
    pub(crate) fn sign(&self, leaf: Leaf) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = leaf.parameters().signed_by(&key, &self.certificate, &self.key).unwrap();
        Identity::new(vec![certificate.der().clone()], &key)
    }

    /// A rustls configuration that trusts this authority alone.
    pub(crate) fn client_config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

impl Identity {
    fn new(chain: Vec<CertificateDer<'static>>, key: &KeyPair) -> Self {
        Self { chain, key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())) }
    }

    /// Sends this certificate along.
    pub(crate) fn with(mut self, authority: &Authority) -> Self {
        self.chain.push(authority.der());
        self
    }
}

impl Leaf {
    /// For these names, and nothing odd about it.
    pub(crate) const fn of(names: &'static [&'static str]) -> Self {
        Self { names, common_name: None, years: None, for_clients: false }
    }

    /// Signed with its own key.
    pub(crate) fn self_signed(self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = self.parameters().self_signed(&key).unwrap();
        Identity::new(vec![certificate.der().clone()], &key)
    }

    fn parameters(self) -> CertificateParams {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.subject_alt_names = self
            .names
            .iter()
            .map(|name| match name.parse() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(Ia5String::try_from(*name).unwrap()),
            })
            .collect();
        if let Some(common_name) = self.common_name {
            let mut name = DistinguishedName::new();
            name.push(DnType::CommonName, common_name);
            parameters.distinguished_name = name;
        }
        if let Some((first, last)) = self.years {
            parameters.not_before = rcgen::date_time_ymd(first, 1, 1);
            parameters.not_after = rcgen::date_time_ymd(last, 1, 1);
        }
        if self.for_clients {
            parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        }
        parameters
    }
}
