//! T15–T18, T20: the TLS handshake as the adapters do it, against a server whose certificate is wrong in one
//! way after the other, over STARTTLS and implicit TLS. Only the right certificate passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use smtp_proto::Error;
use smtp_proto::connection::{Config, Stage, TimeoutPhase, Timeouts, TlsPolicy};
use smtp_proto::error::ProtocolError;
use smtp_proto::sasl::Plain;

/// An authority the client may trust.
struct Authority {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).unwrap();
        Self { certificate, key }
    }

    fn server_config(&self, names: &[&str], expired: bool) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        if expired {
            parameters.not_before = rcgen::date_time_ymd(2001, 1, 1);
            parameters.not_after = rcgen::date_time_ymd(2002, 1, 1);
        }
        let certificate = parameters.signed_by(&key, &self.certificate, &self.key).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Arc::new(builder.with_single_cert(vec![certificate.der().clone()], key).unwrap())
    }

    fn client_config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// What the server heard in clear and under TLS.
type Heard = Arc<Mutex<(Vec<u8>, Vec<u8>)>>;

/// Serves one connection: greeting, EHLO and STARTTLS in clear unless `implicit`, then as far as the client goes.
fn serve(tls: Arc<ServerConfig>, implicit: bool) -> (SocketAddr, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let heard = Heard::default();
    let noted = Arc::clone(&heard);
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        if !implicit {
            stream.write_all(b"220 named.in.greeting\r\n").unwrap();
            let note = |line: &[u8]| noted.lock().unwrap().0.extend_from_slice(line);
            note(&line(&mut stream));
            stream.write_all(b"250-named.in.ehlo\r\n250 STARTTLS\r\n").unwrap();
            note(&line(&mut stream));
            stream.write_all(b"220 go\r\n").unwrap();
        }
        let mut stream = StreamOwned::new(ServerConnection::new(tls).unwrap(), stream);
        let say = |stream: &mut StreamOwned<_, _>, reply: &[u8]| stream.write_all(reply).is_ok();
        if implicit && !say(&mut stream, b"220 hi\r\n") {
            return;
        }
        loop {
            let heard = line(&mut stream);
            noted.lock().unwrap().1.extend_from_slice(&heard);
            let reply: &[u8] = match heard.get(..4) {
                Some(b"EHLO") => b"250-hi\r\n250 AUTH PLAIN\r\n",
                Some(b"AUTH") => b"235 welcome\r\n",
                // The connection ends without close_notify.
                _ => return,
            };
            if !say(&mut stream, reply) {
                return;
            }
        }
    });
    (address, heard)
}

fn line(stream: &mut impl Read) -> Vec<u8> {
    let mut line = Vec::new();
    let mut octet = [0];
    while !line.ends_with(b"\n") && matches!(stream.read(&mut octet), Ok(1)) {
        line.push(octet[0]);
    }
    line
}

fn config(host: &str, implicit: bool) -> Config {
    Config::new(host)
        .tls(if implicit { TlsPolicy::Implicit } else { TlsPolicy::Required })
        .timeouts(Timeouts::all(Duration::from_secs(20)))
}

/// Authenticates and quits, through one adapter.
fn try_client(
    tokio: bool,
    address: SocketAddr,
    config: Config,
    tls: Arc<ClientConfig>,
    host: &str,
) -> Result<(), Error> {
    let mut plain = Plain::new("", "alice", "secret", host);
    if tokio {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(async {
            let mut client = smtp_tokio::Client::connect_with_tls(address, config, tls)
                .await
                .map_err(|error| error.into_kind())?;
            client.auth(&mut plain).await.map_err(|error| error.into_kind())?;
            client.quit().await.map_err(|error| error.into_kind())
        });
    }
    let mut client =
        smtp_blocking::Client::connect_with_tls(address, config, tls).map_err(|error| error.into_kind())?;
    client.auth(&mut plain).map_err(|error| error.into_kind())?;
    client.quit().map_err(|error| error.into_kind())
}

#[test]
fn t16_only_the_right_certificate_passes() {
    let trusted = Authority::new();
    let unknown = Authority::new();
    // The authority, the certificate's names, whether it is expired, the host asked for, whether it passes.
    let matrix: &[(&Authority, &[&str], bool, &str, bool)] = &[
        (&trusted, &["mail.example"], false, "mail.example", true),
        (&trusted, &["mail.example"], false, "mail.example.", true),
        (&trusted, &["127.0.0.1"], false, "127.0.0.1", true),
        (&trusted, &["*.mail.example"], false, "mx1.mail.example", true),
        (&unknown, &["mail.example"], false, "mail.example", false),
        (&trusted, &["mail.example"], true, "mail.example", false),
        (&trusted, &["other.example"], false, "mail.example", false),
        (&trusted, &["mail.example"], false, "127.0.0.1", false),
        (&trusted, &["127.0.0.1"], false, "mail.example", false),
        (&trusted, &["named.in.greeting", "named.in.ehlo"], false, "mail.example", false),
        (&trusted, &["mail.example"], false, "not a name", false),
    ];
    for &(authority, names, expired, host, passes) in matrix {
        for implicit in [false, true] {
            for tokio in [false, true] {
                let (address, heard) = serve(authority.server_config(names, expired), implicit);
                let result =
                    try_client(tokio, address, config(host, implicit), trusted.client_config(), host);
                let heard = heard.lock().unwrap();
                let way =
                    format!("{names:?}, expired {expired}, host {host}, implicit {implicit}, tokio {tokio}");
                if passes {
                    assert_eq!(result, Ok(()), "{way}");
                } else {
                    assert_eq!(result, Err(Error::TlsFailed), "{way}");
                    assert!(
                        !heard.1.windows(4).any(|w| w == b"AUTH" || w == b"EHLO"),
                        "{way}: spoke under bad TLS"
                    );
                }
                let clear = String::from_utf8_lossy(&heard.0).into_owned();
                assert!(!clear.contains("AUTH") && !clear.contains("QUIT"), "t15 {way}: {clear}");
            }
        }
    }
}

#[test]
fn t17_a_clear_text_server_where_tls_is_expected_gets_no_clear_text() {
    for tokio in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"220 plain\r\n").unwrap();
            let mut heard = Vec::new();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = stream.read_to_end(&mut heard);
            heard
        });
        let tls = Authority::new().client_config();
        let result = try_client(tokio, address, config("mail.example", true), tls, "mail.example");
        assert_eq!(result, Err(ProtocolError::ClearTextBeforeTls.into()));
        let heard = server.join().unwrap();
        assert!(!heard.windows(4).any(|w| w == b"EHLO"));
    }
}

#[test]
fn t18_a_stream_handed_in_is_upgraded_under_the_implicit_policy() {
    let authority = Authority::new();
    let (address, heard) = serve(authority.server_config(&["mail.example"], false), true);
    let stream = TcpStream::connect(address).unwrap();
    let mut client = smtp_blocking::Client::new(stream, config("mail.example", true));
    client.set_tls_config(authority.client_config());
    client.auth(&mut Plain::new("", "alice", "secret", "mail.example")).unwrap();
    let state = client.tls_state().unwrap();
    assert!(state.version.is_some() && state.cipher_suite.is_some() && !state.peer_certificates.is_empty());
    assert!(client.security().is_tls());
    assert_eq!(heard.lock().unwrap().0, b"");
}

#[test]
fn t20_an_end_without_close_notify_is_no_reply() {
    for tokio in [false, true] {
        let authority = Authority::new();
        let (address, _) = serve(authority.server_config(&["mail.example"], false), true);
        let tls = authority.client_config();
        let config = config("mail.example", true);
        let error = if tokio {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut client = smtp_tokio::Client::connect_with_tls(address, config, tls).await.unwrap();
                client.noop().await.unwrap_err().into_kind()
            })
        } else {
            let mut client = smtp_blocking::Client::connect_with_tls(address, config, tls).unwrap();
            client.noop().unwrap_err().into_kind()
        };
        assert!(matches!(error, Error::Disconnected { .. }), "{error:?}");
    }
}

/// R02 under TLS: a record that arrives octet by octet gets no more time than a reply that does.
#[test]
fn r02_a_trickled_tls_record_does_not_outlive_the_deadline() {
    for handshake in [false, true] {
        let authority = Authority::new();
        let tls = authority.server_config(&["mail.example"], false);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_nodelay(true).unwrap();
            let mut server = ServerConnection::new(tls).unwrap();
            let trickle = |stream: &mut TcpStream, octets: &[u8]| {
                octets.iter().all(|octet| {
                    std::thread::sleep(Duration::from_millis(25));
                    stream.write_all(&[*octet]).is_ok()
                })
            };
            while server.is_handshaking() {
                while server.wants_write() {
                    let mut flight = Vec::new();
                    server.write_tls(&mut flight).unwrap();
                    if handshake && !trickle(&mut stream, &flight) || stream.write_all(&flight).is_err() {
                        return;
                    }
                }
                if !server.is_handshaking() {
                    break;
                }
                if !matches!(server.read_tls(&mut stream), Ok(1..)) || server.process_new_packets().is_err() {
                    return;
                }
            }
            server.writer().write_all(format!("220 {}\r\n", "x".repeat(400)).as_bytes()).unwrap();
            let mut greeting = Vec::new();
            while server.wants_write() {
                server.write_tls(&mut greeting).unwrap();
            }
            trickle(&mut stream, &greeting);
        });
        let config = config("mail.example", true).timeouts(Timeouts::all(Duration::from_millis(700)));
        let since = std::time::Instant::now();
        let error = smtp_blocking::Client::connect_with_tls(address, config, authority.client_config());
        let error = error.map(drop).unwrap_err().into_kind();
        let phase = match handshake {
            true => TimeoutPhase::TlsHandshake,
            false => TimeoutPhase::Reply(Stage::Greeting),
        };
        assert_eq!(error, Error::Timeout(phase));
        assert!(since.elapsed() < Duration::from_secs(5), "it took {:?}", since.elapsed());
    }
}

/// S16: a refusal in the middle of the body, from a server that then reads no more, decides.
#[test]
fn s16_a_refusal_during_the_body_is_heard_while_the_write_is_stuck() {
    for tokio in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (done, finished) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"220 hi\r\n").unwrap();
            for reply in [&b"250 hi\r\n"[..], b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"] {
                line(&mut stream);
                stream.write_all(reply).unwrap();
            }
            line(&mut stream);
            stream.write_all(b"552 5.3.4 too big\r\n").unwrap();
            let _ = finished.recv();
        });
        let config = Config::new("mail.example").tls(TlsPolicy::None);
        let envelope = smtp_proto::flow::Envelope::from_strs("a@example.org", &["b@example.org"]).unwrap();
        let message = b"a line of the message\r\n".repeat(2_000_000);
        let error = if tokio {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut client = smtp_tokio::Client::connect(address, config).await.unwrap();
                client.send(&envelope, &message).await.unwrap_err().into_kind()
            })
        } else {
            let mut client = smtp_blocking::Client::connect(address, config).unwrap();
            client.send(&envelope, &message).unwrap_err().into_kind()
        };
        assert_eq!(error.reply().map(|reply| reply.code().get()), Some(552), "tokio {tokio}: {error:?}");
        assert!(matches!(error, smtp_proto::SendError::Rejected { .. }), "tokio {tokio}: {error:?}");
        drop(done);
    }
}

/// T19: what the server says under TLS before it is asked is no answer to the EHLO that follows, even if it came
/// along with the server's part of the handshake.
#[test]
fn t19_half_rtt_data_is_not_the_reply_to_ehlo() {
    for tokio in [false, true] {
        let authority = Authority::new();
        let mut tls = ServerConfig::clone(&authority.server_config(&["mail.example"], false));
        tls.send_half_rtt_data = true;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            stream.write_all(b"220 hi\r\n").unwrap();
            line(&mut stream);
            stream.write_all(b"250-hi\r\n250 STARTTLS\r\n").unwrap();
            line(&mut stream);
            stream.write_all(b"220 go\r\n").unwrap();
            let mut server = ServerConnection::new(Arc::new(tls)).unwrap();
            server.writer().write_all(b"250-evil\r\n250 AUTH PLAIN\r\n").unwrap();
            let mut server = StreamOwned::new(server, stream);
            let mut heard = Vec::new();
            let _ = server.read_to_end(&mut heard);
            heard
        });
        let config = config("mail.example", false);
        let error =
            try_client(tokio, address, config, authority.client_config(), "mail.example").unwrap_err();
        assert!(matches!(error, Error::Protocol(_)), "tokio {tokio}: {error:?}");
        assert_eq!(server.join().unwrap(), b"", "tokio {tokio}: the client spoke");
    }
}
