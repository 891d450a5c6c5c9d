//! Spans and events for the crate `tracing`: one span a session, one a message; replies at DEBUG, the server's words at
//! TRACE, failures at WARN. The page `guide::watching` lists every field.
//!
//! No span is ever entered: each names its parent, so that nothing leaks into what else runs on the thread.

use alloc::borrow::ToOwned as _;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::net::SocketAddr;
use core::time::Duration;

use tracing::field::{Empty, display};
use tracing::{Span, debug, info_span, trace, warn};

use super::Clock;
use crate::capabilities::Capabilities;
use crate::connection::{Config, Connection, Counters, Stage, TranscriptEntry, TranscriptLine};
use crate::escape::Escaped;
use crate::flow::{Delivery, SendError, Summary};
use crate::security::TlsState;

/// The target of all spans and events.
const TARGET: &str = "smtp_proto";

/// The span of a connection.
pub(super) struct Session<C: Clock> {
    span: Span,
    lasts: Option<Stopwatch<C>>,
    /// What the span was told of last.
    capabilities: Option<Capabilities>,
    counters: Counters,
    failed: bool,
}

/// Where the spans of messages belong.
#[derive(Clone)]
pub(super) struct Parent(Span);

/// The span of a message.
pub(super) struct Message<C: Clock> {
    span: Span,
    lasts: Option<Stopwatch<C>>,
    /// Whether it was begun with an envelope, so that its outcome tells of the recipients.
    enveloped: bool,
    over: bool,
}

/// How long a span lasts to which somebody listens.
struct Stopwatch<C> {
    clock: C,
    since: Duration,
}

impl<C: Clock> Stopwatch<C> {
    fn of(span: &Span, clock: &C) -> Option<Self> {
        (!span.is_disabled()).then(|| Self { clock: clock.clone(), since: clock.now() })
    }

    fn microseconds(&self) -> u64 {
        microseconds(self.clock.now().saturating_sub(self.since))
    }
}

fn microseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Tells that there is no session.
pub(super) fn not_connected(config: &Config, io: Option<&dyn fmt::Display>) {
    let io = io.map(|io| io.to_string());
    let io = io.as_ref().map(|io| display(Escaped::new(io.as_bytes())));
    warn!(target: TARGET, host = config.host(), io, "no connection");
}

impl<C: Clock> Session<C> {
    pub(super) fn begin(connection: &mut Connection, peer: Option<SocketAddr>, clock: &C) -> Self {
        let config = connection.config();
        let span = info_span!(
            target: TARGET,
            "smtp.session",
            host = config.host(),
            peer = peer.map(display),
            protocol = if config.is_lmtp() { "lmtp" } else { "smtp" },
            tls.version = Empty,
            tls.cipher = Empty,
            extensions = Empty,
            auth.mechanism = Empty,
            octets_in = Empty,
            octets_out = Empty,
            duration_us = Empty,
        );
        let lasts = Stopwatch::of(&span, clock);
        let session = Self { span, lasts, capabilities: None, counters: Counters::default(), failed: false };
        if session.lasts.is_some() {
            connection.set_transcript(listener(session.span.clone()));
        }
        session
    }

    pub(super) fn parent(&self) -> Parent {
        Parent(self.span.clone())
    }

    /// What was agreed in the TLS handshake.
    pub(super) fn tls(&self, state: impl FnOnce() -> Option<TlsState>) {
        if self.span.is_disabled() {
            return;
        }
        let Some(state) = state() else { return };
        if let Some(version) = state.version {
            self.span.record("tls.version", display(version));
        }
        if let Some(suite) = &state.cipher_suite {
            self.span.record("tls.cipher", display(suite));
        }
    }

    /// Tells what the connection has come to.
    pub(super) fn tell(&mut self, connection: &Connection, io: Option<&dyn fmt::Display>) {
        if self.span.is_disabled() {
            return;
        }
        self.counters = connection.counters();
        if connection.is_ready() && self.capabilities.as_ref() != Some(connection.capabilities()) {
            let capabilities = self.capabilities.insert(connection.capabilities().clone());
            let keywords: Vec<&str> = capabilities.iter().map(|(keyword, _)| keyword).collect();
            self.span.record("extensions", display(Escaped::new(keywords.join(" ").as_bytes())));
        }
        let Some(failure) = connection.failure().filter(|_| !self.failed) else { return };
        self.failed = true;
        let reply = failure.reply();
        let io = io.map(|io| io.to_string());
        warn!(
            target: TARGET,
            parent: &self.span,
            cause = failure.label(),
            stage = failure.stage().map(Stage::as_str),
            code = reply.map(|reply| reply.code().get()),
            enhanced = reply.and_then(|reply| reply.enhanced()).map(display),
            io = io.as_ref().map(|io| display(Escaped::new(io.as_bytes()))),
            "the connection is lost",
        );
    }
}

impl<C: Clock> Drop for Session<C> {
    fn drop(&mut self) {
        if let Some(duration) = self.lasts.as_ref().map(Stopwatch::microseconds) {
            self.span.record("octets_in", self.counters.octets_in);
            self.span.record("octets_out", self.counters.octets_out);
            self.span.record("duration_us", duration);
        }
    }
}

impl Parent {
    /// A hook for the transcript that tells the span of it as well.
    pub(super) fn beside<H: FnMut(TranscriptEntry<'_>) + Send + Sync>(
        self,
        mut hook: H,
    ) -> impl FnMut(TranscriptEntry<'_>) + Send + Sync + use<H> {
        let mut listener = (!self.0.is_disabled()).then(|| listener(self.0));
        move |entry| {
            if let Some(listener) = &mut listener {
                listener(entry);
            }
            hook(entry);
        }
    }
}

/// Makes events of replies. The commands are left out: there are addresses in them.
fn listener(span: Span) -> impl FnMut(TranscriptEntry<'_>) + Send + Sync + use<> {
    let mut mechanism = String::new();
    let mut before = None;
    move |entry| {
        let reply = match entry.line() {
            TranscriptLine::ClientAuth { mechanism: name, .. } => {
                name.clone_into(&mut mechanism);
                return;
            }
            TranscriptLine::Server(reply) => Some(reply),
            TranscriptLine::Tls => None,
            _ => return,
        };
        let elapsed_us = entry.time().map(|now| microseconds(now.saturating_sub(before.unwrap_or_default())));
        before = entry.time();
        let Some(reply) = reply else {
            debug!(target: TARGET, parent: &span, elapsed_us, "TLS is established");
            return;
        };
        let (code, enhanced) = (reply.code().get(), reply.enhanced());
        let stage = entry.stage().map(Stage::as_str);
        debug!(target: TARGET, parent: &span, stage, code, enhanced = enhanced.map(display), elapsed_us, "reply");
        if entry.stage() != Some(Stage::Auth) {
            let text = display(Escaped::new(reply.text()));
            trace!(target: TARGET, parent: &span, stage, code, text, "the server's words");
        } else if reply.is_positive_completion() {
            span.record("auth.mechanism", mechanism.as_str());
        } else if reply.is_negative() {
            let (mechanism, enhanced) = (mechanism.as_str(), enhanced.map(display));
            warn!(target: TARGET, parent: &span, mechanism, code, enhanced, "authentication refused");
        }
    }
}

impl<C: Clock> Message<C> {
    pub(super) fn begin(
        Parent(parent): &Parent,
        clock: &C,
        message: usize,
        recipients: Option<usize>,
        size: Option<u64>,
    ) -> Self {
        let span = info_span!(
            target: TARGET,
            parent: parent,
            "smtp.message",
            number = message,
            recipients,
            size,
            outcome = Empty,
            stage = Empty,
            code = Empty,
            enhanced = Empty,
            queue_id = Empty,
            cause = Empty,
            recipients_accepted = Empty,
            recipients_refused = Empty,
            octets = Empty,
            duration_us = Empty,
        );
        let lasts = Stopwatch::of(&span, clock);
        if lasts.is_some() {
            // Whoever asked for it: the session may be older than that.
            span.follows_from(Span::current());
        }
        Self { span, lasts, enveloped: recipients.is_some(), over: false }
    }

    pub(super) fn over(mut self, outcome: Result<&Delivery, &SendError>, octets: u64) {
        self.over = true;
        let Some(duration) = self.lasts.as_ref().map(Stopwatch::microseconds) else { return };
        let summary = Summary::of(outcome);
        let (stage, code) = (summary.stage.map(Stage::as_str), summary.code.map(|code| code.get()));
        let enhanced = summary.enhanced.map(display);
        let span = &self.span;
        span.record("outcome", summary.outcome);
        span.record("stage", stage);
        span.record("code", code);
        span.record("enhanced", &enhanced);
        span.record("queue_id", summary.queue_id);
        span.record("cause", summary.cause);
        if self.enveloped {
            span.record("recipients_accepted", summary.accepted);
            span.record("recipients_refused", summary.refused);
        }
        span.record("octets", octets);
        span.record("duration_us", duration);
        if outcome.is_err() {
            let (outcome, cause) = (summary.outcome, summary.cause);
            warn!(target: TARGET, parent: span, outcome, stage, code, enhanced, cause, "the message was not accepted");
        }
    }
}

/// Given up before it had an outcome.
impl<C: Clock> Drop for Message<C> {
    fn drop(&mut self) {
        if let Some(lasts) = self.lasts.as_ref().filter(|_| !self.over) {
            self.span.record("outcome", "abandoned");
            self.span.record("duration_us", lasts.microseconds());
        }
    }
}
