//! Real servers, started by `tests/interop/run`: Postfix (with Dovecot's SASL) and Exim.
//!
//! Each test goes through both adapters and every server, and reads back from the server's maildir what was
//! delivered. They are ignored in a hermetic run, and fail rather than skip when the servers are not there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use interop_support::{Adapter, Failure, Protection, Server, Session, servers, token};
use smtp_proto::connection::Stage;
use smtp_proto::flow::{Envelope, SendOptions};
use smtp_proto::sasl::{CramMd5, Login, Mechanism, Plain, ScramSha256};
use smtp_proto::{Error, SendError};

const WITH_AUTH: [Protection; 2] = [Protection::StartTls, Protection::Implicit];

fn mechanisms(password: &str) -> Vec<Box<dyn Mechanism>> {
    vec![
        Box::new(Plain::new("", "alice", password, "localhost")),
        Box::new(Login::new("alice", password, "localhost")),
        Box::new(CramMd5::new("alice", password)),
    ]
}

fn every_session(mut check: impl FnMut(&Server, Session)) {
    for server in servers() {
        for adapter in [Adapter::Blocking, Adapter::Tokio] {
            for tls in WITH_AUTH {
                println!("{} {adapter:?} {tls:?}", server.name);
                check(&server, Session::new(&server, adapter, tls));
            }
        }
    }
}

fn envelope(to: &[&str]) -> Envelope {
    Envelope::from_strs("alice@example.test", to).unwrap()
}

fn message(subject: &str, body: &[u8]) -> Vec<u8> {
    let mut message = format!("From: <alice@example.test>\r\nSubject: {subject}\r\n\r\n").into_bytes();
    message.extend_from_slice(body);
    message
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn every_mechanism_with_the_right_password_delivers() {
    every_session(|server, session| {
        for mut mechanism in mechanisms("secret") {
            let subject = token();
            let message = message(&subject, format!("by {}\r\n", mechanism.name()).as_bytes());
            let delivery = session
                .send(
                    Some(&mut *mechanism),
                    &envelope(&["alice@example.test"]),
                    &message,
                    SendOptions::default(),
                )
                .unwrap();
            assert!(delivery.queue_id().is_some(), "no queue id in {}", delivery.reply);
            server.assert_delivered(&subject, &message);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn every_mechanism_with_a_wrong_password_is_refused() {
    every_session(|_, session| {
        for mut mechanism in mechanisms("not the secret") {
            let failure = session
                .send(
                    Some(&mut *mechanism),
                    &envelope(&["alice@example.test"]),
                    b"x\r\n",
                    SendOptions::default(),
                )
                .unwrap_err();
            let Failure::Auth(Error::AuthenticationFailed(failed)) = failure else { panic!("{failure:?}") };
            assert_eq!(failed.reply.code().get(), 535);
            assert!(!format!("{failed:?} {failed}").contains("not the secret"));
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a22_scram_with_dovecot_behind_postfix() {
    every_session(|server, session| {
        // Exim's light build has no SCRAM.
        if server.name != "postfix" {
            return;
        }
        let send = |password: &str| {
            let nonce = smtp_blocking::scram_nonce().unwrap();
            let mut scram = ScramSha256::new("alice", password, "localhost", nonce);
            let to = envelope(&["alice@example.test"]);
            session.send(Some(&mut scram), &to, b"x\r\n", SendOptions::default())
        };
        send("secret").unwrap();
        let failure = send("not the secret").unwrap_err();
        let Failure::Auth(Error::AuthenticationFailed(failed)) = failure else { panic!("{failure:?}") };
        assert_eq!((failed.reply.code().get(), failed.cause), (535, None));
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_certificate_for_another_name_or_from_an_unknown_authority_is_refused() {
    every_session(|_, session| {
        for session in [session.clone().host("mail.example.test"), session.without_the_authority()] {
            let failure = session
                .send(None, &envelope(&["alice@example.test"]), b"x\r\n", SendOptions::default())
                .unwrap_err();
            let error = match failure {
                Failure::Auth(error) | Failure::Send(SendError::NotSent { cause: error, .. }) => error,
                Failure::Send(error) => panic!("{error:?}"),
            };
            assert_eq!(error, Error::TlsFailed);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn mail_without_authentication_is_refused_for_every_recipient() {
    every_session(|_, session| {
        let failure = session
            .send(None, &envelope(&["alice@example.test"]), b"x\r\n", SendOptions::default())
            .unwrap_err();
        let Failure::Send(SendError::Rejected { stage, recipients, .. }) = failure else {
            panic!("{failure:?}")
        };
        assert_eq!(stage, Stage::Rcpt);
        assert!(recipients.iter().all(|recipient| recipient.is_permanent()));
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn refused_recipients_are_results_and_the_others_get_the_message() {
    for server in servers() {
        for adapter in [Adapter::Blocking, Adapter::Tokio] {
            let session = Session::new(&server, adapter, Protection::None);
            let to = ["nobody@example.test", "alice@example.test", "deferme@example.test"];
            let subject = token();
            let message = message(&subject, b"partial\r\n");
            let delivery = session.send(None, &envelope(&to), &message, SendOptions::default()).unwrap();
            let [nobody, alice, deferme] = &delivery.recipients[..] else { panic!("{delivery:?}") };
            assert!(nobody.is_permanent() && !nobody.is_accepted());
            assert!(alice.is_accepted());
            assert!(deferme.is_transient() && !deferme.is_accepted());
            server.assert_delivered(&subject, &message);

            let failure =
                session.send(None, &envelope(&to), &message, SendOptions::all_or_nothing()).unwrap_err();
            let Failure::Send(SendError::Rejected { stage: Stage::Rcpt, .. }) = failure else {
                panic!("{failure:?}")
            };
            // Nobody left: with PIPELINING the DATA that went along is taken back by a lone dot.
            let nobody = envelope(&["nobody@example.test", "deferme@example.test"]);
            let failure = session.send(None, &nobody, &message, SendOptions::default()).unwrap_err();
            let Failure::Send(SendError::Rejected { stage: Stage::Rcpt, recipients, .. }) = failure else {
                panic!("{failure:?}")
            };
            assert_eq!(recipients.len(), 2);
        }
    }
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn messages_arrive_octet_for_octet() {
    let mut lines = Vec::new();
    for _ in 0..3 {
        lines.extend_from_slice(b".\r\n..\r\n.a\r\n\r\n.\r\n");
        lines.extend_from_slice("Grüße, \u{1f4e8}\r\nFrom here on\r\ntrailing blanks  \t \r\n".as_bytes());
        lines.extend_from_slice(&[b"x".repeat(998), b"\r\n".to_vec()].concat());
        lines.extend_from_slice(&[b".".repeat(998), b"\r\n\r\n\r\n".to_vec()].concat());
    }
    every_session(|server, session| {
        let subject = token();
        let message = message(&subject, &lines);
        let mut plain = Plain::new("", "alice", "secret", "localhost");
        let to = envelope(&["alice@example.test"]);
        session.send(Some(&mut plain), &to, &message, SendOptions::default()).unwrap();
        server.assert_delivered(&subject, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn twenty_five_megabytes_of_base64_arrive_octet_for_octet() {
    let mut state = 1u64;
    let mut body = Vec::with_capacity(26 << 20);
    while body.len() < 25 << 20 {
        for _ in 0..76 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            body.push(
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 58) as usize],
            );
        }
        body.extend_from_slice(b"\r\n");
    }
    every_session(|server, session| {
        let subject = token();
        let message = message(&subject, &body);
        let mut plain = Plain::new("", "alice", "secret", "localhost");
        let to = envelope(&["alice@example.test"]);
        session.send(Some(&mut plain), &to, &message, SendOptions::default()).unwrap();
        server.assert_delivered(&subject, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_streamed_message_and_one_written_by_hand_arrive() {
    for server in servers() {
        let session = Session::new(&server, Adapter::Blocking, Protection::StartTls);
        for by_hand in [false, true] {
            let subject = token();
            let message = message(&subject, b"one\r\n.two\r\nthree\r\n");
            session.stream(&envelope(&["alice@example.test"]), &message, by_hand);
            server.assert_delivered(&subject, &message);
        }
    }
}
