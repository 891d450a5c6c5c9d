//! Postfix, which can be told to be difficult: `tests/interop/postfix/master.cf.in` has its listeners.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use std::time::{Duration, Instant};

use interop_support::client::patience;
use interop_support::mail::assert_lock_step;
use interop_support::{Adapter, Client, Kind, Server, both, envelope, message, plain, plain_config, token};
use smtp_proto::body::BodyFaultKind;
use smtp_proto::connection::{Stage, TlsPolicy};
use smtp_proto::flow::{Envelope, SendOptions, Transfer};
use smtp_proto::params::XClient;
use smtp_proto::{Config, Error, SendError};

const ALICE: &str = "alice@example.test";

fn connect(adapter: Adapter, listener: &str) -> Client {
    Client::connect(adapter, &Server::named("postfix").address(listener), plain_config()).unwrap()
}

fn from(sender: &str, to: &[&str]) -> Envelope {
    Envelope::from_strs(sender, to).unwrap()
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_greeting_in_two_pieces_two_seconds_apart_is_waited_for() {
    both(|adapter| {
        let started = Instant::now();
        let mut client = connect(adapter, "POSTSCREEN");
        assert!(started.elapsed() > Duration::from_millis(1900), "greeted after {:?}", started.elapsed());
        let token = token();
        let message = message(&token, b"patiently\r\n");
        client.send(&envelope(&[ALICE]), &message).unwrap();
        client.quit().unwrap();
        Server::named("postfix").mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_without_extensions_gets_ascii_command_by_command() {
    both(|adapter| {
        let mut client = connect(adapter, "BARE");
        assert!(client.capabilities().unwrap().is_empty());

        let token = token();
        let failure = client.send(&envelope(&[ALICE]), "\u{fc}\r\n".as_bytes()).unwrap_err();
        let SendError::NotSent { cause: Error::Body(fault), .. } = failure else { panic!("{failure:?}") };
        assert_eq!(fault.kind, BodyFaultKind::EightBit);

        let message = message(&token, b"ASCII\r\n");
        let delivery = client.send(&envelope(&["bob@example.test", ALICE]), &message).unwrap();
        assert!(delivery.recipients.iter().all(|recipient| recipient.is_accepted()));
        assert_lock_step(&client.transcript());
        assert!(client.transcript().contains(&"C: MAIL FROM:<alice@example.test>".to_owned()));
        client.quit().unwrap();
        Server::named("postfix").mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn too_many_recipients_are_refused_for_now_and_the_others_get_the_message() {
    both(|adapter| {
        let mut client = connect(adapter, "STRICT");
        let to = ["alice@example.test", "b@example.test", "c@example.test", "d@example.test"];
        let token = token();
        let message = message(&token, b"to three of four\r\n");
        let delivery = client.send(&envelope(&to), &message).unwrap();
        let accepted: Vec<bool> = delivery.recipients.iter().map(|outcome| outcome.is_accepted()).collect();
        assert_eq!(accepted, [true, true, true, false]);
        let fourth = delivery.recipients.last().unwrap();
        let reply = fourth.reply.as_ref().unwrap();
        assert_eq!((reply.code().get(), reply.enhanced().unwrap().to_string().as_str()), (452, "4.5.3"));
        assert!(fourth.is_transient() && fourth.is_one_too_many());
        client.quit().unwrap();
        Server::named("postfix").mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_that_lost_patience_with_an_idle_client_is_heard() {
    both(|adapter| {
        let mut client = connect(adapter, "STRICT");
        client.noop().unwrap();
        std::thread::sleep(Duration::from_secs(3));
        let token = token();
        let failure = client.send(&envelope(&[ALICE]), &message(&token, b"late\r\n")).unwrap_err();
        let SendError::NotSent { cause: Error::ServerClosed { reply, .. }, .. } = &failure else {
            panic!("{failure:?}")
        };
        assert_eq!(reply.code().get(), 421);
        assert!(failure.is_transient() && failure.is_safe_to_retry());
        Server::named("postfix").mailbox().assert_lacks(&token);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_that_lost_patience_with_a_client_that_errs_is_heard() {
    both(|adapter| {
        let mut client = connect(adapter, "STRICT");
        let end = (0..5).find_map(|_| client.command("XYZZY").err()).unwrap();
        // It comes right behind the reply to the last command, asked for by none.
        let Error::ServerClosed { reply, .. } = end else { panic!("{end:?}") };
        assert_eq!(reply.code().get(), 421);
        assert_eq!(client.noop().unwrap_err(), Error::Poisoned);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_that_wants_tls_first_says_so_and_gets_it() {
    both(|adapter| {
        let mut client = connect(adapter, "ENCRYPT");
        assert_eq!(client.auth(&mut plain()).unwrap_err(), Error::NoMechanism);
        let failure = client.send(&envelope(&[ALICE]), b"x\r\n").unwrap_err();
        let SendError::Rejected { stage: Stage::Mail, reply, .. } = failure else { panic!("{failure:?}") };
        assert_eq!(reply.code().get(), 530);

        // It refuses RSET as well, and a session that RSET did not bring back is over.
        let mut client = connect(adapter, "ENCRYPT");
        client.start_tls().unwrap();
        client.auth(&mut plain()).unwrap();
        let token = token();
        let message = message(&token, b"under TLS after all\r\n");
        client.send(&envelope(&[ALICE]), &message).unwrap();
        client.quit().unwrap();
        Server::named("postfix").mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn tls_that_is_required_and_not_offered_ends_the_session() {
    both(|adapter| {
        let mx = Server::named("postfix").listener(Kind::Mx).unwrap();
        let mut client = mx.connect_with(adapter, mx.config().tls(TlsPolicy::Required)).unwrap();
        assert_eq!(client.auth(&mut plain()).unwrap_err(), Error::TlsRequired);
        assert!(!client.transcript().iter().any(|line| line.starts_with("C: AUTH")));
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_session_closed_at_ehlo_is_the_servers_doing() {
    both(|adapter| {
        let config = Config::new("localhost").tls(TlsPolicy::None).timeouts(patience());
        let config = config.client_name("h421.test".parse().unwrap());
        let address = Server::named("postfix").address("ACCESS");
        let mut client = Client::connect(adapter, &address, config).unwrap();
        let failure = client.noop().unwrap_err();
        let Error::ServerClosed { stage: Some(Stage::Ehlo), reply } = failure else { panic!("{failure:?}") };
        assert_eq!(reply.code().get(), 421);
    });
}

/// What a failure says: what it is, its stage, the code, whether it may succeed later.
fn verdict(failure: &SendError) -> (&'static str, Option<Stage>, u16, bool) {
    let code = failure.reply().map_or(0, |reply| reply.code().get());
    let (what, stage) = match failure {
        SendError::Rejected { stage, .. } => ("rejected", Some(*stage)),
        SendError::NotSent { cause: Error::ServerClosed { stage, .. }, .. } => ("closed", *stage),
        SendError::NotSent { .. } => ("not sent", None),
        SendError::Unknown { .. } => ("unknown", None),
    };
    assert!(failure.is_safe_to_retry());
    (what, stage, code, failure.is_transient())
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_refusal_at_each_command_is_told_from_a_session_closed_there() {
    let cases = [
        ("s450@example.test", ALICE, ("rejected", Some(Stage::Mail), 450, true)),
        ("s550@example.test", ALICE, ("rejected", Some(Stage::Mail), 550, false)),
        ("s421@example.test", ALICE, ("closed", Some(Stage::Mail), 421, true)),
        (ALICE, "r521@example.test", ("rejected", Some(Stage::Rcpt), 521, false)),
        (ALICE, "r421@example.test", ("closed", Some(Stage::Rcpt), 421, true)),
        (ALICE, "r552@example.test", ("rejected", Some(Stage::Rcpt), 552, true)),
        ("d451@example.test", ALICE, ("rejected", Some(Stage::Data), 451, true)),
        ("e550@example.test", ALICE, ("rejected", Some(Stage::EndOfData), 550, false)),
        ("e421@example.test", ALICE, ("closed", Some(Stage::EndOfData), 421, true)),
    ];
    both(|adapter| {
        for (sender, recipient, expected) in cases {
            let mut client = connect(adapter, "ACCESS");
            let token = token();
            let message = message(&token, b"refused\r\n");
            // In chunks the refusal of DATA would be one of the message.
            let options = SendOptions::default().transfer(Transfer::Data);
            let failure = client.send_with(&from(sender, &[recipient]), &message, options).unwrap_err();
            assert_eq!(verdict(&failure), expected, "{sender} {recipient}");
            // A refusal leaves the session, unless the server closed it for that.
            let (what, _, code, _) = expected;
            assert_eq!(client.noop().is_ok(), what == "rejected" && code != 521, "{sender} {recipient}");
            Server::named("postfix").mailbox().assert_lacks(&token);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn mailboxes_that_are_full_for_now_do_not_keep_the_others_from_the_message() {
    both(|adapter| {
        let mut client = connect(adapter, "ACCESS");
        let token = token();
        let message = message(&token, b"to one of three\r\n");
        let to = ["r552@example.test", ALICE, "r452@example.test"];
        let delivery = client.send(&envelope(&to), &message).unwrap();
        let outcomes: Vec<(bool, bool)> =
            delivery.recipients.iter().map(|to| (to.is_accepted(), to.is_transient())).collect();
        assert_eq!(outcomes, [(false, true), (true, false), (false, true)]);
        let too_many: Vec<bool> = delivery.recipients.iter().map(|to| to.is_one_too_many()).collect();
        assert_eq!(too_many, [false, false, true]);
        client.quit().unwrap();
        Server::named("postfix").mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn one_recipient_that_has_the_session_closed_leaves_the_others_untold() {
    both(|adapter| {
        let mut client = connect(adapter, "ACCESS");
        let token = token();
        let to = ["bob@example.test", "r421@example.test", ALICE];
        let failure = client.send(&envelope(&to), &message(&token, b"to nobody\r\n")).unwrap_err();
        assert_eq!(verdict(&failure), ("closed", Some(Stage::Rcpt), 421, true));
        let told: Vec<bool> = failure.recipients().iter().map(|outcome| outcome.reply.is_some()).collect();
        assert_eq!(told, [true, false, false]);
        Server::named("postfix").mailbox().assert_lacks(&token);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn xclient_has_the_message_come_from_elsewhere() {
    both(|adapter| {
        let mut client = connect(adapter, "ACCESS");
        let elsewhere = XClient::new().name("spike.example.test").unwrap().addr("192.0.2.7".parse().unwrap());
        assert_eq!(client.xclient(&elsewhere).unwrap().code().get(), 220);
        let token = token();
        let message = message(&token, b"from elsewhere\r\n");
        client.send(&envelope(&[ALICE]), &message).unwrap();
        client.quit().unwrap();
        let stored = std::fs::read(Server::named("postfix").mailbox().assert_has(&token, &message)).unwrap();
        let stored = String::from_utf8_lossy(&stored);
        assert!(stored.contains("(spike.example.test [192.0.2.7])"), "{stored}");
    });
}
