//! A server that takes mail, one reply a command, and remembers what it took, said and found wrong.

#![allow(missing_docs, unreachable_pub)]

use std::collections::VecDeque;

/// What may become of the end of a message. The other commands have all of these but `TakenThen…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    Good,
    Transient,
    Permanent,
    Closing,
    Closed,
    Garbage,
    TakenThenClosed,
    TakenThenGarbage,
}

const ENDS: [Ends; 8] = [
    Ends::Good,
    Ends::Transient,
    Ends::Permanent,
    Ends::Closing,
    Ends::Closed,
    Ends::Garbage,
    Ends::TakenThenClosed,
    Ends::TakenThenGarbage,
];

/// What was said to the commands of one message.
#[derive(Debug, Clone, Default)]
pub struct Told {
    pub mail: Option<u16>,
    pub rcpt: Vec<Option<u16>>,
    pub data: Option<u16>,
    /// The first refusal of a chunk that is not the last.
    pub chunk: Option<u16>,
    pub end: Option<u16>,
    /// All of the message has left the client.
    pub left: bool,
}

#[derive(Debug, Clone)]
pub struct Taken {
    pub message: usize,
    pub recipients: Vec<String>,
}

#[derive(Debug, Default)]
pub struct Server {
    /// The decisions that are not the first option.
    plan: Vec<(usize, usize)>,
    random: Option<u64>,
    lenient: bool,
    /// How many options each decision so far had.
    pub options: Vec<usize>,

    input: Vec<u8>,
    replies: VecDeque<Vec<u8>>,
    pub closed: bool,
    /// The message of the latest MAIL.
    current: usize,
    /// The reverse-path of the open transaction, and its recipients.
    open: Option<String>,
    recipients: Vec<String>,
    in_data: bool,
    /// A chunk: octets to come, and whether it is the last.
    in_chunk: Option<(usize, bool)>,
    chunk_failed: bool,
    content: Vec<u8>,

    pub told: [Told; 3],
    pub deliveries: Vec<Taken>,
    pub faults: Vec<String>,
    pub heard: String,
}

impl Server {
    pub fn planned(plan: Vec<(usize, usize)>, lenient: bool) -> Self {
        Self { plan, lenient, ..Self::default() }
    }

    pub fn random(seed: u64, lenient: bool) -> Self {
        let random = Some(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        Self { random, lenient, ..Self::default() }
    }

    fn choose(&mut self, options: usize) -> usize {
        let at = self.options.len();
        self.options.push(options);
        if let Some(state) = &mut self.random {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            // Ends that leave nothing to try are rarer.
            let n = (*state >> 20) as usize % 32;
            return match n {
                0..=17 => 0,
                18..=27 => 1 + n % 2,
                _ => n % options,
            };
        }
        self.plan.iter().find(|&&(place, _)| place == at).map_or(0, |&(_, option)| option)
    }

    /// The next reply that is ready.
    pub fn speak(&mut self) -> Option<Vec<u8>> {
        self.replies.pop_front()
    }

    pub fn hear(&mut self, octets: &[u8]) {
        self.heard += &String::from_utf8_lossy(octets);
        self.input.extend_from_slice(octets);
        while self.step() {}
    }

    fn step(&mut self) -> bool {
        if let Some((len, last)) = self.in_chunk {
            if self.input.len() < len {
                return false;
            }
            let octets: Vec<u8> = self.input.drain(..len).collect();
            self.content.extend(octets);
            self.in_chunk = None;
            self.chunk(last);
            return true;
        }
        let Some(at) = self.input.windows(2).position(|pair| pair == b"\r\n") else { return false };
        let line: Vec<u8> = self.input.drain(..at + 2).collect();
        if !self.in_data {
            self.command(&String::from_utf8(line).unwrap());
        } else if line == b".\r\n" {
            self.in_data = false;
            self.dot();
        } else {
            self.content.extend(line);
        }
        true
    }

    fn say(&mut self, code: u16) -> Option<u16> {
        if self.closed {
            return None;
        }
        self.replies.push_back(format!("{code} x\r\n").into_bytes());
        self.closed |= code == 421;
        Some(code)
    }

    /// Decides about a command, and answers it unless the answer is never given.
    fn decide(&mut self, good: u16, options: usize) -> (Ends, Option<u16>) {
        if self.closed {
            return (Ends::Closed, None);
        }
        let end = ENDS[self.choose(options)];
        let code = match end {
            Ends::Good => good,
            Ends::Transient => 451,
            Ends::Permanent => 554,
            Ends::Closing => 421,
            Ends::Garbage | Ends::TakenThenGarbage => {
                self.replies.push_back(b"2x0 what\r\n".to_vec());
                self.closed = true;
                return (end, None);
            }
            Ends::Closed | Ends::TakenThenClosed => {
                self.closed = true;
                return (end, None);
            }
        };
        (end, self.say(code))
    }

    fn command(&mut self, line: &str) {
        let path = line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
        match line.split([' ', '\r']).next().unwrap() {
            "MAIL" => {
                self.current = path.trim_start_matches("from@m").chars().next().unwrap() as usize - 48;
                if self.open.is_some() && !self.closed {
                    // RFC 5321 §4.1.4: MAIL must not be sent in an open mail transaction.
                    self.faults.push(format!("MAIL of message {} in an open transaction", self.current));
                    self.told[self.current].mail = self.say(503);
                    return;
                }
                let (end, said) = self.decide(250, 6);
                self.told[self.current].mail = said;
                if end == Ends::Good {
                    self.open = Some(path);
                    self.recipients.clear();
                    self.content.clear();
                    self.chunk_failed = false;
                }
            }
            "RCPT" => {
                let said = if self.open.is_none() {
                    self.say(503)
                } else {
                    let (end, said) = self.decide(250, 6);
                    if end == Ends::Good {
                        self.recipients.push(path);
                    }
                    said
                };
                self.told[self.current].rcpt.push(said);
            }
            "DATA" => {
                let said = if self.recipients.is_empty() && !self.lenient {
                    self.say(503)
                } else {
                    let (end, said) = self.decide(354, 6);
                    self.in_data = end == Ends::Good;
                    self.content.clear();
                    said
                };
                self.told[self.current].data = said;
            }
            "BDAT" => {
                let mut words = line.split_whitespace().skip(1);
                let len = words.next().unwrap().parse().unwrap();
                self.in_chunk = Some((len, words.next() == Some("LAST")));
            }
            "RSET" => {
                // RFC 5321 §4.1.1.5: it cannot fail. A server that says so is believed in nothing more.
                self.closed |= self.decide(250, 6).0 != Ends::Good;
                self.open = None;
                self.recipients.clear();
                self.content.clear();
                self.chunk_failed = false;
            }
            other => self.faults.push(format!("{other}?")),
        }
    }

    fn dot(&mut self) {
        let message = self.current;
        self.told[message].left = true;
        let wanted = !self.recipients.is_empty() && self.open.is_some();
        let (end, said) = self.decide(250, if wanted { 8 } else { 6 });
        self.told[message].end = said;
        if wanted {
            self.take(end);
        } else if !self.content.is_empty() {
            self.faults.push("a message for nobody".into());
        }
        self.open = None;
        self.recipients.clear();
    }

    /// RFC 3030 §2: a chunk that fails ends nothing; the octets are thrown away, and RSET is needed.
    fn chunk(&mut self, last: bool) {
        let message = self.current;
        let good = self.open.is_some() && !self.recipients.is_empty() && !self.chunk_failed;
        let (end, said) = match (good, last) {
            (false, _) => (Ends::Permanent, self.say(503)),
            (true, true) => self.decide(250, 8),
            (true, false) => self.decide(250, 6),
        };
        self.chunk_failed |= end != Ends::Good;
        if last {
            self.told[message].left = true;
            self.told[message].end = said;
            if good {
                self.take(end);
            }
            if end == Ends::Good {
                self.open = None;
                self.recipients.clear();
            }
        } else if end != Ends::Good && self.told[message].chunk.is_none() {
            self.told[message].chunk = said;
        }
    }

    fn take(&mut self, end: Ends) {
        if !matches!(end, Ends::Good | Ends::TakenThenClosed | Ends::TakenThenGarbage) {
            return;
        }
        let message = self.current;
        let from = self.open.clone().unwrap();
        let whole = format!("{message}\r\n");
        let foreign = self.recipients.iter().any(|to| !to.ends_with(&format!("@m{message}.example")));
        if from != format!("from@m{message}.example") || foreign || self.content != whole.as_bytes() {
            let content = String::from_utf8_lossy(&self.content).into_owned();
            self.faults.push(format!("{content:?} from {from} to {:?}", self.recipients));
        }
        self.deliveries.push(Taken { message, recipients: self.recipients.clone() });
    }
}
