//! A signature outlives the way, and what would break it does not leave.

use mail_auth::DkimResult;
use mail_auth::common::crypto::Ed25519Key;
use mail_auth::dkim::DkimError;
use smtp_composing::{Account, Failure, verify};
use smtp_tests::sink::Sink;
use smtp_tokio::smtp_proto::body::{BodyFault, BodyFaultKind};
use smtp_tokio::smtp_proto::flow::Envelope;
use smtp_tokio::smtp_proto::{Error, SendError as Outcome};
use smtp_tokio::{Client, Config, SendError};

use super::{block_on, nothing_arrived, only_message};

#[allow(dead_code)]
#[path = "../../examples/dkim.rs"]
mod example;

/// With what a way could change: dots, spaces at the end of a line and empty lines at the end of the message.
const MESSAGE: &[u8] = b"From: alice@example.org\r\nTo: bob@example.net\r\nSubject: Signed\r\n\r\n\
    .A dot,\r\n..two,\r\nand  spaces \r\n.\r\nthe end\r\n\r\n";

const NAME: &str = "key._domainkey.example.org.";

/// A message signed for example.org, and the DNS record of the key.
fn sign(message: &[u8]) -> (Vec<u8>, String) {
    let key = Ed25519Key::from_pkcs8_der(&Ed25519Key::generate_pkcs8().unwrap()).unwrap();
    let record = verify::key_record(&key.public_key());
    (example::sign(key, "key", "alice@example.org", message).unwrap(), record)
}

/// By BDAT, by DATA, and through a server that knows nothing above 127: dots are put on and taken off again.
#[test]
fn what_arrives_is_what_was_signed() {
    for without in [&[][..], &["CHUNKING"], &["CHUNKING", "8BITMIME", "PIPELINING"]] {
        let mut account = Account::of_a_sink().unwrap();
        let builder = Sink::builder().user("alice", "wonderland").require_tls().require_auth();
        let sink =
            without.iter().fold(builder, |sink, keyword| sink.without_extension(keyword)).start().unwrap();
        account.port = sink.address().port();
        account.tls = sink.certificate_authority().client_config().unwrap();
        account.sink = Some(sink);
        let (signed, record) = sign(MESSAGE);
        block_on(example::send(&account, &signed)).unwrap();
        let message = only_message(&account);
        assert_eq!(message.chunks.is_empty(), without.contains(&"CHUNKING"));
        assert_eq!(String::from_utf8_lossy(&message.data), String::from_utf8_lossy(&signed));
        let verdict = |octets: &[u8]| block_on(verify::dkim(octets, NAME, &record)).unwrap();
        assert_eq!(verdict(&message.data), DkimResult::Pass);

        // The verdict depends on the octets: one that differs is found.
        let mut altered = message.data;
        let at = altered.len() - b"end\r\n\r\n".len();
        altered[at] = b'E';
        assert!(
            matches!(verdict(&altered), DkimResult::Fail(_) | DkimResult::Neutral(_)),
            "{:?}",
            verdict(&altered)
        );
    }
}

/// Octets above 127 go as they are, or not at all.
#[test]
fn octets_above_127_are_not_converted() {
    let message = "From: alice@example.org\r\nTo: bob@example.net\r\nSubject: Signed\r\n\r\nGrüße\r\n";
    let (signed, record) = sign(message.as_bytes());
    let account = Account::of_a_sink().unwrap();
    block_on(example::send(&account, &signed)).unwrap();
    let received = only_message(&account);
    assert_eq!(received.data, signed);
    assert_eq!(block_on(verify::dkim(&received.data, NAME, &record)).unwrap(), DkimResult::Pass);
}

#[test]
fn a_line_end_that_would_be_mended_keeps_the_message_here() {
    for (line_end, kind) in [("\n", BodyFaultKind::BareLf), ("\r", BodyFaultKind::BareCr)] {
        let account = Account::of_a_sink().unwrap();
        let message =
            format!("From: alice@example.org\r\nTo: b@example.net\r\nSubject: x\r\n\r\na{line_end}b\r\n");
        let (signed, _) = sign(message.as_bytes());
        let offset = (signed.len() - "\nb\r\n".len()) as u64;
        let error = cause(block_on(example::send(&account, &signed)).unwrap_err());
        assert_eq!(error, Error::Body(BodyFault { kind, offset }));
        nothing_arrived(account.sink.as_ref().unwrap());
    }
}

/// What [`LineEndings::Reject`](smtp_tokio::smtp_proto::body::LineEndings::Reject) is for: without it the message leaves,
/// and is not what was signed.
#[test]
fn a_line_end_that_is_mended_breaks_the_signature() {
    let account = Account::of_a_sink().unwrap();
    let message = b"From: alice@example.org\r\nTo: bob@example.net\r\nSubject: x\r\n\r\na\rb\r\n";
    let (signed, record) = sign(message);
    let envelope = Envelope::from_strs(&account.from, &account.to).unwrap();
    block_on(async {
        let (address, config) = (("localhost", account.port), Config::new("localhost"));
        let mut client = Client::connect_with_tls(address, config, account.tls.clone()).await.unwrap();
        client.login(&account.credentials).await.unwrap();
        client.send(&envelope, &signed).await.unwrap();
    });
    let received = only_message(&account).data;
    assert!(received.ends_with(b"\r\na\r\nb\r\n"));
    let verdict = block_on(verify::dkim(&received, NAME, &record)).unwrap();
    assert_eq!(verdict, DkimResult::Neutral(mail_auth::Error::Dkim(DkimError::FailedBodyHashMatch)));
}

fn cause(failure: Failure) -> Error {
    let error = failure.downcast::<SendError>().expect("an error of sending");
    match error.into_kind() {
        Outcome::NotSent { cause, .. } => cause,
        other => panic!("{other:?}"),
    }
}
