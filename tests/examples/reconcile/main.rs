//! Sends many messages through a proxy that breaks connections to real servers, and compares what the client said of
//! each message with what the servers hold. `tests/interop/reconcile` starts the servers and this; it tells more.

mod blocking;
mod dialogue;
mod fault;
mod letter;
mod mode;
mod passage;
mod proxy;
mod random;
mod reconciliation;
mod record;
mod servers;
mod source;
mod table;
mod tokio_tasks;
mod wire;
mod worker;

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;
use tokio::net::TcpSocket;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::mode::{Adapter, Mode};
use crate::proxy::{Route, Tally};
use crate::reconciliation::Holdings;
use crate::servers::{Access, Server};
use crate::table::Line;
use crate::wire::Slot;
use crate::worker::{Verdict, Worker};

/// How many violations are shown with their transcripts.
const SHOWN: usize = 20;

/// Sends messages with faults on the way, and reconciles what the client said with what the servers hold
#[derive(Parser)]
struct Arguments {
    /// The servers, of those that run: postfix, exim, smtp-sink
    #[arg(required = true)]
    servers: Vec<String>,

    /// How many messages each server gets, over all modes
    #[arg(long, default_value_t = 2_000)]
    messages: usize,

    /// How many connections there are at a time in each mode
    #[arg(long, default_value_t = 2)]
    workers: usize,

    /// How long the client waits for anything, in milliseconds; stalls are twice as long
    #[arg(long, default_value_t = 2_000)]
    deadline: u64,

    /// What the messages' sessions and their faults follow from
    #[arg(long, default_value = "1")]
    seed: String,

    /// Shows the sessions of the messages of which the client said something that contains this
    #[arg(long, value_name = "TEXT")]
    show: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut passed = true;
    for name in &arguments.servers {
        match reconcile(name, &arguments) {
            Ok(violations) => passed &= violations == 0,
            Err(error) => {
                eprintln!("{name}: {error}");
                passed = false;
            }
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a mode has sent, and how long it took.
struct Finished {
    mode: Mode,
    workers: Vec<(Worker, Duration)>,
    tally: Arc<Tally>,
}

/// Returns how many violations there are.
fn reconcile(name: &str, arguments: &Arguments) -> Result<usize, Box<dyn Error>> {
    let server = Server::named(name)?;
    let began = Instant::now();
    let finished = send(&server, arguments)?;
    let sent = began.elapsed();
    server.record.settle()?;
    let mut holdings = Holdings::default();
    server.record.each(|copy| holdings.add(copy))?;

    let mut violations = Vec::new();
    let mut lines = Vec::new();
    let mut causes = BTreeMap::new();
    for Finished { mode, workers, tally } in &finished {
        let seconds = workers.iter().map(|(_, time)| time.as_secs_f64()).fold(0.0, f64::max);
        let workers: Vec<&Worker> = workers.iter().map(|(worker, _)| worker).collect();
        violations.extend(workers.iter().flat_map(|worker| worker.misdeeds()));
        for attempt in workers.iter().flat_map(|worker| &worker.entries).flat_map(|entry| &entry.tries) {
            if arguments.show.as_ref().is_some_and(|text| attempt.said.text.contains(text)) {
                println!("{mode}:\n{}", attempt.wire.text());
            }
            if attempt.said.verdict != Verdict::Accepted {
                *causes.entry(attempt.said.text.clone()).or_default() += 1;
            }
        }
        let row = holdings.reconcile(*mode, &workers, &mut violations);
        lines.push(Line { mode: *mode, row, counts: tally.counts(), seconds });
    }
    violations.extend(holdings.strangers().map(|serial| format!("{serial}: nobody sent it")));

    table::print(name, &lines, &causes);
    for violation in violations.iter().take(SHOWN) {
        println!("VIOLATION {violation}");
    }
    println!(
        "{name}: {} violations; sent in {:.0} s, reconciled after {:.0} s, seed {}",
        violations.len(),
        sent.as_secs_f64(),
        began.elapsed().as_secs_f64(),
        arguments.seed
    );
    Ok(violations.len())
}

/// Sends all messages, all modes at the same time; when it returns every connection has ended at both ends.
fn send(server: &Server, arguments: &Arguments) -> Result<Vec<Finished>, Box<dyn Error>> {
    let proxies = Runtime::new()?;
    let clients = Runtime::new()?;
    let (stop, stopped) = watch::channel(false);
    let modes = Mode::all(server.chunking, server.submission.is_some());
    let access = Access::new()?;
    let mut passages = Vec::new();
    let mut working = Vec::new();
    for (index, mode) in modes.iter().enumerate() {
        let count = arguments.messages / modes.len() + usize::from(index < arguments.messages % modes.len());
        let tally = Arc::new(Tally::default());
        let mut workers = Vec::new();
        for number in 0..arguments.workers {
            let seed = format!("{} {} {mode} {number}", arguments.seed, server.name);
            let deadline = Duration::from_millis(arguments.deadline);
            let (slot, tally) = (Arc::new(Slot::new()), Arc::clone(&tally));
            let submission = server.submission.as_ref().filter(|_| mode.tls);
            let backends = Arc::clone(submission.unwrap_or(&server.backends));
            let (seed_of_route, slot_of_route, tls) = (seed.clone(), Arc::clone(&slot), mode.tls);
            let route = Route { seed: seed_of_route, backends, deadline, tls, slot: slot_of_route, tally };
            let (address, passage) = start_proxy(&proxies, route, stopped.clone())?;
            passages.push(passage);
            let numbers = (number..count).step_by(arguments.workers);
            let access = mode.tls.then(|| access.clone());
            let worker = Worker::new(*mode, &seed, numbers, (address, slot), deadline, access);
            workers.push(start(&clients, worker));
        }
        working.push((*mode, tally, workers));
    }
    let mut finished = Vec::new();
    for (mode, tally, workers) in working {
        let workers: Result<Vec<_>, _> = workers.into_iter().map(|worker| clients.block_on(worker)).collect();
        finished.push(Finished { mode, workers: workers?, tally });
    }
    stop.send(true)?;
    passages.into_iter().try_for_each(|passage| proxies.block_on(passage))?;
    Ok(finished)
}

fn start_proxy(
    runtime: &Runtime,
    route: Route,
    stop: watch::Receiver<bool>,
) -> Result<(SocketAddr, JoinHandle<()>), Box<dyn Error>> {
    // A long message does not fit, so that a client may have to wait while it writes.
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(32_768)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let listener = runtime.block_on(async { socket.listen(64) })?;
    let address = listener.local_addr()?;
    Ok((address, runtime.spawn(proxy::serve(listener, route, stop))))
}

/// A thread or a task for a worker.
fn start(runtime: &Runtime, mut worker: Worker) -> JoinHandle<(Worker, Duration)> {
    let began = Instant::now();
    match worker.mode.adapter {
        Adapter::Blocking => runtime.spawn_blocking(move || {
            blocking::work(&mut worker);
            (worker, began.elapsed())
        }),
        Adapter::Tokio => runtime.spawn(async move {
            tokio_tasks::work(&mut worker).await;
            (worker, began.elapsed())
        }),
    }
}
