//! What the case tests have in common: settings, and the scripts' first lines.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod accepting;

use smtp_proto::connection::{Config, Connection, Event, Stage, TlsPolicy};
use smtp_proto::error::Error;
use smtp_proto::flow::{Flow, Step};
use smtp_tests::script::{Scenario, Session};

/// Chunks may be eager, so that a script can begin with one; `chunking.rs` tells what holds without that.
pub fn config(tls: TlsPolicy) -> Config {
    Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(tls).eager_chunks(true)
}

/// A client that requires TLS.
pub fn secure(script: &str) -> Scenario {
    Scenario::new(config(TlsPolicy::Required)).script(script)
}

/// A client that does not use TLS.
pub fn clear(script: &str) -> Scenario {
    Scenario::new(config(TlsPolicy::None)).script(script)
}

/// The EHLO exchange with a server that offers these keywords.
pub fn ehlo(keywords: &[&str]) -> String {
    let mut script = String::from("C: EHLO client.test\n");
    let last = keywords.len();
    for (i, line) in std::iter::once(&"mail.example").chain(keywords).enumerate() {
        script += &format!("S: 250{}{line}\n", if i == last { ' ' } else { '-' });
    }
    script + "\n"
}

/// Greeting and EHLO.
pub fn hello(keywords: &[&str]) -> String {
    format!("S: 220 mail.example\n{}", ehlo(keywords))
}

/// Greeting, EHLO, STARTTLS, handshake, EHLO with these keywords.
pub fn hello_tls(keywords: &[&str]) -> String {
    format!("{}C: STARTTLS\nS: 220 go\ntls\n{}", hello(&["STARTTLS"]), ehlo(keywords))
}

/// A flow out of one closure.
pub struct Steps<F>(pub F);

impl<T, F: FnMut(&mut Connection) -> Result<Step<T>, Error>> Flow for Steps<F> {
    type Output = T;
    type Error = Error;

    fn poll(&mut self, connection: &mut Connection) -> Result<Step<T>, Error> {
        (self.0)(connection)
    }
}

pub fn steps<T, F: FnMut(&mut Connection) -> Result<Step<T>, Error>>(poll: F) -> Steps<F> {
    Steps(poll)
}

/// Polls until every command queued by hand is answered; the replies so far, and how it ended.
pub fn collect(session: &mut Session) -> (Vec<(Stage, u16)>, Result<(), Error>) {
    let mut replies = Vec::new();
    let end = session.run(
        steps(|connection| {
            while let Some(event) = connection.poll_event()? {
                if let Event::Reply { stage, reply, .. } = event {
                    replies.push((stage, reply.code().get()));
                }
            }
            Ok(if connection.outstanding() == 0 { Step::Done(()) } else { Step::Continue })
        }),
        &[],
    );
    (replies, end)
}

pub const FROM: &str = "alice@example.org";
pub const BODY: &[u8] = b"Subject: hi\r\n\r\nhi\r\n";

/// The body's lines in a script, and the dot.
pub const BODY_LINES: &str = "C: Subject: hi\nC:\nC: hi\nC: .\n";
