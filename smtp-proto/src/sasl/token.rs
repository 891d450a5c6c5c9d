//! Where OAuth tokens come from.

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;

use super::Secret;
use crate::reply::Reply;

/// Where OAuth tokens come from, for [`Credentials::token`](super::Credentials::token).
///
/// A token is asked for when an exchange begins, with `None`. When the server refuses that token, the provider
/// is asked once more, and the exchange repeated once with what it then gives; so a token that has merely
/// expired costs no failed message. `&self`, because one provider may serve every connection of a pool: one
/// that keeps its tokens puts them behind a lock, and compares [`RefusedToken::token`] with what it keeps, so
/// that ten connections do not have the same token refreshed ten times.
///
/// The call is synchronous: whoever drives the connection waits for it. Where tokens are fetched
/// asynchronously, fetch one beforehand; after a refusal the connection is as usable as before, so that the
/// caller can fetch another and authenticate again.
///
/// Any `Fn` of this form is a provider, and so is a [`Secret`]: a token for which there is no fresh one.
///
/// ```
/// use smtp_proto::sasl::{Credentials, RefusedToken, Secret, TokenError};
///
/// # fn cached() -> Option<String> { Some("ya29".into()) }
/// # fn refreshed() -> Result<String, std::io::Error> { Ok("ya30".into()) }
/// let credentials = Credentials::token("tim@example.org", |refused: Option<&RefusedToken<'_>>| {
///     match (refused, cached()) {
///         (None, Some(token)) => Ok(Secret::from(token)),
///         _ => refreshed().map(Secret::from).map_err(|error| TokenError::new(error.to_string())),
///     }
/// });
/// # drop(credentials);
/// ```
pub trait TokenProvider: Send + Sync {
    /// Gives a token: one at hand, or, if the server has `refused` that one, a fresh one.
    ///
    /// # Errors
    /// When there is none. Before the first exchange, it is the outcome, and nothing was sent. After a refusal,
    /// the refusal is the outcome and this its cause.
    fn token(&self, refused: Option<&RefusedToken<'_>>) -> Result<Secret, TokenError>;
}

impl<F> TokenProvider for F
where
    F: Fn(Option<&RefusedToken<'_>>) -> Result<Secret, TokenError> + Send + Sync,
{
    fn token(&self, refused: Option<&RefusedToken<'_>>) -> Result<Secret, TokenError> {
        self(refused)
    }
}

impl TokenProvider for Secret {
    fn token(&self, refused: Option<&RefusedToken<'_>>) -> Result<Secret, TokenError> {
        match refused {
            None => Ok(self.clone()),
            Some(_) => Err(TokenError::new("there is no other than the one refused")),
        }
    }
}

/// A token that the server refused, and what it said of it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RefusedToken<'a> {
    /// The token, as the provider gave it.
    pub token: &'a Secret,
    /// The server's final reply.
    pub reply: &'a Reply,
    /// The error document that came before it, as the server sent it: usually JSON (RFC 7628 §3.2.2).
    pub detail: Option<&'a [u8]>,
}

/// Why a [`TokenProvider`] has no token. It is shown to people: never put a credential into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenError(Box<str>);

impl TokenError {
    /// The reason, in words.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into().into_boxed_str())
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_debug())
    }
}

impl core::error::Error for TokenError {}
