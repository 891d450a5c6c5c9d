//! aiosmtpd: without PIPELINING, and it keeps each octet as it came.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use interop_support::mail::{Mailbox, assert_lock_step};
use interop_support::{Kind, Server, both, envelope, message, token};
use smtp_proto::capabilities::Extension;
use smtp_proto::flow::Envelope;

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn without_pipelining_each_command_waits_for_the_reply_to_the_one_before() {
    let server = Server::named("aiosmtpd");
    both(|adapter| {
        let token = token();
        let message = message(&token, b"step by step\r\n");
        let mut client = server.listener(Kind::Mx).unwrap().connect(adapter);
        assert!(!client.capabilities().unwrap().supports(Extension::Pipelining));
        let to = ["alice@example.test", "nobody@example.test", "bob@example.test"];
        let delivery = client.send(&envelope(&to), &message).unwrap();
        assert_eq!(delivery.recipients.iter().filter(|outcome| outcome.is_accepted()).count(), 2);
        client.send(&envelope(&["nobody@example.test"]), &message).unwrap_err();
        assert_lock_step(&client.transcript());
        client.quit().unwrap();
        let kept = Mailbox::kept_envelope(&server.mailbox().assert_has(&token, &message));
        assert!(kept.contains(r#""rcpt_tos": ["alice@example.test", "bob@example.test"]"#), "{kept}");
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn lone_line_ends_leave_as_crlf() {
    let server = Server::named("aiosmtpd");
    both(|adapter| {
        let token = token();
        let mut client = server.listener(Kind::Submission).unwrap().ready_client(adapter);
        let sent = message(&token, b"lf\n.\ncr\r.\rend");
        client.send(&envelope(&["alice@example.test"]), &sent).unwrap();
        client.quit().unwrap();
        server.mailbox().assert_has(&token, &message(&token, b"lf\r\n.\r\ncr\r\n.\r\nend\r\n"));
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn addresses_outside_ascii_come_with_smtputf8() {
    let server = Server::named("aiosmtpd");
    both(|adapter| {
        let token = token();
        let message = message(&token, b"x\r\n");
        let to = Envelope::from_strs("alice@example.test", &["j\u{f6}rg@example.test"]).unwrap();
        let mut client = server.listener(Kind::Mx).unwrap().connect(adapter);
        client.send(&to, &message).unwrap();
        client.quit().unwrap();
        let kept = Mailbox::kept_envelope(&server.mailbox().assert_has(&token, &message));
        assert!(kept.contains(r#""smtputf8": true"#) && kept.contains("j\\u00f6rg@example.test"), "{kept}");
    });
}
