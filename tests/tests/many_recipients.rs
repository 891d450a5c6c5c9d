//! R08: a hundred thousand recipients through each adapter: what becomes of each, and what that costs. Costs are
//! counted, never timed; `tests/work/run` counts instructions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod simulated;

use allocation_counter::{AllocationInfo, measure};
use simulated::{CHUNKING, PIPELINING, Server, Wire, config, envelope};
use smtp_proto::connection::Protocol;
use smtp_proto::flow::{Delivery, Envelope, RecipientState};

const MANY: usize = 100_000;

/// What a recipient may cost in memory, its outcome and the reply included, with room for a list that grows.
const RECIPIENT: u64 = 256;

/// What all the rest may: buffers of the adapter and of the server, and a window full of commands.
const REST: u64 = 512 * 1024;

/// A third of the recipients is accepted, a third refused for now, a third for good.
fn judge(line: &str) -> &'static str {
    let number = line.trim_start_matches(|c: char| !c.is_ascii_digit());
    let number: usize = number.split('@').next().unwrap().parse().unwrap();
    match number % 3 {
        0 => "250 2.1.5 ok",
        1 => "450 4.2.1 later",
        _ => "550 5.1.1 no",
    }
}

#[test]
fn r08_each_of_a_hundred_thousand_recipients_is_told_of() {
    println!("{:<10}{:<7}{:<11}{:>11}{:>13}{:>13}", "", "", "", "recipients", "allocations", "held");
    for (adapter, send) in [("blocking", blocking as Sending), ("tokio", tokio)] {
        for (name, protocol) in [("SMTP", Protocol::Smtp), ("LMTP", Protocol::Lmtp)] {
            for (framing, keywords) in [("DATA", PIPELINING), ("CHUNKING", CHUNKING)] {
                let counted = [MANY / 2, MANY].map(|n| {
                    let envelope = envelope(n);
                    let mut delivery = None;
                    let counted = measure(|| {
                        delivery = Some(send(Server::new(keywords).judging(judge), protocol, &envelope))
                    });
                    let (allocations, held) = (counted.count_total, counted.bytes_max);
                    println!("{adapter:<10}{name:<7}{framing:<11}{n:>11}{allocations:>13}{held:>13}");
                    check(&delivery.unwrap(), n, protocol == Protocol::Lmtp);
                    assert!(held <= REST + n as u64 * RECIPIENT, "{held} octets held");
                    counted
                });
                linear(&counted);
            }
        }
    }
}

/// Twice as much costs at most 2.2 times as much.
fn linear([once, twice]: &[AllocationInfo; 2]) {
    assert!(twice.count_total * 10 <= once.count_total * 22);
    assert!(twice.bytes_total * 10 <= once.bytes_total * 22);
}

fn check(delivery: &Delivery, n: usize, lmtp: bool) {
    assert_eq!(delivery.recipients.len(), n);
    for (number, recipient) in delivery.recipients.iter().enumerate() {
        let (state, code) = match number % 3 {
            0 => (RecipientState::Accepted, 250),
            1 => (RecipientState::Refused, 450),
            _ => (RecipientState::Refused, 550),
        };
        assert_eq!(recipient.state, state, "recipient {number}");
        assert_eq!(recipient.reply.as_ref().unwrap().code().get(), code, "recipient {number}");
        let verdict = recipient.verdict.as_ref().map(|verdict| verdict.code().get());
        assert_eq!(verdict, (lmtp && code == 250).then_some(250), "recipient {number}");
    }
}

const MESSAGE: &[u8] = b"Subject: hi\r\n\r\nhi\r\n";

type Sending = fn(Server, Protocol, &Envelope) -> Delivery;

fn blocking(server: Server, protocol: Protocol, envelope: &Envelope) -> Delivery {
    let wire = Wire::new(server);
    let mut client = smtp_blocking::Client::new(wire.clone(), config().protocol(protocol));
    let delivery = client.send(envelope, MESSAGE).unwrap();
    assert_eq!(wire.taken().0, 1);
    delivery
}

fn tokio(server: Server, protocol: Protocol, envelope: &Envelope) -> Delivery {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let wire = Wire::new(server);
        let mut client = smtp_tokio::Client::new(wire.clone(), config().protocol(protocol));
        let delivery = client.send(envelope, MESSAGE).await.unwrap();
        assert_eq!(wire.taken().0, 1);
        delivery
    })
}
