//! What may be told of a session that was disturbed: judged by what the server heard, never by what the client
//! believes.

use super::{CASES, Case, Kind, Line, Op, Over, Plan, Told, tls, ways};

/// The words for a connection that broke.
const BROKEN: [&str; 6] = ["Disconnected", "Timeout", "Poisoned", "Abandoned", "TlsFailed", "NotConnected"];

/// A case as it goes when nothing is in the way.
pub struct Model {
    pub case: &'static Case,
    pub over: Over,
    pub told: Vec<Told>,
    /// Octets that the server has heard when each operation is over.
    heard: Vec<usize>,
    /// Where, in what the server hears, each message that is begun has its end. A dot that ends none is `None`.
    ends: Vec<(usize, Option<usize>)>,
    /// Reads, writes and flushes.
    pub calls: usize,
    /// Octets on the wire in each direction.
    pub moved: (usize, usize),
}

impl Model {
    pub fn of(case: &'static Case, over: Over, plan: Plan) -> Self {
        let line = Line::secure(case.script(over), &tls().server, plan);
        let watch = line.watch();
        let mut client = ways::blocking(case, over, line);
        let (mut told, mut heard) = (Vec::new(), Vec::new());
        for (op, word) in case.ops {
            told.push(ways::blocking_op(&mut client, *op));
            heard.push(watch.wire_len());
            assert_eq!(told.last().unwrap().word, *word, "{}", case.name);
        }
        assert_eq!(watch.fault(), None, "{}", case.name);
        let ends = message_ends(&watch.wire());
        Self { case, over, told, heard, ends, calls: watch.calls(), moved: watch.moved() }
    }

    /// Every case that can travel this way.
    pub fn all(over: Over) -> impl Iterator<Item = Self> {
        Self::all_with(over, Plan::default())
    }

    /// The same over such a line.
    pub fn all_with(over: Over, plan: Plan) -> impl Iterator<Item = Self> {
        CASES.iter().filter(move |case| case.suits(over)).map(move |case| Self::of(case, over, plan))
    }

    pub fn goes_through_tls(&self) -> bool {
        self.over == Over::Tls || self.case.kind == Kind::StartTls
    }

    pub fn op(&self, index: usize) -> Op {
        self.case.ops[index].0
    }

    /// The ends of the messages that this operation hands over.
    pub fn ends_of(&self, index: usize) -> Vec<Option<usize>> {
        let from = if index == 0 { 0 } else { self.heard[index - 1] };
        let inside = |at: &usize| from < *at && *at <= self.heard[index];
        self.ends.iter().filter(|(at, _)| inside(at)).map(|(_, end)| *end).collect()
    }

    /// Whether the client had every verdict on the messages of this operation that were wholly sent, when it had got
    /// so many octets from a server in clear.
    pub fn is_judged(&self, index: usize, heard: usize, got: usize) -> bool {
        self.ends_of(index).iter().flatten().filter(|end| heard >= **end).all(|end| {
            let (mut from_client, mut from_server) = (0, 0);
            for line in self.case.script.lines().map(str::trim_start) {
                if from_client >= *end && line.starts_with('C') {
                    break;
                }
                match line.split_at_checked(2) {
                    Some(("C:", rest)) => from_client += rest.strip_prefix(' ').unwrap_or(rest).len() + 2,
                    Some(("S:", rest)) => from_server += rest.strip_prefix(' ').unwrap_or(rest).len() + 2,
                    Some(("S|", rest)) => from_server += rest.len() - 1,
                    _ => {}
                }
            }
            got >= from_server
        })
    }

    /// Checks what was told of an operation after which the server had heard so many octets. Whether it was what
    /// is told of it in an undisturbed session.
    pub fn judge(&self, index: usize, told: &Told, heard: usize) -> Result<bool, String> {
        let ends = self.ends_of(index);
        let expected = &self.told[index];
        if *told == *expected {
            let early =
                expected.word.starts_with("accepted") && ends.iter().flatten().any(|end| heard < *end);
            return if early { Err("accepted, before it was there".into()) } else { Ok(true) };
        }
        let op = self.op(index);
        if !op.sends() {
            let broken = BROKEN.contains(&&*told.word) || (matches!(op, Op::Quit) && told.word == "done");
            return if broken { Ok(false) } else { Err(format!("{told:?} in place of {expected:?}")) };
        }
        if let (Op::SendInParts(..), [Some(first), Some(second)]) = (op, &ends[..]) {
            if told.word.starts_with("accepted") {
                // The first part is there, and of the second it is told by recipient.
                let (gone, lost) = (heard >= *second, told.full.contains("state: NotSent"));
                let truly = heard >= *first && if lost { !gone } else { gone || self.goes_through_tls() };
                return if truly { Ok(false) } else { Err(format!("{told:?} after {heard} octets")) };
            }
        }
        let words: Vec<_> = told.word.split(", ").collect();
        let wanted: Vec<_> = expected.word.split(", ").collect();
        if words.len() != wanted.len() {
            return Err(format!("{} outcomes: {told:?}", words.len()));
        }
        for (n, (word, wanted)) in words.iter().zip(wanted).enumerate() {
            let end = ends.get(n).copied().flatten();
            let has_left = end.is_some_and(|end| heard >= end);
            match word.split_once(": ") {
                Some(("not sent", cause)) if BROKEN.contains(&cause) => {
                    if has_left {
                        return Err(format!("message {n} is there, and called not sent: {told:?}"));
                    }
                }
                Some(("unknown", cause)) if BROKEN.contains(&cause) => {
                    // What TLS has taken counts as gone, though it may never arrive.
                    if !has_left && !self.goes_through_tls() {
                        return Err(format!("message {n} never left, and is called unknown: {told:?}"));
                    }
                }
                _ if *word == wanted => {}
                _ => return Err(format!("{told:?} in place of {expected:?}")),
            }
        }
        Ok(false)
    }
}

/// The ends of messages in what a client says: where the dot is and, unless it ends nothing, again; the same for
/// the last octet of the last chunk.
fn message_ends(wire: &[u8]) -> Vec<(usize, Option<usize>)> {
    let mut ends = Vec::new();
    let mut at = 0;
    let mut before: &[u8] = b"";
    while let Some(length) = wire[at..].iter().position(|octet| *octet == b'\n') {
        let line = &wire[at..=at + length];
        at += line.len();
        if line == b".\r\n" {
            ends.push((at, (before != b"DATA\r\n").then_some(at)));
        }
        if let Some(rest) = line.strip_prefix(b"BDAT ") {
            let digits = rest.iter().take_while(|octet| octet.is_ascii_digit());
            at += digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0'));
            if rest.ends_with(b" LAST\r\n") {
                ends.push((at, Some(at)));
            }
        }
        before = line;
    }
    ends
}
