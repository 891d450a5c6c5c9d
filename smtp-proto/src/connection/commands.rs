//! Queueing commands: what the phase, the server's extensions and the encoder say to each.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::outgoing::Outgoing;
use super::phase::Phase;
use super::{CommandId, Connection, Stage, TlsPolicy, TranscriptLine};
use crate::body::BodyKind;
use crate::capabilities::{Capabilities, Extension};
use crate::command::{self, AuthCommand, Command, DataCommand};
use crate::error::{Error, Misuse};
use crate::params::{MailParameters, RcptParameters, XClient, XClientAttribute};
use crate::path::{ForwardPath, ReversePath};

impl Connection {
    /// Queues a command. It leaves when RFC 2920, the server's PIPELINING and the window allow.
    ///
    /// # Errors
    /// [`Error::Misuse`], [`Error::Command`], [`Error::Unsupported`], [`Error::UnsupportedAttribute`], [`Error::TooLarge`], [`Error::OutOfRange`] or
    /// [`Error::LimitReached`]: nothing was queued and the connection is as usable as before. [`Error::Poisoned`] if
    /// it is lost.
    pub fn command(&mut self, command: Command<'_>) -> Result<CommandId, Error> {
        self.alive()?;
        let stage = stage_of(&command);
        if stage == Stage::Auth && self.sending == Phase::Challenge {
            return Err(Misuse::AwaitingReply(Stage::Auth).into());
        }
        let next = self.sending.queue(stage, self.pipeline.is_empty())?;
        self.check_taken_back(stage)?;
        self.check_extensions(&command)?;
        let id = match command {
            Command::Auth(auth) => {
                self.pipeline.push_secret(stage, auth.line_len(), |out| command.encode(out))?
            }
            _ => self.pipeline.push(stage, |out| command.encode(out))?,
        };
        if let Command::Ehlo(_) | Command::Helo(_) | Command::Lhlo(_) = command {
            self.capabilities = Capabilities::default();
            self.takes_mail = false;
        }
        if let Command::Auth(auth) = command {
            self.credentials_said = auth.initial_response.is_some();
        }
        if let Command::Rset = command {
            self.taken_back = false;
        }
        if let Command::XClient(_) | Command::Custom(_) = command {
            self.estranged = true;
        }
        if let Command::Mail(_, parameters) = command {
            self.completed = None;
            self.smtp_utf8 = parameters.declares_smtp_utf8();
            self.declared_size = parameters.declared_size();
            self.body_kind = parameters.declared_body().unwrap_or(BodyKind::SevenBit);
        }
        if let Command::Data(data) = command {
            self.data = Some(data);
            self.completed = None;
        }
        self.count(&command);
        self.tally.command();
        self.trace_command(&command);
        self.queued(next);
        Ok(id)
    }

    /// What [`command`](Self::command) would say to it whatever the phase; nothing is queued.
    pub(crate) fn check(&self, command: &Command<'_>) -> Result<(), Error> {
        self.alive()?;
        self.check_extensions(command)?;
        command.check(&mut Vec::new()).map_err(Error::from)
    }

    /// Whether the server has accepted a recipient since its EHLO.
    pub(crate) fn takes_mail(&self) -> bool {
        self.takes_mail
    }

    /// The server would take what comes now for the rest of the message that was taken back.
    fn check_taken_back(&self, stage: Stage) -> Result<(), Error> {
        match stage {
            Stage::Rcpt | Stage::Data | Stage::Bdat if self.taken_back => {
                Err(Misuse::TakenBack(stage).into())
            }
            _ => Ok(()),
        }
    }

    /// What the server has to have advertised for this command (RFC 5321 §2.2.1).
    fn check_extensions(&self, command: &Command<'_>) -> Result<(), Error> {
        let stripped = self.config.tls == TlsPolicy::Required && !self.security.is_tls();
        match command {
            // Whatever way led here: under this policy there is no mail and no password in clear.
            Command::Mail(..) | Command::Auth(_) if stripped => Err(Misuse::NeedsTls.into()),
            Command::Ehlo(_) | Command::Helo(_) if self.config.is_lmtp() => Err(Misuse::WrongProtocol.into()),
            Command::Lhlo(_) if !self.config.is_lmtp() => Err(Misuse::WrongProtocol.into()),
            Command::StartTls if self.security.is_tls() => Err(Misuse::AlreadyTls.into()),
            Command::StartTls => self.require(Extension::StartTls),
            Command::Auth(_) if self.authenticated => Err(Misuse::AlreadyAuthenticated.into()),
            Command::Auth(auth) if !self.capabilities.auth_mechanisms().contains(auth.mechanism) => {
                Err(Error::Unsupported(Extension::Auth))
            }
            Command::Etrn(_) => self.require(Extension::Etrn),
            Command::XClient(client) => self.check_xclient(client),
            Command::Mail(path, parameters) => self.check_mail(path, parameters),
            Command::Rcpt(path, parameters) => self.check_rcpt(path, parameters),
            Command::Data(_) if self.body_kind == BodyKind::BinaryMime => Err(Misuse::NeedsChunks.into()),
            Command::Data(data) => self.check_kind(data.rules.kind),
            Command::Vrfy(text) | Command::Expn(text) | Command::Help(text) | Command::Custom(text)
                if !text.is_ascii() =>
            {
                self.require(Extension::SmtpUtf8)
            }
            _ => Ok(()),
        }
    }

    /// A body carries no more than what MAIL declared (RFC 6152 §3, RFC 3030 §3).
    fn check_kind(&self, kind: BodyKind) -> Result<(), Error> {
        match kind {
            _ if kind <= self.body_kind => Ok(()),
            BodyKind::BinaryMime => Err(Error::Unsupported(Extension::BinaryMime)),
            _ => Err(Error::Unsupported(Extension::EightBitMime)),
        }
    }

    fn check_mail(&self, path: &ReversePath, parameters: &MailParameters) -> Result<(), Error> {
        for extension in parameters.required_extensions() {
            self.require(extension)?;
        }
        if path.needs_smtputf8() && !parameters.declares_smtp_utf8() {
            self.require(Extension::SmtpUtf8)?;
            return Err(Misuse::NeedsSmtpUtf8.into());
        }
        self.check_mail_limits(parameters)?;
        match (parameters.declared_size(), self.capabilities.size_limit()) {
            (Some(size), Some(limit)) if size > limit => Err(Error::TooLarge { size, limit }),
            _ => Ok(()),
        }
    }

    /// Begins a message that goes out in `BDAT` chunks, in place of DATA and without asking (RFC 3030). The body
    /// is due whenever [`wants_body`](Self::wants_body) says so; the returned id names its end, whose reply
    /// decides about the message. Each call of [`body`](Self::body) makes a chunk, or goes on with one; the chunk
    /// that completes the declared size is the last, and otherwise [`finish_body`](Self::finish_body) sends
    /// an empty one.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the server does not offer CHUNKING, or MAIL declared a lesser kind of body;
    /// [`Error::Misuse`] outside a mail transaction with a recipient. Nothing was queued.
    pub fn begin_chunks(&mut self, data: DataCommand) -> Result<CommandId, Error> {
        self.alive()?;
        let next = self.sending.queue(Stage::Bdat, self.pipeline.is_empty())?;
        self.check_taken_back(Stage::Bdat)?;
        self.require(Extension::Chunking)?;
        self.check_kind(data.rules.kind)?;
        let end = self.pipeline.new_id();
        self.body_error = None;
        self.outgoing = Some(Box::new(Outgoing::in_chunks(data, end)));
        self.completed = None;
        self.sending = next;
        Ok(end)
    }

    fn check_rcpt(&self, path: &ForwardPath, parameters: &RcptParameters) -> Result<(), Error> {
        for extension in parameters.required_extensions() {
            self.require(extension)?;
        }
        if path.needs_smtputf8() && !self.smtp_utf8 {
            self.require(Extension::SmtpUtf8)?;
            return Err(Misuse::NeedsSmtpUtf8.into());
        }
        self.check_rcpt_limits(path)
    }

    fn check_xclient(&self, client: &XClient) -> Result<(), Error> {
        self.require(Extension::XClient)?;
        let offered = self.capabilities.xclient_attributes();
        let is_missing = |attribute: &XClientAttribute| {
            !offered.clone().any(|listed| listed.eq_ignore_ascii_case(attribute.as_str()))
        };
        client
            .attributes()
            .find(is_missing)
            .map_or(Ok(()), |missing| Err(Error::UnsupportedAttribute(missing)))
    }

    fn require(&self, extension: Extension) -> Result<(), Error> {
        if self.capabilities.supports(extension) { Ok(()) } else { Err(Error::Unsupported(extension)) }
    }

    /// Answers the AUTH challenge that waits, with the response decoded.
    ///
    /// # Errors
    /// [`Misuse::NoChallenge`] if none waits; [`Error::Command`] if the response is too long for a line.
    pub fn auth_respond(&mut self, response: &[u8]) -> Result<CommandId, Error> {
        let len = command::auth_response_len(response);
        let id = self.auth_line(len, |out| command::encode_auth_response(response, out))?;
        self.credentials_said = true;
        Ok(id)
    }

    /// Breaks the AUTH exchange off with `*`; the server answers 501 (RFC 4954 §4).
    ///
    /// # Errors
    /// [`Misuse::NoChallenge`] if no challenge waits.
    pub fn auth_cancel(&mut self) -> Result<CommandId, Error> {
        self.auth_line(3, |out| {
            out.extend_from_slice(b"*\r\n");
            Ok(())
        })
    }

    fn auth_line(
        &mut self,
        len: usize,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), command::CommandError>,
    ) -> Result<CommandId, Error> {
        self.alive()?;
        if self.sending != Phase::Challenge {
            return Err(Misuse::NoChallenge.into());
        }
        let next = self.sending.queue(Stage::Auth, true)?;
        let id = self.pipeline.push_secret(Stage::Auth, len, encode)?;
        self.tally.command();
        self.trace(TranscriptLine::ClientResponse(len.saturating_sub(2)));
        self.queued(next);
        Ok(id)
    }

    fn queued(&mut self, next: Phase) {
        self.sending = next;
        self.release();
    }

    pub(super) fn release(&mut self) {
        let pipelining = self.is_pipelining();
        let quiet = self.parser.is_blank();
        self.pipeline.release(&self.config.window, pipelining, quiet);
    }

    fn trace_command(&mut self, command: &Command<'_>) {
        if self.transcript.is_none() {
            return;
        }
        if let Command::Auth(AuthCommand { mechanism, initial_response }) = *command {
            let response = initial_response.map(command::base64_len);
            return self.trace(TranscriptLine::ClientAuth { mechanism, response });
        }
        let mut line = Vec::new();
        if command.encode(&mut line).is_ok() {
            self.trace(TranscriptLine::Client(line.strip_suffix(b"\r\n").unwrap_or(&line)));
        }
    }
}

fn stage_of(command: &Command<'_>) -> Stage {
    match command {
        Command::Ehlo(_) => Stage::Ehlo,
        Command::Helo(_) => Stage::Helo,
        Command::Lhlo(_) => Stage::Lhlo,
        Command::StartTls => Stage::StartTls,
        Command::Auth(_) => Stage::Auth,
        Command::Mail(..) => Stage::Mail,
        Command::Rcpt(..) => Stage::Rcpt,
        Command::Data(_) => Stage::Data,
        Command::Rset => Stage::Rset,
        Command::Vrfy(_) => Stage::Vrfy,
        Command::Expn(_) => Stage::Expn,
        Command::Help(_) => Stage::Help,
        Command::Etrn(_) => Stage::Etrn,
        Command::XClient(_) => Stage::XClient,
        Command::Noop => Stage::Noop,
        Command::Quit => Stage::Quit,
        Command::Custom(_) => Stage::Custom,
    }
}
