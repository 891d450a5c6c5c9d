//! [`Client`]: a session, how it begins, is protected and ends. What is said in between is in `verbs` and `sending`.

mod sending;
mod verbs;

use std::fmt;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};

use smtp_proto::connection::{Config, Connection, Counters, TlsPolicy, TlsUpgrade, TranscriptEntry};
use smtp_proto::flow::{self, Authenticate, Flow, Open, Quit, StartTls};
use smtp_proto::path::ClientName;
use smtp_proto::reply::Reply;
use smtp_proto::sasl::{Credentials, Mechanism};
use smtp_proto::security::Security;

use crate::clock::{Clock, Watch};
#[cfg(feature = "__tls")]
use crate::clocked::Wait;
use crate::job::{Single, Source};
use crate::pump::{Progress, Pump};
use crate::transport::Transport;
use crate::{ClientBuilder, Error, Stream};

pub use sending::send_mail;

/// An SMTP client on a blocking stream.
///
/// EHLO is said when a method first needs it (and the greeting read, which [`connect`](Self::connect) has done
/// already), and TLS is negotiated then as the
/// [`Config`] wants; under the default policy nothing else is said before. Dropping the client closes the
/// socket and says nothing.
///
/// ```no_run
/// use smtp_blocking::{Client, Config};
/// use smtp_proto::flow::Envelope;
/// use smtp_proto::sasl::Plain;
///
/// let mut client = Client::connect("mail.example.org:587", Config::new("mail.example.org"))?;
/// client.auth(&mut Plain::new("", "alice", "secret", "mail.example.org"))?;
/// let envelope = Envelope::new("alice@example.org".parse()?, ["bob@example.net".parse()?]);
/// let delivery = client.send(&envelope, b"Subject: hi\r\n\r\nHello!\r\n")?;
/// println!("accepted: {}", delivery.reply);
/// client.quit()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A client does one thing at a time, and the compiler sees to it; several threads want a client each, or a `pool`.
///
/// ```compile_fail,E0499
/// # fn example(mut client: smtp_blocking::Client) {
/// std::thread::scope(|threads| {
///     threads.spawn(|| client.noop());
///     threads.spawn(|| client.noop());
/// });
/// # }
/// ```
pub struct Client<S: Stream = TcpStream> {
    pub(crate) pump: Pump<S>,
    #[cfg(feature = "__tls")]
    tls: Option<crate::TlsConfig>,
    /// The pool that it belongs to.
    #[cfg(feature = "r2d2")]
    pub(crate) origin: Option<crate::pool::Made>,
}

impl Client<TcpStream> {
    /// A builder of sessions with the server of this name: a domain or an IP address.
    #[must_use]
    pub fn builder(host: &str) -> ClientBuilder {
        ClientBuilder::new(host)
    }

    /// Connects over TCP: tries every address in turn until a server sends its greeting.
    ///
    /// # Errors
    /// The last address's error, with those of the others ([`Error::earlier`]);
    /// [`NotConnected`](smtp_proto::Error::NotConnected) if it was the transport's.
    pub fn connect(addresses: impl ToSocketAddrs, config: Config) -> Result<Self, Error> {
        let found = addresses.to_socket_addrs().map_err(Error::not_connected).map(Iterator::collect);
        ClientBuilder::from(config).greeted(found, |_| {})
    }

    /// Like [`connect`](Self::connect), with TLS settings of your own: other roots, a client certificate.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    #[cfg(feature = "__tls")]
    pub fn connect_with_tls(
        addresses: impl ToSocketAddrs,
        config: Config,
        tls: impl Into<crate::TlsConfig>,
    ) -> Result<Self, Error> {
        let found = addresses.to_socket_addrs().map_err(Error::not_connected).map(Iterator::collect);
        ClientBuilder::from(config).tls_config(tls).greeted(found, |_| {})
    }
}

impl<S: Stream> Client<S> {
    /// A client on a stream that has just been connected to the server the [`Config`] names. One that leads through a
    /// proxy or a tunnel has to go in a [`Remote`](crate::Remote): its other end may look local.
    #[must_use]
    pub fn new(stream: S, config: Config) -> Self {
        let config = match stream.local_ip() {
            Some(ip) if !config.has_client_name() => config.client_name(ClientName::from_ip(ip)),
            _ => config,
        };
        let mut connection = Connection::new(config, stream.peer());
        let watch = Watch::begin(&mut connection, stream.peer_address(), Clock::start());
        Self::assemble(Pump::new(connection, Transport::new(stream), watch))
    }

    /// A client on a stream over which the caller has done the TLS handshake: the caller answers for the
    /// certificate having been verified for the [`Config`]'s host.
    ///
    /// # Errors
    /// None are to be expected on a new connection.
    pub fn over_tls(stream: S, config: Config) -> Result<Self, Error> {
        let mut client = Client::new(stream, config.tls(TlsPolicy::Implicit));
        if let Some(upgrade) = client.pump.connection.tls_upgrade() {
            let upgrade = upgrade.bind(client.pump.transport.channel_bindings());
            client.pump.connection.tls_established(upgrade)?;
        }
        Ok(client)
    }

    fn assemble(pump: Pump<S>) -> Self {
        Self {
            pump,
            #[cfg(feature = "__tls")]
            tls: None,
            #[cfg(feature = "r2d2")]
            origin: None,
        }
    }

    /// Calls `hook` for each line said from now on, secrets redacted, with the [time](TranscriptEntry::time) since the
    /// client was made. [`connect`](Self::connect) has read the greeting by then, [`new`](Self::new) has not.
    pub fn set_transcript(
        &mut self,
        hook: impl FnMut(TranscriptEntry<'_>) + std::marker::Send + Sync + 'static,
    ) {
        self.pump.watch.set_transcript(&mut self.pump.connection, hook);
    }

    /// Uses these TLS settings in place of [`default_tls_config`](crate::default_tls_config); they decide which TLS
    /// library does it. [`TlsConfig`](crate::TlsConfig) tells what can be given here.
    #[cfg(feature = "__tls")]
    pub fn set_tls_config(&mut self, config: impl Into<crate::TlsConfig>) {
        self.tls = Some(config.into());
    }

    /// Calls `hook` with how far a message is, after each write that took octets of it, and never more than once a
    /// write: for [`send`](Self::send), [`send_with`](Self::send_with), [`send_stream`](Self::send_stream) and those of
    /// a batch, where [`message`](flow::Progress::message) tells which. What [`data`](Self::data) writes its caller
    /// counts.
    ///
    /// [`accepted`](flow::Progress::accepted) counts octets of the message as they were handed in, and only grows. It
    /// reaches the [`total`](flow::Progress::total) when the transport has accepted the whole message; of a stream whose
    /// size was not declared the total is told at its end. Whether the server accepts it is told by the outcome alone.
    ///
    /// The hook has to return soon: the client waits for it.
    ///
    /// ```no_run
    /// # fn example(client: &mut smtp_blocking::Client) {
    /// client.set_progress(|now| match now.total {
    ///     Some(total) => eprint!("\r{} of {total} octets", now.accepted),
    ///     None => eprint!("\r{} octets", now.accepted),
    /// });
    /// # }
    /// ```
    pub fn set_progress(&mut self, hook: impl FnMut(flow::Progress) + std::marker::Send + Sync + 'static) {
        self.pump.watch.set_progress(hook);
    }

    /// Waits for the greeting and introduces the client under `name`. It has to come before any other method.
    ///
    /// # Errors
    /// [`Misuse`](smtp_proto::Error::Misuse) if it comes later; the server's refusal, or the connection's failure.
    pub fn hello(&mut self, name: ClientName) -> Result<(), Error> {
        self.pump.connection.set_client_name(name)?;
        self.open()
    }

    /// Says STARTTLS, does the handshake, and says EHLO again. Needed only under a policy that does not do it
    /// by itself.
    ///
    /// # Errors
    /// [`Unsupported`](smtp_proto::Error::Unsupported) if the server does not offer it; the connection is lost
    /// if it offers it and then fails.
    pub fn start_tls(&mut self) -> Result<(), Error> {
        self.open()?;
        self.run(&mut StartTls::new(), Source::None)
    }

    /// STARTTLS with a TLS library of the caller's: `upgrade` does the handshake on the bare stream, verifies
    /// the certificate for the host name it is given, and returns the protected stream. The policy has to be one
    /// under which the client does not do STARTTLS by itself: [`TlsPolicy::None`].
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls).
    pub fn start_tls_with<T: Stream>(
        mut self,
        upgrade: impl FnOnce(S, &str) -> io::Result<T>,
    ) -> Result<Client<T>, Error> {
        self.open()?;
        let mut flow = StartTls::new();
        let Progress::UpgradeTls(token) = self.pump.drive(&mut Single::new(&mut flow, Source::None))? else {
            return Err(smtp_proto::Error::Poisoned.into());
        };
        let budget = self.pump.remaining();
        let transport = std::mem::replace(&mut self.pump.transport, Transport::Gone);
        let mut stream = transport.into_stream().ok_or(smtp_proto::Error::Poisoned)?;
        // The handshake is the caller's; its time is still the connection's.
        let bounded = stream.set_read_timeout(budget).and_then(|()| stream.set_write_timeout(budget));
        let stream = match bounded.and_then(|()| upgrade(stream, token.server_name())) {
            Ok(stream) => stream,
            Err(error) => return Err(self.pump.tls_failed(error)),
        };
        let Pump { connection, watch, .. } = self.pump;
        let mut client = Client::assemble(Pump::new(connection, Transport::new(stream), watch));
        client.established(token)?;
        client.run(&mut flow, Source::None)?;
        Ok(client)
    }

    /// What was agreed in the TLS handshake; `None` in clear, and if the caller did it. native-tls tells of the server's
    /// certificate alone.
    #[cfg(feature = "__tls")]
    #[must_use]
    pub fn tls_state(&self) -> Option<crate::TlsState> {
        match &self.pump.transport {
            Transport::Tls(tls) => Some(tls.state()),
            Transport::Plain(_) | Transport::Gone => None,
        }
    }

    /// How the connection is protected.
    #[must_use]
    pub fn security(&self) -> &Security {
        self.pump.connection.security()
    }

    /// Authenticates with this mechanism.
    ///
    /// # Errors
    /// [`Mechanism`](smtp_proto::Error::Mechanism) and [`NoMechanism`](smtp_proto::Error::NoMechanism) before
    /// anything is sent; [`AuthenticationFailed`](smtp_proto::Error::AuthenticationFailed) with the reply.
    pub fn auth(&mut self, mechanism: &mut dyn Mechanism) -> Result<Reply, Error> {
        self.open()?;
        self.run(&mut Authenticate::new(mechanism), Source::None)
    }

    /// Authenticates with the strongest mechanism that both the server and the credentials know:
    /// [`Credentials`] tells the order. A token that the server refuses is replaced once.
    ///
    /// # Errors
    /// As [`auth`](Self::auth).
    pub fn login(&mut self, credentials: &Credentials) -> Result<Reply, Error> {
        self.open()?;
        self.run(&mut crate::login::log_in(credentials)?, Source::None)
    }

    /// Ends the session in good order and closes the connection. Whatever the server answers, this is the end.
    ///
    /// # Errors
    /// If the connection was broken before.
    pub fn quit(mut self) -> Result<(), Error> {
        self.end()
    }

    pub(crate) fn end(&mut self) -> Result<(), Error> {
        self.run(&mut Quit::new(), Source::None)
    }

    /// Closes the connection without a word; the same as dropping the client.
    pub fn close(self) {}

    /// What has been counted on this connection so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.pump.connection.counters()
    }

    /// The machine underneath, for what it knows.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.pump.connection
    }

    /// Whether whoever comes next may use the client as if it were new, as far as is known without asking the server:
    /// [`Connection::is_reusable`] tells what has to hold.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        !self.pump.is_torn() && self.pump.connection.is_reusable()
    }

    /// Whether the latest message left whole and no verdict on it came, because the connection broke in
    /// the middle. So it is, too, if some of its recipients have got it and the others, in a mail
    /// transaction of their own, have not yet. Sending it again may then deliver it twice; otherwise it is certainly
    /// not delivered or the verdict was told.
    #[must_use]
    pub fn may_have_been_delivered(&self) -> bool {
        self.pump.connection.may_have_been_delivered()
    }

    pub(crate) fn greet(&mut self) -> Result<(), Error> {
        self.run(&mut Open::greeting(), Source::None)
    }

    pub(crate) fn open(&mut self) -> Result<(), Error> {
        self.run(&mut Open::new(), Source::None)
    }

    fn run<F: Flow>(&mut self, flow: &mut F, source: Source<'_>) -> Result<F::Output, Error<F::Error>> {
        self.run_job(&mut Single::new(flow, source))
    }

    fn run_job<F: Flow>(&mut self, job: &mut Single<'_, '_, F>) -> Result<F::Output, Error<F::Error>> {
        loop {
            match self.pump.drive(job)? {
                Progress::Done(output) => return Ok(output),
                Progress::UpgradeTls(upgrade) => self.handshake(upgrade).map_err(Error::widen)?,
            }
        }
    }

    /// Does the TLS handshake.
    fn handshake(&mut self, upgrade: TlsUpgrade) -> Result<(), Error> {
        match self.upgraded(&upgrade) {
            Ok(transport) => self.pump.transport = transport,
            Err(error) => return Err(self.pump.tls_failed(error)),
        }
        self.established(upgrade)
    }

    /// The transport is protected from here on.
    fn established(&mut self, upgrade: TlsUpgrade) -> Result<(), Error> {
        let upgrade = upgrade.bind(self.pump.transport.channel_bindings());
        self.pump.watch.tell_time(&mut self.pump.connection);
        #[cfg(feature = "__tls")]
        self.pump.watch.tell_tls(|| self.tls_state());
        self.pump.connection.tls_established(upgrade)?;
        // What the server sent along with its part of the handshake, it said unasked.
        self.pump.listen();
        Ok(())
    }

    #[cfg(feature = "__tls")]
    fn upgraded(&mut self, upgrade: &TlsUpgrade) -> io::Result<Transport<S>> {
        let config = match &self.tls {
            Some(config) => config.clone(),
            None => crate::default_tls_config()?,
        };
        let Transport::Plain(stream) = std::mem::replace(&mut self.pump.transport, Transport::Gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let mut stream = stream;
        let budget = self.pump.remaining();
        stream.set_wait(match std::time::Instant::now().checked_add(budget) {
            Some(moment) => Wait::Until(moment, budget),
            None => Wait::Slice(budget),
        });
        crate::tls::handshake(stream, &config, upgrade.server_name()).map(Transport::Tls)
    }

    #[cfg(not(feature = "__tls"))]
    fn upgraded(&mut self, _: &TlsUpgrade) -> io::Result<Transport<S>> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "TLS is not compiled in (features `rustls`, `aws-lc-rs`, `native-tls`)",
        ))
    }
}

impl<S: Stream> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connection", &self.pump.connection).finish_non_exhaustive()
    }
}
