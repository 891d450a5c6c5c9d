//! INV5: every transcript, cut in two at every octet of either side and into single octets. Nothing goes wrong here,
//! so what the client says is what the transcript has, and what it is told is what it is told when nothing is cut.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use smtp_proto::error::Error;
use smtp_proto::flow::{Delivery, SendError};

use super::client::{Cut, Told, run};
use super::compare::compare;
use super::line::{Line, Split};
use super::outcome_model::{Moment, judge};
use super::transcripts::{Transcript, all};

/// All that the client was told.
#[derive(Debug, PartialEq)]
struct Truth {
    jobs: Vec<Result<(), Error>>,
    messages: Vec<Result<Delivery, SendError>>,
    failure: Option<Error>,
    may_have_been_delivered: bool,
}

impl Truth {
    fn of(told: &Told) -> Self {
        Self {
            jobs: told.jobs.iter().map(|(_, result)| result.clone()).collect(),
            messages: told.messages.clone(),
            failure: told.connection.failure().cloned(),
            may_have_been_delivered: told.connection.may_have_been_delivered(),
        }
    }
}

/// Plays the transcript cut in this way: what was told, and what crossed the transport in which pieces.
fn play(transcript: &Transcript, split: Option<Split>, cut: Cut) -> (Truth, Vec<Moment>) {
    let Transcript { name, config, jobs, messages, options, turns, setting } = transcript;
    let line = Line::split(name, turns, split);
    let (told, line) = run(config.clone(), line, cut, jobs, messages, *options);
    let way = || format!("{name}, {split:?}, {cut:?}");
    assert!(line.is_at_end(), "{}: the transcript has more", way());
    assert_eq!(
        line.facts.wire.escape_ascii().to_string(),
        setting.intended.escape_ascii().to_string(),
        "{}",
        way()
    );
    let truth = Truth::of(&told);
    let judgement = judge(setting, &line.facts);
    compare(transcript, told, &judgement).unwrap_or_else(|difference| panic!("{}: {difference}", way()));
    (truth, line.facts.moments)
}

/// In two on one side, while the other side goes whole or octet by octet; and both octet by octet.
fn ways(transcript: &Transcript) -> Vec<(Option<Split>, Cut)> {
    let mut ways: Vec<_> =
        [Cut::Whole, Cut::Octets, Cut::Reads, Cut::Writes].map(|cut| (None, cut)).into();
    for at in 0..=transcript.server_octets() {
        let (soon, late) = (Split::Server { at, late: false }, Split::Server { at, late: true });
        ways.extend([Cut::Whole, Cut::Writes].map(|cut| (Some(soon), cut)));
        ways.extend([Cut::Whole, Cut::Writes, Cut::Reads, Cut::Octets].map(|cut| (Some(late), cut)));
    }
    for at in 0..=transcript.client_octets() {
        ways.extend([Cut::Whole, Cut::Reads].map(|cut| (Some(Split::Client(at)), cut)));
    }
    ways
}

/// How many runs there were of which no two gave the client the same pieces at the same moments.
fn cut_everywhere(transcript: &Transcript) -> usize {
    let (whole, _) = play(transcript, None, Cut::Whole);
    let mut seen = HashSet::new();
    for (split, cut) in ways(transcript) {
        let (truth, moments) = play(transcript, split, cut);
        assert_eq!(truth, whole, "{}, {split:?}, {cut:?}", transcript.name);
        seen.insert(moments);
    }
    seen.len()
}

#[test]
fn inv5_every_split_of_every_transcript() {
    let transcripts = all();
    let (next, cases) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(transcript) = transcripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    cases.fetch_add(cut_everywhere(transcript), Ordering::Relaxed);
                }
            });
        }
    });
    let cases = cases.into_inner();
    println!("splits: {cases} cases, {} transcripts", transcripts.len());
    assert!(cases >= 100_000, "{cases}");
}
