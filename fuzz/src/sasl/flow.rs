//! The AUTH exchange (RFC 4954 §4): the mechanism's messages on the wire, in base64, and `*` where it has no more.

use smtp_proto::command::{Command, MAX_AUTH_LINE, MAX_LINE};
use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
use smtp_proto::error::Error;
use smtp_proto::flow::{Authenticate, Flow, Step};
use smtp_proto::reply::ReplyLimits;
use smtp_proto::security::Security;

use super::super::session::base64;
use super::naive::{Expected, Server};
use super::{Case, HOST};

/// Runs the exchange with a server that challenges with what the script has, and says 235 at its end, or 501 to `*`.
pub(super) fn exchange(case: &Case, expected: &Expected) {
    let Some(mut connection) = ready(case) else { return };
    let mechanism = case.mechanism();
    let name = mechanism.name().to_owned();
    let mut flow = Authenticate::new(mechanism);
    let started = flow.poll(&mut connection);
    let Some(initial) = &expected.initial else {
        assert!(matches!(started, Err(Error::Mechanism(_))));
        assert_eq!(connection.output(), b"", "A01: nothing leaves");
        return;
    };
    let mut held = None;
    let with = initial.as_ref().map(|said| match said.len() {
        0 => format!("AUTH {name} =\r\n"),
        _ => format!("AUTH {name} {}\r\n", base64(said)),
    });
    let line = match with {
        Some(line) if line.len() <= MAX_LINE => line,
        Some(_) => {
            held.clone_from(initial);
            format!("AUTH {name}\r\n")
        }
        None => format!("AUTH {name}\r\n"),
    };
    if held.as_ref().is_some_and(|held| base64(held).len() + 2 > MAX_AUTH_LINE) {
        assert!(matches!(started, Err(Error::Command(_))), "A17");
        return;
    }
    said(&mut connection, &line);
    let mut server = Server::new(case);
    for challenge in &case.challenges {
        let challenge = server.challenge(challenge);
        let response = match held.take() {
            Some(held) if challenge.is_empty() || ignores(case) => Some(held),
            Some(_) => None,
            // What is ignored is passed on empty.
            None => server.response(if ignores(case) { b"" } else { &challenge }),
        };
        connection.receive(format!("334 {}\r\n", base64(&challenge)).as_bytes());
        let step = flow.poll(&mut connection);
        assert!(matches!(step, Ok(Step::Continue)), "{step:?}");
        let Some(response) = response.filter(|response| base64(response).len() + 2 <= MAX_AUTH_LINE) else {
            return broken_off(connection, flow);
        };
        said(&mut connection, &format!("{}\r\n", base64(&response)));
    }
    connection.receive(b"235 ok\r\n");
    let ended = flow.poll(&mut connection);
    let sound = server.is_proved() || !case.is_scram();
    assert_eq!(matches!(ended, Ok(Step::Done(_))), sound, "{ended:?}");
    assert_eq!(connection.failure().is_some(), !sound, "A22: who cannot prove itself is talked to no more");
}

fn ignores(case: &Case) -> bool {
    case.letter == b'l'
}

fn said(connection: &mut Connection, line: &str) {
    assert_eq!(connection.output(), line.as_bytes());
    connection.advance_output(line.len()).expect("what was on offer");
    assert_eq!(connection.output(), b"");
}

/// A06, A07, A09: `*`, one reply, and no success.
fn broken_off(mut connection: Connection, mut flow: Authenticate<Box<dyn smtp_proto::sasl::Mechanism>>) {
    said(&mut connection, "*\r\n");
    connection.receive(b"501 as you like\r\n");
    let error = flow.poll(&mut connection).map(drop);
    let Err(Error::AuthenticationFailed(failed)) = error else { panic!("{error:?}") };
    assert!(failed.cause.is_some() && !connection.is_authenticated());
    assert_eq!((connection.output(), connection.failure()), (&b""[..], None));
}

/// A session under the protection that the case has; `None` for what no connection has.
fn ready(case: &Case) -> Option<Connection> {
    let (policy, peer) = match case.security {
        Security::Plaintext => (TlsPolicy::None, Peer::Remote),
        Security::LocalPlaintext => (TlsPolicy::None, Peer::Local),
        Security::Tls(_) => (TlsPolicy::Implicit, Peer::Remote),
        _ => return None,
    };
    if !case.bindings.is_empty() && policy != TlsPolicy::Implicit {
        return None;
    }
    let limits = ReplyLimits::default().with_line(64 * 1024);
    let config = Config::new(HOST).tls(policy).allow_plaintext_auth(case.allow_plaintext).limits(limits);
    let mut connection = Connection::new(config, peer);
    if let Some(upgrade) = connection.tls_upgrade() {
        connection.tls_established(upgrade.bind(case.bindings.clone())).ok()?;
    }
    connection.receive(b"220 hi\r\n");
    connection.poll_event().ok()?;
    connection.command(Command::Ehlo(&"client.example".parse().ok()?)).ok()?;
    connection.advance_output(connection.output().len()).ok()?;
    let plus: &[u8] = if case.offers_plus || case.letter == b'S' { b" SCRAM-SHA-256-PLUS" } else { b"" };
    connection.receive(
        b"250-hi\r\n250 AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2 OAUTHBEARER EXTERNAL ANONYMOUS SCRAM-SHA-256",
    );
    connection.receive(&[plus, b"\r\n"].concat());
    connection.poll_event().ok()?;
    Some(connection)
}
