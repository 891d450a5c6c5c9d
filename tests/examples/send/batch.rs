//! Each file of a directory is a message: all of them over one connection, a line of outcome each.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use smtp_blocking::{Client, Message, Stream};
use smtp_proto::flow::{Envelope, SendOptions};

use crate::bar::Bar;
use crate::outcome::Outcome;
use crate::record::{Record, Show};
use crate::server::Server;
use crate::session::{self, Facts, Task, document, log_in};
use crate::status::{Failure, Status};

/// Files, and all that there is to know before connecting.
pub struct Job {
    pub server: Server,
    pub envelope: Envelope,
    pub files: Vec<PathBuf>,
    pub options: SendOptions,
    pub json: bool,
    pub quiet: bool,
}

/// A file, and what became of it.
struct Sent {
    file: PathBuf,
    outcome: Result<Outcome, Failure>,
}

impl Sent {
    fn status(&self) -> Status {
        self.outcome.as_ref().map_or_else(|failure| failure.status, |outcome| outcome.status)
    }

    fn failure(&self) -> Option<&Failure> {
        self.outcome.as_ref().map_or_else(Some, |outcome| outcome.failure.as_ref())
    }

    fn line(&self) -> String {
        let fate = match &self.outcome {
            Ok(outcome) => outcome.line(),
            Err(failure) => format!("not sent: {}", failure.what),
        };
        format!("{}: {fate}", self.file.display())
    }
}

impl Job {
    /// Sends the files; tells of each as soon as its outcome is known, and at the end which of them are left.
    pub fn run(self) -> Result<Status, (Failure, Map<String, Value>)> {
        let shown = !self.json && !self.quiet;
        let bar = if shown { Bar::on_terminal() } else { None };
        let record = Record::new(Show::Nothing, bar.clone());
        let sent = session::begin(&self.server, &record, Sending { job: &self, bar: bar.clone(), shown });
        let sent = sent.and_then(|sent| sent);
        if let Some(bar) = bar {
            bar.clear();
        }
        let (facts, sent) = sent.map_err(|mut failure| {
            failure.what.push_str("; no file was sent");
            (failure, document(&self.server, &record, None))
        })?;
        let status = overall(&sent);
        if self.json {
            let mut document = document(&self.server, &record, Some(&facts));
            document.insert("outcome".into(), status.name().into());
            let messages = sent.iter().map(|sent| self.message_json(sent));
            document.insert("messages".into(), messages.collect());
            say!("{:#}", Value::Object(document));
        } else {
            summarize(&sent);
        }
        Ok(status)
    }

    fn message_json(&self, sent: &Sent) -> Value {
        let mut message = match &sent.outcome {
            Ok(outcome) => outcome.json(&self.envelope),
            Err(failure) => serde_json::json!({
                "outcome": failure.status.name(), "error": failure.what, "try": failure.advice, "recipients": [],
            }),
        };
        message["file"] = sent.file.display().to_string().into();
        message
    }
}

struct Sending<'j> {
    job: &'j Job,
    bar: Option<Bar>,
    shown: bool,
}

impl Task for Sending<'_> {
    type Output = Result<(Facts, Vec<Sent>), Failure>;

    fn run<S: Stream>(self, mut client: Client<S>) -> Self::Output {
        let Job { server, envelope, files, options, .. } = self.job;
        log_in(&mut client, server)?;
        if let Some(bar) = self.bar.clone() {
            client.set_progress(move |now| bar.show(now));
        }
        let begun = Begun::default();
        let messages = files.iter().filter_map(|file| begun.read(file));
        let messages = messages.map(|octets| Message::new(envelope, octets).options(*options));
        let mut sent = Vec::new();
        let mut note = |one: Sent| {
            if self.shown {
                let print = || say!("{}", one.line());
                self.bar.as_ref().map_or_else(print, |bar| bar.aside(print));
            }
            sent.push(one);
        };
        let mut outcomes = client.send_all(messages);
        for result in outcomes.by_ref() {
            begun.unread().for_each(&mut note);
            if let Some(file) = begun.next() {
                note(Sent { file, outcome: Ok(Outcome::of(&server.place(), result)) });
            }
        }
        begun.unread().for_each(&mut note);
        drop(outcomes);
        let facts = Facts::of(&client);
        // Every outcome is known; how the session ends changes none.
        let _ = client.quit();
        Ok((facts, sent))
    }
}

/// The files that were begun and have no outcome yet, in order; with a failure, those that could not even be read.
#[derive(Default)]
struct Begun(RefCell<VecDeque<(PathBuf, Option<Failure>)>>);

impl Begun {
    /// The octets of the next file.
    fn read(&self, file: &Path) -> Option<Vec<u8>> {
        let read = std::fs::read(file).map_err(|error| {
            Failure::not_sent(
                format!("{} cannot be read: {error}", file.display()),
                "a file that can be read",
            )
        });
        let (octets, failure) = match read {
            Ok(octets) => (Some(octets), None),
            Err(failure) => (None, Some(failure)),
        };
        self.0.borrow_mut().push_back((file.to_owned(), failure));
        octets
    }

    /// Those that could not be read, as far as it is their turn.
    fn unread(&self) -> impl Iterator<Item = Sent> {
        std::iter::from_fn(|| {
            let mut begun = self.0.borrow_mut();
            let failure = begun.front_mut()?.1.take()?;
            begun.pop_front().map(|(file, _)| Sent { file, outcome: Err(failure) })
        })
    }

    /// The file that the next outcome is about.
    fn next(&self) -> Option<PathBuf> {
        self.0.borrow_mut().pop_front().map(|(file, _)| file)
    }
}

/// That of all of them, if they have one in common.
fn overall(sent: &[Sent]) -> Status {
    let any = |status| sent.iter().any(|sent| sent.status() == status);
    match sent.first().map(Sent::status) {
        _ if any(Status::Unknown) => Status::Unknown,
        Some(first) if sent.iter().all(|sent| sent.status() == first) => first,
        _ if any(Status::Accepted) || any(Status::Partly) => Status::Partly,
        _ => Status::NotSent,
    }
}

/// Names what is left to do.
fn summarize(sent: &[Sent]) {
    let accepted = sent.iter().filter(|sent| sent.status() == Status::Accepted).count();
    say!("\n{accepted} of {} accepted for every recipient", sent.len());
    let groups = [
        (Status::Partly, "accepted for some of the recipients"),
        (Status::Rejected, "refused"),
        (Status::NotSent, "not sent"),
        (Status::Unknown, "may have been delivered"),
    ];
    for (status, words) in groups {
        let those: Vec<_> = sent.iter().filter(|sent| sent.status() == status).collect();
        if those.is_empty() {
            continue;
        }
        say!("{words}:");
        for sent in &those {
            say!("  {}", sent.file.display());
        }
        if let Some(failure) = those.iter().find_map(|sent| sent.failure()) {
            eprintln!("\nerror: {}\n  try: {}", failure.what, failure.advice);
        }
    }
}
