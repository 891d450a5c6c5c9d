//! The loop: carries out the steps of a flow, and moves octets between the connection and the transport.
//!
//! Deadlines come from the core; here they become socket timeouts. A timeout is set only when it changes, and
//! long waits are cut into slices of one length, so that a reply costs one system call and not two.

use std::io::{self, IoSlice, Read, Write};
use std::time::{Duration, Instant};

use smtp_proto::body::BodyPart;
use smtp_proto::connection::{Connection, TlsUpgrade};
use smtp_proto::flow::{Meter, Step};
use smtp_proto::watch::Clock as _;

use crate::clock::Watch;
use crate::job::{Job, Source};
use crate::transport::Transport;
use crate::{Error, Stream};

/// Longest time one blocking read lasts before the clock is looked at.
const READ_SLICE: Duration = Duration::from_secs(10);

/// Longest time one blocking write lasts before the client looks whether the server has something to say.
const WRITE_SLICE: Duration = Duration::from_millis(400);

/// The same, when the server was just found to wait for the client to read before it reads on itself.
const SHORT_SLICE: Duration = Duration::from_millis(1);

/// The shortest slice by whose length a stream that never blocks can be told.
const TELLING: Duration = Duration::from_millis(20);

/// Time without input after which the next flow first looks whether something came unasked, and so does a body
/// between two pieces. Commands that follow a reply at once, and pieces that follow each other, do not pay for it.
const QUIET: Duration = Duration::from_millis(1);

/// Most slices of a body that go into one write.
const SLICES: usize = 64;

/// The connection, its transport, and the clock between them.
pub(crate) struct Pump<S: Stream> {
    pub(crate) connection: Connection,
    pub(crate) transport: Transport<S>,
    pub(crate) watch: Watch,
    buffer: Box<[u8]>,
    flushed: bool,
    /// How long one write may last at present.
    write_slice: Duration,
    /// The server was found to wait for its replies to be read before it reads on: it is heard out first.
    facing: bool,
    /// A write failed; what the server said before it closed may still be read.
    write_broken: bool,
    /// The error underneath the connection's failure.
    io: Option<io::Error>,
    /// Why the source of a body failed.
    source_io: Option<io::Error>,
    /// A flow is running; still set at the next call, it was torn out of its work by a panic.
    busy: bool,
    /// When octets last came, or were looked for in vain.
    heard: Instant,
    /// When octets last came.
    #[cfg(feature = "r2d2")]
    came: Instant,
}

/// How far a flow went.
pub(crate) enum Progress<T> {
    Done(T),
    UpgradeTls(TlsUpgrade),
}

impl<S: Stream> Pump<S> {
    pub(crate) fn new(connection: Connection, transport: Transport<S>, watch: Watch) -> Self {
        Self {
            connection,
            transport,
            watch,
            buffer: vec![0; 16 * 1024].into(),
            flushed: true,
            write_slice: WRITE_SLICE,
            facing: false,
            write_broken: false,
            io: None,
            source_io: None,
            busy: false,
            heard: Instant::now(),
            #[cfg(feature = "r2d2")]
            came: Instant::now(),
        }
    }

    /// Runs a job as far as it goes without a TLS handshake.
    pub(crate) fn drive<'m, J: Job<'m>>(
        &mut self,
        job: &mut J,
    ) -> Result<Progress<J::Output>, Error<J::Error>> {
        if self.busy {
            self.connection.abandon();
        }
        self.busy = true;
        if self.connection.is_idle() {
            // What the server said unasked is heard before anything is asked of it.
            self.glance();
        }
        let progress = loop {
            self.watch.tell_time(&mut self.connection);
            match job.poll(&mut self.connection) {
                Ok(Step::Continue) => self.turn(None),
                Ok(Step::SupplyBody { message }) => {
                    let mut source = job.take_source(message);
                    self.supply(job, message, &mut source);
                    job.return_source(message, source);
                }
                Ok(Step::UpgradeTls(upgrade)) => break Ok(Progress::UpgradeTls(upgrade)),
                Ok(Step::Done(output)) => break Ok(Progress::Done(output)),
                Err(error) => break Err(error),
            }
        };
        self.busy = false;
        self.watch.tell(&self.connection, self.io.as_ref().map(|io| io as _));
        let progress = match progress {
            Ok(progress) => Ok(progress),
            Err(error) => Err(Error::new(error, self.take_io())),
        };
        if self.connection.failure().is_some() {
            self.transport = Transport::Gone;
        }
        progress
    }

    /// Whether a flow was torn out of its work, or a write has failed whose reason is yet to be heard.
    pub(crate) fn is_torn(&self) -> bool {
        self.busy || self.write_broken
    }

    /// How long ago the server was heard.
    #[cfg(feature = "r2d2")]
    pub(crate) fn silence(&self) -> Duration {
        self.came.elapsed()
    }

    /// Takes what the server has said while nothing was asked, that it has closed included.
    #[cfg(feature = "r2d2")]
    pub(crate) fn catch_up(&mut self) {
        match self.transport.try_read(&mut self.buffer) {
            Ok(0) => self.connection.receive_eof(),
            Ok(n) => self.hear(n),
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted => {}
                _ => {
                    self.note(error);
                    self.connection.receive_eof();
                }
            },
        }
        // What it means, the connection keeps.
        let _ = self.connection.poll_event();
    }

    /// Says QUIT if it leaves at once, and closes without waiting for the answer.
    #[cfg(feature = "r2d2")]
    pub(crate) fn part(&mut self) {
        use smtp_proto::flow::{Flow as _, Quit};

        if !self.is_torn() && self.connection.is_idle() {
            // What it answers is nobody's concern any more.
            let _ = Quit::new().poll(&mut self.connection);
            if !self.connection.output().is_empty() {
                self.write_slice = SHORT_SLICE;
                self.write(None);
            }
        }
        self.connection.abandon();
        self.transport = Transport::Gone;
    }

    /// The error underneath a failure: that of the source of a body, or of the connection. What went wrong with a
    /// transport that works all the same is no reason for a refusal.
    pub(crate) fn take_io(&mut self) -> Option<io::Error> {
        let io = self.io.take().filter(|_| self.connection.failure().is_some());
        self.source_io.take().or(io)
    }

    /// Notes an error that is no reason of its own: the connection's failure will name what it means.
    pub(crate) fn note(&mut self, error: io::Error) {
        self.io.get_or_insert(error);
    }

    /// The handshake failed, or took too long: nothing is ever said in clear again.
    pub(crate) fn tls_failed(&mut self, error: io::Error) -> Error {
        // The first reason is the one that stays.
        if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            self.connection.handle_timeout();
        }
        #[cfg(feature = "__tls")]
        if crate::tls::is_clear_text(&error) {
            self.connection.tls_answered_in_clear();
        }
        self.connection.tls_failed();
        self.transport = Transport::Gone;
        self.watch.tell(&self.connection, Some(&error));
        let failure = self.connection.failure().cloned();
        Error::new(failure.unwrap_or(smtp_proto::Error::TlsFailed), Some(error))
    }

    /// Writes if there is something to write, and reads otherwise.
    fn turn(&mut self, part: Option<&mut BodyPart<'_>>) {
        let nothing = part.is_none() && self.connection.output().is_empty();
        if self.write_broken {
            self.read();
        } else if self.facing {
            self.hear_out();
        } else if !nothing {
            self.write(part);
        } else if !self.flushed {
            self.flush();
        } else {
            self.read();
        }
    }

    /// Feeds one piece of a body from its source. The job goes on meanwhile: it hears what the server answers,
    /// and what it queues leaves in the same write.
    fn supply<'m, J: Job<'m>>(&mut self, job: &mut J, message: usize, source: &mut Source<'m>) {
        loop {
            match source.piece() {
                Ok(([], _)) => {
                    // A fault in the last line end, or a length declared otherwise, the flow reports.
                    if self.connection.finish_body().is_ok() {
                        self.watch.note(job.track(message), Meter::finish);
                    }
                    return source.rewind();
                }
                Ok(_) => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.source_io = Some(error);
                    return self.connection.fail_body();
                }
            }
        }
        let Ok((chunk, last)) = source.piece() else { return };
        self.watch.tell_time(&mut self.connection);
        let Ok(mut part) = self.connection.body(chunk) else { return };
        let consumed = part.consumed();
        // The end of a message known whole leaves in the same write as its last octets, unless it takes another
        // chunk and has to wait for that.
        let over = last && consumed == chunk.len() && self.connection.finish_body().is_ok();
        while !part.is_empty() && self.connection.failure().is_none() {
            self.watch.tell_time(&mut self.connection);
            job.advance(&mut self.connection);
            self.turn(Some(&mut part));
            self.watch.note(job.track(message), |meter| meter.written(part.written()));
        }
        let written = part.is_empty();
        if over {
            source.rewind();
            self.watch.note(job.track(message).filter(|_| written), Meter::finish);
        } else {
            self.watch.note(job.track(message), |meter| {
                meter.next_piece(consumed);
                None
            });
            source.consume(consumed);
            if self.connection.wants_body() {
                self.glance();
            }
        }
    }

    /// Writes a part of a body that no flow watches over. While it is under way every reply is one that ends it.
    pub(crate) fn write_part(&mut self, part: &mut BodyPart<'_>) {
        while !part.is_empty() && self.connection.poll_event().is_ok() {
            self.turn(Some(part));
        }
    }

    /// Writes one part of a body in the caller's hands and of the connection's output, in one call.
    fn write(&mut self, part: Option<&mut BodyPart<'_>>) {
        let remaining = self.remaining();
        if remaining.is_zero() {
            return self.connection.handle_timeout();
        }
        self.transport.wait_for(remaining.min(self.write_slice));
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0_usize;
        let body = part.as_ref().into_iter().flat_map(|part| part.slices());
        let output = Some(self.connection.output()).filter(|output| !output.is_empty());
        for (place, slice) in slices.iter_mut().zip(body.chain(output)) {
            *place = IoSlice::new(slice);
            count = count.saturating_add(1);
        }
        self.flushed = false;
        let result = match slices.get(..count).unwrap_or_default() {
            [one] => self.transport.write(one),
            several => self.transport.write_vectored(several),
        };
        match result {
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
                if self.transport.is_backed_up() {
                    // TLS has taken octets that the stream did not take: that is a wait like any other.
                    self.make_way();
                } else if self.connection.output().is_empty() {
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
        self.transport.wait_for(remaining.min(self.write_slice));
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
                let slice = self.write_slice;
                if !self.make_way() {
                    self.gave_up(error, before, slice);
                }
            }
            _ => self.write_failed(error),
        }
    }

    /// Hears a server that does not read on, and tells whether it said anything: it may have refused the message
    /// already, or have more to say than its buffers hold (RFC 2920 §3.1). Then it will come to that again soon.
    fn make_way(&mut self) -> bool {
        self.facing = self.listen();
        self.write_slice =
            if self.facing { SHORT_SLICE } else { self.write_slice.saturating_mul(2).min(WRITE_SLICE) };
        self.facing
    }

    /// Notes a broken transport. What the server said before may still be read, and decides.
    fn write_failed(&mut self, error: io::Error) {
        self.note(error);
        self.write_broken = true;
        // What was taken before may still get through, so that the server answers it.
        let _ = self.transport.flush();
    }

    /// Takes what the server has said already, unless that was done, or octets came, a moment ago.
    fn glance(&mut self) {
        if self.heard.elapsed() >= QUIET {
            self.listen();
            self.heard = Instant::now();
        }
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

    /// Reads on as long as the server goes on speaking.
    fn hear_out(&mut self) {
        self.transport.wait_for(SHORT_SLICE);
        match self.transport.read_past_writes(&mut self.buffer) {
            Ok(n) if n > 0 => self.hear(n),
            // Whatever it is, the next write or read that has to wait will meet it.
            Ok(_) | Err(_) => self.facing = false,
        }
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
        #[cfg(feature = "r2d2")]
        {
            self.came = self.heard;
        }
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
        // A short slice may end early by itself: kernels count in ticks.
        let at_once = slice >= TELLING && waited.saturating_mul(2) < before.min(slice);
        if remaining.is_zero() || at_once {
            self.note(error);
            self.connection.handle_timeout();
        }
    }

    /// Time left of what the connection now waits for; none if that is over, and the connection with it.
    pub(crate) fn remaining(&mut self) -> Duration {
        match self.connection.tick(self.watch.clock().now()) {
            Some(left) => left,
            None if self.connection.failure().is_some() => Duration::ZERO,
            None => READ_SLICE,
        }
    }
}
