//! The sink, from the outside: raw sockets and a rustls client, transcripts of `C:` and `S:` lines.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod auth;
mod chunking;
mod client;
mod extensions;
mod lmtp;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use rustls::RootCertStore;
use smtp_tests::sink::{BareLineEnds, RecipientVerdict, Sink, TlsMode};

use client::{Client, plain, tcp, tls};

#[test]
fn a_message_arrives() {
    let sink = plain().size_limit(1000).start().unwrap();
    let mut client = Client::connect(&sink);
    client.run(
        "C: EHLO client.test
         S: 250-localhost greets client.test
         S: 250-PIPELINING
         S: 250-SIZE 1000
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250 DSN
         C: MAIL FROM:<alice@example.org> SIZE=10 BODY=8BITMIME
         S: 250 2.1.0 Ok
         C: RCPT TO:<bob@example.net>
         S: 250 2.1.5 Ok
         C: RCPT TO:<nobody@example.net>
         S: 550 5.1.1 No such mailbox
         C: RCPT TO:<later@example.net>
         S: 450 4.2.1 Not now
         C: RCPT TO:<Postmaster>
         S: 250 2.1.5 Ok
         C: DATA
         S: 354 End with CRLF . CRLF
         C: Subject: hi
         C:
         C: ..dot
         C: .
         S: 250 2.0.0 Ok: queued as SINK000001
         C: QUIT
         S: 221 2.0.0 Bye",
    );
    client.expect_end();
    let message = sink.wait_for_message(Duration::from_secs(1)).unwrap();
    assert_eq!(message.id, "SINK000001");
    assert_eq!(message.client_name, "client.test");
    assert_eq!(message.reverse_path, "alice@example.org");
    let parameters = [("SIZE", Some("10")), ("BODY", Some("8BITMIME"))]
        .map(|(keyword, value)| (keyword.to_owned(), value.map(str::to_owned)));
    assert_eq!(message.parameters, parameters);
    assert_eq!(message.recipients, ["bob@example.net", "Postmaster"]);
    assert_eq!(message.data, b"Subject: hi\r\n\r\n.dot\r\n");
    assert!(!message.tls);
    assert_eq!(message.authenticated_as, None);
    assert_eq!(message.recipient_parameters, [vec![], vec![]]);
    assert_eq!(message.chunks, []);
    assert_eq!(message.client_attributes, []);
    assert_eq!(sink.client_errors(), []);
    assert_eq!(sink.messages(), [message]);
    assert_eq!(sink.wait_for_message(Duration::ZERO), None, "each message is handed out once");
}

#[test]
fn a_group_of_commands_is_answered_in_order() {
    let sink = plain().start().unwrap();
    let mut client = Client::connect(&sink);
    client.ehlo();
    client.send("MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<nobody@b.test>\r\nDATA\r\n");
    client.run(
        "S: 250 2.1.0 Ok
         S: 250 2.1.5 Ok
         S: 550 5.1.1 No such mailbox
         S: 354 End with CRLF . CRLF",
    );
    client.send("one\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<nobody@b.test>\r\nDATA\r\n");
    client.run(
        "S: 250 2.0.0 Ok: queued as SINK000001
         S: 250 2.1.0 Ok
         S: 550 5.1.1 No such mailbox
         S: 554 5.5.1 No valid recipients
         C: RSET
         S: 250 2.0.0 Ok",
    );
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn the_octets_may_come_one_by_one() {
    let sink = plain().start().unwrap();
    let mut client = Client::connect(&sink);
    client.stream.set_nodelay(true).unwrap();
    client.ehlo();
    for octet in b"MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n" {
        client.send([*octet]);
    }
    client.run("S: 250 2.1.0 Ok\n S: 250 2.1.5 Ok\n S: 354 End with CRLF . CRLF");
    for octet in b"x\r\n..\r\n.\r\n" {
        client.send([*octet]);
    }
    client.run("S: 250 2.0.0 Ok: queued as SINK000001");
    assert_eq!(sink.messages()[0].data, b"x\r\n.\r\n");
}

#[test]
fn commands_out_of_order() {
    let sink = plain().start().unwrap();
    Client::connect(&sink).run(
        "C: MAIL FROM:<a@b.test>
         S: 503 5.5.1 EHLO first
         C: RCPT TO:<a@b.test>
         S: 503 5.5.1 MAIL first
         C: DATA
         S: 503 5.5.1 MAIL first
         C: EHLO
         S: 501 5.5.4 Usage: EHLO domain
         C: LHLO client.test
         S: 500 5.5.1 This is SMTP: EHLO
         C: ETRN example.org
         S: 502 5.5.1 The command is not offered
         C: XCLIENT NAME=a
         S: 502 5.5.1 XCLIENT is not offered
         C: BURL imap://x
         S: 500 5.5.2 No such command
         C: STARTTLS
         S: 502 5.5.1 STARTTLS is not offered
         C: HELO client.test
         S: 250 localhost greets client.test
         C: AUTH PLAIN
         S: 503 5.5.1 EHLO first
         C: MAIL FROM:<a@b.test> SIZE=3
         S: 555 5.5.4 A parameter that was not offered
         C: VRFY a
         S: 252 2.5.0 Cannot verify, send some mail and see
         C: EXPN a
         S: 252 2.5.0 Cannot expand, send some mail and see
         C: NOOP whatever
         S: 250 2.0.0 Ok
         C: HELP
         S: 214-2.0.0 EHLO HELO LHLO STARTTLS AUTH MAIL RCPT DATA BDAT
         S: 214-2.0.0 RSET NOOP VRFY EXPN HELP ETRN XCLIENT QUIT
         S: 214 2.0.0 Whatever is sent here goes no further",
    );
}

#[test]
fn parameters_and_paths_that_are_refused() {
    let sink = plain().size_limit(50).start().unwrap();
    let mut client = Client::connect(&sink);
    client.ehlo();
    client.run(
        "C: AUTH PLAIN
         S: 538 5.7.11 Not in clear, a password would be read by others
         C: MAIL FROM: <a@b.test>
         S: 501 5.1.3 Not a path
         C: MAIL FROM:<a@b.test> BY=60;R
         S: 555 5.5.4 A parameter that was not offered
         C: MAIL FROM:<a@b.test> AUTH=<>
         S: 555 5.5.4 A parameter that was not offered
         C: MAIL FROM:<a@b.test> SIZE=51
         S: 552 5.3.4 The message is too large
         C: MAIL FROM:<a@b.test> BODY=BINARY
         S: 501 5.5.4 BODY takes 7BIT, 8BITMIME or BINARYMIME
         C: MAIL FROM:<ä@b.test>
         S: 553 5.6.7 An address outside ASCII needs SMTPUTF8
         C: MAIL FROM:<ä@b.test> SMTPUTF8
         S: 250 2.1.0 Ok
         C: MAIL FROM:<a@b.test>
         S: 503 5.5.1 One mail transaction at a time
         C: RCPT TO:<ö@b.test> SIZE=1
         S: 555 5.5.4 A parameter that was not offered
         C: RCPT TO:<ö@b.test>
         S: 250 2.1.5 Ok
         C: DATA
         S: 354 End with CRLF . CRLF
         C: 0123456789012345678901234567890123456789012345678901234567890123456789
         C: .
         S: 552 5.3.4 The message is too large
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 Ok",
    );
    assert_eq!(sink.messages(), []);
}

#[test]
fn bare_line_ends_are_refused_and_counted() {
    let sink = plain().start().unwrap();
    let mut client = Client::connect(&sink);
    client.ehlo();
    client.run(
        "C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 Ok
         C: RCPT TO:<c@d.test>
         S: 250 2.1.5 Ok
         C: DATA
         S: 354 End with CRLF . CRLF",
    );
    client.send("x\n.\r\nMAIL FROM:<smuggled@b.test>\r\ny\rz\n.\n\r\n.\r\n");
    // `LF . CRLF` ends nothing: the dot is in mid-line, and so is the MAIL behind it in the body.
    client.run("S: 550 5.6.0 The message has 1 bare CRs and 3 bare LFs");
    assert_eq!(sink.bare_line_ends(), BareLineEnds { cr: 1, lf: 3 });
    assert_eq!(sink.messages(), []);
    for line in ["NOOP\n", "NOOP\rNOOP\r\n", "NOOP \0\r\n", "\n"] {
        client.send(line);
        client.run("S: 500 5.5.2 Lines end in CRLF and have no other CR, LF or NUL");
    }
    client.send([&[b'a'; 40_000][..], b"\r\n"].concat());
    client.run("S: 500 5.5.2 Line too long\n C: NOOP\n S: 250 2.0.0 Ok");
}

#[test]
fn what_may_not_be_pipelined() {
    let refused = "S: 554 5.5.0 Improper pipelining: wait for the reply to this command";
    let sink = Sink::builder().without_extension("pipelining").start().unwrap();
    let mut client = Client::connect(&sink);
    client.send("EHLO a\r\nNOOP\r\n");
    client.run(refused);
    client.expect_end();
    for group in ["MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n", "STARTTLS\r\nMAIL FROM:<injected@b.test>\r\n"] {
        let mut client = Client::connect(&sink);
        client.ehlo();
        client.send(group);
        client.run(refused);
        client.expect_end();
    }
    let sink = plain().start().unwrap();
    let mut client = Client::connect(&sink);
    client.ehlo();
    client.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nearly\r\n.\r\n");
    client.run("S: 250 2.1.0 Ok\n S: 250 2.1.5 Ok");
    client.run(refused);
    client.expect_end();
    assert_eq!(sink.messages(), []);
}

#[test]
fn starttls_and_auth() {
    let sink = Sink::builder().user("alice", "wonder land").require_tls().require_auth().start().unwrap();
    let mut client = Client::connect(&sink);
    client.run(
        "C: EHLO client.test
         S: 250-localhost greets client.test
         S: 250-PIPELINING
         S: 250-SIZE 33554432
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250-DSN
         S: 250 STARTTLS
         C: MAIL FROM:<a@b.test>
         S: 530 5.7.0 STARTTLS first
         C: AUTH PLAIN AGFsaWNlAHdvbmRlciBsYW5k
         S: 538 5.7.11 Not in clear, a password would be read by others
         C: STARTTLS now
         S: 501 5.5.4 Usage: STARTTLS
         C: STARTTLS
         S: 220 2.0.0 Ready to start TLS",
    );
    let mut client = Client { stream: tls(&sink, client.stream, "localhost") };
    client.run(
        "C: MAIL FROM:<a@b.test>
         S: 503 5.5.1 EHLO first
         C: EHLO client.test
         S: 250-localhost greets client.test
         S: 250-PIPELINING
         S: 250-SIZE 33554432
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250-DSN
         S: 250-REQUIRETLS
         S: 250 AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-256-PLUS
         C: STARTTLS
         S: 503 5.5.1 TLS is established already
         C: MAIL FROM:<a@b.test>
         S: 530 5.7.0 AUTH first
         C: AUTH PLAIN AGFsaWNlAHdvbmRlciBsYW5k
         S: 235 2.7.0 Welcome
         C: AUTH PLAIN AGFsaWNlAHdvbmRlciBsYW5k
         S: 503 5.5.1 AUTH comes once, and not in a mail transaction
         C: MAIL FROM:<a@b.test> AUTH=<>
         S: 250 2.1.0 Ok
         C: RCPT TO:<c@d.test>
         S: 250 2.1.5 Ok
         C: DATA
         S: 354 End with CRLF . CRLF
         C: x
         C: .
         S: 250 2.0.0 Ok: queued as SINK000001
         C: QUIT
         S: 221 2.0.0 Bye",
    );
    client.expect_end();
    let message = sink.wait_for_message(Duration::from_secs(1)).unwrap();
    assert!(message.tls);
    assert_eq!(message.authenticated_as.as_deref(), Some("alice"));
}

#[test]
fn implicit_tls_for_every_name_in_the_certificate() {
    let sink = Sink::builder().tls(TlsMode::Implicit).host_name("mx.example.org").start().unwrap();
    for name in ["localhost", "127.0.0.1", "::1", "mx.example.org"] {
        let mut client = Client { stream: tls(&sink, tcp(&sink), name) };
        client.run("S: 220 mx.example.org ESMTP sink");
        client.ehlo();
        client.run("C: STARTTLS\n S: 503 5.5.1 TLS is established already\n C: QUIT\n S: 221 2.0.0 Bye");
        client.expect_end();
    }
    let mut other = tls(&sink, tcp(&sink), "other.example.org");
    assert!(other.read(&mut [0]).unwrap_err().to_string().contains("certificate"));
}

#[test]
fn another_sinks_authority_is_not_trusted() {
    let sink = Sink::builder().tls(TlsMode::Implicit).start().unwrap();
    let other = Sink::builder().start().unwrap();
    let mut stream = tls(&other, tcp(&sink), "localhost");
    assert!(stream.read(&mut [0]).unwrap_err().to_string().contains("certificate"));
    assert!(sink.certificate_authority().pem().starts_with("-----BEGIN CERTIFICATE-----"));
    RootCertStore::empty().add(sink.certificate_authority().der().clone()).unwrap();
}

#[test]
fn what_the_builder_changes() {
    let sink = plain()
        .host_name("mx.test")
        .without_extension("ENHANCEDSTATUSCODES")
        .without_extension("SMTPUTF8")
        .without_extension("8bitmime")
        .without_extension("SIZE")
        .without_extension("chunking")
        .without_extension("DSN")
        .recipients(|path| match path {
            "b@b.test" => RecipientVerdict::Refuse,
            _ => RecipientVerdict::Accept,
        })
        .start()
        .unwrap();
    Client { stream: tcp(&sink) }.run(
        "S: 220 mx.test ESMTP sink
         C: EHLO client.test
         S: 250-mx.test greets client.test
         S: 250 PIPELINING
         C: MAIL FROM:<a@b.test> SIZE=1
         S: 555 A parameter that was not offered
         C: MAIL FROM:<a@b.test>
         S: 250 Ok
         C: RCPT TO:<nobody@b.test>
         S: 250 Ok
         C: RCPT TO:<b@b.test>
         S: 550 No such mailbox",
    );
}

#[test]
fn a_silent_client_is_sent_away() {
    let sink = plain().idle_timeout(Duration::from_millis(20)).start().unwrap();
    let mut client = Client::connect(&sink);
    client.run("S: 421 4.4.2 Silent for too long");
    client.expect_end();
}

#[test]
fn any_stream_is_served() {
    let sink = Sink::builder().start().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    thread::scope(|scope| {
        let session = scope.spawn(|| sink.serve_stream(theirs));
        let mut client = Client { stream: ours };
        client.run("S: 220 localhost ESMTP sink");
        client.ehlo();
        client.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
        client.run("S: 250 2.1.0 Ok\n S: 250 2.1.5 Ok\n S: 354 End with CRLF . CRLF");
        client.send("x\r\n.\r\nQUIT\r\n");
        client.run("S: 250 2.0.0 Ok: queued as SINK000001\n S: 221 2.0.0 Bye");
        session.join().unwrap().unwrap();
    });
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn dropping_the_sink_ends_open_sessions() {
    let sink = Sink::builder().start().unwrap();
    let mut idle = Client::connect(&sink);
    let mut in_body = Client::connect(&sink);
    in_body.ehlo();
    in_body.send("MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nDATA\r\n");
    in_body.run("S: 250 2.1.0 Ok\n S: 250 2.1.5 Ok\n S: 354 End with CRLF . CRLF\n C: half a message");
    let address = sink.address();
    let begun = Instant::now();
    drop(sink);
    assert!(begun.elapsed() < Duration::from_secs(2), "took {:?}", begun.elapsed());
    idle.expect_end();
    in_body.expect_end();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn noise_does_no_harm() {
    let sink = Sink::builder()
        .user("a", "b")
        .token("a", "b")
        .auth_without_tls()
        .with_extension("XCLIENT LOGIN")
        .with_extension("FUTURERELEASE 1 nonsense")
        .with_extension("DELIVERBY")
        .start()
        .unwrap();
    let mut seed = 1_u64;
    for _ in 0..50 {
        let mut noise: Vec<u8> = Vec::new();
        for _ in 0..200 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let words: [&[u8]; 32] = [
                b"EHLO x\r\n",
                b"MAIL FROM:<",
                b"a@b>",
                b"\r\n",
                b"RCPT TO:<",
                b"DATA\r\n",
                b".",
                b"\r",
                b"\n",
                b"AUTH PLAIN ",
                b"=",
                b" ",
                b"\"",
                b"\\",
                b"\xff\0",
                b"AUTH LOGIN\r\n",
                b"BDAT 7\r\n",
                b"BDAT 3 LAST\r\n",
                b"BDAT 1",
                b"99999999999999999999",
                b"AUTH SCRAM-SHA-256 biwsbj1hLHI9eA==\r\n",
                b"AUTH XOAUTH2 dXNlcj1hAWF1dGg9QmVhcmVyIHgBAQ==\r\n",
                b"AUTH OAUTHBEARER",
                b" HOLDUNTIL=2029-01-01T00:00:00Z",
                b" ORCPT=utf-8;\\x{E4",
                b" BY=-9;R",
                b" BODY=BINARYMIME",
                b"XCLIENT LOGIN=+4",
                b"ETRN \xc3\xa4\r\n",
                b"LHLO x\r\n",
                b"RSET\r\n",
                b"+",
            ];
            noise.extend(words[(seed >> 59) as usize]);
        }
        let mut client = Client::connect(&sink);
        // The sink may have sent us away before it has heard all of it.
        let _ = client.stream.write_all(&noise);
        let _ = client.stream.shutdown(std::net::Shutdown::Write);
        let _ = client.stream.read_to_end(&mut Vec::new());
    }
    Client::connect(&sink).ehlo();
}
