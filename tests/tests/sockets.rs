//! The adapters over real sockets: which address is used, what a server says unasked, and a refusal that comes while
//! a write is stuck.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[cfg(target_os = "linux")]
#[path = "common/black_hole.rs"]
mod black_hole;

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::time::{Duration, Instant};

#[cfg(target_os = "linux")]
use black_hole::black_hole;
use smtp_proto::SendError;
use smtp_proto::connection::{Config, Timeouts, TlsPolicy};
use smtp_proto::error::Error;
use smtp_proto::sasl::{MechanismError, Plain};
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

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn x12_another_address_is_tried_only_before_the_greeting() {
    let refused = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let busy = speak(&["421 4.3.2 busy"]);
    let gone = speak(&[]);
    let good = speak(&["220 hi", "250 hi", "250 ok"]);
    let mut client = smtp_blocking::Client::connect(&[refused, busy, gone, good][..], config()).unwrap();
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
        let gone = speak(&[]);
        let good = speak(&["220 hi", "250 hi", "250 ok"]);
        let addresses = [refused, busy, gone, good];
        let mut client = smtp_tokio::Client::connect(&addresses[..], config()).await.unwrap();
        client.noop().await.unwrap();

        let failing = speak(&["220 hi", "554 no"]);
        let addresses = [failing, never.local_addr().unwrap()];
        let mut client = smtp_tokio::Client::connect(&addresses[..], config()).await.unwrap();
        assert!(matches!(client.noop().await.unwrap_err().into_kind(), Error::Refused { .. }));
        assert!(never.accept().is_err(), "the second address was tried");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn r01_connecting_has_its_own_budget_for_each_address() {
    let budget = Duration::from_millis(700);
    let mut timeouts = Timeouts::all(Duration::from_secs(60));
    timeouts.connect = budget;
    let config = || config().timeouts(timeouts.clone());
    let (full, _kept) = black_hole();
    for is_tokio in [false, true] {
        let since = Instant::now();
        let good = speak(&["220 hi", "250 hi", "250 ok"]);
        if is_tokio {
            runtime().block_on(async {
                let error = smtp_tokio::Client::connect(full, config()).await.err().unwrap();
                assert_eq!(error.kind(), &Error::NotConnected);
                assert_eq!(error.io().unwrap().kind(), ErrorKind::TimedOut);
                let mut client = smtp_tokio::Client::connect(&[full, good][..], config()).await.unwrap();
                client.noop().await.unwrap();
            });
        } else {
            let error = smtp_blocking::Client::connect(full, config()).err().unwrap();
            assert_eq!(error.kind(), &Error::NotConnected);
            assert_eq!(error.io().unwrap().kind(), ErrorKind::TimedOut);
            let mut client = smtp_blocking::Client::connect(&[full, good][..], config()).unwrap();
            client.noop().unwrap();
        }
        let took = since.elapsed();
        // With tokio, another address is not kept waiting for the whole of it.
        let least = budget + if is_tokio { Duration::from_millis(250) } else { budget };
        assert!(took >= least, "tokio {is_tokio}: {took:?}");
        assert!(took < Duration::from_secs(60), "tokio {is_tokio}: the system's own time-out, {took:?}");
    }
}

#[test]
fn r06_budgets_without_end_send_a_message() {
    let to = envelope("a@example.org", &["b@example.org"]);
    let config = || config().timeouts(Timeouts::all(Duration::MAX));
    for is_tokio in [false, true] {
        let address = speak(&["220 hi", "250 hi", "250 ok", "250 ok", "354 go", "250 queued as A1"]);
        let delivery = if is_tokio {
            runtime().block_on(async {
                let mut client = smtp_tokio::Client::connect(address, config()).await.unwrap();
                client.send(&to, b"").await.unwrap()
            })
        } else {
            smtp_blocking::Client::connect(address, config()).unwrap().send(&to, b"").unwrap()
        };
        assert_eq!(delivery.queue_id(), Some("A1"), "tokio {is_tokio}");
    }
}

#[test]
fn r06_no_time_at_all_is_a_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let to = envelope("a@example.org", &["b@example.org"]);
    let mut timeouts = Timeouts::default();
    timeouts.connect = Duration::ZERO;
    let no_connecting = || config().timeouts(timeouts.clone());
    let nothing = || config().timeouts(Timeouts::all(Duration::ZERO));
    let is_timeout = |error: &SendError| matches!(error, SendError::NotSent { cause: Error::Timeout(_), .. });

    let error = smtp_blocking::Client::connect(address, no_connecting()).err().unwrap();
    assert_eq!(error.kind(), &Error::NotConnected);
    assert_eq!(error.io().unwrap().kind(), ErrorKind::TimedOut);
    let stream = std::net::TcpStream::connect(address).unwrap();
    let error = smtp_blocking::Client::new(stream, nothing()).send(&to, b"x\r\n").unwrap_err();
    assert!(is_timeout(error.kind()), "{error:?}");

    runtime().block_on(async {
        // The timer counts in milliseconds, and a connection may be there before the first of them is over.
        let error = smtp_tokio::Client::connect(address, nothing()).await.err().unwrap();
        let timed_out = error.io().is_some_and(|io| io.kind() == ErrorKind::TimedOut);
        assert!(timed_out || matches!(error.kind(), Error::Timeout(_)), "{error:?}");
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let error = smtp_tokio::Client::new(stream, nothing()).send(&to, b"x\r\n").await.unwrap_err();
        assert!(is_timeout(error.kind()), "{error:?}");
    });
}

/// An address of this machine that is no loopback address. Nothing is sent to find it.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    socket
        .local_addr()
        .ok()
        .map(|address| address.ip())
        .filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

/// A server that offers AUTH in clear, and tells in the end what it has heard.
fn offer_auth(listener: TcpListener) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut input = BufReader::new(stream.try_clone().unwrap());
        let mut heard = String::new();
        stream.write_all(b"220 hi\r\n").unwrap();
        for reply in ["250-hi\r\n250 AUTH PLAIN\r\n", "235 ok\r\n"] {
            if input.read_line(&mut heard).unwrap() > 0 {
                stream.write_all(reply.as_bytes()).unwrap();
            }
        }
        input.read_to_string(&mut heard).unwrap();
        heard
    })
}

/// A02: the socket tells where the server is, and the name that the client was given does not.
#[test]
fn a02_only_over_a_loopback_address_is_a_password_sent_in_clear() {
    const EHLO: &str = "EHLO client.test\r\n";
    const BOTH: &str = "EHLO client.test\r\nAUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n";
    let mut places = vec![(IpAddr::from([127, 0, 0, 1]), true)];
    let v6 = IpAddr::from(std::net::Ipv6Addr::LOCALHOST);
    match TcpListener::bind((v6, 0)) {
        Ok(_) => places.push((v6, true)),
        Err(error) => eprintln!("NOT TESTED: ::1, because there is none: {error}"),
    }
    match own_address() {
        Some(ip) => places.push((ip, false)),
        None => eprintln!("NOT TESTED: a server that is not local, because the machine has no other address"),
    }
    for (ip, allowed) in places {
        for is_tokio in [false, true] {
            let way = format!("tokio {is_tokio}, {ip}");
            let listener = TcpListener::bind((ip, 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let server = offer_auth(listener);
            let config = Config::new("localhost").client_name("client.test".parse().unwrap());
            let config = config.tls(TlsPolicy::None);
            let mut password = Plain::new("", "alice", "secret", "localhost");
            let result = if is_tokio {
                runtime().block_on(async {
                    let mut client = smtp_tokio::Client::connect(address, config).await.unwrap();
                    client.auth(&mut password).await.map_err(|error| error.into_kind())
                })
            } else {
                let mut client = smtp_blocking::Client::connect(address, config).unwrap();
                client.auth(&mut password).map_err(|error| error.into_kind())
            };
            if allowed {
                assert_eq!(result.unwrap().code().get(), 235, "{way}");
            } else {
                let error = result.unwrap_err();
                assert!(matches!(error, Error::Mechanism(MechanismError::NotEncrypted)), "{way}: {error:?}");
            }
            assert_eq!(server.join().unwrap(), if allowed { BOTH } else { EHLO }, "{way}");
        }
    }
}

/// A02: through a proxy the server is elsewhere, though the socket leads to this machine. Its address is not told, and the
/// deadlines are kept.
#[test]
fn a02_a_server_behind_a_local_proxy_is_not_local() {
    let places = [Some(IpAddr::from([127, 0, 0, 1])), own_address()];
    for (is_tokio, ip) in places.into_iter().flatten().flat_map(|ip| [(false, ip), (true, ip)]) {
        let listener = TcpListener::bind((ip, 0)).unwrap();
        let proxy = listener.local_addr().unwrap();
        let server = offer_auth(listener);
        let config = Config::new("mail.example").tls(TlsPolicy::None);
        let error = if is_tokio {
            runtime().block_on(async {
                let stream = tokio::net::TcpStream::connect(proxy).await.unwrap();
                let mut client = smtp_tokio::Client::new(smtp_tokio::Remote(stream), config);
                client.auth(&mut plain()).await.unwrap_err().into_kind()
            })
        } else {
            let stream = std::net::TcpStream::connect(proxy).unwrap();
            let mut client = smtp_blocking::Client::new(smtp_blocking::Remote(stream), config);
            client.auth(&mut plain()).unwrap_err().into_kind()
        };
        assert_eq!(error, Error::Mechanism(MechanismError::NotEncrypted), "tokio {is_tokio}");
        assert_eq!(server.join().unwrap(), "EHLO [127.0.0.1]\r\n", "tokio {is_tokio}");

        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = silent.local_addr().unwrap();
        let config = self::config().timeouts(Timeouts::all(Duration::from_millis(50)));
        let error = if is_tokio {
            runtime().block_on(async {
                let stream = tokio::net::TcpStream::connect(proxy).await.unwrap();
                let mut client = smtp_tokio::Client::new(smtp_tokio::Remote(stream), config);
                client.noop().await.unwrap_err().into_kind()
            })
        } else {
            let stream = std::net::TcpStream::connect(proxy).unwrap();
            let mut client = smtp_blocking::Client::new(smtp_blocking::Remote(stream), config);
            client.noop().unwrap_err().into_kind()
        };
        assert!(matches!(error, Error::Timeout(_)), "tokio {is_tokio}: {error:?}");
    }
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
