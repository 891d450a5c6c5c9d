//! CHUNKING (RFC 3030) against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use interop_support::contract::Listener;
use interop_support::{Adapter, Client, Kind, awkward, envelope, everywhere, message, token};
use smtp_proto::body::BodyKind;
use smtp_proto::capabilities::Extension;
use smtp_proto::connection::Stage;
use smtp_proto::flow::{Body, SendOptions, Transfer};
use smtp_proto::{Error, SendError};

const ALICE: &str = "alice@example.test";

fn chunks() -> SendOptions {
    SendOptions::default().transfer(Transfer::Chunks)
}

/// A client of a listener that offers CHUNKING.
fn connect(listener: &Listener, adapter: Adapter) -> Option<Client> {
    let mut client = listener.ready_client(adapter);
    client.capabilities().unwrap().supports(Extension::Chunking).then_some(client)
}

fn bdat(client: &Client) -> Vec<String> {
    client.transcript().into_iter().filter(|line| line.starts_with("C: BDAT")).collect()
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_message_in_one_chunk_and_one_in_many_arrive_octet_for_octet() {
    everywhere(&Kind::ALL, |listener, adapter| {
        let Some(mut client) = connect(listener, adapter) else { return };
        let to = envelope(&[ALICE]);
        let whole = token();
        let whole_message = message(&whole, &awkward());
        let delivery = client.send_with(&to, &whole_message, chunks()).unwrap();
        assert_eq!(bdat(&client), [format!("C: BDAT {} LAST", whole_message.len())]);
        if listener.server.name == "exim" {
            assert_eq!(delivery.reply.lines().count(), 2);
        }

        for size in [None, Some(())] {
            let pieces = token();
            let message = message(&pieces, &awkward());
            let body =
                Body::Stream { kind: BodyKind::EightBitMime, size: size.map(|()| message.len() as u64) };
            let before = bdat(&client).len();
            client.stream_with(&to, &message, body, chunks(), 1000).unwrap();
            assert!(bdat(&client).len() - before > 3, "{:#?}", bdat(&client));
            listener.mailbox().assert_has(&pieces, &message);
        }
        client.quit().unwrap();
        listener.mailbox().assert_has(&whole, &whole_message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn where_chunking_is_not_offered_nothing_is_said() {
    everywhere(&Kind::ALL, |listener, adapter| {
        let mut client = listener.ready_client(adapter);
        if client.capabilities().unwrap().supports(Extension::Chunking) {
            return;
        }
        let said = client.transcript().len();
        let failure = client.send_with(&envelope(&[ALICE]), b"x\r\n", chunks()).unwrap_err();
        let SendError::NotSent { cause, .. } = failure else { panic!("{failure:?}") };
        assert_eq!(cause, Error::Unsupported(Extension::Chunking));
        assert_eq!(client.transcript().len(), said);
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_chunk_for_refused_recipients_only_is_taken_back_and_the_next_message_arrives() {
    everywhere(&Kind::ALL, |listener, adapter| {
        if !listener.refuses("nobody") {
            return;
        }
        let Some(mut client) = connect(listener, adapter) else { return };
        // After the first message the chunk leaves together with the recipient that will be refused.
        for number in 0..3 {
            let token = token();
            let message = message(&token, format!("the {number}th\r\n").as_bytes());
            client.send_with(&envelope(&[ALICE]), &message, chunks()).unwrap();
            let failure =
                client.send_with(&envelope(&["nobody@example.test"]), b"x\r\n", chunks()).unwrap_err();
            let SendError::Rejected { stage: Stage::Rcpt, reply, .. } = failure else {
                panic!("{failure:?}")
            };
            assert_eq!(reply.code().get(), 550);
            listener.mailbox().assert_has(&token, &message);
        }
        client.noop().unwrap();
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn twenty_five_megabytes_in_chunks_of_one_arrive_octet_for_octet() {
    let lines = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ+/0123456789..\r\n";
    let body = lines.repeat((25 << 20) / lines.len());
    everywhere(&[Kind::Submission, Kind::Lmtp], |listener, adapter| {
        let Some(mut client) = connect(listener, adapter) else { return };
        let token = token();
        let message = message(&token, &body);
        let stream = Body::Stream { kind: BodyKind::SevenBit, size: Some(message.len() as u64) };
        client.stream_with(&envelope(&[ALICE]), &message, stream, chunks(), 1 << 20).unwrap();
        assert!(bdat(&client).contains(&"C: BDAT 1048576".to_owned()), "{:#?}", bdat(&client));
        client.quit().unwrap();
        listener.mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_first_chunk_that_does_not_wait_is_read_also_when_nobody_is_to_have_it() {
    everywhere(&[Kind::Mx], |listener, adapter| {
        if !listener.refuses("nobody") || !listener.offers("CHUNKING") {
            return;
        }
        let mut client = listener.connect_with(adapter, listener.config().eager_chunks(true)).unwrap();
        // The chunk is no command, though it looks like one.
        let failure =
            client.send_with(&envelope(&["nobody@example.test"]), b"XYZZY\r\n", chunks()).unwrap_err();
        assert!(matches!(failure, SendError::Rejected { stage: Stage::Rcpt, .. }), "{failure:?}");
        let transcript = client.transcript();
        let position = |start: &str| transcript.iter().position(|line| line.starts_with(start)).unwrap();
        let refused = transcript.iter().position(|line| line.starts_with("S: 550")).unwrap();
        assert!(position("C: BDAT") < refused, "{transcript:#?}");
        let token = token();
        let message = message(&token, b"to somebody\r\n");
        client.send_with(&envelope(&[ALICE]), &message, chunks()).unwrap();
        client.quit().unwrap();
        listener.mailbox().assert_has(&token, &message);
    });
}
