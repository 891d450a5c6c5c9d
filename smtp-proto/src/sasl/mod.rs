//! SASL authentication (RFC 4954, RFC 4422): the [`Mechanism`] interface and the mechanisms known here.

use alloc::vec::Vec;

use crate::security::Security;

/// What a mechanism may know about the server before it emits anything.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ServerInfo<'a> {
    /// The host name that the caller configured (never one the server sent).
    pub name: &'a str,
    /// How the connection is protected.
    pub security: &'a Security,
    /// Whether the caller opted in to sending secrets in clear text to any peer.
    pub allow_plaintext: bool,
    /// The mechanisms the server advertised in its latest EHLO reply.
    pub mechanisms: Mechanisms<'a>,
}

/// The mechanism names of an EHLO reply.
#[derive(Debug, Clone, Copy)]
pub struct Mechanisms<'a>(pub(crate) &'a str);

/// A SASL mechanism, as the connection drives it. Implement it to plug in one of your own.
pub trait Mechanism: Send {
    /// The registered mechanism name, for example `PLAIN`.
    fn name(&self) -> &str;
    /// Begins an exchange: checks the server and gives the initial response, or `None` to wait for a challenge.
    ///
    /// # Errors
    /// When the mechanism refuses this server; nothing has been sent.
    fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Vec<u8>>, MechanismError>;
}

/// Why a mechanism stopped an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MechanismError {}
