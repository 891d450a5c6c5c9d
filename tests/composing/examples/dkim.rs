//! A message signed with `mail-auth`, sent with `smtp-tokio` so that no octet of it changes on the way.
//!
//! A signature (DKIM, RFC 6376) covers octets, and by default the client mends line ends: each lone CR or LF becomes
//! CRLF. Whether a signature outlives that depends on what its maker took for a line end; of mail-auth's, those of a
//! message with a lone CR do not. [`LineEndings::Reject`] refuses such a message here, before anything of it is sent,
//! and names the place. Dots at the start of a line are no matter: the server takes off what the client puts on.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::DkimSigner;
use mail_builder::MessageBuilder;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use smtp_composing::{Account, Arguments, Failure, verify};
use smtp_tokio::smtp_proto::body::LineEndings;
use smtp_tokio::smtp_proto::flow::{Delivery, Envelope, SendOptions};
use smtp_tokio::{Client, Config};

/// The fields that the signature covers; of From that is a must.
const HEADERS: [&str; 5] = ["From", "To", "Subject", "Date", "Message-ID"];

/// Sends a message that is signed.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    arguments: Arguments,

    /// The private RSA key in PEM; the DNS has the public one below the domain of --from
    #[arg(long, value_name = "FILE", requires_all = ["server", "selector"])]
    key: Option<PathBuf>,

    /// The name of the key: the DNS has it at SELECTOR._domainkey.DOMAIN
    #[arg(long, requires = "key")]
    selector: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    smtp_composing::exit(run(Options::parse()).await)
}

async fn run(options: Options) -> Result<(), Failure> {
    let account = options.arguments.account()?;
    let message = MessageBuilder::new()
        .from(account.from.as_str())
        .to(account.to.clone())
        .subject("Signed")
        .text_body("Hello!\n.This line begins with a dot.\n")
        .write_to_vec()?;
    let (Some(path), Some(selector)) = (options.key, options.selector) else {
        return demonstrate(&account, &message).await;
    };
    let key = PrivateKeyDer::from_pem_file(&path)
        .map_err(|error| error.to_string())
        .and_then(|key| RsaKey::<Sha256>::from_key_der(key).map_err(|error| error.to_string()))
        .map_err(|error| format!("--key {}: {error}; it takes a private RSA key in PEM", path.display()))?;
    account.show(&send(&account, &sign(key, &selector, &account.from, &message)?).await?);
    Ok(())
}

/// With a key for the occasion, and what the DNS would say of it.
async fn demonstrate(account: &Account, message: &[u8]) -> Result<(), Failure> {
    if account.sink.is_none() {
        return Err("--key and --selector are missing: a real server wants a real signature".into());
    }
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8()?)?;
    let record = verify::key_record(&key.public_key());
    let delivery = send(account, &sign(key, "demo", &account.from, message)?).await?;
    smtp_composing::tell(&delivery, &account.to);
    let received = account.received().ok_or("the sink took the message and does not have it")?;
    smtp_composing::show(&received);
    let verdict = verify::dkim(&received.data, "demo._domainkey.example.org.", &record).await?;
    println!("\n-- the signature: {verdict:?} --");
    Ok(())
}

/// Puts a signature for the domain of `from` before the message.
pub fn sign(key: impl SigningKey, selector: &str, from: &str, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let (_, domain) =
        from.rsplit_once('@').ok_or("--from: a signature is for a domain, name one behind an @")?;
    let signer = DkimSigner::from_key(key).domain(domain).selector(selector).headers(HEADERS);
    let mut signed = signer.sign(message)?.to_header().into_bytes();
    signed.extend_from_slice(message);
    Ok(signed)
}

pub async fn send(account: &Account, signed: &[u8]) -> Result<Delivery, Failure> {
    let envelope = Envelope::from_strs(&account.from, &account.to)?;
    let options = SendOptions::default().line_endings(LineEndings::Reject);

    let address = (account.host.as_str(), account.port);
    let mut client =
        Client::connect_with_tls(address, Config::new(&account.host), account.tls.clone()).await?;
    client.login(&account.credentials).await?;
    let delivery = client.send_with(&envelope, signed, options).await?;
    // The message is the server's now; how the session ends changes nothing.
    let _ = client.quit().await;
    Ok(delivery)
}
