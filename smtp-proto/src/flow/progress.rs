//! How much of a message the transport has accepted, counted in octets of the message.

/// How far a message is: what a progress bar shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// Which message, counted from 0.
    pub message: usize,
    /// Octets of the message that the transport has accepted, as the caller supplied them: no stuffed dot, no line end
    /// that was repaired and no `BDAT` line counts. They may still be in a TLS or kernel buffer, and the server has not
    /// answered for them.
    pub accepted: u64,
    /// Octets of the whole message, if that is known: of one in memory, of a stream whose size was declared, and of any
    /// other once its end was found.
    pub total: Option<u64>,
}

impl Progress {
    /// Whether the transport has accepted the whole message. The server's verdict is still to come.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.total == Some(self.accepted)
    }
}

/// Follows one message while a loop writes it, and tells its [`Progress`], which never goes back: a body that is asked
/// for again ([`SendOptions::split`](super::SendOptions::split)) is told of only as far as it comes further than before.
///
/// ```
/// use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules};
/// use smtp_proto::flow::Meter;
///
/// let message = b".hidden\r\n";
/// let mut meter = Meter::new(0, Some(message.len() as u64));
/// // In a loop around a connection the part comes from `Connection::body`.
/// let mut part = BodyEncoder::new(BodyRules::new(BodyKind::SevenBit)).encode(message)?;
///
/// part.advance(5); // `..hid`
/// assert_eq!(meter.written(part.written()).map(|progress| progress.accepted), Some(4));
/// part.advance(5);
/// assert!(meter.written(part.written()).is_some_and(|progress| progress.is_complete()));
///
/// meter.next_piece(part.consumed());
/// assert_eq!(meter.finish(), None, "all of it has been told");
/// # Ok::<(), smtp_proto::body::BodyFault>(())
/// ```
#[derive(Debug, Clone)]
pub struct Meter {
    progress: Progress,
    /// Octets of the pieces before the one being written.
    before: u64,
    told: bool,
}

impl Meter {
    /// A meter for a message of which nothing has been written, with its octets if they are known.
    #[must_use]
    pub fn new(message: usize, total: Option<u64>) -> Self {
        Self { progress: Progress { message, accepted: 0, total }, before: 0, told: false }
    }

    /// Notes that so many octets of the piece under way have been written:
    /// [`BodyPart::written`](crate::body::BodyPart::written). Tells the progress if there is any.
    pub fn written(&mut self, octets: usize) -> Option<Progress> {
        let accepted = self.before.saturating_add(octets as u64);
        if accepted <= self.progress.accepted {
            return None;
        }
        self.progress.accepted = accepted;
        self.told = true;
        Some(self.progress)
    }

    /// Notes that a piece of so many octets has been written whole, and another may follow it.
    pub fn next_piece(&mut self, octets: usize) {
        self.before = self.before.saturating_add(octets as u64);
    }

    /// Notes that no piece follows. Tells the progress if it was not known before that it is complete.
    pub fn finish(&mut self) -> Option<Progress> {
        self.before = 0;
        let known = self.told && self.progress.is_complete();
        self.progress.total = Some(self.progress.accepted);
        self.told = true;
        (!known).then_some(self.progress)
    }

    /// How far the message is.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress
    }
}
