//! Many messages on one connection, without waiting for each.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream as Messages;
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
/// Asking for the [next](Self::next) outcome is what moves the batch on. Dropped before the last outcome has been
/// taken, it closes the connection if a message is under way.
#[must_use = "nothing is sent until the outcomes are asked for"]
pub struct SendAll<'c, 'm, S: Stream> {
    client: &'c mut Client<S>,
    feed: Feed<'m>,
    opened: bool,
    over: bool,
}

impl<'c, 'm, S: Stream> SendAll<'c, 'm, S> {
    pub(crate) fn new<M>(client: &'c mut Client<S>, messages: M) -> Self
    where
        M: Messages<Item: Into<Message<'m>>> + Send + 'm,
    {
        let tracker = client.pump.watch.tracker();
        let messages = Box::pin(Converted(Box::pin(messages), PhantomData));
        let feed = Feed {
            batch: Batch::new(),
            messages,
            waiting: false,
            sources: VecDeque::new(),
            told: 0,
            tracker,
        };
        Self { client, feed, opened: false, over: false }
    }

    /// Says QUIT right behind the last message, in the same write where the server allows it. The client cannot
    /// be used after that.
    pub fn then_quit(mut self) -> Self {
        self.feed.batch = std::mem::take(&mut self.feed.batch).then_quit();
        self
    }

    /// The next message's outcome; `None` after the last.
    ///
    /// # Cancel safety
    /// A future dropped while it waits for a message or for the server loses nothing: call `next` again. One
    /// dropped while the session is opened, or while octets of a message are written or read from its source,
    /// has closed the connection; the outcomes of all messages are still to be had here.
    pub async fn next(&mut self) -> Option<Result<Delivery, SendError>> {
        if self.over {
            return None;
        }
        if !std::mem::replace(&mut self.opened, true) {
            if let Err(error) = self.client.open().await {
                return self.not_opened(error).await;
            }
        }
        let outcome = match self.client.pump.drive(&mut self.feed).await {
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

    /// The machine underneath, for what it knows: whether it has [failed](Connection::failure), before a message
    /// is taken that will not be sent.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.client.pump.connection
    }

    /// The first message's outcome when there is no session to send it in.
    async fn not_opened(&mut self, error: Error) -> Option<Result<Delivery, SendError>> {
        let message = poll_fn(|cx| self.feed.messages.as_mut().poll_next(cx)).await;
        message.map(|message| {
            let error = SendError::from(error);
            message.track(&self.feed.tracker, 0).over(Err(error.kind()));
            Err(error)
        })
    }
}

impl<S: Stream> Drop for SendAll<'_, '_, S> {
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
///
/// The messages are boxed: with their type in it, the futures over this one would not be `Send`.
struct Feed<'m> {
    batch: Batch<Cow<'m, Envelope>>,
    messages: Pin<Box<dyn Messages<Item = Message<'m>> + Send + 'm>>,
    /// The next message is not there yet.
    waiting: bool,
    /// The bodies of the messages without an outcome, from the oldest.
    sources: VecDeque<(Source<'m>, Track)>,
    /// How many outcomes have been told.
    told: usize,
    /// Where the spans of the messages belong.
    tracker: Tracker,
}

impl Feed<'_> {
    /// Whether outcomes wait to be taken before more messages are: any, if none is on its way, as when each is
    /// refused before it is sent.
    fn is_ahead(&self) -> bool {
        let most = if self.batch.undecided() == 0 { 0 } else { OUTCOMES_AHEAD };
        self.batch.outcomes() > most
    }

    /// Takes messages as long as they can be begun, and goes on with them.
    fn go_on(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Result<Step<()>, smtp_proto::Error> {
        loop {
            self.take_messages(cx);
            match self.batch.poll(connection) {
                Ok(Step::Continue) if self.batch.wants_message() && !self.waiting && !self.is_ahead() => {}
                step => return step,
            }
        }
    }

    fn take_messages(&mut self, cx: &mut Context<'_>) {
        self.waiting = false;
        while self.batch.wants_message() && !self.is_ahead() {
            match self.messages.as_mut().poll_next(cx) {
                Poll::Ready(Some(message)) => {
                    let number = self.told.wrapping_add(self.sources.len());
                    let track = message.track(&self.tracker, number);
                    let batch = &mut self.batch;
                    let source = message.dispatch(|envelope, body, options| {
                        batch.push(envelope, body, options);
                    });
                    self.sources.push_back((source, track));
                }
                Poll::Ready(None) => self.batch.finish(),
                Poll::Pending => {
                    self.waiting = true;
                    return;
                }
            }
        }
    }
}

impl<'m> Job for Feed<'m> {
    type Output = Option<Result<Delivery, smtp_proto::SendError>>;
    type Error = Infallible;
    type Source = Source<'m>;

    const OUTLIVES: bool = true;

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Result<Step<Self::Output>, Infallible> {
        let step = self.go_on(cx, connection);
        if let Some(outcome) = self.batch.next_outcome() {
            if let Some((_, track)) = self.sources.pop_front() {
                track.over(outcome.as_ref());
            }
            self.told = self.told.wrapping_add(1);
            return Ok(Step::Done(Some(outcome)));
        }
        Ok(match step {
            Ok(step) => step.map(|()| None),
            // On a broken connection the next message is still waited for, to tell its outcome.
            Err(_) if self.waiting => Step::Continue,
            Err(_) => Step::Done(None),
        })
    }

    fn advance(&mut self, cx: &mut Context<'_>, connection: &mut Connection) {
        // A failure is told as the outcome of each message.
        let _ = self.go_on(cx, connection);
    }

    fn awaits_caller(&self) -> bool {
        self.waiting
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

/// A stream of what becomes messages.
struct Converted<'m, M>(Pin<Box<M>>, PhantomData<fn() -> Message<'m>>);

impl<'m, M: Messages<Item: Into<Message<'m>>>> Messages for Converted<'m, M> {
    type Item = Message<'m>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message<'m>>> {
        self.0.as_mut().poll_next(cx).map(|message| message.map(Into::into))
    }
}

/// An iterator as a stream whose items are all there.
pub(crate) struct Ready<I>(pub(crate) I);

impl<I> Unpin for Ready<I> {}

impl<I: Iterator> Messages for Ready<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}
