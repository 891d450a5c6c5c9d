//! One connection through the proxy: octets both ways, until its fault comes about.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, sleep_until, timeout};

use crate::dialogue::Dialogue;
use crate::fault::{Close, Direction, Fault};
use crate::proxy::Tally;
use crate::wire::Wire;

/// An end of which nothing is heard for so long after the other end has gone is given up.
const AFTERLIFE: Duration = Duration::from_secs(15);

pub(crate) struct Passage<'p> {
    fault: Fault,
    dialogue: Dialogue,
    /// Under TLS the dialogue cannot be followed.
    opaque: bool,
    /// Octets passed on, up and down.
    passed: [usize; 2],
    held: Option<Held>,
    wire: &'p Wire,
    tally: &'p Tally,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Both ends have.
    Ended,
    /// By a fault.
    Close(Close),
}

/// What waits for a while.
struct Held {
    direction: Direction,
    until: Instant,
    close: Option<Close>,
    octets: Vec<u8>,
}

impl<'p> Passage<'p> {
    pub(crate) fn new(fault: Fault, opaque: bool, wire: &'p Wire, tally: &'p Tally) -> Self {
        if opaque {
            wire.excuse();
        }
        Self { fault, dialogue: Dialogue::new(), opaque, passed: [0; 2], held: None, wire, tally }
    }

    /// Messages whose acceptance was passed to the client.
    pub(crate) fn accepted(&self) -> usize {
        self.dialogue.accepted
    }

    pub(crate) fn summary(&self) -> String {
        let ([up, down], dialogue) = (self.passed, &self.dialogue);
        let (ends, judged) = (dialogue.ends, dialogue.judged);
        format!("{up} octets up, {down} down, {ends} messages whole, {judged} with a verdict")
    }

    pub(crate) async fn run(&mut self, client: &mut TcpStream, server: &mut TcpStream) -> Ending {
        let (mut client_in, mut client_out) = client.split();
        let (mut server_in, mut server_out) = server.split();
        let (mut up, mut down) = (vec![0; 16_384], vec![0; 16_384]);
        let (mut up_open, mut down_open) = (true, true);
        let mut last_heard = Instant::now();
        while up_open || down_open {
            let held = self.held.as_ref().map(|held| (held.direction, held.until));
            let holds = |direction| held.is_some_and(|(held, _)| held == direction);
            let give_up =
                if up_open && down_open { last_heard + AFTERLIFE * 4 } else { last_heard + AFTERLIFE };
            let ending = tokio::select! {
                read = client_in.read(&mut up), if up_open && !holds(Direction::Up) => {
                    last_heard = Instant::now();
                    match octets(read, &up) {
                        Some(octets) => self.pass(Direction::Up, octets, &mut server_out).await,
                        None => {
                            up_open = false;
                            let _ = server_out.shutdown().await;
                            None
                        }
                    }
                }
                read = server_in.read(&mut down), if down_open && !holds(Direction::Down) => {
                    last_heard = Instant::now();
                    match octets(read, &down) {
                        Some(octets) => self.pass(Direction::Down, octets, &mut client_out).await,
                        None => {
                            down_open = false;
                            let _ = client_out.shutdown().await;
                            None
                        }
                    }
                }
                () = sleep_until(held.map_or(give_up, |(_, until)| until)) => match self.held.take() {
                    None => {
                        self.wire.excuse();
                        return Ending::Close(Close::Rst);
                    }
                    Some(Held { close: Some(close), .. }) => Some(Ending::Close(close)),
                    Some(Held { direction: Direction::Up, octets, .. }) => {
                        self.pass(Direction::Up, &octets, &mut server_out).await
                    }
                    Some(Held { direction: Direction::Down, octets, .. }) => {
                        self.pass(Direction::Down, &octets, &mut client_out).await
                    }
                },
            };
            if let Some(ending) = ending {
                return ending;
            }
        }
        Ending::Ended
    }

    /// Passes octets on, as far as the fault lets them.
    async fn pass<W: AsyncWrite + Unpin>(
        &mut self,
        direction: Direction,
        octets: &[u8],
        to: &mut W,
    ) -> Option<Ending> {
        let (count, verdict) = self.judge(direction, octets);
        let (now, later) = octets.split_at(count);
        let split = match self.fault {
            Fault::Split { direction: split, octets } if split == direction => {
                octets.saturating_sub(self.passed[direction as usize]).min(now.len())
            }
            _ => 0,
        };
        self.passed[direction as usize] += now.len();
        if split > 0 && self.passed[direction as usize] == now.len() {
            self.tell();
        }
        // An end that is gone misses what it is sent; what the other end sends after that is its own affair.
        let _ = write(to, now, split).await;
        match verdict {
            Verdict::Pass => None,
            Verdict::Close(close) => {
                self.tell();
                Some(Ending::Close(close))
            }
            Verdict::Refuse => {
                self.tell();
                let _ = to.write_all(b"421 4.3.2 injected\r\n").await;
                Some(Ending::Close(Close::Fin))
            }
            Verdict::Hold(time, close) => {
                self.tell();
                self.wire.excuse();
                self.fault = Fault::None;
                let until = Instant::now() + time;
                self.held = Some(Held { direction, until, close, octets: later.to_vec() });
                None
            }
        }
    }

    /// The fault comes about.
    fn tell(&self) {
        self.tally.count(self.fault.name());
        self.wire.note(&format!("proxy: {:?}", self.fault));
    }

    /// How many of these octets are passed on, and what happens then.
    fn judge(&mut self, direction: Direction, octets: &[u8]) -> (usize, Verdict) {
        let passed = self.passed[direction as usize];
        for (index, &octet) in octets.iter().enumerate() {
            match self.fault {
                Fault::Cut { direction: cut, after, close }
                    if cut == direction && passed + index >= after =>
                {
                    return (index, Verdict::Close(close));
                }
                Fault::Hold { direction: hold, after, time, close }
                    if hold == direction && passed + index >= after =>
                {
                    return (index, Verdict::Hold(time, close));
                }
                Fault::SwallowVerdict { message, close }
                    if direction == Direction::Down && self.dialogue.is_before_verdict_on(message) =>
                {
                    return (index, Verdict::Close(close));
                }
                _ => {}
            }
            let complete = match direction {
                _ if self.opaque => false,
                Direction::Up => self.dialogue.sent(octet),
                Direction::Down => self.dialogue.said(octet),
            };
            if !complete {
                continue;
            }
            match self.fault {
                Fault::EndOfMessage { message, missing, close }
                    if direction == Direction::Up && self.dialogue.ends == message + 1 =>
                {
                    if missing > 0 {
                        self.dialogue.ends -= 1;
                    }
                    return ((index + 1).saturating_sub(missing), Verdict::Close(close));
                }
                Fault::AfterVerdict { message, close }
                    if direction == Direction::Down && self.dialogue.judged == message + 1 =>
                {
                    return (index + 1, Verdict::Close(close));
                }
                Fault::Refuse { replies }
                    if direction == Direction::Down
                        && self.dialogue.replies >= replies
                        && self.dialogue.nothing_is_open() =>
                {
                    return (index + 1, Verdict::Refuse);
                }
                _ => {}
            }
        }
        (octets.len(), Verdict::Pass)
    }
}

enum Verdict {
    Pass,
    Close(Close),
    Hold(Duration, Option<Close>),
    Refuse,
}

/// What was read, unless the end has come.
fn octets(read: io::Result<usize>, buffer: &[u8]) -> Option<&[u8]> {
    read.ok().filter(|&count| count > 0).and_then(|count| buffer.get(..count))
}

/// Writes the first `split` octets one by one, and the rest together.
async fn write<W: AsyncWrite + Unpin>(to: &mut W, octets: &[u8], split: usize) -> io::Result<()> {
    let (single, rest) = octets.split_at(split);
    for octet in single.chunks(1) {
        to.write_all(octet).await?;
        tokio::task::yield_now().await;
    }
    // A server that does not read would keep the proxy from the client for good.
    timeout(AFTERLIFE, to.write_all(rest)).await?
}
