#![allow(clippy::expect_used)]

use std::{format, string::ToString, vec, vec::Vec};

use super::part::MAX_CHANGES;
use super::scan::WINDOW;
use super::*;

/// What a body must become, octet by octet: the wire octets, terminator included, and where the first long
/// line is; or the first fault.
fn reference(message: &[u8], rules: BodyRules) -> Result<(Vec<u8>, Option<u64>), BodyFault> {
    let mut wire = Vec::new();
    let mut long = None;
    let mut length = 0;
    let mut line_start = true;
    let mut i = 0;
    while let Some(&octet) = message.get(i) {
        let next = message.get(i + 1);
        let offset = i as u64;
        let (lone, octets) = match (octet, next) {
            (b'\r', Some(b'\n')) => (None, 2),
            (b'\r', _) => (Some(BodyFaultKind::BareCr), 1),
            (b'\n', _) => (Some(BodyFaultKind::BareLf), 1),
            (other, _) => {
                if other == 0 {
                    return Err(BodyFault { kind: BodyFaultKind::Nul, offset });
                }
                if other > 127 && rules.kind == BodyKind::SevenBit {
                    return Err(BodyFault { kind: BodyFaultKind::EightBit, offset });
                }
                length += 1;
                if length == 999 {
                    if rules.line_length == LineLength::Reject {
                        return Err(BodyFault { kind: BodyFaultKind::LineTooLong, offset });
                    }
                    long = long.or(Some(offset));
                }
                if line_start && other == b'.' {
                    wire.push(b'.');
                }
                wire.push(other);
                line_start = false;
                i += 1;
                continue;
            }
        };
        if let (Some(kind), LineEndings::Reject) = (lone, rules.line_endings) {
            return Err(BodyFault { kind, offset });
        }
        wire.extend(b"\r\n");
        length = 0;
        line_start = true;
        i += octets;
    }
    wire.extend(if line_start { &b".\r\n"[..] } else { b"\r\n.\r\n" });
    Ok((wire, long))
}

/// What the encoder makes of the chunks, in the terms of [`reference`].
fn encode_chunks<'c>(
    chunks: impl IntoIterator<Item = &'c [u8]>,
    rules: BodyRules,
) -> Result<(Vec<u8>, Option<u64>), BodyFault> {
    let mut encoder = BodyEncoder::new(rules);
    let mut wire = encode_all(&mut encoder, chunks)?;
    wire.extend(encoder.terminator()?);
    Ok((wire, encoder.first_long_line()))
}

/// The same in `BDAT` chunks: no dots, no terminator.
fn count_chunks<'c>(
    chunks: impl IntoIterator<Item = &'c [u8]>,
    rules: BodyRules,
) -> Result<Vec<u8>, BodyFault> {
    let mut encoder = BodyEncoder::counted(rules);
    let mut wire = encode_all(&mut encoder, chunks)?;
    wire.extend(encoder.tail()?);
    Ok(wire)
}

fn encode_all<'c>(
    encoder: &mut BodyEncoder,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Result<Vec<u8>, BodyFault> {
    let mut wire = Vec::new();
    let mut octets_in = 0;
    for mut chunk in chunks {
        octets_in += chunk.len() as u64;
        while !chunk.is_empty() {
            let part = encoder.encode(chunk)?;
            assert!(part.consumed() > 0 && part.consumed() <= WINDOW);
            assert!(part.len() >= part.consumed());
            let before = wire.len();
            for slice in &part {
                assert!(!slice.is_empty());
                wire.extend_from_slice(slice);
            }
            assert_eq!(wire.len() - before, part.len());
            chunk = &chunk[part.consumed()..];
        }
    }
    assert_eq!(encoder.octets_in(), octets_in);
    assert_eq!(encoder.octets_out(), wire.len() as u64);
    Ok(wire)
}

/// All the rules there are, apart from BINARYMIME, which is as 8BITMIME here.
fn all_rules() -> impl Iterator<Item = BodyRules> {
    [BodyKind::SevenBit, BodyKind::EightBitMime].into_iter().flat_map(|kind| {
        [LineEndings::Normalize, LineEndings::Reject].into_iter().flat_map(move |line_endings| {
            [LineLength::Pass, LineLength::Reject].into_iter().map(move |line_length| BodyRules {
                kind,
                line_endings,
                line_length,
            })
        })
    })
}

/// INV4: no lone line ends, and the end of the message at its end only.
fn assert_sound(wire: &[u8], message: &[u8]) {
    let at = |i: usize| wire.get(i).copied();
    for (i, &octet) in wire.iter().enumerate() {
        assert!(octet != b'\r' || at(i + 1) == Some(b'\n'), "lone CR from {message:?}");
        assert!(octet != b'\n' || i > 0 && at(i - 1) == Some(b'\r'), "lone LF from {message:?}");
    }
    // The command line ends in CRLF before the first octet.
    let sent = [b"\r\n", wire].concat();
    let end = sent.windows(5).position(|five| five == b"\r\n.\r\n");
    assert_eq!(end, Some(sent.len() - 5), "{message:?}");
}

/// Takes the dots and the terminator away, as the server does.
fn unstuff(wire: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    for line in wire.split_inclusive(|&octet| octet == b'\n') {
        match line {
            b".\r\n" => break,
            [b'.', rest @ ..] => message.extend(rest),
            _ => message.extend(line),
        }
    }
    message
}

fn normalised(message: &[u8]) -> Vec<u8> {
    let mut lines = mended(message);
    if !lines.is_empty() && !lines.ends_with(b"\n") {
        lines.extend(b"\r\n");
    }
    lines
}

/// The message with every lone CR and LF made a CRLF.
fn mended(message: &[u8]) -> Vec<u8> {
    let text = message.iter().map(|&octet| char::from(octet)).collect::<std::string::String>();
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

/// Checks a message against the reference under all rules: whole, octet by octet, and in chunks of some
/// other sizes; and `Content` with it.
fn check(message: &[u8]) {
    let content = Content::scan(message);
    for rules in all_rules() {
        let expected = reference(message, rules);
        assert_eq!(encode_chunks([message], rules), expected, "{rules:?}");
        for size in [1, 2, 3, 31, 32, 33, 64, 65, 100, 1000] {
            assert_eq!(encode_chunks(message.chunks(size), rules), expected, "{rules:?}, {size} at a time");
        }
        assert_eq!(content.check(&rules).err(), expected.as_ref().err().copied(), "{rules:?}");
        if let Ok((wire, long)) = expected {
            assert_sound(&wire, message);
            assert_eq!(unstuff(&wire), normalised(message));
            assert_eq!(content.first_long_line(), long);
            if rules.line_endings == LineEndings::Normalize {
                // What a server has when it has taken the dots out, and put no end behind the last line.
                let end = if content.ends_in_line() { 2 } else { 0 };
                let grown = message.len() as u64 + content.bare_line_ends() + end;
                assert_eq!(grown, normalised(message).len() as u64, "{message:?}");
            }
            let as_is =
                wire.starts_with(message) && wire.len() - message.len() <= 5 && !message.ends_with(b"\r");
            assert_eq!(content.is_clean(), as_is, "{message:?}");
        }
    }
}

const DEFAULT: BodyRules = BodyRules::new(BodyKind::EightBitMime);
const REJECT: BodyRules = BodyRules { line_endings: LineEndings::Reject, ..DEFAULT };

fn wire(message: &[u8]) -> Vec<u8> {
    encode_chunks([message], DEFAULT).expect("no fault").0
}

fn fault(message: &[u8], rules: BodyRules) -> (BodyFaultKind, u64) {
    let fault = encode_chunks([message], rules).expect_err("a fault");
    (fault.kind, fault.offset)
}

#[test]
fn d01_dots_at_the_start_of_lines() {
    for (message, expected) in [
        (&b"a\r\n.\r\nb"[..], &b"a\r\n..\r\nb\r\n.\r\n"[..]),
        (b".", b"..\r\n.\r\n"),
        (b".x", b"..x\r\n.\r\n"),
        (b"..", b"...\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"", b".\r\n"),
        (b"a.b\r\n.c.\r\n", b"a.b\r\n..c.\r\n.\r\n"),
    ] {
        assert_eq!(wire(message), expected);
        check(message);
    }
}

#[test]
fn d02_a_dot_after_an_empty_line() {
    let message = b"a\r\n\r\n.\r\nMAIL FROM:<x@example.org>\r\n";
    assert_eq!(wire(message), b"a\r\n\r\n..\r\nMAIL FROM:<x@example.org>\r\n.\r\n");
    check(message);
}

#[test]
fn d03_smuggling_sequences() {
    for (sequence, repaired, first_fault) in [
        (&b"\n.\n"[..], &b"\r\n..\r\n"[..], (BodyFaultKind::BareLf, 1)),
        (b"\n.\r\n", b"\r\n..\r\n", (BodyFaultKind::BareLf, 1)),
        (b"\r.\r", b"\r\n..\r\n", (BodyFaultKind::BareCr, 1)),
        (b"\r.\r\n", b"\r\n..\r\n", (BodyFaultKind::BareCr, 1)),
        (b"\r\n.\n", b"\r\n..\r\n", (BodyFaultKind::BareLf, 4)),
        (b"\r\n.\r", b"\r\n..\r\n", (BodyFaultKind::BareCr, 4)),
        (b"\n.\r", b"\r\n..\r\n", (BodyFaultKind::BareLf, 1)),
        (b"\r\r\n.\r\n", b"\r\n\r\n..\r\n", (BodyFaultKind::BareCr, 1)),
        (b"\n\n.\r\n", b"\r\n\r\n..\r\n", (BodyFaultKind::BareLf, 1)),
    ] {
        let message = [b"a", sequence, b"MAIL FROM:<x@example.org>\r\n"].concat();
        let expected = [b"a", repaired, b"MAIL FROM:<x@example.org>\r\n.\r\n"].concat();
        assert_eq!(wire(&message), expected);
        assert_eq!(fault(&message, REJECT), first_fault);
        check(&message);
    }
    assert_eq!(fault(b"a\r\n\0.\r\n", DEFAULT), (BodyFaultKind::Nul, 3));
}

#[test]
fn d04_every_short_string_under_every_split() {
    const ALPHABET: [u8; 4] = [b'\r', b'\n', b'.', b'a'];
    let (mut strings, mut splits) = (0, 0);
    for length in 1..=8 {
        for number in 0..4_usize.pow(length) {
            let message: Vec<u8> =
                (0..length).map(|digit| ALPHABET[number / 4_usize.pow(digit) % 4]).collect();
            strings += 1;
            for rules in [DEFAULT, REJECT] {
                let expected = reference(&message, rules);
                if let Ok((wire, _)) = &expected {
                    assert_sound(wire, &message);
                    assert_eq!(unstuff(wire), normalised(&message));
                }
                let counted = expected.as_ref().map(|_| mended(&message)).map_err(|fault| *fault);
                for cut in 0..=message.len() {
                    let (head, tail) = message.split_at(cut);
                    assert_eq!(encode_chunks([head, tail], rules), expected, "{message:?} cut at {cut}");
                    assert_eq!(count_chunks([head, tail], rules), counted, "{message:?} cut at {cut}");
                    splits += 1;
                }
                assert_eq!(encode_chunks(message.chunks(1), rules), expected, "{message:?}");
                assert_eq!(count_chunks(message.chunks(1), rules), counted, "{message:?}");
                assert_eq!(Content::scan(&message).check(&rules).err(), expected.err());
            }
        }
    }
    std::println!("d04: {strings} strings, {splits} splits, for DATA and in chunks");
    assert_eq!(strings, 87_380);
}

#[test]
fn d05_chunk_boundaries() {
    for chunks in [
        &[&b"a\r"[..], b"\n.", b"\r\nb"][..],
        &[b"a\r\n", b".", b"\r\n"],
        &[b"a\r\n", b".b"],
        &[b"a", b".b"],
        &[b"a\r"],
        &[b"a\r", b""],
        &[b"", b".", b"", b"", b"\r", b"", b"\n", b""],
        &[b"a\r", b".b"],
        &[b"a\r", b"\r", b"\n"],
        &[b"a\n", b".b"],
        &[b"a\r", b"\0"],
    ] {
        let message = chunks.concat();
        for rules in all_rules() {
            let got = encode_chunks(chunks.iter().copied(), rules);
            assert_eq!(got, reference(&message, rules), "{chunks:?}");
        }
        check(&message);
    }
    let mut encoder = BodyEncoder::new(DEFAULT);
    let part = encoder.encode(b"").expect("no fault");
    assert!(part.is_empty() && part.consumed() == 0 && part.slices().next().is_none());
}

#[test]
fn d06_terminators() {
    for (message, expected) in [
        (&b"x\r\n"[..], &b"x\r\n.\r\n"[..]),
        (b"x", b"x\r\n.\r\n"),
        (b"x\r", b"x\r\n.\r\n"),
        (b"x\n", b"x\r\n.\r\n"),
        (b"x\r\n\r\n", b"x\r\n\r\n.\r\n"),
        (b"", b".\r\n"),
    ] {
        assert_eq!(wire(message), expected);
        check(message);
    }
    assert_eq!(fault(b"x\r", REJECT), (BodyFaultKind::BareCr, 1));
}

#[test]
fn d07_cr_cr_lf_is_two_line_ends() {
    assert_eq!(wire(b"a\r\r\nb"), b"a\r\n\r\nb\r\n.\r\n");
    assert_eq!(fault(b"a\r\r\nb", REJECT), (BodyFaultKind::BareCr, 1));
    check(b"a\r\r\nb");
    check(b"\r\r\r\n\n\r\r");
}

#[test]
fn d08_nul_is_refused() {
    for kind in [BodyKind::SevenBit, BodyKind::EightBitMime, BodyKind::BinaryMime] {
        assert_eq!(fault(b"a\r\nb\0c", BodyRules::new(kind)), (BodyFaultKind::Nul, 4));
    }
    assert_eq!(Content::scan(b"a\0b\0").first_nul(), Some(1));
    check(b"\0");
    check(b"a\r\0");
}

#[test]
fn d09_body_kinds() {
    let message = b"na\xc3\xafve\r\n";
    assert_eq!(fault(message, BodyRules::new(BodyKind::SevenBit)), (BodyFaultKind::EightBit, 2));
    assert_eq!(wire(message), b"na\xc3\xafve\r\n.\r\n");
    check(message);

    let kinds = [
        (&b"abc\x7f\x01"[..], BodyKind::SevenBit, "7BIT"),
        (b"ab\x80", BodyKind::EightBitMime, "8BITMIME"),
        (b"ab\xff\0", BodyKind::BinaryMime, "BINARYMIME"),
        (b"\0", BodyKind::BinaryMime, "BINARYMIME"),
    ];
    for (message, kind, name) in kinds {
        assert_eq!(Content::scan(message).kind(), kind);
        assert_eq!(kind.as_str(), name);
        check(message);
    }
    let content = Content::scan(b"\xe9\r.\xe9\n\0\xe9");
    assert_eq!(content.first_eight_bit(), Some(0));
    assert_eq!(content.first_bare_line_end(), Some((BodyFaultKind::BareCr, 1)));
    assert_eq!(content.first_nul(), Some(5));
    assert!(!content.is_clean());
}

#[test]
fn d10_long_lines() {
    for length in [996, 997, 998, 999, 1000, 1001, 1996, 1997, 1998] {
        for before in ["", "a\r\n", "\n", "\r"] {
            for after in ["", "\r\n", "\r\nb\r\n", "\n", "\r", "\rb", "\n.", "\0"] {
                check(format!("{before}{}{after}", "x".repeat(length)).as_bytes());
            }
        }
    }
    for ends in ["\r\n", "\n", "\r"] {
        let line = format!("{}{ends}", "x".repeat(998));
        check(format!("{}x{line}x{line}", line.repeat(3)).as_bytes());
        check(format!("{}{}", "ab".repeat(40) + ends, line.repeat(3)).as_bytes());
    }
    let reject = BodyRules { line_length: LineLength::Reject, ..DEFAULT };
    assert_eq!(fault(&[b'x'; 999], reject), (BodyFaultKind::LineTooLong, 998));
}

#[test]
fn d10_a_line_of_1_mib_is_one_slice_per_window() {
    let message = [&vec![b'x'; 1 << 20], &b"\r\n"[..]].concat();
    let mut encoder = BodyEncoder::new(DEFAULT);
    let mut rest = &message[..];
    let mut parts = 0;
    while !rest.is_empty() {
        let part = encoder.encode(rest).expect("no fault");
        assert!(part.slices().eq([&rest[..part.consumed()]]));
        rest = &rest[part.consumed()..];
        parts += 1;
    }
    assert_eq!(parts, 5);
    assert_eq!(encoder.first_long_line(), Some(998));
    assert_eq!(encoder.terminator(), Ok(&b".\r\n"[..]));
    assert!(size_of::<BodyEncoder>() <= 96, "{} octets", size_of::<BodyEncoder>());
}

#[test]
fn clean_text_is_one_slice_of_the_chunk_itself() {
    let message = b"An ordinary line, with. a dot.\r\n".repeat(300);
    let part = BodyEncoder::new(DEFAULT).encode(&message).expect("no fault");
    assert_eq!(part.slices().count(), 1);
    assert!(part.slices().all(|slice| core::ptr::eq(slice, &message[..])));
    assert!(Content::scan(&message).is_clean());
}

/// Every suspect octet at every place near the edges of blocks, chunks and windows, among others of them.
#[test]
fn suspects_at_every_place_of_a_block() {
    let text: Vec<u8> = (0..400).map(|i| b'a' + (i % 26) as u8).collect();
    for sequence in [
        &b"\r"[..],
        b"\n",
        b"\r\n",
        b"\r\n.",
        b"\n.",
        b"\r.",
        b".",
        b"\0",
        b"\xff",
        b"\r\0",
        b"\r\xff",
        b"\r\r",
    ] {
        for at in (0..140).chain(250..265).chain(390..=400) {
            let (head, tail) = text.split_at(at);
            let message = [head, sequence, tail].concat();
            for rules in all_rules() {
                let expected = reference(&message, rules);
                assert_eq!(encode_chunks([&message[..]], rules), expected);
                assert_eq!(encode_chunks(message.chunks(67), rules), expected);
                let content = Content::scan(&message);
                assert_eq!(content.check(&rules).err(), expected.err());
            }
        }
    }
    let far = WINDOW - 3;
    for sequence in [&b"\r\n.\r\n."[..], b"\r\r\r\r\r\r", b"\n\n\n\n\n\n", b"\r\0"] {
        for at in far..far + 6 {
            let mut message = b"0123456789abcd\r\n".repeat(WINDOW / 16 + 1);
            message.splice(at..at, sequence.iter().copied());
            for rules in [DEFAULT, REJECT] {
                let expected = reference(&message, rules);
                assert_eq!(encode_chunks([&message[..]], rules), expected);
                assert_eq!(Content::scan(&message).check(&rules).err(), expected.err());
            }
        }
    }
}

/// Messages dense with everything, from a fixed generator.
#[test]
fn mixtures_agree_with_the_reference() {
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for round in 0..300 {
        let pieces: &[&[u8]] = match round % 3 {
            0 => &[b"\r\n", b".", b"some text", b"\n", b"\r"],
            1 => &[b"\r\n", b"\r\n.", b"a line of text that is clean", b"\r\n", &[b'y'; 300]],
            _ => &[
                b"\r\n",
                b".",
                b"8-bit \xe4\xf6\xfc",
                b"\n",
                b"\r",
                b"text",
                b"text",
                b"more text\r\n",
                b"x\0",
            ],
        };
        let mut message = Vec::new();
        for _ in 0..random(150) {
            message.extend(pieces[random(pieces.len())]);
        }
        check(&message);
    }
}

#[test]
fn advance_at_every_octet() {
    let message = b".a\r\n..b\nc\rd\r.e";
    let encode = || BodyEncoder::new(DEFAULT).encode(message).expect("no fault");
    let all = encode().slices().collect::<Vec<_>>().concat();
    assert_eq!(all, b"..a\r\n...b\r\nc\r\nd\r\n..e");
    for first in 0..=all.len() + 3 {
        for second in 0..=all.len() {
            let mut part = encode();
            assert_eq!(part.advance(first), first.saturating_sub(all.len()));
            let left = all.get(first..).unwrap_or_default();
            assert_eq!(part.slices().collect::<Vec<_>>().concat(), left);
            assert_eq!((part.len(), part.is_empty()), (left.len(), left.is_empty()));
            assert_eq!(part.advance(second), second.saturating_sub(left.len()));
            let left = left.get(second..).unwrap_or_default();
            assert!(part.slices().all(|slice| !slice.is_empty()));
            assert_eq!((part.len(), part.consumed()), (left.len(), message.len()));
            assert_eq!(part.slices().collect::<Vec<_>>().concat(), left);
        }
    }
}

#[test]
fn a_part_is_bounded() {
    for message in [b"\n".repeat(1000), b".\r\n".repeat(500), b"\r.".repeat(500), b"\r".repeat(1000)] {
        let mut encoder = BodyEncoder::new(DEFAULT);
        let mut rest = &message[..];
        while !rest.is_empty() {
            let part = encoder.encode(rest).expect("no fault");
            assert!(part.slices().count() <= 2 * MAX_CHANGES + 1);
            assert!(part.consumed() == rest.len() || part.len() - part.consumed() >= MAX_CHANGES - 1);
            rest = &rest[part.consumed()..];
        }
        check(&message);
    }
}

#[test]
fn a_fault_is_repeated() {
    let mut encoder = BodyEncoder::new(DEFAULT);
    let fault = encoder.encode(b"ab\0").expect_err("a fault");
    assert_eq!(encoder.encode(b"cd").err(), Some(fault));
    assert_eq!(encoder.encode(b"").err(), Some(fault));
    assert_eq!(encoder.terminator(), Err(fault));
    assert_eq!(fault.to_string(), "NUL octet at octet 2 of the message");
}

#[test]
fn debug_shows_no_mail() {
    let part = BodyEncoder::new(DEFAULT).encode(b"secret\r\n").expect("no fault");
    assert_eq!(format!("{part:?}"), "BodyPart { slices: 1, consumed: 8, len: 8 }");
    assert_eq!(format!("{:?}", part.slices()), "Slices { left: 1 }");
}

#[test]
fn d17_the_octets_of_every_piece_are_counted() {
    for kind in [BodyKind::SevenBit, BodyKind::EightBitMime, BodyKind::BinaryMime] {
        let rules = BodyRules::new(kind);
        for mut encoder in [BodyEncoder::new(rules), BodyEncoder::counted(rules)] {
            for (piece, total) in [(&b"abc\r\n"[..], 5), (b"de", 7), (b"", 7), (b"fgh\r\n", 12)] {
                drop(encoder.encode(piece).expect("no fault"));
                assert_eq!((encoder.octets_in(), encoder.octets_out()), (total, total), "{kind:?}");
            }
        }
    }
}

#[test]
fn kinds_are_shown_as_the_parameter_has_them() {
    let kinds = [BodyKind::SevenBit, BodyKind::EightBitMime, BodyKind::BinaryMime];
    assert_eq!(kinds.map(|kind| kind.to_string()), ["7BIT", "8BITMIME", "BINARYMIME"]);
}
