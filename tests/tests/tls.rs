//! TLS, STARTTLS, and attempts to do without them. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{clear, config, ehlo, hello, hello_tls, secure, steps};
use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::command::{AuthCommand, Command, DataCommand};
use smtp_proto::connection::{Event, Stage, TimeoutPhase, TlsPolicy};
use smtp_proto::error::{Error, Misuse, ProtocolError};
use smtp_proto::flow::Step;
use smtp_proto::params::{MailParameters, RcptParameters};
use smtp_proto::sasl::{MechanismError, Plain};
use smtp_tests::script::{Scenario, Session};

fn plain() -> Plain {
    Plain::new("", "tim", "tanstaaf", "mail.example")
}

/// Opens, and then tries everything that a careless caller might.
fn open_and_insist(session: &mut Session) -> Result<(), Error> {
    let opened = session.open();
    if let Err(error) = &opened {
        assert!(error.to_string().contains("; nothing more was sent"), "{error}");
        assert!(session.connection().failure().is_some());
        assert!(!session.connection().security().is_tls());
        assert!(session.auth(&mut plain()).is_err());
        let _ = session.quit();
        assert_eq!(session.open(), Err(Error::Poisoned));
    }
    opened
}

/// The same under opportunistic TLS: once STARTTLS was on offer, there is no way back to clear text.
fn starttls_answered(answer: &str) -> Result<(), Error> {
    let script = format!("{}C: STARTTLS\n{answer}", hello(&["STARTTLS", "AUTH PLAIN"]));
    let required = secure(&script).run(open_and_insist);
    let opportunistic = Scenario::new(config(TlsPolicy::Opportunistic)).script(&script).run(open_and_insist);
    assert_eq!(required, opportunistic, "{answer}");
    required
}

#[test]
fn t01_octets_behind_220_to_starttls_are_fatal() {
    let residue = Err(ProtocolError::StartTlsResidue.into());
    assert_eq!(starttls_answered(r"S| 220 ready\r\n250-evil\r\n250 AUTH PLAIN\r\n"), residue);
    assert_eq!(starttls_answered(r"S| 220 ready\r\n\r\n"), residue, "a blank line too");
    assert_eq!(starttls_answered(r"S| 220 ready\r\n\0"), residue);
    assert_eq!(starttls_answered(r"S| 220 ready\n2"), residue);
}

#[test]
fn t02_a_begun_line_behind_220_is_fatal() {
    assert_eq!(
        starttls_answered(r"S| 220 ready\r\n250-AUTH PLAIN "),
        Err(ProtocolError::StartTlsResidue.into())
    );
}

#[test]
fn t03_a_segment_in_clear_before_the_handshake_is_fatal() {
    assert_eq!(starttls_answered("S: 220 ready\n\nS: 250 x"), Err(ProtocolError::StartTlsResidue.into()));
}

#[test]
fn t04_a_220_of_several_lines_is_one_reply() {
    let script =
        format!("{}C: STARTTLS\nS: 220-first\nS: 220 second\ntls\n{}", hello(&["STARTTLS"]), ehlo(&["SIZE"]));
    secure(&script).run(|session| {
        session.open().unwrap();
        assert!(session.connection().security().is_tls());
    });
}

#[test]
fn t05_server_tls_octets_behind_the_220_are_fatal() {
    assert_eq!(
        starttls_answered(r"S| 220 ready\r\n\x16\x03\x03\x00\x31\x02"),
        Err(ProtocolError::StartTlsResidue.into())
    );
}

#[test]
fn t06_nothing_learned_in_clear_outlives_the_handshake() {
    let script = format!(
        "{}C: STARTTLS\nS: 220 go\ntls\n{}",
        hello(&["STARTTLS", "AUTH PLAIN", "SIZE 10", "PIPELINING"]),
        ehlo(&["8BITMIME"])
    );
    Scenario::new(config(TlsPolicy::None)).script(script).run(|session| {
        session.open().unwrap();
        let mut queued = false;
        session
            .run(
                steps(|connection| {
                    if !queued {
                        connection.command(Command::StartTls)?;
                        queued = true;
                    }
                    if let Some(event) = connection.poll_event()? {
                        assert!(matches!(event, Event::Reply { stage: Stage::StartTls, .. }));
                        assert!(connection.capabilities().is_empty(), "forgotten with the 220 already");
                        return Ok(Step::UpgradeTls(connection.tls_upgrade().expect("a handshake is due")));
                    }
                    Ok(if connection.security().is_tls() { Step::Done(()) } else { Step::Continue })
                }),
                &[],
            )
            .unwrap();
        let connection = session.connection();
        assert!(connection.capabilities().is_empty());
        assert!(connection.server_info().mechanisms.is_empty());
        assert_eq!(connection.capabilities().size_limit(), None);
        assert!(!connection.is_pipelining() && !connection.is_ready() && !connection.is_authenticated());
        let (from, to) = ("a@b.example".parse().unwrap(), "c@d.example".parse().unwrap());
        let data = DataCommand { rules: BodyRules::new(BodyKind::SevenBit), size: None };
        for command in [
            Command::Mail(&from, &MailParameters::new()),
            Command::Rcpt(&to, &RcptParameters::new()),
            Command::Data(data),
            Command::Auth(AuthCommand { mechanism: "PLAIN", initial_response: None }),
            Command::Expn("a"),
            Command::Help(""),
            Command::Etrn("a.example"),
            Command::StartTls,
            Command::Rset,
            Command::Noop,
            Command::Vrfy("a"),
            Command::Custom("XFOO"),
        ] {
            assert_eq!(connection.command(command), Err(Misuse::BeforeHello.into()));
            assert!(connection.output().is_empty());
        }
        let chunks = connection.begin_chunks(data);
        assert!(
            matches!(chunks, Err(Error::Misuse(Misuse::BeforeHello) | Error::Unsupported(_))),
            "{chunks:?}"
        );
        assert!(connection.output().is_empty());
        session.hello().unwrap();
        assert!(session.connection().is_ready());
    });
}

#[test]
fn t07_only_the_mechanisms_named_under_tls_count() {
    let script = |before: &str, after: &[&str], then: &str| {
        format!("{}C: STARTTLS\nS: 220 go\ntls\n{}{then}", hello(&["STARTTLS", before]), ehlo(after))
    };
    secure(&script("AUTH PLAIN CRAM-MD5 X", &[], "")).run(|session| {
        session.open().unwrap();
        assert_eq!(session.auth(&mut plain()), Err(Error::NoMechanism));
        assert!(session.connection().is_ready());
    });
    let works = "C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 235 ok";
    secure(&script("SIZE", &["AUTH PLAIN"], works)).run(|session| {
        session.open().unwrap();
        session.auth(&mut plain()).unwrap();
        assert!(session.connection().is_authenticated());
    });
}

#[test]
fn t08_starttls_offered_again_is_ignored() {
    secure(&hello_tls(&["STARTTLS"])).run(|session| {
        session.open().unwrap();
        assert_eq!(session.start_tls(), Err(Misuse::AlreadyTls.into()));
        assert!(session.connection().is_ready());
        assert!(session.connection().output().is_empty());
    });
}

#[test]
fn t09_a_stripped_starttls_ends_the_session() {
    let script = "S: 220 x\nC: EHLO client.test\nS: 250-x\nS: 250 AUTH PLAIN LOGIN";
    assert_eq!(secure(script).run(open_and_insist), Err(Error::TlsRequired));
}

#[test]
fn t10_only_220_begins_tls() {
    for code in [
        502, 454, 354, 501, 500, 530, 550, 554, 421, 221, 250, 235, 251, 211, 200, 299, 334, 300, 450, 221,
        553,
    ] {
        for answer in [format!("S: {code} no"), format!("S: {code}-no\nS: {code} no"), format!("S: {code}")] {
            let error = starttls_answered(&answer).expect_err("refused");
            assert_eq!(error.reply().map(|reply| reply.code().get()), Some(code), "{error}");
        }
    }
    for garbage in ["S: 099 x", "S: 600 x", "S: 22", "S: go ahead", r"S| 220-a\r\n221 b\r\n", "close"] {
        assert!(starttls_answered(garbage).unwrap_err().is_fatal(), "{garbage}");
    }
}

#[test]
fn t11_a_refused_ehlo_never_leads_to_helo_where_tls_is_required() {
    for code in [500, 501, 502, 504, 530, 550, 554, 450] {
        let script = format!("S: 220 x\nC: EHLO client.test\nS: {code} no");
        let opened = Scenario::new(config(TlsPolicy::Required)).script(&script).run(open_and_insist);
        let error = opened.expect_err("refused");
        assert!(matches!(&error, Error::Refused { stage: Stage::Ehlo, reply } if reply.code().get() == code));
        let implicit = format!("tls\n{script}");
        let opened =
            Scenario::new(config(TlsPolicy::Implicit)).script(&implicit).run(|session| session.open());
        assert!(matches!(opened, Err(Error::Refused { stage: Stage::Ehlo, .. })));
    }
    let first = "S: 220 x\nC: EHLO client.test\n";
    let opened = secure(&format!("{first}S: 421 bye")).run(open_and_insist);
    assert!(matches!(opened, Err(Error::ServerClosed { stage: Some(Stage::Ehlo), .. })));
}

#[test]
fn t11_helo_follows_only_the_codes_that_say_ehlo_is_unknown() {
    let first = "S: 220 x\nC: EHLO client.test\n";
    for policy in [TlsPolicy::None, TlsPolicy::Opportunistic] {
        let meet = |script: &str| Scenario::new(config(policy)).script(script).run(|session| session.open());
        for code in [500, 502, 504, 550] {
            let script = format!("{first}S: {code} what?\nC: HELO client.test\n");
            assert_eq!(meet(&format!("{script}S: 250 hi")), Ok(()));
            // The first error is the one that is told.
            for second in [500, 550, 554, 450] {
                let error = meet(&format!("{script}S: {second} no")).unwrap_err();
                assert!(
                    matches!(&error, Error::Refused { stage: Stage::Ehlo, reply } if reply.code().get() == code)
                );
            }
        }
        for code in [501, 503, 530, 552, 554, 555, 450, 451] {
            let error = meet(&format!("{first}S: {code} no")).unwrap_err();
            assert!(
                matches!(&error, Error::Refused { stage: Stage::Ehlo, reply } if reply.code().get() == code)
            );
        }
        for end in ["S: 421 bye", "close", "reset", "pause", "S: 354 go", "S: 220 hi"] {
            assert!(meet(&format!("{first}{end}")).unwrap_err().is_fatal(), "{end}");
        }
    }
}

#[test]
fn t12_a_greeting_that_is_not_220_ends_the_session() {
    for code in [354, 221, 500, 501, 530, 554, 421, 250, 200, 211, 235, 251, 334, 450, 599] {
        for policy in [TlsPolicy::Required, TlsPolicy::Opportunistic, TlsPolicy::None] {
            let scenario = Scenario::new(config(policy)).script(format!("S: {code} no"));
            let error = scenario.run(open_and_insist).unwrap_err();
            assert_eq!(error.reply().map(|reply| reply.code().get()), Some(code));
        }
    }
}

#[test]
fn t13_a_greeting_of_another_protocol_is_fatal() {
    for greeting in [
        r"S| SSH-2.0-x\r\n",
        r"S| HTTP/1.1 400 Bad Request\r\n\r\n",
        r"S| \x15\x03\x01\x00\x02\x02\x28",
        r"S| +OK POP3\r\n",
        r"S| * OK IMAP\r\n",
    ] {
        for policy in [TlsPolicy::Required, TlsPolicy::Opportunistic, TlsPolicy::None] {
            let error = Scenario::new(config(policy)).script(greeting).run(open_and_insist).unwrap_err();
            assert!(
                matches!(error, Error::Protocol(ProtocolError::Reply { stage: Some(Stage::Greeting), .. })),
                "{greeting} {error:?}"
            );
        }
        let implicit = Scenario::new(config(TlsPolicy::Implicit)).script(greeting).run(open_and_insist);
        assert_eq!(implicit, Err(ProtocolError::ClearTextBeforeTls.into()), "{greeting}");
    }
}

#[test]
fn t14_opportunistic_tells_and_keeps_secrets() {
    let meet = |script: &str| {
        Scenario::new(config(TlsPolicy::Opportunistic)).script(script).run(|session| {
            session.open()?;
            let tls = session.connection().security().is_tls();
            let refused = Error::Mechanism(MechanismError::NotEncrypted);
            if !tls {
                assert_eq!(session.auth(&mut plain()), Err(refused));
            }
            Ok(tls)
        })
    };
    assert_eq!(meet(&hello(&["AUTH PLAIN"])), Ok(false));
    assert_eq!(meet(&hello_tls(&["AUTH PLAIN"])), Ok(true));
    let refused: Result<bool, Error> = meet(&format!("{}C: STARTTLS\nS: 502 no", hello(&["STARTTLS"])));
    assert!(matches!(refused, Err(Error::Refused { stage: Stage::StartTls, .. })));
}

#[test]
fn t15_after_a_failed_handshake_nothing_is_said() {
    for end in ["tls fails", "close", "reset", "pause"] {
        let expected = match end {
            "pause" => Error::Timeout(TimeoutPhase::TlsHandshake),
            _ => Error::TlsFailed,
        };
        assert_eq!(starttls_answered(&format!("S: 220 go\n{end}")), Err(expected.clone()), "{end}");
        let implicit = Scenario::new(config(TlsPolicy::Implicit)).script(end).run(open_and_insist);
        assert_eq!(implicit, Err(expected), "{end}");
    }
}

#[test]
fn t17_implicit_tls_to_a_clear_text_port_sends_nothing() {
    let opened =
        Scenario::new(config(TlsPolicy::Implicit)).script("S: 220 mail.example").run(open_and_insist);
    assert_eq!(opened, Err(ProtocolError::ClearTextBeforeTls.into()));
    // Who does the handshake finds out as well, and says so.
    Scenario::new(config(TlsPolicy::Implicit)).run(|session| {
        session.connection().tls_answered_in_clear();
        assert_eq!(session.open(), Err(Error::Poisoned));
        let failure = session.connection().failure().unwrap().to_string();
        assert!(
            failure.contains("a STARTTLS port?") && failure.ends_with("; nothing more was sent"),
            "{failure}"
        );
    });
}

#[test]
fn t18_implicit_tls_begins_with_the_handshake() {
    let script = format!("tls\n{}", hello(&["STARTTLS"]));
    Scenario::new(config(TlsPolicy::Implicit)).script(&script).run(|session| {
        let connection = session.connection();
        assert!(!connection.security().is_tls());
        assert_eq!(connection.command(Command::Ehlo(&"x".parse().unwrap())), Err(Misuse::TlsPending.into()));
        assert_eq!(connection.command(Command::Quit), Err(Misuse::TlsPending.into()));
        assert!(connection.output().is_empty());
        session.open().unwrap();
        assert!(session.connection().security().is_tls());
    });
}

#[test]
fn t19_a_reply_before_the_question_is_fatal_inside_tls_too() {
    let unasked = "\nS: 250 x";
    secure(&format!("{}{unasked}", hello_tls(&["SIZE"]))).run(|session| {
        session.open().unwrap();
        session.hear_idle();
        assert_eq!(session.command(Command::Noop), Err(ProtocolError::Surplus.into()));
    });
    // In the same segment as the EHLO reply.
    let joined = hello_tls(&["SIZE"]);
    secure(&format!("{}\nS: 250 x", joined.trim_end())).run(|session| {
        session.open().unwrap();
        assert_eq!(session.command(Command::Noop), Err(ProtocolError::Surplus.into()));
    });
}

#[test]
fn t20_t21_an_end_where_a_reply_is_due_is_an_error() {
    for (end, truncated) in
        [("close", false), ("reset", false), ("S| 25\nclose", true), ("S| 250-ok\\r\\n\nclose", true)]
    {
        let script = format!("{}C: NOOP\n{end}", hello_tls(&[]));
        secure(&script).run(|session| {
            session.open().unwrap();
            let stage = Some(Stage::Noop);
            let expected = Error::Disconnected { stage, truncated, credentials_sent: false };
            assert_eq!(session.command(Command::Noop), Err(expected));
        });
    }
    for end in ["S: 221 bye\nclose", "S: 221 bye", "close", "reset", "S: 0", "S: 500 what?", "pause"] {
        secure(&format!("{}C: QUIT\n{end}", hello_tls(&[]))).run(|session| {
            session.open().unwrap();
            assert_eq!(session.quit(), Ok(()), "{end}");
        });
    }
}

#[test]
fn t23_starttls_is_never_pipelined() {
    let script = format!("{}C: RSET\nS: 250 ok", hello(&["STARTTLS", "PIPELINING"]));
    clear(&script).run(|session| {
        session.open().unwrap();
        let rset = session.connection().command(Command::Rset).unwrap();
        assert_eq!(
            session.connection().command(Command::StartTls),
            Err(Misuse::NotPipelined(Stage::StartTls).into())
        );
        session
            .run(
                steps(|connection| {
                    Ok(match connection.poll_event()? {
                        Some(Event::Reply { id, .. }) if id == rset => Step::Done(()),
                        _ => Step::Continue,
                    })
                }),
                &[],
            )
            .unwrap();
        assert!(session.connection().is_idle());
    });
}

#[test]
fn t23_nothing_is_queued_behind_starttls() {
    clear(&format!("{}C: STARTTLS\nS: 220 go\ntls fails", hello(&["STARTTLS", "PIPELINING"]))).run(
        |session| {
            session.open().unwrap();
            session.connection().command(Command::StartTls).unwrap();
            let pending = Misuse::AwaitingReply(Stage::StartTls);
            assert_eq!(session.connection().command(Command::Noop), Err(pending.into()));
            let upgrade = steps(|connection| {
                Ok(match connection.poll_event()? {
                    Some(_) => Step::UpgradeTls(connection.tls_upgrade().unwrap()),
                    None => Step::<()>::Continue,
                })
            });
            assert_eq!(session.run(upgrade, &[]), Err(Error::TlsFailed));
        },
    );
}

#[test]
fn t24_starttls_inside_a_transaction_is_misuse() {
    let script = format!("{}C: MAIL FROM:<a@b.example>\nS: 250 ok", hello(&["STARTTLS"]));
    clear(&script).run(|session| {
        session.open().unwrap();
        let from = "a@b.example".parse().unwrap();
        session.command(Command::Mail(&from, &MailParameters::new())).unwrap();
        assert_eq!(session.start_tls(), Err(Misuse::InTransaction(Stage::StartTls).into()));
        assert!(session.connection().in_transaction());
    });
}
