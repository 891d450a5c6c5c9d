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
use smtp_proto::connection::{Connection, Timeout, TlsUpgrade};
use smtp_proto::flow::{Flow, Step};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

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
    buffer: Box<[u8]>,
    waiting: Option<Timeout>,
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
    /// A flow is running; still set at the next call, it was torn out of its work.
    busy: bool,
}

/// Where a message body comes from.
pub(crate) enum Source<'a> {
    None,
    Whole(&'a [u8]),
    Reader(&'a mut (dyn AsyncBufRead + Unpin + Send)),
}

/// How far a flow went.
pub(crate) enum Progress<T> {
    Done(T),
    UpgradeTls(TlsUpgrade),
}

/// A pump at work. Dropped before [`end`](Busy::end), because the future that holds it was, it gives the
/// connection up and closes it.
pub(crate) struct Busy<'p, S: Stream>(&'p mut Pump<S>);

impl<S: Stream> Busy<'_, S> {
    /// The work is done, well or badly.
    fn end(self) {
        self.0.busy = false;
    }
}

impl<S: Stream> Drop for Busy<'_, S> {
    fn drop(&mut self) {
        if self.0.busy {
            self.0.connection.abandon();
        }
        self.0.busy = false;
        if self.0.connection.failure().is_some() {
            self.0.transport = Transport::Gone;
        }
    }
}

impl<S: Stream> Pump<S> {
    pub(crate) fn new(connection: Connection, transport: Transport<S>) -> Self {
        Self {
            connection,
            transport,
            buffer: vec![0; 16 * 1024].into(),
            waiting: None,
            clock: None,
            flushed: true,
            blocked: false,
            write_broken: false,
            spill: VecDeque::new(),
            io: None,
            busy: false,
        }
    }

    fn begin(&mut self) -> Busy<'_, S> {
        if self.busy {
            self.connection.abandon();
        }
        self.busy = true;
        Busy(self)
    }

    /// Runs a flow as far as it goes without a TLS handshake.
    pub(crate) async fn drive<F: Flow>(
        &mut self,
        flow: &mut F,
        source: &mut Source<'_>,
    ) -> Result<Progress<F::Output>, Error<F::Error>> {
        let busy = self.begin();
        let pump = &mut *busy.0;
        if pump.connection.is_idle() {
            // What the server said unasked is heard before anything is asked of it.
            poll_fn(|cx| {
                pump.listen(cx);
                Poll::Ready(())
            })
            .await;
        }
        let progress = loop {
            match flow.poll(&mut pump.connection) {
                Ok(Step::Continue) => poll_fn(|cx| pump.poll_turn(cx, None)).await,
                Ok(Step::SupplyBody { .. }) => pump.supply(source).await,
                Ok(Step::UpgradeTls(upgrade)) => break Ok(Progress::UpgradeTls(upgrade)),
                Ok(Step::Done(output)) => break Ok(Progress::Done(output)),
                Err(error) => break Err(error),
            }
        };
        // What went wrong with a transport that works all the same is no reason for a refusal.
        let io = pump.io.take().filter(|_| pump.connection.failure().is_some());
        busy.end();
        progress.map_err(|error| Error::new(error, io))
    }

    /// Does the TLS handshake in the time that the connection allows for it.
    pub(crate) async fn handshake<T>(
        &mut self,
        handshake: impl Future<Output = io::Result<T>>,
    ) -> io::Result<T> {
        let busy = self.begin();
        let pump = &mut *busy.0;
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
        self.connection.tls_failed();
        self.transport = Transport::Gone;
        let failure = self.connection.failure().cloned();
        Error::new(failure.unwrap_or(smtp_proto::Error::TlsFailed), Some(error))
    }

    /// Notes an error that is no reason of its own: the connection's failure will name what it means.
    fn note(&mut self, error: io::Error) {
        self.io.get_or_insert(error);
    }

    /// Feeds the body from its source until it is complete or the connection has broken.
    async fn supply(&mut self, source: &mut Source<'_>) {
        let mut position = 0;
        let whole = if let Source::Whole(message) = source { Some(message.len()) } else { None };
        while self.connection.wants_body() {
            let chunk = match source {
                Source::None => &[],
                Source::Whole(message) => message.get(position..).unwrap_or_default(),
                Source::Reader(reader) => match self.fill(*reader).await {
                    Some(Ok(chunk)) => chunk,
                    Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Some(Err(error)) => {
                        self.note(error);
                        return self.connection.abandon();
                    }
                    None => return,
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
            poll_fn(|cx| self.poll_part(cx, &mut part)).await;
            if let Source::Reader(reader) = source {
                reader.consume(consumed);
            }
        }
    }

    /// Waits for the reader's next octets, and for what the server may have to say meanwhile: `None` once that
    /// has ended the message.
    async fn fill<'r>(
        &mut self,
        reader: &'r mut (dyn AsyncBufRead + Unpin + Send),
    ) -> Option<io::Result<&'r [u8]>> {
        let mut fill = pin!(reader.fill_buf());
        poll_fn(|cx| match fill.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending => {
                let _ = self.poll_flush(cx);
                while self.connection.poll_event().is_ok() {
                    ready!(self.poll_read(cx));
                }
                Poll::Ready(None)
            }
        })
        .await
    }

    /// Writes a part of a body. While it is under way every reply is one that ends it, so that no event is
    /// lost here; the flow reports the failure.
    fn poll_part(&mut self, cx: &mut Context<'_>, part: &mut BodyPart<'_>) -> Poll<()> {
        while !part.is_empty() && self.connection.poll_event().is_ok() {
            ready!(self.poll_turn(cx, Some(part)));
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
            ready!(self.poll_turn(cx, None));
        }
        self.body_failure().map_or(Poll::Ready(Ok(())), |error| Poll::Ready(Err(error)))
    }

    fn body_failure(&mut self) -> Option<io::Error> {
        self.connection.failure().map(|failure| io::Error::other(failure.clone()))
    }

    /// Moves octets, once: writes if there is something to write, and reads if the transport takes nothing, so
    /// that two full buffers never face each other. Ready when something has changed.
    fn poll_turn(&mut self, cx: &mut Context<'_>, part: Option<&mut BodyPart<'_>>) -> Poll<()> {
        // Where the last write had to wait, the server is heard first: it may have refused what is being sent.
        let read_first = self.blocked;
        if (read_first && self.poll_read(cx).is_ready())
            || self.poll_write(cx, part).is_ready()
            || (!read_first && self.poll_read(cx).is_ready())
        {
            return Poll::Ready(());
        }
        if self.connection.timeout().is_none() {
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
        let mut count = 0;
        let all = [spill, wrapped].into_iter().chain(body).chain([self.connection.output()]);
        for (place, slice) in slices.iter_mut().zip(all.filter(|slice| !slice.is_empty())) {
            *place = IoSlice::new(slice);
            count += 1;
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
                    part.advance(n - spilled);
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
            Ok(()) => self.connection.receive(buffer.filled()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.note(error);
                self.connection.receive_eof();
            }
        }
        Poll::Ready(())
    }

    /// Ready when what the connection now waits for has taken too long. The clock starts anew whenever that
    /// changes.
    fn poll_clock(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let timeout = self.connection.timeout();
        let Some(Timeout { budget, .. }) = timeout else { return Poll::Pending };
        let deadline = || Instant::now() + budget.min(FOREVER);
        let clock = self.clock.get_or_insert_with(|| Box::pin(sleep_until(deadline())));
        if self.waiting != timeout {
            clock.as_mut().reset(deadline());
            self.waiting = timeout;
        }
        clock.as_mut().poll(cx)
    }
}
