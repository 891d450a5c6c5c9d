//! Which reply answers which command, and what may be said when. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, BODY_LINES, FROM, clear, collect, config, ehlo, hello, secure};
use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::capabilities::Extension;
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::connection::{Stage, TlsPolicy};
use smtp_proto::error::{Error, Misuse, ProtocolError};
use smtp_proto::flow::{Delivery, Envelope, SendError};
use smtp_proto::params::{MailParameters, RcptParameters};
use smtp_proto::sasl::Plain;
use smtp_tests::script::{Scenario, Session, envelope};

const MAIL: &str = "C: MAIL FROM:<alice@example.org>\n";

fn to(n: usize) -> Envelope {
    let names: Vec<String> = (0..n).map(|i| format!("r{i}@example.net")).collect();
    envelope(FROM, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn rcpt(i: usize) -> String {
    format!("C: RCPT TO:<r{i}@example.net>\n")
}

/// Opens a session and sends one message to `n` recipients.
fn send(script: &str, n: usize) -> Result<Delivery, SendError> {
    let envelope = to(n);
    clear(script).run(|session| {
        session.open().unwrap();
        session.send(&envelope, BODY)
    })
}

/// Nothing is said again: not by the next command, nor by QUIT.
#[track_caller]
fn assert_poisoned(session: &mut Session) {
    let said = session.wire().len();
    assert_eq!(session.command(Command::Noop), Err(Error::Poisoned));
    assert_eq!(session.quit(), Err(Error::Poisoned));
    assert_eq!(session.wire().len(), said);
}

/// As [`send`], where the connection is not used again.
fn send_and_end(script: &str) -> SendError {
    clear(script).run(|session| {
        session.open().unwrap();
        let error = session.send(&to(1), BODY).unwrap_err();
        assert_poisoned(session);
        error
    })
}

#[test]
fn s01_a_stale_reply_behind_the_first_is_fatal_before_the_next_command() {
    let script = format!("{}{MAIL}S: 250 ok\nS: 250 stale", hello(&[]));
    let error = send(&script, 1).unwrap_err();
    assert!(
        matches!(error, SendError::NotSent { cause: Error::Protocol(ProtocolError::Surplus), .. }),
        "{error:?}"
    );
    // Only begun, it keeps the next command back until it is told from a 221 or 421.
    for (rest, fatal) in [("50 stale", true), ("21 bye", false)] {
        let result = send(&format!("{}{MAIL}S| 250 ok\\r\\n2\n\nS: {rest}", hello(&[])), 1);
        match result {
            Err(SendError::NotSent { cause: Error::Protocol(ProtocolError::Surplus), .. }) if fatal => {}
            Err(SendError::NotSent { cause: Error::ServerClosed { stage: None, .. }, .. }) if !fatal => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn p19_a_space_on_each_line_is_told_as_the_likely_cause() {
    let script = format!("{}C: NOOP\nS| 550 a\\r\\n550 b\\r\\n550 c\\r\\n", hello(&[]));
    clear(&script).run(|session| {
        session.open().unwrap();
        let first = session.ask(Command::Noop).unwrap();
        assert_eq!((first.code().get(), first.text()), (550, &b"a"[..]));
        let error = session.ask(Command::Noop).unwrap_err();
        assert_eq!(error, ProtocolError::Surplus.into());
        let told = error.to_string();
        assert!(told.contains("a space instead of a hyphen"), "{told}");
        assert_poisoned(session);
    });
}

#[test]
fn s02_an_unasked_reply_while_idle_is_fatal() {
    for unasked in ["S: 250 x", "S: 550 x", "S: 354 go", "S: 250-", "S| 25", "S| 2\npause", "S: what?"] {
        for session_goes_on in [true, false] {
            clear(&format!("{}{unasked}", hello(&[]))).run(|session| {
                session.open().unwrap();
                session.hear_idle();
                let error = match session_goes_on {
                    true => session.command(Command::Noop).unwrap_err(),
                    false => match session.send(&to(1), BODY).unwrap_err() {
                        SendError::NotSent { cause, .. } => cause,
                        other => panic!("{other:?}"),
                    },
                };
                let waited = unasked.contains("pause") && matches!(error, Error::Timeout(_));
                assert!(waited || matches!(error, Error::Protocol(_)), "{unasked} {error:?}");
            });
        }
    }
}

#[test]
fn s03_an_idle_goodbye_is_told_and_the_message_is_safe_to_retry() {
    for (code, text) in [(421, "4.4.2 timeout"), (221, "Idle timeout")] {
        clear(&format!("{}S: {code} {text}\nclose", hello(&[]))).run(|session| {
            session.open().unwrap();
            session.hear_idle();
            let error = session.send(&to(1), BODY).unwrap_err();
            assert!(error.is_safe_to_retry() && error.is_transient());
            assert!(matches!(
                error,
                SendError::NotSent { cause: Error::ServerClosed { stage: None, reply }, .. } if reply.code().get() == code
            ));
        });
    }
    for (command, line) in [(Command::Noop, "NOOP"), (Command::Rset, "RSET"), (Command::Vrfy("a"), "VRFY a")]
    {
        clear(&format!("{}C: {line}\nS: 221 Idle timeout", hello(&[]))).run(|session| {
            session.open().unwrap();
            assert!(matches!(session.ask(command), Err(Error::ServerClosed { stage: Some(_), .. })));
        });
    }
}

// ---- S06 to S09: what is left over when something is refused ----

#[test]
fn s06_s07_data_without_recipients_is_taken_back_with_a_lone_dot() {
    for dot in ["S: 554 no valid recipients", "S: 250 queued as 1", "S: 451 later"] {
        let script = format!(
            "{}{MAIL}{}{}C: DATA\nS: 250 ok\nS: 550 no\nS: 450 busy\nS: 354 go\nC: .\n{dot}",
            hello(&["PIPELINING"]),
            rcpt(0),
            rcpt(1)
        );
        let error = send(&script, 2).unwrap_err();
        assert!(matches!(error, SendError::Rejected { stage: Stage::Rcpt, .. }), "{error:?}");
        let codes: Vec<_> =
            error.recipients().iter().map(|r| r.reply.as_ref().unwrap().code().get()).collect();
        assert_eq!(codes, [550, 450]);
        assert!(error.is_transient() && !error.is_permanent());
    }
}

#[test]
fn s07_recipients_stay_refused_when_the_server_then_goes() {
    for end in ["close", "reset", "pause", "S: 421 bye", "S: what?"] {
        let script =
            format!("{}{MAIL}{}C: DATA\nS: 250 ok\nS: 550 no\n{end}", hello(&["PIPELINING"]), rcpt(0));
        let error = send(&script, 1).unwrap_err();
        assert!(matches!(error, SendError::Rejected { stage: Stage::Rcpt, .. }), "{end} {error:?}");
        assert!(error.is_permanent());
    }
}

#[test]
fn s08_a_refused_mail_takes_all_replies_of_its_group() {
    let script = |rest: &str| {
        format!("{}{MAIL}{}C: DATA\nS: 550 no\nS: 503 no\n{rest}", hello(&["PIPELINING"]), rcpt(0))
    };
    for rest in [
        "S: 503 no\nC: RSET\nS: 250 ok",
        "S: 354 go\nC: .\nS: 554 none\nC: RSET\nS: 250 ok",
        "S: 354 go\nC: .\nS: 250 queued\nC: RSET\nS: 250 ok",
        "S: 421 bye",
        "close",
    ] {
        let error = send(&script(rest), 1).unwrap_err();
        assert!(matches!(error, SendError::Rejected { stage: Stage::Mail, .. }), "{rest} {error:?}");
    }
    let alone = format!("{}{MAIL}S: 550 no", hello(&[]));
    assert!(matches!(send(&alone, 1), Err(SendError::Rejected { stage: Stage::Mail, .. })));
}

#[test]
fn s09_a_refused_data_sends_no_body() {
    for code in [450, 451, 550, 554] {
        let script = format!(
            "{}{MAIL}S: 250 ok\n{}S: 250 ok\n{}S: 550 no\nC: DATA\nS: {code} no\nC: RSET\nS: 250 ok",
            hello(&[]),
            rcpt(0),
            rcpt(1)
        );
        let error = send(&script, 2).unwrap_err();
        assert!(
            matches!(&error, SendError::Rejected { stage: Stage::Data, reply, .. } if reply.code().get() == code)
        );
        assert_eq!(error.recipients().iter().map(|r| r.is_accepted()).collect::<Vec<_>>(), [true, false]);
        assert_eq!(error.is_transient(), code < 500);
    }
}

// ---- S11 to S13: groups ----

#[test]
fn s11_what_ends_a_group() {
    // Each pair is one group; what comes after it waits for the reply to its last command.
    let script = format!(
        "{}C: RSET\nC: NOOP\nS: 250 a\nS: 250 b\nC: RSET\nC: VRFY a\nS: 250 a\nS: 252 b\n\
         C: RSET\nC: EXPN a\nS: 250 a\nS: 550 b\nC: RSET\nC: RSET\nC: QUIT\nS: 250 a\nS: 250 b\nS: 221 c",
        hello(&["PIPELINING"])
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        for command in [
            Command::Rset,
            Command::Noop,
            Command::Rset,
            Command::Vrfy("a"),
            Command::Rset,
            Command::Expn("a"),
            Command::Rset,
            Command::Rset,
            Command::Quit,
        ] {
            session.connection().command(command).unwrap();
        }
        let (replies, end) = collect(session);
        assert_eq!(end, Ok(()));
        let codes: Vec<u16> = replies.iter().map(|(_, code)| *code).collect();
        assert_eq!(codes, [250, 250, 250, 252, 250, 550, 250, 250, 221]);
    });
}

#[test]
fn s11_rset_mail_rcpt_and_data_are_one_group() {
    let script = format!(
        "{}C: RSET\n{MAIL}{}{}C: DATA\nS: 250 a\nS: 250 b\nS: 250 c\nS: 250 d\nS: 354 go\nC: .\nS: 250 ok",
        hello(&["PIPELINING"]),
        rcpt(0),
        rcpt(1)
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        let from = FROM.parse().unwrap();
        let (a, b) = ("r0@example.net".parse().unwrap(), "r1@example.net".parse().unwrap());
        let connection = session.connection();
        connection.command(Command::Rset).unwrap();
        connection.command(Command::Mail(&from, &MailParameters::new())).unwrap();
        connection.command(Command::Rcpt(&a, &RcptParameters::new())).unwrap();
        connection.command(Command::Rcpt(&b, &RcptParameters::new())).unwrap();
        session
            .run(
                smtp_proto::flow::BeginData::new(DataCommand {
                    rules: BodyRules::new(BodyKind::SevenBit),
                    size: None,
                }),
                &[],
            )
            .unwrap();
        session.finish_data().unwrap();
    });
}

#[test]
fn s11_nothing_is_queued_behind_what_decides() {
    let script = format!("{}C: RSET\nS: 250 ok\nC: EHLO client.test\nS: 250 x", hello(&["PIPELINING"]));
    clear(&script).run(|session| {
        session.open().unwrap();
        let name = "client.test".parse().unwrap();
        let connection = session.connection();
        connection.command(Command::Rset).unwrap();
        connection.command(Command::Ehlo(&name)).unwrap();
        assert_eq!(connection.command(Command::Noop), Err(Misuse::AwaitingReply(Stage::Ehlo).into()));
        assert_eq!(connection.command(Command::StartTls), Err(Misuse::AwaitingReply(Stage::Ehlo).into()));
        let (replies, end) = collect(session);
        assert_eq!((replies, end), (vec![(Stage::Rset, 250), (Stage::Ehlo, 250)], Ok(())));
    });
}

#[test]
fn s12_without_pipelining_one_command_is_in_flight() {
    let three = "C: RSET\nS: 250 a\nC: RSET\nS: 250 b\nC: NOOP\nS: 250 c";
    let run = |scenario: Scenario| {
        scenario.run(|session| {
            session.open().unwrap();
            for command in [Command::Rset, Command::Rset, Command::Noop] {
                session.connection().command(command).unwrap();
            }
            assert_eq!(collect(session).1, Ok(()));
        });
    };
    run(clear(&format!("{}{three}", hello(&["SIZE"]))));
    // Offered in clear only: that counts for nothing under TLS.
    let offered_before = format!(
        "{}C: STARTTLS\nS: 220 go\ntls\n{}{three}",
        hello(&["STARTTLS", "PIPELINING"]),
        ehlo(&["SIZE"])
    );
    run(secure(&offered_before));
    // And none is known after HELO.
    run(clear(&format!(
        "S: 220 x\nC: EHLO client.test\nS: 500-PIPELINING\nS: 500 PIPELINING\nC: HELO client.test\nS: 250-x\nS: 250 PIPELINING\n{three}"
    )));
}

#[test]
fn s13_what_was_answered_is_told_exactly() {
    for answered in 0..4 {
        for (end, truncated) in [("close", false), ("S| 25\nclose", true), ("S| 250 ok\nclose", true)] {
            let replies = "S: 250 ok\n".repeat(answered);
            let script = format!("{}{}{replies}\n{end}", hello(&["PIPELINING"]), "C: RSET\n".repeat(4));
            clear(&script).run(|session| {
                session.open().unwrap();
                let ids: Vec<_> =
                    (0..4).map(|_| session.connection().command(Command::Rset).unwrap()).collect();
                let (replies, end) = collect(session);
                assert_eq!(replies.len(), answered);
                let stage = Some(Stage::Rset);
                assert_eq!(end, Err(Error::Disconnected { stage, truncated, credentials_sent: false }));
                let unanswered: Vec<_> =
                    ids.iter().map(|&id| session.connection().is_unanswered(id)).collect();
                assert_eq!(unanswered, (0..4).map(|i| i >= answered).collect::<Vec<_>>());
            });
        }
    }
}

#[test]
fn s13_garbage_between_replies_is_fatal_and_never_skipped() {
    for garbage in ["what?", "25", "999 x", "250_ok"] {
        let script = format!(
            "{}{MAIL}{}{}C: DATA\nS: 250 ok\nS: 250 ok\nS: {garbage}\nS: 250 ok\nS: 354 go",
            hello(&["PIPELINING"]),
            rcpt(0),
            rcpt(1)
        );
        let error = send(&script, 2).unwrap_err();
        assert!(matches!(&error, SendError::NotSent { cause: Error::Protocol(_), .. }));
        let told: Vec<_> = error.recipients().iter().map(|r| r.reply.is_some()).collect();
        assert_eq!(told, [true, false]);
    }
}

// ---- S16 to S18: words before their time ----

fn to_354() -> String {
    format!("{}{MAIL}S: 250 ok\n{}S: 250 ok\nC: DATA\n", hello(&[]), rcpt(0))
}

#[test]
fn s16_an_early_refusal_stops_the_body() {
    for code in [552, 451, 554] {
        for rest in ["", "close"] {
            let script = format!("{}S: 354 go\nC: Subject: hi\nstall\nS: {code} too big\n{rest}", to_354());
            let error = send_and_end(&script);
            assert!(
                matches!(&error, SendError::Rejected { stage: Stage::EndOfData, reply, .. } if reply.code().get() == code),
                "{error:?}"
            );
        }
    }
    let script = format!("{}S: 354 go\nC: Subject: hi\nstall\nS: 421 bye", to_354());
    let error = send_and_end(&script);
    assert!(matches!(error, SendError::NotSent { cause: Error::ServerClosed { .. }, .. }), "{error:?}");
}

#[test]
fn s17_an_early_acceptance_is_fatal() {
    let premature = SendError::from(Error::from(ProtocolError::Premature(Stage::EndOfData)));
    let same = |error: SendError| match (error, &premature) {
        (SendError::NotSent { cause, .. }, SendError::NotSent { cause: expected, .. }) => {
            assert_eq!(&cause, expected);
        }
        (other, _) => panic!("{other:?}"),
    };
    same(send_and_end(&format!("{}S: 354 go\nS: 250 accepted", to_354())));
    same(send_and_end(&format!("{}S: 354 go\nS: 354 go", to_354())));
    same(send_and_end(&format!("{}S: 354 go\nC: Subject: hi\nstall\nS: 250 accepted", to_354())));
}

#[test]
fn s18_a_refusal_behind_354_sends_no_body() {
    for code in [554, 451] {
        let error = send_and_end(&format!("{}S: 354 go\nS: {code} no", to_354()));
        assert!(
            matches!(&error, SendError::Rejected { stage: Stage::EndOfData, reply, .. } if reply.code().get() == code),
            "{error:?}"
        );
    }
}

#[test]
fn s19_after_a_timeout_nothing_is_said_again() {
    let script = format!("{}S: 354 go\n{BODY_LINES}pause\nS: 250 too late", to_354());
    clear(&script).run(|session| {
        session.open().unwrap();
        assert!(matches!(
            session.send(&to(1), BODY),
            Err(SendError::Unknown { cause: Error::Timeout(_), .. })
        ));
        session.hear_idle();
        assert_eq!(session.command(Command::Rset), Err(Error::Poisoned));
        let refused = session.send(&to(1), BODY).unwrap_err();
        assert_eq!(refused.cause(), Some(&Error::Poisoned));
        assert_eq!(session.quit(), Err(Error::Poisoned));
    });
}

#[test]
fn s20_a_refused_rset_makes_the_connection_unusable() {
    for code in [450, 500, 502, 550] {
        clear(&format!("{}C: RSET\nS: {code} no", hello(&[]))).run(|session| {
            session.open().unwrap();
            assert!(matches!(session.command(Command::Rset), Err(Error::Refused { stage: Stage::Rset, .. })));
            let refused = session.send(&to(1), BODY).unwrap_err();
            assert_eq!(refused.cause(), Some(&Error::Poisoned));
        });
    }
}

#[test]
fn s20_a_second_ehlo_clears_what_the_first_one_brought() {
    let script = format!(
        "{}C: EHLO client.test\nS: 250-x\nS: 250 SIZE 5\nC: EHLO client.test\nS: 550 no",
        hello(&["PIPELINING", "AUTH PLAIN", "STARTTLS"])
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        session.hello().unwrap();
        let capabilities = session.connection().capabilities();
        assert!(!capabilities.supports(Extension::Pipelining) && !capabilities.supports(Extension::Auth));
        assert_eq!(capabilities.size_limit(), Some(5));
        let name = "client.test".parse().unwrap();
        assert!(session.command(Command::Ehlo(&name)).is_err());
        assert!(session.connection().capabilities().is_empty());
        assert_eq!(session.connection().command(Command::Noop), Err(Misuse::BeforeHello.into()));
    });
}

#[test]
fn s21_a_helo_session_assumes_no_extension() {
    let script = format!(
        "S: 220 x\nC: EHLO client.test\nS: 502 no\nC: HELO client.test\nS: 250-x\nS: 250-STARTTLS\nS: 250-SIZE 1\nS: 250 AUTH PLAIN\n\
         {MAIL}S: 250 ok\n{}S: 250 ok\nC: DATA\nS: 354 go\n{BODY_LINES}S: 250 ok",
        rcpt(0)
    );
    Scenario::new(config(TlsPolicy::None)).local().script(script).run(|session| {
        session.open().unwrap();
        assert!(session.connection().capabilities().is_empty());
        assert_eq!(session.start_tls(), Err(Error::Unsupported(Extension::StartTls)));
        assert_eq!(session.auth(&mut Plain::new("", "tim", "x", "mail.example")), Err(Error::NoMechanism));
        let eight_bit = session.send(&to(1), "Grüße\r\n".as_bytes()).unwrap_err();
        assert!(matches!(eight_bit, SendError::NotSent { cause: Error::Body(_), .. }));
        session.send(&to(1), BODY).unwrap();
    });
}
