//! Who a message is from and who it goes to.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::ops::Range;

use crate::error::Error;
use crate::params::{MailParameters, RcptParameters};
use crate::path::{ForwardPath, ReversePath};

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

    /// An envelope from plain strings, each `local@domain`: recipients are `&["bob@example.net"]`, a vector of strings,
    /// or another crate's addresses that are [`AsRef<str>`]. An empty `from`, or `<>`, is the null reverse-path.
    ///
    /// ```
    /// use smtp_proto::flow::Envelope;
    ///
    /// let to: Vec<String> = vec!["bob@example.net".to_owned(), "carol@example.net".to_owned()];
    /// assert_eq!(Envelope::from_strs("alice@example.org", &to)?.recipients.len(), 2);
    /// # Ok::<(), smtp_proto::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Address`] for the first that is no address.
    pub fn from_strs(from: &str, to: &[impl AsRef<str>]) -> Result<Self, Error> {
        let reverse_path = if from.is_empty() { ReversePath::null() } else { from.parse()? };
        let mut recipients = Vec::new();
        for (index, to) in to.iter().enumerate() {
            let parsed = to.as_ref().parse();
            recipients.push(parsed.map_err(|error| Error::Address { recipient: Some(index), error })?);
        }
        Ok(Self::new(reverse_path, recipients))
    }

    /// Whether a mail transaction for these of its recipients needs SMTPUTF8.
    pub(super) fn needs_smtputf8(&self, range: &Range<usize>) -> bool {
        let recipients = self.recipients.get(range.clone()).unwrap_or_default();
        self.reverse_path.needs_smtputf8() || recipients.iter().any(|r| r.forward_path.needs_smtputf8())
    }
}

impl From<Envelope> for Cow<'_, Envelope> {
    fn from(envelope: Envelope) -> Self {
        Cow::Owned(envelope)
    }
}

impl<'a> From<&'a Envelope> for Cow<'a, Envelope> {
    fn from(envelope: &'a Envelope) -> Self {
        Cow::Borrowed(envelope)
    }
}
