//! What the adapter adds to the core's errors: the I/O error underneath.

use std::io;

use smtp_proto::error::{self, Failure};

/// A failure, with the I/O error that led to it where there is one.
///
/// It dereferences to the core's error, so its methods are at hand: `error.is_safe_to_retry()`,
/// `error.is_transient()`, `error.reply()`. An error of connecting tells of every address that was tried
/// ([`Failure::earlier`]). It is the same type in `smtp-blocking` and `smtp-tokio`.
pub type Error<E = smtp_proto::Error> = Failure<E, io::Error>;

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

/// Where no session could be begun, and why.
pub type Attempt = error::Attempt<io::Error>;

/// The error that tells of all addresses that were tried.
pub(crate) fn not_connected(attempts: error::Attempts<io::Error>) -> Error {
    attempts.into_failure().unwrap_or_else(|| {
        Error::not_connected(io::Error::new(io::ErrorKind::NotFound, "the name has no address"))
    })
}

/// The same error, with what it is about before its words.
pub(crate) fn because(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
