//! X05, X06: the future of every operation of every transcript is dropped at every poll. Either nothing was said
//! and the client goes on as if nothing had been asked, or the connection is given up and stays silent; whether a
//! message may have been delivered can be told.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod transcripts;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use ::tokio::io::AsyncWriteExt as _;
use smtp_proto::Error;
use smtp_tests::library::Library;
use transcripts::ways::{tokio, tokio_op};
use transcripts::{Case, Kind, Line, Model, Op, Over, Plan, tls, virtual_time};

/// Polls until `left` polls have been used up: `None` if the future was not ready by then. It is dropped either way.
async fn poll_at_most<T>(left: &mut usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if *left == 0 {
            return Poll::Ready(None);
        }
        *left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// What became of one interruption.
enum End {
    /// There were not so many polls.
    NotReached,
    Usable,
    Poisoned,
}

/// Plays a case, and drops the future that would be polled for the `k`th time, counted from 0.
async fn cut_at(k: usize, model: &Model, plan: Plan) -> End {
    let line = Line::secure(model.case.script(model.over), &tls().server, plan);
    let watch = line.watch();
    let way = format!("{}, poll {k}, {plan:?}", model.case.name);
    let mut client = tokio(model.case, model.over, line);
    let mut left = k;
    let mut ops = model.case.ops.iter().map(|(op, _)| *op).enumerate();
    let (cut, op, before) = loop {
        let Some((index, op)) = ops.next() else { return End::NotReached };
        if client.as_ref().is_some_and(|client| client.connection().failure().is_some()) {
            // The script itself breaks the connection, and there is nothing left to interrupt.
            return End::NotReached;
        }
        let before = watch.moved().1;
        match poll_at_most(&mut left, tokio_op(&mut client, op)).await {
            None => break (index, op, before),
            Some(told) => assert_eq!(told, model.told[index], "{way}"),
        }
    };
    let Some(this) = &client else {
        // QUIT took the client with it.
        assert!(matches!(op, Op::Quit), "{way}");
        assert_eq!(watch.fault(), None, "{way}");
        return End::Poisoned;
    };
    if this.connection().failure().is_none() {
        assert_eq!(watch.moved().1, before, "{way}: it wrote, and lives on");
        for (op, expected) in model.case.ops.iter().map(|(op, _)| *op).zip(&model.told).skip(cut) {
            assert_eq!(tokio_op(&mut client, op).await, *expected, "{way}");
        }
        assert_eq!(watch.fault(), None, "{way}");
        return End::Usable;
    }
    let heard = watch.wire_len();
    let moved = watch.moved();
    let left_whole = op.sends() && model.ends_of(cut).iter().flatten().any(|end| heard >= *end);
    let may_have = this.may_have_been_delivered();
    let refused = model.told[cut].word.starts_with("rejected");
    let truly = if model.goes_through_tls() {
        // What TLS has taken counts as gone, though it may never arrive.
        may_have || !left_whole || refused
    } else {
        may_have == (left_whole && !(refused && model.is_judged(cut, heard, moved.0)))
    };
    assert!(truly, "{way}: {may_have}, though {left_whole}");
    // Whatever is asked now, nothing is said or heard.
    for again in std::iter::once(op).chain([Op::Noop, Op::Plain, Op::Send(&["bob@example.org"], b"x")]) {
        if client.is_none() {
            break;
        }
        let told = tokio_op(&mut client, again).await;
        let given_up = told.word.contains("Poisoned") || told.word.contains("Abandoned");
        assert!(given_up, "{way}: {again:?} gives {told:?}");
    }
    if let Some(client) = client {
        assert_eq!(client.may_have_been_delivered(), may_have, "{way}: forgotten");
        let quit = client.quit().await;
        assert!(matches!(quit.map_err(|error| error.into_kind()), Err(Error::Poisoned)), "{way}");
    }
    assert_eq!(watch.moved(), moved, "{way}: something moved after the connection was given up");
    assert_eq!(watch.fault(), None, "{way}");
    End::Poisoned
}

/// Every poll of a case, or some of them: how often the client lived on, and how often it did not.
fn sweep(model: &Model, plan: Plan, step: usize, time: &tokio::runtime::Runtime) -> (usize, usize) {
    let (mut usable, mut poisoned) = (0, 0);
    for k in (0..).step_by(step) {
        match time.block_on(cut_at(k, model, plan)) {
            End::NotReached => break,
            End::Usable => usable += 1,
            End::Poisoned => poisoned += 1,
        }
    }
    assert!(usable >= 1 && poisoned >= 1, "{}: {usable} {poisoned}", model.case.name);
    (usable, poisoned)
}

/// In a batch it is `next` that may be dropped, and what that does the batches' own suite tells.
fn is_single(model: &Model) -> bool {
    !model.case.ops.iter().any(|(op, _)| matches!(op, Op::Batch { .. }))
}

#[test]
fn x05_every_poll_of_every_operation_in_clear() {
    let time = virtual_time();
    let (mut usable, mut poisoned) = (0, 0);
    for model in Model::all(Over::Clear).filter(is_single) {
        for one_octet in [false, true] {
            let counts = sweep(&model, Plan { hesitant: true, one_octet, ..Plan::default() }, 1, &time);
            usable += counts.0;
            poisoned += counts.1;
        }
    }
    println!("x05: {} cases, {usable} of them usable", usable + poisoned);
    assert!(usable >= 100 && poisoned >= 7_000, "{usable} {poisoned}");
}

#[test]
fn x05_x06_every_poll_of_every_operation_under_tls() {
    let time = virtual_time();
    for &library in Library::all() {
        let (mut usable, mut poisoned) = (0, 0);
        let whole = Plan { hesitant: true, library, ..Plan::default() };
        for model in Model::all_with(Over::Tls, Plan { library, ..Plan::default() }).filter(is_single) {
            // Whole records are over in a poll or two; octet by octet there are so many that some have to do.
            for (one_octet, step) in [(false, 1), (true, 11)] {
                let counts = sweep(&model, Plan { one_octet, ..whole }, step, &time);
                usable += counts.0;
                poisoned += counts.1;
            }
        }
        let name = library.name();
        println!("x05_x06: {name}: {} cases, {usable} of them usable", usable + poisoned);
        assert!(usable >= 50 && poisoned >= 1_500, "{name}: {usable} {poisoned}");
    }
}

/// X08: a client that was introduced already is dropped, in a runtime and where there is none: no QUIT, no close_notify,
/// nothing.
#[test]
fn x08_an_open_client_is_dropped_without_a_word() {
    const CASE: Case = Case {
        name: "dropped",
        script: "S: 220 hi\nC: EHLO client.test\nS: 250 hi\n",
        ops: &[],
        kind: Kind::Smtp,
    };
    let under_tls = Library::all().iter().map(|library| (Over::Tls, *library));
    for (over, library) in under_tls.chain([(Over::Clear, Library::default())]) {
        for inside in [true, false] {
            let plan = Plan { library, ..Plan::default() };
            let line = Line::secure(CASE.script(over), &tls().server, plan);
            let watch = line.watch();
            let time = virtual_time();
            let mut client = tokio(&CASE, over, line).unwrap();
            time.block_on(async { client.capabilities().await.map(drop) }).unwrap();
            assert_eq!(watch.wire(), b"EHLO client.test\r\n");
            let moved = watch.moved();
            if inside {
                time.block_on(async move { drop(client) });
            } else {
                drop(time);
                drop(client);
            }
            assert_eq!(watch.moved(), moved, "inside {inside}: something was said");
            watch.verify(false);
        }
    }
}

/// D18: a writer that is dropped, idle or shut down, has not ended the message.
#[test]
fn d18_a_writer_that_is_dropped_commits_nothing() {
    const CASE: Case = Case {
        name: "half a message",
        script: "
            S: 220 hi
            C: EHLO client.test
            S: 250 hi
            C: MAIL FROM:<alice@example.org>
            S: 250 sender ok
            C: RCPT TO:<bob@example.org>
            S: 250 bob ok
            C: DATA
            S: 354 go
            C: half a message
            close
            ",
        ops: &[],
        kind: Kind::Smtp,
    };
    let under_tls = Library::all().iter().map(|library| (Over::Tls, *library));
    for (over, library) in under_tls.chain([(Over::Clear, Library::default())]) {
        for shut_down in [false, true] {
            let plan = Plan { library, ..Plan::default() };
            let line = Line::secure(CASE.script(over), &tls().server, plan);
            let watch = line.watch();
            virtual_time().block_on(async {
                let mut client = tokio(&CASE, over, line).unwrap();
                client.mail(&"alice@example.org".parse().unwrap()).await.unwrap();
                client.rcpt(&"bob@example.org".parse().unwrap()).await.unwrap();
                let mut writer = client.data().await.unwrap();
                writer.write_all(b"half a message\r\n").await.unwrap();
                writer.flush().await.unwrap();
                if shut_down {
                    writer.shutdown().await.unwrap();
                }
                let moved = watch.moved().1;
                drop(writer);
                assert!(!client.may_have_been_delivered());
                assert_eq!(client.noop().await.unwrap_err().into_kind(), Error::Poisoned);
                drop(client);
                assert_eq!(watch.moved().1, moved, "shut down {shut_down}: something was said");
            });
            assert!(watch.wire().ends_with(b"DATA\r\nhalf a message\r\n"));
            watch.verify(true);
        }
    }
}
