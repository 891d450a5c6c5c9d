//! Sends a message and shows the session, secrets left out; or checks a server.
//!
//! `cargo run --example send` needs nothing and nobody: it brings a server along. With `--server` it sends for real;
//! `--help` tells how. One option, one line in `arguments.rs`; one error, one piece of advice in `advice.rs`.
#![allow(unreachable_pub)] // modules of a program

/// Prints a line. That nobody reads it any more (`| head`) is no reason to leave a message half sent.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($words)*);
    }};
}

mod advice;
mod arguments;
mod bar;
mod batch;
mod certificate;
mod check;
mod deliver;
mod demonstration;
mod message;
mod outcome;
mod record;
mod server;
mod session;
mod status;
mod trust;

use std::process::ExitCode;

use clap::Parser;
use serde_json::{Map, Value};

use arguments::Arguments;
use message::{Source, envelope, example_envelope, files, options};
use server::Server;
use status::{Failure, Status};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (Failure { what, advice, status }, mut document) = match run(&arguments) {
        Ok(status) => return status.into(),
        Err(failed) => failed,
    };
    if arguments.json {
        document.insert("outcome".into(), status.name().into());
        document.insert("error".into(), what.into());
        document.insert("try".into(), advice.into());
        say!("{:#}", Value::Object(document));
    } else {
        eprintln!("\nerror: {what}\n  try: {advice}");
    }
    status.into()
}

/// Does what is asked for. An error comes with what is known of the session.
fn run(arguments: &Arguments) -> Result<Status, (Failure, Map<String, Value>)> {
    if arguments.server.is_none() && arguments.unix.is_none() {
        return demonstration::run(arguments);
    }
    let usage = |failure| (failure, Map::new());
    let (json, quiet, options) = (arguments.json, arguments.quiet, options(arguments));
    if arguments.check {
        let source = arguments.message.as_deref().map(Source::open).transpose().map_err(usage)?;
        let envelope = example_envelope(arguments).map_err(usage)?;
        let server = Server::of(arguments).map_err(usage)?;
        return check::Job { server, envelope, source, options, json, quiet }.run();
    }
    let envelope = envelope(arguments).map_err(usage)?;
    if let Some(directory) = &arguments.batch {
        let files = files(directory).map_err(usage)?;
        let server = Server::of(arguments).map_err(usage)?;
        return batch::Job { server, envelope, files, options, json, quiet }.run();
    }
    let Some(path) = &arguments.message else {
        let advice = "FILE, - for standard input, --batch DIR for many, or --check to send none";
        return Err(usage(Failure::usage("no message", advice)));
    };
    let source = Source::open(path).map_err(usage)?;
    let server = Server::of(arguments).map_err(usage)?;
    deliver::Job { server, envelope, source, options, json, quiet }.run()
}
