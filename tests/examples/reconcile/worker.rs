//! A worker sends its share of a mode's messages, session after session, and keeps what the client said of each.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use smtp_proto::connection::{Config, Timeouts, TlsPolicy};
use smtp_proto::flow::{Delivery, RecipientState};
use smtp_proto::{Error, SendError};

use crate::letter::{Letter, Parcel};
use crate::mode::{Mode, Way};
use crate::random::Random;
use crate::servers::Access;
use crate::wire::{Slot, Wire};

/// More tries than any run of bad luck takes.
const TRIES: usize = 200;

pub(crate) struct Worker {
    pub(crate) mode: Mode,
    pub(crate) address: SocketAddr,
    pub(crate) config: Config,
    /// Under TLS.
    pub(crate) access: Option<Access>,
    pub(crate) random: Random,
    slot: Arc<Slot>,
    /// Those that have to be sent, by their place in `entries`.
    pending: VecDeque<usize>,
    pub(crate) entries: Vec<Entry>,
    sessions: Vec<Arc<Wire>>,
    misdeeds: Vec<String>,
}

/// A message, and what the client said of it, try by try.
pub(crate) struct Entry {
    pub(crate) letter: Letter,
    pub(crate) tries: Vec<Try>,
}

pub(crate) struct Try {
    pub(crate) said: Said,
    pub(crate) wire: Arc<Wire>,
}

/// What the client said of a message.
pub(crate) struct Said {
    pub(crate) verdict: Verdict,
    /// May be shorter than the envelope's list.
    pub(crate) recipients: Vec<RecipientState>,
    pub(crate) queue_id: Option<String>,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    Rejected,
    NotSent,
    Unknown,
}

/// What the client says of a message of which it was not let tell.
pub(crate) enum Delivered {
    Perhaps,
    No,
}

/// The messages for one connection.
pub(crate) struct Session {
    pub(crate) letters: Vec<usize>,
    pub(crate) wire: Arc<Wire>,
    pub(crate) batch: bool,
    /// Whether QUIT goes behind the last message of a batch.
    pub(crate) then_quit: bool,
}

impl Worker {
    pub(crate) fn new(
        mode: Mode,
        seed: &str,
        numbers: impl Iterator<Item = usize>,
        route: (SocketAddr, Arc<Slot>),
        deadline: Duration,
        access: Option<Access>,
    ) -> Self {
        let (address, slot) = route;
        let policy = if access.is_some() { TlsPolicy::Required } else { TlsPolicy::None };
        let entries: Vec<_> =
            numbers.map(|number| Entry { letter: Letter::new(mode, number), tries: Vec::new() }).collect();
        Self {
            mode,
            address,
            config: Config::new("localhost").tls(policy).timeouts(Timeouts::all(deadline)),
            access,
            random: Random::new(&[seed.as_bytes()]),
            slot,
            pending: (0..entries.len()).collect(),
            entries,
            sessions: Vec::new(),
            misdeeds: Vec::new(),
        }
    }

    /// The next session, as long as there is anything to send.
    pub(crate) fn next_session(&mut self) -> Option<Session> {
        let batch = match self.mode.way {
            Way::Each => false,
            Way::Batch | Way::Drop => true,
            Way::Retry => !self.random.one_in(4),
        };
        let count = self.random.between(1, if batch { 40 } else { 15 }).min(self.pending.len());
        if count == 0 {
            return None;
        }
        let letters = self.pending.drain(..count).collect();
        let wire = Arc::default();
        self.slot.set(&wire);
        self.sessions.push(Arc::clone(&wire));
        Some(Session { letters, wire, batch, then_quit: self.random.one_in(2) })
    }

    /// What the client said of the first of the session's messages that is left; it is not left any more.
    pub(crate) fn told(&mut self, session: &mut Session, outcome: Result<Delivery, SendError>) {
        if session.letters.is_empty() {
            self.misdeeds.push(format!("more outcomes than messages:\n{}", session.wire.text()));
            return;
        }
        let place = session.letters.remove(0);
        let Some(entry) = self.entries.get_mut(place) else { return };
        let said = Said::new(&outcome);
        session.wire.note(&format!("-- {}: {}", entry.letter.serial, said.text));
        match &outcome {
            Ok(_) => session.wire.told(),
            Err(error) if matches!(error.cause(), Some(Error::Timeout(_))) => session.wire.excuse(),
            Err(_) => {}
        }
        entry.tries.push(Try { said, wire: Arc::clone(&session.wire) });
        let again = outcome.is_err_and(|error| error.is_safe_to_retry());
        if again && self.mode.way == Way::Retry && entry.tries.len() < TRIES {
            self.pending.push_back(place);
        }
    }

    /// The caller has dropped what would have told of the first message that is left. It may have been delivered, unless
    /// the client says that it was not.
    pub(crate) fn dropped(&mut self, session: &mut Session, delivered: Delivered) {
        session.wire.excuse();
        let (cause, recipients) = (Error::Abandoned, Vec::new());
        let error = match delivered {
            Delivered::Perhaps => SendError::Unknown { cause, recipients },
            Delivered::No => SendError::NotSent { cause, recipients },
        };
        self.told(session, Err(error));
    }

    /// A batch has come to its end without telling of so many of the messages that it took.
    pub(crate) fn owed(&mut self, session: &Session, outcomes: usize) {
        if outcomes > 0 {
            let text = session.wire.text();
            self.misdeeds.push(format!("{outcomes} outcomes of a batch were not told:\n{text}"));
        }
    }

    /// The first messages that are left.
    pub(crate) fn next_messages(&self, session: &Session, count: usize) -> Vec<Parcel> {
        let entries = session.letters.iter().take(count).filter_map(|&place| self.entries.get(place));
        entries.filter_map(|entry| entry.letter.parcel(self.mode)).collect()
    }

    /// What the client did that it must not do, other than to a message.
    pub(crate) fn misdeeds(&self) -> impl Iterator<Item = String> {
        self.misdeeds.iter().cloned().chain(self.sessions.iter().filter_map(|wire| wire.fault()))
    }

    /// The session is over; what is left of it is sent in others.
    pub(crate) fn over(&mut self, session: Session) {
        for place in session.letters.into_iter().rev() {
            self.pending.push_front(place);
        }
    }
}

impl Said {
    fn new(outcome: &Result<Delivery, SendError>) -> Self {
        let (verdict, recipients) = match outcome {
            Ok(delivery) => (Verdict::Accepted, &*delivery.recipients),
            Err(error) => {
                let verdict = match error {
                    SendError::Rejected { .. } => Verdict::Rejected,
                    SendError::NotSent { .. } => Verdict::NotSent,
                    SendError::Unknown { .. } => Verdict::Unknown,
                };
                (verdict, error.recipients())
            }
        };
        let text = match outcome {
            Ok(delivery) => format!("accepted: {}", delivery.reply),
            Err(error) => error.to_string(),
        };
        Self {
            verdict,
            recipients: recipients.iter().map(|recipient| recipient.state).collect(),
            queue_id: outcome.as_ref().ok().and_then(|delivery| delivery.queue_id().map(str::to_owned)),
            text,
        }
    }
}
