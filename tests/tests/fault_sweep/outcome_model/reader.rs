//! The server's octets, read one by one as RFC 5321 §4.2 has replies: three digits, the same on each line, then
//! SP for the last line or `-` for the others. What is taken beyond that is what the client promises to take:
//! LF alone as a line end, no text, and up to 8 blank lines before a reply.

/// A whole reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    pub code: u16,
    /// What follows the codes, the lines joined with LF.
    pub text: Vec<u8>,
}

/// What one more octet made of the octets before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// Nothing of a reply has come: a blank line, or half of one.
    Blank,
    /// A reply has begun, and may still become one.
    Begun,
    Reply(Said),
    /// No octets that follow could make a reply of this.
    Malformed,
}

#[derive(Debug, Clone, Default)]
pub struct Reader {
    line: Vec<u8>,
    /// The code of the lines before this one.
    first: Option<Vec<u8>>,
    text: Vec<u8>,
    blank_lines: usize,
}

impl Reader {
    pub fn read(&mut self, octet: u8) -> Read {
        if octet == b'\n' { self.end_of_line() } else { self.within_line(octet) }
    }

    fn within_line(&mut self, octet: u8) -> Read {
        self.line.push(octet);
        let legal = match self.line[..] {
            // Perhaps a blank line, which may only come before a reply.
            [b'\r'] => return if self.first.is_none() { Read::Blank } else { Read::Malformed },
            [digit] => (b'2'..=b'5').contains(&digit),
            [_, digit] => digit.is_ascii_digit() && self.line[0] != b'\r',
            [_, _, digit] => {
                digit.is_ascii_digit() && self.first.as_ref().is_none_or(|code| *code == self.line)
            }
            [_, _, _, separator] => matches!(separator, b' ' | b'-' | b'\r'),
            // A CR behind the code can only be that of the line end.
            [_, _, _, separator, ..] => separator != b'\r',
            [] => false,
        };
        if legal { Read::Begun } else { Read::Malformed }
    }

    fn end_of_line(&mut self) -> Read {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.is_empty() && self.first.is_none() {
            self.blank_lines += 1;
            return if self.blank_lines > 8 { Read::Malformed } else { Read::Blank };
        }
        let Some((code, rest)) = line.split_at_checked(3) else { return Read::Malformed };
        if self.first.is_some() {
            self.text.push(b'\n');
        }
        self.text.extend(rest.iter().skip(1));
        if rest.first() == Some(&b'-') {
            self.first = Some(code.to_vec());
            return Read::Begun;
        }
        let code = code.iter().fold(0, |code, digit| 10 * code + u16::from(digit - b'0'));
        let text = std::mem::take(&mut self.text);
        *self = Self::default();
        Read::Reply(Said { code, text })
    }

    /// Whether nothing of a reply has come since the last one ended.
    pub fn is_blank(&self) -> bool {
        self.first.is_none() && matches!(self.line[..], [] | [b'\r'])
    }

    /// Whether what has begun may become the 421 or 221 with which a server ends a session unasked.
    pub fn may_be_goodbye(&self) -> bool {
        let begun = self.first.as_ref().unwrap_or(&self.line);
        [b"421", b"221"].iter().any(|code| begun.iter().zip(code.iter()).all(|(a, b)| a == b))
    }
}
