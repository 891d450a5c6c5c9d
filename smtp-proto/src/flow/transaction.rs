//! One mail transaction: what has been queued of it, what was answered, and what that decides (RFC 5321 §3.3,
//! RFC 2920, RFC 3030, RFC 2033).
//!
//! With PIPELINING everything up to DATA leaves in one group, and with CHUNKING the message too. DATA may then
//! be answered with 354 although every recipient was refused; a lone dot takes it back (RFC 2920 §3.1). A
//! message in chunks is taken back with RSET, between two chunks. All-or-nothing with several recipients can
//! be taken back in neither way, and waits until every recipient is answered.

use alloc::vec::Vec;
use core::ops::Range;

use super::outcome::{Delivery, RecipientOutcome, RecipientState, SendError};
use super::plan::Plan;
use super::{Envelope, RecipientPolicy};
use crate::command::Command;
use crate::connection::{CommandId, Connection, Stage};
use crate::error::{Error, ProtocolError};
use crate::reply::Reply;

/// A mail transaction, from its MAIL to the reply that decides about it.
#[derive(Debug)]
pub(super) struct Transaction {
    /// Which message of the batch it is about.
    pub(super) message: usize,
    /// Its MAIL; what is answered before that is not its own.
    mail: CommandId,
    /// Which recipients of the envelope it is for.
    pub(super) range: Range<usize>,
    policy: RecipientPolicy,
    plan: Plan,
    lmtp: bool,
    progress: Progress,
    /// How many RCPT are queued, and the replies to them in order.
    asked: usize,
    replies: Vec<Reply>,
    accepted: usize,
    /// Which of the replies is the refusal to tell: a transient one before a permanent one.
    refusal: Option<usize>,
    /// The end of the message, once its body is due.
    end: Option<CommandId>,
    /// The replies to the end of the message: one, or in LMTP one for each recipient accepted.
    finals: Vec<Reply>,
    /// What they answer is a lone dot, in place of the message.
    taken_back: bool,
    first_long_line: Option<u64>,
    /// Decided, though replies may still be outstanding.
    verdict: Option<SendError>,
    /// The RSET that takes it back, as it has no end of a message to close it.
    reset: Option<CommandId>,
    /// A RSET is queued behind its end, in case that does not close it.
    guarded: bool,
    /// Its MAIL was queued behind the end of another message, which had not been answered.
    behind: bool,
}

/// How far a transaction has been queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Recipients,
    /// DATA is queued, and its reply decides how it goes on.
    Data,
    /// The body is due or being supplied.
    Body,
    /// Nothing more is to be queued.
    Sent,
}

impl Transaction {
    /// Queues MAIL.
    pub(super) fn begin(
        connection: &mut Connection,
        message: usize,
        envelope: &Envelope,
        range: Range<usize>,
        policy: RecipientPolicy,
        plan: Plan,
    ) -> Result<Self, Error> {
        let mail = connection.command(Command::Mail(&envelope.reverse_path, &plan.mail))?;
        Ok(Self {
            message,
            mail,
            replies: Vec::with_capacity(range.len()),
            range,
            policy,
            plan,
            lmtp: connection.config().is_lmtp(),
            progress: Progress::Recipients,
            asked: 0,
            accepted: 0,
            refusal: None,
            end: None,
            finals: Vec::new(),
            taken_back: false,
            first_long_line: None,
            verdict: None,
            reset: None,
            guarded: false,
            behind: false,
        })
    }

    /// Queues what may be queued now. Returns whether nothing more is to be.
    pub(super) fn queue(&mut self, connection: &mut Connection, envelope: &Envelope) -> Result<bool, Error> {
        if self.progress == Progress::Recipients {
            self.queue_recipients(connection, envelope)?;
        }
        if self.progress == Progress::Body {
            self.watch_body(connection);
        }
        let sent = self.progress == Progress::Sent;
        if sent && self.end.is_none() && self.reset.is_none() {
            self.reset = Some(connection.command(Command::Rset)?);
        }
        Ok(sent)
    }

    fn queue_recipients(&mut self, connection: &mut Connection, envelope: &Envelope) -> Result<(), Error> {
        let recipients = envelope.recipients.get(self.range.clone()).unwrap_or_default();
        while let Some(recipient) = recipients.get(self.asked) {
            if self.verdict.is_some() {
                break;
            }
            if !connection.has_room() {
                return Ok(());
            }
            connection.command(Command::Rcpt(&recipient.forward_path, &recipient.parameters))?;
            self.asked = self.asked.saturating_add(1);
        }
        let all_answered = self.replies.len() == self.asked;
        if self.verdict.is_some() {
            self.progress = Progress::Sent;
        } else if all_answered || (self.plan.eager && connection.has_room()) {
            if self.plan.chunks {
                self.end = Some(connection.begin_chunks(self.plan.data)?);
                self.progress = Progress::Body;
            } else {
                connection.command(Command::Data(self.plan.data))?;
                self.progress = Progress::Data;
            }
        }
        Ok(())
    }

    /// Sees whether the body is complete, or has to stop.
    fn watch_body(&mut self, connection: &mut Connection) {
        if connection.body_id() == self.end {
            if self.verdict.is_some() && connection.cancel_body().is_ok() {
                self.end = self.end.filter(|&end| connection.is_outstanding(end));
                self.sent(connection);
            }
        } else if self.end.is_some_and(|end| connection.is_outstanding(end)) {
            self.sent(connection);
        } else {
            // The loop could not supply it, and no octet of it is left half said.
            let cause = connection.body_error().cloned().unwrap_or(Error::BodySource);
            self.verdict.get_or_insert(cause.into());
            self.end = None;
            self.sent(connection);
        }
    }

    fn sent(&mut self, connection: &Connection) {
        self.progress = Progress::Sent;
        self.first_long_line = connection.first_long_line();
    }

    /// Whether a reply becomes part of the outcome.
    pub(super) fn keeps(stage: Stage, reply: &Reply) -> bool {
        matches!(stage, Stage::Rcpt | Stage::EndOfData) || reply.is_negative()
    }

    /// Notes a reply and what it decides. Returns whether it was the last that decides anything.
    pub(super) fn answered(
        &mut self,
        connection: &mut Connection,
        stage: Stage,
        reply: Reply,
    ) -> Result<bool, Error> {
        match stage {
            Stage::Mail if !reply.is_positive_completion() => {
                self.verdict = Some(SendError::rejected(stage, reply));
                if self.asked == 0 {
                    self.progress = Progress::Sent;
                    return Ok(true);
                }
            }
            Stage::Rcpt => self.judge_recipient(reply),
            Stage::Data if connection.wants_body() => {
                self.end = connection.body_id();
                self.progress = Progress::Body;
                if self.verdict.is_some() {
                    self.take_back(connection)?;
                }
            }
            Stage::Data => {
                self.verdict.get_or_insert(SendError::rejected(stage, reply));
                self.progress = Progress::Sent;
            }
            Stage::Bdat if !reply.is_positive_completion() => {
                self.verdict.get_or_insert(SendError::rejected(stage, reply));
                if self.lmtp && self.progress == Progress::Sent && self.end.is_some() {
                    // How often a server answers the last chunk after that, no RFC says.
                    connection.abandon();
                }
            }
            Stage::EndOfData => return Ok(self.ended(connection, reply)),
            Stage::Rset => return Ok(true),
            _ => {}
        }
        Ok(false)
    }

    /// 354, though nobody is to get the message.
    fn take_back(&mut self, connection: &mut Connection) -> Result<(), Error> {
        if self.lmtp && self.accepted == 0 {
            // A lone dot would be answered by nobody (RFC 2033 §4.2).
            connection.abandon();
            return Ok(());
        }
        connection.cancel_body()?;
        self.taken_back = true;
        self.sent(connection);
        Ok(())
    }

    /// A reply to the end of the message. Returns whether it was the last of them.
    fn ended(&mut self, connection: &mut Connection, reply: Reply) -> bool {
        let due = if self.lmtp { self.accepted.max(1) } else { 1 };
        self.finals.push(reply);
        if self.finals.len() < due {
            return false;
        }
        if self.finals.iter().any(Reply::is_positive_completion) {
            match &self.verdict {
                Some(SendError::Rejected { stage: Stage::Bdat, .. }) => self.contradicted(connection),
                // Somebody is to get it, from whoever that is.
                Some(SendError::Rejected { stage: Stage::Mail, .. })
                    if self.plan.chunks && self.accepted > 0 =>
                {
                    self.contradicted(connection);
                }
                _ => {}
            }
        } else {
            let refused = SendError::refused(&self.finals);
            self.verdict.get_or_insert(refused);
        }
        true
    }

    /// The server accepted a message of which it had refused a chunk, or MAIL: nobody knows what it has.
    fn contradicted(&mut self, connection: &mut Connection) {
        let Some(reply) = self.finals.pop() else { return };
        let unexpected = ProtocolError::UnexpectedReply { stage: Stage::EndOfData, reply: reply.into() };
        self.verdict = Some(SendError::Unknown { cause: unexpected.into(), recipients: Vec::new() });
        connection.abandon_contradicted();
    }

    /// Notes a recipient's reply, and whether the message can still be sent. Looks at no reply twice: there may
    /// be a hundred thousand.
    fn judge_recipient(&mut self, reply: Reply) {
        let transient = |reply: &Reply| reply.is_transient() || reply.code().get() == 552;
        if reply.is_positive_completion() {
            self.accepted = self.accepted.saturating_add(1);
        } else {
            match self.refusal.and_then(|at| self.replies.get(at)) {
                Some(first) if transient(first) || !transient(&reply) => {}
                _ => self.refusal = Some(self.replies.len()),
            }
        }
        self.replies.push(reply);
        let hopeless = match self.policy {
            RecipientPolicy::Any => self.accepted == 0 && self.replies.len() == self.range.len(),
            RecipientPolicy::All => true,
        };
        let open = matches!(self.verdict, None | Some(SendError::Rejected { stage: Stage::Rcpt, .. }));
        let refusal = self.refusal.filter(|_| hopeless && open);
        if let Some(reply) = refusal.and_then(|at| self.replies.get(at)) {
            self.verdict = Some(SendError::rejected(Stage::Rcpt, reply.clone()));
        }
    }

    /// Whether all of it is queued.
    pub(super) fn is_sent(&self) -> bool {
        self.progress == Progress::Sent
    }

    /// Whether the command of this id came before it: a caller may have left others unanswered.
    pub(super) fn is_behind(&self, id: CommandId) -> bool {
        id < self.mail
    }

    /// The same, begun behind the end of another message.
    pub(super) fn behind(self, behind: bool) -> Self {
        Self { behind, ..self }
    }

    /// Whether the end of its message has not been answered.
    pub(super) fn awaits_verdict(&self) -> bool {
        self.end.is_some() && self.finals.is_empty()
    }

    /// Whether it was refused for coming right behind the end of another message: some servers take nothing
    /// there, as a defence against smuggled messages, and answer 503 (Haraka). Alone it may be welcome.
    pub(super) fn came_too_early(&self) -> bool {
        let refused = match &self.verdict {
            Some(SendError::Rejected { stage: Stage::Mail, reply, .. }) => reply.code().get() == 503,
            _ => false,
        };
        refused && self.behind && self.accepted == 0 && self.end.is_none() && !self.plan.chunks
    }

    /// Whether this id is that of the RSET that takes it back.
    pub(super) fn is_reset_by(&self, id: CommandId) -> bool {
        self.reset == Some(id)
    }

    /// Whether it is not certain that the end of its message closes it, and asks to be told that this is taken
    /// care of. Where every recipient was refused BDAT is refused too, and the transaction stays open (RFC 3030
    /// §2): what comes behind would be taken for a part of it. And what a server holds that asks for a message
    /// whose MAIL it refused, nobody knows.
    pub(super) fn needs_guard(&mut self) -> bool {
        let accepted = self.verdict.is_none() && self.finals.iter().any(Reply::is_positive_completion);
        let doubtful = if self.plan.chunks {
            !accepted
        } else {
            matches!(self.verdict, Some(SendError::Rejected { stage: Stage::Mail, .. }))
        };
        let needs = self.end.is_some() && doubtful && !self.guarded;
        self.guarded |= needs;
        needs
    }

    /// What became of the message.
    pub(super) fn outcome(mut self) -> Result<Delivery, SendError> {
        let accepted = self.finals.iter().find(|reply| reply.is_positive_completion()).cloned();
        match (self.verdict.take(), accepted) {
            (Some(verdict), _) => Err(self.told(verdict)),
            (None, Some(reply)) => {
                let first_long_line = self.first_long_line;
                Ok(Delivery { reply, recipients: self.recipients(RecipientState::Accepted), first_long_line })
            }
            (None, None) => Err(self.told(Error::Abandoned.into())),
        }
    }

    /// What became of the message once the connection has broken: what was decided before stays decided.
    /// `answered` says that the error is the server's answer to this transaction.
    pub(super) fn broken(
        mut self,
        error: &Error,
        connection: &Connection,
        answered: bool,
    ) -> Result<Delivery, SendError> {
        if let Some(verdict) = self.verdict.take() {
            return Err(self.told(verdict));
        }
        let unanswered = self.end.is_some_and(|end| connection.is_unanswered(end));
        let mut judged = answered;
        if self.lmtp && unanswered && answered {
            self.finals.extend(error.verdict().cloned());
            judged = self.finals.len() >= self.accepted;
            if judged && self.finals.iter().any(Reply::is_positive_completion) {
                return self.outcome();
            }
        }
        Err(self.told(SendError::of(error.clone(), unanswered, judged)))
    }

    fn told(self, verdict: SendError) -> SendError {
        let rest = match &verdict {
            // Those that were accepted were not refused, but the message was not sent to them either.
            SendError::Rejected { stage: Stage::Rcpt, .. } | SendError::NotSent { .. } => {
                RecipientState::NotSent
            }
            SendError::Rejected { .. } => RecipientState::Refused,
            SendError::Unknown { .. } => RecipientState::Unknown,
        };
        verdict.with_recipients(self.recipients(rest))
    }

    /// Each recipient's outcome; `rest` is that of those whom no reply of their own decides about.
    fn recipients(self, rest: RecipientState) -> Vec<RecipientOutcome> {
        let mut replies = self.replies.into_iter();
        let (lmtp, taken_back) = (self.lmtp, self.taken_back);
        let mut finals = self.finals.into_iter().filter(|_| lmtp && !taken_back);
        self.range
            .map(|_| {
                let reply = replies.next();
                let accepted = reply.as_ref().is_some_and(Reply::is_positive_completion);
                let verdict = if accepted { finals.next() } else { None };
                let state = match (&reply, &verdict) {
                    (_, Some(verdict)) if verdict.is_positive_completion() => RecipientState::Accepted,
                    (_, Some(_)) => RecipientState::Refused,
                    (Some(_), None) if !accepted => RecipientState::Refused,
                    (None, None) if rest == RecipientState::Refused => RecipientState::NotSent,
                    (_, None) => rest,
                };
                RecipientOutcome { reply, verdict, state }
            })
            .collect()
    }
}
