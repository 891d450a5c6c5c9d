//! Many messages on one connection, each behind the one before it without waiting for it (RFC 2920, RFC 3030).
//!
//! Two cursors again: the transaction at the back of the queue is the one being sent, the one at the front is
//! the one being answered. With PIPELINING the next MAIL leaves in the write that ends a message, so that DATA
//! costs one round trip a message; with CHUNKING as well nothing is waited for but the window, once the server has
//! accepted a recipient ([`Connection::wants_body`] says why).
//!
//! A server that takes nothing right behind the end of a message says 503 to the next; that one is begun again when
//! the end has been answered, and so is every one after it.
//!
//! A transaction that DATA carried is closed by its dot, whatever the server says to it. One in chunks is not,
//! if every recipient was refused; the recipients of the next message would then be added to it, and that
//! message would be sent under the wrong reverse-path. So a RSET goes between, until the end of the message
//! is known to be accepted: six octets, and no round trip.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::borrow::Borrow;
use core::ops::Range;

use super::outcome::{self, Delivery, RecipientOutcome, SendError};
use super::plan::{self, Described, Plan};
use super::texts::Texts;
use super::transaction::Transaction;
use super::{Body, Envelope, Flow, SendOptions, Step};
use crate::command::Command;
use crate::connection::{CommandId, Connection, Event, Outcomes, Stage};
use crate::error::{Error, Misuse};
use crate::reply::Reply;

/// Sends messages, any number of them, and tells the outcome of each in order.
///
/// Hand in a message with [`push`](Self::push) whenever [`wants_message`](Self::wants_message), and say
/// [`finish`](Self::finish) after the last; supply the body of message *k* (counted from 0) at
/// [`Step::SupplyBody`]; take what [`next_outcome`](Self::next_outcome) gives. A message that cannot be sent
/// (an extension is missing, the body has a fault) is an outcome like any other, and the rest goes on. When the
/// connection breaks `poll` gives the error, and then every message handed in has its true outcome: take them with
/// [`next_outcome`](Self::next_outcome) as before. One that is handed in later is not sent, and has its outcome at
/// once. While `poll` gives [`Step::Continue`] and a message is wanted that is not there yet, the loop waits for that
/// message and for octets from the server, whichever comes first.
///
/// `E` is whatever lends an [`Envelope`]: the envelope itself, a reference, an `Arc`.
///
/// ```
/// use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
/// use smtp_proto::flow::{Batch, Body, Envelope, Flow, Open, SendOptions, Step};
///
/// # let mut connection = Connection::new(Config::new("mail.example").tls(TlsPolicy::None), Peer::Remote);
/// # connection.receive(b"220 hi\r\n");
/// # let mut open = Open::new();
/// # let _ = open.poll(&mut connection)?;
/// # connection.advance_output(connection.output().len())?;
/// # connection.receive(b"250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
/// # let _ = open.poll(&mut connection)?;
/// let envelope = Envelope::from_strs("a@example.org", &["b@example.org"])?;
/// let messages = [&b"Subject: 1\r\n\r\n"[..], b"Subject: 2\r\n\r\n"];
/// let mut batch = Batch::new();
/// let mut wire = Vec::new();
/// let mut left = messages.iter();
/// loop {
///     while batch.wants_message() {
///         match left.next() {
///             Some(message) => batch.push(&envelope, Body::Whole(message), SendOptions::default()),
///             None => batch.finish(),
///         }
///     }
///     match batch.poll(&mut connection)? {
///         Step::SupplyBody { message } => {
///             let part = connection.body(messages[message])?;
///             part.slices().for_each(|slice| wire.extend_from_slice(slice));
///             connection.advance_output(part.len())?;
///             connection.finish_body()?;
///         }
///         Step::Continue if batch.wants_message() => {}
///         // The first message waits for its recipients: does this server take mail at all?
///         Step::Continue if !connection.output().is_empty() => {
///             wire.extend_from_slice(connection.output());
///             connection.advance_output(connection.output().len())?;
///             connection.receive(b"250 ok\r\n250 ok\r\n");
///         }
///         // Both have left, the second without waiting for anything.
///         _ => break,
///     }
/// }
/// assert_eq!(
///     wire,
///     b"MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nBDAT 14 LAST\r\nSubject: 1\r\n\r\n\
///       RSET\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nBDAT 14 LAST\r\nSubject: 2\r\n\r\n"
/// );
/// connection.receive(b"250 queued as 1\r\n250 ok\r\n250 ok\r\n250 ok\r\n250 queued as 2\r\n");
/// assert!(matches!(batch.poll(&mut connection)?, Step::Done(())));
/// assert_eq!(batch.next_outcome().unwrap()?.queue_id(), Some("1"));
/// assert_eq!(batch.next_outcome().unwrap()?.queue_id(), Some("2"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Batch<E> {
    /// Messages without an outcome, from the oldest.
    messages: VecDeque<Message<E>>,
    /// How many messages came before those. A message of number *k* has index *k* − `decided`; one that has its
    /// outcome wraps to an index that is not there.
    decided: usize,
    /// How many messages have been begun, or were found not to be sendable.
    begun: usize,
    /// Transactions without an outcome, from the oldest; the last may still be being sent.
    transactions: VecDeque<Transaction>,
    outcomes: VecDeque<Result<Delivery, SendError>>,
    started: bool,
    finished: bool,
    ending: Ending,
    /// A transaction is over, and may be open all the same.
    open: bool,
    /// The server takes nothing behind the end of a message before it has answered that.
    alone: bool,
    broken: Option<Error>,
    /// Outcomes that the connection has not counted.
    uncounted: Outcomes,
}

#[derive(Debug)]
struct Message<E> {
    envelope: E,
    body: Described,
    options: SendOptions,
    /// The recipients of the transactions that are still to begin.
    ranges: VecDeque<Range<usize>>,
    /// Transactions under way.
    under_way: usize,
    /// What is kept of the replies to them.
    texts: Texts,
    /// What became of those that are over.
    parts: Vec<Result<Delivery, SendError>>,
    /// What became of the last recipients, whose transactions were never begun.
    left: Option<SendError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The session goes on.
    Stay,
    /// QUIT follows the last message.
    Quit,
    QuitSent,
}

impl<E: Borrow<Envelope>> Message<E> {
    /// What is left of the message is not sent.
    fn give_up(&mut self, error: Error) {
        if self.parts.is_empty() && self.under_way == 0 && self.ranges.is_empty() {
            self.ranges.push_back(0..self.envelope.borrow().recipients.len());
        }
        let recipients =
            core::mem::take(&mut self.ranges).into_iter().flatten().map(|_| RecipientOutcome::not_sent());
        self.left = Some(SendError::NotSent { cause: error, recipients: recipients.collect() });
    }
}

impl<E: Borrow<Envelope>> Default for Batch<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E: Borrow<Envelope>> Batch<E> {
    /// The flow, without a message yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            messages: VecDeque::new(),
            decided: 0,
            begun: 0,
            transactions: VecDeque::new(),
            outcomes: VecDeque::new(),
            started: false,
            finished: false,
            ending: Ending::Stay,
            open: false,
            alone: false,
            broken: None,
            uncounted: Outcomes::default(),
        }
    }

    /// The flow that says QUIT right behind the last message.
    #[must_use]
    pub fn then_quit(mut self) -> Self {
        self.ending = Ending::Quit;
        self
    }

    /// Whether the next message can be begun as soon as it is there. Hand one in, or say that there is none.
    #[must_use]
    pub fn wants_message(&self) -> bool {
        let sent = self.transactions.back().is_none_or(Transaction::is_sent);
        !self.finished && sent && self.begun == self.pushed()
    }

    /// Adds a message, asked for or not; one that comes after [`finish`](Self::finish) is sent all the same, if
    /// the session goes on. A body known whole is looked through; nothing of it is kept, and at
    /// [`Step::SupplyBody`] the same octets have to be supplied. They have to be at hand until the message has
    /// its outcome: where recipients are split over transactions
    /// ([`SendOptions::split`]), they are asked for once for each.
    pub fn push(&mut self, envelope: E, body: Body<'_>, options: SendOptions) {
        let message = Message {
            envelope,
            body: Described::new(body),
            options,
            ranges: VecDeque::new(),
            under_way: 0,
            texts: Texts::default(),
            parts: Vec::new(),
            left: None,
        };
        self.messages.push_back(message);
        if let Some(error) = &self.broken {
            self.skip(error.clone());
        }
    }

    /// Says that there are no more messages.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The outcome of the oldest message whose outcome has not been taken, once it is known.
    pub fn next_outcome(&mut self) -> Option<Result<Delivery, SendError>> {
        self.outcomes.pop_front()
    }

    /// How many outcomes wait to be taken.
    #[must_use]
    pub fn outcomes(&self) -> usize {
        self.outcomes.len()
    }

    /// How many messages were handed in and have no outcome yet.
    #[must_use]
    pub fn undecided(&self) -> usize {
        self.messages.len()
    }

    /// How many messages were handed in.
    fn pushed(&self) -> usize {
        self.decided.wrapping_add(self.messages.len())
    }

    // ---- sending ----

    /// Queues as much as may be queued now.
    fn queue(&mut self, connection: &mut Connection) -> Result<(), Error> {
        loop {
            if let Some(last) = self.transactions.back_mut() {
                let at = last.message.wrapping_sub(self.decided);
                let Some(message) = self.messages.get(at) else { return Ok(()) };
                if !last.queue(connection, message.envelope.borrow())? {
                    return Ok(());
                }
            }
            let alone = self.alone || self.transactions.back().is_some_and(Transaction::came_too_early);
            if alone && connection.outstanding() > 0 {
                // Not even QUIT goes behind: a message may be begun again.
                return Ok(());
            }
            if connection.in_transaction() || !connection.has_room() || !self.begin(connection)? {
                return self.end(connection);
            }
        }
    }

    /// Begins the next transaction, if there is one.
    fn begin(&mut self, connection: &mut Connection) -> Result<bool, Error> {
        loop {
            if self.next_range().is_none() && !self.next_message(connection) {
                return Ok(false);
            }
            let Some((index, range)) = self.next_range() else { continue };
            let Some(message) = self.messages.get_mut(index) else { return Ok(false) };
            let envelope = message.envelope.borrow();
            let plan = match Plan::new(connection, envelope, &range, &message.body, &message.options) {
                Ok(plan) => plan,
                Err(error) => {
                    self.part_failed(index, error);
                    continue;
                }
            };
            if self.transactions.back_mut().is_some_and(Transaction::needs_guard) || self.open {
                connection.command(Command::Rset)?;
                self.open = false;
            }
            let number = self.decided.wrapping_add(index);
            let policy = message.options.recipients;
            let behind = self.transactions.back().is_some_and(Transaction::awaits_verdict);
            match Transaction::begin(connection, number, envelope, range, policy, plan) {
                Ok(transaction) => {
                    let transaction = transaction.behind(behind);
                    message.ranges.pop_front();
                    message.under_way = message.under_way.saturating_add(1);
                    self.transactions.push_back(transaction);
                    return Ok(true);
                }
                Err(error) => self.part_failed(index, error),
            }
        }
    }

    /// The next recipients of the message begun last.
    fn next_range(&self) -> Option<(usize, Range<usize>)> {
        let index = self.begun.wrapping_sub(self.decided).checked_sub(1)?;
        Some((index, self.messages.get(index)?.ranges.front()?.clone()))
    }

    /// Goes on to the next message; false if there is none.
    fn next_message(&mut self, connection: &Connection) -> bool {
        let index = self.begun.wrapping_sub(self.decided);
        let Some(message) = self.messages.get_mut(index) else { return false };
        self.begun = self.begun.wrapping_add(1);
        let Message { envelope, body, options, .. } = &*message;
        match plan::split(connection, (*envelope).borrow(), body, options) {
            Ok(ranges) => message.ranges = ranges.into(),
            Err(error) => self.part_failed(index, error),
        }
        true
    }

    /// A message, or what is left of it, cannot be sent.
    fn part_failed(&mut self, index: usize, error: Error) {
        if let Some(message) = self.messages.get_mut(index) {
            message.give_up(error);
        }
        self.conclude();
    }

    /// The connection is lost: the message pushed last is not sent.
    fn skip(&mut self, cause: Error) {
        self.begun = self.begun.wrapping_add(1);
        let index = self.messages.len().saturating_sub(1);
        self.part_failed(index, cause);
    }

    /// Nothing more to begin: closes what is open, and the session if that is wanted.
    fn end(&mut self, connection: &mut Connection) -> Result<(), Error> {
        let idle = self.transactions.back().is_none_or(Transaction::is_sent);
        if self.open && idle && self.ending != Ending::QuitSent && !connection.in_transaction() {
            connection.command(Command::Rset)?;
            self.open = false;
        }
        let last = self.finished && idle && self.begun == self.pushed();
        if last && self.ending == Ending::Quit && self.next_range().is_none() {
            connection.command(Command::Quit)?;
            self.ending = Ending::QuitSent;
        }
        Ok(())
    }

    // ---- being answered ----

    fn answered(
        &mut self,
        connection: &mut Connection,
        id: CommandId,
        stage: Stage,
        reply: Reply,
    ) -> Result<(), Error> {
        if stage == Stage::Rset && !reply.is_positive_completion() {
            // RFC 5321 §4.1.1.5: a server that cannot reset is in a state nobody knows.
            connection.abandon();
        }
        let Some(front) = self.transactions.front_mut() else { return Ok(()) };
        let guard = stage == Stage::Rset && !front.is_reset_by(id);
        if front.is_behind(id) || guard || stage == Stage::Quit {
            return Ok(());
        }
        let reply = match self.messages.get_mut(front.message.wrapping_sub(self.decided)) {
            Some(message) if Transaction::keeps(stage, &reply) => message.texts.keep(reply, connection),
            _ => reply,
        };
        if !front.answered(connection, stage, reply)? {
            return Ok(());
        }
        if let Some(mut front) = self.transactions.pop_front() {
            self.open |= front.needs_guard();
            let index = front.message.wrapping_sub(self.decided);
            if front.came_too_early() {
                self.alone = true;
                self.again(index, front.range);
            } else {
                self.part_over(index, front.outcome());
                // Whoever loses this flow has lost what it knows of the other parts.
                let accepted = |message: &Message<E>| message.parts.iter().any(Result::is_ok);
                connection.set_partly_delivered(self.messages.front().is_some_and(accepted));
            }
        }
        Ok(())
    }

    /// A transaction that left no trace is begun once more.
    fn again(&mut self, index: usize, range: Range<usize>) {
        if let Some(message) = self.messages.get_mut(index) {
            message.under_way = message.under_way.saturating_sub(1);
            message.ranges.push_front(range);
        }
    }

    fn part_over(&mut self, index: usize, part: Result<Delivery, SendError>) {
        if let Some(message) = self.messages.get_mut(index) {
            message.under_way = message.under_way.saturating_sub(1);
            message.parts.push(part);
        }
        self.conclude();
    }

    /// Moves the outcomes that are complete to where they are taken from.
    fn conclude(&mut self) {
        while let Some(oldest) = self.messages.front_mut() {
            let begun = !oldest.parts.is_empty() || oldest.left.is_some();
            if !begun || oldest.under_way > 0 || !oldest.ranges.is_empty() {
                break;
            }
            let mut parts = core::mem::take(&mut oldest.parts);
            parts.extend(oldest.left.take().map(Err));
            self.messages.pop_front();
            self.decided = self.decided.wrapping_add(1);
            if let Some(outcome) = super::outcome::joined(parts) {
                self.uncounted.add(outcome::kind(&outcome));
                self.outcomes.push_back(outcome);
            }
        }
    }

    /// The connection has broken: everything undecided is decided now.
    fn broke(&mut self, error: &Error, connection: &Connection) {
        // What is wrong with one message is no fault of the others.
        let others = match error {
            Error::Body(_) | Error::BodySource | Error::Misuse(Misuse::SizeMismatch { .. }) => {
                Error::Abandoned
            }
            error => error.clone(),
        };
        // There may be any number of them, and the server's words may be long.
        let in_brief = others.brief();
        // What a caller left unanswered before the first of them may be what was answered.
        let front = self.transactions.front().zip(connection.oldest());
        let mut answered = front.is_none_or(|(transaction, id)| !transaction.is_behind(id));
        while let Some(transaction) = self.transactions.pop_front() {
            let index = transaction.message.wrapping_sub(self.decided);
            let own = match answered {
                _ if self.transactions.is_empty() => error,
                true => &others,
                false => &in_brief,
            };
            let part = transaction.broken(own, connection, answered);
            answered = false;
            self.part_over(index, part);
        }
        for message in &mut self.messages {
            if !message.ranges.is_empty() {
                message.give_up(in_brief.clone());
            }
        }
        self.conclude();
        while self.begun.wrapping_sub(self.decided) < self.messages.len() {
            let index = self.begun.wrapping_sub(self.decided);
            self.begun = self.begun.wrapping_add(1);
            self.part_failed(index, in_brief.clone());
        }
        self.broken = Some(in_brief);
    }

    fn start(&mut self, connection: &mut Connection) -> Result<(), Error> {
        self.started = true;
        connection.set_partly_delivered(false);
        super::exchange::settle(connection)?;
        if connection.in_transaction() {
            return Err(Misuse::InTransaction(Stage::Mail).into());
        }
        Ok(())
    }

    /// Whether all is said and answered.
    fn is_over(&self, connection: &Connection) -> bool {
        self.finished && self.messages.is_empty() && connection.outstanding() == 0
    }

    fn advance(&mut self, connection: &mut Connection) -> Result<(), Error> {
        loop {
            if let Err(error) = self.queue(connection) {
                connection.abandon();
                return Err(error);
            }
            if self.is_over(connection) {
                return Ok(());
            }
            match connection.poll_event()? {
                Some(Event::Reply { id, stage, reply }) => self.answered(connection, id, stage, reply)?,
                Some(Event::Greeting(_) | Event::Closed) => {}
                None => return Ok(()),
            }
        }
    }
}

impl<E: Borrow<Envelope>> Flow for Batch<E> {
    type Output = ();
    type Error = Error;

    /// # Errors
    /// When the connection has broken, or cannot be used for mail now. Every message handed in has its outcome
    /// then.
    fn poll(&mut self, connection: &mut Connection) -> Result<Step<()>, Error> {
        let step = self.go_on(connection);
        connection.count_outcomes(core::mem::take(&mut self.uncounted));
        step
    }
}

impl<E: Borrow<Envelope>> Batch<E> {
    fn go_on(&mut self, connection: &mut Connection) -> Result<Step<()>, Error> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        let advanced = if self.started { Ok(()) } else { self.start(connection) };
        if let Err(error) = advanced.and_then(|()| self.advance(connection)) {
            let quitting = self.ending == Ending::QuitSent && self.transactions.is_empty();
            self.broke(&error, connection);
            // However the server closes after QUIT, nothing that was delivered is undone.
            return if quitting { Ok(Step::Done(())) } else { Err(error) };
        }
        let message = self.transactions.back().map(|sending| sending.message);
        match message {
            Some(message) if connection.wants_body() => Ok(Step::SupplyBody { message }),
            _ if self.is_over(connection) => Ok(Step::Done(())),
            _ => Ok(Step::Continue),
        }
    }
}
