//! What it takes to parse replies: `cargo bench -p smtp-tests --bench reply`.
//!
//! Beside each of ours stand one pass over the same octets (`memcpy`, `memchr` for each line end) and two
//! floors: a parser written for the purpose that checks codes and finds the end, and the same with the text in
//! one piece of memory. Ratios are against the floor that does the same: borrowed replies against the bare parser,
//! owned ones against the parser with the text.

#![allow(clippy::panic, clippy::unwrap_used)]

mod measure;

use std::hint::black_box;

use measure::{candidate, measure};
use memchr::memchr;
use smtp_proto::capabilities::Capabilities;
use smtp_proto::reply::{ReplyLimits, ReplyParser, ReplyRef};

const EHLO: &[u8] = b"250-mx.example.net at your service, [192.0.2.17]\r\n\
    250-SIZE 35882577\r\n250-8BITMIME\r\n250-STARTTLS\r\n250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n\
    250-CHUNKING\r\n250-SMTPUTF8\r\n250-DSN\r\n250-AUTH PLAIN LOGIN XOAUTH2\r\n250-BINARYMIME\r\n250 HELP\r\n";

fn main() {
    println!("nanoseconds a reply; in brackets, times the floor that does the same\n");
    println!(
        "{:<24}{:>9}{:>9}{:>9}{:>15}{:>14}{:>15}{:>15}",
        "", "memcpy", "memchr", "parser", "ReplyRef", "parser+text", "to_reply", "ReplyParser"
    );
    table("250 2.1.5 OK", b"250 2.1.5 OK\r\n", 1);
    table("12-line EHLO", EHLO, 1);
    table("1,000 in a buffer, each", &b"250 2.1.5 OK\r\n".repeat(1000), 1000);
    let hundred = table("100 lines", &lines(100), 1);
    let thousand = table("1,000 lines", &lines(1000), 1);
    println!(
        "\n1,000 lines / 100 lines: ReplyRef {:.1}, ReplyParser {:.1}",
        thousand.0 / hundred.0,
        thousand.1 / hundred.1
    );
    keywords();
}

fn lines(count: usize) -> Vec<u8> {
    let mut reply = b"250-2.1.5 this is one of the lines of a long reply\r\n".repeat(count - 1);
    reply.extend(b"250 2.1.5 this is the last of the lines\r\n");
    reply
}

fn limits() -> ReplyLimits {
    ReplyLimits::default().with_lines(1000)
}

/// Measures and prints one row; returns what `ReplyRef` and `ReplyParser` take.
fn table(name: &str, input: &[u8], replies: u32) -> (f64, f64) {
    let limits = limits();
    let mut copy = vec![0; input.len()];
    let mut parser = ReplyParser::new(limits);
    let measured = measure([
        candidate("memcpy", || {
            copy.copy_from_slice(black_box(input));
            black_box(copy.as_mut_ptr());
        }),
        candidate("memchr", || {
            let mut rest = black_box(input);
            while let Some(at) = memchr(b'\n', rest) {
                rest = &rest[at + 1..];
            }
            rest.len()
        }),
        candidate("parser", || each(black_box(input), |rest| hand_parser(rest, |_| {}))),
        candidate("ReplyRef", || {
            each(black_box(input), |rest| {
                let (reply, taken) = ReplyRef::parse(rest, &limits).unwrap().unwrap();
                (reply.code().get(), taken)
            })
        }),
        candidate("parser+text", || {
            each(black_box(input), |rest| {
                let mut text = Vec::with_capacity(input.len() / replies as usize);
                let parsed = hand_parser(rest, |line| {
                    if !text.is_empty() {
                        text.push(b'\n');
                    }
                    text.extend_from_slice(line);
                });
                black_box(text);
                parsed
            })
        }),
        candidate("to_reply", || {
            each(black_box(input), |rest| {
                let (reply, taken) = ReplyRef::parse(rest, &limits).unwrap().unwrap();
                (black_box(reply.to_reply()).code().get(), taken)
            })
        }),
        candidate("ReplyParser", || {
            parser.receive(black_box(input)).unwrap();
            while let Some(reply) = parser.next_reply().unwrap() {
                black_box(reply);
            }
        }),
    ]);
    let [memcpy, memchr, parser, borrowed, text, owned, incremental] =
        measured.map(|(_, seconds)| seconds * 1e9 / f64::from(replies));
    println!(
        "{name:<24}{memcpy:>9.1}{memchr:>9.1}{parser:>9.1}{borrowed:>8.1} ({:.2}){text:>14.1}{owned:>8.1} ({:.2}){incremental:>8.1} ({:.2})",
        borrowed / parser,
        owned / text,
        incremental / text,
    );
    (borrowed, incremental)
}

fn each(input: &[u8], mut parse: impl FnMut(&[u8]) -> (u16, usize)) -> u32 {
    let mut rest = input;
    let mut sum = 0;
    while !rest.is_empty() {
        let (code, taken) = parse(rest);
        sum += u32::from(code);
        rest = &rest[taken..];
    }
    sum
}

/// The least that a parser can do: it trusts the second digit, knows no blank lines and has no limits.
fn hand_parser(input: &[u8], mut line: impl FnMut(&[u8])) -> (u16, usize) {
    let mut rest = input;
    loop {
        let &[a, b, c, separator, ..] = rest else { panic!("no code") };
        assert!((b'2'..=b'5').contains(&a) && b.is_ascii_digit() && c.is_ascii_digit());
        let end = memchr(b'\n', rest).unwrap();
        line(rest[4..end].strip_suffix(b"\r").unwrap_or(&rest[4..end]));
        rest = &rest[end + 1..];
        if separator == b' ' {
            let code = u16::from(a & 15) * 100 + u16::from(b & 15) * 10 + u16::from(c & 15);
            return (code, input.len() - rest.len());
        }
        assert_eq!(separator, b'-');
    }
}

fn keywords() {
    let limits = limits();
    let measured = measure([
        candidate("parse", || {
            let (reply, _) = ReplyRef::parse(black_box(EHLO), &limits).unwrap().unwrap();
            reply.to_reply()
        }),
        candidate("parse and read keywords", || {
            let (reply, _) = ReplyRef::parse(black_box(EHLO), &limits).unwrap().unwrap();
            let reply = reply.to_reply();
            (Capabilities::parse(reply.lines()), reply)
        }),
    ]);
    let [alone, both] = measured.map(|(_, seconds)| seconds * 1e9);
    println!("keywords of the EHLO reply: {:.0} ns more than the {alone:.0} ns of the reply", both - alone);
}
