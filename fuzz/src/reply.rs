//! The `reply` target: the input is what a server sends.

use std::fmt::{self, Debug, Display, Write};

use smtp_proto::reply::{EnhancedCode, Reply, ReplyError, ReplyLimits, ReplyParser, ReplyRef, Severity};

use super::Pieces;

/// Asserts that the parser's result depends on the octets alone, that [`ReplyRef::parse`] gives the same, that
/// the replies are what the octets say, that limits hold, and that what is shown of them is one line.
pub fn reply(input: &[u8]) {
    let tight = ReplyLimits::default().with_line(24).with_lines(3).with_reply(64);
    for limits in [ReplyLimits::default(), tight] {
        // A whole input is a legitimate read: how much may wait is `waiting`'s subject.
        let limits = limits.with_unread(input.len().max(limits.reply));
        let whole = Outcome::of(limits, [input]);
        assert_eq!(whole, Outcome::of(limits, input.chunks(1)), "byte by byte");
        assert_eq!(whole, Outcome::of(limits, Pieces::new(input, 9)), "in pieces");
        by_reference(input, limits, &whole);
        whole.replies.iter().for_each(|reply| within(reply, limits));
        if limits.line > tight.line {
            whole.replies.iter().for_each(round_trip);
            whole.replies.iter().for_each(shown_on_one_line);
        }
        whole.error.iter().for_each(one_line);
    }
    waiting(input);
}

/// What a caller learns who takes all replies after each read.
#[derive(Debug, PartialEq)]
struct Outcome {
    replies: Vec<Reply>,
    error: Option<ReplyError>,
    finish: Result<(), ReplyError>,
    /// What is left; after an error it depends on the read that brought the error, and is not kept.
    unread: Vec<u8>,
}

impl Outcome {
    fn of<'a>(limits: ReplyLimits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut parser = ReplyParser::new(limits);
        let mut replies = Vec::new();
        let mut error = None;
        for piece in pieces {
            parser.receive(piece).expect("no error yet, and room for the whole input");
            while error.is_none() {
                match parser.next_reply() {
                    Ok(Some(reply)) => replies.push(reply),
                    Ok(None) => break,
                    Err(first) => error = Some(first),
                }
            }
            if error.is_some() {
                break;
            }
        }
        if let Some(first) = &error {
            assert_eq!(parser.next_reply(), Err(first.clone()), "an error is final");
            assert_eq!(parser.receive(b"250 ok\r\n"), Err(first.clone()), "an error is final");
            assert_eq!(parser.next_reply(), Err(first.clone()), "an error is final");
        } else {
            assert_eq!(parser.next_reply(), Ok(None), "nothing comes from nothing");
            assert_eq!(parser.is_blank(), parser.finish().is_ok());
        }
        let unread = if error.is_some() { Vec::new() } else { parser.unread().to_vec() };
        Self { replies, finish: parser.finish(), error, unread }
    }
}

/// [`ReplyRef::parse`] from reply to reply, each compared with the octets it was read from.
fn by_reference(input: &[u8], limits: ReplyLimits, expected: &Outcome) {
    let mut rest = input;
    let mut replies = expected.replies.iter();
    loop {
        match ReplyRef::parse(rest, &limits) {
            Ok(Some((reply, taken))) => {
                let owned = reply.to_reply();
                assert_eq!(Some(&owned), replies.next());
                assert_eq!(reply.code(), owned.code());
                assert_eq!(reply.enhanced(), owned.enhanced());
                assert!(reply.lines().eq(owned.lines()));
                says(&rest[..taken], &owned);
                rest = &rest[taken..];
            }
            Ok(None) => {
                assert_eq!((None, rest), (expected.error.as_ref(), expected.unread.as_slice()));
                break;
            }
            Err(error) => {
                assert_eq!(Some(&error), expected.error.as_ref());
                break;
            }
        }
    }
    assert_eq!(replies.next(), None);
}

/// Reads the reply again, naively: lines end with LF, a CR before it goes with it, lines before the first that
/// has text are blank.
fn says(octets: &[u8], reply: &Reply) {
    let octets = octets.strip_suffix(b"\n").expect("a reply ends with a line end");
    let lines: Vec<&[u8]> = octets
        .split(|&octet| octet == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .skip_while(|line| line.is_empty())
        .collect();
    let code = reply.code().to_string();
    for (nth, line) in lines.iter().enumerate() {
        assert_eq!(&line[..3], code.as_bytes());
        let continued = line.get(3) == Some(&b'-');
        assert!(continued || matches!(line.get(3), None | Some(b' ')));
        assert_eq!(continued, nth + 1 < lines.len());
    }
    assert!(reply.lines().eq(lines.iter().map(|line| line.get(4..).unwrap_or_default())));
    assert_eq!(reply.text(), reply.lines().collect::<Vec<_>>().join(&b'\n'));
}

fn within(reply: &Reply, limits: ReplyLimits) {
    assert!(reply.lines().count() <= limits.lines);
    assert!(reply.lines().all(|line| line.len() + 4 <= limits.line.max(4)));
    assert!(reply.text().len() <= limits.reply);
}

/// Written out again, a reply is read again.
fn round_trip(reply: &Reply) {
    let (code, lines) = (reply.code().to_string(), reply.lines().count());
    let mut octets = Vec::with_capacity(reply.text().len() + 6 * lines);
    for (nth, line) in reply.lines().enumerate() {
        octets.extend_from_slice(code.as_bytes());
        octets.push(if nth + 1 < lines { b'-' } else { b' ' });
        octets.extend_from_slice(line);
        octets.extend_from_slice(b"\r\n");
    }
    let most = octets.len();
    let limits = ReplyLimits::default().with_line(most).with_lines(most).with_reply(most).with_unread(most);
    let expected = Outcome { replies: vec![reply.clone()], error: None, finish: Ok(()), unread: Vec::new() };
    assert_eq!(Outcome::of(limits, [octets.as_slice()]), expected);
    assert_eq!(&Reply::new(reply.code(), reply.text()), reply);
}

/// The octets that wait never pass the limit, however little of them the caller takes.
fn waiting(input: &[u8]) {
    let limits = ReplyLimits::default().with_unread(48);
    let mut parser = ReplyParser::new(limits);
    for piece in Pieces::new(input, 30) {
        let before = parser.unread().len();
        let received = parser.receive(piece);
        assert!(parser.unread().len() <= limits.unread);
        match received {
            Ok(()) => assert_eq!(parser.unread().len(), before + piece.len()),
            Err(_) => assert_eq!(parser.unread().len(), before, "none of the octets is kept"),
        }
        if piece.len() % 3 == 0 {
            // The result is the subject of `Outcome`.
            let _ = parser.next_reply();
        }
    }
}

fn shown_on_one_line(reply: &Reply) {
    one_line(reply);
    if let Some(EnhancedCode { class, subject, detail }) = reply.enhanced() {
        let class_of_code = match reply.code().severity() {
            Severity::PositiveCompletion => 2,
            Severity::PositiveIntermediate => panic!("RFC 3463 has no class 3"),
            Severity::TransientNegative => 4,
            Severity::PermanentNegative => 5,
        };
        assert!(class == class_of_code && subject <= 999 && detail <= 999);
    }
    assert_eq!(reply.message_lines().count(), reply.lines().count());
}

fn one_line(value: &(impl Debug + Display)) {
    for shown in [format_args!("{value}"), format_args!("{value:?}")] {
        let mut line = Line::default();
        line.write_fmt(shown).expect("shown");
        // 512 octets are shown, each in at most eight.
        assert!(line.len < 5_000);
    }
}

/// Takes what may stand in one line of a terminal.
#[derive(Default)]
struct Line {
    len: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}');
        assert!(text.bytes().all(|octet| matches!(octet, b' '..=b'~')) || !text.contains(breaks), "{text:?}");
        self.len += text.len();
        Ok(())
    }
}
