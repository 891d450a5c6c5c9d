//! What became of a message, as text and as JSON.

use serde_json::{Value, json};
use smtp_blocking::SendError;
use smtp_proto::Reply;
use smtp_proto::escape::Escaped;
use smtp_proto::flow::{Delivery, Envelope, RecipientOutcome, RecipientState, Summary};

use crate::advice;
use crate::status::{Failure, Status};

/// The outcome of a message, with the advice for it.
pub struct Outcome {
    pub status: Status,
    pub result: Result<Delivery, SendError>,
    pub failure: Option<Failure>,
}

impl Outcome {
    pub fn of(place: &str, result: Result<Delivery, SendError>) -> Self {
        let failure = result.as_ref().err().map(|error| advice::of_message(place, error));
        let status = match &failure {
            Some(failure) => failure.status,
            None if recipients(&result).iter().all(|r| r.state == RecipientState::Accepted) => {
                Status::Accepted
            }
            None => Status::Partly,
        };
        Self { status, result, failure }
    }

    pub fn recipients(&self) -> &[RecipientOutcome] {
        recipients(&self.result)
    }

    /// In a line.
    pub fn line(&self) -> String {
        let refused = self.recipients().iter().filter(|r| r.state != RecipientState::Accepted).count();
        let partly = match self.status {
            Status::Partly => format!(" for all but {refused} of {} recipients", self.recipients().len()),
            _ => String::new(),
        };
        match &self.result {
            Ok(delivery) => match delivery.queue_id() {
                Some(id) => format!("accepted{partly}, queue id {id}"),
                None => format!("accepted{partly}: {}", delivery.reply),
            },
            Err(error) => error.to_string(),
        }
    }

    pub fn json(&self, envelope: &Envelope) -> Value {
        let summary = Summary::of(self.result.as_ref().map_err(SendError::kind));
        let reply = match &self.result {
            Ok(delivery) => Some(&delivery.reply),
            Err(error) => error.reply(),
        };
        let recipients: Vec<_> = told(envelope, self.recipients())
            .map(|(address, outcome)| {
                json!({
                    "address": address,
                    "state": outcome.map_or("not_sent", state),
                    "reply": outcome.and_then(last_reply).map(reply_json),
                })
            })
            .collect();
        json!({
            "outcome": self.status.name(),
            "queue_id": summary.queue_id,
            "stage": summary.stage.map(|stage| stage.as_str()),
            "cause": summary.cause,
            "reply": reply.map(reply_json),
            "recipients": recipients,
            "error": self.failure.as_ref().map(|failure| &failure.what),
            "try": self.failure.as_ref().map(|failure| &failure.advice),
        })
    }
}

fn recipients(result: &Result<Delivery, SendError>) -> &[RecipientOutcome] {
    match result {
        Ok(delivery) => &delivery.recipients,
        Err(error) => error.recipients(),
    }
}

/// Each recipient with what is known of it.
fn told<'a>(
    envelope: &'a Envelope,
    outcomes: &'a [RecipientOutcome],
) -> impl Iterator<Item = (String, Option<&'a RecipientOutcome>)> {
    let recipients = envelope.recipients.iter().enumerate();
    recipients.map(|(n, recipient)| (recipient.forward_path.to_string(), outcomes.get(n)))
}

fn state(outcome: &RecipientOutcome) -> &'static str {
    match outcome.state {
        RecipientState::Accepted => "accepted",
        RecipientState::Refused if outcome.is_transient() => "refused_for_now",
        RecipientState::Refused => "refused",
        RecipientState::NotSent => "not_sent",
        RecipientState::Unknown => "unknown",
    }
}

/// What the server said last of this recipient.
fn last_reply(outcome: &RecipientOutcome) -> Option<&Reply> {
    outcome.verdict.as_ref().or(outcome.reply.as_ref())
}

pub fn reply_json(reply: &Reply) -> Value {
    json!({
        "code": reply.code().get(),
        "enhanced": reply.enhanced().map(|enhanced| enhanced.to_string()),
        "text": Escaped::new(reply.text()).to_string(),
    })
}

/// Tells what became of each recipient, a line each.
pub fn show_recipients(envelope: &Envelope, outcomes: &[RecipientOutcome]) {
    if outcomes.is_empty() {
        return;
    }
    for (address, outcome) in told(envelope, outcomes) {
        let refusal = outcome.and_then(RecipientOutcome::refusal);
        let fate = match (outcome.map(|outcome| outcome.state), refusal) {
            (Some(RecipientState::Accepted), _) => "accepted".to_owned(),
            (_, Some(reply)) if outcome.is_some_and(RecipientOutcome::is_transient) => {
                format!("refused for now: {reply}")
            }
            (_, Some(reply)) => format!("refused: {reply}"),
            (Some(RecipientState::Unknown), None) => "unknown".to_owned(),
            _ => "not sent".to_owned(),
        };
        say!("  {address}: {fate}");
    }
}
