//! What can be switched on and off: parameters, LIMITS, XCLIENT, answers, PIPELINING, and how replies gather.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};
use smtp_tests::sink::{Answer, Limits, Sink, TlsMode};

use crate::client::{Client, greeted, plain, tcp, tls};

#[test]
fn parameters_are_checked_and_kept() {
    let sink = plain()
        .user("alice", "wonderland")
        .auth_without_tls()
        .with_extension("deliverby 60")
        .with_extension("MT-PRIORITY MIXER")
        .with_extension("FUTURERELEASE 86400 2030-01-01T00:00:00Z")
        .start()
        .unwrap();
    let mut client = greeted(&sink);
    client.run(
        "C: MAIL FROM:<a@b.test> REQUIRETLS
         S: 530 5.7.0 REQUIRETLS needs TLS
         C: MAIL FROM:<a@b.test> BY=59;R
         S: 555 5.5.4 BY with R takes no less than was advertised
         C: MAIL FROM:<a@b.test> HOLDFOR=86401
         S: 501 5.5.4 HOLDFOR takes no more than was advertised
         C: MAIL FROM:<a@b.test> AUTH=<a@b.test>
         S: 501 5.5.4 AUTH takes <> or a mailbox in xtext
         C: MAIL FROM:<a@b.test> ret=HDRS ENVID=x+2By AUTH=a@b.test BY=60;RT MT-PRIORITY=-3 HOLDFOR=60
         S: 250 2.1.0 Ok
         C: RCPT TO:<c@d.test> NOTIFY=SUCCESS,NEVER
         S: 501 5.5.4 NOTIFY takes NEVER, or some of SUCCESS,FAILURE,DELAY
         C: RCPT TO:<c@d.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;c+2B1@d.test
         S: 250 2.1.5 Ok
         C: RCPT TO:<nobody@d.test> NOTIFY=NEVER
         S: 550 5.1.1 No such mailbox
         C: RCPT TO:<e@d.test>
         S: 250 2.1.5 Ok
         C: BDAT 0 LAST
         S: 250 2.0.0 Ok: queued as SINK000001",
    );
    let message = &sink.messages()[0];
    let parameters = |list: &[(&str, &str)]| -> Vec<_> {
        list.iter().map(|(keyword, value)| ((*keyword).to_owned(), Some((*value).to_owned()))).collect()
    };
    assert_eq!(
        message.parameters,
        parameters(&[
            ("RET", "HDRS"),
            ("ENVID", "x+2By"),
            ("AUTH", "a@b.test"),
            ("BY", "60;RT"),
            ("MT-PRIORITY", "-3"),
            ("HOLDFOR", "60"),
        ])
    );
    assert_eq!(
        message.recipient_parameters,
        [parameters(&[("NOTIFY", "SUCCESS,DELAY"), ("ORCPT", "rfc822;c+2B1@d.test")]), vec![]]
    );
    let codes: Vec<u16> = sink.client_errors().iter().map(|error| error.code).collect();
    assert_eq!(codes, [530, 555, 501, 501, 501]);
    assert_eq!(sink.client_errors()[4].command, "RCPT TO:<c@d.test> NOTIFY=SUCCESS,NEVER");
}

#[test]
fn require_tls_under_tls() {
    let sink = Sink::builder().tls(TlsMode::Implicit).start().unwrap();
    let mut client = Client { stream: tls(&sink, tcp(&sink), "localhost") };
    client.run("S: 220 localhost ESMTP sink");
    client.ehlo();
    client.run("C: MAIL FROM:<a@b.test> REQUIRETLS=yes\n S: 555 5.5.4 A parameter that was not offered");
    client.run("C: MAIL FROM:<a@b.test> REQUIRETLS\n S: 250 2.1.0 Ok");
    let sink = plain().without_extension("REQUIRETLS").start().unwrap();
    greeted(&sink).run("C: MAIL FROM:<a@b.test> REQUIRETLS\n S: 555 5.5.4 A parameter that was not offered");
}

#[test]
fn limits_that_are_told() {
    let limits = Limits { mail: Some(2), rcpt: Some(3), rcpt_domain: Some(2) };
    let sink = plain().limits(limits).without_extension("DSN").start().unwrap();
    let mut client = Client::connect(&sink);
    client.send("EHLO client.test\r\n");
    let mut line = client.line();
    while !line.starts_with("250 ") {
        line = client.line();
    }
    assert_eq!(line, "250 LIMITS MAILMAX=2 RCPTMAX=3 RCPTDOMAINMAX=2");
    client.run(
        "C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 Ok
         C: RCPT TO:<a@one.test>
         S: 250 2.1.5 Ok
         C: RCPT TO:<b@two.test>
         S: 250 2.1.5 Ok
         C: RCPT TO:<c@three.test>
         S: 452 4.5.3 Too many recipients
         C: RSET
         S: 250 2.0.0 Ok
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 Ok
         C: RCPT TO:<nobody@one.test>
         S: 550 5.1.1 No such mailbox
         C: RCPT TO:<a@ONE.test>
         S: 250 2.1.5 Ok
         C: RCPT TO:<b@two.test>
         S: 250 2.1.5 Ok
         C: RCPT TO:<c@two.test>
         S: 452 4.5.3 Too many recipients
         C: BDAT 0 LAST
         S: 250 2.0.0 Ok: queued as SINK000001
         C: MAIL FROM:<a@b.test>
         S: 452 4.5.3 Too many messages in this session",
    );
    assert_eq!(sink.messages()[0].recipients, ["a@ONE.test", "b@two.test"]);
    assert_eq!(sink.client_errors().len(), 3);
}

#[test]
fn limits_that_are_not_those_told() {
    let told = Limits { rcpt: Some(100), ..Limits::default() };
    let sink = plain().limits(told).enforced_limits(Limits { rcpt: Some(1), ..told }).start().unwrap();
    greeted(&sink).run(
        "C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 Ok
         C: RCPT TO:<a@b.test>
         S: 250 2.1.5 Ok
         C: RCPT TO:<b@b.test>
         S: 452 4.5.3 Too many recipients",
    );
    assert_eq!(sink.client_errors(), [], "it was not the client that lied");
}

#[test]
fn xclient_begins_anew() {
    let sink = plain().with_extension("XCLIENT NAME ADDR LOGIN").require_auth().start().unwrap();
    let mut client = greeted(&sink);
    client.run(
        "C: XCLIENT NAME=a PORT=25
         S: 501 5.5.4 An attribute that was not offered
         C: XCLIENT NAME=a+2
         S: 501 5.5.4 Usage: XCLIENT name=value...
         C: MAIL FROM:<>
         S: 530 5.7.0 AUTH first
         C: XCLIENT name=spike.porcupine.org ADDR=IPV6:2001:db8::1
         S: 220 localhost ESMTP sink
         C: MAIL FROM:<>
         S: 503 5.5.1 EHLO first",
    );
    client.ehlo();
    client.run("C: XCLIENT LOGIN=al+20ice\n S: 220 localhost ESMTP sink");
    client.ehlo();
    client.run(
        "C: MAIL FROM:<>
         S: 250 2.1.0 Ok
         C: XCLIENT NAME=late
         S: 503 5.5.1 Not in a mail transaction
         C: RCPT TO:<a@b.test>
         S: 250 2.1.5 Ok
         C: BDAT 0 LAST
         S: 250 2.0.0 Ok: queued as SINK000001",
    );
    let message = &sink.messages()[0];
    assert_eq!(message.authenticated_as.as_deref(), Some("al ice"));
    let attributes = [("NAME", "spike.porcupine.org"), ("ADDR", "IPV6:2001:db8::1"), ("LOGIN", "al ice")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(message.client_attributes, attributes);

    let mut client = greeted(&sink);
    client.send("XCLIENT NAME=a\r\nEHLO early\r\n");
    client.run("S: 554 5.5.0 Improper pipelining: wait for the reply to this command");
    client.expect_end();
}

#[test]
fn answers_by_rule() {
    let sink = plain()
        .answer("VRFY", |who| match who {
            "alice" => Answer::new(250, "2.1.5", "Alice <alice@example.org>"),
            _ => Answer::new(550, "5.1.1", "Nobody"),
        })
        .answer("EXPN", |_| Answer::new(250, "2.1.5", "<a@b.test>").line("<c@d.test>"))
        .answer("HELP", |about| Answer::new(214, "2.0.0", format!("No help about {about}")))
        .answer("ETRN", |node| match node {
            "busy.test" => Answer::new(458, "4.0.0", "Unable to queue messages"),
            node => Answer::new(251, "2.0.0", format!("No messages waiting for {node}")),
        })
        .answer("NOOP", |_| Answer::new(421, "4.3.0", "Tired"))
        .start()
        .unwrap();
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
         S: 250-VRFY
         S: 250-EXPN
         S: 250-HELP
         S: 250 ETRN
         C: VRFY alice
         S: 250 2.1.5 Alice <alice@example.org>
         C: VRFY bob
         S: 550 5.1.1 Nobody
         C: EXPN list
         S: 250-2.1.5 <a@b.test>
         S: 250 2.1.5 <c@d.test>
         C: HELP me
         S: 214 2.0.0 No help about me
         C: ETRN @example.org
         S: 251 2.0.0 No messages waiting for @example.org
         C: ETRN busy.test
         S: 458 4.0.0 Unable to queue messages
         C: ETRN
         S: 501 5.5.4 Usage: ETRN node
         C: NOOP
         S: 421 4.3.0 Tired",
    );
    let sink = plain()
        .answer("ETRN", |_| Answer::new(250, "2.0.0", "Ok"))
        .without_extension("ETRN")
        .start()
        .unwrap();
    greeted(&sink).run("C: ETRN example.org\n S: 502 5.5.1 The command is not offered");
}

#[test]
fn pipelining_punished() {
    let sink = plain().punish_pipelining().start().unwrap();
    let mut client = Client::connect(&sink);
    client.run("C: EHLO client.test\n S: 250-localhost greets client.test\n S: 250-SIZE 33554432");
    while !client.line().starts_with("250 ") {}
    // A chunk belongs to its command.
    client.run("C: MAIL FROM:<>\n S: 250 2.1.0 Ok\n C: RCPT TO:<a@b.test>\n S: 250 2.1.5 Ok");
    client.send("BDAT 2\r\nxy");
    client.run("S: 250 2.0.0 2 octets received");
    client.send("BDAT 1 LAST\r\nzQUIT\r\n");
    client.run("S: 250 2.0.0 Ok: queued as SINK000001\n S: 500 5.5.1 Pipelining not supported");
    client.expect_end();
    for group in ["EHLO a\r\nNOOP\r\n", "MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n", "NOOP\r\nN"] {
        let mut client = greeted(&sink);
        client.send(group);
        client.run("S: 500 5.5.1 Pipelining not supported");
        client.expect_end();
    }
    let mut client = greeted(&sink);
    client.run("C: MAIL FROM:<>\n S: 250 2.1.0 Ok\n C: RCPT TO:<a@b.test>\n S: 250 2.1.5 Ok");
    client.run("C: DATA\n S: 354 End with CRLF . CRLF");
    client.send("x\r\n.\r\nQUIT\r\n");
    client.run("S: 250 2.0.0 Ok: queued as SINK000002\n S: 500 5.5.1 Pipelining not supported");
    client.expect_end();
    assert_eq!(sink.client_errors().len(), 5);
}

/// Gives one batch a read and notes each write.
struct Batches<'a> {
    batches: std::slice::Iter<'a, &'a str>,
    writes: Vec<String>,
}

impl Read for Batches<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(batch) = self.batches.next() else { return Ok(0) };
        buffer[..batch.len()].copy_from_slice(batch.as_bytes());
        Ok(batch.len())
    }
}

impl Write for Batches<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.writes.push(String::from_utf8(octets.to_vec()).unwrap());
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_read_is_answered_in_one_write() {
    let batches = [
        "EHLO a\r\n",
        "MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nRCPT TO:<c@b.test>\r\nDATA\r\n",
        "half a",
        " message\r\n.\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nBDAT 4\r\nab",
        "cdBDAT 0 LAST\r\nQUIT\r\n",
    ];
    let codes = ["220", "250", "250 250 250 354", "250 250 250", "250 250 221"];
    let sink = plain().start().unwrap();
    let mut stream = Batches { batches: batches.iter(), writes: Vec::new() };
    sink.serve_stream(&mut stream).unwrap();
    let of = |write: &String| {
        let last_lines = write.lines().filter(|line| line.as_bytes()[3] == b' ');
        last_lines.map(|line| &line[..3]).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(stream.writes.iter().map(of).collect::<Vec<_>>(), codes);
    assert_eq!(sink.messages().len(), 2);
}

/// A stream that counts the writes to it.
struct Counting<'a> {
    stream: UnixStream,
    writes: &'a AtomicUsize,
}

impl Read for Counting<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl Write for Counting<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.writes.fetch_add(1, Ordering::SeqCst);
        self.stream.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn and_in_one_write_under_tls() {
    let sink = Sink::builder().tls(TlsMode::Implicit).start().unwrap();
    let (ours, theirs) = UnixStream::pair().unwrap();
    let writes = AtomicUsize::new(0);
    thread::scope(|scope| {
        let session = scope.spawn(|| sink.serve_stream(Counting { stream: theirs, writes: &writes }));
        let config = sink.certificate_authority().client_config().unwrap();
        let connection = ClientConnection::new(config, ServerName::try_from("localhost").unwrap()).unwrap();
        let mut client = Client { stream: StreamOwned::new(connection, ours) };
        client.run("S: 220 localhost ESMTP sink");
        client.ehlo();
        let before = writes.load(Ordering::SeqCst);
        client.send("MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nBDAT 0 LAST\r\nRSET\r\n");
        client.run(
            "S: 250 2.1.0 Ok\n S: 250 2.1.5 Ok\n S: 250 2.0.0 Ok: queued as SINK000001\n S: 250 2.0.0 Ok",
        );
        assert_eq!(writes.load(Ordering::SeqCst), before + 1);
        client.run("C: QUIT\n S: 221 2.0.0 Bye");
        session.join().unwrap().unwrap();
    });
}
