//! In place of `spans.rs`: without the feature `tracing` there is nothing to hold and nothing to do.

use core::fmt;
use core::marker::PhantomData;
use core::net::SocketAddr;

use crate::connection::{Config, Connection, TranscriptEntry};
use crate::flow::{Delivery, SendError};
use crate::security::TlsState;

pub(super) struct Session<C>(PhantomData<C>);

#[derive(Clone)]
pub(super) struct Parent;

pub(super) struct Message<C>(PhantomData<C>);

pub(super) fn not_connected(_: &Config, _: Option<&dyn fmt::Display>) {}

impl<C> Session<C> {
    pub(super) fn begin(_: &mut Connection, _: Option<SocketAddr>, _: &C) -> Self {
        Self(PhantomData)
    }

    pub(super) fn parent(&self) -> Parent {
        Parent
    }

    pub(super) fn tls(&self, _: impl FnOnce() -> Option<TlsState>) {}

    pub(super) fn tell(&mut self, _: &Connection, _: Option<&dyn fmt::Display>) {}
}

impl Parent {
    pub(super) fn beside<H: FnMut(TranscriptEntry<'_>)>(self, hook: H) -> H {
        hook
    }
}

impl<C> Message<C> {
    pub(super) fn begin(_: &Parent, _: &C, _: usize, _: Option<usize>, _: Option<u64>) -> Self {
        Self(PhantomData)
    }

    pub(super) fn over(self, _: Result<&Delivery, &SendError>, _: u64) {}
}
