//! [`Client`]: the verbs, each one flow.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;

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
use tokio::io::AsyncBufRead;
use tokio::net::{TcpStream, ToSocketAddrs};

use crate::batch::{Ready, SendAll};
use crate::clock::{Clock, Watch};
use crate::connect::look_up;
use crate::data::DataWriter;
use crate::job::{Single, Source};
use crate::pump::{Progress, Pump};
use crate::transport::Transport;
use crate::{ClientBuilder, Error, Message, SendError, Stream};

/// An SMTP client on a tokio stream, in a runtime that has its clock enabled.
///
/// EHLO is said when a method first needs it (and the greeting read, which [`connect`](Self::connect) has done
/// already), and TLS is negotiated then as the
/// [`Config`] wants; under the default policy nothing else is said before. Dropping the client closes the
/// socket and says nothing.
///
/// # Cancel safety
/// A future dropped before its first poll has done nothing. One dropped later, before it was done, has closed
/// the connection: the next call returns [`Poisoned`](smtp_proto::Error::Poisoned), so that no reply is ever
/// taken for that of another command. What is known then is still to be had: [`connection`](Self::connection),
/// and [`may_have_been_delivered`](Self::may_have_been_delivered) of a message that was being sent. Ask that before
/// anything else: an error of a later attempt is about that attempt alone.
///
/// ```no_run
/// # async fn example(client: &mut smtp_tokio::Client, envelope: &smtp_proto::flow::Envelope) {
/// # let message = b"";
/// use std::time::Duration;
///
/// match tokio::time::timeout(Duration::from_secs(60), client.send(envelope, message)).await {
///     Ok(Ok(delivery)) => println!("accepted: {}", delivery.reply),
///     Ok(Err(error)) => println!("{error}"),
///     Err(_) if client.may_have_been_delivered() => println!("it may have been delivered"),
///     Err(_) => println!("not sent; another connection can try again"),
/// }
/// # }
/// ```
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use smtp_tokio::{Client, Config};
/// use smtp_proto::flow::Envelope;
/// use smtp_proto::sasl::Plain;
///
/// let mut client = Client::connect("mail.example.org:587", Config::new("mail.example.org")).await?;
/// client.auth(&mut Plain::new("", "alice", "secret", "mail.example.org")).await?;
/// let envelope = Envelope::new("alice@example.org".parse()?, ["bob@example.net".parse()?]);
/// let delivery = client.send(&envelope, b"Subject: hi\r\n\r\nHello!\r\n").await?;
/// println!("accepted: {}", delivery.reply);
/// client.quit().await?;
/// # Ok(())
/// # }
/// ```
pub struct Client<S: Stream = TcpStream> {
    pub(crate) pump: Pump<S>,
    #[cfg(feature = "__tls")]
    tls: Option<crate::TlsConfig>,
    /// The pool that it belongs to.
    #[cfg(feature = "deadpool")]
    pub(crate) origin: Option<smtp_proto::connection::Origin>,
}

impl Client<TcpStream> {
    /// A builder of sessions with the server of this name: a domain or an IP address.
    #[must_use]
    pub fn builder(host: &str) -> ClientBuilder {
        ClientBuilder::new(host)
    }

    /// Connects over TCP, to the first address from which a server sends its greeting: in the order, and with the start
    /// of the next attempt, of [`ClientBuilder::connect`].
    ///
    /// # Errors
    /// The last address's error, with those of the others ([`Error::earlier`]);
    /// [`NotConnected`](smtp_proto::Error::NotConnected) if it was the transport's.
    ///
    /// # Cancel safety
    /// Dropping the future closes every connection.
    pub async fn connect(addresses: impl ToSocketAddrs, config: Config) -> Result<Self, Error> {
        let found = look_up(addresses, config.get_timeouts().connect).await.map_err(Error::not_connected);
        ClientBuilder::from(config).greeted(found, |_| {}).await
    }

    /// Like [`connect`](Self::connect), with TLS settings of your own: other roots, a client certificate.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    ///
    /// # Cancel safety
    /// Dropping the future closes every connection.
    #[cfg(feature = "__tls")]
    pub async fn connect_with_tls(
        addresses: impl ToSocketAddrs,
        config: Config,
        tls: impl Into<crate::TlsConfig>,
    ) -> Result<Self, Error> {
        let found = look_up(addresses, config.get_timeouts().connect).await.map_err(Error::not_connected);
        ClientBuilder::from(config).tls_config(tls).greeted(found, |_| {}).await
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
        Self::assemble(Pump::new(connection, Transport::Plain(Box::pin(stream)), watch))
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
            #[cfg(feature = "deadpool")]
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
    /// As a stream, through a channel that holds the latest value only:
    ///
    /// ```no_run
    /// # async fn example(mut client: smtp_tokio::Client, envelope: smtp_tokio::smtp_proto::flow::Envelope) {
    /// # let message = vec![b'x'; 1000];
    /// let (sender, mut progress) = tokio::sync::watch::channel(None);
    /// client.set_progress(move |now| drop(sender.send_replace(Some(now))));
    /// let sending = async move { client.send(&envelope, &message).await };
    /// let showing = async {
    ///     while progress.changed().await.is_ok() {
    ///         if let Some(now) = *progress.borrow() {
    ///             println!("{} of {:?} octets", now.accepted, now.total);
    ///         }
    ///     }
    /// };
    /// let (outcome, ()) = tokio::join!(sending, showing);
    /// # let _ = outcome;
    /// # }
    /// ```
    pub fn set_progress(&mut self, hook: impl FnMut(flow::Progress) + std::marker::Send + Sync + 'static) {
        self.pump.watch.set_progress(hook);
    }

    /// Waits for the greeting and introduces the client under `name`. It has to come before any other method.
    ///
    /// # Errors
    /// [`Misuse`](smtp_proto::Error::Misuse) if it comes later; the server's refusal, or the connection's failure.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn hello(&mut self, name: ClientName) -> Result<(), Error> {
        self.pump.connection.set_client_name(name)?;
        self.open().await
    }

    /// Says STARTTLS, does the handshake, and says EHLO again. Needed only under a policy that does not do it
    /// by itself.
    ///
    /// # Errors
    /// [`Unsupported`](smtp_proto::Error::Unsupported) if the server does not offer it; the connection is lost
    /// if it offers it and then fails.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn start_tls(&mut self) -> Result<(), Error> {
        self.open().await?;
        self.run(&mut StartTls::new(), Source::None).await
    }

    /// STARTTLS with a TLS library of the caller's: `upgrade` does the handshake on the bare stream, verifies
    /// the certificate for the host name it is given, and returns the protected stream.
    ///
    /// # Errors
    /// As [`start_tls`](Self::start_tls).
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn start_tls_with<T: Stream, F: Future<Output = io::Result<T>>>(
        mut self,
        upgrade: impl FnOnce(Pin<Box<S>>, String) -> F,
    ) -> Result<Client<T>, Error> {
        self.open().await?;
        let mut flow = StartTls::new();
        let Progress::UpgradeTls(token) = self.pump.drive(&mut Single::new(&mut flow, Source::None)).await?
        else {
            return Err(smtp_proto::Error::Poisoned.into());
        };
        let Transport::Plain(stream) = std::mem::replace(&mut self.pump.transport, Transport::Gone) else {
            return Err(smtp_proto::Error::Poisoned.into());
        };
        let stream = match self.pump.handshake(upgrade(stream, token.server_name().to_owned())).await {
            Ok(stream) => stream,
            Err(error) => return Err(self.pump.tls_failed(error)),
        };
        let Pump { connection, watch, .. } = self.pump;
        let mut client = Client::assemble(Pump::new(connection, Transport::Plain(Box::pin(stream)), watch));
        let token = token.bind(client.pump.transport.channel_bindings());
        client.pump.connection.tls_established(token)?;
        client.run(&mut flow, Source::None).await?;
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
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn auth(&mut self, mechanism: &mut dyn Mechanism) -> Result<Reply, Error> {
        self.open().await?;
        self.run(&mut Authenticate::new(mechanism), Source::None).await
    }

    /// Authenticates with the strongest mechanism that both the server and the credentials know:
    /// [`Credentials`] tells the order. A token that the server refuses is replaced once.
    ///
    /// # Errors
    /// As [`auth`](Self::auth).
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn login(&mut self, credentials: &Credentials) -> Result<Reply, Error> {
        self.open().await?;
        self.run(&mut crate::login::log_in(credentials)?, Source::None).await
    }

    /// What the server advertised.
    ///
    /// # Errors
    /// If the server has to be greeted first and that fails.
    ///
    /// # Cancel safety
    /// Safe once the server was greeted; before that, dropping the future ends the connection.
    pub async fn capabilities(&mut self) -> Result<&Capabilities, Error> {
        self.open().await?;
        Ok(self.pump.connection.capabilities())
    }

    /// The parameters of an extension, by its keyword; `None` if the server does not offer it.
    ///
    /// # Errors
    /// As [`capabilities`](Self::capabilities).
    ///
    /// # Cancel safety
    /// As [`capabilities`](Self::capabilities).
    pub async fn extension(&mut self, keyword: &str) -> Result<Option<&str>, Error> {
        Ok(self.capabilities().await?.get(keyword))
    }

    /// Begins a mail transaction, with the parameters that suit the server.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn mail(&mut self, reverse_path: &ReversePath) -> Result<Reply, Error> {
        self.open().await?;
        let parameters = self.pump.connection.default_mail_parameters(reverse_path);
        self.mail_with(reverse_path, &parameters).await
    }

    /// Begins a mail transaction with these parameters.
    ///
    /// # Errors
    /// As [`mail`](Self::mail); a parameter whose extension the server does not offer is refused locally.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn mail_with(
        &mut self,
        path: &ReversePath,
        parameters: &MailParameters,
    ) -> Result<Reply, Error> {
        self.exchange(Command::Mail(path, parameters), Expect::Success).await
    }

    /// Adds a recipient.
    ///
    /// # Errors
    /// The server's refusal of this recipient, or the connection's failure.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn rcpt(&mut self, forward_path: &ForwardPath) -> Result<Reply, Error> {
        self.rcpt_with(forward_path, &RcptParameters::new()).await
    }

    /// Adds a recipient with these parameters.
    ///
    /// # Errors
    /// As [`rcpt`](Self::rcpt).
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn rcpt_with(
        &mut self,
        path: &ForwardPath,
        parameters: &RcptParameters,
    ) -> Result<Reply, Error> {
        self.exchange(Command::Rcpt(path, parameters), Expect::Success).await
    }

    /// Begins the message. Nothing is committed before [`DataWriter::finish`].
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection. For what comes after it, see [`DataWriter`].
    pub async fn data(&mut self) -> Result<DataWriter<'_, S>, Error> {
        let data = self.pump.connection.default_data();
        self.data_with(data).await
    }

    /// Begins a message that obeys these rules.
    ///
    /// # Errors
    /// As [`data`](Self::data).
    ///
    /// # Cancel safety
    /// As [`data`](Self::data).
    pub async fn data_with(&mut self, data: DataCommand) -> Result<DataWriter<'_, S>, Error> {
        self.run(&mut BeginData::new(data), Source::None).await?;
        Ok(DataWriter::new(&mut self.pump))
    }

    /// Takes the mail transaction back.
    ///
    /// # Errors
    /// The server's refusal, after which the connection cannot be used again, or the connection's failure.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn reset(&mut self) -> Result<Reply, Error> {
        self.exchange(Command::Rset, Expect::Success).await
    }

    /// Asks for nothing but a reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn noop(&mut self) -> Result<Reply, Error> {
        self.exchange(Command::Noop, Expect::Success).await
    }

    /// Asks whether a user or mailbox exists. Many servers answer 252, which says nothing either way.
    /// [`VrfyAnswer`](smtp_proto::reply::VrfyAnswer) reads the reply, that of a refusal too.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn verify(&mut self, user: &str) -> Result<Reply, Error> {
        self.exchange(Command::Vrfy(user), Expect::Success).await
    }

    /// Asks for the members of a mailing list. [`ExpnAnswer`](smtp_proto::reply::ExpnAnswer) reads the reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn expand(&mut self, list: &str) -> Result<Reply, Error> {
        self.exchange(Command::Expn(list), Expect::Success).await
    }

    /// Asks for help, on a topic or, with an empty string, in general. [`HelpAnswer`](smtp_proto::reply::HelpAnswer)
    /// reads the reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn help(&mut self, topic: &str) -> Result<Reply, Error> {
        self.exchange(Command::Help(topic), Expect::Success).await
    }

    /// Asks the server to deliver what it holds for a node: a domain, `@` and a domain for all below it too, or `#`
    /// and the name of a queue. [`EtrnAnswer`](smtp_proto::reply::EtrnAnswer) reads the reply.
    ///
    /// # Errors
    /// The server's refusal, or the connection's failure; a node that is none is refused locally.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn etrn(&mut self, node: &str) -> Result<Reply, Error> {
        self.exchange(Command::Etrn(node), Expect::Success).await
    }

    /// Tells a server that trusts this client for whom it speaks, and introduces the client again, as the server
    /// wants it after that. Returns the reply to the former.
    ///
    /// # Errors
    /// The server's refusal, after which the session goes on as it was, or the connection's failure; an attribute
    /// that the server does not offer is refused locally.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn xclient(&mut self, client: &XClient) -> Result<Reply, Error> {
        self.open().await?;
        self.run(&mut flow::XClient::new(client), Source::None).await
    }

    /// Introduces the client again, to learn what the server offers now. The client does so by itself where TLS makes
    /// it necessary.
    ///
    /// # Errors
    /// [`Misuse`](smtp_proto::Error::Misuse) inside a mail transaction; the server's refusal, after which the
    /// connection cannot be used again, or the connection's failure.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn renew_hello(&mut self) -> Result<Reply, Error> {
        self.open().await?;
        self.run(&mut Hello::new(), Source::None).await
    }

    /// Sends any other command, given without its CRLF, and returns the reply whatever its code.
    ///
    /// # Errors
    /// The connection's failure, or a line that is none.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection: see [`Client`].
    pub async fn command(&mut self, line: &str) -> Result<Reply, Error> {
        self.exchange(Command::Custom(line), Expect::Anything).await
    }

    /// Sends a message known whole to every recipient the server accepts.
    ///
    /// # Errors
    /// [`SendError`] tells whether the message was rejected, certainly not sent, or may have been delivered.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection; [`may_have_been_delivered`](Self::may_have_been_delivered)
    /// then tells of the message.
    pub async fn send(&mut self, envelope: &Envelope, message: &[u8]) -> Result<Delivery, SendError> {
        self.send_with(envelope, message, SendOptions::default()).await
    }

    /// Sends a message known whole, with options.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection; [`may_have_been_delivered`](Self::may_have_been_delivered)
    /// then tells of the message.
    pub async fn send_with(
        &mut self,
        envelope: &Envelope,
        message: &[u8],
        options: SendOptions,
    ) -> Result<Delivery, SendError> {
        let body = Body::Whole(message);
        self.deliver(envelope, body, options, Source::Whole(message, 0)).await
    }

    /// Sends a message as it is read from `reader`; `body` says what is known of it beforehand.
    ///
    /// # Errors
    /// As [`send`](Self::send); a failing reader leaves the message not sent, and after DATA the
    /// connection closed.
    ///
    /// # Cancel safety
    /// Dropping the future ends the connection; [`may_have_been_delivered`](Self::may_have_been_delivered)
    /// then tells of the message.
    pub async fn send_stream(
        &mut self,
        envelope: &Envelope,
        reader: &mut (dyn AsyncBufRead + Unpin + std::marker::Send),
        body: Body<'_>,
        options: SendOptions,
    ) -> Result<Delivery, SendError> {
        self.deliver(envelope, body, options, Source::Reader(Box::new(reader))).await
    }

    /// Sends any number of messages, each behind the one before it: the server's answer to one is awaited while
    /// the next are already under way, as far as its extensions and the window allow. With PIPELINING that is at
    /// most one round trip a message, with CHUNKING one for each window of them.
    ///
    /// What it returns gives one outcome a message, in order, and it is what moves the batch on: a message is
    /// taken from `messages` when it can be begun. After the connection has broken every further message is not
    /// sent; stop asking to keep them ([`SendAll::connection`] tells).
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// # use smtp_tokio::{Client, Config};
    /// # use smtp_tokio::smtp_proto::flow::Envelope;
    /// # let mut client = Client::connect("mail.example.org:587", Config::new("mail.example.org")).await?;
    /// let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
    /// let messages = (1..=100).map(|n| (&envelope, format!("Subject: {n}\r\n\r\n").into_bytes()));
    /// let mut batch = client.send_all(messages).then_quit();
    /// while let Some(outcome) = batch.next().await {
    ///     match outcome {
    ///         Ok(delivery) => println!("accepted: {}", delivery.reply),
    ///         Err(error) => println!("{error}"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_all<'m, I>(&mut self, messages: I) -> SendAll<'_, 'm, S>
    where
        I: IntoIterator<Item: Into<Message<'m>>, IntoIter: std::marker::Send + 'm>,
    {
        SendAll::new(self, Ready(messages.into_iter()))
    }

    /// As [`send_all`](Self::send_all), with messages that come one by one out of a [`futures_core::Stream`]: a queue,
    /// or a tokio channel, which the `ReceiverStream` of the crate `tokio-stream` makes one. While no message is there
    /// the outcomes of those before it are told as they come.
    pub fn send_each<'m, M>(&mut self, messages: M) -> SendAll<'_, 'm, S>
    where
        M: futures_core::Stream<Item: Into<Message<'m>>> + std::marker::Send + 'm,
    {
        SendAll::new(self, messages)
    }

    /// Ends the session in good order and closes the connection. Whatever the server answers, this is the end.
    ///
    /// # Errors
    /// If the connection was broken before.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection.
    pub async fn quit(mut self) -> Result<(), Error> {
        self.run(&mut Quit::new(), Source::None).await
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

    /// Whether the latest message left whole and no verdict on it came, because the connection broke or the
    /// future was dropped. So it is, too, if some of its recipients have got it and the others, in a mail
    /// transaction of their own, have not yet. Sending it again may then deliver it twice; otherwise it is certainly
    /// not delivered or the verdict was told.
    #[must_use]
    pub fn may_have_been_delivered(&self) -> bool {
        self.pump.connection.may_have_been_delivered()
    }

    pub(crate) async fn greet(&mut self) -> Result<(), Error> {
        self.run(&mut Open::greeting(), Source::None).await
    }

    pub(crate) async fn open(&mut self) -> Result<(), Error> {
        self.run(&mut Open::new(), Source::None).await
    }

    async fn exchange(&mut self, command: Command<'_>, expect: Expect) -> Result<Reply, Error> {
        self.open().await?;
        self.run(&mut Exchange::new(command, expect), Source::None).await
    }

    /// Sends one message.
    async fn deliver(
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
        let outcome = match self.open().await {
            Ok(()) => self.run_job(&mut job).await,
            Err(error) => Err(error.into()),
        };
        if let Some(track) = job.track {
            track.over(outcome.as_ref().map_err(SendError::kind));
        }
        outcome
    }

    async fn run<F: Flow>(&mut self, flow: &mut F, source: Source<'_>) -> Result<F::Output, Error<F::Error>> {
        self.run_job(&mut Single::new(flow, source)).await
    }

    async fn run_job<F: Flow>(&mut self, job: &mut Single<'_, '_, F>) -> Result<F::Output, Error<F::Error>> {
        loop {
            match self.pump.drive(job).await? {
                Progress::Done(output) => return Ok(output),
                Progress::UpgradeTls(upgrade) => self.handshake(upgrade).await.map_err(Error::widen)?,
            }
        }
    }

    /// Does the TLS handshake.
    async fn handshake(&mut self, upgrade: TlsUpgrade) -> Result<(), Error> {
        match self.upgraded(&upgrade).await {
            Ok(transport) => self.pump.transport = transport,
            Err(error) => return Err(self.pump.tls_failed(error)),
        }
        self.pump.watch.tell_time(&mut self.pump.connection);
        #[cfg(feature = "__tls")]
        self.pump.watch.tell_tls(|| self.tls_state());
        let upgrade = upgrade.bind(self.pump.transport.channel_bindings());
        Ok(self.pump.connection.tls_established(upgrade)?)
    }

    #[cfg(feature = "__tls")]
    async fn upgraded(&mut self, upgrade: &TlsUpgrade) -> io::Result<Transport<S>> {
        let config = match &self.tls {
            Some(config) => config.clone(),
            None => crate::default_tls_config()?,
        };
        let Transport::Plain(stream) = std::mem::replace(&mut self.pump.transport, Transport::Gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let handshake = crate::tls::handshake(stream, config, upgrade.server_name());
        self.pump.handshake(handshake).await.map(Transport::Tls)
    }

    #[cfg(not(feature = "__tls"))]
    async fn upgraded(&mut self, _: &TlsUpgrade) -> io::Result<Transport<S>> {
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
/// ```no_run
/// # async fn example() -> Result<(), smtp_tokio::SendError> {
/// use smtp_proto::sasl::Plain;
///
/// let mut auth = Plain::new("", "user@example.com", "password", "mail.example.com");
/// smtp_tokio::send_mail(
///     "mail.example.com:25",
///     Some(&mut auth),
///     "sender@example.org",
///     &["recipient@example.net"],
///     b"To: recipient@example.net\r\nSubject: discount Gophers!\r\n\r\nThis is the email body.\r\n",
/// )
/// .await?;
/// # Ok(())
/// # }
/// ```
///
/// # Cancel safety
/// Dropping the future closes the connection, and it cannot be told whether the message was delivered.
pub async fn send_mail(
    address: &str,
    mechanism: Option<&mut dyn Mechanism>,
    from: &str,
    to: &[&str],
    message: &[u8],
) -> Result<Delivery, SendError> {
    let envelope = Envelope::from_strs(from, to)?;
    let host = smtp_proto::path::host_of(address);
    let mut client = Client::connect(address, Config::new(host).tls(TlsPolicy::Opportunistic)).await?;
    if let Some(mechanism) = mechanism {
        client.auth(mechanism).await?;
    }
    let message = Message::new(&envelope, message).options(SendOptions::all_or_nothing());
    let mut batch = client.send_all([message]).then_quit();
    let outcome = batch.next().await;
    // How the session ends changes nothing any more.
    let _ = batch.next().await;
    outcome.unwrap_or_else(|| Err(smtp_proto::Error::Abandoned.into()))
}
