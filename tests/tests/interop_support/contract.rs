//! What `tests/interop/run` says of its servers; its head is the reference.

use std::path::PathBuf;

use smtp_proto::connection::{Protocol, Quirks, TlsPolicy};
use smtp_proto::{Config, Error};

use super::client::{Adapter, Client, patience};
use super::mail::{Form, Mailbox};

pub(crate) fn variable(name: &str) -> Option<String> {
    assert!(std::env::var_os("SMTP_INTEROP").is_some(), "no servers: run tests/interop/run");
    std::env::var(name).ok()
}

/// A server that `tests/interop/run` has started.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) name: String,
}

/// The servers to test against.
pub(crate) fn servers() -> Vec<Server> {
    let names = variable("SMTP_INTEROP_SERVERS").expect("SMTP_INTEROP_SERVERS");
    names.split_whitespace().map(|name| Server { name: name.to_owned() }).collect()
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// STARTTLS, and mail after AUTH only.
    Submission,
    /// The same under implicit TLS.
    Smtps,
    /// AUTH in clear text, mail after that only.
    Clear,
    /// Mail from anyone.
    Mx,
    /// LMTP, from anyone.
    Lmtp,
}

impl Kind {
    /// All of them.
    pub(crate) const ALL: [Self; 5] = [Self::Submission, Self::Smtps, Self::Clear, Self::Mx, Self::Lmtp];
    /// Those that speak SMTP.
    pub(crate) const SMTP: [Self; 4] = [Self::Submission, Self::Smtps, Self::Clear, Self::Mx];
    /// Where mail is taken after AUTH only.
    pub(crate) const WITH_AUTH: [Self; 3] = [Self::Submission, Self::Smtps, Self::Clear];
    pub(crate) const WITH_TLS: [Self; 2] = [Self::Submission, Self::Smtps];

    fn variable(self) -> &'static str {
        match self {
            Kind::Submission => "SUBMISSION",
            Kind::Smtps => "SMTPS",
            Kind::Clear => "CLEAR",
            Kind::Mx => "MX",
            Kind::Lmtp => "LMTP",
        }
    }

    pub(crate) fn policy(self) -> TlsPolicy {
        match self {
            Kind::Submission => TlsPolicy::Required,
            Kind::Smtps => TlsPolicy::Implicit,
            Kind::Clear | Kind::Mx | Kind::Lmtp => TlsPolicy::None,
        }
    }

    pub(crate) fn wants_auth(self) -> bool {
        Self::WITH_AUTH.contains(&self)
    }
}

impl Server {
    pub(crate) fn named(name: &str) -> Self {
        let found = servers().into_iter().find(|server| server.name == name);
        found.unwrap_or_else(|| panic!("{name} is not running: tests/interop/run"))
    }

    /// What the environment says of this server.
    pub(crate) fn get(&self, what: &str) -> Option<String> {
        variable(&format!("SMTP_INTEROP_{}_{what}", self.name.to_uppercase().replace('-', "_")))
    }

    /// The address of a listener that only this server has.
    pub(crate) fn address(&self, what: &str) -> String {
        self.get(what).unwrap_or_else(|| panic!("{} has no {what}", self.name))
    }

    pub(crate) fn listener(&self, kind: Kind) -> Option<Listener> {
        let address = self.get(kind.variable())?;
        Some(Listener { server: self.clone(), kind, address })
    }

    /// The one listener for a message, where any will do.
    pub(crate) fn any_listener(&self) -> Listener {
        let kinds = [Kind::Submission, Kind::Mx];
        kinds.into_iter().find_map(|kind| self.listener(kind)).expect("a listener")
    }

    /// Where mail that came by SMTP is read back.
    pub(crate) fn mailbox(&self) -> Mailbox {
        self.mailbox_of("")
    }

    fn mailbox_of(&self, prefix: &str) -> Mailbox {
        let form = match self.address(&format!("{prefix}FORM")).as_str() {
            "exact" => Form::Exact,
            "crlf" => Form::Crlf,
            "lf" => Form::Lf,
            "body" => Form::Body,
            other => panic!("no such form: {other}"),
        };
        Mailbox { folder: PathBuf::from(self.address(&format!("{prefix}MAIL"))), form }
    }
}

/// One port of a server.
#[derive(Debug, Clone)]
pub(crate) struct Listener {
    pub(crate) server: Server,
    pub(crate) kind: Kind,
    pub(crate) address: String,
}

impl Listener {
    pub(crate) fn config(&self) -> Config {
        let protocol = if self.kind == Kind::Lmtp { Protocol::Lmtp } else { Protocol::Smtp };
        Config::new("localhost").tls(self.kind.policy()).protocol(protocol).timeouts(patience())
    }

    pub(crate) fn connect(&self, adapter: Adapter) -> Client {
        self.connect_with(adapter, self.config()).unwrap()
    }

    pub(crate) fn connect_with(&self, adapter: Adapter, config: Config) -> Result<Client, Error> {
        Client::connect(adapter, &self.address, config)
    }

    /// Connected, and authenticated where mail needs that.
    pub(crate) fn ready_client(&self, adapter: Adapter) -> Client {
        self.ready_client_with(adapter, self.config())
    }

    /// [`ready_client`](Self::ready_client), with settings of the test's own.
    pub(crate) fn ready_client_with(&self, adapter: Adapter, config: Config) -> Client {
        let mut client = self.connect_with(adapter, config).unwrap();
        if self.kind.wants_auth() {
            let offered = client.capabilities().unwrap();
            let offered = offered.get("AUTH").unwrap_or_default();
            let mut mechanism = super::mechanisms(offered, "secret").remove(0);
            client.auth(&mut *mechanism).unwrap();
        }
        client
    }

    /// Settings for a batch that goes after DATA. RFC 2920 §3.1 lets MAIL follow the end of a message in one group,
    /// and two servers cannot have it: their own tests show what they do.
    pub(crate) fn config_for_batches_after_data(&self) -> Config {
        let one_by_one = match &*self.server.name {
            "dovecot" => self.kind != Kind::Lmtp,
            _ => false,
        };
        let quirks = if one_by_one { Quirks::new().no_pipelining() } else { Quirks::new() };
        self.config().quirks(quirks)
    }

    fn prefix(&self) -> &'static str {
        if self.kind == Kind::Lmtp { "LMTP_" } else { "" }
    }

    /// Where mail that came here is read back.
    pub(crate) fn mailbox(&self) -> Mailbox {
        self.server.mailbox_of(self.prefix())
    }

    /// Whether this recipient of example.test is refused.
    pub(crate) fn refuses(&self, local_part: &str) -> bool {
        let refused = self.server.get(&format!("{}REFUSES", self.prefix())).unwrap_or_default();
        refused.split(' ').any(|name| name == local_part)
    }

    /// Whether it advertises this keyword in clear text: what matters for mail is offered there as well.
    pub(crate) fn offers(&self, keyword: &str) -> bool {
        let kind = if self.kind == Kind::Smtps { Kind::Submission } else { self.kind };
        let lines = self.server.get(&format!("{}_EHLO", kind.variable())).unwrap_or_default();
        lines.split('|').any(|line| line.split(' ').next() == Some(keyword))
    }

    /// What it should advertise, sorted; `None` where that is not laid down.
    pub(crate) fn advertised(&self, when: When) -> Option<Vec<String>> {
        let of = |kind: Kind| self.server.get(&format!("{}_EHLO{}", kind.variable(), when.suffix()));
        let lines =
            of(self.kind).or_else(|| (self.kind == Kind::Smtps).then(|| of(Kind::Submission)).flatten())?;
        Some(sorted(lines.split('|').filter(|line| !line.is_empty()).map(str::to_owned)))
    }
}

/// When EHLO is said.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    InClear,
    UnderTls,
    AfterAuth,
}

impl When {
    fn suffix(self) -> &'static str {
        match self {
            When::InClear => "",
            When::UnderTls => "_TLS",
            When::AfterAuth => "_AUTH",
        }
    }
}

pub(crate) fn sorted(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = lines.collect();
    lines.sort();
    lines
}
