//! Many messages on one connection, without waiting for each.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::convert::Infallible;

use smtp_proto::connection::Connection;
use smtp_proto::flow::{Batch, Delivery, Envelope, Flow, Step};

use crate::clock::{Track, Tracker};
use crate::job::{Job, Source};
use crate::pump::Progress;
use crate::transport::Transport;
use crate::{Client, Error, Message, SendError, Stream};

/// Most outcomes that wait to be taken while messages are taken.
const OUTCOMES_AHEAD: usize = 64;

/// The outcomes of a batch, one for each message, in order: see [`Client::send_all`].
///
/// Asking for the next outcome is what moves the batch on. Dropped before the last outcome has been taken, it
/// closes the connection if a message is under way.
#[must_use = "nothing is sent until the outcomes are asked for"]
pub struct SendAll<'c, 'm, S: Stream, I> {
    client: &'c mut Client<S>,
    feed: Feed<'m, I>,
    opened: bool,
    over: bool,
}

impl<'c, 'm, S: Stream, I> SendAll<'c, 'm, S, I>
where
    I: Iterator,
    I::Item: Into<Message<'m>>,
{
    pub(crate) fn new(client: &'c mut Client<S>, messages: I) -> Self {
        let tracker = client.pump.watch.tracker();
        let feed = Feed { batch: Batch::new(), messages, sources: VecDeque::new(), told: 0, tracker };
        Self { client, feed, opened: false, over: false }
    }

    /// Says QUIT right behind the last message, in the same write where the server allows it. The client cannot
    /// be used after that.
    pub fn then_quit(mut self) -> Self {
        self.feed.batch = std::mem::take(&mut self.feed.batch).then_quit();
        self
    }

    /// The machine underneath, for what it knows: whether it has [failed](Connection::failure), before a message
    /// is taken that will not be sent.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.client.pump.connection
    }

    /// The first message's outcome when there is no session to send it in.
    fn not_opened(&mut self, error: Error) -> Option<Result<Delivery, SendError>> {
        self.feed.messages.next().map(|message| {
            let error = SendError::from(error);
            message.into().track(&self.feed.tracker, 0).over(Err(error.kind()));
            Err(error)
        })
    }
}

impl<'m, S: Stream, I> Iterator for SendAll<'_, 'm, S, I>
where
    I: Iterator,
    I::Item: Into<Message<'m>>,
{
    type Item = Result<Delivery, SendError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        if !std::mem::replace(&mut self.opened, true) {
            if let Err(error) = self.client.open() {
                return self.not_opened(error);
            }
        }
        let outcome = match self.client.pump.drive(&mut self.feed) {
            Ok(Progress::Done(outcome)) => outcome,
            Ok(Progress::UpgradeTls(_)) => None,
            Err(never) => match *never.kind() {},
        };
        self.over = outcome.is_none();
        outcome.map(|outcome| {
            outcome.map_err(|error| {
                let (pump, cause) = (&mut self.client.pump, error.cause());
                let blamed =
                    pump.connection.failure().is_some() || cause == Some(&smtp_proto::Error::BodySource);
                let io = if blamed { pump.take_io() } else { None };
                Error::new(error, io)
            })
        })
    }
}

impl<S: Stream, I> Drop for SendAll<'_, '_, S, I> {
    fn drop(&mut self) {
        let pump = &mut self.client.pump;
        if self.opened && !self.over && (self.feed.batch.undecided() > 0 || pump.connection.outstanding() > 0)
        {
            pump.connection.abandon();
            pump.transport = Transport::Gone;
        }
    }
}

/// The batch, and the messages that it is fed with.
struct Feed<'m, I> {
    batch: Batch<Cow<'m, Envelope>>,
    messages: I,
    /// The bodies of the messages without an outcome, from the oldest.
    sources: VecDeque<(Source<'m>, Track)>,
    /// How many outcomes have been told.
    told: usize,
    /// Where the spans of the messages belong.
    tracker: Tracker,
}

impl<'m, I> Feed<'m, I>
where
    I: Iterator,
    I::Item: Into<Message<'m>>,
{
    /// Whether outcomes wait to be taken before more messages are: any, if none is on its way, as when each is
    /// refused before it is sent.
    fn is_ahead(&self) -> bool {
        let most = if self.batch.undecided() == 0 { 0 } else { OUTCOMES_AHEAD };
        self.batch.outcomes() > most
    }

    /// Takes messages as long as they can be begun, and goes on with them. Whether there is nothing left to do.
    fn go_on(&mut self, connection: &mut Connection) -> Result<Step<()>, smtp_proto::Error> {
        loop {
            while self.batch.wants_message() && !self.is_ahead() {
                match self.messages.next() {
                    Some(message) => {
                        let message = message.into();
                        let number = self.told.wrapping_add(self.sources.len());
                        let track = message.track(&self.tracker, number);
                        let batch = &mut self.batch;
                        let source = message.dispatch(|envelope, body, options| {
                            batch.push(envelope, body, options);
                        });
                        self.sources.push_back((source, track));
                        // Without a connection each message has its outcome at once, and the next can wait.
                        if connection.failure().is_some() {
                            break;
                        }
                    }
                    None => self.batch.finish(),
                }
            }
            match self.batch.poll(connection) {
                Ok(Step::Continue) if self.batch.wants_message() && !self.is_ahead() => {}
                step => return step,
            }
        }
    }
}

impl<'m, I> Job<'m> for Feed<'m, I>
where
    I: Iterator,
    I::Item: Into<Message<'m>>,
{
    type Output = Option<Result<Delivery, smtp_proto::SendError>>;
    type Error = Infallible;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Self::Output>, Infallible> {
        let step = self.go_on(connection);
        if let Some(outcome) = self.batch.next_outcome() {
            if let Some((_, track)) = self.sources.pop_front() {
                track.over(outcome.as_ref());
            }
            self.told = self.told.wrapping_add(1);
            return Ok(Step::Done(Some(outcome)));
        }
        Ok(match step {
            Ok(step) => step.map(|()| None),
            Err(_) => Step::Done(None),
        })
    }

    fn advance(&mut self, connection: &mut Connection) {
        // A failure is told as the outcome of each message.
        let _ = self.go_on(connection);
    }

    fn take_source(&mut self, message: usize) -> Source<'m> {
        let source = self.sources.get_mut(message.wrapping_sub(self.told));
        source.map_or(Source::None, |(source, _)| std::mem::replace(source, Source::None))
    }

    fn return_source(&mut self, message: usize, source: Source<'m>) {
        if let Some((place, _)) = self.sources.get_mut(message.wrapping_sub(self.told)) {
            *place = source;
        }
    }

    fn track(&mut self, message: usize) -> Option<&mut Track> {
        self.sources.get_mut(message.wrapping_sub(self.told)).map(|(_, track)| track)
    }
}
