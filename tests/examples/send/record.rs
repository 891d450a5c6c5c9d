//! What is noted of a session while it goes on: lines, steps, and what the server offered. It is shown as it comes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use smtp_proto::capabilities::Capabilities;
use smtp_proto::connection::{Stage, TranscriptEntry, TranscriptLine};

use crate::bar::Bar;

/// A record that the client's hooks and the reports share.
#[derive(Clone)]
pub struct Record(Arc<Mutex<Notes>>);

#[derive(Default)]
pub struct Notes {
    pub lines: Vec<(Duration, String)>,
    pub steps: Vec<Step>,
    pub greeting: Option<String>,
    pub in_clear: Option<Capabilities>,
    pub under_tls: Option<Capabilities>,
    /// A body whose line is still to be written, one for all of its parts: when it began, and its octets.
    body: Option<(Duration, usize)>,
    tls: bool,
    /// When the latest step ended, since the beginning.
    at: Duration,
    /// When the client began to count the time.
    offset: Duration,
    show: Show,
    bar: Option<Bar>,
}

/// Something that was waited for.
pub struct Step {
    pub name: &'static str,
    pub took: Duration,
}

/// How the lines are shown as they come.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Show {
    #[default]
    Nothing,
    Lines,
    /// Each with the milliseconds since the beginning.
    Timed,
}

impl Record {
    pub fn new(show: Show, bar: Option<Bar>) -> Self {
        Self(Arc::new(Mutex::new(Notes { show, bar, ..Notes::default() })))
    }

    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection has been made, so long after the beginning.
    pub fn connected(&self, after: Duration) {
        let mut notes = self.notes();
        (notes.offset, notes.greeting, notes.tls) = (after, None, false);
        (notes.in_clear, notes.under_tls) = (None, None);
        notes.step("connect", after);
    }

    /// What to call for each line of the session.
    pub fn hook(&self) -> impl FnMut(TranscriptEntry<'_>) + Send + Sync + 'static {
        let record = self.clone();
        move |entry| record.notes().note(entry)
    }
}

impl Notes {
    fn note(&mut self, entry: TranscriptEntry<'_>) {
        let time = self.offset.saturating_add(entry.time().unwrap_or_default());
        if let TranscriptLine::Body(octets) = entry.line() {
            self.body.get_or_insert((time, 0)).1 += octets;
            return;
        }
        self.flush();
        for line in entry.to_string().lines() {
            self.show(time, line.to_owned());
        }
        match (entry.line(), entry.stage()) {
            (TranscriptLine::Server(reply), stage) => {
                if stage == Some(Stage::Greeting) {
                    let text = smtp_proto::escape::Escaped::new(reply.text()).to_string();
                    self.greeting = Some(format!("{} {text}", reply.code()));
                }
                self.step(stage.map_or("(unasked)", name), time);
            }
            (TranscriptLine::Tls, _) => {
                self.tls = true;
                self.step("TLS handshake", time);
            }
            _ => {}
        }
        if let Some(offered) = entry.capabilities() {
            let place = if self.tls { &mut self.under_tls } else { &mut self.in_clear };
            *place = Some(offered);
        }
    }

    /// Shows what has been held back.
    pub fn flush(&mut self) {
        if let Some((time, octets)) = self.body.take() {
            self.show(time, format!("{:?}", TranscriptLine::Body(octets)));
        }
    }

    fn step(&mut self, name: &'static str, time: Duration) {
        self.steps.push(Step { name, took: time.saturating_sub(self.at) });
        self.at = time;
    }

    fn show(&mut self, time: Duration, line: String) {
        let print = || match self.show {
            Show::Nothing => {}
            Show::Lines => say!("{line}"),
            Show::Timed => say!("{:>8} {line}", milliseconds(time)),
        };
        match &self.bar {
            Some(bar) => bar.aside(print),
            None => print(),
        }
        self.lines.push((time, line));
    }
}

/// A step by the verb that was answered.
fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Greeting => "greeting",
        Stage::EndOfData => "end of message",
        stage => stage.as_str(),
    }
}

/// Milliseconds with one decimal.
pub fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1000.0)
}
