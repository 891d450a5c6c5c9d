//! Batches against real servers: every message once, with an outcome of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use interop_support::contract::Listener;
use interop_support::mail::assert_lock_step;
use interop_support::{Adapter, Client, Kind, both, envelope, everywhere, message, plain_config, token};
use smtp_proto::capabilities::Extension;
use smtp_proto::connection::Stage;
use smtp_proto::flow::{Delivery, Envelope, RecipientState, SendOptions, Transfer};
use smtp_proto::{Error, SendError};

const ALICE: &str = "alice@example.test";

/// A message of a batch, with its subject.
struct Sent {
    token: String,
    envelope: Envelope,
    octets: Vec<u8>,
}

/// Messages with a number in the body; `to` gives the recipients of each.
fn messages<'t>(count: usize, to: impl Fn(usize) -> &'t [&'t str]) -> Vec<Sent> {
    let one = |number| {
        let token = token();
        let octets = message(&token, format!("number {number}\r\n.{number}\r\n").as_bytes());
        Sent { token, envelope: envelope(to(number)), octets }
    };
    (0..count).map(one).collect()
}

/// A client for batches that go this way.
fn connect(listener: &Listener, adapter: Adapter, transfer: Transfer) -> Client {
    let in_chunks = listener.kind != Kind::Lmtp && listener.offers("CHUNKING");
    let config = match transfer {
        Transfer::Automatic if in_chunks => listener.config(),
        _ => listener.config_for_batches_after_data(),
    };
    listener.ready_client_with(adapter, config)
}

fn send(
    client: &mut Client,
    sent: &[Sent],
    transfer: Transfer,
    quit: bool,
) -> Vec<Result<Delivery, SendError>> {
    let messages: Vec<_> = sent.iter().map(|sent| (sent.envelope.clone(), sent.octets.clone())).collect();
    client.send_all(&messages, SendOptions::default().transfer(transfer), quit)
}

/// What arrived is what the outcomes say.
fn assert_arrived(
    mailbox: &interop_support::mail::Mailbox,
    sent: &[Sent],
    outcomes: &[Result<Delivery, SendError>],
) {
    assert_eq!(sent.len(), outcomes.len());
    let pairs = || sent.iter().zip(outcomes);
    let taken = pairs().filter(|(_, outcome)| outcome.is_ok()).map(|(sent, _)| (&*sent.token, &*sent.octets));
    mailbox.assert_has_each_once(taken);
    for (sent, _) in pairs().filter(|(_, outcome)| outcome.is_err()) {
        mailbox.assert_lacks(&sent.token);
    }
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn each_message_of_a_batch_arrives_once() {
    everywhere(&Kind::ALL, |listener, adapter| {
        let many = matches!(listener.kind, Kind::Submission | Kind::Mx | Kind::Lmtp);
        let sent = messages(if many { 100 } else { 20 }, |_| &[ALICE]);
        let mut client = connect(listener, adapter, Transfer::Automatic);
        let outcomes = send(&mut client, &sent, Transfer::Automatic, false);
        for outcome in &outcomes {
            let delivery = outcome.as_ref().unwrap();
            let Some(alice) = delivery.recipients.first() else { panic!("{delivery:?}") };
            assert_eq!(alice.state, RecipientState::Accepted);
            assert_eq!(alice.verdict.is_some(), listener.kind == Kind::Lmtp);
        }
        if listener.server.get("QUEUE_IDS").is_some() {
            let mut ids: Vec<_> =
                outcomes.iter().map(|outcome| outcome.as_ref().unwrap().queue_id().unwrap()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), sent.len());
        }
        let capabilities = client.capabilities().unwrap();
        let transcript = client.transcript();
        if !capabilities.supports(Extension::Pipelining) {
            assert_lock_step(&transcript);
        }
        let in_chunks = transcript.iter().any(|line| line.starts_with("C: BDAT"));
        assert_eq!(in_chunks, listener.kind != Kind::Lmtp && capabilities.supports(Extension::Chunking));
        client.quit().unwrap();
        assert_arrived(&listener.mailbox(), &sent, &outcomes);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn quit_behind_the_last_message_loses_none() {
    everywhere(&[Kind::Submission, Kind::Mx, Kind::Lmtp], |listener, adapter| {
        for transfer in [Transfer::Data, Transfer::Automatic] {
            let sent = messages(10, |_| &[ALICE]);
            let mut client = connect(listener, adapter, transfer);
            let outcomes = send(&mut client, &sent, transfer, true);
            assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
            assert_eq!(client.transcript().iter().filter(|line| *line == "C: QUIT").count(), 1);
            assert_arrived(&listener.mailbox(), &sent, &outcomes);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn every_third_recipient_refused_and_the_other_messages_arrive_once() {
    everywhere(&Kind::ALL, |listener, adapter| {
        if !listener.refuses("nobody") {
            return;
        }
        for transfer in [Transfer::Data, Transfer::Automatic] {
            // Five refusals: servers have little patience with more.
            let sent =
                messages(15, |number| if number % 3 == 2 { &["nobody@example.test"] } else { &[ALICE] });
            let mut client = connect(listener, adapter, transfer);
            let outcomes = send(&mut client, &sent, transfer, false);
            for (number, outcome) in outcomes.iter().enumerate() {
                match outcome {
                    Ok(_) => assert_ne!(number % 3, 2),
                    Err(SendError::Rejected { stage: Stage::Rcpt, .. }) => assert_eq!(number % 3, 2),
                    Err(other) => panic!("{number}: {other:?}"),
                }
            }
            client.noop().unwrap();
            client.quit().unwrap();
            assert_arrived(&listener.mailbox(), &sent, &outcomes);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn one_refused_recipient_of_each_message_keeps_it_from_nobody_else() {
    everywhere(&[Kind::Submission, Kind::Mx, Kind::Lmtp], |listener, adapter| {
        if !listener.refuses("nobody") {
            return;
        }
        let sent = messages(5, |_| &["nobody@example.test", ALICE]);
        let mut client = connect(listener, adapter, Transfer::Automatic);
        let outcomes = send(&mut client, &sent, Transfer::Automatic, false);
        for outcome in &outcomes {
            let states: Vec<_> = outcome.as_ref().unwrap().recipients.iter().map(|to| to.state).collect();
            assert_eq!(states, [RecipientState::Refused, RecipientState::Accepted]);
        }
        client.quit().unwrap();
        assert_arrived(&listener.mailbox(), &sent, &outcomes);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_server_that_ends_a_batch_leaves_each_message_delivered_or_safe_to_send_again() {
    let Some(postfix) = interop_support::servers().into_iter().find(|server| server.name == "postfix") else {
        return;
    };
    both(|adapter| {
        for transfer in [Transfer::Data, Transfer::Automatic] {
            // Three errors, and it closes; a message that it takes makes it forget them.
            let sent =
                messages(30, |number| if number % 10 > 1 { &["nobody@example.test"] } else { &[ALICE] });
            let mut client = Client::connect(adapter, &postfix.address("STRICT"), plain_config()).unwrap();
            let outcomes = send(&mut client, &sent, transfer, false);
            let delivered = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
            assert!((1..10).contains(&delivered), "{outcomes:?}");
            let last = outcomes.last().unwrap().as_ref().unwrap_err();
            assert!(matches!(last, SendError::NotSent { .. }) && last.is_safe_to_retry(), "{last:?}");
            for (sent, outcome) in sent.iter().zip(&outcomes) {
                match outcome {
                    Ok(_) => drop(postfix.mailbox().assert_has(&sent.token, &sent.octets)),
                    // What it had in its hands when it closed may have been taken; all else was not.
                    Err(SendError::Unknown { .. }) => {}
                    Err(_) => postfix.mailbox().assert_lacks(&sent.token),
                }
            }
            assert_eq!(client.noop().unwrap_err(), Error::Poisoned);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn messages_of_many_sizes_go_one_behind_the_other() {
    everywhere(&[Kind::Submission, Kind::Mx, Kind::Lmtp], |listener, adapter| {
        let sizes = [0, 1, 1_000, 70_000, 3, 1_000_000, 16_384, 2];
        let one = |size: &usize| {
            let token = token();
            let lines = b"0123456789012345678901234567890123456789012345678901234567890123456789\r\n";
            let octets = message(&token, &lines.repeat(size.div_ceil(lines.len())));
            Sent { token, envelope: envelope(&[ALICE]), octets }
        };
        let sent: Vec<Sent> = sizes.iter().map(one).collect();
        let mut client = connect(listener, adapter, Transfer::Automatic);
        let outcomes = send(&mut client, &sent, Transfer::Automatic, false);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        client.quit().unwrap();
        assert_arrived(&listener.mailbox(), &sent, &outcomes);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_message_that_cannot_be_sent_stays_here_and_the_others_go() {
    everywhere(&[Kind::Mx], |listener, adapter| {
        let mut sent = messages(3, |_| &[ALICE]);
        sent[1].envelope = Envelope::from_strs(ALICE, &["j\u{f6}rg@example.test"]).unwrap();
        let mut client = connect(listener, adapter, Transfer::Automatic);
        if client.capabilities().unwrap().supports(Extension::SmtpUtf8) {
            return;
        }
        let outcomes = send(&mut client, &sent, Transfer::Automatic, false);
        let Err(SendError::NotSent { cause, .. }) = &outcomes[1] else { panic!("{outcomes:?}") };
        assert_eq!(*cause, Error::Unsupported(Extension::SmtpUtf8));
        client.quit().unwrap();
        assert_arrived(&listener.mailbox(), &sent, &outcomes);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_batch_that_is_read_while_it_is_sent_arrives() {
    everywhere(&[Kind::Submission, Kind::Mx, Kind::Lmtp], |listener, adapter| {
        let sent = messages(10, |_| &[ALICE]);
        // Their sizes are not known, so they go after DATA.
        let mut client = connect(listener, adapter, Transfer::Data);
        let messages: Vec<_> = sent.iter().map(|sent| (sent.envelope.clone(), sent.octets.clone())).collect();
        let outcomes = client.stream_all(&messages);
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        client.quit().unwrap();
        assert_arrived(&listener.mailbox(), &sent, &outcomes);
    });
}
