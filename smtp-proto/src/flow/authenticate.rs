//! An AUTH exchange (RFC 4954 §4).

use alloc::boxed::Box;
use alloc::string::ToString as _;
use alloc::vec::Vec;

use super::{Flow, Step};
use crate::command::{AuthCommand, Command, CommandError, MAX_AUTH_LINE, MAX_LINE, auth_response_len};
use crate::connection::{CommandId, Connection, TlsPolicy};
use crate::error::{AuthenticationFailed, AuthenticationFailure, Error};
use crate::reply::Reply;
use crate::sasl::{Mechanism, MechanismError, Secret};
use crate::security::Security;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Authenticates with one mechanism.
///
/// The mechanism decides what is revealed to whom; this flow keeps the exchange within RFC 4954: the initial
/// response goes with the command only if the line stays within 512 octets, an exchange that makes no sense
/// is broken off with `*`, and only 235 is success.
///
/// Under [`TlsPolicy::Opportunistic`] it authenticates over TLS only (or with a local peer, or where the caller
/// allows secrets in clear), whatever the mechanism: an attacker who took the offer of TLS away would get
/// something to guess the password from.
///
/// The mechanism is given by value or by mutable reference; [`LogIn`](super::LogIn) chooses one by itself.
pub struct Authenticate<M> {
    mechanism: M,
    state: State,
    /// The initial response, held back because the line would be too long for it or the server wants none there.
    held: Option<Secret>,
    challenges: usize,
    cause: Option<MechanismError>,
}

enum State {
    Start,
    Waiting(CommandId),
}

impl<M: Mechanism> Authenticate<M> {
    /// The flow.
    #[must_use]
    pub fn new(mechanism: M) -> Self {
        Self { mechanism, state: State::Start, held: None, challenges: 0, cause: None }
    }

    fn start(&mut self, connection: &mut Connection) -> Result<CommandId, Error> {
        super::exchange::settle(connection)?;
        refuse_where_stripped(connection)?;
        let info = connection.server_info();
        if !info.mechanisms.contains(self.mechanism.name()) {
            return Err(Error::NoMechanism);
        }
        let response = self.mechanism.start(&info)?;
        let mut auth = AuthCommand {
            mechanism: self.mechanism.name(),
            initial_response: response.as_ref().map(Secret::expose),
        };
        if auth.line_len() > MAX_LINE || connection.config().quirks.holds_initial_response() {
            auth.initial_response = None;
        }
        let whole = auth.initial_response.is_some();
        if let Some(len) = response.as_ref().map(|response| auth_response_len(response.expose())) {
            if len > MAX_AUTH_LINE {
                return Err(CommandError::TooLong { len, limit: MAX_AUTH_LINE }.into());
            }
        }
        let id = connection.command(Command::Auth(auth))?;
        self.held = response.filter(|_| !whole);
        Ok(id)
    }

    /// Answers a challenge, or breaks the exchange off.
    fn respond(&mut self, connection: &mut Connection, challenge: &Reply) -> Result<CommandId, Error> {
        match self.response(challenge) {
            Ok(response) => match connection.auth_respond(response.expose()) {
                Err(Error::Command(error)) => {
                    self.cause = Some(MechanismError::Other(error.to_string().into()));
                    connection.auth_cancel()
                }
                result => result,
            },
            Err(cause) => {
                self.cause = Some(cause);
                connection.auth_cancel()
            }
        }
    }

    fn response(&mut self, challenge: &Reply) -> Result<Secret, MechanismError> {
        if self.cause.is_some() {
            return Err(MechanismError::UnexpectedChallenge);
        }
        let text = challenge.text().trim_ascii();
        let challenge = if self.mechanism.ignores_challenges() {
            Vec::new()
        } else {
            STANDARD.decode(text).map_err(|_| MechanismError::InvalidChallenge)?
        };
        if let Some(held) = self.held.take() {
            return if challenge.is_empty() { Ok(held) } else { Err(MechanismError::UnexpectedChallenge) };
        }
        if self.challenges >= self.mechanism.max_challenges() {
            return Err(MechanismError::UnexpectedChallenge);
        }
        self.challenges = self.challenges.saturating_add(1);
        self.mechanism.respond(&challenge)
    }

    fn failed(&mut self, reply: Reply) -> Error {
        Error::AuthenticationFailed(AuthenticationFailed {
            reason: AuthenticationFailure::of(&reply),
            reply: Box::new(reply),
            cause: self.cause.take(),
            detail: self.mechanism.error_detail().map(Box::from),
        })
    }
}

/// Refuses clear text where TLS was wanted and is not there: who took STARTTLS away may also have chosen the
/// challenge.
pub(super) fn refuse_where_stripped(connection: &Connection) -> Result<(), Error> {
    let config = connection.config();
    let wanted = config.tls_policy() == TlsPolicy::Opportunistic && !config.allow_plaintext_auth;
    if wanted && *connection.security() == Security::Plaintext {
        return Err(MechanismError::NotEncrypted.into());
    }
    Ok(())
}

impl<M: Mechanism> Flow for Authenticate<M> {
    type Output = Reply;
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Reply>, Error> {
        loop {
            let id = match self.state {
                State::Start => self.start(connection)?,
                State::Waiting(id) => id,
            };
            self.state = State::Waiting(id);
            let Some((_, reply)) = super::exchange::reply_to(connection, id)? else {
                return Ok(Step::Continue);
            };
            match reply.code().get() {
                // An exchange that was broken off must not go on: nothing more is said to this server.
                334 if self.cause.is_some() => {
                    connection.abandon();
                    return Err(self.failed(reply));
                }
                334 => self.state = State::Waiting(self.respond(connection, &reply)?),
                235 if self.cause.is_some() => {
                    connection.abandon();
                    return Err(self.failed(reply));
                }
                235 => {
                    if let Err(error) = self.mechanism.finish() {
                        // The server could not prove itself; its word is worth nothing (RFC 5802 §5.1).
                        connection.abandon();
                        return Err(error.into());
                    }
                    return Ok(Step::Done(reply));
                }
                _ => return Err(self.failed(reply)),
            }
        }
    }
}

impl AuthenticationFailure {
    fn of(reply: &Reply) -> Self {
        match reply.code().get() {
            530 => Self::Required,
            504 | 534 | 538 => Self::Mechanism,
            500 | 501 => Self::Cancelled,
            432 => Self::PasswordTransition,
            400..=499 => Self::Temporary,
            _ => Self::Credentials,
        }
    }
}
