//! Reading a command line as a server does: what a line says, whoever wrote it.

/// Reads a line as a server does, and returns its parameters: the path ends with the first `>` that is not in
/// a quoted local part, and parameters stand behind one space each.
pub(super) fn said<'a>(line: &'a str, verb: &str, path: &str) -> Vec<&'a str> {
    let argument = line.strip_prefix(verb).expect("the verb");
    let mut quoted = false;
    let mut escaped = false;
    let end = argument.char_indices().find(|&(at, c)| {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = at == 0,
            '>' => return !quoted,
            _ => {}
        }
        false
    });
    let (read, rest) = argument.split_at(end.expect("the path ends").0);
    assert_eq!(read, path);
    match rest.strip_prefix("> ") {
        Some(parameters) => parameters.split(' ').collect(),
        None => {
            assert_eq!(rest, ">");
            Vec::new()
        }
    }
}

/// Keywords and values, the values of the `encoded` ones decoded.
pub(super) fn decoded(
    parameters: &[&str],
    encoded: &[&str],
) -> impl Iterator<Item = (String, Option<String>)> {
    parameters.iter().map(|parameter| {
        let (keyword, value) = match parameter.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (*parameter, None),
        };
        let value = value.map(|value| match keyword {
            _ if !encoded.contains(&keyword) => value.to_owned(),
            "ORCPT" => match value.split_once(';').expect("a type and an address") {
                (utf8, address) if utf8.eq_ignore_ascii_case("utf-8") => {
                    format!("{utf8};{}", decode_utf8_address(address))
                }
                (address_type, address) => format!("{address_type};{}", decode_xtext(address)),
            },
            _ => decode_xtext(value),
        });
        (keyword.to_owned(), value)
    })
}

/// RFC 3461 §4.
pub(super) fn decode_xtext(text: &str) -> String {
    let mut octets = text.bytes();
    let mut decoded = Vec::new();
    while let Some(octet) = octets.next() {
        assert!(octet.is_ascii_graphic() && octet != b'=');
        decoded.push(match octet {
            b'+' => hex(octets.next()) * 16 + hex(octets.next()),
            octet => octet,
        });
    }
    String::from_utf8(decoded).expect("what was text is text")
}

fn hex(digit: Option<u8>) -> u8 {
    match digit {
        Some(digit @ b'0'..=b'9') => digit - b'0',
        Some(digit @ b'A'..=b'F') => digit - b'A' + 10,
        digit => panic!("{digit:?} is no upper-case hexadecimal digit"),
    }
}

/// RFC 6533 §3.
fn decode_utf8_address(mut text: &str) -> String {
    let mut decoded = String::new();
    while let Some((before, rest)) = text.split_once("\\x{") {
        let (digits, after) = rest.split_once('}').expect("a closing brace");
        let code_point = u32::from_str_radix(digits, 16).expect("hexadecimal digits");
        decoded.push_str(before);
        decoded.push(char::from_u32(code_point).expect("a code point"));
        text = after;
    }
    decoded.push_str(text);
    decoded
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Whether it is base64 in its one canonical form (RFC 4648 §3.5).
pub(in super::super) fn is_base64(text: &str) -> bool {
    let digits = text.trim_end_matches('=');
    let sound = text.len() % 4 == 0 && text.len() - digits.len() <= 2;
    let known = digits.bytes().all(|octet| DIGITS.contains(&octet));
    sound && known && super::super::session::base64(&decode_base64(text)) == text
}

pub(in super::super) fn decode_base64(text: &str) -> Vec<u8> {
    assert_eq!(text.len() % 4, 0);
    let mut decoded = Vec::new();
    for quad in text.trim_end_matches('=').as_bytes().chunks(4) {
        let value = |digit: &u8| DIGITS.iter().position(|known| known == digit).expect("a base64 digit");
        let bits = quad.iter().fold(0, |bits, digit| bits << 6 | value(digit)) << (6 * (4 - quad.len()));
        decoded.extend(&[(bits >> 16) as u8, (bits >> 8) as u8, bits as u8][..quad.len() - 1]);
    }
    decoded
}
