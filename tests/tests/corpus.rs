//! Replays the seeds of the fuzz targets, and whatever the fuzzer has left here, without a fuzzer.

#![allow(clippy::unwrap_used)]

#[path = "../../fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

/// Runs every file of `fuzz/seeds/<target>` and of `found` in it, what the fuzzer has added to them, and, where there
/// are any, of `fuzz/corpus` and `fuzz/artifacts`.
fn replay(target: &str, run: fn(&[u8])) {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let seeds = replay_folder(&fuzz.join("seeds").join(target), run);
    assert!(seeds > 0, "no seeds");
    replay_folder(&fuzz.join("seeds").join(target).join("found"), run);
    replay_folder(&fuzz.join("corpus").join(target), run);
    replay_folder(&fuzz.join("artifacts").join(target), run);
}

fn replay_folder(folder: &Path, run: fn(&[u8])) -> usize {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let mut count = 0;
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let input = fs::read(&path).unwrap();
        if let Err(cause) = panic::catch_unwind(AssertUnwindSafe(|| run(&input))) {
            eprintln!("{}", path.display());
            panic::resume_unwind(cause);
        }
        count += 1;
    }
    count
}

#[test]
fn reply() {
    replay("reply", targets::reply);
}

#[test]
fn data() {
    replay("data", targets::data);
}

#[test]
fn command() {
    replay("command", targets::command);
}

#[test]
fn session() {
    replay("session", targets::session);
}

#[test]
fn ehlo() {
    replay("ehlo", targets::ehlo);
}

#[test]
fn sasl() {
    replay("sasl", targets::sasl);
}
