//! The server's side of AUTH: which mechanisms there are for a session, and how each exchange goes (RFC 4422).

mod password;
mod scram;
mod token;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::settings::{Settings, User};
use super::tls::TlsFacts;

use scram::Scram;
use token::Token;

/// What the mechanisms have to know.
pub(super) struct Context<'a> {
    pub(super) settings: &'a Settings,
    pub(super) tls: Option<&'a TlsFacts>,
}

/// One AUTH exchange.
pub(super) enum Exchange {
    Plain,
    /// LOGIN waits for the user name.
    LoginName,
    /// LOGIN waits for the password.
    LoginPassword(Vec<u8>),
    /// CRAM-MD5 sent this challenge, or will.
    CramMd5(String),
    Scram(Box<Scram>),
    Token(Token),
    External,
    Anonymous,
}

/// What comes next in an exchange.
pub(super) enum Step {
    /// A challenge for the client.
    Challenge(Vec<u8>),
    /// The client is this user.
    Accepted(String),
    /// The credentials are wrong.
    Rejected,
    /// The response is not one of this mechanism.
    Malformed,
}

impl Context<'_> {
    /// The mechanisms that can be used in this session, in the order to advertise them.
    pub(super) fn mechanisms(&self) -> Vec<&str> {
        let settings = self.settings;
        if self.tls.is_none() && !settings.auth_without_tls || !settings.advertises("AUTH") {
            return Vec::new();
        }
        let users = !settings.users.is_empty();
        let tokens = !settings.tokens.is_empty();
        let certificate = self.tls.is_some_and(|tls| tls.client.is_some());
        let usable = [
            ("PLAIN", users),
            ("LOGIN", users),
            ("CRAM-MD5", users),
            ("SCRAM-SHA-256", users),
            ("SCRAM-SHA-256-PLUS", users && self.tls.is_some()),
            ("XOAUTH2", tokens),
            ("OAUTHBEARER", tokens),
            ("EXTERNAL", certificate),
            ("ANONYMOUS", settings.anonymous),
        ];
        let is_usable = |name: &str| usable.iter().any(|&(known, usable)| usable && known == name);
        match &settings.mechanisms {
            Some(names) => names.iter().map(String::as_str).filter(|name| is_usable(name)).collect(),
            None => usable.iter().map(|&(name, _)| name).filter(|name| is_usable(name)).collect(),
        }
    }

    fn offers(&self, mechanism: &str) -> bool {
        self.mechanisms().contains(&mechanism)
    }

    /// The exchange of a mechanism that is offered.
    pub(super) fn begin(&self, mechanism: &str) -> Option<Exchange> {
        let mechanism = mechanism.to_ascii_uppercase();
        if !self.offers(&mechanism) {
            return None;
        }
        match mechanism.as_str() {
            "PLAIN" => Some(Exchange::Plain),
            "LOGIN" => Some(Exchange::LoginName),
            "CRAM-MD5" => Some(Exchange::CramMd5(challenge(&self.settings.host_name))),
            "SCRAM-SHA-256" => Some(Exchange::Scram(Box::new(Scram::new(false)))),
            "SCRAM-SHA-256-PLUS" => Some(Exchange::Scram(Box::new(Scram::new(true)))),
            "XOAUTH2" => Some(Exchange::Token(Token::XOAuth2)),
            "OAUTHBEARER" => Some(Exchange::Token(Token::OAuthBearer)),
            "EXTERNAL" => Some(Exchange::External),
            "ANONYMOUS" => Some(Exchange::Anonymous),
            _ => None,
        }
    }
}

/// Whether a mechanism lets the password or token itself cross the wire.
pub(super) fn sends_secret(mechanism: &str) -> bool {
    ["PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"].iter().any(|name| name.eq_ignore_ascii_case(mechanism))
}

impl Exchange {
    /// Goes on with the client's response; `None` for the start without an initial response.
    pub(super) fn step(&mut self, response: Option<&[u8]>, context: &Context<'_>) -> Step {
        let users = &context.settings.users;
        match (&mut *self, response) {
            (Exchange::Scram(scram), response) => scram.step(response, context),
            (Exchange::Plain | Exchange::Token(_) | Exchange::External | Exchange::Anonymous, None) => {
                Step::Challenge(Vec::new())
            }
            (Exchange::Plain, Some(response)) => password::plain(response, users),
            (Exchange::LoginName, None) => Step::Challenge(b"Username:".to_vec()),
            (Exchange::LoginName, Some(name)) => {
                *self = Exchange::LoginPassword(name.to_vec());
                Step::Challenge(b"Password:".to_vec())
            }
            (Exchange::LoginPassword(_), None) => Step::Malformed,
            (Exchange::LoginPassword(name), Some(password)) => {
                verdict(find(users, name), |user| user.password.as_bytes() == password)
            }
            (Exchange::CramMd5(challenge), None) => Step::Challenge(challenge.clone().into_bytes()),
            (Exchange::CramMd5(challenge), Some(response)) => password::cram_md5(challenge, response, users),
            (Exchange::Token(token), Some(response)) => token.step(response, &context.settings.tokens),
            (Exchange::External, Some(identity)) => external(identity, context),
            (Exchange::Anonymous, Some(trace)) => anonymous(trace),
        }
    }
}

/// An authorization identity, or nothing for the one that the certificate is for (RFC 4422 appendix A).
fn external(identity: &[u8], context: &Context<'_>) -> Step {
    let Some(common_name) = context.tls.and_then(|tls| tls.client.as_deref()) else { return Step::Rejected };
    let Ok(identity) = std::str::from_utf8(identity) else { return Step::Malformed };
    if identity.contains('\0') {
        return Step::Malformed;
    }
    let accepted = |(name, other): &(String, String)| name == common_name && other == identity;
    if identity.is_empty() || identity == common_name {
        Step::Accepted(common_name.to_owned())
    } else if context.settings.identities.iter().any(accepted) {
        Step::Accepted(identity.to_owned())
    } else {
        Step::Rejected
    }
}

/// Trace information: an address, or up to 255 characters of anything without `@` (RFC 4505 §2).
fn anonymous(trace: &[u8]) -> Step {
    match std::str::from_utf8(trace) {
        Ok(text) if text.chars().count() <= 255 && !text.chars().any(char::is_control) => {
            Step::Accepted("anonymous".to_owned())
        }
        _ => Step::Malformed,
    }
}

fn find<'a>(users: &'a [User], name: &[u8]) -> Option<&'a User> {
    users.iter().find(|user| user.name.as_bytes() == name)
}

fn verdict(user: Option<&User>, proves: impl Fn(&User) -> bool) -> Step {
    match user {
        Some(user) if proves(user) => Step::Accepted(user.name.clone()),
        _ => Step::Rejected,
    }
}

/// A challenge never used before; that it could be guessed does no harm in a test server.
fn challenge(host_name: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    format!("<{count}.{time}@{host_name}>")
}
