//! What the interop tests have in common: [`contract`], what `tests/interop/run` says of its servers; [`client`],
//! one client over either adapter; [`mail`], messages, and how they are read back.
//!
//! `tests/interop.rs` holds the rows that every server goes through, `tests/interop_<server>.rs` what is
//! peculiar to one. A feature comes in here once: a verb in [`client`], a mechanism in [`mechanisms`], a kind of
//! listener in [`contract::Kind`]; then a row in `interop.rs` asks every server that offers it.
#![allow(dead_code, unused_imports, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod client;
pub(crate) mod contract;
pub(crate) mod mail;

pub(crate) use client::{Adapter, Client, plain_config};
pub(crate) use contract::{Kind, Listener, Server, servers};
pub(crate) use mail::{awkward, envelope, message, token};

use std::sync::atomic::{AtomicU64, Ordering};

use smtp_proto::sasl::{CramMd5, Login, Mechanism, Nonce, Plain, ScramSha256};

/// The mechanisms that the library has and the server offers, for the user that may log in.
pub(crate) fn mechanisms(offered: &str, password: &str) -> Vec<Box<dyn Mechanism>> {
    let all: Vec<Box<dyn Mechanism>> = vec![
        Box::new(Plain::new("", "alice", password, "localhost")),
        Box::new(Login::new("alice", password, "localhost")),
        Box::new(CramMd5::new("alice", password)),
        Box::new(ScramSha256::new("alice", password, "localhost", nonce())),
    ];
    all.into_iter().filter(|mechanism| offered.split(' ').any(|name| name == mechanism.name())).collect()
}

/// One that was not used before: enough for a test, and for nothing else.
fn nonce() -> Nonce {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut octets = [0; 18];
    octets[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    octets[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    Nonce::from_entropy(octets)
}

/// The user that may log in, by the mechanism that most servers know.
pub(crate) fn plain() -> Plain {
    Plain::new("", "alice", "secret", "localhost")
}

/// Runs `check` for both adapters.
pub(crate) fn both(mut check: impl FnMut(Adapter)) {
    for adapter in [Adapter::Blocking, Adapter::Tokio] {
        println!("{adapter:?}");
        check(adapter);
    }
}

/// Runs `check` for each listener of these kinds that a server has, and both adapters, all at once: servers
/// take their time over a wrong password. The name of the thread that fails tells where.
pub(crate) fn everywhere(kinds: &[Kind], check: impl Fn(&Listener, Adapter) + Sync) {
    std::thread::scope(|scope| {
        for server in servers() {
            for listener in kinds.iter().filter_map(|&kind| server.listener(kind)) {
                for adapter in [Adapter::Blocking, Adapter::Tokio] {
                    let (check, listener) = (&check, listener.clone());
                    let name = format!("{} {:?} {adapter:?}", listener.server.name, listener.kind);
                    let thread = std::thread::Builder::new().name(name);
                    thread.spawn_scoped(scope, move || check(&listener, adapter)).unwrap();
                }
            }
        }
    });
}
