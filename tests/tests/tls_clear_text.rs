//! What an attacker says in clear where TLS is due, and the handshake that comes to nothing, over sockets and in every
//! TLS library: T03, T05, T13, T15, T17. The client says nothing more in clear, whatever is asked of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod tls_support;

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use smtp_proto::connection::{Config, Stage, Timeouts, TlsPolicy};
use smtp_proto::error::{Error, ProtocolError};
use tls_support::server::{Heard, offer};
use tls_support::{Ask, Attempt, Authority, Backend, Outcome, Server, Trust, assert_tls_records, backends};

fn attempt(backend: &Backend, server: &Server, policy: TlsPolicy) -> Outcome {
    backend.attempt(Attempt {
        address: server.address,
        config: Config::new("mail.example").tls(policy).timeouts(Timeouts::all(Duration::from_secs(20))),
        trust: Trust::Only(&Authority::new()),
        ask: Ask::LogInAndSend,
    })
}

/// Hears the first record, the ClientHello, and no more.
fn client_hello(stream: &mut TcpStream, heard: &mut Heard) -> io::Result<()> {
    let mut header = [0; 5];
    stream.read_exact(&mut header)?;
    let mut record = vec![0; usize::from(u16::from_be_bytes([header[3], header[4]]))];
    stream.read_exact(&mut record)?;
    heard.records.extend(header);
    heard.records.extend(record);
    Ok(())
}

/// Hears everything until the client has gone.
fn hear_out(stream: &mut TcpStream, heard: &mut Heard) -> io::Result<()> {
    stream.read_to_end(&mut heard.records).map(drop)
}

/// In clear EHLO and STARTTLS, and behind them nothing but TLS records.
fn assert_silent_in_clear(heard: &Heard, way: &str) {
    let clear = String::from_utf8(heard.clear.clone()).unwrap();
    let commands: Vec<_> = clear.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert!(commands.is_empty() || commands == ["EHLO", "STARTTLS"], "{way}: {clear}");
    assert_tls_records(&heard.records, way);
}

#[test]
fn t03_octets_in_clear_behind_the_220_go_to_tls_which_refuses_them() {
    for backend in &backends() {
        let name = &backend.name;
        for after_client_hello in [false, true] {
            let server = Server::play(move |mut stream, heard| {
                offer(&mut stream, heard)?;
                stream.write_all(b"220 go\r\n")?;
                if after_client_hello {
                    client_hello(&mut stream, heard)?;
                }
                stream.write_all(b"250-evil.example\r\n250 AUTH PLAIN\r\n")?;
                hear_out(&mut stream, heard)
            });
            let told = attempt(backend, &server, TlsPolicy::Required);
            let way = format!("{name}, after the ClientHello {after_client_hello}");
            // Whether the two segments are read as one is the kernel's choice, and makes no difference.
            told.assert_unopened(&ProtocolError::StartTlsResidue.into(), &way);
            assert_silent_in_clear(&server.heard(), &way);
        }
    }
}

#[test]
fn t05_a_server_that_speaks_first_in_tls_is_not_spoken_to() {
    // A record of the handshake with the beginning of a ServerHello.
    const SERVER_HELLO: &[u8] = b"\x16\x03\x03\x00\x06\x02\x00\x00\x02\x03\x03";
    for backend in &backends() {
        let name = &backend.name;
        for in_one_segment in [true, false] {
            let server = Server::play(move |mut stream, heard| {
                offer(&mut stream, heard)?;
                if in_one_segment {
                    stream.write_all(&[b"220 go\r\n", SERVER_HELLO].concat())?;
                } else {
                    stream.write_all(b"220 go\r\n")?;
                    client_hello(&mut stream, heard)?;
                    stream.write_all(SERVER_HELLO)?;
                }
                hear_out(&mut stream, heard)
            });
            let told = attempt(backend, &server, TlsPolicy::Required);
            let way = format!("{name}, in one segment {in_one_segment}");
            let residue = ProtocolError::StartTlsResidue.into();
            told.assert_unopened(if in_one_segment { &residue } else { &Error::TlsFailed }, &way);
            let heard = server.heard();
            assert_silent_in_clear(&heard, &way);
            assert_eq!(heard.records.is_empty(), in_one_segment, "{way}: a ClientHello for an impostor");
        }
    }
}

#[test]
fn t13_a_greeting_of_another_protocol_ends_it_under_every_policy() {
    const GREETINGS: [&[u8]; 5] = [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
        b"+OK POP3 ready\r\n",
        b"* OK IMAP4rev1 ready\r\n",
        // A server of implicit TLS that does not like what it hears says so in a TLS alert.
        b"\x15\x03\x03\x00\x02\x02\x32",
    ];
    for backend in &backends() {
        let name = &backend.name;
        for policy in [TlsPolicy::Required, TlsPolicy::Opportunistic, TlsPolicy::None, TlsPolicy::Implicit] {
            for greeting in GREETINGS {
                let server = Server::play(move |mut stream, heard| {
                    stream.write_all(greeting)?;
                    hear_out(&mut stream, heard)
                });
                let told = attempt(backend, &server, policy);
                let way = format!("{name}, {policy:?}: {}", greeting.escape_ascii());
                let cause = told.not_sent().unwrap_or_else(|| panic!("{way}: {:?}", told.result));
                match cause {
                    Error::TlsFailed => {
                        assert!(policy == TlsPolicy::Implicit && greeting[0] == 0x15, "{way}")
                    }
                    Error::Protocol(ProtocolError::ClearTextBeforeTls) => {
                        assert_eq!(policy, TlsPolicy::Implicit, "{way}");
                    }
                    Error::Protocol(ProtocolError::Reply { stage: Some(Stage::Greeting), .. }) => {
                        assert_ne!(policy, TlsPolicy::Implicit, "{way}");
                    }
                    other => panic!("{way}: {other:?}"),
                }
                told.assert_unopened(cause, &way);
                let heard = server.heard();
                assert_silent_in_clear(&heard, &way);
                assert!(policy == TlsPolicy::Implicit || heard.records.is_empty(), "{way}: it spoke");
            }
        }
    }
}

/// A 220, and then a server that ends the handshake: with an alert, by closing, or by resetting.
#[test]
fn t15_after_a_failed_handshake_nothing_is_said_in_clear() {
    for backend in &backends() {
        let name = &backend.name;
        for policy in [TlsPolicy::Required, TlsPolicy::Opportunistic] {
            for alert in [&b"\x15\x03\x03\x00\x02\x02\x28"[..], b""] {
                let server = Server::play(move |mut stream, heard| {
                    offer(&mut stream, heard)?;
                    stream.write_all(b"220 go\r\n")?;
                    client_hello(&mut stream, heard)?;
                    stream.write_all(alert)?;
                    if alert.is_empty() {
                        stream.shutdown(std::net::Shutdown::Write)?;
                    }
                    hear_out(&mut stream, heard)
                });
                let told = attempt(backend, &server, policy);
                let way = format!("{name}, {policy:?}, alert {:?}", !alert.is_empty());
                told.assert_unopened(&Error::TlsFailed, &way);
                assert_silent_in_clear(&server.heard(), &way);
            }
        }
    }
}

/// The commonest mistake of all: the port of STARTTLS, and TLS from the first octet on. The error names it.
#[test]
fn t17_a_clear_text_server_where_tls_is_expected_gets_no_clear_text() {
    for backend in &backends() {
        let name = &backend.name;
        for greeting in [&b"220 mail.example ESMTP\r\n"[..], b"554 no service\r\n", b"421 busy\r\n"] {
            let server = Server::play(move |mut stream, heard| {
                stream.write_all(greeting)?;
                hear_out(&mut stream, heard)
            });
            let told = attempt(backend, &server, TlsPolicy::Implicit);
            let way = format!("{name}: {}", greeting.escape_ascii());
            told.assert_unopened(&ProtocolError::ClearTextBeforeTls.into(), &way);
            assert!(
                told.text.starts_with(
                    "the server speaks clear text where TLS is due from the first octet (a STARTTLS port?); \
                     nothing more was sent"
                ),
                "{}",
                told.text
            );
            let heard = server.heard();
            assert_silent_in_clear(&heard, &way);
            assert!(!heard.records.is_empty(), "{way}: a ClientHello, and an alert");
        }
    }
}
