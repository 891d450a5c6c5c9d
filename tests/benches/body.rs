//! What it takes to encode messages: `cargo bench -p smtp-tests --bench body`.
//!
//! Beside ours stand one pass over the same octets (`memcpy`, `memchr` that counts line ends) and a floor: the
//! same slices, found with `memchr` at each line end, without any check for stray ends or refused octets. The
//! slices go nowhere, as into a vectored write.

#![allow(clippy::unwrap_used)]

mod measure;

use std::hint::black_box;

use measure::{candidate, measure};
use memchr::memchr_iter;
use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules, Content};

fn main() {
    println!("GB/s; in brackets, times the floor\n");
    println!(
        "{:<32}{:>9}{:>9}{:>9}{:>15}{:>15}{:>9}",
        "", "memcpy", "memchr", "floor", "7BIT", "8BITMIME", "scan"
    );
    let line = b"VGhpcyBpcyBvbmUgb2YgdGhlIGxpbmVzIG9mIGEgbG9uZyBhdHRhY2htZW50IGluIGJhc2U2NC4u\r\n";
    table("25 MB base64", &line.repeat(25_000_000 / line.len()));
    table("10 KB text", &text(10_000));
    table("every line a dot-line, 10 KB", &b".a line of the message that begins with a dot\r\n".repeat(208));
    table("nothing but dots and ends, 10 KB", &b".\r\n".repeat(3_333));
    table("bare LF, 10 KB", &bare_line_feeds(10_000));
}

/// Lines of 20 to 76 octets, some of them empty.
fn text(len: usize) -> Vec<u8> {
    let words = b"It is a truth universally acknowledged, that a single man in possession of a good fortune";
    let mut text = Vec::new();
    for nth in 0.. {
        match nth % 9 {
            8 => {}
            nth => text.extend(&words[..20 + nth * 8]),
        }
        text.extend(b"\r\n");
        if text.len() >= len {
            break;
        }
    }
    text
}

fn bare_line_feeds(len: usize) -> Vec<u8> {
    text(len).into_iter().filter(|&octet| octet != b'\r').collect()
}

fn table(name: &str, message: &[u8]) {
    let mut copy = vec![0; message.len()];
    let measured = measure([
        candidate("memcpy", || {
            copy.copy_from_slice(black_box(message));
            black_box(copy.as_mut_ptr());
        }),
        candidate("memchr", || memchr_iter(b'\n', black_box(message)).count()),
        candidate("floor", || floor(black_box(message))),
        candidate("7BIT", || encode(BodyKind::SevenBit, black_box(message))),
        candidate("8BITMIME", || encode(BodyKind::EightBitMime, black_box(message))),
        candidate("scan", || Content::scan(black_box(message))),
    ]);
    let [memcpy, memchr, floor, seven_bit, eight_bit, scan] =
        measured.map(|(_, seconds)| message.len() as f64 / seconds / 1e9);
    println!(
        "{name:<32}{memcpy:>9.2}{memchr:>9.2}{floor:>9.2}{seven_bit:>8.2} ({:.2}){eight_bit:>8.2} ({:.2}){scan:>9.2}",
        seven_bit / floor,
        eight_bit / floor,
    );
}

fn encode(kind: BodyKind, message: &[u8]) -> u64 {
    let mut encoder = BodyEncoder::new(BodyRules::new(kind));
    let mut rest = message;
    while !rest.is_empty() {
        let part = encoder.encode(rest).unwrap();
        rest = &rest[part.consumed()..];
        part.slices().for_each(take);
    }
    take(encoder.terminator().unwrap());
    encoder.octets_out()
}

/// Cuts at each dot that begins a line and around each lone LF.
fn floor(message: &[u8]) {
    let mut from = 0;
    if message.first() == Some(&b'.') {
        take(b".");
    }
    for at in memchr_iter(b'\n', message) {
        if at == 0 || message[at - 1] != b'\r' {
            take(&message[from..at]);
            take(b"\r\n");
            from = at + 1;
        }
        if message.get(at + 1) == Some(&b'.') {
            take(&message[from..=at]);
            take(b".");
            from = at + 1;
        }
    }
    take(&message[from..]);
}

/// A sink: what it is given has to be there, and goes nowhere.
#[inline(always)]
fn take(slice: &[u8]) {
    black_box((slice.as_ptr(), slice.len()));
}
