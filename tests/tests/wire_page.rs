//! The page "What goes over the wire" in the documentation of `smtp-proto`: written by the client itself, talking to
//! a simulated server, and compared with the file.
//!
//! `UPDATE_WIRE_PAGE=1 cargo test -p smtp-tests --test wire_page` writes it anew.
#![allow(clippy::unwrap_used)]

mod simulated;

use std::fmt::Write as _;

use simulated::{CHUNKING, Flight, LOCK_STEP, Link, PIPELINING, Server, config};
use smtp_proto::connection::{Config, Protocol};
use smtp_proto::flow::{Envelope, SendOptions, Transfer};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../smtp-proto/src/wire.md");

const INTRODUCTION: &str = "\
What goes over the wire, and who waits for whom.

Octets that leave together stand together. A ruled line closes what the client says before it has to wait, and what the \
server answers: one round trip; the number counts them. On a link whose round trip takes 20 ms they are nearly all that sending a message takes. The \
session is open already, and nothing here is written by hand: a test runs the client and compares.
";

struct Section {
    title: &'static str,
    text: &'static str,
    server: &'static [&'static str],
    config: fn() -> Config,
    transfer: Transfer,
    /// Several messages go in a batch.
    batch: bool,
    /// To how many recipients, how many messages.
    examples: &'static [(usize, usize)],
}

const SECTIONS: [Section; 6] = [
    Section {
        title: "Lock-step",
        text: "To a server without PIPELINING each command waits for the reply to the one before it (RFC 5321 §2.1).",
        server: LOCK_STEP,
        config,
        transfer: Transfer::Automatic,
        batch: false,
        examples: &[(2, 1), (1, 3)],
    },
    Section {
        title: "PIPELINING",
        text: "MAIL, every RCPT and DATA leave in one write, however many recipients there are (RFC 2920 §3.1). DATA \
            ends the group: the body waits for 354. The dot leaves in the same write as the last of the body.",
        server: PIPELINING,
        config,
        transfer: Transfer::Automatic,
        batch: false,
        examples: &[(2, 1), (1, 3)],
    },
    Section {
        title: "CHUNKING",
        text: "BDAT does not ask (RFC 3030 §2, §4.2): the body leaves along with the commands before it, as it is, \
            without a dot added or a dot to end it. Only the first message of a session waits until a recipient \
            is accepted: a server that takes no mail before AUTH or TLS may read the octets behind a BDAT that it \
            refuses as commands.",
        server: CHUNKING,
        config,
        transfer: Transfer::Automatic,
        batch: false,
        examples: &[(2, 1), (1, 3)],
    },
    Section {
        title: "A batch, with DATA",
        text: "A `flow::Batch` begins the next message in the write that ends the one before: message content may \
            be the first in a group (RFC 2920 §3.1). A message then costs one round trip, and the first one more.",
        server: PIPELINING,
        config,
        transfer: Transfer::Automatic,
        batch: true,
        examples: &[(2, 1), (1, 3)],
    },
    Section {
        title: "A batch, with BDAT",
        text: "After the first recipient of the session has been accepted, nothing is waited for until the `connection::Window` is full. A RSET keeps messages apart as long as \
            the one before is not known to be accepted: if all its recipients were refused so is its BDAT, its \
            transaction stays open (RFC 3030 §2), and the recipients that follow would be added to it. With the window's 16 chunks a hundred messages take \
            seven round trips, and the first recipient one.",
        server: CHUNKING,
        config,
        transfer: Transfer::Automatic,
        batch: true,
        examples: &[(2, 1), (1, 3)],
    },
    Section {
        title: "LMTP",
        text: "The end of the message is answered once for each recipient accepted (RFC 2033 §4.2), here in a batch. \
            The body goes after DATA, also where CHUNKING is offered: a last chunk has as many replies as recipients \
            were accepted, so that it would have to wait for them all the same.",
        server: PIPELINING,
        config: || config().protocol(Protocol::Lmtp),
        transfer: Transfer::Automatic,
        batch: true,
        examples: &[(2, 1)],
    },
];

#[test]
fn the_page_shows_what_the_client_does() {
    let page = page();
    if std::env::var_os("UPDATE_WIRE_PAGE").is_some() {
        std::fs::write(PAGE, &page).unwrap();
    }
    let found = std::fs::read_to_string(PAGE).unwrap_or_default().replace("\r\n", "\n");
    for (i, (is, should_be)) in found.lines().zip(page.lines()).enumerate() {
        assert_eq!(is, should_be, "wire.md, line {}; UPDATE_WIRE_PAGE=1 writes it anew", i + 1);
    }
    assert_eq!(found.len(), page.len(), "wire.md; UPDATE_WIRE_PAGE=1 writes it anew");
}

fn page() -> String {
    let mut page = INTRODUCTION.split("\n\n").map(wrapped).collect::<Vec<_>>().join("\n\n") + "\n";
    let mut summary = Vec::new();
    for section in &SECTIONS {
        write!(
            page,
            "\n# {}\n\n{}\n\nThe server offers {}.\n",
            section.title,
            section.text,
            section.offers()
        )
        .unwrap();
        for &(recipients, messages) in section.examples {
            let flights = section.run(recipients, messages);
            let count = flights.len();
            write!(page, "\n{}:\n\n```text\n", heading(recipients, messages, count)).unwrap();
            flights.iter().enumerate().for_each(|(i, flight)| show(&mut page, i + 1, flight));
            page.push_str("```\n");
        }
        summary.push(section.summary());
    }
    page.push_str("\n# Round trips\n\n");
    page.push_str("| | 1 message, 1 recipient | 1 message, 100 recipients | 100 messages, 1 recipient |\n");
    page.push_str("|---|---|---|---|\n");
    page.extend(summary);
    page
}

impl Section {
    fn offers(&self) -> String {
        let known: Vec<_> =
            self.server.iter().filter(|&&k| k != "8BITMIME").map(|keyword| format!("`{keyword}`")).collect();
        if known.is_empty() { "neither `PIPELINING` nor `CHUNKING`".into() } else { known.join(" and ") }
    }

    fn run(&self, recipients: usize, messages: usize) -> Vec<Flight> {
        let mut link = Link::open(Server::new(self.server), (self.config)());
        let bodies: Vec<String> = (1..=messages).map(|i| format!("Subject: {i}\r\n\r\nHello!\r\n")).collect();
        let bodies: Vec<&[u8]> = bodies.iter().map(|body| body.as_bytes()).collect();
        let options = SendOptions::default().transfer(self.transfer);
        if self.batch {
            link.send_all(&envelope(recipients), &bodies, options);
        } else {
            link.send_each(&envelope(recipients), &bodies, options);
        }
        link.flights
    }

    fn summary(&self) -> String {
        let [one, many, batch] = [(1, 1), (100, 1), (1, 100)].map(|(r, m)| self.run(r, m).len());
        format!("| {} | {one} | {many} | {batch} |\n", self.title)
    }
}

fn envelope(recipients: usize) -> Envelope {
    let names = ["bob", "carol"].map(String::from).into_iter().chain((3..).map(|i| format!("user{i}")));
    let to: Vec<String> = names.take(recipients).map(|name| format!("{name}@example.net")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    Envelope::from_strs("alice@example.org", &to).unwrap()
}

fn heading(recipients: usize, messages: usize, round_trips: usize) -> String {
    let (messages, each) = if messages == 1 { ("One message", "") } else { ("Three messages", "each ") };
    let recipients = if recipients == 1 { "one recipient" } else { "two recipients" };
    let plural = if round_trips == 1 { "" } else { "s" };
    format!("{messages}, {each}to {recipients}, {round_trips} round trip{plural}")
}

/// A paragraph in lines as the sources have them.
fn wrapped(text: &str) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= 110 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines.join("\n")
}

/// One round trip: the client's lines, the server's to the right of them, and a rule.
fn show(page: &mut String, number: usize, flight: &Flight) {
    for line in lines(&flight.client) {
        writeln!(page, "{}", format!("C: {line}").trim_end()).unwrap();
    }
    for line in lines(&flight.server) {
        writeln!(page, "{:40}S: {line}", "").unwrap();
    }
    writeln!(page, "{:-<59} {number}", "").unwrap();
}

fn lines(octets: &[u8]) -> impl Iterator<Item = &str> {
    std::str::from_utf8(octets).unwrap().lines()
}
