//! What a connection counts, for whoever exports numbers: plain integers, kept as the session goes on.

use core::iter::Sum;
use core::ops::AddAssign;

use super::Connection;

/// What a connection has done so far. It is a plain value: take it when you like with
/// [`Connection::counters`], add those of several connections, subtract an earlier one of the same connection.
///
/// Nothing is reset when the session begins anew behind TLS. No count wraps: on one connection octets stand still at
/// 2⁶⁴ − 1, AUTH exchanges at 2¹⁶ − 1, all else at 2³² − 1.
///
/// In the text format of Prometheus, with the totals of two connections:
///
/// ```
/// use smtp_proto::connection::{Config, Connection, Counters, Peer, TlsPolicy};
///
/// # let config = Config::new("mail.example").tls(TlsPolicy::None);
/// # let mut first = Connection::new(config.clone(), Peer::Remote);
/// # let mut second = Connection::new(config, Peer::Remote);
/// # first.receive(b"220 hi\r\n");
/// # second.receive(b"421 busy\r\n");
/// # let _ = (first.poll_event(), second.poll_event());
/// let total: Counters = [&first, &second].into_iter().map(Connection::counters).sum();
/// let text: String = total.iter().map(|(name, count)| format!("smtp_{name}_total {count}\n")).collect();
/// assert!(text.starts_with("smtp_sessions_total 1\nsmtp_failures_total 1\n"));
/// assert!(text.contains("smtp_replies_4yz_total 1\n"));
/// ```
///
/// An exporter that wants increments, as the crate `metrics` does, keeps what it last saw:
///
/// ```
/// # use smtp_proto::connection::Counters;
/// # fn increment(_name: &str, _by: u64) {}
/// fn export(now: Counters, seen: &mut Counters) {
///     for (name, count) in now.since(seen).iter() {
///         increment(name, count); // metrics::counter!(format!("smtp_{name}")).increment(count)
///     }
///     *seen = now;
/// }
/// # export(Counters::default(), &mut Counters::default());
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Sessions that the server greeted with 220.
    pub sessions: u64,
    /// Connections that broke, or were given up.
    pub failures: u64,
    /// TLS handshakes that ended well.
    pub tls_handshakes: u64,
    /// AUTH exchanges that succeeded.
    pub authentications: u64,
    /// AUTH exchanges that the server refused or broke off.
    pub authentications_refused: u64,
    /// Octets received, as they came out of TLS.
    pub octets_in: u64,
    /// Octets that the transport accepted, as they went into TLS.
    pub octets_out: u64,
    /// Lines that were queued: commands, `BDAT` among them, and the responses of AUTH exchanges.
    pub commands: u64,
    /// Replies with a code of 200 to 299, the greeting among them.
    pub replies_2yz: u64,
    /// Replies with a code of 300 to 399.
    pub replies_3yz: u64,
    /// Replies with a code of 400 to 499.
    pub replies_4yz: u64,
    /// Replies with a code of 500 to 599.
    pub replies_5yz: u64,
    /// RCPT commands that the server accepted. A message that is sent twice counts its recipients twice.
    pub recipients_accepted: u64,
    /// RCPT commands that the server refused.
    pub recipients_refused: u64,
    /// Messages that the server took for at least one recipient, as the flows tell.
    pub messages_accepted: u64,
    /// Messages with the outcome [`SendError::Rejected`](crate::SendError::Rejected).
    pub messages_rejected: u64,
    /// Messages with the outcome [`SendError::NotSent`](crate::SendError::NotSent).
    pub messages_not_sent: u64,
    /// Messages with the outcome [`SendError::Unknown`](crate::SendError::Unknown).
    pub messages_unknown: u64,
}

impl Counters {
    /// Each count with its name, in the order of the fields: one that is added later comes too.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("sessions", self.sessions),
            ("failures", self.failures),
            ("tls_handshakes", self.tls_handshakes),
            ("authentications", self.authentications),
            ("authentications_refused", self.authentications_refused),
            ("octets_in", self.octets_in),
            ("octets_out", self.octets_out),
            ("commands", self.commands),
            ("replies_2yz", self.replies_2yz),
            ("replies_3yz", self.replies_3yz),
            ("replies_4yz", self.replies_4yz),
            ("replies_5yz", self.replies_5yz),
            ("recipients_accepted", self.recipients_accepted),
            ("recipients_refused", self.recipients_refused),
            ("messages_accepted", self.messages_accepted),
            ("messages_rejected", self.messages_rejected),
            ("messages_not_sent", self.messages_not_sent),
            ("messages_unknown", self.messages_unknown),
        ]
        .into_iter()
    }

    /// What has been counted since `earlier`, an earlier value of the same connection or of the same sum.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        self.with(earlier, u64::saturating_sub)
    }

    /// Each count made one with its like.
    fn with(&self, other: &Self, both: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            sessions: both(self.sessions, other.sessions),
            failures: both(self.failures, other.failures),
            tls_handshakes: both(self.tls_handshakes, other.tls_handshakes),
            authentications: both(self.authentications, other.authentications),
            authentications_refused: both(self.authentications_refused, other.authentications_refused),
            octets_in: both(self.octets_in, other.octets_in),
            octets_out: both(self.octets_out, other.octets_out),
            commands: both(self.commands, other.commands),
            replies_2yz: both(self.replies_2yz, other.replies_2yz),
            replies_3yz: both(self.replies_3yz, other.replies_3yz),
            replies_4yz: both(self.replies_4yz, other.replies_4yz),
            replies_5yz: both(self.replies_5yz, other.replies_5yz),
            recipients_accepted: both(self.recipients_accepted, other.recipients_accepted),
            recipients_refused: both(self.recipients_refused, other.recipients_refused),
            messages_accepted: both(self.messages_accepted, other.messages_accepted),
            messages_rejected: both(self.messages_rejected, other.messages_rejected),
            messages_not_sent: both(self.messages_not_sent, other.messages_not_sent),
            messages_unknown: both(self.messages_unknown, other.messages_unknown),
        }
    }
}

/// Saturates.
impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        *self = self.with(&other, u64::saturating_add);
    }
}

impl Sum for Counters {
    fn sum<I: Iterator<Item = Self>>(counters: I) -> Self {
        counters.fold(Self::default(), |total, counted| total.with(&counted, u64::saturating_add))
    }
}

/// What is counted in a connection, of which there may be ten thousand; what else there is to know, it knows
/// already.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(super) octets_in: u64,
    pub(super) commands: u32,
    /// Of each first digit from 2 to 5.
    replies: [u32; 4],
    recipients: [u32; 2],
    authentications: [u16; 2],
    messages: Outcomes,
}

/// How many messages had each outcome: accepted, rejected, not sent, unknown.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Outcomes([u32; 4]);

/// What became of a message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Outcome {
    Accepted,
    Rejected,
    NotSent,
    Unknown,
}

impl Outcomes {
    pub(crate) fn add(&mut self, outcome: Outcome) {
        let [accepted, rejected, not_sent, unknown] = &mut self.0;
        count(match outcome {
            Outcome::Accepted => accepted,
            Outcome::Rejected => rejected,
            Outcome::NotSent => not_sent,
            Outcome::Unknown => unknown,
        });
    }
}

fn count(counter: &mut u32) {
    *counter = counter.saturating_add(1);
}

impl Tally {
    pub(super) fn received(&mut self, octets: usize) {
        self.octets_in = self.octets_in.saturating_add(octets as u64);
    }

    pub(super) fn command(&mut self) {
        count(&mut self.commands);
    }

    pub(super) fn reply(&mut self, code: u16) {
        let [two, three, four, five] = &mut self.replies;
        count(match code {
            ..300 => two,
            300..400 => three,
            400..500 => four,
            500.. => five,
        });
    }

    pub(super) fn recipient(&mut self, accepted: bool) {
        let [yes, no] = &mut self.recipients;
        count(if accepted { yes } else { no });
    }

    pub(super) fn authentication(&mut self, succeeded: bool) {
        let [yes, no] = &mut self.authentications;
        let counter = if succeeded { yes } else { no };
        *counter = counter.saturating_add(1);
    }
}

impl Connection {
    /// What has been counted on this connection so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let tally = &self.tally;
        let [replies_2yz, replies_3yz, replies_4yz, replies_5yz] = tally.replies.map(u64::from);
        let [recipients_accepted, recipients_refused] = tally.recipients.map(u64::from);
        let [authentications, authentications_refused] = tally.authentications.map(u64::from);
        let [messages_accepted, messages_rejected, messages_not_sent, messages_unknown] =
            tally.messages.0.map(u64::from);
        Counters {
            sessions: self.is_greeted().into(),
            failures: self.failure.is_some().into(),
            tls_handshakes: self.security.is_tls().into(),
            authentications,
            authentications_refused,
            octets_in: tally.octets_in,
            octets_out: self.pipeline.accepted(),
            commands: tally.commands.into(),
            replies_2yz,
            replies_3yz,
            replies_4yz,
            replies_5yz,
            recipients_accepted,
            recipients_refused,
            messages_accepted,
            messages_rejected,
            messages_not_sent,
            messages_unknown,
        }
    }

    /// Adds what a flow has found out about its messages.
    pub(crate) fn count_outcomes(&mut self, outcomes: Outcomes) {
        for (counter, more) in self.tally.messages.0.iter_mut().zip(outcomes.0) {
            *counter = counter.saturating_add(more);
        }
    }
}
