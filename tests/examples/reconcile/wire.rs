//! The last lines of what was said on a connection, and what the proxy did to it, for the day they are asked for.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smtp_proto::connection::TranscriptEntry;

const LINES: usize = 200;

#[derive(Default)]
pub(crate) struct Wire {
    lines: Mutex<VecDeque<String>>,
    /// Acceptances that the proxy has passed to the client, and those that the client has told.
    passed: AtomicUsize,
    told: AtomicUsize,
    /// Whether the client may have been gone when they came, or it is not known how many there were.
    excused: AtomicBool,
}

impl Wire {
    pub(crate) fn note(&self, text: &str) {
        let mut lines = self.lines();
        for line in text.lines() {
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(line.to_owned());
        }
    }

    /// What a client calls with each line that is said.
    pub(crate) fn hook(self: &Arc<Self>) -> impl FnMut(TranscriptEntry<'_>) + Send + Sync + 'static {
        let wire = Arc::clone(self);
        move |entry| wire.note(&entry.to_string())
    }

    pub(crate) fn text(&self) -> String {
        self.lines().iter().map(|line| format!("    {line}\n")).collect()
    }

    pub(crate) fn passed(&self, acceptances: usize) {
        self.passed.store(acceptances, Ordering::SeqCst);
    }

    pub(crate) fn told(&self) {
        self.told.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn excuse(&self) {
        self.excused.store(true, Ordering::SeqCst);
    }

    /// What is wrong if the client has not told of each acceptance that it was given.
    pub(crate) fn fault(&self) -> Option<String> {
        let (passed, told) = (self.passed.load(Ordering::SeqCst), self.told.load(Ordering::SeqCst));
        let excused = self.excused.load(Ordering::SeqCst);
        (passed != told && !excused).then(|| {
            format!("{passed} acceptances came to the client, and it told of {told}:\n{}", self.text())
        })
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connection that a worker is about to open, for the proxy that accepts it.
pub(crate) struct Slot(Mutex<Arc<Wire>>);

impl Slot {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Arc::default()))
    }

    pub(crate) fn set(&self, wire: &Arc<Wire>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(wire);
    }

    pub(crate) fn get(&self) -> Arc<Wire> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
