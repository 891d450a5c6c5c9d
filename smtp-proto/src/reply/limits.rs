//! The bounds on what is accepted from a server (RFC 5321 §4.5.3.1).

/// How much of a server's replies is accepted, and how much of them is held.
///
/// RFC 5321 §4.5.3.1.5 allows a server 512 octets a line and sets no bound on lines; the defaults leave room
/// for servers that send more. Each limit has its own [`ReplyError`](super::ReplyError), raised at the first
/// octet beyond it.
///
/// ```
/// use smtp_proto::reply::ReplyLimits;
///
/// let mut limits = ReplyLimits::default();
/// limits.lines = 1_000;
/// assert_eq!(limits, ReplyLimits::default().with_lines(1_000));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyLimits {
    /// Octets in one line, from the reply code on and without its line end (CRLF or LF). 2048 by default;
    /// less than 3, which is the length of a reply code, counts as 3.
    pub line: usize,
    /// Lines in one reply. 128 by default; 0 counts as 1.
    pub lines: usize,
    /// Octets in one reply, with all its line ends. 65536 by default.
    pub reply: usize,
    /// Octets received and not yet taken as replies. 131072 by default.
    ///
    /// A caller who takes all replies after each read never meets this limit as long as one read and one
    /// reply fit in it together.
    pub unread: usize,
    /// Octets of long replies kept in the outcome of one message, those to all its recipients together; a reply is
    /// long if its text has more than 512 octets. 65536 by default. Of those beyond that the first 512 octets are
    /// kept, and [`Reply::is_shortened`](super::Reply::is_shortened) tells.
    ///
    /// So the outcome of a message to *n* recipients holds no more text than this and 512 octets for each reply: *n*,
    /// and one for the message, or in LMTP *n*.
    pub kept: usize,
}

impl Default for ReplyLimits {
    fn default() -> Self {
        Self { line: 2048, lines: 128, reply: 64 * 1024, unread: 128 * 1024, kept: 64 * 1024 }
    }
}

impl ReplyLimits {
    /// Sets [`line`](Self::line).
    #[must_use]
    pub const fn with_line(self, line: usize) -> Self {
        Self { line, ..self }
    }

    /// Sets [`lines`](Self::lines).
    #[must_use]
    pub const fn with_lines(self, lines: usize) -> Self {
        Self { lines, ..self }
    }

    /// Sets [`reply`](Self::reply).
    #[must_use]
    pub const fn with_reply(self, reply: usize) -> Self {
        Self { reply, ..self }
    }

    /// Sets [`unread`](Self::unread).
    #[must_use]
    pub const fn with_unread(self, unread: usize) -> Self {
        Self { unread, ..self }
    }

    /// Sets [`kept`](Self::kept).
    #[must_use]
    pub const fn with_kept(self, kept: usize) -> Self {
        Self { kept, ..self }
    }
}
