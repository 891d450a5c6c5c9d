//! What a loop adds to the core's errors: the I/O error underneath, and where it happened.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::error;
use core::fmt;
use core::net::SocketAddr;
use core::ops::Deref;

use super::Error;
use crate::flow::SendError;

/// A failure, with the I/O error `I` that led to it where there is one: the adapters' `Error` and `SendError`.
///
/// It dereferences to the core's error, so its methods are at hand: `error.is_safe_to_retry()`,
/// `error.is_transient()`, `error.reply()`.
///
/// An error of connecting is that of the last address; [`earlier`](Self::earlier) has those of the others, and it is
/// shown with all of them: `[::1]:587: could not connect to the server: Connection refused; 127.0.0.1:587: …`.
#[derive(Debug)]
pub struct Failure<E, I> {
    kind: E,
    io: Option<I>,
    /// What came before, of an error of connecting.
    connecting: Option<Box<Connecting<I>>>,
}

/// Where no session could be begun, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Attempt<I> {
    /// The address.
    pub address: SocketAddr,
    /// What happened there.
    pub error: Failure<Error, I>,
}

#[derive(Debug)]
struct Connecting<I> {
    address: SocketAddr,
    earlier: Vec<Attempt<I>>,
    /// How many there were besides.
    untold: usize,
}

/// How many addresses an error tells of, besides the last.
const TOLD: usize = 15;

impl<E, I> Failure<E, I> {
    /// With the error underneath.
    #[must_use]
    pub fn new(kind: E, io: Option<I>) -> Self {
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
    pub fn io(&self) -> Option<&I> {
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
    pub fn earlier(&self) -> &[Attempt<I>] {
        self.connecting.as_deref().map_or(&[], |connecting| &connecting.earlier)
    }

    /// The same with a wider meaning: of an [`Error`] a [`SendError`].
    #[must_use]
    pub fn widen<T: From<E>>(self) -> Failure<T, I> {
        Failure { kind: self.kind.into(), io: self.io, connecting: self.connecting }
    }
}

impl<I> Failure<Error, I> {
    /// [`Error::NotConnected`], for this reason.
    #[must_use]
    pub fn not_connected(io: I) -> Self {
        Self::new(Error::NotConnected, Some(io))
    }
}

/// The failures of connecting, address by address.
///
/// ```
/// use smtp_proto::error::{Attempts, Failure};
///
/// let mut attempts = Attempts::default();
/// attempts.add(([192, 0, 2, 1], 25).into(), Failure::not_connected("refused"));
/// attempts.add(([192, 0, 2, 2], 25).into(), Failure::not_connected("unreachable"));
/// let error = attempts.into_failure().unwrap();
/// assert_eq!(
///     error.to_string(),
///     "192.0.2.1:25: could not connect to the server: refused; \
///      192.0.2.2:25: could not connect to the server: unreachable",
/// );
/// ```
#[derive(Debug)]
pub struct Attempts<I> {
    earlier: Vec<Attempt<I>>,
    untold: usize,
    last: Option<Attempt<I>>,
}

impl<I> Attempts<I> {
    /// Notes what happened at an address.
    pub fn add(&mut self, address: SocketAddr, error: Failure<Error, I>) {
        if let Some(earlier) = self.last.replace(Attempt { address, error }) {
            match self.earlier.len() < TOLD {
                true => self.earlier.push(earlier),
                false => self.untold = self.untold.saturating_add(1),
            }
        }
    }

    /// The error that tells of all of them, if there were any.
    #[must_use]
    pub fn into_failure(self) -> Option<Failure<Error, I>> {
        self.last.map(|Attempt { address, error }| {
            let connecting = Connecting { address, earlier: self.earlier, untold: self.untold };
            Failure { connecting: Some(Box::new(connecting)), ..error }
        })
    }
}

impl<I> Default for Attempts<I> {
    fn default() -> Self {
        Self { earlier: Vec::new(), untold: 0, last: None }
    }
}

impl<I> From<Error> for Failure<Error, I> {
    fn from(kind: Error) -> Self {
        Self::new(kind, None)
    }
}

impl<I> From<Error> for Failure<SendError, I> {
    fn from(kind: Error) -> Self {
        Self::new(kind.into(), None)
    }
}

impl<I> From<Failure<Error, I>> for Failure<SendError, I> {
    fn from(error: Failure<Error, I>) -> Self {
        error.widen()
    }
}

impl<E, I> Deref for Failure<E, I> {
    type Target = E;

    fn deref(&self) -> &E {
        &self.kind
    }
}

impl<E: fmt::Display, I: fmt::Display> fmt::Display for Failure<E, I> {
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

impl<E: error::Error + 'static, I: error::Error> error::Error for Failure<E, I> {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        // What is shown already is not its own source.
        match &self.io {
            Some(io) => io.source(),
            None => self.kind.source(),
        }
    }
}
