//! How far a message is, as both adapters tell it: in octets of the message, never backwards, to its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod simulated;

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use simulated::{CHUNKING, LOCK_STEP, Server, Wire, config, envelope, text};
use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules};
use smtp_proto::flow::{Body, Envelope, Progress, SendOptions, Transfer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Every kind of octet that becomes more than one on the wire, and no line end at the end.
const STUFFED: &[u8] = b".a\r\n..\r\nlone\nlone\rcr\r\n.\r\n\r\n\n.\n.end";

/// A server at the end of a line that takes only so many octets a write; it counts the writes.
#[derive(Clone)]
struct Narrow {
    wire: Wire,
    most: usize,
    writes: Arc<AtomicUsize>,
}

impl Narrow {
    fn new(keywords: &'static [&'static str], most: usize) -> Self {
        Self { wire: Wire::new(Server::new(keywords)), most, writes: Arc::default() }
    }

    fn cut<'o>(&self, octets: &'o [u8]) -> &'o [u8] {
        self.writes.fetch_add(1, Ordering::SeqCst);
        &octets[..octets.len().min(self.most)]
    }
}

impl Read for Narrow {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.wire.read(buffer)
    }
}

impl Write for Narrow {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let octets = self.cut(octets);
        self.wire.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.wire.flush()
    }
}

impl smtp_blocking::Stream for Narrow {
    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        smtp_blocking::Stream::try_read(&mut self.wire, buffer)
    }
}

impl AsyncRead for Narrow {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Narrow {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let octets = self.cut(octets);
        Pin::new(&mut self.wire).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(cx)
    }
}

impl smtp_tokio::Stream for Narrow {}

type Told = Arc<Mutex<Vec<Progress>>>;

fn hook(told: &Told) -> impl FnMut(Progress) + Send + Sync + 'static {
    let told = Arc::clone(told);
    move |progress| told.lock().unwrap().push(progress)
}

/// What is sent.
#[derive(Clone, Copy)]
enum What<'m> {
    Whole(&'m [u8]),
    /// From a reader, with its size declared or not.
    Stream(&'m [u8], bool),
    All(&'m [&'m [u8]]),
}

const KIND: BodyKind = BodyKind::SevenBit;

fn body(message: &[u8], declared: bool) -> Body<'static> {
    Body::Stream { kind: KIND, size: declared.then_some(message.len() as u64) }
}

fn blocking(line: Narrow, envelope: &Envelope, what: What<'_>, options: SendOptions) -> Vec<Progress> {
    let told = Told::default();
    let mut client = smtp_blocking::Client::new(line, config());
    client.set_progress(hook(&told));
    match what {
        What::Whole(message) => drop(client.send_with(envelope, message, options).unwrap()),
        What::Stream(mut message, declared) => {
            let body = body(message, declared);
            drop(client.send_stream(envelope, &mut message, body, options).unwrap());
        }
        What::All(messages) => {
            let messages = messages
                .iter()
                .map(|&message| smtp_blocking::Message::new(envelope, message).options(options));
            client.send_all(messages).for_each(|outcome| drop(outcome.unwrap()));
        }
    }
    told.lock().unwrap().clone()
}

fn tokio(line: Narrow, envelope: &Envelope, what: What<'_>, options: SendOptions) -> Vec<Progress> {
    let told = Told::default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let mut client = smtp_tokio::Client::new(line, config());
        client.set_progress(hook(&told));
        match what {
            What::Whole(message) => drop(client.send_with(envelope, message, options).await.unwrap()),
            What::Stream(mut message, declared) => {
                let body = body(message, declared);
                drop(client.send_stream(envelope, &mut message, body, options).await.unwrap());
            }
            What::All(messages) => {
                let messages = messages
                    .iter()
                    .map(|&message| smtp_tokio::Message::new(envelope, message).options(options));
                let mut batch = client.send_all(messages);
                while let Some(outcome) = batch.next().await {
                    drop(outcome.unwrap());
                }
            }
        }
    });
    told.lock().unwrap().clone()
}

type Adapter = fn(Narrow, &Envelope, What<'_>, SendOptions) -> Vec<Progress>;

const ADAPTERS: [(&str, Adapter); 2] = [("blocking", blocking), ("tokio", tokio)];

/// What is true of every message that was sent whole.
#[track_caller]
fn assert_right(told: &[Progress], message: usize, size: usize, way: &str) {
    assert!(
        told.is_sorted_by(|a, b| a.accepted < b.accepted || (a.total, b.total.is_some()) == (None, true)),
        "{way}: {told:?}"
    );
    assert!(told.iter().all(|progress| progress.message == message), "{way}: {told:?}");
    let complete: Vec<bool> = told.iter().map(Progress::is_complete).collect();
    let (last, others) = complete.split_last().unwrap();
    assert!(last & !others.contains(&true), "{way}: {told:?}");
    assert_eq!(told.last().unwrap().accepted, size as u64, "{way}");
}

#[test]
fn it_grows_to_the_size_of_the_message_whatever_a_write_takes() {
    let long = text(100_000);
    for (name, send) in ADAPTERS {
        for (transfer, most) in [Transfer::Data, Transfer::Chunks]
            .into_iter()
            .flat_map(|transfer| [1, 7, usize::MAX].map(|most| (transfer, most)))
        {
            for message in [STUFFED, &long[..if most == 1 { 3000 } else { long.len() }], b"\r\n", b"."] {
                let options = SendOptions::default().transfer(transfer);
                for what in [What::Whole(message), What::Stream(message, true), What::Stream(message, false)]
                {
                    let line = Narrow::new(CHUNKING, most);
                    let told = send(line.clone(), &envelope(1), what, options);
                    let way = format!("{name}, {transfer:?}, {} octets, {most} a write", message.len());
                    assert_right(&told, 0, message.len(), &way);
                    // The end of a stream of unknown length is found without a write.
                    let unknown = matches!(what, What::Stream(_, false));
                    let writes = line.writes.load(Ordering::SeqCst) + usize::from(unknown);
                    assert!(told.len() <= writes, "{way}: told {} times in {writes} writes", told.len());
                    let (last, others) = told.split_last().unwrap();
                    assert!(others.iter().all(|progress| progress.total.is_none() == unknown), "{way}");
                    assert_eq!(last.total, Some(message.len() as u64), "{way}");
                    if most == 1 && message == STUFFED {
                        let octets = told.iter().map(|progress| progress.accepted).collect::<Vec<_>>();
                        assert!(
                            octets.len() >= STUFFED.len() - 6,
                            "{way}: as fine as the writes: {octets:?}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn an_empty_message_is_complete_once() {
    for (name, send) in ADAPTERS {
        for transfer in [Transfer::Data, Transfer::Chunks] {
            for what in [What::Whole(b""), What::Stream(b"", true), What::Stream(b"", false)] {
                let options = SendOptions::default().transfer(transfer);
                let told = send(Narrow::new(CHUNKING, usize::MAX), &envelope(1), what, options);
                assert_eq!(told.len(), 1, "{name}, {transfer:?}: {told:?}");
                assert_eq!((told[0].accepted, told[0].total), (0, Some(0)));
            }
        }
    }
}

#[test]
fn each_message_of_a_batch_is_told_of_by_its_number() {
    let messages: [&[u8]; 3] = [STUFFED, b"Subject: 2\r\n\r\n", &text(20_000)];
    for (name, send) in ADAPTERS {
        for (keywords, transfer) in
            [(LOCK_STEP, Transfer::Data), (CHUNKING, Transfer::Data), (CHUNKING, Transfer::Chunks)]
        {
            let options = SendOptions::default().transfer(transfer);
            let told = send(Narrow::new(keywords, 100), &envelope(2), What::All(&messages), options);
            let each: Vec<&[Progress]> = told.chunk_by(|a, b| a.message == b.message).collect();
            assert_eq!(each.len(), 3, "{name}: one after the other");
            for (number, (told, message)) in each.into_iter().zip(messages).enumerate() {
                assert_right(told, number, message.len(), name);
            }
        }
    }
}

#[test]
fn a_body_that_is_sent_twice_is_told_of_once() {
    for (name, send) in ADAPTERS {
        let mut options = SendOptions::default();
        options.split = true;
        let line = Narrow::new(&["PIPELINING", "8BITMIME", "LIMITS RCPTMAX=2"], 10);
        let told = send(line.clone(), &envelope(5), What::Whole(STUFFED), options);
        assert_eq!(line.wire.taken().0, 3, "{name}: three mail transactions");
        assert_right(&told, 0, STUFFED.len(), name);
    }
}

#[test]
fn a_message_that_is_not_sent_is_never_complete() {
    let told = Told::default();
    let line = Wire::new(Server::new(CHUNKING).judging(|_| "550 no\r\n"));
    let mut client = smtp_blocking::Client::new(line, config());
    client.set_progress(hook(&told));
    client.send(&envelope(1), STUFFED).unwrap_err();
    assert_eq!(*told.lock().unwrap(), []);

    // More was declared than the reader had.
    let options = SendOptions::default().transfer(Transfer::Data);
    let mut client = smtp_blocking::Client::new(Wire::new(Server::new(CHUNKING)), config());
    client.set_progress(hook(&told));
    let body = Body::Stream { kind: KIND, size: Some(100) };
    client.send_stream(&envelope(1), &mut &b"short\r\n"[..], body, options).unwrap_err();
    let told = told.lock().unwrap();
    assert_eq!(told.iter().map(|told| (told.accepted, told.total)).collect::<Vec<_>>(), [(7, Some(100))]);
}

/// Octet by octet: what is counted has been written, and what has been written is counted but for the last octet.
#[test]
fn an_octet_counts_when_all_that_stands_for_it_has_been_written() {
    // Each dot here is sent twice.
    let message = b".\r\n..\r\n.a\r\nb.c\r\n.\r\n.d\r\n";
    let dots = |octets: &[u8]| {
        (0..octets.len()).filter(|&at| octets[at] == b'.' && (at == 0 || octets[at - 1] == b'\n')).count()
    };
    let wire = |octets: usize| octets + dots(&message[..octets]);
    let mut part = BodyEncoder::new(BodyRules::new(KIND)).encode(message).unwrap();
    assert_eq!((part.written(), part.consumed()), (0, message.len()));
    let mut gone = 0;
    while !part.is_empty() {
        part.advance(1);
        gone += 1;
        let written = part.written();
        assert!(wire(written) <= gone, "{written} octets are not in {gone} on the wire");
        assert!(
            written + 1 >= message.len() || wire(written + 2) > gone,
            "{written} octets, and {gone} have gone"
        );
    }
    assert_eq!(part.written(), message.len());
}
