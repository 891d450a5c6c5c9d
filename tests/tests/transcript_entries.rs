//! What an entry of a transcript tells besides its text: who said it, what a reply answers, and when.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{BODY, FROM, config};
use smtp_proto::command::Command;
use smtp_proto::connection::{Connection, Direction, Peer, Stage, TlsPolicy, TranscriptEntry};
use smtp_proto::reply::ReplyLimits;
use smtp_tests::script::envelope;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Told = Arc<Mutex<Vec<String>>>;

/// Time in milliseconds, direction, text, and what a reply answers.
fn hook(told: &Told) -> impl FnMut(TranscriptEntry<'_>) + Send + Sync + 'static {
    let told = Arc::clone(told);
    move |entry| {
        let time = entry.time().map_or("?".into(), |time| time.as_millis().to_string());
        let mark = match entry.direction() {
            Direction::Sent => '>',
            Direction::Received => '<',
            Direction::Both => '=',
        };
        let stage = entry.stage().map_or(String::new(), |stage| format!(" ({stage})"));
        told.lock().unwrap().push(format!("{time} {mark} {entry}{stage}"));
    }
}

fn written(connection: &mut Connection) {
    connection.advance_output(connection.output().len()).unwrap();
}

#[test]
fn the_time_is_the_one_that_the_caller_told_last() {
    let told = Told::default();
    let mut connection = Connection::new(config(TlsPolicy::Implicit), Peer::Remote);
    connection.set_time(Duration::from_secs(9));
    assert!(!connection.has_transcript(), "and without a transcript none is kept");
    connection.set_transcript(hook(&told));
    assert!(connection.has_transcript());
    let upgrade = connection.tls_upgrade().unwrap();
    connection.tls_established(upgrade).unwrap();
    connection.set_time(Duration::from_millis(20));
    connection.receive(b"220 hi\r\n");
    connection.poll_event().unwrap();
    let name = "client.test".parse().unwrap();
    connection.command(Command::Ehlo(&name)).unwrap();
    written(&mut connection);
    connection.set_time(Duration::from_millis(35));
    // Another hook goes on with the time that the first was told.
    connection.set_transcript(hook(&told));
    connection.receive(b"250-mail.example\r\n250 PIPELINING\r\n");
    connection.poll_event().unwrap();
    // Nobody asked for this.
    connection.receive(b"421 4.3.2 going down\r\n");
    connection.poll_event().unwrap_err();
    assert_eq!(
        *told.lock().unwrap(),
        [
            "? = -- TLS established --",
            "20 < S: 220 hi (the greeting)",
            "20 > C: EHLO client.test",
            "35 < S: 250-mail.example\nS: 250 PIPELINING (EHLO)",
            "35 < S: 421 4.3.2 going down",
        ]
    );
}

#[test]
fn a_reply_that_comes_before_its_command_answers_none() {
    let stages = Arc::new(Mutex::new(Vec::new()));
    let hook = Arc::clone(&stages);
    let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
    connection.set_transcript(move |entry| {
        if entry.direction() == Direction::Received {
            hook.lock().unwrap().push(entry.stage());
        }
    });
    connection.receive(b"220 hi\r\n");
    connection.poll_event().unwrap();
    let name = "client.test".parse().unwrap();
    connection.command(Command::Ehlo(&name)).unwrap();
    connection.receive(b"250 mail.example\r\n");
    connection.poll_event().unwrap_err();
    assert_eq!(*stages.lock().unwrap(), [Some(Stage::Greeting), None]);
}

#[test]
fn what_is_shown_of_a_reply_is_bounded() {
    let shown = Arc::new(Mutex::new(0));
    let hook = Arc::clone(&shown);
    let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
    connection.set_transcript(move |entry| {
        let text = entry.to_string();
        assert!(text.lines().all(|line| line.starts_with("S: 220") && !line.contains(char::is_control)));
        *hook.lock().unwrap() = text.len();
    });
    let ReplyLimits { line, lines, reply, .. } = ReplyLimits::default();
    let long = [&b"220-"[..], &vec![0x1b; line - 4], b"\r\n"].concat();
    let count = (lines - 1).min(reply / long.len() - 1);
    connection.receive(&long.repeat(count));
    connection.receive(b"220 end\r\n");
    connection.poll_event().unwrap();
    let shown = *shown.lock().unwrap();
    // Of each line 512 octets, each as `\x1b`.
    assert!(shown > 4 * 512 * count && shown < (4 * 512 + 20) * (count + 1), "{shown}");
}

/// A server that takes a second for each reply; the clock is tokio's own, and nobody waits.
#[test]
fn the_adapter_tells_the_time_since_it_was_made() {
    let told = Told::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let (stream, mut server) = tokio::io::duplex(4096);
        let said = "220 hi|250 mail.example|250 ok|250 ok|354 go|250 queued as 1";
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            for (number, reply) in said.split('|').enumerate() {
                if number > 0 {
                    let heard = server.read(&mut buffer).await.unwrap();
                    assert!(heard > 0);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                server.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
            }
        });
        let mut client = smtp_tokio::Client::new(stream, config(TlsPolicy::None));
        client.set_transcript(hook(&told));
        client.send(&envelope(FROM, &["bob@example.net"]), BODY).await.unwrap();
        serving.await.unwrap();
    });
    assert_eq!(
        *told.lock().unwrap(),
        [
            "1000 < S: 220 hi (the greeting)",
            "1000 > C: EHLO client.test",
            "2000 < S: 250 mail.example (EHLO)",
            "2000 > C: MAIL FROM:<alice@example.org>",
            "3000 < S: 250 ok (MAIL)",
            "3000 > C: RCPT TO:<bob@example.net>",
            "4000 < S: 250 ok (RCPT)",
            "4000 > C: DATA",
            "5000 < S: 354 go (DATA)",
            "5000 > C: <body, 19 octets>",
            "5000 > C: .",
            "6000 < S: 250 queued as 1 (the end of the message)",
        ]
    );
}
