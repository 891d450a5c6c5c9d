//! The suites that need nothing but the core, as one module: `run` makes it part of `smtp-proto`'s unit tests, so
//! that a mutant costs one incremental build.

#![allow(missing_docs, unreachable_pub, dead_code, unused_imports)]

#[path = "../src/script/mod.rs"]
pub mod script;

#[path = "../tests/allocations.rs"]
mod allocations;
#[path = "../tests/auth.rs"]
mod auth;
#[path = "../tests/batch.rs"]
mod batch;
#[path = "../tests/batch_model.rs"]
mod batch_model;
#[path = "../tests/body_parts.rs"]
mod body_parts;
#[path = "../tests/chunking.rs"]
mod chunking;
#[path = "../tests/connection.rs"]
mod connection_by_hand;
#[path = "../tests/corpus.rs"]
mod corpus;
#[path = "../tests/data.rs"]
mod data;
#[path = "../tests/findings.rs"]
mod findings;
#[path = "../tests/goodbye.rs"]
mod goodbye;
#[path = "../tests/injection.rs"]
mod injection;
#[path = "../tests/invariants.rs"]
mod invariants;
#[path = "../tests/kept.rs"]
mod kept;
#[path = "../tests/limits.rs"]
mod limits;
#[path = "../tests/lmtp.rs"]
mod lmtp;
#[path = "../tests/mechanisms.rs"]
mod mechanisms;
#[path = "../tests/outcome.rs"]
mod outcome;
#[path = "../tests/own_loops.rs"]
mod own_loops;
#[path = "../tests/parameters.rs"]
mod parameters;
#[path = "../tests/plan.rs"]
mod plan;
#[path = "../tests/preview.rs"]
mod preview;
#[path = "../tests/quirks.rs"]
mod quirks;
#[path = "../tests/recipients.rs"]
mod recipients;
#[path = "../tests/reply_codes.rs"]
mod reply_codes;
#[path = "../tests/reuse.rs"]
mod reuse;
#[path = "../tests/secrets.rs"]
mod secrets;
#[path = "../tests/sequencing.rs"]
mod sequencing;
#[path = "../tests/time.rs"]
mod time;
#[path = "../tests/tls.rs"]
mod tls;
#[path = "../tests/told.rs"]
mod told;
#[path = "../tests/transactions.rs"]
mod transactions;
#[path = "../tests/url.rs"]
mod urls;
#[path = "../tests/verbs.rs"]
mod verbs;
