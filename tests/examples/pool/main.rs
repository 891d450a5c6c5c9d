//! A pool that keeps eight connections busy, with threads and r2d2 and then with tasks and deadpool. Each message is
//! sent once, unless it is certain that it was not: then another connection tries again.
//!
//! `cargo run --release --example pool` brings its server along; `SMTP_URL` names another, which then gets the mail.

pub mod tasks;
pub mod threads;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use clap::Parser;
use smtp_proto::SendError;
use smtp_proto::flow::Envelope;
use smtp_proto::sasl::Credentials;
use smtp_tests::sink::{Limits, Sink};

/// Sends many messages over a pool of connections.
#[derive(Parser)]
struct Arguments {
    /// Messages for each of the two pools
    #[arg(long, default_value_t = 2_000)]
    messages: usize,

    /// Connections of a pool, at most
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,

    /// Threads, or tasks, that share them
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    workers: u32,

    /// Messages in a session, at most
    #[arg(long, default_value_t = 100)]
    max_messages: u64,

    #[arg(long, value_name = "ADDRESS", default_value = "alice@example.org")]
    from: String,

    #[arg(long, value_name = "ADDRESS", default_value = "bob@example.net")]
    to: String,
}

/// What is to be done.
#[derive(Debug, Clone)]
pub struct Plan {
    /// For all messages.
    pub envelope: Envelope,
    /// How many there are.
    pub messages: usize,
    /// Connections of the pool, at most.
    pub connections: u32,
    /// Threads, or tasks, that share them.
    pub workers: u32,
    /// Messages in a session, at most.
    pub max_messages: u64,
    /// How long to wait for a client.
    pub patience: Duration,
}

impl Plan {
    /// One message of many.
    #[must_use]
    pub fn message(&self, n: usize) -> Vec<u8> {
        format!("Subject: {n}\r\n\r\nThis is message {n} of {}.\r\n", self.messages).into_bytes()
    }
}

/// How often a message that was not sent is tried again.
pub const TRIES: usize = 3;

/// Whether another connection should try: not if the server has decided, nor if it may have the message already, nor
/// if nothing is wrong with the connection.
#[must_use]
pub fn is_to_be_retried(error: &SendError) -> bool {
    matches!(error, SendError::NotSent { cause, .. } if cause.is_fatal())
}

/// What came of it, counted by all workers at once.
#[derive(Debug, Default)]
pub struct Tally {
    /// Taken by the server.
    pub accepted: AtomicUsize,
    /// Refused by it.
    pub rejected: AtomicUsize,
    /// Certainly not sent.
    pub not_sent: AtomicUsize,
    /// Perhaps delivered: not to be sent again without asking.
    pub unknown: AtomicUsize,
    /// Attempts beyond the first.
    pub retries: AtomicUsize,
    /// Sessions begun.
    pub sessions: AtomicUsize,
    /// Clients in use at present, and at most.
    busy: AtomicUsize,
    /// The same.
    pub most_busy: AtomicUsize,
}

impl Tally {
    /// A client is in use.
    pub fn borrowed(&self) {
        let busy = self.busy.fetch_add(1, Relaxed) + 1;
        self.most_busy.fetch_max(busy, Relaxed);
    }

    /// It is not any more.
    pub fn returned(&self) {
        self.busy.fetch_sub(1, Relaxed);
    }

    /// A message was accepted.
    pub fn accept(&self) {
        self.accepted.fetch_add(1, Relaxed);
    }

    /// A message is tried again.
    pub fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    /// No client was to be had.
    pub fn give_up(&self, why: &str) {
        self.not_sent.fetch_add(1, Relaxed);
        eprintln!("not sent: {why}");
    }

    /// It is no use to try again.
    pub fn fail(&self, error: &SendError) {
        let count = match error {
            SendError::Rejected { .. } => &self.rejected,
            SendError::NotSent { .. } => &self.not_sent,
            SendError::Unknown { .. } => &self.unknown,
        };
        count.fetch_add(1, Relaxed);
        eprintln!("{error}");
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [accepted, rejected, not_sent, unknown, retries, sessions, most_busy] = [
            &self.accepted,
            &self.rejected,
            &self.not_sent,
            &self.unknown,
            &self.retries,
            &self.sessions,
            &self.most_busy,
        ]
        .map(|count| count.load(Relaxed));
        write!(
            f,
            "{accepted} accepted, {rejected} rejected, {not_sent} not sent, {unknown} unknown, {retries} tried again; \
             {sessions} sessions, {most_busy} connections in use at once"
        )
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let plan = Plan {
        envelope: Envelope::from_strs(&arguments.from, &[&arguments.to])?,
        messages: arguments.messages,
        connections: arguments.connections,
        workers: arguments.workers,
        max_messages: arguments.max_messages,
        patience: Duration::from_secs(30),
    };
    let (blocking, tokio, sink) = match std::env::var("SMTP_URL") {
        Ok(url) => {
            (smtp_blocking::ClientBuilder::from_url(&url)?, smtp_tokio::ClientBuilder::from_url(&url)?, None)
        }
        Err(_) => {
            let limits = Limits { mail: Some(120), ..Limits::default() };
            let sink = Sink::builder()
                .limits(limits)
                .mechanisms(&["PLAIN"])
                .user("alice", "wonderland")
                .require_auth()
                .start()?;
            let (tls, port) = (sink.certificate_authority().client_config()?, sink.address().port());
            let credentials = Credentials::password("alice", "wonderland");
            let blocking = smtp_blocking::ClientBuilder::new("127.0.0.1").port(port).tls_config(tls.clone());
            let tokio = smtp_tokio::ClientBuilder::new("127.0.0.1").port(port).tls_config(tls);
            (blocking.credentials(credentials.clone()), tokio.credentials(credentials), Some(sink))
        }
    };
    report("threads, r2d2", &plan, || threads::run(blocking, &plan))?;
    let runtime = tokio::runtime::Runtime::new()?;
    report("tasks, deadpool", &plan, || runtime.block_on(tasks::run(tokio, &plan)))?;
    if let Some(sink) = sink {
        println!("the server has {} messages", sink.messages().len());
    }
    Ok(())
}

fn report(
    what: &str,
    plan: &Plan,
    run: impl FnOnce() -> Result<Arc<Tally>, Box<dyn Error>>,
) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let tally = run()?;
    let rate = plan.messages as f64 / began.elapsed().as_secs_f64();
    println!("{what}: {tally}; {rate:.0} messages a second");
    match tally.accepted.load(Relaxed) == plan.messages {
        true => Ok(()),
        false => Err("not every message was accepted".into()),
    }
}
