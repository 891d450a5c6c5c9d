//! What a connection counts, against what the server counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};

use common::{BODY, BODY_LINES, FROM, clear, hello, hello_tls, secure};
use smtp_proto::connection::{Config, Counters, TlsPolicy};
use smtp_proto::flow::Envelope;
use smtp_proto::sasl::Plain;
use smtp_tests::script::envelope;
use smtp_tests::sink::{RecipientVerdict, Sink};

/// The server's end, which counts for itself: octets, lines outside of bodies, and replies by their first digit.
struct Counting {
    stream: UnixStream,
    counted: Arc<Mutex<Counted>>,
}

#[derive(Default, Debug)]
struct Counted {
    heard: u64,
    said: Vec<u8>,
}

impl Counted {
    /// Replies that begin with this digit.
    fn replies(&self, digit: char) -> u64 {
        let said = String::from_utf8(self.said.clone()).unwrap();
        let last = |line: &&str| line.starts_with(digit) && line.as_bytes().get(3) != Some(&b'-');
        said.lines().filter(last).count() as u64
    }
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buffer)?;
        self.counted.lock().unwrap().heard += n as u64;
        Ok(n)
    }
}

impl Write for Counting {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let n = self.stream.write(octets)?;
        self.counted.lock().unwrap().said.extend_from_slice(&octets[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

const MESSAGE: &[u8] = b"Subject: hi\r\n\r\n.hi\r\n";

fn to(recipients: &[&str]) -> Envelope {
    Envelope::from_strs(FROM, recipients).unwrap()
}

fn config() -> Config {
    Config::new("localhost").client_name("client.test".parse().unwrap()).tls(TlsPolicy::None)
}

fn plain(password: &str) -> Plain {
    Plain::new("", "alice", password, "localhost")
}

type Lines = Arc<Mutex<u64>>;

/// Counts the lines of the client in a transcript, those of bodies not among them.
fn commands(
    lines: &Lines,
) -> impl FnMut(smtp_proto::connection::TranscriptEntry<'_>) + Send + Sync + 'static {
    use smtp_proto::connection::TranscriptLine::{Client, ClientAuth, ClientResponse};
    let lines = Arc::clone(lines);
    move |entry| {
        if let Client(_) | ClientAuth { .. } | ClientResponse(_) = entry.line() {
            *lines.lock().unwrap() += 1;
        }
    }
}

fn blocking(stream: UnixStream, lines: &Lines) -> Counters {
    let mut client = smtp_blocking::Client::new(stream, config());
    client.set_transcript(commands(lines));
    client.auth(&mut plain("rabbit-hole")).unwrap_err();
    client.auth(&mut plain("wonderland")).unwrap();
    client.send(&to(&["b@example.net", "nobody@example.net"]), MESSAGE).unwrap();
    client.send(&to(&["trap@example.net"]), MESSAGE).unwrap_err();
    let batch = ["c@example.net", "later@example.net"].map(|path| (to(&[path]), MESSAGE));
    client.send_all(batch).for_each(drop);
    client.mail(&FROM.parse().unwrap()).unwrap();
    client.rcpt(&"d@example.net".parse().unwrap()).unwrap();
    let mut data = client.data().unwrap();
    data.write_all(MESSAGE).unwrap();
    data.finish().unwrap();
    client.noop().unwrap();
    client.counters()
}

fn tokio(stream: UnixStream, lines: &Lines) -> Counters {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        stream.set_nonblocking(true).unwrap();
        let stream = tokio::net::UnixStream::from_std(stream).unwrap();
        let mut client = smtp_tokio::Client::new(stream, config());
        client.set_transcript(commands(lines));
        client.auth(&mut plain("rabbit-hole")).await.unwrap_err();
        client.auth(&mut plain("wonderland")).await.unwrap();
        client.send(&to(&["b@example.net", "nobody@example.net"]), MESSAGE).await.unwrap();
        client.send(&to(&["trap@example.net"]), MESSAGE).await.unwrap_err();
        let batch = ["c@example.net", "later@example.net"].map(|path| (to(&[path]), MESSAGE));
        let mut batch = client.send_all(batch);
        while batch.next().await.is_some() {}
        drop(batch);
        client.mail(&FROM.parse().unwrap()).await.unwrap();
        client.rcpt(&"d@example.net".parse().unwrap()).await.unwrap();
        let mut data = client.data().await.unwrap();
        data.write_all(MESSAGE).await.unwrap();
        data.finish().await.unwrap();
        client.noop().await.unwrap();
        client.counters()
    })
}

#[test]
fn the_client_counts_what_the_server_does() {
    for (name, session) in [("blocking", blocking as fn(UnixStream, &Lines) -> Counters), ("tokio", tokio)] {
        let sink = Sink::builder()
            .user("alice", "wonderland")
            .auth_without_tls()
            .mechanisms(&["PLAIN"])
            .final_replies(|path| match path {
                "trap@example.net" => RecipientVerdict::Refuse,
                _ => RecipientVerdict::Accept,
            })
            .start()
            .unwrap();
        let (client, server) = UnixStream::pair().unwrap();
        let (counted, lines) = (Arc::new(Mutex::new(Counted::default())), Lines::default());
        let end = Counting { stream: server, counted: Arc::clone(&counted) };
        let counters = std::thread::scope(|scope| {
            scope.spawn(|| sink.serve_stream(end));
            session(client, &lines)
        });
        let counted = counted.lock().unwrap();
        println!("{name}: {counters:#?}");
        assert_eq!(sink.client_errors(), []);
        assert_eq!(
            (counters.octets_in, counters.octets_out),
            (counted.said.len() as u64, counted.heard),
            "{name}"
        );
        let replies =
            [counters.replies_2yz, counters.replies_3yz, counters.replies_4yz, counters.replies_5yz];
        assert_eq!(replies, ['2', '3', '4', '5'].map(|digit| counted.replies(digit)), "{name}");
        assert_eq!(counters.messages_accepted, sink.messages().len() as u64, "{name}");
        assert_eq!(counters.commands, *lines.lock().unwrap(), "{name}");
        assert_eq!((counters.messages_accepted, counters.messages_rejected), (3, 2), "{name}");
        assert_eq!((counters.recipients_accepted, counters.recipients_refused), (4, 2), "{name}");
        assert_eq!((counters.authentications, counters.authentications_refused), (1, 1), "{name}");
        assert_eq!((counters.sessions, counters.failures, counters.tls_handshakes), (1, 0, 0), "{name}");
    }
}

#[test]
fn each_outcome_has_its_counter() {
    let mail = format!("{}C: MAIL FROM:<{FROM}>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\n", hello(&[]));
    let body = format!("{mail}S: 250 ok\nC: DATA\nS: 354 go\n{BODY_LINES}");
    for (script, outcomes, broken) in [
        (format!("{body}S: 250 ok"), [1, 0, 0, 0], 0),
        (format!("{body}S: 550 no"), [0, 1, 0, 0], 0),
        (format!("{mail}S: 550 no\nC: RSET\nS: 250 ok"), [0, 1, 0, 0], 0),
        (format!("{mail}close"), [0, 0, 1, 0], 1),
        (format!("{mail}pause"), [0, 0, 1, 0], 1),
        (format!("{body}close"), [0, 0, 0, 1], 1),
    ] {
        let counters = clear(&script).run(|session| {
            session.open().unwrap();
            let _ = session.send(&envelope(FROM, &["bob@example.net"]), BODY);
            session.connection().counters()
        });
        let Counters { messages_accepted, messages_rejected, messages_not_sent, messages_unknown, .. } =
            counters;
        let counted = [messages_accepted, messages_rejected, messages_not_sent, messages_unknown];
        assert_eq!((counted, counters.failures), (outcomes, broken), "{script}");
    }
}

#[test]
fn nothing_is_forgotten_behind_tls() {
    let script = format!("{}C: NOOP\nS: 450 later", hello_tls(&[]));
    let counters = secure(&script).run(|session| {
        session.open().unwrap();
        session.command(smtp_proto::command::Command::Noop).unwrap_err();
        session.connection().counters()
    });
    assert_eq!((counters.sessions, counters.tls_handshakes, counters.commands), (1, 1, 4));
    assert_eq!((counters.replies_2yz, counters.replies_4yz), (4, 1));
}

#[test]
fn counters_are_added_and_subtracted() {
    let counters = clear(&hello(&[])).run(|session| {
        session.open().unwrap();
        session.connection().counters()
    });
    let total: Counters = [counters; 3].into_iter().sum();
    assert_eq!(total.octets_in, 3 * counters.octets_in);
    assert_eq!(total.since(&counters).since(&counters), counters);
    assert_eq!(counters.since(&total), Counters::default(), "never below nothing");
    let mut most = counters;
    most.octets_in = u64::MAX;
    most += counters;
    assert_eq!((most.octets_in, most.commands), (u64::MAX, 2 * counters.commands));
}

/// An exporter that goes through them misses none.
#[test]
fn every_field_has_its_name_in_the_list() {
    let counters = Counters::default();
    let shown = format!("{counters:?}");
    let fields: Vec<&str> = shown
        .trim_start_matches("Counters { ")
        .trim_end_matches(" }")
        .split(", ")
        .map(|field| field.split_once(':').unwrap().0)
        .collect();
    assert_eq!(fields, counters.iter().map(|(name, _)| name).collect::<Vec<_>>());
    let mut numbered = BTreeMap::new();
    numbered.extend(counters.iter());
    assert_eq!(numbered.len(), fields.len(), "no name twice");
}
