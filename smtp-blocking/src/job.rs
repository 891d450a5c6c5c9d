//! What the pump works on: a flow, and the message bodies it asks for.

use std::io::{self, BufRead};

use smtp_proto::connection::Connection;
use smtp_proto::flow::{Flow, Step};

use crate::clock::Track;

/// A flow together with where its message bodies come from.
pub(crate) trait Job<'m> {
    type Output;
    type Error;

    /// Goes on with the flow.
    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Self::Output>, Self::Error>;

    /// Goes on with the flow while a piece of a body is written; what there is to tell, `poll` tells later.
    fn advance(&mut self, connection: &mut Connection);

    /// The body of a message, taken out while a piece of it is written.
    fn take_source(&mut self, message: usize) -> Source<'m>;

    /// Gives it back.
    fn return_source(&mut self, message: usize, source: Source<'m>);

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

impl<'m, F: Flow> Job<'m> for Single<'_, 'm, F> {
    type Output = F::Output;
    type Error = F::Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<F::Output>, F::Error> {
        self.told.take().unwrap_or_else(|| self.flow.poll(connection))
    }

    fn advance(&mut self, connection: &mut Connection) {
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
    Reader(Box<dyn BufRead + 'm>),
}

impl Source<'_> {
    /// The next octets, and whether they are known to be the last. None are left when there are none.
    pub(crate) fn piece(&mut self) -> io::Result<(&[u8], bool)> {
        Ok(match self {
            Source::None => (&[], true),
            Source::Whole(message, at) => (message.get(*at..).unwrap_or_default(), true),
            Source::Owned(message, at) => (message.get(*at..).unwrap_or_default(), true),
            Source::Reader(reader) => (reader.fill_buf()?, false),
        })
    }

    pub(crate) fn consume(&mut self, octets: usize) {
        match self {
            Source::None => {}
            Source::Whole(_, at) | Source::Owned(_, at) => *at = at.saturating_add(octets),
            Source::Reader(reader) => reader.consume(octets),
        }
    }

    /// The body is complete; whoever asks for it again gets it from the beginning.
    pub(crate) fn rewind(&mut self) {
        if let Source::Whole(_, at) | Source::Owned(_, at) = self {
            *at = 0;
        }
    }
}
