//! From a fresh transport to a session that takes commands (RFC 5321 §3.1, §4.1.1.1, RFC 3207).

use alloc::boxed::Box;

use super::{Flow, Step};
use crate::capabilities::Extension;
use crate::command::Command;
use crate::connection::{CommandId, Connection, Event, Stage, TlsPolicy};
use crate::error::{Error, Misuse};
use crate::reply::Reply;

/// Waits for the greeting, says EHLO, upgrades to TLS as the policy wants, and says EHLO again.
///
/// Polled on a connection that is ready already, and as well protected as the policy wants, it ends at once, so that a
/// caller can put it before everything.
#[derive(Debug, Default)]
pub struct Open {
    state: State,
    only_greeting: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Start,
    Greeting,
    Hello(Hello),
    StartTls(StartTls),
}

impl Open {
    /// The flow.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The flow as far as the greeting: what tells whether this address of a server will do.
    #[must_use]
    pub fn greeting() -> Self {
        Self { only_greeting: true, ..Self::default() }
    }
}

impl Flow for Open {
    type Output = ();
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<()>, Error> {
        loop {
            match &mut self.state {
                State::Start => {
                    if connection.failure().is_some() {
                        return Err(Error::Poisoned);
                    }
                    if connection.is_ready() && !self.only_greeting {
                        match upgrade_due(connection)? {
                            true => self.state = State::StartTls(StartTls::new()),
                            false => return Ok(Step::Done(())),
                        }
                        continue;
                    }
                    if connection.is_greeted() && self.only_greeting {
                        return Ok(Step::Done(()));
                    }
                    let upgrade = connection.tls_upgrade();
                    // Under implicit TLS the greeting comes after the handshake, with STARTTLS it came before.
                    self.state = match connection.is_greeted() {
                        true => State::Hello(Hello::new()),
                        false => State::Greeting,
                    };
                    if let Some(upgrade) = upgrade {
                        return Ok(Step::UpgradeTls(upgrade));
                    }
                }
                State::Greeting => match connection.poll_event()? {
                    Some(Event::Greeting(_)) if self.only_greeting => return Ok(Step::Done(())),
                    Some(Event::Greeting(_)) => self.state = State::Hello(Hello::new()),
                    Some(_) => {}
                    None => return Ok(Step::Continue),
                },
                State::Hello(_) if connection.is_handshaking() => return await_handshake(connection),
                State::Hello(hello) => {
                    let Step::Done(_) = hello.poll(connection)? else { return Ok(Step::Continue) };
                    match upgrade_due(connection)? {
                        true => self.state = State::StartTls(StartTls::new()),
                        false => return Ok(Step::Done(())),
                    }
                }
                State::StartTls(start_tls) => return start_tls.poll(connection),
            }
        }
    }
}

/// A loop that never blocks polls on while the handshake goes on. The token has been handed out, and there is nothing
/// to do but to wait.
fn await_handshake(connection: &mut Connection) -> Result<Step<()>, Error> {
    connection.poll_event()?;
    Ok(Step::Continue)
}

/// Whether STARTTLS comes next, as the policy and the server have it.
fn upgrade_due(connection: &mut Connection) -> Result<bool, Error> {
    let offered = connection.capabilities().supports(Extension::StartTls);
    match connection.config().tls_policy() {
        _ if connection.security().is_tls() => Ok(false),
        TlsPolicy::Required if !offered => Err(connection.fail(Error::TlsRequired)),
        TlsPolicy::Required => Ok(true),
        TlsPolicy::Opportunistic => Ok(offered),
        TlsPolicy::Implicit | TlsPolicy::None => Ok(false),
    }
}

/// Says EHLO, and HELO to a server that does not know EHLO, where that is allowed; in LMTP, LHLO.
///
/// HELO takes every extension away, so it is said only after 500, 502, 504 or 550 to EHLO, and never where
/// TLS is required: an attacker on the path could otherwise answer so and have everything sent in clear.
/// [`Quirks::force_helo`](crate::connection::Quirks::force_helo) says HELO at once, where TLS is not required.
#[derive(Debug, Default)]
pub struct Hello {
    sent: Option<CommandId>,
    refused: Option<Box<Reply>>,
}

impl Hello {
    /// The flow.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Flow for Hello {
    type Output = Reply;
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Reply>, Error> {
        loop {
            let id = match self.sent {
                Some(id) => id,
                None => {
                    let config = connection.config();
                    let forced = config.quirks.forces_helo() && !config.is_lmtp();
                    // Whatever the server has said behind its greeting, this is what is wrong.
                    if forced && !may_do_without_tls(connection) && connection.failure().is_none() {
                        return Err(Misuse::HeloWithoutTls.into());
                    }
                    super::exchange::hear(connection)?;
                    let name = connection.client_name();
                    let command = match self.refused {
                        _ if connection.config().is_lmtp() => Command::Lhlo(&name),
                        None if !forced => Command::Ehlo(&name),
                        None | Some(_) => Command::Helo(&name),
                    };
                    *self.sent.insert(connection.command(command)?)
                }
            };
            let Some((stage, reply)) = super::exchange::reply_to(connection, id)? else {
                return Ok(Step::Continue);
            };
            if reply.is_positive_completion() {
                return Ok(Step::Done(reply));
            }
            match self.refused.take() {
                None if stage == Stage::Ehlo && may_say_helo(connection, &reply) => {
                    self.refused = Some(reply.into());
                    self.sent = None;
                }
                first => {
                    // The first error is the one that tells; without a hello there is no session.
                    let (stage, reply) = first.map_or((stage, reply.into()), |first| (Stage::Ehlo, first));
                    connection.abandon();
                    return Err(Error::Refused { stage, reply });
                }
            }
        }
    }
}

/// Whether the session may go on without STARTTLS, which only EHLO can offer.
fn may_do_without_tls(connection: &Connection) -> bool {
    connection.config().tls_policy() != TlsPolicy::Required || connection.security().is_tls()
}

fn may_say_helo(connection: &Connection, reply: &Reply) -> bool {
    let policy = connection.config().tls_policy();
    matches!(reply.code().get(), 500 | 502 | 504 | 550)
        && policy != TlsPolicy::Required
        && !connection.security().is_tls()
}

/// STARTTLS, the handshake, and the EHLO that has to follow it (RFC 3207 §4.2).
#[derive(Debug, Default)]
pub struct StartTls {
    sent: Option<CommandId>,
    hello: Option<Hello>,
}

impl StartTls {
    /// The flow.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Flow for StartTls {
    type Output = ();
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<()>, Error> {
        if let Some(hello) = &mut self.hello {
            if connection.is_handshaking() {
                return await_handshake(connection);
            }
            return Ok(match hello.poll(connection)? {
                Step::Done(_) => Step::Done(()),
                _ => Step::Continue,
            });
        }
        let id = match self.sent {
            Some(id) => id,
            None => {
                super::exchange::hear(connection)?;
                *self.sent.insert(connection.command(Command::StartTls)?)
            }
        };
        if super::exchange::reply_to(connection, id)?.is_none() {
            return Ok(Step::Continue);
        }
        let Some(upgrade) = connection.tls_upgrade() else { return Err(Error::Poisoned) };
        self.hello = Some(Hello::new());
        Ok(Step::UpgradeTls(upgrade))
    }
}
