//! Who takes part, in the order of the tables.

use std::net::SocketAddr;

use tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::job::Job;
use crate::server::Server;
use crate::{batches, floor, ours, peers};

/// One connection, greeted, on which a job is done again and again.
pub(crate) trait Session {
    /// Sends the job's message so many times; an error if the server has not taken every one.
    fn send(&mut self, count: usize) -> Result;
}

/// How a contestant opens its session.
type Open = for<'j> fn(SocketAddr, &'j Job) -> Result<Box<dyn Session + 'j>>;

pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) extensions: Extensions,
    pub(crate) open: Open,
}

/// What the server it talks to advertises.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extensions {
    Pipelining,
    Chunking,
}

impl Contestant {
    /// The contestant's port of this server.
    pub(crate) fn address(&self, server: &Server) -> SocketAddr {
        match self.extensions {
            Extensions::Pipelining => server.with_data,
            Extensions::Chunking => server.with_bdat,
        }
    }
}

/// What the others are measured by: PIPELINING, blocking.
pub(crate) const FLOOR: &str = "floor-pipelining";

pub(crate) const ALL: &[Contestant] = {
    use Extensions::{Chunking, Pipelining};

    const fn contestant(name: &'static str, extensions: Extensions, open: Open) -> Contestant {
        Contestant { name, extensions, open }
    }

    &[
        contestant("floor-lock-step", Pipelining, floor::lock_step),
        contestant(FLOOR, Pipelining, floor::pipelining),
        contestant("floor-across", Pipelining, floor::across),
        contestant("floor-bdat", Chunking, floor::bdat),
        contestant("floor-bdat-in-flight", Chunking, floor::bdat_in_flight),
        contestant("floor-tokio-pipelining", Pipelining, floor::tokio_pipelining),
        contestant("floor-tokio-across", Pipelining, floor::tokio_across),
        contestant("floor-tokio-bdat", Chunking, floor::tokio_bdat),
        contestant("ours-blocking", Pipelining, ours::blocking),
        contestant("ours-blocking-batch", Pipelining, batches::blocking),
        contestant("ours-blocking-bdat", Chunking, ours::blocking),
        contestant("ours-blocking-bdat-batch", Chunking, batches::blocking),
        contestant("ours-tokio", Pipelining, ours::tokio),
        contestant("ours-tokio-batch", Pipelining, batches::tokio),
        contestant("ours-tokio-bdat", Chunking, ours::tokio),
        contestant("ours-tokio-bdat-batch", Chunking, batches::tokio),
        contestant("lettre", Pipelining, peers::lettre),
        contestant("lettre-tokio", Pipelining, peers::lettre_tokio),
        contestant("mail-send", Pipelining, peers::mail_send),
        contestant("wasm-smtp", Pipelining, peers::wasm_smtp),
        contestant("io-smtp", Pipelining, peers::io_smtp),
    ]
};

/// The contestant of this name.
pub(crate) fn named(name: &str) -> Result<&'static Contestant> {
    ALL.iter().find(|one| one.name == name).ok_or_else(|| format!("no contestant is called {name}").into())
}

/// Those whose name begins with one of `names`, and all if there is none. The floor is always among them.
pub(crate) fn chosen(names: &[String]) -> Vec<&'static Contestant> {
    let wanted = |one: &&Contestant| {
        names.is_empty() || one.name == FLOOR || names.iter().any(|name| one.name.starts_with(name.as_str()))
    };
    ALL.iter().filter(wanted).collect()
}

/// Everything asynchronous runs on the one thread that is measured.
pub(crate) fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}
