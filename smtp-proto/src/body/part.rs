//! The plan for one stretch of a message: which slices to write, and how far they have been written.

use alloc::vec::Vec;
use core::{fmt, mem};

use super::scan::WINDOW;

/// The most changes in one part. A stuffed dot makes one slice more, a repaired line end up to two. Half as
/// many cost dense messages a tenth, twice as many gain a few per cent.
pub(super) const MAX_CHANGES: usize = 64;

/// The slices to write for a stretch of a message, in order: what [`BodyEncoder::encode`] answers.
///
/// They borrow from the chunk (`'c`), not from the encoder, and none is empty. A part that the connection hands
/// out under `BDAT` begins with the command lines that have to leave before the octets. A part counts as written for
/// the encoder as soon as it is handed out, so whoever holds it owes the connection all of it:
///
/// ```
/// # use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules};
/// # let mut encoder = BodyEncoder::new(BodyRules::new(BodyKind::SevenBit));
/// let mut part = encoder.encode(b".hidden\r\n")?;
/// assert_eq!((part.consumed(), part.len()), (9, 10));
/// assert!(part.slices().eq([&b"."[..], b".hidden\r\n"]));
///
/// // The transport took four octets: go on from there.
/// assert_eq!(part.advance(4), 0);
/// assert!(part.slices().eq([b"dden\r\n"]));
/// # Ok::<(), smtp_proto::body::BodyFault>(())
/// ```
///
/// [`BodyEncoder::encode`]: super::BodyEncoder::encode
#[derive(Clone)]
#[must_use = "the encoder counts a part as written: its slices must be sent"]
pub struct BodyPart<'c> {
    /// Command lines that leave before the octets.
    head: Head,
    /// How much of the head has been written.
    head_written: usize,
    /// What the part covers.
    octets: &'c [u8],
    /// Where something is put in, in order.
    changes: [Change; MAX_CHANGES],
    count: usize,
    cursor: Cursor<'c>,
    len: usize,
}

/// An index into the octets, times four, and one of the kinds below. Four octets instead of the sixteen of a
/// slice: filling and moving the list is most of what a small part costs.
type Change = u32;

/// The dot at the index is sent twice.
pub(super) const STUFF_DOT: u32 = 0;
/// The octet before the index is a CR, and an LF is put between.
pub(super) const ADD_LF: u32 = 1;
/// The LF at the index is replaced by CRLF.
pub(super) const TO_CRLF: u32 = 2;

/// Command lines in front of a part. A lone `BDAT` line needs no allocation.
#[derive(Clone)]
pub(crate) enum Head {
    Empty,
    Line { octets: [u8; Head::LINE], len: usize },
    Lines(Vec<u8>),
}

impl Head {
    /// Longest single line: `BDAT`, a number of 20 digits, `LAST`.
    pub(crate) const LINE: usize = 40;

    pub(crate) fn line(line: &[u8]) -> Self {
        let mut octets = [0; Self::LINE];
        match octets.get_mut(..line.len()) {
            Some(room) => {
                // As long as the line: that is how the room was measured.
                #[allow(clippy::disallowed_methods)]
                room.copy_from_slice(line);
                Self::Line { octets, len: line.len() }
            }
            None => Self::Lines(line.to_vec()),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Head::Empty => &[],
            Head::Line { octets, len } => octets.get(..*len).unwrap_or_default(),
            Head::Lines(octets) => octets,
        }
    }
}

/// How far the slices have been given out.
#[derive(Clone, Copy)]
struct Cursor<'c> {
    /// The next slice, if not empty.
    pending: &'c [u8],
    /// The first of the octets after that.
    from: usize,
    /// The first of the changes after that.
    change: usize,
}

impl<'c> Cursor<'c> {
    #[inline(always)]
    fn next(&mut self, octets: &'c [u8], changes: &[Change]) -> Option<&'c [u8]> {
        if !self.pending.is_empty() {
            return Some(mem::take(&mut self.pending));
        }
        let Some(change) = changes.get(self.change) else {
            let slice = octets.get(self.from..).filter(|slice| !slice.is_empty());
            self.from = octets.len();
            return slice;
        };
        self.change = self.change.wrapping_add(1);
        let at = (change >> 2) as usize;
        let from = self.from;
        self.from = at;
        let text = match change & 3 {
            STUFF_DOT => return octets.get(from..=at),
            ADD_LF => {
                self.pending = b"\n";
                octets.get(from..at)
            }
            _ => {
                self.from = self.from.wrapping_add(1);
                self.pending = b"\r\n";
                octets.get(from..at)
            }
        };
        match text {
            Some(text) if !text.is_empty() => Some(text),
            Some(_) | None => Some(mem::take(&mut self.pending)),
        }
    }
}

impl<'c> BodyPart<'c> {
    pub(super) const fn empty() -> Self {
        let cursor = Cursor { pending: &[], from: 0, change: 0 };
        Self {
            head: Head::Empty,
            head_written: 0,
            octets: &[],
            changes: [0; MAX_CHANGES],
            count: 0,
            cursor,
            len: 0,
        }
    }

    /// Puts command lines in front of the octets; returns how many octets they are.
    pub(crate) fn lead_with(&mut self, head: Head) -> usize {
        let len = head.as_slice().len();
        self.len = self.len.saturating_add(len);
        self.head = head;
        len
    }

    fn head_left(&self) -> &[u8] {
        self.head.as_slice().get(self.head_written..).unwrap_or_default()
    }

    /// Adds a change, which the caller knows there is [room](Self::has_room) for.
    // The encoder has asked for room, and looks at no more than WINDOW octets. Were it wrong, a dot would not be
    // stuffed: the fuzzers are to see that.
    #[allow(clippy::cast_possible_truncation, clippy::disallowed_macros)]
    #[inline(always)]
    pub(super) fn change(&mut self, at: usize, kind: u32) {
        debug_assert!(self.has_room(1) && at < WINDOW);
        if let Some(place) = self.changes.get_mut(self.count) {
            *place = (at as u32) << 2 | kind;
            self.count = self.count.wrapping_add(1);
        }
    }

    #[inline(always)]
    pub(super) const fn has_room(&self, changes: usize) -> bool {
        self.count.wrapping_add(changes) <= MAX_CHANGES
    }

    /// Tells what the changes are changes of.
    #[inline(always)]
    pub(super) const fn cover(&mut self, octets: &'c [u8]) {
        self.octets = octets;
        // Each change adds one octet.
        self.len = octets.len().saturating_add(self.count);
    }

    /// How many octets at the front of the chunk this part covers; the next call of
    /// [`encode`](super::BodyEncoder::encode) begins after them. [`advance`](Self::advance) does not change
    /// it.
    #[must_use]
    pub const fn consumed(&self) -> usize {
        self.octets.len()
    }

    /// How many octets of the chunk have been written, as told to [`advance`](Self::advance): all of
    /// [`consumed`](Self::consumed) once the part [is empty](Self::is_empty). It counts what the caller supplied, not what
    /// went over the wire; an octet where something was put in counts when all that stands for it has been written, and
    /// the one before it may count along with it.
    #[must_use]
    pub const fn written(&self) -> usize {
        self.cursor.from.saturating_sub(self.cursor.pending.len())
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

    /// The slices that remain to be written: at most 130, and one if there was nothing to change and no
    /// command line goes before it.
    pub fn slices(&self) -> Slices<'_, 'c> {
        Slices { part: self, head: self.head_left(), cursor: self.cursor }
    }

    /// Drops the first `n` octets, because they have been written. Returns how many of the `n` were more
    /// than the part had left: those belong to whatever was written after it.
    pub fn advance(&mut self, n: usize) -> usize {
        let of_head = n.min(self.head_left().len());
        self.head_written = self.head_written.saturating_add(of_head);
        self.len = self.len.saturating_sub(of_head);
        let mut surplus = n.saturating_sub(of_head);
        loop {
            let mut next = self.cursor;
            let Some(slice) = next.next(self.octets, self.changes()) else { return surplus };
            match slice.get(surplus..) {
                None | Some([]) => {
                    surplus = surplus.saturating_sub(slice.len());
                    self.len = self.len.saturating_sub(slice.len());
                    self.cursor = next;
                }
                Some(rest) => {
                    self.len = self.len.saturating_sub(surplus);
                    if next.pending.is_empty() {
                        self.cursor = Cursor { pending: rest, ..next };
                    } else {
                        // The slice is text before something put in: begin the text later.
                        self.cursor.from = self.cursor.from.saturating_add(surplus);
                    }
                    return 0;
                }
            }
        }
    }

    #[inline(always)]
    fn changes(&self) -> &[Change] {
        self.changes.get(..self.count).unwrap_or_default()
    }
}

impl fmt::Debug for BodyPart<'_> {
    /// Sizes only: the octets are somebody's mail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyPart")
            .field("slices", &self.slices().count())
            .field("consumed", &self.consumed())
            .field("len", &self.len)
            .finish()
    }
}

impl<'p, 'c> IntoIterator for &'p BodyPart<'c> {
    type Item = &'p [u8];
    type IntoIter = Slices<'p, 'c>;

    fn into_iter(self) -> Slices<'p, 'c> {
        self.slices()
    }
}

/// The slices of a [`BodyPart`].
#[derive(Clone)]
pub struct Slices<'p, 'c> {
    part: &'p BodyPart<'c>,
    head: &'p [u8],
    cursor: Cursor<'c>,
}

impl<'p> Iterator for Slices<'p, '_> {
    type Item = &'p [u8];

    #[inline]
    fn next(&mut self) -> Option<&'p [u8]> {
        if !self.head.is_empty() {
            return Some(mem::take(&mut self.head));
        }
        self.cursor.next(self.part.octets, self.part.changes())
    }
}

impl core::iter::FusedIterator for Slices<'_, '_> {}

impl fmt::Debug for Slices<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slices").field("left", &self.clone().count()).finish()
    }
}
