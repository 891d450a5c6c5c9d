//! Compares what the client said with what the server holds. The rule, for each recipient of each message: accepted
//! is there once; rejected and not sent is not there; only the unknown may be either, and never twice.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use smtp_proto::flow::RecipientState;

use crate::letter::Letter;
use crate::mode::{Mode, Way};
use crate::record::Copy;
use crate::source::Source;
use crate::worker::{Entry, Said, Verdict, Worker};

/// A row of the table: messages, unless it says recipients.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) sent: usize,
    pub(crate) tries: usize,
    pub(crate) accepted_once: usize,
    pub(crate) accepted_missing: usize,
    pub(crate) accepted_twice: usize,
    pub(crate) rejected: usize,
    pub(crate) rejected_there: usize,
    pub(crate) not_sent: usize,
    pub(crate) not_sent_there: usize,
    pub(crate) unknown_there: usize,
    pub(crate) unknown_absent: usize,
    /// Recipients that were refused of messages that were accepted for others.
    pub(crate) refused: usize,
    pub(crate) refused_there: usize,
}

/// The copies of each message that the server holds.
#[derive(Default)]
pub(crate) struct Holdings(HashMap<String, Vec<Copy>>);

impl Holdings {
    pub(crate) fn add(&mut self, copy: Copy) {
        self.0.entry(copy.serial.clone()).or_default().push(copy);
    }

    /// Judges the messages of a mode; what remains in the end was never sent.
    pub(crate) fn reconcile(&mut self, mode: Mode, workers: &[&Worker], violations: &mut Vec<String>) -> Row {
        let mut row = Row::default();
        for entry in workers.iter().flat_map(|worker| &worker.entries) {
            let copies = self.0.remove(&entry.letter.serial).unwrap_or_default();
            for violation in judge(mode, entry, &copies, &mut row) {
                violations.push(describe(entry, &violation));
            }
        }
        row
    }

    pub(crate) fn strangers(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn describe(entry: &Entry, violation: &str) -> String {
    let mut text = format!("{}, to {:?}: {violation}\n", entry.letter.serial, entry.letter.recipients);
    for (number, attempt) in entry.tries.iter().enumerate() {
        let said = &attempt.said;
        text.push_str(&format!(
            "  try {}: {:?} {:?}, {}\n{}",
            number + 1,
            said.verdict,
            said.recipients,
            said.text,
            attempt.wire.text()
        ));
    }
    text
}

/// What is wrong with one message; counts it in the table.
fn judge(mode: Mode, entry: &Entry, copies: &[Copy], row: &mut Row) -> Vec<String> {
    let mut wrong = Vec::new();
    row.sent += 1;
    row.tries += entry.tries.len();
    let Some(last) = entry.tries.last() else {
        return vec!["no outcome was told".to_owned()];
    };
    for attempt in &entry.tries {
        wrong.extend(contradiction(&attempt.said));
    }
    if mode.way == Way::Retry && !matches!(last.said.verdict, Verdict::Accepted | Verdict::Unknown) {
        wrong.push(format!("not accepted after {} tries", entry.tries.len()));
    }

    wrong.extend(broken_promise(&entry.letter, &last.said, copies));

    let (mut missing, mut surplus) = (false, false);
    for (index, recipient) in entry.letter.recipients.iter().enumerate() {
        let there = copies.iter().filter(|copy| copy.recipient == **recipient).count();
        let due = entry.tries.iter().map(|attempt| due(&attempt.said, index));
        let due = due.fold(0..=0, |sum, due| sum.start() + due.start()..=sum.end() + due.end());
        missing |= there < *due.start();
        surplus |= there > *due.end();
        if !due.contains(&there) {
            wrong.push(format!("{there} copies for {recipient}, of {due:?}"));
        }
        if last.said.verdict == Verdict::Accepted && *due.end() == 0 {
            row.refused += 1;
            row.refused_there += usize::from(there > 0);
        }
    }
    for copy in copies {
        if !entry.letter.recipients.contains(&&*copy.recipient) {
            wrong.push(format!("a copy for {}, who is no recipient", copy.recipient));
        }
        if !copy.exact {
            wrong.push(format!("the octets of the copy for {} are not those that were sent", copy.recipient));
        }
        let told = last.said.queue_id.as_ref().filter(|_| last.said.verdict == Verdict::Accepted);
        if let (Some(told), Some(held)) = (told, &copy.queue_id) {
            if told != held {
                wrong.push(format!("accepted as {told}, and it is {held}"));
            }
        }
    }

    let there = usize::from(!copies.is_empty());
    match last.said.verdict {
        Verdict::Accepted if missing => row.accepted_missing += 1,
        Verdict::Accepted if surplus => row.accepted_twice += 1,
        Verdict::Accepted => row.accepted_once += 1,
        Verdict::Rejected => {
            row.rejected += 1;
            row.rejected_there += there;
        }
        Verdict::NotSent => {
            row.not_sent += 1;
            row.not_sent_there += there;
        }
        Verdict::Unknown => {
            row.unknown_there += there;
            row.unknown_absent += 1 - there;
        }
    }
    wrong
}

/// What the letter asked for, and did not get.
fn broken_promise(letter: &Letter, said: &Said, copies: &[Copy]) -> Option<String> {
    let elsewhere = said.recipients.iter().any(|state| *state != RecipientState::Accepted);
    if letter.all_or_nothing && said.verdict == Verdict::Accepted && elsewhere {
        return Some("it was to go to all or nobody".to_owned());
    }
    // Of a message that was dropped the client says nothing, and nothing of its recipients.
    let told = !said.recipients.is_empty() && matches!(said.verdict, Verdict::Accepted | Verdict::Unknown);
    let broken = matches!(letter.source, Source::Broken { .. });
    (broken && (told || !copies.is_empty()))
        .then(|| format!("its source broke, and it is {:?}, with {} copies", said.verdict, copies.len()))
}

/// How many copies recipient number `index` has after this.
fn due(said: &Said, index: usize) -> RangeInclusive<usize> {
    match (said.verdict, said.recipients.get(index)) {
        (Verdict::Rejected | Verdict::NotSent, _) => 0..=0,
        (_, Some(RecipientState::Accepted)) => 1..=1,
        (_, Some(RecipientState::Refused | RecipientState::NotSent)) => 0..=0,
        (_, Some(RecipientState::Unknown) | None) => 0..=1,
    }
}

/// Where what is said of the message and what is said of its recipients cannot both hold.
fn contradiction(said: &Said) -> Option<String> {
    let has = |state| said.recipients.contains(&state);
    let (accepted, unknown) = (has(RecipientState::Accepted), has(RecipientState::Unknown));
    let sound = match said.verdict {
        Verdict::Accepted => accepted && !unknown,
        Verdict::Rejected | Verdict::NotSent => !accepted && !unknown,
        // Of a message that was dropped the client says nothing.
        Verdict::Unknown => (unknown || said.recipients.is_empty()) && !accepted,
    };
    (!sound).then(|| format!("{:?}, and its recipients are {:?}", said.verdict, said.recipients))
}
