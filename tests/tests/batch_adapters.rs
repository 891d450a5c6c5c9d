//! Batches through both adapters: the core's octets and outcomes, whatever the stream does and whenever a future
//! is dropped (X-cases).
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{Read, Write};
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use common::{FROM, config, hello};
use smtp_proto::connection::{Config, Peer, TlsPolicy};
use smtp_proto::flow::{Delivery, Envelope, SendError, SendOptions, Transfer};
use smtp_tests::script::{Stream, envelope};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A script's stream, as either adapter wants it.
struct Scripted(Stream);

impl Read for Scripted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Scripted {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl smtp_blocking::Stream for Scripted {
    fn peer(&self) -> Peer {
        Peer::Local
    }

    fn local_ip(&self) -> Option<IpAddr> {
        None
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl smtp_tokio::Stream for Scripted {
    fn peer(&self) -> Peer {
        Peer::Local
    }
}

fn settings() -> Config {
    config(TlsPolicy::None)
}

fn virtual_time() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// One word an outcome.
fn word(outcome: Result<&Delivery, &SendError>) -> String {
    match outcome {
        Ok(delivery) => format!("accepted {}", delivery.queue_id().unwrap_or("?")),
        Err(SendError::Rejected { reply, .. }) => format!("rejected {}", reply.code()),
        Err(SendError::NotSent { .. }) => "not sent".into(),
        Err(SendError::Unknown { .. }) => "unknown".into(),
    }
}

fn message(n: usize) -> (Envelope, Vec<u8>) {
    (envelope(FROM, &[&format!("bob{n}@example.net")]), format!("{n}\r\n").into_bytes())
}

fn group(n: usize) -> String {
    format!("C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob{n}@example.net>\n")
}

const OK2: &str = "S: 250 ok\nS: 250 ok\n";

/// Three messages, the second of which is refused, in each mode.
fn scripts() -> [(&'static str, String); 4] {
    let data = format!(
        "{}{}C: DATA\n{OK2}S: 354 go\nC: 1\nC: .\n{}C: DATA\nS: 250 queued as A\nS: 250 ok\nS: 550 who?\nS: 354 go
        C: .\n{}C: DATA\nS: 554 nobody\n{OK2}S: 354 go\nC: 3\nC: .\nC: QUIT\nS: 250 queued as C\nS: 221 bye\nclose",
        hello(&["PIPELINING"]), group(1), group(2), group(3)
    );
    let chunks = format!(
        "{}{}C: BDAT 3 LAST\nC: 1\nC: RSET\n{}C: BDAT 3 LAST\nC: 2\nC: RSET\n{}C: BDAT 3 LAST\nC: 3\nC: QUIT
        {OK2}S: 250 queued as A\nS: 250 reset\nS: 250 ok\nS: 550 who?\nS: 503 no\nS: 250 reset\n{OK2}S: 250 queued as C
        S: 221 bye\nclose",
        hello(&["PIPELINING", "CHUNKING"]), group(1), group(2), group(3)
    );
    let steps = |n: usize, rcpt: &str| {
        format!("C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob{n}@example.net>\nS: {rcpt}\n")
    };
    let lock_step = |one: &str, three: &str, keywords: &[&str]| {
        format!(
            "{}{}{one}S: 250 queued as A\n{}C: RSET\nS: 250 reset\n{}{three}S: 250 queued as C\nC: QUIT\nS: 221 bye\nclose",
            hello(keywords),
            steps(1, "250 ok"),
            steps(2, "550 who?"),
            steps(3, "250 ok")
        )
    };
    [
        ("DATA", data),
        ("BDAT", chunks),
        (
            "DATA in lock-step",
            lock_step("C: DATA\nS: 354 go\nC: 1\nC: .\n", "C: DATA\nS: 354 go\nC: 3\nC: .\n", &[]),
        ),
        ("BDAT in lock-step", lock_step("C: BDAT 3 LAST\nC: 1\n", "C: BDAT 3 LAST\nC: 3\n", &["CHUNKING"])),
    ]
}

fn options(name: &str) -> SendOptions {
    let chunks = name.starts_with("BDAT");
    SendOptions::default().transfer(if chunks { Transfer::Chunks } else { Transfer::Data })
}

const EXPECTED: [&str; 3] = ["accepted A", "rejected 550", "accepted C"];

/// Every way in which a stream may move octets.
fn streams(script: &str) -> Vec<Stream> {
    let mut all = vec![
        Stream::new(script),
        Stream::new(script).one_octet(),
        Stream::new(script).interrupted(),
        Stream::new(script).one_octet().interrupted(),
    ];
    all.shrink_to_fit();
    all
}

#[test]
fn x13_both_adapters_say_and_tell_the_same() {
    for (name, script) in scripts() {
        for stream in streams(&script) {
            let peer = stream.peer();
            let mut client = smtp_blocking::Client::new(Scripted(stream), settings());
            let messages = (1..=3).map(|n| {
                let (envelope, body) = message(n);
                smtp_blocking::Message::new(envelope, body).options(options(name))
            });
            let told: Vec<_> = client
                .send_all(messages)
                .then_quit()
                .map(|outcome| word(outcome.as_ref().map_err(|error| error.kind())))
                .collect();
            assert_eq!(told, EXPECTED, "{name}");
            peer.verify(false);
        }
        for stream in streams(&script) {
            let peer = stream.peer();
            let told = virtual_time().block_on(async {
                let mut client = smtp_tokio::Client::new(Scripted(stream), settings());
                let messages = (1..=3).map(|n| {
                    let (envelope, body) = message(n);
                    smtp_tokio::Message::new(envelope, body).options(options(name))
                });
                let mut batch = client.send_all(messages).then_quit();
                let mut told = Vec::new();
                while let Some(outcome) = batch.next().await {
                    told.push(word(outcome.as_ref().map_err(|error| error.kind())));
                }
                assert!(batch.next().await.is_none());
                told
            });
            assert_eq!(told, EXPECTED, "{name}");
            peer.verify(false);
        }
    }
}

/// X05: `next` is dropped at poll `k` and called again. Whatever it lost, no outcome is untrue.
#[test]
fn x05_next_may_be_dropped_at_any_poll() {
    for (name, script) in scripts() {
        let (mut survived, mut lost) = (0, 0);
        for k in 0.. {
            let stream = Stream::new(&*script).one_octet().interrupted();
            let peer = stream.peer();
            let (told, cut, broken) = virtual_time().block_on(async {
                let mut client = smtp_tokio::Client::new(Scripted(stream), settings());
                let messages = (1..=3).map(|n| {
                    let (envelope, body) = message(n);
                    smtp_tokio::Message::new(envelope, body).options(options(name))
                });
                let mut batch = client.send_all(messages).then_quit();
                let (mut told, mut polls, mut cut) = (Vec::new(), 0, false);
                loop {
                    let mut next = Box::pin(batch.next());
                    let outcome = std::future::poll_fn(|cx| {
                        if polls == k {
                            polls += 1;
                            cut = true;
                            return Poll::Ready(None);
                        }
                        match next.as_mut().poll(cx) {
                            Poll::Pending => {
                                polls += 1;
                                Poll::Pending
                            }
                            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
                        }
                    })
                    .await;
                    drop(next);
                    match outcome {
                        None => {}
                        Some(None) => break,
                        Some(Some(outcome)) => {
                            told.push(word(outcome.as_ref().map_err(|error| error.kind())));
                        }
                    }
                }
                drop(batch);
                let broken = client.connection().failure().is_some();
                (told, cut, broken)
            });
            if !cut {
                assert_eq!(told, EXPECTED);
                assert!(survived > 0 && lost > 0, "{name}: {survived} {lost}");
                break;
            }
            assert_eq!(told.len(), 3, "{name}, poll {k}: {told:?}");
            if !broken {
                // Nothing was lost with the future.
                survived += 1;
                assert_eq!(told, EXPECTED, "{name}, poll {k}");
                peer.verify(false);
                continue;
            }
            lost += 1;
            let wire = peer.with(|peer| String::from_utf8(peer.wire().to_vec()).unwrap());
            for (n, told) in told.iter().enumerate() {
                let end = if name.starts_with("BDAT") {
                    format!("LAST\r\n{}\r\n", n + 1)
                } else {
                    format!("\r\n{}\r\n.\r\n", n + 1)
                };
                let left = wire.contains(&end);
                let may = match &**told {
                    "not sent" => !left || n == 1,
                    "unknown" => left,
                    verdict => verdict == EXPECTED[n],
                };
                assert!(may, "{name}, poll {k}, message {}: {told} after {wire:?}", n + 1);
            }
        }
    }
}

/// Dropped in the middle, the batch closes the connection; before and after, it does not.
#[test]
fn x06_dropping_the_batch_itself() {
    let script = &scripts()[0].1;
    let stream = Stream::new(&**script);
    virtual_time().block_on(async {
        let mut client = smtp_tokio::Client::new(Scripted(stream), settings());
        client.capabilities().await.unwrap();
        drop(client.send_all((1..=3).map(message)));
        assert!(client.connection().failure().is_none());
        let mut batch = client.send_all((1..=3).map(message));
        assert!(batch.next().await.unwrap().is_ok());
        drop(batch);
        assert_eq!(client.connection().failure(), Some(&smtp_proto::Error::Abandoned));
        let mut batch = client.send_all((1..=2).map(message));
        for _ in 0..2 {
            let outcome = batch.next().await.unwrap();
            assert_eq!(word(outcome.as_ref().map_err(|error| error.kind())), "not sent");
        }
        assert!(batch.next().await.is_none());
    });
    let mut client = smtp_blocking::Client::new(Scripted(Stream::new(&**script)), settings());
    let mut batch = client.send_all((1..=3).map(message));
    assert!(batch.next().unwrap().is_ok());
    drop(batch);
    assert_eq!(client.connection().failure(), Some(&smtp_proto::Error::Abandoned));
}

/// An iterator that panics takes nothing with it but what was in flight.
#[test]
fn an_iterator_that_panics_poisons_the_connection() {
    let panicking = || (1..=3).map(|n| if n == 2 { panic!("no second message") } else { message(n) });
    let script = &scripts()[0].1;
    let mut client = smtp_blocking::Client::new(Scripted(Stream::new(&**script)), settings());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        client.send_all(panicking()).map(|outcome| outcome.is_ok()).collect::<Vec<_>>()
    }));
    assert!(caught.is_err());
    assert!(client.connection().failure().is_some());
    let mut client = smtp_tokio::Client::new(Scripted(Stream::new(&**script)), settings());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        virtual_time().block_on(async {
            let mut batch = client.send_all(panicking());
            while batch.next().await.is_some() {}
        });
    }));
    assert!(caught.is_err());
    assert!(client.connection().failure().is_some());
}

/// Messages out of a channel.
struct Channel(tokio::sync::mpsc::Receiver<(Envelope, Vec<u8>)>);

impl futures_core::Stream for Channel {
    type Item = (Envelope, Vec<u8>);

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}

#[test]
fn outcomes_are_told_while_the_next_message_is_not_there() {
    let script = format!(
        "{}{}C: DATA\n{OK2}S: 354 go\nC: 1\nC: .\nS: 250 queued as A\n{}C: DATA\n{OK2}S: 354 go\nC: 2\nC: .\nS: 250 queued as B",
        hello(&["PIPELINING"]),
        group(1),
        group(2)
    );
    let stream = Stream::new(&*script);
    let peer = stream.peer();
    virtual_time().block_on(async {
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        let mut client = smtp_tokio::Client::new(Scripted(stream), settings());
        let mut batch = client.send_each(Channel(receiver));
        sender.send(message(1)).await.unwrap();
        let first = batch.next().await.unwrap();
        assert_eq!(first.unwrap().queue_id(), Some("A"));
        // Ten minutes without a message: nobody's fault, and nothing is lost with the future.
        assert!(tokio::time::timeout(Duration::from_secs(600), batch.next()).await.is_err());
        sender.send(message(2)).await.unwrap();
        assert_eq!(batch.next().await.unwrap().unwrap().queue_id(), Some("B"));
        drop(sender);
        assert!(batch.next().await.is_none());
    });
    peer.verify(false);
}

#[test]
fn s03_a_server_that_leaves_while_no_message_is_there() {
    for end in ["S: 421 4.4.2 timeout\nclose", "close", "S: 221 idle\nclose", "reset"] {
        let script = format!(
            "{}{}C: DATA\n{OK2}S: 354 go\nC: 1\nC: .\nS: 250 queued as A\nwait 60s\n{end}",
            hello(&["PIPELINING"]),
            group(1)
        );
        let stream = Stream::new(&*script);
        virtual_time().block_on(async {
            let (sender, receiver) = tokio::sync::mpsc::channel(4);
            let mut client = smtp_tokio::Client::new(Scripted(stream), settings());
            let mut batch = client.send_each(Channel(receiver));
            sender.send(message(1)).await.unwrap();
            assert_eq!(batch.next().await.unwrap().unwrap().queue_id(), Some("A"));
            {
                let mut next = pin!(batch.next());
                let waited = tokio::time::timeout(Duration::from_secs(600), next.as_mut()).await;
                assert!(waited.is_err(), "{end}: there is nothing to tell");
                sender.send(message(2)).await.unwrap();
                let outcome = next.await.unwrap();
                assert_eq!(word(outcome.as_ref().map_err(|error| error.kind())), "not sent", "{end}");
            }
            drop(sender);
            assert!(batch.next().await.is_none());
        });
    }
}
