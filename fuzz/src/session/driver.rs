//! Carries a script out: on the connection, and in the ledger beside it.

use std::mem;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use smtp_proto::connection::{CommandId, Connection, Event, Timeout, TlsPolicy, TlsUpgrade, TranscriptLine};
use smtp_proto::error::{Error, Misuse};
use smtp_proto::reply::Reply;
use smtp_proto::security::ChannelBindings;

use super::super::Dice;
use super::command::Line;
use super::flows::{Ask, Running};
use super::journal::{Ended, Entry};
use super::ledger::Ledger;
use super::message::Supply;
use super::script::{Operation, Script, Start};
use super::{outcome, secrets, server};

/// How a script is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// Octets come and go in as large pieces as there are.
    Whole,
    /// They come and go one by one.
    Split,
    /// As `Whole`; without TLS the server offers nothing but STARTTLS.
    OtherInClear,
}

pub(super) struct Driver<'s> {
    pub(super) script: &'s Script<'s>,
    run: Run,
    pub(super) connection: Connection,
    pub(super) ledger: Ledger,
    pub(super) flow: Option<Running<'s>>,
    pub(super) ask: Ask,
    /// Octets of body parts that the transport has not taken.
    pub(super) lent: Vec<u8>,
    token: Option<TlsUpgrade>,
    supplied: Option<(CommandId, usize)>,
    journal: Vec<Entry>,
    heard: Arc<Mutex<Vec<Reply>>>,
    /// All that had come was heard, as far as the operations before went.
    pub(super) is_drained: bool,
    eof: bool,
    dice: Dice,
    /// The client's name, if it was set.
    name: Option<&'s str>,
    /// How many answers the server has given in this operation.
    answers: usize,
    now: Duration,
    /// What was awaited when the time was last told, and since when.
    waits: Option<(Timeout, Duration)>,
    /// The transaction whose end `FinishData` has to tell of.
    finishing: Option<usize>,
}

/// Rounds of [`Operation::Go`], and answers in one of them.
const ROUNDS: usize = 60;
const ANSWERS: usize = 30;

impl<'s> Driver<'s> {
    pub(super) fn run(script: &'s Script<'s>, run: Run) -> Vec<Entry> {
        let mut connection = Connection::new(script.settings.config(), script.settings.peer);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (hook, search) = (Arc::clone(&heard), !script.guessed && run == Run::Whole);
        connection.set_transcript(move |entry| match entry.line() {
            TranscriptLine::Server(reply) => hook.lock().expect("one thread").push(reply.clone()),
            // INV12, L02.
            _ if search => secrets::text_is_clean(&entry.to_string()),
            _ => {}
        });
        let mut ledger = Ledger::new(&script.settings);
        // What the input guessed cannot be told from what was revealed.
        ledger.secrets_in_clear |= script.guessed;
        let mut driver = Self {
            script,
            run,
            connection,
            ledger,
            flow: None,
            ask: Ask::Nothing,
            lent: Vec::new(),
            token: None,
            supplied: None,
            journal: Vec::new(),
            heard,
            is_drained: true,
            eof: false,
            dice: script.dice.clone(),
            answers: 0,
            name: None,
            now: Duration::ZERO,
            waits: None,
            finishing: None,
        };
        for (nth, operation) in script.operations.iter().enumerate() {
            driver.journal.push(Entry::Operation(nth));
            driver.answers = 0;
            driver.carry_out(operation);
            driver.check();
        }
        driver.check_at_the_end();
        mem::take(&mut driver.journal)
    }

    fn carry_out(&mut self, operation: &'s Operation<'s>) {
        match operation {
            Operation::Say { octets, heard } => self.say(octets, *heard),
            Operation::Answer(symbols) => self.answer(symbols.iter().copied().take(ANSWERS)),
            Operation::Write(most) => self.write(*most),
            Operation::WriteTooFar => self.write_too_far(),
            Operation::Go(symbols) => self.go(if symbols.is_empty() { b"+" } else { symbols }),
            Operation::Step => drop(self.step()),
            Operation::Queue(line) => self.queue(line),
            Operation::Respond(octets) => self.attempt(|connection| connection.auth_respond(octets)),
            Operation::CancelAuth => self.attempt(Connection::auth_cancel),
            Operation::Body(octets) => {
                self.drop_flow();
                self.body(octets);
            }
            Operation::FinishBody => self.finish_body(),
            Operation::CancelBody => self.cancel_body(),
            Operation::FailBody => {
                self.drop_flow();
                self.connection.fail_body();
                self.pump();
            }
            Operation::BeginChunks(rules) => {
                let data = rules.data(&self.connection);
                self.attempt(|connection| connection.begin_chunks(data));
            }
            Operation::TakeUpgrade => self.token = self.connection.tls_upgrade().or(self.token.take()),
            Operation::Upgrade => self.upgrade(),
            Operation::FailTls => {
                self.connection.tls_failed();
                self.pump();
            }
            Operation::Tick(seconds) => self.tick(*seconds),
            Operation::TimeOut => {
                self.connection.handle_timeout();
                self.pump();
            }
            Operation::EndOfFile => {
                self.connection.receive_eof();
                self.eof = true;
                self.pump();
            }
            Operation::Abandon => {
                self.connection.abandon();
                self.pump();
            }
            Operation::Mask(keyword) => {
                self.connection.mask_extension(keyword);
                assert_eq!(self.connection.capabilities().get(keyword), None);
            }
            Operation::Name(name) => {
                if self.connection.set_client_name(name.clone()).is_ok() {
                    self.name = Some(name.as_str());
                }
            }
            Operation::Poll => self.pump(),
            Operation::Start(start) => self.start(start),
            Operation::Drop => self.drop_flow(),
        }
    }

    // ---- the server ----

    fn say(&mut self, octets: &[u8], heard: bool) {
        if self.eof || octets.is_empty() {
            return;
        }
        self.ledger.replies.receive(octets);
        self.deliver(octets, heard);
    }

    /// Hands in what the server has said.
    fn deliver(&mut self, octets: &[u8], heard: bool) {
        self.is_drained = false;
        for piece in self.pieces(octets.len()) {
            let piece = &octets[piece];
            self.connection.receive(piece);
            if heard {
                self.pump();
            }
        }
    }

    /// How so many octets come or go: as the run has it. Many of them go in a few dozen pieces, or the fuzzer crawls.
    fn pieces(&mut self, len: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (split, few) = (self.run == Run::Split, len / 24);
        let mut dice = self.dice.clone();
        self.dice.throw(2);
        let mut from = 0;
        std::iter::from_fn(move || {
            let most = match split {
                true if few == 0 => 1,
                true => 1 + dice.throw(2 * few as u64) as usize,
                false => len,
            };
            let piece = from..len.min(from + most);
            from = piece.end;
            (!piece.is_empty()).then_some(piece)
        })
    }

    fn answer(&mut self, symbols: impl IntoIterator<Item = u8>) {
        let stripped = [b"STARTTLS".to_vec()];
        let clear = self.run == Run::OtherInClear && !self.ledger.tls;
        let offers = if clear { &stripped[..] } else { &self.script.settings.offers };
        let mut octets = Vec::new();
        for symbol in symbols {
            let Some(stage) = self.ledger.next_awaited().filter(|_| !self.eof) else { break };
            let said = server::answer(symbol, stage, offers);
            self.ledger.replies.receive(&said);
            self.answers += 1;
            octets.extend_from_slice(&said);
        }
        self.deliver(&octets, true);
    }

    /// Client and server go on until there is nothing to do for either.
    fn go(&mut self, symbols: &[u8]) {
        let mut symbols = symbols.iter().copied().cycle();
        for _ in 0..ROUNDS {
            let stepped = self.step();
            let before = self.ledger.octets;
            self.write(usize::MAX);
            self.pump();
            if stepped || self.ledger.octets > before {
                continue;
            }
            if self.ledger.next_awaited().is_none() || self.connection.failure().is_some() || self.eof {
                break;
            }
            self.answer(symbols.by_ref().take(ANSWERS.min(self.ledger.queue.len())));
        }
    }

    // ---- the transport ----

    fn write(&mut self, most: usize) {
        let octets = [self.lent.as_slice(), self.connection.output()].concat();
        let taken = &octets[..most.min(self.on_offer())];
        for piece in self.pieces(taken.len()) {
            assert_eq!(self.connection.advance_output(piece.len()), Ok(()));
            self.lent.drain(..piece.len().min(self.lent.len()));
            self.ledger.wrote(&taken[piece]);
        }
        // Lines behind a part that are held back while the server has begun to speak come to light with it.
        if self.ledger.replies.is_blank() {
            let rest = &octets[taken.len()..];
            assert!(self.lent.iter().chain(self.connection.output()).eq(rest), "what is left is the rest");
        }
        if !taken.is_empty() {
            self.journal.push(Entry::Wrote(taken.to_vec()));
        }
    }

    /// Octets that the transport could take now.
    pub(super) fn on_offer(&self) -> usize {
        if self.connection.failure().is_some() { 0 } else { self.lent.len() + self.connection.output().len() }
    }

    fn write_too_far(&mut self) {
        let before = self.on_offer();
        // What is held back because the server has begun to speak may be under way all the same.
        if !self.ledger.replies.is_blank() {
            return;
        }
        let error = self.connection.advance_output(before + 1);
        if self.connection.failure().is_none() {
            assert_eq!(error, Err(Misuse::AdvancedTooFar.into()));
        }
        assert_eq!(self.on_offer(), before);
    }

    // ---- time ----

    /// Time passes: what is awaited has its budget once, from the first time that it was asked about.
    fn tick(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        let timeout = self.connection.timeout();
        if self.waits.is_none_or(|(waited_for, _)| Some(waited_for) != timeout) {
            self.waits = timeout.map(|timeout| (timeout, self.now));
        }
        let left = self.waits.map(|(timeout, since)| timeout.budget.saturating_sub(self.now - since));
        let left = left.filter(|left| !left.is_zero());
        let failure = self.connection.failure().cloned();
        assert_eq!(self.connection.tick(self.now), left);
        match timeout.filter(|_| left.is_none()) {
            Some(timeout) => assert_eq!(self.connection.failure(), Some(&Error::Timeout(timeout.phase))),
            None => assert_eq!(self.connection.failure(), failure.as_ref()),
        }
        self.pump();
    }

    // ---- the caller, call by call ----

    fn queue(&mut self, line: &Line) {
        if let Line::Custom(words) = line {
            self.ledger.customs.push(words.clone().into_bytes());
        }
        self.attempt(|connection| connection.command(line.command(connection)));
    }

    /// A call that may be refused, and then has changed nothing.
    fn attempt(&mut self, call: impl FnOnce(&mut Connection) -> Result<CommandId, Error>) {
        self.drop_flow();
        let seen = |connection: &Connection| {
            (
                connection.output().len(),
                connection.outstanding(),
                connection.wants_body(),
                connection.is_idle(),
            )
        };
        let (before, broken) = (seen(&self.connection), self.connection.failure().cloned());
        let result = call(&mut self.connection);
        self.hear();
        let Err(error) = result else {
            assert_eq!(broken, None, "INV11: something was queued on a broken connection");
            return;
        };
        if broken.is_some() {
            assert_eq!(error, Error::Poisoned, "INV11");
        }
        if self.connection.failure() == broken.as_ref() {
            assert_eq!(seen(&self.connection), before, "a call that is refused changes nothing: {error:?}");
        }
        self.journal.push(Entry::Refused(error));
    }

    /// Gives octets of a body; returns how many of them were taken.
    fn body(&mut self, octets: &[u8]) -> usize {
        let mut taken = 0;
        while taken < octets.len() {
            let id = self.connection.body_id();
            match self.connection.body(&octets[taken..]) {
                Ok(part) => {
                    let id = id.expect("a body that is due has a name");
                    assert!(
                        (1..=octets.len() - taken).contains(&part.consumed()),
                        "progress, within the chunk"
                    );
                    let lent = self.lent.len() + part.len();
                    part.slices().for_each(|slice| self.lent.extend_from_slice(slice));
                    assert_eq!(self.lent.len(), lent);
                    self.ledger.bodies.supply(id, &octets[taken..taken + part.consumed()]);
                    taken += part.consumed();
                    if self.connection.body_id() != Some(id) {
                        self.body_ended(id);
                    }
                }
                Err(error) => {
                    self.journal.push(Entry::Refused(error));
                    break;
                }
            }
        }
        self.hear();
        taken
    }

    fn body_ended(&mut self, id: CommandId) {
        self.ledger.bodies.end(id, self.connection.output());
    }

    fn finish_body(&mut self) {
        self.drop_flow();
        match self.connection.finish_body() {
            Ok(id) => self.body_ended(id),
            Err(error) => self.journal.push(Entry::Refused(error)),
        }
    }

    fn cancel_body(&mut self) {
        self.drop_flow();
        let id = self.connection.body_id();
        let before = self.connection.output().len();
        match self.connection.cancel_body() {
            // Under BDAT nothing is said.
            Ok(()) if self.connection.output().len() > before => self.body_ended(id.expect("a body was due")),
            Ok(()) => {}
            Err(error) => self.journal.push(Entry::Refused(error)),
        }
    }

    fn upgrade(&mut self) {
        let token = match mem::replace(&mut self.ask, Ask::Nothing) {
            Ask::Upgrade(token) => token,
            other => {
                self.ask = other;
                let Some(token) = self.token.take() else { return };
                self.drop_flow();
                token
            }
        };
        let bindings = ChannelBindings::new().with_exporter([7; 32]);
        match self.connection.tls_established(token.bind(bindings)) {
            Ok(()) => {
                self.ledger.upgraded();
                self.check_is_fresh();
                if self.ledger.policy != TlsPolicy::Implicit {
                    let (name, spare) = (self.name.map(str::to_owned), self.token.is_some());
                    self.journal.push(Entry::Upgraded { answers: self.answers, name, spare });
                }
            }
            Err(error) => self.journal.push(Entry::Refused(error)),
        }
        self.pump();
    }

    // ---- the caller, with flows ----

    fn start(&mut self, start: &'s Start) {
        self.drop_flow();
        if let Start::Exchange(Line::Custom(words), _) = start {
            self.ledger.customs.push(words.clone().into_bytes());
        }
        let policy = self.script.settings.tls == TlsPolicy::Opportunistic;
        self.ledger.no_auth = policy
            && matches!(start, Start::LogIn(_) | Start::Submit(..))
            && !self.script.settings.secrets_in_clear();
        let due = self.connection.body_id().filter(|_| matches!(start, Start::FinishData));
        // Unless lines are still to leave, the transaction that the ledger sees open is the one.
        self.finishing = due.and(self.ledger.open).filter(|_| self.on_offer() == 0);
        let flow = Running::start(start, &self.connection);
        if let (Some(first), Some(last)) = (flow.messages.first(), flow.messages.last()) {
            self.ledger.by_flow = first.number..last.number + 1;
        }
        let split = flow.messages.iter().filter(|message| message.options.split);
        self.ledger.split.extend(split.map(|message| message.number));
        self.flow = Some(flow);
        self.pump();
        let ended =
            |id: &CommandId| self.connection.body_id() != Some(*id) && self.connection.is_outstanding(*id);
        if let Some(id) = due.filter(ended) {
            self.body_ended(id);
        }
    }

    pub(super) fn drop_flow(&mut self) {
        self.flow = None;
        self.ask = Ask::Nothing;
        self.finishing = None;
        self.ledger.no_auth = false;
        self.ledger.by_flow = 0..0;
    }

    /// Does what the flow asked for. Returns whether it asked for anything.
    fn step(&mut self) -> bool {
        match &self.ask {
            Ask::Upgrade(_) => self.upgrade(),
            Ask::Body(message) => {
                let message = *message;
                self.supply(message);
                self.pump();
            }
            Ask::Nothing => {
                let Some(flow) = &mut self.flow else { return false };
                if !flow.feed_wanted() {
                    return false;
                }
                self.pump();
            }
        }
        true
    }

    /// Supplies one piece of a body, or its end.
    fn supply(&mut self, message: usize) {
        let Some(id) = self.connection.body_id() else { return };
        let Some(flow) = &self.flow else { return };
        let message = &flow.messages[message];
        let (_, offset) = self.supplied.filter(|(supplied, _)| *supplied == id).unwrap_or((id, 0));
        let rest = &message.octets[offset..];
        if message.supply == Supply::Copied {
            let mut at = offset;
            self.connection.supply_body(&message.octets, &mut at);
            let ended = self.connection.body_id() != Some(id) && self.connection.is_outstanding(id);
            let until = if ended { message.octets.len() } else { at };
            self.ledger.bodies.supply(id, &message.octets[offset..until]);
            self.supplied = Some((id, until));
            if ended {
                assert_eq!(at, 0, "at hand for another transaction");
                self.body_ended(id);
            }
        } else if offset > 0 && message.supply == Supply::Fails {
            self.connection.fail_body();
        } else if rest.is_empty() || (offset > 0 && message.supply == Supply::EndsEarly) {
            if self.connection.finish_body().is_ok() {
                self.body_ended(id);
            }
        } else {
            let taken = self.body(&rest[..rest.len().min(message.piece)]);
            self.supplied = Some((id, offset + taken));
        }
        self.hear();
    }

    /// Lets the flow hear what there is to hear, or takes the events itself.
    pub(super) fn pump(&mut self) {
        while let Some(mut flow) = self.flow.take() {
            if let Ask::Upgrade(_) = self.ask {
                let Some(failure) = self.connection.failure().cloned() else {
                    self.flow = Some(flow);
                    return;
                };
                self.ended(flow.fail(failure), &[]);
                break;
            }
            let polled = flow.poll(&mut self.connection);
            self.hear();
            match polled {
                Ok(ask) => {
                    self.is_drained = !matches!(ask, Ask::Upgrade(_));
                    self.ask = ask;
                    self.flow = Some(flow);
                    return;
                }
                Err(ended) => self.ended(ended, flow.messages),
            }
        }
        self.drain();
    }

    fn ended(&mut self, ended: Ended, messages: &[super::message::Message]) {
        if let (Ended::Delivery(result), Some(transaction)) = (&ended, self.finishing) {
            outcome::of_verbs(&self.ledger, transaction, result);
        }
        outcome::of_flow(&self.ledger, messages, &ended);
        if !self.script.guessed && self.run == Run::Whole {
            secrets::not_in(&ended);
        }
        self.journal.push(Entry::Ended(ended));
        self.drop_flow();
    }

    /// Takes every event there is.
    fn drain(&mut self) {
        loop {
            let event = self.connection.poll_event();
            self.hear();
            match event {
                Ok(Some(event)) => {
                    self.check_event(&event);
                    self.journal.push(Entry::Event(event));
                }
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(
                        Some(&error),
                        self.connection.failure(),
                        "the error that broke the connection"
                    );
                    if !self.journal.contains(&Entry::Broke(error.clone())) {
                        self.journal.push(Entry::Broke(error));
                    }
                    break;
                }
            }
        }
        self.is_drained = true;
    }

    /// Tells the ledger what the client has heard.
    fn hear(&mut self) {
        let heard = mem::take(&mut *self.heard.lock().expect("one thread"));
        for reply in heard {
            self.ledger.hear(&reply);
            self.check_reply(&reply);
            // A reply to nothing is not waited for: octet by octet the session ends before it is complete.
            if self.ledger.latest.is_some() {
                self.journal.push(Entry::Heard(reply));
            }
        }
    }

    fn check_event(&self, event: &Event) {
        match event {
            Event::Greeting(reply) => self.check_stage(smtp_proto::connection::Stage::Greeting, reply),
            Event::Reply { stage, reply, .. } => self.check_stage(*stage, reply),
            Event::Closed => assert!(self.connection.is_closed()),
            event => panic!("{event:?} is new here"),
        }
    }

    fn check_stage(&self, stage: smtp_proto::connection::Stage, reply: &Reply) {
        assert_eq!(self.ledger.latest, Some((stage, reply.code().get())), "INV6: what a reply answers");
    }
}

/// A finding tells where it was.
impl Drop for Driver<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let nth = self.journal.iter().rev().find_map(|entry| match entry {
                Entry::Operation(nth) => Some(*nth),
                _ => None,
            });
            let operations =
                &self.script.operations[..=nth.unwrap_or(0).min(self.script.operations.len() - 1)];
            eprintln!("{:?}, in the last of {operations:#?}", self.run);
            for entry in &self.journal {
                match entry {
                    Entry::Wrote(octets) => eprintln!("C: {}", octets.escape_ascii()),
                    entry => eprintln!("{entry:?}"),
                }
            }
            eprintln!("{:?}", self.connection);
        }
    }
}
