//! Pools of connections, with the crate [`deadpool`]: a [`Manager`] makes the clients and decides which of them are
//! used again.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use smtp_tokio::ClientBuilder;
//! use smtp_tokio::pool::{self, Manager};
//! use smtp_tokio::smtp_proto::flow::Envelope;
//!
//! let builder = ClientBuilder::from_url("smtps://alice:p%40ssword@mail.example.org")?;
//! let pool = Manager::new(builder).max_messages(50).pool(8).wait_timeout(Some(Duration::from_secs(10))).build()?;
//!
//! let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
//! match pool.get().await {
//!     Ok(mut client) => println!("{}", client.send(&envelope, b"Subject: hi\r\n\r\nHello!\r\n").await?.reply),
//!     Err(error) => eprintln!("{}", pool::explain(&pool, &error)),
//! }
//! pool::close(&pool).await;
//! # Ok(())
//! # }
//! ```
//!
//! # What is used again
//!
//! Nothing happens when a client is given back. When the next one is asked for, it is judged by
//! [`ReusePolicy`]: a session that broke, or was left in the middle of something, because a future was dropped for
//! example, is not given out again, and neither is one that has had its messages, its time or what the server declares
//! to take (`MAILMAX`). What the server has said meanwhile is heard, which asks nothing of it; and after
//! [`check_after`](Manager::check_after) without a word RSET has to succeed, for which it has
//! [`Timeouts::rset`](smtp_proto::connection::Timeouts::rset). So a pool that is busy says nothing but mail.
//!
//! Nor is one given out again that is not, or no longer, what the pool is made of: whose TLS or authentication is not
//! as it was when the pool made it, which spoke for somebody else ([`Client::xclient`], [`Client::command`]), which
//! was made elsewhere and put in the place of one of the pool's; or which is in clear, under
//! [`TlsPolicy::Opportunistic`](crate::TlsPolicy::Opportunistic), though the server was seen to know TLS. A hook
//! ([`Client::set_transcript`]) stays with the client, whoever uses it.
//!
//! # How sessions end
//!
//! A session that is not used again is told QUIT, if that leaves at once, and closed without waiting for the answer:
//! whoever asked for another client is not to wait for it. [`close`] ends the pool and does wait, and [`tidy`] ends the
//! sessions that have had their time: the pool itself looks at one only when it is asked for. Dropping the pool closes
//! the sockets and says nothing.
//!
//! # Time
//!
//! | what may take long | what bounds it | otherwise |
//! |---|---|---|
//! | all clients are in use | `wait_timeout`: 30 seconds | [`PoolError::Timeout`] with `Wait` |
//! | a session is begun | [`Timeouts`](smtp_proto::connection::Timeouts) of the builder | [`PoolError::Backend`], with the [`Error`] |
//! | the same, all in all | `create_timeout`: none | `Timeout` with `Create` |
//! | a session is checked | [`Timeouts::rset`](smtp_proto::connection::Timeouts::rset): 20 seconds | another session is taken |
//! | the same, all in all | `recycle_timeout`: none | another session is taken |
//!
//! [`explain`] says it in words, with the option's name.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use deadpool::Runtime;
use deadpool::managed::{self, Metrics, PoolBuilder, PoolError, RecycleError, RecycleResult, TimeoutType};
use smtp_proto::connection::{Logins, Owner, Retired, Reuse, ReusePolicy};
use smtp_proto::watch::Clock as _;
use tokio::sync::Mutex;

use crate::clock::Clock;
use crate::{Client, ClientBuilder, Error};

pub use deadpool;

/// A pool of clients of one server.
pub type Pool = managed::Pool<Manager>;

/// A client on loan: it goes back to the pool when it is dropped.
pub type Object = managed::Object<Manager>;

/// How long to wait for a client of a full pool, unless told otherwise.
const WAIT: Duration = Duration::from_secs(30);

/// Makes a pool's clients, all with the same [`ClientBuilder`], and decides which of them are used again.
pub struct Manager {
    builder: ClientBuilder,
    owner: Owner,
    login_pause: Duration,
    logins: Mutex<Logins>,
    clock: Clock,
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

    /// A builder of a pool of at most so many clients, for which to wait 30 seconds.
    pub fn pool(self, max_size: usize) -> PoolBuilder<Self> {
        Pool::builder(self).max_size(max_size).runtime(Runtime::Tokio1).wait_timeout(Some(WAIT))
    }

    /// How the client may be used again.
    fn judge(&self, client: &Client) -> Result<Reuse, Retired> {
        let (now, idle) = (client.pump.watch.clock().now(), client.pump.silence());
        let reuse = self.owner.judge(client.origin.as_ref(), client.connection(), now, idle)?;
        if client.is_reusable() { Ok(reuse) } else { Err(Retired::Unfinished) }
    }

    /// Asks whatever has to be asked before the client is used again.
    async fn check(&self, client: &mut Client) -> Result<(), RecycleError<Error>> {
        let gone = |retired: Retired| RecycleError::message(retired.to_string());
        let reuse = self.judge(client).map_err(gone)?;
        client.pump.catch_up().await;
        if !client.is_reusable() {
            return Err(gone(Retired::Ended));
        }
        match reuse {
            Reuse::AfterReset => client.reset().await.map(drop).map_err(RecycleError::Backend),
            _ => Ok(()),
        }
    }

    /// Connects, unless the credentials are better left alone.
    async fn connect(&self) -> Result<Client, Error> {
        let logins = self.logins.lock().await;
        if let Some(pause) = logins.paused(self.login_pause, self.clock.now()) {
            let why = io::Error::other(pause.to_string());
            return Err(Error::new(pause.refusal, Some(why)));
        }
        let alone = Some(logins).filter(|logins| logins.are_one_by_one());
        let connected = self.builder.connect().await;
        let mut logins = match alone {
            Some(logins) => logins,
            None => self.logins.lock().await,
        };
        logins.note(connected.as_ref().map(drop).map_err(Error::kind), self.clock.now());
        connected
    }
}

impl managed::Manager for Manager {
    type Type = Client;
    type Error = Error;

    async fn create(&self) -> Result<Client, Error> {
        let mut client = self.connect().await?;
        client.origin = Some(self.owner.mark(client.connection(), client.pump.watch.clock().now()));
        Ok(client)
    }

    async fn recycle(&self, client: &mut Client, _: &Metrics) -> RecycleResult<Error> {
        let checked = self.check(client).await;
        if checked.is_err() {
            client.pump.part().await;
        }
        checked
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

/// Why no client was to be had from this pool, with the name of the option that changes it.
///
/// It shows what the server said, as the error itself does, and no secret.
#[must_use]
pub fn explain(pool: &Pool, error: &PoolError<Error>) -> String {
    let in_time = |limit: Option<Duration>| limit.map_or(String::new(), |limit| format!(" within {limit:?}"));
    let (size, timeouts) = (pool.status().max_size, pool.timeouts());
    match error {
        PoolError::Timeout(TimeoutType::Wait) if size == 0 => {
            "the pool is for no client: `max_size` is 0".to_owned()
        }
        PoolError::Timeout(TimeoutType::Wait) => format!(
            "no client of the pool became free{}: all {size} are in use or being connected; raise `max_size` (to as many \
             connections as the server allows) or `wait_timeout`, or give clients back sooner",
            in_time(timeouts.wait)
        ),
        PoolError::Timeout(TimeoutType::Create) => format!(
            "no session was ready{}: raise `create_timeout`, or lower the builder's `timeouts` to learn what takes so long",
            in_time(timeouts.create)
        ),
        PoolError::Timeout(TimeoutType::Recycle) => {
            format!("no session was checked{}: raise `recycle_timeout`", in_time(timeouts.recycle))
        }
        PoolError::Backend(error) => error.to_string(),
        PoolError::Closed => "the pool was closed".to_owned(),
        PoolError::NoRuntimeSpecified => "time-outs take a `runtime`, which `Manager::pool` names".to_owned(),
        PoolError::PostCreateHook(_) => error.to_string(),
    }
}

/// Ends the sessions that will not be used again, those that have been idle for too long for example. The pool does it
/// only when a client is asked for: call this now and then if it is not always busy.
///
/// # Cancel safety
/// Dropping the future closes the connections that have not said QUIT yet.
pub async fn tidy(pool: &Pool) {
    end(pool.retain(|client, _| pool.manager().judge(client).is_ok()).removed).await;
}

/// Ends the pool in good order: no client is given out any more, and those that are not in use say QUIT and wait for its
/// answer, all at once, for as long as [`Timeouts::quit`](smtp_proto::connection::Timeouts::quit) says. Those on loan can
/// still be used, and are closed without a word when they come back.
///
/// # Cancel safety
/// Dropping the future closes the connections.
pub async fn close(pool: &Pool) {
    let idle = pool.retain(|_, _| false).removed;
    pool.close();
    end(idle).await;
}

async fn end(clients: Vec<Client>) {
    type Ending = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

    let mut endings: Vec<Ending> = Vec::with_capacity(clients.len());
    endings.extend(clients.into_iter().map(|client| Box::pin(client.quit()) as Ending));
    poll_fn(|cx| {
        endings.retain_mut(|ending| ending.as_mut().poll(cx).is_pending());
        if endings.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
