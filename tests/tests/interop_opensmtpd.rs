//! OpenSMTPD, which fails every TLS handshake here, and disconnects who sends commands in groups.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use interop_support::mail::assert_lock_step;
use interop_support::{Client, Kind, Server, both, envelope, message, plain, plain_config, token};
use smtp_proto::capabilities::Extension;
use smtp_proto::connection::TlsPolicy;
use smtp_proto::{Error, SendError};

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_starttls_that_fails_ends_the_session_and_nothing_follows_in_clear() {
    let server = Server::named("opensmtpd");
    both(|adapter| {
        for policy in [TlsPolicy::Required, TlsPolicy::Opportunistic] {
            let config = plain_config().tls(policy);
            let mut client = Client::connect(adapter, &server.address("BROKEN_TLS"), config).unwrap();
            let token = token();
            let failure =
                client.send(&envelope(&["alice@example.test"]), &message(&token, b"x\r\n")).unwrap_err();
            let cause = Error::TlsFailed;
            assert_eq!(failure, SendError::NotSent { cause, recipients: Vec::new() }, "{policy:?}");
            assert_eq!(client.auth(&mut plain()).unwrap_err(), Error::Poisoned);
            assert_eq!(client.noop().unwrap_err(), Error::Poisoned);
            let transcript = client.transcript();
            assert!(transcript.iter().rfind(|line| line.starts_with("C:")).unwrap() == "C: STARTTLS");
            server.mailbox().assert_lacks(&token);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_that_punishes_pipelining_is_not_provoked() {
    let server = Server::named("opensmtpd");
    both(|adapter| {
        let mut client = server.listener(Kind::Mx).unwrap().connect(adapter);
        assert!(!client.capabilities().unwrap().supports(Extension::Pipelining));
        for _ in 0..2 {
            let token = token();
            let message = message(&token, b"step by step\r\n");
            let to = ["alice@example.test", "nobody@example.test", "bob@example.test"];
            client.send(&envelope(&to), &message).unwrap();
            server.mailbox().assert_has(&token, &message);
        }
        client.send(&envelope(&["nobody@example.test"]), b"x\r\n").unwrap_err();
        assert_lock_step(&client.transcript());
        client.quit().unwrap();
    });
}
