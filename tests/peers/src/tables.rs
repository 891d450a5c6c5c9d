//! The benches: each prints one table.

use std::time::{Duration, Instant};

use crate::Result;
use crate::clock::{Clocks, Sample, median, minimum};
use crate::contestant::{Contestant, FLOOR, Session};
use crate::counts::{Syscalls, instructions};
use crate::job::Job;
use crate::link::Link;
use crate::server::Server;
use crate::table::{Table, figure};

const RECIPIENTS: [usize; 2] = [1, 100];

/// A turn has at least so many messages, so that a window of 16 is more often full than not.
const FEWEST: usize = 64;

pub(crate) fn loopback(
    contestants: &[&Contestant],
    rounds: usize,
    turn: Duration,
    octets: usize,
    counts: bool,
    best: bool,
) -> Result {
    let server = Server::start(false)?;
    let mut columns = Vec::new();
    for recipients in RECIPIENTS {
        let job = Job::new(recipients, octets);
        let samples = interleave(contestants, &server, &job, rounds, turn)?;
        let at = contestants.iter().position(|one| one.name == FLOOR).ok_or("no floor")?;
        let floor = &samples[at];
        println!(
            "{FLOOR}, {recipients} recipients, {} octets: {:.0} messages/s (best {:.0}), client CPU {} µs a message \
             (best {})",
            job.message.len(),
            1e6 / median(floor.iter().map(|sample| sample.wall)),
            1e6 / minimum(floor.iter().map(|sample| sample.wall)),
            figure(median(floor.iter().map(|sample| sample.client))),
            figure(minimum(floor.iter().map(|sample| sample.client))),
        );
        let ratios = if best { ratios_of_the_best } else { ratios };
        columns.push(samples.iter().map(|own| ratios(own, floor)).collect::<Vec<_>>());
    }
    match best {
        true => println!("\nrates and CPU: the best of {rounds} rounds, times the floor's best\n"),
        false => println!("\nrates and CPU: times the floor of the same round, median of {rounds} rounds\n"),
    }
    let mut head = vec!["", "rate, 1 rcpt", "by CPU", "CPU", "rate, 100 rcpts", "by CPU", "CPU"];
    if counts {
        head.extend(["syscalls, 1 / 100 rcpts (writes)", "user-space instructions, 1 / 100 rcpts"]);
    }
    let mut table = Table::new(head);
    for (nth, contestant) in contestants.iter().enumerate() {
        let mut row = vec![contestant.name.to_owned()];
        row.extend(columns.iter().flat_map(|column| column[nth].iter().map(|ratio| figure(*ratio))));
        if counts {
            let address = contestant.address(&server);
            row.push(Syscalls::cell(
                &RECIPIENTS.map(|recipients| Syscalls::of(contestant, address, recipients)),
            ));
            let counted = RECIPIENTS.map(|recipients| instructions(contestant, address, recipients));
            row.push(
                counted
                    .map(|counted| counted.map_or("–".to_owned(), |k| format!("{} k", figure(k))))
                    .join(" / "),
            );
        }
        table.row(row);
    }
    table.print();
    Ok(())
}

/// Rate by the wall, rate by the processor time of both ends, and the client's processor time.
fn ratios(own: &[Sample], floor: &[Sample]) -> [f64; 3] {
    let ratio =
        |of: fn(&Sample, &Sample) -> f64| median(own.iter().zip(floor).map(|(own, floor)| of(own, floor)));
    [
        ratio(|own, floor| floor.wall / own.wall),
        ratio(|own, floor| floor.both / own.both),
        ratio(|own, floor| own.client / floor.client),
    ]
}

/// The same of each one's best rounds, where the machine is so busy that two turns of a round have little in common.
fn ratios_of_the_best(own: &[Sample], floor: &[Sample]) -> [f64; 3] {
    let best = |samples: &[Sample], of: fn(&Sample) -> f64| minimum(samples.iter().map(of));
    [
        best(floor, |sample| sample.wall) / best(own, |sample| sample.wall),
        best(floor, |sample| sample.both) / best(own, |sample| sample.both),
        best(own, |sample| sample.client) / best(floor, |sample| sample.client),
    ]
}

/// Gives everyone a turn in each round, every round beginning with another, and returns the samples of each.
fn interleave(
    contestants: &[&Contestant],
    server: &Server,
    job: &Job,
    rounds: usize,
    turn: Duration,
) -> Result<Vec<Vec<Sample>>> {
    let clocks = Clocks::new(server.process_id())?;
    let mut sessions = Vec::new();
    for contestant in contestants {
        let mut session = (contestant.open)(contestant.address(server), job)?;
        let count = messages_in(&mut *session, turn)?;
        sessions.push((session, count, Vec::new()));
    }
    for round in 0..rounds {
        for nth in 0..sessions.len() {
            let nth = (round + nth) % contestants.len();
            let (session, count, samples) = &mut sessions[nth];
            samples.push(clocks.sample(&mut **session, *count)?);
        }
    }
    Ok(sessions.into_iter().map(|(_, _, samples)| samples).collect())
}

/// How many messages fill a turn. Warms the session up, too.
fn messages_in(session: &mut dyn Session, turn: Duration) -> Result<usize> {
    session.send(FEWEST / 4)?;
    let since = Instant::now();
    session.send(FEWEST / 2)?;
    let each = since.elapsed().as_secs_f64() / (FEWEST / 2) as f64;
    Ok(((turn.as_secs_f64() / each) as usize).max(FEWEST))
}

pub(crate) fn link(contestants: &[&Contestant], delay: Duration, octets: usize) -> Result {
    let server = Server::start(false)?;
    let jobs =
        [(1, 1), (100, 1), (1, 100)].map(|(recipients, messages)| (Job::new(recipients, octets), messages));
    println!(
        "a link with {} ms round-trip time: round trips, and seconds on the wall\n",
        2 * delay.as_millis()
    );
    let mut table =
        Table::new(["", "1 message, 1 recipient", "1 message, 100 recipients", "100 messages, 1 recipient"]);
    for contestant in contestants {
        let mut row = vec![contestant.name.to_owned()];
        for (job, messages) in &jobs {
            let link = Link::start(contestant.address(&server), delay)?;
            let mut session = (contestant.open)(link.address, job)?;
            let (before, since) = (link.round_trips(), Instant::now());
            session.send(*messages)?;
            let wall = since.elapsed().as_secs_f64();
            row.push(format!("{} ({wall:.2} s)", link.round_trips() - before));
        }
        table.row(row);
    }
    table.print();
    Ok(())
}

pub(crate) fn delayed_ack(contestants: &[&Contestant], messages: usize, octets: usize) -> Result {
    let server = Server::start(true)?;
    let job = Job::new(1, octets);
    println!("a server that delays its ACKs, {messages} messages, 1 recipient\n");
    let mut table = Table::new(["", "ms a message", "messages/s"]);
    for contestant in contestants {
        let mut session = (contestant.open)(contestant.address(&server), &job)?;
        let since = Instant::now();
        session.send(messages)?;
        let each = since.elapsed().as_secs_f64() / messages as f64;
        table.row(vec![contestant.name.to_owned(), figure(each * 1e3), format!("{:.0}", 1.0 / each)]);
    }
    table.print();
    Ok(())
}
