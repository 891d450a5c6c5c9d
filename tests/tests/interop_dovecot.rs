//! Dovecot: submission, with a relay behind it, and LMTP.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use std::time::{Duration, Instant};

use interop_support::client::tls_config;
use interop_support::{Client, Kind, Server, both, envelope, message, plain, plain_config, token};
use smtp_proto::capabilities::Extension;
use smtp_proto::connection::TlsPolicy;
use smtp_proto::flow::{Envelope, SendOptions, Transfer};
use smtp_proto::{Error, SendError};

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_relay_that_is_down_is_told_after_the_login_and_the_message_is_not_sent() {
    let dovecot = Server::named("dovecot");
    both(|adapter| {
        let config = plain_config().tls(TlsPolicy::Required);
        let address = dovecot.address("NORELAY");
        let mut client = Client::connect_with_tls(adapter, &address, config, tls_config()).unwrap();
        let reply = client.auth(&mut plain()).unwrap();
        assert_eq!(reply.code().get(), 235);

        let token = token();
        let failure =
            client.send(&envelope(&["alice@example.test"]), &message(&token, b"x\r\n")).unwrap_err();
        let SendError::NotSent { cause: Error::ServerClosed { reply, .. }, .. } = &failure else {
            panic!("{failure:?}")
        };
        assert_eq!((reply.code().get(), failure.is_transient()), (421, true));
        assert_eq!(client.noop().unwrap_err(), Error::Poisoned);
        dovecot.mailbox().assert_lacks(&token);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn addresses_outside_ascii_are_refused_before_anything_is_said() {
    both(|adapter| {
        let mut client = Server::named("dovecot").listener(Kind::Smtps).unwrap().ready_client(adapter);
        assert!(!client.capabilities().unwrap().supports(Extension::SmtpUtf8));
        let said = client.transcript().len();
        let to = Envelope::from_strs("alice@example.test", &["j\u{f6}rg@example.test"]).unwrap();
        let failure = client.send(&to, b"x\r\n").unwrap_err();
        let SendError::NotSent { cause, .. } = failure else { panic!("{failure:?}") };
        assert_eq!(cause, Error::Unsupported(Extension::SmtpUtf8));
        assert_eq!(client.transcript().len(), said);
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn failed_logins_do_not_slow_the_next_ones_down_here() {
    both(|adapter| {
        let listener = Server::named("dovecot").listener(Kind::Submission).unwrap();
        let started = Instant::now();
        for _ in 0..3 {
            let mut client = listener.connect(adapter);
            let mut wrong = smtp_proto::sasl::Plain::new("", "alice", "wrong", "localhost");
            assert!(client.auth(&mut wrong).is_err());
        }
        // Its penalty would make the third take four seconds.
        assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    });
}

/// The submission server dies of a transaction that begins behind DATA's dot (2.3.19: "assertion failed:
/// (conn->state.pending_rcpt_cmds == 0)"). What it had of the message is then not known, and of the others it is.
/// Any other command in between, such as RSET, keeps it alive; so do `Quirks::no_pipelining` and chunks.
#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_that_dies_in_the_middle_of_a_batch_leaves_one_message_in_doubt_at_most() {
    both(|adapter| {
        let dovecot = Server::named("dovecot");
        let mut client = dovecot.listener(Kind::Submission).unwrap().ready_client(adapter);
        let tokens: Vec<String> = (0..10).map(|_| token()).collect();
        let octets = |token: &String| message(token, b"in a batch\r\n");
        let sent: Vec<_> =
            tokens.iter().map(|token| (envelope(&["alice@example.test"]), octets(token))).collect();
        let options = SendOptions::default().transfer(Transfer::Data);
        let outcomes = client.send_all(&sent, options, false);
        let doubtful = outcomes.iter().filter(|outcome| matches!(outcome, Err(SendError::Unknown { .. })));
        assert!(doubtful.count() <= 1, "{outcomes:?}");
        for (token, outcome) in tokens.iter().zip(&outcomes) {
            match outcome {
                Ok(_) => drop(dovecot.mailbox().assert_has(token, &octets(token))),
                Err(SendError::NotSent { .. }) => dovecot.mailbox().assert_lacks(token),
                Err(SendError::Unknown { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
    });
}
