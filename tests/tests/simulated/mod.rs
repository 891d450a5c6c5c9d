//! A server that answers at once, and the flights of a session with it: what the tests that count have in common.
//!
//! It believes everything, remembers only how much it got, and says the shortest replies there are. Nothing here
//! looks at a clock: a round trip is a wait, and waits are counted.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use memchr::memmem;
use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
use smtp_proto::flow::{Batch, Body, Envelope, Flow, Open, Send, SendOptions, Step};

pub const LOCK_STEP: &[&str] = &["8BITMIME"];
pub const PIPELINING: &[&str] = &["PIPELINING", "8BITMIME"];
pub const CHUNKING: &[&str] = &["PIPELINING", "CHUNKING", "8BITMIME"];

/// The server's half of a session, as a function of the octets it gets.
pub struct Server {
    keywords: &'static [&'static str],
    state: State,
    /// Octets that are no whole command or body yet.
    unheard: Vec<u8>,
    /// What it has said and nobody has read.
    pub replies: Vec<u8>,
    recipients: usize,
    /// What it says to a RCPT.
    judge: fn(&str) -> &'static str,
    lmtp: bool,
    /// How many messages it took.
    pub messages: usize,
    /// Octets of bodies, as they were on the wire.
    pub octets: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Commands,
    /// Whether any octet of the body has been passed: a dot is alone only behind a line end.
    Data {
        begun: bool,
    },
    Chunk {
        left: usize,
        last: bool,
    },
}

impl Server {
    /// A server that has said its greeting.
    pub fn new(keywords: &'static [&'static str]) -> Self {
        Self {
            keywords,
            state: State::Commands,
            unheard: Vec::new(),
            replies: b"220 mail.example\r\n".to_vec(),
            recipients: 0,
            judge: |_| "250 ok",
            lmtp: false,
            messages: 0,
            octets: 0,
        }
    }

    /// The same, but it says this to a RCPT.
    pub fn judging(self, judge: fn(&str) -> &'static str) -> Self {
        Self { judge, ..self }
    }

    /// Takes octets from the client, and answers.
    pub fn hear(&mut self, octets: &[u8]) {
        if let State::Chunk { left, last } = self.state {
            if self.unheard.is_empty() && octets.len() < left {
                // The middle of a chunk is not looked at.
                self.octets += octets.len() as u64;
                self.state = State::Chunk { left: left - octets.len(), last };
                return;
            }
        }
        self.unheard.extend_from_slice(octets);
        let mut unheard = std::mem::take(&mut self.unheard);
        let mut at = 0;
        while let Some(taken) = self.step(&unheard[at..]) {
            at += taken;
        }
        unheard.drain(..at);
        self.unheard = unheard;
    }

    /// Does what the front of `octets` says; how long that was, or nothing if it is not all there.
    fn step(&mut self, octets: &[u8]) -> Option<usize> {
        match self.state {
            _ if octets.is_empty() => None,
            State::Commands => {
                let end = memmem::find(octets, b"\r\n")?;
                let line = std::str::from_utf8(&octets[..end]).unwrap();
                self.command(line);
                Some(end + 2)
            }
            State::Data { begun } => Some(self.data(octets, begun)?),
            State::Chunk { left, last } => {
                let taken = left.min(octets.len());
                self.octets += taken as u64;
                self.state = State::Chunk { left: left - taken, last };
                if taken == left {
                    self.chunk_over(last);
                }
                Some(taken)
            }
        }
    }

    fn data(&mut self, octets: &[u8], begun: bool) -> Option<usize> {
        const END: &[u8] = b"\r\n.\r\n";
        let (taken, over) = match memmem::find(octets, END) {
            _ if !begun && octets.starts_with(b".\r\n") => (3, true),
            Some(at) => (at + END.len(), true),
            None => (octets.len().saturating_sub(END.len() - 1), false),
        };
        self.octets += taken as u64;
        if over {
            self.state = State::Commands;
            self.message_over();
        } else if taken > 0 {
            self.state = State::Data { begun: true };
        }
        (taken > 0).then_some(taken)
    }

    fn chunk_over(&mut self, last: bool) {
        self.state = State::Commands;
        if last {
            self.message_over();
        } else {
            self.say("250 ok");
        }
    }

    fn message_over(&mut self) {
        self.messages += 1;
        let times = if self.lmtp { self.recipients } else { 1 };
        for _ in 0..times {
            self.say(&format!("250 queued as {}", self.messages));
        }
        self.recipients = 0;
    }

    fn command(&mut self, line: &str) {
        let verb = line.split(' ').next().unwrap();
        match verb {
            "EHLO" | "LHLO" => {
                self.lmtp = verb == "LHLO";
                self.say(if self.keywords.is_empty() { "250 mail.example" } else { "250-mail.example" });
                let last = self.keywords.len();
                for (i, keyword) in self.keywords.iter().enumerate() {
                    self.say(&format!("250{}{keyword}", if i + 1 == last { ' ' } else { '-' }));
                }
            }
            "DATA" => {
                self.state = State::Data { begun: false };
                self.say("354 go on");
            }
            "BDAT" => {
                let mut words = line.split(' ').skip(1);
                let left = words.next().unwrap().parse().unwrap();
                let last = words.next() == Some("LAST");
                self.state = State::Chunk { left, last };
                if left == 0 {
                    self.chunk_over(last);
                }
            }
            "RCPT" => {
                let reply = (self.judge)(line);
                self.recipients += usize::from(reply.starts_with('2'));
                self.say(reply);
            }
            "MAIL" | "RSET" => self.say("250 ok"),
            "QUIT" => self.say("221 bye"),
            other => panic!("the client said {other}"),
        }
    }

    fn say(&mut self, line: &str) {
        self.replies.extend_from_slice(line.as_bytes());
        self.replies.extend_from_slice(b"\r\n");
    }
}

/// What the client said before it had to wait, and what the server then said: one round trip.
#[derive(Default)]
pub struct Flight {
    pub client: Vec<u8>,
    pub server: Vec<u8>,
}

/// The core and a server at the two ends of a link that takes its time: the client says all it may say before it
/// hears anything.
pub struct Link {
    pub connection: Connection,
    pub server: Server,
    /// The round trips since the session was opened.
    pub flights: Vec<Flight>,
    saying: Vec<u8>,
}

impl Link {
    /// A session that is open.
    pub fn open(server: Server, config: Config) -> Self {
        let connection = Connection::new(config, Peer::Remote);
        let mut link = Self { connection, server, flights: Vec::new(), saying: Vec::new() };
        link.hear();
        link.run(&mut Open::new(), &[]).unwrap();
        link.flights.clear();
        link
    }

    /// Sends the messages one after the other, each with a flow of its own.
    pub fn send_each(&mut self, envelope: &Envelope, messages: &[&[u8]], options: SendOptions) {
        for message in messages {
            let mut send = Send::new(envelope, Body::Whole(message), options);
            self.run(&mut send, &[message]).unwrap();
        }
    }

    /// Sends the messages with one flow.
    pub fn send_all(&mut self, envelope: &Envelope, messages: &[&[u8]], options: SendOptions) {
        let mut batch = Batch::new();
        let mut left = messages.iter();
        loop {
            while batch.wants_message() {
                match left.next() {
                    Some(message) => batch.push(envelope, Body::Whole(message), options),
                    None => batch.finish(),
                }
            }
            let step = batch.poll(&mut self.connection).unwrap();
            if let Step::Done(()) = step {
                break;
            }
            let has_message = batch.wants_message();
            self.carry_out(step, messages, has_message);
        }
        for _ in messages {
            batch.next_outcome().unwrap().unwrap();
        }
    }

    fn run<F: Flow>(&mut self, flow: &mut F, bodies: &[&[u8]]) -> Result<F::Output, F::Error> {
        loop {
            match flow.poll(&mut self.connection)? {
                Step::Done(output) => return Ok(output),
                step => self.carry_out(step, bodies, false),
            }
        }
    }

    fn carry_out<T>(&mut self, step: Step<T>, bodies: &[&[u8]], more: bool) {
        match step {
            Step::SupplyBody { message } => {
                self.say();
                let mut rest = bodies[message];
                while !rest.is_empty() {
                    let part = self.connection.body(rest).unwrap();
                    part.slices().for_each(|slice| self.saying.extend_from_slice(slice));
                    rest = &rest[part.consumed()..];
                    self.connection.advance_output(part.len()).unwrap();
                }
                self.connection.finish_body().unwrap();
            }
            Step::Continue if !self.connection.output().is_empty() => self.say(),
            Step::Continue if more => {}
            Step::Continue => self.wait(),
            Step::UpgradeTls(_) | Step::Done(_) => unreachable!(),
        }
    }

    fn say(&mut self) {
        self.saying.extend_from_slice(self.connection.output());
        self.connection.advance_output(self.connection.output().len()).unwrap();
    }

    fn wait(&mut self) {
        assert!(!self.saying.is_empty(), "the client waits, and has said nothing");
        let client = std::mem::take(&mut self.saying);
        self.server.hear(&client);
        let server = self.hear();
        self.flights.push(Flight { client, server });
    }

    fn hear(&mut self) -> Vec<u8> {
        let replies = std::mem::take(&mut self.server.replies);
        self.connection.receive(&replies);
        replies
    }
}

/// Sends a message to a server that says what it said before, without a thought or an allocation of its own.
pub fn replay(
    connection: &mut Connection,
    envelope: &Envelope,
    message: &[u8],
    options: SendOptions,
    flights: &[Flight],
) {
    let mut send = Send::new(envelope, Body::Whole(message), options);
    let mut replies = flights.iter().map(|flight| &flight.server[..]);
    loop {
        match send.poll(connection).unwrap() {
            Step::Done(delivery) => return drop(delivery),
            Step::SupplyBody { .. } => {
                let mut rest = message;
                while !rest.is_empty() && connection.wants_body() {
                    let part = connection.body(rest).unwrap();
                    connection.advance_output(part.len()).unwrap();
                    rest = &rest[part.consumed()..];
                }
                connection.finish_body().unwrap();
            }
            Step::Continue if !connection.output().is_empty() => {
                connection.advance_output(connection.output().len()).unwrap();
            }
            Step::Continue => connection.receive(replies.next().unwrap()),
            Step::UpgradeTls(_) => unreachable!(),
        }
    }
}

/// The client's end of an in-memory connection to a server, for either adapter. It counts its calls.
#[derive(Clone)]
pub struct Wire(Arc<Mutex<End>>);

struct End {
    server: Server,
    counts: Counts,
    /// As tokio's sockets have it: a read is tried only when the last one filled its buffer, or the reactor has
    /// said that there is something, which it looks for when no task has anything to do.
    ready: bool,
    reactor: Reactor,
}

enum Reactor {
    Idle,
    /// It will run once the task has come to its end.
    Due,
    /// It has run, and there was nothing to read.
    Asleep(Waker),
}

/// What would be a system call, were the stream a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counts {
    pub writes: usize,
    /// Reads that had something to read.
    pub reads: usize,
    /// Reads that found nothing: on a socket that never waits, a system call in vain.
    pub empty_reads: usize,
    /// Reads of the blocking adapter that must not wait; on a socket each is three system calls.
    pub looks: usize,
    /// Times that the reactor was asked, by a task that had nothing else to do.
    pub waits: usize,
    /// Timeouts that were set anew.
    pub timeouts: usize,
    pub flushes: usize,
}

impl std::ops::Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            writes: self.writes - before.writes,
            reads: self.reads - before.reads,
            empty_reads: self.empty_reads - before.empty_reads,
            looks: self.looks - before.looks,
            waits: self.waits - before.waits,
            timeouts: self.timeouts - before.timeouts,
            flushes: self.flushes - before.flushes,
        }
    }
}

impl Wire {
    pub fn new(server: Server) -> Self {
        Self(Arc::new(Mutex::new(End {
            server,
            counts: Counts::default(),
            ready: false,
            reactor: Reactor::Idle,
        })))
    }

    pub fn counts(&self) -> Counts {
        self.end().counts
    }

    /// How many messages the server took, and the octets of their bodies.
    pub fn taken(&self) -> (usize, u64) {
        let end = self.end();
        (end.server.messages, end.server.octets)
    }

    fn end(&self) -> MutexGuard<'_, End> {
        self.0.lock().unwrap()
    }

    fn ask_reactor(&self, end: &mut End, waker: Waker) {
        if let Reactor::Due = end.reactor {
            return;
        }
        end.reactor = Reactor::Due;
        let wire = self.clone();
        tokio::spawn(async move {
            let mut end = wire.end();
            if end.server.replies.is_empty() {
                end.reactor = Reactor::Asleep(waker);
            } else {
                end.counts.waits += 1;
                end.ready = true;
                end.reactor = Reactor::Idle;
                waker.wake();
            }
        });
    }

    fn poll_hear(&self, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let mut end = self.end();
        let n = end.write(slices);
        if let Reactor::Asleep(waker) = &end.reactor {
            let waker = waker.clone();
            self.ask_reactor(&mut end, waker);
        }
        Poll::Ready(Ok(n))
    }
}

impl End {
    fn take(&mut self, buffer: &mut [u8]) -> Option<usize> {
        let n = self.server.replies.len().min(buffer.len());
        buffer[..n].copy_from_slice(&self.server.replies[..n]);
        self.server.replies.drain(..n);
        if n == 0 {
            self.counts.empty_reads += 1;
            return None;
        }
        self.counts.reads += 1;
        Some(n)
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> usize {
        self.counts.writes += 1;
        slices.iter().for_each(|slice| self.server.hear(slice));
        slices.iter().map(|slice| slice.len()).sum()
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.end().take(buffer).expect("the client waits for a server that waits for the client"))
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.end().write(slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.end().counts.flushes += 1;
        Ok(())
    }
}

impl smtp_blocking::Stream for Wire {
    fn set_read_timeout(&mut self, _: Duration) -> io::Result<()> {
        self.end().counts.timeouts += 1;
        Ok(())
    }

    fn set_write_timeout(&mut self, _: Duration) -> io::Result<()> {
        self.end().counts.timeouts += 1;
        Ok(())
    }

    fn try_read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut end = self.end();
        end.counts.looks += 1;
        end.take(buffer).ok_or(io::ErrorKind::WouldBlock.into())
    }
}

impl tokio::io::AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut end = self.end();
        let room = buffer.initialize_unfilled();
        let taken = if end.ready { end.take(room) } else { None };
        end.ready = taken == Some(room.len());
        match taken {
            None => {
                self.ask_reactor(&mut end, cx.waker().clone());
                Poll::Pending
            }
            Some(n) => {
                buffer.advance(n);
                Poll::Ready(Ok(()))
            }
        }
    }
}

impl tokio::io::AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_hear(&[IoSlice::new(octets)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_hear(slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end().counts.flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl smtp_tokio::Stream for Wire {}

pub fn config() -> Config {
    Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(TlsPolicy::None)
}

pub fn envelope(recipients: usize) -> Envelope {
    let to = (0..recipients).map(|i| format!("user{i}@example.net").parse().unwrap());
    Envelope::new("alice@example.org".parse().unwrap(), to)
}

/// A text of this many octets, in lines.
pub fn text(octets: usize) -> Vec<u8> {
    const LINE: &[u8] = b"It was a dark and stormy night, and the mail was late as ever once again.\r\n";
    let mut text = b"Subject: x\r\n\r\n".to_vec();
    text.extend(LINE.iter().cycle().take(octets.saturating_sub(text.len() + 2)));
    // A line end cut in two would be a stray one.
    while text.last().is_some_and(|&octet| octet == b'\r' || octet == b'\n') {
        text.pop();
    }
    text.resize(octets - 2, b'.');
    text.extend_from_slice(b"\r\n");
    text
}
