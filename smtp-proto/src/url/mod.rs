//! A server written as one line: `smtps://alice:secret@mail.example.org`.
//!
//! [`ServerUrl`] is what a program keeps in its configuration for everything that takes it to a session: protocol, TLS,
//! host, port, user, password. It follows RFC 3986 and takes nothing that it does not know: what is not understood is an
//! error that says where, and what would be. The password is never shown, neither by `Debug` nor by an error.

mod error;
mod part;

use core::fmt;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

use alloc::string::String;

pub use error::{UrlError, UrlErrorKind};

use crate::connection::{Config, Protocol, TlsPolicy};
use crate::sasl::{Credentials, Need, Secret, known_mechanism};
use error::UrlErrorKind as Kind;
use part::Part;

/// A server, how to speak to it, and with which credentials.
///
/// ```text
/// scheme://[user:password@]host[:port][?option=value[&option=value]]
/// ```
///
/// | scheme | protocol | TLS | port, if none is given |
/// |---|---|---|---|
/// | `smtp` | SMTP | STARTTLS, required | 587 |
/// | `smtps` | SMTP | from the first octet | 465 |
/// | `lmtp` | LMTP | STARTTLS, required | 24 |
///
/// [`Config::default_port`] tells why these ports. Of the others, 465 is refused to `smtp`, whose servers wait there for a
/// handshake that does not come.
///
/// | option | values | |
/// |---|---|---|
/// | `tls` | `required`, `opportunistic`, `none` | a [`TlsPolicy`]; an `smtps` URL takes only `required` |
/// | `auth` | a mechanism, in any case | the only one that is used: [`Credentials::only`]. Without it, the strongest that the server offers |
///
/// User and password are percent-encoded: of `: / ? # [ ] @ %`, white space and control characters each octet is written
/// `%` and two hexadecimal digits. The password may be of any octets, the user is UTF-8. With `auth=XOAUTH2` or
/// `auth=OAUTHBEARER` the password is the token; `auth=EXTERNAL` and `auth=ANONYMOUS` take no password, and a user only if
/// there is an identity or a trace to tell. A user alone, whose password comes from elsewhere, is for
/// [`parse_with`](Self::parse_with).
///
/// The host is a domain in ASCII (internationalised ones as `xn--`), an IPv4 address, or an IPv6 address in brackets. A
/// single slash may follow it, a path may not. A Unix socket has no URL: the adapters take it as a stream.
///
/// ```
/// use smtp_proto::connection::TlsPolicy;
/// use smtp_proto::url::{ServerUrl, UrlErrorKind};
///
/// let url: ServerUrl = "smtps://alice:p%40ss@mail.example.org?auth=plain".parse()?;
/// assert_eq!((url.config().host(), url.port()), ("mail.example.org", 465));
/// assert_eq!(url.config().tls_policy(), TlsPolicy::Implicit);
/// assert!(url.credentials().is_some());
/// assert!(!format!("{url:?}").contains("p@ss"));
///
/// let error = "smtp://mail.example.org?tls=yes".parse::<ServerUrl>().unwrap_err();
/// assert_eq!(*error.kind(), UrlErrorKind::TlsValue);
/// assert_eq!(
///     error.to_string(),
///     "the option `tls` is one of `required`, `opportunistic` and `none`; \
///      for TLS from the first octet the scheme is `smtps` (octet 28 of the URL)",
/// );
/// # Ok::<(), smtp_proto::url::UrlError>(())
/// ```
#[derive(Clone)]
pub struct ServerUrl {
    config: Config,
    port: Option<u16>,
    credentials: Option<Credentials>,
}

impl ServerUrl {
    /// The settings of a connection to the server: host, protocol and TLS policy; everything else has its default.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The port, be it given or [the default](Config::default_port).
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(self.config.default_port())
    }

    /// What to log in with, if there is a user, or a mechanism that can do without.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The settings, the port if one was given, and the credentials.
    #[must_use]
    pub fn into_parts(self) -> (Config, Option<u16>, Option<Credentials>) {
        (self.config, self.port, self.credentials)
    }
}

impl FromStr for ServerUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Self::parse_with(url, |_| None)
    }
}

impl ServerUrl {
    /// As [`parse`](str::parse), for a URL that may have a user and no password, `smtps://alice@mail.example.org`: it is
    /// asked for then, with the name of the user. So it need not be in a configuration, nor in a command line that others
    /// see. With `auth=XOAUTH2` or `auth=OAUTHBEARER` it is the token.
    ///
    /// ```
    /// use smtp_proto::url::ServerUrl;
    ///
    /// let url = ServerUrl::parse_with("smtps://alice@mail.example.org", |user| {
    ///     assert_eq!(user, "alice");
    ///     Some("p@ss".into()) // from a key ring, a prompt, the environment
    /// })?;
    /// assert!(url.credentials().is_some());
    /// # Ok::<(), smtp_proto::url::UrlError>(())
    /// ```
    ///
    /// # Errors
    /// What is wrong with the URL; [`MissingPassword`](UrlErrorKind::MissingPassword) if `password` has none to give.
    pub fn parse_with(url: &str, mut password: impl FnMut(&str) -> Option<Secret>) -> Result<Self, UrlError> {
        let whole = Part::new(url);
        if let Some(fault) = whole.find(|c| c.is_control() || c.is_whitespace()) {
            return Err(fault.error(Kind::Character));
        }
        let (scheme, rest) = whole.split_once("://").ok_or(whole.error(Kind::MissingScheme))?;
        let scheme = Scheme::of(scheme)?;
        let (authority, tail) = rest.split_before(&['/', '?', '#']);
        // A password with one of these in it, and no `%`, is torn apart here: say so before any of it is looked at.
        if tail.text.contains('@') {
            return Err(tail.error(Kind::Unencoded));
        }
        let (user, server) = match authority.split_once("@") {
            Some((user, server)) => (Some(user), server),
            None => (None, authority),
        };
        // Of several, the last is the separator, and the first the one that should not be there.
        if let Some(first) = authority.find(|c| c == '@').filter(|_| server.text.contains('@')) {
            return Err(first.error(Kind::Unencoded));
        }
        let (host, port) = host_and_port(server, scheme)?;
        let options = Options::of(tail)?;

        let mut config = Config::new(host).tls(scheme.tls(&options)?);
        if let Scheme::Lmtp = scheme {
            config = config.protocol(Protocol::Lmtp);
        }
        Ok(Self { config, port, credentials: credentials(user, options.auth, &mut password)? })
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerUrl")
            .field("host", &self.config.host())
            .field("port", &self.port())
            .field("tls", &self.config.tls_policy())
            .field("credentials", &self.credentials)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Scheme {
    Smtp,
    Smtps,
    Lmtp,
}

const SCHEMES: [(&str, Scheme); 3] =
    [("smtp", Scheme::Smtp), ("smtps", Scheme::Smtps), ("lmtp", Scheme::Lmtp)];

impl Scheme {
    fn of(part: Part<'_>) -> Result<Self, UrlError> {
        let known = SCHEMES.into_iter().find(|(name, _)| part.text.eq_ignore_ascii_case(name));
        known.map(|(_, scheme)| scheme).ok_or(part.error(Kind::UnknownScheme))
    }

    fn tls(self, options: &Options<'_>) -> Result<TlsPolicy, UrlError> {
        match (self, options.tls) {
            (Self::Smtps, None | Some((_, TlsPolicy::Required))) => Ok(TlsPolicy::Implicit),
            (Self::Smtps, Some((value, _))) => Err(value.error(Kind::TlsContradiction)),
            (Self::Smtp | Self::Lmtp, None) => Ok(TlsPolicy::Required),
            (Self::Smtp | Self::Lmtp, Some((_, policy))) => Ok(policy),
        }
    }
}

fn host_and_port(server: Part<'_>, scheme: Scheme) -> Result<(&str, Option<u16>), UrlError> {
    let (host, port) = match server.strip_prefix('[') {
        Some(literal) => {
            let (address, rest) = literal.split_once("]").ok_or(server.error(Kind::Host))?;
            address.text.parse::<Ipv6Addr>().map_err(|_| address.error(Kind::Host))?;
            match (rest.text.is_empty(), rest.strip_prefix(':')) {
                (true, _) => (address, None),
                (false, Some(port)) => (address, Some(port)),
                (false, None) => return Err(rest.error(Kind::Host)),
            }
        }
        None => {
            let (host, port) = match server.split_once(":") {
                // An IPv6 address without brackets.
                Some((_, port)) if port.text.contains(':') => return Err(server.error(Kind::Host)),
                Some((host, port)) => (host, Some(port)),
                None => (server, None),
            };
            check_name(host)?;
            (host, port)
        }
    };
    let port = match port {
        None => None,
        Some(port) => {
            let digits = port.text.bytes().all(|octet| octet.is_ascii_digit());
            match (port.text.parse(), scheme) {
                (Ok(465), Scheme::Smtp) => return Err(port.error(Kind::PortOfImplicitTls)),
                (Ok(number @ 1..), _) if digits => Some(number),
                _ => return Err(port.error(Kind::Port)),
            }
        }
    };
    Ok((host.text, port))
}

/// A domain, as name services take it: of underscores, too, which are no part of mail domains; or an IPv4 address.
fn check_name(host: Part<'_>) -> Result<(), UrlError> {
    if host.text.is_empty() {
        return Err(host.error(Kind::EmptyHost));
    }
    if let Some(fault) = host.find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))) {
        return Err(fault.error(Kind::Host));
    }
    let labels = host.text.strip_suffix('.').unwrap_or(host.text);
    let fits = |label: &str| (1..=63).contains(&label.len());
    // What looks like an IPv4 address and is none, `127.1`, is one to some resolvers.
    let is_number = labels.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let is_address = host.text.parse::<Ipv4Addr>().is_ok();
    match labels.split('.').all(fits) && labels.len() <= 253 && (is_address || !is_number) {
        true => Ok(()),
        false => Err(host.error(Kind::Host)),
    }
}

/// What follows host and port.
#[derive(Default)]
struct Options<'u> {
    tls: Option<(Part<'u>, TlsPolicy)>,
    auth: Option<Auth<'u>>,
}

/// The only mechanism that is to be used.
#[derive(Clone, Copy)]
struct Auth<'u> {
    value: Part<'u>,
    name: &'static str,
    need: Need,
}

impl<'u> Options<'u> {
    fn of(tail: Part<'u>) -> Result<Self, UrlError> {
        let (path, query) = tail.split_before(&['?', '#']);
        if !matches!(path.text, "" | "/") {
            return Err(path.error(Kind::Path));
        }
        if let Some(fragment) = query.find(|c| c == '#') {
            return Err(fragment.error(Kind::Fragment));
        }
        let mut options = Self::default();
        let mut rest = query.strip_prefix('?').filter(|query| !query.text.is_empty());
        while let Some(part) = rest {
            let (option, others) = match part.split_once("&") {
                Some((option, others)) => (option, Some(others)),
                None => (part, None),
            };
            options.set(option)?;
            rest = others;
        }
        Ok(options)
    }

    fn set(&mut self, option: Part<'u>) -> Result<(), UrlError> {
        let (name, value) = option.split_once("=").unwrap_or((option, option.end()));
        let (known, is_repeated) = match name.text {
            "tls" => ("tls", self.tls.replace((value, tls_policy(value)?)).is_some()),
            "auth" => ("auth", self.auth.replace(Auth::of(value)?).is_some()),
            _ => return Err(name.error(Kind::UnknownOption(name.text.into()))),
        };
        if is_repeated { Err(name.error(Kind::RepeatedOption(known))) } else { Ok(()) }
    }
}

fn tls_policy(value: Part<'_>) -> Result<TlsPolicy, UrlError> {
    match value.text {
        "required" => Ok(TlsPolicy::Required),
        "opportunistic" => Ok(TlsPolicy::Opportunistic),
        "none" => Ok(TlsPolicy::None),
        _ => Err(value.error(Kind::TlsValue)),
    }
}

impl<'u> Auth<'u> {
    fn of(value: Part<'u>) -> Result<Self, UrlError> {
        let (name, need) = known_mechanism(value.text).ok_or(value.error(Kind::UnknownMechanism))?;
        match name.starts_with("SCRAM-") && !cfg!(feature = "scram") {
            true => Err(value.error(Kind::MechanismNotBuilt(name))),
            false => Ok(Self { value, name, need }),
        }
    }
}

fn credentials(
    user: Option<Part<'_>>,
    auth: Option<Auth<'_>>,
    ask: &mut dyn FnMut(&str) -> Option<Secret>,
) -> Result<Option<Credentials>, UrlError> {
    let credentials = match auth.map_or(Need::Password, |auth| auth.need) {
        need @ (Need::Password | Need::Token) => {
            let Some(user) = user else {
                return auth.map_or(Ok(None), |auth| Err(auth.value.error(Kind::MissingUser)));
            };
            let (user, password) = user.split_once(":").unwrap_or((user, user.end()));
            let name = text(user)?;
            let secret = match password.text.is_empty() {
                true => ask(&name).ok_or(user.end().error(Kind::MissingPassword))?,
                false => Secret::new(password.decoded()?),
            };
            match need {
                Need::Token => Credentials::token(&name, secret),
                _ => Credentials::password(&name, secret),
            }
        }
        need @ (Need::External | Need::Anonymous) => {
            if let Some((_, password)) = user.and_then(|user| user.split_once(":")) {
                return Err(password.error(Kind::NeedlessPassword));
            }
            let identity = user.map(text).transpose()?.unwrap_or_default();
            match need {
                Need::External => Credentials::external(&identity),
                _ => Credentials::anonymous(&identity),
            }
        }
    };
    Ok(Some(match auth {
        Some(auth) => credentials.only(auth.name),
        None => credentials,
    }))
}

/// The user, decoded.
fn text(user: Part<'_>) -> Result<String, UrlError> {
    match user.text.is_empty() {
        true => Err(user.error(Kind::EmptyUser)),
        false => String::from_utf8(user.decoded()?).map_err(|_| user.error(Kind::UserNotUtf8)),
    }
}

#[cfg(all(test, not(feature = "scram")))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{ServerUrl, UrlErrorKind};

    #[test]
    fn a_mechanism_that_was_not_built_is_told_from_an_unknown_one() {
        let error = "smtp://a:b@h?auth=scram-sha-256".parse::<ServerUrl>().unwrap_err();
        assert_eq!(*error.kind(), UrlErrorKind::MechanismNotBuilt("SCRAM-SHA-256"));
        let error = "smtp://a:b@h?auth=GSSAPI".parse::<ServerUrl>().unwrap_err();
        assert_eq!(*error.kind(), UrlErrorKind::UnknownMechanism);
        assert!(!std::format!("{error}").contains("SCRAM"), "what cannot be chosen is not proposed");
    }
}
