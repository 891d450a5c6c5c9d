//! What a [`Connection`] tells of itself at every point of a session, and what its caller may set while it lasts; called by
//! hand, without a flow or a script.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::{FROM, config};
use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::capabilities::Extension;
use smtp_proto::command::{AuthCommand, Command, DataCommand};
use smtp_proto::connection::{Config, Connection, Peer, Stage, TimeoutPhase, Timeouts, TlsPolicy};
use smtp_proto::error::{Error, Misuse, ProtocolError};
use smtp_proto::flow::{Batch, Body, Envelope, Flow, Open, Send, SendOptions, Step, Transfer};
use smtp_proto::params::{MailParameters, RcptParameters};
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

/// The same, and a mail transaction with a recipient.
fn transaction(keywords: &[&str], kind: Option<BodyKind>) -> Connection {
    let mut connection = ready(TlsPolicy::None, keywords);
    let parameters = MailParameters::new();
    let parameters = if let Some(kind) = kind { parameters.body(kind) } else { parameters };
    connection.command(Command::Mail(&path(FROM), &parameters)).unwrap();
    exchange(&mut connection, "250 ok\r\n");
    connection.command(Command::Rcpt(&"bob@example.net".parse().unwrap(), &RcptParameters::new())).unwrap();
    exchange(&mut connection, "250 ok\r\n");
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
    assert_eq!(ready(TlsPolicy::None, &[]).timeout(), None);
    let mut connection = transaction(&["CHUNKING"], None);
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
    drop(Open::new().poll(&mut connection).unwrap());
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

#[test]
fn the_settings_are_the_callers() {
    let mut timeouts = Timeouts::default();
    timeouts.rset = Duration::from_secs(7);
    let connection = new(config(TlsPolicy::Implicit).timeouts(timeouts.clone()));
    let config = connection.config();
    assert_eq!((config.host(), config.get_timeouts()), ("mail.example", &timeouts));
    assert_eq!((config.tls_policy(), config.is_lmtp()), (TlsPolicy::Implicit, false));
}

#[test]
fn l05_a_connection_shows_where_it_stands() {
    let connection = ready(TlsPolicy::None, &[]);
    let shown = format!("{connection:?}");
    assert!(shown.contains("host: \"mail.example\"") && shown.contains("receiving: Ready"), "{shown}");
}

/// The calls that break a rule, and what they must not do: queue a line, or change what may be said next.
#[track_caller]
fn refused(connection: &mut Connection, command: Command<'_>, error: impl Into<Error>) {
    let before = format!("{connection:?}");
    assert_eq!(connection.command(command), Err(error.into()));
    assert_eq!((connection.output(), format!("{connection:?}")), (&b""[..], before));
}

#[test]
fn a19_a_mechanism_that_is_not_advertised_is_not_named() {
    let auth = |mechanism| Command::Auth(AuthCommand { mechanism, initial_response: None });
    let mut connection = ready(TlsPolicy::None, &["AUTH LOGIN CRAM-MD5"]);
    for mechanism in ["PLAIN", "CRAM", "LOGIN CRAM-MD5", ""] {
        refused(&mut connection, auth(mechanism), Error::Unsupported(Extension::Auth));
    }
    connection.command(auth("CRAM-MD5")).unwrap();
    assert_eq!(connection.output(), b"AUTH CRAM-MD5\r\n");
}

#[test]
fn a20_no_auth_while_a_challenge_waits() {
    let auth = Command::Auth(AuthCommand { mechanism: "LOGIN", initial_response: None });
    let mut connection = ready(TlsPolicy::None, &["AUTH LOGIN"]);
    connection.command(auth).unwrap();
    exchange(&mut connection, "334 VXNlcm5hbWU6\r\n");
    for command in [auth, Command::Noop, Command::Quit] {
        refused(&mut connection, command, Misuse::AwaitingReply(Stage::Auth));
    }
    connection.auth_cancel().unwrap();
    assert_eq!(exchange(&mut connection, "501 ok\r\n"), "*\r\n");
}

#[test]
fn d09_a_body_is_no_more_than_what_mail_declared() {
    let keywords = &["8BITMIME", "CHUNKING", "BINARYMIME"];
    let data = |kind| DataCommand { rules: BodyRules::new(kind), size: None };
    for (declared, kinds) in [
        (None, [Ok(()), Err(Extension::EightBitMime), Err(Extension::BinaryMime)]),
        (Some(BodyKind::SevenBit), [Ok(()), Err(Extension::EightBitMime), Err(Extension::BinaryMime)]),
        (Some(BodyKind::EightBitMime), [Ok(()), Ok(()), Err(Extension::BinaryMime)]),
        (Some(BodyKind::BinaryMime), [Ok(()), Ok(()), Ok(())]),
    ] {
        let kinds = [BodyKind::SevenBit, BodyKind::EightBitMime, BodyKind::BinaryMime].into_iter().zip(kinds);
        for (kind, expected) in kinds {
            let mut connection = transaction(keywords, declared);
            let chunks = connection.begin_chunks(data(kind));
            assert_eq!(chunks.map(drop), expected.map_err(Error::Unsupported), "BDAT {declared:?} {kind:?}");
            let mut connection = transaction(keywords, declared);
            if declared == Some(BodyKind::BinaryMime) {
                // RFC 3030 §3: BINARYMIME goes out in chunks, whatever the body turns out to be.
                refused(&mut connection, Command::Data(data(kind)), Misuse::NeedsChunks);
                continue;
            }
            match expected {
                Ok(()) => {
                    connection.command(Command::Data(data(kind))).unwrap();
                }
                Err(extension) => {
                    refused(&mut connection, Command::Data(data(kind)), Error::Unsupported(extension));
                }
            }
        }
    }
}

#[test]
fn i09_a_path_that_needs_smtputf8_needs_the_parameter_and_the_server() {
    let utf8 = path("ålice@example.org");
    let (without, with) = (MailParameters::new(), MailParameters::new().smtp_utf8());
    let mut connection = ready(TlsPolicy::None, &["SMTPUTF8"]);
    refused(&mut connection, Command::Mail(&utf8, &without), Misuse::NeedsSmtpUtf8);
    connection.command(Command::Mail(&utf8, &with)).unwrap();
    assert_eq!(connection.output(), "MAIL FROM:<ålice@example.org> SMTPUTF8\r\n".as_bytes());
    let mut connection = ready(TlsPolicy::None, &[]);
    for parameters in [without, with] {
        refused(&mut connection, Command::Mail(&utf8, &parameters), Error::Unsupported(Extension::SmtpUtf8));
    }
}

#[test]
fn d11_a_mail_beyond_the_limit_is_refused_here() {
    let mut connection = ready(TlsPolicy::None, &["SIZE 1000"]);
    let size = |size| MailParameters::new().size(size);
    let error = Error::TooLarge { size: 1001, limit: 1000 };
    refused(&mut connection, Command::Mail(&path(FROM), &size(1001)), error);
    connection.command(Command::Mail(&path(FROM), &size(1000))).unwrap();
    assert_eq!(connection.output(), b"MAIL FROM:<alice@example.org> SIZE=1000\r\n");
}

#[test]
fn t01_octets_behind_the_220_are_residue_but_none_are_none() {
    let mut connection = ready(TlsPolicy::Required, &["STARTTLS"]);
    connection.command(Command::StartTls).unwrap();
    exchange(&mut connection, "220 go\r\n");
    connection.receive(b"");
    assert!(connection.failure().is_none() && connection.tls_upgrade().is_some());
    connection.receive(b"\n");
    assert_eq!(connection.failure(), Some(&ProtocolError::StartTlsResidue.into()));
}

/// A reply that is being heard keeps commands back; the time for it runs all the same.
#[test]
fn r02_what_is_queued_behind_a_command_does_not_stretch_its_budget() {
    let mut connection = ready(TlsPolicy::None, &[]);
    exchange(&mut connection, "2");
    connection.command(Command::Noop).unwrap();
    let timeout = connection.timeout();
    assert_eq!(timeout.unwrap().phase, TimeoutPhase::Reply(Stage::Noop));
    connection.command(Command::Rset).unwrap();
    connection.command(Command::Rset).unwrap();
    assert_eq!((connection.output(), connection.timeout()), (&b""[..], timeout));
}

#[test]
fn t12_a_greeting_alone_can_be_waited_for() {
    let mut connection = new(config(TlsPolicy::None));
    let mut open = Open::greeting();
    assert!(matches!(open.poll(&mut connection).unwrap(), Step::Continue));
    connection.receive(b"220 mail.example\r\n");
    assert!(matches!(open.poll(&mut connection).unwrap(), Step::Done(())));
    assert!(connection.is_greeted() && connection.output().is_empty() && connection.outstanding() == 0);
    assert!(matches!(Open::greeting().poll(&mut connection).unwrap(), Step::Done(())));
}

#[test]
fn a_batch_counts_what_it_has_and_goes_on_counting_once_it_is_broken() {
    let nobody = Envelope::from_strs(FROM, &[""; 0]).unwrap();
    let mut connection = ready(TlsPolicy::None, &["PIPELINING"]);
    let mut batch = Batch::new();
    let push = |batch: &mut Batch<Envelope>| {
        assert!(batch.wants_message());
        batch.push(nobody.clone(), Body::Whole(b""), SendOptions::default());
    };
    push(&mut batch);
    assert_eq!((batch.outcomes(), batch.undecided()), (0, 1));
    for decided in 1..=3 {
        assert!(matches!(batch.poll(&mut connection).unwrap(), Step::Continue));
        assert_eq!((batch.outcomes(), batch.undecided()), (decided, 0));
        push(&mut batch);
    }
    connection.abandon();
    assert_eq!(batch.poll(&mut connection).map(drop), Err(Error::Abandoned));
    // What is handed in then has its outcome at once.
    let somebody = Envelope::from_strs(FROM, &["bob@example.net"]).unwrap();
    for decided in 4..=6 {
        assert_eq!((batch.outcomes(), batch.undecided()), (decided, 0));
        assert!(batch.wants_message());
        batch.push(somebody.clone(), Body::Whole(b""), SendOptions::default());
    }
    let errors: Vec<_> = std::iter::from_fn(|| batch.next_outcome()).map(Result::unwrap_err).collect();
    assert!(errors.iter().map(|error| error.recipients().len()).eq([0, 0, 0, 0, 1, 1, 1]));
    let causes: Vec<Error> = errors.iter().map(|error| error.cause().unwrap().clone()).collect();
    assert_eq!(causes[..4], vec![Error::from(Misuse::NoRecipient); 4]);
    assert_eq!(causes[4..], vec![Error::Abandoned; 3]);
}

/// What leaves of a stream of this size before the server has said anything to its recipients.
fn eagerly(size: u64, transfer: Transfer) -> (bool, String) {
    let mut connection = ready(TlsPolicy::None, &["PIPELINING", "CHUNKING"]);
    let envelope = Envelope::from_strs(FROM, &["bob@example.net"]).unwrap();
    let body = Body::Stream { kind: BodyKind::SevenBit, size: Some(size) };
    let mut send = Send::new(&envelope, body, SendOptions::default().transfer(transfer));
    let step = send.poll(&mut connection).unwrap();
    let last = String::from_utf8(connection.output().to_vec()).unwrap();
    (matches!(step, Step::SupplyBody { .. }), last.lines().last().unwrap().to_owned())
}

#[test]
fn sizes_at_which_a_message_is_sent_in_another_way() {
    let rcpt = "RCPT TO:<bob@example.net>".to_owned();
    // A quarter of a mebibyte is sent without waiting for what is said of its recipients; more is not.
    assert_eq!(eagerly(256 * 1024, Transfer::Chunks), (true, rcpt.clone()));
    assert_eq!(eagerly(256 * 1024 + 1, Transfer::Chunks), (false, rcpt.clone()));
    // A stream of 64 KiB goes in chunks of its own accord; a longer one after DATA.
    assert_eq!(eagerly(64 * 1024, Transfer::Automatic), (true, rcpt));
    assert_eq!(eagerly(64 * 1024 + 1, Transfer::Automatic), (false, "DATA".to_owned()));
}
