//! Sends a worker's messages with `smtp-tokio`, as [`crate::blocking`] does with `smtp-blocking`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use smtp_proto::SendError;
use smtp_proto::flow::Body;
use smtp_tokio::{Client, Message};
use tokio::io::BufReader;
use tokio::time::timeout;

use crate::letter::{Parcel, Stream};
use crate::mode::Way;
use crate::worker::{Delivered, Session, Worker};

/// Longer than anything takes.
const ALWAYS: Duration = Duration::from_secs(3600);

pub(crate) async fn work(worker: &mut Worker) {
    while let Some(mut session) = worker.next_session() {
        match connect(worker, &session).await {
            Ok(client) => run(worker, &mut session, client).await,
            Err(error) => worker.told(&mut session, Err(error)),
        }
        worker.over(session);
    }
}

async fn connect(worker: &Worker, session: &Session) -> Result<Client, SendError> {
    let (address, config) = (worker.address, worker.config.clone());
    let client = match &worker.access {
        Some(access) => Client::connect_with_tls(address, config, Arc::clone(&access.tls)).await,
        None => Client::connect(address, config).await,
    };
    let mut client = client.map_err(|error| error.into_kind())?;
    client.set_transcript(session.wire.hook());
    if let Some(access) = &worker.access {
        client.auth(&mut access.mechanism()).await.map_err(|error| error.into_kind())?;
    }
    Ok(client)
}

async fn run(worker: &mut Worker, session: &mut Session, mut client: Client) {
    while !session.letters.is_empty() && client.connection().failure().is_none() {
        if worker.mode.way == Way::Drop {
            drop_something(worker, session, &mut client).await;
        } else if session.batch {
            let count = session.letters.len();
            batch(worker, session, &mut client, count, usize::MAX, ALWAYS).await;
            if session.then_quit {
                return;
            }
        } else {
            send(worker, session, &mut client, ALWAYS).await;
        }
    }
    let _ = client.quit().await;
}

/// Sends the first message that is left, and waits for so long.
async fn send(worker: &mut Worker, session: &mut Session, client: &mut Client, time: Duration) {
    for Parcel { envelope, octets, source, options } in worker.next_messages(session, 1) {
        let sending = async {
            match Stream::of(octets, source) {
                Err(octets) => client.send_with(&envelope, &octets, options).await,
                Ok(Stream { reader, piece, size }) => {
                    let body = Body::Stream { kind: Stream::KIND, size };
                    let mut reader = BufReader::with_capacity(piece, reader);
                    client.send_stream(&envelope, &mut reader, body, options).await
                }
            }
        };
        match timeout(time, sending).await {
            Ok(sent) => worker.told(session, sent.map_err(|error| error.into_kind())),
            Err(_) if client.may_have_been_delivered() => worker.dropped(session, Delivered::Perhaps),
            Err(_) => worker.dropped(session, Delivered::No),
        }
    }
}

async fn drop_something(worker: &mut Worker, session: &mut Session, client: &mut Client) {
    let time = Duration::from_micros(worker.random.magnitude(6, 16) as u64);
    match worker.random.below(3) {
        0 => send(worker, session, client, ALWAYS).await,
        1 => send(worker, session, client, time).await,
        _ => {
            let (count, outcomes) = (worker.random.between(1, 10), worker.random.below(10));
            batch(worker, session, client, count, outcomes, time).await;
        }
    }
}

/// Sends the first `count` messages that are left, takes at most so many outcomes, and waits so long for each.
async fn batch(
    worker: &mut Worker,
    session: &mut Session,
    client: &mut Client,
    count: usize,
    outcomes: usize,
    time: Duration,
) {
    let (taken, broken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (counter, stop) = (Arc::clone(&taken), Arc::clone(&broken));
    let messages = worker.next_messages(session, count).into_iter().map_while(move |parcel| {
        (!stop.load(Ordering::Relaxed)).then(|| {
            counter.fetch_add(1, Ordering::Relaxed);
            message(parcel)
        })
    });
    let mut batch = client.send_all(messages);
    if session.then_quit && worker.mode.way != Way::Drop {
        batch = batch.then_quit();
    }
    let (mut told, mut over) = (0, false);
    while told < outcomes && !over {
        match timeout(time, batch.next()).await {
            Ok(Some(outcome)) => {
                told += 1;
                worker.told(session, outcome.map_err(|error| error.into_kind()));
                broken.store(batch.connection().failure().is_some(), Ordering::Relaxed);
            }
            Ok(None) => over = true,
            Err(_) => break,
        }
    }
    drop(batch);
    let silent = taken.load(Ordering::Relaxed) - told;
    if over {
        return worker.owed(session, silent);
    }
    (0..silent).for_each(|_| worker.dropped(session, Delivered::Perhaps));
}

fn message(parcel: Parcel) -> Message<'static> {
    let Parcel { envelope, octets, source, options } = parcel;
    let message = match Stream::of(octets, source) {
        Err(octets) => Message::new(envelope, octets),
        Ok(Stream { reader, piece, size }) => {
            Message::stream(envelope, BufReader::with_capacity(piece, reader), Stream::KIND, size)
        }
    };
    message.options(options)
}
