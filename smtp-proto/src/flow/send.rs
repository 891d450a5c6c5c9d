//! One mail transaction: MAIL, RCPT…, DATA, the body, and the verdict (RFC 5321 §3.3, RFC 2920).
//!
//! With PIPELINING everything up to DATA leaves in one group. DATA may then be answered with 354 although
//! every recipient was refused; a lone dot takes it back (RFC 2920 §3.1). All-or-nothing with several
//! recipients cannot be taken back so, and holds DATA until every recipient is answered. After a failure RSET
//! brings the session back to where the next transaction can begin.

use alloc::vec::Vec;

use super::outcome::{Delivery, RecipientOutcome, SendError};
use super::{Flow, Step};
use crate::body::{BodyFault, BodyFaultKind, BodyKind, BodyRules, Content, LineEndings, LineLength};
use crate::capabilities::Extension;
use crate::command::{Command, DataCommand};
use crate::connection::{CommandId, Connection, Event, Stage};
use crate::error::{Error, Misuse};
use crate::params::{MailParameters, RcptParameters};
use crate::path::{ForwardPath, ReversePath};
use crate::reply::Reply;

/// Who a message is from and who it goes to (RFC 5321 §2.3.1); nothing of it is read from the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// Where failures are reported to; null for a report itself.
    pub reverse_path: ReversePath,
    /// Parameters of MAIL. SIZE, BODY and SMTPUTF8 are added as the message and the server need them.
    pub parameters: MailParameters,
    /// The recipients, at least one.
    pub recipients: Vec<Recipient>,
}

/// One recipient of an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub forward_path: ForwardPath,
    /// Parameters of this RCPT.
    pub parameters: RcptParameters,
}

impl Envelope {
    /// An envelope without parameters.
    ///
    /// ```
    /// use smtp_proto::flow::Envelope;
    ///
    /// let envelope = Envelope::new("alice@example.org".parse()?, ["bob@example.net".parse()?]);
    /// assert_eq!(envelope.recipients.len(), 1);
    /// # Ok::<(), smtp_proto::path::AddressError>(())
    /// ```
    pub fn new(reverse_path: ReversePath, recipients: impl IntoIterator<Item = ForwardPath>) -> Self {
        let recipient = |forward_path| Recipient { forward_path, parameters: RcptParameters::new() };
        Self {
            reverse_path,
            parameters: MailParameters::new(),
            recipients: recipients.into_iter().map(recipient).collect(),
        }
    }

    /// An envelope from plain strings, each `local@domain`. An empty `from`, or `<>`, is the null
    /// reverse-path.
    ///
    /// # Errors
    /// [`Error::Address`] for the first that is no address.
    pub fn from_strs(from: &str, to: &[&str]) -> Result<Self, Error> {
        let reverse_path = if from.is_empty() { ReversePath::null() } else { from.parse()? };
        let recipient = |(index, to): (usize, &&str)| {
            to.parse().map_err(|error| Error::Address { recipient: Some(index), error })
        };
        let recipients: Result<Vec<ForwardPath>, Error> = to.iter().enumerate().map(recipient).collect();
        Ok(Self::new(reverse_path, recipients?))
    }

    fn needs_smtputf8(&self) -> bool {
        self.reverse_path.needs_smtputf8() || self.recipients.iter().any(|r| r.forward_path.needs_smtputf8())
    }
}

/// What is known of a message's body before it is sent.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Body<'a> {
    /// The whole message: it is looked through first, so that any fault is found before MAIL. The flow keeps
    /// none of it; at [`Step::SupplyBody`] the same octets have to be supplied.
    Whole(&'a [u8]),
    /// A message that is supplied piece by piece.
    Stream {
        /// The kind of its octets; octets of another kind end the transaction and the connection.
        kind: BodyKind,
        /// Its exact length in octets, if known; it is declared to the server, and any other length supplied
        /// is refused.
        size: Option<u64>,
    },
}

/// How a message is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SendOptions {
    /// What happens to stray CR and LF.
    pub line_endings: LineEndings,
    /// What happens to lines of more than 998 octets.
    pub line_length: LineLength,
    /// Which recipients have to be accepted.
    pub recipients: RecipientPolicy,
}

impl SendOptions {
    /// The defaults, but the message goes to all recipients or to nobody.
    #[must_use]
    pub fn all_or_nothing() -> Self {
        Self { recipients: RecipientPolicy::All, ..Self::default() }
    }

    /// What happens to stray CR and LF.
    #[must_use]
    pub fn line_endings(mut self, line_endings: LineEndings) -> Self {
        self.line_endings = line_endings;
        self
    }

    /// What happens to lines of more than 998 octets.
    #[must_use]
    pub fn line_length(mut self, line_length: LineLength) -> Self {
        self.line_length = line_length;
        self
    }

    /// Which recipients have to be accepted.
    #[must_use]
    pub fn recipients(mut self, policy: RecipientPolicy) -> Self {
        self.recipients = policy;
        self
    }
}

/// Which recipients the server has to accept for the message to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum RecipientPolicy {
    /// Any: the message goes to those accepted, and the others are told in the result.
    #[default]
    Any,
    /// All of them, or the message goes to nobody.
    All,
}

/// Sends one message.
#[derive(Debug)]
pub struct Send<'a> {
    envelope: &'a Envelope,
    body: Body<'a>,
    options: SendOptions,
    mail: Option<CommandId>,
    /// How many RCPT are queued, and the replies to them in order.
    asked: usize,
    replies: Vec<Reply>,
    /// Whether one of them is an acceptance.
    accepted: bool,
    /// Which of them is the refusal to tell: a transient one before a permanent one.
    refusal: Option<usize>,
    data: Option<DataCommand>,
    data_queued: bool,
    /// The end of the message, once 354 asked for it.
    end: Option<CommandId>,
    /// Decided, though replies may still be outstanding.
    verdict: Option<SendError>,
    reset: Reset,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reset {
    NotNeeded,
    Needed,
    Sent,
}

impl<'a> Send<'a> {
    /// The flow for one message.
    #[must_use]
    pub fn new(envelope: &'a Envelope, body: Body<'a>, options: SendOptions) -> Self {
        Self {
            envelope,
            body,
            options,
            mail: None,
            asked: 0,
            replies: Vec::new(),
            accepted: false,
            refusal: None,
            data: None,
            data_queued: false,
            end: None,
            verdict: None,
            reset: Reset::NotNeeded,
        }
    }

    /// Checks everything that can be known beforehand, and queues MAIL.
    fn begin(&mut self, connection: &mut Connection) -> Result<(), Error> {
        super::exchange::settle(connection)?;
        if connection.in_transaction() {
            return Err(Misuse::InTransaction(Stage::Mail).into());
        }
        if self.envelope.recipients.is_empty() {
            return Err(Misuse::NoRecipient.into());
        }
        let offered = |extension| connection.capabilities().supports(extension);
        let (kind, size) = self.describe_body(offered(Extension::EightBitMime))?;
        let mut parameters = self.envelope.parameters.clone();
        if let Some(size) = size.filter(|_| offered(Extension::Size)) {
            parameters = parameters.size(size);
        }
        if kind == BodyKind::EightBitMime {
            parameters = parameters.body(kind);
        }
        if self.envelope.needs_smtputf8() {
            parameters = parameters.smtp_utf8();
        }
        if let (Some(size), Some(limit)) = (size, connection.capabilities().size_limit()) {
            if size > limit {
                return Err(Error::TooLarge { size, limit });
            }
        }
        let rules = BodyRules {
            kind,
            line_endings: self.options.line_endings,
            line_length: self.options.line_length,
        };
        self.check_recipients(connection)?;
        self.mail = Some(connection.command(Command::Mail(&self.envelope.reverse_path, &parameters))?);
        self.data = Some(DataCommand { rules, size });
        Ok(())
    }

    /// The kind and size of the body, or its first fault (RFC 5321 §2.4, RFC 6152).
    fn describe_body(&self, eight_bit_offered: bool) -> Result<(BodyKind, Option<u64>), Error> {
        match self.body {
            Body::Stream { kind, size } => match kind {
                BodyKind::SevenBit => Ok((kind, size)),
                BodyKind::EightBitMime if eight_bit_offered => Ok((kind, size)),
                BodyKind::EightBitMime => Err(Error::Unsupported(Extension::EightBitMime)),
                BodyKind::BinaryMime => Err(Error::Unsupported(Extension::BinaryMime)),
            },
            Body::Whole(message) => {
                let content = Content::scan(message);
                let kind = if content.first_eight_bit().is_some() {
                    BodyKind::EightBitMime
                } else {
                    BodyKind::SevenBit
                };
                content
                    .check(&BodyRules {
                        kind,
                        line_endings: self.options.line_endings,
                        line_length: self.options.line_length,
                    })
                    .map_err(Error::Body)?;
                match content.first_eight_bit() {
                    Some(offset) if !eight_bit_offered => {
                        Err(Error::Body(BodyFault { kind: BodyFaultKind::EightBit, offset }))
                    }
                    _ => Ok((kind, Some(message.len() as u64))),
                }
            }
        }
    }

    /// What RCPT would refuse locally is found before MAIL, so that nothing is half sent.
    fn check_recipients(&self, connection: &Connection) -> Result<(), Error> {
        connection.check_recipients(self.envelope.recipients.iter().map(|r| &r.forward_path))?;
        let mut line = Vec::new();
        for recipient in &self.envelope.recipients {
            for extension in recipient.parameters.required_extensions() {
                if !connection.capabilities().supports(extension) {
                    return Err(Error::Unsupported(extension));
                }
            }
            line.clear();
            Command::Rcpt(&recipient.forward_path, &recipient.parameters).encode(&mut line)?;
        }
        Ok(())
    }

    /// Queues what may be queued: recipients while there is room, then DATA.
    fn queue(&mut self, connection: &mut Connection) -> Result<(), Error> {
        if self.verdict.is_some() || self.data_queued {
            return Ok(());
        }
        while let Some(recipient) = self.envelope.recipients.get(self.asked) {
            if !connection.has_room() {
                return Ok(());
            }
            connection.command(Command::Rcpt(&recipient.forward_path, &recipient.parameters))?;
            self.asked += 1;
        }
        let all_answered = self.replies.len() == self.asked;
        let can_take_back = self.options.recipients == RecipientPolicy::Any || self.asked == 1;
        let Some(data) = self.data else { return Ok(()) };
        if all_answered || (can_take_back && connection.has_room()) {
            connection.command(Command::Data(data))?;
            self.data_queued = true;
        }
        Ok(())
    }

    /// Notes a reply and what it decides.
    fn answered(
        &mut self,
        connection: &mut Connection,
        stage: Stage,
        reply: Reply,
    ) -> Result<Option<Reply>, Error> {
        match stage {
            Stage::Mail if !reply.is_positive_completion() => {
                self.verdict = Some(SendError::rejected(stage, reply));
                if self.asked > 0 {
                    self.reset = Reset::Needed;
                }
            }
            Stage::Rcpt => self.judge_recipient(reply),
            Stage::Data if connection.wants_body() => {
                self.end = connection.body_id();
                if self.verdict.is_some() {
                    connection.cancel_body()?;
                }
            }
            Stage::Data => {
                self.verdict.get_or_insert(SendError::rejected(stage, reply));
                self.reset = Reset::Needed;
            }
            Stage::EndOfData if self.verdict.is_some() => {}
            Stage::EndOfData if reply.is_positive_completion() => return Ok(Some(reply)),
            Stage::EndOfData => self.verdict = Some(SendError::rejected(stage, reply)),
            Stage::Rset if !reply.is_positive_completion() => connection.abandon(),
            _ => {}
        }
        Ok(None)
    }

    /// Notes a recipient's reply, and whether the message can still be sent. Looks at no reply twice: there may
    /// be a hundred thousand.
    fn judge_recipient(&mut self, reply: Reply) {
        let transient = |reply: &Reply| reply.is_transient() || reply.code().get() == 552;
        if reply.is_positive_completion() {
            self.accepted = true;
        } else {
            match self.refusal.and_then(|at| self.replies.get(at)) {
                Some(first) if transient(first) || !transient(&reply) => {}
                _ => self.refusal = Some(self.replies.len()),
            }
        }
        self.replies.push(reply);
        let hopeless = match self.options.recipients {
            RecipientPolicy::Any => !self.accepted && self.replies.len() == self.envelope.recipients.len(),
            RecipientPolicy::All => true,
        };
        let open = matches!(self.verdict, None | Some(SendError::Rejected { stage: Stage::Rcpt, .. }));
        let refusal = self.refusal.filter(|_| hopeless && open);
        if let Some(reply) = refusal.and_then(|at| self.replies.get(at)) {
            self.verdict = Some(SendError::rejected(Stage::Rcpt, reply.clone()));
            self.reset = Reset::Needed;
        }
    }

    fn recipients(&mut self) -> Vec<RecipientOutcome> {
        let count = self.envelope.recipients.len();
        let mut replies = core::mem::take(&mut self.replies).into_iter();
        (0..count).map(|_| RecipientOutcome { reply: replies.next() }).collect()
    }

    /// The flow's failure once the connection has broken: what was decided before stays decided.
    fn broken(&mut self, error: Error, connection: &Connection) -> SendError {
        let verdict = self.verdict.take().unwrap_or_else(|| SendError::of(error, connection, self.end));
        verdict.with_recipients(self.recipients())
    }
}

impl Flow for Send<'_> {
    type Output = Delivery;
    type Error = SendError;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Delivery>, SendError> {
        if self.mail.is_none() {
            self.begin(connection)?;
        }
        loop {
            if let Err(error) = self.queue(connection) {
                connection.abandon();
                return Err(self.broken(error, connection));
            }
            match connection.poll_event() {
                Err(error) => return Err(self.broken(error, connection)),
                Ok(Some(Event::Reply { stage, reply, .. })) => {
                    match self.answered(connection, stage, reply) {
                        Err(error) => return Err(self.broken(error, connection)),
                        Ok(None) => {}
                        Ok(Some(reply)) => {
                            let first_long_line = connection.first_long_line();
                            return Ok(Step::Done(Delivery {
                                reply,
                                recipients: self.recipients(),
                                first_long_line,
                            }));
                        }
                    }
                }
                Ok(Some(Event::Greeting(_) | Event::Closed)) => {}
                Ok(None) if connection.wants_body() => return Ok(Step::SupplyBody { message: 0 }),
                Ok(None) if connection.outstanding() > 0 => return Ok(Step::Continue),
                Ok(None) => {
                    if self.reset == Reset::Needed && connection.command(Command::Rset).is_ok() {
                        self.reset = Reset::Sent;
                        continue;
                    }
                    let none = || Error::Abandoned;
                    let verdict = self.verdict.take().unwrap_or_else(|| none().into());
                    return Err(verdict.with_recipients(self.recipients()));
                }
            }
        }
    }
}
