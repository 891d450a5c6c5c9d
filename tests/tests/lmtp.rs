//! LMTP (RFC 2033), as transcripts. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{FROM, config};
use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::connection::{Protocol, Stage, TlsPolicy};
use smtp_proto::error::{Error, Misuse};
use smtp_proto::flow::{Body, Delivery, RecipientState, SendError, SendOptions, Transfer};
use smtp_tests::script::{Scenario, Session, envelope};

use RecipientState::{Accepted, NotSent, Refused, Unknown};

const HELLO: &str = "S: 220 mail.example LMTP\nC: LHLO client.test\nS: 250-mail.example\nS: 250-PIPELINING\nS: 250 CHUNKING\n\n";
const TO: [&str; 3] = ["a@example.net", "b@example.net", "c@example.net"];
/// MAIL and three recipients.
const GROUP: &str = "C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<a@example.net>\nC: RCPT TO:<b@example.net>\nC: RCPT TO:<c@example.net>\n";

fn lmtp(script: &str) -> Scenario {
    Scenario::new(config(TlsPolicy::None).protocol(Protocol::Lmtp)).script(script)
}

fn send(lines: &str, transfer: Transfer) -> Result<Delivery, SendError> {
    lmtp(&format!("{HELLO}{lines}")).run(|session| {
        session.open().unwrap();
        let options = SendOptions::default().transfer(transfer);
        session.send_with(&envelope(FROM, &TO), Body::Whole(b"hi\r\n"), options, &[b"hi\r\n"])
    })
}

/// The message to three recipients, of whom these are accepted, up to where the verdicts are due.
fn to_verdicts(transfer: Transfer, rcpt: [&str; 3]) -> String {
    let [a, b, c] = rcpt;
    let replies = format!("S: 250 ok\nS: {a}\nS: {b}\nS: {c}\n");
    match transfer {
        Transfer::Data => format!("{GROUP}C: DATA\n{replies}S: 354 go\nC: hi\nC: .\n"),
        _ => format!("{GROUP}{replies}C: BDAT 4 LAST\nC: hi\n"),
    }
}

fn states(result: &Result<Delivery, SendError>) -> [RecipientState; 3] {
    let recipients = match result {
        Ok(delivery) => &delivery.recipients[..],
        Err(error) => error.recipients(),
    };
    let states: Vec<_> = recipients.iter().map(|recipient| recipient.state).collect();
    states.try_into().unwrap()
}

const BOTH: [Transfer; 2] = [Transfer::Data, Transfer::Chunks];
const ALL: [&str; 3] = ["250 ok"; 3];

#[test]
fn lhlo_and_nothing_else() {
    lmtp(HELLO).run(|session| {
        session.open().unwrap();
        let name = "client.test".parse().unwrap();
        for command in [Command::Ehlo(&name), Command::Helo(&name)] {
            assert_eq!(session.connection().command(command), Err(Misuse::WrongProtocol.into()));
        }
    });
    common::clear(&common::hello(&[])).run(|session| {
        session.open().unwrap();
        let name = "client.test".parse().unwrap();
        assert_eq!(session.connection().command(Command::Lhlo(&name)), Err(Misuse::WrongProtocol.into()));
    });
    for code in [500, 502, 504, 550, 421] {
        lmtp(&format!("S: 220 x\nC: LHLO client.test\nS: {code} what?")).run(|session| {
            assert!(session.open().is_err(), "{code}");
        });
    }
}

#[test]
fn each_recipient_has_a_verdict_of_its_own() {
    for transfer in BOTH {
        let verdicts = "S: 250 one\nS: 452 full\nS: 550 no\n";
        let delivery = send(&format!("{}{verdicts}", to_verdicts(transfer, ALL)), transfer);
        assert_eq!(states(&delivery), [Accepted, Refused, Refused]);
        let recipients = delivery.unwrap().recipients;
        let codes: Vec<_> = recipients.iter().map(|r| r.verdict.as_ref().unwrap().code().get()).collect();
        assert_eq!(codes, [250, 452, 550]);
        assert!(recipients[1].is_transient() && recipients[2].is_permanent());
        // Those refused at RCPT have none, and the others keep their order.
        let some = ["250 ok", "550 who?", "250 ok"];
        let delivery = send(&format!("{}S: 552 no\nS: 250 three\n", to_verdicts(transfer, some)), transfer);
        assert_eq!(states(&delivery), [Refused, Refused, Accepted]);
        assert_eq!(delivery.unwrap().reply.code().get(), 250);
    }
}

#[test]
fn refused_by_all_the_message_is_rejected() {
    for transfer in BOTH {
        let script = to_verdicts(transfer, ALL) + "S: 550 no\nS: 452 full\nS: 550 no\n";
        // Under BDAT the transaction may be open all the same.
        let reset = if transfer == Transfer::Chunks { "C: RSET\nS: 250 ok" } else { "" };
        let result = send(&format!("{script}{reset}"), transfer);
        assert_eq!(states(&result), [Refused; 3]);
        let Err(SendError::Rejected { stage: Stage::EndOfData, reply, .. }) = result else { panic!() };
        assert_eq!(reply.code().get(), 452);
    }
}

#[test]
fn nobody_accepted() {
    let refusals = "S: 250 ok\nS: 550 a\nS: 550 b\nS: 550 c\n";
    let data = format!("{GROUP}C: DATA\n{refusals}S: 503 no\nC: RSET\nS: 250 ok");
    let chunks = format!("{GROUP}{refusals}C: RSET\nS: 250 ok");
    // RFC 2033 §4.2: DATA must fail then. Where it does not, nobody knows what comes next.
    let wrong = format!("{GROUP}C: DATA\n{refusals}S: 354 go");
    for (script, transfer) in [(data, Transfer::Data), (chunks, Transfer::Chunks), (wrong, Transfer::Data)] {
        let result = send(&script, transfer);
        assert!(matches!(result, Err(SendError::Rejected { stage: Stage::Rcpt, .. })), "{result:?}");
        assert_eq!(states(&result), [Refused; 3]);
    }
}

#[test]
fn s22_those_answered_keep_their_verdict_and_the_others_are_unknown() {
    for transfer in BOTH {
        for end in ["close", "reset", "pause", "S| 25\nclose", "S: 2x0 garbage"] {
            for (verdicts, expected) in [
                ("", [Unknown; 3]),
                ("S: 250 one\n", [Accepted, Unknown, Unknown]),
                ("S: 550 one\n", [Refused, Unknown, Unknown]),
                ("S: 250 one\nS: 550 two\n", [Accepted, Refused, Unknown]),
            ] {
                let result = send(&format!("{}{verdicts}\n{end}", to_verdicts(transfer, ALL)), transfer);
                assert!(matches!(result, Err(SendError::Unknown { .. })), "{verdicts}{end}: {result:?}");
                assert_eq!(states(&result), expected, "{verdicts}{end}");
            }
        }
    }
}

#[test]
fn s22_421_answers_the_recipient_whose_turn_it_is() {
    for transfer in BOTH {
        for (verdicts, expected) in [
            ("", [Refused, Unknown, Unknown]),
            ("S: 250 one\n", [Accepted, Refused, Unknown]),
            ("S: 550 one\n", [Refused, Refused, Unknown]),
            ("S: 250 one\nS: 250 two\n", [Accepted, Accepted, Refused]),
            ("S: 550 one\nS: 550 two\n", [Refused, Refused, Refused]),
        ] {
            let script = format!("{HELLO}{}{verdicts}S: 421 bye\nclose", to_verdicts(transfer, ALL));
            let result = lmtp(&script).run(|session| {
                session.open().unwrap();
                let options = SendOptions::default().transfer(transfer);
                let body = Body::Whole(b"hi\r\n");
                let result = session.send_with(&envelope(FROM, &TO), body, options, &[b"hi\r\n"]);
                let unknown = states(&result).contains(&Unknown);
                assert_eq!(session.connection().may_have_been_delivered(), unknown, "{verdicts}");
                result
            });
            assert_eq!(states(&result), expected, "{verdicts}");
            match result {
                Ok(_) => assert_eq!(expected, [Accepted, Accepted, Refused]),
                Err(error) => assert_eq!(error.is_safe_to_retry(), expected == [Refused; 3], "{error:?}"),
            }
        }
    }
}

#[test]
fn a_batch_hears_all_verdicts_of_each_message() {
    for transfer in BOTH {
        let script = match transfer {
            Transfer::Data => format!(
                "{HELLO}{}C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<b@example.net>\nC: DATA
                S: 250 one
                S: 550 two
                S: 250 three
                S: 250 ok
                S: 250 ok
                S: 354 go
                C: ho
                C: .
                S: 250 last",
                to_verdicts(transfer, ALL)
            ),
            _ => format!(
                "{HELLO}{}C: RSET\nC: MAIL FROM:<alice@example.org>\nC: RCPT TO:<b@example.net>
                S: 250 one
                S: 550 two
                S: 250 three
                S: 250 ok
                S: 250 ok
                S: 250 ok
                C: BDAT 4 LAST
                C: ho
                S: 250 last",
                to_verdicts(transfer, ALL)
            ),
        };
        let outcomes = lmtp(&script).run(|session| {
            session.open().unwrap();
            let messages: [(_, &[u8]); 2] =
                [(envelope(FROM, &TO), b"hi\r\n"), (envelope(FROM, &TO[1..2]), b"ho\r\n")];
            session.send_all(&messages, SendOptions::default().transfer(transfer), false)
        });
        assert_eq!(outcomes.len(), 2);
        assert_eq!(states(&outcomes[0]), [Accepted, Refused, Accepted]);
        assert_eq!(outcomes[1].as_ref().unwrap().recipients[0].state, Accepted);
    }
}

#[test]
fn a_chunk_refused_before_the_last() {
    let script = format!(
        "{GROUP}S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\nC| BDAT 2\\r\\nhi\nS: 452 full\nC: RSET\nS: 250 ok"
    );
    let result = lmtp(
        &format!("{HELLO}{script}")
            .replace("S: 250-PIPELINING\n", "")
            .replace("C: RCPT", "S: 250 ok\nC: RCPT")
            .replacen("S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 ok\nC|", "S: 250 ok\nC|", 1),
    )
    .run(|session| {
        session.open().unwrap();
        let body = Body::Stream { kind: BodyKind::SevenBit, size: None };
        let options = SendOptions::default().transfer(Transfer::Chunks);
        session.send_with(&envelope(FROM, &TO), body, options, &[b"hi", b"ho"])
    });
    assert!(matches!(result, Err(SendError::Rejected { stage: Stage::Bdat, .. })), "{result:?}");
    assert_eq!(states(&result), [Refused; 3]);
}

fn by_hand(session: &mut Session, rcpt: &[&str]) -> Result<Delivery, SendError> {
    session.open().unwrap();
    let from = FROM.parse().unwrap();
    session.command(Command::Mail(&from, &Default::default())).unwrap();
    for to in rcpt {
        let _ = session.command(Command::Rcpt(&to.parse().unwrap(), &Default::default()));
    }
    session.begin_data(DataCommand { rules: BodyRules::new(BodyKind::SevenBit), size: None }).unwrap();
    session.write_body(b"hi\r\n").unwrap();
    session.finish_data()
}

/// Verb by verb, up to the verdicts.
const BY_HAND: &str = "C: MAIL FROM:<alice@example.org>
    S: 250 ok
    C: RCPT TO:<a@example.net>
    S: 250 ok
    C: RCPT TO:<b@example.net>
    S: 550 who?
    C: RCPT TO:<c@example.net>
    S: 250 ok
    C: DATA
    S: 354 go
    C: hi
    C: .
    ";

fn verdicts(recipients: &[smtp_proto::flow::RecipientOutcome]) -> Vec<(Option<u16>, RecipientState)> {
    let verdict = |r: &smtp_proto::flow::RecipientOutcome| r.verdict.as_ref().map(|v| v.code().get());
    recipients.iter().map(|r| (verdict(r), r.state)).collect()
}

#[test]
fn verb_by_verb_there_is_one_verdict_a_recipient_too() {
    for (replies, expected) in [
        ("S: 250 a\nS: 250 c", [(Some(250), Accepted), (Some(250), Accepted)]),
        ("S: 250 a\nS: 550 c", [(Some(250), Accepted), (Some(550), Refused)]),
        ("S: 452 a\nS: 250 c", [(Some(452), Refused), (Some(250), Accepted)]),
    ] {
        // What is said next is not answered by what was left.
        let script = format!("{HELLO}{BY_HAND}{replies}\nC: NOOP\nS: 252 noop");
        let delivery = lmtp(&script).run(|session| {
            let result = by_hand(session, &TO);
            assert_eq!(session.command(Command::Noop).unwrap().code().get(), 252);
            result
        });
        let delivery = delivery.unwrap();
        assert_eq!(delivery.reply.code().get(), 250);
        assert_eq!(verdicts(&delivery.recipients), expected);
        assert!(delivery.recipients.iter().all(|r| r.is_accepted() == (r.state == Accepted)));
    }
    let result = lmtp(&format!("{HELLO}{BY_HAND}S: 550 a\nS: 452 c")).run(|session| by_hand(session, &TO));
    let Err(SendError::Rejected { stage: Stage::EndOfData, reply, recipients }) = result else { panic!() };
    assert_eq!(reply.code().get(), 452);
    assert_eq!(verdicts(&recipients), [(Some(550), Refused), (Some(452), Refused)]);
}

#[test]
fn s22_verb_by_verb() {
    for end in ["close", "pause", "S| 25\nclose"] {
        for (replies, expected) in [
            ("", [(None, Unknown), (None, Unknown)]),
            ("S: 250 a\n", [(Some(250), Accepted), (None, Unknown)]),
            ("S: 550 a\n", [(Some(550), Refused), (None, Unknown)]),
        ] {
            let script = format!("{HELLO}{BY_HAND}{replies}\n{end}");
            let result = lmtp(&script).run(|session| by_hand(session, &TO));
            let Err(SendError::Unknown { recipients, .. }) = result else { panic!("{result:?}") };
            assert_eq!(verdicts(&recipients), expected);
        }
    }
    let script = format!("{HELLO}{BY_HAND}S: 250 a\nS: 421 bye\nclose");
    let delivery = lmtp(&script).run(|session| by_hand(session, &TO)).unwrap();
    assert_eq!(verdicts(&delivery.recipients), [(Some(250), Accepted), (Some(421), Refused)]);
    let script = format!("{HELLO}{BY_HAND}S: 421 bye\nclose");
    let result = lmtp(&script).run(|session| by_hand(session, &TO));
    let Err(SendError::Unknown { cause: Error::ServerClosed { .. }, recipients }) = result else { panic!() };
    assert_eq!(verdicts(&recipients), [(Some(421), Refused), (None, Unknown)]);
}

#[test]
fn a_lost_body_is_sent_to_nobody() {
    let script = format!("{HELLO}{}", BY_HAND.replace("C: hi\n    C: .\n", "C: hi\n    reset\n"));
    let result = lmtp(&script).run(|session| by_hand(session, &TO));
    assert!(matches!(result, Err(SendError::NotSent { .. })), "{result:?}");
    let result = send(&format!("{GROUP}C: DATA\nS: 250 ok\nclose"), Transfer::Data);
    assert_eq!(states(&result), [NotSent; 3]);
}
