//! Ours, one message at a time.

use std::net::SocketAddr;

use smtp_blocking::smtp_proto::flow::Envelope;
use smtp_blocking::{Config, TlsPolicy};
use tokio::runtime::Runtime;

use crate::Result;
use crate::contestant::{Session, runtime};
use crate::job::Job;

/// A client and what it sends.
pub(crate) struct Blocking<'j> {
    pub(crate) client: smtp_blocking::Client,
    pub(crate) envelope: Envelope,
    pub(crate) message: &'j [u8],
}

impl<'j> Blocking<'j> {
    pub(crate) fn open(server: SocketAddr, job: &'j Job) -> Result<Self> {
        let mut client = smtp_blocking::Client::connect(server, config())?;
        client.capabilities()?;
        Ok(Self { client, envelope: envelope(job)?, message: &job.message })
    }
}

impl Session for Blocking<'_> {
    fn send(&mut self, count: usize) -> Result {
        for _ in 0..count {
            self.client.send(&self.envelope, self.message)?;
        }
        Ok(())
    }
}

/// A client and what it sends, with the runtime it lives in.
pub(crate) struct Tokio<'j> {
    pub(crate) runtime: Runtime,
    pub(crate) client: smtp_tokio::Client,
    pub(crate) envelope: Envelope,
    pub(crate) message: &'j [u8],
}

impl<'j> Tokio<'j> {
    pub(crate) fn open(server: SocketAddr, job: &'j Job) -> Result<Self> {
        let runtime = runtime()?;
        let client = runtime.block_on(async {
            let mut client = smtp_tokio::Client::connect(server, config()).await?;
            client.capabilities().await?;
            Ok::<_, smtp_tokio::Error>(client)
        })?;
        Ok(Self { runtime, client, envelope: envelope(job)?, message: &job.message })
    }
}

impl Session for Tokio<'_> {
    fn send(&mut self, count: usize) -> Result {
        let Self { runtime, client, envelope, message } = self;
        runtime.block_on(async {
            for _ in 0..count {
                client.send(envelope, message).await?;
            }
            Ok(())
        })
    }
}

fn config() -> Config {
    Config::new("localhost").tls(TlsPolicy::None)
}

fn envelope(job: &Job) -> Result<Envelope> {
    let recipients: Vec<&str> = job.recipients.iter().map(String::as_str).collect();
    Ok(Envelope::from_strs(&job.sender, &recipients)?)
}

pub(crate) fn blocking(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    Ok(Box::new(Blocking::open(server, job)?))
}

pub(crate) fn tokio(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    Ok(Box::new(Tokio::open(server, job)?))
}
