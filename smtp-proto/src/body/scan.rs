//! Finding the few octets of a message that need a decision, and the lines that are too long.

use core::ops::ControlFlow;

use memchr::memrchr;

use super::MAX_LINE;

pub(super) const CR: u8 = b'\r';
pub(super) const LF: u8 = b'\n';
pub(super) const DOT: u8 = b'.';

/// The most octets looked at before the caller gets to write them: they should still be in the cache.
pub(super) const WINDOW: usize = 256 * 1024;

/// Octets checked at a time: four SSE2 registers, eight words.
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

/// Calls `visit(offset, before, octet)` for each suspect octet of `octets`, in order, until it breaks;
/// `before` the first octet comes `last`.
///
/// The check of a block has no branches, so the compiler turns it into vector instructions, plain SSE2
/// included, at the speed of a single `memchr` pass that counts line ends; the two or three passes it
/// would take to ask the same of `memchr` run at half of that, and at a tenth where lines are short.
#[inline(always)]
pub(super) fn each_suspect<const SEVEN_BIT: bool, B>(
    octets: &[u8],
    last: u8,
    mut visit: impl FnMut(usize, u8, u8) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let Some((&first, after_first)) = octets.split_first() else { return ControlFlow::Continue(()) };
    if is_suspect::<SEVEN_BIT>(last, first) {
        visit(0, last, first)?;
    }
    let mut offset = 1;
    let mut before = octets;
    let mut rest = after_first;
    while let (Some(a), Some(b)) = (before.first_chunk::<BLOCK>(), rest.first_chunk::<BLOCK>()) {
        visit_block::<SEVEN_BIT, B>(a, b, |i, a, b| visit(offset + i, a, b))?;
        offset += BLOCK;
        before = before.get(BLOCK..).unwrap_or_default();
        rest = rest.get(BLOCK..).unwrap_or_default();
    }
    for (i, (&before, &octet)) in before.iter().zip(rest).enumerate() {
        if is_suspect::<SEVEN_BIT>(before, octet) {
            visit(offset + i, before, octet)?;
        }
    }
    ControlFlow::Continue(())
}

#[inline(always)]
fn visit_block<const SEVEN_BIT: bool, B>(
    before: &[u8; BLOCK],
    octets: &[u8; BLOCK],
    mut visit: impl FnMut(usize, u8, u8) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let pairs = || before.iter().zip(octets);
    if !pairs().fold(false, |any, (&a, &b)| any | is_suspect::<SEVEN_BIT>(a, b)) {
        return ControlFlow::Continue(());
    }
    let mut marks = [0_u8; BLOCK];
    for (mark, (&a, &b)) in marks.iter_mut().zip(pairs()) {
        *mark = u8::from(is_suspect::<SEVEN_BIT>(a, b));
    }
    for (start, word) in (0..BLOCK).step_by(8).zip(marks.chunks_exact(8)) {
        let mut word = word.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        while word != 0 {
            let i = (start + word.trailing_zeros() as usize / 8) % BLOCK;
            word &= word - 1;
            visit(i, before[i], octets[i])?;
        }
    }
    ControlFlow::Continue(())
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
