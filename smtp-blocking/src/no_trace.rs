//! In place of `trace.rs`: without the feature `tracing` there is nothing to hold and nothing to do.

use std::net::SocketAddr;

use smtp_proto::SendError;
use smtp_proto::connection::{Connection, TranscriptEntry};
use smtp_proto::flow::Delivery;

pub(crate) struct Session;

#[derive(Clone)]
pub(crate) struct Parent;

pub(crate) struct Message;

impl Session {
    pub(crate) fn begin(_: &mut Connection, _: Option<SocketAddr>) -> Self {
        Self
    }

    pub(crate) fn parent(&self) -> Parent {
        Parent
    }

    pub(crate) fn beside<H: FnMut(TranscriptEntry<'_>)>(&self, hook: H) -> H {
        hook
    }

    pub(crate) fn tell(&mut self, _: &Connection, _: Option<&std::io::Error>) {}
}

impl Message {
    pub(crate) fn begin(_: &Parent, _: usize, _: Option<usize>, _: Option<u64>) -> Self {
        Self
    }

    pub(crate) fn over(self, _: Result<&Delivery, &SendError>, _: u64) {}
}
