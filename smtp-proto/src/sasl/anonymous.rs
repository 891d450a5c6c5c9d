//! The ANONYMOUS mechanism (RFC 4505).

use alloc::boxed::Box;
use core::fmt;

use super::error::{check_no_control, refuse_if};
use super::{CredentialFault, Mechanism, MechanismError, Secret, ServerInfo};

/// The most characters that a trace may have (RFC 4505 §2).
const MAX_TRACE: usize = 255;

/// The ANONYMOUS mechanism (RFC 4505): no identity, and a trace for the server's log.
///
/// It reveals no secret, and so is bound to no host and asks for no TLS.
///
/// ```
/// use smtp_proto::sasl::{Anonymous, Mechanism, MechanismError, ServerInfo};
/// use smtp_proto::security::Security;
///
/// let mut anonymous = Anonymous::new("sirhc");
/// let message = anonymous.start(&ServerInfo::new("mail.example", &Security::Plaintext))?;
/// assert_eq!(message.expect("ANONYMOUS speaks first").expose(), b"sirhc");
/// # Ok::<(), MechanismError>(())
/// ```
#[derive(Clone)]
pub struct Anonymous {
    trace: Box<str>,
}

impl Anonymous {
    /// `trace` is a mail address or any other word; it may be empty. More than 255 characters, and a control
    /// character among them, are [`MechanismError::InvalidCredential`] when the exchange starts. Characters
    /// outside ASCII are sent as they are, in UTF-8.
    pub fn new(trace: &str) -> Self {
        Self { trace: trace.into() }
    }
}

impl Mechanism for Anonymous {
    fn name(&self) -> &str {
        "ANONYMOUS"
    }

    fn start(&mut self, _server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        check_no_control("trace", self.trace.as_bytes())?;
        refuse_if(self.trace.chars().count() > MAX_TRACE, "trace", CredentialFault::TooLong)?;
        Ok(Some(Secret::from(&*self.trace)))
    }

    /// Always [`MechanismError::UnexpectedChallenge`]: the one message has been sent.
    fn respond(&mut self, _challenge: &[u8]) -> Result<Secret, MechanismError> {
        Err(MechanismError::UnexpectedChallenge)
    }

    fn max_challenges(&self) -> usize {
        1
    }
}

impl fmt::Debug for Anonymous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Anonymous").finish_non_exhaustive()
    }
}
