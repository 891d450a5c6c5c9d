//! What can be watched of a client besides its results: the time in the transcript, how far a message is, and with the
//! feature `tracing` what `trace.rs` tells.

use smtp_proto::SendError;
use smtp_proto::connection::{Connection, TranscriptEntry};
use smtp_proto::flow::{Delivery, Meter, Progress};
use tokio::time::Instant;

use crate::trace;

type Hook = Box<dyn FnMut(Progress) + Send + Sync>;

/// Whoever watches a connection.
pub(crate) struct Watch {
    /// When the connection was made, as far as the client knows: its time is counted from then.
    began: Instant,
    progress: Option<Hook>,
    pub(crate) session: trace::Session,
}

impl Watch {
    pub(crate) fn new(session: trace::Session) -> Self {
        Self { began: Instant::now(), progress: None, session }
    }

    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    pub(crate) fn set_progress(&mut self, hook: Hook) {
        self.progress = Some(hook);
    }

    pub(crate) fn set_transcript(
        &self,
        connection: &mut Connection,
        hook: impl FnMut(TranscriptEntry<'_>) + Send + Sync + 'static,
    ) {
        connection.set_transcript(self.session.beside(hook));
        self.tell_time(connection);
    }

    /// Tells the connection the time, if anybody wants to know it.
    pub(crate) fn tell_time(&self, connection: &mut Connection) {
        if connection.has_transcript() {
            connection.set_time(self.began.elapsed());
        }
    }

    /// Notes how far a message is, and tells whoever asked for it.
    pub(crate) fn note(
        &mut self,
        track: Option<&mut Track>,
        note: impl FnOnce(&mut Meter) -> Option<Progress>,
    ) {
        let progress = track.and_then(|track| note(&mut track.meter));
        if let (Some(progress), Some(hook)) = (progress, &mut self.progress) {
            hook(progress);
        }
    }
}

/// What is known of a message on its way.
pub(crate) struct Track {
    pub(crate) meter: Meter,
    span: trace::Message,
}

impl Track {
    /// That of a message that begins now.
    pub(crate) fn new(
        parent: &trace::Parent,
        message: usize,
        recipients: Option<usize>,
        size: Option<u64>,
    ) -> Self {
        let span = trace::Message::begin(parent, message, recipients, size);
        Self { meter: Meter::new(message, size), span }
    }

    /// A piece has been written that nobody else counts.
    pub(crate) fn passed(&mut self, octets: usize) {
        let _ = self.meter.written(octets);
        self.meter.next_piece(octets);
    }

    /// The message has its outcome.
    pub(crate) fn over(self, outcome: Result<&Delivery, &SendError>) {
        self.span.over(outcome, self.meter.progress().accepted);
    }
}
