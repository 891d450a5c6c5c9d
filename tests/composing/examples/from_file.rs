//! A message from a file, streamed with `smtp-blocking`: however large, it is never in memory whole.
//!
//! The file holds the message as it is to arrive, header and all. Line ends of any system are good: each becomes CRLF on
//! the way. Nothing of the envelope is read from it.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use smtp_blocking::smtp_proto::body::BodyKind;
use smtp_blocking::smtp_proto::flow::{Body, Delivery, Envelope, SendOptions};
use smtp_blocking::{Client, Config};
use smtp_composing::{Account, Arguments, Failure};

/// Sends a message from a file.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    arguments: Arguments,

    /// The message, header and all
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/message.eml"))]
    file: PathBuf,
}

fn main() -> ExitCode {
    smtp_composing::exit(run(Options::parse()))
}

fn run(options: Options) -> Result<(), Failure> {
    let account = options.arguments.account()?;
    account.show(&send(&account, &options.file)?);
    Ok(())
}

pub fn send(account: &Account, path: &Path) -> Result<Delivery, Failure> {
    // Before anyone is called up: there may be nothing to say.
    let (mut file, size) = open(path).map_err(|error| {
        format!("cannot read {}: {error}; FILE names one that holds a message", path.display())
    })?;
    let envelope = Envelope::from_strs(&account.from, &account.to)?;
    // A server that takes less than `size` octets, or none above 127, is not sent a single one. NUL is nowhere allowed.
    let body = Body::Stream { kind: BodyKind::EightBitMime, size: Some(size) };

    let address = (account.host.as_str(), account.port);
    let mut client = Client::connect_with_tls(address, Config::new(&account.host), account.tls.clone())?;
    client.login(&account.credentials)?;
    let delivery = client.send_stream(&envelope, &mut file, body, SendOptions::default())?;
    // The message is the server's now; how the session ends changes nothing.
    let _ = client.quit();
    Ok(delivery)
}

fn open(path: &Path) -> io::Result<(BufReader<File>, u64)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    Ok((BufReader::new(file), metadata.len()))
}
