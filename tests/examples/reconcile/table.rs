//! The reconciliation, as a table to read.

use std::collections::BTreeMap;

use crate::mode::Mode;
use crate::proxy::Tally;
use crate::reconciliation::Row;

pub(crate) struct Line {
    pub(crate) mode: Mode,
    pub(crate) row: Row,
    pub(crate) counts: BTreeMap<String, usize>,
    pub(crate) seconds: f64,
}

pub(crate) fn print(server: &str, lines: &[Line], causes: &BTreeMap<String, usize>) {
    println!("\n{server}");
    println!(
        "{:<20}|{:>7} {:>7} |{:>7} {:>7} {:>5} |{:>6} {:>5} |{:>6} {:>5} |{:>6} {:>6} |{:>6} {:>5} |{:>6} {:>7}",
        "mode",
        "sent",
        "tries",
        "accepted",
        "missing",
        "twice",
        "reject",
        "there",
        "unsent",
        "there",
        "? there",
        "? not",
        "refused",
        "there",
        "conns",
        "msg/s"
    );
    let mut total = Row::default();
    let (mut connections, mut seconds) = (0, 0_f64);
    for line in lines {
        let made = line.counts.get(Tally::CONNECTIONS).copied().unwrap_or_default();
        print_row(&line.mode.to_string(), &line.row, made, line.seconds);
        total.add(&line.row);
        connections += made;
        seconds = seconds.max(line.seconds);
    }
    print_row("all", &total, connections, seconds);

    let mut faults: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, count) in lines.iter().flat_map(|line| &line.counts) {
        if name != Tally::CONNECTIONS {
            *faults.entry(name).or_default() += count;
        }
    }
    let faults: Vec<_> = faults.iter().map(|(name, count)| format!("{name} {count}")).collect();
    println!("faults: {}", faults.join(", "));
    for (cause, count) in causes {
        println!("{count:>7} {cause}");
    }
}

fn print_row(name: &str, row: &Row, connections: usize, seconds: f64) {
    println!(
        "{name:<20}|{:>7} {:>7} |{:>8} {:>7} {:>5} |{:>6} {:>5} |{:>6} {:>5} |{:>7} {:>6} |{:>7} {:>5} |{connections:>6} {:>7.0}",
        row.sent,
        row.tries,
        row.accepted_once,
        row.accepted_missing,
        row.accepted_twice,
        row.rejected,
        row.rejected_there,
        row.not_sent,
        row.not_sent_there,
        row.unknown_there,
        row.unknown_absent,
        row.refused,
        row.refused_there,
        row.sent as f64 / seconds
    );
}

impl Row {
    fn add(&mut self, other: &Row) {
        self.sent += other.sent;
        self.tries += other.tries;
        self.accepted_once += other.accepted_once;
        self.accepted_missing += other.accepted_missing;
        self.accepted_twice += other.accepted_twice;
        self.rejected += other.rejected;
        self.rejected_there += other.rejected_there;
        self.not_sent += other.not_sent;
        self.not_sent_there += other.not_sent_there;
        self.unknown_there += other.unknown_there;
        self.unknown_absent += other.unknown_absent;
        self.refused += other.refused;
        self.refused_there += other.refused_there;
    }
}
