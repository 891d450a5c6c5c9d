//! The grammar of a reply, applied to octets as they arrive (RFC 5321 §4.2).
//!
//! ```text
//! Reply-line  = *( Reply-code "-" [ textstring ] CRLF )
//!               Reply-code [ SP textstring ] CRLF
//! Reply-code  = %x32-35 %x30-35 %x30-39
//! ```
//!
//! What is accepted beyond that, since servers send it: SP with no text, any second digit, any octets as
//! text, LF alone as a line end, and up to 8 blank lines before a reply. CR alone is text: taking it for a
//! line end would let a client and a proxy disagree on where a reply ends.
//!
//! Sums of positions wrap in name only: none is more than a few octets past the end of the input.
//!
//! The rules are applied in the order of the octets, so that the error is the same for every split of the
//! input.

use super::error::{Excerpt, ReplyError};
use super::{ReplyCode, ReplyLimits, ReplyRef};
use memchr::memchr;

/// How far a reply has been read, so that no octet is searched twice.
///
/// Positions are counted from the first octet that follows the reply before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Blank lines skipped.
    blank: u8,
    /// Where the reply begins, after blank lines.
    start: usize,
    /// Where the current line begins.
    line: usize,
    /// Up to where the current line is known to hold no LF.
    searched: usize,
    /// Lines read to their end.
    lines: usize,
    /// Octets of text in them, with one for each LF between two.
    text: usize,
    /// The code that all lines must have; means something once `lines` is not 0.
    code: Code,
    /// Octets looked at, for the tests that hold the work to the length of the input.
    #[cfg(test)]
    pub(super) work: usize,
}

/// The digits of a reply code, in one word so that two are compared at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Code(u32);

impl Code {
    fn from_digits([a, b, c]: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([a, b, c, 0]))
    }
}

impl From<Code> for ReplyCode {
    fn from(code: Code) -> Self {
        let [a, b, c, _] = code.0.to_be_bytes();
        ReplyCode::from_digits([a, b, c])
    }
}

/// What follows the reply code on a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Separator {
    /// SP, or nothing: this is the last line.
    Last,
    /// `-`: more lines follow.
    Continued,
}

impl Scan {
    /// Reads on. `input` is what it was in the last call, with more at its end.
    ///
    /// The reply ends where [`end`](Self::end) says.
    #[inline]
    pub(super) fn advance<'a>(
        &mut self,
        input: &'a [u8],
        limits: &ReplyLimits,
    ) -> Result<Option<ReplyRef<'a>>, ReplyError> {
        if self.lines == 0 {
            self.skip_blank_lines(input)?;
        }
        let window = input.get(..self.start.saturating_add(limits.reply)).unwrap_or(input);
        let reply = self.read_lines(window, limits)?;
        if reply.is_none() && window.len() < input.len() {
            return Err(ReplyError::ReplyTooLong { limit: limits.reply });
        }
        Ok(reply)
    }

    /// Whether no octet has been read yet.
    #[inline]
    pub(super) fn is_new(&self) -> bool {
        self.searched == 0
    }

    /// Where the reply that [`advance`](Self::advance) returned ends.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.line
    }

    #[inline]
    fn skip_blank_lines(&mut self, input: &[u8]) -> Result<(), ReplyError> {
        loop {
            let blank = match input.get(self.start..) {
                Some([b'\n', ..]) => 1,
                Some([b'\r', b'\n', ..]) => 2,
                _ => return Ok(()),
            };
            self.blank = self.blank.saturating_add(1);
            if self.blank > MAX_BLANK_LINES {
                return Err(ReplyError::TooManyBlankLines);
            }
            self.start = self.start.wrapping_add(blank);
            self.line = self.start;
            self.searched = self.start;
        }
    }

    #[inline]
    fn read_lines<'a>(
        &mut self,
        input: &'a [u8],
        limits: &ReplyLimits,
    ) -> Result<Option<ReplyRef<'a>>, ReplyError> {
        // Kept in variables of its own, the state of the loop stays in registers.
        let Self { start, mut line, mut searched, mut lines, mut text, mut code, .. } = *self;
        let longest = limits.line.max(CODE);
        let mut ended = false;
        while !ended {
            let rest = input.get(line..).unwrap_or_default();
            let first = if lines > 0 { Some(code) } else { None };
            self.count_work(rest.len().min(HEAD + 1));
            let Some((read, separator)) = read_head(rest, first)? else {
                // Too short to hold an LF.
                searched = input.len();
                break;
            };
            let Some(line_feed) = find_line_feed(input.get(searched..).unwrap_or_default()) else {
                self.count_work(input.len().wrapping_sub(searched));
                searched = input.len();
                match rest.get(longest..) {
                    // The CR may turn out to be part of the line end.
                    None | Some([] | [b'\r']) => break,
                    Some(_) => return Err(ReplyError::LineTooLong { limit: limits.line }),
                }
            };
            self.count_work(line_feed.wrapping_add(1));
            let line_feed = searched.wrapping_add(line_feed);
            let octets = match input.get(line..line_feed).unwrap_or_default() {
                [line @ .., b'\r'] => line.len(),
                line => line.len(),
            };
            if octets > longest {
                return Err(ReplyError::LineTooLong { limit: limits.line });
            }
            text = text.wrapping_add(octets.saturating_sub(HEAD)).wrapping_add(usize::from(lines > 0));
            lines = lines.wrapping_add(1);
            code = read;
            line = line_feed.wrapping_add(1);
            searched = line;
            ended = separator == Separator::Last;
            if !ended && lines >= limits.lines {
                return Err(ReplyError::TooManyLines { limit: limits.lines });
            }
        }
        if ended {
            self.line = line;
            let raw = input.get(start..line).unwrap_or_default();
            return Ok(Some(ReplyRef { code: code.into(), raw, lines, text }));
        }
        *self = Self { line, searched, lines, text, code, ..*self };
        Ok(None)
    }

    #[cfg(test)]
    fn count_work(&mut self, octets: usize) {
        self.work += octets;
    }

    #[cfg(not(test))]
    #[inline(always)]
    fn count_work(&mut self, _: usize) {}
}

/// Reads a reply of one line, which nearly every reply is, without keeping account of how far it is read.
///
/// `None` means that [`Scan`] has to see to it: there is more to it, or less.
#[inline]
pub(super) fn read_one_line<'a>(input: &'a [u8], limits: &ReplyLimits) -> Option<ReplyRef<'a>> {
    let Ok(Some((code, Separator::Last))) = read_head(input, None) else { return None };
    let line_feed = find_line_feed(input.get(CODE..)?)?.wrapping_add(CODE);
    let raw = input.get(..=line_feed)?;
    let text = match raw.get(HEAD..)? {
        [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => text.len(),
        _ => return None,
    };
    let fits = text.wrapping_add(HEAD) <= limits.line && raw.len() <= limits.reply;
    fits.then(|| ReplyRef { code: code.into(), raw, lines: 1, text })
}

/// Reads the code and what follows it, or as much as there is of them; `first` is the code of the reply's
/// first line, if this is not it.
#[inline]
fn read_head(rest: &[u8], first: Option<Code>) -> Result<Option<(Code, Separator)>, ReplyError> {
    // The common case, ahead of the one that knows why it is not this one.
    if let Some(&[a, b, c, separator @ (b' ' | b'-')]) = rest.first_chunk() {
        let code = Code::from_digits([a, b, c]);
        let known = match first {
            Some(first) => code == first,
            None => matches!(a, b'2'..=b'5') && b.is_ascii_digit() && c.is_ascii_digit(),
        };
        if known {
            let separator = if separator == b'-' { Separator::Continued } else { Separator::Last };
            return Ok(Some((code, separator)));
        }
    }
    read_head_by_octet(rest, first)
}

#[cold]
fn read_head_by_octet(rest: &[u8], first: Option<Code>) -> Result<Option<(Code, Separator)>, ReplyError> {
    if first.is_none() && rest == b"\r" {
        // A blank line, perhaps.
        return Ok(None);
    }
    for (at, octet) in rest.iter().take(3).enumerate() {
        let line = Excerpt::through(at, rest);
        match (at, octet) {
            (0, b'0' | b'1' | b'6'..=b'9') => return Err(ReplyError::CodeOutOfRange { line }),
            (_, b'0'..=b'9') => {}
            (_, _) => return Err(ReplyError::MalformedCode { line }),
        }
    }
    let Some((&digits, rest_of_line)) = rest.split_first_chunk() else { return Ok(None) };
    let code = Code::from_digits(digits);
    if let Some(first) = first.filter(|first| *first != code) {
        return Err(ReplyError::CodeMismatch { first: first.into(), then: code.into() });
    }
    let offending = match rest_of_line {
        [] | [b'\r'] => return Ok(None),
        [b' ' | b'\n', ..] | [b'\r', b'\n', ..] => return Ok(Some((code, Separator::Last))),
        [b'-', ..] => return Ok(Some((code, Separator::Continued))),
        [b'\r', _, ..] => HEAD,
        [_, ..] => HEAD - 1,
    };
    Err(ReplyError::MalformedSeparator { line: Excerpt::through(offending, rest) })
}

/// The first LF.
///
/// In the last octets of the input, where `memchr` would look at one octet at a time, a word is searched at
/// once: often that is all there is of a reply.
#[inline]
pub(super) fn find_line_feed(octets: &[u8]) -> Option<usize> {
    if octets.len() >= 16 {
        return memchr(b'\n', octets);
    }
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const LINE_FEEDS: u64 = u64::from_ne_bytes([b'\n'; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let mut rest = octets;
    let mut searched = 0_usize;
    while let Some((word, after)) = rest.split_first_chunk() {
        // An octet that is LF becomes 0, and the lowest 0 is the lowest octet to borrow.
        let differs = u64::from_le_bytes(*word) ^ LINE_FEEDS;
        let found = differs.wrapping_sub(ONES) & !differs & TOPS;
        if found != 0 {
            return Some(searched.wrapping_add(found.trailing_zeros() as usize / 8));
        }
        rest = after;
        searched = searched.wrapping_add(8);
    }
    rest.iter().position(|octet| *octet == b'\n').map(|at| searched.wrapping_add(at))
}

/// Octets of a reply code.
const CODE: usize = 3;

/// Octets of a line before its text: the code and the separator.
pub(super) const HEAD: usize = 4;

/// Blank lines skipped before a reply.
pub(super) const MAX_BLANK_LINES: u8 = 8;
