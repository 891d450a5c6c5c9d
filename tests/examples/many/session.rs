//! One connection: its socket, the core, and the flow that it is in. It never waits.

use std::io::{self, IoSlice, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use mio::net::TcpStream;
use smtp_proto::body::BodyPart;
use smtp_proto::connection::{Config, Connection, Peer};
use smtp_proto::flow::{Body, Delivery, Envelope, Flow, LogIn, Open, Quit, Send, SendOptions, Step};
use smtp_proto::sasl::Credentials;
use smtp_proto::{Error, SendError};

use super::deadlines::Clock;

/// What every session is to do.
pub(crate) struct Job {
    pub(crate) config: Arc<Config>,
    pub(crate) credentials: Credentials,
    pub(crate) envelope: Envelope,
    pub(crate) message: Vec<u8>,
}

pub(crate) struct Session<'j> {
    pub(crate) stream: TcpStream,
    pub(crate) connection: Connection,
    pub(crate) clock: Clock,
    job: &'j Job,
    doing: Doing<'j>,
    /// What is being written of the message, and how much of it was encoded.
    part: Option<BodyPart<'j>>,
    encoded: usize,
    /// What the message came to.
    pub(crate) outcome: Option<Result<Delivery, SendError>>,
}

enum Doing<'j> {
    Opening(Open),
    LoggingIn(LogIn<'j>),
    Sending(Send<'j>),
    Idling,
    Quitting(Quit),
    Over(Result<(), Error>),
}

impl<'j> Session<'j> {
    pub(crate) fn connect(address: SocketAddr, job: &'j Job) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        Ok(Self {
            stream,
            connection: Connection::new(job.config.clone(), Peer::of(address.ip())),
            clock: Clock::default(),
            job,
            doing: Doing::Opening(Open::new()),
            part: None,
            encoded: 0,
            outcome: None,
        })
    }

    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.doing, Doing::Idling)
    }

    /// How it ended, if it has.
    pub(crate) fn end(&self) -> Option<&Result<(), Error>> {
        match &self.doing {
            Doing::Over(end) => Some(end),
            _ => None,
        }
    }

    pub(crate) fn quit(&mut self) {
        if self.is_idle() {
            self.doing = Doing::Quitting(Quit::new());
        }
    }

    /// Goes on until the socket has nothing to read and takes nothing more, or it is over.
    pub(crate) fn go_on(&mut self, buffer: &mut [u8]) {
        while self.end().is_none() {
            match self.poll() {
                Ok(Step::SupplyBody { .. }) if self.part.is_none() => self.supply(),
                Ok(Step::UpgradeTls(_)) => self.connection.tls_failed(),
                Ok(Step::SupplyBody { .. } | Step::Continue) => {
                    // While the one is not possible the other may be.
                    if !self.write() && !self.read(buffer) {
                        return;
                    }
                }
                Ok(Step::Done(())) => {}
                Err(error) => self.doing = Doing::Over(Err(error)),
            }
        }
    }

    /// Polls the flow, and goes on to the next when it is done.
    fn poll(&mut self) -> Result<Step<()>, Error> {
        let connection = &mut self.connection;
        let (step, next) = match &mut self.doing {
            Doing::Opening(open) => {
                (open.poll(connection)?, Doing::LoggingIn(LogIn::new(&self.job.credentials)))
            }
            Doing::LoggingIn(log_in) => {
                let (envelope, body) = (&self.job.envelope, Body::Whole(&self.job.message));
                let send = Send::new(envelope, body, SendOptions::default());
                (without_output(log_in.poll(connection)?).0, Doing::Sending(send))
            }
            Doing::Sending(send) => {
                let (step, delivery) = match send.poll(connection) {
                    Ok(step) => without_output(step),
                    Err(error) => {
                        self.outcome = Some(Err(error));
                        (Step::Done(()), None)
                    }
                };
                self.outcome = self.outcome.take().or(delivery.map(Ok));
                (step, Doing::Idling)
            }
            Doing::Idling => {
                // What the server says now it says unasked, and whatever it is, it is the end.
                connection.poll_event()?;
                return Ok(Step::Continue);
            }
            Doing::Quitting(quit) => (quit.poll(connection)?, Doing::Over(Ok(()))),
            Doing::Over(_) => return Ok(Step::Continue),
        };
        if let Step::Done(()) = step {
            self.doing = next;
        }
        Ok(step)
    }

    fn supply(&mut self) {
        let rest = &self.job.message[self.encoded..];
        // What is wrong with the octets, the flow tells.
        let Ok(part) = self.connection.body(rest) else { return };
        self.encoded += part.consumed();
        self.part = Some(part);
        if self.encoded == self.job.message.len() {
            // The end of the message leaves in the same write.
            let _ = self.connection.finish_body();
        }
    }

    /// Writes what there is to write; whether anything of it was taken.
    fn write(&mut self) -> bool {
        let mut slices: Vec<_> = self.part.iter().flat_map(BodyPart::slices).map(IoSlice::new).collect();
        slices.push(IoSlice::new(self.connection.output()));
        if slices.iter().all(|slice| slice.is_empty()) {
            return false;
        }
        match self.stream.write_vectored(&slices) {
            Ok(n) if n > 0 => {
                if let Some(part) = &mut self.part {
                    part.advance(n);
                }
                self.part.take_if(|part| part.is_empty());
                self.connection.advance_output(n).is_ok()
            }
            Err(error) if is_later(&error) => false,
            // What the server said before it closed may still be read.
            Ok(_) | Err(_) => false,
        }
    }

    /// Reads what there is to read; whether that was anything, be it the end.
    fn read(&mut self, buffer: &mut [u8]) -> bool {
        match self.stream.read(buffer) {
            Ok(n) if n > 0 => self.connection.receive(&buffer[..n]),
            Err(error) if is_later(&error) => return false,
            Ok(_) | Err(_) => self.connection.receive_eof(),
        }
        true
    }
}

/// Nothing can be done until the socket says so, or it is not connected yet.
fn is_later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected)
}

fn without_output<T>(step: Step<T>) -> (Step<()>, Option<T>) {
    match step {
        Step::Done(output) => (Step::Done(()), Some(output)),
        Step::Continue => (Step::Continue, None),
        Step::SupplyBody { message } => (Step::SupplyBody { message }, None),
        Step::UpgradeTls(upgrade) => (Step::UpgradeTls(upgrade), None),
    }
}
