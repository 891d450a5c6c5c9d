//! The 57 scripts, one row each, in the order of the suite's folders. A script says how its server departs from a
//! plain one that offers STARTTLS and, under TLS, AUTH PLAIN; a row says what this client then does, and what it
//! leaves unsaid.

mod answers;
mod negotiation;

use smtp_proto::connection::TlsPolicy;

use crate::application::{End, Play};

/// One script of the suite.
pub(crate) struct Row {
    /// Its path below the suite's folder for SMTP, without the ending.
    pub(crate) script: &'static str,
    /// The cases that the situation belongs to.
    pub(crate) cases: &'static str,
    /// What the server does.
    pub(crate) situation: &'static str,
    /// What is said then, under each policy.
    pub(crate) plays: Vec<Play>,
}

/// All of them.
pub(crate) fn rows() -> Vec<Row> {
    let mut rows = negotiation::rows();
    rows.extend(answers::rows());
    rows
}

fn row<const N: usize>(
    script: &'static str,
    cases: &'static str,
    situation: &'static str,
    plays: [Play; N],
) -> Row {
    Row { script, cases, situation, plays: plays.into() }
}

/// The same with TLS required and with opportunistic TLS.
fn both(transcript: &str, end: End) -> Play {
    Play::of(&[TlsPolicy::Required, TlsPolicy::Opportunistic], transcript, end)
}

fn required(transcript: &str, end: End) -> Play {
    Play::of(&[TlsPolicy::Required], transcript, end)
}

/// Anyone on the path can take TLS away from it: the session may go on in clear, and credentials may not.
fn opportunistic(transcript: &str, end: End) -> Play {
    Play::of(&[TlsPolicy::Opportunistic], transcript, end)
}

/// A greeting, and EHLO.
const EHLO: &str = "S: 220 mail.example\nC: EHLO client.test\n";
/// What the server says to it when nothing is amiss.
const OFFER: &str = "S: 250-mail.example\nS: 250 STARTTLS\nC: STARTTLS\n";
/// The session after the handshake, to where the message is accepted.
const MAIL: &str = "C: EHLO client.test\nS: 250-mail.example\nS: 250 AUTH PLAIN
C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 235 welcome
C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go on
C: Subject: secret\nC:\nC: for bob\nC: .\nS: 250 accepted\n";
const QUIT: &str = "C: QUIT\nS: 221 bye\n";
/// What the application still says where it has no TLS, and so may not log in.
const HELO_QUIT: &str = "C: HELO client.test\nS: 250 mail.example\nC: QUIT\nS: 221 bye\n";

/// A session that goes as it should, with this greeting and this answer to QUIT.
fn delivered(greeting: &str, farewell: &str) -> Play {
    let transcript =
        format!("S: {greeting}\nC: EHLO client.test\n{OFFER}S: 220 begin\ntls\n{MAIL}C: QUIT\nS: {farewell}");
    both(&transcript, End::Delivered)
}
