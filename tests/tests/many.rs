//! The example that drives many connections from one thread, with as many as every machine allows.
#![allow(missing_docs, dead_code, unreachable_pub, clippy::unwrap_used)]

#[path = "../examples/many/main.rs"]
mod example;

use std::time::Duration;

use example::deadlines::Deadlines;

#[test]
fn two_hundred_connections_on_one_thread() {
    let report = example::client::run(example::server::start().unwrap(), 200).unwrap();
    println!("{report}");
    assert_eq!((report.delivered, report.idle, report.closed), (200, 200, 199));
    assert!(report.value + report.heap <= 1024, "{report}");
}

/// The connections that are to be told the time by then.
fn due(deadlines: &mut Deadlines, now: u64) -> Vec<usize> {
    std::iter::from_fn(|| deadlines.pop(Duration::from_secs(now))).collect()
}

#[test]
fn a_connection_has_one_entry_that_is_early_enough() {
    let secs = Duration::from_secs;
    let mut deadlines = Deadlines::default();
    assert_eq!(deadlines.next(), None);
    for index in 0..3 {
        deadlines.note(index, secs(10));
    }
    // 1 has later to wait for something else, which needs no entry yet; and 2 for something that takes less time.
    deadlines.note(1, secs(15));
    deadlines.note(2, secs(7));
    assert_eq!(deadlines.next(), Some(secs(7)));
    assert_eq!(due(&mut deadlines, 6), []);
    assert_eq!(due(&mut deadlines, 9), [2]);
    deadlines.note(2, secs(12));
    // The entry that 2 had before comes up, too: to be told the time once more changes nothing.
    let mut told = due(&mut deadlines, 10);
    told.sort_unstable();
    assert_eq!(told, [0, 1, 2]);
    deadlines.note(1, secs(15));
    assert_eq!(due(&mut deadlines, 14), [2]);
    assert_eq!(due(&mut deadlines, 15), [1]);
    assert_eq!(deadlines.next(), None);
    deadlines.note(0, Duration::MAX);
    assert_eq!(due(&mut deadlines, u64::MAX), []);
}
