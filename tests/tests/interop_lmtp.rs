//! LMTP (RFC 2033) against real servers: a verdict for each recipient.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use interop_support::{Kind, awkward, envelope, everywhere, message, servers, token};
use smtp_proto::SendError;
use smtp_proto::capabilities::Extension;
use smtp_proto::connection::{Protocol, Stage};
use smtp_proto::flow::RecipientState::{Accepted, Refused};
use smtp_proto::flow::{Delivery, RecipientState, SendOptions, Transfer};

const ALICE: &str = "alice@example.test";

fn transfers(chunking: bool) -> impl Iterator<Item = SendOptions> {
    let transfers = [Some(Transfer::Data), chunking.then_some(Transfer::Chunks)];
    transfers.into_iter().flatten().map(|transfer| SendOptions::default().transfer(transfer))
}

fn states(delivery: &Delivery) -> Vec<RecipientState> {
    delivery.recipients.iter().map(|recipient| recipient.state).collect()
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn each_recipient_has_its_own_verdict() {
    everywhere(&[Kind::Lmtp], |listener, adapter| {
        let mut client = listener.connect(adapter);
        let chunking = client.capabilities().unwrap().supports(Extension::Chunking);
        for options in transfers(chunking) {
            let token = token();
            let message = message(&token, &awkward());
            let to = ["nobody@example.test", ALICE, "full@example.test"];
            let delivery = client.send_with(&envelope(&to), &message, options).unwrap();
            let refused = |name| if listener.refuses(name) { Refused } else { Accepted };
            assert_eq!(states(&delivery), [refused("nobody"), Accepted, refused("full")]);
            let [nobody, alice, full] = &delivery.recipients[..] else { panic!("{delivery:?}") };
            assert_eq!(nobody.verdict.is_none(), listener.refuses("nobody"));
            assert!(alice.verdict.as_ref().unwrap().is_positive_completion());
            if listener.refuses("full") {
                assert!(full.reply.as_ref().unwrap().is_positive_completion());
                let verdict = full.verdict.as_ref().unwrap();
                assert!(matches!(verdict.code().get(), 452 | 552), "{verdict}");
                assert_eq!(full.is_transient(), verdict.code().get() == 452);
            }
            listener.mailbox().assert_has(&token, &message);
        }
        assert!(client.transcript().iter().any(|line| line.starts_with("C: LHLO")));
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_message_refused_for_all_of_its_recipients_is_rejected_and_the_session_goes_on() {
    everywhere(&[Kind::Lmtp], |listener, adapter| {
        if !listener.refuses("full") {
            return;
        }
        let mut client = listener.connect(adapter);
        let chunking = client.capabilities().unwrap().supports(Extension::Chunking);
        for options in transfers(chunking) {
            let failure = client.send_with(&envelope(&["full@example.test"]), b"x\r\n", options).unwrap_err();
            let SendError::Rejected { stage: Stage::EndOfData, recipients, .. } = failure else {
                panic!("{failure:?}")
            };
            assert!(
                recipients.iter().all(|recipient| recipient.state == Refused && recipient.verdict.is_some())
            );

            let failure =
                client.send_with(&envelope(&["nobody@example.test"]), b"x\r\n", options).unwrap_err();
            assert!(matches!(failure, SendError::Rejected { stage: Stage::Rcpt, .. }), "{failure:?}");
            let token = token();
            let message = message(&token, b"after a refusal\r\n");
            client.send_with(&envelope(&[ALICE]), &message, options).unwrap();
            listener.mailbox().assert_has(&token, &message);
        }
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_batch_with_a_full_mailbox_in_each_message_tells_each_verdict() {
    everywhere(&[Kind::Lmtp], |listener, adapter| {
        if !listener.refuses("full") {
            return;
        }
        let mut client = listener.connect(adapter);
        let chunking = client.capabilities().unwrap().supports(Extension::Chunking);
        for options in transfers(chunking) {
            let one = |number: usize| {
                let token = token();
                let octets = message(&token, format!("number {number}\r\n").as_bytes());
                (token, octets)
            };
            let sent: Vec<(String, Vec<u8>)> = (0..20).map(one).collect();
            let to = envelope(&["full@example.test", ALICE]);
            let messages: Vec<_> = sent.iter().map(|(_, octets)| (to.clone(), octets.clone())).collect();
            for outcome in client.send_all(&messages, options, false) {
                assert_eq!(states(&outcome.unwrap()), [Refused, Accepted]);
            }
            listener.mailbox().assert_has_each_once(sent.iter().map(|(token, octets)| (&**token, &**octets)));
        }
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn lmtp_goes_over_a_unix_socket() {
    for server in servers() {
        let Some(path) = server.get("LMTP_SOCKET") else { continue };
        let listener = server.listener(Kind::Lmtp).unwrap();
        let config = || listener.config().protocol(Protocol::Lmtp);
        let to = envelope(&[ALICE, "full@example.test"]);

        let blocking = token();
        let first = message(&blocking, b"over a socket\r\n");
        let stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
        let mut client = smtp_blocking::Client::new(stream, config());
        assert_eq!(states(&client.send(&to, &first).unwrap()), [Accepted, Refused]);
        client.quit().unwrap();

        let polled = token();
        let second = message(&polled, b"over a socket, too\r\n");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let stream = tokio::net::UnixStream::connect(&path).await.unwrap();
            let mut client = smtp_tokio::Client::new(stream, config());
            assert_eq!(states(&client.send(&to, &second).await.unwrap()), [Accepted, Refused]);
            client.quit().await.unwrap();
        });
        listener.mailbox().assert_has(&blocking, &first);
        listener.mailbox().assert_has(&polled, &second);
    }
}
