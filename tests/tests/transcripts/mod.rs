//! What the adapter suites have in common: a table of transcripts, the ways through them, and a transport that
//! fails where it is told to.
#![allow(
    dead_code,
    unused_imports,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod far_end;
pub mod line;
pub mod model;
pub mod table;
pub mod tls;
pub mod ways;

pub use line::{Fault, Line, Plan, Watch};
pub use model::Model;
pub use table::{CASES, Case, Kind};
pub use tls::tls;
pub use ways::{Op, Over, Told};

/// A runtime whose clock leaps over every wait.
pub fn virtual_time() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}
