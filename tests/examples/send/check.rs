//! A server looked over without a message: what it offers, its certificate, which login would be used, what a message
//! would cost. Nothing is sent but what opens a session and, with credentials, logs in.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use smtp_blocking::{Client, Stream};
use smtp_proto::capabilities::{Capabilities, Limit};
use smtp_proto::flow::{Body, Envelope, Preview, SendOptions};
use smtp_proto::sasl::{Credentials, Suitability};

use crate::advice;
use crate::certificate::Certificate;
use crate::message::Source;
use crate::record::{Notes, Record, Show, milliseconds};
use crate::server::Server;
use crate::session::{self, Facts, Task, document, lines, log_in};
use crate::status::{Failure, Status};

/// What to check.
pub struct Job {
    pub server: Server,
    pub envelope: Envelope,
    /// The message to foretell, in place of a short one.
    pub source: Option<Source>,
    pub options: SendOptions,
    pub json: bool,
    pub quiet: bool,
}

/// A message shorter than most.
const EXAMPLE: &[u8] = b"Subject: hello\r\n\r\nHello!\r\n";

impl Job {
    pub fn run(self) -> Result<Status, (Failure, Map<String, Value>)> {
        let shown = !self.json && !self.quiet;
        let record = Record::new(if shown { Show::Timed } else { Show::Nothing }, None);
        let checked = session::begin(&self.server, &record, Checking { job: &self });
        let found = match checked {
            Ok(found) => found,
            Err(failure) => {
                if shown {
                    offers(&record.notes());
                    steps(&record.notes());
                }
                return Err((failure, document(&self.server, &record, None)));
            }
        };
        let mut document = document(&self.server, &record, Some(&found.facts));
        document.insert("login".into(), found.login_json(&self.server));
        document.insert("plan".into(), found.plan_json());
        if let Err(failure) = &found.logged_in {
            if !self.json {
                found.show(&record.notes(), &self);
            }
            return Err((failure.clone(), document));
        }
        match self.json {
            true => {
                document.insert("outcome".into(), "checked".into());
                say!("{:#}", Value::Object(document));
            }
            false => found.show(&record.notes(), &self),
        }
        Ok(Status::Accepted)
    }
}

struct Checking<'j> {
    job: &'j Job,
}

/// What was found.
struct Found {
    facts: Facts,
    mechanisms: Vec<(String, Suitability)>,
    /// Whether a mechanism that reveals the password would start.
    may_send_secret: bool,
    logged_in: Result<(), Failure>,
    plan: Result<Preview, Failure>,
    limits: Vec<String>,
}

impl Task for Checking<'_> {
    type Output = Found;

    fn run<S: Stream>(self, mut client: Client<S>) -> Found {
        let Job { server, envelope, source, options, .. } = self.job;
        // Without a user: what a password would do.
        let assumed = Credentials::password("user", "password");
        let credentials = server.credentials.as_ref().unwrap_or(&assumed);
        let info = client.connection().server_info();
        let judged = credentials.judge(&info);
        let mechanisms = judged.map(|(name, why)| (name.to_owned(), why)).collect();
        let may_send_secret = info.may_send_secret();
        let logged_in = log_in(&mut client, server);
        let body = source.as_ref().map_or(Body::Whole(EXAMPLE), Source::body);
        let plan = Preview::new(client.connection(), envelope, body, options);
        let plan = plan.map_err(|error| advice::of_error(&server.place(), &error, None));
        let limits = limits(client.connection().capabilities());
        let facts = Facts::of(&client);
        let _ = client.quit();
        Found { facts, mechanisms, may_send_secret, logged_in, plan, limits }
    }
}

impl Found {
    fn login_json(&self, server: &Server) -> Value {
        let mechanisms = self.mechanisms.iter();
        json!({
            "user_given": server.credentials.is_some(),
            "logged_in": server.credentials.is_some() && self.logged_in.is_ok(),
            "chosen": self.chosen(),
            "may_send_secret": self.may_send_secret,
            "mechanisms": mechanisms.map(|(name, why)| json!({ "name": name, "why": why.to_string() })).collect::<Vec<_>>(),
        })
    }

    fn plan_json(&self) -> Value {
        match &self.plan {
            Ok(plan) => json!({
                "parameters": plan.parameters.to_string(),
                "chunks": plan.chunks,
                "transactions": plan.transactions,
                "round_trips": plan.round_trips,
            }),
            Err(failure) => json!({ "error": failure.what, "try": failure.advice }),
        }
    }

    fn chosen(&self) -> Option<&str> {
        self.mechanisms.iter().find(|(_, why)| *why == Suitability::Chosen).map(|(name, _)| name.as_str())
    }

    fn show(&self, notes: &Notes, job: &Job) {
        if !job.quiet {
            offers(notes);
        }
        self.show_tls();
        self.show_login(&job.server);
        self.show_plan(job);
        steps(notes);
    }

    fn show_tls(&self) {
        let Some(tls) = &self.facts.tls else {
            say!("\nTLS: none; all of it can be read on the way");
            return;
        };
        say!("\nTLS: {}, {}; the certificate is valid for the server's name", tls.version, tls.cipher);
        for (n, certificate) in tls.certificates.iter().enumerate() {
            let Certificate { subject, issuer, names, not_before, not_after, days_left } = certificate;
            say!("  {}. {subject}, issued by {issuer}", n + 1);
            if !names.is_empty() {
                say!("     for {}", names.join(", "));
            }
            say!("     valid from {not_before} until {not_after} UTC, {days_left} days left");
        }
    }

    fn show_login(&self, server: &Server) {
        if self.mechanisms.is_empty() {
            say!("\nLogin: the server offers none here");
            return;
        }
        let who = match (&server.credentials, &self.logged_in) {
            (Some(_), Ok(())) => "done",
            (Some(_), Err(_)) => "failed",
            (None, _) => "not tried, as no user is given; with a password it would be",
        };
        say!("\nLogin: {who}");
        for (name, why) in &self.mechanisms {
            say!("  {} {name}: {why}", if *why == Suitability::Chosen { '*' } else { ' ' });
        }
        if !self.may_send_secret {
            say!("  In clear no password is revealed: a mechanism that would reveal it does not start.");
        }
    }

    fn show_plan(&self, job: &Job) {
        let which = match (&job.source, job.envelope.recipients.len()) {
            (Some(_), _) => "The message".to_owned(),
            (None, 1) => "A short message to one recipient".to_owned(),
            (None, many) => format!("A short message to {many} recipients"),
        };
        match &self.plan {
            Ok(plan) => {
                let framing = if plan.chunks { "in chunks (BDAT)" } else { "behind DATA" };
                let parameters = match plan.parameters.to_string() {
                    none if none.is_empty() => "no parameters".into(),
                    some => some,
                };
                say!(
                    "\n{which} would go {framing}, MAIL with {parameters}: {} round trips",
                    plan.round_trips
                );
                if plan.transactions > 1 {
                    say!("  in {} mail transactions", plan.transactions);
                }
            }
            Err(failure) => say!("\n{which} would not go: {}\n  try: {}", failure.what, failure.advice),
        }
        for limit in &self.limits {
            say!("  {limit}");
        }
    }
}

/// The server's limits, in words.
fn limits(offered: &Capabilities) -> Vec<String> {
    let declared = offered.limits();
    let size = offered.size_limit().map(|most| format!("at most {most} octets in a message (SIZE)"));
    let counts = [
        (declared.rcpt_max, Limit::RcptMax),
        (declared.mail_max, Limit::MailMax),
        (declared.rcpt_domain_max, Limit::RcptDomainMax),
    ];
    let counts =
        counts.into_iter().filter_map(|(most, what)| most.map(|most| format!("at most {most} {what}")));
    let hold = offered.future_release().and_then(|limits| limits.max_interval);
    let hold = hold.map(|most| format!("held for at most {most} seconds (FUTURERELEASE)"));
    let late = offered
        .deliver_by_minimum()
        .map(|least| format!("returned after at least {least} seconds (DELIVERBY)"));
    size.into_iter().chain(counts).chain(hold).chain(late).collect()
}

/// What is offered: `=` in clear and under TLS alike, `-` in clear only, `+` under TLS only.
fn offers(notes: &Notes) {
    let all = |offered: &Option<Capabilities>| offered.as_ref().map(lines);
    match (all(&notes.in_clear), all(&notes.under_tls)) {
        (Some(clear), Some(tls)) => {
            say!("\nOffered (= before and after STARTTLS, - only before, + only after):");
            let (before, after): (BTreeSet<_>, BTreeSet<_>) = (clear.iter().collect(), tls.iter().collect());
            for line in &clear {
                say!("  {} {line}", if after.contains(line) { '=' } else { '-' });
            }
            for line in tls.iter().filter(|line| !before.contains(line)) {
                say!("  + {line}");
            }
        }
        (Some(offered), None) | (None, Some(offered)) => {
            say!("\nOffered:");
            for line in offered {
                say!("    {line}");
            }
        }
        (None, None) => {}
    }
}

fn steps(notes: &Notes) {
    if notes.steps.is_empty() {
        return;
    }
    let total: std::time::Duration = notes.steps.iter().map(|step| step.took).sum();
    say!("\nTime, in ms:");
    for step in &notes.steps {
        say!("  {:>8}  {}", milliseconds(step.took), step.name);
    }
    say!("  {:>8}  in all", milliseconds(total));
}
