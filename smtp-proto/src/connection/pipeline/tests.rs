//! What nothing but the pipeline itself can tell: where its window ends to the octet, and what it holds on to.

#![allow(clippy::unwrap_used)]

use alloc::vec;

use super::*;
use crate::command::{AuthCommand, Command};
use crate::connection::{Config, Connection, Peer, TlsPolicy};

fn window(commands: usize, octets: usize) -> Window {
    Window { commands, octets, ..Window::default() }
}

fn queue(pipeline: &mut Pipeline, stage: Stage, line: &[u8]) -> CommandId {
    let encode = |out: &mut Vec<u8>| {
        out.extend_from_slice(line);
        Ok::<(), ()>(())
    };
    pipeline.push(stage, encode).unwrap()
}

fn queue_secret(pipeline: &mut Pipeline, line: &[u8]) {
    let encode = |out: &mut Vec<u8>| {
        out.extend_from_slice(line);
        Ok::<(), ()>(())
    };
    pipeline.push_secret(Stage::Auth, line.len(), encode).unwrap();
}

/// Releases what may leave, and has the transport take it.
fn leave(pipeline: &mut Pipeline, window: &Window) -> Vec<u8> {
    pipeline.release(window, true, true);
    let left = pipeline.output().to_vec();
    pipeline.advance(left.len()).unwrap();
    left
}

/// `n` commands of four octets in a row.
fn rsets(pipeline: &mut Pipeline, n: usize) {
    for _ in 0..n {
        queue(pipeline, Stage::Rset, b"abc\n");
    }
}

#[test]
fn s15_the_window_is_kept_to_the_command_and_to_the_octet() {
    for (window, in_flight) in [
        (window(2, 100), 2),
        (window(100, 8), 2),
        (window(100, 11), 2),
        (window(100, 12), 3),
        (window(0, 0), 1),
    ] {
        let mut pipeline = Pipeline::new();
        rsets(&mut pipeline, 5);
        assert_eq!(leave(&mut pipeline, &window).len(), 4 * in_flight, "{window:?}");
        // Each that is answered makes room for one.
        for _ in in_flight..5 {
            assert_eq!(leave(&mut pipeline, &window), b"");
            pipeline.pop().unwrap();
            assert_eq!(leave(&mut pipeline, &window), b"abc\n");
        }
        while pipeline.pop().is_some() {}
        assert_eq!((pipeline.cost, pipeline.cost_in_flight, pipeline.in_flight), (0, 0, 0));
    }
}

#[test]
fn s15_room_for_a_command_is_told_as_it_is_given() {
    for (window, fit) in [(window(2, 100), 2), (window(100, 8), 2), (window(100, 9), 3), (window(100, 12), 3)]
    {
        let mut pipeline = Pipeline::new();
        for _ in 0..fit {
            assert!(pipeline.has_room(&window, true), "{window:?}");
            rsets(&mut pipeline, 1);
            assert!(!pipeline.has_room(&window, false));
        }
        assert!(!pipeline.has_room(&window, true), "{window:?}");
        leave(&mut pipeline, &window);
        pipeline.pop().unwrap();
        assert!(pipeline.has_room(&window, true), "{window:?}");
    }
}

#[test]
fn s15_a_chunk_is_announced_where_its_longest_line_would_fit() {
    let octets = |octets| Window { octets, ..Window::default() };
    let chunks = |chunks| Window { chunks, ..Window::default() };
    for (window, fits) in [
        (octets(Head::LINE + 4), true),
        (octets(Head::LINE + 3), false),
        (window(2, 1000), true),
        (window(1, 1000), false),
        (chunks(2), true),
        (chunks(1), true),
        (chunks(0), true),
    ] {
        let mut pipeline = Pipeline::new();
        assert!(pipeline.takes_chunk(&window, false), "the first is always taken");
        rsets(&mut pipeline, 1);
        assert!(!pipeline.takes_chunk(&window, true), "something is held back");
        leave(&mut pipeline, &window);
        assert_eq!(pipeline.takes_chunk(&window, true), fits, "{window:?}");
        assert!(!pipeline.takes_chunk(&window, false), "without PIPELINING");
    }
    for (window, fit) in [(chunks(3), 3), (chunks(1), 1), (chunks(0), 1)] {
        let mut pipeline = Pipeline::new();
        for _ in 0..fit {
            assert!(pipeline.takes_chunk(&window, true), "{window:?}");
            let id = pipeline.new_id();
            pipeline.push_chunk(id, Stage::Bdat, b"BDAT 0\r\n", 0);
        }
        assert!(!pipeline.takes_chunk(&window, true), "{window:?}");
        pipeline.pop().unwrap();
        assert!(pipeline.takes_chunk(&window, true), "{window:?}");
    }
}

#[test]
fn what_leads_a_chunk_is_what_has_not_been_written() {
    let pending = |written: usize, line: &[u8]| {
        let mut pipeline = Pipeline::new();
        queue(&mut pipeline, Stage::Rset, line);
        pipeline.release(&Window::default(), true, true);
        pipeline.advance(written).unwrap();
        let head = pipeline.take_head();
        assert_eq!((pipeline.output(), pipeline.head), (&b""[..], 0));
        match head {
            Head::Empty => vec![],
            Head::Line { octets, len } => octets[..len].to_vec(),
            Head::Lines(lines) => lines,
        }
    };
    let long = [&[b'a'; 99][..], b"\n"].concat();
    assert_eq!(pending(0, &long), long);
    assert_eq!(pending(30, &long), long[30..]);
    assert_eq!(pending(90, &long), long[90..]);
    assert_eq!(pending(100, &long), b"");
    assert_eq!(pending(2, b"abc\n"), b"c\n");
}

#[test]
fn r08_what_was_written_is_not_held_on_to() {
    let mut pipeline = Pipeline::new();
    // A little at a time, with something left over all along.
    for _ in 0..10_000 {
        rsets(&mut pipeline, 2);
        pipeline.release(&Window::default(), true, true);
        pipeline.advance(if pipeline.output().len() > 8 { 8 } else { 7 }).unwrap();
        while pipeline.front_left() {
            pipeline.pop().unwrap();
        }
        assert!(pipeline.bytes.capacity() <= 2 * GROUP && pipeline.entries.capacity() <= 16);
    }
    // Of a large group no more is left than of a small one.
    rsets(&mut pipeline, 1000);
    while !leave(&mut pipeline, &Window::default()).is_empty() {}
    assert!(pipeline.bytes.is_empty() && pipeline.bytes.capacity() <= KEEP);
    while pipeline.pop().is_some() {}
    assert_eq!(pipeline.entries.capacity(), 0);
    // What a single command needs is kept for the next.
    rsets(&mut pipeline, 1);
    while !leave(&mut pipeline, &Window::default()).is_empty() {}
    assert_eq!(pipeline.bytes.capacity(), KEEP);
    while pipeline.pop().is_some() {}
    assert_eq!(pipeline.entries.capacity(), 4);
    // Nor does anything stay once the connection is broken.
    rsets(&mut pipeline, 1000);
    pipeline.release(&Window::default(), true, true);
    pipeline.stop();
    assert_eq!((pipeline.output(), pipeline.bytes.capacity(), pipeline.len()), (&b""[..], 0, 1000));
}

#[test]
fn l06_a_secret_is_never_moved_and_wiped_once_written() {
    let secret = [b's'; 100];
    let mut pipeline = Pipeline::new();
    queue(&mut pipeline, Stage::Rset, b"abc\n");
    leave(&mut pipeline, &Window::default());
    queue_secret(&mut pipeline, &secret);
    pipeline.release(&Window::default(), true, true);
    pipeline.pop().unwrap();
    pipeline.release(&Window::default(), true, true);
    let place = pipeline.bytes.as_ptr();
    for left in (0..100).rev() {
        assert_eq!((pipeline.bytes.len(), pipeline.secret), (100, true), "{left} octets left");
        assert_eq!(pipeline.bytes.as_ptr(), place);
        pipeline.advance(1).unwrap();
    }
    assert_eq!((pipeline.bytes.len(), pipeline.secret, pipeline.head), (0, false, 0));
    assert_eq!(pipeline.bytes.capacity(), 0);
    // Where a line without a secret is moved to the front.
    queue(&mut pipeline, Stage::Rset, &secret);
    let front = pipeline.bytes.as_ptr();
    pipeline.pop().unwrap();
    pipeline.release(&Window::default(), true, true);
    pipeline.advance(50).unwrap();
    assert_eq!((pipeline.bytes.len(), pipeline.head), (100, 50));
    pipeline.advance(1).unwrap();
    assert_eq!((pipeline.bytes.len(), pipeline.head), (49, 0));
    assert_eq!(pipeline.bytes.as_ptr(), front);
    // The buffer is made as large as a secret before it is written there, and no larger.
    let mut pipeline = Pipeline::new();
    queue_secret(&mut pipeline, &[b's'; 1000]);
    assert_eq!(pipeline.bytes.capacity(), 1000);
    pipeline.stop();
    assert!(!pipeline.secret && pipeline.bytes.capacity() == 0);
}

#[test]
fn positions_count_what_is_lent_and_what_has_left() {
    let mut pipeline = Pipeline::new();
    rsets(&mut pipeline, 1);
    leave(&mut pipeline, &Window::default());
    let id = pipeline.new_id();
    pipeline.push_chunk(id, Stage::EndOfData, b"BDAT 10 LAST\r\n", 10);
    let head = pipeline.take_head();
    assert!(matches!(head, Head::Line { len: 14, .. }));
    pipeline.lend(24);
    assert_eq!(pipeline.owed(), 24);
    // Queued behind what is lent, and written behind it.
    let behind = queue(&mut pipeline, Stage::Rset, b"xyz\n");
    pipeline.release(&Window::default(), true, true);
    assert_eq!(pipeline.output(), b"xyz\n");
    pipeline.pop().unwrap();
    assert!(!pipeline.front_begun());
    pipeline.advance(1).unwrap();
    assert!(pipeline.front_begun() && !pipeline.front_left() && !pipeline.message_unanswered(0, 1));
    pipeline.advance(22).unwrap();
    assert!(!pipeline.is_unanswered(id));
    assert!(pipeline.advance(6).is_none(), "more than there is");
    pipeline.advance(1).unwrap();
    assert!(
        pipeline.is_unanswered(id) && pipeline.message_unanswered(0, 1) && !pipeline.message_unanswered(1, 1)
    );
    assert!(!pipeline.is_unanswered(behind));
    pipeline.advance(4).unwrap();
    assert!(pipeline.is_unanswered(behind) && pipeline.contains(behind));
    pipeline.pop().unwrap();
    assert!(!pipeline.message_unanswered(0, 1) && !pipeline.is_unanswered(id) && !pipeline.contains(id));
}

#[test]
fn the_end_of_a_message_to_nobody_is_that_of_no_message() {
    let mut pipeline = Pipeline::new();
    let window = Window::default();
    queue(&mut pipeline, Stage::Mail, b"mail\n");
    let end = queue(&mut pipeline, Stage::EndOfData, b".\n");
    pipeline.release(&window, true, true);
    leave(&mut pipeline, &window);
    assert!(!pipeline.message_unanswered(0, 0) && pipeline.message_unanswered(0, 1));
    queue(&mut pipeline, Stage::Mail, b"mail\n");
    queue(&mut pipeline, Stage::Rcpt, b"rcpt\n");
    let second = queue(&mut pipeline, Stage::EndOfData, b".\n");
    leave(&mut pipeline, &window);
    assert!(pipeline.message_unanswered(0, 0), "the second is for somebody, as far as is known");
    assert!(pipeline.is_first_end(end) && !pipeline.is_first_end(second));
}

/// Not reached by any transport, and yet no panic, and no message told unsent that may have been sent.
#[test]
fn positions_stand_still_at_their_largest() {
    let mut pipeline = Pipeline::new();
    pipeline.accepted = u64::MAX - 3;
    let id = pipeline.new_id();
    pipeline.push_chunk(id, Stage::EndOfData, b"BDAT 5 LAST\r\n", 5);
    let head = pipeline.take_head();
    assert!(matches!(head, Head::Line { len: 13, .. }));
    pipeline.lend(18);
    assert!(!pipeline.front_left());
    assert_eq!(pipeline.advance(18), Some(()));
    assert!(pipeline.front_left() && pipeline.message_unanswered(0, 1));
    assert_eq!(pipeline.advance(1), None, "nothing is on offer");
}

#[test]
fn l06_auth_and_its_responses_are_queued_as_secrets() {
    let mut connection = Connection::new(Config::new("mail.example").tls(TlsPolicy::None), Peer::Remote);
    let exchange = |connection: &mut Connection, said: &[u8]| {
        connection.advance_output(connection.output().len()).unwrap();
        connection.receive(said);
        while connection.poll_event().unwrap().is_some() {}
    };
    exchange(&mut connection, b"220 hi\r\n");
    connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
    assert!(!connection.pipeline.secret);
    exchange(&mut connection, b"250-hi\r\n250 AUTH PLAIN\r\n");
    let auth = AuthCommand { mechanism: "PLAIN", initial_response: Some(b"secret") };
    connection.command(Command::Auth(auth)).unwrap();
    assert!(connection.pipeline.secret);
    exchange(&mut connection, b"334 \r\n");
    assert!(!connection.pipeline.secret && connection.pipeline.bytes.is_empty());
    connection.auth_respond(b"secret").unwrap();
    assert!(connection.pipeline.secret);
    exchange(&mut connection, b"235 ok\r\n");
    assert!(!connection.pipeline.secret);
}
