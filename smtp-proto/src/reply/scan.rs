//! The grammar of a reply, applied to octets as they arrive (RFC 5321 §4.2).
//!
//! ```text
//! Reply-line  = *( Reply-code "-" [ textstring ] CRLF )
//!               Reply-code [ SP [ textstring ] ] CRLF
//! Reply-code  = %x32-35 %x30-35 %x30-39
//! ```
//!
//! What is accepted beyond that: any second digit (some servers send 6 to 9), any octets as text, LF alone as
//! a line end, and up to 8 blank lines before a reply, since servers send all of these. CR alone is text:
//! taking it for a line end would let a server's client and a proxy disagree on where a reply ends.
//!
//! The rules are applied in the order of the octets, so that the error is the same for every split of the
//! input.

use super::error::{Excerpt, ReplyError};
use super::{ReplyCode, ReplyLimits, ReplyRef};
use memchr::memchr_iter;

/// How far a reply has been read; no octet is searched twice.
///
/// Positions are counted from the first octet that follows the reply before.
#[derive(Clone, Debug, Default)]
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
    digits: [u8; 3],
    /// Octets looked at, for the tests that hold the work to the length of the input.
    #[cfg(test)]
    pub(super) work: usize,
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
            self.blank += 1;
            if self.blank > MAX_BLANK_LINES {
                return Err(ReplyError::TooManyBlankLines);
            }
            self.start += blank;
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
        let searched = self.searched;
        let mut line_feeds = memchr_iter(b'\n', input.get(searched..).unwrap_or_default());
        loop {
            let rest = input.get(self.line..).unwrap_or_default();
            let Some((digits, separator)) = self.read_head(rest)? else {
                // Too short to hold an LF.
                self.searched = input.len();
                return Ok(None);
            };
            let Some(line_feed) = line_feeds.next() else {
                self.count_work(input.len() - self.searched);
                self.searched = input.len();
                return match rest.get(limits.line.max(3)..) {
                    // The CR may turn out to be part of the line end.
                    None | Some([] | [b'\r']) => Ok(None),
                    Some(_) => Err(ReplyError::LineTooLong { limit: limits.line }),
                };
            };
            let line_feed = searched + line_feed;
            let line = input.get(self.line..line_feed).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.len() > limits.line.max(3) {
                return Err(ReplyError::LineTooLong { limit: limits.line });
            }
            self.count_work(line_feed + 1 - self.searched);
            self.line = line_feed + 1;
            self.searched = line_feed + 1;
            self.text += line.len().saturating_sub(HEAD) + usize::from(self.lines > 0);
            self.lines += 1;
            self.digits = digits;
            match separator {
                Separator::Last => {
                    let raw = input.get(self.start..self.line).unwrap_or_default();
                    return Ok(Some(ReplyRef {
                        code: ReplyCode::from_digits(digits),
                        raw,
                        lines: self.lines,
                        text: self.text,
                    }));
                }
                Separator::Continued if self.lines >= limits.lines => {
                    return Err(ReplyError::TooManyLines { limit: limits.lines });
                }
                Separator::Continued => {}
            }
        }
    }

    /// Reads the code and what follows it, or as much as there is of them.
    #[inline]
    fn read_head(&mut self, rest: &[u8]) -> Result<Option<([u8; 3], Separator)>, ReplyError> {
        self.count_work(rest.len().min(HEAD + 1));
        match rest {
            // The common case, ahead of the one that knows why it is not this one.
            &[a @ b'2'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9', separator @ (b' ' | b'-'), ..]
                if self.lines == 0 || self.digits == [a, b, c] =>
            {
                let separator = if separator == b'-' { Separator::Continued } else { Separator::Last };
                Ok(Some(([a, b, c], separator)))
            }
            _ => self.read_head_by_octet(rest),
        }
    }

    #[cold]
    fn read_head_by_octet(&self, rest: &[u8]) -> Result<Option<([u8; 3], Separator)>, ReplyError> {
        if self.lines == 0 && rest == b"\r" {
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
        if self.lines > 0 && digits != self.digits {
            let first = ReplyCode::from_digits(self.digits);
            return Err(ReplyError::CodeMismatch { first, then: ReplyCode::from_digits(digits) });
        }
        let offending = match rest_of_line {
            [] | [b'\r'] => return Ok(None),
            [b' ' | b'\n', ..] | [b'\r', b'\n', ..] => return Ok(Some((digits, Separator::Last))),
            [b'-', ..] => return Ok(Some((digits, Separator::Continued))),
            [b'\r', _, ..] => HEAD,
            [_, ..] => HEAD - 1,
        };
        Err(ReplyError::MalformedSeparator { line: Excerpt::through(offending, rest) })
    }

    #[cfg(test)]
    fn count_work(&mut self, octets: usize) {
        self.work += octets;
    }

    #[cfg(not(test))]
    #[inline(always)]
    fn count_work(&mut self, _: usize) {}
}

/// Octets of a line before its text: the code and the separator.
pub(super) const HEAD: usize = 4;

/// Blank lines skipped before a reply.
pub(super) const MAX_BLANK_LINES: u8 = 8;
