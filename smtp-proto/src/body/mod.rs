//! Message bodies on their way to the server: checked, dot-stuffed, never copied.
//!
//! A [`BodyEncoder`] turns a message, handed over in chunks of any size, into the octets that follow the
//! `354` reply to `DATA` ([RFC 5321 §4.5.2]). It answers each chunk with a [`BodyPart`]: a list of slices to
//! write, borrowed from the chunk and, where something has to be put in, from static text. A chunk with
//! proper line ends and no line that starts with a dot is one slice: the chunk itself. Nothing is
//! allocated and what is remembered from chunk to chunk is a few integers, however long the lines.
//!
//! It promises, for every message and for every way of cutting it into chunks:
//!
//! - No carriage return without a line feed and no line feed without a carriage return is ever sent
//!   ([RFC 5321 §2.3.8]), so that no server, however lenient, can see the end of the message where there is
//!   none (SMTP smuggling, CVE-2023-51764). [`LineEndings`] says whether such a message is repaired or
//!   refused.
//! - `CRLF . CRLF` is sent as the last five octets and nowhere else; taking the stuffed dots out again gives
//!   the message with its line ends repaired.
//! - NUL is refused ([RFC 5321 §4.1.1.4]), and so is an octet above 127 in a message declared
//!   [`BodyKind::SevenBit`] ([RFC 5321 §2.4]); [`BodyFault`] says where it stands.
//!
//! A message held whole can be examined beforehand with [`Content::scan`].
//!
//! # Writing a message
//!
//! ```
//! use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules};
//!
//! let mut wire = Vec::new();
//! let mut encoder = BodyEncoder::new(BodyRules::new(BodyKind::SevenBit));
//! for chunk in ["Subject: dots\r\n", "\r\n.\nand a", " second line"] {
//!     let mut chunk = chunk.as_bytes();
//!     while !chunk.is_empty() {
//!         let part = encoder.encode(chunk)?;
//!         chunk = &chunk[part.consumed()..];
//!         for slice in &part {
//!             wire.extend_from_slice(slice); // or write it to the connection
//!         }
//!     }
//! }
//! wire.extend_from_slice(encoder.terminator()?);
//! assert_eq!(wire, b"Subject: dots\r\n\r\n..\r\nand a second line\r\n.\r\n");
//! # Ok::<(), smtp_proto::body::BodyFault>(())
//! ```
//!
//! Under `BDAT` ([RFC 3030]) octets are counted, and no dot is stuffed: [`BodyEncoder::counted`]. The other rules
//! hold there too, except for a body declared [`BodyKind::BinaryMime`], which passes as it is.
//!
//! [RFC 3030]: https://www.rfc-editor.org/rfc/rfc3030
//! [RFC 5321 §2.3.8]: https://www.rfc-editor.org/rfc/rfc5321#section-2.3.8
//! [RFC 5321 §2.4]: https://www.rfc-editor.org/rfc/rfc5321#section-2.4
//! [RFC 5321 §4.1.1.4]: https://www.rfc-editor.org/rfc/rfc5321#section-4.1.1.4
//! [RFC 5321 §4.5.2]: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.2

mod content;
mod encoder;
mod part;
mod scan;
#[cfg(test)]
mod tests;

use core::fmt;

pub use content::Content;
pub use encoder::BodyEncoder;
pub(crate) use part::Head;
pub use part::{BodyPart, Slices};

/// The most octets a line may have, its CRLF not counted ([RFC 5321 §4.5.3.1.6]).
///
/// [RFC 5321 §4.5.3.1.6]: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.6
pub const MAX_LINE: usize = 998;

/// What octets a message is made of, as the `BODY` parameter of `MAIL` declares it.
///
/// The kinds are ordered: each allows all that the one before it allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum BodyKind {
    /// Octets 1 to 127 only ([RFC 5321 §2.4](https://www.rfc-editor.org/rfc/rfc5321#section-2.4)).
    SevenBit,
    /// Any octet but NUL, in lines ([RFC 6152](https://www.rfc-editor.org/rfc/rfc6152)).
    EightBitMime,
    /// Any octet at all ([RFC 3030 §3](https://www.rfc-editor.org/rfc/rfc3030#section-3)). It takes `BDAT`
    /// ([`BodyEncoder::counted`]); an encoder for `DATA` checks it like
    /// [`EightBitMime`](Self::EightBitMime), NUL and lone line ends included.
    BinaryMime,
}

impl BodyKind {
    /// The value of the `BODY` parameter: `7BIT`, `8BITMIME` or `BINARYMIME`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SevenBit => "7BIT",
            Self::EightBitMime => "8BITMIME",
            Self::BinaryMime => "BINARYMIME",
        }
    }
}

impl fmt::Display for BodyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What becomes of a carriage return or a line feed that stands alone.
///
/// It is never passed on: servers disagree on what it means, and that is how a message is made to look like
/// two ([RFC 5321 §2.3.8](https://www.rfc-editor.org/rfc/rfc5321#section-2.3.8)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LineEndings {
    /// Each lone CR and each lone LF becomes CRLF. `CR CR LF` is a lone CR and a CRLF: two line ends.
    #[default]
    Normalize,
    /// The message is refused, for octets that may not change because they are signed.
    Reject,
}

/// What becomes of a line of more than [`MAX_LINE`] octets, its line end not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LineLength {
    /// It is passed on, as most servers take it, and noted: [`BodyEncoder::first_long_line`].
    #[default]
    Pass,
    /// The message is refused.
    Reject,
}

/// What a [`BodyEncoder`] lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyRules {
    /// The declared kind of body.
    pub kind: BodyKind,
    /// What becomes of lone carriage returns and line feeds.
    pub line_endings: LineEndings,
    /// What becomes of long lines.
    pub line_length: LineLength,
}

impl BodyRules {
    /// Rules for a body of this kind that repair line ends and pass long lines.
    #[must_use]
    pub const fn new(kind: BodyKind) -> Self {
        Self { kind, line_endings: LineEndings::Normalize, line_length: LineLength::Pass }
    }
}

/// Why a message cannot be sent under the given [`BodyRules`], and where the reason stands in it.
///
/// It is the first fault in the message, whatever the chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BodyFault {
    /// What is wrong.
    pub kind: BodyFaultKind,
    /// The offending octet, counted from 0 in the message as it was handed over.
    pub offset: u64,
}

/// What is wrong with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BodyFaultKind {
    /// A line feed without a carriage return before it, under [`LineEndings::Reject`]; the offset is that of
    /// the line feed.
    BareLf,
    /// A carriage return without a line feed after it, under [`LineEndings::Reject`]; the offset is that of
    /// the carriage return.
    BareCr,
    /// A NUL octet, which `DATA` cannot carry.
    Nul,
    /// An octet above 127 in a [`BodyKind::SevenBit`] body.
    EightBit,
    /// A line of more than [`MAX_LINE`] octets under [`LineLength::Reject`]; the offset is that of the first
    /// octet too many.
    LineTooLong,
}

impl fmt::Display for BodyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at octet {} of the message", self.kind, self.offset)
    }
}

impl fmt::Display for BodyFaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BareLf => "line feed without carriage return",
            Self::BareCr => "carriage return without line feed",
            Self::Nul => "NUL octet",
            Self::EightBit => "8-bit octet in a 7-bit body",
            Self::LineTooLong => "line longer than 998 octets",
        })
    }
}

impl core::error::Error for BodyFault {}

impl BodyFault {
    const fn new(kind: BodyFaultKind, offset: u64) -> Self {
        Self { kind, offset }
    }
}
