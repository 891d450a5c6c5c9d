//! What is allocated, counted: nothing a body chunk, one piece of memory a reply, and no more for a long
//! message than for a short one. And how much is held while a server sends whatever it wants.

#![allow(clippy::unwrap_used)]

use std::hint::black_box;

use allocation_counter::{AllocationInfo, measure};
use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules, Content};
use smtp_proto::command::Command;
use smtp_proto::connection::{Config, Connection, Event, Peer, TlsPolicy};
use smtp_proto::flow::{Body, Envelope, Flow, Open, Send, SendOptions, Step};
use smtp_proto::reply::{ReplyLimits, ReplyParser, ReplyRef};

const REPLIES: u64 = 1000;

/// With every kind of octet that the encoder has to do something about.
const CHUNK: &[u8] = b".a line\r\n..\r\n\na\rb\r\n.\r\nGr\xc3\xbc\xc3\x9fe\n.";

#[test]
fn one_allocation_a_reply() {
    let mut parser = ReplyParser::default();
    let mut replies = || {
        for input in ["250 2.1.5 OK\r\n", "250-mx.example\r\n250-SIZE 1000\r\n250 HELP\r\n"] {
            parser.receive(input.as_bytes()).unwrap();
            black_box(parser.next_reply().unwrap().unwrap());
        }
    };
    replies();
    let counted = measure(|| (0..REPLIES / 2).for_each(|_| replies()));
    assert_eq!(counted.count_total, REPLIES);
    assert_eq!(counted.count_max, 1, "none is kept");
}

#[test]
fn one_allocation_a_reply_in_pieces() {
    let mut parser = ReplyParser::default();
    let mut reply = || {
        b"250-mx.example\r\n250 HELP\r\n".iter().for_each(|octet| parser.receive(&[*octet]).unwrap());
        black_box(parser.next_reply().unwrap().unwrap());
    };
    reply();
    let counted = measure(|| (0..REPLIES).for_each(|_| reply()));
    assert_eq!(counted.count_total, REPLIES);
}

#[test]
fn no_allocation_a_borrowed_reply() {
    let counted = measure(|| {
        let (reply, _) =
            ReplyRef::parse(b"550-5.1.1 a\r\n550 5.1.1 b\r\n", &ReplyLimits::default()).unwrap().unwrap();
        black_box((reply.enhanced(), reply.lines().count()));
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn one_allocation_a_command_and_its_reply() {
    let mut connection = session();
    let mut exchange = || {
        connection.command(Command::Vrfy("postmaster")).unwrap();
        connection.advance_output(connection.output().len()).unwrap();
        connection.receive(b"252 2.5.2 perhaps\r\n");
        let event = connection.poll_event().unwrap().unwrap();
        assert!(matches!(event, Event::Reply { .. }));
        assert!(connection.poll_event().unwrap().is_none());
    };
    exchange();
    let counted = measure(|| (0..REPLIES).for_each(|_| exchange()));
    assert_eq!(counted.count_total, REPLIES);
    assert_eq!(counted.bytes_current, 0);
}

#[test]
fn no_allocation_a_body_chunk() {
    let counted = measure(|| {
        let mut encoder = BodyEncoder::new(BodyRules::new(BodyKind::EightBitMime));
        for _ in 0..1000 {
            for_each_part(CHUNK, |rest| encoder.encode(rest).unwrap().consumed());
        }
        black_box(encoder.terminator().unwrap());
        black_box(Content::scan(CHUNK));
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn no_allocation_a_body_chunk_of_a_connection() {
    let mut connection = session();
    let envelope = envelope();
    let mut send = Send::new(&envelope, BODY, SendOptions::default());
    until_body(&mut send, &mut connection);
    let counted = measure(|| (0..1000).for_each(|_| supply(&mut connection, CHUNK)));
    assert_eq!(counted.count_total, 0);
}

#[test]
fn no_more_allocations_for_a_long_message() {
    let mut connection = session();
    send(&mut connection, 1);
    let short = send(&mut connection, 1);
    let long = send(&mut connection, 10_000);
    assert_eq!((short.count_total, short.bytes_total), (long.count_total, long.bytes_total));
    assert_eq!(short.bytes_max, long.bytes_max);
    assert_eq!((short.bytes_current, long.bytes_current), (0, 0), "nothing is kept");
    println!("one message: {} allocations, {} octets at most", long.count_total, long.bytes_max);
}

/// R07, on a small scale: shapes of input that a parser might be made to collect.
#[test]
fn what_a_server_can_make_a_connection_hold() {
    const OFTEN: usize = 4000;
    let limits = ReplyLimits::default();
    // What the parser may hold, and while it grows what it held; and of a reply that is complete, the reply.
    let most = limits.unread + limits.unread / 4 + limits.unread + limits.reply;
    for (name, piece) in [
        ("no line end", &[b'2'; 1000][..]),
        ("a long line", &[b"250 ", &[b'x'; 1000][..]].concat()),
        ("continued for ever", &b"250-\r\n".repeat(200)),
        ("long lines, continued", &[b"250-", &[b'x'; 1000][..], b"\r\n"].concat()),
        ("blank lines", &b"\r\n".repeat(500)),
        ("replies that nobody asked for", &b"250 ok\r\n".repeat(200)),
        ("challenges", &b"334 VXNlcm5hbWU6\r\n".repeat(100)),
    ] {
        for taking in [true, false] {
            let counted = measure(|| {
                let mut connection = session();
                connection.command(Command::Vrfy("postmaster")).unwrap();
                connection.advance_output(connection.output().len()).unwrap();
                for _ in 0..OFTEN {
                    connection.receive(piece);
                    while taking && matches!(connection.poll_event(), Ok(Some(_))) {}
                }
            });
            println!("{name}, replies taken: {taking}: {} octets", counted.bytes_max);
            assert!(counted.bytes_max <= most as u64, "{name}");
        }
    }
}

const BODY: Body<'static> = Body::Stream { kind: BodyKind::EightBitMime, size: None };

fn envelope() -> Envelope {
    Envelope::new("alice@example.org".parse().unwrap(), ["bob@example.net".parse().unwrap()])
}

/// A connection that has been greeted and has said EHLO.
fn session() -> Connection {
    let mut connection = Connection::new(Config::new("mx.example").tls(TlsPolicy::None), Peer::Remote);
    let mut open = Open::new();
    connection.receive(b"220 mx.example\r\n");
    assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
    written(&mut connection);
    connection.receive(b"250-mx.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n");
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));
    connection
}

fn written(connection: &mut Connection) {
    connection.advance_output(connection.output().len()).unwrap();
}

/// Sends a message of this many chunks; what that allocates.
fn send(connection: &mut Connection, chunks: usize) -> AllocationInfo {
    let envelope = envelope();
    measure(|| {
        let mut send = Send::new(&envelope, BODY, SendOptions::default());
        until_body(&mut send, connection);
        (0..chunks).for_each(|_| supply(connection, CHUNK));
        connection.finish_body().unwrap();
        written(connection);
        connection.receive(b"250 2.0.0 queued\r\n");
        assert!(matches!(send.poll(connection), Ok(Step::Done(_))));
    })
}

fn until_body(send: &mut Send<'_>, connection: &mut Connection) {
    assert!(matches!(send.poll(connection), Ok(Step::Continue)));
    written(connection);
    connection.receive(b"250 2.1.0 ok\r\n250 2.1.5 ok\r\n354 go\r\n");
    let step = send.poll(connection);
    assert!(matches!(step, Ok(Step::SupplyBody { .. })), "{step:?}");
}

fn supply(connection: &mut Connection, chunk: &[u8]) {
    for_each_part(chunk, |rest| {
        let part = connection.body(rest).unwrap();
        connection.advance_output(part.len()).unwrap();
        part.consumed()
    });
}

fn for_each_part(chunk: &[u8], mut encode: impl FnMut(&[u8]) -> usize) {
    let mut rest = chunk;
    while !rest.is_empty() {
        let consumed = encode(rest);
        rest = &rest[consumed..];
    }
}
