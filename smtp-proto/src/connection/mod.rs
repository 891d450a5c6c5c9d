//! [`Connection`]: the SMTP session as a pure state machine (RFC 5321, RFC 2920, RFC 3207, RFC 4954).
//!
//! Server octets and the caller's wishes go in, octets to write and [`Event`]s come out. A reader who follows
//! an octet meets the modules in this order: the reply parser, `pipeline` (which command does this reply
//! answer?), `phase` (what does it mean, and what may come next?), the event, and back out through the
//! command encoder and `pipeline`.

mod config;
mod event;
mod phase;
mod pipeline;
mod timeout;
mod transcript;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

pub use config::{Config, Peer, TlsPolicy};
pub use event::{CommandId, Event, Stage};
pub use pipeline::Window;
pub use timeout::{Timeout, TimeoutPhase, Timeouts};
pub use transcript::TranscriptEntry;

use crate::body::{BodyEncoder, BodyKind, BodyPart, BodyRules};
use crate::capabilities::{Capabilities, Extension};
use crate::command::{self, AuthCommand, Command, DataCommand};
use crate::error::{Error, Misuse, ProtocolError};
use crate::params::{MailParameters, RcptParameters};
use crate::path::{ClientName, ForwardPath, ReversePath};
use crate::reply::{Reply, ReplyParser};
use crate::sasl::ServerInfo;
use crate::security::{Security, VerifiedName};
use phase::{Phase, Verdict, verdict};
use pipeline::Pipeline;

/// One SMTP session: no socket, no clock, no TLS, only what was said and what may be said next.
///
/// # Contract
///
/// - **Octets in.** [`receive`](Self::receive) takes any split of the input; what happens is a function of
///   the octets alone. Then call [`poll_event`](Self::poll_event) until it gives `None`. Buffered input is
///   bounded by [`ReplyLimits`](crate::reply::ReplyLimits).
/// - **One event at a time.** The state advances as each event is returned: what an accessor says always
///   matches the last event seen.
/// - **Octets out.** [`output`](Self::output) is what to write now, [`advance_output`](Self::advance_output)
///   says how much of it the transport *accepted*. Report what was accepted before handing in what was read.
/// - **Illegal calls** return a typed error, queue nothing, and leave the connection as it was.
/// - **Time.** [`timeout`](Self::timeout) names what is awaited and for how long; when it has run out, call
///   [`handle_timeout`](Self::handle_timeout).
/// - **In order.** Each reply answers the oldest command in flight. A reply nobody asked for is fatal, except
///   421 (and an idle 221), which is the server's orderly goodbye.
/// - **Poisoned is poisoned.** After a fatal error nothing is ever emitted again; queueing calls return
///   [`Error::Poisoned`], and `poll_event` repeats the error that broke the connection.
///
/// # The loop
///
/// A [`Flow`](crate::flow::Flow) drives the connection; the loop around it moves octets and never looks at them:
///
/// ```text
///   loop {
///       match flow.poll(&mut connection)? {
///           Done(output)     => break output,
///           UpgradeTls(t)    => handshake, then connection.tls_established(t),
///           SupplyBody { .. } => connection.body(chunk) … connection.finish_body(),
///           Continue         => write connection.output() if there is any, else
///                               read, and connection.receive(..) or .receive_eof(),
///                               watching connection.timeout()
///       }
///   }
/// ```
pub struct Connection {
    config: Arc<Config>,
    parser: ReplyParser,
    pipeline: Pipeline,
    /// The sending cursor.
    sending: Phase,
    /// The receiving cursor.
    receiving: Phase,
    capabilities: Capabilities,
    security: Security,
    authenticated: bool,
    /// Whether the AUTH exchange under way has had a response in it.
    credentials_said: bool,
    /// Whether the mail transaction was begun with SMTPUTF8 (RFC 6531 §3.4).
    smtp_utf8: bool,
    /// The body kind that MAIL declared.
    body_kind: BodyKind,
    data: Option<DataCommand>,
    body: Option<BodyEncoder>,
    first_long_line: Option<u64>,
    eof: bool,
    sequence: u64,
    failure: Option<Box<Error>>,
    transcript: Option<Transcript>,
}

type Transcript = Box<dyn FnMut(TranscriptEntry<'_>) + Send + Sync>;

/// Proof that the connection asked for a TLS handshake: only [`Connection::tls_upgrade`] makes one, and only
/// giving it back through [`Connection::tls_established`] makes the connection a protected one.
#[derive(Debug)]
#[must_use = "the connection waits for the TLS handshake"]
pub struct TlsUpgrade {
    server_name: Box<str>,
}

impl TlsUpgrade {
    /// The name that the server's certificate has to be valid for; never one that the server sent.
    #[must_use]
    pub fn server_name(&self) -> &str {
        &self.server_name
    }
}

impl Connection {
    /// A session on a transport that has just been connected to `peer`.
    #[must_use]
    pub fn new(config: impl Into<Arc<Config>>, peer: Peer) -> Self {
        let config = config.into();
        let implicit = config.tls == TlsPolicy::Implicit;
        let mut pipeline = Pipeline::new(config.window);
        let phase = if implicit { Phase::TlsPending } else { Phase::Greeting };
        if !implicit {
            pipeline.expect(Stage::Greeting);
        }
        Self {
            parser: ReplyParser::new(config.limits),
            config,
            pipeline,
            sending: phase,
            receiving: phase,
            capabilities: Capabilities::default(),
            security: match peer {
                Peer::Local => Security::LocalPlaintext,
                Peer::Remote => Security::Plaintext,
            },
            authenticated: false,
            credentials_said: false,
            smtp_utf8: false,
            body_kind: BodyKind::SevenBit,
            data: None,
            body: None,
            first_long_line: None,
            eof: false,
            sequence: 0,
            failure: None,
            transcript: None,
        }
    }

    /// Calls `hook` for each line of the session from now on, secrets redacted.
    pub fn set_transcript(&mut self, hook: impl FnMut(TranscriptEntry<'_>) + Send + Sync + 'static) {
        self.transcript = Some(Box::new(hook));
    }

    // ---- octets in, events out ----

    /// Takes octets that the transport delivered, in any split. What they mean, and any fault in them, is
    /// told by [`poll_event`](Self::poll_event).
    pub fn receive(&mut self, octets: &[u8]) {
        if octets.is_empty() || self.failure.is_some() || self.receiving == Phase::Closed {
            return;
        }
        if self.receiving == Phase::TlsPending {
            // The same fault whether it came in the segment of the 220 or after it.
            self.fail(match self.config.tls {
                TlsPolicy::Implicit => ProtocolError::ClearTextBeforeTls.into(),
                TlsPolicy::Required | TlsPolicy::Opportunistic | TlsPolicy::None => {
                    ProtocolError::StartTlsResidue.into()
                }
            });
        } else {
            // An overflow is told by `poll_event`, to which the parser repeats it.
            let _ = self.parser.receive(octets);
        }
    }

    /// Says that the transport has ended: end of file, reset, a TLS closure or any other read error. Replies
    /// received before are still delivered.
    pub fn receive_eof(&mut self) {
        self.eof = true;
    }

    /// The next thing that happened, or `None` when more input is needed.
    ///
    /// # Errors
    /// The fatal error that ended the connection; every later call repeats it.
    pub fn poll_event(&mut self) -> Result<Option<Event>, Error> {
        if let Some(failure) = &self.failure {
            return Err((**failure).clone());
        }
        let event = self.next_event().map_err(|error| self.fail(error))?;
        if event.is_none() {
            self.release();
        }
        Ok(event)
    }

    fn next_event(&mut self) -> Result<Option<Event>, Error> {
        if self.receiving == Phase::Closed {
            return Ok(None);
        }
        let stage = self.pipeline.front().map(|front| front.stage);
        match self.parser.next_reply() {
            Ok(Some(reply)) => self.answer(reply).map(Some),
            // Some servers answer QUIT with nothing that parses; it changes nothing any more.
            Err(_) if stage == Some(Stage::Quit) => Ok(Some(self.close())),
            Err(error) => Err(ProtocolError::Reply { stage, error }.into()),
            Ok(None) if self.eof => self.ended(stage),
            Ok(None) => self.partial(stage).map(|()| None),
        }
    }

    /// The transport has ended and every complete reply has been delivered.
    fn ended(&mut self, stage: Option<Stage>) -> Result<Option<Event>, Error> {
        if stage == Some(Stage::Quit) {
            return Ok(Some(self.close()));
        }
        let credentials_sent =
            stage == Some(Stage::Auth) && self.credentials_said && self.pipeline.front_left();
        Err(Error::Disconnected { stage, truncated: !self.parser.is_blank(), credentials_sent })
    }

    fn close(&mut self) -> Event {
        self.sending = Phase::Closed;
        self.receiving = Phase::Closed;
        self.pipeline.stop();
        Event::Closed
    }

    /// Octets that are not yet a reply. Where none is due they are judged at once: only 421 and 221 may come
    /// unasked, and waiting for the rest of anything else would let it be taken for a later command's reply.
    fn partial(&self, stage: Option<Stage>) -> Result<(), Error> {
        if self.parser.is_blank() || self.pipeline.front_left() || stage == Some(Stage::EndOfData) {
            return Ok(());
        }
        let unread = self.parser.unread();
        let start = unread.iter().position(|&b| b != b'\r' && b != b'\n').unwrap_or(unread.len());
        let begun = unread.get(start..).unwrap_or_default();
        let may_be = |code: &[u8]| begun.iter().zip(code).all(|(a, b)| a == b);
        if may_be(b"421") || may_be(b"221") {
            return Ok(());
        }
        Err(self.unasked(stage).into())
    }

    /// What a reply is that came before its time: too early for a command that is being written, or for none.
    fn unasked(&self, stage: Option<Stage>) -> ProtocolError {
        match stage {
            Some(stage) if self.pipeline.front_begun() => ProtocolError::Premature(stage),
            _ => ProtocolError::Surplus,
        }
    }

    /// Matches a reply to the oldest command in flight.
    fn answer(&mut self, reply: Reply) -> Result<Event, Error> {
        self.trace(TranscriptEntry::Server(&reply));
        let Some(front) = self.pipeline.front() else {
            return Err(match reply.code().get() {
                421 | 221 => Error::ServerClosed { stage: None, reply: Box::new(reply) },
                _ => ProtocolError::Surplus.into(),
            });
        };
        let stage = front.stage;
        let verdict = verdict(stage, &reply);
        if !self.pipeline.front_left() {
            return Err(match (verdict, stage) {
                (Verdict::Closing, Stage::EndOfData) => {
                    Error::ServerClosed { stage: Some(stage), reply: Box::new(reply) }
                }
                (Verdict::Closing, _) => Error::ServerClosed { stage: None, reply: Box::new(reply) },
                // An early refusal is a verdict; what is left of the body has no reader (RFC 5321 §4.2.5).
                (Verdict::Refused, Stage::EndOfData) => Error::Refused { stage, reply: Box::new(reply) },
                _ => self.unasked(Some(stage)).into(),
            });
        }
        match verdict {
            Verdict::Closing => {
                return Err(Error::ServerClosed { stage: Some(stage), reply: Box::new(reply) });
            }
            Verdict::Fatal => return Err(Error::Refused { stage, reply: Box::new(reply) }),
            Verdict::Unexpected => {
                return Err(ProtocolError::UnexpectedReply { stage, reply: Box::new(reply) }.into());
            }
            Verdict::Done | Verdict::GoOn | Verdict::Refused => {}
        }
        let Some(entry) = self.pipeline.pop() else { return Err(ProtocolError::Surplus.into()) };
        self.sequence += 1;
        self.receiving = self.receiving.answer(stage, verdict);
        self.take_effect(stage, verdict, &reply)?;
        if self.pipeline.is_empty() {
            self.sending = self.receiving;
        }
        Ok(match stage {
            Stage::Greeting => Event::Greeting(reply),
            _ => Event::Reply { id: entry.id, stage, reply },
        })
    }

    /// What a verdict changes besides the cursors.
    fn take_effect(&mut self, stage: Stage, verdict: Verdict, reply: &Reply) -> Result<(), Error> {
        match (stage, verdict) {
            (Stage::Ehlo, Verdict::Done) => self.capabilities = Capabilities::parse(reply.lines()),
            (Stage::StartTls, Verdict::Done) => {
                // RFC 3207 §4.2, §6: the server may say nothing more in clear; discarding it would hide an attack.
                if !self.parser.unread().is_empty() {
                    return Err(ProtocolError::StartTlsResidue.into());
                }
                self.capabilities = Capabilities::default();
            }
            (Stage::Auth, Verdict::Done) => self.authenticated = true,
            (Stage::Data, Verdict::GoOn) => {
                self.body = self.data.map(|data| BodyEncoder::new(data.rules));
                self.pipeline.begin_body();
                self.sending = Phase::Body;
            }
            _ => {}
        }
        Ok(())
    }

    // ---- octets out ----

    /// The octets to write now. If a [`BodyPart`] is in your hands, it goes first.
    #[must_use]
    pub fn output(&self) -> &[u8] {
        // What the server said before it was asked is judged before anything is asked.
        let unheard = !self.pipeline.front_begun() && !self.parser.is_blank();
        if self.failure.is_some() || unheard { &[] } else { self.pipeline.output() }
    }

    /// Reports that the transport accepted `n` more octets, counted through the body part in your hands, if
    /// any, and then through [`output`](Self::output). Octets count as accepted when the write call took
    /// them, even if they are still in a TLS or kernel buffer.
    ///
    /// # Errors
    /// [`Misuse::AdvancedTooFar`] if that is more than was on offer; nothing is then counted.
    pub fn advance_output(&mut self, n: usize) -> Result<(), Error> {
        if self.failure.is_some() {
            return Err(Error::Poisoned);
        }
        if n == 0 {
            return Ok(());
        }
        let in_body = self.pipeline.body_owed() > 0;
        self.pipeline.advance(n).ok_or(Misuse::AdvancedTooFar)?;
        if in_body {
            self.sequence += 1;
        }
        Ok(())
    }

    /// Encodes the next part of the message body: the slices to write, borrowed from `chunk`.
    ///
    /// A part may cover less than the chunk; [`BodyPart::consumed`] says how much, and the rest is given again.
    /// The part has to be written, in order, before anything that [`output`](Self::output) holds, and every
    /// octet of it reported to [`advance_output`](Self::advance_output).
    ///
    /// # Errors
    /// [`Misuse::NoBody`] if no body is due. [`Error::Body`] if the octets break the body's rules: the message
    /// cannot be completed any more, and the connection is poisoned.
    pub fn body<'c>(&mut self, chunk: &'c [u8]) -> Result<BodyPart<'c>, Error> {
        self.alive()?;
        let Some(body) = self.body.as_mut().filter(|_| self.sending == Phase::Body) else {
            return Err(Misuse::NoBody.into());
        };
        match body.encode(chunk) {
            Ok(part) => {
                self.pipeline.lend_body(part.len() as u64);
                self.trace(TranscriptEntry::Body(part.len()));
                Ok(part)
            }
            Err(fault) => Err(self.fail(Error::Body(fault))),
        }
    }

    /// Ends the body: puts the terminator into [`output`](Self::output). The returned id names the end of the
    /// message, whose reply decides about it. Without a call of [`body`](Self::body) before it, this is the
    /// lone dot that takes back a DATA without recipients (RFC 2920 §3.1).
    ///
    /// # Errors
    /// [`Misuse::NoBody`] if no body is due; [`Misuse::SizeMismatch`] if a declared size was not met, and
    /// [`Error::Body`] if the last line end is stray and stray ones are to be rejected: the connection is then
    /// poisoned, without the terminator.
    pub fn finish_body(&mut self) -> Result<CommandId, Error> {
        self.alive()?;
        let Some(body) = self.body.as_ref().filter(|_| self.sending == Phase::Body) else {
            return Err(Misuse::NoBody.into());
        };
        let supplied = body.octets_in();
        match self.data.and_then(|data| data.size) {
            Some(declared) if declared != supplied => {
                return Err(self.fail(Misuse::SizeMismatch { declared, supplied }.into()));
            }
            _ => {}
        }
        self.end_body()
    }

    /// Takes back a DATA that was answered with 354 though every recipient was refused: sends the lone dot.
    ///
    /// # Errors
    /// [`Misuse::NoBody`] if no body is due or some of it was given already.
    pub fn cancel_body(&mut self) -> Result<CommandId, Error> {
        self.alive()?;
        match &self.body {
            Some(body) if self.sending == Phase::Body && body.octets_in() == 0 => self.end_body(),
            _ => Err(Misuse::NoBody.into()),
        }
    }

    fn end_body(&mut self) -> Result<CommandId, Error> {
        let Some(body) = self.body.take() else { return Err(Misuse::NoBody.into()) };
        let terminator = match body.terminator() {
            Ok(terminator) => terminator,
            Err(fault) => return Err(self.fail(Error::Body(fault))),
        };
        let Some(id) = self.pipeline.end_body(terminator) else { return Err(Misuse::NoBody.into()) };
        self.data = None;
        self.first_long_line = body.first_long_line();
        self.sending = Phase::Ready;
        self.trace(TranscriptEntry::EndOfData);
        Ok(id)
    }

    // ---- commands ----

    /// Queues a command. It leaves when RFC 2920, the server's PIPELINING and the window allow.
    ///
    /// # Errors
    /// [`Error::Misuse`], [`Error::Command`], [`Error::Unsupported`] or [`Error::TooLarge`]: nothing was queued
    /// and the connection is as usable as before. [`Error::Poisoned`] if it is lost.
    pub fn command(&mut self, command: Command<'_>) -> Result<CommandId, Error> {
        self.alive()?;
        let stage = stage_of(&command);
        if stage == Stage::Auth && self.sending == Phase::Challenge {
            return Err(Misuse::AwaitingReply(Stage::Auth).into());
        }
        let next = self.sending.queue(stage, self.pipeline.is_empty())?;
        self.check_extensions(&command)?;
        let id = match command {
            Command::Auth(auth) => {
                self.pipeline.push_secret(stage, auth.line_len(), |out| command.encode(out))?
            }
            _ => self.pipeline.push(stage, |out| command.encode(out))?,
        };
        if let Command::Ehlo(_) | Command::Helo(_) = command {
            self.capabilities = Capabilities::default();
        }
        if let Command::Auth(auth) = command {
            self.credentials_said = auth.initial_response.is_some();
        }
        if let Command::Mail(_, parameters) = command {
            self.smtp_utf8 = parameters.declares_smtp_utf8();
            self.body_kind = parameters.declared_body().unwrap_or(BodyKind::SevenBit);
        }
        if let Command::Data(data) = command {
            self.data = Some(data);
        }
        self.trace_command(&command);
        self.queued(next);
        Ok(id)
    }

    /// What the server has to have advertised for this command (RFC 5321 §2.2.1).
    fn check_extensions(&self, command: &Command<'_>) -> Result<(), Error> {
        match command {
            Command::StartTls if self.security.is_tls() => Err(Misuse::AlreadyTls.into()),
            Command::StartTls => self.require(Extension::StartTls),
            Command::Auth(_) if self.authenticated => Err(Misuse::AlreadyAuthenticated.into()),
            Command::Auth(auth) if !self.capabilities.auth_mechanisms().contains(auth.mechanism) => {
                Err(Error::Unsupported(Extension::Auth))
            }
            Command::Mail(path, parameters) => self.check_mail(path, parameters),
            Command::Rcpt(path, parameters) => self.check_rcpt(path, parameters),
            Command::Vrfy(text) | Command::Expn(text) | Command::Help(text) | Command::Custom(text)
                if !text.is_ascii() =>
            {
                self.require(Extension::SmtpUtf8)
            }
            _ => Ok(()),
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
        match (parameters.declared_size(), self.capabilities.size_limit()) {
            (Some(size), Some(limit)) if size > limit => Err(Error::TooLarge { size, limit }),
            _ => Ok(()),
        }
    }

    fn check_rcpt(&self, path: &ForwardPath, parameters: &RcptParameters) -> Result<(), Error> {
        for extension in parameters.required_extensions() {
            self.require(extension)?;
        }
        if path.needs_smtputf8() && !self.smtp_utf8 {
            self.require(Extension::SmtpUtf8)?;
            return Err(Misuse::NeedsSmtpUtf8.into());
        }
        Ok(())
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
        encode: impl FnOnce(&mut alloc::vec::Vec<u8>) -> Result<(), command::CommandError>,
    ) -> Result<CommandId, Error> {
        self.alive()?;
        if self.sending != Phase::Challenge {
            return Err(Misuse::NoChallenge.into());
        }
        let next = self.sending.queue(Stage::Auth, true)?;
        let id = self.pipeline.push_secret(Stage::Auth, len, encode)?;
        self.trace(TranscriptEntry::ClientResponse(len.saturating_sub(2)));
        self.queued(next);
        Ok(id)
    }

    fn queued(&mut self, next: Phase) {
        if self.pipeline.front().is_none() {
            self.sequence += 1;
        }
        self.sending = next;
        self.release();
    }

    fn release(&mut self) {
        let pipelining = self.is_pipelining();
        let quiet = self.parser.is_blank();
        self.pipeline.release(pipelining, quiet);
    }

    // ---- TLS ----

    /// Begins the TLS handshake that is due: after the 220 to STARTTLS, or first of all under
    /// [`TlsPolicy::Implicit`]. `None` if none is due.
    pub fn tls_upgrade(&mut self) -> Option<TlsUpgrade> {
        let due = self.failure.is_none() && self.receiving == Phase::TlsPending && !self.eof;
        due.then(|| TlsUpgrade { server_name: self.config.host.clone() })
    }

    /// Reports a finished handshake in which the server was verified for the upgrade's name. The session then
    /// begins anew: nothing that was learned in clear text is kept (RFC 3207 §4.2).
    ///
    /// # Errors
    /// [`Misuse::NoTlsPending`] if no handshake was due.
    pub fn tls_established(&mut self, upgrade: TlsUpgrade) -> Result<(), Error> {
        self.alive()?;
        if self.receiving != Phase::TlsPending {
            return Err(Misuse::NoTlsPending.into());
        }
        let implicit = self.config.tls == TlsPolicy::Implicit;
        self.security = Security::Tls(VerifiedName::new(&upgrade.server_name));
        self.receiving = if implicit { Phase::Greeting } else { Phase::Hello };
        if implicit {
            self.pipeline.expect(Stage::Greeting);
        }
        self.sending = self.receiving;
        self.sequence += 1;
        self.trace(TranscriptEntry::Tls);
        Ok(())
    }

    /// Reports that the handshake failed: the connection is poisoned, and nothing is ever said in clear on it.
    pub fn tls_failed(&mut self) {
        self.fail(Error::TlsFailed);
    }

    // ---- time, and the end ----

    /// What is awaited and how long that may take, or `None` when nothing is. Start a new clock whenever the
    /// value differs from the one before.
    #[must_use]
    pub fn timeout(&self) -> Option<Timeout> {
        if self.failure.is_some() || self.receiving == Phase::Closed {
            return None;
        }
        let phase = if self.receiving == Phase::TlsPending {
            TimeoutPhase::TlsHandshake
        } else {
            let awaited = self.pipeline.front().or(self.pipeline.first())?;
            match awaited.stage {
                Stage::EndOfData if !self.pipeline.front_left() => {
                    // While the caller has nothing to write, it is not the server that is late.
                    if self.pipeline.body_owed() == 0 && self.pipeline.output().is_empty() {
                        return None;
                    }
                    TimeoutPhase::DataBlock
                }
                stage => TimeoutPhase::Reply(stage),
            }
        };
        Some(Timeout { phase, budget: self.config.timeouts.budget(phase), sequence: self.sequence })
    }

    /// Reports that the budget of [`timeout`](Self::timeout) has run out: the connection is poisoned. Does
    /// nothing if nothing is awaited.
    pub fn handle_timeout(&mut self) {
        if let Some(timeout) = self.timeout() {
            self.fail(Error::Timeout(timeout.phase));
        }
    }

    /// Gives the connection up in whatever it is doing; nothing more will be written on it.
    pub fn abandon(&mut self) {
        if self.receiving != Phase::Closed {
            self.fail(Error::Abandoned);
        }
    }

    /// Stores the first fatal error, and forgets what was not sent.
    pub(crate) fn fail(&mut self, error: Error) -> Error {
        self.pipeline.stop();
        (**self.failure.get_or_insert_with(|| Box::new(error))).clone()
    }

    fn alive(&self) -> Result<(), Error> {
        if self.failure.is_some() { Err(Error::Poisoned) } else { Ok(()) }
    }

    // ---- what is known ----

    /// The settings of this connection.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Sets the name for EHLO.
    ///
    /// # Errors
    /// [`Misuse::AfterHello`] once EHLO has been said.
    pub fn set_client_name(&mut self, name: ClientName) -> Result<(), Error> {
        self.alive()?;
        match self.sending {
            Phase::Greeting | Phase::Hello | Phase::TlsPending => {
                Arc::make_mut(&mut self.config).client_name = Some(name);
                Ok(())
            }
            _ => Err(Misuse::AfterHello.into()),
        }
    }

    /// The parameters of a MAIL for a message of which nothing is known: BODY=8BITMIME where the server
    /// offers it, SMTPUTF8 only where the path needs it.
    pub fn default_mail_parameters(&self, path: &ReversePath) -> MailParameters {
        let mut parameters = MailParameters::new();
        if self.capabilities.supports(Extension::EightBitMime) {
            parameters = parameters.body(BodyKind::EightBitMime);
        }
        if path.needs_smtputf8() { parameters.smtp_utf8() } else { parameters }
    }

    /// The DATA that fits the latest MAIL: the body kind and size declared there.
    #[must_use]
    pub fn default_data(&self) -> DataCommand {
        DataCommand { rules: BodyRules::new(self.body_kind), size: None }
    }

    /// The name for EHLO.
    pub(crate) fn client_name(&self) -> ClientName {
        let unknown = || ClientName::from_ip(core::net::Ipv4Addr::LOCALHOST.into());
        self.config.client_name.clone().unwrap_or_else(unknown)
    }

    /// What the server advertised in its latest EHLO reply; empty before it and after STARTTLS.
    #[must_use]
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Takes an extension away as if the server had not advertised it, until the next EHLO.
    pub fn mask_extension(&mut self, keyword: &str) {
        self.capabilities.mask(keyword);
    }

    /// How the connection is protected.
    #[must_use]
    pub fn security(&self) -> &Security {
        &self.security
    }

    /// What a SASL mechanism may know about the server.
    #[must_use]
    pub fn server_info(&self) -> ServerInfo<'_> {
        ServerInfo {
            name: &self.config.host,
            security: &self.security,
            allow_plaintext: self.config.allow_plaintext_auth,
            mechanisms: self.capabilities.auth_mechanisms(),
        }
    }

    /// Whether an AUTH exchange has succeeded.
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Whether commands are sent in groups: the server advertised PIPELINING, under TLS if there is TLS.
    #[must_use]
    pub fn is_pipelining(&self) -> bool {
        self.capabilities.supports(Extension::Pipelining)
    }

    /// Whether EHLO or HELO was accepted, so that commands may be queued.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        match self.receiving {
            Phase::Ready | Phase::Transaction { .. } | Phase::Body | Phase::Challenge => {
                self.failure.is_none()
            }
            Phase::TlsPending | Phase::Greeting | Phase::Hello | Phase::Closed | Phase::Decision(_) => false,
        }
    }

    /// Whether the greeting was accepted.
    #[must_use]
    pub fn is_greeted(&self) -> bool {
        !matches!(self.receiving, Phase::TlsPending | Phase::Greeting)
    }

    /// Whether nothing is queued, in flight or half said, and no TLS handshake is due: what the transport
    /// delivers now, the server says unasked.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.failure.is_none()
            && self.receiving != Phase::TlsPending
            && self.pipeline.is_empty()
            && self.parser.is_blank()
    }

    /// Whether a mail transaction is open or being opened.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        matches!(self.sending, Phase::Transaction { .. } | Phase::Decision(Stage::Data) | Phase::Body)
    }

    /// Whether the server has asked for the message's body.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        self.failure.is_none() && self.sending == Phase::Body
    }

    /// Names the end of the message whose body is due or being sent.
    #[must_use]
    pub fn body_id(&self) -> Option<CommandId> {
        self.pipeline.body_id()
    }

    /// Where the latest body passed the limit of 998 octets a line, if it did.
    pub(crate) fn first_long_line(&self) -> Option<u64> {
        self.first_long_line
    }

    /// Whether the session has ended in good order.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.receiving == Phase::Closed
    }

    /// The error that broke the connection.
    #[must_use]
    pub fn failure(&self) -> Option<&Error> {
        self.failure.as_deref()
    }

    /// Whether one more command would not have to wait in the queue for others to be answered first.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.pipeline.has_room(self.is_pipelining())
    }

    /// Commands queued or in flight.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.pipeline.len()
    }

    /// Whether the last octet of this command, or of this message, left without an answer having come. True
    /// for a message on a broken connection: it may have been delivered.
    #[must_use]
    pub fn is_unanswered(&self, id: CommandId) -> bool {
        self.pipeline.is_unanswered(id)
    }

    fn trace(&mut self, entry: TranscriptEntry<'_>) {
        if let Some(hook) = &mut self.transcript {
            hook(entry);
        }
    }

    fn trace_command(&mut self, command: &Command<'_>) {
        if self.transcript.is_none() {
            return;
        }
        if let Command::Auth(AuthCommand { mechanism, initial_response }) = *command {
            let response = initial_response.map(|octets| octets.len().div_ceil(3) * 4);
            return self.trace(TranscriptEntry::ClientAuth { mechanism, response });
        }
        let mut line = alloc::vec::Vec::new();
        if command.encode(&mut line).is_ok() {
            self.trace(TranscriptEntry::Client(line.strip_suffix(b"\r\n").unwrap_or(&line)));
        }
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("host", &self.config.host)
            .field("sending", &self.sending)
            .field("receiving", &self.receiving)
            .field("security", &self.security)
            .field("authenticated", &self.authenticated)
            .field("outstanding", &self.pipeline.len())
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}

fn stage_of(command: &Command<'_>) -> Stage {
    match command {
        Command::Ehlo(_) => Stage::Ehlo,
        Command::Helo(_) => Stage::Helo,
        Command::StartTls => Stage::StartTls,
        Command::Auth(_) => Stage::Auth,
        Command::Mail(..) => Stage::Mail,
        Command::Rcpt(..) => Stage::Rcpt,
        Command::Data(_) => Stage::Data,
        Command::Rset => Stage::Rset,
        Command::Vrfy(_) => Stage::Vrfy,
        Command::Expn(_) => Stage::Expn,
        Command::Help(_) => Stage::Help,
        Command::Noop => Stage::Noop,
        Command::Quit => Stage::Quit,
        Command::Custom(_) => Stage::Custom,
    }
}
