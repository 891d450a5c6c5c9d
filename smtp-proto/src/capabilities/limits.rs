//! What the server says in figures: the parameters of its extension keywords, read with types.
//!
//! A server may say anything here. What is not of the RFC's form is taken as not said, so that no value can panic,
//! overflow or forbid everything; what is refused because of a value, is refused locally and can be asked for again
//! after [`Capabilities::mask`].

use alloc::boxed::Box;
use core::fmt;
use core::num::NonZeroU64;

use super::{Capabilities, Extension};
use crate::params::DateTime;

impl Capabilities {
    /// The largest message the server takes, in octets (RFC 1870).
    ///
    /// `None` when it names no limit: no `SIZE`, or one that is 0, absent, or not a decimal number below 2⁶⁴.
    #[must_use]
    pub fn size_limit(&self) -> Option<u64> {
        self.size_limit.map(NonZeroU64::get)
    }

    /// The limits that the server declares for this session (RFC 9422); none when it does not offer LIMITS.
    ///
    /// Names are compared without regard to case, and unknown ones ignored. A value that is 0 or not a decimal
    /// number below 2⁶⁴ counts as absent; of a limit that is listed twice the smaller value counts.
    ///
    /// ```
    /// use smtp_proto::capabilities::Capabilities;
    ///
    /// let capabilities = Capabilities::parse([&b"mx.example.net"[..], b"LIMITS MAILMAX=100 rcptmax=50 XMAX=1"]);
    /// let limits = capabilities.limits();
    /// assert_eq!((limits.mail_max, limits.rcpt_max, limits.rcpt_domain_max), (Some(100), Some(50), None));
    /// ```
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits.as_deref().copied().unwrap_or_default()
    }

    /// Reads the figures out of the lines.
    pub(super) fn with_figures(mut self) -> Self {
        if self.supports(Extension::Size) {
            self.size_limit =
                self.get(Extension::Size.keyword()).and_then(positive).and_then(NonZeroU64::new);
        }
        if self.supports(Extension::Limits) {
            self.limits = Some(Box::new(self.read_limits()));
        }
        self
    }

    fn read_limits(&self) -> Limits {
        let mut limits = Limits::default();
        for parameter in self.get(Extension::Limits.keyword()).unwrap_or_default().split(' ') {
            let Some((name, value)) = parameter.split_once('=') else { continue };
            let Some(limit) = Limit::from_name(name) else { continue };
            let place = limits.place(limit);
            *place = match (*place, positive(value)) {
                (Some(before), Some(value)) => Some(before.min(value)),
                (before, value) => before.or(value),
            };
        }
        limits
    }

    /// The shortest time, in seconds, after which the server agrees to return a message that it could not deliver
    /// (RFC 2852 §2).
    ///
    /// `None` when it names none: no `DELIVERBY`, or no such time, or one that is 0 or not a decimal number.
    #[must_use]
    pub fn deliver_by_minimum(&self) -> Option<u64> {
        let parameters = self.get(Extension::DeliverBy.keyword())?;
        positive(parameters.split(',').next().unwrap_or_default().trim_ascii())
    }

    /// How far into the future the server holds a message (RFC 4865 §3); `None` when it does not offer
    /// FUTURERELEASE.
    #[must_use]
    pub fn future_release(&self) -> Option<FutureRelease> {
        let mut parameters = self.get(Extension::FutureRelease.keyword())?.split(' ');
        let max_interval = parameters.next().and_then(positive);
        let max_date_time = parameters.next().and_then(|moment| moment.parse().ok());
        Some(FutureRelease { max_interval, max_date_time })
    }

    /// The name of the profile by which the server assigns meaning to priorities, such as `MIXER` (RFC 6710 §3);
    /// `None` when it names none or does not offer MT-PRIORITY.
    #[must_use]
    pub fn mt_priority_profile(&self) -> Option<&str> {
        self.get(Extension::MtPriority.keyword())?.split(' ').next().filter(|profile| !profile.is_empty())
    }

    /// The names of the attributes that the server takes in XCLIENT, as it wrote them (Postfix, XCLIENT_README);
    /// none when it does not offer XCLIENT.
    pub fn xclient_attributes(&self) -> impl Iterator<Item = &str> + Clone {
        self.get(Extension::XClient.keyword()).unwrap_or_default().split_ascii_whitespace()
    }
}

/// A decimal number that is not 0.
fn positive(digits: &str) -> Option<u64> {
    // `from_str` alone would take a sign.
    if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok().filter(|&number| number != 0)
}

/// The limits that a server declares (RFC 9422); `None` where it names none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// `MAILMAX`: MAIL commands in a session.
    pub mail_max: Option<u64>,
    /// `RCPTMAX`: RCPT commands in a mail transaction.
    pub rcpt_max: Option<u64>,
    /// `RCPTDOMAINMAX`: different domains of the forward-paths in a session. The domains are not counted here for a
    /// server that takes more than 1,000: it says so itself when they are too many.
    pub rcpt_domain_max: Option<u64>,
}

impl Limits {
    fn place(&mut self, limit: Limit) -> &mut Option<u64> {
        match limit {
            Limit::MailMax => &mut self.mail_max,
            Limit::RcptMax => &mut self.rcpt_max,
            Limit::RcptDomainMax => &mut self.rcpt_domain_max,
        }
    }
}

/// One of the limits of RFC 9422.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// `MAILMAX`: MAIL commands in a session.
    MailMax,
    /// `RCPTMAX`: RCPT commands in a mail transaction.
    RcptMax,
    /// `RCPTDOMAINMAX`: different domains of the forward-paths in a session.
    RcptDomainMax,
}

impl Limit {
    const ALL: [Self; 3] = [Self::MailMax, Self::RcptMax, Self::RcptDomainMax];

    /// The limit's registered name, in upper case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MailMax => "MAILMAX",
            Self::RcptMax => "RCPTMAX",
            Self::RcptDomainMax => "RCPTDOMAINMAX",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|limit| limit.name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MailMax => "mail transactions in a session (MAILMAX)",
            Self::RcptMax => "recipients in a mail transaction (RCPTMAX)",
            Self::RcptDomainMax => "recipients' domains in a session (RCPTDOMAINMAX)",
        })
    }
}

/// How far into the future a server holds a message (RFC 4865 §3); `None` where what it said is no such limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FutureRelease {
    /// The longest time a message is held for, in seconds.
    pub max_interval: Option<u64>,
    /// The latest moment a message is held until.
    pub max_date_time: Option<DateTime>,
}
