//! What the caller settles before the session begins: every axis of `Config`, and what the server will offer.

use smtp_proto::connection::{Config, Peer, Protocol, Quirks, TlsPolicy, Window};
use smtp_proto::reply::ReplyLimits;

/// The host that the connection is to.
pub(super) const HOST: &str = "mail.example";

/// The first field of the input: letters, and behind a space the lines with which the server answers EHLO, a `|`
/// between two.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) tls: TlsPolicy,
    pub(super) lmtp: bool,
    pub(super) peer: Peer,
    pub(super) allow_plaintext: bool,
    pub(super) window: Window,
    pub(super) limits: ReplyLimits,
    pub(super) eager: bool,
    pub(super) force_helo: bool,
    pub(super) no_initial_response: bool,
    /// Keywords that the quirks take away.
    pub(super) ignored: Vec<&'static str>,
    /// What the server offers.
    pub(super) offers: Vec<Vec<u8>>,
}

/// Offered where the input names nothing.
const EVERYTHING: &[u8] = b"PIPELINING|SIZE 1000|8BITMIME|SMTPUTF8|STARTTLS|CHUNKING|BINARYMIME|DSN|ETRN|REQUIRETLS|\
    DELIVERBY 60|MT-PRIORITY|FUTURERELEASE 86400 2030-01-01T00:00:00Z|LIMITS RCPTMAX=3 MAILMAX=9|XCLIENT NAME ADDR PORT|\
    AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS SCRAM-SHA-256";

impl Settings {
    pub(super) fn read(field: &[u8]) -> Self {
        let space = field.iter().position(|&octet| octet == b' ');
        let (letters, offers) = match space {
            Some(at) => (&field[..at], &field[at + 1..]),
            None => (field, EVERYTHING),
        };
        let has = |letter: u8| letters.contains(&letter);
        let tls = match () {
            () if has(b'r') => TlsPolicy::Required,
            () if has(b'i') => TlsPolicy::Implicit,
            () if has(b'o') => TlsPolicy::Opportunistic,
            () => TlsPolicy::None,
        };
        let mut window = Window::default();
        if has(b'w') {
            (window.commands, window.octets, window.chunks, window.chunk_octets) = (3, 120, 2, 5);
        }
        if has(b'1') {
            (window.commands, window.octets, window.chunks, window.chunk_octets) = (1, 1, 1, 1);
        }
        if has(b'0') {
            (window.commands, window.octets, window.chunks, window.chunk_octets) = (0, 0, 0, 0);
        }
        let limits = ReplyLimits::default();
        let limits = if has(b't') { limits.with_line(40).with_lines(4).with_reply(120) } else { limits };
        let ignored = [(b's', "PIPELINING"), (b'c', "chunking"), (b'z', "Size"), (b'u', "AUTH")];
        Self {
            tls,
            lmtp: has(b'l'),
            peer: if has(b'p') { Peer::Local } else { Peer::Remote },
            allow_plaintext: has(b'a'),
            window,
            limits,
            eager: has(b'e'),
            force_helo: has(b'h'),
            no_initial_response: has(b'k'),
            ignored: ignored
                .into_iter()
                .filter(|(letter, _)| has(*letter))
                .map(|(_, keyword)| keyword)
                .collect(),
            offers: offers.split(|&octet| octet == b'|').map(<[u8]>::to_vec).collect(),
        }
    }

    pub(super) fn config(&self) -> Config {
        let mut quirks = Quirks::new();
        for keyword in &self.ignored {
            quirks = quirks.ignore(keyword);
        }
        if self.force_helo {
            quirks = quirks.force_helo();
        }
        if self.no_initial_response {
            quirks = quirks.no_initial_response();
        }
        Config::new(HOST)
            .tls(self.tls)
            .protocol(if self.lmtp { Protocol::Lmtp } else { Protocol::Smtp })
            .allow_plaintext_auth(self.allow_plaintext)
            .window(self.window)
            .limits(self.limits)
            .eager_chunks(self.eager)
            .quirks(quirks)
    }

    /// Whether a secret may leave without TLS.
    pub(super) fn secrets_in_clear(&self) -> bool {
        self.peer == Peer::Local || self.allow_plaintext
    }
}
