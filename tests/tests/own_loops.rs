//! What the core does for a loop of one's own: tells the time that is left, supplies a message in memory, runs a whole
//! session as one flow, and lets itself be polled while TLS shakes hands. The scripts' mode `Copied` supplies every other
//! suite's messages so; here is what they do not show.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::time::Duration;

use common::accepting::Accepting;
use common::{BODY, BODY_LINES, FROM, clear, config, hello, hello_tls, secure};
use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules, LineEndings};
use smtp_proto::command::Command;
use smtp_proto::connection::{Connection, Peer, Stage, TimeoutPhase, Timeouts, TlsPolicy, Window};
use smtp_proto::error::{Error, ProtocolError};
use smtp_proto::flow::{
    Batch, Body, Envelope, Flow as _, LogIn, Open, Send, SendError, SendOptions, Step, Submit, Transfer,
};
use smtp_proto::sasl::Credentials;
use smtp_tests::script::{Scenario, Session, envelope};

// ---- a message in memory ----

const OFFERS: &[&str] = &["PIPELINING", "CHUNKING"];

/// What a server gets of this message, `most` octets at a write; fails if more of it is ever copied at once than is promised.
fn supplied(message: &[u8], transfer: Transfer, window: Window, most: usize) -> Accepting {
    let mut server = Accepting::new(OFFERS);
    let mut connection = Connection::new(config(TlsPolicy::None).window(window), Peer::Remote);
    let to = envelope(FROM, &["bob@example.net"]);
    let options = SendOptions::default().transfer(transfer);
    let mut submit = Submit::new(&to, Body::Whole(message), options);
    let mut at = 0;
    loop {
        match submit.poll(&mut connection) {
            Ok(Step::Done(_)) => return server,
            Ok(Step::UpgradeTls(_)) => panic!("no TLS"),
            Ok(Step::SupplyBody { .. }) => {
                let before = at;
                connection.supply_body(message, &mut at);
                assert!(at != before || message.is_empty() || at == 0, "no progress at {at}");
                // Twice as long if every octet has another put before it, and the lines around it.
                assert!(connection.output().len() <= 2 * 16 * 1024 + 200, "{}", connection.output().len());
                assert!(connection.output().is_empty() || !connection.wants_body());
            }
            Ok(Step::Continue) => {
                let n = connection.output().len().min(most);
                server.hear(&connection.output()[..n]);
                connection.advance_output(n).unwrap();
                if n == 0 {
                    assert!(!server.replies.is_empty(), "both wait");
                    connection.receive(&std::mem::take(&mut server.replies));
                }
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// As the encoder has it.
fn encoded(message: &[u8], dots: bool) -> Vec<u8> {
    let rules = BodyRules::new(BodyKind::SevenBit);
    let mut encoder = BodyEncoder::new(rules);
    let (mut wire, mut rest) = (Vec::new(), message);
    while !rest.is_empty() {
        let part = encoder.encode(rest).unwrap();
        part.slices().for_each(|slice| wire.extend_from_slice(slice));
        rest = &rest[part.consumed()..];
    }
    let end = encoder.terminator().unwrap();
    wire.extend_from_slice(end.strip_suffix(b".\r\n").unwrap());
    if dots {
        return wire;
    }
    let mut plain = Vec::new();
    for line in wire.split_inclusive(|&octet| octet == b'\n') {
        plain.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    // After DATA the last line has to end; in chunks it may be left as it is.
    if !message.ends_with(b"\r") && !message.ends_with(b"\n") && plain.ends_with(b"\r\n") {
        plain.truncate(plain.len() - 2);
    }
    plain
}

/// Messages around the sizes of pieces and parts, with much and with nothing to change.
fn messages() -> Vec<Vec<u8>> {
    let mut messages =
        vec![Vec::new(), b"\r\n".to_vec(), b".".to_vec(), b"no line end".to_vec(), b"\r".to_vec()];
    for length in [16_383, 16_384, 16_385, 32_768, 50_001] {
        messages.push(b"a line of text\r\n".iter().copied().cycle().take(length).collect());
        messages.push(b".\r\n".iter().copied().cycle().take(length).collect());
        messages.push(b".\n".iter().copied().cycle().take(length).collect());
        messages.push(b"\r".iter().copied().cycle().take(length).collect());
    }
    messages
}

#[test]
fn a_message_in_memory_leaves_as_the_encoder_has_it() {
    for message in messages() {
        for most in [7, 4096, usize::MAX] {
            let server = supplied(&message, Transfer::Data, Window::default(), most);
            assert!(server.data == encoded(&message, true), "{} octets, {most} at a time", message.len());
        }
    }
}

#[test]
fn the_same_in_chunks_which_are_no_longer_than_the_window_allows() {
    for message in messages() {
        for chunk_octets in [100, 5_000, 1 << 20] {
            let mut window = Window::default();
            window.chunk_octets = chunk_octets;
            window.chunks = 3;
            let server = supplied(&message, Transfer::Chunks, window, usize::MAX);
            assert!(server.data == encoded(&message, false), "{} octets, {chunk_octets}", message.len());
            // A line end in place of a stray one makes a chunk longer.
            assert!(server.chunks().iter().all(|&chunk| chunk <= 2 * chunk_octets.min(16 * 1024)));
        }
    }
}

/// Runs a flow against a script with the messages in memory, by the methods that a loop of one's own has.
fn submit(
    session: &mut Session,
    to: &Envelope,
    message: &[u8],
    options: SendOptions,
) -> Result<(), SendError> {
    session.run(Send::new(to, Body::Whole(message), options), &[message]).map(drop)
}

#[test]
fn a_message_split_over_transactions_is_supplied_from_its_beginning_again() {
    let transaction = |to: &str| {
        format!(
            "C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<{to}>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n{BODY_LINES}"
        )
    };
    let first = transaction("a@example.net");
    // The second transaction is queued behind the end of the first.
    let second = transaction("b@example.net");
    let script = format!("{}{first}", hello(&["PIPELINING", "LIMITS RCPTMAX=1"]));
    let (second_lines, rest) = second.split_once("S: ").unwrap();
    let script = format!("{script}{second_lines}S: 250 ok\nS: {rest}S: 250 ok\n");
    clear(&script).run(|session| {
        session.open().unwrap();
        let to = envelope(FROM, &["a@example.net", "b@example.net"]);
        submit(session, &to, BODY, SendOptions::default().split(true)).unwrap();
    });
}

#[test]
fn a_fault_in_the_octets_is_told_by_the_flow() {
    let body = |endings| {
        let to = envelope(FROM, &["bob@example.net"]);
        let options = SendOptions::default().line_endings(endings).transfer(Transfer::Data);
        let kind = Body::Stream { kind: BodyKind::SevenBit, size: None };
        let mut send = Send::new(&to, kind, options);
        let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
        let mut replies = ["220 hi", "250 hi", "250 ok", "250 ok", "354 go"].into_iter();
        let (mut open, mut at) = (Open::new(), 0);
        while !matches!(open.poll(&mut connection).unwrap(), Step::Done(())) {
            exchange(&mut connection, &mut replies);
        }
        loop {
            match send.poll(&mut connection) {
                Ok(Step::SupplyBody { .. }) => connection.supply_body(b"a\nb\r\n", &mut at),
                Ok(Step::Continue) if connection.output().starts_with(b"a") => return Ok(()),
                Ok(_) => exchange(&mut connection, &mut replies),
                Err(error) => return Err(error),
            }
        }
    };
    assert!(matches!(body(LineEndings::Reject), Err(SendError::NotSent { cause: Error::Body(_), .. })));
    body(LineEndings::default()).unwrap();
}

fn exchange<'r>(connection: &mut Connection, replies: &mut impl Iterator<Item = &'r str>) {
    connection.advance_output(connection.output().len()).unwrap();
    let reply = replies.next().expect("another reply");
    connection.receive(format!("{reply}\r\n").as_bytes());
}

#[test]
fn supplying_what_nobody_asked_for_does_nothing() {
    let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
    let mut at = 3;
    connection.supply_body(BODY, &mut at);
    assert_eq!((at, connection.output()), (3, &b""[..]));
    connection.abandon();
    connection.supply_body(BODY, &mut at);
    assert_eq!((at, connection.failure()), (3, Some(&Error::Abandoned)));
}

#[test]
fn many_messages_in_memory_go_one_behind_the_other() {
    let to = envelope(FROM, &["bob@example.net"]);
    let messages = [&b"first\r\n"[..], b"second\r\n", b"third\r\n"];
    let mut batch = Batch::new();
    for message in messages {
        batch.push(&to, Body::Whole(message), SendOptions::default().transfer(Transfer::Chunks));
    }
    batch.finish();
    let mut server = Accepting::new(OFFERS);
    let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
    let mut open = Some(Open::new());
    let mut at = 0;
    loop {
        let step = match &mut open {
            Some(flow) => flow.poll(&mut connection).unwrap(),
            None => batch.poll(&mut connection).unwrap(),
        };
        match step {
            Step::Done(()) if open.take().is_none() => break,
            Step::SupplyBody { message } => connection.supply_body(messages[message], &mut at),
            _ => server.serve(&mut connection),
        }
    }
    assert_eq!(server.data, b"first\r\nsecond\r\nthird\r\n");
    assert_eq!(std::iter::from_fn(|| batch.next_outcome()).filter(Result::is_ok).count(), 3);
}

// ---- time ----

#[test]
fn each_wait_begins_when_the_one_before_it_has_ended() {
    let secs = Duration::from_secs;
    let timeouts = Timeouts::all(secs(10));
    let mut connection = Connection::new(config(TlsPolicy::None).timeouts(timeouts), Peer::Remote);
    let mut open = Open::new();
    assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
    assert_eq!(connection.tick(secs(0)), Some(secs(10)));
    assert_eq!(connection.tick(secs(9)), Some(secs(1)));
    connection.receive(b"220 hi\r\n");
    assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
    assert_eq!(connection.tick(secs(9)), Some(secs(10)), "for the reply to EHLO");
    // A clock that goes back gives no more than the whole budget.
    assert_eq!(connection.tick(secs(1)), Some(secs(10)));
    assert_eq!(connection.tick(secs(18)), Some(secs(1)));
    connection.advance_output(connection.output().len()).unwrap();
    connection.receive(b"250 hi\r\n");
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));
    assert_eq!(connection.tick(secs(1000)), None, "nothing is awaited");
    assert_eq!(connection.failure(), None);
    // Two of a kind, one after the other.
    for begins in [2000, 2009] {
        connection.command(Command::Noop).unwrap();
        connection.poll_event().unwrap();
        assert_eq!(connection.tick(secs(begins)), Some(secs(10)));
        connection.advance_output(connection.output().len()).unwrap();
        assert_eq!(connection.tick(secs(begins + 8)), Some(secs(2)));
        connection.receive(b"250 ok\r\n");
        connection.poll_event().unwrap();
    }
    connection.command(Command::Noop).unwrap();
    connection.poll_event().unwrap();
    assert_eq!(connection.tick(secs(3000)), Some(secs(10)));
    assert_eq!(connection.tick(secs(3010)), None, "to the second");
    assert_eq!(connection.failure(), Some(&Error::Timeout(TimeoutPhase::Reply(Stage::Noop))));
    assert_eq!(connection.tick(secs(3010)), None);
}

#[test]
fn budgets_of_nothing_and_without_end() {
    for (budget, left) in [(Duration::ZERO, None), (Duration::MAX, Some(Duration::MAX))] {
        let config = config(TlsPolicy::None).timeouts(Timeouts::all(budget));
        let mut connection = Connection::new(config, Peer::Remote);
        assert_eq!(connection.tick(Duration::ZERO), left);
        assert_eq!(connection.tick(Duration::ZERO), left);
        assert_eq!(connection.failure().is_some(), left.is_none());
    }
}

// ---- TLS, without waiting for it ----

#[test]
fn a_flow_polled_during_the_handshake_says_to_continue() {
    for policy in [TlsPolicy::Required, TlsPolicy::Implicit] {
        let mut connection = Connection::new(config(policy), Peer::Remote);
        let mut open = Open::new();
        let mut replies = ["220 hi", "250-hi\r\n250 STARTTLS", "220 go"].into_iter();
        let upgrade = loop {
            match open.poll(&mut connection).unwrap() {
                Step::UpgradeTls(upgrade) => break upgrade,
                Step::Continue => exchange(&mut connection, &mut replies),
                step => panic!("{step:?}"),
            }
        };
        for _ in 0..3 {
            assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
            assert_eq!(connection.output(), b"");
            assert_eq!(connection.timeout().unwrap().phase, TimeoutPhase::TlsHandshake);
        }
        connection.tls_established(upgrade).unwrap();
        if policy == TlsPolicy::Implicit {
            assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
            connection.receive(b"220 hi\r\n");
        }
        assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
        assert_eq!(connection.output(), b"EHLO client.test\r\n");
    }
}

#[test]
fn a_handshake_that_fails_meanwhile_is_told_at_the_next_poll() {
    type End = (fn(&mut Connection), Error);
    let ends: [End; 4] = [
        (Connection::tls_failed, Error::TlsFailed),
        (Connection::tls_answered_in_clear, ProtocolError::StartTlsResidue.into()),
        (Connection::handle_timeout, Error::Timeout(TimeoutPhase::TlsHandshake)),
        (
            Connection::receive_eof,
            Error::Disconnected { stage: None, truncated: false, credentials_sent: false },
        ),
    ];
    for (end, expected) in ends {
        let mut connection = Connection::new(config(TlsPolicy::Required), Peer::Remote);
        let mut open = Open::new();
        let mut replies = ["220 hi", "250-hi\r\n250 STARTTLS", "220 go"].into_iter();
        while !matches!(open.poll(&mut connection).unwrap(), Step::UpgradeTls(_)) {
            exchange(&mut connection, &mut replies);
        }
        end(&mut connection);
        assert_eq!(open.poll(&mut connection).unwrap_err(), expected);
        assert_eq!(connection.output(), b"");
    }
}

// ---- a session as one flow ----

const TRANSACTION: &str = "C: MAIL FROM:<alice@example.org>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\n";

fn alice() -> Credentials {
    Credentials::password("tim", "tanstaaf")
}

/// Submits a message; the script has to be said to its end.
fn submitted(scenario: &Scenario, credentials: Option<&Credentials>) -> Result<Option<String>, SendError> {
    scenario.run(|session| {
        let to = envelope(FROM, &["bob@example.net"]);
        let mut flow = Submit::new(&to, Body::Whole(BODY), SendOptions::default());
        if let Some(credentials) = credentials {
            flow = flow.log_in(LogIn::new(credentials));
        }
        session.run(flow, &[BODY]).map(|delivery| delivery.queue_id().map(str::to_owned))
    })
}

#[test]
fn one_flow_opens_logs_in_sends_and_quits() {
    let script = format!(
        "{}C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 235 ok\n{TRANSACTION}S: 250 ok\nC: DATA\nS: 354 go\n{BODY_LINES}\
         S: 250 2.0.0 Ok: queued as ABC\nC: QUIT\nS: 221 bye\nclose",
        hello_tls(&["AUTH PLAIN"])
    );
    assert_eq!(submitted(&secure(&script), Some(&alice())), Ok(Some("ABC".to_owned())));
}

#[test]
fn how_quit_ends_changes_nothing_about_the_message() {
    for end in ["S: 221 bye", "S: 500 what?", "S| garbage\\r\\n", "close", "pause", "reset"] {
        let script = format!(
            "{}{TRANSACTION}S: 250 ok\nC: DATA\nS: 354 go\n{BODY_LINES}S: 250 Ok: queued as ABC\nC: QUIT\n{end}",
            hello(&[])
        );
        assert_eq!(submitted(&clear(&script), None), Ok(Some("ABC".to_owned())), "{end}");
    }
}

#[test]
fn quit_is_said_after_a_refusal() {
    let script = format!("{}{TRANSACTION}S: 550 no\nC: RSET\nS: 250 ok\nC: QUIT\nS: 221 bye", hello(&[]));
    let refused = submitted(&clear(&script), None);
    assert!(matches!(&refused, Err(SendError::Rejected { stage: Stage::Rcpt, .. })), "{refused:?}");

    let script = format!(
        "{}C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 535 no\nC: QUIT\nS: 221 bye",
        hello_tls(&["AUTH PLAIN"])
    );
    let refused = submitted(&secure(&script), Some(&alice()));
    assert!(
        matches!(&refused, Err(SendError::NotSent { cause: Error::AuthenticationFailed(_), .. })),
        "{refused:?}"
    );

    let script = format!("{}C: QUIT\nS: 221 bye", hello_tls(&[]));
    let refused = submitted(&secure(&script), Some(&alice()));
    assert!(matches!(&refused, Err(SendError::NotSent { cause: Error::NoMechanism, .. })), "{refused:?}");
}

#[test]
fn nothing_is_said_on_a_connection_that_is_broken() {
    let cases: [(String, Error); 3] = [
        (hello(&[]), Error::TlsRequired),
        (
            "S: 220 hi\nC: EHLO client.test\npause".to_owned(),
            Error::Timeout(TimeoutPhase::Reply(Stage::Ehlo)),
        ),
        (
            "S: 220 hi\nC: EHLO client.test\nclose".to_owned(),
            Error::Disconnected { stage: Some(Stage::Ehlo), truncated: false, credentials_sent: false },
        ),
    ];
    for (script, expected) in cases {
        match submitted(&secure(&script), None) {
            Err(SendError::NotSent { cause, .. }) => assert_eq!(cause, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_verdict_that_never_comes_is_unknown_and_no_quit_follows() {
    let script = format!("{}{TRANSACTION}S: 250 ok\nC: DATA\nS: 354 go\n{BODY_LINES}pause", hello(&[]));
    let unknown = submitted(&clear(&script), None);
    assert!(matches!(&unknown, Err(SendError::Unknown { cause: Error::Timeout(_), .. })), "{unknown:?}");
}

#[test]
fn a_flow_that_is_over_says_so() {
    let to = envelope(FROM, &["bob@example.net"]);
    let mut submit = Submit::new(&to, Body::Whole(BODY), SendOptions::default());
    let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
    connection.abandon();
    assert!(submit.poll(&mut connection).is_err());
    assert!(submit.poll(&mut connection).is_err());
    assert_eq!(format!("{submit:?}"), "Submit { doing: \"over\", .. }");
}

#[test]
fn a_message_in_memory_is_copied_in_pieces_of_sixteen_kibibytes() {
    let mut server = Accepting::new(OFFERS);
    let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
    let message = b"seven\r\n".repeat(6_000);
    let to = envelope(FROM, &["bob@example.net"]);
    let mut send = Send::new(&to, Body::Whole(&message), SendOptions::default().transfer(Transfer::Data));
    let (mut open, mut at, mut pieces) = (Some(Open::new()), 0, Vec::new());
    loop {
        let step = match &mut open {
            Some(flow) => flow.poll(&mut connection).unwrap().map(|()| None),
            None => send.poll(&mut connection).unwrap().map(Some),
        };
        match step {
            Step::Done(None) => open = None,
            Step::Done(Some(_)) => break,
            Step::SupplyBody { .. } => {
                let before = at;
                connection.supply_body(&message, &mut at);
                pieces.push(if at > before { at - before } else { message.len() - before });
            }
            _ => server.serve(&mut connection),
        }
    }
    assert_eq!(pieces, [16_384, 16_384, 9_232]);
}

#[test]
fn a_flow_that_takes_over_during_the_handshake_waits_for_it() {
    let mut connection = Connection::new(config(TlsPolicy::Required), Peer::Remote);
    connection.receive(b"220 hi\r\n");
    let mut first = Open::new();
    let mut replies = ["250-hi\r\n250 STARTTLS\r\n", "220 go\r\n"].into_iter();
    while !matches!(first.poll(&mut connection).unwrap(), Step::UpgradeTls(_)) {
        connection.advance_output(connection.output().len()).unwrap();
        connection.receive(replies.next().unwrap().as_bytes());
    }
    drop(first);
    let mut second = Open::new();
    let Ok(Step::UpgradeTls(upgrade)) = second.poll(&mut connection) else {
        panic!("it asks for the handshake")
    };
    for _ in 0..3 {
        assert!(
            matches!(second.poll(&mut connection), Ok(Step::Continue)),
            "the token is in the loop's hands"
        );
        assert_eq!(connection.output(), b"");
    }
    connection.tls_established(upgrade).unwrap();
    assert!(matches!(second.poll(&mut connection), Ok(Step::Continue)));
    assert_eq!(connection.output(), b"EHLO client.test\r\n");
}
