//! A message from `lettre`'s builder, sent with `smtp-tokio`.
//!
//! `lettre` collects the envelope from the fields it is given, blind copies too, and leaves these out of what it
//! writes. Its addresses are strings to ours.

use std::process::ExitCode;

use clap::Parser;
use lettre::message::{MultiPart, SinglePart, header::ContentType};
use smtp_composing::{Account, Arguments, Failure};
use smtp_tokio::smtp_proto::flow::{Delivery, Envelope};
use smtp_tokio::{Client, Config};

/// Sends a message in plain text and HTML, written by lettre, to the first recipient and in Bcc to the others.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    arguments: Arguments,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    smtp_composing::exit(run(Options::parse()).await)
}

async fn run(options: Options) -> Result<(), Failure> {
    let account = options.arguments.account()?;
    account.show(&send(&account).await?);
    Ok(())
}

pub async fn send(account: &Account) -> Result<Delivery, Failure> {
    let (first, others) = account.to.split_first().ok_or("--to is missing: name a recipient")?;
    let mut builder = lettre::Message::builder()
        .from(account.from.parse()?)
        .to(first.parse()?)
        .subject("Grüße from lettre");
    for to in others {
        builder = builder.bcc(to.parse()?);
    }
    let message = builder.multipart(
        MultiPart::alternative()
            .singlepart(SinglePart::plain("Hello!\r\n.This line begins with a dot.\r\n".to_owned()))
            .singlepart(
                SinglePart::builder().header(ContentType::TEXT_HTML).body("<p>Hello!</p>".to_owned()),
            ),
    )?;
    let parties = message.envelope();
    let envelope = Envelope::from_strs(parties.from().map_or("", AsRef::as_ref), parties.to())?;

    let address = (account.host.as_str(), account.port);
    let mut client =
        Client::connect_with_tls(address, Config::new(&account.host), account.tls.clone()).await?;
    client.login(&account.credentials).await?;
    let delivery = client.send(&envelope, &message.formatted()).await?;
    // The message is the server's now; how the session ends changes nothing.
    let _ = client.quit().await;
    Ok(delivery)
}
