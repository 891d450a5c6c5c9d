//! What the adapter adds to the core's errors: the I/O error underneath.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;

/// A failure, with the I/O error that led to it where there is one.
///
/// It dereferences to the core's error, so its methods are at hand: `error.is_safe_to_retry()`,
/// `error.is_transient()`, `error.reply()`.
///
/// An error of connecting is that of the last address; [`earlier`](Self::earlier) has those of the others, and it is
/// shown with all of them: `[::1]:587: could not connect to the server: Connection refused; 127.0.0.1:587: …`.
#[derive(Debug)]
pub struct Error<E = smtp_proto::Error> {
    kind: E,
    io: Option<io::Error>,
    /// What came before, of an error of connecting.
    connecting: Option<Box<Connecting>>,
}

/// Where no session could be begun, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The address.
    pub address: SocketAddr,
    /// What happened there.
    pub error: Error,
}

#[derive(Debug)]
struct Connecting {
    address: SocketAddr,
    earlier: Vec<Attempt>,
    /// How many there were besides.
    untold: usize,
}

/// How many addresses an error tells of, besides the last.
const TOLD: usize = 15;

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
        Self { kind, io, connecting: None }
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

    /// The address where it happened, of an error of connecting by name.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.connecting.as_deref().map(|connecting| connecting.address)
    }

    /// What happened at the addresses that were tried before, of an error of connecting by name: in that order, and of
    /// the first 15.
    #[must_use]
    pub fn earlier(&self) -> &[Attempt] {
        self.connecting.as_deref().map_or(&[], |connecting| &connecting.earlier)
    }

    pub(crate) fn widen<T: From<E>>(self) -> Error<T> {
        Error { kind: self.kind.into(), io: self.io, connecting: self.connecting }
    }
}

impl Error {
    pub(crate) fn not_connected(io: io::Error) -> Self {
        Self::new(smtp_proto::Error::NotConnected, Some(io))
    }
}

/// The failures of connecting, address by address.
#[derive(Default)]
pub(crate) struct Failures {
    earlier: Vec<Attempt>,
    untold: usize,
    last: Option<Attempt>,
}

impl Failures {
    pub(crate) fn add(&mut self, address: SocketAddr, error: Error) {
        if let Some(earlier) = self.last.replace(Attempt { address, error }) {
            match self.earlier.len() < TOLD {
                true => self.earlier.push(earlier),
                false => self.untold = self.untold.saturating_add(1),
            }
        }
    }

    /// The error that tells of all of them.
    pub(crate) fn into_error(self) -> Error {
        match self.last {
            None => Error::not_connected(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
            Some(Attempt { address, error }) => {
                let connecting = Connecting { address, earlier: self.earlier, untold: self.untold };
                Error { connecting: Some(Box::new(connecting)), ..error }
            }
        }
    }
}

/// The same error, with what it is about before its words.
pub(crate) fn because(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

impl From<smtp_proto::Error> for Error {
    fn from(kind: smtp_proto::Error) -> Self {
        Self::new(kind, None)
    }
}

impl From<smtp_proto::Error> for SendError {
    fn from(kind: smtp_proto::Error) -> Self {
        Self::new(kind.into(), None)
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
        if let Some(Connecting { address, earlier, untold }) = self.connecting.as_deref() {
            for Attempt { address, error } in earlier {
                write!(f, "{address}: {error}; ")?;
            }
            if *untold > 0 {
                write!(f, "{untold} more; ")?;
            }
            write!(f, "{address}: ")?;
        }
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
