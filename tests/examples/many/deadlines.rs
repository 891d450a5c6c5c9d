//! When each connection has to be told the time: a heap with few more entries than connections.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

/// The deadlines of all connections, earliest first. An entry may be out of date: it is looked at when it comes up,
/// and put back as late as is due then. Most waits end long before that, and cost no entry of their own.
#[derive(Default)]
pub struct Deadlines {
    heap: BinaryHeap<Reverse<(Duration, usize)>>,
    /// The earliest entry of each connection.
    entered: HashMap<usize, Duration>,
}

impl Deadlines {
    /// Notes that the connection of this index has to be told the time then.
    pub fn note(&mut self, index: usize, due: Duration) {
        if self.entered.get(&index).is_none_or(|entered| *entered > due) {
            self.entered.insert(index, due);
            self.heap.push(Reverse((due, index)));
        }
    }

    /// When the next entry comes up.
    pub fn next(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// Takes an entry that has come up: which connection it is about.
    pub fn pop(&mut self, now: Duration) -> Option<usize> {
        let Reverse((due, index)) = self.heap.peek().copied().filter(|Reverse((due, _))| *due <= now)?;
        self.heap.pop();
        if self.entered.get(&index) == Some(&due) {
            self.entered.remove(&index);
        }
        Some(index)
    }
}
