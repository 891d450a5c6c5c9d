//! The encoder: decides what becomes of each suspect octet and lays out the slices around it.
//!
//! It serves both framings. After `DATA` a dot at the start of a line is stuffed and a dot alone ends the message
//! (RFC 5321 §4.5.2); under `BDAT` the octets are counted, and sent as they are but for stray line ends (RFC 3030).

use super::part::{ADD_LF, STUFF_DOT, TO_CRLF};
use super::scan::{CR, DOT, LF, Lines, Suspects, WINDOW, index};
use super::{BodyFault, BodyFaultKind, BodyKind, BodyPart, BodyRules, LineEndings, LineLength};

/// Changes that one suspect octet may take: a dot after a lone CR takes an LF and is stuffed.
const CHANGES_PER_SUSPECT: usize = 2;

/// Encodes one message, for `DATA` or in counted chunks for `BDAT`; see the [module](super).
///
/// Between calls it knows which octet came last (as far as it matters), how many came, and where the
/// current line starts.
#[derive(Debug, Clone)]
pub struct BodyEncoder {
    rules: BodyRules,
    /// Dots are stuffed: the message follows `DATA`.
    stuffs: bool,
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
    /// An encoder for one message after `DATA`.
    #[must_use]
    pub const fn new(rules: BodyRules) -> Self {
        Self {
            rules,
            stuffs: true,
            place: Place::LineStart,
            lines: Lines::new(),
            octets_in: 0,
            octets_out: 0,
            fault: None,
        }
    }

    /// An encoder for one message in `BDAT` chunks: no dot is stuffed, and a body of kind
    /// [`BodyKind::BinaryMime`] passes as it is, whatever is in it (RFC 3030 §2, §3). Stray line ends are
    /// treated by the same rules as after `DATA`.
    ///
    /// ```
    /// use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules};
    ///
    /// let mut encoder = BodyEncoder::counted(BodyRules::new(BodyKind::SevenBit));
    /// let part = encoder.encode(b".hidden\r\n")?;
    /// assert!(part.slices().eq([b".hidden\r\n"]));
    /// # Ok::<(), smtp_proto::body::BodyFault>(())
    /// ```
    #[must_use]
    pub const fn counted(rules: BodyRules) -> Self {
        let mut encoder = Self::new(rules);
        encoder.stuffs = false;
        encoder
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
            BodyKind::BinaryMime if !self.stuffs => {
                part.cover(chunk);
                self.count(chunk.len(), chunk.len());
                Ok(())
            }
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

    /// The octets that complete a message in counted chunks: nothing, or the LF that a final lone CR lacks.
    pub(crate) fn tail(&self) -> Result<&'static [u8], BodyFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        match (self.place, self.rules.line_endings) {
            (Place::LineStart | Place::MidLine, _) => Ok(b""),
            (Place::AfterCr, LineEndings::Normalize) => Ok(b"\n"),
            (Place::AfterCr, LineEndings::Reject) => {
                Err(BodyFault::new(BodyFaultKind::BareCr, self.octets_in.saturating_sub(1)))
            }
        }
    }

    /// Looks ahead: how many octets `chunk` will take on the wire, and whether the message may end with it,
    /// nothing to be put in after it.
    pub(crate) fn measure(&self, chunk: &[u8]) -> Result<(u64, bool), BodyFault> {
        let mut ahead = self.clone();
        let mut rest = chunk;
        let mut octets = 0_u64;
        while !rest.is_empty() {
            let part = ahead.encode(rest)?;
            octets = octets.saturating_add(part.len() as u64);
            rest = rest.get(part.consumed()..).unwrap_or_default();
        }
        Ok((octets, ahead.tail() == Ok(b"")))
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
        let stretch = chunk.get(..WINDOW).unwrap_or(chunk);
        let (covered, fault) = match self.place_changes::<SEVEN_BIT>(stretch, part) {
            Ok(end) => (stretch.get(..end).unwrap_or(stretch), None),
            Err(fault) => {
                let before = index(fault.offset.saturating_sub(self.octets_in));
                (stretch.get(..before).unwrap_or_default(), Some(fault))
            }
        };
        self.lines.pass(covered, self.octets_in);
        if let (LineLength::Reject, Some(offset)) = (self.rules.line_length, self.lines.first_long()) {
            return Err(BodyFault::new(BodyFaultKind::LineTooLong, offset));
        }
        if let Some(fault) = fault {
            return Err(fault);
        }
        part.cover(covered);
        if let Some(&last) = covered.last() {
            self.place = Place::after(last);
        }
        self.count(covered.len(), part.len());
        Ok(())
    }

    /// Nothing hangs on what the two say after 2⁶⁴ octets, which take 58 years at 10 GB/s; they then stand still.
    fn count(&mut self, octets_in: usize, octets_out: usize) {
        self.octets_in = self.octets_in.saturating_add(octets_in as u64);
        self.octets_out = self.octets_out.saturating_add(octets_out as u64);
    }

    /// Notes in the part what has to be put in. Returns where the part ends: at the end of the stretch, or
    /// before an octet for which there is no room.
    #[inline(always)]
    fn place_changes<const SEVEN_BIT: bool>(
        &self,
        stretch: &[u8],
        part: &mut BodyPart<'_>,
    ) -> Result<usize, BodyFault> {
        let fault = |kind, at: usize| Err(BodyFault::new(kind, self.octets_in.saturating_add(at as u64)));
        let reject = self.rules.line_endings == LineEndings::Reject;
        let mut suspects = Suspects::<SEVEN_BIT>::new(stretch, self.place.last_octet());
        while let Some((start, mut word)) = suspects.next_word() {
            while word != 0 {
                let at = start.wrapping_add(word.trailing_zeros() as usize / 8);
                word &= word.wrapping_sub(1);
                let (before, octet) = suspects.pair(at);
                if !part.has_room(CHANGES_PER_SUSPECT) {
                    return Ok(at);
                }
                if before == CR && octet != LF {
                    if reject {
                        let after = self.octets_in.saturating_add(at as u64);
                        return Err(BodyFault::new(BodyFaultKind::BareCr, after.saturating_sub(1)));
                    }
                    part.change(at, ADD_LF);
                }
                match octet {
                    LF if reject => return fault(BodyFaultKind::BareLf, at),
                    LF => part.change(at, TO_CRLF),
                    DOT if self.stuffs => part.change(at, STUFF_DOT),
                    0 => return fault(BodyFaultKind::Nul, at),
                    0x80.. if SEVEN_BIT => return fault(BodyFaultKind::EightBit, at),
                    _ => {}
                }
            }
        }
        Ok(stretch.len())
    }
}
