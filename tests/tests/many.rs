//! The example that drives many connections from one thread, with as many as every machine allows.
#![allow(missing_docs, dead_code, unreachable_pub, clippy::unwrap_used)]

#[path = "../examples/many/main.rs"]
mod example;

use std::time::{Duration, Instant};

use example::deadlines::{Clock, Deadlines};
use smtp_proto::connection::{Timeout, TimeoutPhase};

#[test]
fn two_hundred_connections_on_one_thread() {
    let report = example::client::run(example::server::start().unwrap(), 200).unwrap();
    println!("{report}");
    assert_eq!((report.delivered, report.idle, report.closed), (200, 200, 199));
    assert!(report.value + report.heap <= 1024, "{report}");
}

/// The connections whose time is over by then.
fn over(deadlines: &mut Deadlines, clocks: &mut [Clock], now: Instant) -> Vec<usize> {
    let mut over = Vec::new();
    while let Some(entry) = deadlines.pop(now) {
        if deadlines.is_over(entry, &mut clocks[entry.1], now) {
            over.push(entry.1);
        }
    }
    over
}

#[test]
fn a_deadline_is_that_of_the_latest_wait() {
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let wait = |seconds, sequence| {
        Some(Timeout { phase: TimeoutPhase::BodySource, budget: Duration::from_secs(seconds), sequence })
    };
    let mut deadlines = Deadlines::default();
    let mut clocks = [(); 4].map(|()| Clock::default());
    assert_eq!(deadlines.next(), None);
    // 0 waits for the same thing all along; 1 for another thing from the fifth second on; 2 stops waiting; and 3 waits
    // for something that takes less time.
    for (index, clock) in clocks.iter_mut().enumerate() {
        deadlines.note(index, clock, wait(10, 1), at(0));
    }
    deadlines.note(0, &mut clocks[0], wait(10, 1), at(5));
    deadlines.note(1, &mut clocks[1], wait(10, 2), at(5));
    deadlines.note(2, &mut clocks[2], None, at(5));
    deadlines.note(3, &mut clocks[3], wait(2, 2), at(5));
    assert_eq!(deadlines.next(), Some(at(7)));
    assert_eq!(over(&mut deadlines, &mut clocks, at(6)), []);
    assert_eq!(over(&mut deadlines, &mut clocks, at(9)), [3]);
    assert_eq!(over(&mut deadlines, &mut clocks, at(10)), [0]);
    assert_eq!(deadlines.next(), Some(at(15)));
    assert_eq!(over(&mut deadlines, &mut clocks, at(14)), []);
    assert_eq!(over(&mut deadlines, &mut clocks, at(15)), [1]);
    assert_eq!(deadlines.next(), None);
    // A wait without end takes no entry.
    deadlines.note(0, &mut clocks[0], wait(u64::MAX, 3), at(20));
    assert_eq!(deadlines.next(), None);
}
