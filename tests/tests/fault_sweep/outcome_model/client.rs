//! The client's octets, read as a server reads them: lines, messages up to the dot (RFC 5321 §4.1.1.4), and
//! chunks of the length that their line says (RFC 3030 §2).

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Greeting,
    Ehlo,
    Helo,
    Lhlo,
    StartTls,
    Auth,
    Mail,
    Rcpt,
    Data,
    /// A chunk that is not the last.
    Bdat,
    /// The message behind DATA, or the last chunk of one.
    End,
    Rset,
    XClient,
    Noop,
    Vrfy,
    Expn,
    Help,
    Quit,
    Other,
}

/// How the next octets of the client are to be read: the server's last reply decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expecting {
    Greeting,
    Command,
    /// 334 was said.
    Response,
    /// 354 was said.
    Message,
}

/// A command of the client, and where in its stream it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    pub verb: Verb,
    pub begin: usize,
    /// Behind its last octet; beyond all numbers if the stream does not hold all of it.
    pub end: usize,
    /// It is a BDAT.
    pub chunk: bool,
    /// A line of an AUTH exchange that carries credentials.
    pub secret: bool,
    /// The number in the address of a MAIL: `m1` in `a@m1.example`.
    pub message: Option<usize>,
}

impl Asked {
    /// Reads the command that begins at `begin`; `None` if the stream ends there.
    pub fn read(stream: &[u8], begin: usize, expecting: Expecting) -> Option<Self> {
        let plain = |verb, end| Self { verb, begin, end, chunk: false, secret: false, message: None };
        if expecting == Expecting::Greeting {
            return Some(plain(Verb::Greeting, begin));
        }
        let rest = stream.get(begin..)?;
        if expecting == Expecting::Message {
            // The line end of DATA is the one before a dot that comes at once.
            let end = if rest.starts_with(b".\r\n") {
                Some(3)
            } else {
                rest.windows(5).position(|tail| tail == b"\r\n.\r\n").map(|at| at + 5)
            };
            return Some(plain(Verb::End, end.map_or(usize::MAX, |end| begin + end)));
        }
        if rest.is_empty() {
            return None;
        }
        let len = rest.windows(2).position(|end| end == b"\r\n");
        let line = String::from_utf8_lossy(&rest[..len.unwrap_or(rest.len())]).into_owned();
        let end = len.map_or(usize::MAX, |len| begin + len + 2);
        if expecting == Expecting::Response {
            return Some(Self { secret: line != "*", ..plain(Verb::Auth, end) });
        }
        let words: Vec<&str> = line.split(' ').collect();
        Some(match words[0] {
            "EHLO" => plain(Verb::Ehlo, end),
            "HELO" => plain(Verb::Helo, end),
            "LHLO" => plain(Verb::Lhlo, end),
            "STARTTLS" => plain(Verb::StartTls, end),
            "AUTH" => Self { secret: words.len() > 2, ..plain(Verb::Auth, end) },
            "MAIL" => {
                let number = line.split("@m").nth(1).and_then(|rest| rest.split('.').next()?.parse().ok());
                Self { message: number, ..plain(Verb::Mail, end) }
            }
            "RCPT" => plain(Verb::Rcpt, end),
            "DATA" => plain(Verb::Data, end),
            "BDAT" => {
                let octets: usize = words.get(1).and_then(|octets| octets.parse().ok()).unwrap_or(usize::MAX);
                let verb = if words.get(2) == Some(&"LAST") { Verb::End } else { Verb::Bdat };
                Self { chunk: true, ..plain(verb, end.saturating_add(octets)) }
            }
            "RSET" => plain(Verb::Rset, end),
            "XCLIENT" => plain(Verb::XClient, end),
            "NOOP" => plain(Verb::Noop, end),
            "VRFY" => plain(Verb::Vrfy, end),
            "EXPN" => plain(Verb::Expn, end),
            "HELP" => plain(Verb::Help, end),
            "QUIT" => plain(Verb::Quit, end),
            _ => plain(Verb::Other, end),
        })
    }

    /// Whether it is answered while it is still being said: a message is a long thing to say, and a server may
    /// refuse it early (RFC 5321 §4.2.5, RFC 3030 §2).
    pub fn is_body(&self) -> bool {
        matches!(self.verb, Verb::Bdat | Verb::End)
    }
}
