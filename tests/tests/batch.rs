//! Batches: many messages on one connection, as transcripts. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{FROM, clear, hello};
use smtp_proto::flow::{Batch, Body, Delivery, Envelope, RecipientState, SendError, SendOptions};
use smtp_tests::script::{Mode, Session, envelope};

const DATA: &[&str] = &["PIPELINING"];
const CHUNKS: &[&str] = &["PIPELINING", "CHUNKING"];

/// Message `n`, to a recipient of its own.
fn message(n: usize) -> (Envelope, Vec<u8>) {
    (envelope(FROM, &[&format!("bob{n}@example.net")]), format!("{n}\r\n").into_bytes())
}

fn messages(count: usize) -> Vec<(Envelope, Vec<u8>)> {
    (1..=count).map(message).collect()
}

type Outcome = Result<Delivery, SendError>;

fn send_all(session: &mut Session, messages: &[(Envelope, Vec<u8>)], quit: bool) -> Vec<Outcome> {
    let borrowed: Vec<(Envelope, &[u8])> = messages.iter().map(|(e, b)| (e.clone(), &b[..])).collect();
    session.open().unwrap();
    session.send_all(&borrowed, SendOptions::default(), quit)
}

/// One word an outcome.
fn told(outcomes: &[Outcome]) -> Vec<String> {
    let word = |outcome: &Outcome| match outcome {
        Ok(delivery) => format!("accepted {}", delivery.queue_id().unwrap_or("?")),
        Err(SendError::Rejected { stage, reply, .. }) => format!("rejected {stage} {}", reply.code()),
        Err(SendError::NotSent { .. }) => "not sent".into(),
        Err(SendError::Unknown { .. }) => "unknown".into(),
    };
    outcomes.iter().map(word).collect()
}

#[test]
fn p20_quit_behind_the_last_message_never_undoes_it() {
    let script = format!(
        "{}
        C: MAIL FROM:<alice@example.org>
        C: RCPT TO:<bob1@example.net>
        C: BDAT 3 LAST
        C: 1
        C: QUIT
        S: 250 ok
        S: 250 ok
        S: 250 queued as A
        ",
        hello(CHUNKS)
    );
    for end in ["S: 221 bye\nclose", "S: 221 bye", "S: 0", "S| 0\\r\\n\nclose", "S: 421 x", "close", "reset", "pause", "S| 22\nclose"] {
        let outcomes = clear(&format!("{}\n{end}", script.trim_end())).run(|session| send_all(session, &messages(1), true));
        assert_eq!(told(&outcomes), ["accepted A"], "{end}");
    }
}
