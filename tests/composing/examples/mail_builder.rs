//! A message from `mail-builder`, sent with `smtp-blocking`.
//!
//! `mail-builder` writes the message and knows no envelope: sender and recipients are told twice, once to be read and
//! once to be served. Who is in the envelope alone gets a blind copy.

use std::process::ExitCode;

use clap::Parser;
use mail_builder::MessageBuilder;
use smtp_blocking::smtp_proto::flow::{Delivery, Envelope};
use smtp_blocking::{Client, Config};
use smtp_composing::{Account, Arguments, Failure};

/// Sends a message with an attachment, written by mail-builder.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    arguments: Arguments,
}

fn main() -> ExitCode {
    smtp_composing::exit(run(Options::parse()))
}

fn run(options: Options) -> Result<(), Failure> {
    let account = options.arguments.account()?;
    account.show(&send(&account)?);
    Ok(())
}

pub fn send(account: &Account) -> Result<Delivery, Failure> {
    let message = MessageBuilder::new()
        .from(("Alice", account.from.as_str()))
        .to(account.to.clone())
        .subject("Grüße from mail-builder")
        .text_body("Hello,\n\nthe figures are attached.\n.This line begins with a dot.\n")
        .attachment("text/csv", "figures.csv", "year,messages\n2025,1\n2026,2\n")
        .write_to_vec()?;
    let envelope = Envelope::from_strs(&account.from, &account.to)?;

    let address = (account.host.as_str(), account.port);
    let mut client = Client::connect_with_tls(address, Config::new(&account.host), account.tls.clone())?;
    client.login(&account.credentials)?;
    let delivery = client.send(&envelope, &message)?;
    // The message is the server's now; how the session ends changes nothing.
    let _ = client.quit();
    Ok(delivery)
}
