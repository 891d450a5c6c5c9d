//! D16, S16, S18: a message given up in the middle is given up by closing the connection, at once and not when the
//! caller drops the client. The server hears no dot and no QUIT, and the next call finds the connection broken.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, channel};
use std::task::{Context, Poll};
use std::time::Duration;

use smtp_proto::body::BodyKind;
use smtp_proto::connection::{Config, TlsPolicy};
use smtp_proto::error::Error;
use smtp_proto::flow::{Body, Envelope, SendError, SendOptions};
use smtp_tests::script::envelope;

/// Far longer than it takes, so that a connection that stays open is found out and no busy machine is.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that answers DATA with these octets, says the others when the first line has come, and then reads nothing
/// before `let_go`. What it hears behind DATA to the end of the stream comes out of the channel.
fn serve(data: &'static str, first: &'static str) -> (SocketAddr, Receiver<Vec<u8>>, impl FnOnce()) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (say, heard) = channel();
    let (go, gone) = channel::<()>();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut out = &stream;
        let mut input = BufReader::new(&stream);
        for reply in ["220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", data] {
            out.write_all(reply.as_bytes()).unwrap();
            if reply != data {
                input.read_line(&mut String::new()).unwrap();
            }
        }
        let mut rest = Vec::new();
        if !first.is_empty() {
            input.read_until(b'\n', &mut rest).unwrap();
            out.write_all(first.as_bytes()).unwrap();
            let _ = gone.recv_timeout(PATIENCE);
        }
        // An end of the stream that does not come is an error here, and no end in the test.
        if input.read_to_end(&mut rest).is_ok() {
            let _ = say.send(rest);
        }
    });
    (address, heard, move || drop(go))
}

/// A reader of these octets that fails then, or ends.
#[derive(Clone)]
struct Reader(&'static [u8], bool);

impl Read for Reader {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        unreachable!("it is a BufRead")
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        match self.0.is_empty() && self.1 {
            true => Err(std::io::Error::other("the disk is gone")),
            false => Ok(self.0),
        }
    }

    fn consume(&mut self, octets: usize) {
        self.0 = &self.0[octets..];
    }
}

impl tokio::io::AsyncRead for Reader {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        unreachable!("it is an AsyncBufRead")
    }
}

impl tokio::io::AsyncBufRead for Reader {
    fn poll_fill_buf(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<&[u8]>> {
        Poll::Ready(self.get_mut().fill_buf())
    }

    fn consume(self: Pin<&mut Self>, octets: usize) {
        BufRead::consume(self.get_mut(), octets);
    }
}

/// What came of the message, with the I/O error underneath, and what the server had heard of it while the client was
/// still there.
struct Found {
    way: String,
    outcome: SendError,
    io: Option<String>,
    heard: Vec<u8>,
}

/// Sends what the reader gives in each of the four ways.
fn each_way(data: &'static str, first: &'static str, reader: &Reader, check: impl Fn(&Found)) {
    let to: Envelope = envelope("a@example.org", &["b@example.org"]);
    let options = SendOptions::default;
    let body = || Body::Stream { kind: BodyKind::SevenBit, size: None };
    for is_tokio in [false, true] {
        for is_batch in [false, true] {
            let way = format!("tokio {is_tokio}, batch {is_batch}");
            let config = Config::new("mail.example").client_name("client.test".parse().unwrap());
            let config = config.tls(TlsPolicy::None);
            let (address, heard, let_go) = serve(data, first);
            let mut reader = reader.clone();
            let heard = move || {
                let_go();
                heard.recv_timeout(2 * PATIENCE).expect("the connection stayed open")
            };
            let (error, next, heard) = if is_tokio {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut client = smtp_tokio::Client::connect(address, config).await.unwrap();
                    let error = if is_batch {
                        let message = smtp_tokio::Message::stream(&to, reader, BodyKind::SevenBit, None);
                        client.send_all([message]).next().await.unwrap().unwrap_err()
                    } else {
                        client.send_stream(&to, &mut reader, body(), options()).await.unwrap_err()
                    };
                    let next = client.noop().await.unwrap_err().into_kind();
                    let heard = heard();
                    drop(client);
                    let io = error.io().map(ToString::to_string);
                    ((error.into_kind(), io), next, heard)
                })
            } else {
                let mut client = smtp_blocking::Client::connect(address, config).unwrap();
                let error = if is_batch {
                    let message = smtp_blocking::Message::stream(&to, reader, BodyKind::SevenBit, None);
                    client.send_all([message]).next().unwrap().unwrap_err()
                } else {
                    client.send_stream(&to, &mut reader, body(), options()).unwrap_err()
                };
                let next = client.noop().unwrap_err().into_kind();
                let heard = heard();
                drop(client);
                let io = error.io().map(ToString::to_string);
                ((error.into_kind(), io), next, heard)
            };
            assert_eq!(next, Error::Poisoned, "{way}");
            check(&Found { way, outcome: error.0, io: error.1, heard });
        }
    }
}

#[test]
fn d16_a_reader_that_fails_after_half_of_the_message() {
    each_way("354 go\r\n", "", &Reader(b"half\r\n", true), |found| {
        let Found { way, outcome, io, heard } = found;
        let truly = matches!(outcome, SendError::NotSent { cause: Error::BodySource, .. });
        assert!(truly, "{way}: {outcome:?}");
        assert_eq!(io.as_deref(), Some("the disk is gone"), "{way}");
        // What was held back of the half, or half of its line end, makes no difference.
        assert_eq!(heard.trim_ascii_end(), b"half", "{way}");
    });
}

#[test]
fn s18_a_refusal_right_behind_the_354() {
    each_way("354 go\r\n554 no\r\n", "", &Reader(b"all\r\n", false), |found| {
        let Found { way, outcome, io, heard } = found;
        let truly = matches!(outcome, SendError::Rejected { reply, .. } if reply.code().get() == 554);
        assert!(truly, "{way}: {outcome:?}");
        assert_eq!(*io, None, "{way}");
        assert_eq!(heard, b"", "{way}: something of the message was sent");
    });
}

#[test]
fn s16_a_refusal_by_a_server_that_reads_no_more() {
    let message: &'static [u8] = Vec::leak(b"a line of the message\r\n".repeat(1_000_000));
    each_way("354 go\r\n", "552 too big\r\n", &Reader(message, false), |found| {
        let Found { way, outcome, heard, .. } = found;
        let truly = matches!(outcome, SendError::Rejected { reply, .. } if reply.code().get() == 552);
        assert!(truly, "{way}: {outcome:?}");
        assert!(heard.len() < message.len(), "{way}: all of it was sent");
        assert!(message.starts_with(heard.as_slice()), "{way}: something else was said");
    });
}
