//! What the server declared that it takes, asked before each MAIL and RCPT (RFC 9422, RFC 2852 §2, RFC 4865 §3).

use alloc::boxed::Box;
use alloc::collections::BTreeSet;

use super::Connection;
use crate::capabilities::Limit;
use crate::command::Command;
use crate::error::{Error, Misuse};
use crate::params::{Hold, MailParameters, OutOfRange};
use crate::path::ForwardPath;

/// What has been said in this session of what RFC 9422 limits. A command counts when it is queued: whether the
/// server accepts it does not matter to the limits.
#[derive(Debug, Default)]
pub(super) struct Counts {
    mails: u64,
    /// In the latest mail transaction.
    recipients: u64,
    /// In lower case; kept only for a server that limits their number.
    domains: BTreeSet<Box<str>>,
}

impl Connection {
    /// How many more mail transactions the server takes in this session (RFC 9422, `MAILMAX`); `None` when it
    /// declares no such limit. Every MAIL that was queued counts.
    #[must_use]
    pub fn transactions_left(&self) -> Option<u64> {
        self.capabilities.limits().mail_max.map(|max| max.saturating_sub(self.counts.mails))
    }

    /// What a MAIL with these parameters would break.
    pub(super) fn check_mail_limits(&self, parameters: &MailParameters) -> Result<(), Error> {
        if let (Some(0), Some(max)) = (self.transactions_left(), self.capabilities.limits().mail_max) {
            return Err(Error::LimitReached { limit: Limit::MailMax, max });
        }
        // RFC 8689 §4.2.1: the message may not leave by a hop that is less than what is asked of the others.
        if parameters.requires_tls() && !self.security.is_tls() {
            return Err(Misuse::NeedsTls.into());
        }
        self.check_delivery_time(parameters)?;
        self.check_hold(parameters)
    }

    fn check_delivery_time(&self, parameters: &MailParameters) -> Result<(), Error> {
        let seconds = parameters.delivery_time().and_then(|deliver_by| deliver_by.return_after());
        match (seconds, self.capabilities.deliver_by_minimum()) {
            (Some(seconds), Some(minimum)) if u64::from(seconds) < minimum => {
                Err(OutOfRange::DeliverBy { seconds, minimum }.into())
            }
            _ => Ok(()),
        }
    }

    fn check_hold(&self, parameters: &MailParameters) -> Result<(), Error> {
        let Some(hold) = parameters.held() else { return Ok(()) };
        let offered = self.capabilities.future_release().unwrap_or_default();
        match (hold, offered.max_interval, offered.max_date_time) {
            (&Hold::For(seconds), Some(maximum), _) if u64::from(seconds) > maximum => {
                Err(OutOfRange::HoldFor { seconds, maximum }.into())
            }
            (Hold::Until(moment), _, Some(maximum)) if *moment > maximum => {
                Err(OutOfRange::HoldUntil { moment: moment.clone(), maximum }.into())
            }
            _ => Ok(()),
        }
    }

    /// What one more RCPT would break.
    pub(super) fn check_rcpt_limits(&self, path: &ForwardPath) -> Result<(), Error> {
        let limits = self.capabilities.limits();
        match limits.rcpt_max {
            Some(max) if self.counts.recipients >= max => {
                return Err(Error::LimitReached { limit: Limit::RcptMax, max });
            }
            _ => {}
        }
        match (limits.rcpt_domain_max, domain_of(path)) {
            (Some(max), Some(domain))
                if self.counts.domains.len() as u64 >= max && !self.counts.domains.contains(&domain) =>
            {
                Err(Error::LimitReached { limit: Limit::RcptDomainMax, max })
            }
            _ => Ok(()),
        }
    }

    /// Counts a command that was queued.
    pub(super) fn count(&mut self, command: &Command<'_>) {
        match command {
            Command::Mail(..) => {
                self.counts.mails += 1;
                self.counts.recipients = 0;
            }
            Command::Rcpt(path, _) => {
                self.counts.recipients += 1;
                if self.capabilities.limits().rcpt_domain_max.is_some() {
                    self.counts.domains.extend(domain_of(path));
                }
            }
            _ => {}
        }
    }
}

/// The domain, to be compared without regard to case; `<postmaster>` has none.
fn domain_of(path: &ForwardPath) -> Option<Box<str>> {
    path.mailbox().map(|mailbox| mailbox.domain().to_ascii_lowercase().into_boxed_str())
}
