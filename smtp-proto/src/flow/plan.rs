//! What is settled about a message before its MAIL: parameters, body kind, framing.
//!
//! Everything that can be known beforehand is checked here, so that nothing is half sent (RFC 5321 §2.4, RFC
//! 1870, RFC 3030, RFC 6152, RFC 6531).

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use super::{Body, Envelope, RecipientPolicy, SendOptions, Transfer};
use crate::body::{BodyFault, BodyFaultKind, BodyKind, BodyRules, Content};
use crate::capabilities::{Extension, Limit};
use crate::command::{Command, DataCommand};
use crate::connection::Connection;
use crate::error::{Error, Misuse};
use crate::params::MailParameters;

/// Longest message that is sent behind its recipients without waiting for what the server says of them: a round
/// trip costs less than a larger message sent in vain.
const EAGER: u64 = 256 * 1024;

/// Longest stream that goes in chunks on its own accord. Each piece that a reader gives becomes a chunk, so that
/// the window would hold a long one up.
const SHORT_STREAM: u64 = 64 * 1024;

/// What a body is made of, as far as it was told or found.
#[derive(Debug, Clone)]
pub(super) enum Described {
    Whole { content: Content, size: u64 },
    Stream { kind: BodyKind, size: Option<u64> },
}

impl Described {
    /// Looks through a body known whole; nothing of it is kept.
    pub(super) fn new(body: Body<'_>) -> Self {
        match body {
            Body::Whole(message) => {
                Self::Whole { content: Content::scan(message), size: message.len() as u64 }
            }
            Body::Stream { kind, size } => Self::Stream { kind, size },
        }
    }

    fn size(&self) -> Option<u64> {
        match self {
            Self::Whole { size, .. } => Some(*size),
            Self::Stream { size, .. } => *size,
        }
    }

    /// The size to declare: line ends count as the two octets that they are sent as (RFC 1870 §5). Of a stream no more
    /// is known than its length.
    fn declared_size(&self, kind: BodyKind, chunks: bool) -> Option<u64> {
        match self {
            Self::Whole { content, size } if !(chunks && kind == BodyKind::BinaryMime) => {
                let end = if content.ends_in_line() && !chunks { 2 } else { 0 };
                Some(size.saturating_add(content.bare_line_ends()).saturating_add(end))
            }
            Self::Whole { .. } | Self::Stream { .. } => self.size(),
        }
    }

    /// The kind to declare: of a message known whole the least that its octets need.
    fn kind(&self, binary_offered: bool) -> BodyKind {
        match self {
            Self::Stream { kind, .. } => *kind,
            Self::Whole { content, .. } => match content.kind() {
                BodyKind::BinaryMime if !binary_offered => BodyKind::EightBitMime,
                kind => kind,
            },
        }
    }
}

/// A message ready to be sent.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) mail: MailParameters,
    pub(super) data: DataCommand,
    pub(super) chunks: bool,
    /// The body, or DATA, may leave before every recipient is answered.
    pub(super) eager: bool,
}

impl Plan {
    /// Settles how `envelope` goes to its recipients in `range`, or finds why it cannot.
    pub(super) fn new(
        connection: &Connection,
        envelope: &Envelope,
        range: &Range<usize>,
        body: &Described,
        options: &SendOptions,
    ) -> Result<Self, Error> {
        let offered = |extension| connection.capabilities().supports(extension);
        let chunking = offered(Extension::Chunking) && options.transfer != Transfer::Data;
        let kind = body.kind(chunking && offered(Extension::BinaryMime));
        let size = body.size();
        let rules = BodyRules { kind, line_endings: options.line_endings, line_length: options.line_length };
        check_content(
            body,
            &rules,
            options.transfer,
            offered(Extension::EightBitMime),
            chunking && offered(Extension::BinaryMime),
        )?;
        let chunks = match options.transfer {
            Transfer::Data => false,
            Transfer::Chunks if !chunking => return Err(Error::Unsupported(Extension::Chunking)),
            Transfer::Chunks => true,
            Transfer::Automatic => {
                let suits = match body {
                    Described::Whole { .. } => true,
                    Described::Stream { size, .. } => size.is_some_and(|size| size <= SHORT_STREAM),
                };
                let saves = connection.is_pipelining() && !connection.config().is_lmtp();
                kind == BodyKind::BinaryMime || (chunking && suits && saves)
            }
        };
        let declared = body.declared_size(kind, chunks);
        if let (Some(size), Some(limit)) = (declared, connection.capabilities().size_limit()) {
            if size > limit {
                return Err(Error::TooLarge { size, limit });
            }
        }
        let mut mail = envelope.parameters.clone();
        if let Some(size) = declared.filter(|_| offered(Extension::Size)) {
            mail = mail.size(size);
        }
        if kind != BodyKind::SevenBit {
            mail = mail.body(kind);
        }
        if envelope.needs_smtputf8(range) {
            mail = mail.smtp_utf8();
        }
        check_recipients(connection, envelope, range)?;
        // What is sent to a single recipient goes to all or to nobody; so does what can be taken back.
        let any = options.recipients == RecipientPolicy::Any || range.len() == 1;
        // In LMTP the last chunk has as many replies as recipients were accepted, and none without (RFC 2033
        // §4.3): there has to be one before it is sent.
        let short = size.is_some_and(|size| size <= EAGER) && !connection.config().is_lmtp();
        let eager = any && (!chunks || short);
        Ok(Self { mail, data: DataCommand { rules, size }, chunks, eager })
    }
}

/// The body's first fault, or what the server would have to offer for it.
fn check_content(
    body: &Described,
    rules: &BodyRules,
    transfer: Transfer,
    eight_bit_offered: bool,
    binary_offered: bool,
) -> Result<(), Error> {
    match (body, rules.kind) {
        (Described::Stream { .. }, BodyKind::BinaryMime) if transfer == Transfer::Data => {
            Err(Misuse::NeedsChunks.into())
        }
        (_, BodyKind::BinaryMime) if binary_offered => Ok(()),
        (Described::Stream { .. }, BodyKind::BinaryMime) => Err(Error::Unsupported(Extension::BinaryMime)),
        (Described::Stream { .. }, BodyKind::EightBitMime) if !eight_bit_offered => {
            Err(Error::Unsupported(Extension::EightBitMime))
        }
        (Described::Stream { .. }, _) => Ok(()),
        (Described::Whole { content, .. }, _) => {
            content.check(rules).map_err(Error::Body)?;
            match content.first_eight_bit() {
                Some(offset) if !eight_bit_offered => {
                    Err(Error::Body(BodyFault { kind: BodyFaultKind::EightBit, offset }))
                }
                _ => Ok(()),
            }
        }
    }
}

/// What RCPT would refuse locally is found before MAIL, so that nothing is half sent.
fn check_recipients(connection: &Connection, envelope: &Envelope, range: &Range<usize>) -> Result<(), Error> {
    let recipients = envelope.recipients.get(range.clone()).unwrap_or_default();
    connection.check_recipients(recipients.iter().map(|recipient| &recipient.forward_path))?;
    let mut line = Vec::new();
    for recipient in recipients {
        for extension in recipient.parameters.required_extensions() {
            if !connection.capabilities().supports(extension) {
                return Err(Error::Unsupported(extension));
            }
        }
        Command::Rcpt(&recipient.forward_path, &recipient.parameters).check(&mut line)?;
    }
    Ok(())
}

/// The recipients of each mail transaction that the envelope takes (RFC 9422 §4.2).
pub(super) fn split(
    connection: &Connection,
    envelope: &Envelope,
    body: &Described,
    options: &SendOptions,
) -> Result<Vec<Range<usize>>, Error> {
    let all = envelope.recipients.len();
    if all == 0 {
        return Err(Misuse::NoRecipient.into());
    }
    let max = connection.capabilities().limits().rcpt_max.unwrap_or(u64::MAX);
    let most = usize::try_from(max).unwrap_or(usize::MAX);
    let whole = 0..all;
    if all <= most || most == 0 {
        return Ok(vec![whole]);
    }
    match (options, body) {
        (SendOptions { split: false, .. }, _) => Err(Error::LimitReached { limit: Limit::RcptMax, max }),
        (SendOptions { recipients: RecipientPolicy::All, .. }, _) => Err(Misuse::SplitAllOrNothing.into()),
        (_, Described::Stream { .. }) => Err(Misuse::SplitStream.into()),
        // The step is not 0, as seen above.
        #[allow(clippy::disallowed_methods)]
        _ => Ok((0..all).step_by(most).map(|start| start..all.min(start.saturating_add(most))).collect()),
    }
}
