//! A sink: a small SMTP server that accepts mail and keeps it, for tests that need someone to send to.
//!
//! It listens on a free port of 127.0.0.1, one thread per connection, and speaks RFC 5321 with PIPELINING,
//! 8BITMIME, SMTPUTF8, SIZE, ENHANCEDSTATUSCODES, STARTTLS (with a certificate authority made for the
//! occasion) and AUTH PLAIN, LOGIN and CRAM-MD5. It is strict where a client's fault would otherwise go unseen:
//! every line ends in CRLF, a bare CR or LF in a body has the message refused, nothing may follow STARTTLS in
//! clear, only what was advertised is
//! taken, only what RFC 2920 allows is pipelined. It shares no code with the client crates, so that a
//! misunderstanding in one does not hide behind the same misunderstanding in the other.
//!
//! Mail goes nowhere. Whatever is accepted stays in memory until the [`Sink`] is dropped.
//!
//! ```
//! use std::io::{BufRead, BufReader, Write};
//! use std::net::TcpStream;
//! use std::time::Duration;
//! use smtp_tests::sink::Sink;
//!
//! let sink = Sink::builder().start()?;
//! let mut client = TcpStream::connect(sink.address())?;
//! let mut replies = BufReader::new(client.try_clone()?).lines();
//! for line in [
//!     "HELO client.test\r\n",
//!     "MAIL FROM:<a@example.org>\r\n",
//!     "RCPT TO:<b@example.org>\r\n",
//!     "DATA\r\n",
//!     "Subject: hello\r\n\r\n..two dots here, one in the message\r\n.\r\n",
//! ] {
//!     replies.next().ok_or("closed")??; // the greeting, or the reply to the line before
//!     client.write_all(line.as_bytes())?;
//! }
//! assert_eq!(replies.next().ok_or("closed")??, "250 2.0.0 Ok: queued as SINK000001");
//!
//! let message = sink.wait_for_message(Duration::from_secs(5)).ok_or("no message")?;
//! assert_eq!(message.reverse_path, "a@example.org");
//! assert_eq!(message.recipients, ["b@example.org"]);
//! assert_eq!(message.data, b"Subject: hello\r\n\r\n.two dots here, one in the message\r\n");
//! assert!(!message.tls);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! With TLS and authentication, the client trusts [`Sink::certificate_authority`] and connects to `localhost`:
//!
//! ```
//! use smtp_tests::sink::{Sink, TlsMode};
//!
//! let sink = Sink::builder().tls(TlsMode::StartTls).user("alice", "wonderland").require_auth().start()?;
//! let trusted = sink.certificate_authority().client_config()?; // an Arc<rustls::ClientConfig>
//! # drop(trusted);
//! # Ok::<(), std::io::Error>(())
//! ```

mod auth;
mod body;
mod certificates;
mod command;
mod listener;
mod session;
mod settings;
mod store;
mod wire;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

pub use certificates::CertificateAuthority;
pub use settings::{RecipientVerdict, TlsMode};
pub use store::{BareLineEnds, Message};

use listener::Listener;
use session::{End, Session};
use settings::{Settings, User};
use store::MessageStore;

/// A running sink. Dropping it closes every connection and waits for its threads.
pub struct Sink {
    shared: Arc<Shared>,
    authority: CertificateAuthority,
    listener: Listener,
}

impl Sink {
    /// A sink yet to be described and started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// What a client has to trust for TLS. The server's certificate is for `localhost`, `127.0.0.1`, `::1` and
    /// the name given with [`Builder::host_name`].
    #[must_use]
    pub fn certificate_authority(&self) -> &CertificateAuthority {
        &self.authority
    }

    /// The next message that no earlier call has returned, in order of arrival; `None` when none has come
    /// within `timeout`.
    #[must_use]
    pub fn wait_for_message(&self, timeout: Duration) -> Option<Message> {
        self.shared.store.wait(timeout)
    }

    /// Every message accepted so far, in order of arrival.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.shared.store.messages()
    }

    /// How many bare CRs and LFs bodies have had so far. A message with any was refused.
    #[must_use]
    pub fn bare_line_ends(&self) -> BareLineEnds {
        self.shared.store.bare()
    }

    /// Serves one session on `stream`, an in-memory pipe for example, until it ends. What it accepts is kept
    /// with the messages that came over TCP. Dropping the sink does not end it; closing the stream does.
    ///
    /// # Errors
    /// A failure of the stream or of the TLS handshake. A stream that ends in mid-session is no error.
    pub fn serve_stream(&self, stream: impl Read + Write) -> io::Result<()> {
        self.shared.serve(stream)
    }
}

/// Describes a sink; [`start`](Self::start) runs it.
#[derive(Clone, Default)]
#[must_use = "a sink has to be started"]
pub struct Builder {
    settings: Settings,
}

impl Builder {
    /// The name in the greeting and in the certificate; `localhost` unless given.
    pub fn host_name(mut self, name: impl Into<String>) -> Self {
        self.settings.host_name = name.into();
        self
    }

    /// When to speak TLS; from STARTTLS on unless given.
    pub fn tls(mut self, mode: TlsMode) -> Self {
        self.settings.tls = mode;
        self
    }

    /// Refuses mail in clear with 530.
    pub fn require_tls(mut self) -> Self {
        self.settings.require_tls = true;
        self
    }

    /// Lets `name` authenticate with `password`. AUTH is offered once there is a user, and only under TLS
    /// unless [`auth_without_tls`](Self::auth_without_tls) is set.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.settings.users.push(User { name: name.into(), password: password.into() });
        self
    }

    /// Offers AUTH in clear, too.
    pub fn auth_without_tls(mut self) -> Self {
        self.settings.auth_without_tls = true;
        self
    }

    /// Refuses mail with 530 until the client has authenticated.
    pub fn require_auth(mut self) -> Self {
        self.settings.require_auth = true;
        self
    }

    /// The largest message accepted, in octets; 32 MiB unless given.
    pub fn size_limit(mut self, octets: u64) -> Self {
        self.settings.size_limit = octets;
        self
    }

    /// How long a TCP client may be silent before it gets 421; 5 minutes unless given. Zero is taken as 1 ms.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// What to say to each recipient, given the forward-path without its angle brackets;
    /// [`RecipientVerdict::by_local_part`] unless given.
    pub fn recipients(mut self, rule: impl Fn(&str) -> RecipientVerdict + Send + Sync + 'static) -> Self {
        self.settings.recipient_rule = Arc::new(rule);
        self
    }

    /// Leaves the extension with this keyword out of the EHLO reply, and refuses its use.
    pub fn without_extension(mut self, keyword: &str) -> Self {
        self.settings.hidden.push(keyword.to_ascii_uppercase());
        self
    }

    /// Makes the certificates, binds a free port of 127.0.0.1 and serves it.
    ///
    /// # Errors
    /// No port could be bound, no thread started, or the host name cannot be put in a certificate.
    pub fn start(self) -> io::Result<Sink> {
        let (authority, tls) = certificates::generate(&self.settings.host_name)?;
        let shared = Arc::new(Shared { settings: self.settings, tls, store: MessageStore::default() });
        let listener = Listener::start(Arc::clone(&shared))?;
        Ok(Sink { shared, authority, listener })
    }
}

/// What every session of a sink shares.
struct Shared {
    settings: Settings,
    tls: Arc<ServerConfig>,
    store: MessageStore,
}

impl Shared {
    /// Runs a session from greeting to end, through STARTTLS if it comes to that.
    fn serve<S: Read + Write>(&self, mut stream: S) -> io::Result<()> {
        if self.settings.tls == TlsMode::Implicit {
            return self.serve_tls(stream, Session::greet);
        }
        match Session::greet(self, false).run(&mut stream)? {
            End::Closed => Ok(()),
            End::StartTls => self.serve_tls(stream, Session::after_start_tls),
        }
    }

    fn serve_tls<'a, S: Read + Write>(
        &'a self,
        stream: S,
        session: fn(&'a Shared, bool) -> Session<'a>,
    ) -> io::Result<()> {
        let connection = ServerConnection::new(Arc::clone(&self.tls)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        session(self, true).run(&mut stream)?;
        stream.conn.send_close_notify();
        stream.flush()
    }
}
