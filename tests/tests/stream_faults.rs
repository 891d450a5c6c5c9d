//! X01, X02, X10: every call of every transcript meets every fault a stream can have, in both adapters. Whatever
//! it is, what is told of each message is true, no reply is taken for another's, and a connection that broke stays
//! silent. Nothing spins and nothing hangs.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod transcripts;

use transcripts::ways::{blocking, blocking_op, tokio, tokio_op};
use transcripts::{Fault, Line, Model, Over, Plan, Told, Watch, tls, virtual_time};

const ADAPTERS: [bool; 2] = [false, true];

/// Plays a case over a stream with this plan: what was told, and what the server had heard by then.
fn play(
    model: &Model,
    plan: Plan,
    is_tokio: bool,
    time: &tokio::runtime::Runtime,
) -> (Vec<(Told, usize)>, Watch) {
    let line = Line::secure(model.case.script(model.over), &tls().server, plan);
    let watch = line.watch();
    let mut told = Vec::new();
    if is_tokio {
        time.block_on(async {
            let mut client = tokio(model.case, model.over, line);
            for (op, _) in model.case.ops {
                let word = tokio_op(&mut client, *op).await;
                told.push((word, watch.wire_len()));
            }
        });
    } else {
        let mut client = blocking(model.case, model.over, line);
        for (op, _) in model.case.ops {
            let word = blocking_op(&mut client, *op);
            told.push((word, watch.wire_len()));
        }
    }
    (told, watch)
}

/// Asserts that what was told is true, and that nothing was said after the connection broke.
fn check(model: &Model, told: &[(Told, usize)], watch: &Watch, transparent: bool, way: &str) {
    let name = model.case.name;
    assert_eq!(watch.fault(), None, "{name}: {way}");
    assert!(watch.calls() < 2 * model.calls + 100, "{name}: {way}: {} calls", watch.calls());
    let mut broken_at = None;
    for (index, (told, heard)) in told.iter().enumerate() {
        let same =
            model.judge(index, told, *heard).unwrap_or_else(|why| panic!("{name}: {way}, {index}: {why}"));
        assert!(same || !transparent, "{name}: {way}, {index}: {told:?}");
        if let Some(broken_at) = broken_at {
            assert_eq!(*heard, broken_at, "{name}: {way}, {index}: it spoke after the connection broke");
            assert!(told.word.contains("Poisoned"), "{name}: {way}, {index}: {told:?}");
        } else if !same {
            broken_at = Some(*heard);
        }
    }
}

/// Each fault at each call, until no call is left to meet it.
fn sweep(model: &Model, base: Plan, time: &tokio::runtime::Runtime) -> usize {
    let mut cases = 0;
    for is_tokio in ADAPTERS {
        for fault in Fault::ALL {
            if fault == Fault::Interrupted && is_tokio && model.goes_through_tls() {
                // By its contract an AsyncWrite never says so, and tokio-rustls relies on that.
                continue;
            }
            let transparent = match fault {
                Fault::OneOctet | Fault::Interrupted => true,
                Fault::WouldBlock => is_tokio,
                Fault::Zero | Fault::TimedOut | Fault::Reset | Fault::BrokenPipe => false,
            };
            for call in 0.. {
                let plan = Plan { fault: Some((call, fault)), ..base };
                let (told, watch) = play(model, plan, is_tokio, time);
                let way = format!("tokio {is_tokio}, {fault:?} at call {call}");
                check(model, &told, &watch, transparent || !watch.fault_was_met(), &way);
                if call >= watch.calls() {
                    break;
                }
                cases += usize::from(watch.fault_was_met());
            }
        }
    }
    cases
}

#[test]
fn x01_x02_every_fault_at_every_call_in_clear() {
    let time = virtual_time();
    let cases: usize = Model::all(Over::Clear).map(|model| sweep(&model, Plan::default(), &time)).sum();
    println!("x01_x02: {cases} cases");
    assert!(cases >= 5_000, "{cases}");
}

#[test]
fn x01_x02_x10_every_fault_at_every_call_under_tls() {
    let time = virtual_time();
    let cases: usize = Model::all(Over::Tls).map(|model| sweep(&model, Plan::default(), &time)).sum();
    println!("x10: {cases} cases");
    assert!(cases >= 6_000, "{cases}");
}
