//! The loop: carries out the steps of a flow, and moves octets between the connection and the transport.
//!
//! Deadlines come from the core; here they become socket timeouts. A timeout is set only when it changes, and
//! long waits are cut into slices of one length, so that a reply costs one system call and not two.

use std::io::{self, BufRead, IoSlice, Read, Write};
use std::time::{Duration, Instant};

use smtp_proto::body::BodyPart;
use smtp_proto::connection::{Connection, Timeout, TlsUpgrade};
use smtp_proto::flow::{Flow, Step};

use crate::transport::Transport;
use crate::{Error, Stream};

/// Longest time one blocking read lasts before the clock is looked at.
const READ_SLICE: Duration = Duration::from_secs(10);

/// Longest time one blocking write lasts before the client looks whether the server has something to say.
const WRITE_SLICE: Duration = Duration::from_millis(400);

/// Time without input after which the next flow first looks whether something came unasked; commands that
/// follow a reply at once do not pay for the look.
const QUIET: Duration = Duration::from_millis(1);

/// Most slices of a body that go into one write.
const SLICES: usize = 64;

/// The connection, its transport, and the clock between them.
pub(crate) struct Pump<S: Stream> {
    pub(crate) connection: Connection,
    pub(crate) transport: Transport<S>,
    buffer: Box<[u8]>,
    waiting: Option<(Timeout, Instant)>,
    flushed: bool,
    /// A write failed; what the server said before it closed may still be read.
    write_broken: bool,
    /// The error underneath the connection's failure.
    io: Option<io::Error>,
    /// A flow is running; still set at the next call, it was torn out of its work by a panic.
    busy: bool,
    /// When octets last came.
    heard: Instant,
}

/// Where a message body comes from.
pub(crate) enum Source<'a> {
    None,
    Whole(&'a [u8]),
    Reader(&'a mut dyn BufRead),
}

/// How far a flow went.
pub(crate) enum Progress<T> {
    Done(T),
    UpgradeTls(TlsUpgrade),
}

impl<S: Stream> Pump<S> {
    pub(crate) fn new(connection: Connection, transport: Transport<S>) -> Self {
        Self {
            connection,
            transport,
            buffer: vec![0; 16 * 1024].into(),
            waiting: None,
            flushed: true,
            write_broken: false,
            io: None,
            busy: false,
            heard: Instant::now(),
        }
    }

    /// Runs a flow as far as it goes without a TLS handshake.
    pub(crate) fn drive<F: Flow>(
        &mut self,
        flow: &mut F,
        source: &mut Source<'_>,
    ) -> Result<Progress<F::Output>, Error<F::Error>> {
        if self.busy {
            self.connection.abandon();
        }
        self.busy = true;
        if self.connection.is_idle() && self.heard.elapsed() >= QUIET {
            // What the server said unasked is heard before anything is asked of it.
            self.listen();
        }
        let progress = loop {
            match flow.poll(&mut self.connection) {
                Ok(Step::Continue) => self.turn(),
                Ok(Step::SupplyBody { .. }) => self.supply(source),
                Ok(Step::UpgradeTls(upgrade)) => break Ok(Progress::UpgradeTls(upgrade)),
                Ok(Step::Done(output)) => break Ok(Progress::Done(output)),
                Err(error) => break Err(error),
            }
        };
        self.busy = false;
        // What went wrong with a transport that works all the same is no reason for a refusal.
        let io = self.io.take().filter(|_| self.connection.failure().is_some());
        let progress = progress.map_err(|error| Error::new(error, io));
        if self.connection.failure().is_some() {
            self.transport = Transport::Gone;
        }
        progress
    }

    /// Notes an error that is no reason of its own: the connection's failure will name what it means.
    pub(crate) fn note(&mut self, error: io::Error) {
        self.io.get_or_insert(error);
    }

    /// Writes if there is something to write, and reads otherwise.
    fn turn(&mut self) {
        if self.write_broken {
            self.read();
        } else if !self.connection.output().is_empty() {
            self.write(None);
        } else if !self.flushed {
            self.flush();
        } else {
            self.read();
        }
    }

    /// Feeds the body from its source until it is complete or the connection has broken.
    fn supply(&mut self, source: &mut Source<'_>) {
        let mut position = 0;
        let whole = if let Source::Whole(message) = source { Some(message.len()) } else { None };
        while self.connection.wants_body() {
            let chunk = match source {
                Source::None => &[],
                Source::Whole(message) => message.get(position..).unwrap_or_default(),
                Source::Reader(reader) => match reader.fill_buf() {
                    Ok(chunk) => chunk,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => {
                        self.note(error);
                        return self.connection.abandon();
                    }
                },
            };
            if chunk.is_empty() {
                // A fault in the last line end, or a length that was declared otherwise, breaks the
                // connection; the flow reports it.
                let _ = self.connection.finish_body();
                return;
            }
            let Ok(mut part) = self.connection.body(chunk) else { return };
            let consumed = part.consumed();
            position += consumed;
            // The end of a message known whole leaves in the same write as its last octets.
            if whole == Some(position) {
                let _ = self.connection.finish_body();
            }
            self.write_part(&mut part);
            if let Source::Reader(reader) = source {
                reader.consume(consumed);
            }
            if self.connection.wants_body() {
                self.listen();
            }
        }
    }

    /// Writes a part of a body. While it is under way every reply is one that ends it, so that no event is
    /// lost here; the flow reports the failure.
    pub(crate) fn write_part(&mut self, part: &mut BodyPart<'_>) {
        while !part.is_empty() && self.connection.poll_event().is_ok() {
            if self.write_broken {
                self.read();
            } else {
                self.write(Some(part));
            }
        }
    }

    /// Writes one part of a body in the caller's hands and of the connection's output, in one call.
    fn write(&mut self, part: Option<&mut BodyPart<'_>>) {
        let remaining = self.remaining();
        if remaining.is_zero() {
            return self.connection.handle_timeout();
        }
        self.transport.wait_for(remaining.min(WRITE_SLICE));
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        let body = part.as_ref().into_iter().flat_map(|part| part.slices());
        for (place, slice) in slices.iter_mut().zip(body.chain([self.connection.output()])) {
            *place = IoSlice::new(slice);
            count += 1;
        }
        self.flushed = false;
        match self.transport.write_vectored(slices.get(..count).unwrap_or_default()) {
            Ok(0) => self.write_failed(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                if let Some(part) = part {
                    part.advance(n);
                }
                if let Err(error) = self.connection.advance_output(n) {
                    // The stream claims to have taken more than it was given.
                    self.note(io::Error::other(error));
                    self.connection.abandon();
                }
                if self.connection.output().is_empty() {
                    self.flush();
                }
            }
            Err(error) => self.stalled(error, remaining),
        }
    }

    fn flush(&mut self) {
        let remaining = self.remaining();
        if remaining.is_zero() {
            return self.connection.handle_timeout();
        }
        self.transport.wait_for(remaining.min(WRITE_SLICE));
        match self.transport.flush() {
            Ok(()) => self.flushed = true,
            Err(error) => self.stalled(error, remaining),
        }
    }

    /// A write did not go through: it was interrupted, or gave up waiting, or the transport is broken.
    fn stalled(&mut self, error: io::Error, before: Duration) {
        match error.kind() {
            io::ErrorKind::Interrupted => {}
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                // A server that stops reading may have refused the message already.
                if !self.listen() {
                    self.gave_up(error, before, WRITE_SLICE);
                }
            }
            _ => self.write_failed(error),
        }
    }

    /// Notes a broken transport. What the server said before may still be read, and decides.
    fn write_failed(&mut self, error: io::Error) {
        self.note(error);
        self.write_broken = true;
        // What was taken before may still get through, so that the server answers it.
        let _ = self.transport.flush();
    }

    /// Takes what the server has said already, without waiting for more, and tells whether it said anything.
    pub(crate) fn listen(&mut self) -> bool {
        match self.transport.try_read(&mut self.buffer) {
            Ok(0) => self.connection.receive_eof(),
            Ok(n) => self.hear(n),
            Err(error) => {
                let nothing =
                    [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut, io::ErrorKind::Interrupted];
                if !nothing.contains(&error.kind()) {
                    // The next read that has to wait will meet it again, or the end of the stream.
                    self.note(error);
                }
                return false;
            }
        }
        true
    }

    /// Flushes what was written of a body so far.
    pub(crate) fn flush_body(&mut self) -> io::Result<()> {
        let budget = self.connection.config().get_timeouts().data_block;
        let since = Instant::now();
        while !self.flushed && !self.write_broken && self.connection.poll_event().is_ok() {
            self.flush();
            if since.elapsed() > budget {
                // All of the body so far is with TLS, and none of it moves on.
                self.connection.abandon();
            }
        }
        match self.connection.failure() {
            Some(failure) => Err(io::Error::other(failure.clone())),
            None => Ok(()),
        }
    }

    fn hear(&mut self, n: usize) {
        self.heard = Instant::now();
        self.connection.receive(self.buffer.get(..n).unwrap_or_default());
    }

    fn read(&mut self) {
        let remaining = self.remaining();
        if remaining.is_zero() {
            return self.connection.handle_timeout();
        }
        if self.connection.timeout().is_none() {
            // Nothing is awaited, so nothing would end this read.
            return self.connection.abandon();
        }
        self.transport.wait_for(remaining.min(READ_SLICE));
        match self.transport.read(&mut self.buffer) {
            Ok(0) => self.connection.receive_eof(),
            Ok(n) => self.hear(n),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    self.gave_up(error, remaining, READ_SLICE);
                }
                _ => {
                    self.note(error);
                    self.connection.receive_eof();
                }
            },
        }
    }

    /// A call came back without having done anything. Either the time is over, or it gave up long before the
    /// time it was given, which only a stream does that never blocks: waiting for it would be spinning.
    fn gave_up(&mut self, error: io::Error, before: Duration, slice: Duration) {
        let remaining = self.remaining();
        let waited = before.saturating_sub(remaining);
        if remaining.is_zero() || waited < before.min(slice) / 2 {
            self.note(error);
            self.connection.handle_timeout();
        }
    }

    /// Time left of what the connection now waits for.
    pub(crate) fn remaining(&mut self) -> Duration {
        let Some(timeout) = self.connection.timeout() else {
            self.waiting = None;
            return READ_SLICE;
        };
        let since = match self.waiting {
            Some((same, since)) if same == timeout => since,
            _ => self.waiting.insert((timeout, Instant::now())).1,
        };
        timeout.budget.saturating_sub(since.elapsed())
    }
}
