//! What goes wrong on a connection, and when: drawn from the seed, one plan for each connection.

use std::time::Duration;

use crate::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the client to the server.
    Up,
    /// From the server to the client.
    Down,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Close {
    Fin,
    Rst,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The connection ends after so many octets.
    Cut {
        direction: Direction,
        after: usize,
        close: Close,
    },
    /// Nothing is passed on after so many octets, for a while that may be longer than the client waits; then
    /// everything is, or the connection ends.
    Hold {
        direction: Direction,
        after: usize,
        time: Duration,
        close: Option<Close>,
    },
    /// The first octets go one by one, each in a segment of its own.
    Split {
        direction: Direction,
        octets: usize,
    },
    /// The connection ends with so many octets of a message's end missing, from none.
    EndOfMessage {
        message: usize,
        missing: usize,
        close: Close,
    },
    /// The verdict on a message stays here, and the connection ends.
    SwallowVerdict {
        message: usize,
        close: Close,
    },
    /// The connection ends right behind the verdict on a message.
    AfterVerdict {
        message: usize,
        close: Close,
    },
    /// 421 after so many replies, as soon as no message waits at the server for its verdict: what the client has
    /// been sending since did not get there, so that the 421 is no lie.
    Refuse {
        replies: usize,
    },
}

impl Fault {
    /// The plan for a connection. `deadline` is how long the client waits. Under TLS the proxy sees octets only.
    pub(crate) fn draw(random: &mut Random, deadline: Duration, tls: bool) -> Self {
        let direction = if random.one_in(2) { Direction::Up } else { Direction::Down };
        let close = if random.one_in(2) { Close::Fin } else { Close::Rst };
        // EHLO and a message are about 1,200 octets one way, 300 and 150 the other.
        let after = match direction {
            _ if tls => random.magnitude(8, 15),
            Direction::Up => random.magnitude(6, 15),
            Direction::Down => random.magnitude(6, 12),
        };
        let message = random.magnitude(0, 4);
        match random.below(if tls { 73 } else { 100 }) {
            0..35 => Self::None,
            35..55 => Self::Cut { direction, after, close },
            55..58 => Self::Hold { direction, after, time: deadline * 2, close: None },
            58..60 => Self::Hold { direction, after, time: deadline * 2, close: Some(close) },
            60..68 => {
                let time = Duration::from_millis(random.between(1, 150) as u64);
                Self::Hold { direction, after, time, close: None }
            }
            68..73 => Self::Split { direction, octets: 2_000 },
            73..83 => Self::EndOfMessage { message, missing: random.below(6), close },
            83..89 => Self::SwallowVerdict { message, close },
            89..94 => Self::AfterVerdict { message, close },
            _ => Self::Refuse { replies: random.magnitude(1, 6) },
        }
    }

    /// Its name in the table.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Cut { close: Close::Fin, .. } => "cut (FIN)",
            Self::Cut { close: Close::Rst, .. } => "cut (RST)",
            Self::Hold { close: Some(_), .. } => "stall, cut",
            Self::Hold { time, .. } if time < Duration::from_millis(200) => "delay",
            Self::Hold { .. } => "stall, go on",
            Self::Split { .. } => "split",
            Self::EndOfMessage { missing: 0, .. } => "cut at the end",
            Self::EndOfMessage { .. } => "cut in the end",
            Self::SwallowVerdict { .. } => "no verdict",
            Self::AfterVerdict { .. } => "cut after verdict",
            Self::Refuse { .. } => "421",
        }
    }
}
