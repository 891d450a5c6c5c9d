//! What a mail transaction makes of replies that do not go together, and what it says of each recipient then.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, BODY_LINES, FROM, clear, hello};
use smtp_proto::command::Command;
use smtp_proto::connection::Stage;
use smtp_proto::flow::{Body, Delivery, RecipientPolicy, RecipientState, SendError, SendOptions, Transfer};
use smtp_proto::params::MailParameters;
use smtp_tests::script::envelope;

const MAIL: &str = "C: MAIL FROM:<alice@example.org>\n";
const RCPT: &str = "C: RCPT TO:<bob@example.net>\n";
const CHUNKING: &[&str] = &["PIPELINING", "CHUNKING"];

fn send(keywords: &[&str], lines: &str, to: &[&str], transfer: Transfer) -> Result<Delivery, SendError> {
    clear(&format!("{}{lines}", hello(keywords))).run(|session| {
        session.open().unwrap();
        let options = SendOptions::default().transfer(transfer);
        session.send_with(&envelope(FROM, to), Body::Whole(BODY), options, &[BODY])
    })
}

fn states(error: &SendError) -> Vec<RecipientState> {
    error.recipients().iter().map(|recipient| recipient.state).collect()
}

/// All of a message in chunks, and what the server says to MAIL, RCPT and the chunk.
fn in_chunks(replies: [u16; 3], rest: &str) -> Result<Delivery, SendError> {
    let said = replies.map(|code| format!("S: {code} x\n")).concat();
    let octets = BODY_LINES.strip_suffix("C: .\n").unwrap();
    let lines = format!("{MAIL}{RCPT}C: BDAT {} LAST\n{octets}{said}{rest}", BODY.len());
    send(CHUNKING, &lines, &["bob@example.net"], Transfer::Chunks)
}

#[test]
fn o02_a_message_taken_under_a_refused_mail_may_be_delivered() {
    let error = in_chunks([550, 250, 250], "").unwrap_err();
    assert!(matches!(error, SendError::Unknown { .. }), "{error:?}");
    // To nobody it was taken for.
    let error = in_chunks([550, 503, 250], "C: RSET\nS: 250 ok").unwrap_err();
    assert!(matches!(error, SendError::Rejected { stage: Stage::Mail, .. }), "{error:?}");
    // And under DATA the lone dot has taken it back.
    let lines =
        format!("{MAIL}{RCPT}C: DATA\nS: 550 no\nS: 250 ok\nS: 354 go\nC: .\nS: 250 ok\nC: RSET\nS: 250 ok");
    let error = send(&["PIPELINING"], &lines, &["bob@example.net"], Transfer::Data).unwrap_err();
    assert!(matches!(error, SendError::Rejected { stage: Stage::Mail, .. }), "{error:?}");
}

#[test]
fn s08_who_was_never_asked_about_was_not_refused() {
    let two = ["bob@example.net", "carol@example.net"];
    let error = send(&[], &format!("{MAIL}S: 550 no"), &two, Transfer::Data).unwrap_err();
    assert!(matches!(error, SendError::Rejected { stage: Stage::Mail, .. }), "{error:?}");
    assert_eq!(states(&error), [RecipientState::NotSent; 2]);
}

#[test]
fn o02_of_a_recipient_whose_reply_is_missing_nothing_is_known() {
    let octets = BODY_LINES.strip_suffix("C: .\n").unwrap();
    let lines = format!("{MAIL}{RCPT}C: BDAT {} LAST\n{octets}close", BODY.len());
    let error = send(CHUNKING, &lines, &["bob@example.net"], Transfer::Chunks).unwrap_err();
    assert!(matches!(error, SendError::Unknown { .. }), "{error:?}");
    assert_eq!(states(&error), [RecipientState::Unknown]);
}

#[test]
fn s13_replies_to_what_the_caller_left_unanswered_are_not_the_messages() {
    let script = format!(
        "{}{MAIL}C: RSET\n{MAIL}{RCPT}C: DATA\nS: 550 no\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n{BODY_LINES}S: 250 ok",
        hello(&["PIPELINING"])
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        let connection = session.connection();
        connection.command(Command::Mail(&FROM.parse().unwrap(), &MailParameters::new())).unwrap();
        connection.command(Command::Rset).unwrap();
        session.send(&envelope(FROM, &["bob@example.net"]), BODY).unwrap();
    });
}

#[test]
fn s10_of_several_refusals_one_that_may_pass_is_told() {
    let names = ["a@example.net", "b@example.net", "c@example.net"];
    for (codes, told) in [
        (&[550, 551][..], 550),
        (&[550, 450, 451], 450),
        (&[450, 550], 450),
        (&[451, 450], 451),
        // RFC 5321 §4.5.3.1.10: as good as 452.
        (&[550, 552, 450], 552),
        (&[552, 550], 552),
    ] {
        let mut lines = format!("{MAIL}S: 250 ok\n");
        for (name, code) in names.iter().zip(codes) {
            lines += &format!("C: RCPT TO:<{name}>\nS: {code} x\n");
        }
        let error = send(&[], &format!("{lines}C: RSET\nS: 250 ok"), &names[..codes.len()], Transfer::Data)
            .unwrap_err();
        let SendError::Rejected { stage: Stage::Rcpt, reply, .. } = error else { panic!("{error:?}") };
        assert_eq!(reply.code().get(), told, "{codes:?}");
    }
}

#[test]
fn s10_to_all_or_to_nobody_is_what_the_caller_says() {
    let two = ["bob@example.net", "carol@example.net"];
    let asked = format!(
        "{}{MAIL}S: 250 ok\n{RCPT}S: 250 ok\nC: RCPT TO:<carol@example.net>\nS: 550 no\n",
        hello(&[])
    );
    for (policy, rest) in [
        (RecipientPolicy::All, "C: RSET\nS: 250 ok".into()),
        (RecipientPolicy::Any, format!("C: DATA\nS: 354 go\n{BODY_LINES}S: 250 ok")),
    ] {
        let result = clear(&format!("{asked}{rest}")).run(|session| {
            session.open().unwrap();
            let options = SendOptions::default().recipients(policy);
            session.send_with(&envelope(FROM, &two), Body::Whole(BODY), options, &[BODY])
        });
        assert_eq!(result.is_ok(), policy == RecipientPolicy::Any, "{result:?}");
    }
}

/// Behind a RSET a MAIL does not come too early for anybody: 503 to it is a refusal.
#[test]
fn a_message_refused_behind_a_reset_is_not_begun_again() {
    let group = format!("{MAIL}{RCPT}C: DATA\n");
    let script = format!(
        "{}{group}S: 250 ok\nS: 250 ok\nS: 554 no\nC: RSET\n{group}S: 250 ok\n{}C: RSET\nS: 250 ok",
        hello(&["PIPELINING"]),
        "S: 503 no\n".repeat(3),
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        let message = (envelope(FROM, &["bob@example.net"]), BODY);
        let outcomes = session.send_all(&[message.clone(), message], SendOptions::default(), false);
        let stages: Vec<_> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Err(SendError::Rejected { stage, .. }) => *stage,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(stages, [Stage::Data, Stage::Mail]);
    });
}
