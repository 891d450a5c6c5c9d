//! What a message needs of the server is settled before MAIL: with it the message is sent, without it nothing is said.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{FROM, clear, hello};
use smtp_proto::body::{BodyFault, BodyFaultKind, BodyKind};
use smtp_proto::capabilities::Extension;
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::error::{Error, Misuse};
use smtp_proto::flow::{Body, Envelope, SendError, SendOptions, Transfer};
use smtp_proto::params::{MailParameters, Notify, RcptParameters};
use smtp_tests::script::envelope;

/// Sends to a server that offers these, and says why that was not possible.
fn send(
    keywords: &[&str],
    lines: &str,
    to: &Envelope,
    body: Body<'_>,
    options: SendOptions,
) -> Result<(), Error> {
    clear(&format!("{}{lines}", hello(keywords))).run(|session| {
        session.open().unwrap();
        match session.send_with(to, body, options, &[b"\xffa\r\n"]) {
            Ok(_) => Ok(()),
            Err(SendError::NotSent { cause, recipients }) => {
                assert_eq!(recipients.len(), to.recipients.len());
                Err(cause)
            }
            Err(other) => panic!("{other:?}"),
        }
    })
}

#[test]
fn d08_nul_goes_out_where_binarymime_is_offered_and_is_named_where_it_is_not() {
    let to = envelope(FROM, &["bob@example.net"]);
    let fault = Error::Body(BodyFault { kind: BodyFaultKind::Nul, offset: 1 });
    for keywords in [&[][..], &["8BITMIME"], &["8BITMIME", "CHUNKING"], &["8BITMIME", "BINARYMIME"]] {
        let result = send(keywords, "", &to, Body::Whole(b"a\0b"), SendOptions::default());
        assert_eq!(result, Err(fault.clone()), "{keywords:?}");
    }
}

#[test]
fn d09_a_stream_is_what_its_caller_says() {
    let to = envelope(FROM, &["bob@example.net"]);
    let stream = |kind| Body::Stream { kind, size: None };
    let options = |transfer| SendOptions::default().transfer(transfer);
    let eight_bit = stream(BodyKind::EightBitMime);
    let lines = "C: MAIL FROM:<alice@example.org> BODY=8BITMIME\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\n\
                 C: DATA\nS: 354 go\nC| \\xffa\\r\\n.\\r\\nS: 250 ok";
    let lines = lines.replace("\\r\\nS:", "\\r\\n\nS:");
    assert_eq!(send(&["8BITMIME"], &lines, &to, eight_bit, options(Transfer::Data)), Ok(()));
    let refused = send(&[], "", &to, eight_bit, options(Transfer::Data));
    assert_eq!(refused, Err(Error::Unsupported(Extension::EightBitMime)));

    let binary = stream(BodyKind::BinaryMime);
    let keywords = &["8BITMIME", "CHUNKING", "BINARYMIME"];
    assert_eq!(send(keywords, "", &to, binary, options(Transfer::Data)), Err(Misuse::NeedsChunks.into()));
    let refused = send(&["8BITMIME", "CHUNKING"], "", &to, binary, options(Transfer::Chunks));
    assert_eq!(refused, Err(Error::Unsupported(Extension::BinaryMime)));
}

#[test]
fn i08_what_a_recipient_needs_is_looked_for_before_mail() {
    let mut to = envelope(FROM, &["bob@example.net"]);
    to.recipients[0].parameters = RcptParameters::new().notify(Notify::Never);
    let lines = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net> NOTIFY=NEVER\nS: 250 ok\n\
                 C: DATA\nS: 354 go\nC: a\nC: .\nS: 250 ok";
    let body = Body::Whole(b"a\r\n");
    clear(&format!("{}{lines}", hello(&["DSN"]))).run(|session| {
        session.open().unwrap();
        session.send(&to, b"a\r\n").unwrap();
    });
    let refused = send(&[], "", &to, body, SendOptions::default());
    assert_eq!(refused, Err(Error::Unsupported(Extension::Dsn)));
    // So is a line that would be too long.
    to.recipients[0].parameters = RcptParameters::new().raw("X", Some(&"v".repeat(3000))).unwrap();
    assert!(matches!(send(&[], "", &to, body, SendOptions::default()), Err(Error::Command(_))));
}

/// 421 to the dot is a definite no, however many recipients the message had.
#[test]
fn s04_o02_verb_by_verb_421_to_the_dot_is_not_sent() {
    let script = format!(
        "{}C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<a@example.net>\nS: 250 ok\n\
         C: RCPT TO:<b@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\nC: a\nC: .\nS: 421 bye",
        hello(&[])
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        session.command(Command::Mail(&FROM.parse().unwrap(), &MailParameters::new())).unwrap();
        for to in ["a@example.net", "b@example.net"] {
            session.command(Command::Rcpt(&to.parse().unwrap(), &RcptParameters::new())).unwrap();
        }
        let data: DataCommand = session.connection().default_data();
        session.begin_data(data).unwrap();
        session.write_body(b"a\r\n").unwrap();
        let error = session.finish_data().unwrap_err();
        assert!(matches!(error, SendError::NotSent { .. }), "{error:?}");
    });
}
