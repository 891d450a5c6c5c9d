//! How often a message waits for the server, counted in the core: on a real link each wait is a round trip.
#![allow(clippy::unwrap_used)]

mod simulated;

use simulated::{CHUNKING, LOCK_STEP, Link, PIPELINING, Server, config, envelope, text};
use smtp_proto::connection::{Config, Window};
use smtp_proto::flow::{Body, Preview, SendOptions, Transfer};

/// Server, way to send, and whether all messages go in one batch.
const WAYS: [(&str, &[&str], Transfer, bool); 5] = [
    ("lock-step", LOCK_STEP, Transfer::Data, false),
    ("pipelined, DATA", PIPELINING, Transfer::Data, false),
    ("pipelined, BDAT", CHUNKING, Transfer::Automatic, false),
    ("batch, DATA", CHUNKING, Transfer::Data, true),
    ("batch, BDAT", CHUNKING, Transfer::Automatic, true),
];

#[test]
fn round_trips_a_message() {
    println!("{:>12}{:>10}{}", "recipients", "messages", WAYS.map(|way| format!("{:>17}", way.0)).concat());
    for recipients in [1, 100] {
        for messages in [1, 100] {
            let count = |config: Config| {
                WAYS.map(|(_, keywords, transfer, batch)| {
                    round_trips(keywords, config.clone(), transfer, batch, recipients, messages)
                })
            };
            let counted = count(config());
            let row = counted.map(|all| format!("{:>17}", all as f64 / messages as f64)).concat();
            println!("{recipients:>12}{messages:>10}{row}");
            let [lock_step, data, chunks, batch_data, batch_chunks] = counted;
            assert_eq!(lock_step, messages * (3 + recipients));
            assert_eq!(data, messages * 2);
            // The first message of a session waits for its recipients.
            assert_eq!(chunks, messages + 1);
            // The first of a batch has nothing before it whose reply it could share.
            assert_eq!(batch_data, messages + 1);
            let flights = messages.div_ceil(in_flight(recipients));
            assert!(batch_chunks <= flights + 1, "{recipients} recipients");
            // Not so where the server is known to discard what it refuses.
            let [.., chunks, _, batch_chunks] = count(config().eager_chunks(true));
            assert_eq!(chunks, messages);
            assert!(batch_chunks <= flights, "{recipients} recipients");
        }
    }
}

/// Nothing but the number of chunks in flight holds a batch up, if the window has room for their commands.
#[test]
fn round_trips_of_a_batch_with_a_wide_window() {
    let mut window = Window::default();
    (window.commands, window.octets) = (2000, 64 * 1024);
    for recipients in [1, 100] {
        let mut link = Link::open(Server::new(CHUNKING), config().window(window).eager_chunks(true));
        let message = text(1000);
        link.send_all(&envelope(recipients), &[&message[..]; 100], SendOptions::default());
        println!("{recipients:>12}{:>10}{:>17}", 100, link.flights.len());
        assert_eq!(link.flights.len(), 100_usize.div_ceil(window.chunks));
    }
}

/// How many whole messages the default window has room for, by whichever bound comes first.
fn in_flight(recipients: usize) -> usize {
    let window = Window::default();
    let mut commands = b"MAIL FROM:<alice@example.org>\r\nBDAT 1000 LAST\r\n".to_vec();
    for recipient in envelope(recipients).recipients {
        commands.extend(format!("RCPT TO:<{}>\r\n", recipient.forward_path).bytes());
    }
    window.chunks.min(window.octets / commands.len()).min(window.commands / (recipients + 2))
}

fn round_trips(
    keywords: &'static [&'static str],
    config: Config,
    transfer: Transfer,
    batch: bool,
    recipients: usize,
    messages: usize,
) -> usize {
    let mut link = Link::open(Server::new(keywords), config);
    let message = text(1000);
    let all = vec![&message[..]; messages];
    let envelope = envelope(recipients);
    let options = SendOptions::default().transfer(transfer);
    if batch {
        link.send_all(&envelope, &all, options);
    } else {
        link.send_each(&envelope, &all, options);
    }
    assert_eq!(link.server.messages, messages);
    link.flights.len()
}

/// What is foretold of a message is what it then costs: of the first in a session, and of the one behind it.
#[test]
fn a_preview_counts_as_many() {
    for keywords in [LOCK_STEP, PIPELINING, CHUNKING, &["CHUNKING"]] {
        for recipients in [1, 3] {
            for all in [false, true] {
                for eager in [false, true] {
                    let options = if all { SendOptions::all_or_nothing() } else { SendOptions::default() };
                    let mut link = Link::open(Server::new(keywords), config().eager_chunks(eager));
                    let (to, message) = (envelope(recipients), text(1000));
                    for nth in 0..2 {
                        let preview =
                            Preview::new(&link.connection, &to, Body::Whole(&message), &options).unwrap();
                        link.flights.clear();
                        link.send_each(&to, &[&message], options);
                        let case = format!("{keywords:?}, {recipients}, all {all}, eager {eager}, no. {nth}");
                        assert_eq!(preview.round_trips, link.flights.len(), "{case}");
                    }
                }
            }
        }
    }
}
