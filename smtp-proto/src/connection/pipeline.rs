//! The commands in flight and the octets they wait to leave in (RFC 2920, RFC 3030 §4.2).
//!
//! Commands are encoded into one buffer as they are queued; each is remembered by the position, counted in
//! octets since the connection began, where its line ends. Two more positions run along that stream:
//! *released* (what RFC 2920 and the window allow to be written) and *accepted* (what the transport took).
//! A command is in flight once released; whether its last octet left is a comparison of two positions. Positions
//! stand still at 2⁶⁴ − 1, 58 years of 10 GB/s away: everything then counts as having left, so that what became of
//! a message is unknown rather than told wrong.
//!
//! Message bodies are part of the stream, but not of the buffer: they are lent to the caller, who writes them
//! first. Under BDAT command lines come before them; those go out of the buffer along with the part, so that
//! the rule stays the same.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::{CommandId, Stage};
use crate::body::{BodyPart, Head};

/// How much may be in flight at once.
///
/// ```
/// use smtp_proto::connection::{Config, Window};
///
/// let mut window = Window::default();
/// window.chunks = 4;
/// let config = Config::new("mail.example.org").window(window);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// Commands without a reply: 2,000.
    pub commands: usize,
    /// Octets of command lines without a reply: 64 KiB. Together with `commands` it bounds what the server
    /// has to say before it is heard, so that two full socket buffers do not face each other (RFC 2920 §3.1).
    pub octets: usize,
    /// `BDAT` chunks without a reply: 16. A message known whole is one chunk, if it is no longer than
    /// `chunk_octets`, so this is also how many messages are in flight. Octets of chunks do not count as octets above: the server answers each chunk
    /// with one line, however long it is.
    pub chunks: usize,
    /// Most octets in one `BDAT` chunk: 1 MiB. Each piece that a stream is supplied in is a chunk of its own, which
    /// for a buffered reader is what its buffer holds. A refusal can stop a message only between two chunks.
    pub chunk_octets: usize,
}

impl Default for Window {
    fn default() -> Self {
        Self { commands: 2000, octets: 64 * 1024, chunks: 16, chunk_octets: 1024 * 1024 }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) id: CommandId,
    pub(super) stage: Stage,
    start: u64,
    /// Where its last octet stands; `u64::MAX` while a body is not finished.
    end: u64,
    /// Octets of its command line, which count for the window.
    cost: u32,
    /// Whether it is a `BDAT`.
    pub(super) chunk: bool,
}

impl Entry {
    fn cost(&self) -> usize {
        usize::try_from(self.cost).unwrap_or(usize::MAX)
    }
}

pub(super) struct Pipeline {
    entries: VecDeque<Entry>,
    in_flight: u32,
    /// Octets of the command lines in `entries`, and of those of them in flight.
    cost: usize,
    cost_in_flight: usize,
    chunks_in_flight: u32,
    next_id: u64,
    /// Octets that the transport took since the connection began, those of bodies included.
    accepted: u64,
    /// Octets of a body part that the caller is writing, the command lines at its head included.
    owed: u64,
    /// How many of the octets to be written, body part included, it takes until those of bodies that were copied into
    /// `bytes` have left.
    kept: u32,
    /// Encoded octets; `bytes[head]` stands at position `accepted + owed`.
    bytes: Vec<u8>,
    head: usize,
    /// Where the octets end that may be written.
    released: u64,
    secret: bool,
}

/// An empty buffer keeps no more than this between flights, so that an idle connection stays small. It is
/// enough for most commands that go alone.
const KEEP: usize = 48;

/// Room made at once when a second command comes behind the first: what most messages take.
const GROUP: usize = 256;

impl Pipeline {
    pub(super) fn new() -> Self {
        Self {
            entries: VecDeque::new(),
            in_flight: 0,
            cost: 0,
            cost_in_flight: 0,
            chunks_in_flight: 0,
            next_id: 0,
            accepted: 0,
            owed: 0,
            kept: 0,
            bytes: Vec::new(),
            head: 0,
            released: 0,
            secret: false,
        }
    }

    /// Queues a command whose line `encode` appends.
    pub(super) fn push<E>(
        &mut self,
        stage: Stage,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<CommandId, E> {
        let start = self.queued_end();
        match self.entries.len() {
            0 if self.bytes.capacity() < KEEP => self.bytes.reserve_exact(KEEP),
            1 => self.bytes.reserve(GROUP),
            _ => {}
        }
        encode(&mut self.bytes)?;
        Ok(self.add(stage, start))
    }

    /// Queues a line that holds a secret of at most `len` octets: it is wiped once written, and the buffer
    /// is not grown while it holds it, because growing would leave a copy behind.
    pub(super) fn push_secret<E>(
        &mut self,
        stage: Stage,
        len: usize,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
    ) -> Result<CommandId, E> {
        let start = self.queued_end();
        self.bytes.reserve_exact(len);
        self.secret = true;
        encode(&mut self.bytes)?;
        Ok(self.add(stage, start))
    }

    /// A new id, for a command or for the end of a message that is yet to come.
    pub(super) fn new_id(&mut self) -> CommandId {
        let id = CommandId(self.next_id);
        self.next_id = self.next_id.wrapping_add(1);
        id
    }

    fn add(&mut self, stage: Stage, start: u64) -> CommandId {
        let id = self.new_id();
        let end = self.queued_end();
        let cost = u32::try_from(end.saturating_sub(start)).unwrap_or(u32::MAX);
        self.add_entry(Entry { id, stage, start, end, cost, chunk: false });
        id
    }

    fn add_entry(&mut self, entry: Entry) {
        self.cost = self.cost.saturating_add(entry.cost());
        self.entries.push_back(entry);
    }

    /// Puts the entry added last in flight, everything before it being so.
    fn fly(&mut self) {
        if let Some(last) = self.entries.back() {
            self.in_flight = self.in_flight.saturating_add(1);
            self.cost_in_flight = self.cost_in_flight.saturating_add(last.cost());
            self.chunks_in_flight = self.chunks_in_flight.saturating_add(last.chunk.into());
        }
    }

    /// Puts a reply in flight that needs no octets of its own: the greeting.
    pub(super) fn expect(&mut self, stage: Stage) {
        let end = self.queued_end();
        let id = self.new_id();
        self.add_entry(Entry { id, stage, start: end, end, cost: 0, chunk: false });
        self.fly();
    }

    // ---- bodies ----

    /// Puts the end of a message in flight whose body follows DATA. It counts as begun: the server has asked.
    pub(super) fn begin_body(&mut self) -> CommandId {
        let id = self.new_id();
        self.add_entry(Entry { id, stage: Stage::EndOfData, start: 0, end: u64::MAX, cost: 0, chunk: false });
        self.fly();
        id
    }

    /// Ends a body after DATA: the terminator follows it in the stream.
    pub(super) fn end_body(&mut self, terminator: &[u8]) {
        self.bytes.extend_from_slice(terminator);
        let end = self.queued_end();
        if let Some(last) = self.entries.back_mut() {
            last.end = end;
        }
        self.released = end;
    }

    /// Whether a chunk may be announced: nothing is held back, and the window has room for it.
    pub(super) fn takes_chunk(&self, window: &Window, pipelining: bool) -> bool {
        match self.entries.back() {
            None => true,
            Some(last) => {
                pipelining
                    && !ends_group(last.stage)
                    && self.entries.len() == self.in_flight as usize
                    && (self.chunks_in_flight as usize) < window.chunks.max(1)
                    && self.entries.len() < window.commands
                    && self.cost.saturating_add(Head::LINE) <= window.octets
            }
        }
    }

    /// Puts a `BDAT` line in flight, which `octets` of the message follow. The caller has asked
    /// [`takes_chunk`](Self::takes_chunk).
    pub(super) fn push_chunk(&mut self, id: CommandId, stage: Stage, line: &[u8], octets: u64) {
        let start = self.queued_end();
        self.bytes.extend_from_slice(line);
        let end = self.queued_end().saturating_add(octets);
        let cost = u32::try_from(line.len()).unwrap_or(u32::MAX);
        self.add_entry(Entry { id, stage, start, end, cost, chunk: true });
        self.fly();
        self.released = end;
    }

    /// Adds octets of a chunk that nobody has to supply.
    pub(super) fn append(&mut self, octets: &[u8]) {
        self.bytes.extend_from_slice(octets);
    }

    /// Takes out what is to be written before the octets of a chunk.
    pub(super) fn take_head(&mut self) -> Head {
        let pending = self.bytes.get(self.head..).unwrap_or_default();
        let head = match pending.len() {
            0 => return Head::Empty,
            1..=Head::LINE => Head::line(pending),
            _ if self.head == 0 => return Head::Lines(core::mem::take(&mut self.bytes)),
            _ => Head::Lines(pending.to_vec()),
        };
        self.bytes.clear();
        self.head = 0;
        head
    }

    /// Counts octets that the caller was given to write before everything in [`output`](Self::output).
    pub(super) fn lend(&mut self, octets: u64) {
        self.owed = self.owed.saturating_add(octets);
    }

    /// Takes the part just lent back from the caller, as a copy: it leaves as command lines do.
    pub(super) fn keep(&mut self, part: &BodyPart<'_>) {
        self.bytes.reserve(part.len());
        part.slices().for_each(|slice| self.bytes.extend_from_slice(slice));
        self.owed = self.owed.saturating_sub(part.len() as u64);
        let end = self.queued_end();
        self.kept = u32::try_from(end.saturating_sub(self.accepted)).unwrap_or(u32::MAX);
        self.released = self.released.max(end);
    }

    /// Whether octets of a body that were copied have not left.
    pub(super) fn is_keeping(&self) -> bool {
        self.kept > 0
    }

    /// Octets that the transport took since the connection began.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    pub(super) fn owed(&self) -> u64 {
        self.owed
    }

    /// Where the body part in the caller's hands ends, and `bytes[head]` stands.
    fn owed_end(&self) -> u64 {
        self.accepted.saturating_add(self.owed)
    }

    fn queued_end(&self) -> u64 {
        self.owed_end().saturating_add(self.bytes.len().saturating_sub(self.head) as u64)
    }

    // ---- replies ----

    /// The oldest command, in flight or still held back: nothing of one that is held back has begun to leave.
    pub(super) fn front(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Whether anything of the front has left.
    pub(super) fn front_begun(&self) -> bool {
        self.front().is_some_and(|entry| entry.start < self.accepted || self.has_left(entry))
    }

    /// Whether the front's last octet has left.
    pub(super) fn front_left(&self) -> bool {
        self.front().is_some_and(|entry| self.has_left(entry))
    }

    /// Whether the end of a message has left and was not answered, the first `judged` entries not counted. The end
    /// of one whose recipients have all been refused is that of no message: `accepted` is how many have not, where
    /// the answers to RCPT are there.
    pub(super) fn message_unanswered(&self, judged: usize, accepted: usize) -> bool {
        let mut asked = accepted > 0;
        self.entries.iter().skip(judged).any(|entry| {
            asked |= entry.stage == Stage::Rcpt;
            entry.stage == Stage::EndOfData && asked && self.has_left(entry)
        })
    }

    fn has_left(&self, entry: &Entry) -> bool {
        entry.end <= self.accepted
    }

    /// Whether the command is still without a reply though its last octet has left.
    pub(super) fn is_unanswered(&self, id: CommandId) -> bool {
        self.entries.iter().any(|entry| entry.id == id && self.has_left(entry))
    }

    /// Whether the command is without a reply. Those asked about are as a rule the latest.
    pub(super) fn contains(&self, id: CommandId) -> bool {
        self.entries.iter().rev().any(|entry| entry.id == id)
    }

    /// Whether nothing before the end of this message belongs to another mail transaction.
    pub(super) fn is_first_end(&self, end: CommandId) -> bool {
        let mut before = self.entries.iter().take_while(|entry| entry.id != end);
        before.all(|entry| !matches!(entry.stage, Stage::EndOfData | Stage::Rset))
    }

    /// Takes the front away: it was answered.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.in_flight = self.in_flight.saturating_sub(1);
        self.cost = self.cost.saturating_sub(entry.cost());
        self.cost_in_flight = self.cost_in_flight.saturating_sub(entry.cost());
        self.chunks_in_flight = self.chunks_in_flight.saturating_sub(entry.chunk.into());
        if self.entries.is_empty() && self.entries.capacity() > 4 {
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
    pub(super) fn has_room(&self, window: &Window, pipelining: bool) -> bool {
        match self.entries.back() {
            None => true,
            Some(last) => pipelining && !ends_group(last.stage) && self.is_open(window),
        }
    }

    fn is_open(&self, window: &Window) -> bool {
        self.entries.len() < window.commands && self.cost < window.octets
    }

    /// Releases what may leave now. `quiet` says that no octet waits to be read: what a server said before
    /// it was asked is judged before anything more is asked.
    pub(super) fn release(&mut self, window: &Window, pipelining: bool, quiet: bool) {
        while let Some(next) = self.entries.get(self.in_flight as usize) {
            let may = match self.in_flight.checked_sub(1).and_then(|last| self.entries.get(last as usize)) {
                None => quiet,
                Some(last) => {
                    pipelining
                        && !ends_group(last.stage)
                        && (self.in_flight as usize) < window.commands
                        && self.cost_in_flight.saturating_add(next.cost()) <= window.octets
                }
            };
            if !may {
                break;
            }
            self.released = next.end;
            self.in_flight = self.in_flight.saturating_add(1);
            self.cost_in_flight = self.cost_in_flight.saturating_add(next.cost());
        }
    }

    /// What to write now, behind any body part in the caller's hands.
    pub(super) fn output(&self) -> &[u8] {
        let queued = self.bytes.get(self.head..).unwrap_or_default();
        let released = self.released.saturating_sub(self.owed_end());
        queued.get(..as_len(released)).unwrap_or(queued)
    }

    /// Counts `n` octets as accepted by the transport; `None` if there were not so many.
    pub(super) fn advance(&mut self, n: usize) -> Option<()> {
        let lent = self.owed.min(n as u64);
        let rest = n.saturating_sub(as_len(lent));
        if rest > self.output().len() {
            return None;
        }
        self.owed = self.owed.saturating_sub(lent);
        self.accepted = self.accepted.saturating_add(n as u64);
        self.kept = self.kept.saturating_sub(u32::try_from(n).unwrap_or(u32::MAX));
        self.head = self.head.saturating_add(rest);
        if self.head == self.bytes.len() {
            self.clear();
        } else if self.head > self.bytes.len() / 2 && !self.secret {
            // The head is within the buffer, as `output` counted from it.
            #[allow(clippy::disallowed_methods)]
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
        self.released = 0;
        self.kept = 0;
    }
}

/// A distance between two positions; one that memory cannot hold is longer than any slice.
fn as_len(distance: u64) -> usize {
    usize::try_from(distance).unwrap_or(usize::MAX)
}

/// RFC 2920 §3.1, RFC 3207 §4, RFC 4954 §4: commands that end a group, because what follows depends on their reply.
fn ends_group(stage: Stage) -> bool {
    match stage {
        Stage::Greeting
        | Stage::Ehlo
        | Stage::Helo
        | Stage::Lhlo
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
        // RFC 3030 §4.2 lets BDAT be pipelined like MAIL and RCPT.
        Stage::Mail | Stage::Rcpt | Stage::Rset | Stage::Bdat | Stage::EndOfData => false,
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests;
