//! MAIL and RCPT: a mail transaction up to the message (RFC 5321 §3.3).

use super::super::command::Parameters;
use super::super::parameters::Refusal;
use super::super::path::domain_of;
use super::super::settings::RecipientVerdict;
use super::Session;

/// RFC 5321 §4.5.3.1.8 asks for 100 at least.
const RECIPIENT_LIMIT: usize = 1000;

/// A mail transaction, begun by MAIL.
pub(super) struct Transaction {
    pub(super) reverse_path: String,
    pub(super) parameters: Parameters,
    pub(super) recipients: Vec<Recipient>,
    /// RCPTs so far, and the domains in them.
    rcpts: usize,
    domains: Vec<String>,
    /// What BDAT has brought so far.
    pub(super) data: Vec<u8>,
    pub(super) chunks: Vec<usize>,
    /// A chunk was refused, or DATA where BDAT was due; all that is left is RSET.
    pub(super) failed: bool,
}

/// A recipient that was accepted.
pub(super) struct Recipient {
    pub(super) forward_path: String,
    pub(super) parameters: Parameters,
}

impl Transaction {
    pub(super) fn smtputf8(&self) -> bool {
        self.parameters.iter().any(|(keyword, _)| keyword == "SMTPUTF8")
    }

    /// Whether `BODY=` was given with this value.
    pub(super) fn is_body(&self, kind: &str) -> bool {
        let given = |value: &Option<String>| value.as_deref().is_some_and(|v| v.eq_ignore_ascii_case(kind));
        self.parameters.iter().any(|(keyword, value)| keyword == "BODY" && given(value))
    }

    /// Whether BDAT has come.
    pub(super) fn has_content(&self) -> bool {
        self.failed || !self.chunks.is_empty()
    }
}

impl Session<'_> {
    pub(super) fn mail(&mut self, reverse_path: &str, parameters: Parameters) {
        self.mails += 1;
        let begun = self.begin_transaction(reverse_path, parameters);
        self.mail_refused = !begun && self.transaction.is_none();
    }

    /// Whether a transaction begins; the reply is given either way.
    fn begin_transaction(&mut self, reverse_path: &str, parameters: Parameters) -> bool {
        let settings = &self.shared.settings;
        if self.client.is_none() {
            self.fault((503, "5.5.1", "EHLO first"));
        } else if settings.require_tls && self.tls.is_none() {
            self.refuse((530, "5.7.0", "STARTTLS first"));
        } else if settings.require_auth && self.user.is_none() {
            self.refuse((530, "5.7.0", "AUTH first"));
        } else if self.transaction.is_some() {
            self.fault((503, "5.5.1", "One mail transaction at a time"));
        } else if exceeds(self.mails, settings.enforced_limits.mail) {
            let told = exceeds(self.mails, settings.limits.mail);
            self.limit(told, (452, "4.5.3", "Too many messages in this session"));
        } else if let Err(refusal) = self.offer().check_mail(&parameters) {
            // A message can be too large without anybody's fault.
            if refusal.0 == 552 { self.refuse(refusal) } else { self.fault(refusal) }
        } else {
            let transaction = Transaction {
                reverse_path: reverse_path.to_owned(),
                parameters,
                recipients: Vec::new(),
                rcpts: 0,
                domains: Vec::new(),
                data: Vec::new(),
                chunks: Vec::new(),
                failed: false,
            };
            if !reverse_path.is_ascii() && !transaction.smtputf8() {
                self.fault((553, "5.6.7", "An address outside ASCII needs SMTPUTF8"));
                return false;
            }
            self.transaction = Some(transaction);
            self.reply(250, "2.1.0", "Ok");
            return true;
        }
        false
    }

    pub(super) fn rcpt(&mut self, forward_path: &str, parameters: Parameters) {
        let offer = self.offer();
        let settings = &self.shared.settings;
        let Some(transaction) = &mut self.transaction else {
            self.out_of_order((503, "5.5.1", "MAIL first"));
            return;
        };
        if transaction.has_content() {
            self.fault((503, "5.5.1", "Not after BDAT"));
            return;
        }
        transaction.rcpts += 1;
        let domain = domain_of(forward_path);
        if !transaction.domains.contains(&domain) {
            transaction.domains.push(domain);
        }
        let over = |rcpt: Option<usize>, domains: Option<usize>| {
            exceeds(transaction.rcpts, rcpt) || exceeds(transaction.domains.len(), domains)
        };
        let enforced = &settings.enforced_limits;
        if over(enforced.rcpt, enforced.rcpt_domain) {
            let told = over(settings.limits.rcpt, settings.limits.rcpt_domain);
            self.limit(told, (452, "4.5.3", "Too many recipients"));
        } else if transaction.recipients.len() >= RECIPIENT_LIMIT {
            self.refuse((452, "4.5.3", "Too many recipients"));
        } else if let Err(refusal) = offer.check_rcpt(&parameters, transaction.smtputf8()) {
            self.fault(refusal);
        } else if !forward_path.is_ascii() && !transaction.smtputf8() {
            self.fault((553, "5.6.7", "An address outside ASCII needs SMTPUTF8"));
        } else {
            match (settings.recipient_rule)(forward_path) {
                RecipientVerdict::Accept => {
                    let recipient = Recipient { forward_path: forward_path.to_owned(), parameters };
                    transaction.recipients.push(recipient);
                    self.reply(250, "2.1.5", "Ok");
                }
                RecipientVerdict::Refuse => self.refuse((550, "5.1.1", "No such mailbox")),
                RecipientVerdict::TryLater => self.refuse((450, "4.2.1", "Not now")),
            }
        }
    }

    /// To run into a limit is a fault of a client that was told of it.
    fn limit(&mut self, told: bool, refusal: Refusal) {
        if told && self.is_extended() && self.shared.settings.advertises("LIMITS") {
            self.fault(refusal);
        } else {
            self.refuse(refusal);
        }
    }
}

fn exceeds(count: usize, limit: Option<usize>) -> bool {
    limit.is_some_and(|limit| count > limit)
}
