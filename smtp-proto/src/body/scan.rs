//! Finding the few octets of a message that need a decision, and the lines that are too long.

use memchr::memrchr2;

use super::MAX_LINE;

pub(super) const CR: u8 = b'\r';
pub(super) const LF: u8 = b'\n';
pub(super) const DOT: u8 = b'.';

/// The most octets looked at before the caller gets to write them: they should still be in the cache.
pub(super) const WINDOW: usize = 256 * 1024;

/// Octets checked at a time. Larger blocks are up to 3 % faster on clean text, and slow down by a fifth and
/// more where there is a suspect in each.
const BLOCK: usize = 32;

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
/// included. It asks everything at once at the speed of one `memchr` pass that merely counts line ends
/// (without the AVX2 that `memchr` finds only with `std`). It would take such passes for CR, LF and NUL, with
/// a look at the neighbours of each hit, which on short lines is slower by far than reading every octet.
pub(super) struct Suspects<'c, const SEVEN_BIT: bool> {
    octets: &'c [u8],
    last: u8,
    /// The octets not looked at, and the one before them.
    rest: &'c [u8],
    /// The suspects of the block found last.
    marks: Marks,
    /// How many words of them have been gone through.
    next: usize,
    /// The index of the octet that the next word begins with.
    at: usize,
}

/// The suspects of a block: an octet each, 1 for a suspect, in words of eight.
type Marks = [u64; BLOCK / 8];

impl<'c, const SEVEN_BIT: bool> Suspects<'c, SEVEN_BIT> {
    /// Those of `octets`, which come after `last`.
    #[inline(always)]
    pub(super) fn new(octets: &'c [u8], last: u8) -> Self {
        let first = octets.first().is_some_and(|&first| is_suspect::<SEVEN_BIT>(last, first));
        // The first octet has no neighbour in the slice: it makes a word of its own, the last of a block.
        let mut marks = [0; BLOCK / 8];
        if let Some(word) = marks.last_mut() {
            *word = u64::from(first);
        }
        Self { octets, last, rest: octets, next: marks.len().saturating_sub(1), marks, at: 0 }
    }

    /// The next eight octets that have suspects among them: the index of the first, and a 1 in each octet
    /// that stands for a suspect, the first in the lowest.
    #[inline(always)]
    pub(super) fn next_word(&mut self) -> Option<(usize, u64)> {
        loop {
            while let Some(&word) = self.marks.get(self.next) {
                let at = self.at;
                self.next = self.next.wrapping_add(1);
                self.at = self.at.wrapping_add(8);
                if word != 0 {
                    return Some((at, word));
                }
            }
            if !self.find() {
                return None;
            }
        }
    }

    /// The octet at an index, and the one before it.
    #[inline(always)]
    pub(super) fn pair(&self, at: usize) -> (u8, u8) {
        match at.checked_sub(1).and_then(|from| self.octets.get(from..=at)) {
            Some(&[before, octet]) => (before, octet),
            _ => (self.last, self.octets.first().copied().unwrap_or(b' ')),
        }
    }

    /// Goes on to the next block that may have suspects; returns whether there is one.
    #[inline(always)]
    fn find(&mut self) -> bool {
        let mut looked_at = self.octets.len().wrapping_sub(self.rest.len());
        // Two slices and not one of `BLOCK + 1` octets: that would be loaded once and shifted, which is slower.
        let before = self.rest.chunks_exact(BLOCK);
        let octets = self.rest.get(1..).unwrap_or_default().chunks_exact(BLOCK);
        for (before, octets) in before.zip(octets) {
            let (Some(before), Some(octets)) = (before.first_chunk(), octets.first_chunk()) else { break };
            let marks = marks::<SEVEN_BIT>(before, octets);
            if marks.iter().fold(0, |a, b| a | b) != 0 {
                self.marks = marks;
                self.next = 0;
                self.at = looked_at.wrapping_add(1);
                self.rest = self.octets.get(looked_at.wrapping_add(BLOCK)..).unwrap_or_default();
                return true;
            }
            looked_at = looked_at.wrapping_add(BLOCK);
        }
        self.find_in_tail(looked_at)
    }

    /// The last octets, less than a block.
    fn find_in_tail(&mut self, looked_at: usize) -> bool {
        let rest = self.octets.get(looked_at..).unwrap_or_default();
        self.rest = &[];
        if rest.len() < 2 {
            return false;
        }
        let (mut before, mut octets) = ([b' '; BLOCK], [b' '; BLOCK]);
        for ((a, b), pair) in before.iter_mut().zip(&mut octets).zip(rest.windows(2)) {
            if let &[before, octet] = pair {
                (*a, *b) = (before, octet);
            }
        }
        self.marks = marks::<SEVEN_BIT>(&before, &octets);
        self.next = 0;
        self.at = looked_at.wrapping_add(1);
        true
    }
}

#[inline(always)]
fn marks<const SEVEN_BIT: bool>(before: &[u8; BLOCK], octets: &[u8; BLOCK]) -> Marks {
    let mut each = [0_u8; BLOCK];
    // By index, as zipped iterators come out at 11 GB/s instead of 18; all three arrays have BLOCK octets.
    #[allow(clippy::needless_range_loop, clippy::indexing_slicing)]
    for i in 0..BLOCK {
        each[i] = u8::from(is_suspect::<SEVEN_BIT>(before[i], octets[i]));
    }
    let mut marks = [0; BLOCK / 8];
    for (marks, each) in marks.iter_mut().zip(each.chunks_exact(8)) {
        *marks = each.first_chunk().map_or(0, |each| u64::from_le_bytes(*each));
    }
    marks
}

/// Watches for a line of more than [`MAX_LINE`] octets.
///
/// Whatever becomes of a lone line end, it ends the line, so this need not know what the line ends are made
/// of. Where there is a CR or LF among the next 999 octets there is no long line up to it; the last such is
/// looked for, which steps over a dozen lines at once. Offsets are those of the message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    /// What comes after the last CR or LF, or, while looking, after an earlier one.
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

    /// Goes through the octets of the message from offset `base` on.
    pub(super) fn pass(&mut self, octets: &[u8], base: u64) {
        if self.first_long.is_some() {
            return;
        }
        let end = base.saturating_add(octets.len() as u64);
        // Up to `end` no sum wraps.
        while end.saturating_sub(self.start) > MAX_LINE as u64 {
            let one_too_many = self.start.wrapping_add(MAX_LINE as u64);
            let from = index(self.start.saturating_sub(base));
            let to = index(one_too_many.saturating_sub(base));
            let line = octets.get(from..=to).unwrap_or_default();
            if line.last_chunk().is_some_and(has_lf) {
                self.start = one_too_many.wrapping_add(1).wrapping_sub(SHORT_LINE as u64);
            } else if let Some(at) = memrchr2(CR, LF, line) {
                self.start = base.saturating_add(from.wrapping_add(at).wrapping_add(1) as u64);
            } else {
                self.first_long = Some(one_too_many);
                return;
            }
        }
        let from = index(self.start.saturating_sub(base));
        if let Some(at) = octets.get(from..).and_then(|rest| memrchr2(CR, LF, rest)) {
            self.start = base.saturating_add(from.wrapping_add(at).wrapping_add(1) as u64);
        }
    }
}

/// An offset as an index; beyond what memory holds it is one that no slice has.
#[inline(always)]
pub(super) fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Most lines are shorter than this, so that looking for an LF among as many octets, without branches, finds
/// out most of the time.
const SHORT_LINE: usize = 128;

#[inline(always)]
fn has_lf(octets: &[u8; SHORT_LINE]) -> bool {
    octets.iter().fold(false, |any, &octet| any | (octet == LF))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No message is so long, and yet the lines are gone through to an end, without a panic.
    #[test]
    fn offsets_stand_still_at_their_largest() {
        for octet in [b'x', CR, LF] {
            for before in [0, 1, 500, 998, 999, 5000, 20_000] {
                let base = u64::MAX - before;
                let mut lines = Lines { start: base, first_long: None };
                lines.pass(&[octet; 10_000], base);
                lines.pass(&[octet; 10_000], u64::MAX);
                assert_eq!(lines.first_long().is_some(), octet == b'x' && before > 998, "{before}");
            }
        }
    }
}
