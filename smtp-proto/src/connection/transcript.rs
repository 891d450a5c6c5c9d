//! The transcript of a session, with every secret already redacted (and body octets only counted).

use core::fmt;

use crate::escape::Escaped;
use crate::reply::Reply;

/// One entry of a transcript; `Display` renders it, a line for each line of a reply, server text escaped. User names are shown where they
/// are not part of an AUTH exchange: as the parameter AUTH of MAIL, as the attribute LOGIN of XCLIENT.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum TranscriptEntry<'a> {
    /// A command line the client queued, without its CRLF.
    Client(&'a [u8]),
    /// `AUTH` with its mechanism; the initial response, if any, is shown by its length alone.
    ClientAuth {
        /// The mechanism's name.
        mechanism: &'a str,
        /// Octets of the initial response as sent, in base64.
        response: Option<usize>,
    },
    /// A later line of an AUTH exchange, by the length of its base64.
    ClientResponse(usize),
    /// A part of a message body: octets as encoded for the wire.
    Body(usize),
    /// The end of a message body.
    EndOfData,
    /// A reply. The text of a 334 challenge is not shown.
    Server(&'a Reply),
    /// The TLS handshake ended well.
    Tls,
}

/// As `Display`: what that hides, this hides too.
impl fmt::Debug for TranscriptEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for TranscriptEntry<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TranscriptEntry::Client(line) => write!(f, "C: {}", Escaped::new(line)),
            TranscriptEntry::ClientAuth { mechanism, response: None } => write!(f, "C: AUTH {mechanism}"),
            TranscriptEntry::ClientAuth { mechanism, response: Some(octets) } => {
                write!(f, "C: AUTH {mechanism} <redacted {octets} octets>")
            }
            TranscriptEntry::ClientResponse(octets) => write!(f, "C: <redacted {octets} octets>"),
            TranscriptEntry::Body(octets) => write!(f, "C: <body, {octets} octets>"),
            TranscriptEntry::EndOfData => write!(f, "C: ."),
            TranscriptEntry::Server(reply) if reply.code().get() == 334 => {
                write!(f, "S: 334 <challenge, {} octets>", reply.text().len())
            }
            TranscriptEntry::Server(reply) => {
                let last = reply.lines().count().saturating_sub(1);
                for (i, line) in reply.lines().enumerate() {
                    let (end, mark) = if i == last { ("", ' ') } else { ("\n", '-') };
                    write!(f, "S: {}{mark}{}{end}", reply.code(), Escaped::new(line))?;
                }
                Ok(())
            }
            TranscriptEntry::Tls => f.write_str("-- TLS established --"),
        }
    }
}
