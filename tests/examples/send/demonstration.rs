//! A server of our own, for whoever has none at hand: a message sent to it, or a check of it.

use std::io;
use std::time::Duration;

use serde_json::{Map, Value};
use smtp_proto::connection::Config;
use smtp_proto::flow::{Envelope, SendOptions};
use smtp_proto::sasl::Credentials;
use smtp_tests::sink::Sink;

use crate::arguments::Arguments;
use crate::message::Source;
use crate::server::Server;
use crate::status::{Failure, Status};
use crate::{check, deliver};

const MESSAGE: &[u8] = b"From: Alice <alice@example.org>\r\n\
    To: Bob <bob@example.net>\r\n\
    Subject: Hello from a state machine\r\n\
    \r\n\
    .This line begins with a dot, and arrives with one.\r\n\
    Nothing of this left your machine.\r\n";

/// Runs it. That a recipient is refused belongs to it, and is no failure.
pub fn run(arguments: &Arguments) -> Result<Status, (Failure, Map<String, Value>)> {
    let no_sink = |error: io::Error| {
        let what = format!("no server could be started on 127.0.0.1: {error}");
        let advice = "allow this program to listen there, or send to a server of yours with --server";
        (Failure::not_sent(what, advice), Map::new())
    };
    let sink =
        Sink::builder().user("alice", "wonderland").require_tls().require_auth().start().map_err(no_sink)?;
    let Arguments { json, quiet, .. } = *arguments;
    let server = Server::new(
        Config::new("localhost").timeouts(arguments.timeouts()),
        Some(sink.address().port()),
        Some(sink.certificate_authority().client_config().map_err(no_sink)?),
        Some(Credentials::password("alice", "wonderland")),
    );
    if arguments.shows_session() {
        say!(
            "-- a server of our own at {}; it knows alice, and refuses nobody@example.net --",
            sink.address()
        );
    }
    let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net", "nobody@example.net"]);
    let envelope = envelope.map_err(|error| (Failure::usage(error, "report this"), Map::new()))?;
    let source = Source::Whole(MESSAGE.to_vec());
    let options = SendOptions::default();
    if arguments.check {
        return check::Job { server, envelope, source: Some(source), options, json, quiet }.run();
    }
    let status = deliver::Job { server, envelope, source, options, json, quiet }.run()?;
    if status == Status::Partly && arguments.shows_session() {
        show(&sink).map_err(|failure| (failure, Map::new()))?;
    }
    Ok(if status == Status::Partly { Status::Accepted } else { status })
}

/// Shows what the server has.
fn show(sink: &Sink) -> Result<(), Failure> {
    let message = sink.wait_for_message(Duration::from_secs(5)).ok_or(Failure::not_sent(
        "the server took the message and does not have it",
        "report this, it is a fault in the example's server",
    ))?;
    say!(
        "\n-- as received: {} for {}, {}, authenticated as {} --",
        message.id,
        message.recipients.join(", "),
        if message.tls { "over TLS" } else { "in clear" },
        message.authenticated_as.as_deref().unwrap_or("nobody"),
    );
    say!("{}", String::from_utf8_lossy(&message.data).trim_end());
    Ok(())
}
