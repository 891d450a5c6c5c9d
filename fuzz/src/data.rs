//! The `data` target: the input is a message.

use smtp_proto::body::{
    BodyEncoder, BodyFault, BodyFaultKind, BodyKind, BodyPart, BodyRules, Content, LineEndings, LineLength,
    MAX_LINE,
};

use super::{Dice, Pieces};

const KINDS: [BodyKind; 3] = [BodyKind::SevenBit, BodyKind::EightBitMime, BodyKind::BinaryMime];
const ENDINGS: [LineEndings; 2] = [LineEndings::Normalize, LineEndings::Reject];
const LENGTHS: [LineLength; 2] = [LineLength::Pass, LineLength::Reject];

/// Enough for most of the inputs: the target should not be a test of the allocator.
const ROOM: usize = 160;

/// Asserts that the encoder does what a naive one does, whatever the chunks; that its output can be taken for
/// one message only, and decodes to the message with its line ends repaired; and that [`Content`] foretells it.
pub fn data(message: &[u8]) {
    let expected = Expected::of(message);
    let content = Content::scan(message);
    expected.agrees_with(&content);
    for line_endings in ENDINGS {
        for line_length in LENGTHS {
            for kind in KINDS {
                let rules = BodyRules { kind, line_endings, line_length };
                let fault = expected.fault(rules);
                assert_eq!(content.check(&rules).err(), fault, "{rules:?}");
            }
        }
    }
    // Between them, every fault and every repair.
    let lenient = BodyRules::new(BodyKind::EightBitMime);
    let patient = BodyRules { line_endings: LineEndings::Reject, ..lenient };
    let strict = BodyRules { kind: BodyKind::SevenBit, line_length: LineLength::Reject, ..patient };
    let thrifty = BodyRules { line_length: LineLength::Reject, ..lenient };
    for rules in [lenient, patient, strict, thrifty] {
        expected.equals(encode(rules, [message], Write::Whole), expected.fault(rules));
    }
    for rules in [lenient, strict] {
        let fault = expected.fault(rules);
        // Octet by octet, unless it is long: a few dozen pieces then, or the fuzzer crawls.
        let few = message.len() / 64 + 1;
        expected.equals(encode(rules, message.chunks(few), Write::Whole), fault);
        expected.equals(encode(rules, Pieces::new(message, few as u64 * 4), Write::InPieces), fault);
    }
    one_message_only(&expected.wire);
    assert_eq!(decode(&expected.wire), expected.repaired);
}

/// What a naive encoder makes of a message, and all that can be held against it.
struct Expected {
    /// What is sent if no fault counts.
    wire: Vec<u8>,
    /// The message with its line ends repaired, the last one included.
    repaired: Vec<u8>,
    /// In the order of the octets, and on one octet in the order of its checks.
    faults: Vec<BodyFault>,
    is_clean: bool,
    len: u64,
}

impl Expected {
    fn of(message: &[u8]) -> Self {
        let mut expected = Self {
            wire: Vec::with_capacity(ROOM),
            repaired: Vec::with_capacity(ROOM),
            faults: Vec::new(),
            is_clean: true,
            len: 0,
        };
        let mut rest = message;
        let mut in_line = 0;
        while let Some(&octet) = rest.first() {
            let line_end = match rest {
                [b'\r', b'\n', ..] => Some((2, None)),
                [b'\r', ..] => Some((1, Some(BodyFaultKind::BareCr))),
                [b'\n', ..] => Some((1, Some(BodyFaultKind::BareLf))),
                _ => None,
            };
            let taken = match line_end {
                Some((taken, fault)) => {
                    expected.put(b"\r\n");
                    in_line = 0;
                    expected.is_clean &= fault.is_none();
                    expected.faults.extend(fault.map(|kind| BodyFault { kind, offset: expected.len }));
                    taken
                }
                None => {
                    if in_line == 0 && octet == b'.' {
                        expected.wire.push(b'.');
                        expected.is_clean = false;
                    }
                    expected.put(&[octet]);
                    for (kind, applies) in [
                        (BodyFaultKind::Nul, octet == 0),
                        (BodyFaultKind::EightBit, octet > 127),
                        (BodyFaultKind::LineTooLong, in_line == MAX_LINE),
                    ] {
                        let fault = BodyFault { kind, offset: expected.len };
                        expected.faults.extend(applies.then_some(fault));
                    }
                    in_line += 1;
                    1
                }
            };
            rest = &rest[taken..];
            expected.len += taken as u64;
        }
        if in_line > 0 {
            expected.put(b"\r\n");
        }
        expected.wire.extend(b".\r\n");
        expected
    }

    fn put(&mut self, octets: &[u8]) {
        self.wire.extend(octets);
        self.repaired.extend(octets);
    }

    fn first(&self, kind: BodyFaultKind) -> Option<u64> {
        self.faults.iter().find(|fault| fault.kind == kind).map(|fault| fault.offset)
    }

    fn fault(&self, rules: BodyRules) -> Option<BodyFault> {
        let counts = |fault: &&BodyFault| match fault.kind {
            BodyFaultKind::Nul => true,
            BodyFaultKind::EightBit => rules.kind == BodyKind::SevenBit,
            BodyFaultKind::LineTooLong => rules.line_length == LineLength::Reject,
            BodyFaultKind::BareCr | BodyFaultKind::BareLf => rules.line_endings == LineEndings::Reject,
            kind => panic!("{kind:?} is new here"),
        };
        self.faults.iter().find(counts).copied()
    }

    fn agrees_with(&self, content: &Content) {
        let is_stray =
            |fault: &&BodyFault| matches!(fault.kind, BodyFaultKind::BareCr | BodyFaultKind::BareLf);
        let stray = self.faults.iter().find(is_stray).map(|fault| (fault.kind, fault.offset));
        assert_eq!(content.first_bare_line_end(), stray);
        assert_eq!(content.first_nul(), self.first(BodyFaultKind::Nul));
        assert_eq!(content.first_eight_bit(), self.first(BodyFaultKind::EightBit));
        assert_eq!(content.first_long_line(), self.first(BodyFaultKind::LineTooLong));
        assert_eq!(content.is_clean(), self.is_clean);
        assert_eq!(content.bare_line_ends(), self.faults.iter().filter(is_stray).count() as u64);
        let kind = match (content.first_nul(), content.first_eight_bit()) {
            (Some(_), _) => BodyKind::BinaryMime,
            (None, Some(_)) => BodyKind::EightBitMime,
            (None, None) => BodyKind::SevenBit,
        };
        assert_eq!(content.kind(), kind);
    }

    fn equals(&self, encoded: Encoded, fault: Option<BodyFault>) {
        assert_eq!(encoded.fault, fault);
        match fault {
            None => {
                assert_eq!(encoded.wire, self.wire);
                assert_eq!(encoded.first_long_line, self.first(BodyFaultKind::LineTooLong));
                assert_eq!(encoded.octets_in, self.len);
            }
            Some(_) => {
                // Some of the message may have been sent, and nothing that could pass for its end.
                assert!(self.wire[..self.wire.len() - 3].starts_with(&encoded.wire));
                let sent = [b"\r\n", encoded.wire.as_slice()].concat();
                assert!(!sent.windows(5).any(|octets| octets == b"\r\n.\r\n"));
            }
        }
    }
}

struct Encoded {
    wire: Vec<u8>,
    fault: Option<BodyFault>,
    first_long_line: Option<u64>,
    octets_in: u64,
}

/// How the transport takes the octets of a part.
#[derive(Clone, Copy)]
enum Write {
    Whole,
    InPieces,
}

fn encode<'a>(rules: BodyRules, chunks: impl IntoIterator<Item = &'a [u8]>, write: Write) -> Encoded {
    let mut encoder = BodyEncoder::new(rules);
    let mut wire = Vec::with_capacity(ROOM);
    let mut fault = None;
    'message: for mut chunk in chunks {
        while !chunk.is_empty() {
            let part = match encoder.encode(chunk) {
                Ok(part) => part,
                Err(first) => {
                    fault = Some(first);
                    break 'message;
                }
            };
            assert!((1..=chunk.len()).contains(&part.consumed()), "progress, within the chunk");
            chunk = &chunk[part.consumed()..];
            let end = wire.len() + part.len();
            match write {
                Write::Whole => part.slices().for_each(|slice| wire.extend_from_slice(slice)),
                Write::InPieces => in_pieces(part, &mut wire),
            }
            assert_eq!(wire.len(), end);
        }
    }
    assert_eq!(encoder.octets_out(), wire.len() as u64);
    match (encoder.terminator(), fault) {
        (Ok(terminator), None) => wire.extend(terminator),
        (Err(last), None) => fault = Some(last),
        (terminator, Some(first)) => {
            assert_eq!(terminator, Err(first), "a fault is final");
            assert_eq!(encoder.encode(b"x").err(), Some(first), "a fault is final");
        }
    }
    let octets_in = encoder.octets_in();
    Encoded { wire, fault, first_long_line: encoder.first_long_line(), octets_in }
}

fn in_pieces(mut part: BodyPart<'_>, wire: &mut Vec<u8>) {
    let mut dice = Dice::new(part.slices().next().unwrap_or_default());
    assert_eq!(part.written(), 0);
    while !part.is_empty() {
        assert!(part.slices().all(|slice| !slice.is_empty()));
        assert_eq!(part.slices().map(<[u8]>::len).sum::<usize>(), part.len());
        let written = 1 + dice.throw(part.len() as u64) as usize;
        let mut left = written;
        for slice in part.slices() {
            let taken = &slice[..left.min(slice.len())];
            wire.extend_from_slice(taken);
            left -= taken.len();
        }
        let before = part.written();
        assert_eq!(part.advance(written), 0);
        assert!((before..=part.consumed()).contains(&part.written()), "it counts the octets of the chunk");
    }
    assert_eq!(part.advance(3), 3, "nothing was left");
    assert_eq!(part.written(), part.consumed());
}

/// No lone CR, no lone LF, and the end of the message at the end of the octets and nowhere else.
fn one_message_only(wire: &[u8]) {
    let sent = [b"\r\n", wire].concat();
    let mut after_cr = false;
    for &octet in &sent {
        assert_eq!(after_cr, octet == b'\n', "a lone CR or LF");
        after_cr = octet == b'\r';
    }
    assert!(!after_cr, "a lone CR");
    let end = sent.windows(5).position(|octets| octets == b"\r\n.\r\n");
    assert_eq!(end, Some(sent.len() - 5));
}

/// What a server does with what it receives (RFC 5321 §4.5.2).
fn decode(mut wire: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(wire.len());
    loop {
        let end = wire.windows(2).position(|octets| octets == b"\r\n").expect("lines have ends") + 2;
        let (line, rest) = wire.split_at(end);
        if line == b".\r\n" {
            assert!(rest.is_empty(), "octets after the end of the message");
            return message;
        }
        message.extend(line.strip_prefix(b".").unwrap_or(line));
        wire = rest;
    }
}
