//! Exim.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use std::time::{Duration, Instant};

use interop_support::client::{tls_config, tls_config_with_certificate};
use interop_support::{Client, Kind, Server, both, envelope, message, token};
use smtp_proto::Error;
use smtp_proto::capabilities::Extension;
use smtp_proto::flow::SendOptions;

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn enhanced_codes_come_only_where_a_reply_begins_with_one() {
    let exim = Server::named("exim");
    both(|adapter| {
        let token = token();
        let message = message(&token, b"x\r\n");
        let mut client = exim.listener(Kind::Mx).unwrap().connect(adapter);
        assert!(!client.capabilities().unwrap().supports(Extension::EnhancedStatusCodes));
        let to = ["alice@example.test", "nobody@example.test"];
        let delivery = client.send(&envelope(&to), &message).unwrap();
        assert_eq!(delivery.reply.enhanced(), None);
        let refusal = delivery.recipients.last().unwrap().reply.clone().unwrap();
        assert_eq!(refusal.text(), b"5.1.1 no such user");
        client.quit().unwrap();
        exim.mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn external_is_offered_to_a_client_with_a_certificate_only() {
    let submission = Server::named("exim").listener(Kind::Submission).unwrap();
    both(|adapter| {
        for (tls, offered) in [(tls_config_with_certificate(), true), (tls_config(), false)] {
            let config = submission.config();
            let mut client = Client::connect_with_tls(adapter, &submission.address, config, tls).unwrap();
            let capabilities = client.capabilities().unwrap();
            assert_eq!(capabilities.auth_mechanisms().contains("EXTERNAL"), offered);
            client.quit().unwrap();
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_session_it_ends_after_too_many_errors_is_heard() {
    both(|adapter| {
        let mut client = Server::named("exim").listener(Kind::Mx).unwrap().connect(adapter);
        let end = (0..8).find_map(|_| client.command("XYZZY").err()).unwrap();
        assert!(end.is_fatal());
        assert_eq!(client.noop().unwrap_err(), Error::Poisoned);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn quit_waits_for_the_reply_that_it_holds_back() {
    both(|adapter| {
        let mut client = Server::named("exim").listener(Kind::Mx).unwrap().connect(adapter);
        client.noop().unwrap();
        let started = Instant::now();
        client.quit().unwrap();
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    });
}

/// It closes a session with more than ten commands that are not of mail (`smtp_accept_max_nonmail`); the RSET between
/// two messages in chunks is none of those.
#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn rset_between_messages_in_chunks_is_no_command_too_many() {
    both(|adapter| {
        let exim = Server::named("exim");
        let mut client = exim.listener(Kind::Mx).unwrap().connect(adapter);
        let tokens: Vec<String> = (0..30).map(|_| token()).collect();
        let octets: Vec<Vec<u8>> = tokens.iter().map(|token| message(token, b"in chunks\r\n")).collect();
        let to = envelope(&["alice@example.test"]);
        let sent: Vec<_> = octets.iter().map(|octets| (to.clone(), octets.clone())).collect();
        let outcomes = client.send_all(&sent, SendOptions::default(), false);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        let resets = client.transcript().iter().filter(|line| *line == "C: RSET").count();
        assert!(resets > 10, "{resets}");
        client.quit().unwrap();
        let each = tokens.iter().zip(&octets).map(|(token, octets)| (&**token, &**octets));
        exim.mailbox().assert_has_each_once(each);
    });
}
