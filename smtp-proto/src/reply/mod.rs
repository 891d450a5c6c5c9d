//! Replies: what the server says to a command (RFC 5321 §4.2).
//!
//! [`ReplyParser`] makes a [`Reply`] out of octets in whatever pieces they come; [`ReplyRef::parse`] reads
//! one where it lies. Both keep to [`ReplyLimits`], both promise never to look at an octet more than a
//! bounded number of times, and both treat text as octets: it is never required to be UTF-8, and it is
//! escaped when shown. Enhanced status codes (RFC 2034, RFC 3463) are read from the text when asked for.
//!
//! | part | RFC 5321 |
//! |---|---|
//! | [`ReplyCode`], [`Severity`] | §4.2.1 |
//! | [`EnhancedCode`] | RFC 3463 §2 |
//! | [`Reply`], [`ReplyRef`] | §4.2 |
//! | [`ReplyLimits`] | §4.5.3.1.5 |
//! | [`ReplyParser`], [`ReplyError`] | §4.2, §4.2.1 |
//! | [`VrfyAnswer`], [`ExpnAnswer`], [`HelpAnswer`] | §3.5, §4.1.1.8 |
//! | [`EtrnAnswer`] | RFC 1985 §5.2 |

mod answer;
mod code;
mod error;
mod limits;
mod parser;
mod scan;
#[cfg(test)]
mod tests;

pub use answer::{EtrnAnswer, ExpnAnswer, HelpAnswer, Listed, Listing, VrfyAnswer};
pub use code::{EnhancedCode, ReplyCode, Severity};
pub use error::{Excerpt, ReplyError};
pub use limits::ReplyLimits;
pub use parser::ReplyParser;

use crate::escape::{Escaped, SHOWN};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;
use scan::{HEAD, Scan, find_line_feed, read_one_line};

/// A reply: its code and the text of its lines, as the server sent them (RFC 5321 §4.2).
///
/// The text is octets, which need not be UTF-8. Both `Display` and `Debug` show it on one line, escaped and
/// cut short by [`Escaped`].
///
/// ```
/// use smtp_proto::reply::{EnhancedCode, Reply, ReplyCode};
///
/// let reply = Reply::new(ReplyCode::new(550).unwrap(), b"5.1.1 no such user\n5.1.1 goodbye");
/// assert!(reply.is_permanent());
/// assert_eq!(reply.enhanced(), Some(EnhancedCode { class: 5, subject: 1, detail: 1 }));
/// assert!(reply.lines().eq([&b"5.1.1 no such user"[..], b"5.1.1 goodbye"]));
/// assert!(reply.message_lines().eq([&b"no such user"[..], b"goodbye"]));
/// assert_eq!(reply.to_string(), r"550 5.1.1 no such user\n5.1.1 goodbye");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    code: ReplyCode,
    shortened: bool,
    text: Box<[u8]>,
}

impl Reply {
    /// A reply with this code and the text of its lines, joined by LF, as for a test or a simulated server.
    ///
    /// Any octets are taken as they are; the text of a reply that was parsed never ends a line with CR LF.
    #[must_use]
    pub fn new(code: ReplyCode, text: &[u8]) -> Self {
        Self { code, shortened: false, text: text.into() }
    }

    /// The reply code.
    #[must_use]
    pub fn code(&self) -> ReplyCode {
        self.code
    }

    /// The enhanced status code at the front of the first line (RFC 2034 §4), if there is one.
    ///
    /// What counts as one is said at [`EnhancedCode`].
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        EnhancedCode::split(self.code, &self.text).map(|(enhanced, _)| enhanced)
    }

    /// The text of all lines, joined by LF: what follows the code and separator, enhanced status codes
    /// included.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Whether the end of the text was left out: of the long replies in the outcome of a message only so many
    /// octets are kept as [`ReplyLimits::kept`] says. The first 512 always are, and with them the enhanced status
    /// code.
    #[must_use]
    pub fn is_shortened(&self) -> bool {
        self.shortened
    }

    /// Whether [`brief`](Self::brief) leaves anything out.
    pub(crate) fn is_long(&self) -> bool {
        self.text.len() > SHOWN
    }

    /// The reply with as much of its text as is shown: more than a line has by RFC 5321 §4.5.3.1.5.
    pub(crate) fn brief(&self) -> Self {
        // Not in the middle of a character: before the one that the cut would be in.
        let is_inside = |at: &usize| self.text.get(*at).is_some_and(|octet| octet & 0xc0 == 0x80);
        let end = (SHOWN - 3..=SHOWN).rev().find(|at| !is_inside(at)).unwrap_or(SHOWN);
        match self.text.get(..end).filter(|_| self.is_long()) {
            Some(text) => Self { code: self.code, shortened: true, text: text.into() },
            None => self.clone(),
        }
    }

    /// The text of each line. There is at least one, which may be empty.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let mut rest = Some(self.text());
        core::iter::from_fn(move || {
            let text = rest?;
            match find_line_feed(text).and_then(|at| text.split_at_checked(at)) {
                Some((line, after)) => {
                    rest = after.get(1..);
                    Some(line)
                }
                None => rest.take(),
            }
        })
    }

    /// The text of each line without its enhanced status code, which RFC 2034 §4 has on every line.
    pub fn message_lines(&self) -> impl Iterator<Item = &[u8]> + Clone {
        self.lines().map(|line| EnhancedCode::split(self.code, line).map_or(line, |(_, message)| message))
    }

    /// Whether the code is 2yz: done.
    #[must_use]
    pub fn is_positive_completion(&self) -> bool {
        self.code.severity() == Severity::PositiveCompletion
    }

    /// Whether the code is 3yz: go on.
    #[must_use]
    pub fn is_positive_intermediate(&self) -> bool {
        self.code.severity() == Severity::PositiveIntermediate
    }

    /// Whether the code is 4yz: not now.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code.severity() == Severity::TransientNegative
    }

    /// Whether the code is 5yz: no.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code.severity() == Severity::PermanentNegative
    }

    /// Whether the code is 4yz or 5yz.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.is_transient() || self.is_permanent()
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text() {
            [] => write!(f, "{}", self.code),
            text => {
                let mark = if self.shortened { "…" } else { "" };
                write!(f, "{} {}{mark}", self.code, Escaped::new(text))
            }
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Reply");
        shown.field("code", &self.code.get()).field("text", &Escaped::new(&self.text));
        if self.shortened { shown.finish_non_exhaustive() } else { shown.finish() }
    }
}

impl From<ReplyRef<'_>> for Reply {
    fn from(reply: ReplyRef<'_>) -> Self {
        reply.to_reply()
    }
}

/// A reply where it lies in the input; the borrowed form of [`Reply`].
#[derive(Clone, Copy)]
pub struct ReplyRef<'a> {
    code: ReplyCode,
    /// All lines, with their codes, separators and line ends; the grammar has been checked.
    raw: &'a [u8],
    lines: usize,
    /// Octets of the text of all lines joined by LF.
    text: usize,
}

impl<'a> ReplyRef<'a> {
    /// Reads one reply from the front of the input, without allocating, and returns it with the number of
    /// octets it takes up there, blank lines before it included. `None` means that the reply goes on after
    /// the input.
    ///
    /// Nothing is remembered from call to call: [`ReplyParser`] is for a reply that arrives in pieces.
    ///
    /// # Errors
    ///
    /// Any [`ReplyError`] save [`TooMuchUnread`](ReplyError::TooMuchUnread) and
    /// [`Truncated`](ReplyError::Truncated).
    ///
    /// ```
    /// use smtp_proto::reply::{ReplyLimits, ReplyRef};
    ///
    /// let input = b"250 2.1.5 OK\r\n354 go ahead\r\n";
    /// let (reply, taken) = ReplyRef::parse(input, &ReplyLimits::default())?.unwrap();
    /// assert_eq!(reply.code().get(), 250);
    /// assert!(reply.lines().eq([b"2.1.5 OK"]));
    /// assert_eq!(&input[taken..], b"354 go ahead\r\n");
    /// # Ok::<(), smtp_proto::reply::ReplyError>(())
    /// ```
    #[inline]
    pub fn parse(input: &'a [u8], limits: &ReplyLimits) -> Result<Option<(Self, usize)>, ReplyError> {
        if let Some(reply) = read_one_line(input, limits) {
            return Ok(Some((reply, reply.raw.len())));
        }
        let mut scan = Scan::default();
        Ok(scan.advance(input, limits)?.map(|reply| (reply, scan.end())))
    }

    /// The reply code.
    #[must_use]
    pub fn code(&self) -> ReplyCode {
        self.code
    }

    /// The enhanced status code at the front of the first line (RFC 2034 §4), if there is one.
    #[must_use]
    pub fn enhanced(&self) -> Option<EnhancedCode> {
        EnhancedCode::split(self.code, self.lines().next()?).map(|(enhanced, _)| enhanced)
    }

    /// The text of each line: what follows the code and separator, without the line end.
    pub fn lines(&self) -> impl Iterator<Item = &'a [u8]> + Clone + use<'a> {
        let mut rest = self.raw;
        core::iter::from_fn(move || {
            let (line, after) = rest.split_at_checked(find_line_feed(rest)?)?;
            rest = after.get(1..)?;
            Some(text_of(line))
        })
    }

    /// The owned form, in one allocation of exactly the length of the text, or none if there is no text.
    #[must_use]
    #[inline]
    pub fn to_reply(&self) -> Reply {
        let text = match self.lines {
            1 => self.raw.get(HEAD..HEAD.wrapping_add(self.text)).unwrap_or_default().into(),
            _ => self.joined(),
        };
        Reply { code: self.code, shortened: false, text }
    }

    #[inline(never)]
    fn joined(&self) -> Box<[u8]> {
        let mut text = Vec::with_capacity(self.text);
        for (nth, line) in self.lines().enumerate() {
            if nth > 0 {
                text.push(b'\n');
            }
            text.extend_from_slice(line);
        }
        text.into_boxed_slice()
    }
}

impl fmt::Debug for ReplyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReplyRef").field(&Escaped::new(self.raw)).finish()
    }
}

/// The text in a line that lacks its LF: neither the code and the separator nor the CR of CRLF.
fn text_of(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line).get(HEAD..).unwrap_or_default()
}
