//! Message bodies, as the flows see them. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{FROM, clear, hello};
use smtp_proto::body::{BodyFault, BodyFaultKind, BodyKind, BodyRules, LineEndings, LineLength};
use smtp_proto::capabilities::Extension;
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::error::{Error, Misuse};
use smtp_proto::flow::{Body, Delivery, SendError, SendOptions};
use smtp_tests::script::{Session, envelope};

const RCPT_DATA: &str = "S: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\n";

fn send_with(
    session: &mut Session,
    body: Body<'_>,
    options: SendOptions,
    chunks: &[&[u8]],
) -> Result<Delivery, SendError> {
    session.open().unwrap();
    session.send_with(&envelope(FROM, &["bob@example.net"]), body, options, chunks)
}

/// Sends a whole message to a server with these extensions.
fn whole(
    keywords: &[&str],
    lines: &str,
    message: &[u8],
    options: SendOptions,
) -> Result<Delivery, SendError> {
    clear(&format!("{}{lines}", hello(keywords)))
        .run(|session| send_with(session, Body::Whole(message), options, &[message]))
}

fn stream(
    keywords: &[&str],
    lines: &str,
    kind: BodyKind,
    size: Option<u64>,
    chunks: &[&[u8]],
) -> Result<Delivery, SendError> {
    clear(&format!("{}{lines}", hello(keywords)))
        .run(|session| send_with(session, Body::Stream { kind, size }, SendOptions::default(), chunks))
}

fn not_sent(result: Result<Delivery, SendError>) -> Error {
    match result {
        Err(SendError::NotSent { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
fn d09_eight_bit_content_is_never_sent_silently() {
    let message = "Grüße\r\n".as_bytes();
    let fault = BodyFault { kind: BodyFaultKind::EightBit, offset: 2 };
    assert_eq!(not_sent(whole(&[], "", message, SendOptions::default())), Error::Body(fault));
    let lines =
        format!("C: MAIL FROM:<alice@example.org> BODY=8BITMIME\n{RCPT_DATA}C: Grüße\nC: .\nS: 250 ok");
    whole(&["8BITMIME"], &lines, message, SendOptions::default()).unwrap();
    // Declared as 7BIT, an octet of 8 bits ends the transaction and the connection.
    let lines = format!("C: MAIL FROM:<alice@example.org>\n{RCPT_DATA}C| a\\r\\n");
    let error = not_sent(stream(&["8BITMIME"], &lines, BodyKind::SevenBit, None, &[b"a\r\n", message]));
    assert_eq!(error, Error::Body(BodyFault { kind: BodyFaultKind::EightBit, offset: 5 }));
    // Declared as what the server does not offer, nothing is sent.
    let error = not_sent(stream(&[], "", BodyKind::EightBitMime, None, &[message]));
    assert_eq!(error, Error::Unsupported(Extension::EightBitMime));
    let error = not_sent(stream(&["8BITMIME"], "", BodyKind::BinaryMime, None, &[message]));
    assert_eq!(error, Error::Unsupported(Extension::BinaryMime));
    let nul = BodyFault { kind: BodyFaultKind::Nul, offset: 1 };
    assert_eq!(not_sent(whole(&["8BITMIME"], "", b"a\0b\r\n", SendOptions::default())), Error::Body(nul));
}

#[test]
fn d10_long_lines_pass_and_are_told_or_are_refused() {
    for (len, long) in [(997, false), (998, false), (999, true), (1 << 20, true)] {
        let line = "x".repeat(len);
        let message = format!("{line}\r\n");
        let lines = format!("C: MAIL FROM:<alice@example.org>\n{RCPT_DATA}C: {line}\nC: .\nS: 250 ok");
        let delivery = if len > 2000 {
            clear(&format!("{}{lines}", hello(&[]))).modes(&[smtp_tests::script::Mode::Whole]).run(
                |session| {
                    send_with(
                        session,
                        Body::Whole(message.as_bytes()),
                        SendOptions::default(),
                        &[message.as_bytes()],
                    )
                },
            )
        } else {
            whole(&[], &lines, message.as_bytes(), SendOptions::default())
        };
        assert_eq!(delivery.unwrap().first_long_line, long.then_some(998));
        let options = SendOptions::default().line_length(LineLength::Reject);
        if long {
            let fault = BodyFault { kind: BodyFaultKind::LineTooLong, offset: 998 };
            assert_eq!(not_sent(whole(&[], "", message.as_bytes(), options)), Error::Body(fault));
        }
    }
}

#[test]
fn d10_a_long_line_across_pieces_is_told_or_refused() {
    let (half, rest) = ("x".repeat(600), "x".repeat(399));
    let pieces: [&[u8]; 4] = [b"hi\r\n", half.as_bytes(), rest.as_bytes(), b"\r\n"];
    let body = Body::Stream { kind: BodyKind::SevenBit, size: None };
    let begin = format!("{}C: MAIL FROM:<alice@example.org>\n{RCPT_DATA}C: hi\n", hello(&[]));
    let lines = format!("{begin}C: {half}{rest}\nC: .\nS: 250 ok");
    let delivery = clear(&lines).run(|session| send_with(session, body, SendOptions::default(), &pieces));
    assert_eq!(delivery.unwrap().first_long_line, Some(4 + 998));
    // Refused in the middle of DATA: what was sent is no message.
    let refused = clear(&format!("{begin}C| {half}")).run(|session| {
        let options = SendOptions::default().line_length(LineLength::Reject);
        let result = send_with(session, body, options, &pieces);
        assert_eq!(session.quit(), Err(Error::Poisoned));
        result
    });
    let fault = BodyFault { kind: BodyFaultKind::LineTooLong, offset: 4 + 998 };
    assert_eq!(not_sent(refused), Error::Body(fault));
}

#[test]
fn d03_stray_line_ends_are_refused_on_request() {
    let options = SendOptions::default().line_endings(LineEndings::Reject);
    for (message, kind, offset) in [
        (&b"a\n.\r\nb"[..], BodyFaultKind::BareLf, 1),
        (b"a\r.\r\nb", BodyFaultKind::BareCr, 1),
        (b"a\r\nb\r", BodyFaultKind::BareCr, 4),
    ] {
        assert_eq!(not_sent(whole(&[], "", message, options)), Error::Body(BodyFault { kind, offset }));
    }
}

#[test]
fn d11_a_message_beyond_the_limit_is_refused_here() {
    let lines = format!("C: MAIL FROM:<alice@example.org> SIZE=3\n{RCPT_DATA}C: a\nC: .\nS: 250 ok");
    for limit in [
        "SIZE 3",
        "SIZE 4",
        "SIZE 0",
        "SIZE",
        "SIZE 99999999999999999999",
        "SIZE -1",
        "SIZE 1e9",
        "SIZE +1",
        "SIZE 0x1",
    ] {
        whole(&[limit], &lines, b"a\r\n", SendOptions::default()).unwrap();
    }
    for limit in ["SIZE 2", "SIZE 1", "SIZE 02"] {
        let error = not_sent(whole(&[limit], "", b"a\r\n", SendOptions::default()));
        assert!(matches!(error, Error::TooLarge { size: 3, .. }), "{error:?}");
    }
    let error = not_sent(stream(&["SIZE 10"], "", BodyKind::SevenBit, Some(11), &[]));
    assert_eq!(error, Error::TooLarge { size: 11, limit: 10 });
}

#[test]
fn d16_a_broken_source_sends_no_terminator() {
    let lines = "C: MAIL FROM:<a@b.example>\nS: 250 ok\nC: RCPT TO:<b@c.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: half";
    clear(&format!("{}{lines}", hello(&[]))).run(|session| {
        begin(session, None);
        session.write_body(b"half\r\n").unwrap();
        session.connection().abandon();
        assert_eq!(session.quit(), Err(Error::Poisoned));
        assert_eq!(session.finish_data(), Err(SendError::from(Error::Abandoned)));
        assert_eq!(session.write_body(b"more"), Err(Error::Poisoned));
    });
}

fn begin(session: &mut Session, size: Option<u64>) {
    session.open().unwrap();
    let (from, to) = ("a@b.example".parse().unwrap(), "b@c.example".parse().unwrap());
    session.command(Command::Mail(&from, &Default::default())).unwrap();
    session.command(Command::Rcpt(&to, &Default::default())).unwrap();
    session.begin_data(DataCommand { rules: BodyRules::new(BodyKind::SevenBit), size }).unwrap();
}

#[test]
fn d16_nothing_but_the_body_may_be_said_inside_data() {
    let lines = "C: MAIL FROM:<a@b.example>\nS: 250 ok\nC: RCPT TO:<b@c.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: half\nC: .\nS: 250 ok";
    clear(&format!("{}{lines}", hello(&[]))).run(|session| {
        begin(session, None);
        session.write_body(b"half\r\n").unwrap();
        for command in [Command::Quit, Command::Rset, Command::Noop] {
            assert!(matches!(
                session.connection().command(command),
                Err(Error::Misuse(Misuse::AwaitingReply(_)))
            ));
        }
        assert!(session.connection().cancel_body().is_err(), "some of it was given");
        session.finish_data().unwrap();
    });
}

/// RFC 1870 §5: each line end counts as the two octets that it is sent as.
#[test]
fn d11_line_ends_that_are_mended_count_in_the_size() {
    let mended = "C: a\nC: b\nC: .\nS: 250 ok";
    for (message, lines, size) in [
        (&b"a\nb\n"[..], mended, 6),
        (b"a\rb\r", mended, 6),
        (b"a\r\nb", mended, 6),
        (b"a\n\rb\r\n", "C: a\nC: \nC: b\nC: .\nS: 250 ok", 8),
        (b".\n.", "C: ..\nC: ..\nC: .\nS: 250 ok", 6),
        (b"", "C: .\nS: 250 ok", 0),
    ] {
        let lines = format!("C: MAIL FROM:<alice@example.org> SIZE={size}\n{RCPT_DATA}{lines}");
        whole(&[&format!("SIZE {size}")], &lines, message, SendOptions::default()).unwrap();
        if size > 0 {
            let limit = size - 1;
            let error = not_sent(whole(&[&format!("SIZE {limit}")], "", message, SendOptions::default()));
            assert_eq!(error, Error::TooLarge { size, limit });
        }
    }
}

#[test]
fn d17_a_length_other_than_the_declared_one_ends_without_terminator() {
    let lines = |body: &str| format!("C: MAIL FROM:<alice@example.org> SIZE=5\n{RCPT_DATA}C| {body}");
    for (chunks, body, supplied) in
        [(&[&b"a\r\n"[..], b""][..], r"a\r\n", 3), (&[b"abc\r\n", b"d"], r"abc\r\nd", 6), (&[], "", 0)]
    {
        let error = not_sent(stream(&["SIZE"], &lines(body), BodyKind::SevenBit, Some(5), chunks));
        assert_eq!(error, Misuse::SizeMismatch { declared: 5, supplied }.into());
    }
    stream(
        &["SIZE"],
        &(lines("abc\\r\\n.\\r\\n") + "\nS: 250 ok"),
        BodyKind::SevenBit,
        Some(5),
        &[b"abc", b"\r\n"],
    )
    .unwrap();
}

#[test]
fn d18_dropping_everything_commits_nothing() {
    let lines = "C: MAIL FROM:<a@b.example>\nS: 250 ok\nC: RCPT TO:<b@c.example>\nS: 250 ok\nC: DATA\nS: 354 go\nC: all of it";
    clear(&format!("{}{lines}", hello(&[]))).run(|session| {
        begin(session, None);
        session.write_body(b"all of it\r\n").unwrap();
        assert!(session.connection().output().is_empty());
        assert!(session.connection().wants_body());
    });
}
