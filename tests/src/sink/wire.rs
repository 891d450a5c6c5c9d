//! Octets in and out of a session: lines read strictly, replies gathered until the client has to be waited for.

use std::io::{self, ErrorKind, Read, Write};

/// The longest line taken: RFC 4954 §4.4 asks for 12288 octets in an AUTH exchange, all else is shorter.
const LINE_LIMIT: usize = 12288;

/// A line as read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Its octets without CRLF.
    Text(Vec<u8>),
    /// It ended in LF alone, or had a CR or NUL in it.
    Malformed,
    /// It was longer than the limit; the rest of it has been skipped.
    TooLong,
    /// The stream ended, in mid-line or before it.
    End,
    /// Nothing came for too long.
    Idle,
}

/// What one read gave.
enum Filled {
    Some,
    End,
    Idle,
}

#[derive(Default)]
pub(super) struct Wire {
    input: Vec<u8>,
    /// How much of `input` has been used.
    used: usize,
    output: Vec<u8>,
}

impl Wire {
    /// Queues one reply; several `lines` make a multi-line reply. Replies that gather are bounded by the input,
    /// 16 KiB, that they answer.
    pub(super) fn reply(&mut self, code: u16, lines: &[&str]) {
        for (i, line) in lines.iter().enumerate() {
            let mark = if i + 1 == lines.len() { ' ' } else { '-' };
            self.output.extend_from_slice(format!("{code}{mark}{line}\r\n").as_bytes());
        }
    }

    /// Whether the client has sent more than was read so far.
    pub(super) fn has_input(&self) -> bool {
        self.used < self.input.len()
    }

    pub(super) fn flush(&mut self, stream: &mut impl Write) -> io::Result<()> {
        stream.write_all(&self.output)?;
        self.output.clear();
        stream.flush()
    }

    /// Reads one line.
    pub(super) fn line(&mut self, stream: &mut (impl Read + Write)) -> io::Result<Line> {
        let mut line = Vec::new();
        let mut too_long = false;
        loop {
            let Some(octet) = self.next() else {
                match self.fill(stream)? {
                    Filled::Some => continue,
                    Filled::End => return Ok(Line::End),
                    Filled::Idle => return Ok(Line::Idle),
                }
            };
            if octet == b'\n' {
                break;
            }
            too_long |= line.len() >= LINE_LIMIT;
            if !too_long {
                line.push(octet);
            }
        }
        let ended_in_cr = line.pop() == Some(b'\r');
        Ok(if too_long {
            Line::TooLong
        } else if !ended_in_cr || line.iter().any(|octet| matches!(octet, 0 | b'\r')) {
            Line::Malformed
        } else {
            Line::Text(line)
        })
    }

    /// Hands octets to `take` one by one until it says that it has had the last of what it wants; `false` if
    /// the stream ended or stalled before.
    pub(super) fn octets(
        &mut self,
        stream: &mut (impl Read + Write),
        mut take: impl FnMut(u8) -> bool,
    ) -> io::Result<bool> {
        loop {
            while let Some(octet) = self.next() {
                if take(octet) {
                    return Ok(true);
                }
            }
            if !matches!(self.fill(stream)?, Filled::Some) {
                return Ok(false);
            }
        }
    }

    /// Hands the next `count` octets to `take`, in parts as they come; `false` if the stream ended or stalled
    /// before.
    pub(super) fn chunk(
        &mut self,
        stream: &mut (impl Read + Write),
        mut count: u64,
        mut take: impl FnMut(&[u8]),
    ) -> io::Result<bool> {
        while count > 0 {
            if !self.has_input() && !matches!(self.fill(stream)?, Filled::Some) {
                return Ok(false);
            }
            let unused = self.input.get(self.used..).unwrap_or_default();
            let part = &unused[..unused.len().min(usize::try_from(count).unwrap_or(usize::MAX))];
            take(part);
            self.used += part.len();
            count -= part.len() as u64;
        }
        Ok(true)
    }

    fn next(&mut self) -> Option<u8> {
        let octet = self.input.get(self.used).copied()?;
        self.used += 1;
        Some(octet)
    }

    /// Waits for the client, having told it all there is to tell (RFC 2920 §3.2).
    fn fill(&mut self, stream: &mut (impl Read + Write)) -> io::Result<Filled> {
        self.flush(stream)?;
        self.input.resize(16 * 1024, 0);
        self.used = 0;
        let read = loop {
            match stream.read(&mut self.input) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.input.truncate(*read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => Ok(Filled::End),
            Ok(_) => Ok(Filled::Some),
            // rustls: the stream ended without close_notify.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Filled::End),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                Ok(Filled::Idle)
            }
            Err(error) => Err(error),
        }
    }
}
