//! X07: what becomes of a future that is dropped is written at every method that returns one, and the common ways
//! to drop one, `timeout` and `select!`, do what is written there.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::path::PathBuf;
use std::time::Duration;

use common::{BODY, BODY_LINES, FROM, config, hello};
use smtp_proto::connection::TlsPolicy;
use smtp_proto::{Error, SendError};
use smtp_tests::script::{PeerHandle, Stream, envelope};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

/// The public functions of a source file that return a future, each with the lines of its documentation.
fn futures(source: &str) -> Vec<(String, Vec<&str>)> {
    let mut found = Vec::new();
    let mut docs = Vec::new();
    let lines: Vec<_> = source.lines().map(str::trim).collect();
    for (at, line) in lines.iter().enumerate() {
        if let Some(text) = line.strip_prefix("///") {
            docs.push(text.trim());
            continue;
        }
        if line.starts_with("#[") || line.starts_with("//") {
            continue;
        }
        if line.starts_with("pub async fn") || line.starts_with("pub fn") {
            let signature: String = lines[at..]
                .iter()
                .flat_map(|line| [line, " "])
                .collect::<String>()
                .split('{')
                .next()
                .unwrap()
                .to_owned();
            let returned = signature.split(") -> ").last().unwrap();
            if line.contains("async") || returned.contains("Future") {
                found.push((signature, docs.clone()));
            }
        }
        docs.clear();
    }
    found
}

#[test]
fn x07_every_public_future_says_what_becomes_of_it_when_it_is_dropped() {
    let mut places = vec![PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../smtp-tokio/src"))];
    let mut count = 0;
    while let Some(place) = places.pop() {
        if place.is_dir() {
            places.extend(std::fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let source = std::fs::read_to_string(place).unwrap();
        for (signature, docs) in futures(&source) {
            let statement = docs.iter().skip_while(|line| **line != "# Cancel safety").nth(1);
            assert!(statement.is_some_and(|line| !line.is_empty()), "{signature}");
            count += 1;
        }
    }
    println!("x07: {count} methods");
    assert!(count >= 35, "{count}");
}

#[test]
fn x07_the_test_itself_finds_what_is_missing() {
    let found = futures(
        "/// Docs.\n///\n/// # Cancel safety\n/// None.\n#[cfg(x)]\npub async fn a() {}\npub async fn b() {}\npub fn c() -> impl Future {}\npub fn d() {}\n",
    );
    let stated: Vec<_> = found.iter().map(|(_, docs)| docs.contains(&"# Cancel safety")).collect();
    assert_eq!(stated, [true, false, false]);
}

/// A client, and a server that keeps silent for a minute after one word of the client's.
fn client(tail: &str) -> (smtp_tokio::Client<Pipe>, PeerHandle) {
    let script = format!("{}{tail}", hello(&["PIPELINING"]));
    let stream = Stream::new(script);
    let peer = stream.peer();
    (smtp_tokio::Client::new(Pipe(stream), config(TlsPolicy::None)), peer)
}

const GROUP: &str = "C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.net>\nC: DATA\n";
const GO: &str = "S: 250 ok\nS: 250 ok\nS: 354 go\n";

#[tokio::test(start_paused = true)]
async fn x07_a_timeout_around_send_tells_whether_the_message_may_be_there() {
    let to = envelope(FROM, &["bob@example.net"]);
    let silent_from = [
        ("before the verdict", format!("{GROUP}{GO}{BODY_LINES}wait 60s\nS: 250 queued as A1"), true),
        ("before DATA is answered", format!("{GROUP}wait 60s\n{GO}"), false),
    ];
    for (when, tail, may_have_been_delivered) in silent_from {
        let (mut client, peer) = client(&tail);
        client.capabilities().await.unwrap();
        let sent = tokio::time::timeout(Duration::from_secs(30), client.send(&to, BODY)).await;
        assert!(sent.is_err(), "{when}");
        assert_eq!(client.may_have_been_delivered(), may_have_been_delivered, "{when}");
        let said = peer.with(|peer| peer.wire().len());
        assert_eq!(client.noop().await.unwrap_err().into_kind(), Error::Poisoned, "{when}");
        let again = client.send(&to, BODY).await.unwrap_err().into_kind();
        assert!(matches!(again, SendError::NotSent { cause: Error::Poisoned, .. }), "{when}: {again:?}");
        assert_eq!(client.may_have_been_delivered(), may_have_been_delivered, "{when}");
        peer.with(|peer| assert_eq!((peer.wire().len(), peer.fault()), (said, None), "{when}"));
    }
}

#[tokio::test(start_paused = true)]
async fn x07_a_timeout_that_is_long_enough_changes_nothing() {
    let (mut client, peer) = client(&format!("{GROUP}{GO}{BODY_LINES}wait 60s\nS: 250 queued as A1"));
    let to = envelope(FROM, &["bob@example.net"]);
    let sent = tokio::time::timeout(Duration::from_secs(61), client.send(&to, BODY)).await;
    assert_eq!(sent.unwrap().unwrap().queue_id(), Some("A1"));
    assert!(!client.may_have_been_delivered(), "the verdict was told");
    peer.verify(false);
}

#[tokio::test(start_paused = true)]
async fn x07_select_around_send() {
    let to = envelope(FROM, &["bob@example.net"]);
    // A branch that is ready at once is polled first: nothing has been said, and the client is as good as new.
    let (mut fresh, peer) = client(&format!("{GROUP}{GO}{BODY_LINES}S: 250 queued as A1"));
    tokio::select! {
        biased;
        () = std::future::ready(()) => {}
        _ = fresh.send(&to, BODY) => panic!("it was not to be polled"),
    }
    assert_eq!(fresh.send(&to, BODY).await.unwrap().queue_id(), Some("A1"));
    peer.verify(false);

    // One that comes while the verdict is awaited costs the connection, and the doubt remains.
    let (mut late, peer) = client(&format!("{GROUP}{GO}{BODY_LINES}wait 60s\nS: 250 queued as A1"));
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(1)) => {}
        _ = late.send(&to, BODY) => panic!("the server says nothing yet"),
    }
    assert!(late.may_have_been_delivered());
    assert_eq!(late.quit().await.unwrap_err().into_kind(), Error::Poisoned);
    peer.with(|peer| assert_eq!(peer.fault(), None));
}

/// X05: octets that a dropped `write` was to take were not taken, and can be written again; X06: a message whose end
/// was being awaited is in doubt.
#[tokio::test(start_paused = true)]
async fn x05_x06_a_writer_whose_futures_are_dropped() {
    let (near, far) = tokio::io::duplex(64);
    let server = async {
        let mut far = BufReader::new(far);
        let mut line = String::new();
        for reply in ["220 hi", "250 hi", "250 sender ok", "250 bob ok", "354 go"] {
            far.write_all(format!("{reply}\r\n").as_bytes()).await.unwrap();
            if reply != "354 go" {
                far.read_line(&mut line).await.unwrap();
            }
        }
        tokio::time::sleep(Duration::from_secs(60)).await;
        let mut message = Vec::new();
        far.read_to_end(&mut message).await.unwrap();
        message
    };
    let client = async {
        let mut client = smtp_tokio::Client::new(near, config(TlsPolicy::None));
        client.mail(&FROM.parse().unwrap()).await.unwrap();
        client.rcpt(&"bob@example.net".parse().unwrap()).await.unwrap();
        let mut writer = client.data().await.unwrap();
        // The server reads no more for a minute. The first octets are taken, and kept; the next have to wait.
        assert_eq!(writer.write(&[b'x'; 200]).await.unwrap(), 200);
        for _ in 0..3 {
            let waited = tokio::time::timeout(Duration::from_secs(15), writer.write(b"y\r\n")).await;
            assert!(waited.is_err());
        }
        writer.write_all(b"y\r\n").await.unwrap();
        let finished = tokio::time::timeout(Duration::from_secs(30), writer.finish()).await;
        assert!(finished.is_err());
        assert!(client.may_have_been_delivered());
        assert_eq!(client.noop().await.unwrap_err().into_kind(), Error::Poisoned);
    };
    let ((), message) = tokio::join!(client, server);
    assert_eq!(message, [&[b'x'; 200][..], b"y\r\n.\r\n"].concat());
}

/// X08: a client and a future outside of any runtime are dropped without a word and without a panic.
#[test]
fn x08_dropped_outside_of_a_runtime() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let (mut client, peer) = client("C: NOOP\nwait 60s\nS: 250 ok");
    let mut noop = Box::pin(async move {
        client.noop().await.unwrap();
        client
    });
    runtime.block_on(async {
        let waited = tokio::time::timeout(Duration::from_secs(1), noop.as_mut()).await;
        assert!(waited.is_err());
    });
    let said = peer.with(|peer| peer.wire().len());
    drop(runtime);
    drop(noop);
    peer.with(|peer| assert_eq!((peer.wire().len(), peer.fault()), (said, None)));
}

use pipe::Pipe;

mod pipe {
    //! A script's stream, as the adapter wants it.
    use smtp_tests::script::Stream;
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    pub(super) struct Pipe(pub(super) Stream);

    impl smtp_tokio::Stream for Pipe {}

    impl AsyncRead for Pipe {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(cx, buffer)
        }
    }

    impl AsyncWrite for Pipe {
        fn poll_write(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            octets: &[u8],
        ) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(cx, octets)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(cx)
        }
    }
}
