//! INV5: every transcript, cut in two at every octet of either side and into single octets. Nothing goes wrong here,
//! so what the client says is what the transcript has, and what it is told is what it is told when nothing is cut.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use smtp_proto::error::Error;
use smtp_proto::flow::{Delivery, SendError};

use super::blocking;
use super::client::{Cut, Told, run};
use super::compare::compare;
use super::line::{Line, Split};
use super::outcome_model::{Moment, judge};
use super::transcripts::{Transcript, all};

/// All that the client was told.
#[derive(Debug, PartialEq)]
pub struct Truth {
    pub jobs: Vec<Result<(), Error>>,
    pub messages: Vec<Result<Delivery, SendError>>,
    pub failure: Option<Error>,
    pub may_have_been_delivered: bool,
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

/// The same through the blocking adapter, where the rest of what was cut comes with the next read in any case.
fn play_blocking(transcript: &Transcript, split: Option<Split>, cut: Cut) -> (Truth, Vec<Moment>) {
    let (truth, facts) = blocking::run(transcript, split, cut);
    assert!(facts.wire == transcript.setting.intended, "{}, {split:?}, {cut:?}", transcript.name);
    (truth, facts.moments)
}

/// In two on one side, while the other side goes whole or octet by octet; and both octet by octet.
fn ways(transcript: &Transcript) -> Vec<(Option<Split>, Cut)> {
    let mut ways: Vec<_> = [Cut::Whole, Cut::Octets, Cut::Reads, Cut::Writes].map(|cut| (None, cut)).into();
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

/// How many runs there were of which no two gave the client the same pieces at the same moments: in the core, and
/// in the blocking adapter.
fn cut_everywhere(transcript: &Transcript) -> [usize; 2] {
    let (whole, _) = play(transcript, None, Cut::Whole);
    let mut seen = [HashSet::new(), HashSet::new()];
    for (split, cut) in ways(transcript) {
        let (truth, moments) = play(transcript, split, cut);
        assert_eq!(truth, whole, "{}, {split:?}, {cut:?}", transcript.name);
        seen[0].insert(moments);
        if blocking::suits(transcript) && !matches!(split, Some(Split::Server { late: false, .. })) {
            let (truth, moments) = play_blocking(transcript, split, cut);
            assert_eq!(truth, whole, "blocking: {}, {split:?}, {cut:?}", transcript.name);
            seen[1].insert(moments);
        }
    }
    seen.map(|seen| seen.len())
}

#[test]
fn inv5_every_split_of_every_transcript() {
    let transcripts = all();
    let next = AtomicUsize::new(0);
    let [core, blocking] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(transcript) = transcripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let counts = cut_everywhere(transcript);
                    core.fetch_add(counts[0], Ordering::Relaxed);
                    blocking.fetch_add(counts[1], Ordering::Relaxed);
                }
            });
        }
    });
    let (core, blocking) = (core.into_inner(), blocking.into_inner());
    let suitable = transcripts.iter().filter(|transcript| blocking::suits(transcript)).count();
    println!("splits, core: {core} cases, {} transcripts", transcripts.len());
    println!("splits, blocking: {blocking} cases, {suitable} transcripts");
    println!("splits: {} cases", core + blocking);
    assert!(core + blocking >= 180_000, "{core} + {blocking}");
}
