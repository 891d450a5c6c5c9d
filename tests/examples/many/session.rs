//! One connection: its socket, the core, and the flow that it is in. It never waits.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use smtp_proto::connection::{Config, Connection, Peer};
use smtp_proto::flow::{Body, Delivery, Envelope, Flow, LogIn, Open, Quit, Send, SendOptions, Step};
use smtp_proto::sasl::Credentials;
use smtp_proto::{Error, SendError};

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
    job: &'j Job,
    doing: Doing<'j>,
    /// How much of the message was supplied.
    at: usize,
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
            job,
            doing: Doing::Opening(Open::new()),
            at: 0,
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

    /// Goes on until the socket has nothing to read and takes nothing more, or it is over. How long it may stay so.
    pub(crate) fn go_on(&mut self, buffer: &mut [u8], now: Duration) -> Option<Duration> {
        while self.end().is_none() {
            match self.poll() {
                Ok(Step::SupplyBody { .. }) => self.connection.supply_body(&self.job.message, &mut self.at),
                Ok(Step::UpgradeTls(_)) => self.connection.tls_failed(),
                Ok(Step::Continue) => {
                    // While the one is not possible the other may be.
                    if !self.write() && !self.read(buffer) {
                        let left = self.connection.tick(now);
                        if left.is_some() || self.connection.failure().is_none() {
                            return left;
                        }
                    }
                }
                Ok(Step::Done(())) => {}
                Err(error) => self.doing = Doing::Over(Err(error)),
            }
        }
        None
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
                (log_in.poll(connection)?.map(drop), Doing::Sending(send))
            }
            Doing::Sending(send) => {
                let step =
                    send.poll(connection).map_or_else(|error| Step::Done(Err(error)), |step| step.map(Ok));
                (step.map(|outcome| self.outcome = Some(outcome)), Doing::Idling)
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

    /// Writes what there is to write; whether anything of it was taken.
    fn write(&mut self) -> bool {
        let output = self.connection.output();
        if output.is_empty() {
            return false;
        }
        // After an error, what the server said before it closed may still be read.
        let n = self.stream.write(output).unwrap_or(0);
        n > 0 && self.connection.advance_output(n).is_ok()
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
