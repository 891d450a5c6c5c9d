//! The commands in flight and the octets they wait to leave in (RFC 2920).
//!
//! Commands are encoded into one buffer as they are queued; each is remembered by the position, counted in
//! octets since the connection began, where its line ends. Two more positions run along that stream:
//! *released* (what RFC 2920 and the window allow to be written) and *accepted* (what the transport took).
//! A command is in flight once released; whether its last octet left is a comparison of two positions.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::{CommandId, Stage};

/// How much may be in flight at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// Commands without a reply: 1,000.
    pub commands: usize,
    /// Octets of commands without a reply: 16 KiB, so that two full socket buffers never face each other.
    pub octets: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { commands: 1000, octets: 16 * 1024 }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) id: CommandId,
    pub(super) stage: Stage,
    start: u64,
    /// Where its last octet stands; `u64::MAX` while a body is not finished.
    end: u64,
}

pub(super) struct Pipeline {
    window: Window,
    entries: VecDeque<Entry>,
    in_flight: usize,
    next_id: u64,
    /// Encoded octets; `bytes[0]` stands at position `accepted - head`.
    bytes: Vec<u8>,
    head: usize,
    accepted: u64,
    released: u64,
    /// Octets of a body part that the caller is writing; they leave before anything in `bytes`.
    body_owed: u64,
    secret: bool,
}

/// An empty buffer keeps no more than this between flights, so that an idle connection stays small.
const KEEP: usize = 256;

impl Pipeline {
    pub(super) fn new(window: Window) -> Self {
        Self {
            window,
            entries: VecDeque::new(),
            in_flight: 0,
            next_id: 0,
            bytes: Vec::new(),
            head: 0,
            accepted: 0,
            released: 0,
            body_owed: 0,
            secret: false,
        }
    }

    /// Queues a command whose line `encode` appends.
    pub(super) fn push<E>(
        &mut self,
        stage: Stage,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<CommandId, E> {
        encode(&mut self.bytes)?;
        Ok(self.add(stage))
    }

    /// Queues a line that holds a secret of at most `len` octets: it is wiped once written, and the buffer
    /// is not grown while it holds it, because growing would leave a copy behind.
    pub(super) fn push_secret<E>(
        &mut self,
        stage: Stage,
        len: usize,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<CommandId, E> {
        self.bytes.reserve_exact(len);
        self.secret = true;
        encode(&mut self.bytes)?;
        Ok(self.add(stage))
    }

    fn add(&mut self, stage: Stage) -> CommandId {
        let start = self.entries.back().map_or(self.accepted, |last| last.end);
        let end = self.queued_end();
        self.add_entry(stage, start, end)
    }

    fn add_entry(&mut self, stage: Stage, start: u64, end: u64) -> CommandId {
        let id = CommandId(self.next_id);
        self.next_id += 1;
        self.entries.push_back(Entry { id, stage, start, end });
        id
    }

    /// Puts a reply in flight that needs no octets of its own: the greeting.
    pub(super) fn expect(&mut self, stage: Stage) {
        let end = self.queued_end();
        self.add_entry(stage, end, end);
        self.in_flight += 1;
    }

    /// Puts the end of a message in flight whose body is still to come.
    pub(super) fn begin_body(&mut self) -> CommandId {
        let start = self.queued_end();
        let id = self.add_entry(Stage::EndOfData, start, u64::MAX);
        self.in_flight += 1;
        id
    }

    pub(super) fn body_id(&self) -> Option<CommandId> {
        self.entries.back().filter(|last| last.end == u64::MAX).map(|last| last.id)
    }

    pub(super) fn lend_body(&mut self, octets: u64) {
        self.body_owed += octets;
    }

    pub(super) fn body_owed(&self) -> u64 {
        self.body_owed
    }

    /// Ends the body: the terminator follows it in the stream.
    pub(super) fn end_body(&mut self, terminator: &[u8]) -> Option<CommandId> {
        self.bytes.extend_from_slice(terminator);
        let end = self.queued_end();
        let last = self.entries.back_mut()?;
        last.end = end;
        self.released = end;
        Some(last.id)
    }

    fn queued_end(&self) -> u64 {
        self.accepted + (self.bytes.len() - self.head) as u64
    }

    /// The oldest command in flight.
    pub(super) fn front(&self) -> Option<&Entry> {
        if self.in_flight > 0 { self.entries.front() } else { None }
    }

    /// The oldest command, in flight or still held back.
    pub(super) fn first(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Whether anything of the front has left; a body counts from its beginning.
    pub(super) fn front_begun(&self) -> bool {
        self.front().is_some_and(|entry| {
            entry.stage == Stage::EndOfData || entry.start < self.accepted || self.has_left(entry)
        })
    }

    /// Whether the front's last octet has left.
    pub(super) fn front_left(&self) -> bool {
        self.front().is_some_and(|entry| self.has_left(entry))
    }

    /// Whether the end of a message has left and was not answered.
    pub(super) fn message_unanswered(&self) -> bool {
        self.entries.iter().any(|entry| entry.stage == Stage::EndOfData && self.has_left(entry))
    }

    fn has_left(&self, entry: &Entry) -> bool {
        self.body_owed == 0 && entry.end <= self.accepted
    }

    /// Whether the command is still without a reply though its last octet has left.
    pub(super) fn is_unanswered(&self, id: CommandId) -> bool {
        self.entries.iter().any(|entry| entry.id == id && self.has_left(entry))
    }

    /// Takes the front away: it was answered.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.in_flight -= 1;
        if self.entries.is_empty() && self.entries.capacity() > 16 {
            self.entries = VecDeque::new();
        }
        Some(entry)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether one more command would be released at once, or without PIPELINING, whether it is its turn.
    pub(super) fn has_room(&self, pipelining: bool) -> bool {
        match self.entries.back() {
            None => true,
            Some(last) => pipelining && !ends_group(last.stage) && self.window_open(self.queued_end()),
        }
    }

    fn window_open(&self, end: u64) -> bool {
        let unanswered = self.entries.front().map_or(0, |front| end - front.start.min(end));
        self.entries.len() < self.window.commands && unanswered < self.window.octets as u64
    }

    /// Releases what may leave now. `quiet` says that no octet waits to be read: what a server said before
    /// it was asked is judged before anything more is asked.
    pub(super) fn release(&mut self, pipelining: bool, quiet: bool) {
        while let Some(next) = self.entries.get(self.in_flight) {
            let may = match self.in_flight.checked_sub(1).and_then(|last| self.entries.get(last)) {
                None => quiet,
                Some(last) => {
                    let front = self.entries.front().map_or(0, |front| front.start);
                    pipelining
                        && !ends_group(last.stage)
                        && self.in_flight < self.window.commands
                        && next.end - front <= self.window.octets as u64
                }
            };
            if !may {
                break;
            }
            self.released = next.end;
            self.in_flight += 1;
        }
    }

    /// What to write now, behind any body part in the caller's hands.
    pub(super) fn output(&self) -> &[u8] {
        let len = (self.released.max(self.accepted) - self.accepted) as usize;
        self.bytes.get(self.head..self.head + len).unwrap_or_default()
    }

    /// Counts `n` octets as accepted by the transport; `None` if there were not so many.
    pub(super) fn advance(&mut self, n: usize) -> Option<()> {
        let of_body = self.body_owed.min(n as u64);
        let rest = n - of_body as usize;
        if rest > self.output().len() {
            return None;
        }
        self.body_owed -= of_body;
        self.accepted += rest as u64;
        self.head += rest;
        if self.head == self.bytes.len() {
            self.clear();
        } else if self.head > self.bytes.len() / 2 && !self.secret {
            self.bytes.drain(..self.head);
            self.head = 0;
        }
        Some(())
    }

    fn clear(&mut self) {
        if self.secret {
            self.bytes.fill(0);
            core::hint::black_box(&mut self.bytes);
            self.secret = false;
        }
        self.bytes.clear();
        self.head = 0;
        if self.bytes.capacity() > KEEP {
            self.bytes = Vec::new();
        }
    }

    /// Forgets everything unsent; the entries stay, to tell what was left without a reply.
    pub(super) fn stop(&mut self) {
        self.clear();
        self.released = self.accepted;
    }
}

/// RFC 2920 §3.1, RFC 3207 §4, RFC 4954 §4: commands that end a group, because what follows depends on their reply.
fn ends_group(stage: Stage) -> bool {
    match stage {
        Stage::Greeting
        | Stage::Ehlo
        | Stage::Helo
        | Stage::StartTls
        | Stage::Auth
        | Stage::Data
        | Stage::Vrfy
        | Stage::Expn
        | Stage::Noop
        | Stage::Quit
        // RFC 2920 does not place these; alone is always right.
        | Stage::Help
        | Stage::Etrn
        | Stage::XClient
        | Stage::Custom => true,
        Stage::Mail | Stage::Rcpt | Stage::Rset | Stage::EndOfData => false,
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.clear();
    }
}
