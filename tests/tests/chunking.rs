//! Messages in `BDAT` chunks (RFC 3030), as transcripts. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{FROM, clear, config, hello, secure};
use smtp_proto::body::{BodyFault, BodyFaultKind, BodyKind, LineLength};
use smtp_proto::capabilities::Extension;
use smtp_proto::connection::{Config, Connection, Peer, Stage, TimeoutPhase, TlsPolicy, Window};
use smtp_proto::error::{Error, Misuse};
use smtp_proto::flow::{Batch, Body, Delivery, Flow, Open, SendError, SendOptions, Step, Transfer};
use smtp_tests::script::{SOURCE_FAILS, Scenario, envelope};

const LOCK_STEP: &[&str] = &["CHUNKING"];
const PIPELINED: &[&str] = &["PIPELINING", "CHUNKING"];
const BINARY: &[&str] = &["PIPELINING", "8BITMIME", "CHUNKING", "BINARYMIME"];

/// The mail transaction up to the body, to a server that pipelines.
const GROUP: &str = "C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.net>\n";

/// The same, answered: a body of unknown size waits for that.
const ASKED: &str = "C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nS: 250 ok\n";

fn in_chunks() -> SendOptions {
    SendOptions::default().transfer(Transfer::Chunks)
}

fn stream(size: Option<u64>) -> Body<'static> {
    Body::Stream { kind: BodyKind::SevenBit, size }
}

fn send(scenario: Scenario, body: Body<'_>, pieces: &[&[u8]]) -> Result<Delivery, SendError> {
    scenario.run(|session| {
        session.open().unwrap();
        session.send_with(&envelope(FROM, &["bob@example.net"]), body, in_chunks(), pieces)
    })
}

fn whole(keywords: &[&str], lines: &str, message: &[u8]) -> Result<Delivery, SendError> {
    send(clear(&format!("{}{lines}", hello(keywords))), Body::Whole(message), &[message])
}

fn pieces(
    keywords: &[&str],
    lines: &str,
    size: Option<u64>,
    pieces: &[&[u8]],
) -> Result<Delivery, SendError> {
    send(clear(&format!("{}{lines}", hello(keywords))), stream(size), pieces)
}

const ACCEPTED: &str = "S: 250 ok\nS: 250 ok\nS: 250 queued as A\n";

#[test]
fn d12_octets_are_counted_and_go_as_they_are() {
    for (message, sent) in [
        (&b"..\r\n.\r\n"[..], r"BDAT 7 LAST\r\n..\r\n.\r\n"),
        (b"no line end", r"BDAT 11 LAST\r\nno line end"),
        (b"", r"BDAT 0 LAST\r\n"),
        (b"a\nb\rc\r\n", r"BDAT 9 LAST\r\na\r\nb\r\nc\r\n"),
        (b"\n.\n", r"BDAT 5 LAST\r\n\r\n.\r\n"),
        (b"a\r\r\n", r"BDAT 5 LAST\r\na\r\n\r\n"),
        // The last CR may be half of a line end, until the end says that it is not.
        (b"a\r", r"BDAT 2\r\na\rBDAT 1 LAST\r\n\n"),
    ] {
        let replies = if sent.matches("BDAT").count() == 2 { "S: 250 ok\n" } else { "" };
        let lines = format!("{GROUP}C| {sent}\n{replies}{ACCEPTED}");
        assert!(whole(PIPELINED, &lines, message).is_ok(), "{sent}");
    }
}

#[test]
fn d12_binary_content_goes_untouched() {
    let message = b"\0\r.\n\xff\r";
    let lines = "C: MAIL FROM:<alice@example.org> BODY=BINARYMIME\nC: RCPT TO:<bob@example.net>
        C| BDAT 6 LAST\\r\\n\\0\\r.\\n\\xff\\r
        ";
    whole(BINARY, &format!("{lines}{ACCEPTED}"), message).unwrap();
    // BINARYMIME goes in chunks whatever was asked for, and never after DATA.
    let options = SendOptions::default().transfer(Transfer::Data);
    let error = clear(&hello(BINARY)).run(|session| {
        session.open().unwrap();
        session.send_with(&envelope(FROM, &["bob@example.net"]), Body::Whole(message), options, &[message])
    });
    let nul = BodyFault { kind: BodyFaultKind::Nul, offset: 0 };
    assert!(matches!(error, Err(SendError::NotSent { cause: Error::Body(fault), .. }) if fault == nul));
}

#[test]
fn d12_a_stream_of_unknown_length_ends_with_an_empty_chunk() {
    let lines = format!(
        "{ASKED}C| BDAT 2\\r\\na.BDAT 3\\r\\n.\\r\\nBDAT 0 LAST\\r\\n\nS: 250 ok\nS: 250 ok\nS: 250 queued"
    );
    pieces(PIPELINED, &lines, None, &[b"a.", b"", b".\r\n"]).unwrap();
    // A line end that is cut in two is one.
    let lines = format!(
        "{ASKED}C| BDAT 2\\r\\na\\rBDAT 1\\r\\n\\nBDAT 0 LAST\\r\\n\nS: 250 ok\nS: 250 ok\nS: 250 queued"
    );
    pieces(PIPELINED, &lines, None, &[b"a\r", b"\n"]).unwrap();
    let lines = format!("{ASKED}C| BDAT 0 LAST\\r\\n\nS: 250 queued");
    pieces(PIPELINED, &lines, None, &[]).unwrap();
}

#[test]
fn d12_a_stream_of_known_length_ends_with_its_last_octet() {
    let lines = format!("{GROUP}C| BDAT 2\\r\\na.BDAT 3 LAST\\r\\n.\\r\\n\nS: 250 ok\n{ACCEPTED}");
    pieces(PIPELINED, &lines, Some(5), &[b"a.", b".\r\n"]).unwrap();
}

#[test]
fn d10_long_lines_in_chunks_are_told_or_refused() {
    let (half, rest) = ("x".repeat(600), "x".repeat(399) + "\r\n");
    let line = [half.as_bytes(), rest.as_bytes()];
    let script = |lines: &str| clear(&format!("{}{lines}", hello(PIPELINED)));
    let lines = format!("{GROUP}C: BDAT 1001 LAST\nC: {half}{}\n{ACCEPTED}", rest.trim_end());
    let delivery = send(script(&lines), Body::Whole(&line.concat()), &[&line.concat()]);
    assert_eq!(delivery.unwrap().first_long_line, Some(998));
    let chunks = format!("C| BDAT 600\\r\\n{half}BDAT 401\\r\\n{}\\r\\nBDAT 0 LAST\\r\\n\n", rest.trim_end());
    let lines = format!("{ASKED}{chunks}S: 250 ok\nS: 250 ok\nS: 250 queued");
    assert_eq!(send(script(&lines), stream(None), &line).unwrap().first_long_line, Some(998));
    // Refused between two chunks, the message is taken back.
    let lines = format!("{ASKED}C| BDAT 600\\r\\n{half}RSET\\r\\n\nS: 250 ok\nS: 250 ok");
    let refused = script(&lines).run(|session| {
        session.open().unwrap();
        let options = in_chunks().line_length(LineLength::Reject);
        session.send_with(&envelope(FROM, &["bob@example.net"]), stream(None), options, &line)
    });
    let fault = BodyFault { kind: BodyFaultKind::LineTooLong, offset: 998 };
    assert_eq!(cause(refused), (true, Error::Body(fault)));
}

/// A connection, driven by hand, to a server that offers these keywords.
fn opened(config: Config, keywords: &str) -> Connection {
    let mut connection = Connection::new(config, Peer::Remote);
    connection.receive(b"220 hi\r\n");
    let mut open = Open::new();
    let _ = open.poll(&mut connection).unwrap();
    connection.advance_output(connection.output().len()).unwrap();
    connection.receive(format!("250-hi\r\n{keywords}250 HELP\r\n").as_bytes());
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));
    connection
}

/// The caller learns that there is no more to come only when it asks its source again; the server may have answered
/// by then.
#[test]
fn d12_the_last_chunk_may_be_answered_before_its_source_is_at_its_end() {
    for keywords in ["250-CHUNKING\r\n", "250-CHUNKING\r\n250-PIPELINING\r\n"] {
        let mut connection = opened(config(TlsPolicy::None), keywords);
        let to = envelope(FROM, &["bob@example.net"]);
        let mut batch = Batch::new();
        batch.push(&to, stream(Some(4)), in_chunks());
        batch.finish();
        loop {
            match batch.poll(&mut connection).unwrap() {
                Step::SupplyBody { .. } => {
                    let part = connection.body(b"hi\r\n").unwrap();
                    connection.advance_output(part.len()).unwrap();
                    break;
                }
                Step::Continue if connection.output().is_empty() => connection.receive(b"250 ok\r\n"),
                _ => connection.advance_output(connection.output().len()).unwrap(),
            }
        }
        connection.receive(if keywords.contains("PIPE") {
            b"250 a\r\n250 b\r\n250 c\r\n"
        } else {
            b"250 c\r\n"
        });
        assert!(connection.finish_body().is_ok());
        assert!(matches!(batch.poll(&mut connection), Ok(Step::Done(()))));
        assert!(batch.next_outcome().unwrap().is_ok());
        assert_eq!(connection.body(b"more").map(drop), Err(Misuse::NoBody.into()));
        assert!(connection.failure().is_none());
    }
}

fn rejected(result: Result<Delivery, SendError>) -> (Stage, u16) {
    match result {
        Err(SendError::Rejected { stage, reply, .. }) => (stage, reply.code().get()),
        other => panic!("{other:?}"),
    }
}

fn cause(result: Result<Delivery, SendError>) -> (bool, Error) {
    match result {
        Err(SendError::NotSent { cause, .. }) => (true, cause),
        Err(SendError::Unknown { cause, .. }) => (false, cause),
        other => panic!("{other:?}"),
    }
}

#[test]
fn d13_354_to_a_chunk_is_no_licence() {
    let lines = format!("{GROUP}C| BDAT 2 LAST\\r\\nhi\nS: 250 ok\nS: 250 ok\nS: 354 go on");
    let (not_sent, error) = cause(whole(PIPELINED, &lines, b"hi"));
    assert!(!not_sent && matches!(error, Error::Protocol(_)), "{error:?}");
    let lines = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC| BDAT 2\\r\\nhi\nS: 354 go on";
    let (not_sent, error) = cause(pieces(LOCK_STEP, lines, None, &[b"hi", b"ho"]));
    assert!(not_sent && matches!(error, Error::Protocol(_)), "{error:?}");
}

#[test]
fn d13_250_to_a_chunk_is_no_acceptance() {
    for end in ["close", "reset", "pause", "S: 421 bye"] {
        let lines =
            format!("{ASKED}C| BDAT 2\\r\\nhiBDAT 0 LAST\\r\\n\nS: 250 two octets, queued as 7\n{end}");
        let (not_sent, _) = cause(pieces(PIPELINED, &lines, None, &[b"hi"]));
        assert_eq!(not_sent, end.starts_with('S'), "{end}");
    }
}

#[test]
fn d14_a_chunk_refused_while_others_are_in_flight() {
    let lines = format!(
        "{ASKED}C| BDAT 2\\r\\naaBDAT 2\\r\\nbbBDAT 0 LAST\\r\\n
        S: 552 too much
        S: 503 no
        S: 551 Discarded
        C: RSET
        S: 250 ok"
    );
    assert_eq!(rejected(pieces(PIPELINED, &lines, None, &[b"aa", b"bb"])), (Stage::Bdat, 552));
    // In lock-step nothing follows the refusal but RSET.
    let lines = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok
        C| BDAT 2\\r\\naa
        S: 452 full
        C: RSET
        S: 250 ok";
    assert_eq!(rejected(pieces(LOCK_STEP, lines, None, &[b"aa", b"bb"])), (Stage::Bdat, 452));
}

#[test]
fn d14_a_server_that_contradicts_itself_is_not_believed() {
    let lines = format!(
        "{ASKED}C| BDAT 2\\r\\naaBDAT 0 LAST\\r\\n
        S: 552 too much
        S: 250 queued as 7"
    );
    let (not_sent, error) = cause(pieces(PIPELINED, &lines, None, &[b"aa"]));
    assert!(!not_sent && matches!(error, Error::Protocol(_)), "{error:?}");
}

#[test]
fn d15_chunking_has_to_be_offered_after_tls() {
    let plain = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\nC: hi\nC: .\nS: 250 ok\n";
    let before =
        format!("{}C: STARTTLS\nS: 220 go\ntls\n{}", hello(&["STARTTLS", "CHUNKING"]), common::ehlo(&[]));
    let to = envelope(FROM, &["bob@example.net"]);
    secure(&format!("{before}{plain}")).run(|session| {
        session.open().unwrap();
        let refused = session.send_with(&to, Body::Whole(b"hi\r\n"), in_chunks(), &[b"hi\r\n"]);
        assert_eq!(cause(refused), (true, Error::Unsupported(Extension::Chunking)));
        session.send(&to, b"hi\r\n").unwrap();
    });
    // BINARYMIME without CHUNKING is none.
    let error = clear(&hello(&["8BITMIME", "BINARYMIME"])).run(|session| {
        session.open().unwrap();
        let body = Body::Stream { kind: BodyKind::BinaryMime, size: None };
        session.send_with(&to, body, SendOptions::default(), &[b"\0"])
    });
    assert_eq!(cause(error), (true, Error::Unsupported(Extension::BinaryMime)));
}

#[test]
fn o07_unknown_begins_with_the_last_octet_of_the_last_chunk() {
    let group = "MAIL FROM:<alice@example.org>\\r\\nRCPT TO:<bob@example.net>\\r\\n";
    for (body, size, message) in [
        ("BDAT 4 LAST\\r\\nhi\\r\\n", Some(4), &[&b"hi\r\n"[..]][..]),
        ("BDAT 2\\r\\nhiBDAT 2 LAST\\r\\n\\r\\n", Some(4), &[b"hi", b"\r\n"]),
        ("BDAT 2\\r\\nhiBDAT 0 LAST\\r\\n", None, &[b"hi"]),
        ("BDAT 2\\r\\nh\\rBDAT 1 LAST\\r\\n\\n", None, &[b"h\r"]),
    ] {
        let (before, out) = if size.is_some() { ("", group) } else { (ASKED, "") };
        // Split into octets of the script's notation.
        let mut octets: Vec<String> = Vec::new();
        let all = format!("{out}{body}");
        let mut rest = all.chars();
        while let Some(c) = rest.next() {
            octets.push(if c == '\\' { format!("\\{}", rest.next().unwrap()) } else { c.to_string() });
        }
        for cut in 1..=octets.len() {
            let script = format!("{}{before}C| {}\nreset", hello(PIPELINED), octets[..cut].concat());
            let (not_sent, error) = cause(send(clear(&script), stream(size), message));
            assert!(matches!(error, Error::Disconnected { .. }), "{error:?}");
            assert_eq!(not_sent, cut < octets.len(), "{body} cut after {cut}");
        }
    }
}

#[test]
fn s16_a_refusal_in_the_middle_of_a_chunk_ends_it() {
    let lines = format!("{GROUP}C| BDAT 8 LAST\\r\\nabc\nstall\nS: 250 ok\nS: 250 ok\nS: 552 too big");
    assert_eq!(rejected(whole(PIPELINED, &lines, b"abcdefgh")), (Stage::EndOfData, 552));
    let lines = format!("{ASKED}C| BDAT 8\\r\\nabc\nstall\nS: 452 full");
    assert_eq!(rejected(pieces(PIPELINED, &lines, None, &[b"abcdefgh", b"more"])), (Stage::Bdat, 452));
    // S17: what comes too early is no acceptance.
    let lines = format!("{GROUP}C| BDAT 8 LAST\\r\\nabc\nstall\nS: 250 ok\nS: 250 ok\nS: 250 fine");
    assert!(matches!(cause(whole(PIPELINED, &lines, b"abcdefgh")), (true, Error::Protocol(_))));
}

#[test]
fn s12_chunking_without_pipelining_is_lock_step() {
    let lines = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok
        C| BDAT 1\\r\\na
        S: 250 ok
        C| BDAT 1\\r\\nb
        S: 250 ok
        C: BDAT 0 LAST
        S: 250 ok";
    pieces(LOCK_STEP, lines, None, &[b"a", b"b"]).unwrap();
}

#[test]
fn s15_no_more_chunks_in_flight_than_the_window_takes() {
    let mut window = Window::default();
    window.chunks = 2;
    window.chunk_octets = 3;
    let script = format!(
        "{}{GROUP}C| BDAT 3\\r\\nabcBDAT 3\\r\\ndef
        S: 250 ok
        S: 250 ok
        S: 250 first
        C| BDAT 2 LAST\\r\\ngh
        S: 250 second
        S: 250 queued",
        hello(PIPELINED)
    );
    let config = config(TlsPolicy::None).window(window);
    send(Scenario::new(config).script(script), Body::Whole(b"abcdefgh"), &[b"abcdefgh"]).unwrap();
}

/// The octets of command lines without a reply, counted on the wire.
#[test]
fn s15_no_more_octets_of_commands_in_flight_than_the_window_takes() {
    let mut window = Window::default();
    window.octets = 100;
    let mut connection = opened(config(TlsPolicy::None).window(window), "250-PIPELINING\r\n250-CHUNKING\r\n");
    let to: Vec<String> = (0..30).map(|n| format!("recipient{n}@example.net")).collect();
    let to = envelope(FROM, &to.iter().map(String::as_str).collect::<Vec<_>>());
    let body = [b"0123456789".as_slice(); 30];
    let mut batch = Batch::new();
    batch.push(&to, stream(Some(300)), in_chunks());
    batch.push(&to, stream(Some(300)), in_chunks());
    batch.finish();
    let (mut supplied, mut in_flight, mut most) = ([0; 2], std::collections::VecDeque::new(), 0);
    loop {
        let sent = match batch.poll(&mut connection).unwrap() {
            Step::SupplyBody { message } => {
                let part = connection.body(body[supplied[message]]).unwrap();
                supplied[message] += 1;
                part.slices().collect::<Vec<_>>().concat()
            }
            Step::Continue => connection.output().to_vec(),
            _ => break,
        };
        connection.advance_output(sent.len()).unwrap();
        for line in String::from_utf8(sent.clone()).unwrap().split_inclusive("\r\n") {
            let line = line.trim_start_matches(|c: char| c.is_ascii_digit());
            in_flight.extend((!line.is_empty()).then_some(line.len()));
        }
        most = most.max(in_flight.iter().sum());
        if sent.is_empty() {
            in_flight.pop_front().expect("a command without a reply");
            connection.receive(b"250 ok\r\n");
        }
    }
    assert!(most <= 100, "{most} octets in flight");
    assert!(most > 60, "{most}: the window was never used");
    assert!(batch.next_outcome().unwrap().is_ok() && batch.next_outcome().unwrap().is_ok());
}

#[test]
fn d17_too_much_or_too_little_is_taken_back_between_chunks() {
    let taken_back = |sent: &str, size, message: &[&[u8]]| {
        let replies = "S: 250 ok\n".repeat(sent.matches("BDAT").count());
        let lines = match size {
            Some(_) => format!("{GROUP}C| {sent}RSET\\r\\n\nS: 250 ok\nS: 250 ok\n{replies}S: 250 ok"),
            None => format!("{ASKED}C| {sent}RSET\\r\\n\n{replies}S: 250 ok"),
        };
        cause(pieces(PIPELINED, &lines, size, message))
    };
    let mismatch = |declared, supplied| Error::from(Misuse::SizeMismatch { declared, supplied });
    assert_eq!(taken_back("BDAT 2\\r\\nab", Some(5), &[b"ab", b"cdef"]), (true, mismatch(5, 6)));
    assert_eq!(taken_back("BDAT 2\\r\\nab", Some(5), &[b"ab"]), (true, mismatch(5, 2)));
    assert_eq!(taken_back("", Some(5), &[b"abcdef"]), (true, mismatch(5, 6)));
    assert_eq!(taken_back("", Some(5), &[]), (true, mismatch(5, 0)));
    let fault = BodyFault { kind: BodyFaultKind::EightBit, offset: 3 };
    assert_eq!(taken_back("BDAT 2\\r\\nab", None, &[b"ab", b"c\xff"]), (true, Error::Body(fault)));
    assert_eq!(taken_back("BDAT 2\\r\\nab", None, &[b"ab", SOURCE_FAILS]), (true, Error::BodySource));
    assert_eq!(taken_back("", None, &[SOURCE_FAILS]), (true, Error::BodySource));
}

#[test]
fn r01_a_silent_source_has_a_budget_of_its_own() {
    let script = format!("{}{ASKED}C| BDAT 2\\r\\nab\nS: 250 ok", hello(PIPELINED));
    clear(&script).run(|session| {
        session.open().unwrap();
        let to = envelope(FROM, &["bob@example.net"]);
        let mut batch = Batch::new();
        batch.push(&to, stream(None), in_chunks());
        let mut supplied = false;
        let end = session.run(
            common::steps(|connection| match batch.poll(connection)? {
                Step::SupplyBody { .. } if supplied && connection.outstanding() == 0 => {
                    assert_eq!(connection.timeout().unwrap().phase, TimeoutPhase::BodySource);
                    assert_eq!(connection.timeout().unwrap().budget.as_secs(), 300);
                    connection.handle_timeout();
                    batch.poll(connection)
                }
                Step::SupplyBody { .. } if supplied => Ok(Step::Continue),
                step => {
                    supplied |= matches!(step, Step::SupplyBody { .. });
                    Ok(step)
                }
            }),
            &[b"ab", b""],
        );
        assert_eq!(end, Err(Error::Timeout(TimeoutPhase::BodySource)));
        assert_eq!(cause(batch.next_outcome().unwrap()), (true, Error::Timeout(TimeoutPhase::BodySource)));
    });
}

/// Before AUTH or TLS some servers answer BDAT with 530 and read its octets as commands (Dovecot, Postfix).
#[test]
fn the_first_chunk_of_a_session_waits_for_a_recipient() {
    let careful = config(TlsPolicy::None).eager_chunks(false);
    let two = [
        (envelope(FROM, &["bob@example.net"]), &b"NOOP\r\n"[..]),
        (envelope(FROM, &["c@example.net"]), b"2"),
    ];
    let refused = "C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.net>\nS: 530 no\nS: 530 no\nC: RSET\n\
        C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<c@example.net>\nS: 250 ok\nS: 250 ok\nS: 250 ok\n\
        C: BDAT 1 LAST\nC| 2\nS: 250 queued as B\n";
    let script = format!("{}{refused}", hello(PIPELINED));
    let outcomes = Scenario::new(careful.clone()).script(script).run(|session| {
        session.open().unwrap();
        session.send_all(&two, in_chunks(), false)
    });
    assert!(matches!(outcomes[0], Err(SendError::Rejected { stage: Stage::Mail, .. })), "{outcomes:?}");
    assert!(outcomes[1].is_ok(), "{outcomes:?}");

    let both = "C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nS: 250 ok\n\
        C: BDAT 6 LAST\nC: NOOP\nC: RSET\nC: MAIL FROM:<alice@example.org>\nC: RCPT TO:<c@example.net>\n\
        C: BDAT 1 LAST\nC| 2\nS: 250 queued as A\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 queued as B\n";
    let outcomes = Scenario::new(careful).script(format!("{}{both}", hello(PIPELINED))).run(|session| {
        session.open().unwrap();
        session.send_all(&two, in_chunks(), false)
    });
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
}

/// A server that does not know BDAT after all has not read the chunk either: nobody knows what it reads next.
#[test]
fn a_chunk_that_was_not_read_ends_the_session() {
    for code in [500, 502, 530] {
        let error = whole(
            PIPELINED,
            &format!("{GROUP}C: BDAT 2 LAST\nC| hi\nS: 250 ok\nS: 250 ok\nS: {code} no"),
            b"hi",
        );
        assert!(matches!(error, Err(SendError::Rejected { stage: Stage::EndOfData, .. })), "{error:?}");
    }
}
