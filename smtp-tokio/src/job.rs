//! What the pump works on: a flow, and the message bodies it asks for.

use std::io;
use std::task::Context;

use smtp_proto::connection::Connection;
use smtp_proto::flow::{Flow, Step};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

use crate::clock::Track;

/// A flow together with where its message bodies come from.
pub(crate) trait Job {
    type Output;
    type Error;
    type Source: Supply;

    /// Goes on with the flow. The context is woken when more can be done for another reason than octets moving.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Result<Step<Self::Output>, Self::Error>;

    /// Goes on with the flow while a piece of a body is written; what there is to tell, `poll` tells later.
    fn advance(&mut self, cx: &mut Context<'_>, connection: &mut Connection);

    /// Whether it is the caller that is waited for, who may take any time.
    fn awaits_caller(&self) -> bool {
        false
    }

    /// Whether the job outlives the future that drives it, so that dropping that loses nothing of it.
    const OUTLIVES: bool = false;

    /// The body of a message, taken out while a piece of it is written.
    fn take_source(&mut self, message: usize) -> Self::Source;

    /// Gives it back.
    fn return_source(&mut self, message: usize, source: Self::Source);

    /// What is known of a message on its way.
    fn track(&mut self, message: usize) -> Option<&mut Track>;
}

/// A flow with at most one body.
pub(crate) struct Single<'f, 'm, F: Flow> {
    flow: &'f mut F,
    source: Source<'m>,
    pub(crate) track: Option<Track>,
    told: Option<Result<Step<F::Output>, F::Error>>,
}

impl<'f, 'm, F: Flow> Single<'f, 'm, F> {
    pub(crate) fn new(flow: &'f mut F, source: Source<'m>) -> Self {
        Self { flow, source, track: None, told: None }
    }
}

impl<'m, F: Flow> Job for Single<'_, 'm, F> {
    type Output = F::Output;
    type Error = F::Error;
    type Source = Source<'m>;

    fn poll(
        &mut self,
        _: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Result<Step<F::Output>, F::Error> {
        self.told.take().unwrap_or_else(|| self.flow.poll(connection))
    }

    fn advance(&mut self, _: &mut Context<'_>, connection: &mut Connection) {
        if self.told.is_none() {
            self.told = match self.flow.poll(connection) {
                Ok(Step::Continue | Step::SupplyBody { .. }) => None,
                over => Some(over),
            };
        }
    }

    fn take_source(&mut self, _: usize) -> Source<'m> {
        std::mem::replace(&mut self.source, Source::None)
    }

    fn return_source(&mut self, _: usize, source: Source<'m>) {
        self.source = source;
    }

    fn track(&mut self, _: usize) -> Option<&mut Track> {
        self.track.as_mut()
    }
}

/// Where a message body comes from, and how far it has been supplied.
pub(crate) enum Source<'m> {
    None,
    Whole(&'m [u8], usize),
    Owned(Vec<u8>, usize),
    Reader(Box<dyn AsyncBufRead + Unpin + Send + 'm>),
}

/// A source, whatever it borrows. (With the lifetime in [`Job`] itself the futures above would not be `Send`.)
pub(crate) trait Supply: Send {
    /// The next octets, and whether they are known to be the last. None are left when there are none.
    fn piece(&mut self) -> impl Future<Output = io::Result<(&[u8], bool)>> + Send;

    fn consume(&mut self, octets: usize);

    /// The body is complete; whoever asks for it again gets it from the beginning.
    fn rewind(&mut self);
}

impl Supply for Source<'_> {
    async fn piece(&mut self) -> io::Result<(&[u8], bool)> {
        Ok(match self {
            Source::None => (&[], true),
            Source::Whole(message, at) => (message.get(*at..).unwrap_or_default(), true),
            Source::Owned(message, at) => (message.get(*at..).unwrap_or_default(), true),
            Source::Reader(reader) => (reader.fill_buf().await?, false),
        })
    }

    fn consume(&mut self, octets: usize) {
        match self {
            Source::None => {}
            Source::Whole(_, at) | Source::Owned(_, at) => *at = at.saturating_add(octets),
            Source::Reader(reader) => reader.consume(octets),
        }
    }

    fn rewind(&mut self) {
        if let Source::Whole(_, at) | Source::Owned(_, at) = self {
            *at = 0;
        }
    }
}
