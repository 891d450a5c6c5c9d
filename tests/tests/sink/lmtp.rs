//! LMTP (RFC 2033): one verdict a recipient, over TCP and over a Unix socket.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use smtp_tests::sink::{RecipientVerdict, Sink, TlsMode};

use crate::client::{Client, greeted, plain, tcp};

const ENVELOPE: &str = "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<nobody@d.test>\r\n\
                        RCPT TO:<full@d.test>\r\nRCPT TO:<busy@d.test>\r\nRCPT TO:<c@d.test>\r\n";
const ANSWERED: &str = "S: 250 2.1.0 Ok
     S: 250 2.1.5 Ok
     S: 550 5.1.1 No such mailbox
     S: 250 2.1.5 Ok
     S: 250 2.1.5 Ok
     S: 250 2.1.5 Ok";
const VERDICTS: &str = "S: 250 2.0.0 <c@d.test> Ok: queued as SINK000001
     S: 552 5.2.2 <full@d.test> The mailbox is full
     S: 450 4.2.1 <busy@d.test> Not now
     S: 250 2.0.0 <c@d.test> Ok: queued as SINK000001";

fn verdict(forward_path: &str) -> RecipientVerdict {
    match forward_path {
        "full@d.test" => RecipientVerdict::Refuse,
        "busy@d.test" => RecipientVerdict::TryLater,
        _ => RecipientVerdict::Accept,
    }
}

fn sink() -> Sink {
    Sink::builder()
        .tls(TlsMode::None)
        .lmtp()
        .unix_socket()
        .final_replies(verdict)
        .size_limit(9)
        .start()
        .unwrap()
}

#[test]
fn a_reply_a_recipient_after_data() {
    let sink = sink();
    let mut client = Client { stream: tcp(&sink) };
    client.run(
        "S: 220 localhost LMTP sink
         C: EHLO client.test
         S: 500 5.5.1 This is LMTP: LHLO
         C: HELO client.test
         S: 500 5.5.1 This is LMTP: LHLO
         C: LHLO client.test
         S: 250-localhost greets client.test
         S: 250-PIPELINING
         S: 250-SIZE 9
         S: 250-8BITMIME
         S: 250-SMTPUTF8
         S: 250-ENHANCEDSTATUSCODES
         S: 250-CHUNKING
         S: 250-BINARYMIME
         S: 250 DSN",
    );
    client.send(format!("{ENVELOPE}DATA\r\n"));
    client.run(ANSWERED);
    client.run("S: 354 End with CRLF . CRLF\n C: x\n C: .");
    client.run(VERDICTS);
    client.run("C: NOOP\n S: 250 2.0.0 Ok");
    let message = sink.wait_for_message(Duration::ZERO).unwrap();
    assert_eq!(message.recipients, ["c@d.test", "c@d.test"]);
    assert_eq!(message.data, b"x\r\n");

    client.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<e@d.test>\r\nDATA\r\n");
    client.run("S: 250 2.1.0 Ok\nS: 250 2.1.5 Ok\nS: 250 2.1.5 Ok\nS: 354 End with CRLF . CRLF");
    client.run("C: 0123456789\n C: .\n S: 552 5.3.4 The message is too large\n S: 552 5.3.4 The message is too large");
    client.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@d.test>\r\nDATA\r\n");
    client.run("S: 250 2.1.0 Ok\n S: 550 5.1.1 No such mailbox\n S: 503 5.5.1 No valid recipients");
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn a_reply_a_recipient_after_the_last_chunk() {
    let sink = sink();
    let path = sink.unix_path().unwrap().to_owned();
    let mut client = Client { stream: UnixStream::connect(&path).unwrap() };
    client.run("S: 220 localhost LMTP sink\n C: LHLO client.test");
    while !client.line().starts_with("250 ") {}
    client.send(format!("{ENVELOPE}BDAT 1\r\nxBDAT 2 LAST\r\n\r\n"));
    client.run(ANSWERED);
    client.run("S: 250 2.0.0 1 octets received");
    client.run(VERDICTS);
    client.send(format!("{ENVELOPE}BDAT 10\r\n0123456789BDAT 1 LAST\r\nx"));
    client.run(ANSWERED);
    client.run("S: 552 5.3.4 The message is too large");
    client.run(&"S: 503 5.5.1 The transaction has failed, RSET first\n".repeat(4));
    client.run("C: RSET\n S: 250 2.0.0 Ok\n C: QUIT\n S: 221 2.0.0 Bye");
    client.expect_end();
    assert_eq!(sink.messages()[0].chunks, [1, 2]);
    assert_eq!(sink.client_errors(), []);
    drop(sink);
    assert!(!path.exists() && !path.parent().unwrap().exists());
}

#[test]
fn a_failed_message_has_as_many_replies_as_recipients_or_not() {
    let failed = "S: 503 5.5.1 The transaction has failed, RSET first\n";
    let ok = "S: 250 2.0.0 Ok";
    let none = "S: 503 5.5.1 No valid recipients";
    for (as_dovecot, failed, empty) in [(false, failed.repeat(2), ""), (true, failed.to_owned(), none)] {
        let builder = Sink::builder().tls(TlsMode::None).lmtp().size_limit(9);
        let builder = if as_dovecot { builder.chunk_failures_as_dovecot() } else { builder };
        let sink = builder.start().unwrap();
        let mut client = Client { stream: tcp(&sink) };
        client.run("S: 220 localhost LMTP sink\n C: LHLO client.test");
        while !client.line().starts_with("250 ") {}
        client.send("MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<e@d.test>\r\nBDAT 10\r\n0123456789");
        client.send("BDAT 1 LAST\r\nxRSET\r\n");
        client
            .run("S: 250 2.1.0 Ok\nS: 250 2.1.5 Ok\nS: 250 2.1.5 Ok\nS: 552 5.3.4 The message is too large");
        client.run(&failed);
        client.run(ok);
        client.send(
            "MAIL FROM:<>\r\nRCPT TO:<nobody@d.test>\r\nBDAT 1\r\nxBDAT 1 LAST\r\nxBDAT 0 LAST\r\nRSET\r\n",
        );
        client.run(&format!("S: 250 2.1.0 Ok\nS: 550 5.1.1 No such mailbox\n{none}\n{empty}\n{ok}"));
        assert_eq!(sink.client_errors(), []);
    }
}

#[test]
fn nobody_wants_it() {
    let sink = Sink::builder()
        .tls(TlsMode::None)
        .lmtp()
        .final_replies(|_| RecipientVerdict::Refuse)
        .start()
        .unwrap();
    let mut client = Client { stream: tcp(&sink) };
    client.run("S: 220 localhost LMTP sink\n C: LHLO client.test");
    while !client.line().starts_with("250 ") {}
    client.send("MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nBDAT 0 LAST\r\n");
    client.run("S: 250 2.1.0 Ok\n S: 250 2.1.5 Ok\n S: 552 5.2.2 <c@d.test> The mailbox is full");
    assert_eq!(sink.messages(), []);
}

#[test]
fn smtp_has_one_verdict_and_its_own_unix_socket() {
    let sink = plain().unix_socket().final_replies(verdict).start().unwrap();
    let mut client = Client { stream: UnixStream::connect(sink.unix_path().unwrap()).unwrap() };
    client.run("S: 220 localhost ESMTP sink");
    drop(client);
    let mut client = greeted(&sink);
    client.send("MAIL FROM:<>\r\nRCPT TO:<busy@d.test>\r\nRCPT TO:<c@d.test>\r\nBDAT 0 LAST\r\n");
    client.run("S: 250 2.1.0 Ok\nS: 250 2.1.5 Ok\nS: 250 2.1.5 Ok\nS: 450 4.2.1 Not now");
    client.send("MAIL FROM:<>\r\nRCPT TO:<c@d.test>\r\nRCPT TO:<busy@d.test>\r\nBDAT 0 LAST\r\n");
    client.run("S: 250 2.1.0 Ok\nS: 250 2.1.5 Ok\nS: 250 2.1.5 Ok\nS: 250 2.0.0 Ok: queued as SINK000001");
    assert_eq!(sink.messages()[0].recipients, ["c@d.test", "busy@d.test"]);
}
