//! Authentication with whatever mechanism suits the server and the credentials.

use alloc::boxed::Box;

use super::{Authenticate, Flow, Step};
use crate::connection::Connection;
use crate::error::{AuthenticationFailed, AuthenticationFailure, Error};
use crate::reply::Reply;
#[cfg(feature = "scram")]
use crate::sasl::Nonce;
use crate::sasl::{Choice, Credentials, Mechanism, RefusedToken, Secret};

/// Authenticates with the strongest mechanism that the server advertises and the credentials suffice for.
///
/// The order of preference is on [`Credentials`]. One mechanism is tried, and after a refusal no other. A
/// refused token, and nothing but a token, is replaced once: the provider is asked for a fresh one, and the
/// exchange repeated with it on the same connection. A refusal for now (4yz) is no reason for that.
///
/// As [`Authenticate`] does, it refuses clear text under
/// [`TlsPolicy::Opportunistic`](crate::connection::TlsPolicy::Opportunistic), whatever the mechanism.
///
/// SCRAM needs a nonce, which has to come from outside, as the core has no randomness: without
/// `LogIn::nonce` (feature `scram`), SCRAM is not chosen. The adapters supply one.
///
/// # Errors
/// [`Error::NoMechanism`] if there is nothing to choose, [`Error::Mechanism`] if the mechanism refuses to start
/// or there is no token; nothing was sent then. [`Error::AuthenticationFailed`] with the server's refusal; its
/// cause is the provider's error, if no fresh token could be had after it.
pub struct LogIn<'c> {
    credentials: &'c Credentials,
    #[cfg(feature = "scram")]
    nonce: Option<Nonce>,
    exchange: Option<Exchange<'c>>,
    /// The token was replaced already.
    again: bool,
}

/// The exchange under way.
struct Exchange<'c> {
    choice: Choice<'c>,
    token: Option<Secret>,
    flow: Authenticate<Box<dyn Mechanism>>,
}

impl<'c> LogIn<'c> {
    /// The flow.
    #[must_use]
    pub fn new(credentials: &'c Credentials) -> Self {
        Self {
            credentials,
            #[cfg(feature = "scram")]
            nonce: None,
            exchange: None,
            again: false,
        }
    }

    /// Lets SCRAM be chosen, with this nonce.
    #[cfg(feature = "scram")]
    #[must_use]
    pub fn nonce(mut self, nonce: Nonce) -> Self {
        self.nonce = Some(nonce);
        self
    }

    fn has_nonce(&self) -> bool {
        #[cfg(feature = "scram")]
        return self.nonce.is_some();
        #[cfg(not(feature = "scram"))]
        false
    }

    fn choose(&self, connection: &mut Connection) -> Result<Choice<'c>, Error> {
        super::exchange::settle(connection)?;
        super::authenticate::refuse_where_stripped(connection)?;
        self.credentials.choice(&connection.server_info(), self.has_nonce()).ok_or(Error::NoMechanism)
    }

    fn begin(&mut self, choice: Choice<'c>, token: Option<Secret>, host: &str) {
        let mechanism = choice.mechanism(
            host,
            token.as_ref(),
            #[cfg(feature = "scram")]
            self.nonce.take(),
        );
        self.exchange = Some(Exchange { choice, token, flow: Authenticate::new(mechanism) });
    }

    /// Puts a fresh token in the place of a refused one, or says why that is not to be.
    fn replace(
        &mut self,
        connection: &Connection,
        mut failed: AuthenticationFailed,
    ) -> Result<(), AuthenticationFailed> {
        let refused = failed.reason == AuthenticationFailure::Credentials && failed.cause.is_none();
        let Some(Exchange { choice, token: Some(token), .. }) = self.exchange.take() else {
            return Err(failed);
        };
        if !refused || self.again || connection.failure().is_some() {
            return Err(failed);
        }
        self.again = true;
        let what = RefusedToken { token: &token, reply: &failed.reply, detail: failed.detail.as_deref() };
        match choice.token(Some(&what)) {
            Ok(Some(fresh)) if !fresh.ct_eq(token.expose()) => {
                self.begin(choice, Some(fresh), connection.server_info().name);
                Ok(())
            }
            // The same token would be refused again.
            Ok(_) => Err(failed),
            Err(cause) => {
                failed.cause = Some(cause);
                Err(failed)
            }
        }
    }
}

impl Flow for LogIn<'_> {
    type Output = Reply;
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<Reply>, Error> {
        loop {
            let Some(exchange) = &mut self.exchange else {
                let choice = self.choose(connection)?;
                let token = choice.token(None)?;
                self.begin(choice, token, connection.server_info().name);
                continue;
            };
            match exchange.flow.poll(connection) {
                Err(Error::AuthenticationFailed(failed)) => {
                    self.replace(connection, failed).map_err(Error::AuthenticationFailed)?;
                }
                result => return result,
            }
        }
    }
}
