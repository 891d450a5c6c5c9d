//! The server of a script as a state machine: client octets in, server octets out.

use std::time::Duration;

use super::language::{Script, Step};

/// The server's side of a script, without a transport.
///
/// ```
/// use smtp_tests::script::{Heard, Peer, Taken};
///
/// let mut peer = Peer::new("S: 220 hi\nC: QUIT\nclose");
/// assert_eq!(peer.read(4), Heard::Octets(b"220 ".to_vec()));
/// assert_eq!(peer.read(99), Heard::Octets(b"hi\r\n".to_vec()));
/// assert_eq!(peer.read(99), Heard::Nothing, "it is the client's turn");
/// assert_eq!(peer.write(b"QUIT\r\n"), Taken::Octets(6));
/// assert_eq!(peer.read(99), Heard::Eof);
/// peer.verify(true);
/// ```
#[derive(Debug, Clone)]
pub struct Peer {
    steps: Vec<(usize, Step)>,
    at: usize,
    /// Octets of the current step that are done with.
    done: usize,
    /// What the client said during a server segment it had begun to read.
    ahead: Vec<u8>,
    stalled: bool,
    ended: Option<Heard>,
    wire: Vec<u8>,
    fault: Option<String>,
}

/// What a read of the transport gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Octets from the server.
    Octets(Vec<u8>),
    /// Nothing for so long; `None`: until the client's time is up.
    Silence(Option<Duration>),
    /// End of file.
    Eof,
    /// The transport failed.
    Reset,
    /// The script waits for the client: both sides would wait for ever.
    Nothing,
}

/// What a write on the transport gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// So many octets were accepted, at least one.
    Octets(usize),
    /// None at present: the server does not read.
    Blocked,
    /// The transport failed.
    Reset,
}

impl Peer {
    /// The server of this script.
    pub fn new(script: impl Into<Script>) -> Self {
        Self {
            steps: script.into().steps,
            at: 0,
            done: 0,
            ahead: Vec::new(),
            stalled: false,
            ended: None,
            wire: Vec::new(),
            fault: None,
        }
    }

    fn step(&self) -> Option<&Step> {
        self.steps.get(self.at).map(|(_, step)| step)
    }

    fn next_step(&mut self) {
        self.at += 1;
        self.done = 0;
        while let Some(Step::Stall) = self.step() {
            self.stalled = true;
            self.at += 1;
        }
        if let Some(Step::Client(_)) = self.step() {
            self.stalled = false;
            let ahead = std::mem::take(&mut self.ahead);
            self.hear(&ahead);
        }
    }

    /// Gives up to `most` octets of what the server says, or what happens instead.
    pub fn read(&mut self, most: usize) -> Heard {
        if let Some(end) = &self.ended {
            return end.clone();
        }
        let heard = match self.step() {
            Some(Step::Server(octets)) => {
                let left = &octets[self.done..];
                let now = left[..left.len().min(most)].to_vec();
                let complete = now.len() == left.len();
                self.done += now.len();
                if complete {
                    self.next_step();
                }
                return Heard::Octets(now);
            }
            Some(Step::Pause) => Heard::Silence(None),
            Some(Step::Wait(time)) => Heard::Silence(Some(*time)),
            Some(Step::Close) => Heard::Eof,
            Some(Step::Reset) => Heard::Reset,
            Some(Step::Client(_) | Step::Tls | Step::TlsFails | Step::Stall) => return Heard::Nothing,
            None => return Heard::Nothing,
        };
        if let Heard::Eof | Heard::Reset = heard {
            self.ended = Some(heard.clone());
        }
        self.next_step();
        heard
    }

    /// Whether a read would give something at once: octets, or the transport's end.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        self.ended.is_some() || matches!(self.step(), Some(Step::Server(_) | Step::Close | Step::Reset))
    }

    /// Whether the TLS handshake comes next.
    #[must_use]
    pub fn awaits_handshake(&self) -> bool {
        matches!(self.step(), Some(Step::Tls | Step::TlsFails))
    }

    /// Takes what the client writes. A word out of turn, or other than the script's, is the fault that
    /// [`verify`](Self::verify) reports.
    pub fn write(&mut self, octets: &[u8]) -> Taken {
        if self.ended == Some(Heard::Reset) || self.step() == Some(&Step::Reset) {
            return Taken::Reset;
        }
        if self.stalled {
            return Taken::Blocked;
        }
        let octets = &octets[..octets.len().min(self.room())];
        self.wire.extend_from_slice(octets);
        self.hear(octets);
        Taken::Octets(octets.len())
    }

    /// A `stall` or `reset` behind the client's lines stops it right there.
    fn room(&self) -> usize {
        match (self.step(), self.steps.get(self.at + 1)) {
            (Some(Step::Client(expected)), Some((_, Step::Stall | Step::Reset))) => {
                expected.len() - self.done
            }
            _ => usize::MAX,
        }
    }

    fn hear(&mut self, octets: &[u8]) {
        let mut octets = octets;
        while !octets.is_empty() && self.fault.is_none() {
            match self.step() {
                Some(Step::Client(expected)) => {
                    let expected = &expected[self.done..];
                    let n = expected.len().min(octets.len());
                    if expected[..n] != octets[..n] {
                        let expected = expected.to_vec();
                        return self.blame("the client should have said", &expected, octets);
                    }
                    octets = &octets[n..];
                    let complete = n == expected.len();
                    self.done += n;
                    if complete {
                        self.next_step();
                    }
                }
                Some(Step::Server(_)) if self.done > 0 => return self.ahead.extend_from_slice(octets),
                Some(Step::Close) if self.ended.is_none() => return,
                _ => return self.blame("the client spoke out of turn, before", &[], octets),
            }
        }
    }

    fn blame(&mut self, what: &str, expected: &[u8], heard: &[u8]) {
        let place = match self.steps.get(self.at) {
            Some((line, step)) => format!("line {line} of the script ({step:?})"),
            None => "the script was at its end".into(),
        };
        let (expected, heard) = (expected.escape_ascii(), heard.escape_ascii());
        self.fault = Some(format!("{what} \"{expected}\"\n it said \"{heard}\"\n at {place}"));
    }

    /// Does the TLS handshake, if the script has one here: whether it went well. Otherwise `Err` with what
    /// the client meets instead.
    ///
    /// # Errors
    /// Anything but `tls` and `tls fails` comes next.
    pub fn handshake(&mut self) -> Result<bool, Heard> {
        let good = match self.step() {
            Some(Step::Tls) => true,
            Some(Step::TlsFails) => false,
            _ => return Err(self.read(usize::MAX)),
        };
        self.next_step();
        Ok(good)
    }

    /// Every octet the client wrote.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Where the client departed from the script, if it did.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.fault.as_deref()
    }

    /// Grows with every octet and step, in either direction.
    pub(super) fn progress(&self) -> (usize, usize, usize) {
        (self.at, self.done, self.wire.len())
    }

    /// What the script says next, for a message.
    #[must_use]
    pub fn position(&self) -> String {
        match self.steps.get(self.at) {
            Some((line, step)) => format!("line {line}: {step:?}, {} octets done", self.done),
            None => "its end".into(),
        }
    }

    /// Asserts that the client kept to the script and to all of it. `broken` says that the connection broke:
    /// then what the server would still have said does not count.
    ///
    /// # Panics
    /// If it did not.
    pub fn verify(&self, broken: bool) {
        if let Some(fault) = &self.fault {
            panic!("{fault}");
        }
        let said_ahead = self.ahead.escape_ascii();
        assert!(self.ahead.is_empty(), "the client spoke out of turn: \"{said_ahead}\"");
        for (line, step) in self.steps.iter().skip(self.at) {
            let silent = !matches!(step, Step::Client(_) | Step::Tls | Step::TlsFails);
            assert!(
                silent && (broken || matches!(step, Step::Close | Step::Reset)),
                "line {line} was not reached: {step:?}"
            );
        }
    }
}
