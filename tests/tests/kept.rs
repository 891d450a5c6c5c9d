//! What is kept of a server's words: nothing from message to message, and in an outcome so much as is documented,
//! however many recipients there are and however long the replies to them.
#![allow(clippy::unwrap_used, clippy::panic)]

use allocation_counter::measure;
use smtp_proto::connection::{Config, Connection, Peer, Protocol, Stage, TlsPolicy};
use smtp_proto::error::Error;
use smtp_proto::flow::{Batch, Body, Delivery, Envelope, Flow, Open, SendError, SendOptions, Step, Transfer};
use smtp_proto::reply::{Reply, ReplyLimits};

/// What a connection holds at most.
const HELD: u64 = 1024 * 1024;

/// What a recipient costs besides text: two replies and a state, in an outcome that may be made anew.
const RECIPIENT: u64 = 256;

const MESSAGE: &[u8] = b"Subject: hi\r\n\r\nhi\r\n";

/// As long as a reply may be, about.
fn long(code: u16) -> String {
    let line = "x".repeat(2000);
    format!("{code}-{}.1.5 a\r\n{}{code} end\r\n", code / 100, format!("{code}-{line}\r\n").repeat(31))
}

/// What the server says to a command, or to the end of a message.
type Server<'s> = &'s dyn Fn(&str) -> String;

fn polite(line: &str) -> String {
    match line {
        "DATA" => "354 go\r\n".into(),
        _ => "250 ok\r\n".into(),
    }
}

fn open(config: Config, keywords: &str) -> Connection {
    let mut connection = Connection::new(config.tls(TlsPolicy::None), Peer::Remote);
    connection.receive(b"220 hi\r\n");
    let mut open = Open::new();
    while !matches!(open.poll(&mut connection), Ok(Step::Done(()))) {
        connection.advance_output(connection.output().len()).unwrap();
        connection.receive(format!("250-x\r\n250-PIPELINING\r\n250 {keywords}\r\n").as_bytes());
    }
    connection
}

/// Sends all that the batch has, until it is over or the connection is lost. `finals` is how often the end of a
/// message is answered.
fn drive(batch: &mut Batch<&Envelope>, connection: &mut Connection, server: Server<'_>, finals: usize) {
    loop {
        match batch.poll(connection) {
            Err(_) | Ok(Step::Done(())) => return,
            Ok(Step::SupplyBody { .. }) => {
                let part = connection.body(MESSAGE).unwrap();
                connection.advance_output(part.len()).unwrap();
                connection.finish_body().unwrap();
            }
            Ok(_) => {
                let said = String::from_utf8(connection.output().to_vec()).unwrap();
                assert!(!said.is_empty(), "nothing to do");
                connection.advance_output(said.len()).unwrap();
                for line in said.lines() {
                    let times = if line == "." { finals } else { 1 };
                    for _ in 0..times {
                        connection.receive(server(line).as_bytes());
                        batch_poll(batch, connection);
                    }
                }
            }
        }
    }
}

/// Takes the replies so far, as after each read.
fn batch_poll(batch: &mut Batch<&Envelope>, connection: &mut Connection) {
    let _ = batch.poll(connection);
}

type Outcome = Result<Delivery, SendError>;

/// Sends one message; the outcome, and what was held at most.
fn send(config: Config, keywords: &str, n: usize, server: Server<'_>) -> (Outcome, u64) {
    let to = (0..n).map(|i| format!("r{i}@example.net").parse().unwrap());
    let envelope = Envelope::new("alice@example.org".parse().unwrap(), to);
    let lmtp = config.is_lmtp();
    let mut outcome = None;
    let counted = measure(|| {
        let mut connection = open(config.clone(), keywords);
        let mut batch = Batch::new();
        let options = SendOptions::default().transfer(Transfer::Data).split(true);
        batch.push(&envelope, Body::Whole(MESSAGE), options);
        batch.finish();
        drive(&mut batch, &mut connection, server, if lmtp { n } else { 1 });
        outcome = batch.next_outcome();
    });
    (outcome.unwrap(), counted.bytes_max)
}

fn config() -> Config {
    Config::new("mail.example").client_name("client.test".parse().unwrap())
}

fn bound(n: usize, replies: usize) -> u64 {
    let limits = ReplyLimits::default();
    // A verdict is one of the replies once more; so is the error that ended the connection.
    HELD + limits.kept as u64 + 2 * limits.reply as u64 + (n * replies) as u64 * 512 + n as u64 * RECIPIENT
}

#[test]
fn r07_the_replies_to_many_recipients_are_bounded_together() {
    const N: usize = 2000;
    for (name, code, accepted) in [("accepted", 250, true), ("refused", 550, false)] {
        let (outcome, held) = send(config(), "SIZE", N, &|line| match line.get(..4) {
            Some("RCPT") => long(code),
            _ => polite(line),
        });
        println!("{N} recipients {name} with {} octets each: {held} octets", long(code).len());
        assert!(held <= bound(N, 1), "{name}: {held} octets");
        assert_eq!(outcome.is_ok(), accepted);
        let recipients = match &outcome {
            Ok(delivery) => &delivery.recipients,
            Err(error) => error.recipients(),
        };
        let replies = recipients.iter().map(|recipient| recipient.reply.as_ref().unwrap());
        told(replies, code);
    }
}

#[test]
fn r07_the_verdicts_of_lmtp_are_bounded_too() {
    const N: usize = 1000;
    let (outcome, held) = send(config().protocol(Protocol::Lmtp), "SIZE", N, &|line| match line {
        "." => long(250),
        _ => polite(line),
    });
    println!("{N} verdicts of {} octets: {held} octets", long(250).len());
    assert!(held <= bound(N, 2), "{held} octets");
    let delivery = outcome.unwrap();
    told(delivery.recipients.iter().map(|recipient| recipient.verdict.as_ref().unwrap()), 250);
}

/// A server that takes few recipients at a time has more to say: each transaction has its verdict, and each recipient
/// that of its transaction.
#[test]
fn r07_the_verdicts_of_a_split_message_are_bounded_too() {
    const N: usize = 1000;
    for most in [1, 500] {
        let (outcome, held) = send(config(), &format!("LIMITS RCPTMAX={most}"), N, &|line| match line {
            "." => long(250),
            _ => polite(line),
        });
        println!("{most} recipients at a time, verdicts of {} octets: {held} octets", long(250).len());
        assert!(held <= bound(N, 2), "{most} at a time: {held} octets");
        let delivery = outcome.unwrap();
        assert_eq!(delivery.recipients.len(), N);
        for recipient in &delivery.recipients {
            let verdict = recipient.verdict.as_ref().unwrap();
            assert!(verdict.is_shortened() && verdict.text().len() <= 512);
            assert_eq!(verdict.enhanced().unwrap().to_string(), "2.1.5");
        }
    }
}

/// Each message that was not sent says why, in the words with which the server closed.
#[test]
fn r07_the_last_words_of_a_server_are_not_kept_for_each_message() {
    const N: usize = 1000;
    let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"]).unwrap();
    let mut batch = Batch::new();
    let counted = measure(|| {
        let mut connection = open(config(), "SIZE");
        for _ in 0..N {
            batch.push(&envelope, Body::Whole(MESSAGE), SendOptions::default());
        }
        drive(&mut batch, &mut connection, &|_| long(421), 1);
        // Those that come when it is over, too.
        for _ in 0..N {
            batch.push(&envelope, Body::Whole(MESSAGE), SendOptions::default());
        }
    });
    println!("{} messages, 421 with {} octets: {} octets", 2 * N, long(421).len(), counted.bytes_max);
    assert!(counted.bytes_max <= bound(2 * N, 1) + 2 * N as u64 * RECIPIENT, "{} octets", counted.bytes_max);
    for i in 0..2 * N {
        let error = batch.next_outcome().unwrap().unwrap_err();
        let Some(Error::ServerClosed { reply, .. }) = error.cause() else { panic!("{error:?}") };
        assert_eq!((reply.code().get(), reply.is_shortened()), (421, i > 0), "message {i}");
        assert!(error.is_safe_to_retry());
    }
}

/// All is said until it is too much, and then the beginning of each.
fn told<'r>(replies: impl Iterator<Item = &'r Reply>, code: u16) {
    for (i, reply) in replies.enumerate() {
        assert_eq!(reply.code().get(), code);
        assert_eq!(reply.enhanced().unwrap().subject, 1);
        assert_eq!(reply.is_shortened(), i > 0, "reply {i}");
        let expected = if i > 0 { 512 } else { 62_045 };
        assert!(reply.text().len().abs_diff(expected) <= 50, "{} octets", reply.text().len());
        assert_eq!(reply.to_string().matches('…').count(), 1);
    }
}

#[test]
fn r07_the_bound_is_a_setting_and_short_replies_do_not_count() {
    let line = "x".repeat(508);
    let fits = |text: String| {
        move |line: &str| match line.get(..4) {
            Some("RCPT") => format!("250 {text}\r\n"),
            _ => polite(line),
        }
    };
    let shortened = |kept: usize, text: String| {
        let config = config().limits(ReplyLimits::default().with_kept(kept));
        let (outcome, _) = send(config, "SIZE", 10, &fits(text));
        let delivery = outcome.unwrap();
        delivery.recipients.iter().filter(|r| r.reply.as_ref().unwrap().is_shortened()).count()
    };
    assert_eq!(shortened(0, format!("{line}4444")), 0, "512 octets are not long");
    assert_eq!(shortened(0, format!("{line}55555")), 10);
    assert_eq!(shortened(513, format!("{line}55555")), 9);
    assert_eq!(shortened(513 * 10 - 1, format!("{line}55555")), 1);
    assert_eq!(shortened(513 * 10, format!("{line}55555")), 0);
}

/// What is cut off could be the end of a name.
#[test]
fn a_queue_id_is_not_read_out_of_a_reply_that_was_shortened() {
    let text = format!("250 {} queued as 12345678\r\n", "x".repeat(496));
    let server = |line: &str| if line == "." { text.clone() } else { polite(line) };
    let queue_id = |kept| {
        let config = config().limits(ReplyLimits::default().with_kept(kept));
        let delivery = send(config, "SIZE", 1, &server).0.unwrap();
        (delivery.queue_id().map(str::to_owned), delivery.reply.is_shortened())
    };
    assert_eq!(queue_id(1000), (Some("12345678".into()), false));
    assert_eq!(queue_id(0), (None, true));
}

#[test]
fn a_reply_is_not_cut_in_the_middle_of_a_character() {
    for before in 505..=512 {
        let text = format!("550 {}{}\r\n", "x".repeat(before), "€".repeat(10));
        let config = config().limits(ReplyLimits::default().with_kept(0));
        let server = |line: &str| if line.starts_with("MAIL") { text.clone() } else { polite(line) };
        let error = send(config, "SIZE", 1, &server).0.unwrap_err();
        let SendError::Rejected { stage: Stage::Mail, reply, .. } = error else { panic!("{error:?}") };
        let kept = std::str::from_utf8(reply.text()).unwrap();
        assert!(kept.len() > 509 && kept.len() <= 512, "{before}: {}", kept.len());
        assert!(reply.to_string().ends_with('…'));
    }
}

/// A session that never ends: a hundred thousand messages, each refused, accepted or split by turns.
#[test]
fn inv8_a_hundred_thousand_messages_leave_nothing_behind() {
    let envelope =
        Envelope::from_strs("alice@example.org", &["bob@example.net", "carol@example.net"]).unwrap();
    let mut connection = open(config(), "SIZE 1000");
    let mut batch = Batch::new();
    let mut at = 0;
    let mut messages = |count: usize| {
        for _ in 0..count {
            at += 1;
            batch.push(&envelope, Body::Whole(MESSAGE), SendOptions::default());
            while batch.next_outcome().is_none() {
                match batch.poll(&mut connection).unwrap() {
                    Step::SupplyBody { .. } => {
                        let part = connection.body(MESSAGE).unwrap();
                        connection.advance_output(part.len()).unwrap();
                        connection.finish_body().unwrap();
                    }
                    _ => {
                        let replies = match connection.output() {
                            [] => continue,
                            output if output.ends_with(b".\r\n") && at % 3 == 0 => "552 no\r\n",
                            output if output.ends_with(b".\r\n") => "250 ok\r\n",
                            output if output.starts_with(b"MAIL") && at % 5 == 0 => {
                                "550 no\r\n503 no\r\n503 no\r\n503 no\r\n"
                            }
                            output if output.starts_with(b"MAIL") => {
                                "250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n"
                            }
                            _ => "250 ok\r\n",
                        };
                        connection.advance_output(connection.output().len()).unwrap();
                        connection.receive(replies.as_bytes());
                    }
                }
            }
        }
    };
    messages(30);
    let few = measure(|| messages(30));
    let many = measure(|| messages(100_000));
    println!("100,000 messages: {} octets at most, {} for 30", many.bytes_max, few.bytes_max);
    assert_eq!((few.bytes_current, many.bytes_current), (0, 0));
    assert_eq!(few.bytes_max, many.bytes_max);
}

/// What is no part of the outcome takes no room from what is: nobody sees the reply to a MAIL that was accepted.
#[test]
fn a_long_reply_to_mail_leaves_room_for_those_to_recipients() {
    let refusal = format!("550 5.1.1 {}\r\n", "x".repeat(1_900));
    let (outcome, _) = send(config(), "SIZE", 2, &|line| match line.get(..4) {
        Some("MAIL") => long(250),
        Some("RCPT") => refusal.clone(),
        _ => polite(line),
    });
    let error = outcome.unwrap_err();
    let told = error.recipients().iter().map(|recipient| recipient.reply.as_ref().unwrap().text().len());
    assert_eq!(told.collect::<Vec<_>>(), [1_906; 2]);
}

/// One error ends many messages: it is told whole of the one that it answered, and of the last, and in brief of those
/// between them.
#[test]
fn the_words_that_end_a_session_are_told_whole_of_the_message_that_they_answer() {
    let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"]).unwrap();
    let mut connection = open(config().eager_chunks(true), "CHUNKING");
    let mut batch = Batch::new();
    for _ in 0..4 {
        batch.push(&envelope, Body::Whole(MESSAGE), SendOptions::default().transfer(Transfer::Chunks));
    }
    batch.finish();
    // All four are in flight before the server says anything.
    loop {
        match batch.poll(&mut connection).unwrap() {
            Step::SupplyBody { .. } => {
                let part = connection.body(MESSAGE).unwrap();
                connection.advance_output(part.len()).unwrap();
            }
            _ if connection.output().is_empty() => break,
            _ => connection.advance_output(connection.output().len()).unwrap(),
        }
    }
    let goodbye = format!("421 4.3.2 {}\r\n", "x".repeat(1_900));
    connection.receive(format!("250 ok\r\n250 ok\r\n{goodbye}").as_bytes());
    batch.poll(&mut connection).map(drop).unwrap_err();
    let told = |outcome: Outcome| outcome.unwrap_err().reply().map_or(0, |reply| reply.text().len());
    let told: Vec<usize> = std::iter::from_fn(|| batch.next_outcome()).map(told).collect();
    assert_eq!(told, [1_906, 512, 512, 1_906]);
}
