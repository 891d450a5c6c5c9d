//! Authenticates with a mechanism of the crate `rsasl`, plugged in through [`Mechanism`], with a server that the
//! example brings along: `cargo run --example rsasl`.
//!
//! Any SASL implementation that takes and gives octets fits in so. What it cannot know is the connection: whether
//! a secret may be sent over it is checked here, before the first step.

use std::error::Error;
use std::sync::Arc;

use rsasl::config::SASLConfig;
use rsasl::mechname::Mechname;
use rsasl::prelude::{SASLClient, Session, State};
use smtp_blocking::{Client, Config};
use smtp_proto::sasl::{Mechanism, MechanismError, Secret, ServerInfo};
use smtp_tests::sink::Sink;

/// A mechanism of `rsasl`, bound to a host.
pub struct Rsasl {
    config: Arc<SASLConfig>,
    mechanism: &'static Mechname,
    host: String,
    exchange: Option<Session>,
    finished: bool,
}

impl Rsasl {
    /// The mechanism called `mechanism`, which asks `config` for what it needs.
    pub fn new(config: Arc<SASLConfig>, mechanism: &'static Mechname, host: &str) -> Self {
        Self { config, mechanism, host: host.to_owned(), exchange: None, finished: false }
    }

    fn step(&mut self, input: Option<&[u8]>) -> Result<Secret, MechanismError> {
        let exchange = self.exchange.as_mut().filter(|_| !self.finished);
        let exchange = exchange.ok_or(MechanismError::UnexpectedChallenge)?;
        // Room enough for any response, so that no shorter copy of a secret is left behind.
        let mut response = Vec::with_capacity(4096);
        let state = exchange.step(input, &mut response).map_err(other)?;
        self.finished = matches!(state, State::Finished(_));
        Ok(Secret::from(response))
    }
}

impl Mechanism for Rsasl {
    fn name(&self) -> &str {
        self.mechanism.as_str()
    }

    fn start(&mut self, server: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        (self.exchange, self.finished) = (None, false);
        server.check_host(&self.host)?;
        server.check_confidential()?;
        let client = SASLClient::new(Arc::clone(&self.config));
        let exchange = self.exchange.insert(client.start_suggested(&[self.mechanism]).map_err(other)?);
        if exchange.are_we_first() { self.step(None).map(Some) } else { Ok(None) }
    }

    fn respond(&mut self, challenge: &[u8]) -> Result<Secret, MechanismError> {
        self.step(Some(challenge))
    }

    fn finish(&mut self) -> Result<(), MechanismError> {
        // A mechanism that still waits for the server has not been convinced of it.
        if self.finished { Ok(()) } else { Err(MechanismError::ServerNotAuthentic) }
    }
}

fn other(error: impl Error) -> MechanismError {
    MechanismError::Other(error.to_string().into())
}

/// Authenticates as alice, whose password is `wonderland`; the name that the server knows her by.
pub fn authenticate(password: &str) -> Result<Option<String>, Box<dyn Error>> {
    let sink = Sink::builder().user("alice", "wonderland").require_auth().start()?;
    let mut client = Client::connect_with_tls(
        sink.address(),
        Config::new("localhost"),
        sink.certificate_authority().client_config()?,
    )?;
    let config = SASLConfig::with_credentials(None, "alice".into(), password.into())?;
    client.auth(&mut Rsasl::new(config, Mechname::parse(b"PLAIN")?, "localhost"))?;
    let envelope = smtp_proto::flow::Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
    client.send(&envelope, b"Subject: hello\r\n\r\n")?;
    client.quit()?;
    Ok(sink.messages().into_iter().find_map(|message| message.authenticated_as))
}

#[allow(dead_code, reason = "a test includes this file, too")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("authenticated as {}", authenticate("wonderland")?.as_deref().unwrap_or("nobody"));
    Ok(())
}
