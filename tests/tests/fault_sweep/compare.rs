//! What the client was told, held against the model.

use smtp_proto::capabilities::Extension;
use smtp_proto::command::Command;
use smtp_proto::connection::{Stage, TimeoutPhase};
use smtp_proto::error::{Error, ProtocolError};
use smtp_proto::flow::{Delivery, RecipientState, SendError};

use super::client::{Job, Told};
use super::outcome_model::{Broken, Due, Fate, Judgement, Outcome, Verb};
use super::transcripts::Transcript;

/// The first difference, if there is one.
pub fn compare(transcript: &Transcript, mut told: Told, judgement: &Judgement) -> Result<(), String> {
    if let Some(offence) = judgement.offences.first() {
        return Err(offence.clone());
    }
    silent(&mut told)?;
    let failure = told.connection.failure();
    if !agrees(failure, judgement.broken.as_ref()) {
        return Err(format!("the connection: {failure:?}"));
    }
    for (job, result) in &told.jobs {
        job_agrees(*job, result, judgement).map_err(|()| format!("{job:?}: {result:?}"))?;
    }
    let finished =
        told.jobs.len() == transcript.jobs.len() && told.jobs.iter().all(|(_, result)| result.is_ok());
    if finished && judgement.broken.is_none() && judgement.messages.len() != told.messages.len() {
        return Err("messages without an outcome".into());
    }
    let by_hand = transcript.jobs.iter().any(|job| matches!(job, Job::ByHand));
    for (message, outcome) in told.messages.iter().enumerate() {
        let (expected, fates) = &judgement.messages[message];
        outcome_agrees(outcome, expected).map_err(|()| format!("message {message}: {outcome:?}"))?;
        cause_agrees(outcome, judgement)
            .map_err(|()| format!("the cause for message {message}: {outcome:?}"))?;
        if !by_hand {
            fates_agree(outcome, fates)
                .map_err(|()| format!("recipients of message {message}: {outcome:?}"))?;
        }
    }
    let mut handed_in = judgement.messages.iter().take(told.messages.len());
    let unknown = handed_in.any(|(outcome, _)| *outcome == Outcome::Unknown);
    // The connection may say so of more: it does not know of whom the flow has given up.
    if told.connection.failure().is_some() && unknown && !told.connection.may_have_been_delivered() {
        return Err("may_have_been_delivered() says no".into());
    }
    Ok(())
}

/// INV11: a connection that broke says nothing, waits for nothing and takes nothing.
fn silent(told: &mut Told) -> Result<(), String> {
    let connection = &mut told.connection;
    let Some(failure) = connection.failure().cloned() else { return Ok(()) };
    let silent = connection.output().is_empty()
        && connection.timeout().is_none()
        && connection.command(Command::Noop) == Err(Error::Poisoned)
        && connection.command(Command::Quit) == Err(Error::Poisoned)
        && connection.advance_output(1) == Err(Error::Poisoned)
        && connection.poll_event() == Err(failure)
        && connection.output().is_empty();
    if silent { Ok(()) } else { Err("INV11: a broken connection is not silent".into()) }
}

fn verb(stage: Stage) -> Verb {
    match stage {
        Stage::Greeting => Verb::Greeting,
        Stage::Ehlo => Verb::Ehlo,
        Stage::Helo => Verb::Helo,
        Stage::Lhlo => Verb::Lhlo,
        Stage::StartTls => Verb::StartTls,
        Stage::Auth => Verb::Auth,
        Stage::Mail => Verb::Mail,
        Stage::Rcpt => Verb::Rcpt,
        Stage::Data => Verb::Data,
        Stage::Bdat => Verb::Bdat,
        Stage::EndOfData => Verb::End,
        Stage::Rset => Verb::Rset,
        Stage::Noop => Verb::Noop,
        Stage::Vrfy => Verb::Vrfy,
        Stage::Expn => Verb::Expn,
        Stage::Help => Verb::Help,
        Stage::XClient => Verb::XClient,
        Stage::Quit => Verb::Quit,
        _ => Verb::Other,
    }
}

fn is_due(stage: Option<Stage>, due: Due) -> bool {
    match due {
        Due::Reply(expected) => stage.map(verb) == Some(expected),
        Due::Nothing => true,
    }
}

/// Whether the connection broke, or did not, for the reason that the model gives.
fn agrees(failure: Option<&Error>, broken: Option<&Broken>) -> bool {
    let Some(broken) = broken else { return failure.is_none() };
    if *broken == Broken::AtQuit {
        return true;
    }
    let Some(failure) = failure else { return false };
    match (failure, broken) {
        (
            Error::Disconnected { stage, truncated, credentials_sent },
            Broken::Lost { due, truncated: t, secret },
        ) => is_due(*stage, *due) && truncated == t && credentials_sent == secret,
        (Error::Timeout(TimeoutPhase::Reply(stage)), Broken::NoReply(due)) => is_due(Some(*stage), *due),
        (Error::Timeout(TimeoutPhase::DataBlock), Broken::NoProgress)
        | (Error::Timeout(TimeoutPhase::TlsHandshake), Broken::NoHandshake)
        | (Error::TlsFailed, Broken::TlsFailed)
        | (Error::TlsRequired, Broken::TlsMissing)
        | (Error::Protocol(ProtocolError::StartTlsResidue), Broken::Residue)
        | (Error::Protocol(ProtocolError::ClearTextBeforeTls), Broken::ClearText)
        | (Error::Protocol(ProtocolError::Surplus), Broken::Surplus)
        | (Error::Abandoned, Broken::GivenUp) => true,
        (Error::Protocol(ProtocolError::Reply { stage, .. }), Broken::Malformed(due)) => is_due(*stage, *due),
        (Error::Protocol(ProtocolError::Premature(stage)), Broken::Premature(early)) => {
            verb(*stage) == *early
        }
        (Error::Protocol(ProtocolError::UnexpectedReply { stage, reply }), Broken::Unexpected(to, code)) => {
            verb(*stage) == *to && reply.code().get() == *code
        }
        (Error::ServerClosed { stage, reply }, Broken::Closed(to, code)) => {
            stage.map(verb) == *to && reply.code().get() == *code
        }
        (Error::Refused { stage, reply }, Broken::Refused(to, code)) => {
            verb(*stage) == *to && reply.code().get() == *code
        }
        _ => false,
    }
}

/// Whether a job ended as it had to. That of messages is told by their outcomes.
fn job_agrees(job: Job, result: &Result<(), Error>, judgement: &Judgement) -> Result<(), ()> {
    let refusal = |error: &Error| match (error, judgement.refused) {
        (Error::Refused { stage, reply }, Some((to, code))) => {
            verb(*stage) == to && reply.code().get() == code
        }
        (Error::AuthenticationFailed(failed), Some((Verb::Auth, code))) => failed.reply.code().get() == code,
        _ => false,
    };
    let fine = match (job, result) {
        (_, Ok(())) => true,
        (_, Err(Error::NoMechanism)) => judgement.no_mechanism,
        (Job::XClient, Err(Error::Unsupported(_) | Error::UnsupportedAttribute(_))) => judgement.no_xclient,
        (Job::Send | Job::SendAll { .. } | Job::ByHand, Err(_)) => judgement.broken.is_some(),
        (_, Err(error)) => refusal(error) || agrees(Some(error), judgement.broken.as_ref()),
    };
    if fine { Ok(()) } else { Err(()) }
}

fn outcome_agrees(outcome: &Result<Delivery, SendError>, expected: &Outcome) -> Result<(), ()> {
    let fine = match (outcome, expected) {
        // The very words: no reply was shifted.
        (Ok(delivery), Outcome::Accepted(words)) => {
            delivery.reply.lines().collect::<Vec<_>>().join(&b'\n') == *words
        }
        (Err(SendError::Rejected { stage, reply, .. }), Outcome::Rejected(to, code)) => {
            verb(*stage) == *to && reply.code().get() == *code
        }
        (Err(SendError::NotSent { .. }), Outcome::NotSent) => true,
        (Err(SendError::Unknown { .. }), Outcome::Unknown) => true,
        _ => false,
    };
    let safe = outcome.as_ref().err().is_none_or(SendError::is_safe_to_retry);
    if fine && safe == (*expected != Outcome::Unknown) { Ok(()) } else { Err(()) }
}

/// What is told as the cause is what broke the connection.
fn cause_agrees(outcome: &Result<Delivery, SendError>, judgement: &Judgement) -> Result<(), ()> {
    let Some(cause) = outcome.as_ref().err().and_then(SendError::cause) else { return Ok(()) };
    let contradiction = matches!(cause, Error::Protocol(ProtocolError::UnexpectedReply { .. }))
        && judgement.broken == Some(Broken::GivenUp);
    let missing = *cause == Error::Unsupported(Extension::Chunking) && judgement.no_chunking;
    let fine = contradiction || missing || agrees(Some(cause), judgement.broken.as_ref());
    if fine { Ok(()) } else { Err(()) }
}

fn fates_agree(outcome: &Result<Delivery, SendError>, fates: &[Fate]) -> Result<(), ()> {
    let recipients = match outcome {
        Ok(delivery) => &delivery.recipients[..],
        Err(error) => error.recipients(),
    };
    let told = recipients.iter().map(|recipient| match recipient.state {
        RecipientState::Accepted => Fate::Accepted,
        RecipientState::Refused => Fate::Refused,
        RecipientState::NotSent => Fate::NotSent,
        RecipientState::Unknown => Fate::Unknown,
    });
    if told.eq(fates.iter().copied()) { Ok(()) } else { Err(()) }
}
