//! What a server can make the client hold, do, or show. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use allocation_counter::measure;
use common::{FROM, clear, config, hello};
use smtp_proto::capabilities::Extension;
use smtp_proto::command::Command;
use smtp_proto::connection::{Connection, Peer, Stage, TlsPolicy, Window};
use smtp_proto::error::{Error, ProtocolError};
use smtp_proto::flow::{
    Body, Delivery, Envelope, Exchange, Expect, Flow, Open, Send, SendError, SendOptions, Step,
};
use smtp_proto::reply::{ReplyError, ReplyLimits};
use smtp_tests::script::Scenario;

fn reply_error(error: &Error) -> &ReplyError {
    match error {
        Error::Protocol(ProtocolError::Reply { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn p17_a_long_ehlo_reply_is_taken_up_to_the_limits() {
    let lines = |n: usize, text: &str| {
        let keywords: Vec<String> = (0..n).map(|i| format!("X-{i}{text}")).collect();
        hello(&keywords.iter().map(String::as_str).collect::<Vec<_>>())
    };
    // 128 lines: the greeting line and 127 keywords.
    clear(&lines(127, "")).run(|session| {
        session.open().unwrap();
        assert_eq!(session.connection().capabilities().iter().count(), 127);
    });
    clear(&lines(128, "")).run(|session| {
        let error = session.open().unwrap_err();
        assert!(matches!(reply_error(&error), ReplyError::TooManyLines { limit: 128 }));
    });
    // 64 KiB in lines that are each in order.
    clear(&lines(60, &format!(" {}", "p".repeat(1000)))).run(|session| session.open().unwrap());
    clear(&lines(70, &format!(" {}", "p".repeat(1000)))).run(|session| {
        let error = session.open().unwrap_err();
        assert!(matches!(reply_error(&error), ReplyError::ReplyTooLong { limit: 65_536 }), "{error:?}");
    });
}

#[test]
fn p18_a_refused_ehlo_brings_no_extension() {
    let script = "S: 220 x\nC: EHLO client.test\nS: 550-STARTTLS\nS: 550-PIPELINING\nS: 550 AUTH PLAIN\nC: HELO client.test\nS: 250 x";
    clear(script).run(|session| {
        session.open().unwrap();
        assert!(session.connection().capabilities().is_empty());
        assert!(!session.connection().capabilities().supports(Extension::StartTls));
    });
}

#[test]
fn p17_the_limits_are_settings() {
    let limits = ReplyLimits::default().with_line(20).with_lines(2);
    let meet = |reply: &str| {
        let script = format!("S: 220 x\nC: EHLO client.test\n{reply}");
        Scenario::new(config(TlsPolicy::None).limits(limits)).script(script).run(|session| session.open())
    };
    assert_eq!(meet("S: 250-x\nS: 250 SIZE 123456789AB"), Ok(()));
    assert_eq!(meet("S: 250-x\nS: 250 SIZE 1234567890"), Ok(()));
    assert!(meet("S: 250-x\nS: 250 SIZE 123456789012").is_err());
    assert!(meet("S: 250-x\nS: 250-y\nS: 250 z").is_err());
}

/// Feeds the same piece for ever; how much was taken before the connection broke, and why it did.
fn flood(mut connection: Connection, piece: &[u8], poll: bool) -> (usize, Error) {
    let mut fed = 0;
    loop {
        connection.receive(piece);
        fed += piece.len();
        if poll {
            loop {
                match connection.poll_event() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(error) => return (fed, error),
                }
            }
        } else if fed > 1 << 20 {
            while let Ok(event) = connection.poll_event() {
                assert!(event.is_some(), "a megabyte was held");
            }
            return (fed, connection.failure().unwrap().clone());
        }
        assert!(fed < 1 << 30, "a gigabyte was taken");
    }
}

fn at(stage: Stage) -> Connection {
    let mut connection = Connection::new(config(TlsPolicy::None), Peer::Local);
    if stage == Stage::Greeting {
        return connection;
    }
    connection.receive(b"220 x\r\n");
    let mut open = Open::new();
    assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
    drain(&mut connection);
    if stage == Stage::Ehlo {
        return connection;
    }
    connection.receive(b"250-x\r\n250 AUTH X\r\n");
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));
    let command = match stage {
        Stage::Noop => Command::Noop,
        Stage::StartTls | Stage::Auth => {
            let auth = smtp_proto::command::AuthCommand { mechanism: "X", initial_response: None };
            Command::Auth(auth)
        }
        _ => Command::Quit,
    };
    assert!(matches!(Exchange::new(command, Expect::Anything).poll(&mut connection), Ok(Step::Continue)));
    drain(&mut connection);
    connection
}

fn drain(connection: &mut Connection) -> usize {
    let n = connection.output().len();
    connection.advance_output(n).unwrap();
    n
}

#[test]
fn r07_no_hostile_stream_is_held_beyond_the_limits() {
    let long_line = vec![b'a'; 4096];
    let long_reply = [b"250-", &[b'x'; 1000][..], b"\r\n"].concat();
    let pieces: [&[u8]; 10] = [
        b"2",
        b"250-",
        b"250-\r\n",
        b"250-a\r\n",
        b"\r\n",
        b"\n",
        &long_line,
        &long_reply,
        b"\0",
        b"334 x\r\n",
    ];
    for stage in [Stage::Greeting, Stage::Ehlo, Stage::Noop, Stage::Auth] {
        for piece in pieces {
            let (fed, error) = flood(at(stage), piece, true);
            assert!(error.is_fatal());
            assert!(fed <= 64 * 1024 + 2 * piece.len(), "{stage:?} {piece:?}: {fed} octets");
        }
    }
    // A caller that only feeds and never asks: what waits is bounded too.
    let (_, error) = flood(at(Stage::Noop), b"250-more and more\r\n", false);
    assert!(error.is_fatal());
}

#[test]
fn r07_to_quit_any_flood_is_the_end() {
    let mut connection = at(Stage::Quit);
    for _ in 0..1000 {
        connection.receive(&[b'a'; 4096]);
        let _ = connection.poll_event().unwrap();
    }
    assert!(connection.is_closed());
}

// ---- R08: a long list of recipients ----

/// A server that answers recipient `i` with `answer(i)`, the rest with what is asked for; the octets it allocated,
/// and the most octets of commands that were without a reply.
fn deliver(
    n: usize,
    options: SendOptions,
    answer: fn(usize) -> u16,
) -> (Result<Delivery, SendError>, u64, usize) {
    let recipients = (0..n).map(|i| format!("r{i}@example.net").parse().unwrap());
    let envelope = Envelope::new(FROM.parse().unwrap(), recipients);
    let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
    connection.receive(b"220 x\r\n");
    let mut open = Open::new();
    let _ = open.poll(&mut connection).unwrap();
    drain(&mut connection);
    connection.receive(b"250-x\r\n250 PIPELINING\r\n");
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));

    let (mut seen, mut most) = (0, 0);
    let mut flow = Send::new(&envelope, Body::Whole(b"x\r\n"), options);
    let mut result = None;
    let counted = measure(|| {
        result = Some(loop {
            match flow.poll(&mut connection) {
                Err(error) => break Err(error),
                Ok(Step::Done(delivery)) => break Ok(delivery),
                Ok(Step::SupplyBody { .. }) => {
                    let part = connection.body(b"x\r\n").unwrap();
                    connection.advance_output(part.len()).unwrap();
                    connection.finish_body().unwrap();
                }
                Ok(_) => {
                    let said = connection.output().to_vec();
                    drain(&mut connection);
                    most = most.max(said.len());
                    let mut replies = String::new();
                    for line in said.split_inclusive(|&b| b == b'\n') {
                        let code = match line {
                            [b'R', b'C', ..] => {
                                seen += 1;
                                answer(seen - 1)
                            }
                            [b'D', b'A', ..] => 354,
                            _ => 250,
                        };
                        replies += &format!("{code} x\r\n");
                    }
                    connection.receive(replies.as_bytes());
                }
            }
        });
    });
    (result.unwrap(), counted.bytes_total, most)
}

/// INV9 as far as allocated octets show it; `tests/work/run` counts instructions.
#[test]
fn inv9_r08_a_hundred_thousand_recipients_cost_ten_times_ten_thousand() {
    let window = Window::default().octets;
    for (name, options, answer) in [
        ("all accepted", SendOptions::default(), (|_| 250) as fn(usize) -> u16),
        ("all accepted, all needed", SendOptions::all_or_nothing(), |_| 250),
        ("all refused", SendOptions::default(), |_| 550),
        ("the last one refused", SendOptions::all_or_nothing(), |i| {
            if i == 9_999 || i == 99_999 { 450 } else { 250 }
        }),
        ("the first one refused", SendOptions::all_or_nothing(), |i| if i == 0 { 450 } else { 250 }),
    ] {
        let (_, small, _) = deliver(10_000, options, answer);
        let (result, large, most) = deliver(100_000, options, answer);
        let recipients = match &result {
            Ok(delivery) => &delivery.recipients,
            Err(error) => error.recipients(),
        };
        assert_eq!(recipients.len(), 100_000);
        assert_eq!(result.is_ok(), name.starts_with("all accepted"));
        assert!(most <= window, "{name}: {most} octets in flight");
        // Quadratic would be a hundred times.
        assert!(large <= small * 20, "{name}: {small} octets for 10,000, {large} for 100,000");
    }
}

// ---- R09: what is shown of what a server said ----

#[test]
fn r09_long_server_text_is_cut_where_it_is_shown() {
    let line = "y".repeat(1500);
    let lines = format!("S: 550-{line}\n").repeat(20);
    let script = format!("{}C: NOOP\n{lines}S: 550 {line}", hello(&[]));
    clear(&script).run(|session| {
        session.open().unwrap();
        let error = session.command(Command::Noop).unwrap_err();
        assert_eq!(error.reply().unwrap().text().len(), 1500 * 21 + 20, "all of it is kept");
        for shown in [error.to_string(), format!("{error:?}"), format!("{error:#?}")] {
            assert!(shown.len() < 800, "{} octets shown", shown.len());
        }
    });
    // Every octet escaped is four times as long, and no more.
    let escaped = r"\x1b".repeat(1500);
    clear(&format!("{}C: NOOP\nS| 550 {escaped}\\r\\n", hello(&[]))).run(|session| {
        session.open().unwrap();
        let error = session.command(Command::Noop).unwrap_err();
        assert!(error.to_string().len() < 2300, "{}", error.to_string().len());
    });
}
