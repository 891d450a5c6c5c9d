//! The flow behind `Client::login`, with the one thing that the core lacks for it: randomness.

#[cfg(feature = "scram")]
use std::io;

use smtp_proto::flow::LogIn;
use smtp_proto::sasl::Credentials;
#[cfg(feature = "scram")]
use smtp_proto::sasl::{MechanismError, Nonce};

use crate::Error;

/// The flow; with the feature `scram`, its mechanisms are among the choice.
pub(crate) fn log_in(credentials: &Credentials) -> Result<LogIn<'_>, Error> {
    let flow = LogIn::new(credentials);
    #[cfg(feature = "scram")]
    let flow = flow.nonce(scram_nonce().map_err(|io| {
        let error = MechanismError::Other("the system has no random numbers for a nonce".into());
        Error::new(error.into(), Some(io))
    })?);
    Ok(flow)
}

/// A nonce from the system's random number generator, for
/// [`ScramSha256`](smtp_proto::sasl::ScramSha256). [`Client::login`](crate::Client::login) makes its own.
///
/// # Errors
/// When the system has no random numbers to give.
#[cfg(feature = "scram")]
pub fn scram_nonce() -> io::Result<Nonce> {
    let mut octets = [0; 18];
    getrandom::getrandom(&mut octets)?;
    Ok(Nonce::from_entropy(octets))
}
