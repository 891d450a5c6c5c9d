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
    /// The parameters of MAIL in the order given, keywords in upper case, values as they came.
    pub parameters: Vec<(String, Option<String>)>,
    /// The forward-paths that were accepted, without their angle brackets, in order. Under LMTP, those that
    /// were refused at the end of the message are not among them.
    pub recipients: Vec<String>,
    /// The parameters of each of their RCPTs, in the same order.
    pub recipient_parameters: Vec<Vec<(String, Option<String>)>>,
    /// The message's octets, without the dots of RFC 5321 §4.5.2 and without the final dot.
    pub data: Vec<u8>,
    /// The octets in each BDAT chunk (RFC 3030), `BDAT 0 LAST` included; empty when the message came by DATA.
    pub chunks: Vec<usize>,
    /// What XCLIENT commands have told: names in upper case, values decoded, in the order given.
    pub client_attributes: Vec<(String, String)>,
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

/// Something that a client may not do, and the reply that it got.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClientError {
    /// The command line without CRLF, what is not UTF-8 replaced; of AUTH and its responses no more than the
    /// verb. For a message it is the command that ended it.
    pub command: String,
    /// The reply's code.
    pub code: u16,
    /// The reply's text, without an enhanced status code.
    pub text: String,
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
    client_errors: Vec<ClientError>,
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

    pub(super) fn note(&self, error: ClientError) {
        self.lock().client_errors.push(error);
    }

    pub(super) fn client_errors(&self) -> Vec<ClientError> {
        self.lock().client_errors.clone()
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
