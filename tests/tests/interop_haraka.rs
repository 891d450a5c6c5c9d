//! Haraka, which takes its time over a wrong password: longer with each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use std::time::{Duration, Instant};

use interop_support::{Kind, Server, both, envelope, message, plain, token};
use smtp_proto::Error;
use smtp_proto::flow::SendOptions;
use smtp_proto::sasl::{CramMd5, Plain};

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_slow_refusal_of_a_password_is_waited_for() {
    both(|adapter| {
        let mut client = Server::named("haraka").listener(Kind::Smtps).unwrap().connect(adapter);
        let started = Instant::now();
        let wrong = Plain::new("", "alice", "wrong", "localhost");
        let failure = client.auth(&mut { wrong }).unwrap_err();
        assert!(matches!(failure, Error::AuthenticationFailed(_)), "{failure:?}");
        assert!(started.elapsed() >= Duration::from_millis(950), "{:?}", started.elapsed());
        let failure = client.auth(&mut CramMd5::new("alice", "wrong")).unwrap_err();
        assert!(matches!(failure, Error::AuthenticationFailed(_)), "{failure:?}");
        client.auth(&mut plain()).unwrap();
        client.quit().unwrap();
    });
}

/// It offers PIPELINING, and answers each command that it finds behind the end of a message with 503
/// (GHSA-rp4q-8m6x-c43c): what is refused so is begun again alone.
#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_message_refused_for_coming_right_behind_another_is_begun_again() {
    both(|adapter| {
        let haraka = Server::named("haraka");
        let mut client = haraka.listener(Kind::Mx).unwrap().connect(adapter);
        let tokens: Vec<String> = (0..4).map(|_| token()).collect();
        let octets = |token: &String| message(token, b"in a batch\r\n");
        let sent: Vec<_> =
            tokens.iter().map(|token| (envelope(&["alice@example.test"]), octets(token))).collect();
        let outcomes = client.send_all(&sent, SendOptions::default(), false);
        assert!(outcomes.len() == 4 && outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        for token in &tokens {
            haraka.mailbox().assert_has(token, &octets(token));
        }
        client.quit().unwrap();
    });
}
