//! T20, T21, X06, X10: TLS that is cut short, garbled, or given up in the middle, at every octet of the wire, in
//! both adapters. Nothing is ever said in clear after the handshake began, and what is told of the message is true.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod transcripts;

use std::io::ErrorKind;
use std::time::Duration;

use smtp_proto::connection::Timeouts;
use smtp_tests::library::Library;
use transcripts::ways::{blocking_op, through_blocking, through_tokio, tokio, tokio_op};
use transcripts::{CASES, Case, Kind, Line, Model, Op, Over, Plan, tls, virtual_time};

/// Each TLS library, and whether it is in smtp-tokio.
fn each_library() -> impl Iterator<Item = (Library, bool)> {
    Library::all().iter().flat_map(|library| [(*library, false), (*library, true)])
}

/// A session under TLS that ends, and what has to come of it.
const ENDS: &[(&str, &[(Op, &str)])] = &[
    ("S: 220 hi\nC: EHLO client.test\nclose", &[(Op::Noop, "Disconnected"), (Op::Noop, "Poisoned")]),
    (
        "S: 220 hi\nC: EHLO client.test\nS: 250 hi\nC: NOOP\nS| 250 o\nclose",
        &[(Op::Noop, "Disconnected"), (Op::Quit, "Poisoned")],
    ),
    (
        "S: 220 hi\nC: EHLO client.test\nS: 250 hi\nC: MAIL FROM:<alice@example.org>\nS: 250 sender ok
        C: RCPT TO:<bob@example.org>\nS: 250 bob ok\nC: DATA\nclose",
        &[(Op::Send(&["bob@example.org"], b"x\r\n"), "not sent: Disconnected"), (Op::Noop, "Poisoned")],
    ),
    (
        "S: 220 hi\nC: EHLO client.test\nS: 250 hi\nC: MAIL FROM:<alice@example.org>\nS: 250 sender ok
        C: RCPT TO:<bob@example.org>\nS: 250 bob ok\nC: DATA\nS: 354 go\nC: x\nC: .\nclose",
        &[(Op::Send(&["bob@example.org"], b"x\r\n"), "unknown: Disconnected"), (Op::Noop, "Poisoned")],
    ),
    (
        "S: 220 hi\nC: EHLO client.test\nS: 250 hi\nC: MAIL FROM:<alice@example.org>\nS: 250 sender ok
        C: RCPT TO:<bob@example.org>\nS: 250 bob ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250 queued as A1\nC: QUIT\nclose",
        &[(Op::Send(&["bob@example.org"], b"x\r\n"), "accepted 250 of 1"), (Op::Quit, "done")],
    ),
    (
        "S: 220 hi\nC: EHLO client.test\nS: 250 hi\nC: NOOP\nS: 250 ok\nC: QUIT\nS: 221 bye\nclose",
        &[(Op::Noop, "250"), (Op::Quit, "done")],
    ),
];

#[test]
fn t20_t21_the_end_of_tls_with_and_without_a_close_notify() {
    let time = virtual_time();
    for (script, ops) in ENDS {
        let case = Case { name: script, script, ops, kind: Kind::Smtp };
        let expected: Vec<_> = ops.iter().map(|(_, word)| *word).collect();
        for (library, is_tokio) in each_library() {
            for one_octet in [false, true] {
                for notified in [true, false] {
                    let plan = Plan { one_octet, library, ..Plan::default() };
                    let end = if notified { Line::secure } else { Line::truncated };
                    let line = end(case.script(Over::Tls), &tls().server, plan);
                    let watch = line.watch();
                    let told = if is_tokio {
                        time.block_on(through_tokio(&case, Over::Tls, line))
                    } else {
                        through_blocking(&case, Over::Tls, line)
                    };
                    let told: Vec<_> = told.iter().map(|told| &*told.word).collect();
                    assert_eq!(
                        told, expected,
                        "{script}: {library:?}, tokio {is_tokio}, notified {notified}"
                    );
                    assert_eq!(watch.fault(), None);
                }
            }
        }
    }
}

/// The session that is disturbed: STARTTLS, credentials, a message, QUIT.
fn session(library: Library) -> Model {
    let case = CASES.iter().find(|case| case.script.contains("tls\n")).unwrap();
    Model::of(case, Over::Clear, Plan { library, ..Plan::default() })
}

/// Runs it through one adapter and asserts that whatever was told is true, and nothing was said in clear.
fn disturb(model: &Model, plan: Plan, is_tokio: bool, time: &tokio::runtime::Runtime) {
    let line = Line::secure(model.case.script(Over::Clear), &tls().server, plan);
    let watch = line.watch();
    let way = format!("tokio {is_tokio}, {plan:?}");
    let mut told = Vec::new();
    if is_tokio {
        time.block_on(async {
            let mut client = tokio(model.case, Over::Clear, line);
            for (op, _) in model.case.ops {
                told.push((tokio_op(&mut client, *op).await, watch.wire_len(), watch.moved().1));
            }
        });
    } else {
        let mut client = transcripts::ways::blocking(model.case, Over::Clear, line);
        for (op, _) in model.case.ops {
            told.push((blocking_op(&mut client, *op), watch.wire_len(), watch.moved().1));
        }
    }
    assert!(watch.fault_was_met(), "{way}");
    assert_eq!(watch.fault(), None, "{way}");
    assert!(watch.is_all_records(), "{way}: words in clear");
    assert!(watch.calls() < 2 * model.calls + 100, "{way}: {} calls", watch.calls());
    // What begins with an octet that begins no record is told as words in clear (T03).
    let may_be_clear = plan.garbles.is_some();
    let mut broken = None;
    for (index, (told, heard, gave)) in told.iter().enumerate() {
        let same = match model.judge(index, told, *heard) {
            Ok(same) => same,
            Err(_) if may_be_clear && told.full == "Err(Protocol(StartTlsResidue))" => false,
            Err(why) => panic!("{way}: {why}"),
        };
        if let Some(before) = broken {
            assert_eq!(*gave, before, "{way}: it spoke after the connection broke");
            assert!(told.word.contains("Poisoned"), "{way}: {told:?}");
        } else if !same {
            broken = Some(*gave);
        }
    }
}

/// How many octets go over the wire before TLS, and in all.
fn spans(model: &Model, library: Library) -> [(usize, usize); 2] {
    let plan = Plan { library, ..Plan::default() };
    let line = Line::secure(model.case.script(Over::Clear), &tls().server, plan);
    let watch = line.watch();
    through_blocking(model.case, Over::Clear, line);
    let (clear, all) = (watch.moved_in_clear().unwrap(), watch.moved());
    [(clear.0, all.0), (clear.1, all.1)]
}

#[test]
fn t20_x06_cut_at_every_octet_in_either_direction() {
    let time = virtual_time();
    for (library, is_tokio) in each_library() {
        let model = session(library);
        let [inward, outward] = spans(&model, library);
        let mut cases = 0;
        // Signatures differ in length by an octet or two, so the very end is not always reached.
        for octet in inward.0..inward.1 - 30 {
            disturb(&model, Plan { cut_in: Some(octet), library, ..Plan::default() }, is_tokio, &time);
            cases += 1;
        }
        for octet in outward.0..outward.1 - 30 {
            disturb(&model, Plan { cut_out: Some(octet), library, ..Plan::default() }, is_tokio, &time);
            cases += 1;
        }
        println!("t20: {}, tokio {is_tokio}: {cases} cases", library.name());
        assert!(cases >= 500, "{cases}");
    }
}

#[test]
fn t20_every_octet_garbled() {
    let time = virtual_time();
    for (library, is_tokio) in each_library() {
        let model = session(library);
        let [inward, _] = spans(&model, library);
        let mut cases = 0;
        for octet in inward.0..inward.1 - 30 {
            disturb(&model, Plan { garbles: Some(octet), library, ..Plan::default() }, is_tokio, &time);
            cases += 1;
        }
        println!("t20: {}, tokio {is_tokio}: {cases} cases", library.name());
        assert!(cases >= 500, "{cases}");
    }
}

#[test]
fn x10_a_read_that_gives_up_at_every_octet_of_every_record() {
    let time = virtual_time();
    for &library in Library::all() {
        let model = session(library);
        let [inward, _] = spans(&model, library);
        let mut cases = 0;
        for octet in inward.0..inward.1 - 30 {
            let gives_up = |error| Plan { gives_up_at: Some((octet, error)), library, ..Plan::default() };
            disturb(&model, gives_up(ErrorKind::WouldBlock), false, &time);
            disturb(&model, gives_up(ErrorKind::TimedOut), false, &time);
            disturb(&model, gives_up(ErrorKind::TimedOut), true, &time);
            cases += 3;
        }
        println!("x10: {}: {cases} cases", library.name());
        assert!(cases >= 1_000, "{cases}");
    }
}

/// X10: a read that has waited in earnest, and gives up in the middle of a record before the time is over, is made
/// again, and the record goes on where it stopped. A few places, all at the same time: here a clock is needed.
#[test]
fn x10_a_record_goes_on_where_a_read_gave_up() {
    const BUDGET: Duration = Duration::from_secs(4);
    for &library in Library::all() {
        let model = &session(library);
        let [inward, _] = spans(model, library);
        let places = (0..24).map(|n| inward.0 + 1 + n * (inward.1 - inward.0 - 30) / 24);
        std::thread::scope(|scope| {
            for octet in places {
                scope.spawn(move || {
                    let gives_up_at = Some((octet, ErrorKind::WouldBlock));
                    let plan = Plan { gives_up_at, waits: Some(0.55), library, ..Plan::default() };
                    let line = Line::secure(model.case.script(Over::Clear), &tls().server, plan);
                    let watch = line.watch();
                    let config = model.case.config(Over::Clear).timeouts(Timeouts::all(BUDGET));
                    let mut client = smtp_blocking::Client::new(line, config);
                    client.set_tls_config(tls().client(library));
                    let mut client = Some(client);
                    for (index, (op, _)) in model.case.ops.iter().enumerate() {
                        assert_eq!(
                            blocking_op(&mut client, *op),
                            model.told[index],
                            "{library:?}, at {octet}"
                        );
                    }
                    assert!(watch.fault_was_met(), "{library:?}, at {octet}");
                    watch.verify(false);
                });
            }
        });
    }
}
