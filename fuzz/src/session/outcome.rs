//! INV7: what a flow says of a message, against what left of it and what was answered.

use smtp_proto::flow::{Delivery, RecipientOutcome, RecipientState, SendError};

use super::journal::Ended;
use super::ledger::{Ledger, Transaction, is_positive};
use super::message::Message;

pub(super) fn of_flow(ledger: &Ledger, messages: &[Message], ended: &Ended) {
    match ended {
        Ended::Nothing(_) | Ended::Reply(_) => {}
        Ended::Delivery(result) => {
            if let [message] = messages {
                of_message(ledger, message, result);
            }
        }
        Ended::Batch(result, outcomes) => {
            assert!(outcomes.len() <= messages.len());
            assert!(result.is_err() || outcomes.len() == messages.len(), "every message has an outcome");
            for (message, outcome) in messages.iter().zip(outcomes) {
                of_message(ledger, message, outcome);
            }
        }
    }
}

/// What the octets say of one recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The message left whole for it, and was accepted.
    Taken,
    /// The message left whole for it, and no verdict came.
    InDoubt,
    /// Neither.
    Safe,
}

fn of_message(ledger: &Ledger, message: &Message, result: &Result<Delivery, SendError>) {
    let own: Vec<&Transaction> = ledger
        .transactions
        .iter()
        .filter(|transaction| transaction.message == Some(message.number))
        .collect();
    // A server that contradicts itself leaves nothing to be sure of.
    let odd = own.iter().any(|transaction| transaction.is_odd());
    let recipients = match result {
        Ok(delivery) => delivery.recipients.as_slice(),
        Err(error) => error.recipients(),
    };
    let all = message.envelope.recipients.len();
    assert!(recipients.is_empty() || recipients.len() == all, "every recipient is told of, or none");
    for nth in 0..all {
        let fate = fate(ledger.lmtp, &own, nth);
        match recipients.get(nth) {
            Some(outcome) => of_recipient(outcome, fate, odd, &own),
            None => assert!(
                fate == Fate::Safe || odd,
                "nothing is said of a recipient who may have it: {result:?}"
            ),
        }
    }
    let some = |fate_of| (0..all).any(|nth| fate(ledger.lmtp, &own, nth) == fate_of);
    match result {
        Ok(delivery) => {
            let verdicts = own.iter().filter(|transaction| transaction.end_left && !transaction.taken_back);
            let mut verdicts = verdicts.flat_map(|transaction| &transaction.finals);
            assert!(verdicts.any(|reply| *reply == delivery.reply), "INV7: accepted by no reply that came");
            assert!(delivery.reply.is_positive_completion(), "INV7: accepted by a refusal");
            assert!(some(Fate::Taken), "INV7: accepted for nobody");
        }
        Err(SendError::Unknown { .. }) => {
            let left = own.iter().any(|transaction| transaction.end_left);
            assert!(left && (odd || some(Fate::InDoubt)), "INV7: unknown, though it is known: {result:?}");
        }
        Err(_) => {
            // Transactions apart, one of them may have been accepted; the recipients tell of it.
            assert!(
                odd || !some(Fate::InDoubt),
                "INV7: not unknown, though it may have been delivered: {result:?}"
            );
            assert!(odd || !some(Fate::Taken), "INV7: not accepted, though it was: {result:?}");
        }
    }
}

fn of_recipient(outcome: &RecipientOutcome, fate: Fate, odd: bool, own: &[&Transaction]) {
    let sound = match (fate, outcome.state) {
        (Fate::Taken, RecipientState::Accepted) => true,
        (Fate::InDoubt, RecipientState::Unknown) => true,
        (Fate::Safe, RecipientState::Refused | RecipientState::NotSent) => true,
        (_, RecipientState::Accepted) => false,
        (_, RecipientState::Unknown | RecipientState::Refused | RecipientState::NotSent) => odd,
    };
    assert!(sound, "INV7: {fate:?} (odd: {odd}) told as {outcome:?}: {own:?}");
}

/// By all transactions that the message had.
fn fate(lmtp: bool, own: &[&Transaction], nth: usize) -> Fate {
    let mut worst = Fate::Safe;
    for transaction in own.iter().filter(|transaction| transaction.end_left && !transaction.taken_back) {
        let mut accepted_before = 0;
        for (recipient, reply) in &transaction.recipients {
            let accepted = reply.is_none_or(is_positive);
            if *recipient == Some(nth) && accepted {
                let at = if lmtp { accepted_before } else { 0 };
                // Replies come in order: without one to RCPT there is none to the end.
                let verdict = transaction.finals.get(at).filter(|_| reply.is_some());
                match verdict.map(|reply| is_positive(reply.code().get())) {
                    Some(true) => return Fate::Taken,
                    Some(false) => {}
                    None => worst = Fate::InDoubt,
                }
            }
            accepted_before += usize::from(accepted);
        }
    }
    worst
}

/// The message of one transaction, whose end `FinishData` told and awaited.
pub(super) fn of_verbs(ledger: &Ledger, transaction: usize, result: &Result<Delivery, SendError>) {
    let transaction = &ledger.transactions[transaction];
    let accepted = transaction.is_accepted();
    let in_doubt = transaction.end_left && !transaction.judged;
    match result {
        Ok(delivery) => {
            assert!(transaction.end_left && transaction.finals.contains(&delivery.reply), "INV7: {result:?}");
            assert!(delivery.reply.is_positive_completion());
        }
        Err(SendError::Unknown { .. }) => assert!(in_doubt, "INV7: unknown, though it is known: {result:?}"),
        Err(_) => assert!(transaction.is_odd() || (!in_doubt && !accepted), "INV7: {result:?}"),
    }
}
