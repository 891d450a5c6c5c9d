//! Sends a worker's messages with `smtp-blocking`.

use std::cell::Cell;
use std::io::BufReader;
use std::sync::Arc;

use smtp_blocking::{Client, Message};
use smtp_proto::SendError;
use smtp_proto::flow::Body;

use crate::letter::{Parcel, Stream};
use crate::mode::Way;
use crate::worker::{Delivered, Session, Worker};

pub(crate) fn work(worker: &mut Worker) {
    while let Some(mut session) = worker.next_session() {
        match connect(worker, &session) {
            Ok(client) => run(worker, &mut session, client),
            Err(error) => worker.told(&mut session, Err(error)),
        }
        worker.over(session);
    }
}

fn connect(worker: &Worker, session: &Session) -> Result<Client, SendError> {
    let (address, config) = (worker.address, worker.config.clone());
    let client = match &worker.access {
        Some(access) => Client::connect_with_tls(address, config, Arc::clone(&access.tls)),
        None => Client::connect(address, config),
    };
    let mut client = client.map_err(|error| error.into_kind())?;
    client.set_transcript(session.wire.hook());
    if let Some(access) = &worker.access {
        client.auth(&mut access.mechanism()).map_err(|error| error.into_kind())?;
    }
    Ok(client)
}

fn run(worker: &mut Worker, session: &mut Session, mut client: Client) {
    while !session.letters.is_empty() && client.connection().failure().is_none() {
        if worker.mode.way == Way::Drop {
            drop_something(worker, session, &mut client);
        } else if session.batch {
            let count = session.letters.len();
            if session.then_quit {
                return batch(worker, session, &mut client, count, usize::MAX);
            }
            batch(worker, session, &mut client, count, usize::MAX);
        } else {
            send(worker, session, &mut client);
        }
    }
    // How the session ends changes nothing any more.
    let _ = client.quit();
}

fn send(worker: &mut Worker, session: &mut Session, client: &mut Client) {
    for Parcel { envelope, octets, source, options } in worker.next_messages(session, 1) {
        let sent = match Stream::of(octets, source) {
            Err(octets) => client.send_with(&envelope, &octets, options),
            Ok(Stream { reader, piece, size }) => {
                let body = Body::Stream { kind: Stream::KIND, size };
                client.send_stream(&envelope, &mut BufReader::with_capacity(piece, reader), body, options)
            }
        };
        worker.told(session, sent.map_err(|error| error.into_kind()));
    }
}

/// A batch that is dropped, or a message that has to find the connection in order after that.
fn drop_something(worker: &mut Worker, session: &mut Session, client: &mut Client) {
    if worker.random.one_in(3) {
        return send(worker, session, client);
    }
    let (count, outcomes) = (worker.random.between(1, 10), worker.random.below(10));
    batch(worker, session, client, count, outcomes);
}

/// Sends the first `count` messages that are left, and takes at most so many outcomes.
fn batch(worker: &mut Worker, session: &mut Session, client: &mut Client, count: usize, outcomes: usize) {
    let (taken, broken) = (Cell::new(0), Cell::new(false));
    // Of a connection that has broken nothing more is asked than what became of the messages that it was given.
    let messages = worker.next_messages(session, count).into_iter().map_while(|parcel| {
        (!broken.get()).then(|| {
            taken.set(taken.get() + 1);
            message(parcel)
        })
    });
    let mut batch = client.send_all(messages);
    if session.then_quit && worker.mode.way != Way::Drop {
        batch = batch.then_quit();
    }
    let (mut told, mut over) = (0, false);
    while told < outcomes && !over {
        match batch.next() {
            Some(outcome) => {
                told += 1;
                worker.told(session, outcome.map_err(|error| error.into_kind()));
                broken.set(batch.connection().failure().is_some());
            }
            None => over = true,
        }
    }
    drop(batch);
    let silent = taken.get() - told;
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
