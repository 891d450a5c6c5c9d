//! X05, X06: the future of every operation of every transcript is dropped at every poll. Either nothing was said
//! and the client goes on as if nothing had been asked, or the connection is given up and stays silent; whether a
//! message may have been delivered can be told.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod transcripts;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use smtp_proto::Error;
use transcripts::ways::{tokio, tokio_op};
use transcripts::{Line, Model, Op, Over, Plan, tls, virtual_time};

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

/// Every poll of a case: how often the client lived on, and how often it did not.
fn sweep(model: &Model, plan: Plan, time: &tokio::runtime::Runtime) -> (usize, usize) {
    let (mut usable, mut poisoned) = (0, 0);
    for k in 0.. {
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
            let counts = sweep(&model, Plan { hesitant: true, one_octet, ..Plan::default() }, &time);
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
    let (mut usable, mut poisoned) = (0, 0);
    for model in Model::all(Over::Tls).filter(is_single) {
        let counts = sweep(&model, Plan { hesitant: true, ..Plan::default() }, &time);
        usable += counts.0;
        poisoned += counts.1;
    }
    println!("x05_x06: {} cases, {usable} of them usable", usable + poisoned);
}
