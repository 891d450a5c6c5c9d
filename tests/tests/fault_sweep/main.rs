//! Every transcript, cut at every octet in both directions: end of file, reset, silence, garbage, a reply too many.
//! What then has to be told comes from the [`outcome_model`], which sees the octets and nothing of the client.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod blocking;
mod client;
mod compare;
mod line;
mod outcome_model;
mod splits;
mod transcripts;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use client::{Cut, run};
use compare::compare;
use line::{Fault, Line, Place};
use outcome_model::{Moment, judge};
use transcripts::{Transcript, all};

/// No two of them are the same to a client: none is a reply, and the others are replies of all classes that there are
/// where no reply is due.
const FAULTS: [(&str, Fault); 11] = [
    ("eof", Fault::Eof),
    ("reset", Fault::Reset),
    ("timeout", Fault::Silence),
    ("garbage line", Fault::Says("what?")),
    ("garbage line", Fault::Says("250_ok")),
    ("surplus reply", Fault::Says("250 surplus")),
    ("surplus reply", Fault::Says("250-surplus")),
    ("surplus reply", Fault::Says("550 surplus")),
    ("surplus reply", Fault::Says("354 surplus")),
    ("surplus reply", Fault::Says("421 surplus")),
    ("surplus reply", Fault::Says("221 surplus")),
];

/// Plays one case, and compares what the client was told with what the model says.
fn case(transcript: &Transcript, fault: Option<(Place, Fault)>, cut: Cut) -> Result<(), String> {
    let Transcript { name, config, jobs, messages, options, turns, setting } = transcript;
    let line = Line::new(name, turns, fault);
    let (told, line) = run(config.clone(), line, cut, jobs, messages, *options);
    let judgement = judge(setting, &line.facts);
    if fault.is_none() {
        assert!(line.is_at_end(), "{name}: the transcript has more");
    }
    compare(transcript, told, &judgement).map_err(|difference| {
        format!(
            "{name}, {fault:?}, {cut:?}: {difference}\nthe model: {judgement:?}\nC: {}\nS: {}\n{:?}",
            line.facts.wire.escape_ascii(),
            line.facts.heard.escape_ascii(),
            merged(&line.facts.moments),
        )
    })
}

/// What happened, octets of one direction taken together.
fn merged(moments: &[Moment]) -> Vec<Moment> {
    let mut merged = Vec::new();
    for &moment in moments {
        match (merged.last_mut(), moment) {
            (Some(Moment::Took(before)), Moment::Took(more))
            | (Some(Moment::Heard(before)), Moment::Heard(more)) => *before += more,
            (_, moment) => merged.push(moment),
        }
    }
    merged
}

#[test]
fn the_transcripts_themselves() {
    let transcripts = all();
    for transcript in &transcripts {
        for cut in [Cut::Whole, Cut::Octets] {
            assert_eq!(case(transcript, None, cut), Ok(()));
        }
    }
    assert!(transcripts.len() >= 25);
}

fn places(transcript: &Transcript) -> impl Iterator<Item = Place> {
    let client = (0..=transcript.client_octets()).map(Place::Client);
    client.chain((0..=transcript.server_octets()).map(Place::Server))
}

/// How many cases there were of each fault, on the client's side and on the server's.
type Counts = [[usize; 2]; FAULTS.len()];

/// Every fault at every place of one transcript, each in both cuts.
fn strike(transcript: &Transcript, differences: &Mutex<Vec<String>>) -> Counts {
    let mut counts = Counts::default();
    for place in places(transcript) {
        for (at, (_, fault)) in FAULTS.iter().enumerate() {
            for cut in [Cut::Whole, Cut::Octets] {
                if let Err(difference) = case(transcript, Some((place, *fault)), cut) {
                    differences.lock().unwrap().push(difference);
                }
            }
            counts[at][usize::from(matches!(place, Place::Server(_)))] += 1;
        }
    }
    counts
}

#[test]
fn o09_s13_every_fault_at_every_octet_of_every_transcript() {
    let transcripts = all();
    let (next, counts) = (AtomicUsize::new(0), Mutex::new(Counts::default()));
    let differences = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(transcript) = transcripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let here = strike(transcript, &differences);
                    let mut counts = counts.lock().unwrap();
                    counts.iter_mut().flatten().zip(here.iter().flatten()).for_each(|(sum, n)| *sum += n);
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    let few: Vec<&String> = differences.iter().step_by(differences.len().div_ceil(5).max(1)).collect();
    assert!(few.is_empty(), "{} differences, among them {few:#?}", differences.len());

    let counts = counts.into_inner().unwrap();
    for kind in ["eof", "reset", "timeout", "garbage line", "surplus reply"] {
        let of_kind = FAULTS.iter().zip(counts).filter(|((name, _), _)| *name == kind);
        let [client, server] = of_kind.fold([0, 0], |[c, s], (_, [client, server])| [c + client, s + server]);
        println!("fault sweep, {kind}: {} cases ({client} in what the client says)", client + server);
    }
    let total: usize = counts.iter().flatten().sum();
    println!("fault sweep: {total} cases, {} transcripts", transcripts.len());
    assert!(total >= 600_000, "{total}");
}
