//! [`Connection`]: the SMTP session as a pure state machine (RFC 5321, RFC 2920, RFC 3207, RFC 4954).
//!
//! Server octets and the caller's wishes go in, octets to write and [`Event`]s come out. A reader who follows
//! an octet meets the modules in this order: the reply parser, `input` with `pipeline` (which command does this
//! reply answer?) and `phase` (what does it mean, and what may come next?), the event, and back out through
//! `commands`, the command encoder, `pipeline` and `output`.

mod commands;
mod config;
mod counters;
mod event;
mod input;
mod limits;
mod outgoing;
mod output;
mod owner;
mod phase;
mod pipeline;
mod quirks;
mod reuse;
mod timeout;
mod transcript;

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;
use core::num::NonZeroU64;
use core::time::Duration;

pub use crate::stage::{Stage, TimeoutPhase};
pub use config::{Config, Peer, Protocol, TlsPolicy};
pub use counters::Counters;
pub(crate) use counters::{Outcome, Outcomes};
pub use event::{CommandId, Event};
pub use owner::{LoginPause, Logins, Origin, Owner};
pub use pipeline::Window;
pub use quirks::Quirks;
pub use reuse::{Retired, Reuse, ReusePolicy};
pub use timeout::{Timeout, Timeouts};
pub use transcript::{Direction, TranscriptEntry, TranscriptLine};

use crate::body::{BodyKind, BodyRules};
use crate::capabilities::{Capabilities, Extension};
use crate::command::DataCommand;
use crate::error::{Error, Misuse, ProtocolError};
use crate::params::MailParameters;
use crate::path::{ClientName, ReversePath};
use crate::reply::ReplyParser;
use crate::sasl::ServerInfo;
use crate::security::{ChannelBindings, Security, VerifiedName, certificate_name};
use counters::Tally;
use outgoing::Outgoing;
use phase::Phase;
use pipeline::Pipeline;
use transcript::Transcript;

/// One SMTP session: no socket, no clock, no TLS, only what was said and what may be said next.
///
/// # Contract
///
/// - **Octets in.** [`receive`](Self::receive) takes any split of the input; what happens is a function of
///   the octets alone. Then call [`poll_event`](Self::poll_event) until it gives `None`; a
///   [`Flow`](crate::flow::Flow) does that itself, and events taken beside it are lost to it.
/// - **One event at a time.** The state advances as each event is returned: what an accessor says always
///   matches the last event seen.
/// - **Octets out.** [`output`](Self::output) is what to write now, [`advance_output`](Self::advance_output)
///   says how much of it the transport *accepted*. Report what was accepted before handing in what was read.
/// - **Illegal calls** return a typed error, queue nothing, and leave the connection as it was.
/// - **Time.** [`timeout`](Self::timeout) names what is awaited and for how long; when it has run out, call
///   [`handle_timeout`](Self::handle_timeout). [`tick`](Self::tick) does both for a caller who says what time it is.
/// - **In order.** Each reply answers the oldest command in flight. A reply nobody asked for is fatal, except
///   421 (and an idle 221), which is the server's orderly goodbye.
/// - **Poisoned is poisoned.** After a fatal error nothing is ever emitted again; queueing calls return
///   [`Error::Poisoned`], and `poll_event` repeats the error that broke the connection.
///
/// # What it holds
///
/// At most 1 MiB with the default settings, whatever the server says and whether or not its events are taken: input
/// and a reply under assembly ([`ReplyLimits`](crate::reply::ReplyLimits)), what the server offers, the commands in the
/// [`Window`], the piece of a message that [`supply_body`](Self::supply_body) copied, and up to 1,000 domains for a
/// server that limits their number. After a failure it is at most 128 KiB: the error, and which commands have no
/// reply. Idle, it is about 1 KiB, the value itself included. Not counted are [`Config`], which connections can
/// share, and commands queued though there was no [room](Self::has_room) for them.
///
/// A [`Flow`](crate::flow::Flow) holds what it will tell besides, of which
/// [`ReplyLimits::kept`](crate::reply::ReplyLimits::kept) bounds the server's part.
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
///           SupplyBody { .. } => connection.supply_body(message, &mut at)
///           Continue         => write connection.output() if there is any, else
///                               read, and connection.receive(..) or .receive_eof(),
///                               for no longer than connection.tick(now) says
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
    /// What counts against the limits the server declares.
    counts: limits::Counts,
    security: Security,
    channel_bindings: ChannelBindings,
    authenticated: bool,
    /// Whether the latest line of the AUTH exchange under way has a response in it.
    credentials_said: bool,
    /// Whether an earlier line of it had one.
    credentials_left: bool,
    /// Whether the mail transaction was begun with SMTPUTF8 (RFC 6531 §3.4).
    smtp_utf8: bool,
    /// The body kind that MAIL declared.
    body_kind: BodyKind,
    /// The size that MAIL declared.
    declared_size: Option<u64>,
    /// What the body has to obey that a DATA in flight asks for.
    data: Option<DataCommand>,
    outgoing: Option<Box<Outgoing>>,
    /// The end of the latest message, if its last chunk was complete without being told so.
    completed: Option<CommandId>,
    /// A message was taken back of which a chunk had been given: only RSET makes the server forget it.
    taken_back: bool,
    /// The server has accepted a recipient since the session was last changed by EHLO, TLS, AUTH or XCLIENT.
    takes_mail: bool,
    /// Recipients that the server has accepted in this mail transaction.
    accepted: u32,
    /// A message is accepted for some of its recipients, and its other mail transactions are not over.
    partly_delivered: bool,
    /// What was said may have made the session one on somebody else's behalf: XCLIENT, or a command that is not known
    /// here.
    estranged: bool,
    /// Replies to the end of the message that have come, in LMTP.
    finals: u32,
    /// The server accepted a message of which it had refused a part.
    contradicted: bool,
    /// Behind the 998 octets that are no fault, and so never 0.
    first_long_line: Option<NonZeroU64>,
    /// Why the latest body was taken back.
    body_error: Option<Box<Error>>,
    eof: bool,
    /// Replies taken, and times that octets of a body left: between two waits of the same phase there is one or the
    /// other.
    sequence: u32,
    /// What was awaited at the latest tick, `None` once `sequence` has changed; and since when, in nanoseconds by the
    /// caller's clock: as short as that, for an idle connection to be small.
    waiting_for: Option<TimeoutPhase>,
    waiting_since: u64,
    failure: Option<Box<Error>>,
    transcript: Option<Box<Transcript>>,
    tally: Tally,
}

/// Proof that the connection asked for a TLS handshake: only [`Connection::tls_upgrade`] makes one, and only
/// giving it back through [`Connection::tls_established`] makes the connection a protected one.
///
/// ```compile_fail
/// // A04: nobody else can claim that TLS is up.
/// fn forged(real: smtp_proto::connection::TlsUpgrade) -> smtp_proto::connection::TlsUpgrade {
///     smtp_proto::connection::TlsUpgrade { ..real }
/// }
/// ```
#[derive(Debug)]
#[must_use = "the connection waits for the TLS handshake"]
pub struct TlsUpgrade {
    host: Arc<str>,
    channel_bindings: ChannelBindings,
}

impl TlsUpgrade {
    /// The name that the server's certificate has to be valid for; never one that the server sent. It is what a TLS
    /// library wants: a DNS name without a final dot, or an IP address without brackets.
    #[must_use]
    pub fn server_name(&self) -> &str {
        certificate_name(&self.host)
    }

    /// Adds what names the TLS channel, for mechanisms that bind to it. Whoever does the handshake answers for it.
    pub fn bind(mut self, channel_bindings: ChannelBindings) -> Self {
        self.channel_bindings = channel_bindings;
        self
    }
}

impl Connection {
    /// A session on a transport that has just been connected to `peer`.
    #[must_use]
    pub fn new(config: impl Into<Arc<Config>>, peer: Peer) -> Self {
        let config = config.into();
        let implicit = config.tls == TlsPolicy::Implicit;
        let mut pipeline = Pipeline::new();
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
            counts: limits::Counts::default(),
            security: match peer {
                Peer::Local => Security::LocalPlaintext,
                Peer::Remote => Security::Plaintext,
            },
            channel_bindings: ChannelBindings::new(),
            authenticated: false,
            credentials_said: false,
            credentials_left: false,
            smtp_utf8: false,
            body_kind: BodyKind::SevenBit,
            declared_size: None,
            data: None,
            outgoing: None,
            completed: None,
            taken_back: false,
            takes_mail: false,
            accepted: 0,
            partly_delivered: false,
            estranged: false,
            finals: 0,
            contradicted: false,
            first_long_line: None,
            body_error: None,
            eof: false,
            sequence: 0,
            waiting_for: None,
            waiting_since: 0,
            failure: None,
            transcript: None,
            tally: Tally::default(),
        }
    }

    // ---- TLS ----

    /// Begins the TLS handshake that is due: after the 220 to STARTTLS, or first of all under
    /// [`TlsPolicy::Implicit`]. `None` if none is due.
    pub fn tls_upgrade(&mut self) -> Option<TlsUpgrade> {
        let due = self.failure.is_none() && self.receiving == Phase::TlsPending && !self.eof;
        due.then(|| TlsUpgrade { host: self.config.host.clone(), channel_bindings: ChannelBindings::new() })
    }

    /// Whether a TLS handshake is due or under way.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.receiving == Phase::TlsPending
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
        self.security = Security::Tls(VerifiedName::new(upgrade.host));
        self.channel_bindings = upgrade.channel_bindings;
        self.forget_session();
        self.receiving = if implicit { Phase::Greeting } else { Phase::Hello };
        if implicit {
            self.pipeline.expect(Stage::Greeting);
        }
        self.sending = self.receiving;
        self.trace(TranscriptLine::Tls);
        Ok(())
    }

    /// Forgets everything that was said and heard: the session begins anew, as on another connection.
    fn forget_session(&mut self) {
        self.capabilities = Capabilities::default();
        self.counts = limits::Counts::default();
        self.authenticated = false;
        self.credentials_said = false;
        self.credentials_left = false;
        self.smtp_utf8 = false;
        self.body_kind = BodyKind::SevenBit;
        self.declared_size = None;
        self.data = None;
        self.outgoing = None;
        self.completed = None;
        self.taken_back = false;
        self.takes_mail = false;
        self.accepted = 0;
        self.finals = 0;
        self.first_long_line = None;
        self.body_error = None;
    }

    /// Reports that the handshake failed: the connection is poisoned, and nothing is ever said in clear on it.
    pub fn tls_failed(&mut self) {
        self.fail(Error::TlsFailed);
    }

    /// Reports that the handshake failed because the peer did not speak TLS: it goes on in clear behind its 220,
    /// or the port is one for STARTTLS. As [`tls_failed`](Self::tls_failed), with the reason.
    pub fn tls_answered_in_clear(&mut self) {
        self.fail(self.clear_text_fault());
    }

    /// What octets in clear are where a TLS handshake is due.
    fn clear_text_fault(&self) -> Error {
        match self.config.tls {
            TlsPolicy::Implicit => ProtocolError::ClearTextBeforeTls.into(),
            TlsPolicy::Required | TlsPolicy::Opportunistic | TlsPolicy::None => {
                ProtocolError::StartTlsResidue.into()
            }
        }
    }

    // ---- time, and the end ----

    /// What is awaited and how long that may take, or `None` when nothing is. Start a new clock whenever the
    /// value differs from the one before, or let [`tick`](Self::tick) do that.
    #[must_use]
    pub fn timeout(&self) -> Option<Timeout> {
        if self.failure.is_some() || self.receiving == Phase::Closed {
            return None;
        }
        let phase = if self.receiving == Phase::TlsPending {
            TimeoutPhase::TlsHandshake
        } else {
            match self.pipeline.front() {
                Some(_) if self.awaits_own_octets() => {
                    // While the caller has nothing to write, it is not the server that is late.
                    if self.pipeline.owed() == 0 && self.pipeline.output().is_empty() {
                        TimeoutPhase::BodySource
                    } else {
                        TimeoutPhase::DataBlock
                    }
                }
                Some(awaited) => TimeoutPhase::Reply(awaited.stage),
                None if self.sending == Phase::Body => TimeoutPhase::BodySource,
                None => return None,
            }
        };
        Some(Timeout { phase, budget: self.config.timeouts.budget(phase), sequence: self.sequence.into() })
    }

    /// A wait has ended: the next one is another, be it of the same phase.
    fn end_wait(&mut self) {
        self.sequence = self.sequence.wrapping_add(1);
        self.waiting_for = None;
    }

    /// Whether the reply now awaited is to octets of a body that have not all left.
    fn awaits_own_octets(&self) -> bool {
        let front = self.pipeline.front();
        front.is_some_and(|front| matches!(front.stage, Stage::Bdat | Stage::EndOfData))
            && !self.pipeline.front_left()
    }

    /// Tells the time, as what has passed since any fixed moment, and gives how much of it is left for what is now
    /// awaited: the longest that a read or a write may last. A wait begins with the first call after
    /// [`timeout`](Self::timeout) has changed, so call this whenever it would have to be waited.
    ///
    /// `None` means not to wait but to poll the flow again: either the time is over, and the connection poisoned as by
    /// [`handle_timeout`](Self::handle_timeout), or nothing is awaited.
    ///
    /// ```
    /// use core::time::Duration;
    /// use smtp_proto::connection::{Config, Connection, Peer, Stage, TimeoutPhase};
    ///
    /// let mut connection = Connection::new(Config::new("mail.example"), Peer::Remote);
    /// let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    /// assert_eq!(connection.tick(minutes(100)), Some(minutes(5)), "for the greeting");
    /// connection.receive(b"220 ma");
    /// assert_eq!(connection.tick(minutes(102)), Some(minutes(3)), "a part of a reply gives no more time");
    /// assert_eq!(connection.tick(minutes(105)), None);
    /// let late = TimeoutPhase::Reply(Stage::Greeting);
    /// assert!(matches!(connection.failure(), Some(smtp_proto::Error::Timeout(phase)) if *phase == late));
    /// ```
    pub fn tick(&mut self, now: Duration) -> Option<Duration> {
        self.set_time(now);
        let Timeout { phase, budget, .. } = self.timeout()?;
        if self.waiting_for != Some(phase) {
            self.waiting_for = Some(phase);
            self.waiting_since = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        }
        let waited = now.saturating_sub(Duration::from_nanos(self.waiting_since));
        let left = budget.saturating_sub(waited);
        if left.is_zero() {
            self.handle_timeout();
            return None;
        }
        Some(left)
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

    /// Gives the connection up because the server accepted a message of which it had refused a part.
    pub(crate) fn abandon_contradicted(&mut self) {
        self.contradicted = true;
        self.abandon();
    }

    /// Stores the first fatal error, and forgets what was not sent and what was not read.
    pub(crate) fn fail(&mut self, error: Error) -> Error {
        self.pipeline.stop();
        self.parser.discard();
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
        DataCommand { rules: BodyRules::new(self.body_kind), size: self.declared_size }
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
            channel_bindings: &self.channel_bindings,
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
        match self.receiving {
            Phase::Greeting => false,
            Phase::TlsPending => self.config.tls != TlsPolicy::Implicit,
            _ => true,
        }
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

    /// Whether octets of the message's body may be given to [`body`](Self::body) now, or its end be told to
    /// [`finish_body`](Self::finish_body): the server has asked for them, or under BDAT the window has room. While octets
    /// that [`supply_body`](Self::supply_body) copied wait to leave, no others are wanted.
    ///
    /// The first chunk of a session waits until the server has accepted a recipient. One that takes no mail at
    /// all, because it wants AUTH or TLS first, may answer BDAT with 530 and read the octets behind it as commands
    /// (Postfix and Dovecot do), though RFC 3030 §2 has it discard them.
    #[must_use]
    pub fn wants_body(&self) -> bool {
        self.takes_body() && !self.pipeline.is_keeping()
    }

    /// The same without regard to what waits to leave.
    fn takes_body(&self) -> bool {
        if self.failure.is_some() || self.sending != Phase::Body {
            return false;
        }
        let new_chunk = self.outgoing.as_deref().is_some_and(Outgoing::is_between_chunks);
        let welcome = self.takes_mail || self.config.eager_chunks;
        let ready =
            || self.parser.is_blank() && self.pipeline.takes_chunk(&self.config.window, self.is_pipelining());
        !new_chunk || (welcome && ready())
    }

    /// Names the end of the message whose body is due or being sent.
    #[must_use]
    pub fn body_id(&self) -> Option<CommandId> {
        self.outgoing.as_deref().map(Outgoing::end)
    }

    /// Why the latest body was taken back, if its supply failed between two chunks.
    pub(crate) fn body_error(&self) -> Option<&Error> {
        self.body_error.as_deref()
    }

    /// Notes whether the server has accepted the message under way for some of its recipients, in a mail transaction
    /// that is over, and the others are still to come.
    pub(crate) fn set_partly_delivered(&mut self, partly: bool) {
        self.partly_delivered = partly;
    }

    /// How many recipients the server has accepted in the latest mail transaction.
    pub(crate) fn accepted_recipients(&self) -> usize {
        self.accepted as usize
    }

    /// Where the latest body passed the limit of 998 octets a line, if it did.
    pub(crate) fn first_long_line(&self) -> Option<u64> {
        self.first_long_line.map(NonZeroU64::get)
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
        self.pipeline.has_room(&self.config.window, self.is_pipelining())
    }

    /// Commands queued or in flight.
    #[must_use]
    pub fn outstanding(&self) -> usize {
        self.pipeline.len()
    }

    /// Whether this command, or the end of this message, is queued and has not been answered.
    #[must_use]
    pub fn is_outstanding(&self, id: CommandId) -> bool {
        self.pipeline.contains(id)
    }

    /// The oldest command without an answer: the one that an error is an answer to, if to any.
    pub(crate) fn oldest(&self) -> Option<CommandId> {
        self.pipeline.front().map(|entry| entry.id)
    }

    /// Whether the message that has this end is the oldest that has no verdict.
    pub(crate) fn is_oldest_message(&self, end: CommandId) -> bool {
        self.pipeline.is_first_end(end)
    }

    /// Whether the last octet of this command, or of this message, left without an answer having come. True
    /// for a message on a broken connection: it may have been delivered.
    #[must_use]
    pub fn is_unanswered(&self, id: CommandId) -> bool {
        self.pipeline.is_unanswered(id)
    }

    /// Whether the connection broke, or was given up, after a message had left whole and before a verdict on
    /// it came, or over verdicts that contradict each other, or after a part of its recipients had got it and before
    /// the others had. Sending it again may then deliver it twice.
    #[must_use]
    pub fn may_have_been_delivered(&self) -> bool {
        if self.contradicted {
            return true;
        }
        let judged = match self.failure() {
            None => return false,
            // In LMTP it is the verdict on one recipient.
            Some(error) => {
                error.verdict().is_some()
                    && (!self.config.is_lmtp() || self.finals.saturating_add(1) >= self.accepted)
            }
        };
        self.partly_delivered
            || self.pipeline.message_unanswered(usize::from(judged), self.accepted_recipients())
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
