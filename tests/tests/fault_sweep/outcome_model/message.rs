//! What the server's replies mean for one message (RFC 5321 §3.3, §4.1.1.4, §4.2.5; RFC 2033 §4.2 for LMTP).

use super::client::Verb;
use super::reader::Said;

/// The truth about a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server said 2yz to all of it, with these words.
    Accepted(Vec<u8>),
    /// The server said 4yz or 5yz.
    Rejected(Verb, u16),
    /// It cannot have the message: the last octet never left, or it went away with a definite refusal.
    NotSent,
    /// The last octet left, and no verdict came (RFC 1047).
    Unknown,
}

/// The truth about one recipient of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Accepted,
    Refused,
    NotSent,
    Unknown,
}

/// What has been said to the commands of one message.
#[derive(Debug, Clone, Default)]
pub struct Told {
    recipients: usize,
    /// All recipients have to be accepted.
    all: bool,
    pub lmtp: bool,
    rcpt: Vec<u16>,
    /// The replies to the end of the message.
    ends: Vec<Said>,
    /// What was decided first. A later reply changes it only where it contradicts it.
    decided: Option<Outcome>,
    /// The last octet of the message has left.
    pub left: bool,
}

fn good(code: u16) -> bool {
    code / 100 == 2
}

impl Told {
    pub fn new(recipients: usize, all: bool, lmtp: bool) -> Self {
        Self { recipients, all, lmtp, ..Self::default() }
    }

    pub fn accepted(&self) -> usize {
        self.rcpt.iter().filter(|code| good(**code)).count()
    }

    pub fn is_decided(&self) -> bool {
        self.decided.is_some()
    }

    pub fn decide(&mut self, outcome: Outcome) {
        self.decided.get_or_insert(outcome);
    }

    /// A reply to RCPT. When nobody is left to send to, or not everybody who has to be there, RCPT decides.
    pub fn recipient(&mut self, code: u16) {
        self.rcpt.push(code);
        let answered = self.rcpt.len() == self.recipients;
        let hopeless = if self.all { !good(code) } else { answered && self.accepted() == 0 };
        if hopeless {
            self.decide(Outcome::Rejected(Verb::Rcpt, code));
        }
    }

    /// How many replies the end of the message gets: one, in LMTP one for each recipient accepted.
    pub fn ends_due(&self) -> usize {
        if self.lmtp { self.accepted().max(1) } else { 1 }
    }

    pub fn ends_missing(&self) -> usize {
        self.ends_due() - self.ends.len()
    }

    /// A reply to the end of the message, 2yz, 4yz or 5yz. False: the server contradicts itself, and nobody knows
    /// what it has.
    pub fn end(&mut self, said: Said, chunk: bool) -> bool {
        self.ends.push(said);
        if self.ends.len() < self.ends_due() {
            return true;
        }
        let accepted = self.ends.iter().find(|said| good(said.code));
        match (&self.decided, accepted) {
            (None, Some(said)) => self.decided = Some(Outcome::Accepted(said.text.clone())),
            (None, None) => {
                // Of several verdicts, one that may change is worth more than one that will not.
                let later = self.ends.iter().find(|said| said.code / 100 == 4);
                let code = later.or(self.ends.first()).map_or(0, |said| said.code);
                self.decided = Some(Outcome::Rejected(Verb::End, code));
            }
            (Some(Outcome::Rejected(Verb::Bdat, _)), Some(_)) => {
                self.decided = Some(Outcome::Unknown);
                return false;
            }
            // Refused as a whole, and yet taken from someone for someone.
            (Some(Outcome::Rejected(Verb::Mail, _)), Some(_)) if chunk && self.accepted() > 0 => {
                self.decided = Some(Outcome::Unknown);
                return false;
            }
            (Some(_), _) => {}
        }
        true
    }

    /// 421 in the place of a reply to the end of the message: a definite 4yz, and nobody else's (S04).
    pub fn closed_at_end(&mut self, said: Said) {
        self.ends.push(said);
        if self.ends.len() < self.ends_due() {
            return;
        }
        let outcome = match self.ends.iter().find(|said| good(said.code)) {
            Some(said) => Outcome::Accepted(said.text.clone()),
            None => Outcome::NotSent,
        };
        self.decide(outcome);
    }

    /// The message, once nothing more can be heard.
    pub fn outcome(&self) -> Outcome {
        match &self.decided {
            // All refusals count, also those behind the one that decided: a transient one is told first, and 552
            // to RCPT is one (RFC 5321 §4.5.3.1.10).
            Some(Outcome::Rejected(Verb::Rcpt, _)) => {
                let refusals = || self.rcpt.iter().copied().filter(|code| !good(*code));
                let transient = refusals().find(|code| code / 100 == 4 || *code == 552);
                Outcome::Rejected(Verb::Rcpt, transient.or_else(|| refusals().next()).unwrap_or(0))
            }
            Some(outcome) => outcome.clone(),
            None if self.left => Outcome::Unknown,
            None => Outcome::NotSent,
        }
    }

    /// Each recipient, once nothing more can be heard.
    pub fn fates(&self) -> Vec<Fate> {
        let mut verdicts = self.ends.iter().filter(|_| self.lmtp);
        let outcome = self.outcome();
        let others = match outcome {
            Outcome::Accepted(_) => Fate::Accepted,
            Outcome::Rejected(Verb::Rcpt, _) | Outcome::NotSent => Fate::NotSent,
            Outcome::Rejected(..) => Fate::Refused,
            Outcome::Unknown => Fate::Unknown,
        };
        let fate = |at: usize| match self.rcpt.get(at) {
            Some(code) if !good(*code) => Fate::Refused,
            Some(_) => match verdicts.next() {
                Some(said) if good(said.code) => Fate::Accepted,
                Some(_) => Fate::Refused,
                None => others,
            },
            // Nobody was refused who was never answered.
            None if others == Fate::Refused => Fate::NotSent,
            None => others,
        };
        (0..self.recipients).map(fate).collect()
    }
}
