//! The client's nonce in a SCRAM exchange (RFC 5802 §5.1).

use alloc::boxed::Box;
use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::refuse_if;
use super::{CredentialFault, MechanismError};

/// The fewest characters: 96 bits, if each is one of the 64 of base64.
const MIN_LENGTH: usize = 16;

/// A nonce for one exchange of [`ScramSha256`](super::ScramSha256).
///
/// It has to be new for every exchange, and not to be guessed: whoever drives the connection takes it from the
/// system's random number generator, as this crate has no randomness. It is not `Clone`, so that it is not used
/// twice.
///
/// ```
/// use smtp_proto::sasl::Nonce;
///
/// # let random = [7; 18];
/// let nonce = Nonce::from_entropy(random); // 18 octets from the system's generator
/// # drop(nonce);
/// assert!(Nonce::new("rOprNGfwEbeRWgbNEkqO").is_ok());
/// assert!(Nonce::new("a,comma,ends,a,field").is_err());
/// ```
pub struct Nonce(Box<str>);

impl Nonce {
    /// A nonce of these random octets, in base64.
    #[must_use]
    pub fn from_entropy(octets: [u8; 18]) -> Self {
        Self(STANDARD.encode(octets).into_boxed_str())
    }

    /// A nonce of this text.
    ///
    /// # Errors
    /// [`MechanismError::InvalidCredential`] if it has fewer than 16 characters, or any besides the printable
    /// ones of ASCII, or a comma.
    pub fn new(text: &str) -> Result<Self, MechanismError> {
        refuse_if(text.len() < MIN_LENGTH, "nonce", CredentialFault::TooShort)?;
        refuse_if(!is_nonce(text), "nonce", CredentialFault::Forbidden)?;
        Ok(Self(text.into()))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether every octet is one of RFC 5802's `printable`: 0x21 to 0x7e without the comma.
pub(super) fn is_nonce(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

impl fmt::Debug for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonce").finish_non_exhaustive()
    }
}
