//! A message with its envelope, as a batch takes it.

use std::borrow::Cow;
use std::fmt;

use smtp_proto::body::BodyKind;
use smtp_proto::flow::{Body, Envelope, SendOptions};
use tokio::io::AsyncBufRead;

use crate::clock::{Track, Tracker};
use crate::job::Source;

/// A message for [`Client::send_all`](crate::Client::send_all): an envelope and a body, each owned or borrowed.
///
/// A pair of the two becomes one by itself.
///
/// ```
/// use smtp_tokio::Message;
/// use smtp_tokio::smtp_proto::flow::Envelope;
///
/// let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
/// let borrowed = Message::from((&envelope, b"Subject: hi\r\n\r\n"));
/// let owned = Message::new(envelope.clone(), b"Subject: hi\r\n\r\n".to_vec());
/// # let _ = (borrowed, owned);
/// # Ok::<(), smtp_tokio::smtp_proto::Error>(())
/// ```
pub struct Message<'m> {
    envelope: Cow<'m, Envelope>,
    content: Content<'m>,
    options: SendOptions,
}

enum Content<'m> {
    Whole(Cow<'m, [u8]>),
    Reader { reader: Box<dyn AsyncBufRead + Unpin + Send + 'm>, kind: BodyKind, size: Option<u64> },
}

impl<'m> Message<'m> {
    /// A message known whole.
    pub fn new(envelope: impl Into<Cow<'m, Envelope>>, body: impl Into<Cow<'m, [u8]>>) -> Self {
        let content = Content::Whole(body.into());
        Self { envelope: envelope.into(), content, options: SendOptions::default() }
    }

    /// A message that is read while it is sent: the kind of its octets, and its exact length if known. When the
    /// reader fails the message is not sent.
    pub fn stream(
        envelope: impl Into<Cow<'m, Envelope>>,
        reader: impl AsyncBufRead + Unpin + Send + 'm,
        kind: BodyKind,
        size: Option<u64>,
    ) -> Self {
        let content = Content::Reader { reader: Box::new(reader), kind, size };
        Self { envelope: envelope.into(), content, options: SendOptions::default() }
    }

    /// How it is sent.
    #[must_use]
    pub fn options(mut self, options: SendOptions) -> Self {
        self.options = options;
        self
    }

    /// What is to be known of it on its way, as message `number`.
    pub(crate) fn track(&self, tracker: &Tracker, number: usize) -> Track {
        let size = match &self.content {
            Content::Whole(body) => Some(body.len() as u64),
            Content::Reader { size, .. } => *size,
        };
        tracker.begin(number, Some(self.envelope.recipients.len()), size)
    }

    /// Hands the parts to whoever keeps them.
    pub(crate) fn dispatch(self, push: impl FnOnce(Cow<'m, Envelope>, Body<'_>, SendOptions)) -> Source<'m> {
        let Self { envelope, content, options } = self;
        match content {
            Content::Whole(body) => {
                push(envelope, Body::Whole(&body), options);
                match body {
                    Cow::Borrowed(body) => Source::Whole(body, 0),
                    Cow::Owned(body) => Source::Owned(body, 0),
                }
            }
            Content::Reader { reader, kind, size } => {
                push(envelope, Body::Stream { kind, size }, options);
                Source::Reader(reader)
            }
        }
    }
}

impl<'m, E, B> From<(E, B)> for Message<'m>
where
    E: Into<Cow<'m, Envelope>>,
    B: Into<Cow<'m, [u8]>>,
{
    fn from((envelope, body): (E, B)) -> Self {
        Self::new(envelope, body)
    }
}

impl fmt::Debug for Message<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("envelope", &self.envelope).finish_non_exhaustive()
    }
}
