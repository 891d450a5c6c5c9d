//! What a message held whole is made of.

use super::scan::{CR, DOT, LF, Lines, Suspects, WINDOW};
use super::{BodyFault, BodyFaultKind, BodyKind, BodyRules, LineEndings, LineLength};

/// What a whole message is made of: the kind of body to declare, and the first of each thing that a server
/// or a rule may object to. Offsets count octets of the message from 0.
///
/// ```
/// use smtp_proto::body::{BodyKind, BodyRules, Content};
///
/// let content = Content::scan("Subject: Grüße\r\n\r\n.\r\n".as_bytes());
/// assert_eq!(content.kind(), BodyKind::EightBitMime);
/// assert_eq!(content.first_eight_bit(), Some(11));
/// assert!(content.check(&BodyRules::new(BodyKind::EightBitMime)).is_ok());
/// assert!(content.check(&BodyRules::new(BodyKind::SevenBit)).is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    bare_line_end: Option<(BodyFaultKind, u64)>,
    nul: Option<u64>,
    eight_bit: Option<u64>,
    long_line: Option<u64>,
    dot_lines: bool,
    bare_line_ends: u64,
    ends_in_line: bool,
}

impl Content {
    /// Examines a message, in one pass.
    #[must_use]
    pub fn scan(message: &[u8]) -> Self {
        let mut content = Self {
            bare_line_end: None,
            nul: None,
            eight_bit: None,
            long_line: None,
            dot_lines: false,
            bare_line_ends: 0,
            ends_in_line: false,
        };
        let mut lines = Lines::new();
        let mut base = 0;
        let mut last = LF;
        for stretch in message.chunks(WINDOW) {
            let seven_bit_until = match content.eight_bit {
                Some(_) => Some(0),
                None => content.scan_stretch::<true>(stretch, base, 0, last),
            };
            // From the first 8-bit octet on the others are nothing to stop for.
            if let Some(from) = seven_bit_until {
                content.scan_stretch::<false>(stretch, base, from, last);
            }
            lines.pass(stretch, base);
            base = base.saturating_add(stretch.len() as u64);
            last = stretch.last().copied().unwrap_or(last);
        }
        match last {
            CR => content.bare(BodyFaultKind::BareCr, base.saturating_sub(1)),
            last => content.ends_in_line = last != LF,
        }
        content.long_line = lines.first_long();
        content
    }

    /// Goes through the stretch from index `from` on. Stops at the first octet above 127 if `SEVEN_BIT`, and
    /// returns the index to go on from.
    fn scan_stretch<const SEVEN_BIT: bool>(
        &mut self,
        stretch: &[u8],
        base: u64,
        from: usize,
        last: u8,
    ) -> Option<usize> {
        let (seen, octets) = stretch.split_at_checked(from)?;
        let last = seen.last().copied().unwrap_or(last);
        let mut suspects = Suspects::<SEVEN_BIT>::new(octets, last);
        while let Some((start, mut word)) = suspects.next_word() {
            while word != 0 {
                let at = start.wrapping_add(word.trailing_zeros() as usize / 8);
                word &= word.wrapping_sub(1);
                let (before, octet) = suspects.pair(at);
                let at = from.wrapping_add(at);
                let offset = base.wrapping_add(at as u64);
                if before == CR && octet != LF {
                    self.bare(BodyFaultKind::BareCr, offset.wrapping_sub(1));
                }
                match octet {
                    LF => self.bare(BodyFaultKind::BareLf, offset),
                    DOT => {
                        self.dot_lines = true;
                    }
                    0 => {
                        self.nul.get_or_insert(offset);
                    }
                    0x80.. if SEVEN_BIT => {
                        self.eight_bit.get_or_insert(offset);
                        return Some(at.wrapping_add(1));
                    }
                    _ => {}
                }
            }
        }
        None
    }

    fn bare(&mut self, kind: BodyFaultKind, offset: u64) {
        self.bare_line_end.get_or_insert((kind, offset));
        self.bare_line_ends = self.bare_line_ends.saturating_add(1);
    }

    /// The least kind of body that allows all octets of the message: [`BodyKind::BinaryMime`] if there is a
    /// NUL, [`BodyKind::SevenBit`] if all octets are below 128.
    ///
    /// Lone line ends and long lines do not count, though they too travel unchanged in a `BINARYMIME` body
    /// only.
    #[must_use]
    pub const fn kind(&self) -> BodyKind {
        match (self.nul, self.eight_bit) {
            (Some(_), _) => BodyKind::BinaryMime,
            (None, Some(_)) => BodyKind::EightBitMime,
            (None, None) => BodyKind::SevenBit,
        }
    }

    /// The first line feed without a carriage return before it ([`BodyFaultKind::BareLf`]) or carriage
    /// return without a line feed after it ([`BodyFaultKind::BareCr`]).
    #[must_use]
    pub const fn first_bare_line_end(&self) -> Option<(BodyFaultKind, u64)> {
        self.bare_line_end
    }

    /// How many of them there are: to repair one takes one octet.
    #[must_use]
    pub const fn bare_line_ends(&self) -> u64 {
        self.bare_line_ends
    }

    /// Whether the last line has octets and no end, be it a bare one.
    #[must_use]
    pub const fn ends_in_line(&self) -> bool {
        self.ends_in_line
    }

    /// The first NUL octet.
    #[must_use]
    pub const fn first_nul(&self) -> Option<u64> {
        self.nul
    }

    /// The first octet above 127.
    #[must_use]
    pub const fn first_eight_bit(&self) -> Option<u64> {
        self.eight_bit
    }

    /// The first octet that makes a line longer than [`MAX_LINE`](super::MAX_LINE).
    #[must_use]
    pub const fn first_long_line(&self) -> Option<u64> {
        self.long_line
    }

    /// Whether a [`BodyEncoder`](super::BodyEncoder) would send the octets as they are: there is no dot to
    /// stuff and no line end to repair. The message may still need a final CRLF, and may hold octets that
    /// its kind of body does not allow.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        !self.dot_lines && self.bare_line_end.is_none()
    }

    /// Tells beforehand what a [`BodyEncoder`](super::BodyEncoder) with these rules makes of the message.
    ///
    /// # Errors
    ///
    /// The same [`BodyFault`], the first in the message.
    pub fn check(&self, rules: &BodyRules) -> Result<(), BodyFault> {
        let bare_line_end = match rules.line_endings {
            LineEndings::Normalize => None,
            LineEndings::Reject => self.bare_line_end,
        };
        let eight_bit = match rules.kind {
            BodyKind::SevenBit => self.eight_bit,
            BodyKind::EightBitMime | BodyKind::BinaryMime => None,
        };
        let long_line = match rules.line_length {
            LineLength::Pass => None,
            LineLength::Reject => self.long_line,
        };
        // Of several on one octet the first listed counts, as for the encoder.
        let first = [
            bare_line_end,
            self.nul.map(|offset| (BodyFaultKind::Nul, offset)),
            eight_bit.map(|offset| (BodyFaultKind::EightBit, offset)),
            long_line.map(|offset| (BodyFaultKind::LineTooLong, offset)),
        ]
        .into_iter()
        .flatten()
        .min_by_key(|(_, offset)| *offset);
        match first {
            None => Ok(()),
            Some((kind, offset)) => Err(BodyFault::new(kind, offset)),
        }
    }
}
