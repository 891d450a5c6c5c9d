//! TLS settings for both ends, made once.

use std::sync::{Arc, OnceLock};

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use smtp_tests::library::{Library, Settings};

pub struct Tls {
    pub server: Arc<ServerConfig>,
    clients: Vec<(Library, Settings)>,
}

impl Tls {
    /// A client's settings, the same each time: what rustls remembers of a session stays with them.
    pub fn client(&self, library: Library) -> Settings {
        let (_, settings) = self.clients.iter().find(|(which, _)| *which == library).unwrap();
        settings.clone()
    }
}

/// A server that is mail.example, and a client that trusts it.
pub fn tls() -> &'static Tls {
    static TLS: OnceLock<Tls> = OnceLock::new();
    TLS.get_or_init(|| {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new(vec!["mail.example".to_owned()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let settings = |library: &Library| (*library, library.trusting(certificate.der()).unwrap());
        Tls { server: Arc::new(server), clients: Library::all().iter().map(settings).collect() }
    })
}
