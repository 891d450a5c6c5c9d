//! The line between the client and the server of a transcript, and the fault that strikes it. It keeps the facts:
//! what crossed it, in which order.

use super::outcome_model::{Facts, Moment};

/// What is said in turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    Client(Vec<u8>),
    /// Arrives in one segment.
    Server(Vec<u8>),
    Tls,
}

/// Where the fault strikes: so many octets into the stream of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The transport has taken so many octets of the client.
    Client(usize),
    /// So many octets of the server have come.
    Server(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The server closes its side. What the client still writes is taken if the server had its turn, and is not if
    /// the server closed instead of reading.
    Eof,
    /// Reads and writes fail.
    Reset,
    /// The server says nothing more, and if it was reading, reads nothing more.
    Silence,
    /// The server says this, and then goes on as if nothing had happened.
    Says(&'static str),
}

/// Where what is said is cut in two: so many octets into the stream of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// The transport takes so many octets of the client, and the rest at the next write.
    Client(usize),
    /// So many octets of the server come, and the rest with the next read. `late`: not before the client has nothing
    /// left to do but to wait.
    Server { at: usize, late: bool },
}

/// What a client that waits meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    End,
    Silence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As the transcript has it.
    Sound,
    /// Nothing more comes from the server; `takes`: its side still takes what is written.
    Over { met: Met, takes: bool },
}

pub struct Line<'t> {
    /// Of the transcript, for messages.
    name: &'t str,
    turns: &'t [Turn],
    /// The turn, and how many octets of it are done.
    at: usize,
    done: usize,
    /// Octets of either side so far, those of the fault not counted.
    client: usize,
    server: usize,
    fault: Option<(Place, Fault)>,
    struck: bool,
    split: Option<Split>,
    state: State,
    segment: Vec<u8>,
    /// What the server has said behind the split, and has not come yet.
    held: Vec<u8>,
    pub facts: Facts,
}

impl<'t> Line<'t> {
    pub fn new(name: &'t str, turns: &'t [Turn], fault: Option<(Place, Fault)>) -> Self {
        Self::begin(name, turns, fault, None)
    }

    /// Nothing goes wrong on it, but what is said is cut.
    pub fn split(name: &'t str, turns: &'t [Turn], split: Option<Split>) -> Self {
        Self::begin(name, turns, None, split)
    }

    fn begin(name: &'t str, turns: &'t [Turn], fault: Option<(Place, Fault)>, split: Option<Split>) -> Self {
        let mut line = Self {
            name,
            turns,
            at: 0,
            done: 0,
            client: 0,
            server: 0,
            fault,
            struck: false,
            split,
            state: State::Sound,
            segment: Vec::new(),
            held: Vec::new(),
            facts: Facts::default(),
        };
        line.arrive();
        line
    }

    /// Whether the transcript was gone through to its end.
    pub fn is_at_end(&self) -> bool {
        self.at == self.turns.len()
    }

    fn goes_on(&mut self) {
        self.at += 1;
        self.done = 0;
        self.arrive();
    }

    /// A new turn begins: what the server says in it is there, as far as the fault lets it.
    fn arrive(&mut self) {
        match self.turns.get(self.at) {
            Some(Turn::Server(octets)) => {
                let here = match self.fault {
                    Some((Place::Server(at), _)) if !self.struck => at.checked_sub(self.server),
                    _ => None,
                };
                match here.filter(|&here| here <= octets.len()) {
                    Some(here) => {
                        self.segment.extend_from_slice(&octets[..here]);
                        self.strike(true);
                        if self.state == State::Sound {
                            self.segment.extend_from_slice(&octets[here..]);
                        }
                    }
                    None => self.says(octets),
                }
                self.server += octets.len();
                if self.state == State::Sound {
                    self.goes_on();
                }
            }
            Some(Turn::Client(_)) => self.strike_client(),
            Some(Turn::Tls) | None => {}
        }
    }

    /// The server says this, all of it on one side of the split or some on each.
    fn says(&mut self, octets: &[u8]) {
        let here = match self.split {
            _ if !self.held.is_empty() => 0,
            Some(Split::Server { at, .. }) if at >= self.server => (at - self.server).min(octets.len()),
            Some(_) | None => octets.len(),
        };
        self.segment.extend_from_slice(&octets[..here]);
        self.held.extend_from_slice(&octets[here..]);
    }

    fn strike_client(&mut self) {
        if matches!(self.fault, Some((Place::Client(at), _)) if at == self.client && !self.struck) {
            self.strike(false);
        }
    }

    fn strike(&mut self, in_its_turn: bool) {
        self.struck = true;
        let Some((_, fault)) = self.fault else { return };
        self.state = match fault {
            Fault::Eof => State::Over { met: Met::End, takes: in_its_turn },
            Fault::Reset => State::Over { met: Met::End, takes: false },
            Fault::Silence => State::Over { met: Met::Silence, takes: in_its_turn },
            Fault::Says(line) => {
                self.segment.extend_from_slice(line.as_bytes());
                self.segment.extend_from_slice(b"\r\n");
                State::Sound
            }
        };
    }

    /// What has arrived.
    pub fn read(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.segment)
    }

    pub fn is_readable(&mut self) -> bool {
        let soon = !matches!(self.split, Some(Split::Server { late: true, .. }));
        !self.segment.is_empty() || (soon && self.catches_up())
    }

    /// What was held comes, if anything was.
    pub fn catches_up(&mut self) -> bool {
        let any = !self.held.is_empty();
        self.segment.append(&mut self.held);
        any
    }

    /// Takes what the client writes, or as much as is taken now: `None` if nothing is.
    pub fn write(&mut self, octets: &[u8]) -> Option<usize> {
        let taken = match self.state {
            State::Over { takes: false, .. } => return None,
            State::Over { takes: true, .. } => octets.len(),
            State::Sound => match self.turns.get(self.at) {
                Some(Turn::Client(expected)) => {
                    let left = &expected[self.done..];
                    let room = match self.fault {
                        Some((Place::Client(at), _)) if !self.struck => at - self.client,
                        _ => usize::MAX,
                    };
                    let room = match self.split {
                        Some(Split::Client(at)) if at > self.client => room.min(at - self.client),
                        _ => room,
                    };
                    let octets = &octets[..octets.len().min(left.len()).min(room)];
                    if left.starts_with(octets) { octets.len() } else { return self.departs(octets) }
                }
                // The server reads nothing more before it has said all it has to say.
                _ if !self.held.is_empty() => return None,
                _ => return self.departs(octets),
            },
        };
        self.took(&octets[..taken]);
        if self.state == State::Sound {
            self.done += taken;
            let complete = matches!(&self.turns[self.at], Turn::Client(all) if all.len() == self.done);
            self.strike_client();
            if complete && self.state == State::Sound {
                self.goes_on();
            }
        }
        Some(taken)
    }

    fn took(&mut self, octets: &[u8]) {
        self.client += octets.len();
        self.facts.wire.extend_from_slice(octets);
        self.facts.moments.push(Moment::Took(octets.len()));
    }

    /// The client says something else than in the transcript: after the fault it may, and the server hangs up.
    fn departs(&mut self, octets: &[u8]) -> Option<usize> {
        let said = octets.escape_ascii();
        let turn = self.turns.get(self.at);
        assert!(self.struck, "{}: without a fault, the client says {said} at {turn:?}", self.name);
        self.state = State::Over { met: Met::End, takes: true };
        self.took(octets);
        Some(octets.len())
    }

    /// The client has nothing to write and waits.
    pub fn wait(&mut self) -> Met {
        if self.state == State::Sound {
            let turn = self.turns.get(self.at);
            assert!(self.struck, "{}: without a fault, the client waits at {turn:?}", self.name);
            self.state = State::Over { met: Met::End, takes: true };
        }
        let State::Over { met, .. } = self.state else { return Met::End };
        self.facts.moments.push(match met {
            Met::End => Moment::Ended,
            Met::Silence => Moment::TimedOut,
        });
        met
    }

    /// Does the TLS handshake, or meets what happens instead.
    pub fn handshake(&mut self) -> Result<(), Met> {
        match self.turns.get(self.at) {
            Some(Turn::Tls) if self.state == State::Sound => {
                self.facts.moments.push(Moment::Tls);
                self.goes_on();
                Ok(())
            }
            _ => Err(self.wait()),
        }
    }

    /// Notes that the client was given so many octets.
    pub fn heard(&mut self, octets: &[u8]) {
        self.facts.heard.extend_from_slice(octets);
        self.facts.moments.push(Moment::Heard(octets.len()));
    }
}
