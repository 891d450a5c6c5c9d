//! What the program does, wherever it runs.

use alloc::vec::Vec;
use core::time::Duration;

use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules};
use smtp_proto::command::Command;
use smtp_proto::connection::{Config, Connection, Event, Peer, TlsPolicy};
use smtp_proto::flow::{Body, Envelope, Flow, Open, SendOptions, Step, Submit};
use smtp_proto::params::MailParameters;
use smtp_proto::path::ReversePath;
use smtp_proto::reply::{ReplyLimits, ReplyRef};
use smtp_proto::sasl::{Mechanism, Nonce, ScramSha256, ServerInfo};
use smtp_proto::security::Security;
use smtp_proto::watch::Watch;

/// Goes through all steps: 0, or the number of the first that went wrong.
pub(crate) fn run() -> i32 {
    let steps: [fn() -> Option<()>; 6] = [
        parse_a_reply,
        encode_a_command,
        encode_a_message,
        open_a_session,
        prove_a_password,
        submit_a_message,
    ];
    for (step, number) in steps.into_iter().zip(1..) {
        if step().is_none() {
            return number;
        }
    }
    0
}

fn parse_a_reply() -> Option<()> {
    let (reply, taken) =
        ReplyRef::parse(b"550-5.1.1 no\r\n550 5.1.1 bye\r\n", &ReplyLimits::default()).ok()??;
    is(taken == 29 && reply.to_reply().text() == b"5.1.1 no\n5.1.1 bye")
}

fn encode_a_command() -> Option<()> {
    let path: ReversePath = "alice@example.org".parse().ok()?;
    let mut line = Vec::new();
    Command::Mail(&path, &MailParameters::new().size(10)).encode(&mut line).ok()?;
    is(line == b"MAIL FROM:<alice@example.org> SIZE=10\r\n")
}

fn encode_a_message() -> Option<()> {
    let mut encoder = BodyEncoder::new(BodyRules::new(BodyKind::SevenBit));
    let mut wire = encoder.encode(b".\nx").ok()?.slices().collect::<Vec<_>>().concat();
    wire.extend_from_slice(encoder.terminator().ok()?);
    is(wire == b"..\r\nx\r\n.\r\n")
}

fn open_a_session() -> Option<()> {
    let mut connection = Connection::new(Config::new("mx.example").tls(TlsPolicy::None), Peer::Remote);
    let mut open = Open::new();
    connection.receive(b"220 mx.example\r\n");
    is(matches!(open.poll(&mut connection).ok()?, Step::Continue))?;
    connection.advance_output(connection.output().len()).ok()?;
    connection.receive(b"250 mx.example\r\n");
    is(matches!(open.poll(&mut connection).ok()?, Step::Done(())))?;
    connection.command(Command::Quit).ok()?;
    connection.advance_output(connection.output().len()).ok()?;
    connection.receive(b"221 bye\r\n");
    is(matches!(connection.poll_event().ok()??, Event::Reply { .. } | Event::Closed))
}

/// RFC 7677 §3.
fn prove_a_password() -> Option<()> {
    let nonce = Nonce::new("rOprNGfwEbeRWgbNEkqO").ok()?;
    let mut scram = ScramSha256::new("user", "pencil", "mx.example", nonce);
    scram.start(&ServerInfo::new("mx.example", &Security::Plaintext)).ok()??;
    let first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let proof = scram.respond(first).ok()?;
    is(proof.expose().ends_with(b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))?;
    scram.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").ok()?;
    scram.finish().ok()
}

/// A whole session, in time; and one that is late.
fn submit_a_message() -> Option<()> {
    let replies: [&[u8]; 7] =
        [b"220 hi", b"250 hi", b"250 ok", b"250 ok", b"354 go", b"250 ok: queued as 7", b"221 bye"];
    let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"]).ok()?;
    let message = b"Subject: hi\r\n\r\n.\r\n";
    for late in [false, true] {
        let mut submit = Submit::new(&envelope, Body::Whole(message), SendOptions::default());
        let mut connection = Connection::new(Config::new("mx.example").tls(TlsPolicy::None), Peer::Remote);
        let mut watch = Watch::begin(&mut connection, None, || Duration::ZERO);
        let track = watch.tracker().begin(0, Some(1), None);
        let (mut replies, mut at, mut now, mut sent) = (replies.into_iter(), 0, Duration::ZERO, Vec::new());
        let ended = loop {
            match submit.poll(&mut connection) {
                Ok(Step::Continue) if !connection.output().is_empty() => {
                    sent.extend_from_slice(connection.output());
                    connection.advance_output(connection.output().len()).ok()?;
                }
                Ok(Step::Continue) => {
                    if let Some(left) = connection.tick(now) {
                        now += if late { left } else { left / 2 };
                        if connection.tick(now).is_some() {
                            connection.receive(replies.next()?);
                            connection.receive(b"\r\n");
                        }
                    }
                }
                Ok(Step::SupplyBody { .. }) => connection.supply_body(message, &mut at),
                Ok(Step::UpgradeTls(_)) => return None,
                Ok(Step::Done(delivery)) => break Ok(delivery),
                Err(error) => break Err(error),
            }
        };
        track.over(ended.as_ref());
        watch.tell(&connection, None);
        match ended {
            Ok(delivery) if !late => {
                is(delivery.queue_id() == Some("7") && sent.ends_with(b"\r\n..\r\n.\r\nQUIT\r\n"))?;
            }
            Err(error) if late => is(error.is_safe_to_retry() && sent.is_empty())?,
            _ => return None,
        }
    }
    Some(())
}

fn is(so: bool) -> Option<()> {
    so.then_some(())
}
