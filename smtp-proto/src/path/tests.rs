#![allow(clippy::unwrap_used, clippy::expect_used)]

use alloc::format;
use alloc::string::{String, ToString};
use std::collections::HashSet;

use super::AddressErrorKind as Kind;
use super::*;

/// C0 and DEL.
fn controls() -> impl Iterator<Item = char> {
    (0u8..=0x1f).chain([0x7f]).map(char::from)
}

fn mailbox_error(text: &str) -> (Kind, usize) {
    let error = text.parse::<Mailbox>().expect_err(text);
    (error.kind(), error.offset())
}

fn name_error(text: &str) -> (Kind, usize) {
    let error = text.parse::<ClientName>().expect_err(text);
    (error.kind(), error.offset())
}

/// No type here takes `text`.
fn refused_by_all(text: &str) {
    assert!(text.parse::<ClientName>().is_err(), "client name {text:?}");
    assert!(ClientName::domain(text).is_err(), "domain {text:?}");
    assert!(text.parse::<Mailbox>().is_err(), "mailbox {text:?}");
    assert!(text.parse::<ReversePath>().is_err(), "reverse-path {text:?}");
    assert!(text.parse::<ForwardPath>().is_err(), "forward-path {text:?}");
}

#[test]
fn i01_a_command_in_an_address() {
    for text in ["a@b>\r\nDATA\r\nInjected\r\n.\r\nQUIT\r\n", "<a@b>\r\nDATA\r\n", "a@b\r\n", "\r\na@b"] {
        refused_by_all(text);
        assert_eq!(mailbox_error(text).0, Kind::ControlCharacter);
    }
}

#[test]
fn i02_controls_at_start_middle_end() {
    for c in controls() {
        for (text, offset) in [
            (format!("{c}a@b"), 0),
            (format!("a{c}b@c"), 1),
            (format!("a@b{c}c"), 3),
            (format!("a@b{c}"), 3),
            (format!("<{c}a@b>"), 1),
            (format!("<a@b{c}>"), 4),
            (format!("<a@b>{c}"), 5),
            (format!("\"{c}\"@b"), 1),
            (format!("\"\\{c}\"@b"), 2),
            (format!("a@[tag:x{c}]"), 8),
        ] {
            refused_by_all(&text);
            assert_eq!(mailbox_error(&text), (Kind::ControlCharacter, offset), "{text:?}");
        }
        for (text, offset) in [(format!("{c}mx"), 0), (format!("m{c}x"), 1), (format!("mx{c}"), 2)] {
            refused_by_all(&text);
            assert_eq!(name_error(&text), (Kind::ControlCharacter, offset), "{text:?}");
        }
        refused_by_all(&format!("<>{c}"));
        refused_by_all(&format!("postmaster{c}"));
        refused_by_all(&format!("<postmaster{c}>"));
    }
}

#[test]
fn i03_angle_brackets_and_spaces() {
    for text in [
        "a@b> SIZE=1",
        "a@b> NOTIFY=NEVER",
        "<a@b> SIZE=1",
        "<a@b> SIZE=1>",
        "<a@b>>",
        "<<a@b>>",
        "a@b>",
        "a@b<",
        "<a@b",
        "a b@c",
        "a@b c",
        " a@b",
        "a@b ",
        "a<b@c",
        "a>b@c",
        "<>>",
        "< >",
        "postmaster> SIZE=1",
        "<postmaster",
        "a@[tag:x>y]",
        "Alice <a@b>",
    ] {
        refused_by_all(text);
    }
    assert_eq!(mailbox_error("<a@b> SIZE=1>"), (Kind::DomainCharacter, 4));
    assert_eq!(mailbox_error("<a@b> SIZE=1"), (Kind::UnbalancedBrackets, 12));
    assert_eq!(mailbox_error("a b@c"), (Kind::LocalPartCharacter, 1));
}

#[test]
fn i04_a_command_in_a_quoted_local_part() {
    refused_by_all("\"a\r\nRCPT TO:<x@y>\"@b");
    assert_eq!(mailbox_error("\"a\r\nRCPT TO:<x@y>\"@b"), (Kind::ControlCharacter, 2));
}

#[test]
fn i05_look_alikes() {
    // The low byte of each is CR or LF; what is written are the octets of its UTF-8.
    for c in ['\u{010d}', '\u{010a}', '\u{560d}', '\u{560a}', '\u{760d}', '\u{760a}'] {
        for text in [format!("{c}a@b"), format!("a{c}a@b"), format!("a{c}@b"), format!("a@b{c}b")] {
            let path: ForwardPath = text.parse().unwrap();
            assert!(path.needs_smtputf8());
            assert_eq!(path.as_str().as_bytes(), text.as_bytes());
            assert!(path.as_str().bytes().all(|octet| octet > 0x20 && octet != 0x7f));
            assert!(text.parse::<ReversePath>().unwrap().needs_smtputf8());
        }
        for text in [format!("{c}mx"), format!("m{c}x"), format!("mx{c}")] {
            assert_eq!(name_error(&text).0, Kind::DomainCharacter);
        }
    }
    let line_ends = ['\u{85}', '\u{2028}', '\u{2029}'];
    for c in line_ends.into_iter().chain('\u{80}'..='\u{9f}') {
        for text in [
            format!("{c}a@b"),
            format!("a{c}a@b"),
            format!("\"{c}\"@b"),
            format!("a@b{c}b"),
            format!("a@b{c}"),
            format!("m{c}x"),
        ] {
            refused_by_all(&text);
            assert_eq!(mailbox_error(&text).0, Kind::ControlCharacter, "{text:?}");
        }
    }
}

#[test]
fn i06_client_name() {
    for (text, expected) in [
        ("x\r\nMAIL FROM:<e@x>", (Kind::ControlCharacter, 1)),
        ("", (Kind::Empty, 0)),
        (" ", (Kind::DomainCharacter, 0)),
        ("a b", (Kind::DomainCharacter, 1)),
        ("b\u{fc}cher.example", (Kind::DomainCharacter, 1)),
        ("a_b.example", (Kind::DomainCharacter, 1)),
        ("a@b", (Kind::DomainCharacter, 1)),
        ("a..b", (Kind::DomainLabel, 2)),
        (".a", (Kind::DomainLabel, 0)),
        ("a.", (Kind::DomainLabel, 2)),
        ("-a", (Kind::DomainLabel, 0)),
        ("a.b-", (Kind::DomainLabel, 3)),
        ("[", (Kind::AddressLiteral, 0)),
        ("[]", (Kind::AddressLiteral, 0)),
        ("[1.2.3.4", (Kind::AddressLiteral, 0)),
        ("[1.2.3.4] SIZE=1", (Kind::AddressLiteral, 0)),
        ("[1.2.3.256]", (Kind::AddressLiteral, 0)),
        ("[::1]", (Kind::AddressLiteral, 0)),
        ("[IPv6:]", (Kind::AddressLiteral, 0)),
        ("[IPv6:fe80::1%eth0]", (Kind::AddressLiteral, 0)),
        ("[tag-:x]", (Kind::AddressLiteral, 0)),
        ("[tag:x y]", (Kind::AddressLiteral, 0)),
    ] {
        assert_eq!(name_error(text), expected, "{text:?}");
    }
    for text in
        ["localhost", "mail.example.com", "xn--bcher-kva.example", "4.example", "[192.0.2.1]", "[tag:x]"]
    {
        let name: ClientName = text.parse().unwrap();
        assert_eq!(name.as_str(), text);
        assert_eq!(name.to_string(), text);
    }
    assert_eq!(ClientName::domain("[192.0.2.1]").unwrap_err().kind(), Kind::DomainCharacter);
}

#[test]
fn client_name_of_an_address() {
    for (address, expected) in [
        ("127.0.0.1", "[127.0.0.1]"),
        ("::1", "[IPv6:::1]"),
        ("2001:db8:0:0:0:0:0:1", "[IPv6:2001:db8::1]"),
        ("::ffff:192.0.2.1", "[IPv6:::ffff:192.0.2.1]"),
    ] {
        let name = ClientName::from_ip(address.parse().unwrap());
        assert_eq!(name.as_str(), expected);
        assert_eq!(expected.parse::<ClientName>().unwrap(), name);
    }
}

/// A domain of `len` octets in labels of at most 63.
fn domain_of(len: usize) -> String {
    let mut domain = String::new();
    while len - domain.len() > 64 {
        domain.push_str(&"d".repeat(63));
        domain.push('.');
    }
    match len - domain.len() {
        64 => domain.push_str(&format!("{}.d", "d".repeat(62))),
        rest => domain.push_str(&"d".repeat(rest)),
    }
    assert_eq!(domain.len(), len);
    domain
}

#[test]
fn i10_lengths_n_minus_1_n_n_plus_1() {
    for len in [63, 64] {
        assert_eq!(format!("{}@b", "a".repeat(len)).parse::<Mailbox>().unwrap().local_part().len(), len);
        let quoted = format!("\"{}\"@b", "a".repeat(len - 2));
        assert_eq!(quoted.parse::<Mailbox>().unwrap().local_part().len(), len);
    }
    assert_eq!(mailbox_error(&format!("{}@b", "a".repeat(65))), (Kind::LocalPartTooLong, 64));
    assert_eq!(mailbox_error(&format!("<{}@b>", "a".repeat(65))), (Kind::LocalPartTooLong, 65));
    assert_eq!(mailbox_error(&format!("\"{}\"@b", "a".repeat(63))), (Kind::LocalPartTooLong, 64));
    // Octets are counted, not characters.
    assert!(format!("{}@b", "\u{e4}".repeat(32)).parse::<Mailbox>().is_ok());
    assert_eq!(mailbox_error(&format!("{}@b", "\u{e4}".repeat(33))), (Kind::LocalPartTooLong, 64));

    for len in [254, 255] {
        assert_eq!(domain_of(len).parse::<ClientName>().unwrap().as_str().len(), len);
    }
    assert_eq!(name_error(&domain_of(256)), (Kind::DomainTooLong, 255));
    assert_eq!(mailbox_error(&format!("a@{}", domain_of(256))), (Kind::DomainTooLong, 257));
    let literal = |len: usize| format!("[x:{}]", "y".repeat(len - 4));
    assert!(literal(255).parse::<ClientName>().is_ok());
    assert_eq!(name_error(&literal(256)), (Kind::DomainTooLong, 255));

    for len in [255, 256] {
        let path: ForwardPath = format!("a@{}", domain_of(len - 4)).parse().unwrap();
        assert_eq!(path.to_string().len(), len);
        let path: ReversePath = format!("<{}@{}>", "a".repeat(64), domain_of(len - 67)).parse().unwrap();
        assert_eq!(path.to_string().len(), len);
    }
    assert_eq!(mailbox_error(&format!("a@{}", domain_of(253))), (Kind::PathTooLong, 254));
    assert_eq!(mailbox_error(&format!("<a@{}>", domain_of(253))), (Kind::PathTooLong, 255));

    for len in [62, 63] {
        assert!("d".repeat(len).parse::<ClientName>().is_ok());
    }
    assert_eq!(name_error(&"d".repeat(64)), (Kind::DomainLabel, 63));
    assert_eq!(name_error(&format!("a.{}", "d".repeat(64))), (Kind::DomainLabel, 65));
}

#[test]
fn i11_null_reverse_path_and_postmaster() {
    let null: ReversePath = "<>".parse().unwrap();
    assert_eq!(null, ReversePath::null());
    assert_eq!((null.as_str(), null.to_string().as_str(), null.mailbox()), ("", "<>", None));
    assert!(null.is_null() && !null.needs_smtputf8());
    assert_eq!("<>".parse::<ForwardPath>().unwrap_err().kind(), Kind::NullPath);
    assert_eq!("<>".parse::<Mailbox>().unwrap_err().kind(), Kind::NullPath);
    refused_by_all("");

    for text in ["postmaster", "<postmaster>", "Postmaster", "<POSTMASTER>"] {
        let path: ForwardPath = text.parse().unwrap();
        assert_eq!(path, ForwardPath::postmaster());
        assert_eq!(path.to_string(), "<postmaster>");
        assert!(path.is_postmaster());
        assert_eq!(text.parse::<ReversePath>().unwrap_err().kind(), Kind::MissingAt);
    }
    assert!(!"postmaster@b".parse::<ForwardPath>().unwrap().is_postmaster());
}

#[test]
fn mailboxes_that_are_valid() {
    for (text, local_part, domain) in [
        ("a@b", "a", "b"),
        ("a.b.c@d.example", "a.b.c", "d.example"),
        ("!#$%&'*+-/=?^_`{|}~@b", "!#$%&'*+-/=?^_`{|}~", "b"),
        ("\"\"@b", "\"\"", "b"),
        ("\"a b\"@c", "\"a b\"", "c"),
        ("\"a@b\"@c", "\"a@b\"", "c"),
        ("\"<>(),;:.\"@c", "\"<>(),;:.\"", "c"),
        (r#""a\"@b"@c"#, r#""a\"@b""#, "c"),
        (r#""\\"@c"#, r#""\\""#, "c"),
        ("a@[192.0.2.1]", "a", "[192.0.2.1]"),
        ("a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]"),
        ("a@[ipv6:::1]", "a", "[ipv6:::1]"),
        ("a@[x-tag:any!thing]", "a", "[x-tag:any!thing]"),
        ("\u{7528}\u{6237}@\u{4f8b}.\u{5e7f}\u{544a}", "\u{7528}\u{6237}", "\u{4f8b}.\u{5e7f}\u{544a}"),
        ("\"\u{e4} \u{f6}\"@b", "\"\u{e4} \u{f6}\"", "b"),
    ] {
        for given in [text.to_string(), format!("<{text}>")] {
            let mailbox: Mailbox = given.parse().unwrap();
            assert_eq!(mailbox.as_str(), text);
            assert_eq!((mailbox.local_part(), mailbox.domain()), (local_part, domain));
            assert_eq!(mailbox.is_ascii(), text.is_ascii());
            assert_eq!(mailbox.to_string().parse::<Mailbox>().unwrap(), mailbox);
            let path = ReversePath::from(mailbox.clone());
            assert_eq!(path.to_string(), format!("<{text}>"));
            assert_eq!(path.to_string().parse::<ReversePath>().unwrap(), path);
            assert_eq!(path.needs_smtputf8(), !text.is_ascii());
            assert_eq!(ForwardPath::from(mailbox.clone()).mailbox(), Some(&mailbox));
        }
    }
}

#[test]
fn mailboxes_that_are_not() {
    for (text, expected) in [
        ("", (Kind::Empty, 0)),
        ("a", (Kind::MissingAt, 1)),
        ("<a>", (Kind::MissingAt, 2)),
        ("@", (Kind::EmptyLocalPart, 0)),
        ("@b", (Kind::EmptyLocalPart, 0)),
        ("a@", (Kind::EmptyDomain, 2)),
        ("<a@>", (Kind::EmptyDomain, 3)),
        ("a@b@c", (Kind::DomainCharacter, 3)),
        (".a@b", (Kind::LocalPartDot, 0)),
        ("a.@b", (Kind::LocalPartDot, 1)),
        ("<a..b@c>", (Kind::LocalPartDot, 3)),
        ("a,b@c", (Kind::LocalPartCharacter, 1)),
        ("a\"b\"@c", (Kind::LocalPartCharacter, 1)),
        (r"a\b@c", (Kind::LocalPartCharacter, 1)),
        ("(a)b@c", (Kind::LocalPartCharacter, 0)),
        ("\"a", (Kind::QuotedString, 2)),
        ("\"", (Kind::QuotedString, 1)),
        ("\"a\"", (Kind::QuotedString, 3)),
        ("\"a\"b@c", (Kind::QuotedString, 3)),
        (r#""a\"@b"#, (Kind::QuotedString, 6)),
        (r#""a\"#, (Kind::QuotedString, 3)),
        ("\"\\\u{e4}\"@b", (Kind::LocalPartCharacter, 2)),
        ("@a,@b:c@d", (Kind::SourceRoute, 0)),
        ("@a:c", (Kind::EmptyLocalPart, 0)),
        ("<@a:c@d>", (Kind::SourceRoute, 1)),
        ("a@[1.2.3]", (Kind::AddressLiteral, 2)),
        ("a@[01.2.3.4]", (Kind::AddressLiteral, 2)),
        ("a@[1.2.3.4]x", (Kind::AddressLiteral, 2)),
        ("a@b.", (Kind::DomainLabel, 4)),
        ("a@-b", (Kind::DomainLabel, 2)),
        ("a@b_c", (Kind::DomainCharacter, 3)),
        // What IDNA reads as a dot, a space, or what no one sees.
        ("a@b\u{3002}c", (Kind::DomainCharacter, 3)),
        ("a@b\u{ff0e}c", (Kind::DomainCharacter, 3)),
        ("a@b\u{a0}c", (Kind::DomainCharacter, 3)),
        ("a@b\u{202e}c", (Kind::DomainCharacter, 3)),
        ("a@b\u{200b}c", (Kind::DomainCharacter, 3)),
    ] {
        assert_eq!(mailbox_error(text), expected, "{text:?}");
    }
}

#[test]
fn errors_name_the_fault_and_do_not_echo_the_text() {
    let error = "secret\u{1b}[2J@b".parse::<ForwardPath>().unwrap_err();
    assert_eq!(error.to_string(), "control character or line separator at octet offset 6");
    assert_eq!(error, AddressError::new(Kind::ControlCharacter, 6));
}

#[test]
fn conversions_and_collections() {
    let path = ForwardPath::try_from("a@b").unwrap();
    assert_eq!(path, ForwardPath::try_from(String::from("<a@b>")).unwrap());
    let set: HashSet<_> = [path.clone(), path, ForwardPath::postmaster()].into_iter().collect();
    assert_eq!(set.len(), 2);
    assert!(ClientName::try_from("a b").is_err());
}

#[test]
fn every_short_string_over_the_special_characters_is_safe_or_refused() {
    // All strings of up to 6 of these: whatever is taken is one path, without a way out of it.
    let alphabet = ['a', '@', '"', '\\', '>', '<', ' ', '.'];
    let mut accepted = 0;
    for len in 0..=6u32 {
        for number in 0..alphabet.len().pow(len) {
            let text: String =
                (0..len).map(|digit| alphabet[number / alphabet.len().pow(digit) % alphabet.len()]).collect();
            let Ok(mailbox) = text.parse::<Mailbox>() else { continue };
            accepted += 1;
            let mut quoted = false;
            let mut chars = mailbox.as_str().chars();
            while let Some(c) = chars.next() {
                match c {
                    '"' => quoted = !quoted,
                    '\\' => assert!(quoted && chars.next().is_some(), "{text:?}"),
                    '<' | '>' | ' ' => assert!(quoted, "{text:?}"),
                    _ => {}
                }
            }
            assert!(!quoted, "{text:?}");
            assert_eq!(mailbox.to_string(), format!("{}@{}", mailbox.local_part(), mailbox.domain()));
        }
    }
    assert!(accepted > 50, "{accepted}");
}

#[test]
fn the_host_of_an_address_with_or_without_a_port() {
    for (address, host) in [
        ("mail.example:587", "mail.example"),
        ("mail.example", "mail.example"),
        ("mail.example:smtp", "mail.example:smtp"),
        ("[::1]:25", "::1"),
        ("[::1]", "::1"),
        ("[::1", "[::1"),
        ("::1", "::1"),
        ("192.0.2.1:25", "192.0.2.1"),
        ("", ""),
    ] {
        assert_eq!(host_of(address), host, "{address}");
    }
}
