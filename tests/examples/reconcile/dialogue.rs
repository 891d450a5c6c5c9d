//! Follows a session from outside, octet by octet: where replies end, where messages end, and which of these have
//! had their verdict. It knows no more of SMTP than a proxy needs, and nothing of the client under test.

use std::collections::VecDeque;

/// A session in clear text, as the proxy has passed it on.
pub(crate) struct Dialogue {
    upstream: Upstream,
    line: Vec<u8>,
    /// What the server has still to answer, from the oldest.
    due: VecDeque<Due>,
    reply: Vec<u8>,
    /// Whole messages that were passed to the server.
    pub(crate) ends: usize,
    /// Those of them of which the client has the verdict.
    pub(crate) judged: usize,
    /// And of these, those that were accepted.
    pub(crate) accepted: usize,
    /// Whole replies that were passed to the client.
    pub(crate) replies: usize,
}

/// What the client's next octet belongs to.
enum Upstream {
    Command,
    Data(Line),
    Chunk { left: usize, last: bool },
}

/// How far a line that may be the end of the message has come.
#[derive(Clone, Copy)]
enum Line {
    Begin,
    Dot,
    DotCr,
    Other,
}

#[derive(Clone, Copy, PartialEq)]
enum Due {
    Reply,
    ToData,
    Verdict,
}

impl Dialogue {
    pub(crate) fn new() -> Self {
        Self {
            upstream: Upstream::Command,
            line: Vec::new(),
            due: [Due::Reply].into(),
            reply: Vec::new(),
            ends: 0,
            judged: 0,
            accepted: 0,
            replies: 0,
        }
    }

    /// Between two replies, and no message at the server that waits for its verdict.
    pub(crate) fn nothing_is_open(&self) -> bool {
        self.reply.is_empty() && self.ends <= self.judged
    }

    /// The next reply is the verdict on message number `message`, from 0.
    pub(crate) fn is_before_verdict_on(&self, message: usize) -> bool {
        self.reply.is_empty() && self.due.front() == Some(&Due::Verdict) && self.judged == message
    }

    /// Whether this octet of the client's is the last of a message.
    pub(crate) fn sent(&mut self, octet: u8) -> bool {
        let ended = match &mut self.upstream {
            Upstream::Command => {
                self.line.push(octet);
                octet == b'\n' && self.command()
            }
            Upstream::Data(line) => {
                let ended = matches!((*line, octet), (Line::DotCr, b'\n'));
                *line = match (*line, octet) {
                    (_, b'\n') => Line::Begin,
                    (Line::Begin, b'.') => Line::Dot,
                    (Line::Dot, b'\r') => Line::DotCr,
                    _ => Line::Other,
                };
                if ended {
                    self.upstream = Upstream::Command;
                    self.due.push_back(Due::Verdict);
                }
                ended
            }
            Upstream::Chunk { left, last } => {
                *left -= 1;
                let ended = *left == 0 && *last;
                if *left == 0 {
                    self.upstream = Upstream::Command;
                }
                ended
            }
        };
        self.ends += usize::from(ended);
        ended
    }

    /// Goes on after a command line; whether it is the end of a message.
    fn command(&mut self) -> bool {
        let line = std::mem::take(&mut self.line).to_ascii_uppercase();
        let mut words = line.split(|octet| octet.is_ascii_whitespace());
        match words.next() {
            Some(b"DATA") => self.due.push_back(Due::ToData),
            Some(b"BDAT") => {
                let size = words.next().and_then(|size| std::str::from_utf8(size).ok()?.parse().ok());
                let (left, last) = (size.unwrap_or(0), words.next() == Some(b"LAST"));
                self.due.push_back(if last { Due::Verdict } else { Due::Reply });
                if left == 0 {
                    return last;
                }
                self.upstream = Upstream::Chunk { left, last };
            }
            _ => self.due.push_back(Due::Reply),
        }
        false
    }

    /// Whether this octet of the server's is the last of a reply.
    pub(crate) fn said(&mut self, octet: u8) -> bool {
        self.reply.push(octet);
        if octet != b'\n' {
            return false;
        }
        let start = self.reply[..self.reply.len() - 1].iter().rposition(|&octet| octet == b'\n');
        let line = &self.reply[start.map_or(0, |newline| newline + 1)..];
        if line.get(3) == Some(&b'-') {
            return false;
        }
        match self.due.pop_front() {
            Some(Due::ToData) if line.starts_with(b"354") => self.upstream = Upstream::Data(Line::Begin),
            Some(Due::Verdict) => {
                self.judged += 1;
                // smtp-sink's 221 can come in place of a verdict that it delays, and is none.
                self.accepted += usize::from(line.starts_with(b"250"));
            }
            Some(Due::Reply | Due::ToData) | None => {}
        }
        self.reply.clear();
        self.replies += 1;
        true
    }
}
