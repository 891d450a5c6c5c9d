//! Why a mechanism stopped an exchange, or did not begin one.

use alloc::boxed::Box;
use core::fmt;

use super::TokenError;

/// Why a [`Mechanism`](super::Mechanism) stopped an exchange, or did not begin one.
///
/// A mechanism of your own reports its faults with the same variants, or with [`Other`](Self::Other).
/// No value holds any part of a credential, a challenge or a response, so all may be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MechanismError {
    /// The mechanism reveals the secret, and the connection is clear text to a peer that is not local. The
    /// caller may upgrade to TLS, or opt in to clear text.
    NotEncrypted,
    /// The credentials are for one host and the connection is to another.
    WrongHost {
        /// The host that the credentials are for, as the caller configured it.
        expected: Box<str>,
        /// The host of this connection: its configured name, or the name TLS verified.
        actual: Box<str>,
    },
    /// A credential cannot be expressed in this mechanism; another mechanism may be able to.
    InvalidCredential {
        /// Which one: `identity`, `username`, `password`, …
        field: &'static str,
        /// What is wrong with it.
        fault: CredentialFault,
    },
    /// The server sent a challenge where the mechanism has no answer left to give.
    UnexpectedChallenge,
    /// The challenge is longer than the mechanism accepts.
    ChallengeTooLong {
        /// The greatest length accepted, in octets after base64 decoding.
        limit: usize,
    },
    /// The challenge does not have the form that the mechanism defines.
    InvalidChallenge,
    /// No token could be had from the [`TokenProvider`](super::TokenProvider).
    Token(TokenError),
    /// The server asks for a number of hash iterations outside the limits: too few do not protect the password
    /// from guessing, too many are an attack on this machine's time (RFC 5802 §9, RFC 7677 §4).
    Iterations(u32),
    /// The mechanism binds to the TLS channel, and nothing is known of one (RFC 5802 §6).
    NoChannelBinding,
    /// The nonce was used in an earlier exchange; each needs its own (RFC 5802 §5.1).
    NonceUsed,
    /// The server did not prove that it knows the secret, though it reported success. Treat the connection
    /// as hostile.
    ServerNotAuthentic,
    /// Anything else a mechanism has to say. It is shown to people: never put a credential into it.
    Other(Box<str>),
}

/// What is wrong with a credential. The octet itself is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CredentialFault {
    /// It is empty.
    Empty,
    /// It contains NUL, which separates fields or ends strings.
    Nul,
    /// It contains a control character: an octet below 0x20, or 0x7f.
    Control,
    /// It is longer than the mechanism allows.
    TooLong,
    /// It is shorter than is safe.
    TooShort,
    /// It contains a character that it must not have.
    Forbidden,
}

impl fmt::Display for MechanismError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotEncrypted => f.write_str("refusing to send a secret over an unencrypted connection"),
            // `{:?}` escapes: the names reach a log, and may have come from a user.
            Self::WrongHost { expected, actual } => {
                write!(f, "credentials for host {expected:?}, but the connection is to {actual:?}")
            }
            Self::InvalidCredential { field, fault } => write!(f, "the {field} {fault}"),
            Self::UnexpectedChallenge => f.write_str("unexpected challenge from the server"),
            Self::ChallengeTooLong { limit } => write!(f, "challenge longer than {limit} octets"),
            Self::InvalidChallenge => f.write_str("malformed challenge from the server"),
            Self::Token(error) => write!(f, "no token: {error}"),
            Self::Iterations(count) => {
                write!(f, "the server asks for {count} hash iterations, which is outside the limits")
            }
            Self::NoChannelBinding => f.write_str("there is no TLS channel binding data for this connection"),
            Self::NonceUsed => f.write_str("the nonce was used in an earlier exchange"),
            Self::ServerNotAuthentic => f.write_str("the server did not prove that it knows the secret"),
            Self::Other(reason) => write!(f, "{}", reason.escape_debug()),
        }
    }
}

impl core::error::Error for MechanismError {}

impl fmt::Display for CredentialFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::Nul => "contains NUL",
            Self::Control => "contains a control character",
            Self::TooLong => "is too long",
            Self::TooShort => "is too short",
            Self::Forbidden => "contains a character that it must not have",
        })
    }
}

/// Refuses an empty `value`, and NUL in it.
pub(super) fn check_text(field: &'static str, value: &[u8]) -> Result<(), MechanismError> {
    check_not_empty(field, value)?;
    check_no_nul(field, value)
}

/// Refuses an empty `value`.
pub(super) fn check_not_empty(field: &'static str, value: &[u8]) -> Result<(), MechanismError> {
    refuse_if(value.is_empty(), field, CredentialFault::Empty)
}

/// Refuses NUL in `value`.
pub(super) fn check_no_nul(field: &'static str, value: &[u8]) -> Result<(), MechanismError> {
    refuse_if(value.contains(&0), field, CredentialFault::Nul)
}

/// Refuses every control character in `value`, NUL included.
pub(super) fn check_no_control(field: &'static str, value: &[u8]) -> Result<(), MechanismError> {
    refuse_if(value.iter().any(u8::is_ascii_control), field, CredentialFault::Control)
}

/// Refuses a `bad` value.
pub(super) fn refuse_if(
    bad: bool,
    field: &'static str,
    fault: CredentialFault,
) -> Result<(), MechanismError> {
    if bad { Err(MechanismError::InvalidCredential { field, fault }) } else { Ok(()) }
}
