//! T16: a server whose certificate is wrong in one way after the other, over STARTTLS and implicit TLS, in TLS 1.2
//! and 1.3, met by every TLS library in every adapter. Only the right one passes (RFC 9525); to any other the client
//! says nothing under TLS and nothing more in clear. T22: what was agreed with one host, or by one set of
//! authorities, opens no other door.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod tls_support;

use std::sync::Arc;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::{HandshakeKind, RootCertStore, SupportedProtocolVersion};
use smtp_proto::Error;
use smtp_proto::connection::{Config, Timeouts, TlsPolicy};
use smtp_proto::sasl::Plain;
use smtp_proto::security::{TlsState, TlsVersion};
use smtp_tests::library::Library;
use tls_support::server::{VERSIONS, server_config};
use tls_support::{
    Ask, Attempt, Authority, Conduct, Identity, Leaf, Server, Trust, assert_tls_records, backends,
    backends_brought,
};

fn config(host: &str, conduct: Conduct) -> Config {
    let policy = match conduct {
        Conduct::Implicit => TlsPolicy::Implicit,
        Conduct::StartTls => TlsPolicy::Required,
    };
    Config::new(host).tls(policy).timeouts(Timeouts::all(Duration::from_secs(20)))
}

/// What a server shows: the authority that the client trusts makes it, or somebody else does.
type Show = fn(&Authority) -> Identity;

/// The host asked for, and what the certificate is.
type Case = (&'static str, &'static str, Show);

/// A certificate for these names, as it should be.
macro_rules! for_names {
    ($($name:literal),*) => { |trusted| trusted.sign(Leaf::of(&[$($name),*])) };
}

const RIGHT: &[Case] = &[
    ("mail.example", "for the host", for_names!["mail.example"]),
    ("MAIL.Example", "for the host in lower case", for_names!["mail.example"]),
    ("mail.example", "for the host in upper case", for_names!["MAIL.EXAMPLE"]),
    ("mail.example", "for many hosts", for_names!["a.example", "192.0.2.1", "mail.example", "b.example"]),
    ("mail.example.", "for the host, asked for absolutely", for_names!["mail.example"]),
    ("mx1.mail.example", "for any host below", for_names!["*.mail.example"]),
    ("127.0.0.1", "for the address", for_names!["127.0.0.1"]),
    ("[127.0.0.1]", "for the address, asked for as a literal", for_names!["127.0.0.1"]),
    ("2001:db8::1", "for the IPv6 address", for_names!["2001:db8:0::1"]),
    ("[2001:db8::1]", "for the IPv6 address in brackets", for_names!["2001:db8::1"]),
    ("[IPv6:2001:db8::1]", "for the IPv6 address, asked for as a literal", for_names!["2001:db8::1"]),
    ("mail.example", "for the host, whose common name is another", |trusted| {
        trusted.sign(Leaf { common_name: Some("other.example"), ..Leaf::of(&["mail.example"]) })
    }),
    ("mail.example", "signed by an intermediate that is sent along", |trusted| {
        let intermediate = trusted.below(true);
        intermediate.sign(Leaf::of(&["mail.example"])).with(&intermediate)
    }),
    ("mail.example", "signed by an intermediate for hosts of its domain alone", |trusted| {
        let intermediate = trusted.below_for("mail.example");
        intermediate.sign(Leaf::of(&["mail.example"])).with(&intermediate)
    }),
];

const WRONG: &[Case] = &[
    ("mail.example", "of an unknown authority", |_| Authority::new().sign(Leaf::of(&["mail.example"]))),
    ("mail.example", "of an unknown authority that it sends along", |_| {
        let unknown = Authority::new();
        unknown.sign(Leaf::of(&["mail.example"])).with(&unknown)
    }),
    ("mail.example", "of an unknown authority, with the trusted one sent along", |trusted| {
        Authority::new().sign(Leaf::of(&["mail.example"])).with(trusted)
    }),
    ("mail.example", "signed by itself", |_| Leaf::of(&["mail.example"]).self_signed()),
    ("mail.example", "expired", |trusted| {
        trusted.sign(Leaf { years: Some((2001, 2002)), ..Leaf::of(&["mail.example"]) })
    }),
    ("mail.example", "not yet valid", |trusted| {
        trusted.sign(Leaf { years: Some((2200, 2201)), ..Leaf::of(&["mail.example"]) })
    }),
    ("mail.example", "for clients, not servers", |trusted| {
        trusted.sign(Leaf { for_clients: true, ..Leaf::of(&["mail.example"]) })
    }),
    ("mail.example", "signed by an intermediate that is not sent", |trusted| {
        trusted.below(true).sign(Leaf::of(&["mail.example"]))
    }),
    ("mail.example", "signed by a server's certificate, which is no authority", |trusted| {
        let no_authority = trusted.below(false);
        no_authority.sign(Leaf::of(&["mail.example"])).with(&no_authority)
    }),
    ("mail.example", "signed by an intermediate for hosts of another domain alone", |trusted| {
        let intermediate = trusted.below_for("other.example");
        intermediate.sign(Leaf::of(&["mail.example"])).with(&intermediate)
    }),
    ("mail.example", "for another host", for_names!["other.example"]),
    ("mail.example", "for the domain above", for_names!["example"]),
    ("mail.example", "for a host below", for_names!["mx.mail.example"]),
    ("mail.example", "for a host whose name begins so", for_names!["mail.example.attacker.example"]),
    ("mail.example", "for a name with a NUL behind", for_names!["mail.example\0.attacker.example"]),
    (
        "mail.example",
        "for the names in the greeting, the EHLO reply and the 220",
        for_names!["named.in.greeting", "named.in.ehlo", "named.in.starttls"],
    ),
    ("mail.example", "whose common name is the host, without other names", |trusted| {
        trusted.sign(Leaf { common_name: Some("mail.example"), ..Leaf::default() })
    }),
    ("mail.example", "whose common name is the host, with other names", |trusted| {
        trusted.sign(Leaf { common_name: Some("mail.example"), ..Leaf::of(&["other.example"]) })
    }),
    ("mail.example", "for any host below the host", for_names!["*.mail.example"]),
    ("a.mx.mail.example", "for hosts one label below, not two", for_names!["*.mail.example"]),
    ("mail.example", "for part of a label", for_names!["ma*.example"]),
    ("mail.example", "for everybody", for_names!["*"]),
    ("127.0.0.1", "for the host, whose address is asked for", for_names!["mail.example"]),
    ("127.0.0.1", "for another address", for_names!["127.0.0.2"]),
    ("127.0.0.1", "whose common name is the address", |trusted| {
        trusted.sign(Leaf { common_name: Some("127.0.0.1"), ..Leaf::of(&["mail.example"]) })
    }),
    ("127.0.0.1", "for any host above the last number", for_names!["*.0.0.1"]),
    ("::1", "for the IPv4 address of the same machine", for_names!["127.0.0.1"]),
    ("mail.example", "for the address, whose host is asked for", for_names!["127.0.0.1"]),
    // Names that are none: no certificate is right for them.
    ("mail.example..", "for the host, asked for with two dots", for_names!["mail.example"]),
    ("127.0.0.1.", "for the address, asked for with a dot", for_names!["127.0.0.1", "mail.example"]),
    ("[mail.example]", "for the host, asked for in brackets", for_names!["mail.example"]),
    ("not a name", "for the host, of which nobody asked", for_names!["mail.example"]),
    ("", "for the host, where none is configured", for_names!["mail.example"]),
    (".", "for the host, where the root is configured", for_names!["mail.example"]),
    ("*.example", "for any host, asked for as such", for_names!["*.example"]),
];

/// Meets every case in every way with one version of TLS.
fn meet(version: &'static SupportedProtocolVersion, cases: &[Case], right: bool) {
    let trusted = Authority::new();
    for &(host, what, show) in cases {
        for conduct in [Conduct::StartTls, Conduct::Implicit] {
            for backend in backends().iter().chain(&backends_brought()) {
                let server = Server::start(conduct, server_config(show(&trusted), version));
                let outcome = backend.attempt(Attempt {
                    address: server.address,
                    config: config(host, conduct),
                    trust: Trust::Only(&trusted),
                    ask: Ask::LogIn,
                });
                let heard = server.heard();
                let way = format!("{host:?}, {what}, {conduct:?}, {version:?}, {}", backend.name);
                assert_tls_records(&heard.records, &way);
                assert_eq!(outcome.tls, right, "{way}");
                let clear = String::from_utf8_lossy(&heard.clear);
                let commands: Vec<_> = clear.lines().map(|line| line.split(' ').next().unwrap()).collect();
                assert_eq!(
                    commands,
                    if conduct == Conduct::StartTls { vec!["EHLO", "STARTTLS"] } else { vec![] },
                    "t15 {way}: {clear}"
                );
                if right {
                    assert_eq!(outcome.result, Ok(()), "{way}: {}", outcome.text);
                    assert_eq!(heard.agreed, [(version.version, HandshakeKind::Full)], "{way}");
                    assert!(heard.tls.ends_with(b"QUIT\r\n"), "{way}");
                } else {
                    outcome.assert_unopened(&Error::TlsFailed, &way);
                    let (says, why) =
                        outcome.text.split_once("; nothing more was sent: ").expect(&outcome.text);
                    assert!(says == "the TLS handshake failed" && !why.is_empty(), "{way}: {}", outcome.text);
                    assert_eq!(heard.tls.escape_ascii().to_string(), "", "{way}: spoke under bad TLS");
                }
            }
        }
    }
}

#[test]
fn t16_only_the_right_certificate_passes() {
    meet(VERSIONS[1], RIGHT, true);
    meet(VERSIONS[1], WRONG, false);
}

#[test]
fn t16_only_the_right_certificate_passes_in_tls_1_2() {
    meet(VERSIONS[0], RIGHT, true);
    meet(VERSIONS[0], WRONG, false);
}

/// The server name indication is the DNS name without a final dot (RFC 6066 §3), and nothing for an address.
#[test]
fn t16_the_name_goes_out_without_a_dot_and_an_address_not_at_all() {
    let trusted = Authority::new();
    for (host, sni) in [
        ("mail.example", Some("mail.example")),
        ("mail.example.", Some("mail.example")),
        ("127.0.0.1", None),
        ("[127.0.0.1]", None),
        ("::1", None),
        ("[IPv6:::1]", None),
    ] {
        for conduct in [Conduct::StartTls, Conduct::Implicit] {
            for backend in backends().iter().chain(&backends_brought()) {
                let identity = trusted.sign(Leaf::of(&["mail.example", "127.0.0.1", "::1"]));
                let server = Server::start(conduct, server_config(identity, VERSIONS[1]));
                let (address, config, trust) = (server.address, config(host, conduct), Trust::Only(&trusted));
                let outcome = backend.attempt(Attempt { address, config, trust, ask: Ask::LogIn });
                assert_eq!(outcome.result, Ok(()), "{host}, {}: {}", backend.name, outcome.text);
                assert_eq!(server.heard().sni.as_deref(), sni, "{host}, {}", backend.name);
            }
        }
    }
}

/// Without settings of the caller's it is the platform that says whom to believe, and it does not know the authority
/// of this test.
#[test]
fn t16_the_default_settings_refuse_a_private_authority() {
    for conduct in [Conduct::StartTls, Conduct::Implicit] {
        for backend in backends().iter().chain(&backends_brought()) {
            let identity = Authority::new().sign(Leaf::of(&["mail.example"]));
            let server = Server::start(conduct, server_config(identity, VERSIONS[1]));
            let config = config("mail.example", conduct);
            let outcome = backend.attempt(Attempt {
                address: server.address,
                config,
                trust: Trust::Platform,
                ask: Ask::LogIn,
            });
            outcome.assert_unopened(&Error::TlsFailed, &format!("{conduct:?}, {}", backend.name));
            let heard = server.heard();
            assert_eq!(heard.tls, b"", "{conduct:?}, {}", backend.name);
            // A platform without any authority gives no settings at all, which is a refusal too.
            if smtp_blocking::default_tls_config().is_ok() {
                assert!(
                    outcome.text.contains("certificate"),
                    "{conduct:?}, {}: {}",
                    backend.name,
                    outcome.text
                );
            }
        }
    }
}

/// T18: a stream that is handed in is not taken for a protected one.
#[test]
fn t18_a_stream_handed_in_is_upgraded_under_the_implicit_policy() {
    for (library, version) in
        Library::all().iter().flat_map(|library| VERSIONS.map(|version| (library, version)))
    {
        let trusted = Authority::new();
        let start = || {
            let identity = trusted.sign(Leaf::of(&["mail.example"]));
            Server::start(Conduct::Implicit, server_config(identity, version))
        };
        let (server, other) = (start(), start());
        let plain = || Plain::new("", "alice", "secret", "mail.example");
        let config = || config("mail.example", Conduct::Implicit);
        let settings = || library.trusting(&trusted.der()).unwrap();

        let stream = std::net::TcpStream::connect(server.address).unwrap();
        let mut client = smtp_blocking::Client::new(stream, config());
        client.set_tls_config(settings());
        assert!(!client.security().is_tls() && client.tls_state().is_none());
        client.auth(&mut plain()).unwrap();
        assert_agreed(*library, version, &client.tls_state().unwrap());
        assert!(client.security().is_tls());
        drop(client);

        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::connect(other.address).await.unwrap();
            let mut client = smtp_tokio::Client::new(stream, config());
            client.set_tls_config(settings());
            assert!(!client.security().is_tls() && client.tls_state().is_none());
            client.auth(&mut plain()).await.unwrap();
            assert_agreed(*library, version, &client.tls_state().unwrap());
            assert!(client.security().is_tls());
        });
        for server in [server, other] {
            let heard = server.heard();
            assert_eq!(heard.clear, b"");
            assert_tls_records(&heard.records, "t18");
            assert!(heard.tls.starts_with(b"EHLO "));
        }
    }
}

/// What was agreed, in the words of no library.
fn assert_agreed(library: Library, version: &SupportedProtocolVersion, state: &TlsState) {
    let name = library.name();
    assert_eq!(state.alpn_protocol, None, "{name}");
    assert_eq!(state.peer_certificates.len(), 1, "{name}");
    assert!(state.peer_certificates[0].starts_with(&[0x30]), "{name}: DER");
    if !library.is_rustls() {
        assert_eq!((state.version, &state.cipher_suite), (None, &None), "{name}");
        return;
    }
    let is_new = version.version == rustls::ProtocolVersion::TLSv1_3;
    assert_eq!(state.version, Some(if is_new { TlsVersion::Tls13 } else { TlsVersion::Tls12 }), "{name}");
    let suite = state.cipher_suite.as_deref().unwrap();
    assert!(suite.starts_with(if is_new { "TLS_AES_" } else { "TLS_ECDHE_ECDSA_WITH_" }), "{name}: {suite}");
}

/// T22: a session that TLS could resume was agreed with one host; with the same settings another host still has to
/// show a certificate of its own.
#[test]
fn t22_a_resumed_session_is_no_pass_for_another_host() {
    for (library, version) in
        Library::all().iter().flat_map(|library| VERSIONS.map(|version| (library, version)))
    {
        let trusted = Authority::new();
        let tls = server_config(trusted.sign(Leaf::of(&["mail.example"])), version);
        let server = Server::start_many(3, tls);
        let address = server.address;
        let settings = library.trusting(&trusted.der()).unwrap();
        let meet = |host: &str| {
            let config = config(host, Conduct::Implicit);
            let mut client = smtp_blocking::Client::connect_with_tls(address, config, settings.clone())?;
            client.auth(&mut Plain::new("", "alice", "secret", host))?;
            client.quit()
        };
        assert!(meet("mail.example").is_ok(), "{version:?}");
        assert!(meet("mail.example").is_ok(), "{version:?}, once more, from memory");
        let error = meet("other.example").unwrap_err();
        assert_eq!(*error.kind(), Error::TlsFailed, "{version:?}");
        let heard = server.heard();
        assert_eq!(heard.tls, b"", "{version:?}");
        let kinds: Vec<_> = heard.agreed.iter().map(|(_, kind)| *kind).collect();
        // native-tls remembers no session.
        let second = match library.is_rustls() {
            true => HandshakeKind::Resumed,
            false => HandshakeKind::Full,
        };
        assert_eq!(
            kinds.get(..2),
            Some(&[HandshakeKind::Full, second][..]),
            "{version:?}, {library:?}: {kinds:?}"
        );
    }
}

/// T22: settings made from others share what those remember; they believe other authorities all the same.
#[test]
fn t22_a_resumed_session_is_no_pass_under_other_trust() {
    for version in VERSIONS {
        let (trusted, other) = (Authority::new(), Authority::new());
        let tls = server_config(trusted.sign(Leaf::of(&["mail.example"])), version);
        let server = Server::start_many(2, tls);
        let address = server.address;
        let settings = trusted.client_config();
        let mut distrusting = rustls::ClientConfig::clone(&settings);
        let mut roots = RootCertStore::empty();
        roots.add(other.der()).unwrap();
        let provider = Arc::clone(settings.crypto_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        distrusting.dangerous().set_certificate_verifier(verifier);

        let meet = |settings| {
            let config = config("mail.example", Conduct::Implicit);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut client = smtp_tokio::Client::connect_with_tls(address, config, settings).await?;
                client.auth(&mut Plain::new("", "alice", "secret", "mail.example")).await?;
                client.quit().await
            })
        };
        assert!(meet(settings).is_ok(), "{version:?}");
        let error = meet(Arc::new(distrusting)).unwrap_err();
        assert_eq!(*error.kind(), Error::TlsFailed, "{version:?}");
        assert_eq!(server.heard().tls, b"", "{version:?}");
    }
}

/// T22: credentials for one host are not for another, though TLS is fine there.
#[test]
fn t22_credentials_stay_with_their_host_under_tls_too() {
    let trusted = Authority::new();
    let tls = server_config(trusted.sign(Leaf::of(&["mail.example"])), VERSIONS[1]);
    let server = Server::start(Conduct::StartTls, tls);
    let config = config("mail.example", Conduct::StartTls);
    let mut client =
        smtp_blocking::Client::connect_with_tls(server.address, config, trusted.client_config()).unwrap();
    let error = client.auth(&mut Plain::new("", "alice", "secret", "other.example")).unwrap_err();
    assert!(matches!(error.kind(), Error::Mechanism(_)), "{error}");
    client.quit().unwrap();
    let tls = server.heard().tls;
    assert!(tls.starts_with(b"EHLO ") && tls.ends_with(b"\r\nQUIT\r\n"));
    assert!(!tls.windows(4).any(|octets| octets == b"AUTH"));
}
