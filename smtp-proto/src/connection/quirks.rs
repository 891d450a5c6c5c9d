//! What the caller knows of a server that does not do what it says.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::capabilities::{Capabilities, Extension};

/// Departures from the protocol's own ways, for a server that needs them. By default there is none.
///
/// Each takes something away; none makes the client trust a server that it would not trust otherwise.
///
/// ```
/// use smtp_proto::connection::{Config, Quirks};
///
/// let quirks = Quirks::new().ignore("CHUNKING").no_pipelining();
/// let config = Config::new("mail.example.org").quirks(quirks);
/// # let _ = config;
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quirks {
    ignored: Vec<Box<str>>,
    no_initial_response: bool,
    force_helo: bool,
}

impl Quirks {
    /// No quirks.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes this extension keyword, in any case, out of every EHLO reply, as if the server did not offer it. It can
    /// be said of any number of keywords.
    #[must_use]
    pub fn ignore(mut self, keyword: &str) -> Self {
        self.ignored.push(keyword.into());
        self
    }

    /// Sends one command at a time, though the server offers PIPELINING (RFC 2920).
    #[must_use]
    pub fn no_pipelining(self) -> Self {
        self.ignore(Extension::Pipelining.keyword())
    }

    /// Sends AUTH without an initial response; what it would have held answers the server's empty challenge (RFC 4954
    /// §4).
    #[must_use]
    pub fn no_initial_response(mut self) -> Self {
        self.no_initial_response = true;
        self
    }

    /// Says HELO in place of EHLO. Such a session has no extension, STARTTLS and AUTH included (RFC 5321 §3.2): under
    /// [`TlsPolicy::Required`](super::TlsPolicy::Required) it is refused with
    /// [`Misuse::HeloWithoutTls`](crate::error::Misuse::HeloWithoutTls) and nothing is said.
    #[must_use]
    pub fn force_helo(mut self) -> Self {
        self.force_helo = true;
        self
    }

    /// Whether AUTH goes without an initial response.
    pub(crate) fn holds_initial_response(&self) -> bool {
        self.no_initial_response
    }

    /// Whether HELO is said in place of EHLO.
    pub(crate) fn forces_helo(&self) -> bool {
        self.force_helo
    }

    pub(super) fn apply(&self, capabilities: &mut Capabilities) {
        for keyword in &self.ignored {
            capabilities.mask(keyword);
        }
    }
}
