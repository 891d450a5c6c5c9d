//! What a message costs, counted and never timed: calls of the stream in both adapters, and memory in the core.
#![allow(clippy::unwrap_used)]

mod simulated;

use allocation_counter::{AllocationInfo, measure};
use simulated::{CHUNKING, Counts, Link, PIPELINING, Server, Wire, config, envelope, text};
use smtp_proto::connection::Window;
use smtp_proto::flow::{Envelope, SendOptions, Transfer};

const MESSAGES: usize = 112;

/// A way to send messages, and the writes and reads that one may take; for a batch they are the limit that a long
/// one comes near to.
struct Way {
    name: &'static str,
    keywords: &'static [&'static str],
    transfer: Transfer,
    batch: bool,
    writes: usize,
    reads: f64,
}

const WAYS: [Way; 4] = [
    Way {
        name: "one by one, DATA",
        keywords: PIPELINING,
        transfer: Transfer::Data,
        batch: false,
        writes: 2,
        reads: 2.0,
    },
    Way {
        name: "one by one, BDAT",
        keywords: CHUNKING,
        transfer: Transfer::Automatic,
        batch: false,
        writes: 1,
        reads: 1.0,
    },
    Way {
        name: "batch, DATA",
        keywords: CHUNKING,
        transfer: Transfer::Data,
        batch: true,
        writes: 1,
        reads: 1.0,
    },
    Way {
        name: "batch, BDAT",
        keywords: CHUNKING,
        transfer: Transfer::Automatic,
        batch: true,
        writes: 1,
        reads: 0.2,
    },
];

/// A message in flight shares the read of its replies with others; the window says with how many.
///
/// In tokio a read is preceded by a wait of the reactor, which is a system call of its own.
#[test]
fn calls_a_message() {
    println!(
        "{:<10}{:<18}{:>11}{:>8}{:>8}{:>8}{:>10}{:>8}{:>10}",
        "", "", "recipients", "writes", "reads", "waits", "in vain", "looks", "timeouts"
    );
    for (adapter, count) in [("blocking", blocking as fn(&Way, &Envelope) -> Counts), ("tokio", tokio)] {
        for way in &WAYS {
            for recipients in [1, 100] {
                let counts = count(way, &envelope(recipients));
                let each = |count: usize| format!("{:.2}", count as f64 / MESSAGES as f64);
                println!(
                    "{adapter:<10}{:<18}{recipients:>11}{:>8}{:>8}{:>8}{:>10}{:>8}{:>10}",
                    way.name,
                    each(counts.writes),
                    each(counts.reads),
                    each(counts.waits),
                    each(counts.empty_reads),
                    each(counts.looks),
                    counts.timeouts,
                );
                // The first message of a batch shares its write, or its read, with none before it, and the first
                // in chunks waits for its recipients.
                assert!(counts.writes <= way.writes * MESSAGES + 1);
                assert!(counts.reads as f64 <= way.reads * MESSAGES as f64 + 1.0);
                assert!(counts.waits <= counts.reads);
                assert_eq!(counts.timeouts, 0);
                // The blocking adapter looks whether something came unasked if it did nothing for a millisecond,
                // as on a machine with other work. Nothing else is read in vain.
                assert_eq!(counts.empty_reads, counts.looks);
            }
        }
    }
}

fn blocking(way: &Way, envelope: &Envelope) -> Counts {
    let wire = Wire::new(Server::new(way.keywords));
    let mut client = smtp_blocking::Client::new(wire.clone(), config());
    client.capabilities().unwrap();
    let message = text(10 * 1024);
    let options = SendOptions::default().transfer(way.transfer);
    let before = wire.counts();
    if way.batch {
        let messages =
            (0..MESSAGES).map(|_| smtp_blocking::Message::new(envelope, &message[..]).options(options));
        client.send_all(messages).for_each(|outcome| assert!(outcome.is_ok()));
    } else {
        (0..MESSAGES).for_each(|_| drop(client.send_with(envelope, &message, options).unwrap()));
    }
    assert_eq!(wire.taken().0, MESSAGES);
    wire.counts() - before
}

fn tokio(way: &Way, envelope: &Envelope) -> Counts {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let wire = Wire::new(Server::new(way.keywords));
        let mut client = smtp_tokio::Client::new(wire.clone(), config());
        client.capabilities().await.unwrap();
        let message = text(10 * 1024);
        let options = SendOptions::default().transfer(way.transfer);
        let before = wire.counts();
        if way.batch {
            let messages =
                (0..MESSAGES).map(|_| smtp_tokio::Message::new(envelope, &message[..]).options(options));
            let mut outcomes = client.send_all(messages);
            while let Some(outcome) = outcomes.next().await {
                assert!(outcome.is_ok());
            }
        } else {
            for _ in 0..MESSAGES {
                client.send_with(envelope, &message, options).await.unwrap();
            }
        }
        assert_eq!(wire.taken().0, MESSAGES);
        wire.counts() - before
    })
}

/// In steady state, the server's part not counted, and what it takes to send one message more.
#[test]
fn memory_a_message() {
    println!(
        "{:<18}{:>11}{:>10}{:>13}{:>10}{:>10}",
        "", "recipients", "body", "allocations", "octets", "at once"
    );
    for (name, transfer) in [("DATA", Transfer::Data), ("BDAT", Transfer::Chunks)] {
        for recipients in [1, 100] {
            let counted = [1000, 10_000_000].map(|body| {
                let info = allocated(&envelope(recipients), transfer, &text(body));
                println!(
                    "{name:<18}{recipients:>11}{body:>10}{:>13}{:>10}{:>10}",
                    info.count_total, info.bytes_total, info.bytes_max
                );
                info
            });
            let [short, long] = &counted;
            // Each chunk is answered, a reply is one piece of memory, and the server here answers all at once. The
            // buffer of command lines leaves with the chunk that follows them, and grows anew, in a few steps.
            let chunks = 10_000_000_usize.div_ceil(Window::default().chunk_octets) as u64;
            let more = if transfer == Transfer::Chunks { chunks } else { 0 };
            assert!(
                long.count_total <= short.count_total + more + more.min(6),
                "{name}, {recipients} recipients"
            );
            assert!(long.bytes_max <= short.bytes_max + 64 * more, "{name}, {recipients} recipients");
            assert!(counted.iter().all(|info| info.bytes_current <= 0), "nothing is kept");
        }
    }
}

fn allocated(envelope: &Envelope, transfer: Transfer, message: &[u8]) -> AllocationInfo {
    let mut link = Link::open(Server::new(CHUNKING), config());
    let options = SendOptions::default().transfer(transfer);
    link.send_each(envelope, &[message], options);
    let flights = std::mem::take(&mut link.flights);
    // What the server said the first time is said again.
    let mut connection = link.connection;
    simulated::replay(&mut connection, envelope, message, options, &flights);
    measure(|| simulated::replay(&mut connection, envelope, message, options, &flights))
}
