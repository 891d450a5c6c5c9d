//! The core without `std`, on a board that reaches its server through a serial line: a modem at the other end carries the
//! octets of one TCP connection. There is no socket, no thread and no operating system's clock; the board's main loop calls
//! [`Sender::turn`] whenever the line or the timer has interrupted it.
//!
//! `cargo run --example loop_no_std` plays the rest of the board on the host.

#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod tls;

use alloc::sync::Arc;
use core::time::Duration;

use rustls::ClientConfig;
use smtp_proto::connection::Connection;
use smtp_proto::flow::{Delivery, Submit};
use smtp_proto::{Flow as _, SendError, Step};

use tls::Tls;

/// What a board knows of its serial line, and of time.
pub trait Board {
    /// Takes an octet out of the receive FIFO, if there is one.
    fn read(&mut self) -> Option<u8>;

    /// Puts an octet into the transmit FIFO; `false` if that is full.
    fn write(&mut self, octet: u8) -> bool;

    /// Whether the modem still holds the connection (DCD).
    fn carrier(&self) -> bool;

    /// Milliseconds since any fixed moment.
    fn ticks(&self) -> u64;
}

// ---- the glue ----

/// A message on its way.
pub struct Sender<'m> {
    smtp: Connection,
    submit: Submit<'m>,
    message: &'m [u8],
    at: usize,
    tls: Option<Tls>,
    trust: Arc<ClientConfig>,
}

/// What the board has to do.
pub enum Turn {
    /// Sleep until the line or the timer interrupts it, at most for so long.
    Sleep(Duration),
    /// Nothing more: this became of the message.
    Over(Result<Delivery, SendError>),
}

impl<'m> Sender<'m> {
    /// Begins, on a line that the modem has just connected.
    pub fn new(smtp: Connection, submit: Submit<'m>, message: &'m [u8], trust: Arc<ClientConfig>) -> Self {
        Self { smtp, submit, message, at: 0, tls: None, trust }
    }

    /// Goes on for as long as the FIFOs allow. Never waits.
    pub fn turn(&mut self, board: &mut impl Board) -> Turn {
        loop {
            match self.submit.poll(&mut self.smtp) {
                Ok(Step::Done(delivery)) => return Turn::Over(Ok(delivery)),
                Err(error) => return Turn::Over(Err(error)),
                Ok(Step::SupplyBody { .. }) => self.smtp.supply_body(self.message, &mut self.at),
                Ok(Step::UpgradeTls(upgrade)) => match Tls::new(upgrade, &self.trust) {
                    Some(tls) => self.tls = Some(tls),
                    None => self.smtp.tls_failed(),
                },
                Ok(Step::Continue) if self.write(board) | self.read(board) => {}
                Ok(Step::Continue) => {
                    if let Some(left) = self.smtp.tick(Duration::from_millis(board.ticks())) {
                        return Turn::Sleep(left);
                    }
                }
            }
        }
    }

    /// Fills the transmit FIFO; whether anything went into it.
    fn write(&mut self, board: &mut impl Board) -> bool {
        let output = match &mut self.tls {
            Some(tls) => tls.output(&mut self.smtp),
            None => self.smtp.output(),
        };
        let written = output.iter().take_while(|octet| board.write(**octet)).count();
        match &mut self.tls {
            Some(tls) => tls.advance(written),
            // Not more than was on offer.
            None => drop(self.smtp.advance_output(written)),
        }
        written > 0
    }

    /// Empties the receive FIFO; whether anything was in it, be it the end.
    fn read(&mut self, board: &mut impl Board) -> bool {
        // As many as such a FIFO holds.
        let mut octets = [0; 16];
        let mut count = 0;
        for (place, octet) in octets.iter_mut().zip(core::iter::from_fn(|| board.read())) {
            *place = octet;
            count += 1;
        }
        match (&mut self.tls, &octets[..count]) {
            (_, []) if !board.carrier() => self.smtp.receive_eof(),
            (_, []) => return false,
            (Some(tls), octets) => tls.receive(&mut self.smtp, octets),
            (None, octets) => self.smtp.receive(octets),
        }
        true
    }
}
