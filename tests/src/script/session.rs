//! The client's end: flows, driven against a [`Peer`] on virtual time.

use std::collections::VecDeque;
use std::time::Duration;

use smtp_proto::body::BodyPart;
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::connection::Connection;
use smtp_proto::error::Error;
use smtp_proto::flow::{
    Authenticate, Batch, BeginData, Body, Delivery, Envelope, Exchange, Expect, FinishData, Flow, Hello,
    LogIn, Open, Quit, Send, SendError, SendOptions, StartTls, Step,
};
use smtp_proto::params::XClient;
use smtp_proto::reply::Reply;
use smtp_proto::sasl::{Credentials, Mechanism, Nonce};
use smtp_proto::security::ChannelBindings;

use super::{Heard, Mode, Peer, Taken};

/// A connection to a scripted server; each method runs one flow to its end.
#[derive(Debug)]
pub struct Session {
    connection: Connection,
    peer: Peer,
    mode: Mode,
    /// Arrived, but not yet handed to the connection.
    inbox: VecDeque<u8>,
    /// Octets that the server has said.
    heard: usize,
    ended: bool,
    now: Duration,
    channel_bindings: ChannelBindings,
}

/// How far the body of a message has been supplied.
#[derive(Debug, Clone, Copy, Default)]
struct Supplied {
    message: usize,
    /// Chunks that are gone, and octets of the next.
    chunks: usize,
    octets: usize,
}

/// Going round so often without moving an octet is a spin.
const SPIN: usize = 8;

impl Session {
    pub(super) fn new(connection: Connection, peer: Peer, mode: Mode) -> Self {
        let (inbox, now) = (VecDeque::new(), Duration::ZERO);
        let channel_bindings = ChannelBindings::new();
        Self { connection, peer, mode, inbox, heard: 0, ended: false, now, channel_bindings }
    }

    pub(super) fn into_parts(self) -> (Connection, Peer) {
        (self.connection, self.peer)
    }

    /// The connection, to look at or to queue commands on by hand.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// What the TLS handshakes to come will tell of the channel.
    pub fn bind_tls(&mut self, channel_bindings: ChannelBindings) {
        self.channel_bindings = channel_bindings;
    }

    /// The virtual time since the beginning.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.now
    }

    /// Everything the client has written so far.
    #[must_use]
    pub fn wire(&self) -> &[u8] {
        self.peer.wire()
    }

    /// Greeting, EHLO, STARTTLS as the policy wants.
    ///
    /// # Errors
    /// The flow's.
    pub fn open(&mut self) -> Result<(), Error> {
        self.run(Open::new(), &[])
    }

    /// EHLO.
    ///
    /// # Errors
    /// The flow's.
    pub fn hello(&mut self) -> Result<Reply, Error> {
        self.run(Hello::new(), &[])
    }

    /// XCLIENT, EHLO.
    ///
    /// # Errors
    /// The flow's.
    pub fn xclient(&mut self, client: &XClient) -> Result<Reply, Error> {
        self.run(smtp_proto::flow::XClient::new(client), &[])
    }

    /// STARTTLS, handshake, EHLO.
    ///
    /// # Errors
    /// The flow's.
    pub fn start_tls(&mut self) -> Result<(), Error> {
        self.run(StartTls::new(), &[])
    }

    /// AUTH.
    ///
    /// # Errors
    /// The flow's.
    pub fn auth(&mut self, mechanism: &mut dyn Mechanism) -> Result<Reply, Error> {
        self.run(Authenticate::new(mechanism), &[])
    }

    /// AUTH, with the mechanism that suits. Without a nonce SCRAM is out of the choice.
    ///
    /// # Errors
    /// The flow's.
    pub fn log_in(&mut self, credentials: &Credentials, nonce: Option<Nonce>) -> Result<Reply, Error> {
        let flow = LogIn::new(credentials);
        self.run(if let Some(nonce) = nonce { flow.nonce(nonce) } else { flow }, &[])
    }

    /// One message, whole.
    ///
    /// # Errors
    /// The flow's.
    pub fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<Delivery, SendError> {
        self.send_with(envelope, Body::Whole(message), SendOptions::default(), &[message])
    }

    /// One message in chunks.
    ///
    /// # Errors
    /// The flow's.
    pub fn send_with(
        &mut self,
        envelope: &Envelope,
        body: Body<'_>,
        options: SendOptions,
        chunks: &[&[u8]],
    ) -> Result<Delivery, SendError> {
        self.run(Send::new(envelope, body, options), chunks)
    }

    /// A batch of messages, each known whole; their outcomes in order. QUIT follows if `quit`.
    pub fn send_all(
        &mut self,
        messages: &[(Envelope, &[u8])],
        options: SendOptions,
        quit: bool,
    ) -> Vec<Result<Delivery, SendError>> {
        let mut batch = if quit { Batch::new().then_quit() } else { Batch::new() };
        for (envelope, message) in messages {
            batch.push(envelope, Body::Whole(message), options);
        }
        batch.finish();
        let bodies: Vec<[&[u8]; 1]> = messages.iter().map(|(_, message)| [*message]).collect();
        let bodies: Vec<&[&[u8]]> = bodies.iter().map(|body| &body[..]).collect();
        let _ = self.run_all(&mut batch, &bodies);
        std::iter::from_fn(|| batch.next_outcome()).collect()
    }

    /// One command; a reply other than 2yz is an error.
    ///
    /// # Errors
    /// The flow's.
    pub fn command(&mut self, command: Command<'_>) -> Result<Reply, Error> {
        self.run(Exchange::new(command, Expect::Success), &[])
    }

    /// One command and whatever its reply is.
    ///
    /// # Errors
    /// The flow's.
    pub fn ask(&mut self, command: Command<'_>) -> Result<Reply, Error> {
        self.run(Exchange::new(command, Expect::Anything), &[])
    }

    /// DATA.
    ///
    /// # Errors
    /// The flow's.
    pub fn begin_data(&mut self, data: DataCommand) -> Result<Reply, Error> {
        self.run(BeginData::new(data), &[])
    }

    /// A chunk of the body after [`begin_data`](Self::begin_data).
    ///
    /// # Errors
    /// The connection's.
    pub fn write_body(&mut self, chunk: &[u8]) -> Result<(), Error> {
        let mut rest = chunk;
        while !rest.is_empty() {
            let mut part = self.connection.body(rest)?;
            self.write_part(&mut part, &mut |connection| connection.poll_event().map(drop))?;
            rest = &rest[part.consumed()..];
        }
        Ok(())
    }

    /// The end of the body, and the verdict.
    ///
    /// # Errors
    /// The flow's.
    pub fn finish_data(&mut self) -> Result<Delivery, SendError> {
        self.run(FinishData::new(), &[])
    }

    /// QUIT.
    ///
    /// # Errors
    /// The flow's.
    pub fn quit(&mut self) -> Result<(), Error> {
        self.run(Quit::new(), &[])
    }

    /// Reads what the server has said unasked, as an adapter does before it uses an idle connection.
    pub fn hear_idle(&mut self) {
        while self.peer.is_readable() && !self.ended {
            self.listen();
        }
        self.feed_all();
    }

    /// Runs any flow; the chunks are the body it may ask for.
    ///
    /// # Errors
    /// The flow's.
    ///
    /// # Panics
    /// When the client goes round without progress, or waits where the script waits for it.
    pub fn run<F: Flow>(&mut self, mut flow: F, chunks: &[&[u8]]) -> Result<F::Output, F::Error> {
        self.run_all(&mut flow, &[chunks])
    }

    /// Runs any flow; `bodies` are the chunks of each message that it may ask for. At
    /// [`SOURCE_FAILS`](super::SOURCE_FAILS) there are no more to be had, and the connection is told so.
    ///
    /// # Errors
    /// The flow's.
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn run_all<F: Flow>(&mut self, flow: &mut F, bodies: &[&[&[u8]]]) -> Result<F::Output, F::Error> {
        let mut supplied = Supplied::default();
        self.feed_all();
        let mut rounds = 0;
        let mut before = None;
        loop {
            let progress = Some((self.peer.progress(), self.inbox.len(), self.now));
            rounds = if before == progress { rounds + 1 } else { 0 };
            before = progress;
            assert!(rounds < SPIN, "no progress; the script is at {}", self.peer.position());
            let step = flow.poll(&mut self.connection)?;
            if let Some(fault) = self.peer.fault() {
                panic!("{fault}");
            }
            match step {
                Step::Done(output) => {
                    self.feed_all();
                    self.flush();
                    return Ok(output);
                }
                // What has arrived is heard before anything is done about the step.
                Step::Continue | Step::SupplyBody { .. } if self.feed_one() => {}
                Step::Continue if !self.connection.output().is_empty() => self.write_some(),
                Step::Continue => self.listen(),
                Step::UpgradeTls(upgrade) => {
                    self.feed_all();
                    if self.connection.failure().is_none() {
                        match self.peer.handshake() {
                            Ok(true) => {
                                let upgrade = upgrade.bind(self.channel_bindings.clone());
                                self.connection.tls_established(upgrade)?;
                            }
                            Ok(false) => self.connection.tls_failed(),
                            Err(heard) => self.hear(heard),
                        }
                        self.feed_all();
                    }
                    if self.ended {
                        self.connection.tls_failed();
                    }
                    if let Some(failure) = self.connection.failure() {
                        return Err(failure.clone().into());
                    }
                }
                Step::SupplyBody { message } => {
                    if supplied.message != message {
                        supplied = Supplied { message, ..Supplied::default() };
                    }
                    self.supply(flow, bodies[message], &mut supplied)?;
                }
            }
        }
    }

    /// Supplies one piece of a body, or its end.
    fn supply<F: Flow>(
        &mut self,
        flow: &mut F,
        chunks: &[&[u8]],
        supplied: &mut Supplied,
    ) -> Result<(), F::Error> {
        self.flush();
        if self.ended {
            return Ok(());
        }
        if let (Mode::Copied, [message]) = (self.mode, chunks) {
            if *message != super::SOURCE_FAILS {
                self.connection.supply_body(message, &mut supplied.octets);
                return Ok(());
            }
        }
        while chunks.get(supplied.chunks).is_some_and(|chunk| chunk.len() == supplied.octets) {
            *supplied = Supplied { chunks: supplied.chunks + 1, octets: 0, ..*supplied };
        }
        let Some(&chunk) = chunks.get(supplied.chunks) else {
            let ended = self.connection.finish_body();
            *supplied = Supplied { chunks: 0, octets: 0, ..*supplied };
            return if ended.is_ok() { Ok(()) } else { self.broken() };
        };
        if chunk == super::SOURCE_FAILS {
            self.connection.fail_body();
            return self.broken();
        }
        // What broke the body, the flow reports when it is polled next.
        let Ok(mut part) = self.connection.body(&chunk[supplied.octets..]) else {
            return self.broken();
        };
        supplied.octets += part.consumed();
        if self.connection.body_id().is_none() {
            // It was the last of a declared size. Split over transactions, the message is asked for again.
            *supplied = Supplied { chunks: 0, octets: 0, ..*supplied };
        }
        self.write_part(&mut part, &mut |connection| flow.poll(connection).map(drop))
    }

    fn broken<E: From<Error>>(&self) -> Result<(), E> {
        let over = self.connection.failure().is_some() || !self.connection.wants_body();
        assert!(over, "the body was refused without a failure");
        Ok(())
    }

    /// Writes a part of the body, hearing what the server says meanwhile.
    fn write_part<E>(
        &mut self,
        part: &mut BodyPart<'_>,
        poll: &mut impl FnMut(&mut Connection) -> Result<(), E>,
    ) -> Result<(), E> {
        while !part.is_empty() {
            if self.peer.is_readable() {
                self.listen();
                self.feed_all();
                poll(&mut self.connection)?;
            }
            let octets = match self.mode {
                Mode::Whole | Mode::Copied | Mode::ByteReads | Mode::Split(_) => {
                    part.slices().collect::<Vec<_>>().concat()
                }
                Mode::ByteWrites | Mode::Bytes => part.slices().flatten().take(1).copied().collect(),
            };
            match self.peer.write(&octets) {
                Taken::Octets(n) => {
                    self.connection.advance_output(n).expect("octets that were on offer");
                    part.advance(n);
                }
                Taken::Blocked => {
                    self.listen();
                    self.feed_all();
                    poll(&mut self.connection)?;
                }
                Taken::Reset => {
                    self.end();
                    poll(&mut self.connection)?;
                    panic!("the transport failed, and the connection goes on");
                }
            }
        }
        Ok(())
    }

    fn portion(&self, len: usize) -> usize {
        match self.mode {
            Mode::Whole | Mode::Copied | Mode::ByteReads | Mode::Split(_) => len,
            Mode::ByteWrites | Mode::Bytes => len.min(1),
        }
    }

    fn write_some(&mut self) {
        let output = self.connection.output();
        let portion = self.portion(output.len());
        match self.peer.write(&output[..portion]) {
            Taken::Octets(n) => self.connection.advance_output(n).expect("octets that were on offer"),
            Taken::Blocked => self.listen(),
            Taken::Reset => self.end(),
        }
    }

    /// Writes everything there is, if the transport takes it.
    fn flush(&mut self) {
        while !self.connection.output().is_empty() && !self.ended {
            self.write_some();
        }
    }

    fn listen(&mut self) {
        let most = match self.mode {
            Mode::Split(at) if at > self.heard => at - self.heard,
            _ => usize::MAX,
        };
        let heard = self.peer.read(most);
        if let Heard::Octets(octets) = &heard {
            self.heard += octets.len();
        }
        self.hear(heard);
    }

    fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Octets(octets) => match self.mode {
                Mode::Whole | Mode::Copied | Mode::ByteWrites | Mode::Split(_) => {
                    self.connection.receive(&octets)
                }
                Mode::ByteReads | Mode::Bytes => {
                    self.inbox.extend(octets);
                    self.feed_one();
                }
            },
            Heard::Eof | Heard::Reset => self.end(),
            Heard::Silence(time) => self.sleep(time),
            Heard::Nothing => panic!("the client waits; the script is at {}", self.peer.position()),
        }
    }

    fn end(&mut self) {
        assert!(!self.ended, "the client waits on a transport that has ended");
        self.feed_all();
        self.ended = true;
        self.connection.receive_eof();
    }

    fn feed_one(&mut self) -> bool {
        match self.inbox.pop_front() {
            Some(octet) => {
                self.connection.receive(&[octet]);
                true
            }
            None => false,
        }
    }

    fn feed_all(&mut self) {
        while self.feed_one() {}
    }

    // ---- virtual time ----

    /// Sleeps for this time, or for as long as what is awaited may take, whichever is shorter. No time passes but here.
    fn sleep(&mut self, time: Option<Duration>) {
        let left = self.connection.tick(self.now);
        let slept = time.into_iter().chain(left).min().unwrap_or_default();
        self.now = self.now.saturating_add(slept);
        let _ = self.connection.tick(self.now);
    }
}
