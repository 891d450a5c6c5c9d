//! The CRAM-MD5 mechanism (RFC 2195, RFC 2104).

use alloc::boxed::Box;
use core::fmt;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::error::{check_no_control, check_not_empty, check_text};
use super::{Mechanism, MechanismError, Secret, ServerInfo};

/// The greatest challenge answered, in octets. Real ones are the size of a message id.
const MAX_CHALLENGE: usize = 4096;

/// The CRAM-MD5 mechanism (RFC 2195): proof of knowing the secret, by a keyed digest of the challenge.
///
/// The secret itself is never sent, so the mechanism may be used over clear text. It is weak all the same:
/// who sees a challenge and its response, or poses as the server, can test guesses of the secret as fast as
/// MD5 allows, and the server proves nothing of itself. Prefer TLS even here, and bind it to a host with
/// [`bound_to`](Self::bound_to).
///
/// ```
/// use smtp_proto::sasl::{CramMd5, Mechanism, MechanismError, ServerInfo};
/// use smtp_proto::security::Security;
///
/// let mut cram = CramMd5::new("tim", "tanstaaftanstaaf");
/// let server = ServerInfo::new("postoffice.reston.mci.net", &Security::Plaintext);
/// assert!(cram.start(&server)?.is_none());
/// let response = cram.respond(b"<1896.697170952@postoffice.reston.mci.net>")?;
/// assert_eq!(response.expose(), b"tim b913a602c7eda7a495b4e6e7334d3890");
/// # Ok::<(), MechanismError>(())
/// ```
#[derive(Clone)]
pub struct CramMd5 {
    username: Box<str>,
    secret: Secret,
    host: Option<Box<str>>,
    awaiting: bool,
}

impl CramMd5 {
    /// Credentials for any host.
    ///
    /// The secret may hold any octets, NUL included, and be of any length but zero; beyond 64 octets its
    /// MD5 is the key (RFC 2104 §2). The user name is refused when it is empty or contains a control
    /// character; a space is allowed, since the digest after the last one cannot contain any. Both are
    /// checked when the exchange starts, as [`MechanismError::InvalidCredential`].
    pub fn new(username: &str, secret: impl Into<Secret>) -> Self {
        Self { username: username.into(), secret: secret.into(), host: None, awaiting: false }
    }

    /// The same credentials for `host` only: the name that the connection is configured with, compared
    /// without regard to ASCII case. Another gets [`MechanismError::WrongHost`] and no response to guess
    /// from.
    #[must_use]
    pub fn bound_to(self, host: &str) -> Self {
        Self { host: Some(host.into()), ..self }
    }
}

impl Mechanism for CramMd5 {
    fn name(&self) -> &str {
        "CRAM-MD5"
    }

    fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        self.awaiting = false;
        if let Some(host) = &self.host {
            server.check_host(host)?;
        }
        check_text("username", self.username.as_bytes())?;
        check_no_control("username", self.username.as_bytes())?;
        check_not_empty("password", self.secret.expose())?;
        self.awaiting = true;
        Ok(None)
    }

    /// Digests the challenge as it is, whatever octets it holds.
    ///
    /// # Errors
    /// [`MechanismError::ChallengeTooLong`] beyond 4096 octets, [`MechanismError::UnexpectedChallenge`] for
    /// any but the first.
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, MechanismError> {
        if !core::mem::take(&mut self.awaiting) {
            return Err(MechanismError::UnexpectedChallenge);
        }
        if challenge.len() > MAX_CHALLENGE {
            return Err(MechanismError::ChallengeTooLong { limit: MAX_CHALLENGE });
        }
        let mut hmac = Hmac::<Md5>::new_from_slice(self.secret.expose())
            .map_err(|_| MechanismError::Other("the secret is no HMAC key".into()))?;
        hmac.update(challenge);
        let digest: [u8; 16] = hmac.finalize().into_bytes().into();
        Ok(Secret::concat(&[self.username.as_bytes(), b" ", &hex(digest)]))
    }

    fn max_challenges(&self) -> usize {
        1
    }
}

impl fmt::Debug for CramMd5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CramMd5").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Lower case, as RFC 2195 §2 demands.
fn hex(digest: [u8; 16]) -> [u8; 32] {
    let digit = |nibble: u8| b"0123456789abcdef".get(usize::from(nibble)).copied().unwrap_or_default();
    let mut text = [0; 32];
    for (pair, octet) in text.chunks_exact_mut(2).zip(digest) {
        if let [high, low] = pair {
            (*high, *low) = (digit(octet >> 4), digit(octet & 0xf));
        }
    }
    text
}
