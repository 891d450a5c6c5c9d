//! DATA and BDAT, and what becomes of a message (RFC 5321 §4.1.1.4, RFC 3030 §2, RFC 2033 §4.2).

use std::io::{self, Read, Write};

use super::super::body::{BodyReader, bare_line_ends};
use super::super::parameters::Refusal;
use super::super::settings::RecipientVerdict;
use super::super::store::{BareLineEnds, Message};
use super::mail::Transaction;
use super::{End, Session};

const TOO_LARGE: Refusal = (552, "5.3.4", "The message is too large");
const NO_RECIPIENTS: &str = "No valid recipients";

/// Why a message is refused at its end.
enum Objection {
    TooLarge,
    BareLineEnds(BareLineEnds),
    Fault(Refusal),
}

impl Session<'_> {
    pub(super) fn data<S: Read + Write>(&mut self, stream: &mut S) -> io::Result<Option<End>> {
        let Some(transaction) = &mut self.transaction else {
            self.out_of_order((503, "5.5.1", "MAIL first"));
            return Ok(None);
        };
        if transaction.has_content() {
            self.fault((503, "5.5.1", "Either DATA or BDAT in a mail transaction"));
            return Ok(None);
        }
        if transaction.recipients.is_empty() {
            // RFC 2033 §4.2 has its own code for this.
            let code = if self.shared.settings.lmtp { 503 } else { 554 };
            self.no_recipients(code);
            return Ok(None);
        }
        if transaction.is_body("BINARYMIME") {
            // What is left of the transaction is for RSET (RFC 3030 §3).
            transaction.failed = true;
            self.fault((503, "5.5.1", "BINARYMIME goes with BDAT"));
            return Ok(None);
        }
        self.wire.reply(354, &["End with CRLF . CRLF"]);
        let mut body = BodyReader::new(self.shared.settings.size_limit);
        if !self.wire.octets(stream, |octet| body.take(octet))? {
            return Ok(Some(End::Closed));
        }
        if let Some(mut transaction) = self.transaction.take() {
            let bare = body.bare();
            let objection = match body.into_data() {
                _ if bare != BareLineEnds::default() => Some(Objection::BareLineEnds(bare)),
                None => Some(Objection::TooLarge),
                Some(data) => {
                    transaction.data = data;
                    undeclared(&transaction)
                }
            };
            self.end_of_message(transaction, objection);
        }
        Ok(self.must_have_waited())
    }

    /// One chunk. Its octets are read whatever becomes of them, so that the next command is found.
    pub(super) fn bdat<S: Read + Write>(
        &mut self,
        octets: u64,
        last: bool,
        stream: &mut S,
    ) -> io::Result<Option<End>> {
        let settings = &self.shared.settings;
        if !settings.advertises("CHUNKING") {
            // To a server that does not know BDAT, its chunk is commands.
            self.fault((502, "5.5.1", "BDAT is not offered"));
            return Ok(self.must_have_waited());
        }
        let extended = self.is_extended();
        let usable = |transaction: &&mut Transaction| {
            extended && !transaction.failed && !transaction.recipients.is_empty()
        };
        let mut transaction = self.transaction.as_mut().filter(usable);
        let complete = self.wire.chunk(stream, octets, |part| {
            if let Some(transaction) = &mut transaction {
                let size = transaction.data.len().saturating_add(part.len());
                transaction.failed |= u64::try_from(size).is_ok_and(|size| size > settings.size_limit);
                if !transaction.failed {
                    transaction.data.extend_from_slice(part);
                }
            }
        })?;
        if !complete {
            return Ok(Some(End::Closed));
        }
        match transaction {
            None => self.refuse_chunk(octets, last),
            Some(transaction) => {
                transaction.chunks.push(usize::try_from(octets).unwrap_or(usize::MAX));
                let failed = transaction.failed;
                if last {
                    self.end_of_chunks();
                } else if failed {
                    self.refuse(TOO_LARGE);
                } else {
                    self.reply(250, "2.0.0", &format!("{octets} octets received"));
                }
            }
        }
        Ok(self.must_have_waited())
    }

    fn refuse_chunk(&mut self, octets: u64, last: bool) {
        let settings = &self.shared.settings;
        let lmtp = settings.lmtp && last;
        let as_dovecot = settings.chunk_failures_as_dovecot;
        match &self.transaction {
            _ if !self.is_extended() => self.fault((503, "5.5.1", "EHLO first")),
            None => self.out_of_order((503, "5.5.1", "MAIL first")),
            // As many replies as there are recipients, which is none (RFC 2033 §4.3).
            Some(transaction) if transaction.recipients.is_empty() && lmtp && (octets > 0 || !as_dovecot) => {
            }
            Some(transaction) if transaction.recipients.is_empty() => self.no_recipients(503),
            Some(transaction) => {
                let times = if lmtp && !as_dovecot { transaction.recipients.len() } else { 1 };
                let text = "The transaction has failed, RSET first";
                // The client may have sent it before it heard of the failure.
                if !self.may_pipeline() {
                    self.note(503, text);
                }
                (0..times).for_each(|_| self.reply(503, "5.5.1", text));
            }
        }
    }

    /// What was pipelined behind RCPTs that were all refused comes to this, and is no fault.
    fn no_recipients(&mut self, code: u16) {
        let refusal = (code, "5.5.1", NO_RECIPIENTS);
        if self.may_pipeline() { self.refuse(refusal) } else { self.fault(refusal) }
    }

    fn end_of_chunks(&mut self) {
        let Some(transaction) = self.transaction.take() else { return };
        let bare = bare_line_ends(&transaction.data);
        let objection = if transaction.failed {
            Some(Objection::TooLarge)
        } else if bare != BareLineEnds::default() && !transaction.is_body("BINARYMIME") {
            Some(Objection::BareLineEnds(bare))
        } else {
            undeclared(&transaction)
        };
        self.end_of_message(transaction, objection);
    }

    fn end_of_message(&mut self, transaction: Transaction, objection: Option<Objection>) {
        let Some(objection) = objection else {
            self.deliver(transaction);
            return;
        };
        let (code, enhanced, text) = match objection {
            Objection::TooLarge => (TOO_LARGE.0, TOO_LARGE.1, TOO_LARGE.2.to_owned()),
            Objection::BareLineEnds(bare) => {
                self.shared.store.count_bare(bare);
                let text = format!("The message has {} bare CRs and {} bare LFs", bare.cr, bare.lf);
                (550, "5.6.0", text)
            }
            Objection::Fault((code, enhanced, text)) => (code, enhanced, text.to_owned()),
        };
        if code != TOO_LARGE.0 {
            self.note(code, &text);
        }
        let times = if self.shared.settings.lmtp { transaction.recipients.len() } else { 1 };
        (0..times).for_each(|_| self.reply(code, enhanced, &text));
    }

    /// Keeps the message, and says so: under LMTP for each recipient.
    fn deliver(&mut self, transaction: Transaction) {
        let settings = &self.shared.settings;
        let verdicts: Vec<RecipientVerdict> = transaction
            .recipients
            .iter()
            .map(|recipient| (settings.final_rule)(&recipient.forward_path))
            .collect();
        let (replies, accepted) = if settings.lmtp {
            (
                transaction.recipients.iter().map(|to| format!("<{}> ", to.forward_path)).collect(),
                verdicts.clone(),
            )
        } else {
            // There is one reply, and it is for all of them.
            let verdict = verdicts.first().copied().unwrap_or(RecipientVerdict::Accept);
            (vec![String::new()], vec![verdict; verdicts.len()])
        };
        let id = self.keep(transaction, &accepted);
        for (path, verdict) in replies.iter().zip(accepted) {
            match verdict {
                RecipientVerdict::Accept => {
                    self.reply(250, "2.0.0", &format!("{path}Ok: queued as {id}"));
                }
                RecipientVerdict::Refuse => self.reply(552, "5.2.2", &format!("{path}The mailbox is full")),
                RecipientVerdict::TryLater => self.reply(450, "4.2.1", &format!("{path}Not now")),
            }
        }
    }

    /// Keeps the message for those recipients that want it, if there are any, and gives its queue id.
    fn keep(&mut self, transaction: Transaction, verdicts: &[RecipientVerdict]) -> String {
        let accepted = transaction.recipients.into_iter().zip(verdicts);
        let (recipients, recipient_parameters): (Vec<_>, Vec<_>) = accepted
            .filter(|(_, verdict)| **verdict == RecipientVerdict::Accept)
            .map(|(recipient, _)| (recipient.forward_path, recipient.parameters))
            .unzip();
        if recipients.is_empty() {
            return String::new();
        }
        self.shared.store.queue(Message {
            id: String::new(),
            client_name: self.client.as_ref().map(|client| client.name.clone()).unwrap_or_default(),
            reverse_path: transaction.reverse_path,
            parameters: transaction.parameters,
            recipients,
            recipient_parameters,
            data: transaction.data,
            chunks: transaction.chunks,
            client_attributes: self.attributes.clone(),
            tls: self.tls.is_some(),
            authenticated_as: self.user.clone(),
        })
    }
}

/// Octets that the body was not said to have: with `SMTPUTF8` at least the header may go beyond ASCII
/// (RFC 6531 §3.6), without it or `BODY` nothing may.
fn undeclared(transaction: &Transaction) -> Option<Objection> {
    let binary = transaction.is_body("BINARYMIME");
    let eight_bit = binary || transaction.is_body("8BITMIME") || transaction.smtputf8();
    if !binary && transaction.data.contains(&0) {
        Some(Objection::Fault((550, "5.6.0", "The message has a NUL and was not sent as BINARYMIME")))
    } else if !eight_bit && !transaction.data.is_ascii() {
        Some(Objection::Fault((550, "5.6.1", "The message has 8-bit octets and was not sent as 8BITMIME")))
    } else {
        None
    }
}
