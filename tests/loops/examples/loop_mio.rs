//! The core under `mio`: as many connections as you like on one thread, and a heap of deadlines.
//! `cargo run --example loop_mio` brings a server along, and sends it twenty messages at once.
//!
//! `many`, in `tests/examples`, does the same in clear with ten thousand, and counts what they cost.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use smtp_loops::{Channel, Letter, Outcome, demonstrate};
use smtp_proto::connection::Connection;
use smtp_proto::flow::Submit;
use smtp_proto::{Flow as _, Step};

fn main() -> ExitCode {
    demonstrate(false, |address, letter| send(address, letter, 20))
}

// ---- the glue ----

/// Sends the letter on each of `count` connections; fails if the sockets cannot be watched.
pub fn send(address: SocketAddr, letter: &Letter, count: usize) -> io::Result<Vec<Outcome>> {
    let (began, mut poll, mut events) = (Instant::now(), Poll::new()?, Events::with_capacity(256));
    let (mut sessions, mut deadlines) = (Vec::new(), BinaryHeap::new());
    for index in 0..count {
        let mut session = Session::connect(address, letter)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut session.socket, Token(index), interest)?;
        sessions.push(session);
    }
    let mut concerned: Vec<usize> = (0..count).collect();
    loop {
        let now = began.elapsed();
        for index in concerned.drain(..) {
            let session = &mut sessions[index];
            let Some(left) = session.go_on(now) else { continue };
            let due = now.saturating_add(left);
            // One entry that comes up too early is enough: it is put back then.
            if session.entered.is_none_or(|entered| entered > due) {
                session.entered = Some(due);
                deadlines.push(Reverse((due, index)));
            }
        }
        if sessions.iter().all(|session| session.outcome.is_some()) {
            break;
        }
        let due = deadlines.peek().map(|Reverse((due, _))| due.saturating_sub(began.elapsed()));
        match poll.poll(&mut events, due) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => concerned.extend(events.iter().map(|event| event.token().0)),
        }
        let now = began.elapsed();
        while let Some(Reverse((due, index))) = deadlines.peek().copied().filter(|next| next.0.0 <= now) {
            deadlines.pop();
            sessions[index].entered.take_if(|entered| *entered == due);
            concerned.push(index);
        }
    }
    Ok(sessions.into_iter().filter_map(|session| session.outcome).collect())
}

/// One connection. It never waits.
struct Session<'l> {
    socket: TcpStream,
    smtp: Connection,
    channel: Channel,
    submit: Submit<'l>,
    letter: &'l Letter,
    at: usize,
    /// Its earliest entry in the heap.
    entered: Option<Duration>,
    outcome: Option<Outcome>,
}

impl<'l> Session<'l> {
    fn connect(address: SocketAddr, letter: &'l Letter) -> io::Result<Self> {
        Ok(Self {
            socket: TcpStream::connect(address)?,
            smtp: letter.connection(address),
            channel: Channel::default(),
            submit: letter.submit(),
            letter,
            at: 0,
            entered: None,
            outcome: None,
        })
    }

    /// Goes on until the socket has nothing to read and takes nothing more; how long it may stay so.
    fn go_on(&mut self, now: Duration) -> Option<Duration> {
        while self.outcome.is_none() {
            match self.submit.poll(&mut self.smtp) {
                Ok(Step::Done(delivery)) => self.outcome = Some(Ok(delivery)),
                Err(error) => self.outcome = Some(Err(error)),
                Ok(Step::SupplyBody { .. }) => self.smtp.supply_body(&self.letter.message, &mut self.at),
                Ok(Step::UpgradeTls(upgrade)) => {
                    self.channel.upgrade(&mut self.smtp, upgrade, &self.letter.tls);
                }
                Ok(Step::Continue) => {
                    if !self.write() && !self.read() {
                        if let Some(left) = self.smtp.tick(now) {
                            return Some(left);
                        }
                    }
                }
            }
        }
        None
    }

    /// Writes what there is to write; whether any of it was taken.
    fn write(&mut self) -> bool {
        let output = self.channel.output(&mut self.smtp);
        // A write that fails is none: what the server said before it closed may still be read.
        let Some(n) =
            Some(output).filter(|output| !output.is_empty()).and_then(|o| self.socket.write(o).ok())
        else {
            return false;
        };
        self.channel.advance(&mut self.smtp, n);
        true
    }

    /// Reads what there is to read; whether that was anything, be it the end.
    fn read(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match self.socket.read(&mut buffer) {
            Ok(n) if n > 0 => self.channel.receive(&mut self.smtp, &buffer[..n]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                return false;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => self.smtp.receive_eof(),
        }
        true
    }
}
