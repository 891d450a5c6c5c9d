//! O09, O10 on real sockets: a server that closes, resets or half-closes the connection at every stage of a session.
//! The client notices at once, not when its time is up, and tells the truth about the message.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use smtp_proto::connection::{Config, Timeouts, TlsPolicy};
use smtp_proto::flow::Envelope;
use smtp_proto::{Error, SendError};
use socket2::SockRef;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Fin,
    Reset,
    /// It says that it will say no more, and goes on reading.
    HalfClose,
}

/// Replies of a whole session; between each two the client has its turn.
const REPLIES: [&str; 7] =
    ["220 hi", "250 hi", "250 sender ok", "250 bob ok", "354 go", "250 queued as A1", "221 bye"];

/// A server that says so many of the replies, hears what the client says to the last of them, says the beginning of
/// another reply, and ends. What it hears after a half-close is returned.
fn serve(replies: usize, begun: &'static str, ending: Ending) -> (SocketAddr, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut heard = BufReader::new(&stream);
        let mut out = &stream;
        for reply in &REPLIES[..replies] {
            out.write_all(format!("{reply}\r\n").as_bytes()).unwrap();
            let mut line = String::new();
            let ended = |line: &str| !reply.starts_with("354") || line == ".\r\n";
            while line.is_empty() || !ended(&line) {
                line.clear();
                assert!(heard.read_line(&mut line).unwrap() > 0, "the client left behind {reply}");
            }
        }
        out.write_all(begun.as_bytes()).unwrap();
        let mut rest = Vec::new();
        match ending {
            Ending::Fin => {}
            Ending::Reset => SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap(),
            Ending::HalfClose => {
                stream.shutdown(Shutdown::Write).unwrap();
                heard.read_to_end(&mut rest).unwrap();
            }
        }
        rest
    });
    (address, thread)
}

/// What the client finds: no session, or the message's outcome and how QUIT went.
type Found = Result<(Result<(), SendError>, Result<(), Error>), Error>;

fn play(is_tokio: bool, address: SocketAddr) -> Found {
    let config = Config::new("mail.example").client_name("client.test".parse().unwrap());
    let config = config.tls(TlsPolicy::None).timeouts(Timeouts::all(Duration::from_secs(60)));
    let to = Envelope::from_strs("alice@example.org", &["bob@example.org"]).unwrap();
    if !is_tokio {
        let mut client =
            smtp_blocking::Client::connect(address, config).map_err(|error| error.into_kind())?;
        let sent = client.send(&to, b"x\r\n").map(drop).map_err(|error| error.into_kind());
        return Ok((sent, client.quit().map_err(|error| error.into_kind())));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = smtp_tokio::Client::connect(address, config).await;
        let mut client = client.map_err(|error| error.into_kind())?;
        let sent = client.send(&to, b"x\r\n").await.map(drop).map_err(|error| error.into_kind());
        Ok((sent, client.quit().await.map_err(|error| error.into_kind())))
    })
}

#[test]
fn o09_o10_every_stage_and_every_way_to_end() {
    let mut cases = 0;
    for is_tokio in [false, true] {
        for ending in [Ending::Fin, Ending::Reset, Ending::HalfClose] {
            for begun in ["", "2", "250-more"] {
                for replies in 0..REPLIES.len() {
                    let since = Instant::now();
                    let (address, thread) = serve(replies, begun, ending);
                    let found = play(is_tokio, address);
                    let way = format!("tokio {is_tokio}, {ending:?} after {replies} replies and {begun:?}");
                    assert!(since.elapsed() < Duration::from_secs(30), "{way}: {:?}", since.elapsed());
                    check(&found, replies, &way);
                    assert_eq!(thread.join().unwrap(), b"", "{way}: it spoke to a server that had left");
                    cases += 1;
                }
            }
        }
    }
    println!("o09: {cases} cases");
}

/// The table: by how many replies had been said.
fn check(found: &Found, replies: usize, way: &str) {
    match (replies, found) {
        (0, Err(Error::Disconnected { .. })) => {}
        // A reset that comes at once may be there before the client learns that it is connected.
        (0, Err(Error::NotConnected)) if way.contains("Reset") => {}
        (
            1..=4,
            Ok((Err(SendError::NotSent { cause: Error::Disconnected { .. }, .. }), Err(Error::Poisoned))),
        ) => {}
        (
            5,
            Ok((Err(SendError::Unknown { cause: Error::Disconnected { .. }, .. }), Err(Error::Poisoned))),
        ) => {}
        // However the session ends, what was accepted stays so.
        (6, Ok((Ok(()), Ok(())))) => {}
        _ => panic!("{way}: {found:?}"),
    }
}

/// O10: a server that half-closes right behind its greeting is known to say nothing more.
#[test]
fn o10_a_half_close_behind_the_greeting() {
    for is_tokio in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"220 hi\r\n").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut heard = String::new();
            stream.read_to_string(&mut heard).unwrap();
            heard
        });
        let since = Instant::now();
        let found = play(is_tokio, address);
        assert!(since.elapsed() < Duration::from_secs(30), "{:?}", since.elapsed());
        let disconnected = matches!(
            &found,
            Ok((Err(SendError::NotSent { cause: Error::Disconnected { .. }, .. }), Err(Error::Poisoned)))
        );
        assert!(disconnected, "tokio {is_tokio}: {found:?}");
        let heard = server.join().unwrap();
        assert!(["", "EHLO client.test\r\n"].contains(&&*heard), "tokio {is_tokio}: {heard}");
    }
}
