//! What `Preview` foretells of a message, against how the message then goes: its parameters, its framing, and how often
//! the client waits. The server here answers all that has come whenever it is waited for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::accepting::Accepting;
use common::{FROM, config};
use smtp_proto::Error;
use smtp_proto::body::BodyKind;
use smtp_proto::capabilities::Extension;
use smtp_proto::connection::{Connection, Peer, TlsPolicy};
use smtp_proto::error::Misuse;
use smtp_proto::flow::{Body, Envelope, Flow, Open, Preview, Send, SendOptions, Step, Transfer};
use smtp_tests::script::envelope;

const MESSAGE: &[u8] = b"Subject: hi\r\n\r\nhello\r\n";

/// Runs a flow; returns how often it waited, too.
fn run<F: Flow>(connection: &mut Connection, server: &mut Accepting, mut flow: F) -> (usize, F::Output)
where
    F::Error: std::fmt::Debug,
{
    let (mut waits, mut at) = (0, 0);
    loop {
        match flow.poll(connection).unwrap() {
            Step::Done(output) => return (waits, output),
            Step::UpgradeTls(_) => panic!("no TLS here"),
            Step::SupplyBody { .. } => connection.supply_body(MESSAGE, &mut at),
            Step::Continue => {
                waits += usize::from(connection.output().is_empty());
                server.serve(connection);
            }
        }
    }
}

fn session(keywords: &'static [&'static str], eager: bool) -> (Connection, Accepting) {
    let mut connection = Connection::new(config(TlsPolicy::None).eager_chunks(eager), Peer::Remote);
    let mut server = Accepting::new(keywords);
    run(&mut connection, &mut server, Open::new());
    (connection, server)
}

/// Two messages, one after the other: what is foretold of each is what happens.
fn comes_true(
    keywords: &'static [&'static str],
    eager: bool,
    recipients: &Envelope,
    body: Body<'_>,
    options: SendOptions,
) {
    let (mut connection, mut server) = session(keywords, eager);
    for message in 0..2 {
        let preview = Preview::new(&connection, recipients, body, &options).unwrap();
        server.commands.clear();
        let send = Send::new(recipients, body, options);
        let (waits, delivery) = run(&mut connection, &mut server, send);
        assert_eq!(delivery.recipients.len(), recipients.recipients.len());
        let said = server.commands.join("\n");
        let mails: Vec<&str> = said.lines().filter(|line| line.starts_with("MAIL ")).collect();
        let context = format!("{keywords:?}, eager {eager}, message {message}: {preview:?}\n{said}");
        assert_eq!(preview.round_trips, waits, "{context}");
        assert_eq!(preview.transactions, mails.len(), "{context}");
        assert_eq!(preview.chunks, !server.chunks().is_empty(), "{context}");
        let parameters = mails[0].split_once("> ").map_or("", |(_, parameters)| parameters);
        assert_eq!(preview.parameters.to_string(), parameters, "{context}");
    }
}

#[test]
fn every_way_to_send_is_foretold() {
    let bodies = [
        Body::Whole(MESSAGE),
        Body::Stream { kind: BodyKind::SevenBit, size: Some(MESSAGE.len() as u64) },
        Body::Stream { kind: BodyKind::EightBitMime, size: Some(MESSAGE.len() as u64) },
    ];
    let mut cases = 0;
    for keywords in [
        &[][..],
        &["SIZE", "8BITMIME"],
        &["PIPELINING", "8BITMIME"],
        &["CHUNKING", "8BITMIME", "SIZE 1000"],
        &["PIPELINING", "CHUNKING", "8BITMIME"],
        &["PIPELINING", "8BITMIME", "LIMITS RCPTMAX=2"],
        &["PIPELINING", "CHUNKING", "8BITMIME", "LIMITS RCPTMAX=2"],
    ] {
        for eager in [false, true] {
            for transfer in [Transfer::Automatic, Transfer::Data, Transfer::Chunks] {
                if transfer == Transfer::Chunks && !keywords.contains(&"CHUNKING") {
                    continue;
                }
                for body in bodies {
                    let whole = matches!(body, Body::Whole(_));
                    if !whole && (!keywords.contains(&"8BITMIME") || keywords.contains(&"LIMITS RCPTMAX=2")) {
                        continue;
                    }
                    for recipients in [1, 3] {
                        let to: Vec<String> =
                            (0..recipients).map(|nth| format!("r{nth}@b.example")).collect();
                        let to = envelope(FROM, &to.iter().map(String::as_str).collect::<Vec<_>>());
                        let options = SendOptions::default().transfer(transfer).split(true);
                        comes_true(keywords, eager, &to, body, options);
                        cases += 1;
                    }
                }
            }
        }
    }
    println!("preview: {cases} cases");
    assert!(cases > 100);
}

#[test]
fn the_octets_of_a_body_are_known_or_they_are_not() {
    let stream = |size| Body::Stream { kind: BodyKind::SevenBit, size };
    assert_eq!(Body::Whole(MESSAGE).size(), Some(22));
    assert_eq!([stream(Some(7)).size(), stream(None).size()], [Some(7), None]);
}

/// RFC 1870 §5: as the message is sent, but for stuffed dots and the line of the last one.
#[test]
fn the_declared_size_is_that_of_what_is_sent() {
    let (connection, _) = session(&["SIZE", "CHUNKING", "BINARYMIME", "8BITMIME"], false);
    let declared = |message, transfer| {
        let options = SendOptions::default().transfer(transfer);
        let to = envelope(FROM, &["bob@example.net"]);
        Preview::new(&connection, &to, Body::Whole(message), &options).unwrap().parameters.to_string()
    };
    assert_eq!(declared(b"a\r\nb\r\n", Transfer::Data), "SIZE=6");
    assert_eq!(declared(b"a\nb", Transfer::Data), "SIZE=6", "two line ends of two octets each");
    assert_eq!(declared(b"a\nb", Transfer::Chunks), "SIZE=4", "no line end is put at the end of a chunk");
    assert_eq!(declared(b"\0\nb", Transfer::Chunks), "SIZE=3 BODY=BINARYMIME", "octets as they are");
}

#[test]
fn what_cannot_be_sent_is_foretold_with_its_reason() {
    let (connection, _) = session(&["SIZE 10"], false);
    let to = envelope(FROM, &["bob@example.net"]);
    let options = SendOptions::default();
    let preview = |to: &Envelope, body| Preview::new(&connection, to, body, &options);
    assert!(preview(&to, Body::Whole(b"short\r\n")).is_ok());
    assert!(preview(&to, Body::Whole(MESSAGE)).is_err(), "more than the server takes");
    let abroad = envelope("ärger@example.org", &["bob@example.net"]);
    assert_eq!(preview(&abroad, Body::Whole(b"x")), Err(Error::Unsupported(Extension::SmtpUtf8)));
    let mut secret = envelope(FROM, &["bob@example.net"]);
    secret.parameters = secret.parameters.require_tls();
    assert!(preview(&secret, Body::Whole(b"x")).is_err(), "REQUIRETLS without TLS");

    let fresh = Connection::new(config(TlsPolicy::Required), Peer::Remote);
    assert_eq!(Preview::new(&fresh, &to, Body::Whole(b"x"), &options), Err(Misuse::NeedsTls.into()));
    let mut broken = Connection::new(config(TlsPolicy::None), Peer::Remote);
    broken.abandon();
    assert_eq!(Preview::new(&broken, &to, Body::Whole(b"x"), &options), Err(Error::Poisoned));
}
