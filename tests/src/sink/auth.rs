//! The server's side of AUTH PLAIN (RFC 4616), LOGIN and CRAM-MD5 (RFC 2195).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::settings::User;

/// The mechanisms, in the order advertised.
pub(super) const MECHANISMS: &str = "PLAIN LOGIN CRAM-MD5";

/// One AUTH exchange.
pub(super) enum Exchange {
    Plain,
    /// LOGIN waits for the user name.
    LoginName,
    /// LOGIN waits for the password.
    LoginPassword(Vec<u8>),
    /// CRAM-MD5 sent this challenge, or will.
    CramMd5(String),
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

impl Exchange {
    /// The exchange of a mechanism known here; `host_name` goes into the challenge.
    pub(super) fn begin(mechanism: &str, host_name: &str) -> Option<Self> {
        match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" => Some(Exchange::Plain),
            "LOGIN" => Some(Exchange::LoginName),
            "CRAM-MD5" => Some(Exchange::CramMd5(challenge(host_name))),
            _ => None,
        }
    }

    /// Whether the password itself crosses the wire.
    pub(super) fn sends_password(&self) -> bool {
        !matches!(self, Exchange::CramMd5(_))
    }

    /// Goes on with the client's response; `None` for the start without an initial response.
    pub(super) fn step(&mut self, response: Option<&[u8]>, users: &[User]) -> Step {
        match (&*self, response) {
            (Exchange::Plain, None) => Step::Challenge(Vec::new()),
            (Exchange::Plain, Some(response)) => plain(response, users),
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
            (Exchange::CramMd5(challenge), Some(response)) => cram_md5(challenge, response, users),
        }
    }
}

/// `[authzid] NUL authcid NUL passwd`; one may act for oneself only.
fn plain(response: &[u8], users: &[User]) -> Step {
    let fields: Vec<&[u8]> = response.split(|&octet| octet == 0).collect();
    let &[authzid, authcid, password] = fields.as_slice() else { return Step::Malformed };
    verdict(find(users, authcid), |user| {
        user.password.as_bytes() == password && (authzid.is_empty() || authzid == authcid)
    })
}

/// `user-name SP digest`, the digest in lower-case hexadecimal.
fn cram_md5(challenge: &str, response: &[u8], users: &[User]) -> Step {
    let Some(space) = response.iter().rposition(|&octet| octet == b' ') else { return Step::Malformed };
    let (name, digest) = response.split_at(space);
    verdict(find(users, name), |user| {
        let Ok(mut hmac) = Hmac::<Md5>::new_from_slice(user.password.as_bytes()) else { return false };
        hmac.update(challenge.as_bytes());
        let expected: String =
            hmac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
        digest.get(1..) == Some(expected.as_bytes())
    })
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
