//! Our adapters beside other SMTP clients and beside floors: see README.md.

mod batches;
mod clock;
mod contestant;
mod counts;
mod floor;
mod job;
mod link;
mod ours;
mod peers;
mod server;
mod table;
mod tables;

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Parser, Subcommand};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use crate::job::Job;

/// A bench stops at the first thing that goes wrong.
type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Measures our adapters beside other SMTP clients.
#[derive(Parser)]
struct Arguments {
    /// The processor that client and server share.
    #[arg(long, default_value_t = 0, global = true)]
    core: usize,
    #[command(subcommand)]
    command: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// One connection on loopback, a server that answers at once.
    Loopback {
        /// Contestants whose names begin so; all if none is given.
        names: Vec<String>,
        /// How often everyone has a turn.
        #[arg(long, default_value_t = 20)]
        rounds: usize,
        /// How long a turn lasts, in milliseconds.
        #[arg(long, default_value_t = 40)]
        turn: u64,
        /// Octets of the message.
        #[arg(long, default_value_t = 10_240)]
        octets: usize,
        /// Leaves out system calls and instructions.
        #[arg(long)]
        no_counts: bool,
        /// Compares everyone's best round with the floor's best: for a machine that others use, too.
        #[arg(long)]
        best: bool,
    },
    /// A link with a delay: round trips, and time on the wall.
    Link {
        /// Contestants whose names begin so; all if none is given.
        names: Vec<String>,
        /// One way, in milliseconds.
        #[arg(long, default_value_t = 10)]
        delay: u64,
        /// Octets of the message.
        #[arg(long, default_value_t = 10_240)]
        octets: usize,
    },
    /// A server that delays its ACKs.
    DelayedAck {
        /// Contestants whose names begin so; all if none is given.
        names: Vec<String>,
        /// Messages of each.
        #[arg(long, default_value_t = 50)]
        messages: usize,
        /// Octets of the message.
        #[arg(long, default_value_t = 10_240)]
        octets: usize,
    },
    /// The server alone, until its input ends; prints an address for each list of extensions.
    Serve {
        /// Keywords of a port, separated by spaces.
        #[arg(required = true)]
        extensions: Vec<String>,
        #[arg(long)]
        delay_acks: bool,
    },
    /// One contestant alone against a server that is running: for a profiler.
    Run {
        name: String,
        server: SocketAddr,
        #[arg(long, default_value_t = 1)]
        recipients: usize,
        #[arg(long, default_value_t = 100)]
        messages: usize,
        /// Octets of the message.
        #[arg(long, default_value_t = 10_240)]
        octets: usize,
    },
}

fn main() -> Result {
    let Arguments { core, command } = Arguments::parse();
    let mut cores = CpuSet::new();
    cores.set(core)?;
    // Before there are threads or a server, so that it holds for all of them.
    sched_setaffinity(Pid::from_raw(0), &cores)?;
    match command {
        Bench::Loopback { names, rounds, turn, octets, no_counts, best } => tables::loopback(
            &contestant::chosen(&names),
            rounds,
            Duration::from_millis(turn),
            octets,
            !no_counts,
            best,
        ),
        Bench::Link { names, delay, octets } => {
            tables::link(&contestant::chosen(&names), Duration::from_millis(delay), octets)
        }
        Bench::DelayedAck { names, messages, octets } => {
            tables::delayed_ack(&contestant::chosen(&names), messages, octets)
        }
        Bench::Serve { extensions, delay_acks } => server::serve(&extensions, delay_acks),
        Bench::Run { name, server, recipients, messages, octets } => {
            counts::run(contestant::named(&name)?, server, &Job::new(recipients, octets), messages)
        }
    }
}
