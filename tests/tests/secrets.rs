//! Secrets stay secret in everything that can be shown. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{BODY_LINES, FROM, clear, config, hello_tls, secure};
use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::command::{AuthCommand, Command, DataCommand};
use smtp_proto::connection::{Connection, Peer, TlsPolicy};
use smtp_proto::error::Error;
use smtp_proto::params::{MailParameters, RcptParameters};
use smtp_proto::sasl::{
    Anonymous, CramMd5, Credentials, External, Login, Mechanism, Nonce, OAuthBearer, Plain, RefusedToken,
    ScramSha256, Secret, ServerInfo, TokenError, XOAuth2,
};
use smtp_proto::security::{ChannelBindings, Security};
use smtp_tests::script::{Session, envelope};

const USER: &str = "tim-the-user";
const PASSWORD: &str = "tanstaaf-correct-horse";
const HOST: &str = "mail.example";

/// The secret as it may turn up: as it is, and in base64 at each of the three alignments.
fn shapes(secret: &str) -> Vec<String> {
    let mut shapes = vec![secret.to_owned(), format!("{:?}", secret.as_bytes())];
    for before in 0..3 {
        let padded = [&vec![0; before][..], secret.as_bytes()].concat();
        let encoded = STANDARD.encode(&padded);
        // Without the groups that mix the secret with its neighbours.
        let first = if before == 0 { 0 } else { 4 };
        let last = padded.len() / 3 * 4;
        shapes.push(encoded[first..last].to_owned());
    }
    shapes
}

#[track_caller]
fn assert_silent(shown: &str, secrets: &[&str]) {
    for secret in secrets {
        for shape in shapes(secret) {
            assert!(!shown.contains(&shape), "{shape:?} is in {shown:?}");
        }
    }
}

#[test]
fn the_shapes_are_found_where_they_are() {
    for before in 0..7 {
        let message = format!("{}{PASSWORD}tail", "u".repeat(before));
        let encoded = STANDARD.encode(message);
        assert!(shapes(PASSWORD).iter().any(|shape| encoded.contains(shape.as_str())), "{before}");
    }
}

fn show(value: &(impl Debug + ?Sized)) -> String {
    format!("{value:?}\n{value:#?}")
}

#[test]
fn l01_debug_shows_no_secret() {
    let both = [USER, PASSWORD];
    assert_silent(&show(&Plain::new("", USER, PASSWORD, HOST)), &both);
    assert_silent(&show(&Login::new(USER, PASSWORD, HOST)), &both);
    assert_silent(&show(&CramMd5::new(USER, PASSWORD)), &both);
    assert_silent(&show(&Credentials::password(USER, PASSWORD)), &both);
    assert_silent(&show(&Secret::from(PASSWORD)), &both);
    assert_silent(&show(&XOAuth2::new(USER, PASSWORD, HOST)), &both);
    assert_silent(&show(&OAuthBearer::new(USER, PASSWORD, HOST)), &both);
    assert_silent(&show(&External::new(USER)), &both);
    assert_silent(&show(&Anonymous::new(USER)), &both);
    assert_silent(&show(&ScramSha256::new(USER, PASSWORD, HOST, nonce())), &[USER, PASSWORD, NONCE]);
    assert_silent(&show(&nonce()), &[NONCE]);
    let token = Credentials::token(USER, Secret::from(PASSWORD));
    assert_silent(&show(&token.or(Credentials::external(USER)).or(Credentials::anonymous(USER))), &both);
    let channel = ChannelBindings::new().with_exporter(*b"keying-material-of-this-channel!");
    assert_silent(&show(&channel), &["keying-material-of-this-channel!"]);
    let message = format!("\0{USER}\0{PASSWORD}");
    let auth = AuthCommand { mechanism: "PLAIN", initial_response: Some(message.as_bytes()) };
    assert_silent(&show(&auth), &both);
    assert_silent(&show(&Command::Auth(auth)), &both);
    assert_silent(
        &show(&smtp_proto::flow::Exchange::new(Command::Auth(auth), smtp_proto::flow::Expect::Anything)),
        &both,
    );
}

/// The nonce of RFC 7677 §3, for what is not sent in the end.
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";

fn nonce() -> Nonce {
    Nonce::new(NONCE).unwrap()
}

#[test]
fn l01_a_refused_token_is_not_shown_to_loggers() {
    let provider = |refused: Option<&RefusedToken<'_>>| match refused {
        None => Ok(Secret::from(PASSWORD)),
        Some(refused) => {
            assert_silent(&show(refused), &[PASSWORD]);
            Err(TokenError::new("none"))
        }
    };
    let message = b64(&format!("user={USER}\x01auth=Bearer {PASSWORD}\x01\x01"));
    let script = format!("{}C: AUTH XOAUTH2 {message}\nS: 535 no", hello_tls(&["AUTH XOAUTH2"]));
    let (shown, trace) = secure(&script).run_traced(|session| {
        session.open().unwrap();
        let error = session.log_in(&Credentials::token(USER, provider), None).unwrap_err();
        format!("{error}{error:?}{error:#?}{:?}", session.connection())
    });
    assert_silent(&shown, &[USER, PASSWORD]);
    assert_silent(&trace.join("\n"), &[USER, PASSWORD]);
}

fn b64(text: &str) -> String {
    STANDARD.encode(text)
}

type Make = fn() -> Box<dyn Mechanism>;

/// The OAuth mechanisms, what they say, and how they acknowledge a refusal.
fn bearers() -> [(Make, String, &'static str); 2] {
    let token = format!("auth=Bearer {PASSWORD}\x01\x01");
    [
        (|| Box::new(XOAuth2::new(USER, PASSWORD, HOST)), b64(&format!("user={USER}\x01{token}")), "C:"),
        (
            || Box::new(OAuthBearer::new(USER, PASSWORD, HOST)),
            b64(&format!("n,a={USER},\x01host={HOST}\x01{token}")),
            "C: AQ==",
        ),
    ]
}

/// Every way an exchange can go: mechanism, its lines, and how they end.
fn exchanges() -> Vec<(Box<dyn Mechanism>, String)> {
    let plain = || Box::new(Plain::new("", USER, PASSWORD, HOST)) as Box<dyn Mechanism>;
    let login = || Box::new(Login::new(USER, PASSWORD, HOST)) as Box<dyn Mechanism>;
    let cram = || Box::new(CramMd5::new(USER, PASSWORD)) as Box<dyn Mechanism>;
    let message = b64(&format!("\0{USER}\0{PASSWORD}"));
    let long = format!("{PASSWORD}{}", "x".repeat(600));
    let long_plain = Box::new(Plain::new("", USER, long.as_str(), HOST)) as Box<dyn Mechanism>;
    let long_message = b64(&format!("\0{USER}\0{long}"));
    let said_login =
        format!("C: AUTH LOGIN\nS: 334 VXNlcjo=\nC: {}\nS: 334 UGFzczo=\nC: {}\n", b64(USER), b64(PASSWORD));
    let mut all = vec![
        (long_plain, format!("C: AUTH PLAIN\nS: 334\nC: {long_message}\nS: 235 ok")),
        (login(), format!("C: AUTH LOGIN\nS: 334 VXNlcjo=\nC: {}\nclose", b64(USER))),
        (cram(), "C: AUTH CRAM-MD5\nS: 334 Rubbish!!\nC: *\nS: 501 no".into()),
    ];
    for end in [
        "S: 235 ok",
        "S: 535 no",
        "S: 454 later",
        "S: 421 bye",
        "close",
        "reset",
        "pause",
        "S: what?",
        "S: 250 ok",
        "S: 334 AAAA\nC: *\nS: 501 no",
    ] {
        all.push((plain(), format!("C: AUTH PLAIN {message}\n{end}")));
        for (mechanism, said, acknowledgement) in bearers() {
            let begun = format!("C: AUTH {} {said}\n", mechanism().name());
            // The first challenge is acknowledged, only a second is broken off.
            let refused = format!("{begun}S: 334 e30=\n{acknowledgement}\n{end}");
            all.push((mechanism(), refused));
            if !end.starts_with("S: 334") {
                all.push((mechanism(), format!("{begun}{end}")));
            }
        }
        all.push((login(), format!("{said_login}{end}")));
    }
    all
}

#[test]
fn l02_l03_no_transcript_or_error_shows_what_auth_sent() {
    for (mut mechanism, lines) in exchanges() {
        let script = format!("{}{lines}", hello_tls(&["AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2 OAUTHBEARER"]));
        let (shown, trace) = secure(&script).run_traced(|session: &mut Session| {
            session.open().unwrap();
            let result = session.auth(&mut *mechanism);
            let text = result.as_ref().err().map(Error::to_string);
            let connection = session.connection();
            format!(
                "{result:?}{text:?}{connection:?}{:?}{:?}",
                connection.failure(),
                connection.server_info()
            )
        });
        let trace = trace.join("\n");
        assert_silent(&shown, &[USER, PASSWORD]);
        assert_silent(&trace, &[USER, PASSWORD]);
        assert!(trace.contains("C: AUTH "), "{trace}");
        assert!(trace.contains("redacted"), "{trace}");
    }
}

#[test]
fn l02_l03_scram_shows_no_password_and_no_proof() {
    let first = b64(&format!("n,,n={USER},r={NONCE}"));
    let challenge = b64(&format!("r={NONCE}%,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"));
    let mut proving = ScramSha256::new(USER, PASSWORD, HOST, nonce());
    proving.start(&ServerInfo::new(HOST, &Security::LocalPlaintext)).unwrap();
    let server_first = STANDARD.decode(&challenge).unwrap();
    let last = String::from_utf8(proving.respond(&server_first).unwrap().expose().to_vec()).unwrap();
    let proof = last.rsplit_once(",p=").unwrap().1;
    for end in ["S: 535 no", "S: 235 ok", "S: 334 dj1BQUFB\nC: *\nS: 501 no", "close", "pause"] {
        let script = format!(
            "{}C: AUTH SCRAM-SHA-256 {first}\nS: 334 {challenge}\nC: {}\n{end}",
            hello_tls(&["AUTH SCRAM-SHA-256"]),
            b64(&last)
        );
        let (shown, trace) = secure(&script).run_traced(|session| {
            session.open().unwrap();
            let mut mechanism = ScramSha256::new(USER, PASSWORD, HOST, nonce());
            let error = session.auth(&mut mechanism).unwrap_err();
            format!("{error}{error:?}{mechanism:?}{:?}", session.connection())
        });
        assert_silent(&shown, &[USER, PASSWORD, proof]);
        assert_silent(&trace.join("\n"), &[USER, PASSWORD, proof]);
    }
}

#[test]
fn l02_the_transcript_tells_lengths() {
    let message = b64(&format!("\0{USER}\0{PASSWORD}"));
    let script = format!("{}C: AUTH PLAIN {message}\nS: 235 ok", hello_tls(&["AUTH PLAIN"]));
    let ((), trace) = secure(&script).run_traced(|session| {
        session.open().unwrap();
        session.auth(&mut Plain::new("", USER, PASSWORD, HOST)).unwrap();
    });
    assert!(trace.contains(&format!("C: AUTH PLAIN <redacted {} octets>", message.len())), "{trace:?}");
}

#[test]
fn a_server_that_echoes_the_secret_is_the_only_way_to_see_it() {
    // What the server says is shown: the client cannot know that it is a secret. A 334 is not.
    let echo = b64(PASSWORD);
    let script =
        format!("{}C: AUTH LOGIN\nS: 334 {echo}\nC: {}\nS: 501 no", hello_tls(&["AUTH LOGIN"]), b64(USER));
    let ((), trace) = secure(&script).run_traced(|session| {
        session.open().unwrap();
        session.auth(&mut Login::new(USER, PASSWORD, HOST)).unwrap_err();
    });
    assert_silent(&trace.join("\n"), &[PASSWORD]);
}

#[test]
fn l04_bodies_are_counted_and_not_shown() {
    let script = format!(
        "{}C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\n{}S: 250 ok",
        common::hello(&[]),
        BODY_LINES.replace("hi", "confidential-thing")
    );
    let body = b"Subject: confidential-thing\r\n\r\nconfidential-thing\r\n";
    let ((), trace) = clear(&script).run_traced(|session| {
        session.open().unwrap();
        session.send(&envelope(FROM, &["bob@example.net"]), body).unwrap();
    });
    let trace = trace.join("\n");
    assert_silent(&trace, &["confidential-thing"]);
    assert!(trace.contains("octets>"), "{trace}");
}

#[test]
fn l05_server_text_stays_on_one_line_and_harmless() {
    for text in [
        r"x\n2026-01-01 root login ok",
        r"a\rb",
        r"\x1b[31mred\x1b[0m",
        r"\0\x01\x08\x7f",
        r"\xc2\x85\xc2\x9b",
        r"\xe2\x80\xae\xe2\x81\xa6\xe2\x80\xa8\xe2\x80\xa9",
        r"\xff\xfe",
    ] {
        // A bare LF ends a line, so the first text is two lines of which the second is garbage.
        let script = format!("{}C: NOOP\nS| 550-{text}\\r\\n550 {text}\\r\\n", hello_tls(&[]));
        let (shown, trace) = secure(&script).run_traced(|session| {
            session.open().unwrap();
            let error = session.command(Command::Noop).unwrap_err();
            format!("{error}{error:?}")
        });
        let bad = |c: char| {
            c.is_control()
                || ('\u{202a}'..='\u{202e}').contains(&c)
                || ('\u{2066}'..='\u{2069}').contains(&c)
                || matches!(c, '\u{2028}' | '\u{2029}')
        };
        assert!(!shown.contains(bad), "{shown:?}");
        for entry in trace {
            assert!(!entry.replace('\n', "").contains(bad), "{entry:?}");
            assert!(
                entry.lines().all(|line| line.starts_with("S: ")
                    || line.starts_with("C: ")
                    || line.starts_with("-- "))
            );
        }
    }
}

fn command(command: Command<'_>) -> impl Fn(&mut Connection) {
    move |connection| {
        connection.command(command).unwrap();
    }
}

#[test]
fn l02_a_transcript_is_what_was_said_without_what_must_not_be_shown() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let hook = lines.clone();
    let config = config(TlsPolicy::Implicit);
    let mut connection = Connection::new(config, Peer::Remote);
    connection.set_transcript(move |entry| {
        assert_eq!(format!("{entry:?}"), entry.to_string(), "what Display hides Debug hides too");
        assert_eq!(format!("{:?}", entry.line()), entry.to_string(), "and so does that of what it holds");
        hook.lock().unwrap().push(entry.to_string());
    });
    let upgrade = connection.tls_upgrade().unwrap();
    connection.tls_established(upgrade).unwrap();
    let mut say = |queue: &dyn Fn(&mut Connection), said: &str| {
        queue(&mut connection);
        connection.advance_output(connection.output().len()).unwrap();
        connection.receive(said.as_bytes());
        while connection.poll_event().unwrap().is_some() {}
    };
    let secret = Some(PASSWORD.as_bytes());
    let name = "client.test".parse().unwrap();
    let (from, to) = ("a@example.org".parse().unwrap(), "b@example.net".parse().unwrap());
    let (mail, rcpt) = (MailParameters::new(), RcptParameters::new());
    let data = DataCommand { rules: BodyRules::new(BodyKind::SevenBit), size: None };
    say(&|_| {}, "220-hi\r\n220 \x1b[2J\r\n");
    say(&command(Command::Ehlo(&name)), "250-mail.example\r\n250 AUTH LOGIN PLAIN\r\n");
    let auth = |mechanism, initial_response| Command::Auth(AuthCommand { mechanism, initial_response });
    say(&command(auth("LOGIN", None)), "334 VXNlcm5hbWU6\r\n");
    say(
        &|connection| {
            connection.auth_respond(PASSWORD.as_bytes()).unwrap();
        },
        "535-no\r\n535 5.7.8 no\r\n",
    );
    say(&command(auth("PLAIN", secret)), "235\r\n");
    say(&command(Command::Mail(&from, &mail)), "250 ok\r\n");
    say(&command(Command::Rcpt(&to, &rcpt)), "250 ok\r\n");
    say(&command(Command::Data(data)), "354 go\r\n");
    say(
        &|connection| {
            let octets = connection.body(b".x\r\n").unwrap().len();
            connection.advance_output(octets).unwrap();
            connection.finish_body().unwrap();
        },
        "250 ok\r\n",
    );
    let expected = [
        "-- TLS established --",
        "S: 220-hi\nS: 220 \\x1b[2J",
        "C: EHLO client.test",
        "S: 250-mail.example\nS: 250 AUTH LOGIN PLAIN",
        "C: AUTH LOGIN",
        "S: 334 <challenge, 12 octets>",
        "C: <redacted 32 octets>",
        "S: 535-no\nS: 535 5.7.8 no",
        "C: AUTH PLAIN <redacted 32 octets>",
        "S: 235 ",
        "C: MAIL FROM:<a@example.org>",
        "S: 250 ok",
        "C: RCPT TO:<b@example.net>",
        "S: 250 ok",
        "C: DATA",
        "S: 354 go",
        "C: <body, 5 octets>",
        "C: .",
        "S: 250 ok",
    ];
    assert_eq!(*lines.lock().unwrap(), expected);
}
