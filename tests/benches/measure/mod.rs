//! Small measurements: candidates take turns, the fastest turn of many counts.
//!
//! What else the machine does makes a turn slower and never faster, so the minimum is what the code takes. A
//! figure means something beside the others of its table only: they were taken in turns with it.

#![allow(unreachable_pub)] // It is a module of each bench.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// A candidate: a name, and something to do over and over.
pub struct Candidate<'a> {
    name: &'static str,
    turn: Box<dyn FnMut(u32) -> Duration + 'a>,
}

/// Wraps what a candidate does once. What it returns counts as used.
pub fn candidate<'a, T>(name: &'static str, mut once: impl FnMut() -> T + 'a) -> Candidate<'a> {
    let turn = move |times| {
        let start = Instant::now();
        for _ in 0..times {
            black_box(once());
        }
        start.elapsed()
    };
    Candidate { name, turn: Box::new(turn) }
}

/// How long a turn takes, about, and for how long turns are taken.
const TURN: Duration = Duration::from_micros(200);
const ALL_TURNS: Duration = Duration::from_millis(1500);

/// The seconds that each candidate takes to do once what it does, in order.
pub fn measure<'a, const N: usize>(candidates: [Candidate<'a>; N]) -> [(&'static str, f64); N] {
    let mut candidates = candidates.map(|mut candidate| {
        let once = (candidate.turn)(1).min((candidate.turn)(1)).max(Duration::from_nanos(10));
        let times = (TURN.as_nanos() / once.as_nanos()).max(1) as u32;
        (candidate, times, f64::INFINITY)
    });
    let start = Instant::now();
    while start.elapsed() < ALL_TURNS {
        for (candidate, times, best) in &mut candidates {
            *best = best.min((candidate.turn)(*times).as_secs_f64() / f64::from(*times));
        }
    }
    candidates.map(|(candidate, _, best)| (candidate.name, best))
}
