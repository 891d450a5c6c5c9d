//! A message to the mail exchangers of a domain, found with `hickory-resolver`, sent with `smtp-tokio` (RFC 5321 §5.1).
//!
//! One host after the other, the most preferred first, until one has taken the message or its answer settles the matter:
//! `SendError::may_be_taken_elsewhere` tells. After an unknown outcome nobody else is asked, or the message might be
//! delivered twice. TLS is used where it is offered; where it then fails, the certificate's name included, the next host
//! is asked, and none in clear. (Whether TLS has to be there, DANE and MTA-STS say: `mail-auth` reads them.)

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use hickory_resolver::TokioResolver;
use smtp_composing::Failure;
use smtp_tokio::smtp_proto::flow::{Delivery, Envelope};
use smtp_tokio::smtp_proto::path::Mailbox;
use smtp_tokio::{Client, Config, SendError, TlsConfig, TlsPolicy};

pub mod demonstration;
pub mod dns;

use dns::Dns;

/// Sends a message to the mail exchangers of its recipients' domain.
#[derive(Parser)]
struct Options {
    /// The reverse-path, where failures are reported to
    #[arg(long, value_name = "ADDRESS", requires_all = ["to", "file"])]
    from: Option<String>,

    /// A recipient; may be repeated, within one domain
    #[arg(long, value_name = "ADDRESS", requires = "from")]
    to: Vec<String>,

    /// The message, header and all
    #[arg(requires = "from")]
    file: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    smtp_composing::exit(run(Options::parse()).await)
}

async fn run(options: Options) -> Result<(), Failure> {
    let (Some(from), Some(file)) = (options.from, options.file) else { return demonstration::run().await };
    let message = std::fs::read(&file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let envelope = Envelope::from_strs(&from, &options.to)?;
    let dns = TokioResolver::builder_tokio()?.build()?;
    let delivery = deliver(&dns, smtp_tokio::default_tls_config()?, &envelope, &message).await?;
    smtp_composing::tell(&delivery, envelope.recipients.iter().map(|to| &to.forward_path));
    Ok(())
}

pub(crate) async fn deliver(
    dns: &impl Dns,
    tls: TlsConfig,
    envelope: &Envelope,
    message: &[u8],
) -> Result<Delivery, Failure> {
    let domain = domain_of(envelope)?;
    let mut failures = Vec::new();
    for host in dns::route(dns, domain).await? {
        let addresses = match dns.addresses(&host).await {
            Ok(addresses) => addresses,
            Err(error) => {
                failures.push(format!("{host}: no address: {error}"));
                continue;
            }
        };
        let error = match send(&host, &addresses, tls.clone(), envelope, message).await {
            Ok(delivery) => return Ok(delivery),
            Err(error) => error,
        };
        failures.push(format!("{host}: {error}"));
        if !error.may_be_taken_elsewhere() {
            break;
        }
    }
    Err(format!("no mail exchanger of {domain} took the message\n  {}", failures.join("\n  ")).into())
}

/// The one domain of all recipients.
fn domain_of(envelope: &Envelope) -> Result<&str, Failure> {
    let mut domains = envelope.recipients.iter().map(|to| to.forward_path.mailbox().map(Mailbox::domain));
    let domain = domains.next().flatten().ok_or("--to names no recipient with a domain")?;
    match domains.all(|other| other.is_some_and(|other| other.eq_ignore_ascii_case(domain))) {
        true => Ok(domain),
        false => {
            Err(format!("--to names recipients in {domain} and elsewhere: send to one domain at a time")
                .into())
        }
    }
}

async fn send(
    host: &str,
    addresses: &[SocketAddr],
    tls: TlsConfig,
    envelope: &Envelope,
    message: &[u8],
) -> Result<Delivery, SendError> {
    let config = Config::new(host).tls(TlsPolicy::Opportunistic);
    let mut client = Client::connect_with_tls(addresses, config, tls).await?;
    let delivery = client.send(envelope, message).await?;
    // The message is the server's now; how the session ends changes nothing.
    let _ = client.quit().await;
    Ok(delivery)
}
