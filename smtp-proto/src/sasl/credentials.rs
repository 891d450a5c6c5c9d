//! What the caller has to authenticate with, and the choice of a mechanism for it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::{vec, vec::Vec};
use core::fmt;

use super::{
    Anonymous, CramMd5, External, Login, Mechanism, MechanismError, OAuthBearer, Plain, RefusedToken, Secret,
    ServerInfo, TokenProvider, XOAuth2,
};
#[cfg(feature = "scram")]
use super::{Nonce, ScramSha256};

/// What there is to authenticate with, for whichever mechanism the server offers:
/// [`LogIn`](crate::flow::LogIn) makes the choice.
///
/// The order of preference is fixed, strongest first:
///
/// | mechanism | needs | why there |
/// |---|---|---|
/// | EXTERNAL | [`external`](Self::external) | the key stays with the client, and the server knows it already |
/// | SCRAM-SHA-256-PLUS | [`password`](Self::password), feature `scram`, TLS channel bindings | the password stays here, both sides prove themselves, and nobody stands between them |
/// | SCRAM-SHA-256 | [`password`](Self::password), feature `scram` | the same without the last |
/// | OAUTHBEARER, XOAUTH2 | [`token`](Self::token) | what is revealed expires |
/// | CRAM-MD5 | [`password`](Self::password) | the password stays here; MD5 |
/// | PLAIN, LOGIN | [`password`](Self::password) | the password is revealed to the server |
/// | ANONYMOUS | [`anonymous`](Self::anonymous) | no proof at all |
///
/// One mechanism is chosen, among those that the server advertises, and no other is tried in its place: what
/// the strongest one was refused, a weaker one would only tell to an impostor. (Falling from
/// SCRAM-SHA-256-PLUS to SCRAM-SHA-256, for one, would take the channel binding away from exactly the attack
/// that it is there for.) The choice looks at no more than what is advertised and at hand: when only PLAIN is
/// on offer in clear text, PLAIN is chosen, and refuses to start.
///
/// ```
/// use smtp_proto::capabilities::Capabilities;
/// use smtp_proto::sasl::{Credentials, Secret, ServerInfo};
/// use smtp_proto::security::Security;
///
/// let capabilities = Capabilities::parse([&b"mail.example"[..], b"AUTH LOGIN PLAIN XOAUTH2"]);
/// let mut server = ServerInfo::new("mail.example", &Security::LocalPlaintext);
/// server.mechanisms = capabilities.auth_mechanisms();
///
/// let password = Credentials::password("tim", "tanstaaf");
/// assert_eq!(password.choose(&server), Some("PLAIN"));
/// let token = Credentials::token("tim", Secret::from("ya29"));
/// assert_eq!(token.clone().or(password).choose(&server), Some("XOAUTH2"));
/// assert_eq!(Credentials::external("").choose(&server), None);
/// ```
#[derive(Clone)]
pub struct Credentials {
    kinds: Vec<Kind>,
    only: Option<Box<str>>,
}

#[derive(Clone)]
enum Kind {
    External(Box<str>),
    Password { username: Box<str>, password: Secret },
    Token { username: Box<str>, provider: Arc<dyn TokenProvider> },
    Anonymous(Box<str>),
}

/// What a mechanism needs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    External,
    Password,
    Token,
    Anonymous,
}

/// The order of preference.
const PREFERENCE: [(&str, Need); 9] = [
    ("EXTERNAL", Need::External),
    (SCRAM_PLUS, Need::Password),
    (SCRAM, Need::Password),
    ("OAUTHBEARER", Need::Token),
    ("XOAUTH2", Need::Token),
    ("CRAM-MD5", Need::Password),
    ("PLAIN", Need::Password),
    ("LOGIN", Need::Password),
    ("ANONYMOUS", Need::Anonymous),
];

const SCRAM: &str = "SCRAM-SHA-256";
const SCRAM_PLUS: &str = "SCRAM-SHA-256-PLUS";

/// A mechanism of the order of preference by its name, in any case.
pub(crate) fn known_mechanism(name: &str) -> Option<(&'static str, Need)> {
    PREFERENCE.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name))
}

/// The mechanisms that this build can choose, in the order of preference.
pub(crate) fn mechanism_names() -> impl DoubleEndedIterator<Item = &'static str> {
    let built = |name: &&str| cfg!(feature = "scram") || ![SCRAM, SCRAM_PLUS].contains(name);
    PREFERENCE.into_iter().map(|(name, _)| name).filter(built)
}

impl Credentials {
    /// A user name and its password. The mechanism chosen checks them when it starts.
    pub fn password(username: &str, password: impl Into<Secret>) -> Self {
        Kind::Password { username: username.into(), password: password.into() }.into()
    }

    /// A user name and where its OAuth tokens come from: a [`TokenProvider`], of which a [`Secret`] is the
    /// simplest.
    pub fn token(username: &str, provider: impl TokenProvider + 'static) -> Self {
        Kind::Token { username: username.into(), provider: Arc::new(provider) }.into()
    }

    /// What the server knows from elsewhere, such as the client's TLS certificate; `identity` is whom to act
    /// for, empty for the one that the server derives.
    #[must_use]
    pub fn external(identity: &str) -> Self {
        Kind::External(identity.into()).into()
    }

    /// Nothing but a trace for the server's log.
    #[must_use]
    pub fn anonymous(trace: &str) -> Self {
        Kind::Anonymous(trace.into()).into()
    }

    /// These, or those of `other`, whichever the most preferred mechanism on offer needs. Of two of one kind
    /// the first is used. What they are restricted to with [`only`](Self::only) holds on, what `other` is does not.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        self.kinds.extend(other.kinds);
        self
    }

    /// Restricts the choice to this mechanism, its name in any case: where the server does not offer it, or the
    /// credentials do not suffice for it, none is used. Of `SCRAM-SHA-256` and `SCRAM-SHA-256-PLUS` each is one of its
    /// own.
    ///
    /// ```
    /// use smtp_proto::capabilities::Capabilities;
    /// use smtp_proto::sasl::{Credentials, ServerInfo};
    /// use smtp_proto::security::Security;
    ///
    /// let capabilities = Capabilities::parse([&b"mail.example"[..], b"AUTH CRAM-MD5 LOGIN PLAIN"]);
    /// let mut server = ServerInfo::new("mail.example", &Security::LocalPlaintext);
    /// server.mechanisms = capabilities.auth_mechanisms();
    ///
    /// let password = Credentials::password("tim", "tanstaaf");
    /// assert_eq!(password.choose(&server), Some("CRAM-MD5"));
    /// assert_eq!(password.clone().only("login").choose(&server), Some("LOGIN"));
    /// assert_eq!(password.only("XOAUTH2").choose(&server), None);
    /// ```
    #[must_use]
    pub fn only(mut self, mechanism: &str) -> Self {
        self.only = Some(mechanism.into());
        self
    }

    /// The name of the mechanism that [`LogIn`](crate::flow::LogIn), supplied with a nonce, would use with this
    /// server; `None` if it advertises none that the credentials suffice for.
    #[must_use]
    pub fn choose(&self, server: &ServerInfo<'_>) -> Option<&'static str> {
        self.choice(server, true).map(|choice| choice.name)
    }

    /// What [`choose`](Self::choose) makes of each mechanism that the server advertises, in the server's order: one at
    /// most is [`Chosen`](Suitability::Chosen), and the others say why not.
    ///
    /// ```
    /// use smtp_proto::capabilities::Capabilities;
    /// use smtp_proto::sasl::{Credentials, ServerInfo, Suitability};
    /// use smtp_proto::security::Security;
    ///
    /// let capabilities = Capabilities::parse([&b"mail.example"[..], b"AUTH PLAIN CRAM-MD5 XOAUTH2 NTLM"]);
    /// let mut server = ServerInfo::new("mail.example", &Security::LocalPlaintext);
    /// server.mechanisms = capabilities.auth_mechanisms();
    ///
    /// let password = Credentials::password("tim", "tanstaaf");
    /// let why: Vec<_> = password.judge(&server).map(|(name, why)| format!("{name}: {why}")).collect();
    /// assert_eq!(why, [
    ///     "PLAIN: CRAM-MD5 is preferred",
    ///     "CRAM-MD5: chosen",
    ///     "XOAUTH2: it takes a token",
    ///     "NTLM: it is not known here",
    /// ]);
    /// ```
    pub fn judge<'s>(
        &self,
        server: &ServerInfo<'s>,
    ) -> impl Iterator<Item = (&'s str, Suitability)> + use<'_, 's> {
        let chosen = self.choose(server);
        let server = *server;
        server.mechanisms.iter().map(move |advertised| {
            let suitability = match known_mechanism(advertised) {
                None => Suitability::Unknown,
                Some((name, need)) => match (self.obstacle(name, need, &server, true), chosen) {
                    (Some(obstacle), _) => obstacle,
                    (None, Some(preferred)) if preferred != name => Suitability::LessPreferred(preferred),
                    (None, _) => Suitability::Chosen,
                },
            };
            (advertised, suitability)
        })
    }

    /// The choice; SCRAM is out of it without a nonce.
    pub(crate) fn choice(&self, server: &ServerInfo<'_>, nonce: bool) -> Option<Choice<'_>> {
        PREFERENCE.iter().find_map(|&(name, need)| {
            let kind = self.kinds.iter().find(|kind| kind.meets(need))?;
            let usable = self.obstacle(name, need, server, nonce).is_none();
            (usable && server.mechanisms.contains(name)).then_some(Choice { name, kind })
        })
    }

    /// Why this mechanism is not to be used, were it advertised.
    fn obstacle(&self, name: &str, need: Need, server: &ServerInfo<'_>, nonce: bool) -> Option<Suitability> {
        let scram = matches!(name, SCRAM | SCRAM_PLUS);
        if scram && !(cfg!(feature = "scram") && nonce) {
            return Some(Suitability::NotBuilt);
        }
        if self.only.as_deref().is_some_and(|only| !only.eq_ignore_ascii_case(name)) {
            return Some(Suitability::NotTheOnlyOne);
        }
        if !self.kinds.iter().any(|kind| kind.meets(need)) {
            return Some(Suitability::Needs(match need {
                Need::External => "the client's identity from elsewhere, such as a certificate",
                Need::Password => "a password",
                Need::Token => "a token",
                Need::Anonymous => "a trace in place of credentials",
            }));
        }
        (name == SCRAM_PLUS && server.channel_bindings.is_empty()).then_some(Suitability::NoChannelBinding)
    }
}

impl From<Kind> for Credentials {
    fn from(kind: Kind) -> Self {
        Self { kinds: vec![kind], only: None }
    }
}

impl Kind {
    fn meets(&self, need: Need) -> bool {
        need == match self {
            Kind::External(_) => Need::External,
            Kind::Password { .. } => Need::Password,
            Kind::Token { .. } => Need::Token,
            Kind::Anonymous(_) => Need::Anonymous,
        }
    }
}

/// Whether a mechanism that a server advertises is used, or why it is not: see [`Credentials::judge`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Suitability {
    /// It is the one.
    Chosen,
    /// It would do, but this one is preferred.
    LessPreferred(&'static str),
    /// The credentials do not suffice: what it takes.
    Needs(&'static str),
    /// Another one was [asked for](Credentials::only).
    NotTheOnlyOne,
    /// It binds to the TLS channel, and nothing is known of one.
    NoChannelBinding,
    /// It takes the feature `scram`, without which this program was built.
    NotBuilt,
    /// It is not known here.
    Unknown,
}

impl fmt::Display for Suitability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chosen => f.write_str("chosen"),
            Self::LessPreferred(preferred) => write!(f, "{preferred} is preferred"),
            Self::Needs(what) => write!(f, "it takes {what}"),
            Self::NotTheOnlyOne => f.write_str("another one was asked for"),
            Self::NoChannelBinding => f.write_str("it binds to the TLS channel, and nothing is known of one"),
            Self::NotBuilt => f.write_str("it is not in this program: it takes the feature `scram`"),
            Self::Unknown => f.write_str("it is not known here"),
        }
    }
}

/// A mechanism that has been chosen, and what it is chosen for.
#[derive(Clone, Copy)]
pub(crate) struct Choice<'c> {
    pub(super) name: &'static str,
    kind: &'c Kind,
}

impl Choice<'_> {
    /// A token, if the mechanism needs one.
    pub(crate) fn token(&self, refused: Option<&RefusedToken<'_>>) -> Result<Option<Secret>, MechanismError> {
        match self.kind {
            Kind::Token { provider, .. } => provider.token(refused).map(Some).map_err(MechanismError::Token),
            Kind::External(_) | Kind::Password { .. } | Kind::Anonymous(_) => Ok(None),
        }
    }

    /// The mechanism, bound to `host`: the host that the credentials are for, never a name that the server
    /// gave.
    pub(crate) fn mechanism(
        &self,
        host: &str,
        token: Option<&Secret>,
        #[cfg(feature = "scram")] nonce: Option<Nonce>,
    ) -> Box<dyn Mechanism> {
        match self.kind {
            Kind::External(identity) => Box::new(External::new(identity)),
            Kind::Anonymous(trace) => Box::new(Anonymous::new(trace)),
            Kind::Token { username, .. } => {
                let token = token.cloned().unwrap_or_default();
                match self.name {
                    "XOAUTH2" => Box::new(XOAuth2::new(username, token, host)),
                    _ => Box::new(OAuthBearer::new(username, token, host)),
                }
            }
            Kind::Password { username, password } => {
                let password = password.clone();
                match self.name {
                    #[cfg(feature = "scram")]
                    SCRAM => Box::new(ScramSha256::new(username, password, host, nonce)),
                    #[cfg(feature = "scram")]
                    SCRAM_PLUS => Box::new(ScramSha256::plus(username, password, host, nonce)),
                    "CRAM-MD5" => Box::new(CramMd5::new(username, password).bound_to(host)),
                    "LOGIN" => Box::new(Login::new(username, password, host)),
                    _ => Box::new(Plain::new("", username, password, host)),
                }
            }
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}
