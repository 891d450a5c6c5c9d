//! What the server said, read naively: lines end with LF, a CR before it goes with it, and a reply goes on to the
//! first line without a hyphen.

use std::collections::VecDeque;

/// A whole reply; its lines without code and separator, an LF between two.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) code: u16,
    pub(super) text: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Replies {
    unread: Vec<u8>,
    /// Complete, and not yet heard by the client.
    whole: VecDeque<Said>,
    /// What came was no reply; nothing after it means anything.
    broken: bool,
}

/// Blank lines before a reply that are overlooked.
const BLANK_LINES: usize = 8;

impl Replies {
    pub(super) fn receive(&mut self, octets: &[u8]) {
        if self.broken {
            return;
        }
        self.unread.extend_from_slice(octets);
        if octets.contains(&b'\n') {
            while let Some(said) = self.next_whole() {
                self.whole.push_back(said);
            }
        }
    }

    fn next_whole(&mut self) -> Option<Said> {
        let mut said: Option<Said> = None;
        let mut blank = 0;
        let mut at = 0;
        while let Some(len) = self.unread[at..].iter().position(|&octet| octet == b'\n') {
            let line = &self.unread[at..at + len];
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            at += len + 1;
            if line.is_empty() && said.is_none() && blank < BLANK_LINES {
                blank += 1;
                continue;
            }
            let Some((code, more, text)) = read_line(line) else {
                self.broken = true;
                return None;
            };
            match &mut said {
                Some(said) if said.code != code => {
                    self.broken = true;
                    return None;
                }
                Some(said) => {
                    said.text.push(b'\n');
                    said.text.extend_from_slice(text);
                }
                None => said = Some(Said { code, text: text.to_vec() }),
            }
            if !more {
                self.unread.drain(..at);
                return said;
            }
        }
        None
    }

    /// The oldest reply that has not been heard.
    pub(super) fn hear(&mut self) -> Option<Said> {
        self.whole.pop_front()
    }

    /// Whole replies that have not been heard.
    pub(super) fn unheard(&self) -> usize {
        self.whole.len()
    }

    /// Whether what came was no reply.
    pub(super) fn is_broken(&self) -> bool {
        self.broken
    }

    /// What came behind the last whole reply, without the line ends before it.
    pub(super) fn begun(&self) -> &[u8] {
        let start = self.unread.iter().position(|octet| !b"\r\n".contains(octet));
        &self.unread[start.unwrap_or(self.unread.len())..]
    }

    /// Whether nothing at all waits.
    pub(super) fn is_blank(&self) -> bool {
        self.unread.is_empty() && self.whole.is_empty() && !self.broken
    }
}

/// Code, whether more lines follow, and text (RFC 5321 §4.2).
fn read_line(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (code, rest) = line.split_at_checked(3)?;
    if !(b'2'..=b'5').contains(&code[0]) || !code.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let code = code.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest {
        [] => Some((code, false, b"")),
        [b' ', text @ ..] => Some((code, false, text)),
        [b'-', text @ ..] => Some((code, true, text)),
        _ => None,
    }
}
