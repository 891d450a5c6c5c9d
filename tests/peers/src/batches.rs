//! Ours, many messages in one call.

use std::iter::repeat_n;
use std::net::SocketAddr;

use crate::Result;
use crate::contestant::Session;
use crate::job::Job;
use crate::ours::{Blocking, Tokio};

struct BlockingBatch<'j>(Blocking<'j>);

impl Session for BlockingBatch<'_> {
    fn send(&mut self, count: usize) -> Result {
        let Blocking { client, envelope, message } = &mut self.0;
        for outcome in client.send_all(repeat_n((&*envelope, *message), count)) {
            outcome?;
        }
        Ok(())
    }
}

struct TokioBatch<'j>(Tokio<'j>);

impl Session for TokioBatch<'_> {
    fn send(&mut self, count: usize) -> Result {
        let Tokio { runtime, client, envelope, message } = &mut self.0;
        runtime.block_on(async {
            let mut batch = client.send_all(repeat_n((&*envelope, *message), count));
            while let Some(outcome) = batch.next().await {
                outcome?;
            }
            Ok(())
        })
    }
}

pub(crate) fn blocking(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    Ok(Box::new(BlockingBatch(Blocking::open(server, job)?)))
}

pub(crate) fn tokio(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    Ok(Box::new(TokioBatch(Tokio::open(server, job)?)))
}
