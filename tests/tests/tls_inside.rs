//! What an attacker, or a server that is wrong, does with TLS once it is there, over sockets and in every TLS library:
//! replies before the question (T19), the end of TLS for a reply (T20, T21), records that trickle (R02).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod tls_support;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use smtp_proto::SendError;
use smtp_proto::connection::{Config, Stage, TimeoutPhase, Timeouts, TlsPolicy};
use smtp_proto::error::{Error, ProtocolError};
use tls_support::server::{VERSIONS, line, offer, server_config};
use tls_support::{
    Ask, Attempt, Authority, Backend, Identity, Leaf, Outcome, Scripted, Server, Trust, backends,
};

fn attempt(backend: &Backend, server: &Server, policy: TlsPolicy, trusted: &Authority, ask: Ask) -> Outcome {
    backend.attempt(Attempt {
        address: server.address,
        config: Config::new("mail.example").tls(policy).timeouts(Timeouts::all(Duration::from_secs(20))),
        trust: Trust::Only(trusted),
        ask,
    })
}

/// A server's end of a TLS connection, after the handshake.
type Tls = StreamOwned<ServerConnection, TcpStream>;

/// Serves one client under TLS from the first octet on, or after STARTTLS.
fn under_tls(
    tls: &Arc<ServerConfig>,
    policy: TlsPolicy,
    serve: impl FnOnce(&mut Tls) -> io::Result<()> + Send + 'static,
) -> Server {
    let tls = Arc::clone(tls);
    Server::play(move |mut stream, heard| {
        if policy != TlsPolicy::Implicit {
            offer(&mut stream, heard)?;
            stream.write_all(b"220 go\r\n")?;
        }
        let mut server = StreamOwned::new(ServerConnection::new(tls).unwrap(), stream);
        let result = serve(&mut server);
        let _ = server.read_to_end(&mut heard.tls);
        result
    })
}

fn identity(trusted: &Authority) -> Identity {
    trusted.sign(Leaf::of(&["mail.example"]))
}

/// What the server says under TLS before it is asked is no answer to the EHLO that follows, even if it came along
/// with the server's part of the handshake: as half-RTT data in TLS 1.3, or in one segment with Finished in 1.2.
#[test]
fn t19_what_comes_with_the_handshake_is_not_the_reply_to_ehlo() {
    const EVIL: &[u8] = b"250-evil.example\r\n250 AUTH PLAIN\r\n";
    for backend in &backends() {
        let name = &backend.name;
        for version in VERSIONS {
            let trusted = Authority::new();
            let mut tls = ServerConfig::clone(&server_config(identity(&trusted), version));
            tls.send_half_rtt_data = version.version == rustls::ProtocolVersion::TLSv1_3;
            let half_rtt = tls.send_half_rtt_data;
            let server = under_tls(&Arc::new(tls), TlsPolicy::Required, move |server| {
                let (connection, stream) = (&mut server.conn, &mut server.sock);
                if half_rtt {
                    connection.writer().write_all(EVIL)?;
                    return Ok(());
                }
                while connection.is_handshaking() {
                    let mut flight = Vec::new();
                    while connection.wants_write() {
                        connection.write_tls(&mut flight)?;
                    }
                    stream.write_all(&flight)?;
                    connection.read_tls(stream)?;
                    connection.process_new_packets().map_err(io::Error::other)?;
                }
                connection.writer().write_all(EVIL)?;
                let mut last = Vec::new();
                while connection.wants_write() {
                    connection.write_tls(&mut last)?;
                }
                stream.write_all(&last)
            });
            let told = attempt(backend, &server, TlsPolicy::Required, &trusted, Ask::LogIn);
            let way = format!("{name}, {version:?}");
            told.assert_broken(&ProtocolError::Surplus.into(), &way);
            assert_eq!(server.heard().tls.escape_ascii().to_string(), "", "{way}: the client spoke");
        }
    }
}

/// The same with a TLS library of the caller's, whose stream can tell what is there already.
#[test]
fn t19_what_comes_with_a_handshake_of_the_callers_is_not_the_reply_to_ehlo() {
    let script = "S: 220 mail.example\nC: EHLO client.test\nS: 250-mail.example\nS: 250 STARTTLS
        C: STARTTLS\nS: 220 go\ntls\nS: 250-evil.example\nS: 250 AUTH PLAIN";
    let config =
        || Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(TlsPolicy::None);
    for one_octet in [false, true] {
        let stream = Scripted::new(script, one_octet);
        let peer = stream.stream.peer();
        let client = smtp_blocking::Client::new(stream, config());
        let upgraded = client.start_tls_with(|mut stream, _| stream.stream.handshake().map(|()| stream));
        assert_eq!(*upgraded.map(drop).unwrap_err().kind(), ProtocolError::Surplus.into());
        peer.verify(true);

        let stream = Scripted::new(script, one_octet);
        let peer = stream.stream.peer();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let client = smtp_tokio::Client::new(stream, config());
            let upgraded = client
                .start_tls_with(|mut stream, _| async move { stream.stream.handshake().map(|()| stream) })
                .await;
            assert_eq!(*upgraded.map(drop).unwrap_err().kind(), ProtocolError::Surplus.into());
        });
        peer.verify(true);
    }
}

/// A reply too many under TLS, in one record with the one that was due: it is no answer to what comes next.
#[test]
fn t19_a_reply_before_mail_is_fatal() {
    for backend in &backends() {
        let name = &backend.name;
        for version in VERSIONS {
            for policy in [TlsPolicy::Required, TlsPolicy::Implicit] {
                let trusted = Authority::new();
                let tls = server_config(identity(&trusted), version);
                let server = under_tls(&tls, policy, move |server| {
                    if policy == TlsPolicy::Implicit {
                        server.write_all(b"220 mail.example\r\n")?;
                    }
                    line(server);
                    server.write_all(b"250-mail.example\r\n250 AUTH PLAIN\r\n")?;
                    line(server);
                    server.write_all(b"235 welcome\r\n250 injected\r\n")
                });
                let told = attempt(backend, &server, policy, &trusted, Ask::LogInAndSend);
                let way = format!("{name}, {version:?}, {policy:?}");
                told.assert_broken(&ProtocolError::Surplus.into(), &way);
                assert_eq!(server.heard().tls.escape_ascii().to_string(), "", "{way}: MAIL was sent");
            }
        }
    }
}

/// How a server's end of TLS goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gone {
    /// The socket is closed, and TLS says nothing (T20): anyone on the path can do that.
    Truncated,
    /// TLS says that it closes, and so does the socket (T21).
    Closed,
    /// TLS says that it closes, and the socket stays open (T21): a client that waits for the socket waits long.
    Notified,
}

/// Says the replies to what comes before `last`, hears that, and goes away.
fn serve_until(server: &mut Tls, last: &str, gone: Gone, farewell: &[u8]) -> io::Result<()> {
    loop {
        let heard = line(server);
        let is_last = heard.starts_with(last.as_bytes());
        let reply: &[u8] = match heard.get(..4) {
            _ if is_last => farewell,
            Some(b"EHLO" | b"MAIL" | b"RCPT") => b"250 ok\r\n",
            Some(b"DATA") => b"354 go\r\n",
            // A line of the message.
            Some(_) | None if !heard.is_empty() => continue,
            _ => return Ok(()),
        };
        server.write_all(reply)?;
        if is_last {
            break;
        }
    }
    if gone != Gone::Truncated {
        server.conn.send_close_notify();
        server.flush()?;
    }
    if gone != Gone::Notified {
        server.sock.shutdown(std::net::Shutdown::Write)?;
    }
    Ok(())
}

#[test]
fn t20_t21_the_end_of_tls_is_no_reply() {
    for backend in &backends() {
        let name = &backend.name;
        for version in VERSIONS {
            for gone in [Gone::Truncated, Gone::Closed, Gone::Notified] {
                for (ask, last, farewell) in [
                    (Ask::Noop, "NOOP", &b""[..]),
                    (Ask::Noop, "NOOP", b"250 o"),
                    (Ask::Noop, "NOOP", b"250 ok"),
                    (Ask::Send, ".", b""),
                    (Ask::Send, ".", b"250 accept"),
                    (Ask::Send, ".", b"250 accepted\r\n"),
                    (Ask::Send, "DATA", b""),
                    (Ask::Hello, "QUIT", b""),
                    (Ask::Hello, "QUIT", b"221 by"),
                    (Ask::Hello, "QUIT", b"221 bye\r\n"),
                ] {
                    let trusted = Authority::new();
                    let tls = server_config(identity(&trusted), version);
                    let server = under_tls(&tls, TlsPolicy::Required, move |server| {
                        serve_until(server, last, gone, farewell)
                    });
                    let told = attempt(backend, &server, TlsPolicy::Required, &trusted, ask);
                    let way = format!("{name}, {version:?}, {gone:?}, {last}: {}", farewell.escape_ascii());
                    let truncated = !farewell.is_empty();
                    let ended = |stage| Error::Disconnected {
                        stage: Some(stage),
                        truncated,
                        credentials_sent: false,
                    };
                    match (ask, last, &told.result) {
                        (Ask::Noop, _, Err(SendError::NotSent { cause, .. })) => {
                            assert_eq!(*cause, ended(Stage::Noop), "{way}");
                        }
                        (Ask::Send, ".", Ok(())) => assert!(farewell.ends_with(b"\n"), "{way}"),
                        // All of the message had left: nobody knows.
                        (Ask::Send, ".", Err(SendError::Unknown { cause, .. })) => {
                            assert!(!farewell.ends_with(b"\n"), "{way}");
                            assert_eq!(*cause, ended(Stage::EndOfData), "{way}");
                        }
                        (Ask::Send, _, Err(SendError::NotSent { cause, .. })) => {
                            assert_eq!(*cause, ended(Stage::Data), "{way}");
                        }
                        (Ask::Hello, _, Ok(())) => {}
                        (_, _, other) => panic!("{way}: {other:?}"),
                    }
                    if truncated && told.result.is_err() {
                        assert!(told.text.contains("(truncated)"), "{way}: {}", told.text);
                    }
                    drop(server.heard());
                }
            }
        }
    }
}

/// A record that arrives octet by octet gets no more time than a reply that does, be it one of the handshake or one
/// with a reply in it.
#[test]
fn r02_a_trickled_tls_record_does_not_outlive_the_deadline() {
    for backend in &backends() {
        for handshake in [false, true] {
            let trusted = Authority::new();
            let tls = server_config(identity(&trusted), VERSIONS[1]);
            let server = Server::play(move |mut stream, _| {
                let mut server = ServerConnection::new(tls).unwrap();
                while server.is_handshaking() || server.wants_write() {
                    let mut flight = Vec::new();
                    while server.wants_write() {
                        server.write_tls(&mut flight)?;
                    }
                    if handshake {
                        trickle(&mut stream, &flight)?;
                    } else {
                        stream.write_all(&flight)?;
                    }
                    if server.is_handshaking() {
                        server.read_tls(&mut stream)?;
                        server.process_new_packets().map_err(io::Error::other)?;
                    }
                }
                server.writer().write_all(format!("220 {}\r\n", "x".repeat(2000)).as_bytes())?;
                let mut greeting = Vec::new();
                while server.wants_write() {
                    server.write_tls(&mut greeting)?;
                }
                trickle(&mut stream, &greeting)
            });
            let short = Duration::from_millis(500);
            let mut timeouts = Timeouts::all(Duration::from_secs(60));
            *(if handshake { &mut timeouts.tls } else { &mut timeouts.greeting }) = short;
            let outcome = backend.attempt(Attempt {
                address: server.address,
                config: Config::new("mail.example").tls(TlsPolicy::Implicit).timeouts(timeouts),
                trust: Trust::Only(&trusted),
                ask: Ask::Noop,
            });
            let way = format!("{}, handshake {handshake}", backend.name);
            let phase = match handshake {
                true => TimeoutPhase::TlsHandshake,
                false => TimeoutPhase::Reply(Stage::Greeting),
            };
            outcome.assert_broken(&Error::Timeout(phase), &way);
            drop(server.heard());
        }
    }
}

/// Says one octet at a time, until the client has had enough: all of it would take a minute.
fn trickle(stream: &mut TcpStream, octets: &[u8]) -> io::Result<()> {
    for octet in octets {
        std::thread::sleep(Duration::from_millis(50));
        stream.write_all(&[*octet])?;
    }
    Ok(())
}
