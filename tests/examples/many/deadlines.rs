//! When each connection has to be told that its time is over: a heap with few more entries than connections.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use smtp_proto::connection::Timeout;

/// The clock of one connection. It begins anew whenever what the connection waits for changes.
#[derive(Default)]
pub struct Clock {
    waiting: Option<(Timeout, Instant)>,
    /// The earliest entry for it in the heap.
    entered: Option<Instant>,
}

/// The deadlines of all connections, earliest first. An entry may be out of date: it is looked at when it comes up,
/// and put back as late as is due then. Most waits end long before that, and cost no entry of their own.
#[derive(Default)]
pub struct Deadlines(BinaryHeap<Reverse<(Instant, usize)>>);

impl Deadlines {
    /// Notes what the connection of this index waits for now.
    pub fn note(&mut self, index: usize, clock: &mut Clock, timeout: Option<Timeout>, now: Instant) {
        clock.waiting = match (timeout, clock.waiting) {
            (Some(timeout), Some((same, since))) if same == timeout => Some((same, since)),
            (Some(timeout), _) => Some((timeout, now)),
            (None, _) => None,
        };
        self.enter(index, clock);
    }

    fn enter(&mut self, index: usize, clock: &mut Clock) {
        // A budget beyond the end of the clock never runs out.
        let Some(due) = clock.waiting.and_then(|(timeout, since)| since.checked_add(timeout.budget)) else {
            return;
        };
        if clock.entered.is_none_or(|entered| entered > due) {
            clock.entered = Some(due);
            self.0.push(Reverse((due, index)));
        }
    }

    /// When the next entry comes up.
    pub fn next(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes an entry that has come up: which connection it is about.
    pub fn pop(&mut self, now: Instant) -> Option<(Instant, usize)> {
        let Reverse(entry) = self.0.peek().copied().filter(|Reverse((due, _))| *due <= now)?;
        self.0.pop();
        Some(entry)
    }

    /// Whether, with that entry, the connection's time is over. If it is not, the entry is put back.
    pub fn is_over(&mut self, entry: (Instant, usize), clock: &mut Clock, now: Instant) -> bool {
        let (due, index) = entry;
        if clock.entered != Some(due) {
            // An earlier entry has been here since.
            return false;
        }
        clock.entered = None;
        match clock.waiting {
            Some((timeout, since)) if now.saturating_duration_since(since) >= timeout.budget => true,
            _ => {
                self.enter(index, clock);
                false
            }
        }
    }
}
