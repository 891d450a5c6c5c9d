//! SASL authentication (RFC 4422) as SMTP profiles it (RFC 4954): the [`Mechanism`] interface and the
//! mechanisms known here.
//!
//! A mechanism sees decoded octets only. Base64, the AUTH line and its length limit, the `=` of an empty
//! initial response, the `*` that cancels and the reply codes are the connection's business, so the same
//! mechanism would serve IMAP or POP3. It promises that nothing secret leaves it before it has checked, in
//! [`start`](Mechanism::start), that this server may have it.
//!
//! | mechanism | specified in | sends the password or token | needs an encrypted or local connection |
//! |---|---|---|---|
//! | [`External`] | RFC 4422 | no | no |
//! | `ScramSha256` (feature `scram`) | RFC 5802, RFC 7677 | no | no; with `-PLUS`, TLS |
//! | [`OAuthBearer`] | RFC 7628 | yes | yes |
//! | [`XOAuth2`] | – | yes | yes |
//! | [`CramMd5`] | RFC 2195 | no | no |
//! | [`Plain`] | RFC 4616 | yes | yes |
//! | [`Login`] | – | yes | yes |
//! | [`Anonymous`] | RFC 4505 | no | no |
//!
//! [`Credentials`] and [`LogIn`](crate::flow::LogIn) choose among them by what the server advertises.
//!
//! A mechanism of your own is an `impl` of [`Mechanism`]: [the guide](crate::guide::mechanism) writes one.

mod anonymous;
mod cram_md5;
mod credentials;
mod error;
mod external;
mod login;
#[cfg(feature = "scram")]
mod nonce;
mod oauth;
mod plain;
#[cfg(feature = "scram")]
mod scram;
mod secret;
#[cfg(test)]
mod tests;
mod token;

use alloc::boxed::Box;

pub use self::anonymous::Anonymous;
pub use self::cram_md5::CramMd5;
pub(crate) use self::credentials::{Choice, Need, known_mechanism, mechanism_names};
pub use self::credentials::{Credentials, Suitability};
pub use self::error::{CredentialFault, MechanismError};
pub use self::external::External;
pub use self::login::Login;
#[cfg(feature = "scram")]
pub use self::nonce::Nonce;
pub use self::oauth::{OAuthBearer, XOAuth2};
pub use self::plain::Plain;
#[cfg(feature = "scram")]
pub use self::scram::ScramSha256;
pub use self::secret::Secret;
pub use self::token::{RefusedToken, TokenError, TokenProvider};
use crate::capabilities::Mechanisms;
use crate::security::{ChannelBindings, Security};

/// A SASL mechanism, as the connection drives it. Implement it to plug in one of your own.
///
/// ```text
/// start ──► respond ──► respond … ──► finish
///   │          │                        ▲
///   └──────────┴── the server said 235 ─┘
/// ```
///
/// Every exchange begins with [`start`](Self::start), which forgets an earlier one: a mechanism may be used
/// again on the next connection. After an error, nothing but `start` is called again. The trait is
/// object-safe, and implemented for `&mut M` and `Box<M>`.
pub trait Mechanism: Send {
    /// The registered mechanism name, for example `PLAIN`: 1 to 20 of `A`–`Z`, `0`–`9`, `-` and `_`
    /// (RFC 4422 §3.1). This is what the AUTH line says; a server's spelling is never echoed.
    fn name(&self) -> &str;

    /// Begins an exchange: checks the server, and gives the initial response or waits for a challenge.
    ///
    /// `Some` of an empty secret is an initial response that is empty (sent as `=`, RFC 4954 §4); `None`
    /// means that the server speaks first. The initial response goes out with the AUTH command, or, when
    /// that line would be too long, alone on a line of its own: then the server first asks for it with an
    /// empty challenge, which the connection answers by itself and the mechanism never sees.
    ///
    /// A mechanism that reveals a secret calls [`ServerInfo::check_host`] and
    /// [`ServerInfo::check_confidential`] here.
    ///
    /// # Errors
    /// When the mechanism refuses this server ([`MechanismError::NotEncrypted`],
    /// [`MechanismError::WrongHost`]) or cannot express the credentials
    /// ([`MechanismError::InvalidCredential`]). Nothing has been sent, and the connection goes on.
    fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError>;

    /// Answers one challenge, given after base64 decoding. It holds any octets, none, or as many as the
    /// limits of the connection permit.
    ///
    /// # Errors
    /// When there is no answer to give, usually [`MechanismError::UnexpectedChallenge`]. The connection
    /// then cancels the exchange with `*` (RFC 4954 §4), and the error is the outcome.
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, MechanismError>;

    /// The last check, when the server has said 235. The default accepts its word.
    ///
    /// # Errors
    /// [`MechanismError::ServerNotAuthentic`] when the mechanism authenticates the server too, and the
    /// server has failed to. The authentication then counts as failed.
    fn finish(&mut self) -> Result<(), MechanismError> {
        Ok(())
    }

    /// How many challenges one exchange may pass to [`respond`](Self::respond) before the connection
    /// cancels it, so that a server cannot keep a client answering for ever. The default is 8.
    ///
    /// The empty challenge that asks for an initial response is not counted.
    fn max_challenges(&self) -> usize {
        8
    }

    /// Whether challenges are prompts for people, of which the mechanism takes no notice: they are then passed
    /// on empty, and need not be base64. The default is `false`.
    fn ignores_challenges(&self) -> bool {
        false
    }

    /// What the server explained about its refusal, as an octet string that may hold anything: escape it
    /// before showing it. The default is `None`. It is asked for after the exchange has failed.
    fn error_detail(&self) -> Option<&[u8]> {
        None
    }
}

/// Passes every method on, the provided ones included.
macro_rules! forward_mechanism {
    ($($pointer:ty),*) => {$(
        impl<M: Mechanism + ?Sized> Mechanism for $pointer {
            fn name(&self) -> &str {
                (**self).name()
            }

            fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
                (**self).start(server)
            }

            fn respond(&mut self, challenge: &[u8]) -> Result<Secret, MechanismError> {
                (**self).respond(challenge)
            }

            fn finish(&mut self) -> Result<(), MechanismError> {
                (**self).finish()
            }

            fn max_challenges(&self) -> usize {
                (**self).max_challenges()
            }

            fn ignores_challenges(&self) -> bool {
                (**self).ignores_challenges()
            }

            fn error_detail(&self) -> Option<&[u8]> {
                (**self).error_detail()
            }
        }
    )*};
}

forward_mechanism!(&mut M, Box<M>);

/// What a mechanism may know about the server before it emits anything.
///
/// The connection makes it from its own state. [`new`](Self::new) is for testing a mechanism.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ServerInfo<'a> {
    /// The host name that the caller configured (never one the server sent).
    pub name: &'a str,
    /// How the connection is protected.
    pub security: &'a Security,
    /// Whether the caller opted in to sending secrets in clear text to any peer.
    pub allow_plaintext: bool,
    /// The mechanisms the server advertised in its latest EHLO reply.
    pub mechanisms: Mechanisms<'a>,
    /// What names the TLS channel; nothing without TLS, or if the TLS library did not tell.
    pub channel_bindings: &'a ChannelBindings,
}

impl<'a> ServerInfo<'a> {
    /// A server of this configured name and protection, that advertises no mechanism, without the opt-in
    /// to clear text.
    #[must_use]
    pub fn new(name: &'a str, security: &'a Security) -> Self {
        Self {
            name,
            security,
            allow_plaintext: false,
            mechanisms: Mechanisms::default(),
            channel_bindings: ChannelBindings::NONE,
        }
    }

    /// Whether a secret may be sent as it is: over TLS verified for [`name`](Self::name), to a local peer,
    /// or over clear text where the caller opted in. What the server says has no part in it.
    #[must_use]
    pub fn may_send_secret(&self) -> bool {
        self.check_confidential().is_ok()
    }

    /// Refuses a connection over which a secret would be revealed: the same test as
    /// [`may_send_secret`](Self::may_send_secret), as an error.
    ///
    /// # Errors
    /// [`MechanismError::NotEncrypted`] over clear text, [`MechanismError::WrongHost`] when TLS verified
    /// another name than the configured one; the opt-in to clear text does not excuse the latter.
    pub fn check_confidential(&self) -> Result<(), MechanismError> {
        match self.security {
            Security::Tls(verified) => check_same_host(self.name, verified.as_str()),
            Security::LocalPlaintext => Ok(()),
            Security::Plaintext if self.allow_plaintext => Ok(()),
            Security::Plaintext => Err(MechanismError::NotEncrypted),
        }
    }

    /// Refuses a connection to any other host than `host`, the one that the credentials are for. Names are
    /// compared without regard to ASCII case and to one final dot.
    ///
    /// # Errors
    /// [`MechanismError::WrongHost`] when the configured name differs, or the name that TLS verified.
    pub fn check_host(&self, host: &str) -> Result<(), MechanismError> {
        check_same_host(host, self.name)?;
        match self.security {
            Security::Tls(verified) => check_same_host(host, verified.as_str()),
            Security::Plaintext | Security::LocalPlaintext => Ok(()),
        }
    }
}

fn check_same_host(expected: &str, actual: &str) -> Result<(), MechanismError> {
    // `mail.example.` is the absolute form of `mail.example`; TLS libraries drop the dot.
    fn relative(name: &str) -> &str {
        name.strip_suffix('.').unwrap_or(name)
    }
    if relative(expected).eq_ignore_ascii_case(relative(actual)) {
        Ok(())
    } else {
        Err(MechanismError::WrongHost { expected: expected.into(), actual: actual.into() })
    }
}
