//! The messages that flows send. Each has an address of its own, by which the ledger knows it on the wire.

use smtp_proto::body::{BodyKind, LineEndings, LineLength};
use smtp_proto::flow::{Body, Envelope, Recipient, RecipientPolicy, SendOptions, Transfer};
use smtp_proto::params::{MailParameters, NotifyOn, RcptParameters, Ret};

/// What the domain of all their addresses begins with.
pub(super) const DOMAIN: &str = "@t-";

#[derive(Debug)]
pub(super) struct Message {
    /// What tells it from all others.
    pub(super) number: u32,
    pub(super) envelope: Envelope,
    pub(super) options: SendOptions,
    pub(super) octets: Vec<u8>,
    shape: Shape,
    /// Most octets that are supplied at a time.
    pub(super) piece: usize,
    pub(super) supply: Supply,
}

#[derive(Debug)]
enum Shape {
    Whole,
    Stream { kind: BodyKind, sized: bool },
}

/// How the caller supplies the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Supply {
    Whole,
    /// No more than the first piece is to be had.
    Fails,
    /// The end is told after the first piece.
    EndsEarly,
    /// The connection copies it.
    Copied,
}

impl Message {
    /// Letters for all that can be chosen, and the octets of the body.
    pub(super) fn read(number: u32, letters: &[u8], octets: &[u8]) -> Self {
        let has = |letter: u8| letters.contains(&letter);
        let recipients =
            letters.iter().find(|letter| letter.is_ascii_digit()).map_or(1, |digit| digit - b'0');
        let local = if has(b'u') { "é" } else { "" };
        let recipient = |nth: u8| {
            // Two domains, for servers that limit their number.
            let path = format!("r{nth}{local}{DOMAIN}{}.example", nth % 2);
            let parameters = RcptParameters::new();
            Recipient {
                forward_path: path.parse().expect("an address"),
                parameters: if has(b'n') { parameters.notify(NotifyOn::FAILURE) } else { parameters },
            }
        };
        let mut parameters = MailParameters::new();
        if has(b'n') {
            parameters = parameters.ret(Ret::Headers);
        }
        if has(b't') {
            parameters = parameters.require_tls();
        }
        let envelope = Envelope {
            reverse_path: format!("m{number}{local}{DOMAIN}m.example").parse().expect("an address"),
            parameters,
            recipients: (0..recipients).map(recipient).collect(),
        };
        let kind = match () {
            () if has(b'b') => BodyKind::BinaryMime,
            () if has(b'8') => BodyKind::EightBitMime,
            () => BodyKind::SevenBit,
        };
        let options = SendOptions::default()
            .recipients(if has(b'a') { RecipientPolicy::All } else { RecipientPolicy::Any })
            .transfer(match () {
                () if has(b'd') => Transfer::Data,
                () if has(b'c') => Transfer::Chunks,
                () => Transfer::Automatic,
            })
            .split(has(b'l'))
            .line_endings(if has(b'r') { LineEndings::Reject } else { LineEndings::Normalize })
            .line_length(if has(b'o') { LineLength::Reject } else { LineLength::Pass });
        Self {
            number,
            envelope,
            options,
            octets: octets.to_vec(),
            shape: match () {
                () if has(b's') => Shape::Stream { kind, sized: true },
                () if has(b'z') => Shape::Stream { kind, sized: false },
                () => Shape::Whole,
            },
            piece: if has(b'k') { 3 } else { usize::MAX },
            supply: match () {
                () if has(b'x') => Supply::Fails,
                () if has(b'e') => Supply::EndsEarly,
                () if has(b'y') => Supply::Copied,
                () => Supply::Whole,
            },
        }
    }

    pub(super) fn body(&self) -> Body<'_> {
        match self.shape {
            Shape::Whole => Body::Whole(&self.octets),
            Shape::Stream { kind, sized } => {
                Body::Stream { kind, size: sized.then_some(self.octets.len() as u64) }
            }
        }
    }
}
