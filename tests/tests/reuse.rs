//! Whether a session may be used again by somebody else, as the core judges it: every step of a session, and the limits
//! that only its owner knows.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{BODY, FROM, clear, collect, config, hello, secure};
use smtp_proto::Error;
use smtp_proto::command::Command;
use smtp_proto::connection::{
    Config, Connection, Logins, Owner, Peer, Protocol, Retired, Reuse, ReusePolicy, TlsPolicy,
};
use smtp_proto::flow::{Body, SendOptions};
use smtp_proto::params::{RcptParameters, XClient};
use smtp_proto::sasl::Plain;
use smtp_tests::script::{Scenario, Session, envelope};

const ZERO: Duration = Duration::ZERO;

/// What the policy by default says of a session that is in use.
fn judged(session: &mut Session) -> Result<Reuse, Retired> {
    let connection = session.connection();
    let judged = ReusePolicy::default().judge(connection, ZERO, ZERO);
    assert_eq!(judged.is_ok(), connection.is_reusable());
    judged
}

#[test]
fn each_step_of_a_session() {
    let script = hello(&["SIZE"])
        + "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: RSET\nS: 250 ok\n\
           C: MAIL FROM:<alice@example.org>\nS: 451 later\nC: NOOP\nS: 250 ok\nC: VRFY bob\nS: 252 maybe\n\
           C: QUIT\nS: 221 bye\n";
    clear(&script).run(|session| {
        let from = FROM.parse().unwrap();
        let mail = session.connection().default_mail_parameters(&from);
        assert_eq!(judged(session), Err(Retired::Unfinished), "no greeting");
        session.open().unwrap();
        assert_eq!(judged(session), Ok(Reuse::AtOnce));
        session.command(Command::Mail(&from, &mail)).unwrap();
        assert_eq!(judged(session), Err(Retired::Unfinished), "a mail transaction");
        session.command(Command::Rcpt(&"bob@example.net".parse().unwrap(), &RcptParameters::new())).unwrap();
        assert_eq!(judged(session), Err(Retired::Unfinished), "with a recipient");
        session.command(Command::Rset).unwrap();
        assert_eq!(judged(session), Ok(Reuse::AtOnce));
        session.ask(Command::Mail(&from, &mail)).unwrap();
        assert_eq!(judged(session), Ok(Reuse::AtOnce), "refused, it has opened nothing");
        session.command(Command::Noop).unwrap();
        session.command(Command::Vrfy("bob")).unwrap();
        assert_eq!(judged(session), Ok(Reuse::AtOnce));
        assert_eq!(session.connection().transactions(), 2);
        session.quit().unwrap();
        assert_eq!(judged(session), Err(Retired::Ended));
    });
}

#[test]
fn a_command_without_a_reply() {
    clear(&hello(&[])).run(|session| {
        session.open().unwrap();
        session.connection().command(Command::Noop).unwrap();
        assert_eq!(judged(session), Err(Retired::Unfinished));
        session.connection().abandon();
        assert_eq!(judged(session), Err(Retired::Ended));
    });
}

#[test]
fn what_came_unasked_counts_once_it_is_heard() {
    for (unasked, heard) in
        [("S: 421 idle\nclose", true), ("S: 250 what\n", true), ("close", true), ("", false)]
    {
        clear(&format!("{}C: NOOP\nS: 250 ok\n\n{unasked}", hello(&[]))).run(|session| {
            session.open().unwrap();
            session.command(Command::Noop).unwrap();
            session.hear_idle();
            let told = session.connection().poll_event().is_err();
            assert_eq!(told, heard, "{unasked}");
            assert_eq!(
                judged(session),
                if heard { Err(Retired::Ended) } else { Ok(Reuse::AtOnce) },
                "{unasked}"
            );
        });
    }
}

#[test]
fn on_whose_behalf() {
    let xclient = XClient::new().name("other.example").unwrap();
    for (line, reply) in
        [("XFOO", "250 ok"), ("XFOO", "500 what"), ("XCLIENT NAME=other.example", "550 not you")]
    {
        clear(&format!("{}C: {line}\nS: {reply}\nC: RSET\nS: 250 ok\n", hello(&["XCLIENT NAME"]))).run(
            |session| {
                session.open().unwrap();
                let command =
                    if line == "XFOO" { Command::Custom("XFOO") } else { Command::XClient(&xclient) };
                session.ask(command).unwrap();
                session.command(Command::Rset).unwrap();
                assert_eq!(judged(session), Err(Retired::Estranged), "{line}: {reply}");
            },
        );
    }
    let renewed = "C: XCLIENT NAME=other.example\nS: 220 again\nC: EHLO client.test\nS: 250 hi\n";
    clear(&format!("{}{renewed}", hello(&["XCLIENT NAME"]))).run(|session| {
        session.open().unwrap();
        session.xclient(&xclient).unwrap();
        assert_eq!(judged(session), Err(Retired::Estranged));
    });
}

#[test]
fn what_the_server_declares_to_take() {
    let message = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\n\
                   C: DATA\nS: 354 go\nC: Subject: hi\nC:\nC: hi\nC: .\nS: 250 queued\n";
    clear(&format!("{}{message}{message}", hello(&["LIMITS MAILMAX=2"]))).run(|session| {
        let to = envelope(FROM, &["bob@example.net"]);
        session.open().unwrap();
        session.send(&to, BODY).unwrap();
        assert_eq!(judged(session), Ok(Reuse::AtOnce));
        session.send(&to, BODY).unwrap();
        assert_eq!(judged(session), Err(Retired::MailMax));
    });
}

#[test]
fn a_message_in_several_transactions() {
    let part = |to: &str| {
        format!(
            "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<{to}@b.example>\nS: 250 ok\n\
             C: DATA\nS: 354 go\nC: Subject: hi\nC:\nC: hi\nC: .\nS: 250 queued\n"
        )
    };
    clear(&(hello(&["LIMITS RCPTMAX=1"]) + &part("a") + &part("b"))).run(|session| {
        session.open().unwrap();
        let to = envelope(FROM, &["a@b.example", "b@b.example"]);
        session.send_with(&to, Body::Whole(BODY), SendOptions::default().split(true), &[BODY]).unwrap();
        assert_eq!(judged(session), Ok(Reuse::AtOnce));
        assert_eq!(session.connection().transactions(), 2);
    });
}

#[test]
fn a_message_that_was_taken_back_waits_for_rset() {
    // Though MAIL opened nothing: the server was given a chunk.
    let script = hello(&["PIPELINING", "CHUNKING"])
        + "C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.net>\nC: BDAT 13\nC: Subject: hi\n\
           S: 550 no\nS: 503 no\nS: 503 no\nC: RSET\nS: 250 ok\n";
    clear(&script).run(|session| {
        session.open().unwrap();
        let from = FROM.parse().unwrap();
        let connection = session.connection();
        let mail = connection.default_mail_parameters(&from);
        connection.command(Command::Mail(&from, &mail)).unwrap();
        connection
            .command(Command::Rcpt(&"bob@example.net".parse().unwrap(), &RcptParameters::new()))
            .unwrap();
        connection.begin_chunks(connection.default_data()).unwrap();
        session.write_body(b"Subject: hi\r\n").unwrap();
        assert_eq!(collect(session).0.len(), 3);
        session.connection().cancel_body().unwrap();
        assert!(session.connection().is_idle() && !session.connection().in_transaction());
        assert_eq!(judged(session), Err(Retired::Unfinished));
        session.command(Command::Rset).unwrap();
        assert_eq!(judged(session), Ok(Reuse::AtOnce));
    });
}

#[test]
fn a_transport_that_has_ended() {
    clear(&hello(&[])).run(|session| {
        session.open().unwrap();
        session.connection().receive_eof();
        assert_eq!(judged(session), Err(Retired::Ended), "before it is told as an event");
    });
}

#[test]
fn why_in_words() {
    for (retired, option) in [
        (Retired::MailMax, "MAILMAX"),
        (Retired::Messages, "`max_messages`"),
        (Retired::Idle, "`max_idle`"),
        (Retired::Age, "`max_age`"),
    ] {
        let words = retired.to_string();
        assert!(words.starts_with("the session is not used again: ") && words.contains(option), "{words}");
    }
}

#[test]
fn a_session_is_its_owners_and_nobody_elses() {
    let script = hello(&["AUTH PLAIN"]) + "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\nS: 235 ok\n";
    clear(&script).local().run(|session| {
        session.open().unwrap();
        let (owner, other) = (Owner::default(), Owner::default());
        let at = Duration::from_secs;
        let origin = owner.mark(session.connection(), at(1000));
        assert_eq!(origin.age(at(1030)), at(30));
        let connection = session.connection();
        assert_eq!(owner.judge(Some(&origin), connection, at(1300), at(5)), Ok(Reuse::AtOnce));
        assert_eq!(owner.judge(Some(&origin), connection, at(1300), at(6)), Ok(Reuse::AfterReset));
        assert_eq!(owner.judge(Some(&origin), connection, at(1301), at(5)), Err(Retired::Age));
        assert_eq!(other.judge(Some(&origin), connection, at(1000), ZERO), Err(Retired::Mismatched));
        assert_eq!(owner.judge(None, connection, at(1000), ZERO), Err(Retired::Mismatched));
        session.auth(&mut Plain::new("", "alice", "secret", "mail.example")).unwrap();
        let judged = owner.judge(Some(&origin), session.connection(), at(1000), ZERO);
        assert_eq!(judged, Err(Retired::Mismatched), "it was anonymous when it was made");
    });
}

#[test]
fn credentials_that_were_refused_are_left_alone() {
    let auth = "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==\n";
    let script = hello(&["AUTH PLAIN"]) + auth + "S: 454 later\n" + auth + "S: 535 no\n";
    clear(&script).local().run(|session| {
        session.open().unwrap();
        let mut refused =
            || session.auth(&mut Plain::new("", "alice", "secret", "mail.example")).unwrap_err();
        logins(&refused(), &refused());
    });
}

fn logins(later: &Error, wrong: &Error) {
    let (at, pause) = (Duration::from_secs, Duration::from_secs(60));
    assert!(!Logins::new(false).are_one_by_one(), "without credentials there is nothing to refuse");

    let mut logins = Logins::new(true);
    assert!(logins.are_one_by_one());
    logins.note(Err(later), at(10));
    assert_eq!(logins.paused(pause, at(10)), None, "a refusal for now");
    assert!(!logins.are_one_by_one());
    logins.note(Err(wrong), at(20));
    logins.note(Err(&Error::NotConnected), at(30));
    assert!(logins.are_one_by_one());
    let told = logins.paused(pause, at(50)).unwrap();
    assert_eq!((&told.refusal, told.left), (wrong, at(30)));
    assert_eq!(told.to_string(), "not tried again for 31 s (`login_pause`)");
    assert_eq!(logins.paused(pause, at(80)), None, "it is over");
    assert_eq!(logins.paused(ZERO, at(20)), None);
    logins.note(Ok(()), at(81));
    assert_eq!((logins.paused(pause, at(20)), logins.are_one_by_one()), (None, false));
}

#[test]
fn messages_that_went_wrong() {
    // All recipients refused, before DATA; in LMTP, one of them at the end.
    let refused = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 550 no\nC: RSET\nS: 250 ok\n";
    clear(&format!("{}{refused}", hello(&[]))).run(|session| {
        session.open().unwrap();
        assert!(session.send(&envelope(FROM, &["bob@example.net"]), BODY).is_err());
        assert_eq!(judged(session), Ok(Reuse::AtOnce));
    });
    let lmtp = "S: 220 hi\nC: LHLO client.test\nS: 250 hi\nC: MAIL FROM:<alice@example.org>\nS: 250 ok\n\
                C: RCPT TO:<a@b.example>\nS: 250 ok\nC: RCPT TO:<b@b.example>\nS: 250 ok\nC: DATA\nS: 354 go\n\
                C: Subject: hi\nC:\nC: hi\nC: .\nS: 250 ok\nS: 552 full\n";
    Scenario::new(config(TlsPolicy::None).protocol(Protocol::Lmtp)).script(lmtp).run(|session| {
        session.open().unwrap();
        let delivery = session.send(&envelope(FROM, &["a@b.example", "b@b.example"]), BODY).unwrap();
        assert_eq!(delivery.recipients.len(), 2);
        assert_eq!(judged(session), Ok(Reuse::AtOnce));
    });
    // The source of the body fails after DATA: the connection is given up.
    let broken = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\n";
    clear(&format!("{}{broken}C| Subject: hi\\r\\n", hello(&[]))).run(|session| {
        session.open().unwrap();
        let chunks: [&[u8]; 2] = [b"Subject: hi\r\n", smtp_tests::script::SOURCE_FAILS];
        let body = Body::Stream { kind: smtp_proto::body::BodyKind::SevenBit, size: None };
        let to = envelope(FROM, &["bob@example.net"]);
        assert!(session.send_with(&to, body, SendOptions::default(), &chunks).is_err());
        assert_eq!(judged(session), Err(Retired::Ended));
    });
}

#[test]
fn tls_that_is_due_is_not_an_open_session() {
    secure(&format!("{}C: STARTTLS\nS: 220 go\ntls fails", hello(&["STARTTLS"]))).run(|session| {
        assert!(session.open().is_err());
        assert_eq!(judged(session), Err(Retired::Ended));
    });
    let implicit = Connection::new(Config::new("mail.example").tls(TlsPolicy::Implicit), Peer::Remote);
    assert!(!implicit.is_reusable());
}

#[test]
fn limits_of_the_owner() {
    clear(&hello(&[])).run(|session| {
        session.open().unwrap();
        let connection = session.connection();
        let seconds = Duration::from_secs;
        let default = ReusePolicy::default();
        let mut none = default.clone();
        (none.max_messages, none.max_idle, none.max_age, none.check_after) =
            (None, None, None, Duration::MAX);
        let mut no_messages = default.clone();
        no_messages.max_messages = Some(0);
        for (policy, age, idle, expected) in [
            (&default, ZERO, ZERO, Ok(Reuse::AtOnce)),
            (&default, seconds(300), seconds(5), Ok(Reuse::AtOnce)),
            (&default, seconds(300), seconds(6), Ok(Reuse::AfterReset)),
            (&default, seconds(300), seconds(60), Ok(Reuse::AfterReset)),
            (&default, seconds(300), seconds(61), Err(Retired::Idle)),
            (&default, seconds(301), ZERO, Err(Retired::Age)),
            (&none, Duration::MAX, Duration::MAX, Ok(Reuse::AtOnce)),
            (&no_messages, ZERO, ZERO, Err(Retired::Messages)),
        ] {
            assert_eq!(policy.judge(connection, age, idle), expected, "{policy:?}, {age:?}, {idle:?}");
        }
    });
}

#[test]
fn a_server_that_refused_a_login_is_left_alone_for_five_minutes() {
    assert_eq!(Logins::PAUSE, Duration::from_secs(300));
}

#[test]
fn a_refused_login_is_told_from_one_that_may_succeed_later() {
    for (reply, refused) in [("535 5.7.8 no", true), ("454 4.7.0 later", false), ("421 bye", false)] {
        let script = format!("{}C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: {reply}\n", hello(&["AUTH PLAIN"]));
        clear(&script).local().run(|session| {
            session.open().unwrap();
            let mut plain = Plain::new("", "tim", "tanstaaf", "mail.example");
            let error = session.auth(&mut plain).unwrap_err();
            assert_eq!(error.is_login_refused(), refused, "{error}");
        });
    }
}
