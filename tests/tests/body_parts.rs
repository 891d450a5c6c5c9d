//! A message handed to a [`Connection`] by hand: chunks that take many parts, what may be said between two of them, and
//! what is awaited meanwhile. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::config;
use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::connection::{Connection, Event, Peer, Stage, TimeoutPhase, TlsPolicy, Window};
use smtp_proto::error::{Error, Misuse, ProtocolError};
use smtp_proto::params::{MailParameters, RcptParameters};

/// Writes what may leave; gives it.
fn write(connection: &mut Connection) -> Vec<u8> {
    let left = connection.output().to_vec();
    connection.advance_output(left.len()).unwrap();
    left
}

/// Hears what the server says, and gives the stages and codes of its replies.
fn hear(connection: &mut Connection, said: &str) -> Vec<(Stage, u16)> {
    connection.receive(said.as_bytes());
    let mut heard = Vec::new();
    while let Some(event) = connection.poll_event().unwrap() {
        if let Event::Reply { stage, reply, .. } = event {
            heard.push((stage, reply.code().get()));
        }
    }
    heard
}

/// A session with a mail transaction that has a recipient.
fn transaction(window: Window) -> Connection {
    let mut connection = Connection::new(config(TlsPolicy::None).window(window), Peer::Remote);
    hear(&mut connection, "220 hi\r\n");
    connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
    write(&mut connection);
    hear(&mut connection, "250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    connection.command(Command::Mail(&"a@example.org".parse().unwrap(), &MailParameters::new())).unwrap();
    connection.command(Command::Rcpt(&"b@example.net".parse().unwrap(), &RcptParameters::new())).unwrap();
    write(&mut connection);
    hear(&mut connection, "250 ok\r\n250 ok\r\n");
    connection
}

fn data(size: Option<u64>) -> DataCommand {
    DataCommand { rules: BodyRules::new(BodyKind::SevenBit), size }
}

/// A mail transaction whose body is due, in chunks.
fn in_chunks(size: Option<u64>) -> Connection {
    let mut connection = transaction(Window::default());
    connection.begin_chunks(data(size)).unwrap();
    connection
}

/// Hands in the front of `octets`, writes what it takes, and gives that and how much was taken.
fn part(connection: &mut Connection, octets: &[u8]) -> Result<(Vec<u8>, usize), Error> {
    let part = connection.body(octets)?;
    let (wire, consumed) = (part.slices().collect::<Vec<_>>().concat(), part.consumed());
    assert_eq!(wire.len(), part.len());
    connection.advance_output(wire.len()).unwrap();
    Ok((wire, consumed))
}

/// Hands in all of it.
fn parts(connection: &mut Connection, mut octets: &[u8]) -> (Vec<u8>, usize) {
    let (mut wire, mut count) = (Vec::new(), 0);
    while !octets.is_empty() {
        let (written, consumed) = part(connection, octets).unwrap();
        wire.extend(written);
        octets = &octets[consumed..];
        count += 1;
    }
    (wire, count)
}

#[test]
fn d12_a_chunk_in_many_parts_is_announced_once_with_all_its_octets() {
    let lone = b"a\n".repeat(300);
    let sent = b"a\r\n".repeat(300);
    let expected = |line: &str| [line.as_bytes(), &sent].concat();

    let mut connection = in_chunks(None);
    let (wire, count) = parts(&mut connection, &lone);
    assert!(wire == expected("BDAT 900\r\n") && count > 3, "{count} parts");
    assert_eq!(hear(&mut connection, "250 ok\r\n"), [(Stage::Bdat, 250)]);
    // The second, and what ends the message.
    assert!(parts(&mut connection, &lone).0 == expected("BDAT 900\r\n"));
    let end = connection.finish_body().unwrap();
    assert_eq!(write(&mut connection), b"BDAT 0 LAST\r\n");
    assert!(connection.is_unanswered(end));
    assert_eq!(
        hear(&mut connection, "250 ok\r\n250 queued\r\n"),
        [(Stage::Bdat, 250), (Stage::EndOfData, 250)]
    );

    // Of known size: the chunk that completes it is the last, and the message has ended.
    let mut connection = in_chunks(Some(600));
    assert!(parts(&mut connection, &lone).0 == expected("BDAT 900 LAST\r\n"));
    let end = connection.finish_body().unwrap();
    assert!(connection.is_unanswered(end) && connection.output().is_empty());
    assert_eq!(connection.cancel_body(), Err(Misuse::NoBody.into()), "too late");
    assert_eq!(hear(&mut connection, "250 queued\r\n"), [(Stage::EndOfData, 250)]);
}

#[test]
fn d12_no_chunk_is_made_of_nothing() {
    let mut connection = in_chunks(None);
    assert_eq!(part(&mut connection, b""), Ok((vec![], 0)));
    assert_eq!(connection.outstanding(), 0);
    assert_eq!(part(&mut connection, b"a\r\n"), Ok((b"BDAT 3\r\na\r\n".to_vec(), 3)));
    assert_eq!(part(&mut connection, b""), Ok((vec![], 0)));
    assert_eq!(connection.outstanding(), 1);
}

#[test]
fn d17_a_chunk_begun_is_neither_ended_nor_taken_back() {
    let lone = b"a\n".repeat(300);
    for (size, declared) in [(None, 600), (Some(600), 600), (Some(700), 700)] {
        let mut connection = in_chunks(size);
        let (_, consumed) = part(&mut connection, &lone).unwrap();
        assert!(consumed < 600);
        assert_eq!(connection.cancel_body(), Err(Misuse::NoBody.into()));
        let error: Error = Misuse::SizeMismatch { declared, supplied: consumed as u64 }.into();
        assert_eq!(connection.finish_body(), Err(error.clone()));
        assert_eq!((connection.failure(), connection.output()), (Some(&error), &b""[..]));
    }
    let mut connection = in_chunks(None);
    drop(part(&mut connection, &lone).unwrap());
    connection.fail_body();
    assert_eq!(connection.failure(), Some(&Error::BodySource));
}

#[test]
fn d17_octets_other_than_those_announced_end_the_session() {
    let lone = |n: usize| b"\n".repeat(n);
    for (announced, then, left) in [
        // Fewer octets on the wire than were announced, and more.
        (lone(200), b"a".repeat(200), 400),
        ([lone(100), b"a".repeat(100)].concat(), lone(200), 300),
    ] {
        let mut connection = in_chunks(None);
        let (wire, mut given) = part(&mut connection, &announced).unwrap();
        assert!(wire.starts_with(format!("BDAT {left}\r\n").as_bytes()));
        let head = format!("BDAT {left}\r\n").len();
        let mut supplied = (wire.len() - head) as u64;
        let error = loop {
            match part(&mut connection, &then[given..]) {
                Ok((wire, consumed)) => {
                    supplied += wire.len() as u64;
                    given += consumed;
                    assert!(given < 200, "all of them were taken");
                }
                Err(error) => break error,
            }
        };
        let Error::Misuse(Misuse::SizeMismatch { declared, supplied: told }) = error else {
            panic!("{error:?}")
        };
        assert_eq!(declared, left);
        assert!(told != declared && told > supplied, "{told} octets, {supplied} before");
        assert!(connection.failure().is_some() && connection.output().is_empty());
    }
}

#[test]
fn s15_no_chunk_ends_a_message_where_the_window_is_full() {
    let mut window = Window::default();
    window.chunks = 1;
    let mut connection = transaction(window);
    connection.begin_chunks(data(None)).unwrap();
    part(&mut connection, b"a\r\n").unwrap();
    assert!(!connection.wants_body());
    assert_eq!(connection.finish_body(), Err(Misuse::NoBody.into()));
    assert_eq!(connection.body(b"b\r\n").map(drop), Err(Misuse::NoBody.into()));
    assert!(connection.failure().is_none() && connection.output().is_empty());
    hear(&mut connection, "250 ok\r\n");
    connection.finish_body().unwrap();
    assert_eq!(write(&mut connection), b"BDAT 0 LAST\r\n");
}

#[test]
fn r01_the_source_the_transport_and_the_server_each_have_their_time() {
    let waits = |connection: &Connection| {
        let timeout = connection.timeout().unwrap();
        (timeout.phase, timeout.sequence)
    };
    let mut connection = transaction(Window::default());
    connection.command(Command::Data(data(None))).unwrap();
    write(&mut connection);
    hear(&mut connection, "354 go\r\n");
    let (source, at) = waits(&connection);
    assert_eq!(source, TimeoutPhase::BodySource);
    let octets = connection.body(b"abc").unwrap().len();
    assert_eq!(waits(&connection), (TimeoutPhase::DataBlock, at), "nothing has left yet");
    connection.advance_output(octets - 1).unwrap();
    assert_eq!(waits(&connection), (TimeoutPhase::DataBlock, at + 1));
    connection.advance_output(1).unwrap();
    assert_eq!(waits(&connection), (TimeoutPhase::BodySource, at + 2));
    connection.finish_body().unwrap();
    assert_eq!(waits(&connection), (TimeoutPhase::DataBlock, at + 2));
    // The terminator is part of what is written.
    connection.advance_output(1).unwrap();
    assert_eq!(waits(&connection), (TimeoutPhase::DataBlock, at + 3));
    write(&mut connection);
    assert_eq!(waits(&connection).0, TimeoutPhase::Reply(Stage::EndOfData));

    // The time for a reply that is awaited does not begin again with each octet of a chunk behind it.
    let mut connection = in_chunks(None);
    part(&mut connection, b"a\r\n").unwrap();
    let awaited = waits(&connection);
    assert_eq!(awaited.0, TimeoutPhase::Reply(Stage::Bdat));
    part(&mut connection, b"b\r\n").unwrap();
    assert_eq!(waits(&connection), awaited);
}

/// To answer BDAT without reading its octets is a refusal, and the end of the session: nobody has the message.
#[test]
fn d14_a_last_chunk_that_was_not_read_was_not_delivered() {
    for (code, unread) in [(500, true), (502, true), (530, true), (554, false)] {
        let mut connection = in_chunks(Some(3));
        part(&mut connection, b"a\r\n").unwrap();
        connection.receive(format!("{code} no\r\n").as_bytes());
        let event = connection.poll_event();
        assert_eq!(event.is_err(), unread, "{event:?}");
        assert_eq!(connection.failure().is_some(), unread);
        assert!(!connection.may_have_been_delivered());
    }
    // Where no answer came it may have been.
    let mut connection = in_chunks(Some(3));
    part(&mut connection, b"a\r\n").unwrap();
    assert!(!connection.may_have_been_delivered());
    connection.abandon();
    assert!(connection.may_have_been_delivered());
}

#[test]
fn s17_what_comes_before_the_octets_it_could_answer_have_left() {
    let judged = |written: usize, said: &str| {
        let mut connection = in_chunks(None);
        drop(connection.body(b"a\r\n").unwrap());
        connection.advance_output(written).unwrap();
        connection.receive(said.as_bytes());
        connection.poll_event()
    };
    let whole = "BDAT 3\r\na\r\n".len();
    for written in 1..whole {
        // A chunk that is being written may be refused, and the server may go: each in answer to it.
        let refused = judged(written, "554 no\r\n").unwrap_err();
        assert!(matches!(refused, Error::Refused { stage: Stage::Bdat, .. }), "{refused:?}");
        let closed = judged(written, "421 bye\r\n").unwrap_err();
        assert!(matches!(closed, Error::ServerClosed { stage: Some(Stage::Bdat), .. }), "{closed:?}");
        assert_eq!(judged(written, "250 ok\r\n"), Err(ProtocolError::Premature(Stage::Bdat).into()));
        assert_eq!(judged(written, "25"), Ok(None), "it may become a refusal");
    }
    // Nothing of it has left: no answer to it.
    assert_eq!(judged(0, "554 no\r\n"), Err(ProtocolError::Surplus.into()));
    assert_eq!(judged(0, "25"), Err(ProtocolError::Surplus.into()));
    let closed = judged(0, "421 bye\r\n").unwrap_err();
    assert!(matches!(closed, Error::ServerClosed { stage: None, .. }), "{closed:?}");

    // A command has no early answers, and the first octet of one shows it.
    let mut connection = transaction(Window::default());
    connection.command(Command::Rset).unwrap();
    connection.advance_output(2).unwrap();
    connection.receive(b"25");
    assert_eq!(connection.poll_event(), Err(ProtocolError::Premature(Stage::Rset).into()));
}
