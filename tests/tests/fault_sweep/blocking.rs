//! The blocking adapter over a [`Line`], for the transcripts of messages known whole, in clear.

use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::rc::Rc;

use smtp_blocking::{Client, Message, Stream};
use smtp_proto::connection::Peer;

use super::client::{Cut, Job, Supply};
use super::line::{Line, Split, Turn};
use super::outcome_model::Facts;
use super::splits::Truth;
use super::transcripts::Transcript;

/// Whether it can be told to do what the transcript's client does. An early refusal depends on when it looks, and
/// that is a matter of the clock.
pub fn suits(transcript: &Transcript) -> bool {
    let jobs = transcript.jobs.iter();
    let known =
        jobs.clone().all(|job| matches!(job, Job::Open | Job::Send | Job::SendAll { .. } | Job::Quit));
    known
        && transcript.messages.iter().all(|message| message.supply == Supply::Whole)
        && !transcript.turns.contains(&Turn::Tls)
        && !transcript.name.starts_with("an early refusal")
}

/// What is told, and what crossed the transport.
pub fn run(transcript: &Transcript, split: Option<Split>, cut: Cut) -> (Truth, Facts) {
    let line = Rc::new(RefCell::new(Line::split(&transcript.name, &transcript.turns, split)));
    let stream = Pieces { line: Rc::clone(&line), inbox: Vec::new(), cut };
    let truth = told(transcript, Client::new(stream, (*transcript.config).clone()));
    let mut line = line.borrow_mut();
    assert!(line.is_at_end(), "{}, {split:?}, {cut:?}: the transcript has more", transcript.name);
    (truth, std::mem::take(&mut line.facts))
}

fn told(transcript: &Transcript, mut client: Client<Pieces<'_>>) -> Truth {
    let (mut jobs, mut messages) = (Vec::new(), Vec::new());
    let failure = |client: &Client<Pieces<'_>>| client.connection().failure().cloned();
    for job in &transcript.jobs {
        let result = match job {
            Job::Open => client.capabilities().map(drop).map_err(smtp_blocking::Error::into_kind),
            Job::Send => {
                let message = &transcript.messages[messages.len()];
                let outcome =
                    client.send_with(&message.envelope, &message.pieces.concat(), transcript.options);
                messages.push(outcome.map_err(smtp_blocking::Error::into_kind));
                failure(&client).map_or(Ok(()), Err)
            }
            Job::SendAll { quit } => {
                let all = transcript.messages.iter().map(|message| {
                    Message::new(&message.envelope, message.pieces.concat()).options(transcript.options)
                });
                let outcomes = client.send_all(all);
                let outcomes = if *quit { outcomes.then_quit() } else { outcomes };
                messages.extend(outcomes.map(|outcome| outcome.map_err(smtp_blocking::Error::into_kind)));
                failure(&client).map_or(Ok(()), Err)
            }
            Job::Quit => {
                let truth = (failure(&client), client.may_have_been_delivered());
                jobs.push(client.quit().map_err(smtp_blocking::Error::into_kind));
                return Truth { jobs, messages, failure: truth.0, may_have_been_delivered: truth.1 };
            }
            Job::Auth(_) | Job::Ask(_) | Job::Reset | Job::XClient | Job::ByHand => {
                unreachable!("{job:?} does not suit")
            }
        };
        let failed = result.is_err();
        jobs.push(result);
        if failed {
            break;
        }
    }
    let may_have_been_delivered = client.may_have_been_delivered();
    Truth { jobs, messages, failure: failure(&client), may_have_been_delivered }
}

/// The line as a stream that gives and takes as much as the cut says.
struct Pieces<'t> {
    line: Rc<RefCell<Line<'t>>>,
    inbox: Vec<u8>,
    cut: Cut,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut line = self.line.borrow_mut();
        if self.inbox.is_empty() {
            if !line.is_readable() && !line.catches_up() {
                line.wait();
                return Ok(0);
            }
            self.inbox = line.read();
        }
        let portion = match self.cut {
            Cut::Whole | Cut::Writes => self.inbox.len(),
            Cut::Octets | Cut::Reads => 1,
        };
        let octets: Vec<u8> = self.inbox.drain(..portion.min(buffer.len())).collect();
        buffer[..octets.len()].copy_from_slice(&octets);
        line.heard(&octets);
        Ok(octets.len())
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let portion = match self.cut {
            Cut::Whole | Cut::Reads => octets.len(),
            Cut::Octets | Cut::Writes => octets.len().min(1),
        };
        let taken = self.line.borrow_mut().write(&octets[..portion]);
        Ok(taken.expect("the server takes what the transcript has"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for Pieces<'_> {
    fn peer(&self) -> Peer {
        Peer::Local
    }
}
