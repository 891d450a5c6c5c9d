//! Authentication. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{clear, config, hello, hello_tls, secure};
use hmac::{Hmac, KeyInit, Mac};
use smtp_proto::command::{AuthCommand, Command};
use smtp_proto::connection::{Config, Connection, Peer, Stage, TlsPolicy};
use smtp_proto::error::{AuthenticationFailed, AuthenticationFailure, Error, Misuse, ProtocolError};
use smtp_proto::params::MailParameters;
use smtp_proto::sasl::{
    CramMd5, CredentialFault, Login, Mechanism, MechanismError, Plain, Secret, ServerInfo,
};
use smtp_tests::script::{Scenario, Session};

const HOST: &str = "mail.example";
/// `\0tim\0tanstaaf`
const PLAIN_IR: &str = "AHRpbQB0YW5zdGFhZg==";

fn plain() -> Plain {
    Plain::new("", "tim", "tanstaaf", HOST)
}

fn login() -> Login {
    Login::new("tim", "tanstaaf", HOST)
}

fn cram() -> CramMd5 {
    CramMd5::new("tim", "tanstaaftanstaaf")
}

fn b64(octets: impl AsRef<[u8]>) -> String {
    STANDARD.encode(octets)
}

/// A user's own mechanism: XOAUTH2 and OAUTHBEARER differ in the message and in the acknowledgement.
struct Bearer {
    name: &'static str,
    initial: Vec<u8>,
    acknowledgement: &'static [u8],
    reveals: bool,
    refusal: Option<Vec<u8>>,
}

fn xoauth2(user: &str, token: &str) -> Bearer {
    let initial = format!("user={user}\x01auth=Bearer {token}\x01\x01").into_bytes();
    Bearer { name: "XOAUTH2", initial, acknowledgement: b"", reveals: true, refusal: None }
}

fn oauthbearer(user: &str, token: &str) -> Bearer {
    let initial = format!("n,a={user},\x01auth=Bearer {token}\x01\x01").into_bytes();
    Bearer { name: "OAUTHBEARER", initial, acknowledgement: b"\x01", reveals: true, refusal: None }
}

impl Mechanism for Bearer {
    fn name(&self) -> &str {
        self.name
    }

    fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        self.refusal = None;
        server.check_host(HOST)?;
        if self.reveals {
            server.check_confidential()?;
        }
        Ok(Some(Secret::new(self.initial.clone())))
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, MechanismError> {
        if self.refusal.is_some() {
            return Err(MechanismError::UnexpectedChallenge);
        }
        self.refusal = Some(challenge.to_vec());
        Ok(Secret::new(self.acknowledgement.to_vec()))
    }

    fn max_challenges(&self) -> usize {
        1
    }

    fn error_detail(&self) -> Option<&[u8]> {
        self.refusal.as_deref()
    }
}

/// Opens, authenticates, and says how it went; after a success the session has to be usable.
fn authenticate(session: &mut Session, mechanism: &mut dyn Mechanism) -> Result<(), Error> {
    session.open()?;
    let result = session.auth(mechanism).map(drop);
    assert_eq!(session.connection().is_authenticated(), result.is_ok());
    result
}

/// The exchange under TLS, the server offering `mechanisms`.
fn exchange(mechanisms: &str, lines: &str, mechanism: &mut dyn Mechanism) -> Result<(), Error> {
    let script = format!("{}{lines}", hello_tls(&[&format!("AUTH {mechanisms}")]));
    secure(&script).run(|session| authenticate(session, mechanism))
}

fn failed(result: Result<(), Error>) -> AuthenticationFailed {
    match result {
        Err(Error::AuthenticationFailed(failed)) => failed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a01_no_credential_leaves_in_clear() {
    let offered = hello(&["AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER", "STARTTLS"]);
    let mechanisms: [&mut dyn Mechanism; 4] =
        [&mut plain(), &mut login(), &mut xoauth2("tim", "token"), &mut oauthbearer("tim", "token")];
    for mechanism in mechanisms {
        for policy in [TlsPolicy::None, TlsPolicy::Opportunistic] {
            let offered = match policy {
                TlsPolicy::None => offered.clone(),
                _ => hello(&["AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER"]),
            };
            Scenario::new(config(policy)).script(offered).run(|session| {
                let result = authenticate(session, mechanism);
                assert_eq!(result, Err(MechanismError::NotEncrypted.into()));
                assert!(session.connection().is_ready(), "and the session goes on");
                assert!(session.connection().output().is_empty());
            });
        }
    }
}

#[test]
fn a02_clear_text_is_for_a_local_peer_or_on_request() {
    let script = format!("{}C: AUTH PLAIN {PLAIN_IR}\nS: 235 ok", hello(&["AUTH PLAIN"]));
    clear(&script).local().run(|session| authenticate(session, &mut plain()).unwrap());
    Scenario::new(config(TlsPolicy::None).allow_plaintext_auth(true))
        .script(&script)
        .run(|session| authenticate(session, &mut plain()).unwrap());
    // The name of the host has no say.
    for host in ["localhost", "localhost.evil.example", "127.0.0.1", "::1", "localhost.localdomain"] {
        let config = Config::new(host).client_name("client.test".parse().unwrap()).tls(TlsPolicy::None);
        Scenario::new(config).script(hello(&["AUTH PLAIN"])).run(|session| {
            let mut plain = Plain::new("", "tim", "tanstaaf", host);
            assert_eq!(authenticate(session, &mut plain), Err(MechanismError::NotEncrypted.into()));
        });
    }
    // The peer's address has.
    let of = |address: &str| Peer::of(address.parse().unwrap());
    for local in ["127.0.0.1", "127.0.0.2", "127.255.255.254", "::1", "::ffff:127.0.0.1"] {
        assert_eq!(of(local), Peer::Local, "{local}");
    }
    for remote in [
        "0.0.0.0",
        "::",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.1.1",
        "fe80::1",
        "fc00::1",
        "::ffff:10.0.0.1",
        "128.0.0.1",
        "126.255.255.255",
        "::2",
        "::127.0.0.1",
    ] {
        assert_eq!(of(remote), Peer::Remote, "{remote}");
    }
}

#[test]
fn a03_credentials_for_another_host_stay_here() {
    let other = || "other.example";
    let mechanisms: [&mut dyn Mechanism; 3] = [
        &mut Plain::new("", "tim", "tanstaaf", other()),
        &mut Login::new("tim", "tanstaaf", other()),
        &mut cram().bound_to(other()),
    ];
    for mechanism in mechanisms {
        let error = exchange("PLAIN LOGIN CRAM-MD5", "", mechanism).unwrap_err();
        let expected = other().into();
        assert_eq!(error, MechanismError::WrongHost { expected, actual: HOST.into() }.into());
    }
}

#[test]
fn a05_only_235_is_success() {
    for good in ["S: 235 ok", "S: 235-2.7.0 a\nS: 235 2.7.0 b", "S: 235"] {
        exchange("PLAIN", &format!("C: AUTH PLAIN {PLAIN_IR}\n{good}"), &mut plain()).unwrap();
    }
    for code in [200, 211, 220, 250, 251, 234, 236, 299, 300, 335, 350, 354] {
        let lines = format!("C: AUTH PLAIN {PLAIN_IR}\nS: {code} ok");
        let error = exchange("PLAIN", &lines, &mut plain()).unwrap_err();
        assert!(
            matches!(&error, Error::Protocol(ProtocolError::UnexpectedReply { stage: Stage::Auth, .. })),
            "{error:?}"
        );
    }
    for code in [221, 421] {
        let lines = format!("C: AUTH PLAIN {PLAIN_IR}\nS: {code} bye");
        let error = exchange("PLAIN", &lines, &mut plain()).unwrap_err();
        assert!(matches!(error, Error::ServerClosed { stage: Some(Stage::Auth), .. }));
    }
}

#[test]
fn a06_a_flood_of_challenges_is_broken_off() {
    // (mechanism, its lines up to the last challenge it answers)
    let challenge = "S: 334 VXNlcm5hbWU6\n";
    let user_and_password = format!("C: AUTH LOGIN\n{challenge}C: dGlt\n{challenge}C: dGFuc3RhYWY=\n");
    let ir = b64(b"user=tim\x01auth=Bearer token\x01\x01");
    let digest = cram_response("tim", b"tanstaaftanstaaf", b"Username:");
    let cases: [(&str, String, &mut dyn Mechanism); 4] = [
        ("PLAIN", format!("C: AUTH PLAIN {PLAIN_IR}\n"), &mut plain()),
        ("LOGIN", user_and_password, &mut login()),
        ("XOAUTH2", format!("C: AUTH XOAUTH2 {ir}\n{challenge}C:\n"), &mut xoauth2("tim", "token")),
        ("CRAM-MD5", format!("C: AUTH CRAM-MD5\n{challenge}C: {digest}\n"), &mut cram()),
    ];
    for (name, lines, mechanism) in cases {
        // `*` is answered as it should be.
        let lines = format!("{lines}{challenge}C: *\n");
        let failure = failed(exchange(name, &format!("{lines}S: 501 cancelled"), mechanism));
        assert_eq!(failure.cause, Some(MechanismError::UnexpectedChallenge));
        assert_eq!(failure.reason, AuthenticationFailure::Cancelled);
        // It is answered with one more challenge: nothing more is said.
        let failure = failed(exchange(name, &format!("{lines}{challenge}"), mechanism));
        assert_eq!(failure.cause, Some(MechanismError::UnexpectedChallenge));
        assert_eq!(failure.reply.code().get(), 334);
        // And with a success, that nobody can have earned.
        let failure = failed(exchange_unauthenticated(name, &format!("{lines}S: 235 ok"), mechanism));
        assert_eq!(failure.reply.code().get(), 235);
    }
}

/// A mechanism that answers whatever it is asked.
struct Obliging;

impl Mechanism for Obliging {
    fn name(&self) -> &str {
        "OBLIGING"
    }

    fn start(&mut self, _: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        Ok(None)
    }

    fn respond(&mut self, _: &[u8]) -> Result<Secret, MechanismError> {
        Ok(Secret::new("a"))
    }
}

#[test]
fn a06_a_mechanism_that_would_answer_for_ever_answers_eight_challenges() {
    let answered = |n| format!("C: AUTH OBLIGING\n{}", "S: 334 eA==\nC: YQ==\n".repeat(n));
    exchange("OBLIGING", &format!("{}S: 235 ok", answered(8)), &mut Obliging).unwrap();
    let flood = format!("{}S: 334 eA==\nC: *\nS: 501 cancelled", answered(8));
    let failure = failed(exchange("OBLIGING", &flood, &mut Obliging));
    assert_eq!(failure.cause, Some(MechanismError::UnexpectedChallenge));
}

/// As [`exchange`], where the server says 235 and the client does not believe it.
fn exchange_unauthenticated(
    mechanisms: &str,
    lines: &str,
    mechanism: &mut dyn Mechanism,
) -> Result<(), Error> {
    let script = format!("{}{lines}", hello_tls(&[&format!("AUTH {mechanisms}")]));
    secure(&script).run(|session| {
        session.open()?;
        let result = session.auth(mechanism).map(drop);
        assert!(session.connection().failure().is_some(), "such a session is not used on");
        result
    })
}

#[test]
fn a07_plain_does_not_repeat_itself() {
    let lines = format!("C: AUTH PLAIN {PLAIN_IR}\nS: 334 \nC: *\nS: 501 cancelled");
    let failure = failed(exchange("PLAIN", &lines, &mut plain()));
    assert_eq!(failure.cause, Some(MechanismError::UnexpectedChallenge));
}

#[test]
fn a08_a_challenge_behind_the_success_is_fatal() {
    let script = format!("{}C: AUTH PLAIN {PLAIN_IR}\nS: 235 ok\nS: 334 x", hello_tls(&["AUTH PLAIN"]));
    secure(&script).run(|session| {
        session.open().unwrap();
        session.auth(&mut plain()).unwrap();
        assert_eq!(session.command(Command::Noop), Err(ProtocolError::Surplus.into()));
    });
}

#[test]
fn a09_a_rubbish_challenge_is_broken_off_without_another_try() {
    for rubbish in ["Rubbish!!", "=", "PDE4OTY=x", "PDE 4OTY=", "\u{ff}"] {
        let lines = format!("C: AUTH CRAM-MD5\nS: 334 {rubbish}\nC: *\nS: 501 cancelled");
        let failure = failed(exchange("CRAM-MD5 PLAIN LOGIN", &lines, &mut cram()));
        assert_eq!(failure.cause, Some(MechanismError::InvalidChallenge), "{rubbish}");
        assert_eq!(failure.reason, AuthenticationFailure::Cancelled);
    }
}

fn cram_response(user: &str, key: &[u8], challenge: &[u8]) -> String {
    let mut mac = Hmac::<md5::Md5>::new_from_slice(key).unwrap();
    mac.update(challenge);
    let digest: String = mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
    b64(format!("{user} {digest}"))
}

#[test]
fn a10_any_challenge_is_digested_as_octets_or_refused() {
    let challenges: [&[u8]; 7] =
        [b"", b"\0\0\0", b"\xff\xfe\x80", b"a\r\nMAIL FROM:<e@x>\r\n", b"\n", &[b'a'; 1000], &[0xc0; 1400]];
    for challenge in challenges {
        let response = cram_response("tim", b"tanstaaftanstaaf", challenge);
        let lines = format!("C: AUTH CRAM-MD5\nS: 334 {}\nC: {response}\nS: 235 ok", b64(challenge));
        exchange("CRAM-MD5", &lines, &mut cram()).unwrap();
    }
    // 64 KiB is more than a line of a reply may have.
    let lines = format!("C: AUTH CRAM-MD5\nS: 334 {}", b64([b'a'; 65_536]));
    assert!(matches!(
        exchange("CRAM-MD5", &lines, &mut cram()),
        Err(Error::Protocol(ProtocolError::Reply { stage: Some(Stage::Auth), .. }))
    ));
    // With room for it, the mechanism has a bound of its own.
    let config = config(TlsPolicy::None).limits(
        smtp_proto::reply::ReplyLimits::default().with_line(120_000).with_reply(120_000).with_unread(240_000),
    );
    let script = format!("{}{lines}\nC: *\nS: 501 no", hello(&["AUTH CRAM-MD5"]));
    Scenario::new(config).script(script).run(|session| {
        let failure = failed(authenticate(session, &mut cram()));
        assert!(matches!(failure.cause, Some(MechanismError::ChallengeTooLong { .. })));
    });
}

#[test]
fn a11_cram_md5_digests() {
    let challenge = b64("<1896.697170952@postoffice.reston.mci.net>");
    let lines = format!(
        "C: AUTH CRAM-MD5\nS: 334 {challenge}\nC: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\nS: 235 ok"
    );
    exchange("CRAM-MD5", &lines, &mut cram()).unwrap();
    // Keys around the block size, and those whose MD5 holds a NUL: where a C string would end.
    let mut nul_keys = 0;
    for i in 0..200_u32 {
        let key = format!("{i:-<70}");
        let hashed = <md5::Md5 as md5::Digest>::digest(key.as_bytes());
        nul_keys += u32::from(hashed.contains(&0));
        check_key(key.as_bytes());
    }
    assert!(nul_keys > 0, "no key that tests the case");
    for len in [1, 16, 63, 64, 65, 128, 1000] {
        check_key(&vec![b'k'; len]);
    }
    check_key(b"a\0b");
}

fn check_key(key: &[u8]) {
    let response = cram_response("tim", key, b"<1@x>");
    let lines = format!("C: AUTH CRAM-MD5\nS: 334 {}\nC: {response}\nS: 235 ok", b64("<1@x>"));
    exchange("CRAM-MD5", &lines, &mut CramMd5::new("tim", key.to_vec())).unwrap();
}

#[test]
fn a12_login_ignores_what_the_prompts_say() {
    for (first, second) in [
        ("VXNlcm5hbWU6", "UGFzc3dvcmQ6"),
        ("UGFzc3dvcmQ6", "VXNlcm5hbWU6"),
        ("", ""),
        ("AAAA", "/w=="),
        ("anything", "anything"),
        ("Username:", "not base64 at all"),
    ] {
        let lines = format!("C: AUTH LOGIN\nS: 334 {first}\nC: dGlt\nS: 334 {second}\nC: dGFuc3RhYWY=\n");
        exchange("LOGIN", &format!("{lines}S: 235 ok"), &mut login()).unwrap();
        let third = format!("{lines}S: 334 {first}\nC: *\nS: 501 no");
        let failure = failed(exchange("LOGIN", &third, &mut login()));
        assert_eq!(failure.cause, Some(MechanismError::UnexpectedChallenge));
    }
}

#[test]
fn a13_a14_a_refused_token_is_acknowledged() {
    let json = br#"{"status":"400","schemes":"Bearer","scope":"https://mail/"}"#;
    let x = b64(b"user=tim\x01auth=Bearer token\x01\x01");
    let o = b64(b"n,a=tim,\x01auth=Bearer token\x01\x01");
    let cases: [(&str, &str, &str, &mut dyn Mechanism); 2] = [
        ("XOAUTH2", &x, "C:", &mut xoauth2("tim", "token")),
        ("OAUTHBEARER", &o, "C: AQ==", &mut oauthbearer("tim", "token")),
    ];
    for (name, initial, acknowledgement, mechanism) in cases {
        let begin = format!("C: AUTH {name} {initial}\nS: 334 {}\n{acknowledgement}\n", b64(json));
        let failure = failed(exchange(name, &format!("{begin}S: 535 5.7.8 no"), mechanism));
        assert_eq!(failure.detail.as_deref(), Some(&json[..]));
        assert_eq!(failure.reason, AuthenticationFailure::Credentials);
        assert_eq!(failure.cause, None);
        // A14: the server is the authority.
        exchange(name, &format!("{begin}S: 235 ok"), mechanism).unwrap();
        let failure =
            failed(exchange(name, &format!("{begin}S: 334 {}\nC: *\nS: 501 no", b64(json)), mechanism));
        assert_eq!(failure.cause, Some(MechanismError::UnexpectedChallenge));
        assert!(exchange(name, &format!("{begin}S: 250 ok"), mechanism).unwrap_err().is_fatal());
    }
    // The server's document is escaped where it is shown.
    let begin = format!("C: AUTH XOAUTH2 {x}\nS: 334 {}\nC:\n", b64("a\r\n\x1b[31m2026 root login ok"));
    let error = exchange("XOAUTH2", &format!("{begin}S: 535 no"), &mut xoauth2("tim", "token")).unwrap_err();
    assert!(!error.to_string().contains(|c: char| c.is_control()), "{error}");
}

#[test]
fn a15_refusals_are_told_apart() {
    use AuthenticationFailure::{Cancelled, Credentials, Mechanism, PasswordTransition, Required, Temporary};
    for (code, reason, transient) in [
        (535, Credentials, false),
        (550, Credentials, false),
        (554, Credentials, false),
        (534, Mechanism, false),
        (538, Mechanism, false),
        (504, Mechanism, false),
        (432, PasswordTransition, true),
        (454, Temporary, true),
        (451, Temporary, true),
        (530, Required, false),
        (500, Cancelled, false),
        (501, Cancelled, false),
    ] {
        let result = exchange("PLAIN", &format!("C: AUTH PLAIN {PLAIN_IR}\nS: {code} no"), &mut plain());
        let error = result.clone().unwrap_err();
        assert_eq!((error.is_transient(), error.is_permanent()), (transient, !transient), "{code}");
        assert!(!error.is_fatal());
        assert_eq!(failed(result).reason, reason, "{code}");
    }
}

#[test]
fn a16_separators_inside_credentials_are_refused_here() {
    let nul = |field| MechanismError::InvalidCredential { field, fault: CredentialFault::Nul };
    for (mut mechanism, field) in [
        (Plain::new("", "t\0im", "x", HOST), "username"),
        (Plain::new("", "tim", "x\0", HOST), "password"),
        (Plain::new("\0a", "tim", "x", HOST), "identity"),
    ] {
        assert_eq!(exchange("PLAIN", "", &mut mechanism), Err(nul(field).into()));
    }
    assert_eq!(exchange("LOGIN", "", &mut Login::new("\0", "x", HOST)), Err(nul("username").into()));
    assert_eq!(exchange("LOGIN", "", &mut Login::new("tim", "\0", HOST)), Err(nul("password").into()));
    assert!(exchange("CRAM-MD5", "", &mut CramMd5::new("ti\nm", "x")).is_err());
}

#[test]
fn a17_a_long_initial_response_waits_for_its_own_line() {
    // `AUTH PLAIN ` + base64 + CRLF = 512 octets at most: 499 octets of base64, so 496, of 372 octets.
    for (len, with) in [(366, true), (367, true), (368, false), (369, false), (2000, false)] {
        let password = "p".repeat(len);
        let message = b64(format!("\0tim\0{password}"));
        let fits = "AUTH PLAIN ".len() + message.len() + 2 <= 512;
        assert_eq!(fits, with, "{len}");
        let lines = match fits {
            true => format!("C: AUTH PLAIN {message}\nS: 235 ok"),
            false => format!("C: AUTH PLAIN\nS: 334 \nC: {message}\nS: 235 ok"),
        };
        exchange("PLAIN", &lines, &mut Plain::new("", "tim", password.as_str(), HOST)).unwrap();
    }
    // Exactly 512 octets: `AUTH EXTERNAL `, 496, CRLF.
    for (len, fits) in [(372, true), (373, false)] {
        let initial = vec![b'a'; len];
        let message = b64(&initial);
        let lines = match fits {
            true => format!("C: AUTH EXTERNAL {message}\nS: 235 ok"),
            false => format!("C: AUTH EXTERNAL\nS: 334 \nC: {message}\nS: 235 ok"),
        };
        let mut mechanism =
            Bearer { name: "EXTERNAL", initial, acknowledgement: b"", reveals: false, refusal: None };
        exchange("EXTERNAL", &lines, &mut mechanism).unwrap();
    }
    // A challenge that asks for something else does not get it.
    let lines = format!("C: AUTH PLAIN\nS: 334 {}\nC: *\nS: 501 no", b64("who are you?"));
    let failure =
        failed(exchange("PLAIN", &lines, &mut Plain::new("", "tim", "p".repeat(999).as_str(), HOST)));
    assert_eq!(failure.cause, Some(MechanismError::UnexpectedChallenge));
}

#[test]
fn a17_a_line_has_12288_octets_at_most() {
    // The longest message has 9213 octets: 12284 of base64, and CRLF.
    let largest = 9213 - "\0tim\0".len();
    for (len, fits) in [(largest, true), (largest + 1, false), (100_000, false)] {
        let password = "p".repeat(len);
        let mut mechanism = Plain::new("", "tim", password.as_str(), HOST);
        let message = b64(format!("\0tim\0{password}"));
        let lines = match fits {
            true => format!("C: AUTH PLAIN\nS: 334\nC: {message}\nS: 235 ok"),
            // Refused before AUTH: an exchange once begun could only be broken off.
            false => String::new(),
        };
        let script = format!("{}{lines}", hello_tls(&["AUTH PLAIN"]));
        secure(&script).run(|session| {
            session.open().unwrap();
            let result = session.auth(&mut mechanism);
            assert_eq!(result.is_ok(), fits, "{len} {result:?}");
            if !fits {
                assert!(matches!(result, Err(Error::Command(_))));
            }
        });
    }
}

#[test]
fn a17_an_empty_initial_response_is_an_equals_sign() {
    let mut mechanism =
        Bearer { name: "EXTERNAL", initial: Vec::new(), acknowledgement: b"", reveals: false, refusal: None };
    exchange("EXTERNAL", "C: AUTH EXTERNAL =\nS: 235 ok", &mut mechanism).unwrap();
}

#[test]
fn a18_the_old_form_of_the_keyword_is_read_and_never_echoed() {
    for keyword in ["AUTH=PLAIN LOGIN", "AUTH=plain login", "auth Login pLAIN"] {
        let script = format!("{}C: AUTH PLAIN {PLAIN_IR}\nS: 235 ok", hello_tls(&[keyword]));
        secure(&script).run(|session| authenticate(session, &mut plain()).unwrap());
    }
    // What a mechanism calls itself is held to the grammar.
    let mut evil = Bearer {
        name: "X\r\nQUIT",
        initial: Vec::new(),
        acknowledgement: b"",
        reveals: false,
        refusal: None,
    };
    secure(&hello_tls(&["AUTH X"])).run(|session| {
        assert!(authenticate(session, &mut evil).is_err());
    });
}

#[test]
fn a19_mechanism_names_match_whole() {
    let mut junk: Vec<String> = (0..60).map(|i| format!("JUNK-{i}")).collect();
    junk.extend(["CRAM_MD5", "PLAIN2", "LOGIN_OLD", "XPLAIN", "PLAIN-", "PLAIN\u{0}"].map(String::from));
    let junk = junk.join(" ");
    let mechanisms: [&mut dyn Mechanism; 3] = [&mut plain(), &mut login(), &mut cram()];
    for mechanism in mechanisms {
        assert_eq!(exchange(&junk, "", mechanism), Err(Error::NoMechanism));
    }
    exchange(&format!("{junk} PLAIN"), &format!("C: AUTH PLAIN {PLAIN_IR}\nS: 235 ok"), &mut plain())
        .unwrap();
}

#[test]
fn a20_auth_again_or_inside_a_transaction_is_misuse() {
    let script = format!("{}C: AUTH PLAIN {PLAIN_IR}\nS: 235 ok", hello_tls(&["AUTH PLAIN"]));
    secure(&script).run(|session| {
        authenticate(session, &mut plain()).unwrap();
        assert_eq!(session.auth(&mut plain()), Err(Misuse::AlreadyAuthenticated.into()));
        assert!(session.connection().is_idle());
    });
    let script = format!("{}C: MAIL FROM:<a@b.example>\nS: 250 ok", hello_tls(&["AUTH PLAIN"]));
    secure(&script).run(|session| {
        session.open().unwrap();
        let from = "a@b.example".parse().unwrap();
        session.command(Command::Mail(&from, &MailParameters::new())).unwrap();
        assert_eq!(session.auth(&mut plain()), Err(Misuse::InTransaction(Stage::Auth).into()));
    });
}

#[test]
fn a21_auth_is_alone_in_flight() {
    let script = format!("{}C: RSET\nS: 250 ok", hello(&["AUTH X", "PIPELINING"]));
    clear(&script).run(|session| {
        session.open().unwrap();
        session.connection().command(Command::Rset).unwrap();
        let auth = Command::Auth(AuthCommand { mechanism: "X", initial_response: None });
        assert_eq!(session.connection().command(auth), Err(Misuse::NotPipelined(Stage::Auth).into()));
        assert_eq!(common::collect(session).1, Ok(()));
    });
    let script = format!("{}C: AUTH X\nS: 501 no", hello(&["AUTH X", "PIPELINING"]));
    clear(&script).run(|session| {
        session.open().unwrap();
        let auth = Command::Auth(AuthCommand { mechanism: "X", initial_response: None });
        session.connection().command(auth).unwrap();
        let waiting = Err(Misuse::AwaitingReply(Stage::Auth).into());
        for command in [Command::Noop, Command::Rset, Command::Quit, auth] {
            assert_eq!(session.connection().command(command), waiting);
        }
        assert_eq!(common::collect(session).1, Ok(()));
    });
}

#[test]
fn a21_a_loss_after_the_secret_left_says_so() {
    let sent =
        |end: &str| exchange("PLAIN", &format!("C: AUTH PLAIN {PLAIN_IR}\n{end}"), &mut plain()).unwrap_err();
    for (end, truncated) in [("close", false), ("reset", false), ("S| 235 o\nclose", true)] {
        let expected = Error::Disconnected { stage: Some(Stage::Auth), truncated, credentials_sent: true };
        let error = sent(end);
        assert_eq!(error, expected);
        assert!(error.to_string().contains("credentials were transmitted"));
    }
}

#[test]
fn a21_a_loss_before_any_response_says_nothing_of_credentials() {
    let (mut login, mut login_again) = (login(), login());
    let mut cram = CramMd5::new("tim", "tanstaaf");
    let cases: [(&str, &str, &mut dyn Mechanism, bool); 3] = [
        ("LOGIN", "C: AUTH LOGIN\nclose", &mut login, false),
        ("CRAM-MD5", "C: AUTH CRAM-MD5\nS: 334 !!\nC: *\nclose", &mut cram, false),
        ("LOGIN", "C: AUTH LOGIN\nS: 334\nC: dGlt\nclose", &mut login_again, true),
    ];
    for (name, lines, mechanism, sent) in cases {
        let error = exchange(name, lines, mechanism).unwrap_err();
        assert!(
            matches!(error, Error::Disconnected { credentials_sent, .. } if credentials_sent == sent),
            "{lines} {error:?}"
        );
    }
}

/// Where the connection is lost before the next response begins to leave, what left before it counts.
#[test]
fn a21_a_loss_between_two_responses_knows_of_the_first() {
    for (responses, sent) in [(0, false), (1, true)] {
        let mut connection = Connection::new(config(TlsPolicy::None), Peer::Local);
        let say = |connection: &mut Connection, octets: &[u8]| {
            connection.advance_output(connection.output().len()).unwrap();
            connection.receive(octets);
            while connection.poll_event().unwrap().is_some() {}
        };
        say(&mut connection, b"220 hi\r\n");
        connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
        say(&mut connection, b"250-hi\r\n250 AUTH LOGIN\r\n");
        let auth = AuthCommand { mechanism: "LOGIN", initial_response: None };
        connection.command(Command::Auth(auth)).unwrap();
        say(&mut connection, b"334 \r\n");
        for _ in 0..responses {
            connection.auth_respond(b"tim").unwrap();
            say(&mut connection, b"334 \r\n");
        }
        connection.auth_respond(b"tanstaaf").unwrap();
        connection.receive_eof();
        let expected =
            Error::Disconnected { stage: Some(Stage::Auth), truncated: false, credentials_sent: sent };
        assert_eq!(connection.poll_event(), Err(expected));
    }
}
