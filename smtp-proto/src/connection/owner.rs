//! What a pool knows of its sessions and of its credentials, whichever library keeps the sessions: which of them are its
//! own and still as it made them, and whether the server is better left alone.

use alloc::sync::Arc;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

use super::{Connection, Retired, Reuse, ReusePolicy};
use crate::Error;

/// Who makes sessions with one server, all in the same way, and decides which of them are used again.
///
/// ```
/// # use core::time::Duration;
/// # use smtp_proto::connection::{Config, Connection, Owner, Peer, Retired};
/// let owner = Owner::default();
/// // When a session has been made, which is kept beside it:
/// # let connection = Connection::new(Config::new("mail.example.org"), Peer::Remote);
/// # let (now, idle) = (Duration::from_secs(30), Duration::from_secs(3));
/// let origin = owner.mark(&connection, now);
/// // When it was given back, and before it is given out again:
/// let judged = owner.judge(Some(&origin), &connection, now, idle);
/// # assert_eq!(judged, Err(Retired::Unfinished));
/// ```
#[derive(Debug, Default)]
pub struct Owner {
    /// When sessions are used again.
    pub policy: ReusePolicy,
    /// One of the sessions has had TLS.
    knows_tls: AtomicBool,
    name: Arc<()>,
}

/// Whose session it is, and what it was when it was made.
#[derive(Debug, Clone)]
pub struct Origin {
    owner: Arc<()>,
    made: Duration,
    tls: bool,
    authenticated: bool,
}

impl Owner {
    /// Marks a session that was made `now`, a time since a moment of the caller's choice.
    #[must_use]
    pub fn mark(&self, connection: &Connection, now: Duration) -> Origin {
        let (tls, authenticated) = (connection.security().is_tls(), connection.is_authenticated());
        self.knows_tls.fetch_or(tls, Ordering::Relaxed);
        Origin { owner: Arc::clone(&self.name), made: now, tls, authenticated }
    }

    /// Judges a session by the policy, and whether it is still what it was: one of this owner's, with the TLS and the
    /// authentication that it had when it was made, and not in clear if the server was seen to know TLS. `now` is by the
    /// clock that [`mark`](Self::mark) had; `idle` ago the server was last heard.
    ///
    /// # Errors
    /// Why it is not to be used again; [`Retired::Mismatched`] without an origin.
    pub fn judge(
        &self,
        origin: Option<&Origin>,
        connection: &Connection,
        now: Duration,
        idle: Duration,
    ) -> Result<Reuse, Retired> {
        let origin = origin.ok_or(Retired::Mismatched)?;
        let reuse = self.policy.judge(connection, origin.age(now), idle)?;
        let tls = connection.security().is_tls();
        let same = Arc::ptr_eq(&origin.owner, &self.name)
            && (origin.tls, origin.authenticated) == (tls, connection.is_authenticated())
            && (tls || !self.knows_tls.load(Ordering::Relaxed));
        if same { Ok(reuse) } else { Err(Retired::Mismatched) }
    }
}

impl Origin {
    /// How long ago the session was made.
    #[must_use]
    pub fn age(&self, now: Duration) -> Duration {
        now.saturating_sub(self.made)
    }
}

/// What is known of credentials with which session after session is begun. Servers lock out an account, or an address,
/// that goes on trying those that were refused.
#[derive(Debug)]
pub struct Logins {
    one_by_one: bool,
    refused: Option<(Duration, Error)>,
}

/// Why the server is not asked again yet: `Display` says for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoginPause {
    /// What it said.
    pub refusal: Error,
    /// How long it is left alone from now on.
    pub left: Duration,
}

impl Logins {
    /// For how long a server is left alone after a refusal, unless the user says otherwise: 5 minutes.
    pub const PAUSE: Duration = Duration::from_secs(5 * 60);

    /// Of credentials, if there are any, that were not tried yet.
    #[must_use]
    pub fn new(has_credentials: bool) -> Self {
        Self { one_by_one: has_credentials, refused: None }
    }

    /// Whether one session at a time is to be begun: if the credentials are refused, they need not be for all.
    #[must_use]
    pub fn are_one_by_one(&self) -> bool {
        self.one_by_one
    }

    /// Why no session is to be begun `now`, if the server is left alone for `pause` after it has refused the credentials
    /// for good ([`Error::is_login_refused`]).
    #[must_use]
    pub fn paused(&self, pause: Duration, now: Duration) -> Option<LoginPause> {
        let (since, refusal) = self.refused.as_ref()?;
        let left = pause.checked_sub(now.saturating_sub(*since)).filter(|left| !left.is_zero())?;
        Some(LoginPause { refusal: refusal.clone(), left })
    }

    /// Notes how the latest session has begun.
    pub fn note(&mut self, begun: Result<(), &Error>, now: Duration) {
        match begun {
            Ok(()) => self.refused = None,
            Err(error) if error.is_login_refused() => self.refused = Some((now, error.clone())),
            // It says nothing of the credentials.
            Err(_) => {}
        }
        self.one_by_one = self.refused.is_some();
    }
}

impl fmt::Display for LoginPause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not tried again for {} s (`login_pause`)", self.left.as_secs().saturating_add(1))
    }
}
