//! A message body as DATA sends it: dots taken out, the one true end found, bare CRs and LFs counted.
//!
//! Only `CRLF . CRLF` ends a body (RFC 5321 §4.1.1.4). A server that also takes `LF . LF` can be made to see
//! the end of a message, and commands behind it, where the client saw neither.

use super::store::BareLineEnds;

/// Takes a body octet by octet.
pub(super) struct BodyReader {
    state: State,
    data: Vec<u8>,
    /// The body's octets, those that were not kept for want of room included.
    size: u64,
    limit: u64,
    bare: BareLineEnds,
}

#[derive(Clone, Copy)]
enum State {
    LineStart,
    /// A dot at the start of a line: stuffing, or the beginning of the end.
    Dot,
    /// `. CR` at the start of a line.
    DotCr,
    Text,
    /// A CR, not kept yet.
    Cr,
}

impl BodyReader {
    pub(super) fn new(limit: u64) -> Self {
        Self { state: State::LineStart, data: Vec::new(), size: 0, limit, bare: BareLineEnds::default() }
    }

    /// Takes one octet; `true` if it was the last.
    pub(super) fn take(&mut self, octet: u8) -> bool {
        self.state = match (self.state, octet) {
            (State::LineStart, b'.') => State::Dot,
            (State::Dot, b'\r') => State::DotCr,
            (State::DotCr, b'\n') => return true,
            (State::Cr, b'\n') => {
                self.keep(b'\r');
                self.keep(b'\n');
                State::LineStart
            }
            (State::Cr | State::DotCr, octet) => {
                self.bare.cr += 1;
                self.keep(b'\r');
                self.text(octet)
            }
            (State::LineStart | State::Dot | State::Text, octet) => self.text(octet),
        };
        false
    }

    fn text(&mut self, octet: u8) -> State {
        if octet == b'\r' {
            return State::Cr;
        }
        if octet == b'\n' {
            self.bare.lf += 1;
        }
        self.keep(octet);
        State::Text
    }

    fn keep(&mut self, octet: u8) {
        self.size += 1;
        if self.size <= self.limit {
            self.data.push(octet);
        }
    }

    pub(super) fn bare(&self) -> BareLineEnds {
        self.bare
    }

    /// The message, or `None` if it was larger than the limit.
    pub(super) fn into_data(self) -> Option<Vec<u8>> {
        (self.size <= self.limit).then_some(self.data)
    }
}

/// The bare CRs and LFs in a message that came otherwise, where nothing had to be taken out.
pub(super) fn bare_line_ends(data: &[u8]) -> BareLineEnds {
    let mut bare = BareLineEnds::default();
    let mut before = 0;
    for &octet in data {
        match (before, octet) {
            (b'\r', b'\n') => {}
            (_, b'\n') => bare.lf += 1,
            (b'\r', _) => bare.cr += 1,
            _ => {}
        }
        before = octet;
    }
    bare.cr += u64::from(before == b'\r');
    bare
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests {
    use super::*;

    /// The message and bare line ends of a body, which `wire` has to be to its last octet.
    fn read(wire: &[u8]) -> (Vec<u8>, BareLineEnds) {
        let mut reader = BodyReader::new(1000);
        let end = wire.iter().position(|&octet| reader.take(octet));
        assert_eq!(end, Some(wire.len() - 1), "{}", wire.escape_ascii());
        let bare = reader.bare();
        (reader.into_data().unwrap(), bare)
    }

    #[test]
    fn dots_are_taken_out() {
        let none = BareLineEnds::default();
        assert_eq!(read(b".\r\n"), (b"".to_vec(), none));
        assert_eq!(read(b"a\r\n..\r\n...b.\r\n.\r\n"), (b"a\r\n.\r\n..b.\r\n".to_vec(), none));
        assert_eq!(read(b".a\r\n.\r\n"), (b"a\r\n".to_vec(), none));
    }

    #[test]
    fn only_crlf_dot_crlf_ends() {
        for (wire, data, cr, lf) in [
            (&b"a\n.\n\r\n.\r\n"[..], &b"a\n.\n\r\n"[..], 0, 2),
            (b"a\n.\r\n.\r\n", b"a\n.\r\n", 0, 1),
            (b"a\r.\r\r\n.\r\n", b"a\r.\r\r\n", 2, 0),
            (b"a\r\n.\n.\r\n.\r\n", b"a\r\n\n.\r\n", 0, 1),
            (b".\r\r\n.\r\n", b"\r\r\n", 1, 0),
            (b".\r.\r\n.\r\n", b"\r.\r\n", 1, 0),
        ] {
            assert_eq!(read(wire), (data.to_vec(), BareLineEnds { cr, lf }), "{}", wire.escape_ascii());
        }
    }

    #[test]
    fn chunks_are_looked_through() {
        for (data, cr, lf) in [
            (&b""[..], 0, 0),
            (b"a\r\nb\r\n", 0, 0),
            (b"\n\r\r\n\n", 1, 2),
            (b"\ra\r", 2, 0),
            (b"\r\n\r", 1, 0),
        ] {
            assert_eq!(bare_line_ends(data), BareLineEnds { cr, lf }, "{}", data.escape_ascii());
        }
    }

    #[test]
    fn a_body_beyond_the_limit_is_read_but_not_kept() {
        let mut reader = BodyReader::new(3);
        assert!(b"abc\r\n.\r\n".iter().any(|&octet| reader.take(octet)));
        assert_eq!((reader.data.len(), reader.into_data()), (3, None));
    }
}
