//! What a client is asked for in a transcript, and the ways to ask: the core alone, the blocking and the tokio
//! adapter, in clear and under TLS.

use smtp_proto::command::Command;
use smtp_proto::connection::{Config, Protocol, TlsPolicy};
use smtp_proto::flow::{Body, Delivery, Envelope, RecipientOutcome, SendOptions, Transfer};
use smtp_proto::path::{ForwardPath, ReversePath};
use smtp_proto::reply::Reply;
use smtp_proto::sasl::{self, CramMd5, Mechanism, Nonce, OAuthBearer, ScramSha256};
use smtp_proto::{Error, SendError, params};
use smtp_tests::script::{Mode, Scenario, Script, Session};

use super::{Case, Kind, Line, tls};

#[derive(Debug, Clone, Copy)]
pub enum Op {
    Plain,
    Login,
    Cram,
    XOAuth2,
    Bearer,
    Scram,
    Credentials,
    Send(&'static [&'static str], &'static [u8]),
    SendToAll(&'static [&'static str], &'static [u8]),
    SendInChunks(&'static [&'static str], &'static [u8]),
    /// In several mail transactions, if the server takes few recipients in one.
    SendInParts(&'static [&'static str], &'static [u8]),
    /// So many messages, "message 1" and so on, each to Bob; then QUIT.
    Batch {
        messages: usize,
        chunks: bool,
    },
    Mail,
    Rcpt(&'static str),
    /// DATA, the message, and the end of it.
    Data(&'static [u8]),
    Noop,
    Verify(&'static str),
    Expand(&'static str),
    Help(&'static str),
    Reset,
    Etrn(&'static str),
    XClient(&'static str),
    Hello,
    Custom(&'static str),
    Quit,
}

impl Op {
    /// Whether it hands messages over.
    pub fn sends(self) -> bool {
        matches!(
            self,
            Op::Send(..)
                | Op::SendToAll(..)
                | Op::SendInChunks(..)
                | Op::SendInParts(..)
                | Op::Batch { .. }
                | Op::Data(_)
        )
    }
}

/// How the transcript travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// As it is written.
    Clear,
    /// All of it under TLS.
    Tls,
}

/// What came of an operation: in a few words, and all that is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub word: String,
    pub full: String,
}

impl Case {
    pub fn config(&self, over: Over) -> Config {
        let policy = match (over, self.kind) {
            (Over::Tls, _) => TlsPolicy::Implicit,
            (Over::Clear, Kind::StartTls) => TlsPolicy::Required,
            (Over::Clear, Kind::Smtp | Kind::Lmtp) => TlsPolicy::None,
        };
        let eager = self.ops.iter().any(|(op, _)| matches!(op, Op::Batch { chunks: true, .. }));
        let config = Config::new("mail.example").client_name("client.test".parse().unwrap());
        let config = config.tls(policy).eager_chunks(eager);
        if self.kind == Kind::Lmtp { config.protocol(Protocol::Lmtp) } else { config }
    }

    /// The script, under TLS from the first octet on if so wanted.
    pub fn script(&self, over: Over) -> Script {
        match over {
            Over::Clear => Script::parse(self.script),
            Over::Tls => Script::parse(&format!("tls\n{}", self.script)),
        }
    }

    /// Whether it can travel this way.
    pub fn suits(&self, over: Over) -> bool {
        // SCRAM tells the server, under TLS, that it could have bound to the channel.
        let scram = self.ops.iter().any(|(op, _)| matches!(op, Op::Scram));
        over == Over::Clear || (self.kind != Kind::StartTls && !scram && !self.says_helo())
    }
}

pub fn envelope(to: &[&str]) -> Envelope {
    Envelope::from_strs("alice@example.org", to).unwrap()
}

fn mechanism(op: Op) -> Option<Box<dyn Mechanism>> {
    const HOST: &str = "mail.example";
    Some(match op {
        Op::Plain => Box::new(sasl::Plain::new("", "alice", "secret", HOST)),
        Op::Login => Box::new(sasl::Login::new("alice", "secret", HOST)),
        Op::Cram => Box::new(CramMd5::new("alice", "secret")),
        Op::XOAuth2 => Box::new(sasl::XOAuth2::new("alice", "token", HOST)),
        Op::Bearer => Box::new(OAuthBearer::new("alice", "token", HOST)),
        Op::Scram => {
            let nonce = Nonce::new("fyko+d2lbbFgONRv9qkxdawL").unwrap();
            Box::new(ScramSha256::new("alice", "secret", HOST, nonce).iterations(1..=9))
        }
        _ => return None,
    })
}

fn credentials() -> sasl::Credentials {
    sasl::Credentials::password("alice", "secret")
}

fn xclient(name: &str) -> params::XClient {
    params::XClient::new().name(name).unwrap()
}

fn alice() -> ReversePath {
    "alice@example.org".parse().unwrap()
}

fn path(to: &str) -> ForwardPath {
    to.parse().unwrap()
}

fn options(op: Op) -> SendOptions {
    match op {
        Op::SendToAll(..) => SendOptions::all_or_nothing(),
        Op::SendInParts(..) => SendOptions::default().split(true),
        Op::SendInChunks(..) | Op::Batch { chunks: true, .. } => {
            SendOptions::default().transfer(Transfer::Chunks)
        }
        Op::Batch { chunks: false, .. } => SendOptions::default().transfer(Transfer::Data),
        _ => SendOptions::default(),
    }
}

fn batch(messages: usize) -> Vec<(Envelope, Vec<u8>)> {
    let message = |n| (envelope(&["bob@example.org"]), format!("message {n}\r\n").into_bytes());
    (1..=messages).map(message).collect()
}

// ---- in a few words ----

fn variant(error: &impl std::fmt::Debug) -> String {
    format!("{error:?}").chars().take_while(char::is_ascii_alphanumeric).collect()
}

fn error_word(error: &Error) -> String {
    match error {
        Error::Refused { reply, .. } => format!("Refused {}", reply.code()),
        Error::AuthenticationFailed(failure) => format!("AuthenticationFailed {}", failure.reply.code()),
        other => variant(other),
    }
}

fn send_word(result: &Result<Delivery, SendError>) -> String {
    match result {
        Ok(delivery) => {
            let accepted = delivery.recipients.iter().filter(|r| RecipientOutcome::is_accepted(r)).count();
            format!("accepted {} of {accepted}", delivery.reply.code())
        }
        Err(SendError::Rejected { reply, .. }) => format!("rejected {}", reply.code()),
        Err(SendError::NotSent { cause, .. }) => format!("not sent: {}", variant(cause)),
        Err(SendError::Unknown { cause, .. }) => format!("unknown: {}", variant(cause)),
    }
}

impl Told {
    fn reply(result: Result<Reply, Error>) -> Self {
        let word = result.as_ref().map_or_else(error_word, |reply| reply.code().to_string());
        Self { word, full: format!("{result:?}") }
    }

    fn done(result: Result<(), Error>) -> Self {
        let word = result.as_ref().map_or_else(error_word, |()| "done".into());
        Self { word, full: format!("{result:?}") }
    }

    fn delivery(result: Result<Delivery, SendError>) -> Self {
        Self { word: send_word(&result), full: format!("{result:?}") }
    }

    fn deliveries(results: Vec<Result<Delivery, SendError>>) -> Self {
        let words: Vec<_> = results.iter().map(send_word).collect();
        Self { word: words.join(", "), full: format!("{results:?}") }
    }
}

// ---- the core ----

/// Through the core alone, with octets cut in one way.
pub fn through_core(case: &Case, script: &Script, mode: Mode) -> Vec<Told> {
    Scenario::new(case.config(Over::Clear))
        .local()
        .modes(&[mode])
        .script(script.clone())
        .run(|session| case.ops.iter().map(|(op, _)| core_op(session, *op)).collect())
}

fn core_op(session: &mut Session, op: Op) -> Told {
    if let Op::Quit = op {
        return Told::done(session.quit());
    }
    if let Op::Batch { messages, .. } = op {
        if session.open().is_ok() {
            let messages = batch(messages);
            let messages: Vec<_> = messages.iter().map(|(to, body)| (to.clone(), &body[..])).collect();
            return Told::deliveries(session.send_all(&messages, options(op), true));
        }
    }
    if let Err(error) = session.open() {
        return if op.sends() { Told::delivery(Err(error.into())) } else { Told::done(Err(error)) };
    }
    if let Some(mut mechanism) = mechanism(op) {
        return Told::reply(session.auth(&mut *mechanism));
    }
    Told::reply(match op {
        Op::Send(to, body)
        | Op::SendToAll(to, body)
        | Op::SendInChunks(to, body)
        | Op::SendInParts(to, body) => {
            let sent = session.send_with(&envelope(to), Body::Whole(body), options(op), &[body]);
            return Told::delivery(sent);
        }
        Op::Data(body) => {
            let sent = (|| -> Result<_, SendError> {
                let data = session.connection().default_data();
                session.begin_data(data)?;
                session.write_body(body)?;
                session.finish_data()
            })();
            return Told::delivery(sent);
        }
        Op::Credentials => session.log_in(&credentials(), None),
        Op::Mail => {
            let parameters = session.connection().default_mail_parameters(&alice());
            session.command(Command::Mail(&alice(), &parameters))
        }
        Op::Rcpt(to) => session.command(Command::Rcpt(&path(to), &Default::default())),
        Op::Noop => session.command(Command::Noop),
        Op::Verify(user) => session.command(Command::Vrfy(user)),
        Op::Expand(list) => session.command(Command::Expn(list)),
        Op::Help(topic) => session.command(Command::Help(topic)),
        Op::Reset => session.command(Command::Rset),
        Op::Etrn(node) => session.command(Command::Etrn(node)),
        Op::XClient(name) => session.xclient(&xclient(name)),
        Op::Hello => session.hello(),
        Op::Custom(line) => session.ask(Command::Custom(line)),
        Op::Plain | Op::Login | Op::Cram | Op::XOAuth2 | Op::Bearer | Op::Scram => unreachable!(),
        Op::Batch { .. } | Op::Quit => unreachable!(),
    })
}

// ---- the adapters ----

/// Both adapters have the same verbs; `$wait` is what one puts behind each call.
macro_rules! ask {
    ($adapter:ident, $slot:ident, $op:expr $(, $wait:tt $await:ident)?) => {{
        if let Op::Quit = $op {
            let client = $slot.take().expect("a client");
            return Told::done(client.quit()$($wait $await)?.map_err(|error| error.into_kind()));
        }
        let client = $slot.as_mut().expect("a client");
        if let Some(mut mechanism) = mechanism($op) {
            return Told::reply(client.auth(&mut *mechanism)$($wait $await)?.map_err(|error| error.into_kind()));
        }
        let result = match $op {
            Op::Send(to, body) => {
                let sent = client.send(&envelope(to), body)$($wait $await)?;
                return Told::delivery(sent.map_err(|error| error.into_kind()));
            }
            Op::SendToAll(to, body) | Op::SendInChunks(to, body) | Op::SendInParts(to, body) => {
                let sent = client.send_with(&envelope(to), body, options($op))$($wait $await)?;
                return Told::delivery(sent.map_err(|error| error.into_kind()));
            }
            Op::Data(body) => {
                let mut writer = match client.data()$($wait $await)? {
                    Ok(writer) => writer,
                    Err(error) => return Told::delivery(Err(error.into_kind().into())),
                };
                // A failure is told once more, with what it means, by `finish`.
                let _ = writer.write_all(body)$($wait $await)?;
                return Told::delivery(writer.finish()$($wait $await)?.map_err(|error| error.into_kind()));
            }
            Op::Batch { messages, .. } => {
                let messages = batch(messages).into_iter().map(|(to, body)| {
                    $adapter::Message::new(to, body).options(options($op))
                });
                let mut outcomes = client.send_all(messages).then_quit();
                let mut told = Vec::new();
                while let Some(outcome) = outcomes.next()$($wait $await)? {
                    told.push(outcome.map_err(|error| error.into_kind()));
                }
                return Told::deliveries(told);
            }
            Op::Credentials => client.login(&credentials())$($wait $await)?,
            Op::Mail => client.mail(&alice())$($wait $await)?,
            Op::Rcpt(to) => client.rcpt(&path(to))$($wait $await)?,
            Op::Noop => client.noop()$($wait $await)?,
            Op::Verify(user) => client.verify(user)$($wait $await)?,
            Op::Expand(list) => client.expand(list)$($wait $await)?,
            Op::Help(topic) => client.help(topic)$($wait $await)?,
            Op::Reset => client.reset()$($wait $await)?,
            Op::Etrn(node) => client.etrn(node)$($wait $await)?,
            Op::XClient(name) => client.xclient(&xclient(name))$($wait $await)?,
            Op::Hello => client.renew_hello()$($wait $await)?,
            Op::Custom(line) => client.command(line)$($wait $await)?,
            Op::Plain | Op::Login | Op::Cram | Op::XOAuth2 | Op::Bearer | Op::Scram | Op::Quit => unreachable!(),
        };
        Told::reply(result.map_err(|error| error.into_kind()))
    }};
}

pub type Blocking = smtp_blocking::Client<Line>;
pub type Tokio = smtp_tokio::Client<Line>;

pub fn blocking(case: &Case, over: Over, line: Line) -> Option<Blocking> {
    let settings = tls().client(line.library());
    let mut client = smtp_blocking::Client::new(line, case.config(over));
    client.set_tls_config(settings);
    Some(client)
}

pub fn tokio(case: &Case, over: Over, line: Line) -> Option<Tokio> {
    let settings = tls().client(line.library());
    let mut client = smtp_tokio::Client::new(line, case.config(over));
    client.set_tls_config(settings);
    Some(client)
}

/// Asks for one thing. QUIT takes the client away.
pub fn blocking_op(slot: &mut Option<Blocking>, op: Op) -> Told {
    use std::io::Write as _;
    ask!(smtp_blocking, slot, op)
}

/// The same.
pub async fn tokio_op(slot: &mut Option<Tokio>, op: Op) -> Told {
    ask!(smtp_tokio, slot, op, . await)
}

pub fn through_blocking(case: &Case, over: Over, line: Line) -> Vec<Told> {
    let mut client = blocking(case, over, line);
    case.ops.iter().map(|(op, _)| blocking_op(&mut client, *op)).collect()
}

pub async fn through_tokio(case: &Case, over: Over, line: Line) -> Vec<Told> {
    let mut client = tokio(case, over, line);
    let mut told = Vec::new();
    for (op, _) in case.ops {
        told.push(tokio_op(&mut client, *op).await);
    }
    told
}
