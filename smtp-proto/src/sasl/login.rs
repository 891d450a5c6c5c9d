//! The LOGIN mechanism, which no RFC specifies (the last draft is draft-murchison-sasl-login-00).

use alloc::boxed::Box;
use core::fmt;

use super::error::check_text;
use super::{Mechanism, MechanismError, Secret, ServerInfo};

/// The LOGIN mechanism: the user name, then the password, each when the server prompts for it.
///
/// It protects the password no better than [`Plain`](super::Plain); use it with servers that offer nothing
/// else. What the prompts say is ignored, as servers word them as they like: the first is answered with the
/// user name, the second with the password, a third with nothing. It is bound to a host as `Plain` is.
///
/// ```
/// use smtp_proto::sasl::{Login, Mechanism, MechanismError, ServerInfo};
/// use smtp_proto::security::Security;
///
/// let mut login = Login::new("tim", "tanstaaf", "mail.example");
/// assert!(login.start(&ServerInfo::new("mail.example", &Security::LocalPlaintext))?.is_none());
/// assert_eq!(login.respond(b"Username:")?.expose(), b"tim");
/// assert_eq!(login.respond(b"Password:")?.expose(), b"tanstaaf");
/// assert_eq!(login.respond(b"Password:").unwrap_err(), MechanismError::UnexpectedChallenge);
/// # Ok::<(), MechanismError>(())
/// ```
#[derive(Clone)]
pub struct Login {
    username: Box<str>,
    password: Secret,
    host: Box<str>,
    next: Next,
}

/// What the next challenge is answered with.
#[derive(Clone, Copy)]
enum Next {
    Username,
    Password,
    Nothing,
}

impl Login {
    /// Credentials for `host`: the name that the connection is configured with, compared without regard to
    /// ASCII case.
    ///
    /// The credentials are checked when the exchange starts: either being empty or containing NUL is
    /// [`MechanismError::InvalidCredential`].
    pub fn new(username: &str, password: impl Into<Secret>, host: &str) -> Self {
        Self { username: username.into(), password: password.into(), host: host.into(), next: Next::Nothing }
    }
}

impl Mechanism for Login {
    fn name(&self) -> &str {
        "LOGIN"
    }

    fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        // A value whose start was refused must not answer, even if an earlier one was allowed.
        self.next = Next::Nothing;
        server.check_host(&self.host)?;
        server.check_confidential()?;
        check_text("username", self.username.as_bytes())?;
        check_text("password", self.password.expose())?;
        self.next = Next::Username;
        Ok(None)
    }

    fn respond(&mut self, _prompt: &[u8]) -> Result<Secret, MechanismError> {
        match self.next {
            Next::Username => {
                self.next = Next::Password;
                Ok(Secret::from(&*self.username))
            }
            Next::Password => {
                self.next = Next::Nothing;
                Ok(self.password.clone())
            }
            Next::Nothing => Err(MechanismError::UnexpectedChallenge),
        }
    }

    fn max_challenges(&self) -> usize {
        2
    }

    fn ignores_challenges(&self) -> bool {
        true
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("host", &self.host).finish_non_exhaustive()
    }
}
