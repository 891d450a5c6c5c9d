//! Parameters of the RCPT command.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::ops::BitOr;

use super::raw::RawParameters;
use super::xtext::{push_utf8_address, push_xtext};
use super::{ParameterError, ParameterErrorKind};
use crate::capabilities::Extension;
use crate::path::Mailbox;

/// The keywords that have a setter, which `raw` therefore refuses.
const WITH_SETTER: &[&str] = &["NOTIFY", "ORCPT"];

const ORCPT: &str = "ORCPT=";

/// RFC 3461 §4.2, for the whole parameter: keyword, `=` and value.
const MAX_ORCPT: usize = 500;

/// The address type of RFC 6533 §3, whose addresses have an encoding of their own.
const UTF8: &str = "utf-8";

/// The parameters of a RCPT command: none, until set. Setting one again replaces it.
///
/// ```
/// use smtp_proto::params::{NotifyOn, RcptParameters};
///
/// let parameters = RcptParameters::new()
///     .notify(NotifyOn::FAILURE | NotifyOn::DELAY)
///     .orcpt("rfc822", "bob+list@example.net")?;
/// assert_eq!(parameters.to_string(), "NOTIFY=FAILURE,DELAY ORCPT=rfc822;bob+2Blist@example.net");
/// # Ok::<(), smtp_proto::params::ParameterError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct RcptParameters {
    notify: Option<Notify>,
    /// Address type, `;` and encoded address.
    orcpt: Option<Box<str>>,
    raw: RawParameters,
}

impl RcptParameters {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// `NOTIFY=`: on what events the sender is notified (RFC 3461 §4.1). Without it, it is up to the server,
    /// which as a rule notifies of failures and may notify of delays.
    pub fn notify(mut self, notify: impl Into<Notify>) -> Self {
        self.notify = Some(notify.into());
        self
    }

    /// `ORCPT=`: the recipient as the sender first named it, which notifications repeat (RFC 3461 §4.2).
    /// `address_type` is a registered type such as `rfc822`; `address` is encoded here, as xtext, or for the
    /// type `utf-8` as `utf-8-addr-xtext` (RFC 6533 §3), which needs no SMTPUTF8.
    ///
    /// # Errors
    /// [`AddressType`](ParameterErrorKind::AddressType) when the type is not letters, digits and hyphens;
    /// [`OriginalRecipient`](ParameterErrorKind::OriginalRecipient) when the address is empty, holds a control
    /// character, or is not ASCII though its type is not `utf-8`;
    /// [`OriginalRecipientTooLong`](ParameterErrorKind::OriginalRecipientTooLong) when the encoded parameter
    /// has more than 500 octets.
    pub fn orcpt(mut self, address_type: &str, address: &str) -> Result<Self, ParameterError> {
        let is_utf8 = address_type.eq_ignore_ascii_case(UTF8);
        check_address_type(address_type)?;
        check_original_recipient(address, is_utf8)?;
        let mut encoded =
            String::with_capacity(address_type.len().saturating_add(address.len()).saturating_add(1));
        encoded.push_str(address_type);
        encoded.push(';');
        if is_utf8 {
            push_utf8_address(address, &mut encoded);
        } else {
            push_xtext(address.as_bytes(), &mut encoded);
        }
        if ORCPT.len().saturating_add(encoded.len()) > MAX_ORCPT {
            return Err(ParameterError::new(ParameterErrorKind::OriginalRecipientTooLong));
        }
        self.orcpt = Some(encoded.into_boxed_str());
        Ok(self)
    }

    /// As [`orcpt`](Self::orcpt), of the type `rfc822`, or `utf-8` for a mailbox that is not ASCII.
    ///
    /// # Errors
    /// [`OriginalRecipientTooLong`](ParameterErrorKind::OriginalRecipientTooLong), when so much of the mailbox
    /// has to be encoded that the parameter has more than 500 octets.
    pub fn orcpt_mailbox(self, mailbox: &Mailbox) -> Result<Self, ParameterError> {
        self.orcpt(if mailbox.is_ascii() { "rfc822" } else { UTF8 }, mailbox.as_str())
    }

    /// Adds a parameter that has no setter here, after all others. The caller answers for the server
    /// understanding it: it is *not* among the [`required_extensions`](Self::required_extensions).
    ///
    /// # Errors
    /// As [`MailParameters::raw`](super::MailParameters::raw); the keywords that have a setter are `NOTIFY` and
    /// `ORCPT`.
    pub fn raw(mut self, keyword: &str, value: Option<&str>) -> Result<Self, ParameterError> {
        self.raw.add(keyword, value, WITH_SETTER)?;
        Ok(self)
    }

    /// Whether no parameter is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The extensions that the server must offer for these parameters to be sent, each once; raw parameters
    /// name none.
    pub fn required_extensions(&self) -> impl Iterator<Item = Extension> + use<> {
        let dsn = self.notify.is_some() || self.orcpt.is_some();
        dsn.then_some(Extension::Dsn).into_iter()
    }

    /// Appends the parameters, a space before each, in the order of the setters above.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        match self.notify {
            Some(Notify::Never) => out.extend_from_slice(b" NOTIFY=NEVER"),
            Some(Notify::On(events)) => {
                let mut before: &[u8] = b" NOTIFY=";
                for name in events.names() {
                    out.extend_from_slice(before);
                    out.extend_from_slice(name.as_bytes());
                    before = b",";
                }
            }
            None => {}
        }
        if let Some(orcpt) = &self.orcpt {
            out.push(b' ');
            out.extend_from_slice(ORCPT.as_bytes());
            out.extend_from_slice(orcpt.as_bytes());
        }
        self.raw.write_to(out);
    }
}

/// Writes the parameters as a command carries them, without the space before the first.
impl fmt::Display for RcptParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_to(&mut out);
        f.write_str(String::from_utf8_lossy(&out).trim_start())
    }
}

fn check_address_type(text: &str) -> Result<(), ParameterError> {
    let fault = text.bytes().position(|octet| !(octet.is_ascii_alphanumeric() || octet == b'-'));
    match fault.or(text.is_empty().then_some(0)) {
        Some(offset) => Err(ParameterError::at(ParameterErrorKind::AddressType, offset)),
        None => Ok(()),
    }
}

fn check_original_recipient(text: &str, is_utf8: bool) -> Result<(), ParameterError> {
    let refused =
        |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') || (!is_utf8 && !c.is_ascii());
    match text.find(refused).or(text.is_empty().then_some(0)) {
        Some(offset) => Err(ParameterError::at(ParameterErrorKind::OriginalRecipient, offset)),
        None => Ok(()),
    }
}

/// On what events the sender is notified (RFC 3461 §4.1): never, or on one event at least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Notify {
    /// Under no circumstances.
    Never,
    /// On these events.
    On(NotifyOn),
}

impl From<NotifyOn> for Notify {
    fn from(events: NotifyOn) -> Self {
        Self::On(events)
    }
}

/// One or more of the events that a sender can be notified of; `|` unites them.
///
/// ```
/// use smtp_proto::params::NotifyOn;
///
/// let events = NotifyOn::SUCCESS | NotifyOn::FAILURE;
/// assert!(events.contains(NotifyOn::FAILURE));
/// assert!(!events.contains(NotifyOn::DELAY));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NotifyOn(u8);

impl NotifyOn {
    /// The message was delivered.
    pub const SUCCESS: Self = Self(1);
    /// The message could not be delivered.
    pub const FAILURE: Self = Self(2);
    /// The message has not been delivered yet.
    pub const DELAY: Self = Self(4);

    const NAMES: [(Self, &str); 3] =
        [(Self::SUCCESS, "SUCCESS"), (Self::FAILURE, "FAILURE"), (Self::DELAY, "DELAY")];

    /// Whether all of `events` are among these.
    #[must_use]
    pub const fn contains(self, events: Self) -> bool {
        self.0 & events.0 == events.0
    }

    fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter_map(move |(event, name)| self.contains(event).then_some(name))
    }
}

impl BitOr for NotifyOn {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
