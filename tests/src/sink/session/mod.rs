//! One SMTP session: which command is legal when, and what it is answered with (RFC 5321 §4.1.4, §4.3).

mod auth;
mod content;
mod hello;
mod mail;

use std::io::{self, Read, Write};

use super::Shared;
use super::command::{Command, Fault};
use super::parameters::{Offer, Refusal};
use super::settings::Answer;
use super::store::ClientError;
use super::tls::TlsFacts;
use super::wire::{Line, Wire};

use hello::Client;
use mail::Transaction;

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
    tls: Option<TlsFacts>,
    /// The command under way, as a complaint about it would show it.
    line: String,
    client: Option<Client>,
    user: Option<String>,
    /// From XCLIENT.
    attributes: Vec<(String, String)>,
    transaction: Option<Transaction>,
    /// MAIL was refused, and what was pipelined behind it is no fault of the client's.
    mail_refused: bool,
    /// How many MAILs there have been.
    mails: usize,
}

impl<'a> Session<'a> {
    /// A session that begins with the greeting.
    pub(super) fn greet(shared: &'a Shared, tls: Option<TlsFacts>) -> Self {
        let mut session = Self::after_start_tls(shared, tls);
        session.greeting();
        session
    }

    /// A session that begins after STARTTLS: there is no other greeting, and nothing said before counts
    /// (RFC 3207 §4.2).
    pub(super) fn after_start_tls(shared: &'a Shared, tls: Option<TlsFacts>) -> Self {
        Self {
            shared,
            wire: Wire::default(),
            tls,
            line: String::new(),
            client: None,
            user: None,
            attributes: Vec::new(),
            transaction: None,
            mail_refused: false,
            mails: 0,
        }
    }

    pub(super) fn run<S: Read + Write>(mut self, stream: &mut S) -> io::Result<End> {
        let end = loop {
            let line = self.wire.line(stream)?;
            self.line.clear();
            match line {
                Line::Text(line) => {
                    self.line = shown(&line);
                    if let Some(end) = self.command(&line, stream)? {
                        break end;
                    }
                }
                Line::Malformed => {
                    self.fault((500, "5.5.2", "Lines end in CRLF and have no other CR, LF or NUL"))
                }
                Line::TooLong => self.fault((500, "5.5.2", "Line too long")),
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
            Err(fault) => return Ok(self.no_command(&fault)),
        };
        let must_wait = match command {
            // The chunk that belongs to it follows at once.
            Command::Bdat { .. } => false,
            _ => command.ends_group() || !self.may_pipeline(),
        };
        if must_wait && self.wire.has_input() {
            return Ok(Some(self.improper_pipelining()));
        }
        match command {
            Command::Ehlo(name) => self.hello("EHLO", name),
            Command::Helo(name) => self.hello("HELO", name),
            Command::Lhlo(name) => self.hello("LHLO", name),
            Command::Xclient(attributes) => self.xclient(attributes),
            Command::StartTls => return Ok(self.start_tls()),
            Command::Auth { mechanism, initial_response } => {
                return self.auth(mechanism, initial_response, stream);
            }
            Command::Mail { reverse_path, parameters } => self.mail(reverse_path, parameters),
            Command::Rcpt { forward_path, parameters } => self.rcpt(forward_path, parameters),
            Command::Data => return self.data(stream),
            Command::Bdat { octets, last } => return self.bdat(octets, last, stream),
            Command::Rset => {
                self.end_transaction();
                self.reply(250, "2.0.0", "Ok");
            }
            Command::Noop(argument) => self.answer("NOOP", argument),
            Command::Vrfy(argument) => self.answer("VRFY", argument),
            Command::Expn(argument) => self.answer("EXPN", argument),
            Command::Help(argument) => self.answer("HELP", argument),
            Command::Etrn(argument) => self.answer("ETRN", argument),
            Command::Quit => {
                self.reply(221, "2.0.0", "Bye");
                return Ok(Some(End::Closed));
            }
        }
        Ok(None)
    }

    /// Something has come behind a command, or a message, that the client had to wait for the reply to. It may
    /// be a message body or a TLS record; to go on would be to take it for commands.
    fn improper_pipelining(&mut self) -> End {
        if self.shared.settings.punish_pipelining && !self.may_pipeline() {
            self.fault((500, "5.5.1", "Pipelining not supported"));
        } else {
            self.fault((554, "5.5.0", "Improper pipelining: wait for the reply to this command"));
        }
        End::Closed
    }

    /// As [`Self::improper_pipelining`], after a message or a chunk of one.
    fn must_have_waited(&mut self) -> Option<End> {
        (self.wire.has_input() && !self.may_pipeline()).then(|| self.improper_pipelining())
    }

    fn may_pipeline(&self) -> bool {
        self.is_extended() && self.shared.settings.advertises("PIPELINING")
    }

    fn end_transaction(&mut self) {
        self.transaction = None;
        self.mail_refused = false;
    }

    /// By the rule that the sink was given for this verb, or as it would without.
    fn answer(&mut self, verb: &str, argument: &str) {
        let settings = &self.shared.settings;
        let offered = verb == "NOOP" || settings.advertises(verb);
        let answer = match settings.answers.get(verb) {
            Some(rule) if offered => rule(argument),
            _ => match verb {
                "NOOP" => Answer::new(250, "2.0.0", "Ok"),
                "VRFY" => Answer::new(252, "2.5.0", "Cannot verify, send some mail and see"),
                "EXPN" => Answer::new(252, "2.5.0", "Cannot expand, send some mail and see"),
                "HELP" => Answer::new(214, "2.0.0", "EHLO HELO LHLO STARTTLS AUTH MAIL RCPT DATA BDAT")
                    .line("RSET NOOP VRFY EXPN HELP ETRN XCLIENT QUIT")
                    .line("Whatever is sent here goes no further"),
                _ => return self.fault((502, "5.5.1", "The command is not offered")),
            },
        };
        let lines: Vec<&str> = answer.lines.iter().map(String::as_str).collect();
        self.replies(answer.code, &answer.enhanced, &lines);
    }

    // ---- replies ----

    fn no_command(&mut self, fault: &Fault) -> Option<End> {
        match fault {
            Fault::Verb => self.fault((500, "5.5.2", "No such command")),
            Fault::Arguments(usage) => self.note_and_reply(501, "5.5.4", &format!("Usage: {usage}")),
            Fault::Path => self.fault((501, "5.1.3", "Not a path")),
            Fault::Parameters => self.fault((501, "5.5.4", "Not parameters, or one given twice")),
            Fault::Chunk if !self.shared.settings.advertises("CHUNKING") => {
                self.fault((502, "5.5.1", "BDAT is not offered"))
            }
            Fault::Chunk => {
                // Where the next command begins cannot be told.
                self.fault((501, "5.5.4", "Usage: BDAT octets [LAST]"));
                return Some(End::Closed);
            }
        }
        None
    }

    /// Refuses what is not the client's fault.
    fn refuse(&mut self, (code, enhanced, text): Refusal) {
        self.reply(code, enhanced, text);
    }

    /// Refuses what a client may not do, and notes it.
    fn fault(&mut self, (code, enhanced, text): Refusal) {
        self.note_and_reply(code, enhanced, text);
    }

    /// Refuses a command that comes out of order, which is a fault unless it is only out of order because MAIL
    /// was refused when this was under way already.
    fn out_of_order(&mut self, refusal: Refusal) {
        if self.mail_refused && self.may_pipeline() { self.refuse(refusal) } else { self.fault(refusal) }
    }

    fn note_and_reply(&mut self, code: u16, enhanced: &str, text: &str) {
        self.note(code, text);
        self.reply(code, enhanced, text);
    }

    fn note(&self, code: u16, text: &str) {
        self.shared.store.note(ClientError { command: self.line.clone(), code, text: text.to_owned() });
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

    fn offer(&self) -> Offer {
        let settings = &self.shared.settings;
        Offer {
            lines: if self.is_extended() { self.extensions() } else { Vec::new() },
            tls: self.tls.is_some(),
            require_tls: settings.advertises("REQUIRETLS"),
            size_limit: settings.size_limit,
        }
    }
}

/// A line as a complaint may show it: of AUTH no more than the verb.
fn shown(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    match line.split_at_checked(5) {
        Some((verb, _)) if verb.eq_ignore_ascii_case("AUTH ") => "AUTH".to_owned(),
        _ => line.into_owned(),
    }
}
