//! [`Client`]: the verbs, each one flow.

use std::fmt;
use std::io::{self, BufRead};
use std::net::{TcpStream, ToSocketAddrs};

use smtp_proto::capabilities::Capabilities;
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::connection::{Config, Connection, Counters, TlsPolicy, TlsUpgrade, TranscriptEntry};
use smtp_proto::flow::{
    self, Authenticate, BeginData, Body, Delivery, Envelope, Exchange, Expect, Flow, Hello, Open, Quit, Send,
    SendOptions, StartTls,
};
use smtp_proto::params::{MailParameters, RcptParameters, XClient};
use smtp_proto::path::{ClientName, ForwardPath, ReversePath};
use smtp_proto::reply::Reply;
use smtp_proto::sasl::{Credentials, Mechanism};
use smtp_proto::security::Security;

use crate::batch::SendAll;
use crate::clock::{Clock, Watch};
#[cfg(feature = "__tls")]
use crate::clocked::Wait;
use crate::data::DataWriter;
use crate::job::{Single, Source};
use crate::pump::{Progress, Pump};
use crate::transport::Transport;
use crate::{ClientBuilder, Error, Message, SendError, Stream};

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

    /// What the server advertised.
    ///
    /// # Errors
    /// If the server has to be greeted first and that fails.
    pub fn capabilities(&mut self) -> Result<&Capabilities, Error> {
        self.open()?;
        Ok(self.pump.connection.capabilities())
    }

    /// The parameters of an extension, by its keyword; `None` if the server does not offer it.
    ///
    /// # Errors
    /// As [`capabilities`](Self::capabilities).
    pub fn extension(&mut self, keyword: &str) -> Result<Option<&str>, Error> {
        Ok(self.capabilities()?.get(keyword))
    }

    /// Begins a mail transaction, with the parameters that suit the server.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn mail(&mut self, reverse_path: &ReversePath) -> Result<Reply, Error> {
        self.open()?;
        let parameters = self.pump.connection.default_mail_parameters(reverse_path);
        self.mail_with(reverse_path, &parameters)
    }

    /// Begins a mail transaction with these parameters.
    ///
    /// # Errors
    /// As [`mail`](Self::mail); a parameter whose extension the server does not offer is refused locally.
    pub fn mail_with(&mut self, path: &ReversePath, parameters: &MailParameters) -> Result<Reply, Error> {
        self.exchange(Command::Mail(path, parameters), Expect::Success)
    }

    /// Adds a recipient.
    ///
    /// # Errors
    /// The server's refusal of this recipient, or the connection's failure.
    pub fn rcpt(&mut self, forward_path: &ForwardPath) -> Result<Reply, Error> {
        self.rcpt_with(forward_path, &RcptParameters::new())
    }

    /// Adds a recipient with these parameters.
    ///
    /// # Errors
    /// As [`rcpt`](Self::rcpt).
    pub fn rcpt_with(&mut self, path: &ForwardPath, parameters: &RcptParameters) -> Result<Reply, Error> {
        self.exchange(Command::Rcpt(path, parameters), Expect::Success)
    }

    /// Begins the message. Nothing is committed before [`DataWriter::finish`].
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn data(&mut self) -> Result<DataWriter<'_, S>, Error> {
        let data = self.pump.connection.default_data();
        self.data_with(data)
    }

    /// Begins a message that obeys these rules.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    pub fn data_with(&mut self, data: DataCommand) -> Result<DataWriter<'_, S>, Error> {
        self.run(&mut BeginData::new(data), Source::None)?;
        Ok(DataWriter::new(&mut self.pump))
    }

    /// Takes the mail transaction back.
    ///
    /// # Errors
    /// The server's refusal, after which the connection cannot be used again, or the connection's failure.
    pub fn reset(&mut self) -> Result<Reply, Error> {
        self.exchange(Command::Rset, Expect::Success)
    }

    /// Asks for nothing but a reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn noop(&mut self) -> Result<Reply, Error> {
        self.exchange(Command::Noop, Expect::Success)
    }

    /// Asks whether a user or mailbox exists. Many servers answer 252, which says nothing either way.
    /// [`VrfyAnswer`](smtp_proto::reply::VrfyAnswer) reads the reply, that of a refusal too.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn verify(&mut self, user: &str) -> Result<Reply, Error> {
        self.exchange(Command::Vrfy(user), Expect::Success)
    }

    /// Asks for the members of a mailing list. [`ExpnAnswer`](smtp_proto::reply::ExpnAnswer) reads the reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn expand(&mut self, list: &str) -> Result<Reply, Error> {
        self.exchange(Command::Expn(list), Expect::Success)
    }

    /// Asks for help, on a topic or, with an empty string, in general. [`HelpAnswer`](smtp_proto::reply::HelpAnswer)
    /// reads the reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    pub fn help(&mut self, topic: &str) -> Result<Reply, Error> {
        self.exchange(Command::Help(topic), Expect::Success)
    }

    /// Asks the server to deliver what it holds for a node: a domain, `@` and a domain for all below it too, or `#`
    /// and the name of a queue. [`EtrnAnswer`](smtp_proto::reply::EtrnAnswer) reads the reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure; a node that is none is refused locally.
    pub fn etrn(&mut self, node: &str) -> Result<Reply, Error> {
        self.exchange(Command::Etrn(node), Expect::Success)
    }

    /// Tells a server that trusts this client for whom it speaks, and introduces the client again, as the server
    /// wants it after that. Returns the reply to the former.
    ///
    /// # Errors
    /// The server's refusal, after which the session goes on as it was, or the connection's failure; an attribute
    /// that the server does not offer is refused locally.
    pub fn xclient(&mut self, client: &XClient) -> Result<Reply, Error> {
        self.open()?;
        self.run(&mut flow::XClient::new(client), Source::None)
    }

    /// Introduces the client again, to learn what the server offers now. The client does so by itself where TLS makes
    /// it necessary.
    ///
    /// # Errors
    /// [`Misuse`](smtp_proto::Error::Misuse) inside a mail transaction; the server's refusal, after which the
    /// connection cannot be used again, or the connection's failure.
    pub fn renew_hello(&mut self) -> Result<Reply, Error> {
        self.open()?;
        self.run(&mut Hello::new(), Source::None)
    }

    /// Sends any other command, given without its CRLF, and returns the reply whatever its code.
    ///
    /// # Errors
    /// The connection's failure, or a line that is none.
    pub fn command(&mut self, line: &str) -> Result<Reply, Error> {
        self.exchange(Command::Custom(line), Expect::Anything)
    }

    /// Sends a message known whole to every recipient the server accepts.
    ///
    /// # Errors
    /// [`SendError`] tells whether the message was rejected, certainly not sent, or may have been delivered.
    pub fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<Delivery, SendError> {
        self.send_with(envelope, message, SendOptions::default())
    }

    /// Sends a message known whole, with options.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn send_with(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        options: SendOptions,
    ) -> Result<Delivery, SendError> {
        let body = Body::Whole(message);
        self.deliver(envelope, body, options, Source::Whole(message, 0))
    }

    /// Sends a message as it is read from `reader`; `body` says what is known of it beforehand.
    ///
    /// # Errors
    /// As [`send`](Self::send); a failing reader leaves the message not sent, and after DATA the
    /// connection closed.
    pub fn send_stream(
        &mut self,
        envelope: &Envelope,
        reader: &mut dyn BufRead,
        body: Body<'_>,
        options: SendOptions,
    ) -> Result<Delivery, SendError> {
        self.deliver(envelope, body, options, Source::Reader(Box::new(reader)))
    }

    /// Sends any number of messages, each behind the one before it: the server's answer to one is awaited while
    /// the next are already under way, as far as its extensions and the window allow. With PIPELINING that is at
    /// most one round trip a message, with CHUNKING one for each window of them.
    ///
    /// The returned iterator gives one outcome a message, in order, and it is what moves the batch on: a message
    /// is taken from `messages` when it can be begun, and what it begins with leaves in the same write as the end of
    /// the one before. So a source that blocks holds back the end of the message before it, and all outcomes: give it
    /// messages that are at hand, or use `smtp-tokio`, whose `send_each` waits for both. After the connection has
    /// broken every further message is not sent; stop asking to keep them ([`SendAll::connection`] tells).
    ///
    /// ```no_run
    /// # use smtp_blocking::{Client, Config};
    /// # use smtp_blocking::smtp_proto::flow::Envelope;
    /// # let mut client = Client::connect("mail.example.org:587", Config::new("mail.example.org"))?;
    /// let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
    /// let messages = (1..=100).map(|n| (&envelope, format!("Subject: {n}\r\n\r\n").into_bytes()));
    /// for (n, outcome) in client.send_all(messages).then_quit().enumerate() {
    ///     match outcome {
    ///         Ok(delivery) => println!("{n}: accepted: {}", delivery.reply),
    ///         Err(error) => println!("{n}: {error}"),
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_all<'m, I>(&mut self, messages: I) -> SendAll<'_, 'm, S, I::IntoIter>
    where
        I: IntoIterator,
        I::Item: Into<Message<'m>>,
    {
        SendAll::new(self, messages.into_iter())
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

    fn exchange(&mut self, command: Command<'_>, expect: Expect) -> Result<Reply, Error> {
        self.open()?;
        self.run(&mut Exchange::new(command, expect), Source::None)
    }

    /// Sends one message.
    fn deliver(
        &mut self,
        envelope: &Envelope,
        body: Body<'_>,
        options: SendOptions,
        source: Source<'_>,
    ) -> Result<Delivery, SendError> {
        let track = self.pump.watch.tracker().begin(0, Some(envelope.recipients.len()), body.size());
        let mut flow = Send::new(envelope, body, options);
        let mut job = Single::new(&mut flow, source);
        job.track = Some(track);
        let outcome = match self.open() {
            Ok(()) => self.run_job(&mut job),
            Err(error) => Err(error.into()),
        };
        if let Some(track) = job.track {
            track.over(outcome.as_ref().map_err(SendError::kind));
        }
        outcome
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

/// Sends one message over a connection of its own, as Go's `net/smtp.SendMail` does: STARTTLS if the server
/// offers it, authentication if a mechanism is given, all recipients or none, QUIT.
///
/// `address` is `host:port`; the certificate has to be valid for the host. Without TLS, which
/// anyone on the path can take away, no mechanism is used, unless the server is on this machine.
///
/// # Errors
/// [`SendError`] tells whether the message was rejected, certainly not sent, or may have been delivered.
///
/// For roots of your own use [`Client::connect_with_tls`] and
/// [`SendOptions::all_or_nothing`](smtp_proto::flow::SendOptions::all_or_nothing), of which this is made.
///
/// ```no_run
/// use smtp_proto::sasl::Plain;
///
/// let mut auth = Plain::new("", "user@example.com", "password", "mail.example.com");
/// smtp_blocking::send_mail(
///     "mail.example.com:25",
///     Some(&mut auth),
///     "sender@example.org",
///     &["recipient@example.net"],
///     b"To: recipient@example.net\r\nSubject: discount Gophers!\r\n\r\nThis is the email body.\r\n",
/// )?;
/// # Ok::<(), smtp_blocking::SendError>(())
/// ```
pub fn send_mail(
    address: &str,
    mechanism: Option<&mut dyn Mechanism>,
    from: &str,
    to: &[&str],
    message: &[u8],
) -> Result<Delivery, SendError> {
    let envelope = Envelope::from_strs(from, to)?;
    let host = smtp_proto::path::host_of(address);
    let mut client = Client::connect(address, Config::new(host).tls(TlsPolicy::Opportunistic))?;
    if let Some(mechanism) = mechanism {
        client.auth(mechanism)?;
    }
    let message = Message::new(&envelope, message).options(SendOptions::all_or_nothing());
    let mut batch = client.send_all([message]).then_quit();
    let outcome = batch.next();
    // How the session ends changes nothing any more.
    let _ = batch.next();
    outcome.unwrap_or_else(|| Err(smtp_proto::Error::Abandoned.into()))
}
