//! The script's text, read into steps.

use std::time::Duration;

/// A script that has been read; make one with [`Script::parse`].
#[derive(Debug, Clone, Default)]
pub struct Script {
    pub(super) steps: Vec<(usize, Step)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// One segment from the server.
    Server(Vec<u8>),
    /// Octets that the client has to say.
    Client(Vec<u8>),
    Tls,
    TlsFails,
    Pause,
    Wait(Duration),
    Stall,
    Close,
    Reset,
}

impl Script {
    /// Reads a script.
    ///
    /// # Panics
    /// On a line that is none of the language's.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut steps: Vec<(usize, Step)> = Vec::new();
        let mut joined = false;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let line = line.trim_start();
            let (mark, rest) = line.split_at_checked(2).unwrap_or((line, ""));
            let argument = rest.strip_prefix(' ').unwrap_or(rest);
            let step = match mark {
                "S:" => Step::Server(crlf(argument)),
                "S|" => Step::Server(unescape(argument, number)),
                "C:" => Step::Client(crlf(argument)),
                "C|" => Step::Client(unescape(argument, number)),
                _ => match line.trim_end() {
                    "" => {
                        joined = false;
                        continue;
                    }
                    comment if comment.starts_with('#') => {
                        joined = false;
                        continue;
                    }
                    "tls" => Step::Tls,
                    "tls fails" => Step::TlsFails,
                    "pause" => Step::Pause,
                    "stall" => Step::Stall,
                    "close" => Step::Close,
                    "reset" => Step::Reset,
                    other => {
                        Step::Wait(seconds(other).unwrap_or_else(|| panic!("line {number}: {other:?}?")))
                    }
                },
            };
            if step == Step::Client(Vec::new()) || step == Step::Server(Vec::new()) {
                continue;
            }
            match (steps.last_mut(), step) {
                (Some((_, Step::Server(before))), Step::Server(more)) if joined => before.extend(more),
                (Some((_, Step::Client(before))), Step::Client(more)) => before.extend(more),
                (_, step) => steps.push((number, step)),
            }
            joined = true;
        }
        Self { steps }
    }
}

impl From<&str> for Script {
    fn from(text: &str) -> Self {
        Self::parse(text)
    }
}

impl From<&String> for Script {
    fn from(text: &String) -> Self {
        Self::parse(text)
    }
}

impl From<String> for Script {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

fn crlf(line: &str) -> Vec<u8> {
    [line.as_bytes(), b"\r\n"].concat()
}

fn seconds(text: &str) -> Option<Duration> {
    let number = text.strip_prefix("wait ")?.strip_suffix('s')?;
    number.parse().ok().map(Duration::from_secs_f64)
}

fn unescape(text: &str, number: usize) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(octet) = rest.next() {
        if octet != b'\\' {
            octets.push(octet);
            continue;
        }
        octets.push(match rest.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).unwrap_or_else(|_| panic!("line {number}: \\x{digits}?"))
            }
            other => panic!("line {number}: escape {:?}?", other.map(char::from)),
        });
    }
    octets
}
