//! Pools of both adapters: what is used again, what never is, how it ends, and what a caller is told who gets nothing.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod example;
mod faults;
mod reuse;
mod server;
mod special;
