//! Exchanges as the connection drives them, with decoded octets.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use alloc::{boxed::Box, format, string::String, string::ToString, vec, vec::Vec};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::security::VerifiedName;

mod credentials;
mod oauth;
#[cfg(feature = "scram")]
mod scram;

const HOST: &str = "mail.example";
const USER: &str = "tim-the-user";
const PASSWORD: &str = "correct horse battery";

fn tls(name: &str) -> Security {
    Security::Tls(VerifiedName::new(name))
}

/// The mechanisms that reveal the password, bound to `host`.
fn revealing(host: &str) -> [Box<dyn Mechanism>; 4] {
    [
        Box::new(Plain::new("", USER, PASSWORD, host)),
        Box::new(Login::new(USER, PASSWORD, host)),
        Box::new(XOAuth2::new(USER, PASSWORD, host)),
        Box::new(OAuthBearer::new(USER, PASSWORD, host)),
    ]
}

/// All of them, bound to `host`.
fn bound(host: &str) -> Vec<Box<dyn Mechanism>> {
    let mut all = vec![Box::new(CramMd5::new(USER, PASSWORD).bound_to(host)) as Box<dyn Mechanism>];
    all.extend(revealing(host));
    #[cfg(feature = "scram")]
    all.push(Box::new(ScramSha256::new(USER, PASSWORD, host, Nonce::from_entropy([7; 18]))));
    all
}

fn wrong_host(expected: &str, actual: &str) -> MechanismError {
    MechanismError::WrongHost { expected: expected.into(), actual: actual.into() }
}

/// The error of a start that must fail, and that must leave a mechanism which gives nothing away.
fn refusal(mechanism: &mut dyn Mechanism, server: &ServerInfo<'_>) -> MechanismError {
    let error = mechanism.start(server).expect_err("started");
    for _ in 0..3 {
        assert_eq!(mechanism.respond(b"").expect_err("answered"), MechanismError::UnexpectedChallenge);
    }
    error
}

fn respond(mechanism: &mut dyn Mechanism, challenge: &[u8]) -> Vec<u8> {
    mechanism.respond(challenge).expect("no answer").expose().to_vec()
}

#[test]
fn a01_passwords_are_not_sent_in_clear_text_whatever_is_advertised() {
    for advertised in ["", "PLAIN LOGIN", "CRAM-MD5 PLAIN LOGIN XOAUTH2"] {
        let mut server = ServerInfo::new(HOST, &Security::Plaintext);
        server.mechanisms = Mechanisms(advertised);
        assert!(!server.may_send_secret());
        for mut mechanism in revealing(HOST) {
            assert_eq!(refusal(&mut *mechanism, &server), MechanismError::NotEncrypted);
        }
    }
}

#[test]
fn a01_a_refused_start_revokes_an_earlier_one() {
    let local = ServerInfo::new(HOST, &Security::LocalPlaintext);
    let clear = ServerInfo::new(HOST, &Security::Plaintext);
    let mut login = Login::new(USER, PASSWORD, HOST);
    assert!(login.start(&local).expect("local").is_none());
    assert_eq!(respond(&mut login, b"user?"), USER.as_bytes());
    assert_eq!(refusal(&mut login, &clear), MechanismError::NotEncrypted);

    let other = ServerInfo::new("b.example", &Security::LocalPlaintext);
    let mut cram = CramMd5::new(USER, PASSWORD).bound_to(HOST);
    assert!(cram.start(&local).expect("local").is_none());
    assert_eq!(refusal(&mut cram, &other), wrong_host(HOST, "b.example"));
}

#[test]
fn a02_who_may_see_a_password() {
    let plaintext = || Security::Plaintext;
    let local = || Security::LocalPlaintext;
    let not_encrypted = || Err(MechanismError::NotEncrypted);
    // The name never makes a peer local: only the address does, which is the adapter's to tell.
    let table = [
        ("mail.example", plaintext(), false, not_encrypted()),
        ("localhost", plaintext(), false, not_encrypted()),
        ("localhost.evil.example", plaintext(), false, not_encrypted()),
        ("127.0.0.1", plaintext(), false, not_encrypted()),
        ("[::1]", plaintext(), false, not_encrypted()),
        ("0.0.0.0", plaintext(), false, not_encrypted()),
        ("10.0.0.1", plaintext(), false, not_encrypted()),
        ("mail.example", plaintext(), true, Ok(())),
        ("mail.example", local(), false, Ok(())),
        ("localhost", local(), true, Ok(())),
        ("mail.example", tls("mail.example"), false, Ok(())),
        ("mail.example", tls("mail.example"), true, Ok(())),
        ("mail.example", tls("b.example"), false, Err(wrong_host("mail.example", "b.example"))),
        ("mail.example", tls("b.example"), true, Err(wrong_host("mail.example", "b.example"))),
    ];
    for (name, security, allow_plaintext, expected) in table {
        let mut server = ServerInfo::new(name, &security);
        server.allow_plaintext = allow_plaintext;
        assert_eq!(server.may_send_secret(), expected.is_ok(), "{server:?}");
        assert_eq!(server.check_confidential(), expected, "{server:?}");
        for mut mechanism in revealing(name) {
            match &expected {
                Ok(()) => assert!(mechanism.start(&server).is_ok(), "{server:?}"),
                Err(error) => assert_eq!(&refusal(&mut *mechanism, &server), error, "{server:?}"),
            }
        }
    }
}

#[test]
fn a03_credentials_for_another_host_are_not_sent() {
    let (tls_b, tls_a) = (tls("b.example"), tls("a.example"));
    let servers = [
        ServerInfo::new("b.example", &tls_b),
        ServerInfo::new("b.example", &Security::LocalPlaintext),
        ServerInfo { allow_plaintext: true, ..ServerInfo::new("b.example", &Security::Plaintext) },
        // The configured name is right, but TLS verified somebody else; and the reverse.
        ServerInfo::new("a.example", &tls_b),
        ServerInfo::new("b.example", &tls_a),
    ];
    for server in servers {
        for mut mechanism in bound("a.example") {
            let error = refusal(&mut *mechanism, &server);
            assert_eq!(error, wrong_host("a.example", "b.example"), "{server:?}");
        }
    }
}

#[test]
fn a03_host_names_match_without_case_and_final_dot_but_otherwise_exactly() {
    let security = tls("Mail.Example");
    let server = ServerInfo::new("MAIL.example.", &security);
    for host in ["mail.example", "mail.EXAMPLE", "mail.example."] {
        for mut mechanism in bound(host) {
            assert!(mechanism.start(&server).is_ok(), "{host}");
        }
    }
    for host in ["", ".", "example", "mail.example..", " mail.example", "mail.example\0", "xmail.example"] {
        for mut mechanism in bound(host) {
            assert_eq!(refusal(&mut *mechanism, &server), wrong_host(host, "MAIL.example."));
        }
    }
}

#[test]
fn a03_unbound_cram_md5_answers_any_host() {
    let mut cram = CramMd5::new(USER, PASSWORD);
    for security in [Security::Plaintext, Security::LocalPlaintext, tls("b.example")] {
        assert!(cram.start(&ServerInfo::new("b.example", &security)).expect("starts").is_none());
    }
}

#[test]
fn a07_plain_gives_its_message_once() {
    let security = tls(HOST);
    let server = ServerInfo::new(HOST, &security);
    let mut plain = Plain::new("admin", USER, PASSWORD, HOST);
    let message = plain.start(&server).expect("starts").expect("speaks first");
    assert_eq!(message.expose(), b"admin\0tim-the-user\0correct horse battery");
    for challenge in [&b""[..], b"Password:", b"\0"] {
        assert_eq!(plain.respond(challenge).unwrap_err(), MechanismError::UnexpectedChallenge);
    }
    // The next connection may use the same value again.
    assert!(plain.start(&server).expect("starts").is_some());
}

#[test]
fn a06_the_steps_of_each_mechanism_are_capped() {
    let mut all = bound(HOST);
    all.extend([
        Box::new(External::new("")) as Box<dyn Mechanism>,
        Box::new(Anonymous::new("")) as Box<dyn Mechanism>,
    ]);
    for mechanism in all {
        let expected = if matches!(mechanism.name(), "LOGIN" | "SCRAM-SHA-256") { 2 } else { 1 };
        assert_eq!(mechanism.max_challenges(), expected, "{}", mechanism.name());
    }
}

#[test]
fn a10_cram_md5_digests_the_raw_challenge() {
    let server = ServerInfo::new(HOST, &Security::Plaintext);
    let long = [b'x'; 4096];
    let cases: [(&[u8], &str); 5] = [
        (b"", "ba0016591d612662348b20bcd7f4439a"),
        (b"\0\0\0", "e103b705983430fc6b69ddab57062242"),
        (b"\xff\xfe\x80", "493ec34994fb1de13fc2a7a9b557e8cb"),
        (b"a\r\nRSET\r\n", "1100e48de8fc8b4e0b5612dd54f9f819"),
        (&long, "e8614f55ecb1a7518242065e0b672d1f"),
    ];
    let mut cram = CramMd5::new("tim", "tanstaaftanstaaf");
    for (challenge, digest) in cases {
        assert!(cram.start(&server).expect("starts").is_none());
        assert_eq!(respond(&mut cram, challenge), format!("tim {digest}").as_bytes());
    }
}

#[test]
fn a10_cram_md5_refuses_a_boundless_challenge_and_a_second_one() {
    let server = ServerInfo::new(HOST, &Security::Plaintext);
    for length in [4097, 65536] {
        let mut cram = CramMd5::new(USER, PASSWORD);
        assert!(cram.start(&server).expect("starts").is_none());
        let error = cram.respond(&vec![b'x'; length]).unwrap_err();
        assert_eq!(error, MechanismError::ChallengeTooLong { limit: 4096 });
        assert_eq!(cram.respond(b"short").unwrap_err(), MechanismError::UnexpectedChallenge);
    }
    let mut cram = CramMd5::new(USER, PASSWORD);
    assert_eq!(cram.respond(b"before start").unwrap_err(), MechanismError::UnexpectedChallenge);
    assert!(cram.start(&server).expect("starts").is_none());
    assert!(cram.respond(b"first").is_ok());
    assert_eq!(cram.respond(b"second").unwrap_err(), MechanismError::UnexpectedChallenge);
}

#[test]
fn a11_cram_md5_rfc_2195_vector() {
    let mut cram = CramMd5::new("tim", "tanstaaftanstaaf");
    assert!(cram.start(&ServerInfo::new(HOST, &Security::Plaintext)).expect("starts").is_none());
    let response = respond(&mut cram, b"<1896.697170952@postoffice.reston.mci.net>");
    assert_eq!(STANDARD.encode(response), "dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw");
}

#[test]
fn a11_cram_md5_keys_of_any_length_and_octets() {
    // The digests are from Python's hmac module.
    let cases: [(Vec<u8>, &str); 6] = [
        (vec![b'k'; 63], "7ebf7bcf5ad9f7620541cdd805250621"),
        (vec![b'k'; 64], "4045c26e937136085cfca5b7e9c1e842"),
        (vec![b'k'; 65], "033e49810834af60466a6193f844666f"),
        (vec![b'k'; 200], "fb2a3b662f11a52cf0a261987d7d622f"),
        (b"tan\0staaf".to_vec(), "5bbd88f9006c8f9bd938164c24cb9c2d"),
        // Its MD5, which becomes the key, begins with NUL.
        (b"key226-".repeat(12)[..80].to_vec(), "466b5be1ba680f90bdeb564624165215"),
    ];
    for (key, digest) in cases {
        let mut cram = CramMd5::new("tim", key);
        assert!(cram.start(&ServerInfo::new(HOST, &Security::Plaintext)).expect("starts").is_none());
        assert_eq!(respond(&mut cram, b"<challenge@mail.example>"), format!("tim {digest}").as_bytes());
    }
}

#[test]
fn a12_login_ignores_what_the_prompts_say() {
    let security = tls(HOST);
    let server = ServerInfo::new(HOST, &security);
    let prompts: [[&[u8]; 2]; 4] = [
        [b"Username:", b"Password:"],
        [b"Password:", b"Username:"],
        [b"", b""],
        [b"User Name\0", b"\xff\r\nQUIT"],
    ];
    let mut login = Login::new(USER, PASSWORD, HOST);
    for [first, second] in prompts {
        assert!(login.start(&server).expect("starts").is_none());
        assert_eq!(respond(&mut login, first), USER.as_bytes());
        assert_eq!(respond(&mut login, second), PASSWORD.as_bytes());
        assert_eq!(login.respond(b"Password:").unwrap_err(), MechanismError::UnexpectedChallenge);
        assert_eq!(login.respond(b"Username:").unwrap_err(), MechanismError::UnexpectedChallenge);
        assert_eq!(login.finish(), Ok(()));
    }
}

#[test]
fn a12_login_says_nothing_before_its_start() {
    let mut login = Login::new(USER, PASSWORD, HOST);
    assert_eq!(login.respond(b"Username:").unwrap_err(), MechanismError::UnexpectedChallenge);
}

#[test]
fn a16_credentials_that_would_forge_a_field_are_refused() {
    use CredentialFault::{Control, Empty, Nul, TooLong};
    let plain = |identity: &str, username: &str, password: &str| -> Box<dyn Mechanism> {
        Box::new(Plain::new(identity, username, password, HOST))
    };
    let login = |username: &str, password: &str| -> Box<dyn Mechanism> {
        Box::new(Login::new(username, password, HOST))
    };
    let cram =
        |username: &str, password: &str| -> Box<dyn Mechanism> { Box::new(CramMd5::new(username, password)) };
    let xoauth2 =
        |username: &str, token: &str| -> Box<dyn Mechanism> { Box::new(XOAuth2::new(username, token, HOST)) };
    let oauthbearer = |username: &str, token: &str| -> Box<dyn Mechanism> {
        Box::new(OAuthBearer::new(username, token, HOST))
    };
    let table = [
        (plain("ad\0min", "tim", "pw"), "identity", Nul),
        (plain("", "tim\0", "pw"), "username", Nul),
        (plain("", "tim", "\0pw"), "password", Nul),
        (plain("", "", "pw"), "username", Empty),
        (plain("", "tim", ""), "password", Empty),
        (login("ti\0m", "pw"), "username", Nul),
        (login("tim", "p\0w"), "password", Nul),
        (login("", "pw"), "username", Empty),
        (login("tim", ""), "password", Empty),
        (cram("ti\0m", "pw"), "username", Nul),
        (cram("ti\r\nm", "pw"), "username", Control),
        (cram("tim\x7f", "pw"), "username", Control),
        (cram("", "pw"), "username", Empty),
        (cram("tim", ""), "password", Empty),
        (xoauth2("ti\x01m", "token"), "username", Control),
        (xoauth2("tim", "to\x01ken"), "token", Control),
        (xoauth2("tim", "to\r\nken"), "token", Control),
        (xoauth2("", "token"), "username", Empty),
        (xoauth2("tim", ""), "token", Empty),
        (oauthbearer("ti\x01m", "token"), "username", Control),
        (oauthbearer("tim", "\x01token"), "token", Control),
        (oauthbearer("tim", "to\x7fken"), "token", Control),
        (oauthbearer("tim", ""), "token", Empty),
        (Box::new(External::new("ti\0m")), "identity", Nul),
        (Box::new(Anonymous::new("tra\nce")), "trace", Control),
        (Box::new(Anonymous::new(&"\u{fc}".repeat(256))), "trace", TooLong),
    ];
    let security = tls(HOST);
    for (mut mechanism, field, fault) in table {
        let error = refusal(&mut *mechanism, &ServerInfo::new(HOST, &security));
        assert_eq!(error, MechanismError::InvalidCredential { field, fault }, "{}", mechanism.name());
    }
}

#[test]
fn a16_unusual_but_sound_credentials_are_sent_as_they_are() {
    let security = tls(HOST);
    let server = ServerInfo::new(HOST, &security);
    let mut plain = Plain::new("", "Jürgen Groß", &b"\x01\xff\r\n"[..], HOST);
    let message = plain.start(&server).expect("starts").expect("speaks first");
    assert_eq!(message.expose(), [b"\0", "Jürgen Groß".as_bytes(), b"\0\x01\xff\r\n"].concat());

    let mut cram = CramMd5::new("Jürgen Groß", "tanstaaftanstaaf");
    assert!(cram.start(&server).expect("starts").is_none());
    let response = respond(&mut cram, b"");
    assert_eq!(response, "Jürgen Groß ba0016591d612662348b20bcd7f4439a".as_bytes());
}

#[test]
fn l01_nothing_public_shows_a_credential() {
    let security = tls(HOST);
    let server = ServerInfo::new(HOST, &security);
    let mut plain = Plain::new("the-identity", USER, PASSWORD, HOST);
    let mut login = Login::new(USER, PASSWORD, HOST);
    let mut cram = CramMd5::new(USER, PASSWORD).bound_to(HOST);
    let message = plain.start(&server);
    let mut shown = vec![format!("{message:?}")];
    assert!(login.start(&server).is_ok() && cram.start(&server).is_ok());
    shown.push(format!("{:?} {:?}", login.respond(b""), login.respond(b"")));
    let digest = cram.respond(b"").expect("answers");
    shown.push(format!("{digest:?} {digest}"));
    shown.push(format!("{plain:?} {plain:#?} {login:?} {login:#?} {cram:?} {cram:#?}"));
    shown.push(format!("{:?}", Credentials::password(USER, PASSWORD)));
    shown.push(format!("{:?}", message.clone()));

    let forged = format!("{PASSWORD}\0");
    let mut faulty: [Box<dyn Mechanism>; 3] = [
        Box::new(Plain::new("", USER, forged.as_str(), HOST)),
        Box::new(Login::new(USER, forged.as_str(), HOST)),
        Box::new(CramMd5::new(&format!("{USER}\n"), PASSWORD)),
    ];
    for mechanism in &mut faulty {
        let error = refusal(&mut **mechanism, &server);
        shown.push(format!("{error:?} {error}"));
    }

    let joined = [b"the-identity\0", USER.as_bytes(), b"\0", PASSWORD.as_bytes()].concat();
    let mut hidden: Vec<String> = ["the-identity", USER, PASSWORD].map(String::from).to_vec();
    hidden.extend([USER.as_bytes(), PASSWORD.as_bytes(), &joined].map(|octets| STANDARD.encode(octets)));
    hidden.extend([USER.as_bytes(), PASSWORD.as_bytes()].map(|octets| format!("{octets:?}")));
    hidden.push(core::str::from_utf8(digest.expose()).expect("ASCII").rsplit(' ').next().unwrap().into());
    for text in &shown {
        for secret in &hidden {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }
    assert_eq!(format!("{plain:?}"), r#"Plain { host: "mail.example", .. }"#);
    assert_eq!(format!("{login:?}"), r#"Login { host: "mail.example", .. }"#);
    assert_eq!(format!("{cram:?}"), r#"CramMd5 { host: Some("mail.example"), .. }"#);
}

#[test]
fn l05_errors_are_one_printable_line() {
    let errors = [
        wrong_host("a.example\r\n", "b\u{202e}\u{1b}[2J"),
        MechanismError::NotEncrypted,
        MechanismError::InvalidCredential { field: "password", fault: CredentialFault::Nul },
        MechanismError::UnexpectedChallenge,
        MechanismError::ChallengeTooLong { limit: 4096 },
        MechanismError::InvalidChallenge,
        MechanismError::ServerNotAuthentic,
        MechanismError::Token(TokenError::new("first\nsecond\u{9b}\u{202e}")),
        MechanismError::Iterations(3),
        MechanismError::NoChannelBinding,
        MechanismError::NonceUsed,
        MechanismError::Other("first\nsecond\u{9b}\u{202e}".into()),
    ];
    for error in errors {
        let text = error.to_string();
        assert!(text.bytes().all(|octet| (0x20..0x7f).contains(&octet)), "{text}");
    }
}

/// Overrides every method, to show that the pointers forward the provided ones too.
struct Custom(usize);

impl Mechanism for Custom {
    fn name(&self) -> &str {
        "X-CUSTOM"
    }

    fn start(&mut self, _server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        self.0 += 1;
        Ok(Some(Secret::new("")))
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, MechanismError> {
        self.0 += 1;
        Ok(Secret::from(challenge))
    }

    fn finish(&mut self) -> Result<(), MechanismError> {
        self.0 += 1;
        Err(MechanismError::ServerNotAuthentic)
    }

    fn max_challenges(&self) -> usize {
        99
    }

    fn error_detail(&self) -> Option<&[u8]> {
        Some(b"why")
    }
}

fn drive(mut mechanism: impl Mechanism) {
    let server = ServerInfo::new(HOST, &Security::Plaintext);
    assert_eq!(mechanism.name(), "X-CUSTOM");
    let initial = mechanism.start(&server).expect("starts").expect("an empty initial response");
    assert_eq!(initial.expose(), b"");
    assert_eq!(respond(&mut mechanism, b"echo"), b"echo");
    assert_eq!(mechanism.finish(), Err(MechanismError::ServerNotAuthentic));
    assert_eq!(mechanism.max_challenges(), 99);
    assert_eq!(mechanism.error_detail(), Some(&b"why"[..]));
}

#[test]
fn a_mechanism_is_driven_through_any_pointer() {
    let mut custom = Custom(0);
    drive(&mut custom);
    drive(&mut custom as &mut dyn Mechanism);
    assert_eq!(custom.0, 6);
    let boxed: Box<dyn Mechanism> = Box::new(custom);
    drive(boxed);
    drive(Box::new(&mut Custom(0)));
}

#[test]
fn the_provided_methods_accept_the_server_and_cap_its_challenges() {
    struct Bare;
    impl Mechanism for Bare {
        fn name(&self) -> &str {
            "BARE"
        }
        fn start(&mut self, _server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
            Ok(None)
        }
        fn respond(&mut self, _challenge: &[u8]) -> Result<Secret, MechanismError> {
            Err(MechanismError::UnexpectedChallenge)
        }
    }
    assert_eq!(Bare.finish(), Ok(()));
    assert_eq!(Bare.max_challenges(), 8);
    assert_eq!(Bare.error_detail(), None);
}

#[test]
fn l01_debug_tells_what_a_thing_is_and_for_whom() {
    let shown = [
        format!("{:?}", Anonymous::new(USER)),
        format!("{:?}", External::new(USER)),
        format!("{:?}", Credentials::password(USER, PASSWORD)),
        format!("{:?}", OAuthBearer::new(USER, "token", HOST)),
        format!("{:?}", XOAuth2::new(USER, "token", HOST)),
    ];
    let expected = [
        "Anonymous { .. }",
        "External { .. }",
        "Credentials { .. }",
        "OAuthBearer { host: \"mail.example\", .. }",
        "XOAuth2 { host: \"mail.example\", .. }",
    ];
    assert_eq!(shown, expected);
    #[cfg(feature = "scram")]
    assert_eq!(format!("{:?}", Nonce::from_entropy([7; 18])), "Nonce { .. }");
}
