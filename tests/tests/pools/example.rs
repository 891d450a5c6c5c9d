//! The example, with its own server and with one that breaks its sessions.
#![allow(dead_code)]

#[path = "../../examples/pool/main.rs"]
mod pool;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use pool::{Plan, Tally, tasks, threads};
use smtp_proto::connection::TlsPolicy;
use smtp_tests::sink::{Limits, RecipientVerdict, Sink};

use crate::reuse::to_bob;
use crate::server::{CLOSE, END, Habit, Server};

fn plan(messages: usize, connections: u32) -> Plan {
    let patience = Duration::from_secs(30);
    Plan { envelope: to_bob(), messages, connections, workers: 16, max_messages: 100, patience }
}

async fn both(port: u16, plan: &Plan) -> [Arc<Tally>; 2] {
    let blocking = smtp_blocking::ClientBuilder::new("127.0.0.1").port(port).tls(TlsPolicy::None);
    let tokio = smtp_tokio::ClientBuilder::new("127.0.0.1").port(port).tls(TlsPolicy::None);
    [threads::run(blocking, plan).unwrap(), tasks::run(tokio, plan).await.unwrap()]
}

#[tokio::test]
async fn eight_connections_are_busy() {
    // It takes its time, so that there is something to wait for.
    let slow = |path: &str| {
        std::thread::sleep(Duration::from_millis(5));
        RecipientVerdict::by_local_part(path)
    };
    let limits = Limits { mail: Some(30), ..Limits::default() };
    let sink = Sink::builder().limits(limits).recipients(slow).start().unwrap();
    for tally in both(sink.address().port(), &plan(400, 8)).await {
        println!("{tally}");
        assert_eq!(tally.accepted.load(SeqCst), 400);
        assert_eq!((tally.retries.load(SeqCst), tally.most_busy.load(SeqCst)), (0, 8), "{tally}");
        // 400 messages of at most 30 a session, and as few sessions as that takes of eight at once.
        let sessions = tally.sessions.load(SeqCst);
        assert!((14..=14 + 8).contains(&sessions), "{sessions}");
    }
    assert_eq!(sink.messages().len(), 800);
    assert_eq!(sink.client_errors(), []);
    // Each message once.
    let mut subjects: Vec<_> = sink.messages().into_iter().map(|message| message.data).collect();
    subjects.sort();
    subjects.dedup();
    assert_eq!(subjects.len(), 400, "each was sent by both");
}

/// The first session breaks after its first message, before the verdict; the second at the second message's MAIL; and
/// the third is told to go away in the middle of it all.
const BREAKS: Habit = |n, line| match (n, line) {
    (0, ".") | (1, "MAIL FROM:<alice@example.org>") => Some("\x04"),
    (2, "DATA") => Some("421 going down\r\n\x04"),
    _ => None,
};

#[tokio::test]
async fn only_what_was_certainly_not_sent_is_sent_again() {
    assert_eq!("\x04".chars().next(), Some(CLOSE));
    let plan = Plan { workers: 1, ..plan(5, 1) };
    let mut said = Vec::new();
    let server = Server::start(BREAKS);
    let builder =
        smtp_blocking::ClientBuilder::new("127.0.0.1").port(server.address.port()).tls(TlsPolicy::None);
    let mut tallies = vec![threads::run(builder, &plan).unwrap()];
    said.push(server.said(4, 0));
    let server = Server::start(BREAKS);
    let builder =
        smtp_tokio::ClientBuilder::new("127.0.0.1").port(server.address.port()).tls(TlsPolicy::None);
    tallies.push(tasks::run(builder, &plan).await.unwrap());
    said.push(server.said(4, 0));
    for (tally, said) in tallies.iter().zip(said) {
        println!("{tally}");
        let count = |count: &std::sync::atomic::AtomicUsize| count.load(SeqCst);
        assert_eq!(
            (count(&tally.accepted), count(&tally.unknown), count(&tally.retries)),
            (4, 1, 2),
            "{tally}"
        );
        assert_eq!(count(&tally.sessions), 4);
        // One message left in the first session, and no other; four in the last, which ended in good order.
        let messages: Vec<_> =
            said.iter().map(|lines| lines.iter().filter(|line| *line == ".").count()).collect();
        assert_eq!((messages[0], messages[1], messages[3]), (1, 0, 4), "{said:#?}");
        assert_eq!(said[3][said[3].len() - 2..], ["QUIT", END]);
    }
}
