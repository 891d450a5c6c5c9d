//! A sink: a small SMTP server that accepts mail and keeps it, for tests that need someone to send to.
//!
//! It listens on a free port of 127.0.0.1, and on a Unix socket if told to, one thread per connection, and
//! speaks RFC 5321 or LMTP with PIPELINING, SIZE, 8BITMIME, SMTPUTF8, ENHANCEDSTATUSCODES, CHUNKING,
//! BINARYMIME, DSN, STARTTLS (with a certificate authority made for the occasion) and, under TLS, REQUIRETLS.
//! There is AUTH once it is told of users, tokens or the like: PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256 with and
//! without channel binding, XOAUTH2, OAUTHBEARER, EXTERNAL, ANONYMOUS. On request there are LIMITS, DELIVERBY,
//! MT-PRIORITY, FUTURERELEASE, XCLIENT and ETRN. Each can be switched off with
//! [`Builder::without_extension`].
//!
//! It is strict where a client's fault would otherwise go unseen: every line ends in CRLF, a bare CR or LF in
//! a body has the message refused, and so has an octet that the body was not declared to have, nothing may
//! follow STARTTLS in clear, only what was advertised is taken, only what RFC 2920 allows is pipelined. Each
//! such fault is noted, see [`Sink::client_errors`]. It shares no code with the client crates, so that a
//! misunderstanding in one does not hide behind the same misunderstanding in the other.
//!
//! The replies to what came in one read are written in one write, before the next read.
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
//!
//! A delivery agent that speaks LMTP over a Unix socket, is short of room for one recipient, and has a limit
//! that it does not tell of:
//!
//! ```
//! use smtp_tests::sink::{Limits, RecipientVerdict, Sink};
//!
//! let sink = Sink::builder()
//!     .lmtp()
//!     .unix_socket()
//!     .final_replies(|path| match path {
//!         "full@example.org" => RecipientVerdict::Refuse,
//!         _ => RecipientVerdict::Accept,
//!     })
//!     .enforced_limits(Limits { rcpt: Some(10), ..Limits::default() })
//!     .without_extension("CHUNKING")
//!     .start()?;
//! let path = sink.unix_path(); // where to connect to
//! # drop(path);
//! // ... the client under test does its work ...
//! assert_eq!(sink.client_errors(), []);
//! # Ok::<(), std::io::Error>(())
//! ```

mod body;
mod builder;
mod certificates;
mod command;
mod listener;
mod parameters;
mod path;
mod sasl;
mod session;
mod settings;
mod socket;
mod store;
mod time;
mod tls;
mod wire;

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};

pub use builder::Builder;
pub use certificates::{CertificateAuthority, ClientCertificate};
pub use settings::{Answer, ClientCertificates, Limits, RecipientVerdict, ScramFault, TlsMode};
pub use store::{BareLineEnds, ClientError, Message};

use certificates::ServerTls;
use listener::Listener;
use session::{End, Session};
use settings::Settings;
use socket::Socket;
use store::MessageStore;
use tls::TlsFacts;

/// A running sink. Dropping it closes every connection and waits for its threads.
pub struct Sink {
    shared: Arc<Shared>,
    authority: CertificateAuthority,
    address: SocketAddr,
    #[cfg(unix)]
    unix_path: Option<std::path::PathBuf>,
    /// Held for what dropping them does.
    _listeners: Vec<Listener>,
}

impl Sink {
    /// A sink yet to be described and started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn start(settings: Settings, authority: CertificateAuthority, tls: ServerTls) -> io::Result<Self> {
        let (socket, address) = Socket::tcp()?;
        let mut sockets = vec![socket];
        #[cfg(unix)]
        let unix_path = if settings.unix_socket {
            let (socket, path) = Socket::unix()?;
            sockets.push(socket);
            Some(path)
        } else {
            None
        };
        let shared = Arc::new(Shared { settings, tls, store: MessageStore::default() });
        let listeners = sockets.into_iter().map(|socket| Listener::start(socket, Arc::clone(&shared)));
        Ok(Self {
            _listeners: listeners.collect::<io::Result<_>>()?,
            shared,
            authority,
            address,
            #[cfg(unix)]
            unix_path,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The path of its Unix socket, if it was given one with [`Builder::unix_socket`]. The socket is in a
    /// directory of its own, gone with the sink.
    #[cfg(unix)]
    #[must_use]
    pub fn unix_path(&self) -> Option<&std::path::Path> {
        self.unix_path.as_deref()
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

    /// How many bare CRs and LFs bodies have had so far. A message with any was refused, unless it was sent as
    /// BINARYMIME, where they are not counted.
    #[must_use]
    pub fn bare_line_ends(&self) -> BareLineEnds {
        self.shared.store.bare()
    }

    /// What clients have got wrong so far, in order: each command or message that was refused because the
    /// client broke a rule, not because of who or what it was about. A client that behaves leaves none.
    #[must_use]
    pub fn client_errors(&self) -> Vec<ClientError> {
        self.shared.store.client_errors()
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

/// What every session of a sink shares.
struct Shared {
    settings: Settings,
    tls: ServerTls,
    store: MessageStore,
}

impl Shared {
    /// Runs a session from greeting to end, through STARTTLS if it comes to that.
    fn serve<S: Read + Write>(&self, mut stream: S) -> io::Result<()> {
        if self.settings.tls == TlsMode::Implicit {
            return self.serve_tls(stream, Session::greet);
        }
        match Session::greet(self, None).run(&mut stream)? {
            End::Closed => Ok(()),
            End::StartTls => self.serve_tls(stream, Session::after_start_tls),
        }
    }

    fn serve_tls<'a, S: Read + Write>(
        &'a self,
        stream: S,
        session: fn(&'a Shared, Option<TlsFacts>) -> Session<'a>,
    ) -> io::Result<()> {
        let connection = ServerConnection::new(Arc::clone(&self.tls.config)).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            if let (0, 0) = stream.conn.complete_io(&mut stream.sock)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let facts = TlsFacts::of(&stream.conn, &self.tls).map_err(io::Error::other)?;
        session(self, Some(facts)).run(&mut stream)?;
        stream.conn.send_close_notify();
        stream.flush()
    }
}
