//! Batches: many messages on one connection, as transcripts. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, FROM, clear, config, hello};
use smtp_proto::body::BodyKind;
use smtp_proto::command::Command;
use smtp_proto::connection::{Connection, Peer, Stage, TlsPolicy};
use smtp_proto::error::Misuse;
use smtp_proto::flow::{
    Batch, Body, Delivery, Envelope, Flow, Open, RecipientState, SendError, SendOptions, Step, Transfer,
};
use smtp_tests::script::{SOURCE_FAILS, Session, envelope};

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
    for end in [
        "S: 221 bye\nclose",
        "S: 221 bye",
        "S: 0",
        "S| 0\\r\\n\nclose",
        "S: 421 x",
        "close",
        "reset",
        "pause",
        "S| 22\nclose",
    ] {
        let outcomes = clear(&format!("{}\n{end}", script.trim_end()))
            .run(|session| send_all(session, &messages(1), true));
        assert_eq!(told(&outcomes), ["accepted A"], "{end}");
    }
}

/// The commands of message `n` up to its body.
fn group(n: usize) -> String {
    format!("C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob{n}@example.net>\n")
}

const OK2: &str = "S: 250 ok\nS: 250 ok\n";

#[test]
fn with_data_each_message_costs_one_round_trip() {
    let mut script = hello(DATA) + &group(1) + "C: DATA\n" + OK2 + "S: 354 go\n";
    for n in 1..100 {
        let next = n + 1;
        script += &format!("C: {n}\nC: .\n{}C: DATA\nS: 250 queued as {n}\n{OK2}S: 354 go\n", group(next));
    }
    script += "C: 100\nC: .\nC: QUIT\nS: 250 queued as 100\nS: 221 bye\nclose";
    let outcomes = clear(&script).run(|session| send_all(session, &messages(100), true));
    let expected: Vec<_> = (1..=100).map(|n| format!("accepted {n}")).collect();
    assert_eq!(told(&outcomes), expected);
}

#[test]
fn in_chunks_nothing_is_waited_for_but_the_window() {
    let chunk = |n: usize| format!("C: BDAT 3 LAST\nC: {n}\n");
    let mut script = hello(CHUNKS);
    for n in 1..=3 {
        script += &format!("{}{}{}", if n > 1 { "C: RSET\n" } else { "" }, group(n), chunk(n));
    }
    script += "C: QUIT\n";
    for n in 1..=3 {
        script += &format!("{}{OK2}S: 250 queued as {n}\n", if n > 1 { "S: 250 reset\n" } else { "" });
    }
    let outcomes = clear(&(script + "S: 221 bye")).run(|session| send_all(session, &messages(3), true));
    assert_eq!(told(&outcomes), ["accepted 1", "accepted 2", "accepted 3"]);
}

#[test]
fn s12_without_pipelining_a_batch_is_lock_step() {
    let one = |n: usize| {
        format!(
            "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob{n}@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\nC: {n}\nC: .\nS: 250 queued as {n}\n"
        )
    };
    let script = format!("{}{}{}{}C: QUIT\nS: 221 bye", hello(&[]), one(1), one(2), one(3));
    let outcomes = clear(&script).run(|session| send_all(session, &messages(3), true));
    assert_eq!(told(&outcomes), ["accepted 1", "accepted 2", "accepted 3"]);
}

#[test]
fn s06_a_lone_dot_takes_a_message_back_and_the_next_goes_on() {
    for answer in ["250 queued", "554 no valid recipients"] {
        let script = format!(
            "{}{}C: DATA\nS: 250 ok\nS: 550 who?\nS: 354 go\nC: .\n{}C: DATA\nS: {answer}\n{OK2}S: 354 go\nC: 2\nC: .\nS: 250 queued as B",
            hello(DATA),
            group(1),
            group(2)
        );
        let outcomes = clear(&script).run(|session| send_all(session, &messages(2), false));
        assert_eq!(told(&outcomes), ["rejected RCPT 550", "accepted B"]);
    }
}

#[test]
fn s08_s09_a_refused_mail_or_data_is_followed_by_rset() {
    for (replies, expected) in [
        ("S: 550 no\nS: 503 no\nS: 503 no\n", "rejected MAIL FROM 550"),
        ("S: 250 ok\nS: 250 ok\nS: 451 later\n", "rejected DATA 451"),
        ("S: 250 ok\nS: 452 full\nS: 503 no\n", "rejected RCPT 452"),
    ] {
        let script = format!(
            "{}{}C: DATA\n{replies}C: RSET\n{}C: DATA\nS: 250 reset\n{OK2}S: 354 go\nC: 2\nC: .\nS: 250 queued as B",
            hello(DATA),
            group(1),
            group(2)
        );
        let outcomes = clear(&script).run(|session| send_all(session, &messages(2), false));
        assert_eq!(told(&outcomes)[1], "accepted B");
        assert_eq!(told(&outcomes)[0].split(' ').next_back(), expected.split(' ').next_back());
    }
}

#[test]
fn the_guard_keeps_a_message_out_of_the_transaction_before_it() {
    // Every recipient of the first message is refused, and its BDAT: the transaction stays open (RFC 3030 §2).
    let script = format!(
        "{}{}C: BDAT 3 LAST\nC: 1\nC: RSET\n{}C: BDAT 3 LAST\nC: 2
        S: 250 ok
        S: 550 who?
        S: 503 no
        S: 250 reset
        {OK2}S: 250 queued as B",
        hello(CHUNKS),
        group(1),
        group(2)
    );
    let outcomes = clear(&script).run(|session| send_all(session, &messages(2), false));
    assert_eq!(told(&outcomes), ["rejected RCPT 550", "accepted B"]);
    // Behind the last message it is said as well, so that the session can go on.
    let script = format!(
        "{}{}C: BDAT 3 LAST\nC: 1\n{OK2}S: 452 full\nC: RSET\nS: 250 reset\n{}C: BDAT 3 LAST\nC: 2\n{OK2}S: 250 queued as B",
        hello(CHUNKS),
        group(1),
        group(2)
    );
    let outcomes = clear(&script).run(|session| {
        let mut outcomes = send_all(session, &messages(1), false);
        assert!(!session.connection().in_transaction());
        outcomes.extend(send_all(session, &[message(2)], false));
        outcomes
    });
    assert_eq!(told(&outcomes)[1], "accepted B");
}

#[test]
fn s20_a_refused_rset_ends_the_session() {
    let script = format!(
        "{}{}C: DATA\nS: 550 no\nS: 503 no\nS: 503 no\nC: RSET\n{}C: DATA\nS: 502 no such command",
        hello(DATA),
        group(1),
        group(2)
    );
    let outcomes = clear(&script).run(|session| send_all(session, &messages(3), true));
    assert_eq!(told(&outcomes)[1..], ["not sent", "not sent"]);
    assert!(told(&outcomes)[0].starts_with("rejected MAIL"));
}

#[test]
fn s20_quit_follows_though_the_last_message_failed() {
    let script = format!(
        "{}{}C: DATA\n{OK2}S: 354 go\nC: 1\nC: .\n{}C: DATA\nS: 250 queued as A\nS: 250 ok\nS: 550 who?\nS: 503 no\nC: RSET\nC: QUIT\nS: 250 reset\nS: 221 bye",
        hello(DATA),
        group(1),
        group(2)
    );
    let outcomes = clear(&script).run(|session| send_all(session, &messages(2), true));
    assert_eq!(told(&outcomes), ["accepted A", "rejected RCPT 550"].map(String::from));
}

#[test]
fn a_batch_waits_for_time_and_nothing_is_forgotten() {
    let script =
        format!("{}{}C: DATA\n{OK2}S: 354 go\nC: 1\nC: .\n{}C: DATA\npause", hello(DATA), group(1), group(2));
    let outcomes = clear(&script).run(|session| send_all(session, &messages(3), true));
    assert_eq!(told(&outcomes), ["unknown", "not sent", "not sent"]);
    let script = script.replace("pause", "S: 250 queued as A\npause");
    let outcomes = clear(&script).run(|session| send_all(session, &messages(3), true));
    assert_eq!(told(&outcomes), ["accepted A", "not sent", "not sent"]);
}

#[test]
fn a_message_that_cannot_be_sent_leaves_the_others_alone() {
    let mut three = messages(3);
    three[1].1 = "Grüße\r\n".into();
    let script = format!(
        "{}{}C: DATA\n{OK2}S: 354 go\nC: 1\nC: .\n{}C: DATA\nS: 250 queued as A\n{OK2}S: 354 go\nC: 3\nC: .\nS: 250 queued as C",
        hello(DATA),
        group(1),
        group(3)
    );
    let outcomes = clear(&script).run(|session| send_all(session, &three, false));
    assert_eq!(told(&outcomes), ["accepted A", "not sent", "accepted C"]);
    // None of them can be sent, or there is none: nothing is said.
    let eight_bit: Vec<_> = (1..=3).map(|n| (message(n).0, "ü".into())).collect();
    let outcomes = clear(&hello(DATA)).run(|session| send_all(session, &eight_bit, false));
    assert_eq!(told(&outcomes), ["not sent"; 3]);
    assert_eq!(clear(&hello(DATA)).run(|session| send_all(session, &[], false)), []);
    let quit = format!("{}C: QUIT\nS: 221 bye", hello(DATA));
    assert_eq!(clear(&quit).run(|session| send_all(session, &[], true)), []);
    let outcomes = clear(&quit).run(|session| send_all(session, &eight_bit, true));
    assert_eq!(told(&outcomes), ["not sent"; 3]);
    let script = format!("{}{}", hello(&["PIPELINING", "SIZE 2"]), "C: QUIT\nS: 221 bye");
    let outcomes = clear(&script).run(|session| send_all(session, &messages(2), true));
    assert_eq!(told(&outcomes), ["not sent"; 2]);
}

#[test]
fn a_source_that_fails_in_chunks_takes_back_its_own_message_only() {
    let script = format!(
        "{}{}C: BDAT 3\nC: 1\nC: RSET\n{}C: BDAT 3\nC: 2\nC: BDAT 0 LAST
        S: 250 chunk
        S: 250 reset
        {OK2}S: 250 chunk
        S: 250 queued as B",
        hello(CHUNKS),
        group(1) + OK2,
        group(2)
    )
    // The size is not known, so that recipients are waited for.
    .replace(
        "bob2@example.net>\nC: BDAT 3\n",
        "bob2@example.net>\nS: 250 chunk\nS: 250 reset\nS: 250 ok\nS: 250 ok\nC: BDAT 3\n",
    )
    .replace("LAST\n        S: 250 chunk\n        S: 250 reset\n        S: 250 ok\nS: 250 ok\n", "LAST\n");
    let outcomes = clear(&script).run(|session| {
        session.open().unwrap();
        let (one, two) = (message(1).0, message(2).0);
        let mut batch = Batch::new();
        let options = SendOptions::default().transfer(Transfer::Chunks);
        for envelope in [&one, &two] {
            batch.push(envelope, Body::Stream { kind: BodyKind::SevenBit, size: None }, options);
        }
        batch.finish();
        session.run_all(&mut batch, &[&[b"1\r\n", SOURCE_FAILS], &[b"2\r\n"]]).unwrap();
        std::iter::from_fn(|| batch.next_outcome()).collect::<Vec<_>>()
    });
    assert_eq!(told(&outcomes), ["not sent", "accepted B"]);
}

#[test]
fn d16_a_source_that_fails_after_data_ends_the_connection() {
    let script = format!(
        "{}{}C: DATA\n{OK2}S: 354 go\nC: 1\nC: .\n{}C: DATA\nS: 250 queued as A\n{OK2}S: 354 go\nC: half",
        hello(DATA),
        group(1),
        group(2)
    );
    let outcomes = clear(&script).run(|session| {
        session.open().unwrap();
        let envelopes: Vec<_> = messages(3).into_iter().map(|(envelope, _)| envelope).collect();
        let mut batch = Batch::new();
        for envelope in &envelopes {
            let body = Body::Stream { kind: BodyKind::SevenBit, size: None };
            batch.push(envelope, body, SendOptions::default());
        }
        batch.finish();
        assert!(session.run_all(&mut batch, &[&[b"1\r\n"], &[b"half\r\n", SOURCE_FAILS], &[]]).is_err());
        // What is pushed now is not sent, and told so at once.
        batch.push(&envelopes[0], Body::Whole(b"late"), SendOptions::default());
        std::iter::from_fn(|| batch.next_outcome()).collect::<Vec<_>>()
    });
    assert_eq!(told(&outcomes), ["accepted A", "not sent", "not sent", "not sent"]);
}

#[test]
fn a_batch_inside_an_open_transaction_says_nothing() {
    let script = format!("{}C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RSET\nS: 250 ok", hello(DATA));
    let outcomes = clear(&script).run(|session| {
        session.open().unwrap();
        let from = FROM.parse().unwrap();
        session.command(Command::Mail(&from, &Default::default())).unwrap();
        let outcomes = send_all(session, &messages(2), true);
        session.command(Command::Rset).unwrap();
        outcomes
    });
    assert_eq!(told(&outcomes), ["not sent"; 2]);
    let cause = |outcome: &Outcome| match outcome {
        Err(SendError::NotSent { cause, .. }) => cause.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(cause(&outcomes[0]), Misuse::InTransaction(Stage::Mail).into());
    assert_eq!(cause(&outcomes[1]), Misuse::InTransaction(Stage::Mail).into());
}

#[test]
fn a_message_is_wanted_when_it_can_be_begun() {
    let script =
        format!("{}{}C: DATA\n{OK2}S: 354 go\nC: 1\nC: .\nS: 250 queued as A", hello(DATA), group(1));
    clear(&script).run(|session| {
        session.open().unwrap();
        let (envelope, body) = message(1);
        let mut batch = Batch::new();
        assert!(batch.wants_message());
        batch.push(&envelope, Body::Whole(&body), SendOptions::default());
        assert_eq!(batch.undecided(), 1);
        let mut wanted = Vec::new();
        let taken = session.run(
            common::steps(|connection| {
                let step = batch.poll(connection)?;
                if wanted.last() != Some(&batch.wants_message()) {
                    wanted.push(batch.wants_message());
                }
                // The outcome is there though the batch is not over.
                match batch.next_outcome() {
                    Some(outcome) => Ok(Step::Done(outcome)),
                    None => Ok(step_without_done(step)),
                }
            }),
            &[&body],
        );
        assert_eq!(wanted, [false, true]);
        assert_eq!(batch.undecided(), 0);
        told(&[taken.unwrap()])
    });
}

fn step_without_done(step: Step<()>) -> Step<Outcome> {
    match step {
        Step::SupplyBody { message } => Step::SupplyBody { message },
        _ => Step::Continue,
    }
}

/// A hundred messages in chunks, to a server that answers as late as it can: no more are in flight than the
/// window takes, and each is asked for only when it can be begun.
#[test]
fn s15_a_hundred_messages_through_the_window() {
    let mut connection = Connection::new(common::config(TlsPolicy::None), Peer::Remote);
    connection.receive(b"220 hi\r\n");
    let mut open = Open::new();
    let _ = open.poll(&mut connection).unwrap();
    connection.advance_output(connection.output().len()).unwrap();
    connection.receive(b"250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    let _ = open.poll(&mut connection).unwrap();
    let messages = messages(100);
    let mut batch = Batch::new().then_quit();
    let (mut pushed, mut most, mut chunks) = (0, 0, 0);
    let mut in_flight = std::collections::VecDeque::new();
    let mut accepted = Vec::new();
    loop {
        while batch.wants_message() {
            match messages.get(pushed) {
                Some((to, body)) => batch.push(to, Body::Whole(body), SendOptions::default()),
                None => batch.finish(),
            }
            pushed += 1;
        }
        let sent = match batch.poll(&mut connection).unwrap() {
            Step::SupplyBody { message } => {
                let part = connection.body(&messages[message].1).unwrap();
                let sent = part.slices().collect::<Vec<_>>().concat();
                connection.advance_output(sent.len()).unwrap();
                connection.finish_body().unwrap();
                sent
            }
            Step::Continue => {
                let sent = connection.output().to_vec();
                connection.advance_output(sent.len()).unwrap();
                sent
            }
            _ => break,
        };
        for line in String::from_utf8(sent.clone()).unwrap().lines() {
            if !line.starts_with(|c: char| c.is_ascii_digit()) {
                in_flight.push_back(line.to_owned());
                chunks += usize::from(line.starts_with("BDAT"));
            }
        }
        most = most.max(chunks);
        if sent.is_empty() && !batch.wants_message() {
            let line: String = in_flight.pop_front().expect("a command without a reply");
            chunks -= usize::from(line.starts_with("BDAT"));
            connection.receive(if line == "QUIT" { b"221 bye\r\n" } else { b"250 ok\r\n" });
        }
        accepted.extend(std::iter::from_fn(|| batch.next_outcome()).map(|outcome| outcome.is_ok()));
        assert!(pushed <= accepted.len() + most + 2, "{pushed} taken, {} told", accepted.len());
    }
    accepted.extend(std::iter::from_fn(|| batch.next_outcome()).map(|outcome| outcome.is_ok()));
    assert_eq!(accepted, [true; 100]);
    assert_eq!(most, 16);
}

/// Haraka answers every command behind a message's end with 503, as a defence against smuggled messages.
#[test]
fn a_server_that_takes_nothing_behind_a_message_gets_the_next_alone() {
    let mail =
        |n: usize| format!("C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob{n}@example.net>\nC: DATA\n");
    let taken = "S: 250 ok\nS: 250 ok\nS: 354 go\n";
    let script = format!(
        "{}{}{taken}C: 1\nC: .\n{}S: 250 queued as A\nS: 503 early\nS: 503 early\nS: 503 early\nC: RSET\nS: 250 ok\n\
         {}{taken}C: 2\nC: .\nS: 250 queued as B\n{}{taken}C: 3\nC: .\nS: 503 really not\n",
        hello(&["PIPELINING"]),
        mail(1),
        mail(2),
        mail(2),
        mail(3),
    );
    let outcomes = clear(&script).run(|session| send_all(session, &messages(3), false));
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok(), "{outcomes:?}");
    assert!(matches!(outcomes[2], Err(SendError::Rejected { stage: Stage::EndOfData, .. })), "{outcomes:?}");
}

#[test]
fn quit_waits_for_a_message_that_is_begun_again() {
    let mail =
        |n: usize| format!("C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob{n}@example.net>\nC: DATA\n");
    let taken = "S: 250 ok\nS: 250 ok\nS: 354 go\n";
    let script = format!(
        "{}{}{taken}C: 1\nC: .\n{}S: 250 queued as A\nS: 503 early\nS: 503 early\nS: 503 early\nC: RSET\nS: 250 ok\n\
         {}{taken}C: 2\nC: .\nS: 250 queued as B\nC: QUIT\nS: 221 bye\n",
        hello(&["PIPELINING"]),
        mail(1),
        mail(2),
        mail(2),
    );
    let outcomes = clear(&script).run(|session| send_all(session, &messages(2), true));
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// A message in parts of which one was begun: the connection is lost, and all its recipients are told of.
#[test]
fn what_was_left_of_a_split_message_is_told_of_when_the_connection_is_lost() {
    let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
    let mut open = Open::new();
    connection.receive(b"220 hi\r\n");
    while !matches!(open.poll(&mut connection), Ok(Step::Done(()))) {
        connection.advance_output(connection.output().len()).unwrap();
        connection.receive(b"250-hi\r\n250 LIMITS RCPTMAX=1\r\n");
    }
    let to = envelope(FROM, &["bob@example.net", "carol@example.net", "dave@example.net"]);
    let mut batch = Batch::new();
    batch.push(&to, Body::Whole(BODY), SendOptions::default().split(true));
    batch.push(&to, Body::Whole(BODY), SendOptions::default().split(true));
    batch.finish();
    assert!(matches!(batch.poll(&mut connection), Ok(Step::Continue)));
    connection.advance_output(connection.output().len()).unwrap();
    connection.receive_eof();
    assert!(batch.poll(&mut connection).is_err());
    for _ in 0..2 {
        let error = batch.next_outcome().unwrap().unwrap_err();
        assert!(matches!(error, SendError::NotSent { .. }), "{error:?}");
        let states: Vec<_> = error.recipients().iter().map(|recipient| recipient.state).collect();
        assert_eq!(states, [RecipientState::NotSent; 3]);
    }
    assert!(batch.next_outcome().is_none());
}
