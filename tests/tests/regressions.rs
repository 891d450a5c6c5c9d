//! What reviews found: the smallest session that showed each fault.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, FROM, clear, config, hello};
use smtp_proto::command::Command;
use smtp_proto::connection::{Config, Connection, Peer, Protocol, Stage, TlsPolicy};
use smtp_proto::flow::{Body, Flow, Open, RecipientState, Send, SendError, SendOptions, Step, Transfer};
use smtp_tests::script::{Scenario, envelope};

const PIPED: &[&str] = &["PIPELINING"];
const CHUNKED: &[&str] = &["PIPELINING", "CHUNKING"];

fn lmtp(script: &str) -> Scenario {
    Scenario::new(config(TlsPolicy::None).protocol(Protocol::Lmtp)).script(script)
}

fn lhlo(keywords: &[&str]) -> String {
    hello(keywords).replace("EHLO", "LHLO")
}

fn split() -> SendOptions {
    SendOptions::default().split(true).transfer(Transfer::Data)
}

fn states(recipients: &[smtp_proto::flow::RecipientOutcome]) -> Vec<RecipientState> {
    recipients.iter().map(|outcome| outcome.state).collect()
}

/// A ready connection, driven by hand.
fn ready(config: Config, ehlo: &[u8]) -> Connection {
    let mut connection = Connection::new(config, Peer::Remote);
    connection.receive(b"220 hi\r\n");
    let mut open = Open::new();
    let _ = open.poll(&mut connection).unwrap();
    drain(&mut connection);
    connection.receive(ehlo);
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));
    connection
}

fn drain(connection: &mut Connection) -> Vec<u8> {
    let out = connection.output().to_vec();
    connection.advance_output(out.len()).unwrap();
    out
}

/// QUIT behind the last message, never answered: the server closes, as many do.
#[test]
fn then_quit_ends_when_the_server_just_closes() {
    let script = format!(
        "{}C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.net>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n\
         C: Subject: hi\nC:\nC: hi\nC: .\nC: QUIT\nS: 250 ok\nclose\n",
        hello(PIPED)
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        let outcomes =
            session.send_all(&[(envelope(FROM, &["bob@example.net"]), BODY)], SendOptions::default(), true);
        assert!(outcomes[0].is_ok());
    });
}

/// A flow that was dropped while its verdict was awaited; the next message gets that verdict.
#[test]
fn a_dropped_flow_lends_its_verdict_to_nobody() {
    let mut connection = ready(config(TlsPolicy::None), b"250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    let envelope = envelope(FROM, &["bob@example.net"]);
    let mut first = Send::new(&envelope, Body::Whole(BODY), SendOptions::default());
    assert!(matches!(first.poll(&mut connection), Ok(Step::SupplyBody { .. })));
    let part = connection.body(BODY).unwrap();
    connection.advance_output(part.len()).unwrap();
    connection.finish_body().unwrap();
    assert!(matches!(first.poll(&mut connection), Ok(Step::Continue)));
    drop(first);
    let options = SendOptions::default().transfer(Transfer::Data);
    let mut second = Send::new(&envelope, Body::Whole(BODY), options);
    assert!(matches!(second.poll(&mut connection), Ok(Step::Continue)));
    drain(&mut connection);
    // The verdict on the first message; the second is refused from MAIL to DATA.
    connection.receive(b"250 ok\r\n250 ok\r\n250 first\r\n550 no\r\n550 no\r\n503 no\r\n");
    assert!(matches!(second.poll(&mut connection), Ok(Step::Continue)));
    assert_eq!(drain(&mut connection), b"RSET\r\n");
    connection.receive(b"250 reset\r\n");
    let told = second.poll(&mut connection);
    let Err(SendError::Rejected { stage: Stage::Mail, reply, .. }) = told else { panic!("{told:?}") };
    assert_eq!(reply.code().get(), 550);
}

/// The same with verbs by hand in front.
#[test]
fn replies_to_earlier_commands_are_not_taken_for_a_transactions() {
    let mut connection = ready(config(TlsPolicy::None), b"250-hi\r\n250 PIPELINING\r\n");
    let (from, to) = (FROM.parse().unwrap(), "x@example.net".parse().unwrap());
    connection.command(Command::Mail(&from, &Default::default())).unwrap();
    connection.command(Command::Rcpt(&to, &Default::default())).unwrap();
    connection.command(Command::Rset).unwrap();
    let envelope = envelope(FROM, &["bob@example.net", "carol@example.net"]);
    let mut send = Send::new(&envelope, Body::Whole(BODY), SendOptions::default());
    assert!(matches!(send.poll(&mut connection), Ok(Step::Continue)));
    drain(&mut connection);
    connection.receive(b"250 ok\r\n250 x\r\n250 rset\r\n250 ok\r\n250 bob\r\n550 carol\r\n354 go\r\n");
    assert!(matches!(send.poll(&mut connection), Ok(Step::SupplyBody { .. })));
    let part = connection.body(BODY).unwrap();
    connection.advance_output(part.len()).unwrap();
    connection.finish_body().unwrap();
    drain(&mut connection);
    connection.receive(b"250 queued\r\n");
    let Ok(Step::Done(delivery)) = send.poll(&mut connection) else { panic!() };
    assert_eq!(states(&delivery.recipients), [RecipientState::Accepted, RecipientState::Refused]);
}

/// Of a split message the second transaction cannot begin while the first is under way.
#[test]
fn recipients_of_a_split_message_stay_in_order() {
    let script = format!(
        "{}C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<a@example.net>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n\
         C: Subject: hi\nC:\nC: hi\nC: .\nS: 250 queued\n",
        hello(&["PIPELINING", "LIMITS RCPTMAX=1 MAILMAX=1"])
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        let outcomes =
            session.send_all(&[(envelope(FROM, &["a@example.net", "b@example.net"]), BODY)], split(), false);
        let delivery = outcomes[0].as_ref().unwrap();
        assert_eq!(states(&delivery.recipients), [RecipientState::Accepted, RecipientState::NotSent]);
    });
}

/// LMTP, one recipient has the message, then 421.
#[test]
fn lmtp_421_after_an_acceptance_is_not_safe_to_retry() {
    let script = format!(
        "{}C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<a@example.net>\nC: RCPT TO:<b@example.net>\nC: DATA\n\
         S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n\
         C: Subject: hi\nC:\nC: hi\nC: .\nS: 250 a has it\nS: 421 bye\n",
        lhlo(PIPED)
    );
    lmtp(&script).run(|session| {
        session.open().unwrap();
        // Told as delivered to the one; what became of the other stands beside it.
        let delivery = session.send(&envelope(FROM, &["a@example.net", "b@example.net"]), BODY).unwrap();
        assert_eq!(states(&delivery.recipients), [RecipientState::Accepted, RecipientState::Refused]);
        assert_eq!(delivery.recipients[1].verdict.as_ref().unwrap().code().get(), 421);
        assert!(session.quit().is_err(), "nothing is said to a server that has gone");
    });
}

/// LMTP, MAIL refused, RCPT and DATA taken all the same: how many replies the lone dot has is counted with
/// the recipients of the message before.
#[test]
fn lmtp_recipients_of_the_last_message_do_not_count() {
    let transaction = |from: &str, to: &[&str]| {
        let rcpt: String = to.iter().map(|to| format!("C: RCPT TO:<{to}>\n")).collect();
        format!("C: MAIL FROM:<{from}>\n{rcpt}C: DATA\n")
    };
    let body = "C: Subject: hi\nC:\nC: hi\nC: .\n";
    let script = format!(
        "{}{}S: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n{body}{}S: 250 a\nS: 250 b\nS: 550 no\nS: 250 ok\nS: 354 go\n\
         C: .\nC: RSET\n{}S: 554 nothing\nS: 250 reset\nS: 250 ok\nS: 550 nobody here\nS: 554 no\nC: RSET\nS: 250 ok\n",
        lhlo(PIPED),
        transaction("alice@example.org", &["a@example.net", "b@example.net"]),
        transaction("mallory@example.org", &["a@example.net"]),
        transaction("carol@example.org", &["a@example.net"]),
    );
    lmtp(&script).run(|session| {
        session.open().unwrap();
        let outcomes = session.send_all(
            &[
                (envelope("alice@example.org", &["a@example.net", "b@example.net"]), BODY),
                (envelope("mallory@example.org", &["a@example.net"]), BODY),
                (envelope("carol@example.org", &["a@example.net"]), BODY),
            ],
            SendOptions::default(),
            false,
        );
        assert!(outcomes[0].is_ok());
        assert!(outcomes[1].is_err());
        assert!(outcomes[2].is_err(), "never sent: {:?}", outcomes[2]);
    });
}

/// The refusal of the second part of a split message is lost.
#[test]
fn a_split_message_keeps_the_refusal_of_each_part() {
    let mail = "C: MAIL FROM:<alice@example.org>\n";
    let body = "C: Subject: hi\nC:\nC: hi\nC: .\n";
    let script = format!(
        "{}{mail}C: RCPT TO:<a@example.net>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n{body}\
         {mail}C: RCPT TO:<b@example.net>\nC: DATA\nS: 250 queued\nS: 250 ok\nS: 250 ok\nS: 354 go\n{body}S: 451 later\n",
        hello(&["PIPELINING", "LIMITS RCPTMAX=1"])
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        let outcomes =
            session.send_all(&[(envelope(FROM, &["a@example.net", "b@example.net"]), BODY)], split(), false);
        let delivery = outcomes[0].as_ref().unwrap();
        let second = &delivery.recipients[1];
        assert_eq!(second.state, RecipientState::Refused);
        assert!(!second.is_accepted(), "{second:?}");
        assert!(second.is_transient(), "{second:?}");
    });
}

/// MAIL refused, and the message accepted all the same.
#[test]
fn a_message_accepted_without_its_mail_is_unknown() {
    let script = format!(
        "{}C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.net>\nC: BDAT 19 LAST\nC: Subject: hi\nC:\nC: hi\n\
         S: 503 nested\nS: 250 ok\nS: 250 queued as 1\n",
        hello(CHUNKED)
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        let error = session.send(&envelope(FROM, &["bob@example.net"]), BODY).unwrap_err();
        assert!(matches!(error, SendError::Unknown { .. }), "{error:?}");
    });
}

/// One part refused for good, the next for now: the whole is told as permanent.
#[test]
fn a_split_message_with_a_transient_part_is_transient() {
    let mail = "C: MAIL FROM:<alice@example.org>\n";
    let body = "C: Subject: hi\nC:\nC: hi\nC: .\n";
    let script = format!(
        "{}{mail}C: RCPT TO:<a@example.net>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n{body}\
         {mail}C: RCPT TO:<b@example.net>\nC: DATA\nS: 554 never\nS: 250 ok\nS: 250 ok\nS: 354 go\n{body}S: 451 later\n",
        hello(&["PIPELINING", "LIMITS RCPTMAX=1"])
    );
    clear(&script).run(|session| {
        session.open().unwrap();
        let outcomes =
            session.send_all(&[(envelope(FROM, &["a@example.net", "b@example.net"]), BODY)], split(), false);
        let error = outcomes[0].as_ref().unwrap_err();
        assert!(error.is_transient(), "{error:?}");
    });
}

/// A server over TCP that reads up to each of these marks and then says its line.
fn server(steps: &'static [(&'static str, &'static str)]) -> std::net::SocketAddr {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        for (mark, say) in steps {
            let mut octet = [0];
            while !String::from_utf8_lossy(&heard).ends_with(mark) {
                match stream.read(&mut octet) {
                    Ok(1) => heard.push(octet[0]),
                    _ => return,
                }
            }
            heard.clear();
            stream.write_all(say.as_bytes()).unwrap();
        }
    });
    address
}

/// What a thread comes to in two seconds.
fn soon<T: std::marker::Send + 'static>(work: impl FnOnce() -> T + std::marker::Send + 'static) -> Option<T> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || tell.send(work()));
    told.recv_timeout(std::time::Duration::from_secs(2)).ok()
}

/// R1 in the blocking adapter: it spins for ever.
#[test]
fn blocking_send_all_then_quit_ends() {
    let address = server(&[
        ("", "220 hi\r\n"),
        ("\r\n", "250-hi\r\n250 PIPELINING\r\n"),
        ("DATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n"),
        ("QUIT\r\n", "250 queued\r\n"),
    ]);
    let outcomes = soon(move || {
        let mut client = smtp_blocking::Client::connect(address, config(TlsPolicy::None)).unwrap();
        let to = envelope(FROM, &["bob@example.net"]);
        client.send_all([(&to, BODY)]).then_quit().map(|outcome| outcome.is_ok()).collect::<Vec<_>>()
    });
    assert_eq!(outcomes, Some(vec![true]));
}

/// The accessor forgets the messages behind the one that 421 answered.
#[test]
fn what_left_behind_a_421_may_have_been_delivered() {
    let mut connection = ready(config(TlsPolicy::None), b"250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    let to = envelope(FROM, &["bob@example.net"]);
    let mut batch = smtp_proto::flow::Batch::new();
    for _ in 0..2 {
        batch.push(&to, Body::Whole(BODY), SendOptions::default());
    }
    batch.finish();
    for _ in 0..2 {
        assert!(matches!(batch.poll(&mut connection), Ok(Step::SupplyBody { .. })));
        let part = connection.body(BODY).unwrap();
        connection.advance_output(part.len()).unwrap();
        connection.finish_body().unwrap();
    }
    let _ = batch.poll(&mut connection);
    connection.receive(b"250 ok\r\n250 ok\r\n421 bye\r\n");
    let _ = batch.poll(&mut connection);
    assert!(matches!(batch.next_outcome(), Some(Err(SendError::NotSent { .. }))));
    assert!(matches!(batch.next_outcome(), Some(Err(SendError::Unknown { .. }))));
    assert!(connection.may_have_been_delivered());
}

/// A message in chunks without PIPELINING whose line end is repaired behind its last octet.
#[test]
fn a_tail_that_has_to_wait_for_the_window() {
    let address = server(&[
        ("", "220 hi\r\n"),
        ("\r\n", "250-hi\r\n250 CHUNKING\r\n"),
        ("MAIL FROM:<alice@example.org>\r\n", "250 ok\r\n"),
        ("RCPT TO:<bob@example.net>\r\n", "250 ok\r\n"),
        ("hi\r", "250 chunk\r\n"),
        ("\r\n", "250 last or reset\r\n"),
    ]);
    let outcome = soon(move || {
        let mut client = smtp_blocking::Client::connect(address, config(TlsPolicy::None)).unwrap();
        let to = envelope(FROM, &["bob@example.net"]);
        let options = SendOptions::default().transfer(Transfer::Chunks);
        client
            .send_with(&to, b"Subject: yo\r\n\r\nhi\r", options)
            .map(drop)
            .map_err(|error| error.to_string())
    });
    assert_eq!(outcome, Some(Ok(())));
}

/// R1 in the tokio adapter: a task that never yields.
#[test]
fn tokio_send_all_then_quit_ends() {
    let address = server(&[
        ("", "220 hi\r\n"),
        ("\r\n", "250-hi\r\n250 PIPELINING\r\n"),
        ("DATA\r\n", "250 ok\r\n250 ok\r\n354 go\r\n"),
        ("QUIT\r\n", "250 queued\r\n"),
    ]);
    let outcomes = soon(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut client = smtp_tokio::Client::connect(address, config(TlsPolicy::None)).await.unwrap();
            let to = envelope(FROM, &["bob@example.net"]);
            let mut batch = client.send_all([(&to, BODY)]).then_quit();
            let mut outcomes = Vec::new();
            while let Some(outcome) = batch.next().await {
                outcomes.push(outcome.is_ok());
            }
            outcomes
        })
    });
    assert_eq!(outcomes, Some(vec![true]));
}

/// A batch that could not start asks an endless source for ever.
#[test]
fn a_batch_that_could_not_start_tells_one_outcome_at_a_time() {
    let address = server(&[
        ("", "220 hi\r\n"),
        ("\r\n", "250-hi\r\n250 PIPELINING\r\n"),
        ("MAIL FROM:<alice@example.org>\r\n", "250 ok\r\n"),
        ("never", ""),
    ]);
    let outcomes = soon(move || {
        let mut client = smtp_blocking::Client::connect(address, config(TlsPolicy::None)).unwrap();
        client.mail(&FROM.parse().unwrap()).unwrap();
        let to = envelope(FROM, &["bob@example.net"]);
        // "Endless", but not so that it fills the memory of the machine that tests.
        let taken = std::cell::Cell::new(0);
        let endless = std::iter::repeat_n((&to, BODY), 10_000).inspect(|_| taken.set(taken.get() + 1));
        let mut batch = client.send_all(endless);
        assert!(batch.next().unwrap().is_err() && batch.next().unwrap().is_err());
        taken.get()
    });
    assert!(outcomes.is_some_and(|taken| taken <= 3), "{outcomes:?} messages were taken for two outcomes");
}

/// INV5: an unasked reply that also breaks off was judged by where the reads were cut.
#[test]
fn inv5_a_broken_reply_too_many_is_the_same_fault_in_every_split() {
    use smtp_proto::error::{Error, ProtocolError};
    let fault = |said: &[u8], cut: usize| {
        let mut connection = ready(config(TlsPolicy::None), b"250 hi\r\n");
        connection.command(Command::Noop).unwrap();
        // QUIT, too, has to be said before its answer counts.
        for octets in said.chunks(cut) {
            connection.receive(octets);
            if let Err(error) = connection.poll_event() {
                return error;
            }
        }
        panic!("{}", said.escape_ascii());
    };
    for said in [&b"250_ok\r\n"[..], b"25x\r\n", b"250-a\r\n550 b\r\n", b"\r\n3\r\n"] {
        for cut in [1, 2, 100] {
            let error = fault(said, cut);
            assert_eq!(error, Error::Protocol(ProtocolError::Surplus), "{}, {cut}", said.escape_ascii());
        }
    }
    for said in [
        &b"what?\r\n"[..],
        b"2x0\r\n",
        b"421_bye\r\n",
        b"9\r\n",
        b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n250 a\r\n",
    ] {
        for cut in [1, 2, 100] {
            let error = fault(said, cut);
            let malformed = matches!(error, Error::Protocol(ProtocolError::Reply { .. }));
            assert!(malformed, "{}, {cut}: {error:?}", said.escape_ascii());
        }
    }
}

/// A21: the password had left, but not yet any octet of the line behind it.
#[test]
fn a21_credentials_in_an_earlier_line_were_transmitted() {
    use smtp_proto::error::Error;
    use smtp_proto::sasl::{Login, Mechanism, Plain};
    let plain: fn() -> Box<dyn Mechanism> = || Box::new(Plain::new("", "tim", "tanstaaf", "mail.example"));
    let login: fn() -> Box<dyn Mechanism> = || Box::new(Login::new("tim", "tanstaaf", "mail.example"));
    let user = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\n";
    for (keyword, mechanism, lines, sent) in [
        ("AUTH PLAIN", plain, "C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\nS: 334\nreset".to_owned(), true),
        ("AUTH LOGIN", login, format!("{user}C: dGlt\nS: 334 UGFzc3dvcmQ6\nreset"), true),
        ("AUTH LOGIN", login, format!("{user}reset"), false),
        ("AUTH LOGIN", login, "C: AUTH LOGIN\nclose".to_owned(), false),
    ] {
        let script = format!("{}{lines}", hello(&[keyword]));
        let error = Scenario::new(config(TlsPolicy::None)).local().script(&script).run(|session| {
            session.open().unwrap();
            session.auth(&mut *mechanism()).unwrap_err()
        });
        let Error::Disconnected { credentials_sent, .. } = error else { panic!("{error:?}") };
        assert_eq!(credentials_sent, sent, "{lines}");
    }
}

/// The outcome said that nobody knows, and the connection that nothing can have been delivered.
#[test]
fn a_message_that_the_server_contradicts_itself_about_may_have_been_delivered() {
    let script = format!(
        "{}C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.net>\nC: BDAT 19 LAST\n\
         C: Subject: hi\nC:\nC: hi\nS: 550 no\nS: 250 ok\nS: 250 queued\n",
        hello(CHUNKED)
    );
    let options = SendOptions::default().transfer(Transfer::Chunks);
    clear(&script).run(|session| {
        session.open().unwrap();
        let outcome =
            session.send_with(&envelope(FROM, &["bob@example.net"]), Body::Whole(BODY), options, &[BODY]);
        assert!(matches!(outcome, Err(SendError::Unknown { .. })), "{outcome:?}");
        assert!(session.connection().may_have_been_delivered());
    });
}

/// T14: opportunistic TLS that was stripped, and a password that can be guessed off line. The mechanism that the
/// caller names gets no further than the one that is chosen.
#[test]
fn t14_opportunistic_refuses_auth_in_clear() {
    use smtp_proto::sasl::{CramMd5, Credentials, MechanismError};

    let script = hello(&["AUTH CRAM-MD5"]);
    for chosen in [true, false] {
        Scenario::new(config(TlsPolicy::Opportunistic)).script(&script).run(|session| {
            session.open().unwrap();
            let result = match chosen {
                true => session.log_in(&Credentials::password("tim", "tanstaaf"), None),
                false => session.auth(&mut CramMd5::new("tim", "tanstaaf")),
            };
            assert_eq!(result, Err(MechanismError::NotEncrypted.into()));
            assert!(!session.wire().windows(4).any(|octets| octets == b"AUTH"));
        });
    }
}

/// A lone dot after DATA, which the server takes though it has refused every recipient (S06), ends no message: given
/// up before it is answered, it was called one that may have been delivered.
#[test]
fn s06_a_lone_dot_is_no_message_that_may_have_been_delivered() {
    let mut connection = ready(config(TlsPolicy::None), b"250-hi\r\n250 PIPELINING\r\n");
    let to = envelope(FROM, &["bob@example.net"]);
    let mut send = smtp_proto::flow::Send::new(&to, Body::Whole(BODY), SendOptions::default());
    assert!(matches!(send.poll(&mut connection), Ok(Step::Continue)));
    connection.advance_output(connection.output().len()).unwrap();
    connection.receive(b"250 ok\r\n550 nobody\r\n354 go\r\n");
    assert!(matches!(send.poll(&mut connection), Ok(Step::Continue)));
    assert_eq!(connection.output(), b".\r\n");
    connection.advance_output(3).unwrap();
    connection.abandon();
    assert!(!connection.may_have_been_delivered());
}

/// X06: a message goes out in two mail transactions. Given up in the second, it was called one that nobody has got.
#[test]
fn x06_what_some_recipients_have_got_may_have_been_delivered() {
    let mut connection = ready(config(TlsPolicy::None), b"250-hi\r\n250 LIMITS RCPTMAX=1\r\n");
    let to = envelope(FROM, &["bob@example.net", "carol@example.net"]);
    let options = SendOptions::default().split(true);
    let mut send = smtp_proto::flow::Send::new(&to, Body::Whole(BODY), options);
    for reply in ["250 ok\r\n", "250 ok\r\n", "354 go\r\n"] {
        assert!(matches!(send.poll(&mut connection), Ok(Step::Continue)));
        connection.advance_output(connection.output().len()).unwrap();
        connection.receive(reply.as_bytes());
    }
    assert!(matches!(send.poll(&mut connection), Ok(Step::SupplyBody { .. })));
    let part = connection.body(BODY).unwrap();
    connection.advance_output(part.len()).unwrap();
    connection.finish_body().unwrap();
    connection.advance_output(connection.output().len()).unwrap();
    connection.receive(b"250 queued as A\r\n");
    assert!(matches!(send.poll(&mut connection), Ok(Step::Continue)));
    connection.abandon();
    assert!(connection.may_have_been_delivered());
}
