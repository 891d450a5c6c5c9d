//! smtp-sink, whose faults `tests/interop/smtp-sink/start.sh` lists.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use std::time::{Duration, Instant};

use interop_support::client::patience;
use interop_support::{Adapter, Client, Kind, Server, both, envelope, message, plain, plain_config, token};
use smtp_proto::capabilities::Extension;
use smtp_proto::connection::{Stage, TimeoutPhase};
use smtp_proto::error::ProtocolError;
use smtp_proto::flow::{Body, Delivery};
use smtp_proto::{Error, SendError};

fn connect(adapter: Adapter, fault: &str) -> Result<Client, Error> {
    Client::connect(adapter, &Server::named("smtp-sink").address(fault), plain_config())
}

fn send(client: &mut Client) -> Result<Delivery, SendError> {
    client.send(&envelope(&["alice@example.test"]), &message(&token(), b"x\r\n"))
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn the_empty_last_line_of_its_ehlo_reply_is_no_keyword() {
    both(|adapter| {
        let mut client = Server::named("smtp-sink").listener(Kind::Mx).unwrap().connect(adapter);
        let capabilities = client.capabilities().unwrap();
        assert!(client.transcript().contains(&"S: 250 ".to_owned()));
        assert!(capabilities.iter().all(|(keyword, _)| !keyword.is_empty()));
        assert!(capabilities.supports(Extension::Dsn));
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn auth_answered_with_250_is_no_success() {
    both(|adapter| {
        let mut client = Server::named("smtp-sink").listener(Kind::Mx).unwrap().connect(adapter);
        let failure = client.auth(&mut plain()).unwrap_err();
        let Error::Protocol(ProtocolError::UnexpectedReply { stage: Stage::Auth, reply }) = &failure else {
            panic!("{failure:?}")
        };
        assert_eq!(reply.code().get(), 250);
        assert!(failure.is_fatal());
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_without_esmtp_is_spoken_to_in_smtp() {
    both(|adapter| {
        for fault in ["NO_ESMTP", "PIX"] {
            let mut client = connect(adapter, fault).unwrap();
            let delivery = send(&mut client).unwrap();
            assert!(delivery.recipients.iter().all(|recipient| recipient.is_accepted()));
            assert!(client.capabilities().unwrap().is_empty());
            assert!(client.transcript().iter().any(|line| line.starts_with("C: HELO")));
            client.quit().unwrap();
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn octets_above_127_stay_where_8bitmime_is_not_offered() {
    both(|adapter| {
        let mut client = connect(adapter, "NO_8BITMIME").unwrap();
        let failure = client.send(&envelope(&["alice@example.test"]), "\u{fc}\r\n".as_bytes()).unwrap_err();
        let SendError::NotSent { cause: Error::Body(_), .. } = failure else { panic!("{failure:?}") };
        assert!(!client.transcript().iter().any(|line| line.starts_with("C: MAIL")));
        send(&mut client).unwrap();
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn without_pipelining_a_message_goes_through() {
    both(|adapter| {
        for fault in ["NO_PIPELINING", "SLOW"] {
            let mut client = connect(adapter, fault).unwrap();
            send(&mut client).unwrap();
            client.quit().unwrap();
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_that_does_not_greet_is_left() {
    both(|adapter| {
        let Err(refused) = connect(adapter, "CONNECT_500") else { panic!("greeted") };
        assert!(matches!(refused, Error::Refused { stage: Stage::Greeting, .. }), "{refused:?}");
        let Err(closed) = connect(adapter, "CONNECT_421") else { panic!("greeted") };
        assert!(matches!(closed, Error::ServerClosed { stage: Some(Stage::Greeting), .. }), "{closed:?}");
        let Err(lost) = connect(adapter, "CONNECT_CLOSE") else { panic!("greeted") };
        assert!(matches!(lost, Error::Disconnected { stage: Some(Stage::Greeting), .. }), "{lost:?}");
        let lost = connect(adapter, "EHLO_CLOSE").unwrap().noop().unwrap_err();
        assert!(matches!(lost, Error::Disconnected { stage: Some(Stage::Ehlo), .. }), "{lost:?}");
    });
}

/// What became of the message, and of the session.
fn told(adapter: Adapter, fault: &str) -> (String, bool) {
    let mut client = connect(adapter, fault).unwrap();
    let failure = send(&mut client).unwrap_err();
    let what = match &failure {
        SendError::Rejected { stage, reply, .. } => format!("rejected at {stage}: {}", reply.code()),
        SendError::NotSent { cause, .. } => format!("not sent, {}", cause_of(cause)),
        SendError::Unknown { cause, .. } => format!("unknown, {}", cause_of(cause)),
    };
    (what, client.noop().is_ok())
}

fn cause_of(error: &Error) -> String {
    match error {
        Error::ServerClosed { stage: Some(stage), reply } => format!("closed at {stage}: {}", reply.code()),
        Error::Disconnected { stage: Some(stage), .. } => format!("disconnected before {stage}"),
        other => format!("{other:?}"),
    }
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn every_fault_tells_what_became_of_the_message() {
    let cases = [
        ("MAIL_500", "rejected at MAIL: 500", true),
        ("MAIL_450", "rejected at MAIL: 450", true),
        ("MAIL_421", "not sent, closed at MAIL: 421", false),
        ("RCPT_500", "rejected at RCPT: 500", true),
        ("RCPT_450", "rejected at RCPT: 450", true),
        ("RCPT_421", "not sent, closed at RCPT: 421", false),
        ("RCPT_CLOSE", "not sent, disconnected before RCPT", false),
        ("DATA_500", "rejected at DATA: 500", true),
        ("DATA_421", "not sent, closed at DATA: 421", false),
        ("DATA_CLOSE", "not sent, disconnected before DATA", false),
        ("DOT_500", "rejected at the end of the message: 500", true),
        ("DOT_450", "rejected at the end of the message: 450", true),
        ("DOT_421", "not sent, closed at the end of the message: 421", false),
        ("DOT_CLOSE", "unknown, disconnected before the end of the message", false),
    ];
    both(|adapter| {
        for (fault, what, goes_on) in cases {
            assert_eq!(told(adapter, fault), (what.to_owned(), goes_on), "{fault}");
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_that_is_gone_at_quit_changes_nothing() {
    both(|adapter| {
        let mut client = connect(adapter, "QUIT_CLOSE").unwrap();
        send(&mut client).unwrap();
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_refusal_in_the_middle_of_the_message_is_heard_and_nothing_is_delivered() {
    both(|adapter| {
        let large = message(&token(), &b"0123456789012345678901234567890123456789\r\n".repeat(250_000));
        let mut client = connect(adapter, "EARLY").unwrap();
        let failure = client.send(&envelope(&["alice@example.test"]), &large).unwrap_err();
        assert!(failure.is_safe_to_retry(), "{failure:?}");
        assert!(client.noop().is_err());

        let mut client = connect(adapter, "EARLY").unwrap();
        let body = Body::Stream { kind: smtp_proto::body::BodyKind::SevenBit, size: None };
        let failure = client.stream(&envelope(&["alice@example.test"]), &large, body).unwrap_err();
        assert!(failure.is_safe_to_retry(), "{failure:?}");
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_that_stops_reading_is_left_at_the_deadline() {
    both(|adapter| {
        let large = message(&token(), &b"0123456789012345678901234567890123456789\r\n".repeat(750_000));
        let mut timeouts = patience();
        timeouts.data_block = Duration::from_secs(1);
        let config = plain_config().timeouts(timeouts);
        let mut client =
            Client::connect(adapter, &Server::named("smtp-sink").address("DEAF"), config).unwrap();
        let started = Instant::now();
        let failure = client.send(&envelope(&["alice@example.test"]), &large).unwrap_err();
        let SendError::NotSent { cause: Error::Timeout(phase), .. } = failure else { panic!("{failure:?}") };
        assert_eq!(phase, TimeoutPhase::DataBlock);
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
        assert_eq!(client.noop().unwrap_err(), Error::Poisoned);
    });
}
