//! CHUNKING and BINARYMIME (RFC 3030): octets counted, not looked at.

use smtp_tests::sink::{BareLineEnds, Sink};

use crate::client::{Client, greeted, plain, tcp};

const ENVELOPE: &str = "MAIL FROM:<a@b.test> BODY=8BITMIME\r\nRCPT TO:<c@d.test>\r\n";
const BINARY: &str = "MAIL FROM:<a@b.test> BODY=BINARYMIME\r\nRCPT TO:<c@d.test>\r\n";
const ACCEPTED: &str = "S: 250 2.1.0 Ok\n S: 250 2.1.5 Ok";

/// The texts of the complaints.
fn complaints(sink: &Sink) -> Vec<String> {
    sink.client_errors().into_iter().map(|error| format!("{} {}", error.code, error.text)).collect()
}

#[test]
fn chunks_make_a_message() {
    let sink = plain().start().unwrap();
    let mut client = greeted(&sink);
    // All in one: envelope, a chunk that looks like commands and one that has dots, and the next message.
    client.send(format!(
        "{ENVELOPE}BDAT 8\r\nDATA\r\n\r\nBDAT 12 LAST\r\n.\r\n..x\r\nä\r\n{BINARY}BDAT 0 LAST\r\n"
    ));
    client.run(ACCEPTED);
    client.run("S: 250 2.0.0 8 octets received\n S: 250 2.0.0 Ok: queued as SINK000001");
    client.run(ACCEPTED);
    client.run("S: 250 2.0.0 Ok: queued as SINK000002\n C: NOOP\n S: 250 2.0.0 Ok");
    let messages = sink.messages();
    assert_eq!(messages[0].data, "DATA\r\n\r\n.\r\n..x\r\nä\r\n".as_bytes());
    assert_eq!(messages[0].chunks, [8, 12]);
    assert_eq!((&*messages[1].data, &*messages[1].chunks), (&b""[..], &[0][..]));
}

#[test]
fn every_octet_is_taken_in_binary() {
    let sink = plain().start().unwrap();
    let mut client = greeted(&sink);
    client.stream.set_nodelay(true).unwrap();
    let data: Vec<u8> = (0..=255).chain(*b"\r\n.\r\n").collect();
    let (first, rest) = data.split_at(13);
    let wire = [BINARY.as_bytes(), b"BDAT 13\r\n", first, b"bdat 0\r\nBDAT 248 last\r\n", rest].concat();
    for octet in wire {
        client.send([octet]);
    }
    client.run(ACCEPTED);
    client.run(
        "S: 250 2.0.0 13 octets received
         S: 250 2.0.0 0 octets received
         S: 250 2.0.0 Ok: queued as SINK000001",
    );
    let message = &sink.messages()[0];
    assert_eq!(message.data, data);
    assert_eq!(message.chunks, [13, 0, 248]);
    assert_eq!(sink.bare_line_ends(), BareLineEnds::default());
    assert_eq!(sink.client_errors(), []);
}

#[test]
fn a_large_chunk_comes_through() {
    let sink = plain().start().unwrap();
    let mut client = greeted(&sink);
    let data = vec![b'x'; 3_000_000];
    client.send([format!("{ENVELOPE}BDAT 3000000 LAST\r\n").as_bytes(), &data, b"NOOP\r\n"].concat());
    client.run(ACCEPTED);
    client.run("S: 250 2.0.0 Ok: queued as SINK000001\n S: 250 2.0.0 Ok");
    assert_eq!(sink.messages()[0].data, data);
}

#[test]
fn what_was_not_declared_is_refused() {
    let sink = plain().start().unwrap();
    let mut client = greeted(&sink);
    for (envelope, data, reply) in [
        (ENVELOPE, "a\nb\rc", "S: 550 5.6.0 The message has 1 bare CRs and 1 bare LFs"),
        (ENVELOPE, "a\0\r\nb", "S: 550 5.6.0 The message has a NUL and was not sent as BINARYMIME"),
        (
            "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n",
            "\u{fc}\r\nx",
            "S: 550 5.6.1 The message has 8-bit octets and was not sent as 8BITMIME",
        ),
    ] {
        client.send(format!("{envelope}BDAT 5 LAST\r\n{data}"));
        client.run(&format!("{ACCEPTED}\n{reply}"));
    }
    assert_eq!(sink.messages(), []);
    assert_eq!(complaints(&sink).len(), 3);
    assert_eq!(sink.client_errors()[0].command, "BDAT 5 LAST");
}

#[test]
fn the_same_goes_for_data() {
    let sink = plain().start().unwrap();
    let mut client = greeted(&sink);
    for (data, reply) in [
        ("a\0", "S: 550 5.6.0 The message has a NUL and was not sent as BINARYMIME"),
        ("ü", "S: 550 5.6.1 The message has 8-bit octets and was not sent as 8BITMIME"),
    ] {
        client.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
        client.run(&format!("{ACCEPTED}\nS: 354 End with CRLF . CRLF\nC: {data}\nC: .\n{reply}"));
    }
    client.send("MAIL FROM:<a@b.test> SMTPUTF8\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
    client.run(&format!("{ACCEPTED}\nS: 354 End with CRLF . CRLF\nC: ü\nC: ."));
    client.run("S: 250 2.0.0 Ok: queued as SINK000001");
}

#[test]
fn octets_of_refused_chunks_are_read_all_the_same() {
    let sink = plain().start().unwrap();
    let mut client = greeted(&sink);
    client.send("BDAT 6\r\nQUIT\r\n");
    client.run("S: 503 5.5.1 MAIL first");
    assert_eq!(complaints(&sink), ["503 MAIL first"]);
    // What was pipelined behind refusals is refused too, and nobody's fault.
    client.send("MAIL FROM:<a@b.test>\r\nRCPT TO:<nobody@d.test>\r\nBDAT 6\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nRSET\r\n");
    client.run(
        "S: 250 2.1.0 Ok
         S: 550 5.1.1 No such mailbox
         S: 503 5.5.1 No valid recipients
         S: 503 5.5.1 No valid recipients
         S: 250 2.0.0 Ok",
    );
    client.send("MAIL FROM:<a@b.test> SIZE=99999999999\r\nRCPT TO:<c@d.test>\r\nBDAT 6 LAST\r\nQUIT\r\n");
    client.run("S: 552 5.3.4 The message is too large\n S: 503 5.5.1 MAIL first\n S: 503 5.5.1 MAIL first");
    assert_eq!(complaints(&sink).len(), 1);
    client.send("RSET\r\nRCPT TO:<c@d.test>\r\n");
    client.run("S: 250 2.0.0 Ok\n S: 503 5.5.1 MAIL first");
    assert_eq!(complaints(&sink).len(), 2);

    let mut client = Client { stream: tcp(&sink) };
    client.run("S: 220 localhost ESMTP sink\n C: HELO client.test\n S: 250 localhost greets client.test");
    client.send("BDAT 6\r\nQUIT\r\n");
    client.run("S: 503 5.5.1 EHLO first\n C: NOOP\n S: 250 2.0.0 Ok");
}

#[test]
fn the_size_limit_holds_over_all_chunks() {
    let sink = plain().size_limit(10).start().unwrap();
    let mut client = greeted(&sink);
    client.send(format!("{ENVELOPE}BDAT 6\r\n012345BDAT 5\r\n67890BDAT 1\r\nxBDAT 2 LAST\r\nyz"));
    client.run(ACCEPTED);
    client.run(
        "S: 250 2.0.0 6 octets received
         S: 552 5.3.4 The message is too large
         S: 503 5.5.1 The transaction has failed, RSET first
         S: 503 5.5.1 The transaction has failed, RSET first
         C: MAIL FROM:<a@b.test>
         S: 503 5.5.1 One mail transaction at a time
         C: DATA
         S: 503 5.5.1 Either DATA or BDAT in a mail transaction
         C: RSET
         S: 250 2.0.0 Ok",
    );
    client.send(format!("{ENVELOPE}BDAT 11 LAST\r\n01234567890"));
    client.run(ACCEPTED);
    client.run("S: 552 5.3.4 The message is too large");
    client.send(format!("{ENVELOPE}BDAT 10 LAST\r\n0123456789"));
    client.run(ACCEPTED);
    client.run("S: 250 2.0.0 Ok: queued as SINK000001");
    assert_eq!(sink.messages().len(), 1);
}

#[test]
fn data_and_bdat_do_not_mix() {
    let sink = plain().start().unwrap();
    let mut client = greeted(&sink);
    client.send(format!("{ENVELOPE}BDAT 3\r\na\r\nRCPT TO:<e@d.test>\r\nDATA\r\n"));
    client.run(ACCEPTED);
    client.run(
        "S: 250 2.0.0 3 octets received
         S: 503 5.5.1 Not after BDAT
         S: 503 5.5.1 Either DATA or BDAT in a mail transaction
         C: RSET
         S: 250 2.0.0 Ok",
    );
    client.send(format!("{BINARY}DATA\r\n"));
    client.run(ACCEPTED);
    client.run("S: 503 5.5.1 BINARYMIME goes with BDAT");
    assert_eq!(complaints(&sink).len(), 3);
    client.send("BDAT 2 LAST\r\n\r\n");
    client.run("S: 503 5.5.1 The transaction has failed, RSET first\n C: RSET\n S: 250 2.0.0 Ok");
    assert_eq!(sink.messages(), []);
}

#[test]
fn a_chunk_of_unknown_size_ends_the_session() {
    let sink = plain().start().unwrap();
    for line in ["BDAT", "BDAT x", "BDAT 99999999999999999999 LAST", "BDAT 3 LAST LAST"] {
        let mut client = greeted(&sink);
        client.run(&format!("C: {line}\n S: 501 5.5.4 Usage: BDAT octets [LAST]"));
        client.expect_end();
    }
}

#[test]
fn chunking_hidden() {
    let sink = plain().without_extension("CHUNKING").start().unwrap();
    let mut client = greeted(&sink);
    client.run(
        "C: MAIL FROM:<a@b.test> BODY=BINARYMIME
         S: 555 5.5.4 A parameter that was not offered
         C: BDAT 0 LAST
         S: 502 5.5.1 BDAT is not offered
         C: BDAT
         S: 502 5.5.1 BDAT is not offered",
    );
    let sink = plain().without_extension("BINARYMIME").start().unwrap();
    greeted(&sink)
        .run("C: MAIL FROM:<a@b.test> BODY=BINARYMIME\n S: 555 5.5.4 A parameter that was not offered");
}
