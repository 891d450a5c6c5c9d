//! The OAuth mechanisms: OAUTHBEARER (RFC 7628) and XOAUTH2, its predecessor, which no RFC specifies.
//!
//! In both the token goes with the first message, in fields that 0x01 separates. A server that refuses the token
//! says why in a challenge; the client has to answer it before it gets the final reply (RFC 7628 §3.2.3).

use alloc::boxed::Box;
use alloc::string::String;
use core::fmt::{self, Write as _};

use super::error::{check_no_control, check_not_empty};
use super::{Mechanism, MechanismError, Secret, ServerInfo};

/// The OAUTHBEARER mechanism (RFC 7628): an OAuth 2.0 bearer token, in one message.
///
/// It is bound to a host as [`Plain`](super::Plain) is. What a server says of a token that it refuses, usually a
/// JSON document, is the [`error_detail`](Mechanism::error_detail).
///
/// ```
/// use smtp_proto::sasl::{Mechanism, MechanismError, OAuthBearer, ServerInfo};
/// use smtp_proto::security::Security;
///
/// let mut bearer = OAuthBearer::new("user@example.com", "vF9dft4qmT", "server.example.com").port(587);
/// let server = ServerInfo::new("server.example.com", &Security::LocalPlaintext);
/// let message = bearer.start(&server)?.expect("OAUTHBEARER speaks first");
/// assert_eq!(
///     message.expose(),
///     b"n,a=user@example.com,\x01host=server.example.com\x01port=587\x01auth=Bearer vF9dft4qmT\x01\x01"
/// );
/// assert_eq!(bearer.respond(br#"{"status":"invalid_token"}"#)?.expose(), b"\x01");
/// assert_eq!(bearer.error_detail(), Some(&br#"{"status":"invalid_token"}"#[..]));
/// # Ok::<(), MechanismError>(())
/// ```
#[derive(Clone)]
pub struct OAuthBearer {
    username: Box<str>,
    token: Secret,
    host: Box<str>,
    port: Option<u16>,
    progress: Progress,
}

impl OAuthBearer {
    /// A token for `host`: the name that the connection is configured with, compared without regard to ASCII
    /// case. The host is told to the server, too.
    ///
    /// `username` is the authorization identity; empty, it is the user that the token names (Dovecot, for one,
    /// wants it all the same). The credentials are checked when the exchange starts: a control character in either, of which 0x01 would forge a field,
    /// and an empty token are [`MechanismError::InvalidCredential`].
    pub fn new(username: &str, token: impl Into<Secret>, host: &str) -> Self {
        Self {
            username: username.into(),
            token: token.into(),
            host: host.into(),
            port: None,
            progress: Progress::default(),
        }
    }

    /// Tells the server which port the client connected to as well (RFC 7628 §3.1). Few servers look at it.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }
}

impl Mechanism for OAuthBearer {
    fn name(&self) -> &str {
        "OAUTHBEARER"
    }

    fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        // A value whose start was refused must not answer.
        self.progress = Progress::NotStarted;
        check(server, &self.host, &self.username, &self.token)?;
        check_no_control("host", self.host.as_bytes())?;
        let mut fields = String::new();
        if !self.username.is_empty() {
            fields.push_str("a=");
            fields.push_str(&saslname(&self.username));
        }
        // Writing to a string cannot fail.
        let _ = write!(fields, ",\x01host={}\x01", self.host);
        if let Some(port) = self.port {
            let _ = write!(fields, "port={port}\x01");
        }
        let parts = [b"n,", fields.as_bytes(), b"auth=Bearer ", self.token.expose(), b"\x01\x01"];
        self.progress = Progress::Sent;
        Ok(Some(Secret::concat(&parts)))
    }

    /// Takes the server's reason for refusing the token, and answers it with the one 0x01 that RFC 7628 §3.2.3
    /// asks for.
    ///
    /// # Errors
    /// [`MechanismError::UnexpectedChallenge`] for any but the first.
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, MechanismError> {
        self.progress.acknowledge(challenge, "\x01")
    }

    fn max_challenges(&self) -> usize {
        1
    }

    fn error_detail(&self) -> Option<&[u8]> {
        self.progress.detail()
    }
}

/// The XOAUTH2 mechanism: OAUTHBEARER as Google and Microsoft had it before there was an RFC.
///
/// It is bound to a host as [`Plain`](super::Plain) is. What a server says of a token that it refuses, usually a
/// JSON document, is the [`error_detail`](Mechanism::error_detail).
///
/// ```
/// use smtp_proto::sasl::{Mechanism, MechanismError, ServerInfo, XOAuth2};
/// use smtp_proto::security::Security;
///
/// let mut xoauth2 = XOAuth2::new("someuser@example.com", "ya29.vF9dft4qmT", "smtp.example.com");
/// let clear = ServerInfo::new("smtp.example.com", &Security::Plaintext);
/// assert_eq!(xoauth2.start(&clear).unwrap_err(), MechanismError::NotEncrypted);
///
/// let local = ServerInfo::new("smtp.example.com", &Security::LocalPlaintext);
/// let message = xoauth2.start(&local)?.expect("XOAUTH2 speaks first");
/// assert_eq!(message.expose(), b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmT\x01\x01");
/// assert_eq!(xoauth2.respond(br#"{"status":"401"}"#)?.expose(), b"");
/// # Ok::<(), MechanismError>(())
/// ```
#[derive(Clone)]
pub struct XOAuth2 {
    username: Box<str>,
    token: Secret,
    host: Box<str>,
    progress: Progress,
}

impl XOAuth2 {
    /// A token for `host`: the name that the connection is configured with, compared without regard to ASCII
    /// case.
    ///
    /// The credentials are checked when the exchange starts: either being empty or containing a control
    /// character, of which 0x01 would forge a field, is [`MechanismError::InvalidCredential`].
    pub fn new(username: &str, token: impl Into<Secret>, host: &str) -> Self {
        Self {
            username: username.into(),
            token: token.into(),
            host: host.into(),
            progress: Progress::default(),
        }
    }
}

impl Mechanism for XOAuth2 {
    fn name(&self) -> &str {
        "XOAUTH2"
    }

    fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        // A value whose start was refused must not answer.
        self.progress = Progress::NotStarted;
        check(server, &self.host, &self.username, &self.token)?;
        check_not_empty("username", self.username.as_bytes())?;
        self.progress = Progress::Sent;
        Ok(Some(Secret::concat(&[
            b"user=",
            self.username.as_bytes(),
            b"\x01auth=Bearer ",
            self.token.expose(),
            b"\x01\x01",
        ])))
    }

    /// Takes the server's reason for refusing the token, and answers it with an empty response.
    ///
    /// # Errors
    /// [`MechanismError::UnexpectedChallenge`] for any but the first.
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, MechanismError> {
        self.progress.acknowledge(challenge, "")
    }

    fn max_challenges(&self) -> usize {
        1
    }

    fn error_detail(&self) -> Option<&[u8]> {
        self.progress.detail()
    }
}

/// What both have to check before a token leaves.
fn check(server: &ServerInfo<'_>, host: &str, username: &str, token: &Secret) -> Result<(), MechanismError> {
    server.check_host(host)?;
    server.check_confidential()?;
    check_no_control("username", username.as_bytes())?;
    check_not_empty("token", token.expose())?;
    check_no_control("token", token.expose())
}

/// A name as GS2 headers and SCRAM write it: `,` and `=` would end a field (RFC 5801 §4, RFC 5802 §5.1).
pub(super) fn saslname(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// How far an exchange got, and the challenge that explains why the token was refused.
#[derive(Clone, Default)]
enum Progress {
    #[default]
    NotStarted,
    Sent,
    Refused(Box<[u8]>),
}

impl Progress {
    fn acknowledge(&mut self, challenge: &[u8], answer: &str) -> Result<Secret, MechanismError> {
        match self {
            Progress::Sent => {
                *self = Progress::Refused(challenge.into());
                Ok(Secret::from(answer))
            }
            Progress::NotStarted | Progress::Refused(_) => Err(MechanismError::UnexpectedChallenge),
        }
    }

    fn detail(&self) -> Option<&[u8]> {
        match self {
            Progress::Refused(detail) if !detail.is_empty() => Some(detail),
            _ => None,
        }
    }
}

impl fmt::Debug for OAuthBearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthBearer").field("host", &self.host).finish_non_exhaustive()
    }
}

impl fmt::Debug for XOAuth2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("XOAuth2").field("host", &self.host).finish_non_exhaustive()
    }
}
