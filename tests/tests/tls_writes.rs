//! What leaves in one write under TLS, and what may have left of it when the transport breaks in the middle: records go
//! one by one, and the end of a message may be in one of the first.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{self, IoSlice, Read, Write};
use std::net::TcpStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use smtp_blocking::smtp_proto::connection::{Config, Timeouts, TlsPolicy};
use smtp_proto::SendError;
#[cfg(feature = "native-tls")]
use smtp_proto::error::Error;
use smtp_proto::flow::{Envelope, SendOptions, Transfer};
use smtp_tests::library::Library;
use smtp_tests::sink::{Sink, TlsMode};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most octets that a TLS record holds (RFC 8446 §5.1).
const RECORD: usize = 16_384;

/// What happens once the stream has taken a full record, in the same write of the client's.
#[derive(Clone, Copy, PartialEq)]
// What lies is for C code alone.
#[cfg_attr(not(feature = "native-tls"), allow(dead_code))]
enum Then {
    /// Nothing.
    Nothing,
    /// It has broken.
    Reset,
    /// A call is interrupted, once.
    Interrupted,
    /// It claims to have taken an octet that it was not given.
    TakesTooMuch,
    /// It claims so from the beginning.
    TakesTooMuchAtOnce,
    /// It claims to have read more than there is room for; from the beginning, and not in tokio, where none can.
    ReadsTooMuch,
}

/// A stream that takes one record a call, and meets with something behind the first that is full.
struct Stream<S> {
    stream: S,
    then: Then,
    full: usize,
    /// The octets of each write.
    writes: Writes,
}

type Writes = Arc<Mutex<Vec<usize>>>;

impl<S> Stream<S> {
    /// The error of the next call, if it has one.
    fn trouble(&mut self) -> io::Result<()> {
        match (self.then, self.full) {
            (_, 0) | (Then::Interrupted, 2..) => Ok(()),
            (Then::Reset, _) => Err(io::ErrorKind::ConnectionReset.into()),
            (Then::Interrupted, 1) => {
                self.full += 1;
                Err(io::ErrorKind::Interrupted.into())
            }
            (Then::Nothing | Then::TakesTooMuch | Then::TakesTooMuchAtOnce | Then::ReadsTooMuch, _) => Ok(()),
        }
    }

    /// What it says that it took.
    fn claims(&self, octets: usize) -> usize {
        match self.then {
            Then::TakesTooMuch if self.full > 0 => octets + 1,
            Then::TakesTooMuchAtOnce => octets + 1,
            _ => octets,
        }
    }

    fn took(&mut self, octets: usize) {
        self.writes.lock().unwrap().push(octets);
        self.full += usize::from(octets > RECORD && self.full == 0);
    }
}

impl<S: Read> Read for Stream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.then == Then::Reset {
            self.trouble()?;
        }
        let count = self.stream.read(buffer)?;
        Ok(if self.then == Then::ReadsTooMuch { buffer.len() + 1 } else { count })
    }
}

impl<S: Write> Write for Stream<S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.trouble()?;
        self.stream.write_all(octets)?;
        self.took(octets.len());
        Ok(self.claims(octets.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl smtp_blocking::Stream for Stream<TcpStream> {
    fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(timeout))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Stream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.then == Then::Reset {
            self.trouble()?;
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.trouble()?;
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, octets))?;
        assert_eq!(count, octets.len(), "an empty socket takes a record");
        self.took(count);
        Poll::Ready(Ok(self.claims(count)))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        self.poll_write(cx, first.map_or(&[], |slice| slice))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl smtp_tokio::Stream for Stream<tokio::net::TcpStream> {}

/// A server that has not got what it was sent does not answer.
fn config() -> Config {
    Config::new("localhost").tls(TlsPolicy::Implicit).timeouts(Timeouts::all(Duration::from_secs(4)))
}

fn sink() -> Sink {
    Sink::builder().tls(TlsMode::Implicit).start().unwrap()
}

fn envelope() -> Envelope {
    Envelope::from_strs("alice@example.org", &["bob@example.net"]).unwrap()
}

fn options() -> SendOptions {
    SendOptions::default().transfer(Transfer::Data)
}

/// A message that fills so many records together with its end; QUIT comes in the record behind them.
fn message(records: usize) -> Vec<u8> {
    let size = records * RECORD - b".\r\n".len();
    let mut message = b"Subject: hi\r\n\r\n".to_vec();
    while message.len() + 200 < size {
        message.extend([b'x'; 98]);
        message.extend(b"\r\n");
    }
    message.resize(size - b"\r\n".len(), b'y');
    message.extend(b"\r\n");
    message
}

/// What became of the message.
fn blocking(
    library: Library,
    sink: &Sink,
    then: Then,
    message: &[u8],
    writes: &Writes,
) -> Result<(), SendError> {
    let stream = Stream {
        stream: TcpStream::connect(sink.address()).unwrap(),
        then,
        full: 0,
        writes: Arc::clone(writes),
    };
    let mut client = smtp_blocking::Client::new(stream, config());
    client.set_tls_config(library.trusting(sink.certificate_authority().der()).unwrap());
    let message = smtp_blocking::Message::new(envelope(), message).options(options());
    let outcome = client.send_all([message]).then_quit().next().unwrap();
    outcome.map(drop).map_err(|error| error.into_kind())
}

fn tokio(
    library: Library,
    sink: &Sink,
    then: Then,
    message: &[u8],
    writes: &Writes,
) -> Result<(), SendError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(sink.address()).await.unwrap();
        let mut client =
            smtp_tokio::Client::new(Stream { stream, then, full: 0, writes: Arc::clone(writes) }, config());
        client.set_tls_config(library.trusting(sink.certificate_authority().der()).unwrap());
        let message = smtp_tokio::Message::new(envelope(), message).options(options());
        let outcome = client.send_all([message]).then_quit().next().await.unwrap();
        outcome.map(drop).map_err(|error| error.into_kind())
    })
}

type Send = fn(Library, &Sink, Then, &[u8], &Writes) -> Result<(), SendError>;

/// Each TLS library in each adapter.
fn each() -> impl Iterator<Item = (Library, Send)> {
    Library::all().iter().flat_map(|library| [(*library, blocking as Send), (*library, tokio)])
}

fn assert_arrived(sink: &Sink, message: &[u8]) {
    let arrived = sink.wait_for_message(Duration::from_secs(20)).expect("the message");
    assert!(arrived.data == message, "{} octets of {}", arrived.data.len(), message.len());
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn o06_a_record_that_left_counts_though_the_next_one_did_not() {
    for (library, send) in each() {
        let sink = sink();
        let message = message(1);
        let outcome = send(library, &sink, Then::Reset, &message, &Writes::default());
        // The server has it, whatever the client thinks.
        assert_arrived(&sink, &message);
        assert!(matches!(outcome, Err(SendError::Unknown { .. })), "{library:?}: {outcome:?}");
    }
}

#[test]
fn x01_an_interrupted_call_repeats_no_octet_under_tls() {
    for (library, send) in each() {
        let sink = sink();
        // More than TLS takes at once.
        let message = message(6);
        let outcome = send(library, &sink, Then::Interrupted, &message, &Writes::default());
        assert!(outcome.is_ok(), "{library:?}: {outcome:?}");
        assert_arrived(&sink, &message);
    }
}

#[test]
fn x04_the_end_of_a_message_leaves_with_its_last_octets_under_tls() {
    for (library, send) in each() {
        let (sink, writes) = (sink(), Writes::default());
        let message = b"Subject: hi\r\n".repeat(10);
        assert!(send(library, &sink, Then::Nothing, &message, &writes).is_ok());
        let last = *writes.lock().unwrap().last().unwrap();
        assert!(last > message.len() + b".\r\nQUIT\r\n".len(), "{library:?}: {writes:?}");
    }
}

/// C code believes what it is told; so it is not told of octets that are not there.
#[cfg(feature = "native-tls")]
#[test]
fn x01_a_stream_that_lies_about_its_counts_breaks_the_connection_and_nothing_else() {
    for send in [blocking, tokio] {
        let sink = sink();
        let message = message(3);
        let outcome = send(Library::NativeTls, &sink, Then::TakesTooMuch, &message, &Writes::default());
        assert!(matches!(outcome, Err(SendError::NotSent { .. })), "{outcome:?}");
        let outcome = send(Library::NativeTls, &sink, Then::TakesTooMuchAtOnce, &message, &Writes::default());
        assert!(matches!(outcome, Err(SendError::NotSent { cause: Error::TlsFailed, .. })), "{outcome:?}");
        assert!(sink.messages().is_empty());
    }
    let sink = sink();
    let outcome = blocking(Library::NativeTls, &sink, Then::ReadsTooMuch, b"hi\r\n", &Writes::default());
    assert!(matches!(outcome, Err(SendError::NotSent { cause: Error::TlsFailed, .. })), "{outcome:?}");
}
