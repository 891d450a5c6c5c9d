//! What became of the message when the connection was lost. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, BODY_LINES, FROM, clear, hello, hello_tls, secure};
use smtp_proto::body::BodyKind;
use smtp_proto::connection::{Stage, TimeoutPhase};
use smtp_proto::error::{Error, ProtocolError};
use smtp_proto::flow::{Body, Delivery, SendError, SendOptions};
use smtp_proto::sasl::Plain;
use smtp_tests::script::{Session, envelope};

fn to_354() -> String {
    format!(
        "{}C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\n",
        hello(&[])
    )
}

/// Everything said, up to and with the dot.
fn to_dot() -> String {
    format!("{}S: 354 go\n{BODY_LINES}", to_354())
}

fn message(session: &mut Session) -> Result<Delivery, SendError> {
    session.send(&envelope(FROM, &["bob@example.net"]), BODY)
}

fn send(script: &str) -> Result<Delivery, SendError> {
    clear(script).run(|session| {
        session.open().unwrap();
        message(session)
    })
}

fn cause(result: Result<Delivery, SendError>) -> (bool, Error) {
    match result {
        Err(SendError::NotSent { cause, .. }) => (true, cause),
        Err(SendError::Unknown { cause, .. }) => (false, cause),
        other => panic!("{other:?}"),
    }
}

#[test]
fn o01_a_loss_before_the_end_of_the_body_is_not_sent() {
    for end in ["close", "reset", "pause"] {
        let (not_sent, error) = cause(send(&format!("{}{end}", to_354())));
        assert!(not_sent && error.is_fatal(), "{end} {error:?}");
    }
    for end in ["reset", "stall\npause", "stall\nclose", "stall\nreset"] {
        let (not_sent, error) = cause(send(&format!("{}S: 354 go\nC: Subject: hi\n{end}", to_354())));
        assert!(not_sent && error.is_fatal(), "{end} {error:?}");
    }
}

#[test]
fn o02_a_loss_after_the_end_left_is_unknown() {
    for (end, expected) in [
        (
            "close",
            Error::Disconnected { stage: Some(Stage::EndOfData), truncated: false, credentials_sent: false },
        ),
        (
            "reset",
            Error::Disconnected { stage: Some(Stage::EndOfData), truncated: false, credentials_sent: false },
        ),
        ("pause", Error::Timeout(TimeoutPhase::Reply(Stage::EndOfData))),
    ] {
        let result = send(&format!("{}{end}", to_dot()));
        let error = result.clone().unwrap_err();
        assert!(!error.is_safe_to_retry(), "O08");
        assert_eq!(cause(result), (false, expected));
    }
    for reply in ["S: what?", "S: 999 x", "S: 354 go", "S: 250-a\nS: 550 b", "S: 221 bye", "S: 101 x"] {
        let (not_sent, error) = cause(send(&format!("{}{reply}", to_dot())));
        assert!(!not_sent && error.is_fatal(), "{reply} {error:?}");
    }
    // Given up by the caller.
    clear(&to_dot()).run(|session| {
        session.open().unwrap();
        let from = FROM.parse().unwrap();
        let to = "bob@example.net".parse().unwrap();
        let data = smtp_proto::command::DataCommand {
            rules: smtp_proto::body::BodyRules::new(BodyKind::SevenBit),
            size: None,
        };
        session.command(smtp_proto::command::Command::Mail(&from, &Default::default())).unwrap();
        session.command(smtp_proto::command::Command::Rcpt(&to, &Default::default())).unwrap();
        session.begin_data(data).unwrap();
        session.write_body(BODY).unwrap();
        let id = session.connection().finish_body().unwrap();
        assert!(!session.connection().is_unanswered(id), "nothing of the end has left");
        let run = session.run(
            common::steps(|connection| {
                Ok(if connection.output().is_empty() {
                    connection.abandon();
                    smtp_proto::flow::Step::Done(())
                } else {
                    smtp_proto::flow::Step::Continue
                })
            }),
            &[],
        );
        assert_eq!(run, Ok(()));
        assert!(session.connection().is_unanswered(id));
    });
}

#[test]
fn o03_unknown_begins_with_the_fifth_octet_of_the_terminator() {
    // The body's own CRLF, the dot, CRLF; cut behind each of the octets.
    let body = r"Subject: hi\r\n\r\nhi";
    let end = [r"\r", r"\n", ".", r"\r", r"\n"];
    for accepted in 0..=5 {
        let tail: String = end[..accepted].concat();
        for loss in ["reset", "stall\nclose", "stall\nreset", "stall\npause"] {
            let script = format!("{}S: 354 go\nC| {body}{tail}\n{loss}", to_354());
            let result = send(&script);
            let safe = result.clone().unwrap_err().is_safe_to_retry();
            let (not_sent, error) = cause(result);
            assert_eq!(not_sent, accepted < 5, "{accepted} octets, {loss}: {error:?}");
            assert_eq!(safe, accepted < 5);
        }
    }
}

#[test]
fn o03_a_body_without_a_final_line_end_too() {
    for accepted in 0..=5 {
        let script = format!(
            "{}S: 354 go\nC| x{}\nreset",
            to_354(),
            [r"\r", r"\n", ".", r"\r", r"\n"][..accepted].concat()
        );
        let result = clear(&script).run(|session| {
            session.open().unwrap();
            session.send(&envelope(FROM, &["bob@example.net"]), b"x")
        });
        assert_eq!(cause(result).0, accepted < 5, "{accepted}");
    }
    // An empty message: `.` CRLF behind DATA's own CRLF.
    for accepted in 0..=3 {
        let script = format!("{}S: 354 go\nC| {}\nreset", to_354(), [".", r"\r", r"\n"][..accepted].concat());
        let script = if accepted == 0 { format!("{}S: 354 go\nreset", to_354()) } else { script };
        let result = clear(&script).run(|session| {
            session.open().unwrap();
            session.send(&envelope(FROM, &["bob@example.net"]), b"")
        });
        assert_eq!(cause(result).0, accepted < 3, "{accepted}");
    }
}

#[test]
fn o04_a_truncated_verdict_is_none() {
    for part in [
        "250 que",
        "2",
        "25",
        "250",
        "250 ok\\r",
        "250-a\\r\\n",
        "250-a\\r\\n250 b",
        "550 no",
        "451",
        "550-a\\r\\n550",
    ] {
        for end in ["close", "reset"] {
            let (not_sent, error) = cause(send(&format!("{}S| {part}\n{end}", to_dot())));
            assert!(!not_sent, "{part}");
            assert_eq!(
                error,
                Error::Disconnected {
                    stage: Some(Stage::EndOfData),
                    truncated: true,
                    credentials_sent: false
                }
            );
        }
    }
}

#[test]
fn o05_a_complete_acceptance_stands_whatever_follows() {
    for after in [
        "close",
        "reset",
        "C: QUIT\nclose",
        "C: QUIT\nS: 500 what?",
        "C: QUIT\nS: 0",
        "C: QUIT\nreset",
        "C: QUIT\npause",
    ] {
        clear(&format!("{}S: 250 ok\n{after}", to_dot())).run(|session| {
            session.open().unwrap();
            let delivery = message(session).unwrap();
            assert_eq!(delivery.reply.code().get(), 250);
            if after.starts_with('C') {
                assert_eq!(session.quit(), Ok(()));
            } else {
                session.hear_idle();
            }
        });
    }
    // Garbage in the same segment breaks the connection, not the delivery.
    for garbage in ["S: 250 x", "S: what?", "S| 2"] {
        clear(&format!("{}S: 250 ok\n{garbage}", to_dot())).run(|session| {
            session.open().unwrap();
            message(session).unwrap();
        });
    }
}

#[test]
fn o06_the_server_may_have_said_why_before_it_went() {
    for (reply, code) in [("S: 552 too big", 552), ("S: 451 later", 451)] {
        let script = format!("{}S: 354 go\nC: Subject: hi\nstall\n{reply}\nreset", to_354());
        let result = send(&script);
        assert!(
            matches!(&result, Err(SendError::Rejected { stage: Stage::EndOfData, reply, .. }) if reply.code().get() == code)
        );
    }
    // The write broke inside the terminator, at each of its octets.
    let end = [r"\r", r"\n", ".", r"\r"];
    for taken in 1..=end.len() {
        let tail = end[..taken].concat();
        let script =
            format!("{}S: 354 go\nC| Subject: hi\\r\\n\\r\\nhi{tail}\nstall\nS: 552 no\nreset", to_354());
        let result = send(&script);
        assert!(
            matches!(&result, Err(SendError::Rejected { stage: Stage::EndOfData, reply, .. }) if reply.code().get() == 552),
            "{taken}: {result:?}"
        );
    }
}

#[test]
fn o08_only_what_cannot_be_delivered_twice_is_safe_to_retry() {
    for (script, safe, transient) in [
        (format!("{}S: 451 later", to_dot()), true, true),
        (format!("{}S: 554 no", to_dot()), true, false),
        (format!("{}S: 421 bye", to_dot()), true, true),
        (format!("{}close", to_354()), true, true),
        (format!("{}close", to_dot()), false, true),
    ] {
        let error = send(&script).unwrap_err();
        assert_eq!((error.is_safe_to_retry(), error.is_transient()), (safe, transient), "{error:?}");
    }
}

#[test]
fn o09_the_end_of_the_stream_at_every_stage() {
    #[derive(Debug, PartialEq)]
    enum Told {
        Open(Error),
        Auth(Error),
        NotSent(Error),
        Unknown(Error),
        Accepted,
    }
    let tls = hello_tls(&["AUTH PLAIN"]);
    let authenticated = format!("{tls}C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 235 ok\n");
    let mail = format!("{authenticated}C: MAIL FROM:<alice@example.org>\n");
    let rcpt = format!("{mail}S: 250 ok\nC: RCPT TO:<bob@example.net>\n");
    let data = format!("{rcpt}S: 250 ok\nC: DATA\n");
    let dot = format!("{data}S: 354 go\n{BODY_LINES}");
    let due =
        |stage, truncated| Error::Disconnected { stage: Some(stage), truncated, credentials_sent: false };
    let auth_lost =
        |truncated| Error::Disconnected { stage: Some(Stage::Auth), truncated, credentials_sent: true };
    let clear_hello = "S: 220 x\nC: EHLO client.test\n";
    let stages: Vec<(&str, String, Told)> = vec![
        ("before the greeting", String::new(), Told::Open(due(Stage::Greeting, false))),
        ("mid-greeting", "S| 220 mail".into(), Told::Open(due(Stage::Greeting, true))),
        ("mid-greeting, a line", r"S| 220-mail\r\n".into(), Told::Open(due(Stage::Greeting, true))),
        ("before the EHLO reply", clear_hello.into(), Told::Open(due(Stage::Ehlo, false))),
        (
            "mid-EHLO",
            format!("{clear_hello}S| 250-x\\r\\n250-STARTTLS\\r\\n"),
            Told::Open(due(Stage::Ehlo, true)),
        ),
        (
            "after STARTTLS",
            format!("{}C: STARTTLS\n", hello(&["STARTTLS"])),
            Told::Open(due(Stage::StartTls, false)),
        ),
        (
            "in the handshake",
            format!("{}C: STARTTLS\nS: 220 go\n", hello(&["STARTTLS"])),
            Told::Open(Error::TlsFailed),
        ),
        ("mid-AUTH", format!("{tls}C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\n"), Told::Auth(auth_lost(false))),
        (
            "mid-AUTH reply",
            format!("{tls}C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS| 235 o"),
            Told::Auth(auth_lost(true)),
        ),
        ("after MAIL", mail, Told::NotSent(due(Stage::Mail, false))),
        ("after RCPT", rcpt, Told::NotSent(due(Stage::Rcpt, false))),
        ("after DATA", data.clone(), Told::NotSent(due(Stage::Data, false))),
        ("mid-354", format!("{data}S| 354"), Told::NotSent(due(Stage::Data, true))),
        (
            "mid-body",
            format!("{data}S: 354 go\nC: Subject: hi\nstall"),
            Told::NotSent(due(Stage::EndOfData, false)),
        ),
        ("after the dot", dot.clone(), Told::Unknown(due(Stage::EndOfData, false))),
        ("in the verdict", format!("{dot}S| 250 o"), Told::Unknown(due(Stage::EndOfData, true))),
        ("after the verdict", format!("{dot}S: 250 ok"), Told::Accepted),
    ];
    for (name, script, expected) in stages {
        for end in ["close", "reset"] {
            let script = format!("{}\n{end}", script.trim_end());
            let told = secure(&script).run(|session| {
                if let Err(error) = session.open() {
                    assert!(session.connection().failure().is_some(), "poisoned");
                    return Told::Open(error);
                }
                if let Err(error) = session.auth(&mut Plain::new("", "tim", "tanstaaf", "mail.example")) {
                    assert!(session.connection().failure().is_some(), "poisoned");
                    return Told::Auth(error);
                }
                let result = message(session);
                assert_eq!(session.connection().failure().is_some(), result.is_err());
                match result {
                    Ok(_) => Told::Accepted,
                    Err(SendError::NotSent { cause, .. }) => Told::NotSent(cause),
                    Err(SendError::Unknown { cause, .. }) => Told::Unknown(cause),
                    Err(other) => panic!("{other:?}"),
                }
            });
            assert_eq!(told, expected, "{name}, {end}");
        }
    }
}

#[test]
fn o10_a_half_close_behind_the_greeting_is_told_at_once() {
    clear("S: 220 x\nclose").run(|session| {
        let error = session.open().unwrap_err();
        assert!(matches!(error, Error::Disconnected { .. }), "{error:?}");
        assert_eq!(session.now(), std::time::Duration::ZERO);
    });
}

#[test]
fn a_streamed_body_has_the_same_boundary() {
    for (loss, not_sent_expected) in [("C| hi\\r\\n.\\r\nreset", true), ("C| hi\\r\\n.\\r\\n\nreset", false)]
    {
        let result = clear(&format!("{}S: 354 go\n{loss}", to_354())).run(|session| {
            session.open().unwrap();
            let body = Body::Stream { kind: BodyKind::SevenBit, size: None };
            let to = envelope(FROM, &["bob@example.net"]);
            session.send_with(&to, body, SendOptions::default(), &[b"h", b"", b"i\r", b"\n"])
        });
        assert_eq!(cause(result).0, not_sent_expected);
    }
}

#[test]
fn garbage_is_never_a_verdict() {
    let (not_sent, error) = cause(send(&format!("{}S: 250_ok", to_dot())));
    assert!(!not_sent);
    assert!(matches!(error, Error::Protocol(ProtocolError::Reply { stage: Some(Stage::EndOfData), .. })));
}
