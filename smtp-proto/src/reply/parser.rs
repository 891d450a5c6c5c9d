//! The incremental parser: octets in, owned replies out, bounded and linear.

use super::scan::{MAX_BLANK_LINES, Scan, read_one_line};
use super::{Reply, ReplyError, ReplyLimits, ReplyRef};
use crate::escape::Escaped;
use alloc::vec::Vec;
use core::fmt;

/// Makes replies out of octets as they are received (RFC 5321 §4.2).
///
/// - The result depends on the octets alone, never on how they are split over calls of
///   [`receive`](Self::receive), provided that the replies are taken after each call.
/// - An error is raised at the first octet that breaks a rule: no line end is waited for. It is final; every
///   later call returns it again.
/// - Replies that came before the offending octet are returned before the error.
/// - Each octet is looked at a bounded number of times, however slowly the octets come in.
/// - The parser holds at most 1¼ times [`ReplyLimits::unread`] octets, and at most 48 once every octet has
///   been taken.
///
/// ```
/// use smtp_proto::reply::{ReplyLimits, ReplyParser};
///
/// let mut parser = ReplyParser::new(ReplyLimits::default());
/// parser.receive(b"250-mx.example\r\n250 SIZE 1000\r\n354 go")?;
///
/// let reply = parser.next_reply()?.unwrap();
/// assert_eq!(reply.code().get(), 250);
/// assert!(reply.lines().eq([&b"mx.example"[..], b"SIZE 1000"]));
///
/// assert_eq!(parser.next_reply()?, None);
/// assert_eq!(parser.unread(), b"354 go");
/// # Ok::<(), smtp_proto::reply::ReplyError>(())
/// ```
#[derive(Clone)]
pub struct ReplyParser {
    limits: ReplyLimits,
    /// What was received, except what was dropped from the front.
    buffer: Vec<u8>,
    /// Where in the buffer the first octet is that belongs to no reply yet taken.
    taken: usize,
    scan: Scan,
    failed: Option<ReplyError>,
    /// Octets looked at or moved, for the tests that hold the work to the length of the input.
    #[cfg(test)]
    work: usize,
}

impl Default for ReplyParser {
    fn default() -> Self {
        Self::new(ReplyLimits::default())
    }
}

impl ReplyParser {
    /// A parser that has received nothing, and holds no memory yet.
    #[must_use]
    pub fn new(limits: ReplyLimits) -> Self {
        Self {
            limits,
            buffer: Vec::new(),
            taken: 0,
            scan: Scan::default(),
            failed: None,
            #[cfg(test)]
            work: 0,
        }
    }

    /// Takes octets from the server. The replies in them come from [`next_reply`](Self::next_reply).
    ///
    /// # Errors
    ///
    /// [`TooMuchUnread`](ReplyError::TooMuchUnread) if the replies not yet taken, with these octets, are
    /// longer than [`ReplyLimits::unread`]; none of the octets is kept then. The error of an earlier call, if
    /// there was one.
    pub fn receive(&mut self, input: &[u8]) -> Result<(), ReplyError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if input.len() > self.limits.unread.saturating_sub(self.unread().len()) {
            return Err(self.fail(ReplyError::TooMuchUnread { limit: self.limits.unread }));
        }
        self.make_room(input.len());
        self.buffer.extend_from_slice(input);
        Ok(())
    }

    /// Takes the next reply off the octets received, or returns `None` until more are received.
    ///
    /// # Errors
    ///
    /// Any [`ReplyError`] save [`Truncated`](ReplyError::Truncated). The same error is returned from then on.
    #[inline]
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        let reply = self.next_ref()?.map(|reply| reply.to_reply());
        self.release();
        Ok(reply)
    }

    /// Does what [`next_reply`](Self::next_reply) does, without copying the reply.
    ///
    /// # Errors
    ///
    /// Those of [`next_reply`](Self::next_reply).
    #[inline]
    pub fn next_ref(&mut self) -> Result<Option<ReplyRef<'_>>, ReplyError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.release();
        let unread = self.buffer.get(self.taken..).unwrap_or_default();
        if self.scan.is_new() {
            #[cfg(test)]
            {
                self.work += unread.iter().position(|octet| *octet == b'\n').unwrap_or(unread.len());
            }
            if let Some(reply) = read_one_line(unread, &self.limits) {
                self.taken = self.taken.wrapping_add(reply.raw.len());
                return Ok(Some(reply));
            }
        }
        let mut scan = self.scan;
        match scan.advance(unread, &self.limits) {
            Ok(Some(reply)) => {
                self.taken = self.taken.wrapping_add(scan.end());
                #[cfg(test)]
                {
                    self.work += scan.work;
                }
                self.scan = Scan::default();
                Ok(Some(reply))
            }
            Ok(None) => {
                self.scan = scan;
                Ok(None)
            }
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    /// The octets received after the last reply taken, blank lines included.
    ///
    /// After an error, these begin with the reply that could not be read.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        self.buffer.get(self.taken..).unwrap_or_default()
    }

    /// Whether nothing follows the last reply taken but blank lines, which may be skipped before a reply.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        let mut rest = self.unread();
        for _ in 0..MAX_BLANK_LINES {
            rest = match rest {
                [b'\n', rest @ ..] | [b'\r', b'\n', rest @ ..] => rest,
                _ => break,
            };
        }
        matches!(rest, [] | [b'\r'])
    }

    /// Tells the parser that the server closed the connection, once [`next_reply`](Self::next_reply) has
    /// returned `None`.
    ///
    /// # Errors
    ///
    /// [`Truncated`](ReplyError::Truncated) if the last reply is not complete: a reply without its line end
    /// is never a reply. The error of an earlier call, if there was one.
    pub fn finish(&self) -> Result<(), ReplyError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None if self.is_blank() => Ok(()),
            None => Err(ReplyError::Truncated),
        }
    }

    /// Sees to it that `additional` octets can be appended.
    ///
    /// The unread octets are moved to the front only if at least a quarter as many have been taken, which
    /// bounds both the work (four moved for each one taken) and the memory.
    fn make_room(&mut self, additional: usize) {
        let unread = self.unread().len();
        if self.buffer.capacity().saturating_sub(self.buffer.len()) >= additional {
            return;
        }
        if self.taken >= unread / 4 {
            // What was taken was in the buffer.
            #[allow(clippy::disallowed_methods)]
            self.buffer.drain(..self.taken);
            self.taken = 0;
            self.count_work(unread);
        }
        let needed = self.buffer.len().saturating_add(additional);
        if needed > self.buffer.capacity() {
            let most = self.limits.unread.saturating_add(self.limits.unread / 4);
            let capacity = self.buffer.capacity().saturating_mul(2).max(MIN_CAPACITY).min(most).max(needed);
            self.buffer.reserve_exact(capacity.saturating_sub(self.buffer.len()));
            self.count_work(self.buffer.len());
        }
    }

    /// Forgets what was taken, if that is all there is, and gives back memory that idling does not need.
    fn release(&mut self) {
        if self.taken == self.buffer.len() {
            self.taken = 0;
            if self.buffer.capacity() > IDLE_CAPACITY {
                self.buffer = Vec::new();
            } else {
                self.buffer.clear();
            }
        }
    }

    /// Forgets everything received, and gives back the memory: nothing of it will be asked for.
    pub(crate) fn discard(&mut self) {
        self.buffer = Vec::new();
        self.taken = 0;
        self.scan = Scan::default();
    }

    fn fail(&mut self, error: ReplyError) -> ReplyError {
        self.failed = Some(error.clone());
        error
    }

    #[cfg(test)]
    pub(super) fn work(&self) -> usize {
        self.work + self.scan.work
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    #[cfg(test)]
    fn count_work(&mut self, octets: usize) {
        self.work += octets;
    }

    #[cfg(not(test))]
    fn count_work(&mut self, _: usize) {}
}

impl fmt::Debug for ReplyParser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyParser")
            .field("limits", &self.limits)
            .field("unread", &Escaped::new(self.unread()))
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}

/// The first allocation, in octets; enough for most replies of one line.
const MIN_CAPACITY: usize = 48;

/// The largest buffer that is kept while there is nothing in it, in octets.
const IDLE_CAPACITY: usize = 48;
