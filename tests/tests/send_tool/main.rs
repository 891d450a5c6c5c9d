//! The example `send` as people use it: the program itself is run, against the sink and against servers that misbehave,
//! and its output, exit status and octets on the wire are looked at. Whatever it says, no secret is in it.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../tls_support/mod.rs"]
mod tls_support;

mod checking;
mod failing;
mod sending;
mod support;
#[cfg(target_os = "linux")]
mod terminal;
