//! The numbers in a reply: reply codes (RFC 5321 §4.2.1) and enhanced status codes (RFC 3463 §2).

use core::fmt;

/// The three-digit reply code that begins every line of a reply (RFC 5321 §4.2), from 200 to 599.
///
/// The second digit is held to nothing: RFC 5321 allows 0 to 5, some servers send more, and a client
/// decides by the first digit (§4.3.2), which is [`severity`](Self::severity).
///
/// ```
/// use smtp_proto::reply::{ReplyCode, Severity};
///
/// let code = ReplyCode::new(450).unwrap();
/// assert_eq!(code.severity(), Severity::TransientNegative);
/// assert_eq!(ReplyCode::new(150), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// The reply code with this value, or `None` if it is not from 200 to 599.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            200..=599 => Some(Self(code)),
            _ => None,
        }
    }

    /// The value, from 200 to 599.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// What the first digit says (RFC 5321 §4.2.1).
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self.0 {
            ..300 => Severity::PositiveCompletion,
            300..400 => Severity::PositiveIntermediate,
            400..500 => Severity::TransientNegative,
            500.. => Severity::PermanentNegative,
        }
    }

    /// The code in three ASCII digits, of which the first is 2 to 5 and the others are digits.
    pub(super) fn from_digits([a, b, c]: [u8; 3]) -> Self {
        let value = |digit: u8| u16::from(digit & 0x0f);
        // At most 1665, were they no digits.
        Self(value(a).wrapping_mul(100).wrapping_add(value(b).wrapping_mul(10)).wrapping_add(value(c)))
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<ReplyCode> for u16 {
    fn from(code: ReplyCode) -> Self {
        code.0
    }
}

/// What the first digit of a reply code says about the command (RFC 5321 §4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// 2yz: the command was done.
    PositiveCompletion,
    /// 3yz: the command was accepted, and waits for more.
    PositiveIntermediate,
    /// 4yz: the command was not done; the same command may succeed later.
    TransientNegative,
    /// 5yz: the command was not done, and should not be repeated as it is.
    PermanentNegative,
}

/// An enhanced status code, such as `5.1.1` (RFC 3463 §2, RFC 2034 §4).
///
/// One is read only where it can be nothing else: it begins the text of the first line, is followed by a
/// space or the end of the line, each of its parts has one to three digits, and its class is the first
/// digit of the reply code. Text that only looks alike (`250 2address.org`, `550 2.0.0 x`) has none, nor
/// has a 3yz reply, for which RFC 3463 knows no class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedCode {
    /// 2 for success, 4 for a persistent transient failure, 5 for a permanent failure.
    pub class: u16,
    /// What the status is about, such as 1 for addressing or 7 for security; up to 999.
    pub subject: u16,
    /// The status itself, to be read together with the subject; up to 999.
    pub detail: u16,
}

impl EnhancedCode {
    /// Splits the enhanced status code from the front of a line's text, and the space that follows it.
    ///
    /// The text may go on with further lines: LF ends the code as the end of the text does.
    pub(super) fn split(code: ReplyCode, text: &[u8]) -> Option<(Self, &[u8])> {
        let (class, rest) = match (code.severity(), text) {
            (Severity::PositiveCompletion, [b'2', b'.', rest @ ..]) => (2, rest),
            (Severity::TransientNegative, [b'4', b'.', rest @ ..]) => (4, rest),
            (Severity::PermanentNegative, [b'5', b'.', rest @ ..]) => (5, rest),
            _ => return None,
        };
        let (subject, rest) = split_number(rest)?;
        let (detail, rest) = split_number(rest.strip_prefix(b".")?)?;
        let rest = match rest {
            [] | [b'\n', ..] => rest,
            [b' ', message @ ..] => message,
            _ => return None,
        };
        Some((Self { class, subject, detail }, rest))
    }
}

impl fmt::Display for EnhancedCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Splits `1*3DIGIT` from the front; a fourth digit is left for the caller to stumble over.
fn split_number(text: &[u8]) -> Option<(u16, &[u8])> {
    let digits = text.iter().take(3).take_while(|octet| octet.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(digits)?;
    if digits.is_empty() {
        return None;
    }
    let append = |number: u16, digit: &u8| number.saturating_mul(10).saturating_add(u16::from(digit & 0x0f));
    let number = digits.iter().fold(0, append);
    Some((number, rest))
}
