//! What the server offers: the keywords of its EHLO reply (RFC 5321 §4.1.1.1).
//!
//! A session's [`Capabilities`] come from its latest successful EHLO reply and from nothing else: they start
//! empty, a HELO leaves them empty, and the connection forgets them when TLS starts (RFC 3207 §4.2). A caller
//! may take keywords away with [`Capabilities::mask`]; nothing adds one.
//!
//! All lines are kept in one string, each as `KEYWORD parameters`, next to one bit for each [`Extension`]
//! known here, so that the question asked before every command is one `and`.

mod extension;
mod limits;

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::num::NonZeroU64;

pub use extension::Extension;
use extension::ExtensionSet;
pub use limits::{FutureRelease, Limit, Limits};

/// The keyword whose lines are joined into one, and its form from before RFC 2554.
const AUTH: &str = "AUTH";
const LEGACY_AUTH: &[u8] = b"AUTH=";

/// The extensions that a server offers, each with its parameters.
///
/// Keywords are compared without regard to case and kept in upper case; parameters are kept in the case they
/// came in, one space between two of them, however many spaces and tabs there were.
///
/// ```
/// use smtp_proto::capabilities::{Capabilities, Extension};
///
/// let reply = ["mx.example.net greets you", "PIPELINING", "size 35882577", "AUTH PLAIN LOGIN", "XFOO bar"];
/// let capabilities = Capabilities::parse(reply.iter().map(|line| line.as_bytes()));
/// assert!(capabilities.supports(Extension::Pipelining));
/// assert!(!capabilities.supports(Extension::StartTls));
/// assert_eq!(capabilities.size_limit(), Some(35_882_577));
/// assert!(capabilities.auth_mechanisms().contains("plain"));
/// assert_eq!(capabilities.get("xfoo"), Some("bar"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// `KEYWORD` or `KEYWORD parameters`, joined by `\n`: printable ASCII but for that.
    lines: Box<str>,
    known: ExtensionSet,
    /// What is asked before each MAIL and RCPT, read once: the lines may be many.
    size_limit: Option<NonZeroU64>,
    limits: Option<Box<Limits>>,
}

impl Capabilities {
    /// Reads the text of each line of an EHLO reply that has been found to be a success (250), without codes,
    /// separators and line ends.
    ///
    /// The first line is the server's greeting and never a keyword. In those after it:
    ///
    /// - spaces and tabs before the keyword and after the last parameter do not count; an empty line is skipped;
    /// - a keyword is what comes before the first space or tab. A line whose keyword holds a control or
    ///   non-ASCII octet is dropped; any other keyword is kept, also one that the RFC's grammar does not allow;
    /// - a control or non-ASCII octet among the parameters becomes `?`, which no known parameter contains;
    /// - all `AUTH` lines and the old form `AUTH=PLAIN LOGIN` are joined into one `AUTH` line, the last in
    ///   order; of other keywords each line is kept, and the last one is what [`get`](Self::get) returns.
    ///
    /// It takes time and memory in proportion to the reply, which the reply parser bounds.
    #[must_use]
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut kept = String::new();
        let mut auth: Option<String> = None;
        let mut known = ExtensionSet::default();
        for line in lines.into_iter().skip(1) {
            let Some((keyword, parameters)) = split_keyword(line) else { continue };
            if keyword.eq_ignore_ascii_case(AUTH.as_bytes()) {
                push_parameters(auth.get_or_insert_default(), parameters);
                continue;
            }
            start_line(&mut kept);
            let start = kept.len();
            kept.extend(keyword.iter().map(|octet| char::from(octet.to_ascii_uppercase())));
            if let Some(extension) = kept.get(start..).and_then(Extension::from_upper_case) {
                known.insert(extension);
            }
            push_parameters(&mut kept, parameters);
        }
        if let Some(mechanisms) = auth {
            start_line(&mut kept);
            kept.push_str(AUTH);
            push_parameters(&mut kept, mechanisms.as_bytes());
            known.insert(Extension::Auth);
        }
        let parsed = Self { lines: kept.into_boxed_str(), known, size_limit: None, limits: None };
        parsed.with_figures()
    }

    /// Whether the server offers `extension`, with whatever parameters.
    #[must_use]
    pub const fn supports(&self, extension: Extension) -> bool {
        self.known.contains(extension)
    }

    /// The parameters of `keyword`, in any case: `Some("")` when it has none, `None` when the server does not
    /// list it. A keyword listed twice has the parameters of its last line; those of `AUTH` are united.
    #[must_use]
    pub fn get(&self, keyword: &str) -> Option<&str> {
        let found = self.iter().filter(|(listed, _)| listed.eq_ignore_ascii_case(keyword));
        found.map(|(_, parameters)| parameters).last()
    }

    /// Every keyword in upper case with its parameters, in the server's order, `AUTH` last.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> + Clone {
        let lines = self.lines.split('\n').filter(|line| !line.is_empty());
        lines.map(|line| line.split_once(' ').unwrap_or((line, "")))
    }

    /// Whether the server offers nothing, or there has been no EHLO reply yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The SASL mechanisms the server offers (RFC 4954 §3); none when it does not offer AUTH.
    #[must_use]
    pub fn auth_mechanisms(&self) -> Mechanisms<'_> {
        Mechanisms(self.get(AUTH).unwrap_or_default())
    }

    /// Takes `keyword`, in any case, away with all its parameters, as if the server had not listed it: for a
    /// server whose implementation of it is known to be broken. A keyword that is not listed is no fault.
    ///
    /// ```
    /// use smtp_proto::capabilities::{Capabilities, Extension};
    ///
    /// let mut capabilities = Capabilities::parse([&b"mx.example.net"[..], b"CHUNKING", b"PIPELINING"]);
    /// capabilities.mask("chunking");
    /// assert!(!capabilities.supports(Extension::Chunking));
    /// assert!(capabilities.supports(Extension::Pipelining));
    /// ```
    pub fn mask(&mut self, keyword: &str) {
        let mut kept = String::with_capacity(self.lines.len());
        for (listed, parameters) in self.iter().filter(|(listed, _)| !listed.eq_ignore_ascii_case(keyword)) {
            start_line(&mut kept);
            kept.push_str(listed);
            push_parameters(&mut kept, parameters.as_bytes());
        }
        self.lines = kept.into_boxed_str();
        if let Some(extension) = Extension::from_keyword(keyword) {
            self.known.remove(extension);
            match extension {
                Extension::Size => self.size_limit = None,
                Extension::Limits => self.limits = None,
                _ => {}
            }
        }
    }
}

/// Shows the keywords and parameters as a map.
impl fmt::Debug for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// Keyword and parameters of a line; `None` if it is blank or its keyword is not printable ASCII.
fn split_keyword(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, line) = line.split_at_checked(line.iter().position(|&octet| !is_blank(octet))?)?;
    if let Some((_, mechanisms)) = split_legacy_auth(line) {
        return Some((AUTH.as_bytes(), mechanisms));
    }
    let end = line.iter().position(|&octet| is_blank(octet)).unwrap_or(line.len());
    line.split_at_checked(end).filter(|(keyword, _)| keyword.iter().all(u8::is_ascii_graphic))
}

fn split_legacy_auth(line: &[u8]) -> Option<(&[u8], &[u8])> {
    line.split_at_checked(LEGACY_AUTH.len()).filter(|(keyword, _)| keyword.eq_ignore_ascii_case(LEGACY_AUTH))
}

fn is_blank(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

fn start_line(lines: &mut String) {
    if !lines.is_empty() {
        lines.push('\n');
    }
}

/// Appends each parameter behind one space.
fn push_parameters(line: &mut String, parameters: &[u8]) {
    for parameter in parameters.split(|&octet| is_blank(octet)).filter(|parameter| !parameter.is_empty()) {
        line.push(' ');
        let printable = |&octet: &u8| if octet.is_ascii_graphic() { char::from(octet) } else { '?' };
        line.extend(parameter.iter().map(printable));
    }
}

/// The mechanism names of an EHLO reply, in the server's order; one listed twice is here twice.
///
/// Names are only ever compared with those that the client knows, never sent back.
///
/// ```
/// use smtp_proto::capabilities::Capabilities;
///
/// let capabilities = Capabilities::parse([&b"mx.example.net"[..], b"AUTH PLAIN2 CRAM-MD5"]);
/// let mechanisms = capabilities.auth_mechanisms();
/// assert!(mechanisms.contains("cram-md5"));
/// assert!(!mechanisms.contains("PLAIN"));
/// assert_eq!(mechanisms.iter().collect::<Vec<_>>(), ["PLAIN2", "CRAM-MD5"]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Mechanisms<'a>(pub(crate) &'a str);

impl<'a> Mechanisms<'a> {
    /// Whether `name` is one of them: the whole name, in any case.
    #[must_use]
    pub fn contains(self, name: &str) -> bool {
        self.iter().any(|listed| listed.eq_ignore_ascii_case(name))
    }

    /// The names, as the server wrote them.
    pub fn iter(self) -> impl Iterator<Item = &'a str> + Clone {
        self.0.split_ascii_whitespace()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.iter().next().is_none()
    }
}

#[cfg(test)]
mod tests;
