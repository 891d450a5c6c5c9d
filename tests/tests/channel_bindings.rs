//! A22 through both adapters, against a server that does SCRAM-SHA-256-PLUS over real TLS: both sides have to find
//! the same name for the channel, each from its own end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair, SignatureAlgorithm};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion};
use sha2::{Digest, Sha256, Sha384};
use smtp_proto::Error;
use smtp_proto::connection::{Config, Timeouts, TlsPolicy};
use smtp_proto::reply::Reply;
use smtp_proto::sasl::Credentials;
use smtp_proto::security::ChannelBindings;
use smtp_tests::library::{Library, Settings};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const SALT: &[u8] = b"0123456789abcdef";
const ITERATIONS: u32 = 4096;

/// Each TLS library, and whether it is in smtp-tokio.
fn each_library() -> impl Iterator<Item = (Library, bool)> {
    Library::all().iter().flat_map(|library| [(*library, false), (*library, true)])
}

/// Server and client settings, and the server's certificate in DER.
struct Setup {
    server: Arc<ServerConfig>,
    client: Settings,
    certificate: Vec<u8>,
}

/// A server whose certificate is signed with `algorithm`, and that speaks one version of TLS.
fn setup(
    library: Library,
    algorithm: &'static SignatureAlgorithm,
    version: &'static SupportedProtocolVersion,
) -> Setup {
    let authority_key = KeyPair::generate_for(algorithm).unwrap();
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, "an authority");
    let authority = parameters.self_signed(&authority_key).unwrap();
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = parameters.signed_by(&key, &authority, &authority_key).unwrap();

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let server = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[version]).unwrap();
    let server = server.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    let client = library.trusting(authority.der()).unwrap();
    Setup { server: Arc::new(server), client, certificate: certificate.der().to_vec() }
}

/// What the server saw: the mechanism, and the GS2 header.
type Seen = (String, String);

/// Serves one client that knows the password `wonderland`. `named` tells, by the GS2 header, what the channel is
/// called at this end.
fn serve(
    server: Arc<ServerConfig>,
    advertised: &'static str,
    named: impl Fn(&str, &ServerConnection) -> Vec<u8> + Send + 'static,
) -> (SocketAddr, JoinHandle<Option<Seen>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut tls = StreamOwned::new(ServerConnection::new(server).unwrap(), stream);
        let mut ask = |reply: &str| {
            tls.write_all(format!("{reply}\r\n").as_bytes()).ok()?;
            line(&mut tls)
        };
        ask("220 hi")?;
        let auth = ask(&format!("250-hi\r\n250 AUTH {advertised}"))?;
        let [_, mechanism, initial] = *auth.split(' ').collect::<Vec<_>>() else { panic!("{auth}") };
        let initial = decode(initial);
        let (header, bare) = initial.split_at(initial.find("n=").unwrap());
        let nonce = format!("{}%server", bare.split_once(",r=").unwrap().1);
        let first = format!("r={nonce},s={},i={ITERATIONS}", STANDARD.encode(SALT));
        let last = decode(&ask(&format!("334 {}", STANDARD.encode(&first)))?);

        let (without_proof, proof) = last.split_once(",p=").unwrap();
        let message = format!("{bare},{first},{without_proof}");
        let salted = salted(b"wonderland");
        let client_key = mac(&salted, b"Client Key");
        let signature = mac(&Sha256::digest(client_key), message.as_bytes());
        let expected: Vec<u8> = client_key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let name = named(header, &tls.conn);
        let binding = STANDARD.encode([header.as_bytes(), &name].concat());
        let mut say = |reply: &str| {
            tls.write_all(format!("{reply}\r\n").as_bytes()).ok()?;
            line(&mut tls)
        };
        if without_proof != format!("c={binding},r={nonce}") || proof != STANDARD.encode(expected) {
            say("535 5.7.8 no");
            return None;
        }
        let server_signature = mac(&mac(&salted, b"Server Key"), message.as_bytes());
        let verifier = format!("v={}", STANDARD.encode(server_signature));
        assert_eq!(say(&format!("334 {}", STANDARD.encode(verifier)))?, "");
        say("235 welcome");
        Some((mechanism.to_owned(), header.to_owned()))
    });
    (address, served)
}

fn line(stream: &mut impl Read) -> Option<String> {
    let mut line = Vec::new();
    let mut octet = [0];
    while !line.ends_with(b"\r\n") {
        stream.read_exact(&mut octet).ok()?;
        line.push(octet[0]);
    }
    String::from_utf8(line).unwrap().strip_suffix("\r\n").map(str::to_owned)
}

fn decode(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
}

fn mac(key: &[u8], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn salted(password: &[u8]) -> [u8; 32] {
    let mut last = mac(password, &[SALT, &[0, 0, 0, 1]].concat());
    let mut sum = last;
    for _ in 1..ITERATIONS {
        last = mac(password, &last);
        sum.iter_mut().zip(last).for_each(|(sum, octet)| *sum ^= octet);
    }
    sum
}

/// Logs in through one adapter.
fn log_in(tokio: bool, address: SocketAddr, tls: Settings, password: &str) -> Result<Reply, Error> {
    let credentials = Credentials::password("alice", password);
    let config =
        Config::new("localhost").tls(TlsPolicy::Implicit).timeouts(Timeouts::all(Duration::from_secs(20)));
    if tokio {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async {
            let client = smtp_tokio::Client::connect_with_tls(address, config, tls).await;
            client.map_err(|error| error.into_kind())?.login(&credentials).await.map_err(|e| e.into_kind())
        });
    }
    let client = smtp_blocking::Client::connect_with_tls(address, config, tls);
    client.map_err(|error| error.into_kind())?.login(&credentials).map_err(|error| error.into_kind())
}

const EVERYTHING: &str = "PLAIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-256-PLUS";

fn exporter(_: &str, tls: &ServerConnection) -> Vec<u8> {
    tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", None).unwrap().to_vec()
}

#[test]
fn a22_tls_exporter_under_tls_1_3() {
    for (library, tokio) in each_library().filter(|(library, _)| library.is_rustls()) {
        let setup = setup(library, &rcgen::PKCS_ECDSA_P256_SHA256, &rustls::version::TLS13);
        let (address, served) = serve(setup.server, EVERYTHING, exporter);
        log_in(tokio, address, setup.client, "wonderland").unwrap();
        let seen = ("SCRAM-SHA-256-PLUS".into(), "p=tls-exporter,,".into());
        assert_eq!(served.join().unwrap(), Some(seen));
    }
}

/// native-tls has nothing to export keying material with, so the certificate names the channel.
#[test]
fn a22_tls_server_end_point_where_nothing_is_exported() {
    for (library, tokio) in each_library().filter(|(library, _)| !library.is_rustls()) {
        let setup = setup(library, &rcgen::PKCS_ECDSA_P256_SHA256, &rustls::version::TLS13);
        let certificate = setup.certificate;
        let (address, served) =
            serve(setup.server, EVERYTHING, move |_, _| Sha256::digest(&certificate).to_vec());
        log_in(tokio, address, setup.client, "wonderland").unwrap();
        let seen = ("SCRAM-SHA-256-PLUS".into(), "p=tls-server-end-point,,".into());
        assert_eq!(served.join().unwrap(), Some(seen));
    }
}

#[test]
fn a22_tls_server_end_point_under_tls_1_2() {
    type Hash = fn(&[u8]) -> Vec<u8>;
    let sha256: Hash = |der| Sha256::digest(der).to_vec();
    let sha384: Hash = |der| Sha384::digest(der).to_vec();
    let table = [(&rcgen::PKCS_ECDSA_P256_SHA256, sha256), (&rcgen::PKCS_ECDSA_P384_SHA384, sha384)];
    for (library, tokio) in each_library() {
        for (algorithm, hash) in table {
            let setup = setup(library, algorithm, &rustls::version::TLS12);
            let certificate = setup.certificate;
            let (address, served) = serve(setup.server, EVERYTHING, move |_, _| hash(&certificate));
            log_in(tokio, address, setup.client, "wonderland").unwrap();
            let seen = ("SCRAM-SHA-256-PLUS".into(), "p=tls-server-end-point,,".into());
            assert_eq!(served.join().unwrap(), Some(seen));
        }
    }
}

#[test]
fn a22_no_binding_where_none_is_defined() {
    for (library, tokio) in each_library() {
        let setup = setup(library, &rcgen::PKCS_ED25519, &rustls::version::TLS12);
        let (address, served) = serve(setup.server, EVERYTHING, |_, _| Vec::new());
        log_in(tokio, address, setup.client, "wonderland").unwrap();
        assert_eq!(served.join().unwrap(), Some(("SCRAM-SHA-256".into(), "n,,".into())));
    }
}

#[test]
fn a22_a_server_learns_that_its_offer_was_taken_away() {
    for (library, tokio) in each_library() {
        let setup = setup(library, &rcgen::PKCS_ECDSA_P256_SHA256, &rustls::version::TLS13);
        let (address, served) = serve(setup.server, "PLAIN SCRAM-SHA-256", |_, _| Vec::new());
        log_in(tokio, address, setup.client, "wonderland").unwrap();
        assert_eq!(served.join().unwrap(), Some(("SCRAM-SHA-256".into(), "y,,".into())));
    }
}

#[test]
fn a22_another_channel_or_password_is_refused() {
    for (library, tokio) in each_library() {
        for (password, relayed) in [("wonderland", true), ("looking-glass", false)] {
            let setup = setup(library, &rcgen::PKCS_ECDSA_P256_SHA256, &rustls::version::TLS13);
            let (address, served) = serve(setup.server, EVERYTHING, move |header, tls| match relayed {
                // What the server's end is called when somebody stands in between.
                true => vec![7; 32],
                false => exporter(header, tls),
            });
            let error = log_in(tokio, address, setup.client, password).unwrap_err();
            assert!(matches!(error, Error::AuthenticationFailed(_)), "{error:?}");
            assert_eq!(served.join().unwrap(), None);
        }
    }
}

/// A stream that does TLS itself, and knows what its channel is called.
struct Tunnel(TcpStream);

impl Read for Tunnel {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Tunnel {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl smtp_blocking::Stream for Tunnel {
    fn channel_bindings(&self) -> ChannelBindings {
        ChannelBindings::new().with_exporter([9; 32])
    }
}

/// The same for tokio.
struct TokioTunnel(tokio::io::DuplexStream);

impl AsyncRead for TokioTunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TokioTunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl smtp_tokio::Stream for TokioTunnel {
    fn channel_bindings(&self) -> ChannelBindings {
        ChannelBindings::new().with_exporter([9; 32])
    }
}

#[test]
fn a04_a_tokio_stream_that_is_tls_names_its_own_channel() {
    let tunnel = || TokioTunnel(tokio::io::duplex(64).0);
    let client = smtp_tokio::Client::over_tls(tunnel(), Config::new("localhost")).unwrap();
    assert_eq!(client.connection().server_info().channel_bindings.exporter(), Some(&[9; 32][..]));
    let boxed = smtp_tokio::Client::over_tls(Box::new(tunnel()), Config::new("localhost")).unwrap();
    assert!(boxed.connection().server_info().channel_bindings.exporter().is_some());
    let client = smtp_tokio::Client::new(tunnel(), Config::new("localhost"));
    assert!(client.connection().server_info().channel_bindings.is_empty(), "no handshake, no channel");
}

#[test]
fn a04_a_stream_that_is_tls_names_its_own_channel() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = Tunnel(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    let client = smtp_blocking::Client::over_tls(stream, Config::new("localhost")).unwrap();
    assert_eq!(client.connection().server_info().channel_bindings.exporter(), Some(&[9; 32][..]));
    let stream = Tunnel(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    let client = smtp_blocking::Client::new(stream, Config::new("localhost"));
    assert!(client.connection().server_info().channel_bindings.is_empty(), "no handshake, no channel");
}
