//! Parameters and limits: what is sent, and what is refused before anything is sent (I08, RFC 9422).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, BODY_LINES, FROM, clear, hello, hello_tls, secure};
use smtp_proto::capabilities::{Extension, Limit};
use smtp_proto::command::Command;
use smtp_proto::error::{Error, Misuse};
use smtp_proto::flow::SendError;
use smtp_proto::params::{DateTime, DeliverBy, Hold, MailParameters, OutOfRange, RcptParameters};
use smtp_proto::path::{ForwardPath, ReversePath};
use smtp_tests::script::{Session, envelope};

fn moment(text: &str) -> DateTime {
    text.parse().unwrap()
}

fn mail(session: &mut Session, parameters: &MailParameters) -> Result<(), Error> {
    let from: ReversePath = FROM.parse().unwrap();
    let result = session.command(Command::Mail(&from, parameters)).map(drop);
    if result.is_err() {
        assert!(session.connection().is_idle() && session.connection().failure().is_none());
        assert!(session.connection().output().is_empty(), "refused, and yet something is written");
    }
    result
}

fn rcpt(session: &mut Session, to: &str) -> Result<(), Error> {
    let to: ForwardPath = to.parse().unwrap();
    session.command(Command::Rcpt(&to, &RcptParameters::new())).map(drop)
}

#[test]
fn i08_requiretls_needs_verified_tls_and_the_offer() {
    let parameters = MailParameters::new().require_tls();
    clear(&hello(&["REQUIRETLS"])).run(|session| {
        session.open().unwrap();
        assert_eq!(mail(session, &parameters), Err(Misuse::NeedsTls.into()));
    });
    // A peer on this machine is trusted with credentials, but it is no TLS.
    clear(&hello(&["REQUIRETLS"])).local().run(|session| {
        session.open().unwrap();
        assert_eq!(mail(session, &parameters), Err(Misuse::NeedsTls.into()));
    });
    secure(&hello_tls(&["SIZE"])).run(|session| {
        session.open().unwrap();
        assert_eq!(mail(session, &parameters), Err(Error::Unsupported(Extension::RequireTls)));
    });
    let script = format!("{}C: MAIL FROM:<{FROM}> REQUIRETLS\nS: 250 ok\n", hello_tls(&["REQUIRETLS"]));
    secure(&script).run(|session| {
        session.open().unwrap();
        mail(session, &parameters).unwrap();
    });
}

#[test]
fn i08_a_message_whose_parameters_are_refused_is_not_sent() {
    let mut envelope = envelope(FROM, &["bob@example.net"]);
    envelope.parameters = MailParameters::new().require_tls();
    clear(&hello(&["REQUIRETLS", "PIPELINING"])).run(|session| {
        session.open().unwrap();
        let error = session.send(&envelope, BODY).unwrap_err();
        assert!(
            matches!(error, SendError::NotSent { cause: Error::Misuse(Misuse::NeedsTls), .. }),
            "{error:?}"
        );
        assert!(session.connection().is_idle());
    });
}

#[test]
fn i08_parameters_of_delivery_need_their_extension() {
    let hold = |hold| MailParameters::new().hold(hold).unwrap();
    for (parameters, extension) in [
        (MailParameters::new().deliver_by(DeliverBy::or_return(60).unwrap()), Extension::DeliverBy),
        (MailParameters::new().deliver_by(DeliverBy::or_notify(-60).unwrap()), Extension::DeliverBy),
        (MailParameters::new().mt_priority(3).unwrap(), Extension::MtPriority),
        (hold(Hold::For(60)), Extension::FutureRelease),
        (hold(Hold::Until(moment("2026-08-03T12:00:00Z"))), Extension::FutureRelease),
    ] {
        clear(&hello(&["SIZE"])).run(|session| {
            session.open().unwrap();
            assert_eq!(mail(session, &parameters), Err(Error::Unsupported(extension)));
        });
        let line = format!("C: MAIL FROM:<{FROM}> {parameters}\nS: 250 ok\n");
        clear(&format!("{}{line}", hello(&[extension.keyword()]))).run(|session| {
            session.open().unwrap();
            mail(session, &parameters).unwrap();
        });
    }
}

#[test]
fn delivery_sooner_than_the_server_promises_is_refused() {
    let by = |deliver_by: DeliverBy| MailParameters::new().deliver_by(deliver_by);
    for (seconds, minimum, good) in [
        (239, "240", false),
        (240, "240", true),
        (241, "240", true),
        (1, "18446744073709551615", false),
        (1, "99999999999999999999", true),
        (1, "-1", true),
        (1, "soon", true),
        (1, "0", true),
    ] {
        let offer = format!("DELIVERBY {minimum}");
        let line = format!("C: MAIL FROM:<{FROM}> BY={seconds};R\nS: 250 ok\n");
        clear(&format!("{}{}", hello(&[&offer]), if good { &line } else { "" })).run(|session| {
            session.open().unwrap();
            let result = mail(session, &by(DeliverBy::or_return(seconds).unwrap()));
            match minimum.parse() {
                Ok(minimum) if !good => {
                    assert_eq!(result, Err(OutOfRange::DeliverBy { seconds, minimum }.into()));
                }
                _ => assert_eq!(result, Ok(()), "{offer}"),
            }
        });
    }
    // Only what is to be returned has a minimum.
    let script = format!("{}C: MAIL FROM:<{FROM}> BY=-5;NT\nS: 250 ok\n", hello(&["DELIVERBY 240"]));
    clear(&script).run(|session| {
        session.open().unwrap();
        mail(session, &by(DeliverBy::or_notify(-5).unwrap().trace())).unwrap();
    });
}

#[test]
fn a_message_is_held_no_longer_than_the_server_does() {
    let offer = "FUTURERELEASE 86400 2026-08-03T12:00:00Z";
    let latest = moment("2026-08-03T12:00:00Z");
    for (hold, refused) in [
        (Hold::For(86_399), None),
        (Hold::For(86_400), None),
        (Hold::For(86_401), Some(OutOfRange::HoldFor { seconds: 86_401, maximum: 86_400 })),
        (Hold::Until(moment("2026-08-03T11:59:59Z")), None),
        (Hold::Until(moment("2026-08-03T12:00:00.000Z")), None),
        (
            Hold::Until(moment("2026-08-03T12:00:00.001Z")),
            Some(OutOfRange::HoldUntil {
                moment: moment("2026-08-03T12:00:00.001Z"),
                maximum: latest.clone(),
            }),
        ),
    ] {
        let parameters = MailParameters::new().hold(hold).unwrap();
        let line = format!("C: MAIL FROM:<{FROM}> {parameters}\nS: 250 ok\n");
        let script = format!("{}{}", hello(&[offer]), if refused.is_none() { &line } else { "" });
        clear(&script).run(|session| {
            session.open().unwrap();
            assert_eq!(mail(session, &parameters).err(), refused.clone().map(Error::OutOfRange));
        });
    }
    // Limits that are none forbid nothing.
    for offer in ["FUTURERELEASE", "FUTURERELEASE 0 never", "FUTURERELEASE -1 2026-13-01T00:00:00Z"] {
        let script = format!("{}C: MAIL FROM:<{FROM}> HOLDFOR=999999999\nS: 250 ok\n", hello(&[offer]));
        clear(&script).run(|session| {
            session.open().unwrap();
            mail(session, &MailParameters::new().hold(Hold::For(999_999_999)).unwrap()).unwrap();
        });
    }
}

#[test]
fn mailmax_counts_the_transactions_of_a_session() {
    let mail_line = format!("C: MAIL FROM:<{FROM}>\n");
    let script = format!(
        "{}{mail_line}S: 250 ok\nC: RSET\nS: 250 ok\n{mail_line}S: 450 not now\n",
        hello(&["LIMITS MAILMAX=2"])
    );
    clear(&script).run(|session| {
        assert_eq!(session.connection().transactions_left(), None);
        session.open().unwrap();
        assert_eq!(session.connection().transactions_left(), Some(2));
        mail(session, &MailParameters::new()).unwrap();
        assert_eq!(session.connection().transactions_left(), Some(1));
        session.command(Command::Rset).unwrap();
        // A refused one counts as well.
        assert!(matches!(mail(session, &MailParameters::new()), Err(Error::Refused { .. })));
        assert_eq!(session.connection().transactions_left(), Some(0));
        let reached = Error::LimitReached { limit: Limit::MailMax, max: 2 };
        assert_eq!(mail(session, &MailParameters::new()), Err(reached.clone()));
        let error = session.send(&envelope(FROM, &["bob@example.net"]), BODY).unwrap_err();
        assert!(matches!(&error, SendError::NotSent { cause, .. } if *cause == reached), "{error:?}");
        assert!(error.is_safe_to_retry());
        assert_eq!(
            reached.to_string(),
            "the server takes at most 2 mail transactions in a session (MAILMAX)"
        );
    });
}

#[test]
fn mailmax_is_not_reached_by_messages_within_it() {
    let message = format!(
        "C: MAIL FROM:<{FROM}>\nC: RCPT TO:<bob@example.net>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n{BODY_LINES}S: 250 ok\n"
    );
    let script = format!("{}{message}{message}", hello(&["PIPELINING", "LIMITS MAILMAX=2 RCPTMAX=1"]));
    clear(&script).run(|session| {
        session.open().unwrap();
        for _ in 0..2 {
            session.send(&envelope(FROM, &["bob@example.net"]), BODY).unwrap();
        }
        let error = session.send(&envelope(FROM, &["bob@example.net"]), BODY).unwrap_err();
        assert!(matches!(error, SendError::NotSent { cause: Error::LimitReached { .. }, .. }), "{error:?}");
    });
}

#[test]
fn rcptmax_counts_the_recipients_of_a_transaction() {
    let transaction = format!(
        "C: MAIL FROM:<{FROM}>\nS: 250 ok\nC: RCPT TO:<a@example.net>\nS: 250 ok\nC: RCPT TO:<b@example.net>\nS: 550 no\nC: RSET\nS: 250 ok\n"
    );
    let script = format!("{}{transaction}{transaction}", hello(&["LIMITS RCPTMAX=2"]));
    clear(&script).run(|session| {
        session.open().unwrap();
        for _ in 0..2 {
            mail(session, &MailParameters::new()).unwrap();
            rcpt(session, "a@example.net").unwrap();
            assert!(matches!(rcpt(session, "b@example.net"), Err(Error::Refused { .. })));
            let reached = Error::LimitReached { limit: Limit::RcptMax, max: 2 };
            assert_eq!(rcpt(session, "c@example.net"), Err(reached));
            assert!(session.connection().in_transaction() && session.connection().output().is_empty());
            session.command(Command::Rset).unwrap();
        }
    });
}

#[test]
fn rcptdomainmax_counts_the_domains_of_a_session() {
    let mail_line = format!("C: MAIL FROM:<{FROM}>\nS: 250 ok\n");
    let to = |path: &str| format!("C: RCPT TO:<{path}>\nS: 250 ok\n");
    let script = format!(
        "{}{mail_line}{}{}{}C: RSET\nS: 250 ok\n{mail_line}{}{}",
        hello(&["LIMITS RCPTDOMAINMAX=2"]),
        to("a@one.example"),
        to("b@ONE.example"),
        to("postmaster"),
        to("a@two.example"),
        to("c@one.example"),
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        let reached = Err(Error::LimitReached { limit: Limit::RcptDomainMax, max: 2 });
        mail(session, &MailParameters::new()).unwrap();
        rcpt(session, "a@one.example").unwrap();
        rcpt(session, "b@ONE.example").unwrap();
        rcpt(session, "postmaster").unwrap();
        session.command(Command::Rset).unwrap();
        mail(session, &MailParameters::new()).unwrap();
        rcpt(session, "a@two.example").unwrap();
        assert_eq!(rcpt(session, "a@three.example"), reached);
        rcpt(session, "c@one.example").unwrap();
        assert_eq!(rcpt(session, "a@[192.0.2.1]"), reached);
    });
}

#[test]
fn limits_that_are_none_limit_nothing() {
    for offer in ["LIMITS", "LIMITS MAILMAX=0 RCPTMAX=x", "LIMITS RCPTMAX=99999999999999999999999"] {
        let script = format!(
            "{}C: MAIL FROM:<{FROM}>\nS: 250 ok\nC: RCPT TO:<a@b.example>\nS: 250 ok\n",
            hello(&[offer])
        );
        clear(&script).run(|session| {
            session.open().unwrap();
            assert_eq!(session.connection().transactions_left(), None);
            mail(session, &MailParameters::new()).unwrap();
            rcpt(session, "a@b.example").unwrap();
        });
    }
}

#[test]
fn a_message_to_more_recipients_than_the_server_takes_is_not_begun() {
    for (offer, limit, max) in [
        ("LIMITS RCPTMAX=2", Limit::RcptMax, 2),
        ("LIMITS RCPTMAX=5 RCPTDOMAINMAX=1", Limit::RcptDomainMax, 1),
    ] {
        clear(&hello(&["PIPELINING", offer])).run(|session| {
            session.open().unwrap();
            let to = ["a@one.example", "b@one.example", "c@two.example"];
            let error = session.send(&envelope(FROM, &to), BODY).unwrap_err();
            let reached = Error::LimitReached { limit, max };
            assert!(matches!(&error, SendError::NotSent { cause, .. } if *cause == reached), "{error:?}");
            assert!(session.connection().is_idle() && !session.connection().in_transaction());
            let paths: Vec<ForwardPath> = to.iter().map(|path| path.parse().unwrap()).collect();
            assert_eq!(session.connection().check_recipients(&paths), Err(reached));
            assert_eq!(session.connection().check_recipients(&paths[..2]), Ok(()));
        });
    }
}
