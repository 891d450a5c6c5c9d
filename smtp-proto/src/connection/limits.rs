//! What the server declared that it takes, asked before each MAIL and RCPT (RFC 9422, RFC 2852 §2, RFC 4865 §3).

use alloc::boxed::Box;
use alloc::collections::BTreeSet;

use super::Connection;
use crate::capabilities::{Extension, Limit, Limits};
use crate::command::Command;
use crate::error::{Error, Misuse};
use crate::params::{Hold, MailParameters, OutOfRange};
use crate::path::ForwardPath;

/// Most domains of recipients that are remembered for the sake of RCPTDOMAINMAX: a server could declare any number.
const MOST_DOMAINS: u64 = 1_000;

/// What has been said in this session of what RFC 9422 limits. A command counts when it is queued: whether the
/// server accepts it does not matter to the limits.
#[derive(Debug, Default)]
pub(super) struct Counts {
    mails: u32,
    /// In the latest mail transaction.
    recipients: u32,
    /// In lower case; kept only for a server that limits their number.
    domains: Option<Box<Domains>>,
}

/// In a box of its own, because most servers limit no such thing.
#[derive(Debug, Default)]
struct Domains(BTreeSet<Box<str>>);

impl Connection {
    /// How many more mail transactions the server takes in this session (RFC 9422, `MAILMAX`); `None` when it
    /// declares no such limit. Every MAIL that was queued counts.
    #[must_use]
    pub fn transactions_left(&self) -> Option<u64> {
        self.capabilities.limits().mail_max.map(|max| max.saturating_sub(self.counts.mails.into()))
    }

    /// How many mail transactions were begun in this session: every MAIL that was queued counts.
    #[must_use]
    pub fn transactions(&self) -> u64 {
        self.counts.mails.into()
    }

    /// Whether one mail transaction, begun after all that is queued, may have all these recipients as far as the
    /// server's limits go (RFC 9422, `RCPTMAX` and `RCPTDOMAINMAX`).
    ///
    /// # Errors
    /// [`Error::LimitReached`] with the limit that the first recipient too many would go beyond.
    pub fn check_recipients<'p>(
        &self,
        recipients: impl IntoIterator<Item = &'p ForwardPath>,
    ) -> Result<(), Error> {
        let limits = self.capabilities.limits();
        if limits == Limits::default() {
            return Ok(());
        }
        let mut counted = 0;
        let mut new = BTreeSet::new();
        for path in recipients {
            match limits.rcpt_max {
                Some(max) if counted >= max => {
                    return Err(Error::LimitReached { limit: Limit::RcptMax, max });
                }
                _ => counted = counted.saturating_add(1),
            }
            let Some(max) = domain_max(&limits) else { continue };
            new.extend(domain_of(path).filter(|domain| !self.counts.knows(domain)));
            if self.counts.domains().saturating_add(new.len()) as u64 > max {
                return Err(Error::LimitReached { limit: Limit::RcptDomainMax, max });
            }
        }
        Ok(())
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
        let Some(seconds) = seconds else { return Ok(()) };
        match self.capabilities.deliver_by_minimum() {
            Some(minimum) if u64::from(seconds) < minimum => {
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
        if !self.capabilities.supports(Extension::Limits) {
            return Ok(());
        }
        self.counts.check_rcpt(&self.capabilities.limits(), path)
    }

    /// Counts a command that was queued.
    pub(super) fn count(&mut self, command: &Command<'_>) {
        match command {
            Command::Mail(..) => self.counts.add_mail(),
            Command::Rcpt(path, _) => self.counts.add_rcpt(&self.capabilities.limits(), path),
            _ => {}
        }
    }
}

impl Counts {
    fn domains(&self) -> usize {
        self.domains.as_ref().map_or(0, |domains| domains.0.len())
    }

    fn knows(&self, domain: &str) -> bool {
        self.domains.as_ref().is_some_and(|domains| domains.0.contains(domain))
    }

    fn add_mail(&mut self) {
        self.mails = self.mails.saturating_add(1);
        self.recipients = 0;
    }

    fn check_rcpt(&self, limits: &Limits, path: &ForwardPath) -> Result<(), Error> {
        match limits.rcpt_max {
            Some(max) if u64::from(self.recipients) >= max => {
                return Err(Error::LimitReached { limit: Limit::RcptMax, max });
            }
            _ => {}
        }
        let Some(max) = domain_max(limits) else { return Ok(()) };
        match domain_of(path) {
            Some(domain) if self.domains() as u64 >= max && !self.knows(&domain) => {
                Err(Error::LimitReached { limit: Limit::RcptDomainMax, max })
            }
            _ => Ok(()),
        }
    }

    fn add_rcpt(&mut self, limits: &Limits, path: &ForwardPath) {
        self.recipients = self.recipients.saturating_add(1);
        if domain_max(limits).is_some() {
            self.domains.get_or_insert_default().0.extend(domain_of(path));
        }
    }
}

/// RCPTDOMAINMAX, where it is kept account of.
fn domain_max(limits: &Limits) -> Option<u64> {
    limits.rcpt_domain_max.filter(|&max| max <= MOST_DOMAINS)
}

/// The domain, to be compared without regard to case; `<postmaster>` has none.
fn domain_of(path: &ForwardPath) -> Option<Box<str>> {
    path.mailbox().map(|mailbox| mailbox.domain().to_ascii_lowercase().into_boxed_str())
}
