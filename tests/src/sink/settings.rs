//! What a sink can be told to be like.

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

/// What a sink says to a RCPT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecipientVerdict {
    /// 250: the recipient is accepted.
    Accept,
    /// 550 5.1.1: there is no such mailbox.
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

pub(super) type RecipientRule = Arc<dyn Fn(&str) -> RecipientVerdict + Send + Sync>;

/// Everything a session has to know; fixed once the sink runs.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) host_name: String,
    pub(super) tls: TlsMode,
    pub(super) require_tls: bool,
    pub(super) users: Vec<User>,
    pub(super) auth_without_tls: bool,
    pub(super) require_auth: bool,
    pub(super) size_limit: u64,
    pub(super) idle_timeout: Duration,
    pub(super) recipient_rule: RecipientRule,
    /// Extension keywords not to advertise, in upper case.
    pub(super) hidden: Vec<String>,
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
            tls: TlsMode::default(),
            require_tls: false,
            users: Vec::new(),
            auth_without_tls: false,
            require_auth: false,
            size_limit: 32 * 1024 * 1024,
            idle_timeout: Duration::from_secs(300),
            recipient_rule: Arc::new(RecipientVerdict::by_local_part),
            hidden: Vec::new(),
        }
    }
}

impl Settings {
    pub(super) fn advertises(&self, keyword: &str) -> bool {
        !self.hidden.iter().any(|hidden| hidden == keyword)
    }
}
