//! The verbs outside of mail transactions: ETRN, XCLIENT, and EHLO said again.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, BODY_LINES, FROM, clear, collect, config, ehlo, hello, hello_tls, secure};
use smtp_proto::capabilities::Extension;
use smtp_proto::command::Command;
use smtp_proto::connection::{Quirks, Stage, TimeoutPhase, TlsPolicy};
use smtp_proto::error::{Error, Misuse, ProtocolError};
use smtp_proto::params::{MailParameters, XClient, XClientProto};
use smtp_proto::path::ReversePath;
use smtp_proto::reply::{EtrnAnswer, VrfyAnswer};
use smtp_proto::sasl::Plain;
use smtp_tests::script::{Mode, Scenario, envelope};

fn client() -> XClient {
    XClient::new().name("spike.example").unwrap().proto(XClientProto::Smtp)
}

const XCLIENT: &str = "C: XCLIENT NAME=spike.example PROTO=SMTP\n";
const OFFER: &str = "XCLIENT NAME ADDR PROTO HELO";

#[test]
fn etrn_and_what_the_server_says_to_it() {
    for (reply, answer) in [
        ("250 OK, queuing for node example.org started", EtrnAnswer::Started),
        ("251 OK, no messages waiting", EtrnAnswer::NothingWaiting),
        ("252 OK, pending messages started", EtrnAnswer::PendingStarted),
        ("253 OK, 14 pending messages started", EtrnAnswer::Pending(Some(14))),
        ("458 unable to queue", EtrnAnswer::UnableToQueue),
        ("459 not allowed: no relation", EtrnAnswer::NotAllowed),
        ("501 what?", EtrnAnswer::Refused),
    ] {
        let script = format!("{}C: ETRN example.org\nS: {reply}\nC: NOOP\nS: 250 ok\n", hello(&["ETRN"]));
        clear(&script).run(|session| {
            session.open().unwrap();
            let result = session.command(Command::Etrn("example.org"));
            assert_eq!(result.is_ok(), reply.starts_with('2'));
            let reply = match &result {
                Ok(reply) => reply,
                Err(error) => error.reply().unwrap(),
            };
            assert_eq!(EtrnAnswer::of(reply), answer);
            // Nothing in the session has changed.
            assert!(session.connection().is_ready());
            session.command(Command::Noop).unwrap();
        });
    }
}

#[test]
fn a_refused_vrfy_can_still_be_read() {
    let script = format!("{}C: VRFY fred\nS: 551 try <fred@example.net>\n", hello(&[]));
    clear(&script).run(|session| {
        session.open().unwrap();
        let error = session.command(Command::Vrfy("fred")).unwrap_err();
        let VrfyAnswer::NotLocal(user) = VrfyAnswer::of(error.reply().unwrap()) else { panic!() };
        assert_eq!(user.mailbox().unwrap().as_str(), "fred@example.net");
    });
}

#[test]
fn s11_etrn_and_xclient_end_a_group() {
    let script = format!(
        "{}C: RSET\nC: ETRN a\nS: 250 ok\nS: 250 ok\n\nC: RSET\nC: XCLIENT NAME=spike.example PROTO=SMTP\nS: 250 ok\nS: 220 hi\n",
        hello(&["PIPELINING", "ETRN", OFFER])
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        let connection = session.connection();
        for command in [Command::Rset, Command::Etrn("a"), Command::Rset, Command::XClient(&client())] {
            connection.command(command).unwrap();
        }
        // The second group waits for the reply to ETRN.
        assert_eq!(connection.output(), b"RSET\r\nETRN a\r\n");
        assert_eq!(
            connection.command(Command::Noop),
            Err(Misuse::AwaitingReply(Stage::XClient).into()),
            "what follows XCLIENT depends on its reply"
        );
        let (replies, end) = collect(session);
        end.unwrap();
        let stages: Vec<Stage> = replies.iter().map(|&(stage, _)| stage).collect();
        assert_eq!(stages, [Stage::Rset, Stage::Etrn, Stage::Rset, Stage::XClient]);
        assert_eq!(session.connection().command(Command::Noop), Err(Misuse::BeforeHello.into()));
    });
}

#[test]
fn neither_is_allowed_inside_a_mail_transaction() {
    let script = format!("{}C: MAIL FROM:<{FROM}>\nS: 250 ok\n", hello(&["ETRN", OFFER]));
    clear(&script).run(|session| {
        session.open().unwrap();
        let from: ReversePath = FROM.parse().unwrap();
        session.command(Command::Mail(&from, &MailParameters::new())).unwrap();
        let connection = session.connection();
        let client = client();
        for (command, stage) in
            [(Command::Etrn("a"), Stage::Etrn), (Command::XClient(&client), Stage::XClient)]
        {
            assert_eq!(connection.command(command), Err(Misuse::InTransaction(stage).into()));
        }
        assert_eq!(session.hello(), Err(Misuse::InTransaction(Stage::Ehlo).into()));
        assert!(session.connection().in_transaction() && session.connection().output().is_empty());
    });
}

#[test]
fn after_xclient_the_session_begins_anew() {
    let script = format!(
        "{}C: AUTH PLAIN AGEAYg==\nS: 235 ok\n{XCLIENT}S: 220 hi spike\n{}C: MAIL FROM:<{FROM}>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\n{BODY_LINES}S: 250 ok\n",
        hello(&["PIPELINING", "AUTH PLAIN", OFFER]),
        ehlo(&["DSN"]),
    );
    clear(&script).local().run(|session| {
        session.open().unwrap();
        session.auth(&mut Plain::new("", "a", "b", "mail.example")).unwrap();
        assert!(session.connection().is_authenticated());
        session.xclient(&client()).unwrap();
        let connection = session.connection();
        assert!(!connection.is_authenticated() && !connection.is_pipelining());
        assert_eq!(connection.capabilities().iter().collect::<Vec<_>>(), [("DSN", "")]);
        session.send(&envelope(FROM, &["bob@example.net"]), BODY).unwrap();
    });
}

#[test]
fn xclient_under_tls_stays_under_tls() {
    let script =
        format!("{}{XCLIENT}S: 220 hi spike\n{}", hello_tls(&[OFFER]), ehlo(&["STARTTLS", "SIZE 5"]));
    secure(&script).run(|session| {
        session.open().unwrap();
        assert_eq!(session.xclient(&client()).unwrap().text(), b"hi spike");
        let connection = session.connection();
        assert!(connection.security().is_tls());
        assert_eq!(connection.command(Command::StartTls), Err(Misuse::AlreadyTls.into()));
        assert_eq!(connection.capabilities().size_limit(), Some(5));
    });
}

#[test]
fn t14_the_tls_policy_holds_after_xclient_too() {
    let script = format!(
        "{}{XCLIENT}S: 220 hi spike\n{}C: STARTTLS\nS: 220 go\ntls\n{}",
        hello(&[OFFER]),
        ehlo(&["STARTTLS"]),
        ehlo(&["SIZE 5"])
    );
    Scenario::new(config(TlsPolicy::Opportunistic)).script(script).run(|session| {
        session.open().unwrap();
        assert!(!session.connection().security().is_tls());
        session.xclient(&client()).unwrap();
        assert!(session.connection().security().is_tls());
        assert_eq!(session.connection().capabilities().size_limit(), Some(5));
    });
}

#[test]
fn a_refused_xclient_changes_nothing() {
    for refusal in ["550 5.7.0 insufficient authorization", "501 bad attribute", "421 unable to proceed"] {
        let goes_on = !refusal.starts_with("421");
        let rest = if goes_on { "C: NOOP\nS: 250 ok\n" } else { "" };
        let script = format!("{}{XCLIENT}S: {refusal}\n{rest}", hello(&["PIPELINING", OFFER]));
        clear(&script).run(|session| {
            session.open().unwrap();
            let error = session.xclient(&client()).unwrap_err();
            if goes_on {
                assert!(matches!(error, Error::Refused { stage: Stage::XClient, .. }), "{error:?}");
                assert!(!error.is_fatal() && session.connection().is_pipelining());
                session.command(Command::Noop).unwrap();
            } else {
                assert!(
                    matches!(error, Error::ServerClosed { stage: Some(Stage::XClient), .. }),
                    "{error:?}"
                );
            }
        });
    }
}

#[test]
fn s17_only_220_answers_xclient_and_nothing_follows_it_unasked() {
    for reply in ["250 ok", "235 ok", "354 go", "334 x"] {
        clear(&format!("{}{XCLIENT}S: {reply}\n", hello(&[OFFER]))).run(|session| {
            session.open().unwrap();
            let error = session.xclient(&client()).unwrap_err();
            assert!(
                matches!(
                    error,
                    Error::Protocol(ProtocolError::UnexpectedReply { stage: Stage::XClient, .. })
                ),
                "{error:?}"
            );
        });
    }
    let script = format!("{}{XCLIENT}S: 220 hi\nS: 250-x\nS: 250 AUTH PLAIN\n", hello(&[OFFER]));
    // Octet by octet EHLO is queued before the surplus is seen, though not sent: the transcript differs.
    clear(&script).modes(&[Mode::Whole, Mode::ByteWrites]).run(|session| {
        session.open().unwrap();
        let error = session.xclient(&client()).unwrap_err();
        assert!(matches!(error, Error::Protocol(ProtocolError::Surplus)), "{error:?}");
        assert!(session.connection().capabilities().is_empty());
    });
}

#[test]
fn a_refused_ehlo_after_xclient_ends_the_session() {
    let script = format!("{}{XCLIENT}S: 220 hi\nC: EHLO client.test\nS: 554 not you\n", hello(&[OFFER]));
    clear(&script).run(|session| {
        session.open().unwrap();
        let error = session.xclient(&client()).unwrap_err();
        assert!(matches!(error, Error::Refused { stage: Stage::Ehlo, .. }), "{error:?}");
        assert!(session.connection().failure().is_some());
    });
}

#[test]
fn quirks_hold_after_xclient() {
    let quirks = Quirks::new().ignore("PIPELINING");
    let script = format!("{}{XCLIENT}S: 220 hi\n{}", hello(&["PIPELINING", OFFER]), ehlo(&["PIPELINING"]));
    Scenario::new(config(TlsPolicy::None).quirks(quirks)).script(script).run(|session| {
        session.open().unwrap();
        session.xclient(&client()).unwrap();
        assert!(!session.connection().is_pipelining());
    });
}

#[test]
fn r01_each_has_the_budget_of_other_commands() {
    for (line, stage) in [("C: ETRN a\n", Stage::Etrn), (XCLIENT, Stage::XClient)] {
        clear(&format!("{}{line}pause", hello(&["ETRN", OFFER]))).run(|session| {
            session.open().unwrap();
            let error = match stage {
                Stage::Etrn => session.command(Command::Etrn("a")).unwrap_err(),
                _ => session.xclient(&client()).unwrap_err(),
            };
            assert_eq!(error, Error::Timeout(TimeoutPhase::Reply(stage)));
            assert_eq!(session.now().as_secs(), 300);
        });
    }
}

#[test]
fn s20_ehlo_again_forgets_what_was_offered_before() {
    let script = format!("{}{}", hello(&["PIPELINING", "DSN", "AUTH PLAIN"]), ehlo(&["SIZE 7"]));
    clear(&script).run(|session| {
        session.open().unwrap();
        let reply = session.hello().unwrap();
        assert_eq!(reply.code().get(), 250);
        let capabilities = session.connection().capabilities();
        assert_eq!(capabilities.iter().collect::<Vec<_>>(), [("SIZE", "7")]);
        assert!(!capabilities.supports(Extension::Pipelining));
    });
}
