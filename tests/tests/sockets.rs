//! The adapters over real sockets: which address is used, what a server says unasked, and a refusal that comes while
//! a write is stuck.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use smtp_proto::connection::{Config, TlsPolicy};
use smtp_proto::error::Error;
use smtp_proto::sasl::Plain;
use smtp_tests::script::envelope;

fn config() -> Config {
    Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(TlsPolicy::None)
}

fn plain() -> Plain {
    Plain::new("", "alice", "secret", "mail.example")
}

/// A server on a real socket that says its lines, one for each line it hears after the greeting.
fn speak(lines: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        let mut heard = BufReader::new(stream.try_clone().unwrap()).lines();
        for (i, line) in lines.iter().enumerate() {
            if i > 0 && heard.next().is_none() {
                return;
            }
            if (&stream).write_all(format!("{line}\r\n").as_bytes()).is_err() {
                return;
            }
        }
    });
    address
}

#[test]
fn x12_another_address_is_tried_only_before_the_greeting() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let busy = speak(&["421 4.3.2 busy"]);
    let good = speak(&["220 hi", "250 hi", "250 ok"]);
    let mut client = smtp_blocking::Client::connect(&[refused, busy, good][..], config()).unwrap();
    client.noop().unwrap();

    // Once greeted, a server that fails is not replaced by the next.
    let failing = speak(&["220 hi", "554 no"]);
    let never = TcpListener::bind("127.0.0.1:0").unwrap();
    never.set_nonblocking(true).unwrap();
    let addresses = [failing, never.local_addr().unwrap()];
    let mut client = smtp_blocking::Client::connect(&addresses[..], config()).unwrap();
    assert!(matches!(client.noop().unwrap_err().into_kind(), Error::Refused { .. }));
    assert!(never.accept().is_err(), "the second address was tried");

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let busy = speak(&["421 4.3.2 busy"]);
        let good = speak(&["220 hi", "250 hi", "250 ok"]);
        let mut client = smtp_tokio::Client::connect(&[refused, busy, good][..], config()).await.unwrap();
        client.noop().await.unwrap();
    });
}

#[test]
fn s02_what_an_idle_server_says_unasked_is_heard_before_the_next_command() {
    for tokio in [false, true] {
        for (unasked, closed) in [("250 stale", false), ("421 4.4.2 idle too long", true)] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let (say, said) = std::sync::mpsc::channel::<()>();
            let (done, heard) = std::sync::mpsc::channel::<String>();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
                stream.write_all(b"220 hi\r\n").unwrap();
                lines.next().unwrap().unwrap();
                stream.write_all(b"250 hi\r\n").unwrap();
                said.recv().unwrap();
                stream.write_all(format!("{unasked}\r\n").as_bytes()).unwrap();
                done.send(String::new()).unwrap();
                let _ = done.send(lines.next().and_then(Result::ok).unwrap_or_default());
            });
            let error = if tokio {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let mut client = smtp_tokio::Client::connect(address, config()).await.unwrap();
                    client.capabilities().await.unwrap();
                    say.send(()).unwrap();
                    heard.recv().unwrap();
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    client.noop().await.unwrap_err().into_kind()
                })
            } else {
                let mut client = smtp_blocking::Client::connect(address, config()).unwrap();
                client.capabilities().unwrap();
                say.send(()).unwrap();
                heard.recv().unwrap();
                std::thread::sleep(Duration::from_millis(50));
                client.noop().unwrap_err().into_kind()
            };
            match error {
                Error::ServerClosed { stage: None, .. } if closed => {}
                Error::Protocol(_) if !closed => {}
                other => panic!("tokio {tokio}, {unasked}: {other:?}"),
            }
            assert_eq!(heard.recv().unwrap(), "", "nothing more was said to this server");
        }
    }
}

/// Over a Unix socket, to the sink: the peer is local, so a password may be sent without TLS.
#[cfg(unix)]
#[test]
fn any_stream_a_unix_socket_in_either_adapter() {
    use smtp_tests::sink::Sink;
    use std::os::unix::net::UnixStream;

    for tokio in [false, true] {
        let sink = Sink::builder().user("alice", "secret").auth_without_tls().start().unwrap();
        let (client_end, server_end) = UnixStream::pair().unwrap();
        let message = b"Subject: x\r\n\r\nover a Unix socket\r\n";
        let to = envelope("alice@example.org", &["bob@example.org"]);
        let send = || {
            if tokio {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    client_end.set_nonblocking(true).unwrap();
                    let stream = tokio::net::UnixStream::from_std(client_end).unwrap();
                    let mut client = smtp_tokio::Client::new(stream, config());
                    client.auth(&mut plain()).await.unwrap();
                    client.send(&to, message).await.unwrap();
                    client.quit().await.unwrap();
                });
            } else {
                let mut client = smtp_blocking::Client::new(client_end, config());
                client.auth(&mut plain()).unwrap();
                client.send(&to, message).unwrap();
                client.quit().unwrap();
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| sink.serve_stream(server_end).unwrap());
            send();
        });
        assert_eq!(sink.messages().len(), 1);
    }
}

/// S16: a refusal in the middle of the body, from a server that then reads no more, decides.
#[test]
fn s16_a_refusal_during_the_body_is_heard_while_the_write_is_stuck() {
    for tokio in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (done, finished) = std::sync::mpsc::channel::<()>();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut heard = BufReader::new(stream.try_clone().unwrap()).lines();
            stream.write_all(b"220 hi\r\n").unwrap();
            for reply in [&b"250 hi\r\n"[..], b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"] {
                heard.next();
                stream.write_all(reply).unwrap();
            }
            heard.next();
            stream.write_all(b"552 5.3.4 too big\r\n").unwrap();
            let _ = finished.recv();
        });
        let envelope = envelope("a@example.org", &["b@example.org"]);
        let message = b"a line of the message\r\n".repeat(2_000_000);
        let error = if tokio {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut client = smtp_tokio::Client::connect(address, config()).await.unwrap();
                client.send(&envelope, &message).await.unwrap_err().into_kind()
            })
        } else {
            let mut client = smtp_blocking::Client::connect(address, config()).unwrap();
            client.send(&envelope, &message).unwrap_err().into_kind()
        };
        assert_eq!(error.reply().map(|reply| reply.code().get()), Some(552), "tokio {tokio}: {error:?}");
        assert!(matches!(error, smtp_proto::SendError::Rejected { .. }), "tokio {tokio}: {error:?}");
        drop(done);
    }
}
