//! What a [`Connection`] tells of itself at every point of a session, and what its caller may set while it lasts; called by
//! hand, without a flow or a script.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{FROM, config};
use smtp_proto::body::BodyKind;
use smtp_proto::capabilities::Extension;
use smtp_proto::command::Command;
use smtp_proto::connection::{Config, Connection, Peer, TimeoutPhase, TlsPolicy};
use smtp_proto::error::{Error, Misuse};
use smtp_proto::params::MailParameters;
use smtp_proto::path::ReversePath;

fn new(config: Config) -> Connection {
    Connection::new(config, Peer::Remote)
}

/// Lets everything queued leave, and hears what the server says to it.
fn exchange(connection: &mut Connection, said: &str) -> String {
    let left = String::from_utf8(connection.output().to_vec()).unwrap();
    connection.advance_output(left.len()).unwrap();
    connection.receive(said.as_bytes());
    while connection.poll_event().unwrap().is_some() {}
    left
}

fn say_ehlo(connection: &mut Connection, keywords: &[&str]) -> String {
    connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
    let keywords: String = keywords.iter().map(|keyword| format!("250-{keyword}\r\n")).collect();
    exchange(connection, &format!("250-mail.example\r\n{keywords}250 HELP\r\n"))
}

/// A session in which EHLO has been answered.
fn ready(tls: TlsPolicy, keywords: &[&str]) -> Connection {
    let mut connection = new(config(tls));
    exchange(&mut connection, "220 mail.example\r\n");
    say_ehlo(&mut connection, keywords);
    connection
}

fn path(text: &str) -> ReversePath {
    text.parse().unwrap()
}

#[test]
fn t16_the_name_to_verify_is_the_one_configured_and_none_that_the_server_said() {
    let mut implicit = new(config(TlsPolicy::Implicit));
    assert_eq!(implicit.tls_upgrade().unwrap().server_name(), "mail.example");
    let mut connection = new(config(TlsPolicy::Required));
    exchange(&mut connection, "220 evil.example\r\n");
    connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
    exchange(&mut connection, "250-evil.example\r\n250 STARTTLS\r\n");
    connection.command(Command::StartTls).unwrap();
    exchange(&mut connection, "220 evil.example\r\n");
    assert_eq!(connection.tls_upgrade().unwrap().server_name(), "mail.example");
}

#[test]
fn nothing_is_awaited_of_an_idle_server_and_the_body_of_its_source() {
    let mut connection = ready(TlsPolicy::None, &["CHUNKING"]);
    assert_eq!(connection.timeout(), None);
    connection.command(Command::Mail(&path(FROM), &MailParameters::new())).unwrap();
    exchange(&mut connection, "250 ok\r\n");
    connection.command(Command::Rcpt(&"bob@example.net".parse().unwrap(), &Default::default())).unwrap();
    exchange(&mut connection, "250 ok\r\n");
    assert_eq!(connection.timeout(), None);
    connection.begin_chunks(connection.default_data()).unwrap();
    assert_eq!(connection.timeout().unwrap().phase, TimeoutPhase::BodySource);
}

#[test]
fn a_connection_is_idle_when_nothing_is_said_and_nothing_half_said() {
    let mut implicit = new(config(TlsPolicy::Implicit));
    assert!(!implicit.is_idle(), "a handshake is due");
    let upgrade = implicit.tls_upgrade().unwrap();
    implicit.tls_established(upgrade).unwrap();
    assert!(!implicit.is_idle(), "the greeting is awaited");

    let mut connection = ready(TlsPolicy::None, &[]);
    assert!(connection.is_idle());
    connection.command(Command::Noop).unwrap();
    assert!(!connection.is_idle(), "queued");
    exchange(&mut connection, "");
    assert!(!connection.is_idle(), "in flight");
    exchange(&mut connection, "250 ok\r\n");
    assert!(connection.is_idle());
    // Blank lines are nothing said.
    exchange(&mut connection, "\r\n");
    assert!(connection.is_idle());
    exchange(&mut connection, "42");
    assert!(!connection.is_idle(), "half said");

    let mut broken = ready(TlsPolicy::None, &[]);
    broken.abandon();
    assert!(!broken.is_idle());
}

#[test]
fn the_name_for_ehlo_may_be_set_until_it_is_said() {
    let name = |text: &str| text.parse().unwrap();
    let mut connection = new(config(TlsPolicy::None));
    connection.set_client_name(name("first.test")).unwrap();
    exchange(&mut connection, "220 mail.example\r\n");
    connection.set_client_name(name("second.test")).unwrap();
    assert!(connection.config().has_client_name());
    let mut open = smtp_proto::flow::Open::new();
    drop(smtp_proto::Flow::poll(&mut open, &mut connection).unwrap());
    assert_eq!(connection.output(), b"EHLO second.test\r\n");
    assert_eq!(connection.set_client_name(name("third.test")), Err(Misuse::AfterHello.into()));
    connection.abandon();
    assert_eq!(connection.set_client_name(name("third.test")), Err(Error::Poisoned));

    let mut implicit = new(Config::new("mail.example").tls(TlsPolicy::Implicit));
    assert!(!implicit.config().has_client_name());
    implicit.set_client_name(name("client.test")).unwrap();
    assert!(implicit.config().has_client_name());
}

#[test]
fn d09_the_parameters_of_a_message_of_which_nothing_is_known() {
    let plain = path(FROM);
    let utf8 = path("ålice@example.org");
    let body = |parameters: MailParameters| parameters.declared_body();
    let connection = ready(TlsPolicy::None, &["8BITMIME", "SMTPUTF8"]);
    let parameters = connection.default_mail_parameters(&plain);
    assert_eq!(body(parameters.clone()), Some(BodyKind::EightBitMime));
    assert!(!parameters.declares_smtp_utf8());
    let parameters = connection.default_mail_parameters(&utf8);
    assert!(parameters.declares_smtp_utf8());
    assert_eq!(body(parameters), Some(BodyKind::EightBitMime));
    assert_eq!(body(ready(TlsPolicy::None, &[]).default_mail_parameters(&plain)), None);
}

#[test]
fn an_extension_taken_away_is_gone_until_the_next_ehlo() {
    let mut connection = ready(TlsPolicy::None, &["PIPELINING", "SIZE 10", "ETRN"]);
    connection.mask_extension("pipelining");
    connection.mask_extension("ETRN");
    assert!(!connection.is_pipelining() && !connection.capabilities().supports(Extension::Etrn));
    assert_eq!(connection.capabilities().size_limit(), Some(10), "what was not named stays");
    let refused = connection.command(Command::Etrn("example.org")).unwrap_err();
    assert_eq!(refused, Error::Unsupported(Extension::Etrn));
    say_ehlo(&mut connection, &["PIPELINING"]);
    assert!(connection.is_pipelining());
}
