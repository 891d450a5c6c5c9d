//! Sends a message and shows the session, secrets left out.
//!
//! `cargo run --example send` needs nothing and nobody: it brings a server along. With `--server` it sends
//! for real; `--help` tells how.

use std::fmt::Display;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use smtp_blocking::{Client, Config, TlsPolicy};
use smtp_proto::connection::Stage;
use smtp_proto::error::{AuthenticationFailure, ProtocolError};
use smtp_proto::flow::{Envelope, RecipientOutcome};
use smtp_proto::path::host_of;
use smtp_proto::sasl::{Credentials, MechanismError};
use smtp_proto::{Error, SendError};
use smtp_tests::sink::Sink;

/// Sends a message and shows the session, secrets left out. Without arguments it sends one to a server of its
/// own, over STARTTLS with AUTH, and shows what arrived.
#[derive(Parser)]
struct Arguments {
    /// The server, by the name in its certificate; the port is 587 (465 with `--tls implicit`) unless given
    #[arg(long, value_name = "HOST[:PORT]", requires_all = ["from", "to", "message"])]
    server: Option<String>,

    /// The reverse-path, where failures are reported to; empty for none
    #[arg(long, value_name = "ADDRESS", requires = "server")]
    from: Option<String>,

    /// A recipient; may be repeated
    #[arg(long, value_name = "ADDRESS", requires = "server")]
    to: Vec<String>,

    /// Authenticate as this user, with the password in the environment's SMTP_PASSWORD, or asked for
    #[arg(long, value_name = "NAME", requires = "server")]
    user: Option<String>,

    /// When to use TLS
    #[arg(long, value_enum, default_value = "required", requires = "server")]
    tls: Tls,

    /// Trust the certificate authorities in this PEM file, and not those of the platform
    #[arg(long, value_name = "FILE", requires = "server")]
    ca: Option<String>,

    /// The message, header and all; `-` for standard input
    #[arg(value_name = "FILE", requires = "server")]
    message: Option<String>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Tls {
    /// STARTTLS, or nothing is sent
    Required,
    /// From the first octet
    Implicit,
    /// STARTTLS if the server offers it
    Opportunistic,
    /// Never
    None,
}

/// What went wrong, and what to try.
struct Failure {
    what: String,
    advice: &'static str,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let sent = match &arguments.server {
        Some(server) => send_for_real(server, &arguments),
        None => demonstrate(),
    };
    match sent {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { what, advice }) => {
            eprintln!("\nerror: {what}\n  try: {advice}");
            ExitCode::FAILURE
        }
    }
}

const DEMONSTRATION: &[u8] = b"From: Alice <alice@example.org>\r\n\
    To: Bob <bob@example.net>\r\n\
    Subject: Hello from a state machine\r\n\
    \r\n\
    .This line begins with a dot, on the wire with two.\r\n\
    Nothing of this left your machine.\r\n";

fn demonstrate() -> Result<(), Failure> {
    let no_sink = |error: io::Error| Failure {
        what: format!("no server could be started on 127.0.0.1: {error}"),
        advice: "allow this program to listen there, or send to a server of yours with --server",
    };
    let sink =
        Sink::builder().user("alice", "wonderland").require_tls().require_auth().start().map_err(no_sink)?;
    let job = Job {
        address: sink.address().to_string(),
        config: Config::new("localhost").tls(TlsPolicy::Required),
        tls: Some(sink.certificate_authority().client_config().map_err(no_sink)?),
        credentials: Some(Credentials::password("alice", "wonderland")),
        envelope: Envelope::from_strs("alice@example.org", &["bob@example.net", "nobody@example.net"])?,
    };
    println!("-- a server of our own at {}; it knows alice, and refuses nobody@example.net --", job.address);
    job.run(DEMONSTRATION)?;

    let message = sink.wait_for_message(Duration::from_secs(5)).ok_or(Failure {
        what: "the server took the message and does not have it".into(),
        advice: "report this, it is a fault in the example's server",
    })?;
    println!(
        "\n-- as received: {} for {}, {}, authenticated as {} --",
        message.id,
        message.recipients.join(", "),
        if message.tls { "over TLS" } else { "in clear" },
        message.authenticated_as.as_deref().unwrap_or("nobody"),
    );
    print!("{}", String::from_utf8_lossy(&message.data));
    Ok(())
}

fn send_for_real(server: &str, arguments: &Arguments) -> Result<(), Failure> {
    let policy = match arguments.tls {
        Tls::Required => TlsPolicy::Required,
        Tls::Implicit => TlsPolicy::Implicit,
        Tls::Opportunistic => TlsPolicy::Opportunistic,
        Tls::None => TlsPolicy::None,
    };
    let (host, port) = host_and_port(server);
    let port = port.unwrap_or(if policy == TlsPolicy::Implicit { "465" } else { "587" });
    let to: Vec<&str> = arguments.to.iter().map(String::as_str).collect();
    let job = Job {
        address: format!("{host}:{port}"),
        config: Config::new(host_of(&host)).tls(policy),
        tls: arguments.ca.as_deref().map(trust).transpose()?,
        envelope: Envelope::from_strs(arguments.from.as_deref().unwrap_or_default(), &to)?,
        credentials: arguments.user.as_deref().map(ask_password).transpose()?,
    };
    let message = read_message(arguments.message.as_deref().unwrap_or("-"))?;
    job.run(&message)
}

/// Everything there is to know before connecting.
struct Job {
    address: String,
    config: Config,
    /// TLS settings in place of the platform's.
    tls: Option<Arc<ClientConfig>>,
    credentials: Option<Credentials>,
    envelope: Envelope,
}

impl Job {
    /// Sends the message and tells what became of it.
    fn run(self, message: &[u8]) -> Result<(), Failure> {
        // `Client::connect` is shorter; a client made from a stream lets us see the greeting, too.
        let mut client = Client::new(connect(&self.address)?, self.config);
        client.set_transcript(|entry| println!("{entry}"));
        if let Some(tls) = self.tls {
            client.set_tls_config(tls);
        }
        if let Some(credentials) = &self.credentials {
            client.login(credentials).map_err(|error| Failure::new(&error, advice(&error)))?;
        }
        let sent = client.send(&self.envelope, message);
        let delivery = sent.map_err(|error| {
            println!();
            report(&self.envelope, error.recipients());
            Failure::new(&error, advice_on_sending(&error))
        })?;
        // The message is the server's now; how the session ends changes nothing.
        let _ = client.quit();
        match delivery.queue_id() {
            Some(id) => println!("\naccepted, queue id {id}"),
            None => println!("\naccepted: {}", delivery.reply),
        }
        report(&self.envelope, &delivery.recipients);
        Ok(())
    }
}

/// Tells what became of each recipient.
fn report(envelope: &Envelope, outcomes: &[RecipientOutcome]) {
    for (recipient, outcome) in envelope.recipients.iter().zip(outcomes) {
        let fate = match &outcome.reply {
            _ if outcome.is_accepted() => "accepted".to_owned(),
            Some(reply) if outcome.is_transient() => format!("refused for now: {reply}"),
            Some(reply) => format!("refused: {reply}"),
            None => "not asked about".to_owned(),
        };
        println!("  {}: {fate}", recipient.forward_path);
    }
}

// ---- from the command line to a job ----

/// Takes `HOST`, `HOST:PORT`, `[::1]:PORT` or a bare IPv6 address apart; the host is fit to put a port behind.
fn host_and_port(server: &str) -> (String, Option<&str>) {
    match server.rsplit_once(':') {
        Some((host, _)) if host.contains(':') && !host.ends_with(']') && !server.ends_with(']') => {
            (format!("[{server}]"), None)
        }
        Some((host, port)) if !server.ends_with(']') => (host.to_owned(), Some(port)),
        _ => (server.to_owned(), None),
    }
}

fn connect(address: &str) -> Result<TcpStream, Failure> {
    let failure = |error: io::Error| Failure {
        what: format!("cannot connect to {address}: {error}"),
        advice: "check host and port; submission is at 587, or 465 with --tls implicit, and many networks \
                 block 25",
    };
    let addresses: Vec<SocketAddr> = address.to_socket_addrs().map_err(failure)?.collect();
    let mut connected = Err(io::Error::other("the name has no address"));
    for address in addresses {
        connected = TcpStream::connect_timeout(&address, Duration::from_secs(30));
        if connected.is_ok() {
            break;
        }
    }
    let stream = connected.map_err(failure)?;
    stream.set_nodelay(true).map_err(failure)?;
    Ok(stream)
}

fn ask_password(user: &str) -> Result<Credentials, Failure> {
    let password = match std::env::var("SMTP_PASSWORD") {
        Ok(password) => Ok(password),
        Err(_) => rpassword::prompt_password(format!("Password of {user}: ")),
    };
    match password {
        Ok(password) => Ok(Credentials::password(user, password.as_str())),
        Err(error) => Err(Failure {
            what: format!("no password could be read: {error}"),
            advice: "put it in the environment variable SMTP_PASSWORD",
        }),
    }
}

fn read_message(path: &str) -> Result<Vec<u8>, Failure> {
    let mut message = Vec::new();
    let read = match path {
        "-" => io::stdin().read_to_end(&mut message).map(|_| message),
        path => std::fs::read(path),
    };
    read.map_err(|error| Failure {
        what: format!("cannot read the message from {path}: {error}"),
        advice: "name a file that holds the message, header and all, or - for standard input",
    })
}

/// TLS settings that trust the authorities in a PEM file and no others.
fn trust(path: &str) -> Result<Arc<ClientConfig>, Failure> {
    let failure = |error: &dyn Display| Failure {
        what: format!("cannot use the certificate authorities in {path}: {error}"),
        advice: "name a file with at least one -----BEGIN CERTIFICATE----- in it",
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| failure(&error))? {
        roots.add(certificate.map_err(|error| failure(&error))?).map_err(|error| failure(&error))?;
    }
    if roots.is_empty() {
        return Err(failure(&"there are none"));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| failure(&error))?;
    Ok(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
}

// ---- from an error to advice ----

impl Failure {
    fn new(what: &impl Display, advice: &'static str) -> Self {
        Self { what: what.to_string(), advice }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(&error, advice(&error))
    }
}

fn advice(error: &Error) -> &'static str {
    match error {
        Error::Address { .. } => "write addresses as local-part@domain, without a display name",
        Error::TlsRequired => {
            "another port: 587 usually offers STARTTLS, 465 takes --tls implicit; or, if you trust the \
             network, --tls opportunistic"
        }
        Error::TlsFailed => {
            "name the server as its certificate does; give a private authority with --ca FILE; if the port \
             does not begin with TLS, leave out --tls implicit"
        }
        Error::NoMechanism => {
            "--tls required, as many servers offer AUTH under TLS only; or leave out --user"
        }
        Error::Mechanism(MechanismError::NotEncrypted) => {
            "--tls required or --tls implicit: a password does not leave in clear"
        }
        Error::Mechanism(MechanismError::InvalidCredential { .. }) => {
            "check the user name and password for stray characters, a line end for example"
        }
        Error::AuthenticationFailed(failed) => match failed.reason {
            AuthenticationFailure::Temporary => "again later",
            AuthenticationFailure::Mechanism => "what the server's reply asks for",
            _ => "check --user and SMTP_PASSWORD; many providers want a password made for this application",
        },
        Error::Timeout(_) | Error::Protocol(ProtocolError::Reply { stage: Some(Stage::Greeting), .. }) => {
            "check that an SMTP server is at this port; one that waits for TLS first (465) takes --tls implicit"
        }
        Error::TooLarge { .. } => "a smaller message, or another server",
        Error::Unsupported(_) => "addresses and a message in plain ASCII, or another server",
        Error::Body(_) => "mend the message; binary parts have to be in base64",
        Error::Disconnected { .. } | Error::ServerClosed { .. } => {
            "again later; if it happens each time, the server's log or its last reply says why"
        }
        error if error.is_transient() => "again later",
        _ => "look at the last lines of the session above",
    }
}

fn advice_on_sending(error: &SendError) -> &'static str {
    match error {
        SendError::Unknown { .. } => "look whether the message arrived before sending it again",
        SendError::NotSent { cause, .. } => advice(cause),
        SendError::Rejected { reply, .. } if reply.code().get() == 530 => {
            "--user, the server wants to know who sends; or --tls required"
        }
        SendError::Rejected { .. } if error.is_transient() => "the same again later",
        SendError::Rejected { stage: Stage::Rcpt, .. } => {
            "check the recipients; to send to other domains, most servers want --user"
        }
        _ => "change what the server's reply objects to; sent again as it is, it will be refused again",
    }
}
