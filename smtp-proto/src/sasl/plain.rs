//! The PLAIN mechanism (RFC 4616).

use alloc::boxed::Box;
use core::fmt;

use super::error::{check_no_nul, check_text};
use super::{Mechanism, MechanismError, Secret, ServerInfo};

/// The PLAIN mechanism (RFC 4616): the password itself, in one message.
///
/// It is bound to a host. [`start`](Mechanism::start) gives nothing to a connection that is to any other
/// host, or that may be overheard, whatever the server advertises.
///
/// ```
/// use smtp_proto::sasl::{Mechanism, MechanismError, Plain, ServerInfo};
/// use smtp_proto::security::Security;
///
/// let mut plain = Plain::new("", "tim", "tanstaaf", "mail.example");
///
/// let clear = ServerInfo::new("mail.example", &Security::Plaintext);
/// assert_eq!(plain.start(&clear).unwrap_err(), MechanismError::NotEncrypted);
///
/// let local = ServerInfo::new("mail.example", &Security::LocalPlaintext);
/// let message = plain.start(&local)?.expect("PLAIN speaks first");
/// assert_eq!(message.expose(), b"\0tim\0tanstaaf");
/// # Ok::<(), MechanismError>(())
/// ```
#[derive(Clone)]
pub struct Plain {
    identity: Box<str>,
    username: Box<str>,
    password: Secret,
    host: Box<str>,
}

impl Plain {
    /// Credentials for `host`: the name that the connection is configured with, compared without regard to
    /// ASCII case.
    ///
    /// `identity` is the authorization identity, usually empty: act as `username`. The credentials are
    /// checked when the exchange starts: NUL is refused everywhere, as it would forge a field
    /// ([`MechanismError::InvalidCredential`]), and so are an empty user name and an empty password, which
    /// the grammar of RFC 4616 §2 has no room for. All three are sent as they are; RFC 4616 wants UTF-8.
    pub fn new(identity: &str, username: &str, password: impl Into<Secret>, host: &str) -> Self {
        Self {
            identity: identity.into(),
            username: username.into(),
            password: password.into(),
            host: host.into(),
        }
    }
}

impl Mechanism for Plain {
    fn name(&self) -> &str {
        "PLAIN"
    }

    fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        server.check_host(&self.host)?;
        server.check_confidential()?;
        check_no_nul("identity", self.identity.as_bytes())?;
        check_text("username", self.username.as_bytes())?;
        check_text("password", self.password.expose())?;
        Ok(Some(Secret::concat(&[
            self.identity.as_bytes(),
            b"\0",
            self.username.as_bytes(),
            b"\0",
            self.password.expose(),
        ])))
    }

    /// Always [`MechanismError::UnexpectedChallenge`]: the one message has been sent, and is not sent again.
    fn respond(&mut self, _challenge: &[u8]) -> Result<Secret, MechanismError> {
        Err(MechanismError::UnexpectedChallenge)
    }

    fn max_challenges(&self) -> usize {
        1
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").field("host", &self.host).finish_non_exhaustive()
    }
}
