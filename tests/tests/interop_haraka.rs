//! Haraka, which takes its time over a wrong password: longer with each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use std::time::{Duration, Instant};

use interop_support::{Kind, Server, both, plain};
use smtp_proto::Error;
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
