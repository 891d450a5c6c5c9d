//! X13 and INV5: every transcript, cut in two at every octet of the server's words and into single octets, through
//! the core and both adapters, in clear and under TLS. What is said and what is found is the same each time.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod transcripts;

use smtp_tests::library::Library;
use smtp_tests::script::Mode;
use tokio::runtime::Runtime;
use transcripts::ways::{through_blocking, through_core, through_tokio};
use transcripts::{CASES, Case, Kind, Line, Op, Over, Plan, Told, Watch, tls, virtual_time};

/// The core's results, once they are found to be those of the table.
fn expected(case: &Case) -> Vec<Told> {
    let told = through_core(case, &case.script(Over::Clear), Mode::Whole);
    let words: Vec<_> = told.iter().map(|told| &*told.word).collect();
    let table: Vec<_> = case.ops.iter().map(|(_, word)| *word).collect();
    assert_eq!(words, table, "{}", case.name);
    told
}

fn check(case: &Case, way: &str, plan: Plan, told: &[Told], expected: &[Told], watch: &Watch) {
    assert_eq!(told, expected, "{}: {way}, {plan:?}", case.name);
    if let Some(fault) = watch.fault() {
        panic!("{}: {way}, {plan:?}: {fault}", case.name);
    }
    // Where the client was lost there is nobody left to say the rest.
    let broken = expected.iter().any(|told| told.word.contains("Poisoned")) || !case.quits();
    watch.verify(broken);
}

fn line(case: &Case, over: Over, plan: Plan) -> Line {
    Line::secure(case.script(over), &tls().server, plan)
}

/// Octets that the server and the client say in this case when nothing is cut.
fn length(case: &Case, over: Over) -> (usize, usize) {
    let line = line(case, over, Plan::default());
    let watch = line.watch();
    let told = through_blocking(case, over, line);
    check(case, "blocking, whole", Plan::default(), &told, &expected(case), &watch);
    watch.moved()
}

#[test]
fn x13_the_table_holds_in_every_mode_of_the_core() {
    for case in CASES {
        let expected = expected(case);
        for mode in [Mode::ByteReads, Mode::ByteWrites, Mode::Bytes] {
            assert_eq!(through_core(case, &case.script(Over::Clear), mode), expected, "{}", case.name);
        }
    }
}

#[test]
fn x13_both_adapters_over_tls_say_and_find_the_same() {
    let time = virtual_time();
    for case in CASES.iter().filter(|case| case.suits(Over::Tls)) {
        let expected = expected(case);
        let plans = Library::all().iter().flat_map(|&library| {
            let whole = Plan { library, ..Plan::default() };
            [whole, Plan { one_octet: true, ..whole }, Plan { hesitant: true, ..whole }]
        });
        for plan in plans {
            let at = line(case, Over::Tls, plan);
            let watch = at.watch();
            let told = through_blocking(case, Over::Tls, at);
            check(case, "blocking", plan, &told, &expected, &watch);
            let at = line(case, Over::Tls, plan);
            let watch = at.watch();
            let told = time.block_on(through_tokio(case, Over::Tls, at));
            check(case, "tokio", plan, &told, &expected, &watch);
        }
    }
}

/// Runs one way of cutting octets through both adapters.
fn through_both(case: &Case, plan: Plan, expected: &[Told], time: &Runtime) -> usize {
    let at = line(case, Over::Clear, plan);
    let watch = at.watch();
    let told = through_blocking(case, Over::Clear, at);
    check(case, "blocking", plan, &told, expected, &watch);
    let at = line(case, Over::Clear, plan);
    let watch = at.watch();
    let told = time.block_on(through_tokio(case, Over::Clear, at));
    check(case, "tokio", plan, &told, expected, &watch);
    2
}

#[test]
fn x13_every_split_through_core_and_adapters() {
    let time = virtual_time();
    let (mut cases, mut whole) = (0, 0);
    for case in CASES {
        let expected = expected(case);
        let script = case.script(Over::Clear);
        let (said, heard) = length(case, Over::Clear);
        whole += said + heard;
        for octet in 1..said {
            assert_eq!(through_core(case, &script, Mode::Split(octet)), expected, "{}, {octet}", case.name);
            cases += 1;
            let plan = Plan { split: Some(octet), ..Plan::default() };
            cases += through_both(case, plan, &expected, &time);
            cases += through_both(case, Plan { one_octet_writes: true, ..plan }, &expected, &time);
        }
        for octet in 1..heard {
            let plan = Plan { split_writes: Some(octet), ..Plan::default() };
            cases += through_both(case, plan, &expected, &time);
        }
        for hesitant in [false, true] {
            let plan = Plan { one_octet: true, hesitant, ..Plan::default() };
            cases += through_both(case, plan, &expected, &time);
        }
    }
    println!("x13: {cases} cases, {} transcripts of {whole} octets", CASES.len());
    assert!(cases >= 25_000, "{cases}");
}

/// S01: what comes along with a reply, and is none, is the next operation's fault and nobody's reply.
#[test]
fn s01_a_reply_too_many() {
    let case = Case {
        name: "a reply too many",
        script: "S: 220 hi\nC: EHLO client.test\nS: 250 hi\nC: NOOP\nS: 250 nothing done\nS: 250 stale",
        ops: &[(Op::Noop, "250"), (Op::Noop, "Protocol"), (Op::Noop, "Poisoned")],
        kind: Kind::Smtp,
    };
    let expected = expected(&case);
    through_both(&case, Plan::default(), &expected, &virtual_time());
}
