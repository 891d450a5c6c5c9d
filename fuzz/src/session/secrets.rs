//! The credentials, and the search for them where they must not be (INV2, INV12).

use std::fmt::Debug;
use std::sync::LazyLock;

pub(super) const USER: &str = "tim";
pub(super) const PASSWORD: &str = "tanstaafXq7ZkPw";
pub(super) const TOKEN: &str = "ya29Xq7ZkPw";
/// What the provider gives in place of a token that was refused.
pub(super) const FRESH_TOKEN: &str = "ya30Xq7ZkPw";

/// What all of them have in them, and nothing else here.
const MARK: &str = "Xq7ZkPw";

/// The mark as it may show: plain, as `Debug` writes octets, and in base64 at each of the three alignments.
static SHAPES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let octets: Vec<String> = MARK.bytes().map(|octet| octet.to_string()).collect();
    let mut shapes = vec![MARK.to_owned(), octets.join(", ")];
    for before in 0..3 {
        let text = [&b"\0\0"[..before], MARK.as_bytes()].concat();
        let encoded = base64(&text[..text.len() / 3 * 3]);
        shapes.push(encoded[(before * 4).div_ceil(3)..].to_owned());
    }
    shapes
});

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 §4.
pub(in super::super) fn base64(octets: &[u8]) -> String {
    let mut text = String::new();
    for group in octets.chunks(3) {
        let bits =
            group.iter().fold(0, |bits, octet| bits << 8 | u32::from(*octet)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= group.len() as u32 { char::from(digit) } else { '=' });
        }
    }
    text
}

/// As far as it is base64.
fn unbase64(text: &[u8]) -> Vec<u8> {
    let mut bits = 0;
    let mut count = 0;
    let mut octets = Vec::new();
    for digit in text.iter().map_while(|octet| DIGITS.iter().position(|digit| digit == octet)) {
        bits = (bits << 6 | digit as u32) & 0xff_ffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            octets.push((bits >> count) as u8);
        }
    }
    octets
}

/// Whether a line of an AUTH exchange tells a secret.
pub(super) fn told_in(line: &[u8]) -> bool {
    line.split(|&octet| octet == b' ').any(|word| contains(&unbase64(word), MARK) || contains(word, MARK))
}

/// Whether the input brings the secret itself, by guesswork: nothing can be said of it then.
pub(super) fn guessed(input: &[u8]) -> bool {
    SHAPES.iter().any(|shape| contains(input, shape))
}

/// INV12.
pub(super) fn not_in(value: &dyn Debug) {
    text_is_clean(&format!("{value:?}"));
}

pub(super) fn text_is_clean(text: &str) {
    assert!(!SHAPES.iter().any(|shape| text.contains(shape)), "INV12: {text}");
}

fn contains(octets: &[u8], text: &str) -> bool {
    octets.windows(text.len()).any(|window| window == text.as_bytes())
}
