//! One message: sent, and what became of it.

use std::io;

use serde_json::{Map, Value, json};
use smtp_blocking::{Client, SendError, Stream};
use smtp_proto::flow::{Delivery, Envelope, SendOptions};

use crate::bar::Bar;
use crate::message::Source;
use crate::outcome::{Outcome, show_recipients};
use crate::record::{Record, Show};
use crate::server::Server;
use crate::session::{self, Facts, Task, document, log_in};
use crate::status::{Failure, Status};

/// A message, and all that there is to know before connecting.
pub struct Job {
    pub server: Server,
    pub envelope: Envelope,
    pub source: Source,
    pub options: SendOptions,
    pub json: bool,
    pub quiet: bool,
}

impl Job {
    /// Sends the message and tells what became of it.
    pub fn run(self) -> Result<Status, (Failure, Map<String, Value>)> {
        let shown = !self.json && !self.quiet;
        let bar = if shown { Bar::on_terminal() } else { None };
        let record = Record::new(if shown { Show::Lines } else { Show::Nothing }, bar.clone());
        let task = Sending { job: &self, bar: bar.clone() };
        let sent = session::begin(&self.server, &record, task).and_then(|sent| sent);
        record.notes().flush();
        if let Some(bar) = bar {
            bar.clear();
        }
        let (facts, outcome) = sent.map_err(|failure| (failure, document(&self.server, &record, None)))?;
        if self.json {
            let mut document = document(&self.server, &record, Some(&facts));
            document.insert("outcome".into(), outcome.status.name().into());
            document.insert("messages".into(), json!([outcome.json(&self.envelope)]));
            say!("{:#}", Value::Object(document));
            return Ok(outcome.status);
        }
        if shown {
            say!();
        }
        if let Some(Failure { what, advice, .. }) = &outcome.failure {
            show_recipients(&self.envelope, outcome.recipients());
            eprintln!("\nerror: {what}\n  try: {advice}");
            return Ok(outcome.status);
        }
        say!("{}", outcome.line());
        show_recipients(&self.envelope, outcome.recipients());
        Ok(outcome.status)
    }
}

struct Sending<'j> {
    job: &'j Job,
    bar: Option<Bar>,
}

impl Task for Sending<'_> {
    type Output = Result<(Facts, Outcome), Failure>;

    fn run<S: Stream>(self, mut client: Client<S>) -> Self::Output {
        log_in(&mut client, &self.job.server)?;
        if let Some(bar) = self.bar {
            client.set_progress(move |now| bar.show(now));
        }
        let result = send(&mut client, self.job);
        let facts = Facts::of(&client);
        // The message is the server's now, or is not; how the session ends changes nothing.
        let _ = client.quit();
        Ok((facts, Outcome::of(&self.job.server.place(), result)))
    }
}

fn send<S: Stream>(client: &mut Client<S>, job: &Job) -> Result<Delivery, SendError> {
    match &job.source {
        Source::Whole(message) => client.send_with(&job.envelope, message, job.options),
        Source::StandardInput => {
            client.send_stream(&job.envelope, &mut io::stdin().lock(), job.source.body(), job.options)
        }
    }
}
