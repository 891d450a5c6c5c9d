//! The plan for one stretch of a message: which slices to write, and how far they have been written.

use core::{fmt, iter::Copied, slice};

/// The most slices in one part.
///
/// One stuffed dot costs one slice, one repaired line end two. Filling the list costs a part with a single
/// slice time, while a short list makes the dense parts many; past 32 the gain is in the noise.
pub(super) const MAX_SLICES: usize = 32;

/// The slices to write for a stretch of a message, in order: what [`BodyEncoder::encode`] answers.
///
/// They borrow from the chunk (`'c`), not from the encoder, and none is empty. A part counts as written for
/// the encoder as soon as it is handed out, so whoever holds it owes the connection all of it:
///
/// ```
/// # use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules};
/// # let mut encoder = BodyEncoder::new(BodyRules::new(BodyKind::SevenBit));
/// let mut part = encoder.encode(b".hidden\r\n")?;
/// assert_eq!((part.consumed(), part.len()), (9, 10));
/// assert_eq!(part.as_slices(), [&b"."[..], b".hidden\r\n"]);
///
/// // The transport took four octets: go on from there.
/// assert_eq!(part.advance(4), 0);
/// assert_eq!(part.as_slices(), [b"dden\r\n"]);
/// # Ok::<(), smtp_proto::body::BodyFault>(())
/// ```
///
/// [`BodyEncoder::encode`]: super::BodyEncoder::encode
#[derive(Clone)]
#[must_use = "the encoder counts a part as written: its slices must be sent"]
pub struct BodyPart<'c> {
    slices: [&'c [u8]; MAX_SLICES],
    first: usize,
    end: usize,
    consumed: usize,
    len: usize,
}

impl<'c> BodyPart<'c> {
    pub(super) const fn empty() -> Self {
        Self { slices: [&[]; MAX_SLICES], first: 0, end: 0, consumed: 0, len: 0 }
    }

    /// Adds a slice at the end, unless it is empty. The caller has asked for [`room`](Self::has_room).
    #[inline(always)]
    pub(super) fn push(&mut self, slice: &'c [u8]) {
        debug_assert!(self.end < MAX_SLICES);
        if let (false, Some(place)) = (slice.is_empty(), self.slices.get_mut(self.end)) {
            *place = slice;
            self.end += 1;
            self.len += slice.len();
        }
    }

    #[inline(always)]
    pub(super) const fn has_room(&self, slices: usize) -> bool {
        self.end + slices <= MAX_SLICES
    }

    pub(super) const fn set_consumed(&mut self, consumed: usize) {
        self.consumed = consumed;
    }

    /// How many octets at the front of the chunk this part covers; the next call of
    /// [`encode`](super::BodyEncoder::encode) begins after them. [`advance`](Self::advance) does not change
    /// it.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.consumed
    }

    /// How many octets remain to be written.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether everything has been written.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The slices that remain to be written, for a vectored write: at most 32.
    #[must_use]
    pub fn as_slices(&self) -> &[&'c [u8]] {
        self.slices.get(self.first..self.end).unwrap_or_default()
    }

    /// The slices that remain to be written, one by one.
    pub fn slices(&self) -> Copied<slice::Iter<'_, &'c [u8]>> {
        self.as_slices().iter().copied()
    }

    /// Drops the first `n` octets, because they have been written. Returns how many of the `n` were more
    /// than the part had left: those belong to whatever was written after it.
    pub fn advance(&mut self, n: usize) -> usize {
        let mut surplus = n;
        while let Some(slice) = self.slices.get_mut(self.first).filter(|_| self.first < self.end) {
            if let Some(rest) = slice.get(surplus..).filter(|rest| !rest.is_empty()) {
                *slice = rest;
                self.len -= surplus;
                return 0;
            }
            surplus -= slice.len();
            self.len -= slice.len();
            self.first += 1;
        }
        surplus
    }
}

impl fmt::Debug for BodyPart<'_> {
    /// Sizes only: the octets are somebody's mail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyPart")
            .field("slices", &self.as_slices().len())
            .field("consumed", &self.consumed)
            .field("len", &self.len)
            .finish()
    }
}

impl<'c> IntoIterator for BodyPart<'c> {
    type Item = &'c [u8];
    type IntoIter = IntoSlices<'c>;

    fn into_iter(self) -> IntoSlices<'c> {
        IntoSlices { part: self }
    }
}

impl<'p, 'c> IntoIterator for &'p BodyPart<'c> {
    type Item = &'c [u8];
    type IntoIter = Copied<slice::Iter<'p, &'c [u8]>>;

    fn into_iter(self) -> Self::IntoIter {
        self.slices()
    }
}

/// The slices of a [`BodyPart`] taken by value.
#[derive(Debug, Clone)]
pub struct IntoSlices<'c> {
    part: BodyPart<'c>,
}

impl<'c> Iterator for IntoSlices<'c> {
    type Item = &'c [u8];

    fn next(&mut self) -> Option<&'c [u8]> {
        let slice = self.part.as_slices().first().copied()?;
        self.part.first += 1;
        self.part.len -= slice.len();
        Some(slice)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.part.as_slices().len();
        (left, Some(left))
    }
}

impl ExactSizeIterator for IntoSlices<'_> {}
impl core::iter::FusedIterator for IntoSlices<'_> {}
