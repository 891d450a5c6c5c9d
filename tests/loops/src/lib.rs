//! What the six loops in `examples` have in common, and what is not SMTP: the message to send, TLS for those that have
//! no TLS stream, and a demonstration that needs no other server.
//!
//! `cargo run --example loop_std`, `loop_mio`, `loop_polling`, `loop_smol`, `loop_io_uring`, `loop_no_std`: each
//! sends over STARTTLS with AUTH to a server that it brings along, which refuses one recipient; and then to one that
//! falls silent, to show the deadline.

mod channel;
mod demonstration;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use smtp_proto::connection::{Config, Connection, Peer, Timeouts};
use smtp_proto::flow::{Body, Delivery, Envelope, LogIn, SendOptions, Submit};
use smtp_proto::sasl::Credentials;
use smtp_proto::{Error, SendError};
use smtp_tests::sink::Sink;

pub use channel::Channel;
pub use demonstration::{demonstrate, show};

/// What became of one message.
pub type Outcome = Result<Delivery, SendError>;

/// What a loop is to do: send this, as this user, over TLS.
pub struct Letter {
    /// The settings of the session.
    pub config: Arc<Config>,
    /// Whom to trust.
    pub tls: Arc<ClientConfig>,
    /// Who sends.
    pub credentials: Credentials,
    /// From whom and to whom.
    pub envelope: Envelope,
    /// Header and body.
    pub message: Vec<u8>,
    /// Whether the session is shown.
    pub shown: bool,
}

impl Letter {
    /// A letter that the sink takes for one of its two recipients.
    ///
    /// # Errors
    /// The sink's authority cannot be trusted.
    pub fn new(sink: &Sink) -> io::Result<Self> {
        let addresses = || -> Result<(Envelope, Config), Error> {
            let envelope =
                Envelope::from_strs("alice@example.org", &["bob@example.net", "nobody@example.net"])?;
            Ok((envelope, Config::new("localhost").client_name("loops.example".parse()?)))
        };
        let (envelope, config) = addresses().map_err(io::Error::other)?;
        Ok(Self {
            config: Arc::new(config),
            tls: sink.certificate_authority().client_config()?,
            credentials: Credentials::password("alice", "wonderland"),
            envelope,
            message: b"From: Alice <alice@example.org>\r\n\
                Subject: Hello from a loop of one's own\r\n\
                \r\n\
                .This line begins with a dot, and arrives with one.\r\n"
                .to_vec(),
            shown: false,
        })
    }

    /// A sink that knows the letter's sender, and wants TLS and AUTH.
    ///
    /// # Errors
    /// As [`start`](smtp_tests::sink::Builder::start).
    pub fn sink() -> io::Result<Sink> {
        Sink::builder().user("alice", "wonderland").require_tls().require_auth().start()
    }

    /// The same letter, with so much time for each step.
    #[must_use]
    pub fn in_time(mut self, budget: Duration) -> Self {
        self.config = Arc::new((*self.config).clone().timeouts(Timeouts::all(budget)));
        self
    }

    /// The session, on a transport that has just been connected to `address`.
    #[must_use]
    pub fn connection(&self, address: SocketAddr) -> Connection {
        let mut connection = Connection::new(Arc::clone(&self.config), Peer::of(address.ip()));
        if self.shown {
            connection.set_transcript(|entry| println!("{entry}"));
        }
        connection
    }

    /// The flow from the greeting to QUIT.
    #[must_use]
    pub fn submit(&self) -> Submit<'_> {
        Submit::new(&self.envelope, Body::Whole(&self.message), SendOptions::default())
            .log_in(LogIn::new(&self.credentials))
    }
}
