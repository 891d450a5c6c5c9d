//! Each outcome by itself: what it says of a retry, how it is shown, and which of several is told.

#![allow(clippy::unwrap_used, clippy::panic)]

use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use core::error::Error as _;

use super::*;
use crate::error::{Misuse, ProtocolError};
use crate::reply::ReplyCode;

fn reply(code: u16) -> Reply {
    said(code, "x")
}

fn said(code: u16, text: &str) -> Reply {
    Reply::new(ReplyCode::new(code).unwrap(), text.as_bytes())
}

/// What became of a recipient with these replies to RCPT and to the end of the message.
fn recipient(rcpt: Option<u16>, verdict: Option<u16>) -> RecipientOutcome {
    let state = RecipientState::NotSent;
    RecipientOutcome { reply: rcpt.map(reply), verdict: verdict.map(reply), state }
}

fn rejected(stage: Stage, code: u16, recipients: Vec<RecipientOutcome>) -> SendError {
    SendError::Rejected { stage, reply: reply(code).into(), recipients }
}

fn delivery(code: u16, recipients: Vec<RecipientOutcome>) -> Delivery {
    Delivery { reply: reply(code), recipients, first_long_line: None }
}

#[test]
fn s10_what_refused_a_recipient_and_for_how_long() {
    // (RCPT, verdict) is accepted, transient, permanent
    for (rcpt, verdict, expected) in [
        (None, None, [false, false, false]),
        (Some(250), None, [true, false, false]),
        (Some(251), None, [true, false, false]),
        (Some(252), None, [true, false, false]),
        (Some(450), None, [false, true, false]),
        (Some(452), None, [false, true, false]),
        (Some(550), None, [false, false, true]),
        // RFC 5321 §4.5.3.1.10: too many recipients, so not for good.
        (Some(552), None, [false, true, false]),
        (Some(250), Some(250), [true, false, false]),
        (Some(250), Some(451), [false, true, false]),
        (Some(250), Some(550), [false, false, true]),
        // As a verdict it speaks of the message.
        (Some(250), Some(552), [false, false, true]),
    ] {
        let outcome = recipient(rcpt, verdict);
        let told = [outcome.is_accepted(), outcome.is_transient(), outcome.is_permanent()];
        assert_eq!(told, expected, "{rcpt:?} {verdict:?}");
    }
}

#[test]
fn s10_one_too_many_is_told_from_a_full_mailbox() {
    let too_many =
        |reply| RecipientOutcome { reply: Some(reply), verdict: None, state: RecipientState::Refused };
    for (code, text, expected) in [
        (452, "too many", true),
        (552, "too many", true),
        (450, "too many", false),
        (550, "too many", false),
        (250, "4.5.3 ok", false),
        (452, "4.5.3 too many", true),
        (550, "5.5.3 too many", true),
        (452, "4.2.2 mailbox full", false),
        (552, "5.2.2 mailbox full", false),
        (452, "4.5.2 x", false),
        (452, "4.3.3 x", false),
    ] {
        assert_eq!(too_many(said(code, text)).is_one_too_many(), expected, "{code} {text}");
    }
    assert!(!RecipientOutcome::not_sent().is_one_too_many());
}

#[test]
fn o08_what_an_error_says_of_a_retry() {
    let lost = || Error::Abandoned;
    let not_sent = |cause| SendError::NotSent { cause, recipients: vec![] };
    let unknown = SendError::Unknown { cause: lost(), recipients: vec![] };
    let of_all = |codes: &[u16]| codes.iter().map(|&code| recipient(Some(code), None)).collect::<Vec<_>>();
    // (error) is transient, permanent, safe to retry
    for (error, expected) in [
        (rejected(Stage::Mail, 451, vec![]), [true, false, true]),
        (rejected(Stage::Mail, 550, vec![]), [false, true, true]),
        (rejected(Stage::EndOfData, 552, of_all(&[250])), [false, true, true]),
        // Of refused recipients one that may be taken later is enough; without them the reply tells.
        (rejected(Stage::Rcpt, 550, of_all(&[550, 450])), [true, false, true]),
        (rejected(Stage::Rcpt, 552, of_all(&[552])), [true, false, true]),
        (rejected(Stage::Rcpt, 450, of_all(&[550])), [false, true, true]),
        (rejected(Stage::Rcpt, 450, vec![]), [true, false, true]),
        (rejected(Stage::Rcpt, 550, vec![]), [false, true, true]),
        (rejected(Stage::Data, 450, of_all(&[550])), [true, false, true]),
        (not_sent(Misuse::NoRecipient.into()), [false, false, true]),
        (unknown.clone(), [lost().is_transient(), lost().is_permanent(), false]),
    ] {
        let told = [error.is_transient(), error.is_permanent(), error.is_safe_to_retry()];
        assert_eq!(told, expected, "{error:?}");
    }
}

#[test]
fn o08_where_another_server_may_take_it() {
    let not_sent = |cause| SendError::NotSent { cause, recipients: vec![] };
    let refused = |stage, code| Error::Refused { stage, reply: reply(code).into() };
    let closed = |stage| Error::ServerClosed { stage, reply: reply(421).into() };
    for (error, expected) in [
        (not_sent(Error::NotConnected), true),
        (not_sent(closed(None)), true),
        (not_sent(closed(Some(Stage::Mail))), true),
        // A greeting of 554: this host wants no mail, the domain may.
        (not_sent(refused(Stage::Greeting, 554)), true),
        (not_sent(refused(Stage::Ehlo, 550)), true),
        (not_sent(Error::TlsFailed), true),
        (not_sent(Error::Poisoned), true),
        (not_sent(Error::Unsupported(crate::capabilities::Extension::SmtpUtf8)), true),
        (not_sent(Error::TooLarge { size: 2, limit: 1 }), true),
        (rejected(Stage::Mail, 451, vec![]), true),
        (rejected(Stage::EndOfData, 451, vec![]), true),
        (rejected(Stage::Rcpt, 550, vec![recipient(Some(550), None), recipient(Some(450), None)]), true),
        (rejected(Stage::Mail, 550, vec![]), false),
        (rejected(Stage::Rcpt, 550, vec![recipient(Some(550), None)]), false),
        (rejected(Stage::EndOfData, 554, vec![]), false),
        (not_sent(Misuse::NoRecipient.into()), false),
        (not_sent(Error::BodySource), false),
        (SendError::Unknown { cause: Error::NotConnected, recipients: vec![] }, false),
        (SendError::Unknown { cause: closed(Some(Stage::EndOfData)), recipients: vec![] }, false),
    ] {
        assert_eq!(error.may_be_taken_elsewhere(), expected, "{error:?}");
    }
}

#[test]
fn an_error_says_what_happened_and_why() {
    let surplus: Error = ProtocolError::Surplus.into();
    let recipients = || vec![RecipientOutcome::not_sent()];
    let refusal =
        SendError::Rejected { stage: Stage::Data, reply: said(554, "no").into(), recipients: recipients() };
    assert_eq!(refusal.to_string(), "message rejected at DATA: 554 no");
    assert_eq!((refusal.cause(), refusal.reply()), (None, Some(&said(554, "no"))));
    assert!(refusal.source().is_none());
    let closed = Error::ServerClosed { stage: None, reply: said(421, "bye").into() };
    let not_sent = SendError::NotSent { cause: closed.clone(), recipients: recipients() };
    assert_eq!(not_sent.to_string(), format!("message not sent: {closed}"));
    assert_eq!((not_sent.cause(), not_sent.reply()), (Some(&closed), Some(&said(421, "bye"))));
    assert_eq!(not_sent.source().unwrap().to_string(), closed.to_string());
    let unknown = SendError::Unknown { cause: surplus.clone(), recipients: recipients() };
    let words = format!("message sent, but no verdict came (it may have been delivered): {surplus}");
    assert_eq!(unknown.to_string(), words);
    assert_eq!((unknown.cause(), unknown.reply()), (Some(&surplus), None));
    for error in [refusal, not_sent, unknown] {
        assert_eq!(error.recipients(), recipients());
        assert_eq!(error.with_recipients(vec![]).recipients(), []);
    }
}

#[test]
fn o02_a_broken_connection_is_judged_by_what_left_and_what_was_answered() {
    let closed = |stage, code| Error::ServerClosed { stage, reply: reply(code).into() };
    let refused = |stage| Error::Refused { stage, reply: reply(554).into() };
    let verdict =
        |error: &Error, unanswered, answered| match SendError::of(error.clone(), unanswered, answered) {
            SendError::Rejected { .. } => "rejected",
            SendError::NotSent { .. } => "not sent",
            SendError::Unknown { .. } => "unknown",
        };
    // Unanswered and answered; unanswered alone; answered alone; neither.
    let all = |error: Error| {
        [(true, true), (true, false), (false, true), (false, false)]
            .map(|(unanswered, answered)| verdict(&error, unanswered, answered))
    };
    let by_what_left = ["unknown", "unknown", "not sent", "not sent"];
    for stage in [Stage::EndOfData, Stage::Data, Stage::Bdat] {
        assert_eq!(all(refused(stage)), ["rejected", "unknown", "rejected", "not sent"], "{stage:?}");
    }
    for stage in [Stage::EndOfData, Stage::Mail] {
        assert_eq!(
            all(closed(Some(stage), 421)),
            ["not sent", "unknown", "not sent", "not sent"],
            "{stage:?}"
        );
        // 221 is no 4yz.
        assert_eq!(all(closed(Some(stage), 221)), by_what_left);
    }
    for error in [closed(None, 421), closed(Some(Stage::Rcpt), 421), refused(Stage::Mail), Error::Abandoned] {
        assert_eq!(all(error), by_what_left);
    }
}

#[test]
fn s22_a_verdict_in_place_of_which_the_server_closes() {
    let closed = |stage, code| Error::ServerClosed { stage, reply: reply(code).into() };
    assert_eq!(closed(Some(Stage::EndOfData), 421).verdict(), Some(&reply(421)));
    for none in [closed(Some(Stage::EndOfData), 221), closed(Some(Stage::Mail), 421), closed(None, 421)] {
        assert_eq!(none.verdict(), None);
    }
}

#[test]
fn of_several_transactions_the_outcome_that_weighs_most_is_told() {
    let cause = || Error::Abandoned;
    // From the heaviest.
    let parts = || -> [Result<Delivery, SendError>; 5] {
        [
            Err(SendError::Unknown { cause: cause(), recipients: vec![] }),
            Ok(delivery(250, vec![])),
            Err(SendError::NotSent { cause: cause(), recipients: vec![] }),
            Err(rejected(Stage::Mail, 451, vec![])),
            Err(rejected(Stage::Mail, 550, vec![])),
        ]
    };
    for (i, heavy) in parts().into_iter().enumerate() {
        for light in parts().into_iter().skip(i + 1) {
            assert_eq!(joined(vec![heavy.clone(), light.clone()]), Some(heavy.clone()));
            assert_eq!(joined(vec![light, heavy.clone()]), Some(heavy.clone()));
        }
    }
    // Of two that weigh the same the first.
    let (first, second) = (Ok(delivery(250, vec![])), Ok(delivery(251, vec![])));
    assert_eq!(joined(vec![first.clone(), second]), Some(first));
    assert_eq!(joined(vec![]), None);
}

#[test]
fn each_recipient_has_the_verdict_of_its_own_transaction() {
    let two = || vec![recipient(Some(250), None), recipient(Some(550), None)];
    let verdicts = |part: Result<Delivery, SendError>| {
        let told = joined(vec![part, Ok(delivery(259, two()))]).unwrap();
        let recipients = match &told {
            Ok(delivery) => &delivery.recipients,
            Err(error) => error.recipients(),
        };
        let code = |recipient: &RecipientOutcome| recipient.verdict.as_ref().map(|reply| reply.code().get());
        recipients.iter().map(code).collect::<Vec<_>>()
    };
    let own = |first| vec![first, None, Some(259), None];
    assert_eq!(verdicts(Ok(delivery(250, two()))), own(Some(250)));
    assert_eq!(verdicts(Err(rejected(Stage::EndOfData, 554, two()))), own(Some(554)));
    // Another recipient's refusal is no verdict, nor is what went wrong.
    assert_eq!(verdicts(Err(rejected(Stage::Rcpt, 554, two()))), own(None));
    assert_eq!(verdicts(Err(SendError::NotSent { cause: Error::Abandoned, recipients: two() })), own(None));
    // One of its own, as in LMTP, stays.
    let lmtp = vec![recipient(Some(250), Some(252)), recipient(Some(550), None)];
    assert_eq!(verdicts(Ok(delivery(250, lmtp))), own(Some(252)));
}

#[test]
fn the_refusal_to_tell_is_one_that_may_pass() {
    let told = |codes: &[u16]| SendError::refused(&codes.iter().map(|&code| reply(code)).collect::<Vec<_>>());
    assert_eq!(told(&[550, 451, 452]), rejected(Stage::EndOfData, 451, vec![]));
    assert_eq!(told(&[550, 554]), rejected(Stage::EndOfData, 550, vec![]));
    assert_eq!(told(&[]), Error::Abandoned.into());
}

#[test]
fn queue_ids_are_found_and_nothing_else_is_taken_for_one() {
    let long = "a".repeat(128);
    for (text, expected) in [
        ("2.0.0 Ok: queued as 4XyZ1234", Some("4XyZ1234")),
        ("OK id=1abcDE-0001Ab-3C", Some("1abcDE-0001Ab-3C")),
        ("2.0.0 4711abcd Message accepted for delivery", Some("4711abcd")),
        ("ok 1700000000 qp 12345", Some("12345")),
        ("Ok: queued <a.b_c+d@e>", Some("a.b_c+d@e")),
        ("2.0.0 (x) queued as (4711); thanks", Some("4711")),
        (&format!("queued as {long}"), Some(&long)),
        (&format!("queued as {long}a"), None),
        ("queued as ", None),
        ("queued as <>", None),
        ("queued as a\u{e9}", None),
        ("queued as a/b", None),
        ("ok", None),
    ] {
        assert_eq!(queue_id(&said(250, text)), expected, "{text:?}");
        assert_eq!(Delivery { reply: said(250, text), ..delivery(250, vec![]) }.queue_id(), expected);
    }
}
