//! What a sink can be told to be like.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// When a sink speaks TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsMode {
    /// Never; STARTTLS is not advertised.
    None,
    /// From STARTTLS on (RFC 3207).
    #[default]
    StartTls,
    /// From the first octet (RFC 8314 §3.3).
    Implicit,
}

/// Whether a sink wants a certificate of its client. One it gets has to be signed by its own authority, see
/// [`CertificateAuthority::issue_client`](super::CertificateAuthority::issue_client).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    Ignored,
    /// The client may give one.
    Requested,
    /// The TLS handshake fails without one.
    Required,
}

/// What a sink says to a RCPT, or for one recipient at the end of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientVerdict {
    /// 250: the recipient is accepted.
    Accept,
    /// 550 5.1.1 to RCPT: there is no such mailbox. 552 5.2.2 at the end of a message: it is full.
    Refuse,
    /// 450 4.2.1: not now.
    TryLater,
}

impl RecipientVerdict {
    /// The rule of a sink that was given no other: local part `nobody` is refused, `later` is put off.
    #[must_use]
    pub fn by_local_part(forward_path: &str) -> Self {
        match forward_path.rsplit_once('@').map_or(forward_path, |(local, _)| local) {
            "nobody" => RecipientVerdict::Refuse,
            "later" => RecipientVerdict::TryLater,
            _ => RecipientVerdict::Accept,
        }
    }
}

/// How many a session or transaction may have of what RFC 9422 §4 counts; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Limits {
    /// `MAILMAX`: MAIL commands in a session.
    pub mail: Option<usize>,
    /// `RCPTMAX`: RCPT commands in a transaction.
    pub rcpt: Option<usize>,
    /// `RCPTDOMAINMAX`: domains, each counted once, in the forward-paths of a transaction.
    pub rcpt_domain: Option<usize>,
}

impl Limits {
    /// The EHLO line, if there is a limit to tell.
    pub(super) fn advertisement(&self) -> Option<String> {
        let named = [("MAILMAX", self.mail), ("RCPTMAX", self.rcpt), ("RCPTDOMAINMAX", self.rcpt_domain)];
        let limits: Vec<String> =
            named.iter().filter_map(|(name, limit)| limit.map(|limit| format!("{name}={limit}"))).collect();
        (!limits.is_empty()).then(|| format!("LIMITS {}", limits.join(" ")))
    }
}

/// A reply to VRFY, EXPN, HELP, ETRN or NOOP, made up by a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub(super) code: u16,
    pub(super) enhanced: String,
    pub(super) lines: Vec<String>,
}

impl Answer {
    /// A reply of one line; `enhanced` is its enhanced status code, such as `2.1.5`.
    #[must_use]
    pub fn new(code: u16, enhanced: impl Into<String>, text: impl Into<String>) -> Self {
        Self { code, enhanced: enhanced.into(), lines: vec![text.into()] }
    }

    /// The same with another line.
    #[must_use]
    pub fn line(mut self, text: impl Into<String>) -> Self {
        self.lines.push(text.into());
        self
    }
}

/// How a sink breaks SCRAM (RFC 5802), to see whether the client notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScramFault {
    /// The server's signature is wrong: this server does not know the password.
    WrongSignature,
    /// The nonce is the server's own and does not begin with the client's.
    ForeignNonce,
    /// After the client's proof comes 235 at once, and no signature.
    NoSignature,
    /// A wrong proof is answered with `e=invalid-proof` before the 535, as RFC 5802 §7 has it; most servers
    /// do not.
    ErrorMessage,
}

pub(super) type RecipientRule = Arc<dyn Fn(&str) -> RecipientVerdict + Send + Sync>;
pub(super) type AnswerRule = Arc<dyn Fn(&str) -> Answer + Send + Sync>;

/// Everything a session has to know; fixed once the sink runs.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) host_name: String,
    pub(super) lmtp: bool,
    pub(super) unix_socket: bool,
    pub(super) chunk_failures_as_dovecot: bool,
    pub(super) tls: TlsMode,
    pub(super) client_certificates: ClientCertificates,
    pub(super) require_tls: bool,
    pub(super) users: Vec<User>,
    /// Users as above, with bearer tokens for passwords.
    pub(super) tokens: Vec<User>,
    /// Who may act for whom with EXTERNAL: a certificate's common name and an authorization identity.
    pub(super) identities: Vec<(String, String)>,
    pub(super) anonymous: bool,
    /// The mechanisms to offer, in order and in upper case, if not all that can be.
    pub(super) mechanisms: Option<Vec<String>>,
    pub(super) scram_iterations: u32,
    pub(super) scram_fault: Option<ScramFault>,
    pub(super) auth_without_tls: bool,
    pub(super) require_auth: bool,
    pub(super) size_limit: u64,
    pub(super) limits: Limits,
    pub(super) enforced_limits: Limits,
    pub(super) idle_timeout: Duration,
    pub(super) recipient_rule: RecipientRule,
    pub(super) final_rule: RecipientRule,
    /// By verb, in upper case.
    pub(super) answers: HashMap<String, AnswerRule>,
    /// EHLO lines beyond those of every sink, keywords in upper case.
    pub(super) added: Vec<String>,
    /// Extension keywords not to advertise, in upper case.
    pub(super) hidden: Vec<String>,
    /// A command that comes too early is answered as OpenSMTPD does.
    pub(super) punish_pipelining: bool,
}

/// Someone who may authenticate.
#[derive(Clone)]
pub(super) struct User {
    pub(super) name: String,
    pub(super) password: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host_name: "localhost".to_owned(),
            lmtp: false,
            unix_socket: false,
            chunk_failures_as_dovecot: false,
            tls: TlsMode::default(),
            client_certificates: ClientCertificates::default(),
            require_tls: false,
            users: Vec::new(),
            tokens: Vec::new(),
            identities: Vec::new(),
            anonymous: false,
            mechanisms: None,
            scram_iterations: 4096,
            scram_fault: None,
            auth_without_tls: false,
            require_auth: false,
            size_limit: 32 * 1024 * 1024,
            limits: Limits::default(),
            enforced_limits: Limits::default(),
            idle_timeout: Duration::from_secs(300),
            recipient_rule: Arc::new(RecipientVerdict::by_local_part),
            final_rule: Arc::new(|_| RecipientVerdict::Accept),
            answers: HashMap::new(),
            added: Vec::new(),
            hidden: Vec::new(),
            punish_pipelining: false,
        }
    }
}

impl Settings {
    /// Whether the extension with this keyword is not hidden.
    pub(super) fn advertises(&self, keyword: &str) -> bool {
        !self.hidden.iter().any(|hidden| hidden == keyword)
    }
}
