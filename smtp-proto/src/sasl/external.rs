//! The EXTERNAL mechanism (RFC 4422 appendix A).

use alloc::boxed::Box;
use core::fmt;

use super::error::check_no_nul;
use super::{Mechanism, MechanismError, Secret, ServerInfo};

/// The EXTERNAL mechanism (RFC 4422 appendix A): the server knows the client by other means, such as its TLS
/// certificate or the peer of a Unix socket, and is told no more than whom to act for.
///
/// It reveals no secret, and so is bound to no host and asks for no TLS.
///
/// ```
/// use smtp_proto::sasl::{External, Mechanism, MechanismError, ServerInfo};
/// use smtp_proto::security::Security;
///
/// let mut external = External::new("");
/// let message = external.start(&ServerInfo::new("mail.example", &Security::Plaintext))?;
/// assert_eq!(message.expect("EXTERNAL speaks first").expose(), b"", "sent as `=`");
/// # Ok::<(), MechanismError>(())
/// ```
#[derive(Clone)]
pub struct External {
    identity: Box<str>,
}

impl External {
    /// `identity` is the authorization identity; empty, it is the one that the server derives from what it
    /// knows. NUL in it is [`MechanismError::InvalidCredential`] when the exchange starts.
    pub fn new(identity: &str) -> Self {
        Self { identity: identity.into() }
    }
}

impl Mechanism for External {
    fn name(&self) -> &str {
        "EXTERNAL"
    }

    fn start(&mut self, _server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        check_no_nul("identity", self.identity.as_bytes())?;
        Ok(Some(Secret::from(&*self.identity)))
    }

    /// Always [`MechanismError::UnexpectedChallenge`]: the one message has been sent.
    fn respond(&mut self, _challenge: &[u8]) -> Result<Secret, MechanismError> {
        Err(MechanismError::UnexpectedChallenge)
    }

    fn max_challenges(&self) -> usize {
        1
    }
}

impl fmt::Debug for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("External").finish_non_exhaustive()
    }
}
