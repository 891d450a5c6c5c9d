//! The flow under way, whichever it is, and how the caller serves it.

use smtp_proto::connection::{Connection, TlsUpgrade};
use smtp_proto::error::Error;
use smtp_proto::flow::{
    Authenticate, Batch, BeginData, Delivery, Envelope, Exchange, Expect, FinishData, Flow, Hello, LogIn,
    Open, Quit, Send, SendError, StartTls, Step, Submit, XClient,
};
use smtp_proto::reply::Reply;
use smtp_proto::sasl::{
    Anonymous, CramMd5, External, Login, Mechanism, Nonce, OAuthBearer, Plain, ScramSha256, XOAuth2,
};

use super::journal::Ended;
use super::message::Message;
use super::script::Start;
use super::secrets::{PASSWORD, TOKEN, USER};
use super::settings::HOST;

/// A flow that has been started and not ended.
pub(super) struct Running<'s> {
    flow: Kind<'s>,
    pub(super) messages: &'s [Message],
    /// How many of the messages have been handed in.
    pushed: usize,
    finished: bool,
}

enum Kind<'s> {
    Nothing(Box<dyn Flow<Output = (), Error = Error> + 's>),
    Reply(Box<dyn Flow<Output = Reply, Error = Error> + 's>),
    Delivery(Box<dyn Flow<Output = Delivery, Error = SendError> + 's>),
    Batch(Batch<&'s Envelope>),
}

/// What has to happen before the flow can go on.
#[derive(Debug)]
pub(super) enum Ask {
    /// Octets have to be moved.
    Nothing,
    Upgrade(TlsUpgrade),
    Body(usize),
}

impl<'s> Running<'s> {
    pub(super) fn start(start: &'s Start, connection: &Connection) -> Self {
        let mut messages: &[Message] = &[];
        let flow = match start {
            Start::Open => Kind::Nothing(Box::new(Open::new())),
            Start::Greeting => Kind::Nothing(Box::new(Open::greeting())),
            Start::Hello => Kind::Reply(Box::new(Hello::new())),
            Start::StartTls => Kind::Nothing(Box::new(StartTls::new())),
            Start::LogIn(credentials) => Kind::Reply(Box::new(LogIn::new(credentials))),
            Start::Authenticate(letter, elsewhere) => {
                let host = if *elsewhere { "other.example" } else { HOST };
                Kind::Reply(Box::new(Authenticate::new(mechanism(*letter, host))))
            }
            Start::Send(message) => {
                messages = std::slice::from_ref(message);
                Kind::Delivery(Box::new(Send::new(&message.envelope, message.body(), message.options)))
            }
            Start::Submit(message, credentials) => {
                messages = std::slice::from_ref(message);
                let submit = Submit::new(&message.envelope, message.body(), message.options);
                Kind::Delivery(match credentials {
                    Some(credentials) => Box::new(submit.log_in(LogIn::new(credentials))),
                    None => Box::new(submit),
                })
            }
            Start::Batch { messages: all, quit, .. } => {
                messages = all;
                Kind::Batch(if *quit { Batch::new().then_quit() } else { Batch::new() })
            }
            Start::BeginData(rules) => Kind::Reply(Box::new(BeginData::new(rules.data(connection)))),
            Start::FinishData => Kind::Delivery(Box::new(FinishData::new())),
            Start::Exchange(line, strict) => {
                let expect = if *strict { Expect::Success } else { Expect::Anything };
                Kind::Reply(Box::new(Exchange::new(line.command(connection), expect)))
            }
            Start::XClient(client) => Kind::Reply(Box::new(XClient::new(client))),
            Start::Quit => Kind::Nothing(Box::new(Quit::new())),
        };
        let mut running = Self { flow, messages, pushed: 0, finished: false };
        if let Start::Batch { later: false, .. } = start {
            while running.feed() {}
        }
        running
    }

    /// Hands in the next message of a batch that has not had all.
    fn feed(&mut self) -> bool {
        let Kind::Batch(batch) = &mut self.flow else { return false };
        match self.messages.get(self.pushed) {
            Some(message) => {
                batch.push(&message.envelope, message.body(), message.options);
                self.pushed += 1;
            }
            None if !self.finished => {
                batch.finish();
                self.finished = true;
            }
            None => return false,
        }
        true
    }

    /// The same, if the batch wants one.
    pub(super) fn feed_wanted(&mut self) -> bool {
        self.wants_message() && self.feed()
    }

    pub(super) fn wants_message(&self) -> bool {
        matches!(&self.flow, Kind::Batch(batch) if batch.wants_message())
    }

    /// Polls the flow, until it asks for something or has ended.
    pub(super) fn poll(&mut self, connection: &mut Connection) -> Result<Ask, Ended> {
        match &mut self.flow {
            Kind::Nothing(flow) => asked(flow.poll(connection)).map_err(Ended::Nothing),
            Kind::Reply(flow) => asked(flow.poll(connection)).map_err(Ended::Reply),
            Kind::Delivery(flow) => asked(flow.poll(connection)).map_err(Ended::Delivery),
            Kind::Batch(batch) => {
                let asked = asked(batch.poll(connection));
                asked.map_err(|result| {
                    // What is handed in after the end has its outcome at once.
                    while batch.undecided() == 0 && self.pushed < self.messages.len() && result.is_err() {
                        let message = &self.messages[self.pushed];
                        batch.push(&message.envelope, message.body(), message.options);
                        self.pushed += 1;
                    }
                    Ended::Batch(result, std::iter::from_fn(|| batch.next_outcome()).collect())
                })
            }
        }
    }

    /// The connection broke while the flow waited for the handshake.
    pub(super) fn fail(self, error: Error) -> Ended {
        match self.flow {
            Kind::Nothing(_) => Ended::Nothing(Err(error)),
            Kind::Reply(_) => Ended::Reply(Err(error)),
            Kind::Delivery(_) => Ended::Delivery(Err(error.into())),
            Kind::Batch(_) => Ended::Batch(Err(error), Vec::new()),
        }
    }
}

fn asked<T, E>(step: Result<Step<T>, E>) -> Result<Ask, Result<T, E>> {
    match step {
        Ok(Step::Continue) => Ok(Ask::Nothing),
        Ok(Step::UpgradeTls(upgrade)) => Ok(Ask::Upgrade(upgrade)),
        Ok(Step::SupplyBody { message }) => Ok(Ask::Body(message)),
        Ok(Step::Done(output)) => Err(Ok(output)),
        Err(error) => Err(Err(error)),
    }
}

fn mechanism(letter: u8, host: &str) -> Box<dyn Mechanism> {
    match letter {
        b'p' => Box::new(Plain::new("", USER, PASSWORD, host)),
        b'l' => Box::new(Login::new(USER, PASSWORD, host)),
        b'c' => Box::new(CramMd5::new(USER, PASSWORD).bound_to(host)),
        b'x' => Box::new(XOAuth2::new(USER, TOKEN, host)),
        b'o' => Box::new(OAuthBearer::new(USER, TOKEN, host)),
        b'e' => Box::new(External::new("")),
        b's' => {
            let nonce = Nonce::new("rOprNGfwEbeRWgbNEkqO").expect("a nonce");
            Box::new(ScramSha256::new(USER, PASSWORD, host, nonce).iterations(1..=9))
        }
        // Longer than AUTH has room for: the initial response comes later.
        b'P' => Box::new(Plain::new(&"i".repeat(500), USER, PASSWORD, host)),
        _ => Box::new(Anonymous::new("trace")),
    }
}
