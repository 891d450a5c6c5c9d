//! Every case is read by the parser whole, octet by octet and in every split into two pieces, and by
//! [`ReplyRef::parse`]; all must agree.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// Replies in order, shown by `Display`, and how it ended.
type Transcript = (Vec<String>, Result<(), ReplyError>);

fn read_in_pieces<'a>(pieces: impl Iterator<Item = &'a [u8]>, limits: ReplyLimits) -> Transcript {
    let mut parser = ReplyParser::new(limits);
    let mut replies = Vec::new();
    for piece in pieces {
        let mut take = || {
            parser.receive(piece)?;
            while let Some(reply) = parser.next_reply()? {
                replies.push(reply.to_string());
            }
            Ok::<(), ReplyError>(())
        };
        if let Err(error) = take() {
            assert_eq!(parser.receive(b"250 ok\r\n"), Err(error.clone()), "an error is final");
            assert_eq!(parser.next_reply(), Err(error.clone()), "an error is final");
            assert_eq!(parser.finish(), Err(error.clone()), "an error is final");
            return (replies, Err(error));
        }
    }
    let end = parser.finish();
    (replies, end)
}

fn read_by_reference(mut input: &[u8], limits: ReplyLimits) -> Transcript {
    let mut replies = Vec::new();
    loop {
        match ReplyRef::parse(input, &limits) {
            Ok(Some((reply, taken))) => {
                let owned = reply.to_reply();
                assert!(reply.lines().eq(owned.lines()));
                assert_eq!(reply.enhanced(), owned.enhanced());
                assert_eq!(reply.code(), owned.code());
                assert_eq!(reply.text, owned.text().len(), "room for the text, and no more");
                replies.push(owned.to_string());
                input = &input[taken..];
            }
            Ok(None) => {
                let blank = input.iter().all(|octet| b"\r\n".contains(octet)) && !input.starts_with(b"\r\r");
                return (replies, if blank { Ok(()) } else { Err(ReplyError::Truncated) });
            }
            Err(error) => return (replies, Err(error)),
        }
    }
}

#[track_caller]
fn read_with(limits: ReplyLimits, input: &[u8]) -> Transcript {
    let whole = read_in_pieces([input].into_iter(), limits);
    assert_eq!(read_in_pieces(input.chunks(1), limits), whole, "octet by octet");
    assert_eq!(read_by_reference(input, limits), whole, "by reference");
    // A long input is split where it matters, around its ends; the rest is like the middle of any line.
    let near_an_end = |at: usize| at < 300 || at + 300 > input.len();
    for at in (0..=input.len()).filter(|&at| near_an_end(at)) {
        let (front, back) = input.split_at(at);
        assert_eq!(read_in_pieces([front, back].into_iter(), limits), whole, "split at {at}");
    }
    whole
}

#[track_caller]
fn accepts(input: &[u8], replies: &[&str]) {
    let (read, end) = read_with(ReplyLimits::default(), input);
    assert_eq!((read, end), (replies.iter().map(ToString::to_string).collect(), Ok(())), "{input:?}");
}

#[track_caller]
fn fails_after(replies: &[&str], input: &[u8]) -> ReplyError {
    let (read, end) = read_with(ReplyLimits::default(), input);
    assert_eq!(read, replies, "{input:?}");
    end.expect_err("an error")
}

#[track_caller]
fn fails(input: &[u8]) -> ReplyError {
    fails_after(&[], input)
}

/// Fails on the whole input, and on nothing less: the error is raised by the last octet.
#[track_caller]
fn fails_at_the_last_octet(limits: ReplyLimits, input: &[u8]) -> ReplyError {
    let (_, end) = read_with(limits, &input[..input.len() - 1]);
    assert!(matches!(end, Ok(()) | Err(ReplyError::Truncated)), "raised early: {end:?}");
    read_with(limits, input).1.expect_err("an error")
}

fn code(code: u16) -> ReplyCode {
    ReplyCode::new(code).unwrap()
}

fn one(input: &[u8]) -> Reply {
    let (reply, taken) = ReplyRef::parse(input, &ReplyLimits::default()).unwrap().unwrap();
    assert_eq!(taken, input.len());
    reply.to_reply()
}

/// A line of this many octets, its line end not counted.
fn line_of(octets: usize) -> Vec<u8> {
    let mut line = b"250 ".to_vec();
    line.resize(octets, b'a');
    line
}

#[test]
fn p01_every_shape_of_a_reply() {
    accepts(b"250 ok\r\n", &["250 ok"]);
    accepts(b"250\r\n", &["250"]);
    accepts(b"250 \r\n", &["250"]);
    accepts(b"250-a\r\n250\r\n", &["250 a\\n"]);
    accepts(b"250-\r\n250 \r\n", &["250 \\n"]);
    accepts(b"", &[]);
    assert_eq!(one(b"250-a\r\n250\r\n").text(), b"a\n");
    assert!(one(b"250-a\r\n250\r\n").lines().eq([&b"a"[..], b""]));
    assert!(one(b"250\r\n").lines().eq([b""]));
}

#[test]
fn p02_code_mismatch_in_multi_line() {
    for (input, first, then) in [
        (&b"250-a\r\n550 b\r\n"[..], 250, 550),
        (b"220-a\r\n250 b\r\n", 220, 250),
        (b"550-a\r\n250 b\r\n", 550, 250),
        (b"250-a\r\n251", 250, 251),
    ] {
        assert_eq!(fails(input), ReplyError::CodeMismatch { first: code(first), then: code(then) });
    }
    fails_at_the_last_octet(ReplyLimits::default(), b"250-a\r\n250-b\r\n251");
}

#[test]
fn p03_malformed_code_or_separator() {
    for (input, excerpt) in [
        (&b"250_ok\r\n"[..], &b"250_"[..]),
        (b"250\tok\r\n", b"250\t"),
        (b"2500 ok\r\n", b"2500"),
        (b"250\rok\r\n", b"250\ro"),
        (b"250\0", b"250\0"),
    ] {
        match fails(input) {
            ReplyError::MalformedSeparator { line } => assert_eq!(line.as_bytes(), excerpt),
            error => panic!("{error:?}"),
        }
        fails_at_the_last_octet(ReplyLimits::default(), excerpt);
    }
    for (input, excerpt) in [
        (&b"25 ok\r\n"[..], &b"25 "[..]),
        (b"2 50\r\n", b"2 "),
        (b" 250 ok\r\n", b" "),
        (b"+250\r\n", b"+"),
        ("２５０ ok\r\n".as_bytes(), b"\xef"),
        (b"25\n", b"25\n"),
        (b"2\r\n", b"2\r"),
        (b"\r250 ok\r\n", b"\r"),
        (b"HTTP/1.1 400 Bad Request\r\n", b"H"),
        (b"\x16\x03\x01", b"\x16"),
    ] {
        match fails(input) {
            ReplyError::MalformedCode { line } => assert_eq!(line.as_bytes(), excerpt),
            error => panic!("{error:?}"),
        }
    }
}

#[test]
fn p04_first_digit_decides() {
    for input in ["099 x\r\n", "150 x\r\n", "600 x\r\n", "999 x\r\n", "0\r\n", "1", "8"] {
        let line = Excerpt::through(0, input.as_bytes());
        assert_eq!(fails(input.as_bytes()), ReplyError::CodeOutOfRange { line });
    }
    for number in 200..=599 {
        let reply = one(format!("{number} x\r\n").as_bytes());
        assert_eq!((reply.code().get(), u16::from(reply.code())), (number, number));
        let severities = [
            reply.is_positive_completion(),
            reply.is_positive_intermediate(),
            reply.is_transient(),
            reply.is_permanent(),
        ];
        assert_eq!(severities, [2, 3, 4, 5].map(|digit| number / 100 == digit));
        assert_eq!(reply.is_negative(), number >= 400);
    }
    accepts(b"260 a\r\n599 b\r\n", &["260 a", "599 b"]);
    assert_eq!(
        [199, 200, 599, 600, 0].map(|c| ReplyCode::new(c).is_some()),
        [false, true, true, false, false]
    );
}

#[test]
fn p05_blank_lines_before_a_reply() {
    accepts(b"\r\n250 a\r\n\n250 b\r\n\r\n", &["250 a", "250 b"]);
    accepts(b"\r\n\n\r\n\n\r\n\n\r\n\n250 a\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n250 b\n", &["250 a", "250 b"]);
    let nine = b"\r\n\n\r\n\n\r\n\n\r\n\n\r\n";
    assert_eq!(fails_at_the_last_octet(ReplyLimits::default(), nine), ReplyError::TooManyBlankLines);
    assert_eq!(fails_after(&["250 a"], b"250 a\r\n\n\n\n\n\n\n\n\n\n"), ReplyError::TooManyBlankLines);
    for within in [&b"250-a\r\n\r\n250 b\r\n"[..], b"250-a\r\n\n250 b\r\n"] {
        assert!(matches!(fails(within), ReplyError::MalformedCode { .. }), "within a reply");
    }
}

#[test]
fn p05_blank_lines_are_residue() {
    let mut parser = ReplyParser::default();
    assert!(parser.is_blank());
    parser.receive(b"250 a\r\n\r\n\r").unwrap();
    assert!(!parser.is_blank());
    parser.next_reply().unwrap().unwrap();
    assert_eq!((parser.unread(), parser.is_blank()), (&b"\r\n\r"[..], true));
    assert_eq!(parser.next_reply(), Ok(None));
    assert_eq!((parser.unread(), parser.is_blank()), (&b"\r\n\r"[..], true));
    parser.receive(b"\n2").unwrap();
    assert_eq!((parser.next_reply(), parser.is_blank()), (Ok(None), false));
    assert_eq!(parser.finish(), Err(ReplyError::Truncated));
}

#[test]
fn p06_bare_lf_ends_a_line() {
    accepts(b"250-a\n250 b\n", &["250 a\\nb"]);
    accepts(b"250-a\r\n250-b\n250 c\r\n220\n250-\n250\n", &["250 a\\nb\\nc", "220", "250 \\n"]);
}

#[test]
fn p07_bare_cr_is_data() {
    accepts(b"250 a\rb\r\n", &["250 a\\rb"]);
    accepts(b"250 ok\r\r\n", &["250 ok\\r"]);
    accepts(b"250 \r\r\n", &["250 \\r"]);
    accepts(b"250 a\r250 b\r\n", &["250 a\\r250 b"]);
    assert_eq!(fails(b"250 ok\r"), ReplyError::Truncated);
    assert_eq!(fails(b"250\r"), ReplyError::Truncated);
    assert_eq!(one(b"250 ok\r\r\n").text(), b"ok\r");
    assert!(matches!(fails(b"250\r\r\n"), ReplyError::MalformedSeparator { .. }));
}

#[test]
fn p08_text_is_octets() {
    for text in [
        &b"\0"[..],
        b"\x1b[2J\x1b]0;x\x07",
        b"\x80\xff",
        b"\xc0\xaf\xed\xa0\x80",
        "\u{85}\u{2028}\u{202e}".as_bytes(),
        "zażółć 😀".as_bytes(),
        b"\x0b\x0c\x7f",
    ] {
        let input = [b"250-", text, b"\r\n250 ", text, b"\r\n"].concat();
        let (replies, end) = read_with(ReplyLimits::default(), &input);
        assert_eq!((replies.len(), end), (1, Ok(())));
        assert_eq!(one(&input).text(), [text, text].join(&b'\n'));
        assert!(!replies[0].chars().any(char::is_control));
    }
}

#[test]
fn p09_line_length() {
    let limit = 2048;
    let too_long = Err(ReplyError::LineTooLong { limit });
    for line_end in [&b"\r\n"[..], b"\n"] {
        for octets in [limit - 1, limit] {
            let (replies, end) = read_with(ReplyLimits::default(), &[&line_of(octets), line_end].concat());
            assert_eq!((replies.len(), end), (1, Ok(())));
        }
        let (replies, end) = read_with(ReplyLimits::default(), &[&line_of(limit + 1), line_end].concat());
        assert_eq!((replies.len(), end), (0, too_long.clone()));
    }
    let defaults = ReplyLimits::default();
    assert_eq!(Err(fails_at_the_last_octet(defaults, &line_of(limit + 1))), too_long);
    // CR may begin the line end, until it is seen not to.
    let mut line = line_of(limit);
    line.push(b'\r');
    assert_eq!(fails(&line), ReplyError::Truncated);
    line.push(b'\r');
    assert_eq!(Err(fails_at_the_last_octet(defaults, &line)), too_long);
    // Nor may a later line be longer.
    let later = [b"250-\r\n", &line_of(limit + 1)[..]].concat();
    assert_eq!(Err(fails_at_the_last_octet(defaults, &later)), too_long);
}

#[test]
fn p10_lines_and_octets_of_a_reply() {
    for text in ["", "a", "SIZE 1000"] {
        let reply = |lines: usize| {
            let continued = format!("250-{text}\r\n").repeat(lines - 1);
            format!("{continued}250 {text}\r\n").into_bytes()
        };
        for lines in [1, 127, 128] {
            let (replies, end) = read_with(ReplyLimits::default(), &reply(lines));
            assert_eq!((replies.len(), end), (1, Ok(())));
        }
        assert_eq!(fails(&reply(129)), ReplyError::TooManyLines { limit: 128 });
        let promise = format!("250-{text}\r\n").repeat(128).into_bytes();
        let error = fails_at_the_last_octet(ReplyLimits::default(), &promise);
        assert_eq!(error, ReplyError::TooManyLines { limit: 128 });
    }

    let limits = ReplyLimits::default().with_reply(100);
    let reply = |octets: usize| {
        let mut reply = b"250-a\r\n".repeat(4);
        reply.extend(line_of(octets - reply.len() - 2));
        reply.extend(b"\r\n");
        reply
    };
    for octets in [99, 100] {
        // Blank lines do not count, nor does the reply before.
        let input = [b"220 hello\r\n\r\n", &reply(octets)[..]].concat();
        assert_eq!(read_with(limits, &input).1, Ok(()));
    }
    let error = fails_at_the_last_octet(limits, &reply(101));
    assert_eq!(error, ReplyError::ReplyTooLong { limit: 100 });
    // So is a reply of one line, which is read in another way.
    let line = |octets: usize| [&line_of(octets - 2)[..], b"\r\n"].concat();
    assert_eq!(read_with(limits, &line(100)).1, Ok(()));
    let error = fails_at_the_last_octet(limits, &line(101));
    assert_eq!(error, ReplyError::ReplyTooLong { limit: 100 });
}

#[test]
fn p10_unread_octets() {
    let limits = ReplyLimits::default().with_unread(20);
    let mut parser = ReplyParser::new(limits);
    parser.receive(b"250 a\r\n250 b\r\n").unwrap();
    parser.next_reply().unwrap().unwrap();
    parser.receive(b"250 c\r\n250 d\n").unwrap();
    assert_eq!(parser.unread().len(), 20);
    assert_eq!(parser.receive(b"\n"), Err(ReplyError::TooMuchUnread { limit: 20 }));
    assert_eq!(parser.next_reply(), Err(ReplyError::TooMuchUnread { limit: 20 }));
    assert_eq!(ReplyParser::new(limits).receive(&[b'2'; 21]), Err(ReplyError::TooMuchUnread { limit: 20 }));
}

/// Octets looked at or moved until the input is read, in pieces of this size.
fn work(input: &[u8], piece: usize, limits: ReplyLimits) -> usize {
    let mut parser = ReplyParser::new(limits);
    for piece in input.chunks(piece) {
        parser.receive(piece).unwrap();
        while parser.next_reply().unwrap().is_some() {}
    }
    parser.work()
}

/// Without this the tests below could hold because nothing is counted.
#[test]
fn p11_every_octet_looked_at_is_counted() {
    let mut parser = ReplyParser::default();
    let mut told = |piece: &[u8]| {
        parser.receive(piece).unwrap();
        let _ = parser.next_reply().unwrap();
        parser.work()
    };
    // For the end of a reply of one line, for the head, for the end of the line.
    assert_eq!(told(b"250-"), 4 + 4 + 4);
    // The head again, of which a fifth octet may be wanted; the rest once.
    assert_eq!(told(b"a"), 12 + 5 + 1);
    assert_eq!(told(b"\r\n250 b\r\n"), 18 + (5 + 2) + (5 + 7));
    assert_eq!(told(b"250 c\r\n"), 37 + 6);
}

#[test]
fn p11_work_is_linear() {
    let generous = ReplyLimits { line: 1 << 22, lines: 1 << 22, reply: 1 << 22, unread: 1 << 22, kept: 0 };
    let mebibyte = 1 << 20;
    for line in
        ["250-\n", "250-\r\n", "250-SIZE 1000\r\n", "250-\r\r\r\r\r\r\r\r\r", "250 ok\r\n", "\n\n\n\n250\n"]
    {
        for piece in [1, 7, 1460, 65536] {
            let shape = |octets: usize| line.repeat(octets / line.len()).into_bytes();
            let (once, twice) = (shape(mebibyte), shape(2 * mebibyte));
            let (once, twice) = (work(&once, piece, generous), work(&twice, piece, generous));
            assert!(twice * 10 <= once * 22, "{line:?} in {piece}: {once} then {twice}");
            assert!(once <= 12 * mebibyte, "{line:?} in {piece}: {once}");
        }
    }
}

#[test]
fn p11_work_is_linear_when_replies_are_taken_slowly() {
    // One reply is taken for each received, with the buffer nearly full all along.
    let mut parser = ReplyParser::default();
    parser.receive(&b"250\n".repeat(32_000)).unwrap();
    for _ in 0..100_000 {
        parser.next_reply().unwrap().unwrap();
        parser.receive(b"250\n").unwrap();
        assert!(parser.capacity() <= 128 * 1024 * 5 / 4);
    }
    assert!(parser.work() <= 132_000 * 4 * 8, "{}", parser.work());
}

#[test]
fn p12_truncated() {
    for input in ["250-", "25", "2", "250", "250 ok", "250 ok\r", "250-a\r\n", "250-a\r\n25", "\r\n2"] {
        assert_eq!(fails(input.as_bytes()), ReplyError::Truncated, "{input:?}");
    }
    assert_eq!(fails_after(&["250 a"], b"250 a\r\n250-b\r\n"), ReplyError::Truncated);
}

#[test]
fn p13_two_replies_in_one_chunk() {
    accepts(b"250 a\r\n354 b\r\n", &["250 a", "354 b"]);
    let mut parser = ReplyParser::default();
    parser.receive(b"250 a\r\n354 b\r\n").unwrap();
    assert_eq!(parser.next_reply(), Ok(Some(Reply::new(code(250), b"a"))));
    assert_eq!(parser.unread(), b"354 b\r\n");
    assert!(!parser.is_blank());
}

#[test]
fn p13_a_reply_comes_before_the_error_after_it() {
    assert!(matches!(fails_after(&["250 a"], b"250 a\r\nx"), ReplyError::MalformedCode { .. }));
}

#[test]
fn p14_enhanced_codes() {
    let enhanced = |input: &str| one(input.as_bytes()).enhanced().map(|enhanced| enhanced.to_string());
    for (input, expected) in [
        ("250 2.0.0 ok\r\n", "2.0.0"),
        ("250 2.0.0\tok\r\n", ""),
        ("550-5.1.1 a\r\n550 5.1.1 b\r\n", "5.1.1"),
        ("250 2address.org\r\n", ""),
        ("250 100.address.org\r\n", ""),
        ("550 2.0.0 x\r\n", ""),
        ("550 4.1.1 x\r\n", ""),
        ("550 5.1\r\n", ""),
        ("550 5.1.\r\n", ""),
        ("550 5..1\r\n", ""),
        ("550 5.1.1\r\n", "5.1.1"),
        ("550 5.1.1\n", "5.1.1"),
        ("550 5.1.1\r\r\n", ""),
        ("550 5.1.1.1 x\r\n", ""),
        ("550 5.1.1x\r\n", ""),
        ("550  5.1.1 x\r\n", ""),
        ("450 4.999.999 x\r\n", "4.999.999"),
        ("450 4.1000.1 x\r\n", ""),
        ("450 4.1.1000 x\r\n", ""),
        ("250 999999.1.1\r\n", ""),
        ("250 99999999999999999999.1.1\r\n", ""),
        ("354 3.0.0 go\r\n", ""),
        ("354 2.0.0 go\r\n", ""),
        ("550-5.1.1\r\n550 b\r\n", "5.1.1"),
        ("550-5.1.\r\n550 1 b\r\n", ""),
        ("550-a\r\n550 5.1.1 b\r\n", ""),
        ("550\r\n", ""),
    ] {
        assert_eq!(enhanced(input).unwrap_or_default(), expected, "{input:?}");
    }
    let reply = one(b"550-5.1.1 a\r\n550-5.1.1\r\n550-b\r\n550 5.1.1 c\r\n");
    assert!(reply.message_lines().eq([&b"a"[..], b"", b"b", b"c"]));
    assert_eq!(reply.text(), b"5.1.1 a\n5.1.1\nb\n5.1.1 c");
}

#[test]
fn p14_nothing_is_read_from_the_reply_before() {
    let (replies, _) = read_with(ReplyLimits::default(), b"550 5.1.1 unknown\r\n550\r\n550 5.1\r\n");
    assert_eq!(replies, ["550 5.1.1 unknown", "550", "550 5.1"]);
    let mut parser = ReplyParser::default();
    parser.receive(b"550 5.1.1 unknown\r\n550\r\n").unwrap();
    parser.next_reply().unwrap().unwrap();
    assert_eq!(parser.next_reply().unwrap().unwrap().enhanced(), None);
}

#[test]
fn p17_a_huge_reply_is_accepted_up_to_the_limit() {
    let line = [&b"250-"[..], &[b'a'; 994], b"\r\n"].concat();
    let mut input = line.repeat(65);
    input.extend(line_of(65_536 - input.len() - 2));
    let extra = [&input[..], b"a\r\n"].concat();
    input.extend(b"\r\n");
    assert_eq!(input.len(), 65_536);
    assert_eq!(read_with(ReplyLimits::default(), &input).1, Ok(()));
    assert_eq!(fails(&extra), ReplyError::ReplyTooLong { limit: 65_536 });
}

#[test]
fn p19_space_on_every_line_makes_many_replies() {
    accepts(b"550 a\r\n550 b\r\n550 c\r\n", &["550 a", "550 b", "550 c"]);
}

#[test]
fn l05_a_reply_is_shown_on_one_line() {
    let reply = one(b"550-x\r\n550 2026-01-01 root login ok\x1b[2J\r\n");
    assert_eq!(reply.to_string(), r"550 x\n2026-01-01 root login ok\x1b[2J");
    assert_eq!(format!("{reply:?}"), r#"Reply { code: 550, text: "x\n2026-01-01 root login ok\x1b[2J" }"#);
    let error = fails(b"\x1b[2J\r\n");
    assert_eq!(error.to_string(), r#"reply line does not begin with three digits: "\x1b""#);
    let mut parser = ReplyParser::default();
    parser.receive(b"250 a\n\x1b").unwrap();
    assert!(format!("{parser:?}").contains(r"250 a\n\x1b"));
    let ReplyError::MalformedCode { line } = error else { panic!("{error:?}") };
    assert_eq!((line.to_string(), format!("{line:?}")), (r"\x1b".into(), r#""\x1b""#.into()));
    let (by_reference, _) = ReplyRef::parse(b"250 a\x1b\r\n", &ReplyLimits::default()).unwrap().unwrap();
    assert_eq!(format!("{by_reference:?}"), r#"ReplyRef("250 a\x1b\r\n")"#);
}

#[test]
fn r07_memory_is_bounded_and_given_back() {
    let mut parser = ReplyParser::default();
    parser.receive(b"250 a\r\n").unwrap();
    let room = parser.capacity();
    assert!(parser.next_reply().unwrap().is_some());
    assert_eq!(parser.capacity(), room, "what a reply needs is kept for the next");
    for _ in 0..100 {
        parser.receive(&b"250-a\r\n250 b\r\n".repeat(1000)).unwrap();
        assert!(parser.capacity() <= 128 * 1024);
        while parser.next_reply().unwrap().is_some() {}
        assert!(parser.capacity() <= 48);
    }
    for hostile in [&b"2"[..], b"250-", b"250-\r\n", b"250 a\r\n", b"\r\n", b"a"] {
        let mut parser = ReplyParser::default();
        let flood = hostile.repeat(100);
        while parser.receive(&flood).is_ok() {
            assert!(parser.capacity() <= 128 * 1024 * 5 / 4);
        }
    }
}

/// Every input over an alphabet that holds all that the grammar tells apart, within small limits, so that
/// each limit meets each state.
#[test]
fn the_split_never_matters() {
    let alphabet = b"25x -\r\n";
    let limits = ReplyLimits { line: 5, lines: 2, reply: 14, unread: 100, kept: 0 };
    let fronts: [&[u8]; 7] =
        [b"", b"22", b"222", b"222-\n", b"222-\n222", b"222-55\r\n22", b"222 2\r\n\n\n\n\n\n\n\n"];
    for front in fronts {
        for limits in [limits, limits.with_line(0), limits.with_reply(9), limits.with_lines(0)] {
            for number in 0..alphabet.len().pow(4) {
                let mut input = front.to_vec();
                input.extend(
                    (0..4).map(|place| alphabet[number / alphabet.len().pow(place) % alphabet.len()]),
                );
                let whole = read_in_pieces([&input[..]].into_iter(), limits);
                assert_eq!(read_in_pieces(input.chunks(1), limits), whole, "{input:?}");
                let middle = input.len() - 2;
                let halves = [&input[..middle], &input[middle..]];
                assert_eq!(read_in_pieces(halves.into_iter(), limits), whole, "{input:?}");
            }
        }
    }
}

#[test]
fn a_reply_takes_one_allocation_of_its_length() {
    let reply = one(b"250-ab\r\n250-\n250 c\r\n");
    assert_eq!(reply.text(), b"ab\n\nc");
    assert_eq!(
        Reply::from(ReplyRef::parse(b"250 x\n", &ReplyLimits::default()).unwrap().unwrap().0),
        one(b"250 x\n")
    );
    assert_eq!(vec![reply.clone()], [reply]);
    // The room is known though the lines came one by one.
    let mut parser = ReplyParser::default();
    parser.receive(b"250-ab\r\n").unwrap();
    assert!(parser.next_ref().unwrap().is_none());
    parser.receive(b"250 c\r\n").unwrap();
    let reply = parser.next_ref().unwrap().unwrap();
    assert_eq!((reply.text, reply.to_reply().text()), (4, &b"ab\nc"[..]));
}

#[test]
fn each_limit_is_set_by_itself() {
    let limits = |line, lines, reply, unread, kept| ReplyLimits { line, lines, reply, unread, kept };
    let set = limits(1, 2, 3, 4, 5);
    assert_eq!(set.with_line(9), limits(9, 2, 3, 4, 5));
    assert_eq!(set.with_lines(9), limits(1, 9, 3, 4, 5));
    assert_eq!(set.with_reply(9), limits(1, 2, 9, 4, 5));
    assert_eq!(set.with_unread(9), limits(1, 2, 3, 9, 5));
    assert_eq!(set.with_kept(9), limits(1, 2, 3, 4, 9));
}

/// 512 octets are kept of a text that no character ends before.
#[test]
fn a_text_that_is_no_text_is_cut_all_the_same() {
    let code = ReplyCode::new(550).unwrap();
    for (text, kept) in [
        ([0x80; 600].to_vec(), 512),
        ([[b'x'; 300], [0x80; 300]].concat(), 512),
        ([&[b'x'; 511][..], "\u{e4}\u{e4}".as_bytes()].concat(), 511),
        ([b'x'; 512].to_vec(), 512),
    ] {
        let brief = Reply::new(code, &text).brief();
        assert_eq!(brief.text(), &text[..kept]);
        assert_eq!(brief.is_shortened(), kept < text.len());
    }
}

#[test]
fn what_is_discarded_is_given_back() {
    let mut parser = ReplyParser::default();
    parser.receive(b"250 ok\r\n250-half").unwrap();
    parser.next_reply().unwrap().unwrap();
    parser.discard();
    assert_eq!((parser.unread(), parser.capacity()), (&b""[..], 0));
    parser.receive(b"354 go\r\n").unwrap();
    assert_eq!(parser.next_reply().unwrap().unwrap().code().get(), 354);
}
