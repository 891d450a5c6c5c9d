//! Text of the server, made safe to show on one line of a log.
//!
//! A server chooses every octet of its replies. [`Escaped`] promises that what it shows holds no control
//! character, no line end and no bidirectional control, so that a reply can neither forge a log line nor
//! drive a terminal, and that it is short whatever the length of the reply. RFC 5321 §4.2 allows printable
//! US-ASCII and HT in reply text, and RFC 6531 §3.7.4 UTF-8; those are shown as they are, save HT.

use core::fmt::{self, Write as _};

/// Shows octets from the server on one line, escaped and cut short.
///
/// - UTF-8 text is shown as it is; an octet that is not part of valid UTF-8 is shown as `\xNN`.
/// - LF, CR and HT are shown as `\n`, `\r` and `\t`, a backslash as `\\`, any other C0 control and DEL as
///   `\xNN`.
/// - C1 controls, the bidirectional controls and U+2028/U+2029 are shown as `\u{NNNN}`.
/// - At most the first 512 octets are shown, cut before a character rather than in it; `…` follows if
///   anything was left out.
///
/// `Debug` is the same in quotes.
///
/// ```
/// use smtp_proto::escape::Escaped;
///
/// let text = b"no such user\n2026-01-01 root login ok\x1b[2J\xff";
/// let shown = Escaped::new(text).to_string();
/// assert_eq!(shown, r"no such user\n2026-01-01 root login ok\x1b[2J\xff");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Escaped<'a>(&'a [u8]);

impl<'a> Escaped<'a> {
    /// Wraps octets of any kind and any length.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A character that begins within the first SHOWN octets ends within three more, so this much of
        // the text decides how every one of them is shown.
        let window = self.0.get(..SHOWN + 3).unwrap_or(self.0);
        let mut shown = 0_usize;
        for chunk in window.utf8_chunks() {
            for c in chunk.valid().chars() {
                shown = shown.saturating_add(c.len_utf8());
                if shown > SHOWN {
                    return f.write_char('…');
                }
                write_char(f, c)?;
            }
            for octet in chunk.invalid() {
                shown = shown.saturating_add(1);
                if shown > SHOWN {
                    return f.write_char('…');
                }
                write!(f, "\\x{octet:02x}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

fn write_char(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    match c {
        '\n' => f.write_str("\\n"),
        '\r' => f.write_str("\\r"),
        '\t' => f.write_str("\\t"),
        '\\' => f.write_str("\\\\"),
        '\0'..='\x1f' | '\x7f' => write!(f, "\\x{:02x}", u32::from(c)),
        // C1, then ALM, LRM and RLM, the line and paragraph separators, the embeddings and overrides, and
        // the isolates.
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => write!(f, "\\u{{{:x}}}", u32::from(c)),
        _ => f.write_char(c),
    }
}

/// How many octets of the text are shown.
pub(crate) const SHOWN: usize = 512;

#[cfg(test)]
mod tests {
    use super::Escaped;
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    #[track_caller]
    fn shows(octets: &[u8], expected: &str) {
        assert_eq!(Escaped::new(octets).to_string(), expected);
        assert_eq!(format!("{:?}", Escaped::new(octets)), format!("\"{expected}\""));
    }

    #[test]
    fn l05_a_forged_log_line_stays_on_one_line() {
        shows(b"x\n2026-01-01 root login ok", r"x\n2026-01-01 root login ok");
    }

    #[test]
    fn l05_controls_are_escaped() {
        shows(b"\0\x07\t\n\r\x1b\x1f \x7e\x7f\\", r"\x00\x07\t\n\r\x1b\x1f ~\x7f\\");
        shows("\u{80}\u{85}\u{9f}\u{a0}".as_bytes(), "\\u{80}\\u{85}\\u{9f}\u{a0}");
        shows("\u{61c}\u{200e}\u{200f}".as_bytes(), r"\u{61c}\u{200e}\u{200f}");
        shows("\u{2028}\u{2029}\u{202a}\u{202e}".as_bytes(), r"\u{2028}\u{2029}\u{202a}\u{202e}");
        shows("\u{2065}\u{2066}\u{2069}\u{206a}".as_bytes(), "\u{2065}\\u{2066}\\u{2069}\u{206a}");
    }

    #[test]
    fn l05_no_character_that_moves_the_cursor_is_ever_shown() {
        for c in '\0'..=char::MAX {
            let shown = Escaped::new(c.encode_utf8(&mut [0; 4]).as_bytes()).to_string();
            assert!(!shown.chars().any(char::is_control), "{:x}", u32::from(c));
        }
    }

    #[test]
    fn p08_octets_that_are_not_utf8_are_shown_in_hexadecimal() {
        shows(b"\xc0\xaf", r"\xc0\xaf");
        shows(b"\x80 \xff \xed\xa0\x80", r"\x80 \xff \xed\xa0\x80");
        shows(b"caf\xc3", r"caf\xc3");
        shows("café 😀".as_bytes(), "café 😀");
    }

    #[test]
    fn r09_long_text_is_cut_after_512_octets() {
        let a = |n| "a".repeat(n);
        shows(a(512).as_bytes(), &a(512));
        shows(a(513).as_bytes(), &(a(512) + "…"));
        shows(a(1 << 20).as_bytes(), &(a(512) + "…"));
        shows(&[0xff; 600], &(r"\xff".repeat(512) + "…"));
    }

    #[test]
    fn r09_the_cut_falls_on_a_character_boundary() {
        for width in ['é', '€', '😀'] {
            for before in 505..=512 {
                let text = "a".repeat(before) + &String::from(width).repeat(4);
                let whole = (512 - before) / width.len_utf8();
                let expected = "a".repeat(before) + &String::from(width).repeat(whole) + "…";
                shows(text.as_bytes(), &expected);
            }
        }
        // A sequence that is cut off by the server is shown; one that is cut off here is not.
        let mut text = Vec::from("a".repeat(511));
        text.push(0xc3);
        shows(&text, &("a".repeat(511) + r"\xc3"));
        text.push(0xa9);
        shows(&text, &("a".repeat(511) + "…"));
    }
}
