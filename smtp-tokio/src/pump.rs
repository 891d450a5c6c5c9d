//! The loop: carries out the steps of a flow, and moves octets between the connection and the transport.
//!
//! Deadlines come from the core; here they are one timer, set anew only when what is awaited changes, and not
//! touched at all while octets move without waiting. Whatever has been said and heard is kept here and in the
//! connection, never in a future: a future that is dropped half way takes nothing with it but the flow.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use smtp_proto::body::BodyPart;
use smtp_proto::connection::{Connection, TlsUpgrade};
use smtp_proto::flow::{Meter, Step};
use smtp_proto::watch::Clock as _;
use tokio::io::ReadBuf;
use tokio::time::{Sleep, sleep_until};

use crate::clock::Watch;
use crate::job::{Job, Supply as _};
use crate::transport::Transport;
use crate::{Error, Stream};

/// Budgets beyond this are none: clocks overflow somewhere above.
const FOREVER: Duration = Duration::from_secs(60 * 60 * 24 * 365);

/// Most octets of a message that one write of a [`DataWriter`](crate::DataWriter) takes.
const MAX_WRITE: usize = 64 * 1024;

/// Most slices that go into one write.
const SLICES: usize = 64;

/// The connection, its transport, and the clock between them.
pub(crate) struct Pump<S: Stream> {
    pub(crate) connection: Connection,
    pub(crate) transport: Transport<S>,
    pub(crate) watch: Watch,
    buffer: Box<[u8]>,
    clock: Option<Pin<Box<Sleep>>>,
    flushed: bool,
    /// The last write had to wait.
    blocked: bool,
    /// A write failed; what the server said before it closed may still be read.
    write_broken: bool,
    /// What is left to write of a body part whose octets the caller has taken back.
    spill: VecDeque<u8>,
    /// The error underneath the connection's failure.
    io: Option<io::Error>,
    /// Why the source of a body failed.
    source_io: Option<io::Error>,
    /// A job is running; still set at the next call, it was torn out of its work.
    busy: bool,
    /// A piece of a body is being supplied, and would be lost with the future.
    torn: bool,
    /// When octets last came.
    #[cfg(feature = "deadpool")]
    heard: tokio::time::Instant,
}

/// How far a flow went.
pub(crate) enum Progress<T> {
    Done(T),
    UpgradeTls(TlsUpgrade),
}

/// A pump at work. Dropped before [`end`](Busy::end), because the future that holds it was, it gives the
/// connection up and closes it, unless nothing is lost with the future.
pub(crate) struct Busy<'p, S: Stream> {
    pump: &'p mut Pump<S>,
    /// The job goes on in the next future, if no piece of a body is torn.
    outlives: bool,
}

impl<S: Stream> Busy<'_, S> {
    /// The work is done, well or badly.
    fn end(self) {
        self.pump.busy = false;
    }
}

impl<S: Stream> Drop for Busy<'_, S> {
    fn drop(&mut self) {
        if self.pump.busy && (self.pump.torn || !self.outlives) {
            self.pump.connection.abandon();
        }
        self.pump.busy = false;
        self.pump.torn = false;
        let pump = &mut *self.pump;
        pump.watch.tell(&pump.connection, pump.io.as_ref().map(|io| io as _));
        if pump.connection.failure().is_some() {
            pump.transport = Transport::Gone;
        }
    }
}

impl<S: Stream> Pump<S> {
    pub(crate) fn new(connection: Connection, transport: Transport<S>, watch: Watch) -> Self {
        Self {
            connection,
            transport,
            watch,
            buffer: vec![0; 16 * 1024].into(),
            clock: None,
            flushed: true,
            blocked: false,
            write_broken: false,
            spill: VecDeque::new(),
            io: None,
            source_io: None,
            busy: false,
            torn: false,
            #[cfg(feature = "deadpool")]
            heard: tokio::time::Instant::now(),
        }
    }

    fn begin(&mut self, outlives: bool) -> Busy<'_, S> {
        if self.busy {
            self.connection.abandon();
        }
        self.busy = true;
        Busy { pump: self, outlives }
    }

    /// Runs a job as far as it goes without a TLS handshake.
    pub(crate) async fn drive<J: Job>(
        &mut self,
        job: &mut J,
    ) -> Result<Progress<J::Output>, Error<J::Error>> {
        let busy = self.begin(J::OUTLIVES);
        let pump = &mut *busy.pump;
        if pump.connection.is_idle() {
            // What the server said unasked is heard before anything is asked of it.
            poll_fn(|cx| {
                pump.listen(cx);
                Poll::Ready(())
            })
            .await;
        }
        let progress = loop {
            match poll_fn(|cx| pump.poll_job(cx, job)).await {
                Ok(Step::Continue) => {}
                Ok(Step::SupplyBody { message }) => {
                    let mut source = job.take_source(message);
                    pump.torn = true;
                    pump.supply(job, message, &mut source).await;
                    pump.torn = false;
                    job.return_source(message, source);
                }
                Ok(Step::UpgradeTls(upgrade)) => break Ok(Progress::UpgradeTls(upgrade)),
                Ok(Step::Done(output)) => break Ok(Progress::Done(output)),
                Err(error) => break Err(error),
            }
        };
        busy.end();
        match progress {
            Ok(progress) => Ok(progress),
            Err(error) => Err(Error::new(error, self.take_io())),
        }
    }

    /// Goes on with the job until it asks for more than octets to be moved.
    fn poll_job<J: Job>(
        &mut self,
        cx: &mut Context<'_>,
        job: &mut J,
    ) -> Poll<Result<Step<J::Output>, J::Error>> {
        loop {
            self.watch.tell_time(&mut self.connection);
            match job.poll(cx, &mut self.connection) {
                Ok(Step::Continue) => ready!(self.poll_turn(cx, None, job.awaits_caller())),
                step => return Poll::Ready(step),
            }
        }
    }

    /// Whether a job was torn out of its work, or a write has failed whose reason is yet to be heard.
    pub(crate) fn is_torn(&self) -> bool {
        self.busy || self.torn || self.write_broken || !self.spill.is_empty()
    }

    /// How long ago the server was heard.
    #[cfg(feature = "deadpool")]
    pub(crate) fn silence(&self) -> Duration {
        self.heard.elapsed()
    }

    /// Takes what the server has said while nothing was asked, that it has closed included.
    #[cfg(feature = "deadpool")]
    pub(crate) async fn catch_up(&mut self) {
        poll_fn(|cx| {
            let _ = self.poll_read(cx);
            Poll::Ready(())
        })
        .await;
        // What it means, the connection keeps.
        let _ = self.connection.poll_event();
    }

    /// Says QUIT if it leaves at once, and closes without waiting for the answer.
    #[cfg(feature = "deadpool")]
    pub(crate) async fn part(&mut self) {
        use smtp_proto::flow::{Flow as _, Quit};

        if !self.is_torn() && self.connection.is_idle() {
            // What it answers is nobody's concern any more.
            let _ = Quit::new().poll(&mut self.connection);
            poll_fn(|cx| {
                let _ = self.poll_write(cx, None);
                let _ = self.poll_flush(cx);
                Poll::Ready(())
            })
            .await;
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

    /// Does the TLS handshake in the time that the connection allows for it.
    pub(crate) async fn handshake<T>(
        &mut self,
        handshake: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let busy = self.begin(false);
        let pump = &mut *busy.pump;
        let mut handshake = pin!(handshake);
        let result = poll_fn(|cx| {
            if let Poll::Ready(result) = handshake.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            ready!(pump.poll_clock(cx));
            pump.connection.handle_timeout();
            Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
        })
        .await;
        busy.end();
        result
    }

    /// The handshake failed, or took too long: nothing is ever said in clear again.
    pub(crate) fn tls_failed(&mut self, error: io::Error) -> Error {
        // The first reason is the one that stays.
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

    /// Notes an error that is no reason of its own: the connection's failure will name what it means.
    fn note(&mut self, error: io::Error) {
        self.io.get_or_insert(error);
    }

    /// Feeds one piece of a body from its source. The job goes on meanwhile: it hears what the server answers,
    /// and what it queues leaves in the same write.
    async fn supply<J: Job>(&mut self, job: &mut J, message: usize, source: &mut J::Source) {
        let (chunk, last) = match self.piece(job, source).await {
            Some(Ok(piece)) => piece,
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => return,
            Some(Err(error)) => {
                self.source_io = Some(error);
                return self.connection.fail_body();
            }
            None => return,
        };
        if chunk.is_empty() {
            // A fault in the last line end, or a length declared otherwise, the flow reports.
            if self.connection.finish_body().is_ok() {
                self.watch.note(job.track(message), Meter::finish);
            }
            return source.rewind();
        }
        self.watch.tell_time(&mut self.connection);
        let Ok(mut part) = self.connection.body(chunk) else { return };
        let consumed = part.consumed();
        // The end of a message known whole leaves in the same write as its last octets, unless it takes another
        // chunk and has to wait for that.
        let over = last && consumed == chunk.len() && self.connection.finish_body().is_ok();
        poll_fn(|cx| {
            while !part.is_empty() && self.connection.failure().is_none() {
                self.watch.tell_time(&mut self.connection);
                job.advance(cx, &mut self.connection);
                ready!(self.poll_turn(cx, Some(&mut part), false));
                self.watch.note(job.track(message), |meter| meter.written(part.written()));
            }
            if self.connection.wants_body() {
                let _ = self.poll_read(cx);
            }
            Poll::Ready(())
        })
        .await;
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
        }
    }

    /// Waits for the source's next octets, and goes on with the job meanwhile: `None` once that has ended the
    /// message.
    async fn piece<'s, J: Job>(
        &mut self,
        job: &mut J,
        source: &'s mut J::Source,
    ) -> Option<io::Result<(&'s [u8], bool)>> {
        let mut piece = pin!(source.piece());
        poll_fn(|cx| {
            while self.connection.wants_body() {
                if let Poll::Ready(piece) = piece.as_mut().poll(cx) {
                    return Poll::Ready(Some(piece));
                }
                self.watch.tell_time(&mut self.connection);
                job.advance(cx, &mut self.connection);
                ready!(self.poll_turn(cx, None, false));
            }
            Poll::Ready(None)
        })
        .await
    }

    /// Writes a part of a body that no flow watches over. While it is under way every reply is one that ends it.
    fn poll_part(&mut self, cx: &mut Context<'_>, part: &mut BodyPart<'_>) -> Poll<()> {
        while !part.is_empty() && self.connection.poll_event().is_ok() {
            ready!(self.poll_turn(cx, Some(part), false));
        }
        if self.connection.wants_body() {
            let _ = self.poll_read(cx);
        }
        Poll::Ready(())
    }

    /// Takes octets of a body from a caller who may take them back after every poll: what the transport does
    /// not take at once is copied.
    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_spill(cx))?;
        self.watch.tell_time(&mut self.connection);
        let chunk = octets.get(..MAX_WRITE).unwrap_or(octets);
        let mut part = self.connection.body(chunk).map_err(io::Error::other)?;
        let consumed = part.consumed();
        if self.poll_part(cx, &mut part).is_pending() {
            part.slices().for_each(|slice| self.spill.extend(slice));
        }
        self.body_failure().map_or(Poll::Ready(Ok(consumed)), |error| Poll::Ready(Err(error)))
    }

    /// Writes what was taken of a body, and flushes it.
    pub(crate) fn poll_body_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_spill(cx))?;
        ready!(self.poll_flush(cx));
        self.body_failure().map_or(Poll::Ready(Ok(())), |error| Poll::Ready(Err(error)))
    }

    fn poll_spill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.spill.is_empty() && self.connection.poll_event().is_ok() {
            ready!(self.poll_turn(cx, None, false));
        }
        self.body_failure().map_or(Poll::Ready(Ok(())), |error| Poll::Ready(Err(error)))
    }

    fn body_failure(&mut self) -> Option<io::Error> {
        self.connection.failure().map(|failure| io::Error::other(failure.clone()))
    }

    /// Moves octets, once: writes if there is something to write, and reads if the transport takes nothing, so
    /// that two full buffers never face each other. Ready when something has changed. `patient` says that the
    /// caller will end the wait.
    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        part: Option<&mut BodyPart<'_>>,
        patient: bool,
    ) -> Poll<()> {
        if patient && self.connection.failure().is_some() {
            // A transport that has ended is readable for ever.
            return Poll::Pending;
        }
        // Where the last write had to wait, the server is heard first: it may have refused what is being sent.
        let read_first = self.blocked;
        if (read_first && self.poll_read(cx).is_ready())
            || self.poll_write(cx, part).is_ready()
            || (!read_first && self.poll_read(cx).is_ready())
        {
            return Poll::Ready(());
        }
        if self.connection.timeout().is_none() && !patient {
            // Nothing is awaited, so nothing would end this wait.
            self.connection.abandon();
            return Poll::Ready(());
        }
        ready!(self.poll_clock(cx));
        self.connection.handle_timeout();
        Poll::Ready(())
    }

    /// Writes one part of a body in the caller's hands and of the connection's output, in one call. Pending if
    /// there is nothing to write, or it does not go through.
    fn poll_write(&mut self, cx: &mut Context<'_>, part: Option<&mut BodyPart<'_>>) -> Poll<()> {
        if self.write_broken {
            return Poll::Pending;
        }
        let body = part.as_ref().into_iter().flat_map(|part| part.slices());
        let (spill, wrapped) = self.spill.as_slices();
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0_usize;
        let all = [spill, wrapped].into_iter().chain(body).chain([self.connection.output()]);
        for (place, slice) in slices.iter_mut().zip(all.filter(|slice| !slice.is_empty())) {
            *place = IoSlice::new(slice);
            count = count.saturating_add(1);
        }
        if count == 0 {
            let _ = self.poll_flush(cx);
            return Poll::Pending;
        }
        let result = self.transport.poll_write_vectored(cx, slices.get(..count).unwrap_or_default());
        self.blocked = result.is_pending();
        let result = ready!(result);
        self.flushed = false;
        match result {
            Ok(0) => self.write_failed(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                let spilled = n.min(self.spill.len());
                self.spill.drain(..spilled);
                if let Some(part) = part {
                    part.advance(n.saturating_sub(spilled));
                }
                if let Err(error) = self.connection.advance_output(n) {
                    // The stream claims to have taken more than it was given.
                    self.note(io::Error::other(error));
                    self.connection.abandon();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.write_failed(error),
        }
        Poll::Ready(())
    }

    /// Flushes what was written, before it is waited for a reply.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while !self.flushed && !self.write_broken {
            match ready!(self.transport.poll_flush(cx)) {
                Ok(()) => self.flushed = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.write_failed(error),
            }
        }
        Poll::Ready(())
    }

    /// Notes a broken transport. What the server said before may still be read, and decides.
    fn write_failed(&mut self, error: io::Error) {
        self.note(error);
        self.write_broken = true;
    }

    /// Takes what the server has said already, without waiting for more. That it has closed ends a body under
    /// way; otherwise it is left for the next read to tell.
    fn listen(&mut self, cx: &mut Context<'_>) {
        if self.connection.wants_body() {
            let _ = self.poll_read(cx);
            return;
        }
        let mut buffer = ReadBuf::new(&mut self.buffer);
        if let Poll::Ready(Ok(())) = self.transport.poll_read(cx, &mut buffer) {
            self.connection.receive(buffer.filled());
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut buffer = ReadBuf::new(&mut self.buffer);
        match ready!(self.transport.poll_read(cx, &mut buffer)) {
            Ok(()) if buffer.filled().is_empty() => self.connection.receive_eof(),
            Ok(()) => {
                self.connection.receive(buffer.filled());
                #[cfg(feature = "deadpool")]
                {
                    self.heard = tokio::time::Instant::now();
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.note(error);
                self.connection.receive_eof();
            }
        }
        Poll::Ready(())
    }

    /// Ready when what the connection now waits for has taken too long.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = self.watch.clock().now();
        let Some(left) = self.connection.tick(now) else {
            return if self.connection.failure().is_some() { Poll::Ready(()) } else { Poll::Pending };
        };
        // So far ahead there are instants still.
        #[allow(clippy::arithmetic_side_effects)]
        let deadline = self.watch.clock().began + now.saturating_add(left.min(FOREVER));
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if clock.deadline() != deadline {
            clock.as_mut().reset(deadline);
        }
        clock.as_mut().poll(cx)
    }
}
