//! The messages: each has a serial in its header, and every octet of it follows from the serial, so that what a
//! server holds can be compared without keeping what was sent.

use smtp_proto::body::BodyKind;
use smtp_proto::flow::{Envelope, RecipientPolicy, SendOptions};

use crate::mode::{Mode, Way};
use crate::random::Random;
use crate::source::{Reader, Source};

const SENDER: &str = "alice@load.test";
/// Whom Postfix and Exim refuse.
const REFUSED: &str = "nobody@load.test";

/// A message that is to be sent.
pub(crate) struct Letter {
    /// Its mode and its number in that mode, in decimal.
    pub(crate) serial: String,
    pub(crate) recipients: Vec<&'static str>,
    pub(crate) source: Source,
    /// Whether it goes to all its recipients or to nobody.
    pub(crate) all_or_nothing: bool,
}

impl Letter {
    /// Number `number` of a mode. One in ten goes to three recipients, of whom one is refused; one in 25 to nobody
    /// but that one, if it does not have to be accepted in the end.
    pub(crate) fn new(mode: Mode, number: usize) -> Self {
        let recipients = match (number % 10, number % 25) {
            (3, _) => {
                let mut three = vec!["ann@load.test", "ben@load.test"];
                three.insert(number / 10 % 3, REFUSED);
                three
            }
            (_, 7) if mode.way != Way::Retry => vec![REFUSED],
            (6, _) => vec!["ben@load.test", "cid@load.test"],
            _ => vec!["ann@load.test"],
        };
        let serial = format!("{mode}-{number}");
        let must_arrive = mode.way == Way::Retry;
        let mut random = Random::new(&[b"source", serial.as_bytes()]);
        let source = Source::draw(&mut random, !must_arrive);
        Self { serial, recipients, source, all_or_nothing: !must_arrive && random.one_in(4) }
    }

    pub(crate) fn parcel(&self, mode: Mode) -> Option<Parcel> {
        let policy = if self.all_or_nothing { RecipientPolicy::All } else { RecipientPolicy::Any };
        let options = SendOptions::default().transfer(mode.transfer()).recipients(policy);
        let envelope = Envelope::from_strs(SENDER, &self.recipients).ok()?;
        Some(Parcel { envelope, octets: octets(&self.serial), source: self.source, options })
    }
}

/// A message as a client takes it.
pub(crate) struct Parcel {
    pub(crate) envelope: Envelope,
    pub(crate) octets: Vec<u8>,
    pub(crate) source: Source,
    pub(crate) options: SendOptions,
}

/// What is known of a message that is read while it is sent.
pub(crate) struct Stream {
    pub(crate) reader: Reader,
    pub(crate) piece: usize,
    pub(crate) size: Option<u64>,
}

impl Stream {
    pub(crate) const KIND: BodyKind = BodyKind::SevenBit;

    /// The message itself, if it is known whole.
    pub(crate) fn of(octets: Vec<u8>, source: Source) -> Result<Self, Vec<u8>> {
        let (piece, sized, fails) = match source {
            Source::Whole => return Err(octets),
            Source::Stream { piece, sized } => (piece, sized, false),
            Source::Broken { piece, sized } => (piece, sized, true),
        };
        let size = sized.then_some(octets.len() as u64);
        Ok(Self { reader: Reader::new(octets, fails), piece, size })
    }
}

/// The message with this serial: lines of any length with dots where they hurt. One in 40 is long, one in 300 longer
/// than what sockets hold.
pub(crate) fn octets(serial: &str) -> Vec<u8> {
    let mut random = Random::new(&[serial.as_bytes()]);
    let size = match random.below(300) {
        0 => random.between(300_000, 800_000),
        1..8 => random.between(10_000, 60_000),
        _ => random.between(0, 2_000),
    };
    let mut octets = format!("X-Serial: {serial}\r\nSubject: reconcile\r\n\r\n").into_bytes();
    let end = octets.len() + size;
    while octets.len() < end {
        match random.below(8) {
            0 => octets.extend(b"."),
            1 => octets.extend(b".."),
            2 => octets.extend(b".QUIT"),
            3 => {}
            _ => {
                let length = random.between(1, 120);
                octets.extend((0..length).map(|_| b'a' + u8::try_from(random.below(26)).unwrap_or(0)));
            }
        }
        octets.extend(if random.one_in(20) { &b" \r\n"[..] } else { b"\r\n" });
    }
    octets.extend(b"end\r\n");
    octets
}

/// The serial in the first line of a message, if it is one of these.
pub(crate) fn serial_of(octets: &[u8]) -> Option<String> {
    let line = octets.split(|&octet| octet == b'\n').next()?;
    let serial = line.strip_prefix(b"X-Serial: ")?.trim_ascii_end();
    String::from_utf8(serial.to_vec()).ok()
}
