//! Batches over transports with little room, to servers that stop reading, out of readers, and over Unix sockets.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::{FROM, config};
use smtp_proto::body::BodyKind;
use smtp_proto::connection::{Config, Protocol, Stage, Timeouts, TlsPolicy};
use smtp_proto::flow::{Envelope, RecipientState, SendError, SendOptions, Transfer};
use smtp_tests::script::envelope;
use smtp_tests::sink::{RecipientVerdict, Sink, TlsMode};

fn settings() -> Config {
    config(TlsPolicy::None)
}

/// A server that does one thing at a time: it reads a command, and then writes 512 octets whether anyone reads
/// them or not.
fn serve(stream: impl Read, mut out: impl Write) {
    let mut input = BufReader::with_capacity(64, stream);
    let mut say = |code: &str| {
        let reply = format!("{code} {:x<506}\r\n", "");
        out.write_all(reply.as_bytes()).and_then(|()| out.flush()).is_ok()
    };
    let (mut data, mut line) = (false, String::new());
    let mut alive = say("220");
    while alive {
        line.clear();
        if input.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split_whitespace();
        alive = match words.next().unwrap_or_default() {
            "." if data => {
                data = false;
                say("250")
            }
            _ if data => true,
            "EHLO" => say("250-hi\r\n250-PIPELINING\r\n250-CHUNKING\r\n250"),
            "DATA" => {
                data = true;
                say("354")
            }
            "BDAT" => {
                let mut chunk = vec![0; words.next().unwrap().parse().unwrap()];
                input.read_exact(&mut chunk).is_ok() && say("250")
            }
            "QUIT" => {
                say("221");
                false
            }
            _ => say("250"),
        };
    }
}

fn many(recipients: usize) -> Envelope {
    let to: Vec<String> = (0..recipients).map(|n| format!("recipient{n}@example.net")).collect();
    envelope(FROM, &to.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A pair of blocking streams with room for so many octets each way.
fn pipes(room: usize) -> (pipe::End, pipe::End) {
    let (there, back) = (pipe::Pipe::new(room), pipe::Pipe::new(room));
    (pipe::End::new(back.clone(), there.clone()), pipe::End::new(there, back))
}

mod pipe {
    //! A blocking stream in memory.
    use std::collections::VecDeque;
    use std::io::{self, Read, Write};
    use std::sync::{Arc, Condvar, Mutex, MutexGuard};
    use std::time::Duration;

    #[derive(Clone)]
    #[allow(clippy::type_complexity)]
    pub(super) struct Pipe(Arc<(Mutex<(VecDeque<u8>, bool)>, Condvar, usize)>);

    impl Pipe {
        pub(super) fn new(room: usize) -> Self {
            Self(Arc::new((Mutex::default(), Condvar::new(), room)))
        }

        /// Waits until `ready`, but no longer than that.
        fn wait(
            &self,
            most: Duration,
            ready: impl Fn(&VecDeque<u8>) -> bool,
        ) -> io::Result<MutexGuard<'_, (VecDeque<u8>, bool)>> {
            let (octets, changed, _) = &*self.0;
            let guard = octets.lock().unwrap();
            let waiting = |(octets, closed): &mut (VecDeque<u8>, bool)| !*closed && !ready(octets);
            let (guard, timeout) = changed.wait_timeout_while(guard, most, waiting).unwrap();
            if timeout.timed_out() { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(guard) }
        }
    }

    pub(super) struct End {
        input: Pipe,
        output: Pipe,
        read_timeout: Duration,
        write_timeout: Duration,
    }

    impl End {
        pub(super) fn new(input: Pipe, output: Pipe) -> Self {
            let long = Duration::from_secs(3600);
            Self { input, output, read_timeout: long, write_timeout: long }
        }

        fn read_within(&self, room: &mut [u8], most: Duration) -> io::Result<usize> {
            let mut guard = self.input.wait(most, |octets| !octets.is_empty())?;
            let n = guard.0.len().min(room.len());
            guard.0.drain(..n).zip(room).for_each(|(octet, place)| *place = octet);
            self.input.0.1.notify_all();
            Ok(n)
        }
    }

    impl Read for End {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.read_within(room, self.read_timeout)
        }
    }

    impl Read for &End {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            self.read_within(room, self.read_timeout)
        }
    }

    impl Write for &End {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            let room = self.output.0.2;
            let mut guard = self.output.wait(self.write_timeout, |held| held.len() < room)?;
            if guard.1 {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            let n = octets.len().min(room - guard.0.len());
            guard.0.extend(&octets[..n]);
            self.output.0.1.notify_all();
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Write for End {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            (&*self).write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Drop for End {
        fn drop(&mut self) {
            for pipe in [&self.input, &self.output] {
                pipe.0.0.lock().unwrap().1 = true;
                pipe.0.1.notify_all();
            }
        }
    }

    impl smtp_blocking::Stream for End {
        fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
            self.read_timeout = timeout;
            Ok(())
        }

        fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
            self.write_timeout = timeout;
            Ok(())
        }

        fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.read_within(buffer, Duration::ZERO)
        }
    }
}

#[test]
fn s14_blocking_both_sides_wait_and_nobody_for_ever() {
    for (room, recipients, messages) in [(64, 1000, 20), (1024, 10_000, 200)] {
        let (client, server) = pipes(room);
        let thread = std::thread::spawn(move || serve(&server, &server));
        let since = Instant::now();
        let mut client = smtp_blocking::Client::new(client, settings());
        let delivery = client.send(&many(recipients), b"hi\r\n").unwrap();
        assert_eq!(delivery.recipients.len(), recipients);
        let one = many(50);
        let outcomes = client.send_all((0..messages).map(|_| (&one, &b"hi\r\n"[..]))).then_quit();
        assert_eq!(outcomes.filter(Result::is_ok).count(), messages);
        assert!(since.elapsed() < Duration::from_secs(60), "a pause for each reply");
        drop(client);
        thread.join().unwrap();
    }
}

#[test]
fn s14_tokio_ten_thousand_recipients_over_64_octets() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (client, server) = tokio::io::duplex(64);
    let (input, output) = tokio::io::split(server);
    let (input, output) = (halves::Blocking(input), halves::Blocking(output));
    let handle = runtime.handle().clone();
    let thread = std::thread::spawn(move || {
        let _guard = handle.enter();
        serve(input, output);
    });
    runtime.block_on(async {
        let mut client = smtp_tokio::Client::new(client, settings());
        let delivery = client.send(&many(10_000), b"hi\r\n").await.unwrap();
        assert_eq!(delivery.recipients.len(), 10_000);
        let one = many(50);
        let mut batch = client.send_all((0..200).map(|_| (&one, &b"hi\r\n"[..]))).then_quit();
        let mut accepted = 0;
        while let Some(outcome) = batch.next().await {
            outcome.unwrap();
            accepted += 1;
        }
        assert_eq!(accepted, 200);
    });
    thread.join().unwrap();
}

mod halves {
    //! Half of an async pipe, for a thread that may block.
    use std::io::{self, Read, Write};
    use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
    use tokio::runtime::Handle;

    pub(super) struct Blocking<T>(pub(super) T);

    impl<T: AsyncRead + Unpin> Read for Blocking<T> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            Handle::current().block_on(self.0.read(buffer))
        }
    }

    impl<T: AsyncWrite + Unpin> Write for Blocking<T> {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            Handle::current().block_on(self.0.write(octets))
        }

        fn flush(&mut self) -> io::Result<()> {
            Handle::current().block_on(self.0.flush())
        }
    }
}

/// A reader of these octets that then fails, or does not end when it should.
struct Pieces(Vec<&'static [u8]>, bool);

impl Read for Pieces {
    fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
        unreachable!("it is a BufRead")
    }
}

impl BufRead for Pieces {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        match self.0.first() {
            Some(piece) => Ok(piece),
            None if self.1 => Err(std::io::Error::other("the disk is gone")),
            None => Ok(&[]),
        }
    }

    fn consume(&mut self, octets: usize) {
        self.0[0] = &self.0[0][octets..];
        if self.0[0].is_empty() {
            self.0.remove(0);
        }
    }
}

impl tokio::io::AsyncRead for Pieces {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        unreachable!("it is an AsyncBufRead")
    }
}

impl tokio::io::AsyncBufRead for Pieces {
    fn poll_fill_buf(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<&[u8]>> {
        std::task::Poll::Ready(self.get_mut().fill_buf())
    }

    fn consume(self: std::pin::Pin<&mut Self>, octets: usize) {
        BufRead::consume(self.get_mut(), octets);
    }
}

fn told(outcome: Result<(), &SendError>) -> &'static str {
    match outcome {
        Ok(()) => "accepted",
        Err(SendError::Rejected { .. }) => "rejected",
        Err(SendError::NotSent { .. }) => "not sent",
        Err(SendError::Unknown { .. }) => "unknown",
    }
}

/// Readers that are as long as they were said to be, or not, or fail: in chunks each is a matter of its own.
#[test]
fn d17_readers_in_a_batch() {
    let readers = || -> [(Pieces, Option<u64>, &str); 6] {
        [
            (Pieces(vec![b"one\r\n", b"two\r\n"], false), Some(10), "accepted"),
            (Pieces(vec![b"one\r\n"], false), Some(10), "not sent"),
            (Pieces(vec![b"one\r\n", b"two\r\n"], true), None, "not sent"),
            (Pieces(vec![b"one\r\n", b"two\r\n"], false), None, "accepted"),
            (Pieces(vec![b"one\r\n", b"too long"], false), Some(10), "not sent"),
            (Pieces(vec![b"one\r\n"], false), Some(5), "accepted"),
        ]
    };
    let expected: Vec<_> = readers().iter().map(|reader| reader.2).collect();
    let options = SendOptions::default().transfer(Transfer::Chunks);
    let to = envelope(FROM, &["bob@example.net"]);
    for pipelining in [true, false] {
        let sink = || {
            let sink = Sink::builder().tls(TlsMode::None);
            if pipelining { sink } else { sink.without_extension("PIPELINING") }.start().unwrap()
        };
        let check = |sink: &Sink, words: Vec<&str>| {
            assert_eq!(words, expected, "pipelining: {pipelining}");
            let bodies: Vec<_> = sink.messages().into_iter().map(|message| message.data).collect();
            assert_eq!(bodies, [&b"one\r\ntwo\r\n"[..], b"one\r\ntwo\r\n", b"one\r\n"]);
            assert!(sink.client_errors().is_empty(), "{:?}", sink.client_errors());
        };
        let blocking = sink();
        let mut client = smtp_blocking::Client::connect(blocking.address(), settings()).unwrap();
        let messages = readers().into_iter().map(|(reader, size, _)| {
            smtp_blocking::Message::stream(&to, reader, BodyKind::SevenBit, size).options(options)
        });
        let outcomes: Vec<_> = client.send_all(messages).then_quit().collect();
        check(&blocking, outcomes.iter().map(|o| told(o.as_ref().map(drop).map_err(|e| e.kind()))).collect());
        let tokio = sink();
        let words = runtime().block_on(async {
            let mut client = smtp_tokio::Client::connect(tokio.address(), settings()).await.unwrap();
            let messages = readers().into_iter().map(|(reader, size, _)| {
                smtp_tokio::Message::stream(&to, reader, BodyKind::SevenBit, size).options(options)
            });
            let mut batch = client.send_all(messages).then_quit();
            let mut words = Vec::new();
            while let Some(outcome) = batch.next().await {
                words.push(told(outcome.as_ref().map(drop).map_err(|error| error.kind())));
            }
            words
        });
        check(&tokio, words);
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// R04: a server that reads nothing more in the middle of a batch costs the data block's budget, and no more.
#[test]
fn r04_a_server_that_stops_reading() {
    let silent = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (client_left, left) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut out = &stream;
            out.write_all(b"220 hi\r\n").unwrap();
            let mut lines = BufReader::new(&stream).lines();
            lines.next();
            out.write_all(b"250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n").unwrap();
            for replies in [&b"250 ok\r\n250 ok\r\n"[..], b"250 queued as A\r\n"] {
                lines.next();
                lines.next();
                out.write_all(replies).unwrap();
            }
            let _ = left.recv();
        });
        (address, client_left, thread)
    };
    let mut timeouts = Timeouts::default();
    timeouts.data_block = Duration::from_millis(600);
    timeouts.rset = Duration::from_millis(600);
    let settings = || settings().timeouts(timeouts.clone());
    let large = vec![b'x'; 64 << 20];
    let messages = || {
        let to = || envelope(FROM, &["bob@example.net"]);
        let options = SendOptions::default().transfer(Transfer::Chunks);
        [(to(), &b"hi\r\n"[..]), (to(), &large[..]), (to(), b"ho\r\n")].map(|message| (message, options))
    };
    let expected = ["accepted", "not sent", "not sent"];
    let (address, client_left, thread) = silent();
    let since = Instant::now();
    let mut client = smtp_blocking::Client::connect(address, settings()).unwrap();
    let outcomes: Vec<_> = client
        .send_all(
            messages().map(|((to, body), options)| smtp_blocking::Message::new(to, body).options(options)),
        )
        .collect();
    let words: Vec<_> = outcomes.iter().map(|o| told(o.as_ref().map(drop).map_err(|e| e.kind()))).collect();
    assert_eq!(words, expected);
    // The default budget would be three minutes; a machine that is busy gets as long as it may need.
    assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
    drop(client_left);
    thread.join().unwrap();
    let (address, client_left, thread) = silent();
    let since = Instant::now();
    runtime().block_on(async {
        let mut client = smtp_tokio::Client::connect(address, settings()).await.unwrap();
        let mut batch = client.send_all(
            messages().map(|((to, body), options)| smtp_tokio::Message::new(to, body).options(options)),
        );
        for expected in expected {
            let outcome = batch.next().await.unwrap();
            assert_eq!(told(outcome.as_ref().map(drop).map_err(|error| error.kind())), expected);
        }
    });
    // The default budget would be three minutes; a machine that is busy gets as long as it may need.
    assert!(since.elapsed() < Duration::from_secs(60), "{:?}", since.elapsed());
    drop(client_left);
    thread.join().unwrap();
}

/// Over a Unix socket, message by message and verb by verb.
#[test]
fn lmtp_over_a_unix_socket() {
    use RecipientState::{Accepted, Refused};
    let sink = || {
        let verdict = |path: &str| match path {
            "full@example.net" => RecipientVerdict::TryLater,
            _ => RecipientVerdict::Accept,
        };
        Sink::builder().tls(TlsMode::None).lmtp().unix_socket().final_replies(verdict).start().unwrap()
    };
    let settings = || settings().protocol(Protocol::Lmtp);
    let to = envelope(FROM, &["bob@example.net", "full@example.net", "carol@example.net"]);
    let full = envelope(FROM, &["full@example.net"]);
    let states = |recipients: &[smtp_proto::flow::RecipientOutcome]| {
        recipients.iter().map(|recipient| recipient.state).collect::<Vec<_>>()
    };
    let mixed = [Accepted, Refused, Accepted];
    for transfer in [Transfer::Data, Transfer::Chunks] {
        let options = SendOptions::default().transfer(transfer);
        let bodies: [(&Envelope, &[u8]); 3] = [(&to, b"one\r\n"), (&full, b"two\r\n"), (&to, b"three\r\n")];

        let server = sink();
        let stream = std::os::unix::net::UnixStream::connect(server.unix_path().unwrap()).unwrap();
        let mut client = smtp_blocking::Client::new(stream, settings());
        let messages = bodies.map(|(to, body)| smtp_blocking::Message::new(to, body).options(options));
        let outcomes: Vec<_> = client.send_all(messages).collect();
        assert_eq!(states(&outcomes[0].as_ref().unwrap().recipients), mixed);
        let error = outcomes[1].as_ref().unwrap_err().kind();
        assert!(matches!(error, SendError::Rejected { stage: Stage::EndOfData, .. }), "{error:?}");
        assert_eq!(states(&outcomes[2].as_ref().unwrap().recipients), mixed);
        client.mail(&to.reverse_path).unwrap();
        for recipient in &to.recipients {
            client.rcpt(&recipient.forward_path).unwrap();
        }
        let mut writer = client.data().unwrap();
        writer.write_all(b"four\r\n").unwrap();
        assert_eq!(states(&writer.finish().unwrap().recipients), mixed);
        client.noop().unwrap();
        client.quit().unwrap();
        assert_eq!(server.messages().len(), 3);

        let server = sink();
        runtime().block_on(async {
            let stream = tokio::net::UnixStream::connect(server.unix_path().unwrap()).await.unwrap();
            let mut client = smtp_tokio::Client::new(stream, settings());
            let messages = bodies.map(|(to, body)| smtp_tokio::Message::new(to, body).options(options));
            let mut batch = client.send_all(messages);
            assert_eq!(states(&batch.next().await.unwrap().unwrap().recipients), mixed);
            assert!(batch.next().await.unwrap().is_err());
            assert_eq!(states(&batch.next().await.unwrap().unwrap().recipients), mixed);
            assert!(batch.next().await.is_none());
            drop(batch);
            client.mail(&to.reverse_path).await.unwrap();
            for recipient in &to.recipients {
                client.rcpt(&recipient.forward_path).await.unwrap();
            }
            let mut writer = client.data().await.unwrap();
            tokio::io::AsyncWriteExt::write_all(&mut writer, b"four\r\n").await.unwrap();
            assert_eq!(states(&writer.finish().await.unwrap().recipients), mixed);
            client.quit().await.unwrap();
        });
        assert_eq!(server.messages().len(), 3);
    }
}
