//! The mechanisms beyond passwords, the choice among all of them, and tokens that are replaced. The names begin
//! with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{clear, config, hello, hello_tls, secure};
use smtp_proto::connection::TlsPolicy;
use smtp_proto::error::{AuthenticationFailed, AuthenticationFailure, Error};
use smtp_proto::sasl::{
    Anonymous, CredentialFault, Credentials, External, Mechanism, MechanismError, Nonce, OAuthBearer,
    RefusedToken, ScramSha256, Secret, TokenError, XOAuth2,
};
use smtp_proto::security::ChannelBindings;
use smtp_tests::script::{Scenario, Session};

const HOST: &str = "mail.example";
const JSON: &str = r#"{"status":"400","schemes":"Bearer","scope":"https://mail/"}"#;

fn b64(octets: impl AsRef<[u8]>) -> String {
    STANDARD.encode(octets)
}

fn xoauth2() -> Box<dyn Mechanism> {
    Box::new(XOAuth2::new("tim", "token", HOST))
}

fn oauthbearer() -> Box<dyn Mechanism> {
    Box::new(OAuthBearer::new("tim", "token", HOST))
}

type Make = fn() -> Box<dyn Mechanism>;

/// What the two say, and how they acknowledge a refusal.
fn bearers() -> [(&'static str, Make, String, &'static str); 2] {
    let said = b64("n,a=tim,\x01host=mail.example\x01auth=Bearer token\x01\x01");
    [("XOAUTH2", xoauth2, said_xoauth2("token"), "C:"), ("OAUTHBEARER", oauthbearer, said, "C: AQ==")]
}

fn said_xoauth2(token: &str) -> String {
    b64(format!("user=tim\x01auth=Bearer {token}\x01\x01"))
}

/// The exchange under TLS, the server offering `mechanisms`; after a success the session has to be usable.
fn exchange(mechanisms: &str, lines: &str, make: impl Fn() -> Box<dyn Mechanism>) -> Result<(), Error> {
    let script = format!("{}{lines}", hello_tls(&[&format!("AUTH {mechanisms}")]));
    secure(&script).run(|session| {
        session.open()?;
        outcome(session, |session| session.auth(&mut *make()).map(drop))
    })
}

/// The same with a choice.
fn log_in(mechanisms: &str, lines: &str, credentials: &Credentials) -> Result<(), Error> {
    let script = format!("{}{lines}", hello_tls(&[&format!("AUTH {mechanisms}")]));
    secure(&script).run(|session| {
        session.open()?;
        outcome(session, |session| session.log_in(credentials, Some(nonce())).map(drop))
    })
}

fn outcome(session: &mut Session, run: impl FnOnce(&mut Session) -> Result<(), Error>) -> Result<(), Error> {
    let result = run(session);
    let believed = session.connection().failure().is_none() && session.connection().is_authenticated();
    assert_eq!(believed, result.is_ok());
    result
}

#[track_caller]
fn failed(result: Result<(), Error>) -> AuthenticationFailed {
    match result {
        Err(Error::AuthenticationFailed(failed)) => failed,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a01_no_token_leaves_in_clear() {
    for make in [xoauth2, oauthbearer] {
        clear(&hello(&["AUTH XOAUTH2 OAUTHBEARER", "STARTTLS"])).run(|session| {
            session.open().unwrap();
            assert_eq!(session.auth(&mut *make()), Err(MechanismError::NotEncrypted.into()));
            assert!(session.connection().is_idle(), "and the session goes on");
        });
    }
    // Nor does one that a provider was asked for.
    for credentials in [Credentials::token("tim", Secret::from("token")), Credentials::password("tim", "x")] {
        clear(&hello(&["AUTH XOAUTH2 PLAIN"])).run(|session| {
            session.open().unwrap();
            assert_eq!(session.log_in(&credentials, None), Err(MechanismError::NotEncrypted.into()));
        });
    }
}

#[test]
fn a03_tokens_for_another_host_stay_here() {
    let other: [Box<dyn Mechanism>; 3] = [
        Box::new(XOAuth2::new("tim", "token", "other.example")),
        Box::new(OAuthBearer::new("tim", "token", "other.example")),
        Box::new(ScramSha256::new("tim", "tanstaaf", "other.example", nonce())),
    ];
    for mut mechanism in other {
        let script = hello_tls(&["AUTH XOAUTH2 OAUTHBEARER SCRAM-SHA-256"]);
        secure(&script).run(|session| {
            session.open().unwrap();
            let error = session.auth(&mut *mechanism).unwrap_err();
            assert!(matches!(error, Error::Mechanism(MechanismError::WrongHost { .. })), "{error:?}");
        });
    }
}

#[test]
fn a13_a_refused_token_is_acknowledged() {
    for (name, make, initial, acknowledgement) in bearers() {
        let begin = format!("C: AUTH {name} {initial}\nS: 334 {}\n{acknowledgement}\n", b64(JSON));
        let failure = failed(exchange(name, &format!("{begin}S: 535 5.7.8 no"), make));
        assert_eq!(failure.detail.as_deref(), Some(JSON.as_bytes()));
        assert_eq!(failure.reason, AuthenticationFailure::Credentials);
        assert_eq!(failure.cause, None);
        // A server that refuses without an explanation.
        let failure = failed(exchange(name, &format!("C: AUTH {name} {initial}\nS: 535 no"), make));
        assert_eq!((failure.detail, failure.cause), (None, None));
    }
    // What it explains is escaped where it is shown.
    let begin = format!("C: AUTH XOAUTH2 {}\nS: 334 ", said_xoauth2("token"));
    let lines = format!("{begin}{}\nC:\nS: 535 no", b64("a\r\n\x1b[31m2026 root login ok"));
    let error = exchange("XOAUTH2", &lines, xoauth2).unwrap_err();
    assert!(!error.to_string().contains(|c: char| c.is_control()), "{error}");
}

#[test]
fn a14_what_follows_the_acknowledgement() {
    for (name, make, initial, acknowledgement) in bearers() {
        let begin = format!("C: AUTH {name} {initial}\nS: 334 {}\n{acknowledgement}\n", b64(JSON));
        // The server is the authority.
        exchange(name, &format!("{begin}S: 235 ok"), make).unwrap();
        let again = format!("{begin}S: 334 {}\nC: *\n", b64(JSON));
        let failure = failed(exchange(name, &format!("{again}S: 501 no"), make));
        assert_eq!(failure.cause, Some(MechanismError::UnexpectedChallenge));
        failed(exchange(name, &format!("{again}S: 235 ok"), make));
        assert!(exchange(name, &format!("{begin}S: 250 ok"), make).unwrap_err().is_fatal());
        let failure = failed(exchange(name, &format!("{begin}S: 454 later"), make));
        assert_eq!(failure.reason, AuthenticationFailure::Temporary);
    }
}

#[test]
fn a16_a_forged_field_never_leaves() {
    let control = |field| MechanismError::InvalidCredential { field, fault: CredentialFault::Control };
    let forged = "tim\x01auth=Bearer theirs";
    type MakeWith = fn(&str) -> Box<dyn Mechanism>;
    let table: [(&str, MakeWith, &str); 6] = [
        ("XOAUTH2", |value| Box::new(XOAuth2::new(value, "token", HOST)), "username"),
        ("XOAUTH2", |value| Box::new(XOAuth2::new("tim", value, HOST)), "token"),
        ("OAUTHBEARER", |value| Box::new(OAuthBearer::new(value, "token", HOST)), "username"),
        ("OAUTHBEARER", |value| Box::new(OAuthBearer::new("tim", value, HOST)), "token"),
        ("ANONYMOUS", |value| Box::new(Anonymous::new(value)), "trace"),
        ("SCRAM-SHA-256", |value| Box::new(ScramSha256::new(value, "x", HOST, nonce())), "username"),
    ];
    for (name, make, field) in table {
        assert_eq!(exchange(name, "", || make(forged)), Err(control(field).into()), "{name}");
    }
    let nul = MechanismError::InvalidCredential { field: "identity", fault: CredentialFault::Nul };
    assert_eq!(exchange("EXTERNAL", "", || Box::new(External::new("a\0b"))), Err(nul.into()));
}

#[test]
fn a17_the_initial_responses_of_external_and_anonymous() {
    for (identity, said) in [("", "=".into()), ("tim@mail.example", b64("tim@mail.example"))] {
        let lines = format!("C: AUTH EXTERNAL {said}\nS: 235 ok");
        exchange("EXTERNAL", &lines, || Box::new(External::new(identity))).unwrap();
        log_in("EXTERNAL PLAIN", &lines, &Credentials::external(identity)).unwrap();
    }
    for (trace, said) in [("", "="), ("sirhc", "c2lyaGM=")] {
        let lines = format!("C: AUTH ANONYMOUS {said}\nS: 235 ok");
        exchange("ANONYMOUS", &lines, || Box::new(Anonymous::new(trace))).unwrap();
        log_in("ANONYMOUS", &lines, &Credentials::anonymous(trace)).unwrap();
    }
    // A token as long as real ones waits for a line of its own, and is then refused all the same.
    let token = "t".repeat(2000);
    let lines =
        format!("C: AUTH XOAUTH2\nS: 334\nC: {}\nS: 334 {}\nC:\nS: 535 no", said_xoauth2(&token), b64(JSON));
    let failure = failed(exchange("XOAUTH2", &lines, || Box::new(XOAuth2::new("tim", token.as_str(), HOST))));
    assert_eq!(failure.detail.as_deref(), Some(JSON.as_bytes()));
}

#[test]
fn a18_log_in_uses_only_what_is_advertised() {
    let all = || {
        let token = Credentials::token("tim", Secret::from("token"));
        Credentials::password("tim", "tanstaaf").or(token).or(Credentials::external(""))
    };
    for advertised in ["", "GSSAPI", "PLAIN2 XPLAIN SCRAM_SHA_256 SCRAM-SHA-1"] {
        assert_eq!(log_in(advertised, "", &all()), Err(Error::NoMechanism));
    }
    assert_eq!(log_in("XOAUTH2", "", &Credentials::password("tim", "x")), Err(Error::NoMechanism));
    let plain = "C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 235 ok";
    log_in("LOGIN PLAIN", plain, &all()).unwrap();
    let xoauth2 = format!("C: AUTH XOAUTH2 {}\nS: 235 ok", said_xoauth2("token"));
    log_in("LOGIN PLAIN CRAM-MD5 XOAUTH2", &xoauth2, &all()).unwrap();
    log_in("LOGIN PLAIN XOAUTH2 EXTERNAL", "C: AUTH EXTERNAL =\nS: 235 ok", &all()).unwrap();
    // Without a nonce, SCRAM is not there to choose.
    secure(&format!("{}{plain}", hello_tls(&["AUTH SCRAM-SHA-256 PLAIN"]))).run(|session| {
        session.open().unwrap();
        session.log_in(&all(), None).unwrap();
    });
}

#[test]
fn a15_nothing_is_tried_after_a_refusal() {
    for code in [535, 534, 538, 504, 454, 432, 501, 550] {
        let lines = format!("C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: {code} no");
        let both = Credentials::password("tim", "tanstaaf");
        assert_eq!(failed(log_in("PLAIN LOGIN", &lines, &both)).reply.code().get(), code);
        let lines = format!("C: AUTH EXTERNAL =\nS: {code} no");
        let both = Credentials::external("").or(both);
        assert_eq!(failed(log_in("EXTERNAL PLAIN", &lines, &both)).reply.code().get(), code);
    }
}

#[test]
fn a09_a_rubbish_challenge_is_not_answered_with_a_password() {
    let lines = "C: AUTH CRAM-MD5\nS: 334 Rubbish!!\nC: *\nS: 501 cancelled";
    let script = format!("{}{lines}", hello(&["AUTH CRAM-MD5 PLAIN LOGIN"]));
    let credentials = Credentials::password("tim", "tanstaaf");
    // In clear to a local peer, where a password is allowed too.
    let result = Scenario::new(config(TlsPolicy::None)).local().script(&script).run(|session| {
        session.open()?;
        let result = outcome(session, |session| session.log_in(&credentials, None).map(drop));
        assert!(session.wire().ends_with(b"\r\n*\r\n"), "nothing is said behind the asterisk");
        result
    });
    assert_eq!(failed(result).cause, Some(MechanismError::InvalidChallenge));
}

/// What a provider was asked: `None`, or the token refused, the code, and the server's explanation.
type Asked = Vec<Option<(String, u16, Option<String>)>>;

/// A provider that gives these, one after the other; and what it was asked.
fn provider(tokens: &[Result<&str, &str>]) -> (Credentials, Arc<Mutex<Asked>>) {
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    let tokens: Vec<Result<String, TokenError>> =
        tokens.iter().map(|token| token.map(String::from).map_err(TokenError::new)).collect();
    let asked = Arc::new(Mutex::new(Asked::new()));
    let noted = Arc::clone(&asked);
    let credentials = Credentials::token("tim", move |refused: Option<&RefusedToken<'_>>| {
        let mut asked = noted.lock().unwrap();
        asked.push(refused.map(|refused| {
            let detail = refused.detail.map(text);
            (text(refused.token.expose()), refused.reply.code().get(), detail)
        }));
        tokens[asked.len() - 1].clone().map(Secret::from)
    });
    (credentials, asked)
}

/// An exchange with a provider that gives these tokens: its outcome, and what the provider was asked.
fn log_in_with(tokens: &[Result<&str, &str>], lines: &str) -> (Result<(), Error>, Asked) {
    let script = format!("{}{lines}", hello_tls(&["AUTH XOAUTH2 PLAIN"]));
    secure(&script).run(|session| {
        let (credentials, asked) = provider(tokens);
        session.open().unwrap();
        let result = outcome(session, |session| session.log_in(&credentials, None).map(drop));
        let asked = asked.lock().unwrap().clone();
        (result, asked)
    })
}

fn refused(token: &str) -> String {
    format!("C: AUTH XOAUTH2 {}\nS: 334 {}\nC:\nS: 535 5.7.8 no\n", said_xoauth2(token), b64(JSON))
}

#[test]
fn a13_a_refused_token_is_replaced_once() {
    let accepted = |token: &str| format!("C: AUTH XOAUTH2 {}\nS: 235 ok", said_xoauth2(token));
    let (result, asked) = log_in_with(&[Ok("good")], &accepted("good"));
    assert_eq!((result, asked), (Ok(()), vec![None]));

    let old = || Some(("old".into(), 535, Some(JSON.into())));
    let (result, asked) = log_in_with(&[Ok("old"), Ok("new")], &(refused("old") + &accepted("new")));
    assert_eq!((result, asked), (Ok(()), vec![None, old()]));

    // Once, and no more; and no password in place of it.
    let (result, asked) = log_in_with(&[Ok("old"), Ok("new")], &(refused("old") + &refused("new")));
    assert_eq!(failed(result).cause, None);
    assert_eq!(asked, [None, old()]);

    // A server that refuses without an explanation.
    let lines = format!("C: AUTH XOAUTH2 {}\nS: 535 no\n", said_xoauth2("old"));
    let (result, asked) = log_in_with(&[Ok("old"), Ok("new")], &(lines + &accepted("new")));
    assert_eq!((result, asked), (Ok(()), vec![None, Some(("old".into(), 535, None))]));
}

#[test]
fn a15_a_token_is_replaced_only_if_it_was_the_reason() {
    for code in [454, 432, 451, 534, 538, 504, 501, 530] {
        let lines = format!("C: AUTH XOAUTH2 {}\nS: {code} no", said_xoauth2("old"));
        let (result, asked) = log_in_with(&[Ok("old"), Ok("new")], &lines);
        assert_eq!(failed(result).reply.code().get(), code);
        assert_eq!(asked, [None], "{code}");
    }
    // An exchange that the client broke off tells nothing of the token.
    let lines = format!("C: AUTH XOAUTH2 {}\nS: 334 !!\nC: *\nS: 535 no", said_xoauth2("old"));
    let (result, asked) = log_in_with(&[Ok("old"), Ok("new")], &lines);
    assert_eq!(failed(result).cause, Some(MechanismError::InvalidChallenge));
    assert_eq!(asked, [None]);
    for end in ["S: 421 bye", "close", "pause"] {
        let lines = format!("C: AUTH XOAUTH2 {}\n{end}", said_xoauth2("old"));
        let (result, asked) = log_in_with(&[Ok("old"), Ok("new")], &lines);
        assert!(result.unwrap_err().is_fatal());
        assert_eq!(asked, [None], "{end}");
    }
}

#[test]
fn a13_a_provider_without_a_token() {
    let none = |reason: &str| MechanismError::Token(TokenError::new(reason));
    // Before anything was sent.
    let (result, _) = log_in_with(&[Err("logged out")], "");
    assert_eq!(result, Err(none("logged out").into()));
    // After the refusal, which remains the outcome.
    let (result, _) = log_in_with(&[Ok("old"), Err("no\r\nnetwork")], &refused("old"));
    let shown = result.clone().unwrap_err().to_string();
    assert!(shown.contains(r"no fresh token: no\r\nnetwork"), "{shown}");
    let failure = failed(result);
    assert_eq!(failure.reply.code().get(), 535);
    assert_eq!(failure.detail.as_deref(), Some(JSON.as_bytes()));
    assert_eq!(failure.cause, Some(none("no\r\nnetwork")));
    // The same token again is none; and a fixed one has no successor.
    let (result, asked) = log_in_with(&[Ok("old"), Ok("old")], &refused("old"));
    assert_eq!((failed(result).cause, asked.len()), (None, 2));
    let fixed = Credentials::token("tim", Secret::from("old"));
    let failure = failed(log_in("XOAUTH2", &refused("old"), &fixed));
    assert!(matches!(failure.cause, Some(MechanismError::Token(_))));
}

#[test]
fn a21_the_session_goes_on_after_a_refused_log_in() {
    let script = format!(
        "{}{}C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 235 ok",
        hello_tls(&["AUTH XOAUTH2 PLAIN"]),
        refused("old")
    );
    secure(&script).run(|session| {
        session.open().unwrap();
        session.log_in(&Credentials::token("tim", Secret::from("old")), None).unwrap_err();
        session.log_in(&Credentials::password("tim", "tanstaaf"), None).unwrap();
    });
}

// ---- SCRAM: RFC 7677 §3 ----

const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn nonce() -> Nonce {
    Nonce::new("rOprNGfwEbeRWgbNEkqO").unwrap()
}

fn scram() -> Box<dyn Mechanism> {
    Box::new(ScramSha256::new("user", "pencil", HOST, nonce()))
}

/// The lines up to and with the client's proof.
fn scram_lines() -> String {
    format!(
        "C: AUTH SCRAM-SHA-256 {}\nS: 334 {}\nC: {}\n",
        b64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
        b64(SERVER_FIRST),
        b64("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    )
}

#[test]
fn a22_scram_over_smtp() {
    let lines = format!("{}S: 334 {}\nC:\nS: 235 ok", scram_lines(), b64(SERVER_FINAL));
    exchange("SCRAM-SHA-256 PLAIN", &lines, scram).unwrap();
    log_in("SCRAM-SHA-256 CRAM-MD5 PLAIN", &lines, &Credentials::password("user", "pencil")).unwrap();
    // It may be used in clear: the password stays here.
    clear(&format!("{}{lines}", hello(&["AUTH SCRAM-SHA-256"]))).run(|session| {
        session.open().unwrap();
        session.auth(&mut *scram()).unwrap();
    });
    // A wrong password.
    let failure = failed(exchange("SCRAM-SHA-256", &format!("{}S: 535 no", scram_lines()), scram));
    assert_eq!((failure.reason, failure.cause), (AuthenticationFailure::Credentials, None));
}

#[test]
fn a22_a_235_without_the_proof_of_the_server_is_a_failure() {
    let not_authentic = MechanismError::ServerNotAuthentic;
    let result = exchange("SCRAM-SHA-256", &format!("{}S: 235 ok", scram_lines()), scram);
    assert_eq!(result, Err(not_authentic.clone().into()));
    assert!(result.unwrap_err().is_fatal());
    let at_once = format!("C: AUTH SCRAM-SHA-256 {}\nS: 235 ok", b64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"));
    assert_eq!(exchange("SCRAM-SHA-256", &at_once, scram), Err(not_authentic.clone().into()));
    // A wrong signature is not answered, and a 235 behind it not believed.
    for end in ["S: 501 cancelled", "S: 535 no", "S: 235 ok"] {
        let lines =
            format!("{}S: 334 {}\nC: *\n{end}", scram_lines(), b64(SERVER_FINAL.replace("6rri", "AAAA")));
        let failure = failed(exchange("SCRAM-SHA-256", &lines, scram));
        assert_eq!(failure.cause, Some(not_authentic.clone()), "{end}");
    }
}

#[test]
fn a22_the_error_of_the_server_is_told() {
    let lines = format!("{}S: 334 {}\nC:\n", scram_lines(), b64("e=invalid-proof"));
    let failure = failed(exchange("SCRAM-SHA-256", &format!("{lines}S: 535 no"), scram));
    assert_eq!(failure.detail.as_deref(), Some(&b"invalid-proof"[..]));
    let result = exchange("SCRAM-SHA-256", &format!("{lines}S: 235 ok"), scram);
    assert_eq!(result, Err(MechanismError::ServerNotAuthentic.into()));
}

#[test]
fn a22_a_bad_first_message_is_broken_off() {
    for (first, cause) in [
        (SERVER_FIRST.replace("r=rOpr", "r=XOpr"), MechanismError::InvalidChallenge),
        (format!("m=ext,{SERVER_FIRST}"), MechanismError::InvalidChallenge),
        (SERVER_FIRST.replace("i=4096", "i=4095"), MechanismError::Iterations(4095)),
        (SERVER_FIRST.replace("i=4096", "i=4000000000"), MechanismError::Iterations(4_000_000_000)),
    ] {
        let lines = format!(
            "C: AUTH SCRAM-SHA-256 {}\nS: 334 {}\nC: *\nS: 501 cancelled",
            b64("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
            b64(first)
        );
        assert_eq!(failed(exchange("SCRAM-SHA-256 PLAIN", &lines, scram)).cause, Some(cause));
    }
}

#[test]
fn a06_scram_answers_two_challenges() {
    let lines = format!(
        "{}S: 334 {}\nC:\nS: 334 {}\nC: *\nS: 501 no",
        scram_lines(),
        b64(SERVER_FINAL),
        b64(SERVER_FINAL)
    );
    let failure = failed(exchange("SCRAM-SHA-256", &lines, scram));
    assert_eq!(failure.cause, Some(MechanismError::UnexpectedChallenge));
}

/// What a log-in says first, on a channel with these bindings.
fn first_line(advertised: &str, bindings: &ChannelBindings, said: &str) {
    let script = format!("{}C: AUTH {said}\nS: 535 no", hello_tls(&[&format!("AUTH {advertised}")]));
    secure(&script).run(|session| {
        session.bind_tls(bindings.clone());
        session.open().unwrap();
        failed(session.log_in(&Credentials::password("user", "pencil"), Some(nonce())).map(drop));
    });
}

#[test]
fn a22_the_strongest_binding_is_used_and_a_missing_offer_told() {
    let first = |flag: &str| b64(format!("{flag},,n=user,r=rOprNGfwEbeRWgbNEkqO"));
    let (plus, scram) = ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256");
    let both = format!("PLAIN {scram} {plus}");
    let end_point = ChannelBindings::new().with_server_end_point(*b"hash of the certificate");
    let exporter = end_point.clone().with_exporter([7; 32]);
    first_line(&both, &exporter, &format!("{plus} {}", first("p=tls-exporter")));
    first_line(&both, &end_point, &format!("{plus} {}", first("p=tls-server-end-point")));
    // A client that cannot bind, and a server that does not offer it.
    first_line(&both, &ChannelBindings::new(), &format!("{scram} {}", first("n")));
    first_line(scram, &ChannelBindings::new(), &format!("{scram} {}", first("n")));
    first_line(scram, &exporter, &format!("{scram} {}", first("y")));
    first_line(&format!("{scram} PLAIN"), &end_point, &format!("{scram} {}", first("y")));
    // Only that is offered, and the client cannot.
    secure(&hello_tls(&[&format!("AUTH {plus}")])).run(|session| {
        session.open().unwrap();
        let credentials = Credentials::password("user", "pencil");
        assert_eq!(session.log_in(&credentials, Some(nonce())), Err(Error::NoMechanism));
        let mut mechanism = ScramSha256::plus("user", "pencil", HOST, nonce());
        assert_eq!(session.auth(&mut mechanism), Err(MechanismError::NoChannelBinding.into()));
    });
}

#[test]
fn a04_there_is_no_channel_without_its_handshake() {
    Scenario::new(config(TlsPolicy::None)).script(hello(&["AUTH X"])).run(|session| {
        session.bind_tls(ChannelBindings::new().with_exporter([7; 32]));
        session.open().unwrap();
        assert!(session.connection().server_info().channel_bindings.is_empty());
    });
    secure(&hello_tls(&["AUTH X"])).run(|session| {
        session.bind_tls(ChannelBindings::new().with_exporter([7; 32]));
        session.open().unwrap();
        let known = session.connection().server_info().channel_bindings.clone();
        assert_eq!((known.exporter(), known.server_end_point()), (Some(&[7; 32][..]), None));
    });
}

/// Who takes STARTTLS away may also choose the challenge. Where TLS was never expected, or the peer is on this machine,
/// nothing was taken away.
#[test]
fn t14_no_challenge_is_answered_where_starttls_may_have_been_taken_away() {
    let answered = |scenario: Scenario| {
        scenario.run(|session| {
            session.open().unwrap();
            session.log_in(&Credentials::password("tim", "tanstaaftanstaaf"), None).map(drop)
        })
    };
    let offer = hello(&["AUTH CRAM-MD5"]);
    let lines = format!(
        "{offer}C: AUTH CRAM-MD5\nS: 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n\
         C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\nS: 235 ok"
    );
    let stripped = Scenario::new(config(TlsPolicy::Opportunistic)).script(&offer);
    assert_eq!(answered(stripped), Err(MechanismError::NotEncrypted.into()));
    let allowed = config(TlsPolicy::Opportunistic).allow_plaintext_auth(true);
    assert_eq!(answered(Scenario::new(allowed).script(&lines)), Ok(()));
    assert_eq!(answered(Scenario::new(config(TlsPolicy::Opportunistic)).local().script(&lines)), Ok(()));
    assert_eq!(answered(Scenario::new(config(TlsPolicy::None)).script(&lines)), Ok(()));
}
