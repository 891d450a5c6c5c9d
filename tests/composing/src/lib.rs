//! What the examples have in common: a server to send to, and how it ends.
//!
//! Without arguments that server is a sink that the example brings along: it wants TLS and AUTH, and shows what
//! arrived. With `--server` it is a real one.

pub mod proxy;
pub mod verify;

use std::fmt::Display;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_platform_verifier::ConfigVerifierExt as _;
use smtp_blocking::smtp_proto::flow::Delivery;
use smtp_blocking::smtp_proto::sasl::Credentials;
use smtp_tests::sink::{Message, Sink};

pub type Failure = Box<dyn std::error::Error>;

/// The arguments that each example takes.
#[derive(clap::Args, Default)]
pub struct Arguments {
    /// The server, by the name in its certificate; without it, one that the example brings along
    #[arg(long, value_name = "HOST", requires_all = ["user", "from", "to"])]
    server: Option<String>,

    /// Its port, where it offers STARTTLS
    #[arg(long, default_value = "587", requires = "server")]
    port: u16,

    /// Authenticate as this user, with the password in the environment's SMTP_PASSWORD
    #[arg(long, value_name = "NAME", requires = "server")]
    user: Option<String>,

    /// The reverse-path, where failures are reported to
    #[arg(long, value_name = "ADDRESS", requires = "server")]
    from: Option<String>,

    /// A recipient; may be repeated
    #[arg(long, value_name = "ADDRESS", requires = "server")]
    to: Vec<String>,
}

/// Where to send, as whom and for whom.
pub struct Account {
    pub host: String,
    pub port: u16,
    /// Whom to trust.
    pub tls: Arc<ClientConfig>,
    pub credentials: Credentials,
    pub from: String,
    pub to: Vec<String>,
    /// The server itself, if the example has brought it along.
    pub sink: Option<Sink>,
}

impl Arguments {
    /// # Errors
    /// No server could be started, or what the command line leaves out is missing in the environment.
    pub fn account(self) -> Result<Account, Failure> {
        let Some(host) = self.server else { return Account::of_a_sink() };
        let password = std::env::var("SMTP_PASSWORD")
            .map_err(|_| "--user needs a password: put it in the environment variable SMTP_PASSWORD")?;
        let user = self.user.unwrap_or_default();
        Ok(Account {
            host,
            port: self.port,
            tls: Arc::new(ClientConfig::with_platform_verifier()?),
            credentials: Credentials::password(&user, password.as_str()),
            from: self.from.unwrap_or_default(),
            to: self.to,
            sink: None,
        })
    }
}

impl Account {
    /// An account on a server of our own, which takes mail over TLS from alice alone.
    ///
    /// # Errors
    /// It could not be started.
    pub fn of_a_sink() -> Result<Self, Failure> {
        let sink = Sink::builder().user("alice", "wonderland").require_tls().require_auth().start()?;
        Ok(Self {
            // The name in its certificate, where it listens too.
            host: "localhost".to_owned(),
            port: sink.address().port(),
            tls: sink.certificate_authority().client_config()?,
            credentials: Credentials::password("alice", "wonderland"),
            from: "alice@example.org".to_owned(),
            to: vec!["bob@example.net".to_owned(), "carol@example.net".to_owned()],
            sink: Some(sink),
        })
    }

    /// What arrived, if the server is our own.
    #[must_use]
    pub fn received(&self) -> Option<Message> {
        self.sink.as_ref()?.wait_for_message(Duration::from_secs(5))
    }

    /// Shows the outcome, and what arrived if the server is our own.
    pub fn show(&self, delivery: &Delivery) {
        tell(delivery, &self.to);
        if let Some(message) = self.received() {
            show(&message);
        }
    }
}

/// Tells what became of a message to these recipients.
pub fn tell(delivery: &Delivery, to: impl IntoIterator<Item = impl Display>) {
    println!("accepted: {}", delivery.reply);
    for (to, outcome) in to.into_iter().zip(&delivery.recipients) {
        if let Some(reply) = outcome.refusal() {
            println!("  not for {to}: {reply}");
        }
    }
}

/// Shows a message that a sink has received.
pub fn show(message: &Message) {
    let way = if message.tls { "over TLS" } else { "in clear" };
    let who = message.authenticated_as.as_deref().unwrap_or("nobody");
    println!("\n-- as received for {}, {way}, from {who} --", message.recipients.join(", "));
    print!("{}", String::from_utf8_lossy(&message.data));
}

/// The end of an example: an error is shown as it wants to be read.
pub fn exit<E: Display>(result: Result<(), E>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
