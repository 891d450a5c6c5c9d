//! smtp-server, the server of Nodemailer.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use std::time::{Duration, Instant};

use interop_support::mail::Mailbox;
use interop_support::{Kind, Server, both, envelope, message, token};
use smtp_proto::capabilities::Extension;
use smtp_proto::flow::Envelope;

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn nothing_is_said_before_its_greeting_which_it_holds_back_for_early_talkers() {
    both(|adapter| {
        for _ in 0..5 {
            let started = Instant::now();
            let mut client = Server::named("smtp-server").listener(Kind::Mx).unwrap().connect(adapter);
            // "421 You talk too soon" would be the greeting.
            client.noop().unwrap();
            assert!(started.elapsed() >= Duration::from_millis(95), "{:?}", started.elapsed());
            client.quit().unwrap();
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn addresses_and_a_body_outside_ascii_arrive_as_such() {
    let server = Server::named("smtp-server");
    both(|adapter| {
        let token = token();
        let message = message(&token, "Gr\u{fc}\u{df}e\r\n".as_bytes());
        let to = Envelope::from_strs("j\u{f6}rg@example.test", &["\u{4f0a}@example.test"]).unwrap();
        let mut client = server.listener(Kind::Submission).unwrap().ready_client(adapter);
        client.send(&to, &message).unwrap();
        client.quit().unwrap();
        let kept = Mailbox::kept_envelope(&server.mailbox().assert_has(&token, &message));
        for part in
            ["j\u{f6}rg@example.test", "\u{4f0a}@example.test", "\"SMTPUTF8\":true", "\"BODY\":\"8BITMIME\""]
        {
            assert!(kept.contains(part), "no {part} in {kept}");
        }
        assert!(kept.contains(&format!("\"SIZE\":\"{}\"", message.len())), "{kept}");
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_message_in_ascii_asks_for_no_smtputf8() {
    let server = Server::named("smtp-server");
    both(|adapter| {
        let token = token();
        let message = message(&token, b"ASCII\r\n");
        let mut client = server.listener(Kind::Mx).unwrap().connect(adapter);
        assert!(client.capabilities().unwrap().supports(Extension::SmtpUtf8));
        client.send(&envelope(&["alice@example.test"]), &message).unwrap();
        let mail = format!("C: MAIL FROM:<alice@example.test> SIZE={}", message.len());
        assert!(client.transcript().iter().any(|line| line.starts_with(&mail) && !line.contains("UTF8")));
        client.quit().unwrap();
        server.mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn requiretls_is_offered_under_tls_only() {
    both(|adapter| {
        for (kind, offered) in [(Kind::Submission, true), (Kind::Smtps, true), (Kind::Mx, false)] {
            let mut client = Server::named("smtp-server").listener(kind).unwrap().connect(adapter);
            assert_eq!(client.capabilities().unwrap().supports(Extension::RequireTls), offered);
            client.quit().unwrap();
        }
    });
}
