//! The client of a transcript: the flows it runs, driven over a [`Line`].

use std::sync::Arc;

use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::connection::{Config, Connection, Peer};
use smtp_proto::error::Error;
use smtp_proto::flow::{
    Authenticate, Batch, BeginData, Body, Delivery, Envelope, Exchange, Expect, FinishData, Flow, Open, Quit,
    Send, SendError, SendOptions, Step, XClient,
};
use smtp_proto::params::{self, MailParameters, RcptParameters};
use smtp_proto::sasl::Mechanism;

use super::line::{Line, Met};

/// One thing that the client does.
#[derive(Debug, Clone, Copy)]
pub enum Job {
    Open,
    Auth(fn() -> Box<dyn Mechanism>),
    Ask(Command<'static>),
    Reset,
    XClient,
    /// One message, by the flow for one.
    Send,
    /// All messages, one behind the other, and QUIT behind them if wanted.
    SendAll {
        quit: bool,
    },
    /// One message, command by command.
    ByHand,
    Quit,
}

/// A message: envelope and the pieces that its body comes in.
#[derive(Debug, Clone)]
pub struct Message {
    pub envelope: Envelope,
    pub pieces: Vec<&'static [u8]>,
    /// Known whole beforehand; otherwise it is a stream, whose size is declared or not.
    pub supply: Supply,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    Whole,
    Sized,
    Unsized,
}

impl Message {
    fn whole(&self) -> Vec<u8> {
        self.pieces.concat()
    }

    fn body<'a>(&self, whole: &'a [u8]) -> Body<'a> {
        let kind = BodyKind::SevenBit;
        match self.supply {
            Supply::Whole => Body::Whole(whole),
            Supply::Sized => Body::Stream { kind, size: Some(whole.len() as u64) },
            Supply::Unsized => Body::Stream { kind, size: None },
        }
    }
}

/// What the client was told.
pub struct Told {
    /// Each job that was begun, in order.
    pub jobs: Vec<(Job, Result<(), Error>)>,
    /// Of each message that was handed in.
    pub messages: Vec<Result<Delivery, SendError>>,
    pub connection: Connection,
}

/// How octets are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    Whole,
    /// One octet a read and a write.
    Octets,
    /// One octet a read.
    Reads,
    /// One octet a write.
    Writes,
}

pub struct Client<'t> {
    connection: Connection,
    line: Line<'t>,
    cut: Cut,
    messages: &'t [Message],
    /// Arrived, and not yet handed in.
    inbox: Vec<u8>,
    read: usize,
    /// Of a body, not yet written.
    owed: Vec<u8>,
    /// Which message is being supplied, and how much of it has been.
    supplied: (usize, usize),
}

/// Going round so often is a spin.
const SPIN: usize = 20_000;

/// Runs the jobs, until one fails.
pub fn run<'t>(
    config: Arc<Config>,
    line: Line<'t>,
    cut: Cut,
    jobs: &[Job],
    messages: &'t [Message],
    options: SendOptions,
) -> (Told, Line<'t>) {
    let connection = Connection::new(config, Peer::Local);
    let (inbox, owed) = (Vec::new(), Vec::new());
    let mut client = Client { connection, line, cut, messages, inbox, read: 0, owed, supplied: (0, 0) };
    let (mut done, mut outcomes) = (Vec::new(), Vec::new());
    for &job in jobs {
        let result = client.job(job, options, &mut outcomes);
        let failed = result.is_err();
        done.push((job, result));
        if failed {
            break;
        }
    }
    client.hear_the_rest();
    (Told { jobs: done, messages: outcomes, connection: client.connection }, client.line)
}

impl Client<'_> {
    fn job(
        &mut self,
        job: Job,
        options: SendOptions,
        outcomes: &mut Vec<Result<Delivery, SendError>>,
    ) -> Result<(), Error> {
        match job {
            Job::Open => self.run(&mut Open::new()),
            Job::Auth(mechanism) => self.run(&mut Authenticate::new(mechanism())).map(drop),
            Job::Ask(command) => self.run(&mut Exchange::new(command, Expect::Anything)).map(drop),
            Job::Reset => self.run(&mut Exchange::new(Command::Rset, Expect::Success)).map(drop),
            Job::XClient => {
                let client = params::XClient::new().name("c.example").unwrap();
                self.run(&mut XClient::new(&client)).map(drop)
            }
            Job::Send => {
                let message = &self.messages[outcomes.len()];
                let whole = message.whole();
                let outcome = self.run(&mut Send::new(&message.envelope, message.body(&whole), options));
                outcomes.push(outcome);
                self.failure()
            }
            Job::SendAll { quit } => {
                let mut batch = if quit { Batch::new().then_quit() } else { Batch::new() };
                for message in self.messages {
                    batch.push(&message.envelope, message.body(&message.whole()), options);
                }
                batch.finish();
                let result = self.run(&mut batch);
                outcomes.extend(std::iter::from_fn(|| batch.next_outcome()));
                result
            }
            Job::ByHand => {
                let message = &self.messages[outcomes.len()];
                let outcome = self.by_hand(message);
                outcomes.push(outcome);
                self.failure()
            }
            Job::Quit => self.run(&mut Quit::new()),
        }
    }

    fn failure(&self) -> Result<(), Error> {
        self.connection.failure().cloned().map_or(Ok(()), Err)
    }

    fn by_hand(&mut self, message: &Message) -> Result<Delivery, SendError> {
        let refused = |error| match error {
            Error::Refused { stage, reply } => SendError::Rejected { stage, reply, recipients: Vec::new() },
            error => error.into(),
        };
        let envelope = &message.envelope;
        let (mail, rcpt) = (MailParameters::new(), RcptParameters::new());
        let command = Command::Mail(&envelope.reverse_path, &mail);
        self.run(&mut Exchange::new(command, Expect::Success)).map_err(refused)?;
        for recipient in &envelope.recipients {
            let command = Command::Rcpt(&recipient.forward_path, &rcpt);
            self.run(&mut Exchange::new(command, Expect::Success)).map_err(refused)?;
        }
        let data = DataCommand { rules: BodyRules::new(BodyKind::SevenBit), size: None };
        self.run(&mut BeginData::new(data)).map_err(refused)?;
        let whole = message.whole();
        let part = self.connection.body(&whole)?;
        self.owed = part.slices().flatten().copied().collect();
        self.run(&mut FinishData::new())
    }

    fn run<F: Flow>(&mut self, flow: &mut F) -> Result<F::Output, F::Error> {
        for _ in 0..SPIN {
            let step = flow.poll(&mut self.connection)?;
            match step {
                Step::Done(output) => return Ok(output),
                // What has arrived is heard before anything is done.
                _ if self.hear() => {}
                Step::UpgradeTls(upgrade) => match self.line.handshake() {
                    Ok(()) => self.connection.tls_established(upgrade)?,
                    Err(Met::End) => self.connection.tls_failed(),
                    Err(Met::Silence) => self.connection.handle_timeout(),
                },
                _ if !self.owed.is_empty() => self.write_body(),
                Step::SupplyBody { message } => self.supply(message),
                Step::Continue if !self.connection.output().is_empty() => self.write(),
                Step::Continue => self.wait(),
            }
        }
        panic!("no end");
    }

    /// Hands in what has arrived, or the next octet of it.
    fn hear(&mut self) -> bool {
        if self.read == self.inbox.len() && self.line.is_readable() {
            self.inbox = self.line.read();
            self.read = 0;
        }
        let rest = &self.inbox[self.read..];
        let octets = match self.cut {
            Cut::Whole | Cut::Writes => rest,
            Cut::Octets | Cut::Reads => &rest[..rest.len().min(1)],
        };
        if octets.is_empty() {
            return false;
        }
        self.line.heard(octets);
        self.connection.receive(octets);
        self.read += octets.len();
        true
    }

    /// What arrived together with the last reply is judged before the connection is put away.
    fn hear_the_rest(&mut self) {
        while self.hear() || self.line.catches_up() {
            while self.connection.poll_event().is_ok_and(|event| event.is_some()) {}
        }
        while self.connection.poll_event().is_ok_and(|event| event.is_some()) {}
    }

    fn portion(&self, octets: usize) -> usize {
        match self.cut {
            Cut::Whole | Cut::Reads => octets,
            Cut::Octets | Cut::Writes => octets.min(1),
        }
    }

    fn write(&mut self) {
        let output = self.connection.output();
        match self.line.write(&output[..self.portion(output.len())]) {
            Some(taken) => self.connection.advance_output(taken).unwrap(),
            None => self.wait(),
        }
    }

    fn write_body(&mut self) {
        match self.line.write(&self.owed[..self.portion(self.owed.len())]) {
            Some(taken) => {
                self.connection.advance_output(taken).unwrap();
                self.owed.drain(..taken);
            }
            None => self.wait(),
        }
    }

    fn supply(&mut self, message: usize) {
        if self.supplied.0 != message {
            self.supplied = (message, 0);
        }
        let mut before = 0;
        let next = self.messages[message].pieces.iter().find_map(|piece| {
            before += piece.len();
            (self.supplied.1 < before).then(|| &piece[piece.len() - (before - self.supplied.1)..])
        });
        match next {
            Some(piece) => {
                let part = self.connection.body(piece).unwrap();
                self.supplied.1 += part.consumed();
                self.owed = part.slices().flatten().copied().collect();
            }
            None => drop(self.connection.finish_body().unwrap()),
        }
    }

    fn wait(&mut self) {
        if self.line.catches_up() {
            return;
        }
        match self.line.wait() {
            Met::End => self.connection.receive_eof(),
            Met::Silence => {
                assert!(self.connection.timeout().is_some(), "a wait without an end");
                self.connection.handle_timeout();
            }
        }
    }
}
