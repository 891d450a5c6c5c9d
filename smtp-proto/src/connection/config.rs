//! What the caller decides about a connection before it begins.

use alloc::sync::Arc;

use super::{Quirks, Timeouts, Window};
use crate::path::ClientName;
use crate::reply::ReplyLimits;

/// The settings of a connection. One value can serve any number of connections.
///
/// ```
/// use smtp_proto::connection::{Config, TlsPolicy};
///
/// let config = Config::new("mail.example.org")
///     .client_name("client.example.net".parse()?)
///     .tls(TlsPolicy::Required);
/// assert_eq!(config.host(), "mail.example.org");
/// # Ok::<(), smtp_proto::path::AddressError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Config {
    pub(crate) host: Arc<str>,
    pub(crate) client_name: Option<ClientName>,
    pub(crate) protocol: Protocol,
    pub(crate) tls: TlsPolicy,
    pub(crate) allow_plaintext_auth: bool,
    pub(crate) timeouts: Timeouts,
    pub(crate) limits: ReplyLimits,
    pub(crate) window: Window,
    pub(crate) eager_chunks: bool,
    pub(crate) quirks: Quirks,
}

impl Config {
    /// Settings for a server reached under the name `host`: the name that its certificate has to carry and
    /// that credentials are bound to. Everything else has its default; TLS is required.
    #[must_use]
    pub fn new(host: &str) -> Self {
        Self {
            host: host.into(),
            client_name: None,
            protocol: Protocol::default(),
            tls: TlsPolicy::default(),
            allow_plaintext_auth: false,
            timeouts: Timeouts::default(),
            limits: ReplyLimits::default(),
            window: Window::default(),
            eager_chunks: false,
            quirks: Quirks::default(),
        }
    }

    /// The name given in EHLO (RFC 5321 §4.1.1.1). The adapters' default is the address literal of the local
    /// socket; without an adapter it is `[127.0.0.1]`.
    #[must_use]
    pub fn client_name(mut self, name: ClientName) -> Self {
        self.client_name = Some(name);
        self
    }

    /// Which of the two protocols is spoken.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// When TLS is used.
    #[must_use]
    pub fn tls(mut self, policy: TlsPolicy) -> Self {
        self.tls = policy;
        self
    }

    /// Allows mechanisms that reveal the password to be used in clear text with a peer that is not local.
    /// Anyone on the path can then read it.
    #[must_use]
    pub fn allow_plaintext_auth(mut self, allow: bool) -> Self {
        self.allow_plaintext_auth = allow;
        self
    }

    /// The time budgets.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// The bounds on what the server may send.
    #[must_use]
    pub fn limits(mut self, limits: ReplyLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Lets the first chunk of a session leave before the server has accepted a recipient, which saves one round
    /// trip a session. It is for a server that is known to discard the octets of a `BDAT` that it refuses, as
    /// RFC 3030 §2 demands: one that wants AUTH or TLS first may read them as commands
    /// (see [`Connection::wants_body`](super::Connection::wants_body)).
    #[must_use]
    pub fn eager_chunks(mut self, eager: bool) -> Self {
        self.eager_chunks = eager;
        self
    }

    /// How much may be in flight at once.
    #[must_use]
    pub fn window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// What is known of the server's failings.
    #[must_use]
    pub fn quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
        self
    }

    /// The host name these settings are for.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether a name for EHLO was set.
    #[must_use]
    pub fn has_client_name(&self) -> bool {
        self.client_name.is_some()
    }

    /// The time budgets.
    #[must_use]
    pub fn get_timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Whether LMTP is spoken.
    #[must_use]
    pub fn is_lmtp(&self) -> bool {
        self.protocol == Protocol::Lmtp
    }

    /// The port on which such a server is to be expected, as an adapter uses it where none is given.
    ///
    /// | | port | |
    /// |---|---|---|
    /// | SMTP under [`TlsPolicy::Implicit`] | 465 | `submissions` (RFC 8314 §7.3) |
    /// | SMTP otherwise | 587 | `submission` (RFC 6409 §3.1) |
    /// | LMTP | 24 | none is registered for it, and 25 is forbidden (RFC 2033) |
    ///
    /// Port 25 is where servers give mail to each other: it is for a client that looks up the MX of a domain itself, many
    /// networks block it for all others, and a server need not take mail there for anybody but its own domains. So it has
    /// to be asked for.
    ///
    /// ```
    /// use smtp_proto::connection::{Config, TlsPolicy};
    ///
    /// let config = Config::new("mail.example.org");
    /// assert_eq!(config.default_port(), 587);
    /// assert_eq!(config.tls(TlsPolicy::Implicit).default_port(), 465);
    /// ```
    #[must_use]
    pub fn default_port(&self) -> u16 {
        match (self.protocol, self.tls) {
            (Protocol::Lmtp, _) => 24,
            (Protocol::Smtp, TlsPolicy::Implicit) => 465,
            (Protocol::Smtp, TlsPolicy::Required | TlsPolicy::Opportunistic | TlsPolicy::None) => 587,
        }
    }

    /// When TLS is used.
    #[must_use]
    pub fn tls_policy(&self) -> TlsPolicy {
        self.tls
    }
}

/// Which protocol a connection speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// SMTP (RFC 5321).
    #[default]
    Smtp,
    /// LMTP (RFC 2033): LHLO in place of EHLO, and after the message one reply for each recipient that was
    /// accepted. It is not spoken on port 25.
    Lmtp,
}

/// When a connection uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum TlsPolicy {
    /// STARTTLS, or the session ends before anything else is said (RFC 3207, RFC 8314 §3.3).
    #[default]
    Required,
    /// TLS from the first octet, usually on port 465 (RFC 8314 §3.3).
    Implicit,
    /// STARTTLS if the server offers it, clear text if not: anyone on the path can take the offer away. A
    /// STARTTLS that was offered and then fails ends the session, and to authenticate, with whatever mechanism, still
    /// takes TLS or a local peer.
    Opportunistic,
    /// Nothing on its own accord; the caller may still ask for STARTTLS.
    None,
}

/// Where the peer is, judged by the adapter from the socket's *peer address* and never from a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// On this machine: a loopback address (127.0.0.0/8, ::1) or a Unix socket.
    Local,
    /// Anywhere else, or not known.
    Remote,
}

impl Peer {
    /// Judges the address a socket is connected to.
    ///
    /// ```
    /// use smtp_proto::connection::Peer;
    /// assert_eq!(Peer::of("127.8.0.1".parse().unwrap()), Peer::Local);
    /// assert_eq!(Peer::of("::ffff:127.0.0.1".parse().unwrap()), Peer::Local);
    /// assert_eq!(Peer::of("0.0.0.0".parse().unwrap()), Peer::Remote);
    /// assert_eq!(Peer::of("192.168.0.1".parse().unwrap()), Peer::Remote);
    /// ```
    #[must_use]
    pub fn of(address: core::net::IpAddr) -> Self {
        if address.to_canonical().is_loopback() { Peer::Local } else { Peer::Remote }
    }
}
