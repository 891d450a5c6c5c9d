//! EHLO, HELO and LHLO, STARTTLS and XCLIENT: who is there, and what may be used from here on.

use super::super::sasl::Context;
use super::super::settings::TlsMode;
use super::{End, Session};

/// Who said EHLO, HELO or LHLO.
pub(super) struct Client {
    pub(super) name: String,
    /// It was not HELO.
    extended: bool,
}

impl Session<'_> {
    pub(super) fn greeting(&mut self) {
        let settings = &self.shared.settings;
        let protocol = if settings.lmtp { "LMTP" } else { "ESMTP" };
        self.wire.reply(220, &[&format!("{} {protocol} sink", settings.host_name)]);
    }

    pub(super) fn hello(&mut self, verb: &str, name: &str) {
        let settings = &self.shared.settings;
        if settings.lmtp != (verb == "LHLO") {
            let text = if settings.lmtp { "This is LMTP: LHLO" } else { "This is SMTP: EHLO" };
            self.fault((500, "5.5.1", text));
            return;
        }
        self.end_transaction();
        self.client = Some(Client { name: name.to_owned(), extended: verb != "HELO" });
        let mut lines = vec![format!("{} greets {name}", settings.host_name)];
        if self.is_extended() {
            lines.extend(self.extensions());
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        self.wire.reply(250, &lines);
    }

    /// What EHLO is answered with in the present state of the session: keywords and arguments.
    pub(super) fn extensions(&self) -> Vec<String> {
        let settings = &self.shared.settings;
        let mut lines: Vec<String> = vec!["PIPELINING".into(), format!("SIZE {}", settings.size_limit)];
        lines.extend(["8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "CHUNKING"].map(String::from));
        if settings.advertises("CHUNKING") {
            lines.push("BINARYMIME".into());
        }
        lines.push("DSN".into());
        if self.tls.is_some() {
            lines.push("REQUIRETLS".into());
        }
        lines.extend(settings.limits.advertisement());
        let answered = ["VRFY", "EXPN", "HELP", "ETRN"].into_iter();
        lines.extend(answered.filter(|&verb| settings.answers.contains_key(verb)).map(String::from));
        lines.extend(settings.added.iter().cloned());
        if self.offers_start_tls() {
            lines.push("STARTTLS".into());
        }
        let mechanisms = self.sasl().mechanisms().join(" ");
        if !mechanisms.is_empty() {
            lines.push(format!("AUTH {mechanisms}"));
        }
        lines.retain(|line| settings.advertises(line.split(' ').next().unwrap_or_default()));
        lines
    }

    pub(super) fn is_extended(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.extended)
    }

    fn offers_start_tls(&self) -> bool {
        let settings = &self.shared.settings;
        settings.tls == TlsMode::StartTls && self.tls.is_none() && settings.advertises("STARTTLS")
    }

    pub(super) fn sasl(&self) -> Context<'_> {
        Context { settings: &self.shared.settings, tls: self.tls.as_ref() }
    }

    pub(super) fn start_tls(&mut self) -> Option<End> {
        if self.tls.is_some() {
            self.fault((503, "5.5.1", "TLS is established already"));
        } else if !self.offers_start_tls() {
            self.fault((502, "5.5.1", "STARTTLS is not offered"));
        } else if !self.is_extended() {
            self.fault((503, "5.5.1", "EHLO first"));
        } else if self.transaction.is_some() {
            self.fault((503, "5.5.1", "Not in a mail transaction"));
        } else {
            self.reply(220, "2.0.0", "Ready to start TLS");
            return Some(End::StartTls);
        }
        None
    }

    /// The session begins anew for the client that this one speaks for, with what it says of that client.
    pub(super) fn xclient(&mut self, attributes: Vec<(String, String)>) {
        let offer = self.offer();
        let Some(names) = offer.arguments("XCLIENT") else {
            self.fault((502, "5.5.1", "XCLIENT is not offered"));
            return;
        };
        if self.transaction.is_some() {
            self.fault((503, "5.5.1", "Not in a mail transaction"));
            return;
        }
        if attributes.iter().any(|(name, _)| !names.split(' ').any(|known| known.eq_ignore_ascii_case(name)))
        {
            self.fault((501, "5.5.4", "An attribute that was not offered"));
            return;
        }
        let login = attributes.iter().rev().find(|(name, _)| name == "LOGIN").map(|(_, value)| value.clone());
        self.user = login.filter(|user| !["[UNAVAILABLE]", "[TEMPUNAVAIL]"].contains(&user.as_str()));
        self.attributes.extend(attributes);
        self.client = None;
        self.end_transaction();
        self.greeting();
    }
}
