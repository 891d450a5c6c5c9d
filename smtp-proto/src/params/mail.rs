//! Parameters of the MAIL command.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use super::decimal::{push_decimal, push_signed};
use super::raw::RawParameters;
use super::xtext::push_xtext;
use super::{DeliverBy, Hold, ParameterError, ParameterErrorKind};
use crate::body::BodyKind;
use crate::capabilities::Extension;
use crate::path::Mailbox;

/// The keywords that have a setter, which `raw` therefore refuses.
const WITH_SETTER: &[&str] = &[
    "SIZE",
    "BODY",
    "SMTPUTF8",
    "RET",
    "ENVID",
    "AUTH",
    "REQUIRETLS",
    "BY",
    "MT-PRIORITY",
    "HOLDFOR",
    "HOLDUNTIL",
];

/// RFC 3461 §4.4, counted as xtext.
const MAX_ENVELOPE_ID: usize = 100;

/// The parameters of a MAIL command: none, until set. Setting one again replaces it.
///
/// ```
/// use smtp_proto::params::{MailParameters, Ret};
///
/// let parameters = MailParameters::new().ret(Ret::Headers).envid("batch 7")?.size(1200);
/// assert_eq!(parameters.to_string(), "SIZE=1200 RET=HDRS ENVID=batch+207");
/// # Ok::<(), smtp_proto::params::ParameterError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub struct MailParameters {
    size: Option<u64>,
    body: Option<BodyKind>,
    smtp_utf8: bool,
    ret: Option<Ret>,
    /// As xtext.
    envid: Option<Box<str>>,
    /// `<>` or a mailbox as xtext.
    auth: Option<Box<str>>,
    require_tls: bool,
    deliver_by: Option<DeliverBy>,
    mt_priority: Option<i8>,
    hold: Option<Hold>,
    raw: RawParameters,
}

impl MailParameters {
    /// No parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// `SIZE=`: the size of the message in octets, its line ends counted as two and its dots as they are
    /// before stuffing (RFC 1870 §3). An estimate is allowed.
    pub fn size(mut self, octets: u64) -> Self {
        self.size = Some(octets);
        self
    }

    /// `BODY=`: the kind of octets in the message data (RFC 6152 §2, RFC 3030 §3).
    pub fn body(mut self, kind: BodyKind) -> Self {
        self.body = Some(kind);
        self
    }

    /// `SMTPUTF8`: an address or a header field holds UTF-8 (RFC 6531 §3.4).
    pub fn smtp_utf8(mut self) -> Self {
        self.smtp_utf8 = true;
        self
    }

    /// `RET=`: how much of the message a failure report returns (RFC 3461 §4.3).
    pub fn ret(mut self, ret: Ret) -> Self {
        self.ret = Some(ret);
        self
    }

    /// `ENVID=`: an id that delivery status notifications repeat (RFC 3461 §4.4). It is encoded here; pass it
    /// as it should be read.
    ///
    /// # Errors
    /// [`EnvelopeId`](ParameterErrorKind::EnvelopeId) when `id` is empty or holds anything but printable ASCII
    /// and spaces; [`EnvelopeIdTooLong`](ParameterErrorKind::EnvelopeIdTooLong) when it has more than 100
    /// octets once encoded.
    pub fn envid(mut self, id: &str) -> Result<Self, ParameterError> {
        let fault = id.bytes().position(|octet| !matches!(octet, 32..=126));
        if let Some(offset) = fault.or(id.is_empty().then_some(0)) {
            return Err(ParameterError::at(ParameterErrorKind::EnvelopeId, offset));
        }
        let mut encoded = String::with_capacity(id.len());
        push_xtext(id.as_bytes(), &mut encoded);
        if encoded.len() > MAX_ENVELOPE_ID {
            return Err(ParameterError::new(ParameterErrorKind::EnvelopeIdTooLong));
        }
        self.envid = Some(encoded.into_boxed_str());
        Ok(self)
    }

    /// `AUTH=`: who submitted the message, told by one trusted server to another; `None` is `AUTH=<>`, not
    /// known or not to be passed on (RFC 4954 §5). Non-ASCII octets are encoded too.
    pub fn auth(mut self, submitter: Option<&Mailbox>) -> Self {
        let mut encoded = String::new();
        match submitter {
            Some(mailbox) => push_xtext(mailbox.as_str().as_bytes(), &mut encoded),
            None => encoded.push_str("<>"),
        }
        self.auth = Some(encoded.into_boxed_str());
        self
    }

    /// `REQUIRETLS`: the message is to travel under verified TLS only, on this hop and on all after it (RFC 8689 §2).
    /// A connection that is not under verified TLS itself refuses it.
    pub fn require_tls(mut self) -> Self {
        self.require_tls = true;
        self
    }

    /// `BY=`: by when the message is to be delivered (RFC 2852 §4). A connection refuses a time after which the
    /// message is returned that is shorter than the server's minimum.
    pub fn deliver_by(mut self, deliver_by: DeliverBy) -> Self {
        self.deliver_by = Some(deliver_by);
        self
    }

    /// `MT-PRIORITY=`: the message transfer priority, -9 to 9, the highest first; 0 is what a message without the
    /// parameter has (RFC 6710 §3).
    ///
    /// # Errors
    /// [`Priority`](ParameterErrorKind::Priority) when it is not from -9 to 9.
    pub fn mt_priority(mut self, priority: i8) -> Result<Self, ParameterError> {
        if !(-9..=9).contains(&priority) {
            return Err(ParameterError::new(ParameterErrorKind::Priority));
        }
        self.mt_priority = Some(priority);
        Ok(self)
    }

    /// `HOLDFOR=` or `HOLDUNTIL=`: the message is to be released later (RFC 4865 §3). Setting one replaces the other.
    /// A connection refuses what is beyond the server's limits.
    ///
    /// # Errors
    /// [`HoldFor`](ParameterErrorKind::HoldFor) when the seconds are 0 or have more than nine digits.
    pub fn hold(mut self, hold: Hold) -> Result<Self, ParameterError> {
        hold.check()?;
        self.hold = Some(hold);
        Ok(self)
    }

    /// Adds a parameter that has no setter here, after all others. The caller answers for the server
    /// understanding it: it is *not* among the [`required_extensions`](Self::required_extensions).
    ///
    /// # Errors
    /// [`Keyword`](ParameterErrorKind::Keyword) or [`Value`](ParameterErrorKind::Value) when they do not
    /// follow the grammar of RFC 5321 §4.1.2 (a value is printable ASCII without spaces and `=`; encode others
    /// with [`xtext`](super::xtext) where the extension says so);
    /// [`KeywordHasSetter`](ParameterErrorKind::KeywordHasSetter) for `SIZE` and the others above;
    /// [`DuplicateKeyword`](ParameterErrorKind::DuplicateKeyword) when it was added before.
    ///
    /// ```
    /// use smtp_proto::params::MailParameters;
    ///
    /// let parameters = MailParameters::new().raw("SOLICIT", Some("org.example:ADV"))?.raw("X-FAST", None)?;
    /// assert_eq!(parameters.to_string(), "SOLICIT=org.example:ADV X-FAST");
    /// assert!(MailParameters::new().raw("X-FAST", Some("1 SIZE=2")).is_err());
    /// # Ok::<(), smtp_proto::params::ParameterError>(())
    /// ```
    pub fn raw(mut self, keyword: &str, value: Option<&str>) -> Result<Self, ParameterError> {
        self.raw.add(keyword, value, WITH_SETTER)?;
        Ok(self)
    }

    /// The size that is declared, in octets.
    #[must_use]
    pub const fn declared_size(&self) -> Option<u64> {
        self.size
    }

    /// The body kind that is declared; without one, a server takes the body for 7BIT.
    #[must_use]
    pub const fn declared_body(&self) -> Option<BodyKind> {
        self.body
    }

    /// Whether `SMTPUTF8` is set.
    #[must_use]
    pub const fn declares_smtp_utf8(&self) -> bool {
        self.smtp_utf8
    }

    /// Whether `REQUIRETLS` is set.
    #[must_use]
    pub const fn requires_tls(&self) -> bool {
        self.require_tls
    }

    /// By when the message is to be delivered.
    #[must_use]
    pub const fn delivery_time(&self) -> Option<DeliverBy> {
        self.deliver_by
    }

    /// How long the message is to be held.
    #[must_use]
    pub const fn held(&self) -> Option<&Hold> {
        self.hold.as_ref()
    }

    /// Whether no parameter is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The extensions that the server must offer for these parameters to be sent, each once; raw parameters
    /// name none. `BODY=BINARYMIME` needs CHUNKING as well, as only BDAT can carry what it announces (RFC 3030
    /// §3).
    pub fn required_extensions(&self) -> impl Iterator<Item = Extension> + use<> {
        let dsn = self.ret.is_some() || self.envid.is_some();
        let eight_bit = matches!(self.body, Some(BodyKind::SevenBit | BodyKind::EightBitMime));
        let binary = self.body == Some(BodyKind::BinaryMime);
        [
            (self.size.is_some(), Extension::Size),
            (eight_bit, Extension::EightBitMime),
            (binary, Extension::BinaryMime),
            (binary, Extension::Chunking),
            (self.smtp_utf8, Extension::SmtpUtf8),
            (dsn, Extension::Dsn),
            (self.auth.is_some(), Extension::Auth),
            (self.require_tls, Extension::RequireTls),
            (self.deliver_by.is_some(), Extension::DeliverBy),
            (self.mt_priority.is_some(), Extension::MtPriority),
            (self.hold.is_some(), Extension::FutureRelease),
        ]
        .into_iter()
        .filter_map(|(required, extension)| required.then_some(extension))
    }

    /// Appends the parameters, a space before each, in the order of the setters above.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        if let Some(octets) = self.size {
            out.extend_from_slice(b" SIZE=");
            push_decimal(octets, out);
        }
        if let Some(kind) = self.body {
            out.extend_from_slice(b" BODY=");
            out.extend_from_slice(kind.as_str().as_bytes());
        }
        if self.smtp_utf8 {
            out.extend_from_slice(b" SMTPUTF8");
        }
        if let Some(ret) = self.ret {
            out.extend_from_slice(b" RET=");
            out.extend_from_slice(ret.as_str().as_bytes());
        }
        if let Some(envid) = &self.envid {
            out.extend_from_slice(b" ENVID=");
            out.extend_from_slice(envid.as_bytes());
        }
        if let Some(auth) = &self.auth {
            out.extend_from_slice(b" AUTH=");
            out.extend_from_slice(auth.as_bytes());
        }
        if self.require_tls {
            out.extend_from_slice(b" REQUIRETLS");
        }
        if let Some(deliver_by) = self.deliver_by {
            deliver_by.write_to(out);
        }
        if let Some(priority) = self.mt_priority {
            out.extend_from_slice(b" MT-PRIORITY=");
            push_signed(priority.into(), out);
        }
        if let Some(hold) = &self.hold {
            hold.write_to(out);
        }
        self.raw.write_to(out);
    }
}

/// Writes the parameters as a command carries them, without the space before the first.
impl fmt::Display for MailParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        self.write_to(&mut out);
        f.write_str(String::from_utf8_lossy(&out).trim_start())
    }
}

/// How much of the message a failure report returns (RFC 3461 §4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ret {
    /// All of it.
    Full,
    /// Its header fields.
    Headers,
}

impl Ret {
    /// The value of the `RET` parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        }
    }
}
