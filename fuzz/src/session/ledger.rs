//! An independent record of the session: what left, what was answered, and what each reply meant.
//!
//! It is told of the octets alone, those that the transport took and those that it delivered, and of the replies
//! that the client has heard, which have to be the ones that came. `lines` reads the client's octets.

use std::collections::VecDeque;
use std::ops::Range;

use smtp_proto::connection::{Stage, TlsPolicy, Window};
use smtp_proto::reply::Reply;

use super::bodies::Bodies;
use super::capabilities::Offered;
use super::lines::Reading;
use super::replies::Replies;
use super::settings::Settings;

/// A line, or the end of a message, that has left whole and is not answered.
#[derive(Debug)]
pub(super) struct Awaited {
    pub(super) stage: Stage,
    /// The mail transaction it belongs to.
    pub(super) transaction: usize,
    /// Octets of the line.
    pub(super) cost: usize,
    pub(super) chunk: bool,
}

/// A mail transaction, as it was on the wire.
#[derive(Debug, Default)]
pub(super) struct Transaction {
    /// Which of the messages that flows send it is for.
    pub(super) message: Option<u32>,
    pub(super) eight_bit: bool,
    pub(super) binary: bool,
    /// The reply to MAIL.
    pub(super) mail: Option<u16>,
    /// Which recipient of its message each RCPT was for, and the reply to it.
    pub(super) recipients: Vec<(Option<usize>, Option<u16>)>,
    pub(super) chunk_refused: bool,
    /// RSET was to end it, and was refused.
    pub(super) reset_refused: bool,
    /// The last octet of the message has left; it was the lone dot that takes DATA back.
    pub(super) end_left: bool,
    pub(super) taken_back: bool,
    /// The replies to the end of the message.
    pub(super) finals: Vec<Reply>,
    /// No more of them are due.
    pub(super) judged: bool,
}

impl Transaction {
    /// The server refused MAIL or a chunk, and went on all the same.
    pub(super) fn is_odd(&self) -> bool {
        self.chunk_refused || self.mail.is_some_and(is_negative)
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.end_left && self.finals.iter().any(|reply| is_positive(reply.code().get()))
    }

    pub(super) fn accepted(&self) -> usize {
        self.recipients.iter().filter(|(_, reply)| reply.is_some_and(is_positive)).count()
    }
}

#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) policy: TlsPolicy,
    pub(super) lmtp: bool,
    pub(super) window: Window,
    pub(super) secrets_in_clear: bool,
    ignored: Vec<&'static str>,
    pub(super) tls: bool,
    pub(super) tls_due: bool,
    pub(super) replies: Replies,
    pub(super) queue: VecDeque<Awaited>,
    pub(super) offered: Offered,
    pub(super) challenged: bool,
    pub(super) transactions: Vec<Transaction>,
    pub(super) open: Option<usize>,
    pub(super) reading: Reading,
    pub(super) bodies: Bodies,
    /// Bodies of which an octet, or the end, has left.
    pub(super) bodies_left: usize,
    /// Custom lines that the caller queued.
    pub(super) customs: Vec<Vec<u8>>,
    /// A flow is under way that must not authenticate in clear, whatever the mechanism.
    pub(super) no_auth: bool,
    /// Messages that may go in several transactions.
    pub(super) split: Vec<u32>,
    /// The messages of the flow under way: nothing is said by hand in their transactions.
    pub(super) by_flow: Range<u32>,
    /// The latest reply heard: what it answered, and how often a reply was heard at all.
    pub(super) latest: Option<(Stage, u16)>,
    pub(super) heard: usize,
    /// A reply was heard that leaves nothing but to end the session.
    pub(super) fatal: Option<&'static str>,
    pub(super) closed: bool,
    /// Octets that left.
    pub(super) octets: usize,
}

impl Ledger {
    pub(super) fn new(settings: &Settings) -> Self {
        let mut ledger = Self {
            policy: settings.tls,
            lmtp: settings.lmtp,
            window: settings.window,
            secrets_in_clear: settings.secrets_in_clear(),
            ignored: settings.ignored.clone(),
            tls: false,
            tls_due: settings.tls == TlsPolicy::Implicit,
            replies: Replies::default(),
            queue: VecDeque::new(),
            offered: Offered::default(),
            challenged: false,
            transactions: Vec::new(),
            open: None,
            reading: Reading::default(),
            bodies: Bodies::default(),
            bodies_left: 0,
            customs: Vec::new(),
            no_auth: false,
            split: Vec::new(),
            by_flow: 0..0,
            latest: None,
            heard: 0,
            fatal: None,
            closed: false,
            octets: 0,
        };
        if !ledger.tls_due {
            ledger.expect(Stage::Greeting, 0);
        }
        ledger
    }

    pub(super) fn expect(&mut self, stage: Stage, cost: usize) {
        let transaction = self.open.unwrap_or(usize::MAX);
        self.queue.push_back(Awaited { stage, transaction, cost, chunk: false });
    }

    /// The handshake is done.
    pub(super) fn upgraded(&mut self) {
        assert!(self.tls_due && !self.tls, "INV1: no handshake was due");
        assert!(
            self.replies.is_blank() && self.queue.is_empty(),
            "INV1: octets in clear outlive the handshake"
        );
        self.tls = true;
        self.tls_due = false;
        self.offered = Offered::default();
        if self.policy == TlsPolicy::Implicit {
            self.expect(Stage::Greeting, 0);
        }
    }

    /// The client has heard a reply.
    pub(super) fn hear(&mut self, reply: &Reply) {
        let said = self.replies.hear().expect("INV6: a reply was heard that had not come");
        assert_eq!((reply.code().get(), reply.text()), (said.code, said.text.as_slice()));
        assert_eq!(self.fatal, None, "INV11: a reply was heard after the session had ended");
        self.heard += 1;
        self.latest = None;
        let Some(front) = self.queue.front() else {
            // Too early for what is half said, or for nothing: the client has to stop.
            self.fatal = Some("a reply to nothing");
            return;
        };
        let (stage, transaction, chunk) = (front.stage, front.transaction, front.chunk);
        self.latest = Some((stage, said.code));
        if ends_session(stage, said.code) || (chunk && matches!(said.code, 500 | 502 | 530)) {
            self.fatal = Some("the reply is no answer to go on with");
        }
        if stage == Stage::EndOfData {
            self.judge(transaction, reply);
            return;
        }
        self.queue.pop_front();
        // A refusal is one though it ends the session: 421 to MAIL, 530 to a chunk.
        if self.fatal.is_none() || (matches!(stage, Stage::Mail | Stage::Bdat) && is_negative(said.code)) {
            self.take_effect(stage, transaction, said.code, reply);
        }
    }

    /// A reply to the end of a message: in LMTP one of as many as there are recipients.
    fn judge(&mut self, transaction: usize, reply: &Reply) {
        let code = reply.code().get();
        if !is_positive(code) && !is_negative(code) {
            return;
        }
        let due = if self.lmtp { self.transactions[transaction].accepted().max(1) } else { 1 };
        let transaction = &mut self.transactions[transaction];
        transaction.finals.push(reply.clone());
        if transaction.finals.len() >= due {
            transaction.judged = true;
            self.queue.pop_front();
        }
    }

    fn take_effect(&mut self, stage: Stage, transaction: usize, code: u16, reply: &Reply) {
        match (stage, code) {
            // RFC 5321 §4.1.4: as RSET does, it ends the transaction.
            (Stage::Ehlo | Stage::Lhlo, 250) => {
                self.open = None;
                self.offered = Offered::read(reply.text(), &self.ignored);
            }
            (Stage::Helo, 250) => self.open = None,
            (Stage::StartTls, 220) => {
                self.tls_due = true;
                self.offered = Offered::default();
            }
            (Stage::XClient, 220) => self.offered = Offered::default(),
            (Stage::Auth, _) => self.challenged = code == 334,
            (Stage::Mail, code) => self.transactions[transaction].mail = Some(code),
            (Stage::Rcpt, code) => {
                let recipients = &mut self.transactions[transaction].recipients;
                let next = recipients.iter_mut().find(|(_, reply)| reply.is_none());
                next.expect("a RCPT without a reply").1 = Some(code);
            }
            (Stage::Data, 354) => self.reading = Reading::data(),
            (Stage::Bdat, code) if is_negative(code) => self.transactions[transaction].chunk_refused = true,
            // The transaction goes on, unless another has begun behind the RSET.
            (Stage::Rset, code) if is_negative(code) && transaction < self.transactions.len() => {
                self.open = self.open.or(Some(transaction));
                self.transactions[transaction].reset_refused = true;
            }
            (Stage::Quit, _) => self.closed = true,
            _ => {}
        }
    }

    /// Whether a message has left whole, and no verdict on it was heard. One that every recipient was refused for is none.
    pub(super) fn is_in_doubt(&self) -> bool {
        let for_somebody = |transaction: &Transaction| {
            transaction.recipients.iter().any(|(_, reply)| reply.is_none_or(is_positive))
        };
        let mut ended =
            self.transactions.iter().filter(|transaction| transaction.end_left && !transaction.judged);
        ended.any(for_somebody)
    }

    /// Whether one of several transactions of a message was accepted; the others may not have come to their end.
    pub(super) fn is_partly_accepted(&self) -> bool {
        let accepted = self.transactions.iter().filter(|transaction| transaction.is_accepted());
        accepted.filter_map(|transaction| transaction.message).any(|number| self.split.contains(&number))
    }

    /// Whether the server accepted a message of which it had refused a part.
    pub(super) fn is_contradicted(&self) -> bool {
        self.transactions.iter().any(|transaction| transaction.is_accepted() && transaction.is_odd())
    }
}

pub(super) fn is_positive(code: u16) -> bool {
    (200..300).contains(&code) && code != 221
}

pub(super) fn is_negative(code: u16) -> bool {
    code >= 400
}

/// Which replies leave nothing but to end the session: the table of RFC 5321 §4.3.2, with RFC 3030, 3207 and 4954.
fn ends_session(stage: Stage, code: u16) -> bool {
    match (stage, code) {
        (Stage::Quit, _) => false,
        (_, 421 | 221) => true,
        (Stage::Greeting | Stage::StartTls, code) => code != 220,
        (_, 400..) => false,
        (Stage::XClient, code) => code != 220,
        (Stage::Auth, code) => !matches!(code, 235 | 334),
        (Stage::Ehlo | Stage::Helo | Stage::Lhlo, code) => code != 250,
        (Stage::Data, code) => code != 354,
        (Stage::Custom, _) => false,
        (_, code) => code >= 300,
    }
}
