//! The description of a sink before it runs.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::settings::{
    Answer, ClientCertificates, Limits, RecipientVerdict, ScramFault, Settings, TlsMode, User,
};
use super::{Sink, certificates};

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

    /// Speaks LMTP (RFC 2033) in place of SMTP: LHLO and no EHLO or HELO, and at the end of a message one reply
    /// for each recipient that was accepted.
    pub fn lmtp(mut self) -> Self {
        self.settings.lmtp = true;
        self
    }

    /// Under LMTP, answers a BDAT LAST that comes after a failed chunk with one reply, and `BDAT 0 LAST` without
    /// recipients with one, too. RFC 2033 §4.3 has it that there are as many replies as recipients; Dovecot does
    /// this.
    pub fn chunk_failures_as_dovecot(mut self) -> Self {
        self.settings.chunk_failures_as_dovecot = true;
        self
    }

    /// Listens on a Unix socket, too; [`Sink::unix_path`] tells where.
    #[cfg(unix)]
    pub fn unix_socket(mut self) -> Self {
        self.settings.unix_socket = true;
        self
    }

    // ---- TLS ----

    /// When to speak TLS; from STARTTLS on unless given.
    pub fn tls(mut self, mode: TlsMode) -> Self {
        self.settings.tls = mode;
        self
    }

    /// Whether the client is to show a certificate; it is not asked for one unless given.
    pub fn client_certificates(mut self, wanted: ClientCertificates) -> Self {
        self.settings.client_certificates = wanted;
        self
    }

    /// Refuses mail in clear with 530.
    pub fn require_tls(mut self) -> Self {
        self.settings.require_tls = true;
        self
    }

    // ---- AUTH ----

    /// Lets `name` authenticate with `password`, by PLAIN, LOGIN, CRAM-MD5, SCRAM-SHA-256 and, under TLS,
    /// SCRAM-SHA-256-PLUS. AUTH is offered under TLS only unless
    /// [`auth_without_tls`](Self::auth_without_tls) is set.
    pub fn user(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.settings.users.push(User { name: name.into(), password: password.into() });
        self
    }

    /// Lets `name` authenticate with a bearer token, by XOAUTH2 and OAUTHBEARER (RFC 7628).
    pub fn token(mut self, name: impl Into<String>, token: impl Into<String>) -> Self {
        self.settings.tokens.push(User { name: name.into(), password: token.into() });
        self
    }

    /// Lets whoever has a client certificate with this common name act as `identity` with EXTERNAL
    /// (RFC 4422 appendix A); as that common name they may act in any case.
    pub fn external_identity(mut self, common_name: impl Into<String>, identity: impl Into<String>) -> Self {
        self.settings.identities.push((common_name.into(), identity.into()));
        self
    }

    /// Offers ANONYMOUS (RFC 4505); who uses it is `anonymous`.
    pub fn anonymous(mut self) -> Self {
        self.settings.anonymous = true;
        self
    }

    /// The mechanisms to offer, in this order; those that cannot be used are left out all the same: none
    /// without users, tokens or the like, `SCRAM-SHA-256-PLUS` only under TLS, `EXTERNAL` only to a client
    /// with a certificate.
    pub fn mechanisms(mut self, names: &[&str]) -> Self {
        self.settings.mechanisms = Some(names.iter().map(|name| name.to_ascii_uppercase()).collect());
        self
    }

    /// SCRAM's iteration count; 4096 unless given. Above a million the sink names the count and refuses the
    /// proof, it does not do the work.
    pub fn scram_iterations(mut self, count: u32) -> Self {
        self.settings.scram_iterations = count;
        self
    }

    /// Breaks SCRAM.
    pub fn scram_fault(mut self, fault: ScramFault) -> Self {
        self.settings.scram_fault = Some(fault);
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

    // ---- mail ----

    /// The largest message accepted, in octets; 32 MiB unless given.
    pub fn size_limit(mut self, octets: u64) -> Self {
        self.settings.size_limit = octets;
        self
    }

    /// Advertises limits (RFC 9422) and enforces them with 452 4.5.3.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.settings.limits = limits;
        self.settings.enforced_limits = limits;
        self
    }

    /// Enforces other limits than those advertised; a later [`limits`](Self::limits) undoes this.
    pub fn enforced_limits(mut self, limits: Limits) -> Self {
        self.settings.enforced_limits = limits;
        self
    }

    /// What to say to each recipient, given the forward-path without its angle brackets;
    /// [`RecipientVerdict::by_local_part`] unless given.
    pub fn recipients(mut self, rule: impl Fn(&str) -> RecipientVerdict + Send + Sync + 'static) -> Self {
        self.settings.recipient_rule = Arc::new(rule);
        self
    }

    /// What to say for each recipient at the end of a message, under LMTP; accepted unless given. Under SMTP,
    /// where there is one reply, it is that for the first recipient.
    pub fn final_replies(mut self, rule: impl Fn(&str) -> RecipientVerdict + Send + Sync + 'static) -> Self {
        self.settings.final_rule = Arc::new(rule);
        self
    }

    // ---- the session ----

    /// How long a client may be silent before it gets 421; 5 minutes unless given. Zero is taken as 1 ms.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle_timeout = timeout.max(Duration::from_millis(1));
        self
    }

    /// Answers a verb by this rule, which is given the command's arguments: `VRFY`, `EXPN`, `HELP`, `ETRN`
    /// (RFC 1985) or `NOOP`. All but the last are advertised with it; ETRN is refused without.
    ///
    /// ```
    /// use smtp_tests::sink::{Answer, Sink};
    ///
    /// let sink = Sink::builder()
    ///     .answer("VRFY", |who| match who {
    ///         "alice" => Answer::new(250, "2.1.5", "<alice@example.org>"),
    ///         _ => Answer::new(550, "5.1.1", "Nobody of that name"),
    ///     })
    ///     .answer("EXPN", |_| Answer::new(250, "2.1.5", "<a@example.org>").line("<b@example.org>"));
    /// # drop(sink);
    /// ```
    pub fn answer(mut self, verb: &str, rule: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        self.settings.answers.insert(verb.to_ascii_uppercase(), Arc::new(rule));
        self
    }

    /// Adds a line to the EHLO reply, keyword and arguments, and takes what belongs to it if it is one of
    /// `DELIVERBY 60` (RFC 2852), `MT-PRIORITY MIXER` (RFC 6710), `FUTURERELEASE 86400 2030-01-01T00:00:00Z`
    /// (RFC 4865) or `XCLIENT NAME ADDR PORT PROTO HELO LOGIN` (Postfix), with the arguments given.
    pub fn with_extension(mut self, line: &str) -> Self {
        let (keyword, arguments) = line.split_at(line.find(' ').unwrap_or(line.len()));
        self.settings.added.push(format!("{}{arguments}", keyword.to_ascii_uppercase()));
        self
    }

    /// Leaves the extension with this keyword out of the EHLO reply, and refuses its use.
    pub fn without_extension(mut self, keyword: &str) -> Self {
        self.settings.hidden.push(keyword.to_ascii_uppercase());
        self
    }

    /// Does not offer PIPELINING, and sends a client that does it all the same away as OpenSMTPD would, with
    /// `500 5.5.1 Pipelining not supported`.
    pub fn punish_pipelining(mut self) -> Self {
        self.settings.punish_pipelining = true;
        self.without_extension("PIPELINING")
    }

    /// Makes the certificates, binds a free port of 127.0.0.1 and serves it.
    ///
    /// # Errors
    /// No port or socket could be bound, no thread started, or the host name cannot be put in a certificate.
    pub fn start(self) -> io::Result<Sink> {
        let (authority, tls) =
            certificates::generate(&self.settings.host_name, self.settings.client_certificates)?;
        Sink::start(self.settings, authority, tls)
    }
}
