//! Whoever watches a client besides its results: the time in the transcript, how far a message is, and with the feature
//! `tracing` a span for each session and each message. [The page on watching](crate::guide::watching) lists their fields,
//! and shows a loop that has them.
//!
//! The types are the same without the feature, and then take part in the first two alone.

use alloc::boxed::Box;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use crate::connection::{Config, Connection, TranscriptEntry};
use crate::error::Error;
use crate::flow::{Delivery, Meter, Progress, SendError};
use crate::security::TlsState;

#[cfg_attr(not(feature = "tracing"), path = "watch/no_spans.rs")]
mod spans;

/// Tells the time, as what has passed since a fixed moment: that of [`Connection::tick`] and [`Connection::set_time`]. It
/// is asked only if somebody wants to know, and when what is watched is dropped, too.
///
/// `move || began.elapsed()` is one, where `began` is an `Instant`.
pub trait Clock: Clone {
    /// The time.
    fn now(&self) -> Duration;
}

impl<F: Fn() -> Duration + Clone> Clock for F {
    fn now(&self) -> Duration {
        self()
    }
}

/// Tells that the server of these settings was not reached, if that is what the error says: such an attempt has no
/// session that could tell of it.
pub fn tell_unreachable(config: &Config, error: &Error, io: Option<&dyn fmt::Display>) {
    if matches!(error, Error::NotConnected) {
        spans::not_connected(config, io);
    }
}

type Hook = Box<dyn FnMut(Progress) + Send + Sync>;

/// Whoever watches a session. Its span lasts until this is dropped.
pub struct Watch<C: Clock> {
    clock: C,
    progress: Option<Hook>,
    session: spans::Session<C>,
}

impl<C: Clock> Watch<C> {
    /// Begins to watch a session, as a child of the span that the caller is in. `peer` is the server's address, where it
    /// is known.
    ///
    /// If somebody listens to the span, the connection has a transcript from here on:
    /// [`set_transcript`](Self::set_transcript) puts another hook beside it, that of [`Connection`] in its place.
    #[must_use]
    pub fn begin(connection: &mut Connection, peer: Option<SocketAddr>, clock: C) -> Self {
        let session = spans::Session::begin(connection, peer, &clock);
        Self { clock, progress: None, session }
    }

    /// The clock that it was given.
    #[must_use]
    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// Calls `hook` with how far a message is, whenever [`note`](Self::note) is told that it has come further.
    pub fn set_progress(&mut self, hook: impl FnMut(Progress) + Send + Sync + 'static) {
        self.progress = Some(Box::new(hook));
    }

    /// Calls `hook` for each line of the session from now on, as [`Connection::set_transcript`] does.
    pub fn set_transcript(
        &self,
        connection: &mut Connection,
        hook: impl FnMut(TranscriptEntry<'_>) + Send + Sync + 'static,
    ) {
        connection.set_transcript(self.session.parent().beside(hook));
        self.tell_time(connection);
    }

    /// Tells the connection the time, if anybody wants to know it. It is for before each poll of a flow.
    pub fn tell_time(&self, connection: &mut Connection) {
        if connection.has_transcript() {
            connection.set_time(self.clock.now());
        }
    }

    /// What was agreed in the TLS handshake. `state` is called if anybody wants to know.
    pub fn tell_tls(&self, state: impl FnOnce() -> Option<TlsState>) {
        self.session.tls(state);
    }

    /// What the connection has come to, and the error of the transport if there was one. It is for after each flow.
    pub fn tell(&mut self, connection: &Connection, io: Option<&dyn fmt::Display>) {
        self.session.tell(connection, io);
    }

    /// Where the messages of this session begin.
    #[must_use]
    pub fn tracker(&self) -> Tracker<C> {
        Tracker { clock: self.clock.clone(), parent: self.session.parent() }
    }

    /// Notes how far a message is, and tells whoever asked for it.
    pub fn note(&mut self, track: Option<&mut Track<C>>, note: impl FnOnce(&mut Meter) -> Option<Progress>) {
        let progress = track.and_then(|track| note(&mut track.meter));
        if let (Some(progress), Some(hook)) = (progress, &mut self.progress) {
            hook(progress);
        }
    }
}

/// Where the messages of a session begin. It may be kept apart from its [`Watch`].
#[derive(Clone)]
pub struct Tracker<C: Clock> {
    clock: C,
    parent: spans::Parent,
}

impl<C: Clock> Tracker<C> {
    /// A message that begins now: its number in the session or batch, how many recipients it has, unless they are not its
    /// own affair, and its octets if they are known.
    #[must_use]
    pub fn begin(&self, message: usize, recipients: Option<usize>, size: Option<u64>) -> Track<C> {
        let span = spans::Message::begin(&self.parent, &self.clock, message, recipients, size);
        Track { meter: Meter::new(message, size), span }
    }
}

/// A message on its way. Its span lasts until its outcome is told; dropped before, it was abandoned.
pub struct Track<C: Clock> {
    meter: Meter,
    span: spans::Message<C>,
}

impl<C: Clock> Track<C> {
    /// A piece of so many octets has been written, and whoever asked for the progress is not to be told.
    pub fn passed(&mut self, octets: usize) {
        let _ = self.meter.written(octets);
        self.meter.next_piece(octets);
    }

    /// The message has its outcome.
    pub fn over(self, outcome: Result<&Delivery, &SendError>) {
        self.span.over(outcome, self.meter.progress().accepted);
    }
}

impl<C: Clock> fmt::Debug for Watch<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

impl<C: Clock> fmt::Debug for Tracker<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracker").finish_non_exhaustive()
    }
}

impl<C: Clock> fmt::Debug for Track<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track").field("meter", &self.meter).finish_non_exhaustive()
    }
}
