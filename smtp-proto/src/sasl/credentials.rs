//! The choice of a mechanism among those that the server advertises.

use alloc::{boxed::Box, vec, vec::Vec};
use core::fmt;

use super::{CramMd5, Login, Mechanism, Plain, Secret};

/// A user name and a password, for whichever mechanism the server offers.
///
/// The order of preference is fixed: mechanisms that do not reveal the password come before those that do,
/// thus CRAM-MD5, then PLAIN, then LOGIN. A mechanism that the server does not advertise is never chosen.
/// The choice itself does not look at the connection: when only PLAIN is on offer in clear text, PLAIN is
/// chosen, and refuses to start. After a server has rejected the credentials, do not try the next mechanism
/// with them: it fails likewise, and tells an impostor more.
///
/// ```
/// use smtp_proto::sasl::Credentials;
///
/// let credentials = Credentials::password("tim", "tanstaaf");
/// let offered = ["LOGIN", "PLAIN", "XOAUTH2"];
/// let chosen = credentials.choose("mail.example", |name| offered.contains(&name));
/// assert_eq!(chosen.expect("one is offered").name(), "PLAIN");
/// assert!(credentials.choose("mail.example", |name| name == "XOAUTH2").is_none());
/// ```
#[derive(Clone)]
pub struct Credentials {
    username: Box<str>,
    password: Secret,
}

impl Credentials {
    /// A user name and its password. The mechanism chosen checks them when it starts.
    pub fn password(username: &str, password: impl Into<Secret>) -> Self {
        Self { username: username.into(), password: password.into() }
    }

    /// Every mechanism that these credentials suffice for, the most preferred first, each bound to `host`:
    /// the host that the credentials are for, never a name that the server gave.
    #[must_use]
    pub fn mechanisms(&self, host: &str) -> Vec<Box<dyn Mechanism>> {
        vec![
            Box::new(CramMd5::new(&self.username, self.password.clone()).bound_to(host)),
            Box::new(Plain::new("", &self.username, self.password.clone(), host)),
            Box::new(Login::new(&self.username, self.password.clone(), host)),
        ]
    }

    /// The most preferred of [`mechanisms`](Self::mechanisms) that is `offered`: given a mechanism name in
    /// upper case, whether the server advertised exactly that. `None` when there is no common mechanism.
    #[must_use]
    pub fn choose(&self, host: &str, offered: impl Fn(&str) -> bool) -> Option<Box<dyn Mechanism>> {
        self.mechanisms(host).into_iter().find(|mechanism| offered(mechanism.name()))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}
