//! Pools of connections, with the crate [`r2d2`]: a [`Manager`] makes the clients and decides which of them are
//! used again.
//!
//! ```no_run
//! use std::time::Duration;
//! use smtp_blocking::ClientBuilder;
//! use smtp_blocking::pool::{self, Manager};
//! use smtp_blocking::smtp_proto::flow::Envelope;
//!
//! let builder = ClientBuilder::from_url("smtps://alice:p%40ssword@mail.example.org")?;
//! let manager = Manager::new(builder).max_messages(50);
//! let pool = manager.pool(8).connection_timeout(Duration::from_secs(10)).build(manager)?;
//!
//! let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
//! match pool.get() {
//!     Ok(mut client) => println!("{}", client.send(&envelope, b"Subject: hi\r\n\r\nHello!\r\n")?.reply),
//!     Err(error) => eprintln!("{}", pool::explain(&pool, &error)),
//! }
//! pool::close(&pool);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is used again
//!
//! When a client is given back, and when the next one is asked for, it is judged by [`ReusePolicy`]: a session that
//! broke, or was left in the middle of something, because of a panic for example, is not given out again, and neither is
//! one that has had its messages, its time or what the server declares to take (`MAILMAX`). Before it is given out, what
//! the server has said meanwhile is heard, which asks nothing of it; and after [`check_after`](Manager::check_after)
//! without a word RSET has to succeed, for which it has
//! [`Timeouts::rset`](smtp_proto::connection::Timeouts::rset). So a pool that is busy says nothing but mail.
//!
//! Nor is one given out again that is not, or no longer, what the pool is made of: whose TLS or authentication is not
//! as it was when the pool made it, which spoke for somebody else ([`Client::xclient`], [`Client::command`]), which
//! was made elsewhere and put in the place of one of the pool's; or which is in clear, under
//! [`TlsPolicy::Opportunistic`](crate::TlsPolicy::Opportunistic), though the server was seen to know TLS. A hook
//! ([`Client::set_transcript`]) stays with the client, whoever uses it.
//!
//! All this takes [`test_on_check_out`](r2d2::Builder::test_on_check_out), which is on unless it was switched off.
//!
//! # How sessions end
//!
//! A session that is not used again is told QUIT, if that leaves at once, and closed without waiting for the answer:
//! whoever gives it back, or asks for another, is not to wait for it. It is the
//! [`connection_customizer`](r2d2::Builder::connection_customizer) that [`Manager::pool`] sets which says it; with another
//! in its place sessions are closed without a word. [`close`] ends those that are not in use and does wait. r2d2 itself
//! ends sessions that are idle for longer than its [`idle_timeout`](r2d2::Builder::idle_timeout) or older than its
//! [`max_lifetime`](r2d2::Builder::max_lifetime), which [`Manager::pool`] sets to those of its [`ReusePolicy`].
//! Dropping the pool closes the sockets and says nothing.
//!
//! # Time
//!
//! | what may take long | what bounds it | otherwise |
//! |---|---|---|
//! | all clients are in use, or one is being connected | [`connection_timeout`](r2d2::Builder::connection_timeout): 30 seconds | [`r2d2::Error`], with the latest reason |
//! | a session is begun, on a thread of r2d2's | [`Timeouts`](smtp_proto::connection::Timeouts) of the builder | r2d2 tries again, after 400 ms at first and then twice as long each time |
//! | a session is checked | [`Timeouts::rset`](smtp_proto::connection::Timeouts::rset): 20 seconds | another session is taken |
//!
//! r2d2 does not tell that connecting has failed before `connection_timeout` is over, and it goes on trying after that;
//! each failure is logged, with the crate `log`. [`explain`] says it in words, with the option's name.

use std::fmt;
use std::io;
use std::mem;
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use r2d2::{CustomizeConnection, HandleError, LoggingErrorHandler, ManageConnection};
use smtp_proto::connection::{Logins, Origin, Owner, Retired, Reuse, ReusePolicy};
use smtp_proto::watch::Clock as _;

use crate::clock::Clock;
use crate::{Client, ClientBuilder, Error};

pub use r2d2;

/// A pool of clients of one server.
pub type Pool = r2d2::Pool<Manager>;

/// A client on loan: it goes back to the pool when it is dropped.
pub type Object = r2d2::PooledConnection<Manager>;

/// r2d2 has a client checked as well that was made for whoever asks: up to this age it is as good as new.
const WITHOUT_A_CHECK: Duration = Duration::from_secs(1);

/// Makes a pool's clients, all with the same [`ClientBuilder`], and decides which of them are used again.
pub struct Manager {
    builder: ClientBuilder,
    owner: Owner,
    login_pause: Duration,
    logins: Mutex<Logins>,
    clock: Clock,
}

/// Where a client comes from.
pub(crate) struct Made {
    mark: Origin,
    /// It was not given out yet.
    fresh: bool,
}

/// Why the pool has no use for a client, or none to give.
#[derive(Debug)]
#[non_exhaustive]
pub enum PoolError {
    /// It could not be made, or failed when it was checked.
    Failed(Error),
    /// It is not used again.
    Retired(Retired),
}

impl Manager {
    /// A manager of clients of this server. [`ReusePolicy`] has the defaults.
    #[must_use]
    pub fn new(builder: ClientBuilder) -> Self {
        Self {
            owner: Owner::default(),
            login_pause: Logins::PAUSE,
            logins: Mutex::new(Logins::new(builder.has_credentials())),
            clock: Clock::start(),
            builder,
        }
    }

    /// Most messages in a session: [`ReusePolicy::max_messages`].
    #[must_use]
    pub fn max_messages(mut self, max: u64) -> Self {
        self.owner.policy.max_messages = Some(max);
        self
    }

    /// Longest time that a session may be idle and be used again: [`ReusePolicy::max_idle`].
    #[must_use]
    pub fn max_idle(mut self, max: Duration) -> Self {
        self.owner.policy.max_idle = Some(max);
        self
    }

    /// Longest time that a session may last and be used again: [`ReusePolicy::max_age`].
    #[must_use]
    pub fn max_age(mut self, max: Duration) -> Self {
        self.owner.policy.max_age = Some(max);
        self
    }

    /// Idle time after which RSET asks whether the server is still there: [`ReusePolicy::check_after`]. Zero asks
    /// each time.
    #[must_use]
    pub fn check_after(mut self, idle: Duration) -> Self {
        self.owner.policy.check_after = idle;
        self
    }

    /// All of these at once, and what has to be `None`.
    #[must_use]
    pub fn reuse(mut self, policy: ReusePolicy) -> Self {
        self.owner.policy = policy;
        self
    }

    /// How long no session is begun after the server has refused the credentials for good
    /// ([`is_login_refused`](smtp_proto::Error::is_login_refused)): 5 minutes. Until then the same error is returned and
    /// the server is not asked, since servers lock out an account, or an address, that goes on trying. Zero asks it each
    /// time.
    #[must_use]
    pub fn login_pause(mut self, pause: Duration) -> Self {
        self.login_pause = pause;
        self
    }

    /// A builder of a pool of at most so many clients, each made when it is first needed. It is to be built of this
    /// manager, whose limits r2d2's own then are.
    ///
    /// # Panics
    /// r2d2 does if it is to be of none.
    #[must_use]
    pub fn pool(&self, max_size: u32) -> r2d2::Builder<Self> {
        // Zero is what r2d2 does not take.
        let limit = |limit: Option<Duration>| limit.map(|limit| limit.max(Duration::from_millis(1)));
        Pool::builder()
            .max_size(max_size)
            .min_idle(Some(0))
            .idle_timeout(limit(self.owner.policy.max_idle))
            .max_lifetime(limit(self.owner.policy.max_age))
            .connection_customizer(Box::new(Goodbye))
            .error_handler(Box::new(Failures))
    }

    /// How the client may be used again.
    fn judge(&self, client: &Client) -> Result<Reuse, Retired> {
        let (now, idle) = (client.pump.watch.clock().now(), client.pump.silence());
        let reuse = self.owner.judge(
            client.origin.as_ref().map(|origin| &origin.mark),
            client.connection(),
            now,
            idle,
        )?;
        if client.is_reusable() { Ok(reuse) } else { Err(Retired::Unfinished) }
    }

    /// Connects, unless the credentials are better left alone.
    fn begin(&self) -> Result<Client, Error> {
        let logins = self.logins();
        if let Some(pause) = logins.paused(self.login_pause, self.clock.now()) {
            let why = io::Error::other(pause.to_string());
            return Err(Error::new(pause.refusal, Some(why)));
        }
        let alone = Some(logins).filter(|logins| logins.are_one_by_one());
        let connected = self.builder.connect();
        let begun = connected.as_ref().map(drop).map_err(Error::kind);
        alone.unwrap_or_else(|| self.logins()).note(begun, self.clock.now());
        connected
    }

    fn logins(&self) -> MutexGuard<'_, Logins> {
        self.logins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ManageConnection for Manager {
    type Connection = Client;
    type Error = PoolError;

    fn connect(&self) -> Result<Client, PoolError> {
        let mut client = self.begin().map_err(PoolError::Failed)?;
        let mark = self.owner.mark(client.connection(), client.pump.watch.clock().now());
        client.origin = Some(Made { mark, fresh: true });
        Ok(client)
    }

    fn is_valid(&self, client: &mut Client) -> Result<(), PoolError> {
        let now = client.pump.watch.clock().now();
        let is_new =
            |origin: &mut Made| mem::take(&mut origin.fresh) && origin.mark.age(now) < WITHOUT_A_CHECK;
        let reuse = match client.origin.as_mut().is_some_and(is_new) {
            true => Reuse::AtOnce,
            false => self.judge(client).map_err(PoolError::Retired)?,
        };
        client.pump.catch_up();
        if !client.is_reusable() {
            return Err(PoolError::Retired(Retired::Ended));
        }
        match reuse {
            Reuse::AfterReset => client.reset().map(drop).map_err(PoolError::Failed),
            _ => Ok(()),
        }
    }

    fn has_broken(&self, client: &mut Client) -> bool {
        self.judge(client).is_err()
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("builder", &self.builder)
            .field("policy", &self.owner.policy)
            .field("login_pause", &self.login_pause)
            .finish_non_exhaustive()
    }
}

/// Says QUIT on what leaves the pool.
#[derive(Debug)]
struct Goodbye;

impl CustomizeConnection<Client<TcpStream>, PoolError> for Goodbye {
    fn on_release(&self, mut client: Client) {
        client.pump.part();
    }
}

/// Logs what has failed, as r2d2 does unless told otherwise. That a session has had its time is no error.
#[derive(Debug)]
struct Failures;

impl HandleError<PoolError> for Failures {
    fn handle_error(&self, error: PoolError) {
        if let PoolError::Failed(_) = error {
            LoggingErrorHandler.handle_error(error);
        }
    }
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Failed(error) => error.fmt(f),
            PoolError::Retired(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for PoolError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // What is shown already is not its own source.
        match self {
            PoolError::Failed(error) => error.source(),
            PoolError::Retired(_) => None,
        }
    }
}

/// Why no client was to be had from this pool, with the name of the option that changes it.
///
/// It shows what the server said, as the error itself does, and no secret.
#[must_use]
pub fn explain(pool: &Pool, error: &r2d2::Error) -> String {
    let (state, size, limit) = (pool.state(), pool.max_size(), pool.connection_timeout());
    if state.connections >= size && state.idle_connections == 0 {
        return format!(
            "no client of the pool became free within {limit:?}: all {size} are in use; raise `max_size` (to as many \
             connections as the server allows) or `connection_timeout`, or give clients back sooner"
        );
    }
    format!("no session was ready within {limit:?} (`connection_timeout`): {error}")
}

/// Ends the sessions that are not in use in good order: each says QUIT and waits for its answer for as long as
/// [`Timeouts::quit`](smtp_proto::connection::Timeouts::quit) says. Those on loan can still be used. r2d2 knows no end of
/// a pool: whoever asks for a client after that gets a new one.
pub fn close(pool: &Pool) {
    for _ in 0..pool.state().idle_connections {
        let Some(mut client) = pool.try_get() else { break };
        // However it ends.
        let _ = client.end();
    }
}
