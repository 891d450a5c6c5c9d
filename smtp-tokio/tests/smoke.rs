//! The client against a server played by hand, in memory.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use smtp_proto::connection::{Peer, Stage, TimeoutPhase};
use smtp_proto::flow::{Body, Envelope, SendError, SendOptions};
use smtp_tokio::{Client, Config, Stream, TlsPolicy, smtp_proto};
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, duplex,
};
use tokio::task::JoinHandle;
use tokio::time::Instant;

fn config() -> Config {
    Config::new("mail.example.org").tls(TlsPolicy::None).client_name("client.example".parse().unwrap())
}

fn envelope(recipients: usize) -> Envelope {
    let to: Vec<String> = (0..recipients).map(|i| format!("r{i}@example.net")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    Envelope::from_strs("alice@example.org", &to).unwrap()
}

/// A server that takes everything and answers `silent` with nothing; it returns what it was told.
fn server(stream: DuplexStream, silent: &'static str) -> JoinHandle<String> {
    tokio::spawn(async move {
        let mut stream = BufReader::new(stream);
        let mut told = String::new();
        let mut in_data = false;
        stream.write_all(b"220 mail.example.org\r\n").await.unwrap();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
                return told;
            }
            told.push_str(&line);
            let reply = match line.split([' ', '\r']).next().unwrap() {
                word if word == silent => continue,
                "." => "250 queued as 1\r\n",
                _ if in_data => continue,
                "EHLO" => "250-mail.example.org\r\n250-SIZE\r\n250 PIPELINING\r\n",
                "DATA" => "354 go on\r\n",
                "QUIT" => "221 bye\r\n",
                _ => "250 ok, and some more text than a small buffer would like to have at once\r\n",
            };
            in_data = line == "DATA\r\n";
            if stream.write_all(reply.as_bytes()).await.is_err() {
                return told;
            }
        }
    })
}

fn connect(capacity: usize, silent: &'static str) -> (Client<DuplexStream>, JoinHandle<String>) {
    let (ours, theirs) = duplex(capacity);
    (Client::new(ours, config()), server(theirs, silent))
}

#[tokio::test]
async fn sends_and_quits() {
    let (mut client, server) = connect(4096, "-");
    let delivery = client.send(&envelope(2), b"Subject: x\r\n\r\n.dot\r\n").await.unwrap();
    assert_eq!(delivery.queue_id(), Some("1"));
    client.quit().await.unwrap();
    assert_eq!(
        server.await.unwrap(),
        "EHLO client.example\r\nMAIL FROM:<alice@example.org> SIZE=20\r\nRCPT TO:<r0@example.net>\r\n\
         RCPT TO:<r1@example.net>\r\nDATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    );
}

#[tokio::test]
async fn step_by_step_and_from_a_reader() {
    let (mut client, server) = connect(16, "-");
    let paths = envelope(1);
    client.mail(&paths.reverse_path).await.unwrap();
    client.rcpt(&paths.recipients[0].forward_path).await.unwrap();
    let mut data = client.data().await.unwrap();
    data.write_all(b"one\r\n.two\r\n").await.unwrap();
    tokio::io::copy(&mut &b"three, and more than fits\r\n"[..], &mut data).await.unwrap();
    data.finish().await.unwrap();
    let body = Body::Stream { kind: smtp_proto::body::BodyKind::SevenBit, size: None };
    let mut reader = BufReader::with_capacity(7, &b"from a reader\r\n"[..]);
    client.send_stream(&paths, &mut reader, body, SendOptions::default()).await.unwrap();
    client.noop().await.unwrap();
    client.quit().await.unwrap();
    let told = server.await.unwrap();
    assert!(told.contains("DATA\r\none\r\n..two\r\nthree, and more than fits\r\n.\r\nMAIL"), "{told}");
    assert!(told.contains("DATA\r\nfrom a reader\r\n.\r\nNOOP\r\nQUIT"), "{told}");
}

#[tokio::test]
async fn full_buffers_both_ways() {
    let (mut client, server) = connect(64, "-");
    let delivery = client.send(&envelope(500), &b"0123456789\r\n".repeat(1000)).await.unwrap();
    assert_eq!(delivery.recipients.iter().filter(|recipient| recipient.is_accepted()).count(), 500);
    drop(client);
    assert!(server.await.unwrap().ends_with("\r\n.\r\n"));
}

#[tokio::test(start_paused = true)]
async fn silence_times_out() {
    let (mut client, _server) = connect(4096, "NOOP");
    let start = Instant::now();
    let error = client.noop().await.unwrap_err();
    assert_eq!(*error.kind(), smtp_proto::Error::Timeout(TimeoutPhase::Reply(Stage::Noop)));
    assert_eq!(start.elapsed().as_secs(), 300);
    assert_eq!(*client.noop().await.unwrap_err().kind(), smtp_proto::Error::Poisoned);
}

#[tokio::test(start_paused = true)]
async fn a_stuck_body_times_out() {
    let (ours, mut theirs) = duplex(256);
    let mut client = Client::new(ours, config());
    let server = tokio::spawn(async move {
        theirs.write_all(b"220 x\r\n").await.unwrap();
        for reply in [&b"250 x\r\n"[..], b"250 x\r\n", b"250 x\r\n", b"354 x\r\n"] {
            let _ = theirs.read(&mut [0; 256]).await.unwrap();
            theirs.write_all(reply).await.unwrap();
        }
        theirs
    });
    let error = client.send(&envelope(1), &[b'x'; 10_000]).await.unwrap_err();
    let cause = smtp_proto::Error::Timeout(TimeoutPhase::DataBlock);
    assert!(matches!(error.kind(), SendError::NotSent { cause: c, .. } if *c == cause), "{error:?}");
    drop(server);
}

#[tokio::test]
async fn an_early_refusal_is_heard() {
    let (ours, mut theirs) = duplex(256);
    let mut client = Client::new(ours, config());
    let server = tokio::spawn(async move {
        theirs.write_all(b"220 x\r\n").await.unwrap();
        for reply in [&b"250 x\r\n"[..], b"250 x\r\n", b"250 x\r\n", b"354 x\r\n"] {
            let _ = theirs.read(&mut [0; 256]).await.unwrap();
            theirs.write_all(reply).await.unwrap();
        }
        let _ = theirs.read(&mut [0; 256]).await.unwrap();
        theirs.write_all(b"552 too big\r\n").await.unwrap();
        theirs
    });
    let error = client.send(&envelope(1), &[b'x'; 10_000]).await.unwrap_err();
    assert!(matches!(error.kind(), SendError::Rejected { .. }), "{error:?}");
    drop(server);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_future_poisons() {
    let (mut client, _server) = connect(4096, "NOOP");
    drop(client.noop());
    client.capabilities().await.unwrap();
    tokio::time::timeout(Duration::from_secs(1), client.noop()).await.unwrap_err();
    assert_eq!(client.connection().failure(), Some(&smtp_proto::Error::Abandoned));
    assert_eq!(*client.noop().await.unwrap_err().kind(), smtp_proto::Error::Poisoned);
    assert!(!client.may_have_been_delivered());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_send_can_be_told() {
    for (silent, unknown) in [(".", true), ("DATA", false)] {
        let (mut client, _server) = connect(4096, silent);
        let envelope = envelope(1);
        tokio::time::timeout(Duration::from_secs(1), client.send(&envelope, b"x\r\n")).await.unwrap_err();
        assert_eq!(client.may_have_been_delivered(), unknown);
        let error = client.send(&envelope, b"x\r\n").await.unwrap_err();
        assert!(matches!(error.kind(), SendError::NotSent { cause: smtp_proto::Error::Poisoned, .. }));
    }
}

#[tokio::test]
async fn dropped_at_every_poll() {
    for limit in 0.. {
        let (mut client, server) = connect(32, "-");
        let envelope = envelope(3);
        let mut done = false;
        {
            let mut sending =
                pin!(client.send(&envelope, b"Subject: x\r\n\r\nHello, and more than that\r\n"));
            let mut polls = 0;
            std::future::poll_fn(|cx| {
                if polls == limit {
                    return Poll::Ready(());
                }
                polls += 1;
                let poll = sending.as_mut().poll(cx);
                done = poll.is_ready();
                poll.map(|result| assert!(result.is_ok()))
            })
            .await;
        }
        if limit == 0 || done {
            client.noop().await.unwrap();
        } else {
            assert_eq!(*client.noop().await.unwrap_err().kind(), smtp_proto::Error::Poisoned);
        }
        let doubt = client.may_have_been_delivered();
        drop(client);
        let told = server.await.unwrap();
        assert_eq!(told.contains("\r\n.\r\n"), doubt || done, "poll {limit}: {told}");
        if done {
            break;
        }
    }
}

#[test]
fn dropped_outside_a_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut client = runtime.block_on(async { connect(4096, "NOOP").0 });
    {
        let mut noop = Box::pin(client.noop());
        runtime
            .block_on(async { tokio::time::timeout(Duration::from_millis(5), &mut noop).await })
            .unwrap_err();
        drop(runtime);
        drop(noop);
    }
    drop(client);
}

/// A stream of the caller's that must not move, and says nothing of itself.
struct Unmovable(DuplexStream, std::marker::PhantomPinned);

impl tokio::io::AsyncRead for Unmovable {
    fn poll_read(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        _: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Poll::Pending
    }
}

impl tokio::io::AsyncWrite for Unmovable {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(octets.len()))
    }

    fn poll_flush(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for Unmovable {}

#[tokio::test]
async fn bounds() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    fn send_sync<T: Send + Sync + 'static>(value: T) -> T {
        value
    }
    let (stream, _theirs) = duplex(16);
    let stream = Unmovable(stream, std::marker::PhantomPinned);
    assert_eq!((stream.peer(), stream.local_ip(), stream.0.peer()), (Peer::Remote, None, Peer::Remote));
    let mut client = send_sync(Client::new(stream, config()));
    let envelope = envelope(1);
    let mut reader = &b""[..];
    let body = Body::Stream { kind: smtp_proto::body::BodyKind::SevenBit, size: None };
    drop(send(client.noop()));
    drop(send(client.send(&envelope, b"x")));
    drop(send(client.send_stream(&envelope, &mut reader, body, SendOptions::default())));
    drop(send(client.send_all([(&envelope, &b"x"[..])]).next()));
    drop(send(client.auth(&mut smtp_proto::sasl::Plain::new("", "u", "p", "mail.example.org"))));
    drop(send(client.login(&smtp_proto::sasl::Credentials::password("u", "p"))));
    drop(send(client.data()));
    drop(send(Client::connect("mail.example.org:25", config())));
    drop(send(smtp_tokio::send_mail("mail.example.org:25", None, "a@b", &["c@d"], b"")));
    let mut noop = pin!(client.noop());
    assert!(noop.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[tokio::test]
async fn a_tls_library_of_the_callers() {
    let (ours, mut theirs) = duplex(4096);
    let client = Client::new(ours, config());
    let server = tokio::spawn(async move {
        for (reply, wait) in [
            (&b"220 x\r\n"[..], true),
            (b"250-x\r\n250 STARTTLS\r\n", true),
            (b"220 go\r\n", true),
            (b"250 AUTH\r\n", false),
        ] {
            theirs.write_all(reply).await.unwrap();
            if wait {
                let _ = theirs.read(&mut [0; 256]).await.unwrap();
            }
        }
        theirs
    });
    let upgraded = client.start_tls_with(async |stream, name| {
        assert_eq!(name, "mail.example.org");
        Ok(stream)
    });
    let upgraded = upgraded.await.unwrap();
    assert!(upgraded.security().is_tls());
    drop(server);
}
