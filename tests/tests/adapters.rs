//! What the adapters promise of their calls on the stream: how many there are, and that none is made where nothing
//! is to be said (X-cases).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{IoSlice, Read, Write};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use smtp_proto::Error;
use smtp_proto::connection::{Config, Peer, TlsPolicy};
use smtp_proto::flow::Envelope;
use smtp_tests::script::Stream;

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

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        self.0.write_vectored(slices)
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

fn config() -> Config {
    Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(TlsPolicy::None)
}

fn envelope(to: &[&str]) -> Envelope {
    Envelope::from_strs("alice@example.org", to).unwrap()
}

mod tokio_stream {
    //! A script's stream as a local one.
    use super::{Arc, AtomicUsize, Ordering, Stream};
    use std::io::IoSlice;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    pub(super) struct Local {
        stream: Stream,
        writes: Arc<AtomicUsize>,
    }

    impl Local {
        pub(super) fn new(stream: Stream) -> Self {
            Self::counting(stream, Arc::default())
        }

        pub(super) fn counting(stream: Stream, writes: Arc<AtomicUsize>) -> Self {
            Self { stream, writes }
        }
    }

    impl smtp_tokio::Stream for Local {
        fn peer(&self) -> smtp_proto::connection::Peer {
            smtp_proto::connection::Peer::Local
        }
    }

    impl AsyncRead for Local {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.stream).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Local {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            octets: &[u8],
        ) -> Poll<std::io::Result<usize>> {
            let written = Pin::new(&mut self.stream).poll_write(cx, octets);
            if written.is_ready() {
                self.writes.fetch_add(1, Ordering::Relaxed);
            }
            written
        }

        fn poll_write_vectored(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            slices: &[IoSlice<'_>],
        ) -> Poll<std::io::Result<usize>> {
            let whole: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.poll_write(cx, &whole)
        }

        fn is_write_vectored(&self) -> bool {
            true
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.stream).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }
}

/// A stream that counts its calls, and flushes, and says what was unflushed when it was read.
struct Counting {
    stream: Scripted,
    counts: Arc<Mutex<Counts>>,
}

#[derive(Default, Clone, Debug, PartialEq)]
struct Counts {
    writes: usize,
    reads: usize,
    unflushed: bool,
    read_unflushed: bool,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut counts = self.counts.lock().unwrap();
        counts.reads += 1;
        counts.read_unflushed |= counts.unflushed;
        self.stream.read(buffer)
    }
}

impl Write for Counting {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        let mut counts = self.counts.lock().unwrap();
        counts.writes += 1;
        counts.unflushed = true;
        drop(counts);
        let whole: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.stream.write_all(&whole).map(|()| whole.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.counts.lock().unwrap().unflushed = false;
        self.stream.flush()
    }
}

impl smtp_blocking::Stream for Counting {}

/// A script in which `recipients` are accepted in one group.
fn pipelined(recipients: usize) -> (String, Vec<String>) {
    let to: Vec<String> = (0..recipients).map(|i| format!("user{i}@example.org")).collect();
    let mut script = String::from("S: 220 hi\nC: EHLO client.test\nS: 250-mail.example\nS: 250 PIPELINING\n");
    script.push_str("C: MAIL FROM:<alice@example.org>\n");
    script.extend(to.iter().map(|to| format!("C: RCPT TO:<{to}>\n")));
    script.push_str("C: DATA\n");
    script.push_str(&"S: 250 ok\n".repeat(recipients + 1));
    script.push_str("S: 354 go\nC: Subject: x\nC:\nC: body\nC: .\nS: 250 ok\n");
    (script, to)
}

#[test]
fn x03_x04_a_message_takes_two_writes_and_two_round_trips_however_many_recipients() {
    for recipients in [1, 100] {
        let (script, to) = pipelined(recipients);
        let counts = Arc::new(Mutex::new(Counts::default()));
        let stream = Counting { stream: Scripted(Stream::new(&*script)), counts: Arc::clone(&counts) };
        let mut client = smtp_blocking::Client::new(stream, config());
        client.capabilities().unwrap();
        let before = counts.lock().unwrap().clone();
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let delivery = client.send(&envelope(&to), b"Subject: x\r\n\r\nbody\r\n").unwrap();
        assert_eq!(delivery.recipients.iter().filter(|r| r.is_accepted()).count(), recipients);
        let after = counts.lock().unwrap().clone();
        assert_eq!(after.writes - before.writes, 2, "{recipients} recipients");
        assert_eq!(after.reads - before.reads, 2, "{recipients} recipients");
        assert!(!after.read_unflushed, "x03: a reply was awaited before the command was flushed");
    }
}

#[test]
fn x08_dropping_a_client_says_nothing() {
    let script = "S: 220 hi\nC: EHLO client.test\nS: 250 mail.example\n";
    let stream = Stream::new(script);
    let peer = stream.peer();
    let mut client = smtp_blocking::Client::new(Scripted(stream), config());
    client.capabilities().unwrap();
    drop(client);
    peer.verify(false);
    let stream = Stream::new(script);
    let peer = stream.peer();
    drop(smtp_tokio::Client::new(tokio_stream::Local::new(stream), config()));
    peer.with(|peer| assert_eq!(peer.wire(), b""));
}

#[test]
fn d18_dropping_the_writer_never_commits() {
    let script = "
        S: 220 hi
        C: EHLO client.test
        S: 250 mail.example
        C: MAIL FROM:<alice@example.org>
        S: 250 ok
        C: RCPT TO:<bob@example.org>
        S: 250 ok
        C: DATA
        S: 354 go
        C: half a message
        close
        ";
    let stream = Stream::new(script);
    let peer = stream.peer();
    let mut client = smtp_blocking::Client::new(Scripted(stream), config());
    client.mail(&"alice@example.org".parse().unwrap()).unwrap();
    client.rcpt(&"bob@example.org".parse().unwrap()).unwrap();
    let mut writer = client.data().unwrap();
    writer.write_all(b"half a message\r\n").unwrap();
    drop(writer);
    assert_eq!(client.noop().unwrap_err().into_kind(), Error::Poisoned);
    peer.verify(true);
}

#[test]
fn x09_x11_clients_are_send_sync_and_static_where_their_streams_are() {
    fn all<T: Send + Sync + 'static>() {}
    all::<smtp_blocking::Client<std::net::TcpStream>>();
    all::<smtp_tokio::Client<tokio::net::TcpStream>>();
    all::<smtp_tokio::Client<tokio::net::UnixStream>>();
    all::<smtp_tokio::Client<tokio::io::DuplexStream>>();
    all::<smtp_proto::Connection>();
    all::<smtp_blocking::SendError>();
    all::<smtp_tokio::SendError>();
}

#[test]
fn x04_tokio_takes_two_writes_a_message_too() {
    for recipients in [1, 100] {
        let (script, to) = pipelined(recipients);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.unwrap().block_on(async {
            let writes = Arc::new(AtomicUsize::new(0));
            let stream = tokio_stream::Local::counting(Stream::new(&*script), Arc::clone(&writes));
            let mut client = smtp_tokio::Client::new(stream, config());
            client.capabilities().await.unwrap();
            let before = writes.load(Ordering::Relaxed);
            let to: Vec<&str> = to.iter().map(String::as_str).collect();
            client.send(&envelope(&to), b"Subject: x\r\n\r\nbody\r\n").await.unwrap();
            assert_eq!(writes.load(Ordering::Relaxed) - before, 2, "{recipients} recipients");
        });
    }
}
