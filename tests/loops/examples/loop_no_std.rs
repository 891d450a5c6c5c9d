//! The core without `std`, on a serial line. The loop is in the crate `smtp-uart` (`tests/loops/uart`); this is the rest of
//! the board, made of a socket: a UART whose FIFOs hold 16 octets from the modem and 8 to it.
//! `cargo run --example loop_no_std` brings a server along.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use smtp_loops::{Letter, Outcome, demonstrate};
use smtp_uart::{Board, Sender, Turn};

fn main() -> ExitCode {
    demonstrate(true, |address, letter| Ok(vec![send(address, letter)?]))
}

/// Sends the letter from the board; fails if the modem does not connect.
pub fn send(address: SocketAddr, letter: &Letter) -> io::Result<Outcome> {
    let mut board = MockBoard::connect(address)?;
    let mut sender =
        Sender::new(letter.connection(address), letter.submit(), &letter.message, Arc::clone(&letter.tls));
    loop {
        match sender.turn(&mut board) {
            Turn::Over(outcome) => return Ok(outcome),
            Turn::Sleep(left) => board.sleep(left),
        }
    }
}

/// A board whose serial line goes to a socket.
struct MockBoard {
    modem: TcpStream,
    carrier: bool,
    from_modem: VecDeque<u8>,
    to_modem: VecDeque<u8>,
    began: Instant,
}

impl MockBoard {
    /// What the FIFOs hold.
    const FROM_MODEM: usize = 16;
    const TO_MODEM: usize = 8;
    /// How often the timer interrupts.
    const TIMER: Duration = Duration::from_millis(1);

    fn connect(address: SocketAddr) -> io::Result<Self> {
        let modem = TcpStream::connect(address)?;
        modem.set_nodelay(true)?;
        modem.set_nonblocking(true)?;
        let (from_modem, to_modem) = (VecDeque::new(), VecDeque::new());
        Ok(Self { modem, carrier: true, from_modem, to_modem, began: Instant::now() })
    }

    /// Sleeps until an interrupt: the line has moved octets, or it is time.
    fn sleep(&mut self, left: Duration) {
        let since = Instant::now();
        while !self.line_moves() && since.elapsed() < left {
            std::thread::sleep(Self::TIMER.min(left));
        }
    }

    /// The line moves what it can; whether that was anything.
    fn line_moves(&mut self) -> bool {
        let (mut sent, mut octets) = (0, [0; Self::FROM_MODEM]);
        if !self.to_modem.is_empty() {
            // One that has lost the connection takes nothing.
            sent = self.modem.write(self.to_modem.make_contiguous()).unwrap_or(0);
            self.to_modem.drain(..sent);
        }
        let room = Self::FROM_MODEM - self.from_modem.len();
        if room == 0 || !self.carrier {
            return sent > 0;
        }
        match self.modem.read(&mut octets[..room]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return sent > 0,
            Ok(n) if n > 0 => self.from_modem.extend(&octets[..n]),
            _ => self.carrier = false,
        }
        true
    }
}

impl Board for MockBoard {
    fn read(&mut self) -> Option<u8> {
        self.from_modem.pop_front()
    }

    fn write(&mut self, octet: u8) -> bool {
        let room = self.to_modem.len() < Self::TO_MODEM;
        if room {
            self.to_modem.push_back(octet);
        }
        room
    }

    fn carrier(&self) -> bool {
        self.carrier || !self.from_modem.is_empty()
    }

    fn ticks(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
