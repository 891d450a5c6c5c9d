//! What the adapter adds to the core's errors: the I/O error underneath.

use std::fmt;
use std::io;
use std::ops::Deref;

/// A failure, with the I/O error that led to it where there is one.
///
/// It dereferences to the core's error, so its methods are at hand: `error.is_safe_to_retry()`,
/// `error.is_transient()`, `error.reply()`.
#[derive(Debug)]
pub struct Error<E = smtp_proto::Error> {
    kind: E,
    io: Option<io::Error>,
}

/// Why a message was not delivered, or is not known to be.
///
/// ```
/// use smtp_tokio::SendError;
/// use smtp_tokio::smtp_proto::SendError as Outcome;
///
/// fn advice(error: &SendError) -> &'static str {
///     match error.kind() {
///         Outcome::Rejected { .. } if error.is_transient() => "the server said: later",
///         Outcome::Rejected { .. } => "the server said no",
///         Outcome::NotSent { cause, .. } if cause.is_fatal() => "send it again on another connection",
///         Outcome::NotSent { .. } => "mend the cause first",
///         Outcome::Unknown { .. } => "it may have been delivered: ask before sending it again",
///     }
/// }
/// ```
pub type SendError = Error<smtp_proto::SendError>;

impl<E> Error<E> {
    pub(crate) fn new(kind: E, io: Option<io::Error>) -> Self {
        Self { kind, io }
    }

    /// What the failure means.
    #[must_use]
    pub fn kind(&self) -> &E {
        &self.kind
    }

    /// What the failure means, by value.
    #[must_use]
    pub fn into_kind(self) -> E {
        self.kind
    }

    /// The I/O or TLS error that led to it.
    #[must_use]
    pub fn io(&self) -> Option<&io::Error> {
        self.io.as_ref()
    }

    pub(crate) fn widen<T: From<E>>(self) -> Error<T> {
        Error { kind: self.kind.into(), io: self.io }
    }
}

impl From<smtp_proto::Error> for Error {
    fn from(kind: smtp_proto::Error) -> Self {
        Self { kind, io: None }
    }
}

impl From<smtp_proto::Error> for SendError {
    fn from(kind: smtp_proto::Error) -> Self {
        Self { kind: kind.into(), io: None }
    }
}

impl From<Error> for SendError {
    fn from(error: Error) -> Self {
        error.widen()
    }
}

impl<E> Deref for Error<E> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.kind
    }
}

impl<E: fmt::Display> fmt::Display for Error<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        match &self.io {
            Some(io) => write!(f, ": {io}"),
            None => Ok(()),
        }
    }
}

impl<E: std::error::Error + 'static> std::error::Error for Error<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // What is shown already is not its own source.
        match &self.io {
            Some(io) => io.source(),
            None => self.kind.source(),
        }
    }
}
