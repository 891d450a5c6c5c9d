//! Time budgets, on virtual time. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{BODY, BODY_LINES, FROM, config, hello, hello_tls, steps};
use smtp_proto::command::Command;
use smtp_proto::connection::{Stage, TimeoutPhase, Timeouts, TlsPolicy};
use smtp_proto::error::Error;
use smtp_proto::flow::{SendError, Step};
use smtp_proto::sasl::Plain;
use smtp_tests::script::{Scenario, Session, envelope};

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A budget of its own for each phase.
fn distinct() -> Timeouts {
    let mut timeouts = Timeouts::default();
    timeouts.greeting = secs(11);
    timeouts.hello = secs(12);
    timeouts.tls = secs(13);
    timeouts.auth = secs(14);
    timeouts.mail = secs(15);
    timeouts.rcpt = secs(16);
    timeouts.data = secs(17);
    timeouts.data_block = secs(18);
    timeouts.data_termination = secs(19);
    timeouts.rset = secs(20);
    timeouts.quit = secs(21);
    timeouts.other = secs(22);
    timeouts
}

fn scenario(timeouts: Timeouts, script: &str) -> Scenario {
    Scenario::new(config(TlsPolicy::Required).timeouts(timeouts)).script(script)
}

/// Everything a session can do; where it stopped, and how long that took.
fn everything(session: &mut Session) -> (Option<SendError>, Duration) {
    let result = (|| {
        session.open()?;
        session.auth(&mut Plain::new("", "tim", "tanstaaf", "mail.example"))?;
        session.command(Command::Noop)?;
        session.command(Command::Rset)?;
        session.send(&envelope(FROM, &["bob@example.net"]), BODY)?;
        Ok::<(), SendError>(())
    })();
    (result.err(), session.now())
}

fn whole_session() -> Vec<(String, TimeoutPhase, u64)> {
    let mut script = String::new();
    let mut stages = Vec::new();
    let mut add = |said: &str, phase, budget, answer: &str| {
        script += said;
        stages.push((script.clone(), phase, budget));
        script += answer;
    };
    let reply = TimeoutPhase::Reply;
    let offer = "S: 250-mail.example\nS: 250 STARTTLS\n";
    let offer_tls = "S: 250-mail.example\nS: 250 AUTH PLAIN\n";
    add("", reply(Stage::Greeting), 11, "S: 220 x\n");
    add("C: EHLO client.test\n", reply(Stage::Ehlo), 12, offer);
    add("C: STARTTLS\n", reply(Stage::StartTls), 13, "S: 220 go\n");
    add("", TimeoutPhase::TlsHandshake, 13, "tls\n");
    add("C: EHLO client.test\n", reply(Stage::Ehlo), 12, offer_tls);
    add("C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\n", reply(Stage::Auth), 14, "S: 235 ok\n");
    add("C: NOOP\n", reply(Stage::Noop), 22, "S: 250 ok\n");
    add("C: RSET\n", reply(Stage::Rset), 20, "S: 250 ok\n");
    add("C: MAIL FROM:<alice@example.org>\n", reply(Stage::Mail), 15, "S: 250 ok\n");
    add("C: RCPT TO:<bob@example.net>\n", reply(Stage::Rcpt), 16, "S: 250 ok\n");
    add("C: DATA\n", reply(Stage::Data), 17, "S: 354 go\n");
    add("C: Subject: hi\nstall\n", TimeoutPhase::DataBlock, 18, "");
    stages
}

fn to_dot() -> String {
    let (script, ..) = whole_session().swap_remove(10);
    format!("{script}S: 354 go\n{BODY_LINES}")
}

#[test]
fn r01_every_phase_has_its_own_budget() {
    let mut stages = whole_session();
    stages.push((to_dot(), TimeoutPhase::Reply(Stage::EndOfData), 19));
    for (script, phase, budget) in stages {
        let (error, after) = scenario(distinct(), &format!("{script}pause")).run(everything);
        let error = error.unwrap();
        // R05: only the dot's is in doubt.
        let in_doubt = phase == TimeoutPhase::Reply(Stage::EndOfData);
        assert_eq!(error.is_safe_to_retry(), !in_doubt);
        match error {
            SendError::NotSent { cause, .. } | SendError::Unknown { cause, .. } => {
                assert_eq!(cause, Error::Timeout(phase));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(after, secs(budget), "{phase:?}");
        // One second less is no timeout.
        let script = format!("{script}wait {}s\nclose", budget - 1);
        let (error, after) = scenario(distinct(), &script).run(everything);
        assert!(error.is_some());
        assert_eq!(after, secs(budget - 1), "{phase:?}");
    }
}

#[test]
fn r01_the_defaults_are_those_of_the_rfc() {
    let budget = |phase| Timeouts::default().budget(phase);
    let reply = TimeoutPhase::Reply;
    for (phase, seconds) in [
        (reply(Stage::Greeting), 300),
        (reply(Stage::Ehlo), 300),
        (reply(Stage::Helo), 300),
        (reply(Stage::StartTls), 300),
        (TimeoutPhase::TlsHandshake, 300),
        (reply(Stage::Mail), 300),
        (reply(Stage::Rcpt), 300),
        (reply(Stage::Data), 120),
        (TimeoutPhase::DataBlock, 180),
        (reply(Stage::EndOfData), 600),
        (reply(Stage::Rset), 20),
        (reply(Stage::Quit), 5),
    ] {
        assert_eq!(budget(phase), secs(seconds), "{phase:?}");
    }
    assert_eq!(Timeouts::default().connect, secs(30));
}

#[test]
fn r01_quit_waits_its_own_time_and_ends_well() {
    scenario(distinct(), &format!("{}C: QUIT\npause", hello_tls(&[]))).run(|session| {
        session.open().unwrap();
        assert_eq!(session.quit(), Ok(()));
        assert_eq!(session.now(), secs(21));
    });
}

#[test]
fn r02_drops_of_a_reply_do_not_stretch_its_budget() {
    let drops: String = "250 slow".chars().map(|c| format!("wait 21s\nS| {c}\n")).collect();
    let script = format!("{}C: NOOP\n{drops}", hello_tls(&[]));
    scenario(distinct(), &script).run(|session| {
        session.open().unwrap();
        let expected = Error::Timeout(TimeoutPhase::Reply(Stage::Noop));
        assert_eq!(session.command(Command::Noop), Err(expected));
        assert_eq!(session.now(), secs(22));
    });
}

#[test]
fn r03_lines_without_end_do_not_either() {
    let lines = "wait 1s\nS: 250-more\n".repeat(60);
    scenario(distinct(), &format!("{}C: NOOP\n{lines}", hello_tls(&[]))).run(|session| {
        session.open().unwrap();
        let expected = Error::Timeout(TimeoutPhase::Reply(Stage::Noop));
        assert_eq!(session.command(Command::Noop), Err(expected));
        assert_eq!(session.now(), secs(22));
    });
}

#[test]
fn r01_each_reply_of_a_group_has_the_whole_budget() {
    let script = format!(
        "{}C: RSET\nC: RSET\nC: RSET\nwait 19s\nS: 250 a\nwait 19s\nS: 250 b\nwait 19s\nS: 250 c",
        hello_tls(&["PIPELINING"])
    );
    scenario(distinct(), &script).run(|session| {
        session.open().unwrap();
        for _ in 0..3 {
            session.connection().command(Command::Rset).unwrap();
        }
        assert_eq!(common::collect(session).1, Ok(()));
        assert_eq!(session.now(), secs(57));
    });
}

#[test]
fn r04_a_slow_body_that_moves_is_in_time() {
    let script = format!(
        "{}S: 354 go\nC| Subject\nstall\nwait 17s\nC| : hi\\r\nstall\nwait 17s\nC| \\n\\r\\nhi\\r\\n.\\r\\n\nS: 250 ok",
        whole_session().swap_remove(10).0
    );
    scenario(distinct(), &script).run(|session| {
        let (error, after) = everything(session);
        assert_eq!((error, after), (None, secs(34)));
    });
}

#[test]
fn r06_extreme_budgets_do_not_overflow() {
    for budget in [Duration::MAX, Duration::ZERO, Duration::from_nanos(1)] {
        let script = format!("{}S: 250 ok", to_dot());
        let (error, _) = scenario(Timeouts::all(budget), &script).run(everything);
        assert_eq!(error, None);
        let (error, after) = scenario(Timeouts::all(budget), "pause").run(everything);
        assert!(matches!(error, Some(SendError::NotSent { cause: Error::Timeout(_), .. })));
        assert_eq!(after, budget);
    }
}

#[test]
fn r06_a_report_of_expiry_when_nothing_is_awaited_does_nothing() {
    Scenario::new(config(TlsPolicy::None)).script(format!("{}C: NOOP\nS: 250 ok", hello(&[]))).run(
        |session| {
            session.open().unwrap();
            assert_eq!(session.connection().timeout(), None);
            session.connection().handle_timeout();
            assert!(session.connection().failure().is_none());
            session.command(Command::Noop).unwrap();
        },
    );
}

#[test]
#[should_panic(expected = "the client waits")]
fn r10_a_client_that_waits_for_nothing_is_found_out() {
    Scenario::new(config(TlsPolicy::None)).script("S: 220 x").run(|session| {
        let _ = session.run(steps(|connection| connection.poll_event().map(|_| Step::<()>::Continue)), &[]);
    });
}
