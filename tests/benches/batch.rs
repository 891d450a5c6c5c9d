//! What the core takes to send a message: `cargo bench -p smtp-tests --bench batch`.
//!
//! No stream is there: what the server says is taken from a table, and what the client says is looked at by nobody.
//! Beside it stands the least that such a client can do: copy the octets that it would write, and find the line
//! ends in what it reads. The body is not copied by ours.

#![allow(clippy::panic, clippy::unwrap_used)]

mod measure;
#[path = "../tests/simulated/mod.rs"]
mod simulated;

use std::hint::black_box;

use measure::{candidate, measure};
use memchr::memchr_iter;
use simulated::{CHUNKING, Flight, Link, Server, config, envelope, text};
use smtp_proto::connection::{Connection, Window};
use smtp_proto::flow::{Batch, Body, Envelope, Flow, SendOptions, Step, Transfer};

const MESSAGES: usize = 64;

fn main() {
    println!("nanoseconds a message; in brackets, messages a second\n");
    println!(
        "{:<6}{:>11}{:>8}{:>12}{:>12}{:>20}{:>20}",
        "", "recipients", "body", "copy+scan", "scan body", "Send", "Batch"
    );
    for (name, transfer) in [("DATA", Transfer::Data), ("BDAT", Transfer::Chunks)] {
        for recipients in [1, 100] {
            for body in [1000, 10 * 1024] {
                row(name, SendOptions::default().transfer(transfer), recipients, body);
            }
        }
    }
}

fn row(name: &str, options: SendOptions, recipients: usize, body: usize) {
    let envelope = envelope(recipients);
    let message = text(body);
    let (one, mut alone) = recorded(&envelope, &message, options, 1);
    let (many, mut batched) = recorded(&envelope, &message, options, MESSAGES);
    let mut buffer = Vec::with_capacity(16 * 1024);
    let measured = measure([
        candidate("copy+scan", || {
            let mut lines = 0;
            for flight in black_box(&one) {
                buffer.clear();
                // All but the body, which the stream takes from where it is.
                buffer.extend_from_slice(&flight.client[..flight.client.len().saturating_sub(body).max(8)]);
                black_box(buffer.as_mut_ptr());
                lines += memchr_iter(b'\n', &flight.server).count();
            }
            lines
        }),
        candidate("scan body", || smtp_proto::body::Content::scan(black_box(&message))),
        candidate("Send", || simulated::replay(&mut alone, &envelope, &message, options, &one)),
        candidate("Batch", || batch(&mut batched, &envelope, &message, options, &many)),
    ]);
    let [floor, scan, send, batch] = measured.map(|(_, seconds)| seconds * 1e9);
    let batch = batch / MESSAGES as f64;
    let told = |nanoseconds: f64| format!("{nanoseconds:.0} ({:.0}/s)", 1e9 / nanoseconds);
    println!(
        "{name:<6}{recipients:>11}{body:>8}{floor:>12.0}{scan:>12.0}{:>20}{:>20}",
        told(send),
        told(batch)
    );
}

/// What the server says to so many messages, and the connection that heard it, ready for more.
fn recorded(
    envelope: &Envelope,
    message: &[u8],
    options: SendOptions,
    messages: usize,
) -> (Vec<Flight>, Connection) {
    let mut window = Window::default();
    (window.commands, window.octets) = (4000, 256 * 1024);
    let mut link = Link::open(Server::new(CHUNKING), config().window(window));
    // The first message of a session waits for a recipient.
    link.send_each(envelope, &[message], options);
    link.flights.clear();
    link.send_all(envelope, &vec![message; messages], options);
    (link.flights, link.connection)
}

fn batch(
    connection: &mut Connection,
    envelope: &Envelope,
    message: &[u8],
    options: SendOptions,
    flights: &[Flight],
) {
    let mut batch = Batch::new();
    let mut replies = flights.iter().map(|flight| &flight.server[..]);
    let mut left = MESSAGES;
    loop {
        while batch.wants_message() {
            if left == 0 {
                batch.finish();
            } else {
                left -= 1;
                batch.push(envelope, Body::Whole(message), options);
            }
        }
        match batch.poll(connection).unwrap() {
            Step::Done(()) => break,
            Step::SupplyBody { .. } => {
                let part = connection.body(message).unwrap();
                connection.advance_output(part.len()).unwrap();
                connection.finish_body().unwrap();
            }
            Step::Continue if !connection.output().is_empty() => {
                connection.advance_output(connection.output().len()).unwrap();
            }
            Step::Continue if batch.wants_message() => {}
            Step::Continue => connection.receive(replies.next().unwrap()),
            Step::UpgradeTls(_) => panic!(),
        }
        while let Some(outcome) = batch.next_outcome() {
            black_box(outcome.unwrap());
        }
    }
}
