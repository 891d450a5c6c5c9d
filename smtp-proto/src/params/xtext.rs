//! Encodings that make a parameter value out of any text.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

/// Appends `text` to `out` as xtext (RFC 3461 §4): `+`, `=` and every octet outside of 33–126 become `+` and
/// two upper-case hexadecimal digits, all others stay.
///
/// ```
/// let mut out = Vec::new();
/// smtp_proto::params::xtext(b"a+b=c d\xff", &mut out);
/// assert_eq!(out, b"a+2Bb+3Dc+20d+FF");
/// ```
pub fn xtext(text: &[u8], out: &mut Vec<u8>) {
    for &octet in text {
        match octet {
            b'+' | b'=' | 0..=32 | 127.. => out.extend([b'+', hex_digit(octet >> 4), hex_digit(octet & 15)]),
            _ => out.push(octet),
        }
    }
}

fn hex_digit(nibble: u8) -> u8 {
    b"0123456789ABCDEF".get(usize::from(nibble)).copied().unwrap_or_default()
}

/// As [`xtext`], appending to a string: xtext is ASCII.
pub(super) fn push_xtext(text: &[u8], out: &mut String) {
    let mut encoded = Vec::with_capacity(text.len());
    xtext(text, &mut encoded);
    out.extend(encoded.into_iter().map(char::from));
}

/// Appends `text` as `utf-8-addr-xtext` (RFC 6533 §3), the form that needs no SMTPUTF8: `\`, `+`, `=` and
/// every character that is not printable ASCII become `\x{…}`, their code point in upper-case hexadecimal.
pub(super) fn push_utf8_address(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '\\' | '+' | '=' => push_code_point(c, out),
            c if c.is_ascii_graphic() => out.push(c),
            c => push_code_point(c, out),
        }
    }
}

fn push_code_point(c: char, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
}
