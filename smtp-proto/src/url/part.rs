//! A piece of a URL that knows where it stands, so that every error can say so.

use alloc::vec::Vec;

use super::error::{UrlError, UrlErrorKind};

#[derive(Clone, Copy)]
pub(super) struct Part<'u> {
    pub(super) text: &'u str,
    /// How many octets of the URL come before it.
    offset: usize,
}

impl<'u> Part<'u> {
    pub(super) fn new(url: &'u str) -> Self {
        Self { text: url, offset: 0 }
    }

    pub(super) fn error(self, kind: UrlErrorKind) -> UrlError {
        UrlError::new(kind, self.offset)
    }

    /// What comes before and after the first `delimiter`.
    pub(super) fn split_once(self, delimiter: &str) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(delimiter)?;
        let offset = self.offset.saturating_add(before.len()).saturating_add(delimiter.len());
        Some((Self { text: before, ..self }, Self { text: after, offset }))
    }

    /// What comes before the first of the `delimiters`, and the rest, which begins with it.
    pub(super) fn split_before(self, delimiters: &[char]) -> (Self, Self) {
        let at = self.text.find(delimiters).unwrap_or(self.text.len());
        let (before, rest) = self.text.split_at_checked(at).unwrap_or((self.text, ""));
        (Self { text: before, ..self }, Self { text: rest, offset: self.offset.saturating_add(before.len()) })
    }

    pub(super) fn strip_prefix(self, prefix: char) -> Option<Self> {
        let text = self.text.strip_prefix(prefix)?;
        Some(Self { text, offset: self.offset.saturating_add(prefix.len_utf8()) })
    }

    /// From the first such character on.
    pub(super) fn find(self, is: impl Fn(char) -> bool) -> Option<Self> {
        let at = self.text.find(is)?;
        Some(Self { text: self.text.get(at..)?, offset: self.offset.saturating_add(at) })
    }

    /// The place behind it.
    pub(super) fn end(self) -> Self {
        Self { text: "", offset: self.offset.saturating_add(self.text.len()) }
    }

    /// The octets, each `%` and its two digits replaced by the octet that they name. They are never copied a second
    /// time, since they may be a password.
    pub(super) fn decoded(self) -> Result<Vec<u8>, UrlError> {
        let mut octets = Vec::with_capacity(self.text.len());
        let mut rest = self.text.bytes().enumerate();
        while let Some((at, octet)) = rest.next() {
            let octet = match octet {
                b'%' => {
                    let mut digit = || char::from(rest.next()?.1).to_digit(16);
                    let (high, low) = (digit(), digit());
                    let named = high.zip(low).and_then(|(high, low)| u8::try_from(high << 4 | low).ok());
                    let place = Self { text: "", offset: self.offset.saturating_add(at) };
                    named.ok_or(place.error(UrlErrorKind::PercentEncoding))?
                }
                octet => octet,
            };
            octets.push(octet);
        }
        Ok(octets)
    }
}
