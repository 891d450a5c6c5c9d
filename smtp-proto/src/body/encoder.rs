//! The encoder: decides what becomes of each suspect octet and lays out the slices around it.

use super::part::{ADD_LF, STUFF_DOT, TO_CRLF};
use super::scan::{CR, DOT, LF, Lines, Suspects, WINDOW};
use super::{BodyFault, BodyFaultKind, BodyKind, BodyPart, BodyRules, LineEndings, LineLength};

/// Changes that one suspect octet may take: a dot after a lone CR takes an LF and is stuffed.
const CHANGES_PER_SUSPECT: usize = 2;

/// Encodes one message for `DATA`; see the [module](super).
///
/// Between calls it knows which octet came last (as far as it matters), how many came, and where the
/// current line starts.
#[derive(Debug, Clone)]
pub struct BodyEncoder {
    rules: BodyRules,
    place: Place,
    lines: Lines,
    octets_in: u64,
    octets_out: u64,
    fault: Option<BodyFault>,
}

/// Where in a line the message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing sent yet (the command line before the message has ended in CRLF) or a line ended.
    LineStart,
    /// A CR was sent, and it takes an LF whatever comes.
    AfterCr,
    MidLine,
}

impl Place {
    const fn after(octet: u8) -> Self {
        match octet {
            LF => Self::LineStart,
            CR => Self::AfterCr,
            _ => Self::MidLine,
        }
    }

    /// An octet that leads to this place.
    const fn last_octet(self) -> u8 {
        match self {
            Self::LineStart => LF,
            Self::AfterCr => CR,
            Self::MidLine => b' ',
        }
    }
}

impl BodyEncoder {
    /// An encoder for one message.
    #[must_use]
    pub const fn new(rules: BodyRules) -> Self {
        Self { rules, place: Place::LineStart, lines: Lines::new(), octets_in: 0, octets_out: 0, fault: None }
    }

    /// Encodes the front of `chunk`, the next octets of the message.
    ///
    /// The part covers [`BodyPart::consumed`] octets of it: at least one if there is one, and at most
    /// 256 KiB, so that they are still in the cache when they are written. Call again with the rest until
    /// there is none. The work is linear in the octets consumed.
    ///
    /// # Errors
    ///
    /// [`BodyFault`] tells the first fault of the message. Parts handed out before it may have been sent, so
    /// the message can neither be mended nor ended: abandon the connection without sending the terminator.
    /// The encoder repeats the fault from then on.
    pub fn encode<'c>(&mut self, chunk: &'c [u8]) -> Result<BodyPart<'c>, BodyFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let mut part = BodyPart::empty();
        let planned = match self.rules.kind {
            BodyKind::SevenBit => self.plan::<true>(chunk, &mut part),
            BodyKind::EightBitMime | BodyKind::BinaryMime => self.plan::<false>(chunk, &mut part),
        };
        match planned {
            Ok(()) => Ok(part),
            Err(fault) => {
                self.fault = Some(fault);
                Err(fault)
            }
        }
    }

    /// The octets that end the message: `.` CRLF, after what it takes to end its last line.
    ///
    /// # Errors
    ///
    /// [`BodyFault`] if [`encode`](Self::encode) told one, or if the message ends in a lone CR under
    /// [`LineEndings::Reject`].
    pub fn terminator(&self) -> Result<&'static [u8], BodyFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match (self.place, self.rules.line_endings) {
            (Place::LineStart, _) => Ok(b".\r\n"),
            (Place::MidLine, _) => Ok(b"\r\n.\r\n"),
            (Place::AfterCr, LineEndings::Normalize) => Ok(b"\n.\r\n"),
            (Place::AfterCr, LineEndings::Reject) => {
                Err(BodyFault::new(BodyFaultKind::BareCr, self.octets_in.saturating_sub(1)))
            }
        }
    }

    /// How many octets of the message have been consumed.
    #[must_use]
    pub const fn octets_in(&self) -> u64 {
        self.octets_in
    }

    /// How many octets the parts so far have, the terminator not counted.
    #[must_use]
    pub const fn octets_out(&self) -> u64 {
        self.octets_out
    }

    /// The first octet, counted from 0 in the message, that made a line longer than
    /// [`MAX_LINE`](super::MAX_LINE), if one did.
    #[must_use]
    pub const fn first_long_line(&self) -> Option<u64> {
        self.lines.first_long()
    }

    fn plan<'c, const SEVEN_BIT: bool>(
        &mut self,
        chunk: &'c [u8],
        part: &mut BodyPart<'c>,
    ) -> Result<(), BodyFault> {
        let mut stretch = chunk.get(..WINDOW).unwrap_or(chunk);
        let base = self.octets_in;
        self.lines.begin(stretch, base, self.place == Place::AfterCr);

        let mut suspects = Suspects::<SEVEN_BIT>::new(stretch, self.place.last_octet());
        while let Some((at, before, octet)) = suspects.next() {
            if !part.has_room(CHANGES_PER_SUSPECT) {
                stretch = stretch.get(..at).unwrap_or(stretch);
                break;
            }
            let offset = base + at as u64;
            self.lines.look(stretch, base, at);
            self.check_lines()?;
            if before == CR && octet != LF {
                self.check_line_end(BodyFaultKind::BareCr, offset - 1)?;
                part.change(at, ADD_LF);
                self.lines.start_at(offset);
            }
            match octet {
                LF => {
                    self.check_line_end(BodyFaultKind::BareLf, offset)?;
                    part.change(at, TO_CRLF);
                    self.lines.start_at(offset + 1);
                }
                DOT => {
                    part.change(at, STUFF_DOT);
                    self.lines.start_at(offset);
                }
                0 => return Err(BodyFault::new(BodyFaultKind::Nul, offset)),
                0x80.. if SEVEN_BIT => return Err(BodyFault::new(BodyFaultKind::EightBit, offset)),
                _ => {}
            }
        }

        self.lines.finish(stretch, base);
        self.check_lines()?;
        part.cover(stretch);
        if let Some(&last) = stretch.last() {
            self.place = Place::after(last);
        }
        self.octets_in += stretch.len() as u64;
        self.octets_out += part.len() as u64;
        Ok(())
    }

    #[inline(always)]
    fn check_line_end(&self, kind: BodyFaultKind, offset: u64) -> Result<(), BodyFault> {
        match self.rules.line_endings {
            LineEndings::Normalize => Ok(()),
            LineEndings::Reject => Err(BodyFault::new(kind, offset)),
        }
    }

    #[inline(always)]
    fn check_lines(&self) -> Result<(), BodyFault> {
        match (self.lines.first_long(), self.rules.line_length) {
            (None, _) | (_, LineLength::Pass) => Ok(()),
            (Some(offset), LineLength::Reject) => Err(BodyFault::new(BodyFaultKind::LineTooLong, offset)),
        }
    }
}
