//! Where accepted messages are kept, for a test to look at.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A message that the sink took responsibility for: what it answered with `queued as`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The queue id, unique in the sink and given in the reply: `250 2.0.0 Ok: queued as <id>`.
    pub id: String,
    /// The name the client gave with EHLO or HELO.
    pub client_name: String,
    /// The reverse-path without its angle brackets; empty for the null reverse-path.
    pub reverse_path: String,
    /// The parameters of MAIL in the order given, keywords in upper case.
    pub parameters: Vec<(String, Option<String>)>,
    /// The forward-paths that were accepted, without their angle brackets, in order.
    pub recipients: Vec<String>,
    /// The message's octets, without the dots of RFC 5321 §4.5.2 and without the final dot.
    pub data: Vec<u8>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The user the client had authenticated as.
    pub authenticated_as: Option<String>,
}

/// Octets in message bodies that broke the rule that CR and LF come together only (RFC 5321 §2.3.8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BareLineEnds {
    /// CRs without LF.
    pub cr: u64,
    /// LFs without CR.
    pub lf: u64,
}

/// The messages of one sink, shared between its sessions.
#[derive(Debug, Default)]
pub(super) struct MessageStore {
    inner: Mutex<Inner>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    messages: Vec<Message>,
    /// How many of them `wait` has handed out.
    handed_out: usize,
    bare: BareLineEnds,
}

impl MessageStore {
    /// Keeps `message` under a new queue id, and gives the id.
    pub(super) fn queue(&self, mut message: Message) -> String {
        let mut inner = self.lock();
        let id = format!("SINK{:06}", inner.messages.len() + 1);
        message.id.clone_from(&id);
        inner.messages.push(message);
        drop(inner);
        self.arrived.notify_all();
        id
    }

    pub(super) fn count_bare(&self, bare: BareLineEnds) {
        let mut inner = self.lock();
        inner.bare.cr += bare.cr;
        inner.bare.lf += bare.lf;
    }

    pub(super) fn bare(&self) -> BareLineEnds {
        self.lock().bare
    }

    pub(super) fn messages(&self) -> Vec<Message> {
        self.lock().messages.clone()
    }

    pub(super) fn wait(&self, timeout: Duration) -> Option<Message> {
        let deadline = Instant::now().checked_add(timeout);
        let mut inner = self.lock();
        loop {
            if let Some(message) = inner.messages.get(inner.handed_out).cloned() {
                inner.handed_out += 1;
                return Some(message);
            }
            // A deadline beyond the clock's range is none; it is looked at again every minute.
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(60),
            };
            if left.is_zero() {
                return None;
            }
            inner = self.arrived.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing is left half done under this lock, so a panic elsewhere does not spoil what it guards.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
