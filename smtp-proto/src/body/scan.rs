//! Finding the few octets of a message that need a decision, and the lines that are too long.

use memchr::memrchr;

use super::MAX_LINE;

pub(super) const CR: u8 = b'\r';
pub(super) const LF: u8 = b'\n';
pub(super) const DOT: u8 = b'.';

/// The most octets looked at before the caller gets to write them: they should still be in the cache.
pub(super) const WINDOW: usize = 256 * 1024;

/// Octets checked at a time, each with the one before it: a bit of a word each.
const BLOCK: usize = 64;

/// Whether `octet`, coming after `before`, needs a decision: one of the two is a line end that stands alone,
/// or the octet is a dot at the start of a line, a NUL or, where `SEVEN_BIT`, above 127.
///
/// (A dot after a lone CR, which starts a line too, is told by the CR.)
#[inline(always)]
fn is_suspect<const SEVEN_BIT: bool>(before: u8, octet: u8) -> bool {
    let lone = (before == CR) != (octet == LF);
    let dot_line = (before == LF) & (octet == DOT);
    let refused = if SEVEN_BIT { octet.wrapping_sub(1) >= 0x7f } else { octet == 0 };
    lone | dot_line | refused
}

/// The suspect octets of a stretch, in order.
///
/// The check of a block has no branches, so the compiler turns it into vector instructions, plain SSE2
/// included, at the speed of a single `memchr` pass that counts line ends; the two or three passes it
/// would take to ask the same of `memchr` run at half of that, and at a tenth where lines are short.
pub(super) struct Suspects<'c, const SEVEN_BIT: bool> {
    octets: &'c [u8],
    last: u8,
    /// The octets not looked at, and the one before them.
    rest: &'c [u8],
    /// The index of the octet that the lowest bit of `marks` stands for.
    block: usize,
    /// The suspects found that are still to come, a bit each.
    marks: u64,
}

impl<'c, const SEVEN_BIT: bool> Suspects<'c, SEVEN_BIT> {
    /// Those of `octets`, which come after `last`.
    #[inline(always)]
    pub(super) fn new(octets: &'c [u8], last: u8) -> Self {
        let first = octets.first().is_some_and(|&first| is_suspect::<SEVEN_BIT>(last, first));
        Self { octets, last, rest: octets, block: 0, marks: u64::from(first) }
    }

    /// The index of the next suspect octet, the octet before it, and itself.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<(usize, u8, u8)> {
        if self.marks == 0 {
            self.find();
            if self.marks == 0 {
                return None;
            }
        }
        let at = self.block + self.marks.trailing_zeros() as usize;
        self.marks &= self.marks - 1;
        let octet = *self.octets.get(at)?;
        let before = at.checked_sub(1).and_then(|i| self.octets.get(i)).copied().unwrap_or(self.last);
        Some((at, before, octet))
    }

    /// Goes on to the next block that has suspects, or to the end.
    #[inline(always)]
    fn find(&mut self) {
        let mut looked_at = self.octets.len() - self.rest.len();
        let before = self.rest.chunks_exact(BLOCK);
        let octets = self.rest.get(1..).unwrap_or_default().chunks_exact(BLOCK);
        for (before, octets) in before.zip(octets) {
            let (Some(before), Some(octets)) = (before.first_chunk(), octets.first_chunk()) else { return };
            if has_suspect::<SEVEN_BIT>(before, octets) {
                self.block = looked_at + 1;
                self.marks = marks::<SEVEN_BIT>(before, octets);
                self.rest = self.octets.get(looked_at + BLOCK..).unwrap_or_default();
                return;
            }
            looked_at += BLOCK;
        }
        self.find_in_tail(self.octets.get(looked_at..).unwrap_or_default());
    }

    /// The last octets, less than a block.
    fn find_in_tail(&mut self, rest: &[u8]) {
        self.rest = &[];
        let unseen = rest.len().saturating_sub(1);
        if unseen == 0 {
            return;
        }
        self.block = self.octets.len() - unseen;
        let all_but_last = self.octets.split_last().map_or(self.octets, |(_, before)| before);
        self.marks = match (all_but_last.last_chunk(), self.octets.last_chunk()) {
            // Together with some that have been looked at they make a block.
            (Some(before), Some(octets)) => marks::<SEVEN_BIT>(before, octets) >> (BLOCK - unseen),
            _ => {
                let (mut before, mut octets) = ([b' '; BLOCK], [b' '; BLOCK]);
                for ((a, b), pair) in before.iter_mut().zip(&mut octets).zip(rest.windows(2)) {
                    if let &[before, octet] = pair {
                        (*a, *b) = (before, octet);
                    }
                }
                marks::<SEVEN_BIT>(&before, &octets)
            }
        };
    }
}

#[inline(always)]
fn has_suspect<const SEVEN_BIT: bool>(before: &[u8; BLOCK], octets: &[u8; BLOCK]) -> bool {
    let mut any = false;
    for i in 0..BLOCK {
        any |= is_suspect::<SEVEN_BIT>(before[i], octets[i]);
    }
    any
}

/// The suspects of a block, a bit each, the first octet's the lowest.
#[inline(always)]
fn marks<const SEVEN_BIT: bool>(before: &[u8; BLOCK], octets: &[u8; BLOCK]) -> u64 {
    let mut each = [0_u8; BLOCK];
    for i in 0..BLOCK {
        each[i] = u8::from(is_suspect::<SEVEN_BIT>(before[i], octets[i]));
    }
    let mut marks = 0;
    for word in each.chunks_exact(8).rev() {
        let word = word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        // Gathers the lowest bits of the eight octets in the highest octet: no two products overlap.
        marks = marks << 8 | word.wrapping_mul(0x0102_0408_1020_4080) >> 56;
    }
    marks
}

/// Watches for a line of more than [`MAX_LINE`] octets.
///
/// Offsets are those of the message. Where there are no lone line ends a line feed ends a line and nothing
/// else does, so looking for the last one among the next 999 octets is enough to step over a dozen lines.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    /// The start of a line with no long line before it: of the last such line between calls.
    start: u64,
    first_long: Option<u64>,
}

impl Lines {
    pub(super) const fn new() -> Self {
        Self { start: 0, first_long: None }
    }

    /// The first octet that made a line too long.
    pub(super) const fn first_long(&self) -> Option<u64> {
        self.first_long
    }

    /// A line starts here.
    #[inline(always)]
    pub(super) const fn start_at(&mut self, offset: u64) {
        self.start = offset;
    }

    /// Takes note of a stretch of the message that begins at `base`, and of whether a CR stood before it.
    pub(super) fn begin(&mut self, octets: &[u8], base: u64, after_cr: bool) {
        if after_cr {
            self.start = base + u64::from(octets.first() == Some(&LF));
        }
    }

    /// Looks at the octets of the stretch before index `to`: from the start of the current line on they have
    /// no lone line ends, except for a CR that may be the last.
    #[inline(always)]
    pub(super) fn look(&mut self, octets: &[u8], base: u64, to: usize) {
        if base + to as u64 > self.start + MAX_LINE as u64 && self.first_long.is_none() {
            self.look_closer(octets, base, to);
        }
    }

    fn look_closer(&mut self, octets: &[u8], base: u64, to: usize) {
        while base + to as u64 > self.start + MAX_LINE as u64 {
            let too_far = self.start + MAX_LINE as u64;
            let from = self.start.saturating_sub(base) as usize;
            let Some(at) = too_far.checked_sub(base).map(|at| at as usize) else { return };
            let Some(line) = octets.get(from..=at) else { return };
            if let Some(end) = memrchr(LF, line) {
                self.start = base + (from + end + 1) as u64;
            } else if line.last() != Some(&CR) {
                self.first_long = Some(too_far);
                return;
            } else if at + 1 < to {
                self.start = too_far + 2;
            } else {
                return;
            }
        }
    }

    /// Ends the stretch of the message, all of it looked at.
    pub(super) fn finish(&mut self, octets: &[u8], base: u64) {
        self.look(octets, base, octets.len());
        if self.first_long.is_none() {
            let from = self.start.saturating_sub(base) as usize;
            if let Some(end) = octets.get(from..).and_then(|line| memrchr(LF, line)) {
                self.start = base + (from + end + 1) as u64;
            }
        }
    }
}
