//! [`ClientBuilder`]: everything that there is to say about a server, and then a session with it.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};

use smtp_proto::connection::{Config, Protocol, Quirks, Timeouts, TlsPolicy, Window};
use smtp_proto::error::Attempts;
use smtp_proto::path::ClientName;
use smtp_proto::reply::ReplyLimits;
use smtp_proto::sasl::Credentials;
use smtp_proto::url::{ServerUrl, UrlError};
use smtp_proto::watch;

use crate::connect::dial;
use crate::error::{because, not_connected};
use crate::{Client, Error, Stream};

/// A server and how to speak to it, from which any number of sessions can be begun.
///
/// One line of configuration, one message:
///
/// ```no_run
/// use smtp_blocking::ClientBuilder;
/// use smtp_blocking::smtp_proto::flow::Envelope;
///
/// let url = std::env::var("SMTP_URL")?; // smtps://alice:p%40ssword@mail.example.org
/// let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
/// let mut client = ClientBuilder::from_url(&url)?.connect()?;
/// client.send(&envelope, b"Subject: hi\r\n\r\nHello!\r\n")?;
/// client.quit()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`ServerUrl`] describes the URL. The same in calls, and some of what a URL does not say:
///
/// ```no_run
/// use smtp_blocking::{Client, TlsPolicy};
/// use smtp_blocking::smtp_proto::sasl::Credentials;
///
/// let builder = Client::builder("mail.example.org")
///     .tls(TlsPolicy::Implicit) // and so port 465
///     .credentials(Credentials::password("alice", "p@ssword"))
///     .client_name("app.example.org".parse()?);
/// let first = builder.connect()?;
/// let second = builder.connect()?;
/// # drop((first, second));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// TLS is required unless [`tls`](Self::tls) says otherwise, and the port is [`Config::default_port`]. A setting that
/// has no method here is one of [`Config`], from which a builder is made as well.
#[derive(Clone)]
pub struct ClientBuilder {
    config: Config,
    port: Option<u16>,
    credentials: Option<Credentials>,
    local_address: Option<IpAddr>,
    #[cfg(feature = "__tls")]
    tls: Option<crate::TlsConfig>,
}

impl ClientBuilder {
    /// A builder for the server of this name: a domain, which is looked up for each connection, or an IP address. The
    /// server's certificate has to be valid for it, and credentials are for it alone.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Config::new(host).into()
    }

    /// A builder for the server, and with the credentials, of a [`ServerUrl`].
    ///
    /// # Errors
    /// What is wrong with the URL, and where; the password is never shown.
    pub fn from_url(url: &str) -> Result<Self, UrlError> {
        url.parse().map(|url: ServerUrl| url.into())
    }

    /// The port, in place of [`Config::default_port`].
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// When TLS is used.
    #[must_use]
    pub fn tls(self, policy: TlsPolicy) -> Self {
        self.with(|config| config.tls(policy))
    }

    /// Uses these TLS settings in place of [`default_tls_config`](crate::default_tls_config): other roots, a client
    /// certificate.
    #[cfg(feature = "__tls")]
    #[must_use]
    pub fn tls_config(mut self, tls: impl Into<crate::TlsConfig>) -> Self {
        self.tls = Some(tls.into());
        self
    }

    /// What to log in with, as [`Client::login`] does; [`Credentials::only`] names the mechanism. Without any there is
    /// no login.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The name given in EHLO, in place of the address literal of the local socket.
    #[must_use]
    pub fn client_name(self, name: ClientName) -> Self {
        self.with(|config| config.client_name(name))
    }

    /// The time budgets.
    #[must_use]
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        self.with(|config| config.timeouts(timeouts))
    }

    /// The bounds on what the server may send.
    #[must_use]
    pub fn limits(self, limits: ReplyLimits) -> Self {
        self.with(|config| config.limits(limits))
    }

    /// What is known of the server's failings.
    #[must_use]
    pub fn quirks(self, quirks: Quirks) -> Self {
        self.with(|config| config.quirks(quirks))
    }

    /// How much may be in flight at once.
    #[must_use]
    pub fn window(self, window: Window) -> Self {
        self.with(|config| config.window(window))
    }

    /// Whether SMTP or LMTP is spoken.
    #[must_use]
    pub fn protocol(self, protocol: Protocol) -> Self {
        self.with(|config| config.protocol(protocol))
    }

    /// Connects from this address, which has to be one of this machine. Only addresses of its family are tried then.
    ///
    /// It takes the feature `local-address`, since the standard library cannot do it.
    #[cfg(feature = "local-address")]
    #[must_use]
    pub fn local_address(mut self, address: IpAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// Connects, greets, negotiates TLS as the policy wants, and logs in if there are credentials: what it returns is
    /// ready for mail.
    ///
    /// The addresses of the host are tried one after the other, in the resolver's order, until a server sends its
    /// greeting; what goes wrong after that is not tried elsewhere. [`Timeouts::connect`] bounds each connection; how long
    /// the look-up of the name may take, the system decides.
    ///
    /// # Errors
    /// [`NotConnected`](smtp_proto::Error::NotConnected) if the name cannot be looked up, or with the errors of every
    /// address ([`Error::earlier`]); what opening a session and [`Client::login`] fail with.
    pub fn connect(&self) -> Result<Client, Error> {
        self.connect_prepared(|_| {})
    }

    /// As [`connect`](Self::connect), with each client handed to `prepare` when its address has answered and before
    /// anything is said: for a [transcript](Client::set_transcript) that begins with the greeting.
    ///
    /// ```no_run
    /// # use smtp_blocking::ClientBuilder;
    /// let server = ClientBuilder::new("mail.example.org");
    /// let client = server.connect_prepared(|client| client.set_transcript(|entry| eprintln!("{entry}")))?;
    /// # drop(client);
    /// # Ok::<(), smtp_blocking::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_prepared(&self, prepare: impl FnMut(&mut Client)) -> Result<Client, Error> {
        let found = self.name().to_socket_addrs().map_err(|error| self.not_found(error));
        self.ready(self.greeted(found.map(Iterator::collect), prepare)?)
    }

    /// As [`connect`](Self::connect), over a stream that has just been connected to the server: through a proxy, to a
    /// Unix socket, in memory. Port and local address do not matter then.
    ///
    /// # Errors
    /// What opening a session and [`Client::login`] fail with.
    pub fn connect_over<S: Stream>(&self, stream: S) -> Result<Client<S>, Error> {
        self.ready(self.client(stream))
    }

    /// A client at the first of the addresses that greets, if they were found.
    pub(crate) fn greeted(
        &self,
        found: Result<Vec<SocketAddr>, Error>,
        prepare: impl FnMut(&mut Client),
    ) -> Result<Client, Error> {
        let greeted = found.and_then(|addresses| self.first_to_greet(addresses, prepare));
        greeted.inspect_err(|error| {
            let io = error.io().map(|io| io as &dyn std::fmt::Display);
            watch::tell_unreachable(&self.config, error.kind(), io);
        })
    }

    fn first_to_greet(
        &self,
        addresses: Vec<SocketAddr>,
        mut prepare: impl FnMut(&mut Client),
    ) -> Result<Client, Error> {
        let budget = self.config.get_timeouts().connect;
        let mut attempts = Attempts::default();
        for address in self.reachable(addresses)? {
            let greeted =
                dial(address, self.local_address, budget).map_err(Error::not_connected).and_then(|stream| {
                    let mut client: Client<TcpStream> = self.client(stream);
                    prepare(&mut client);
                    client.greet().map(|()| client)
                });
            match greeted {
                Ok(client) => return Ok(client),
                Err(error) => attempts.add(address, error),
            }
        }
        Err(not_connected(attempts))
    }

    fn ready<S: Stream>(&self, mut client: Client<S>) -> Result<Client<S>, Error> {
        match &self.credentials {
            Some(credentials) => client.login(credentials).map(drop)?,
            None => client.open()?,
        }
        Ok(client)
    }

    /// A client that has said and heard nothing yet.
    fn client<S: Stream>(&self, stream: S) -> Client<S> {
        #[cfg_attr(not(feature = "__tls"), expect(unused_mut))]
        let mut client = Client::new(stream, self.config.clone());
        #[cfg(feature = "__tls")]
        if let Some(tls) = &self.tls {
            client.set_tls_config(tls.clone());
        }
        client
    }

    #[cfg(feature = "r2d2")]
    pub(crate) fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    fn with(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change(self.config);
        self
    }

    /// What to look up.
    fn name(&self) -> (&str, u16) {
        let host = self.config.host();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        (host, self.port.unwrap_or(self.config.default_port()))
    }

    fn not_found(&self, error: io::Error) -> Error {
        let (host, _) = self.name();
        let advice = match host.rsplit_once(':') {
            Some((_, port)) if port.parse::<u16>().is_ok() => " (a port is given with `port`)",
            _ => "",
        };
        Error::not_connected(because(&format!("no address of {host:?} was found{advice}"), error))
    }

    /// Those of the addresses that can be connected to from the local one.
    fn reachable(&self, mut addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Error> {
        let Some(local) = self.local_address.filter(|_| !addresses.is_empty()) else { return Ok(addresses) };
        addresses.retain(|address| address.is_ipv4() == local.is_ipv4());
        if addresses.is_empty() {
            let family = if local.is_ipv4() { "IPv4" } else { "IPv6" };
            let words = format!("from {local}: {:?} has no {family} address", self.config.host());
            return Err(Error::not_connected(io::Error::new(io::ErrorKind::AddrNotAvailable, words)));
        }
        Ok(addresses)
    }
}

impl From<Config> for ClientBuilder {
    fn from(config: Config) -> Self {
        Self {
            config,
            port: None,
            credentials: None,
            local_address: None,
            #[cfg(feature = "__tls")]
            tls: None,
        }
    }
}

impl From<ServerUrl> for ClientBuilder {
    fn from(url: ServerUrl) -> Self {
        let (config, port, credentials) = url.into_parts();
        Self { port, credentials, ..config.into() }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("config", &self.config)
            .field("port", &self.port)
            .field("credentials", &self.credentials)
            .field("local_address", &self.local_address)
            .finish_non_exhaustive()
    }
}
