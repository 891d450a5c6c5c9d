//! One SMTP session: which command is legal when, and what it is answered with (RFC 5321 §4.1.4, §4.3).

use std::io::{self, Read, Write};

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::Shared;
use super::auth::{self, Exchange, Step};
use super::body::BodyReader;
use super::command::{Command, Fault, Parameters};
use super::settings::{RecipientVerdict, TlsMode};
use super::store::Message;
use super::wire::{Line, Wire};

/// RFC 5321 §4.5.3.1.8 asks for 100 at least.
const RECIPIENT_LIMIT: usize = 1000;

/// How a session on a stream ended.
pub(super) enum End {
    /// With QUIT, with the end of the stream, or because the client was sent away.
    Closed,
    /// With STARTTLS: the TLS handshake is next.
    StartTls,
}

pub(super) struct Session<'a> {
    shared: &'a Shared,
    wire: Wire,
    tls: bool,
    client: Option<Client>,
    user: Option<String>,
    transaction: Option<Transaction>,
}

/// Who said EHLO or HELO.
struct Client {
    name: String,
    /// It was EHLO.
    extended: bool,
}

/// A mail transaction, begun by MAIL (RFC 5321 §3.3).
struct Transaction {
    reverse_path: String,
    parameters: Parameters,
    smtputf8: bool,
    recipients: Vec<String>,
}

impl<'a> Session<'a> {
    /// A session that begins with the greeting.
    pub(super) fn greet(shared: &'a Shared, tls: bool) -> Self {
        let mut session = Self::after_start_tls(shared, tls);
        session.wire.reply(220, &[&format!("{} ESMTP sink", shared.settings.host_name)]);
        session
    }

    /// A session that begins after STARTTLS: there is no other greeting, and nothing said before counts
    /// (RFC 3207 §4.2).
    pub(super) fn after_start_tls(shared: &'a Shared, tls: bool) -> Self {
        Self { shared, wire: Wire::default(), tls, client: None, user: None, transaction: None }
    }

    pub(super) fn run<S: Read + Write>(mut self, stream: &mut S) -> io::Result<End> {
        let end = loop {
            match self.wire.line(stream)? {
                Line::Text(line) => {
                    if let Some(end) = self.command(&line, stream)? {
                        break end;
                    }
                }
                Line::Malformed => {
                    self.reply(500, "5.5.2", "Lines end in CRLF and have no other CR, LF or NUL")
                }
                Line::TooLong => self.reply(500, "5.5.2", "Line too long"),
                Line::End => break End::Closed,
                Line::Idle => {
                    self.reply(421, "4.4.2", "Silent for too long");
                    break End::Closed;
                }
            }
        };
        self.wire.flush(stream)?;
        Ok(end)
    }

    fn command<S: Read + Write>(&mut self, line: &[u8], stream: &mut S) -> io::Result<Option<End>> {
        let command = match Command::parse(line) {
            Ok(command) => command,
            Err(fault) => {
                self.fault(&fault);
                return Ok(None);
            }
        };
        if self.wire.has_input() && (command.ends_group() || !self.may_pipeline()) {
            // What follows may be a message body or a TLS record; to go on would be to take it for commands.
            self.reply(554, "5.5.0", "Improper pipelining: wait for the reply to this command");
            return Ok(Some(End::Closed));
        }
        match command {
            Command::Ehlo(name) => self.hello(name, true),
            Command::Helo(name) => self.hello(name, false),
            Command::StartTls => return Ok(self.start_tls()),
            Command::Auth { mechanism, initial_response } => {
                return self.auth(mechanism, initial_response, stream);
            }
            Command::Mail { reverse_path, parameters } => self.mail(reverse_path, parameters),
            Command::Rcpt { forward_path, parameters } => self.rcpt(forward_path, &parameters),
            Command::Data => return self.data(stream),
            Command::Rset => {
                self.transaction = None;
                self.reply(250, "2.0.0", "Ok");
            }
            Command::Noop => self.reply(250, "2.0.0", "Ok"),
            Command::Vrfy(_) => self.reply(252, "2.5.0", "Cannot verify, send some mail and see"),
            Command::Expn(_) => self.reply(252, "2.5.0", "Cannot expand, send some mail and see"),
            Command::Help => self.replies(
                214,
                "2.0.0",
                &[
                    "EHLO HELO STARTTLS AUTH MAIL RCPT DATA",
                    "RSET NOOP VRFY EXPN HELP QUIT",
                    "Whatever is sent here goes no further",
                ],
            ),
            Command::Quit => {
                self.reply(221, "2.0.0", "Bye");
                return Ok(Some(End::Closed));
            }
        }
        Ok(None)
    }

    // ---- the session ----

    fn hello(&mut self, name: &str, extended: bool) {
        self.transaction = None;
        self.client = Some(Client { name: name.to_owned(), extended });
        let mut lines = vec![format!("{} greets {name}", self.shared.settings.host_name)];
        if extended {
            lines.extend(self.extensions());
        }
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        self.wire.reply(250, &lines);
    }

    fn extensions(&self) -> impl Iterator<Item = String> {
        let settings = &self.shared.settings;
        let size = format!("SIZE {}", settings.size_limit);
        let auth = format!("AUTH {}", auth::MECHANISMS);
        let lines = [
            ("PIPELINING", true, "PIPELINING"),
            ("SIZE", true, &size),
            ("8BITMIME", true, "8BITMIME"),
            ("SMTPUTF8", true, "SMTPUTF8"),
            ("ENHANCEDSTATUSCODES", true, "ENHANCEDSTATUSCODES"),
            ("STARTTLS", self.offers_start_tls(), "STARTTLS"),
            ("AUTH", self.offers_auth(), &auth),
        ]
        .map(|(keyword, offered, line)| (offered && settings.advertises(keyword)).then(|| line.to_owned()));
        lines.into_iter().flatten()
    }

    fn offers_start_tls(&self) -> bool {
        let settings = &self.shared.settings;
        settings.tls == TlsMode::StartTls && !self.tls && settings.advertises("STARTTLS")
    }

    fn offers_auth(&self) -> bool {
        let settings = &self.shared.settings;
        !settings.users.is_empty() && (self.tls || settings.auth_without_tls) && settings.advertises("AUTH")
    }

    fn may_pipeline(&self) -> bool {
        self.is_extended() && self.shared.settings.advertises("PIPELINING")
    }

    fn is_extended(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.extended)
    }

    fn start_tls(&mut self) -> Option<End> {
        if self.tls {
            self.reply(503, "5.5.1", "TLS is established already");
        } else if !self.offers_start_tls() {
            self.reply(502, "5.5.1", "STARTTLS is not offered");
        } else if !self.is_extended() {
            self.reply(503, "5.5.1", "EHLO first");
        } else {
            self.reply(220, "2.0.0", "Ready to start TLS");
            return Some(End::StartTls);
        }
        None
    }

    fn auth<S: Read + Write>(
        &mut self,
        mechanism: &str,
        initial_response: Option<&str>,
        stream: &mut S,
    ) -> io::Result<Option<End>> {
        let settings = &self.shared.settings;
        let exchange = Exchange::begin(mechanism, &settings.host_name);
        if !self.is_extended() {
            self.reply(503, "5.5.1", "EHLO first");
        } else if self.user.is_some() || self.transaction.is_some() {
            self.reply(503, "5.5.1", "AUTH comes once, and not in a mail transaction");
        } else if !self.offers_auth() {
            match exchange {
                Some(exchange) if !self.tls && exchange.sends_password() => {
                    self.reply(538, "5.7.11", "Not in clear, a password would be read by others");
                }
                _ => self.reply(502, "5.5.1", "AUTH is not offered"),
            }
        } else if let Some(exchange) = exchange {
            return self.authenticate(exchange, initial_response, stream);
        } else {
            self.reply(504, "5.5.4", "No such mechanism");
        }
        Ok(None)
    }

    fn authenticate<S: Read + Write>(
        &mut self,
        mut exchange: Exchange,
        initial_response: Option<&str>,
        stream: &mut S,
    ) -> io::Result<Option<End>> {
        // A lone `=` is an empty initial response (RFC 4954 §4).
        let initial = initial_response.map(|text| if text == "=" { "" } else { text }.as_bytes().to_vec());
        let mut line = initial;
        loop {
            let response = match line.as_deref().map(|line| BASE64_STANDARD.decode(line)).transpose() {
                Ok(response) => response,
                Err(_) => {
                    self.reply(501, "5.5.2", "Not base64");
                    return Ok(None);
                }
            };
            match exchange.step(response.as_deref(), &self.shared.settings.users) {
                Step::Challenge(challenge) => self.wire.reply(334, &[&BASE64_STANDARD.encode(challenge)]),
                Step::Accepted(user) => {
                    self.user = Some(user);
                    self.reply(235, "2.7.0", "Welcome");
                    return Ok(None);
                }
                Step::Rejected => {
                    self.reply(535, "5.7.8", "The credentials are not valid");
                    return Ok(None);
                }
                Step::Malformed => {
                    self.reply(501, "5.5.2", "Not a response of this mechanism");
                    return Ok(None);
                }
            }
            line = match self.wire.line(stream)? {
                Line::Text(line) if line == b"*" => {
                    self.reply(501, "5.7.0", "Broken off");
                    return Ok(None);
                }
                Line::Text(line) => Some(line),
                Line::Malformed | Line::TooLong => {
                    self.reply(500, "5.5.6", "Not a line, or too long a one");
                    return Ok(None);
                }
                Line::End => return Ok(Some(End::Closed)),
                Line::Idle => {
                    self.reply(421, "4.4.2", "Silent for too long");
                    return Ok(Some(End::Closed));
                }
            };
        }
    }

    // ---- the mail transaction ----

    fn mail(&mut self, reverse_path: &str, parameters: Parameters) {
        let settings = &self.shared.settings;
        if self.client.is_none() {
            self.reply(503, "5.5.1", "EHLO first");
        } else if settings.require_tls && !self.tls {
            self.reply(530, "5.7.0", "STARTTLS first");
        } else if settings.require_auth && self.user.is_none() {
            self.reply(530, "5.7.0", "AUTH first");
        } else if self.transaction.is_some() {
            self.reply(503, "5.5.1", "One mail transaction at a time");
        } else if let Err((code, enhanced, text)) = self.check_mail(&parameters) {
            self.reply(code, enhanced, text);
        } else {
            let smtputf8 = parameters.iter().any(|(keyword, _)| keyword == "SMTPUTF8");
            if !reverse_path.is_ascii() && !smtputf8 {
                self.reply(553, "5.6.7", "An address outside ASCII needs SMTPUTF8");
                return;
            }
            self.transaction = Some(Transaction {
                reverse_path: reverse_path.to_owned(),
                parameters,
                smtputf8,
                recipients: Vec::new(),
            });
            self.reply(250, "2.1.0", "Ok");
        }
    }

    fn check_mail(&self, parameters: &Parameters) -> Result<(), (u16, &'static str, &'static str)> {
        let settings = &self.shared.settings;
        for (keyword, value) in parameters {
            let extension = match keyword.as_str() {
                "BODY" => "8BITMIME",
                other => other,
            };
            let offered = self.is_extended() && settings.advertises(extension);
            match (keyword.as_str(), value.as_deref()) {
                ("SIZE", Some(value)) if offered => match value.parse::<u64>() {
                    Ok(size) if size > settings.size_limit => {
                        return Err((552, "5.3.4", "The message is too large"));
                    }
                    Ok(_) => {}
                    Err(_) => return Err((501, "5.5.4", "SIZE takes a number")),
                },
                ("BODY", Some(value)) if offered => {
                    if !["7BIT", "8BITMIME"].iter().any(|known| known.eq_ignore_ascii_case(value)) {
                        return Err((501, "5.5.4", "BODY takes 7BIT or 8BITMIME"));
                    }
                }
                ("SMTPUTF8", None) if offered => {}
                ("AUTH", Some(_)) if offered && self.offers_auth() => {}
                _ => return Err((555, "5.5.4", "A parameter that was not offered")),
            }
        }
        Ok(())
    }

    fn rcpt(&mut self, forward_path: &str, parameters: &Parameters) {
        let Some(transaction) = &mut self.transaction else {
            self.reply(503, "5.5.1", "MAIL first");
            return;
        };
        let (code, enhanced, text) = if !parameters.is_empty() {
            (555, "5.5.4", "A parameter that was not offered")
        } else if !forward_path.is_ascii() && !transaction.smtputf8 {
            (553, "5.6.7", "An address outside ASCII needs SMTPUTF8")
        } else if transaction.recipients.len() >= RECIPIENT_LIMIT {
            (452, "4.5.3", "Too many recipients")
        } else {
            match (self.shared.settings.recipient_rule)(forward_path) {
                RecipientVerdict::Accept => {
                    transaction.recipients.push(forward_path.to_owned());
                    (250, "2.1.5", "Ok")
                }
                RecipientVerdict::Refuse => (550, "5.1.1", "No such mailbox"),
                RecipientVerdict::TryLater => (450, "4.2.1", "Not now"),
            }
        };
        self.reply(code, enhanced, text);
    }

    fn data<S: Read + Write>(&mut self, stream: &mut S) -> io::Result<Option<End>> {
        let Some(transaction) = &self.transaction else {
            self.reply(503, "5.5.1", "MAIL first");
            return Ok(None);
        };
        if transaction.recipients.is_empty() {
            self.reply(554, "5.5.1", "No valid recipients");
            return Ok(None);
        }
        self.wire.reply(354, &["End with CRLF . CRLF"]);
        let mut body = BodyReader::new(self.shared.settings.size_limit);
        if !self.wire.octets(stream, |octet| body.take(octet))? {
            return Ok(Some(End::Closed));
        }
        if let Some(transaction) = self.transaction.take() {
            self.end_of_data(transaction, body);
        }
        Ok(None)
    }

    fn end_of_data(&mut self, transaction: Transaction, body: BodyReader) {
        let bare = body.bare();
        self.shared.store.count_bare(bare);
        if bare.cr > 0 || bare.lf > 0 {
            let text = format!("The message has {} bare CRs and {} bare LFs", bare.cr, bare.lf);
            self.reply(550, "5.6.0", &text);
            return;
        }
        let Some(data) = body.into_data() else {
            self.reply(552, "5.3.4", "The message is too large");
            return;
        };
        let id = self.shared.store.queue(Message {
            id: String::new(),
            client_name: self.client.as_ref().map(|client| client.name.clone()).unwrap_or_default(),
            reverse_path: transaction.reverse_path,
            parameters: transaction.parameters,
            recipients: transaction.recipients,
            data,
            tls: self.tls,
            authenticated_as: self.user.clone(),
        });
        self.reply(250, "2.0.0", &format!("Ok: queued as {id}"));
    }

    // ---- replies ----

    fn fault(&mut self, fault: &Fault) {
        match fault {
            Fault::Verb => self.reply(500, "5.5.2", "No such command"),
            Fault::Arguments(usage) => self.reply(501, "5.5.4", &format!("Usage: {usage}")),
            Fault::Path => self.reply(501, "5.1.3", "Not a path"),
            Fault::Parameters => self.reply(501, "5.5.4", "Not parameters, or one given twice"),
        }
    }

    fn reply(&mut self, code: u16, enhanced: &str, text: &str) {
        self.replies(code, enhanced, &[text]);
    }

    /// Every line carries the enhanced code (RFC 2034 §4), unless that extension is hidden.
    fn replies(&mut self, code: u16, enhanced: &str, lines: &[&str]) {
        if !self.shared.settings.advertises("ENHANCEDSTATUSCODES") {
            self.wire.reply(code, lines);
            return;
        }
        let lines: Vec<String> = lines.iter().map(|line| format!("{enhanced} {line}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        self.wire.reply(code, &lines);
    }
}
