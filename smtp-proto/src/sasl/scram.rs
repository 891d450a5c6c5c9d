//! The mechanisms SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677).
//!
//! ```text
//! C: gs2-header n=user,r=nonce                     the initial response
//! S: r=nonce+more,s=salt,i=iterations              the first challenge
//! C: c=gs2-header and channel binding,r=…,p=proof  that the client knows the password
//! S: v=signature                                   that the server does
//! C: (empty)                                       SMTP has no data with a 235 (RFC 4954 §4)
//! ```

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::hint::black_box;
use core::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::error::{check_no_control, check_not_empty};
use super::nonce::is_nonce;
use super::oauth::saslname;
use super::{Mechanism, MechanismError, Nonce, Secret, ServerInfo};

const NAME: &str = "SCRAM-SHA-256";
const NAME_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// RFC 7677 §4 asks servers for 4096 at least.
const ITERATIONS: RangeInclusive<u32> = 4096..=1_000_000;

/// The mechanisms SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677): client and server prove to each
/// other that they know the password, or what the server keeps in its place.
///
/// The password is never sent, so the mechanism may be used over clear text, to its one host: who sees an
/// exchange can test guesses of the password, each at the price of all the iterations. A 235 counts only if
/// the server has proved itself before it; otherwise the outcome is [`MechanismError::ServerNotAuthentic`].
///
/// [`plus`](Self::plus) binds the exchange to the TLS channel, so that nobody can stand in between, whatever
/// certificate they have: to `tls-exporter` (RFC 9266) where the connection knows it, that is under TLS 1.3, and
/// to `tls-server-end-point` (RFC 5929) otherwise. [`new`](Self::new) does not bind it, and tells the server
/// whether it could have: so a server that does offer SCRAM-SHA-256-PLUS learns that somebody has taken the
/// offer away.
///
/// User name and password should be prepared with SASLprep (RFC 4013). ASCII is so by itself, and its control
/// characters, which SASLprep prohibits, are refused here. Anything else is used as it is, in UTF-8: give it
/// normalised (NFKC), or the proof will not be that of a server which does normalise.
///
/// ```
/// use smtp_proto::sasl::{Mechanism, MechanismError, Nonce, ScramSha256, ServerInfo};
/// use smtp_proto::security::Security;
///
/// // RFC 7677 §3
/// let nonce = Nonce::new("rOprNGfwEbeRWgbNEkqO")?;
/// let mut scram = ScramSha256::new("user", "pencil", "mail.example", nonce);
/// let first = scram.start(&ServerInfo::new("mail.example", &Security::Plaintext))?;
/// assert_eq!(first.expect("SCRAM speaks first").expose(), b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
/// let proof = scram.respond(
///     b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
/// )?;
/// assert!(proof.expose().ends_with(b",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="));
/// assert_eq!(scram.finish(), Err(MechanismError::ServerNotAuthentic), "not yet");
/// scram.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")?;
/// assert_eq!(scram.finish(), Ok(()));
/// # Ok::<(), MechanismError>(())
/// ```
pub struct ScramSha256 {
    plus: bool,
    identity: Box<str>,
    username: Box<str>,
    password: Secret,
    host: Box<str>,
    nonce: Option<Nonce>,
    iterations: RangeInclusive<u32>,
    state: State,
}

enum State {
    /// Not begun, or begun in vain.
    Idle,
    /// The client's first message was given.
    First(ClientFirst),
    /// So was the proof; the server has to answer with this.
    Proved(Secret),
    /// The server has proved itself.
    Verified,
    /// The server has said why it does not accept the proof.
    Refused(Box<[u8]>),
}

/// What the later messages repeat of the first.
struct ClientFirst {
    /// It, without the GS2 header.
    bare: String,
    nonce: Nonce,
    /// The GS2 header and the channel binding data, in base64.
    binding: String,
}

impl ScramSha256 {
    /// SCRAM-SHA-256 for `host`: the name that the connection is configured with, compared without regard to
    /// ASCII case.
    ///
    /// The credentials are checked when the exchange starts: either being empty or containing a control
    /// character is [`MechanismError::InvalidCredential`]. The nonce serves one exchange: another start
    /// without a [`renew`](Self::renew) is [`MechanismError::NonceUsed`].
    pub fn new(
        username: &str,
        password: impl Into<Secret>,
        host: &str,
        nonce: impl Into<Option<Nonce>>,
    ) -> Self {
        Self {
            plus: false,
            identity: "".into(),
            username: username.into(),
            password: password.into(),
            host: host.into(),
            nonce: nonce.into(),
            iterations: ITERATIONS,
            state: State::Idle,
        }
    }

    /// SCRAM-SHA-256-PLUS, as [`new`](Self::new). Its start is [`MechanismError::NoChannelBinding`] where the
    /// connection knows of no TLS channel.
    pub fn plus(
        username: &str,
        password: impl Into<Secret>,
        host: &str,
        nonce: impl Into<Option<Nonce>>,
    ) -> Self {
        Self { plus: true, ..Self::new(username, password, host, nonce) }
    }

    /// Acts for `identity`, the authorization identity, in place of the user.
    #[must_use]
    pub fn acting_for(mut self, identity: &str) -> Self {
        self.identity = identity.into();
        self
    }

    /// The numbers of hash iterations accepted, 4096 to 1,000,000 unless given. They are looked at before
    /// anything is hashed.
    ///
    /// The number is the server's to choose, and a server may be an impostor: too many would keep this
    /// machine busy, and a proof made with too few, which RFC 7677 §4 puts at less than 4096, would let the
    /// impostor guess the password cheaply. A server that was set up with fewer needs a wider range here. A
    /// million take some tenths of a second, in the one call that answers the server's first message.
    #[must_use]
    pub fn iterations(mut self, accepted: RangeInclusive<u32>) -> Self {
        self.iterations = accepted;
        self
    }

    /// Supplies the nonce of the next exchange.
    pub fn renew(&mut self, nonce: Nonce) {
        self.nonce = Some(nonce);
    }

    /// The GS2 header (RFC 5802 §7), and the channel binding data behind it.
    fn binding(&self, server: &ServerInfo<'_>) -> Result<(String, Vec<u8>), MechanismError> {
        let known = server.channel_bindings;
        let (flag, data) = match (self.plus, known.exporter(), known.server_end_point()) {
            (true, Some(exporter), _) => ("p=tls-exporter", exporter),
            (true, None, Some(end_point)) => ("p=tls-server-end-point", end_point),
            (true, None, None) => return Err(MechanismError::NoChannelBinding),
            // It was the caller who chose not to bind: "y" would accuse the connection.
            (false, ..) if server.mechanisms.contains(NAME_PLUS) => ("n", &[][..]),
            (false, None, None) => ("n", &[][..]),
            (false, ..) => ("y", &[][..]),
        };
        let identity = match &*self.identity {
            "" => String::new(),
            identity => format!("a={}", saslname(identity)),
        };
        let header = format!("{flag},{identity},");
        let input = [header.as_bytes(), data].concat();
        Ok((header, input))
    }

    /// Answers the server's first message (RFC 5802 §3).
    fn prove(&mut self, first: &ClientFirst, challenge: &[u8]) -> Result<Secret, MechanismError> {
        let text = core::str::from_utf8(challenge).map_err(|_| MechanismError::InvalidChallenge)?;
        let server =
            ServerFirst::parse(text, first.nonce.as_str()).ok_or(MechanismError::InvalidChallenge)?;
        if !self.iterations.contains(&server.iterations) {
            return Err(MechanismError::Iterations(server.iterations));
        }
        let salted = salted_password(self.password.expose(), &server.salt, server.iterations)?;
        let without_proof = format!("c={},r={}", first.binding, server.nonce);
        let message = [first.bare.as_bytes(), b",", text.as_bytes(), b",", without_proof.as_bytes()];

        let client_key = hmac(salted.expose(), &[b"Client Key"])?;
        let stored_key = hide(&mut Sha256::digest(client_key.expose()).into());
        let client_signature = hmac(stored_key.expose(), &message)?;
        let mut proof = [0; 32];
        for ((octet, key), mask) in proof.iter_mut().zip(client_key.expose()).zip(client_signature.expose()) {
            *octet = key ^ mask;
        }
        let server_key = hmac(salted.expose(), &[b"Server Key"])?;
        self.state = State::Proved(hmac(server_key.expose(), &message)?);
        let proof = STANDARD.encode(proof);
        Ok(Secret::concat(&[without_proof.as_bytes(), b",p=", proof.as_bytes()]))
    }

    /// Checks the server's last message, which is answered with nothing.
    fn verify(&mut self, expected: &Secret, challenge: &[u8]) -> Result<Secret, MechanismError> {
        // Extensions may follow.
        let last = challenge.split(|&octet| octet == b',').next().unwrap_or_default();
        if let Some(error) = last.strip_prefix(b"e=") {
            self.state = State::Refused(error.into());
            return Ok(Secret::new(""));
        }
        let signature = last.strip_prefix(b"v=").ok_or(MechanismError::InvalidChallenge)?;
        let signature = STANDARD.decode(signature).map_err(|_| MechanismError::InvalidChallenge)?;
        if !expected.ct_eq(&signature) {
            return Err(MechanismError::ServerNotAuthentic);
        }
        self.state = State::Verified;
        Ok(Secret::new(""))
    }
}

impl Mechanism for ScramSha256 {
    fn name(&self) -> &str {
        if self.plus { NAME_PLUS } else { NAME }
    }

    fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        // A value whose start was refused must not answer, even if an earlier one was allowed.
        self.state = State::Idle;
        server.check_host(&self.host)?;
        for (field, value) in [("username", self.username.as_bytes()), ("password", self.password.expose())] {
            check_not_empty(field, value)?;
            check_no_control(field, value)?;
        }
        check_no_control("identity", self.identity.as_bytes())?;
        let (header, input) = self.binding(server)?;
        let nonce = self.nonce.take().ok_or(MechanismError::NonceUsed)?;
        let bare = format!("n={},r={}", saslname(&self.username), nonce.as_str());
        let message = Secret::concat(&[header.as_bytes(), bare.as_bytes()]);
        self.state = State::First(ClientFirst { bare, nonce, binding: STANDARD.encode(input) });
        Ok(Some(message))
    }

    /// Answers the server's first message with the proof, and its last, which has to prove the server, with
    /// nothing.
    ///
    /// # Errors
    /// [`MechanismError::InvalidChallenge`] for what is no such message: the server's nonce does not extend the
    /// client's, or there is a mandatory extension (`m=`), of which none is known.
    /// [`MechanismError::Iterations`], [`MechanismError::ServerNotAuthentic`];
    /// [`MechanismError::UnexpectedChallenge`] for a third.
    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, MechanismError> {
        match core::mem::replace(&mut self.state, State::Idle) {
            State::First(first) => self.prove(&first, challenge),
            State::Proved(expected) => self.verify(&expected, challenge),
            other => {
                self.state = other;
                Err(MechanismError::UnexpectedChallenge)
            }
        }
    }

    fn finish(&mut self) -> Result<(), MechanismError> {
        match self.state {
            State::Verified => Ok(()),
            _ => Err(MechanismError::ServerNotAuthentic),
        }
    }

    fn max_challenges(&self) -> usize {
        2
    }

    fn error_detail(&self) -> Option<&[u8]> {
        match &self.state {
            State::Refused(error) => Some(error),
            _ => None,
        }
    }
}

/// The server's first message, taken apart (RFC 5802 §7).
struct ServerFirst<'a> {
    nonce: &'a str,
    salt: Vec<u8>,
    iterations: u32,
}

impl<'a> ServerFirst<'a> {
    /// The attributes come in a fixed order; a mandatory extension (`m=`) would come before them.
    fn parse(text: &'a str, client_nonce: &str) -> Option<Self> {
        let mut attributes = text.split(',');
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let added = nonce.strip_prefix(client_nonce)?;
        let salt = STANDARD.decode(attributes.next()?.strip_prefix("s=")?).ok()?;
        let iterations = attributes.next()?.strip_prefix("i=")?;
        // `from_str` alone would take a sign.
        let digits = iterations.bytes().all(|octet| octet.is_ascii_digit());
        let sound = !added.is_empty() && is_nonce(added) && !salt.is_empty() && digits;
        sound.then_some(Self { nonce, salt, iterations: iterations.parse().ok()? })
    }
}

type HmacSha256 = Hmac<Sha256>;

fn keyed(key: &[u8]) -> Result<HmacSha256, MechanismError> {
    HmacSha256::new_from_slice(key).map_err(|_| MechanismError::Other("no HMAC key".into()))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Result<Secret, MechanismError> {
    let mut hmac = keyed(key)?;
    for part in parts {
        hmac.update(part);
    }
    Ok(hide(&mut hmac.finalize().into_bytes().into()))
}

/// RFC 5802's `Hi`: PBKDF2 (RFC 8018 §5.2) of one block.
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> Result<Secret, MechanismError> {
    let keyed = keyed(password)?;
    let digest = |input: &[u8], more: &[u8]| -> [u8; 32] {
        let mut hmac = keyed.clone();
        hmac.update(input);
        hmac.update(more);
        hmac.finalize().into_bytes().into()
    };
    let mut last = digest(salt, &1_u32.to_be_bytes());
    let mut sum = last;
    for _ in 1..iterations {
        last = digest(&last, &[]);
        for (octet, more) in sum.iter_mut().zip(last) {
            *octet ^= more;
        }
    }
    last.fill(0);
    black_box(&mut last);
    Ok(hide(&mut sum))
}

/// Moves a digest where it will be wiped.
fn hide(digest: &mut [u8; 32]) -> Secret {
    let secret = Secret::new(digest.as_slice());
    digest.fill(0);
    black_box(digest);
    secret
}

impl fmt::Debug for ScramSha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("ScramSha256");
        shown.field("plus", &self.plus).field("host", &self.host).finish_non_exhaustive()
    }
}
