//! [`Command`] and its one encoder.
//!
//! Every octet of every line that the client writes outside a message body comes out of
//! [`Command::encode`] or, for the lines of an AUTH exchange, its sibling beside it, and each of them emits exactly one line: no octet below
//! 0x20 and no 0x7f but the final CRLF, whatever the caller put in (RFC 5321 §2.3.8, §4.1.1). Typed
//! arguments are valid by construction; the free text of `VRFY`, `HELP` and custom commands is checked here.

use alloc::vec::Vec;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::body::BodyRules;
use crate::params::{MailParameters, RcptParameters, XClient};
use crate::path::{ClientName, ForwardPath, ReversePath};

/// Longest command line in octets, CRLF included (RFC 5321 §4.5.3.1.4), without the allowances of extensions.
pub const MAX_LINE: usize = 512;

/// Longest MAIL or RCPT line in octets, CRLF included: the base line, and what SIZE, SMTPUTF8, DSN, AUTH and
/// the other registered parameters may add to it (RFC 1870 §3, RFC 3461 §4, RFC 4954 §3, RFC 6531 §3.1).
pub const MAX_MAIL_LINE: usize = 2048;

/// Longest line of an AUTH exchange in octets, CRLF included (RFC 4954 §4).
pub const MAX_AUTH_LINE: usize = 12_288;

/// One SMTP command (RFC 5321 §4.1.1 and the extensions' RFCs).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Command<'a> {
    /// `EHLO`, extended hello (RFC 5321 §4.1.1.1).
    Ehlo(&'a ClientName),
    /// `HELO`, for servers that do not know EHLO.
    Helo(&'a ClientName),
    /// `LHLO`, the hello of LMTP (RFC 2033 §4.1).
    Lhlo(&'a ClientName),
    /// `STARTTLS` (RFC 3207).
    StartTls,
    /// `AUTH` (RFC 4954 §4). The initial response is given decoded; an empty one is sent as `=`.
    Auth(AuthCommand<'a>),
    /// `MAIL FROM` (RFC 5321 §4.1.1.2).
    Mail(&'a ReversePath, &'a MailParameters),
    /// `RCPT TO` (RFC 5321 §4.1.1.3).
    Rcpt(&'a ForwardPath, &'a RcptParameters),
    /// `DATA` (RFC 5321 §4.1.1.4), with what the body that follows has to obey.
    Data(DataCommand),
    /// `RSET` (RFC 5321 §4.1.1.5).
    Rset,
    /// `VRFY` (RFC 5321 §4.1.1.6): a user name or mailbox.
    Vrfy(&'a str),
    /// `EXPN` (RFC 5321 §4.1.1.7): the name of a mailing list.
    Expn(&'a str),
    /// `HELP` (RFC 5321 §4.1.1.8), with a topic or an empty string.
    Help(&'a str),
    /// `ETRN` (RFC 1985 §5), which starts the delivery of what the server holds for a node: a domain; `@` and a
    /// domain, for that and all below it; or `#` and the name of a queue.
    Etrn(&'a str),
    /// `XCLIENT` (Postfix, XCLIENT_README): whom this client speaks for. The server then takes the session for a new
    /// one, and EHLO has to come next; the flow [`XClient`](crate::flow::XClient) sees to that.
    XClient(&'a XClient),
    /// `NOOP` (RFC 5321 §4.1.1.9).
    Noop,
    /// `QUIT` (RFC 5321 §4.1.1.10).
    Quit,
    /// Any other command, as a whole line without its CRLF, for example `XFORWARD PROTO=ESMTP`.
    ///
    /// Its reply is matched like any other; commands that this enum has of its own are refused here, because
    /// the connection could not follow what they do.
    Custom(&'a str),
}

/// The arguments of `AUTH`; `Debug` shows no initial response.
#[derive(Clone, Copy)]
pub struct AuthCommand<'a> {
    /// The mechanism's registered name, for example `PLAIN`.
    pub mechanism: &'a str,
    /// The initial response, decoded.
    pub initial_response: Option<&'a [u8]>,
}

impl fmt::Debug for AuthCommand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let initial_response = self.initial_response.map(|_| "<redacted>");
        f.debug_struct("AuthCommand")
            .field("mechanism", &self.mechanism)
            .field("initial_response", &initial_response)
            .finish()
    }
}

/// What the body after `DATA`, or in the chunks of `BDAT`, has to obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataCommand {
    /// What may stand in the body and what happens to stray line ends.
    pub rules: BodyRules,
    /// The exact number of octets the caller will supply, if that was declared to the server; supplying any
    /// other number is then refused before the terminator.
    pub size: Option<u64>,
}

impl<'a> Command<'a> {
    /// Appends the command's line, CRLF included, to `out`.
    ///
    /// # Errors
    /// [`CommandError`] when an argument holds an octet that no command line may hold, or the line would be
    /// too long; `out` is then as it was.
    ///
    /// ```
    /// use smtp_proto::command::Command;
    ///
    /// let mut line = Vec::new();
    /// Command::Vrfy("postmaster").encode(&mut line)?;
    /// assert_eq!(line, b"VRFY postmaster\r\n");
    ///
    /// let error = Command::Vrfy("a\r\nDATA").encode(&mut line).unwrap_err();
    /// assert_eq!(error.to_string(), "octet 0x0d at position 6 of the command line is not allowed there");
    /// assert_eq!(line, b"VRFY postmaster\r\n", "nothing was added");
    /// # Ok::<(), smtp_proto::command::CommandError>(())
    /// ```
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), CommandError> {
        let start = out.len();
        let result = self.write(out).and_then(|()| finish_line(out, start, self.longest_line()));
        if result.is_err() {
            // What did not become a line may hold a secret all the same.
            out.get_mut(start..).unwrap_or_default().fill(0);
            out.truncate(start);
        }
        result
    }

    /// Finds whether the command makes a line, in `scratch` if it has to be tried. What most envelopes are made of,
    /// RCPT without parameters, always does: a path is short and has no octet that a line may not hold.
    pub(crate) fn check(&self, scratch: &mut Vec<u8>) -> Result<(), CommandError> {
        match self {
            Command::Rcpt(_, parameters) if parameters.is_empty() => return Ok(()),
            _ => {}
        }
        scratch.clear();
        self.encode(scratch)
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), CommandError> {
        match *self {
            Command::Ehlo(name) => words(out, "EHLO ", name.as_str()),
            Command::Helo(name) => words(out, "HELO ", name.as_str()),
            Command::Lhlo(name) => words(out, "LHLO ", name.as_str()),
            Command::StartTls => words(out, "STARTTLS", ""),
            Command::Auth(auth) => auth.write(out)?,
            Command::Mail(path, parameters) => {
                path_argument(out, "MAIL FROM:<", path.as_str());
                parameters.write_to(out);
            }
            Command::Rcpt(path, parameters) => {
                path_argument(out, "RCPT TO:<", path.as_str());
                parameters.write_to(out);
            }
            Command::Data(_) => words(out, "DATA", ""),
            Command::Rset => words(out, "RSET", ""),
            Command::Vrfy(argument) => mailbox_argument(out, "VRFY ", argument)?,
            Command::Expn(argument) => mailbox_argument(out, "EXPN ", argument)?,
            Command::Help("") => words(out, "HELP", ""),
            Command::Help(topic) => text_argument(out, "HELP ", topic)?,
            Command::Etrn(node) => {
                check_node(node)?;
                words(out, "ETRN ", node);
            }
            Command::XClient(client) => {
                if client.attributes().next().is_none() {
                    return Err(CommandError::EmptyArgument);
                }
                words(out, "XCLIENT", "");
                client.write_to(out);
            }
            Command::Noop => words(out, "NOOP", ""),
            Command::Quit => words(out, "QUIT", ""),
            Command::Custom(line) => {
                check_custom(line)?;
                words(out, "", line);
            }
        }
        Ok(())
    }

    fn longest_line(&self) -> usize {
        match self {
            Command::Mail(..) | Command::Rcpt(..) => MAX_MAIL_LINE,
            Command::Auth(_) => MAX_AUTH_LINE,
            _ => MAX_LINE,
        }
    }
}

impl AuthCommand<'_> {
    /// Length in octets of the line this command makes, CRLF included.
    ///
    /// RFC 4954 §4: an initial response that would make the line longer than [`MAX_LINE`] is not sent with
    /// the command.
    pub(crate) fn line_len(&self) -> usize {
        let response = match self.initial_response {
            None => 0,
            Some([]) => 2,
            Some(octets) => base64_len(octets).saturating_add(1),
        };
        "AUTH \r\n".len().saturating_add(self.mechanism.len()).saturating_add(response)
    }

    fn write(&self, out: &mut Vec<u8>) -> Result<(), CommandError> {
        // RFC 4422 §3.1: 1 to 20 upper-case letters, digits, hyphens and underscores.
        let legal = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        if !(1..=20).contains(&self.mechanism.len()) || !self.mechanism.bytes().all(legal) {
            return Err(CommandError::MechanismName);
        }
        words(out, "AUTH ", self.mechanism);
        match self.initial_response {
            None => {}
            Some([]) => out.extend_from_slice(b" ="),
            Some(octets) => {
                out.push(b' ');
                push_base64(out, octets);
            }
        }
        Ok(())
    }
}

/// Appends the line before a chunk of a message (RFC 3030 §2).
pub(crate) fn encode_bdat(octets: u64, last: bool, out: &mut impl fmt::Write) -> fmt::Result {
    write!(out, "BDAT {octets}{}\r\n", if last { " LAST" } else { "" })
}

/// Appends a line of an AUTH exchange after the first: the response in base64.
pub(crate) fn encode_auth_response(response: &[u8], out: &mut Vec<u8>) -> Result<(), CommandError> {
    let start = out.len();
    push_base64(out, response);
    finish_line(out, start, MAX_AUTH_LINE).inspect_err(|_| {
        out.get_mut(start..).unwrap_or_default().fill(0);
        out.truncate(start);
    })
}

/// Length in octets of the line that [`encode_auth_response`] makes.
pub(crate) fn auth_response_len(response: &[u8]) -> usize {
    base64_len(response).saturating_add(2)
}

/// Length of these octets in base64.
pub(crate) fn base64_len(octets: &[u8]) -> usize {
    octets.len().div_ceil(3).saturating_mul(4)
}

fn push_base64(out: &mut Vec<u8>, octets: &[u8]) {
    let start = out.len();
    out.resize(start.saturating_add(base64_len(octets)), b'=');
    if let Some(room) = out.get_mut(start..) {
        // The room is exactly what the encoding takes, so this cannot fail; if it did, `=` is still no secret.
        let _ = STANDARD.encode_slice(octets, room);
    }
}

fn words(out: &mut Vec<u8>, verb: &str, rest: &str) {
    out.extend_from_slice(verb.as_bytes());
    out.extend_from_slice(rest.as_bytes());
}

fn path_argument(out: &mut Vec<u8>, verb: &str, path: &str) {
    words(out, verb, path);
    out.push(b'>');
}

fn text_argument(out: &mut Vec<u8>, verb: &str, argument: &str) -> Result<(), CommandError> {
    if argument.trim_ascii().is_empty() {
        return Err(CommandError::EmptyArgument);
    }
    words(out, verb, argument);
    Ok(())
}

fn mailbox_argument(out: &mut Vec<u8>, verb: &str, argument: &str) -> Result<(), CommandError> {
    text_argument(out, verb, argument)?;
    if !argument.is_ascii() {
        // RFC 6531 §3.7.4.2: the parameter says that the reply may hold UTF-8, too.
        out.extend_from_slice(b" SMTPUTF8");
    }
    Ok(())
}

/// RFC 1985 §5: a domain, which `@` widens to those below it; what stands behind `#` is the server's own affair.
fn check_node(node: &str) -> Result<(), CommandError> {
    let good = match node.strip_prefix('#') {
        Some(queue) => !queue.is_empty() && queue.bytes().all(|octet| octet.is_ascii_graphic()),
        None => ClientName::domain(node.strip_prefix('@').unwrap_or(node)).is_ok(),
    };
    if good { Ok(()) } else { Err(CommandError::NodeName) }
}

/// Verbs whose effect the connection has to follow, and which therefore have a variant of their own.
const FOLLOWED: [&str; 18] = [
    "EHLO", "HELO", "LHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "QUIT", "TURN",
    "SEND", "SOML", "SAML", "ATRN", "BURL", "XCLIENT",
];

fn check_custom(line: &str) -> Result<(), CommandError> {
    let verb = line.split([' ', '\t']).next().unwrap_or_default();
    if verb.is_empty() || !verb.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(CommandError::Verb);
    }
    if FOLLOWED.iter().any(|known| known.eq_ignore_ascii_case(verb)) {
        return Err(CommandError::FollowedVerb);
    }
    Ok(())
}

/// The last check on the octets themselves, whatever built them (INV3 of the crate's contract).
fn finish_line(out: &mut Vec<u8>, start: usize, longest: usize) -> Result<(), CommandError> {
    let line = out.get(start..).unwrap_or_default();
    if !is_printable(line) {
        check_octets(line)?;
    }
    let len = line.len().saturating_add(2);
    if len > longest {
        return Err(CommandError::TooLong { len, limit: longest });
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Whether these octets are what nearly every line is made of: printable ASCII. One pass without branches.
fn is_printable(octets: &[u8]) -> bool {
    octets.iter().fold(true, |all, &b| all & (b.wrapping_sub(0x20) < 0x5f))
}

fn check_octets(line: &[u8]) -> Result<(), CommandError> {
    if let Some(position) = line.iter().position(|&b| b < 0x20 || b == 0x7f) {
        let octet = line.get(position).copied().unwrap_or_default();
        return Err(CommandError::Octet { octet, position });
    }
    // C1 controls and the Unicode line separators end a line for some readers (U+0085, U+2028, U+2029).
    let text = core::str::from_utf8(line).unwrap_or_default();
    let separator = |&(_, c): &(usize, char)| matches!(c, '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}');
    match text.char_indices().find(separator) {
        Some((position, _)) => {
            Err(CommandError::Octet { octet: line.get(position).copied().unwrap_or_default(), position })
        }
        None => Ok(()),
    }
}

/// Why a command cannot be put on a line; nothing was emitted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// An octet that no command line may hold (a control, or part of a line separator).
    Octet {
        /// The octet.
        octet: u8,
        /// Its position in the line, counted from 0 at the verb.
        position: usize,
    },
    /// The line, CRLF included, would be longer than the limit.
    TooLong {
        /// The line's length in octets.
        len: usize,
        /// The limit in octets.
        limit: usize,
    },
    /// `VRFY` or `EXPN` without an argument, or `XCLIENT` without an attribute.
    EmptyArgument,
    /// An `ETRN` whose argument is not a domain, `@` and a domain, or `#` and a name of printable ASCII (RFC 1985
    /// §5).
    NodeName,
    /// A custom command that does not begin with a verb of letters and digits.
    Verb,
    /// A custom command whose verb has a variant of its own, because the connection follows its effect.
    FollowedVerb,
    /// A SASL mechanism name that is not 1 to 20 of `A`–`Z`, `0`–`9`, `-` and `_` (RFC 4422 §3.1).
    MechanismName,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CommandError::Octet { octet, position } => {
                write!(
                    f,
                    "octet {octet:#04x} at position {position} of the command line is not allowed there"
                )
            }
            CommandError::TooLong { len, limit } => {
                write!(f, "the command line would have {len} octets; the limit is {limit}")
            }
            CommandError::EmptyArgument => f.write_str("the command needs an argument"),
            CommandError::NodeName => {
                f.write_str("the node is not a domain, '@' and a domain, or '#' and a name")
            }
            CommandError::Verb => f.write_str("the command does not begin with a verb of letters and digits"),
            CommandError::FollowedVerb => {
                f.write_str("this verb has a method of its own and cannot be sent as a custom command")
            }
            CommandError::MechanismName => {
                f.write_str("the mechanism name is not 1 to 20 upper-case letters, digits, '-' and '_'")
            }
        }
    }
}

impl core::error::Error for CommandError {}

#[cfg(test)]
mod tests;
