//! What the fuzz target `session` found: the smallest transcript that showed each fault.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, FROM, config, hello};
use smtp_proto::command::{AuthCommand, Command};
use smtp_proto::connection::{Config, Connection, Event, Peer, Protocol, Quirks, Stage, TlsPolicy};
use smtp_proto::error::{Error, Misuse, ProtocolError};
use smtp_proto::flow::{
    Body, FinishData, Flow, Open, Quit, RecipientState, Send, SendError, SendOptions, StartTls, Step,
    Transfer,
};
use smtp_proto::params::{MailParameters, RcptParameters};
use smtp_tests::script::{Scenario, envelope};

fn say(connection: &mut Connection, octets: &[u8]) {
    write(connection);
    connection.receive(octets);
}

fn write(connection: &mut Connection) {
    connection.advance_output(connection.output().len()).unwrap();
}

fn events(connection: &mut Connection) -> Vec<Event> {
    std::iter::from_fn(|| connection.poll_event().unwrap()).collect()
}

/// A session in which EHLO has been answered with these lines.
fn ready(config: Config, ehlo: &[u8]) -> Connection {
    let mut connection = Connection::new(config, Peer::Remote);
    say(&mut connection, b"220 hi\r\n");
    events(&mut connection);
    connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
    say(&mut connection, ehlo);
    events(&mut connection);
    connection
}

fn begin(connection: &mut Connection) {
    let (from, to) = ("a@example.org".parse().unwrap(), "b@example.org".parse().unwrap());
    connection.command(Command::Mail(&from, &MailParameters::new())).unwrap();
    connection.command(Command::Rcpt(&to, &RcptParameters::new())).unwrap();
}

/// The error of an idle connection that hears these octets, at once and one by one.
fn idle_errors(octets: &[u8]) -> [Error; 2] {
    [octets.len(), 1].map(|most| {
        let mut connection = ready(config(TlsPolicy::None), b"250 hi\r\n");
        for piece in octets.chunks(most) {
            connection.receive(piece);
            let _ = connection.poll_event();
        }
        connection.failure().unwrap().clone()
    })
}

/// INV5: in one piece it was malformed, and octet by octet nobody had asked for it.
#[test]
fn inv5_what_comes_unasked_and_malformed_is_one_fault_in_every_split() {
    for octets in [
        &b"25x"[..],
        b"250-a\r\n550 b\r\n",
        b"22x",
        b"\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nx",
        b"\r\r5",
        b"SSH-2.0-x\r\n",
    ] {
        let [whole, split] = idle_errors(octets);
        assert_eq!(whole, split, "{}", octets.escape_ascii());
    }
    let [whole, _] = idle_errors(b"250-a\r\n550 b\r\n");
    assert_eq!(whole, ProtocolError::Surplus.into());
}

/// INV5: a command that has been queued and has not begun to leave is not what the server answers.
#[test]
fn inv5_garbage_behind_the_greeting_answers_nothing() {
    let errors = [&[&b"220 hi\r\n?\r\n"[..]][..], &[b"220 hi\r\n", b"?\r\n"]].map(|pieces| {
        let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
        let mut open = Open::new();
        pieces.iter().find_map(|piece| {
            connection.receive(piece);
            open.poll(&mut connection).err()
        })
    });
    assert!(
        matches!(&errors[0], Some(Error::Protocol(ProtocolError::Reply { stage: None, .. }))),
        "{errors:?}"
    );
    assert_eq!(errors[0], errors[1]);
}

/// INV5: that HELO is forced where TLS is required was told, or not, as the greeting came alone, or not.
#[test]
fn inv5_forced_helo_is_refused_whatever_is_behind_the_greeting() {
    let quirks = Quirks::new().force_helo();
    for said in [&b"220 hi\r\n"[..], b"220 hi\r\n?"] {
        let config = config(TlsPolicy::Required).quirks(quirks.clone());
        let mut connection = Connection::new(config, Peer::Remote);
        connection.receive(said);
        assert_eq!(Open::new().poll(&mut connection).map(drop), Err(Misuse::HeloWithoutTls.into()));
    }
}

/// INV5: QUIT forgives what answers it, not what came before it has left.
#[test]
fn inv5_garbage_before_quit_has_left_is_no_goodbye() {
    for pieces in [&[&b"250 ok\r\n?"[..]][..], &[b"250 ok\r\n", b"?"]] {
        let mut connection = ready(config(TlsPolicy::None), b"250 hi\r\n");
        connection.command(Command::Rset).unwrap();
        write(&mut connection);
        let mut quit = Quit::new();
        assert!(matches!(quit.poll(&mut connection), Ok(Step::Continue)));
        for piece in pieces {
            connection.receive(piece);
            let _ = quit.poll(&mut connection);
        }
        assert!(!connection.is_closed() && connection.failure().is_some(), "{pieces:?}");
        assert_eq!(connection.output(), b"");
    }
}

/// Whoever said STARTTLS by hand and then opened the session waited for a second greeting.
#[test]
fn open_does_the_handshake_that_is_due_and_goes_on_with_ehlo() {
    let mut connection = ready(config(TlsPolicy::Required), b"250-hi\r\n250 STARTTLS\r\n");
    let mut start_tls = StartTls::new();
    let _ = start_tls.poll(&mut connection).unwrap();
    drop(start_tls);
    say(&mut connection, b"220 go\r\n");
    assert_eq!(events(&mut connection).len(), 1);
    assert!(connection.is_greeted());

    let mut open = Open::new();
    let Ok(Step::UpgradeTls(upgrade)) = open.poll(&mut connection) else { panic!("a handshake is due") };
    connection.tls_established(upgrade).unwrap();
    assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
    assert_eq!(connection.output(), b"EHLO client.test\r\n");
    say(&mut connection, b"250 hi\r\n");
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));
}

/// A message whose last chunk was complete by itself, and is answered already: there is nothing to wait for.
#[test]
fn finish_data_does_not_wait_for_a_verdict_that_was_heard() {
    let mut connection =
        ready(config(TlsPolicy::None), b"250-hi\r\n250-PIPELINING\r\n250-SIZE\r\n250 CHUNKING\r\n");
    let (from, to) = ("a@example.org".parse().unwrap(), "b@example.org".parse().unwrap());
    connection.command(Command::Mail(&from, &MailParameters::new().size(1))).unwrap();
    connection.command(Command::Rcpt(&to, &RcptParameters::new())).unwrap();
    connection.begin_chunks(connection.default_data()).unwrap();
    let part = connection.body(b"x").unwrap().len();
    connection.advance_output(part).unwrap();
    say(&mut connection, b"250 ok\r\n250 ok\r\n250 queued\r\n");
    assert_eq!(events(&mut connection).len(), 3);
    let result = FinishData::new().poll(&mut connection).map(drop);
    assert_eq!(
        result,
        Err(SendError::Unknown { cause: Misuse::NoBody.into(), recipients: Vec::new() }),
        "it may have been delivered, and nothing is awaited"
    );

    // In the next transaction the end of that message is not taken for the end of another.
    begin(&mut connection);
    assert_eq!(connection.finish_body(), Err(Misuse::NoBody.into()));
}

/// INV1, T06: what was counted and ended in clear is forgotten with the rest.
#[test]
fn t06_inv1_no_limit_and_no_message_outlives_the_handshake() {
    let limits = b"250-hi\r\n250-STARTTLS\r\n250-CHUNKING\r\n250 LIMITS MAILMAX=1 RCPTDOMAINMAX=1\r\n";
    let mut connection = ready(config(TlsPolicy::None), limits);
    begin(&mut connection);
    say(&mut connection, b"250 ok\r\n");
    events(&mut connection);
    say(&mut connection, b"250 ok\r\n");
    events(&mut connection);
    connection.command(Command::Rset).unwrap();
    say(&mut connection, b"250 ok\r\n");
    events(&mut connection);
    connection.command(Command::StartTls).unwrap();
    say(&mut connection, b"220 go\r\n");
    events(&mut connection);
    let upgrade = connection.tls_upgrade().unwrap();
    connection.tls_established(upgrade).unwrap();
    assert_eq!(connection.default_data().size, None);

    connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
    say(&mut connection, limits);
    events(&mut connection);
    assert_eq!(connection.transactions_left(), Some(1));
    assert_eq!(connection.check_recipients(&["c@example.net".parse().unwrap()]), Ok(()));
}

/// T09: a session that was begun by hand, or by a flow that was dropped, was ready, and so good enough for mail.
#[test]
fn t09_required_tls_holds_whoever_said_ehlo() {
    let mut connection = ready(config(TlsPolicy::Required), b"250-hi\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n");
    let (from, parameters) = ("a@example.org".parse().unwrap(), MailParameters::new());
    let mail = Command::Mail(&from, &parameters);
    assert_eq!(connection.command(mail), Err(Misuse::NeedsTls.into()));
    let auth = AuthCommand { mechanism: "PLAIN", initial_response: Some(b"\0tim\0tanstaaf") };
    assert_eq!(connection.command(Command::Auth(auth)), Err(Misuse::NeedsTls.into()));

    let mut open = Open::new();
    assert!(matches!(open.poll(&mut connection), Ok(Step::Continue)));
    assert_eq!(connection.output(), b"STARTTLS\r\n");

    let mut stripped = ready(config(TlsPolicy::Required), b"250 hi\r\n");
    assert_eq!(Open::new().poll(&mut stripped).map(drop), Err(Error::TlsRequired));
    assert_eq!(stripped.failure(), Some(&Error::TlsRequired));
}

/// D14: what was begun in chunks and taken back is not gone, and the next message would have been its end.
#[test]
fn d14_nothing_is_added_to_a_message_that_was_taken_back() {
    let mut connection = ready(config(TlsPolicy::None), b"250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    begin(&mut connection);
    connection.begin_chunks(connection.default_data()).unwrap();
    let part = connection.body(b"half").unwrap().len();
    connection.advance_output(part).unwrap();
    connection.cancel_body().unwrap();
    say(&mut connection, b"250 ok\r\n250 ok\r\n250 ok\r\n");
    events(&mut connection);

    let data = connection.default_data();
    assert_eq!(connection.begin_chunks(data), Err(Misuse::TakenBack(Stage::Bdat).into()));
    assert_eq!(connection.command(Command::Data(data)), Err(Misuse::TakenBack(Stage::Data).into()));
    connection.command(Command::Rset).unwrap();
    begin(&mut connection);
    connection.begin_chunks(data).unwrap();
}

/// INV7, S08: in LMTP each recipient's answer to the lone dot was told as its verdict on the message.
#[test]
fn inv7_nobody_has_a_message_that_was_taken_back() {
    let script = format!(
        "{}C: MAIL FROM:<alice@example.org>\nC: RCPT TO:<bob@example.net>\nC: DATA\nS: 550 no\nS: 250 ok\nS: 354 go\n\
         C: .\nS: 250 ok\nC: RSET\nS: 250 ok\n",
        hello(&["PIPELINING"]).replace("EHLO", "LHLO")
    );
    let lmtp = config(TlsPolicy::None).protocol(Protocol::Lmtp);
    Scenario::new(lmtp).script(&*script).run(|session| {
        session.open().unwrap();
        let error = session.send(&envelope(FROM, &["bob@example.net"]), BODY).unwrap_err();
        assert!(matches!(error, SendError::Rejected { stage: Stage::Mail, .. }), "{error:?}");
        let [recipient] = error.recipients() else { panic!("{error:?}") };
        assert_eq!((recipient.state, &recipient.verdict), (RecipientState::Refused, &None));
    });
}

/// INV7: a last chunk that is refused unread is one recipient's verdict in LMTP, and was nobody's.
#[test]
fn inv7_in_lmtp_a_chunk_refused_unread_is_refused() {
    let mail = "C: MAIL FROM:<alice@example.org>\n";
    for (recipients, unknown) in
        [(&["bob@example.net"][..], false), (&["bob@example.net", "carol@example.net"], true)]
    {
        let mut script = hello(&["PIPELINING", "CHUNKING"]).replace("EHLO", "LHLO") + mail;
        recipients.iter().for_each(|to| script += &format!("C: RCPT TO:<{to}>\n"));
        script += &"S: 250 ok\n".repeat(recipients.len() + 1);
        script += &format!("C| BDAT {} LAST\\r\\n{}\nS: 530 not here\n", BODY.len(), BODY.escape_ascii());
        let lmtp = config(TlsPolicy::None).protocol(Protocol::Lmtp);
        Scenario::new(lmtp).script(&*script).run(|session| {
            session.open().unwrap();
            let options = SendOptions::default().transfer(Transfer::Chunks);
            let to = envelope(FROM, recipients);
            let error = session.send_with(&to, Body::Whole(BODY), options, &[BODY]).unwrap_err();
            assert_eq!(matches!(error, SendError::Unknown { .. }), unknown, "{error:?}");
            assert_eq!(error.recipients()[0].state, RecipientState::Refused);
            assert_eq!(session.connection().may_have_been_delivered(), unknown);
        });
    }
}

/// INV7: a refusal of the message before, whose flow was dropped, was told of the message that had left behind it.
#[test]
fn inv7_the_refusal_of_an_abandoned_message_is_not_that_of_the_next() {
    let mut connection = ready(config(TlsPolicy::None), b"250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    let envelope = envelope(FROM, &["bob@example.net"]);
    let send = || Send::new(&envelope, Body::Whole(b"x"), SendOptions::default());
    let mut supply = |flow: &mut Send<'_>| {
        assert!(matches!(flow.poll(&mut connection), Ok(Step::SupplyBody { .. })));
        let part = connection.body(b"x").unwrap();
        let len = part.len();
        connection.advance_output(len).unwrap();
        connection.finish_body().unwrap();
    };
    supply(&mut send());
    let mut second = send();
    supply(&mut second);
    say(&mut connection, b"250 ok\r\n250 ok\r\n530 not here\r\n");
    let error = second.poll(&mut connection).map(drop).unwrap_err();
    assert!(matches!(error, SendError::Unknown { .. }), "{error:?}");
    assert!(connection.may_have_been_delivered());
}

/// INV7: a 421 answers the oldest message. The one behind it, written verb by verb, has left whole and no verdict.
#[test]
fn inv7_a_421_is_no_verdict_on_the_message_behind_the_one_it_answers() {
    let mut connection = ready(config(TlsPolicy::None), b"250-hi\r\n250-PIPELINING\r\n250 CHUNKING\r\n");
    let (from, to) = (FROM.parse().unwrap(), "bob@example.net".parse().unwrap());
    let mut finish = || {
        let mail = connection.default_mail_parameters(&from);
        connection.command(Command::Mail(&from, &mail)).unwrap();
        connection.command(Command::Rcpt(&to, &RcptParameters::new())).unwrap();
        let data = connection.default_data();
        connection.begin_chunks(data).unwrap();
        connection.advance_output(connection.output().len()).unwrap();
        if connection.transactions() == 1 {
            say(&mut connection, b"250 ok\r\n250 ok\r\n");
            while connection.poll_event().unwrap().is_some() {}
        }
        let part = connection.body(BODY).unwrap();
        connection.advance_output(part.len()).unwrap();
        let mut finish = FinishData::new();
        assert!(matches!(finish.poll(&mut connection), Ok(Step::Continue)));
        connection.advance_output(connection.output().len()).unwrap();
        finish
    };
    drop(finish());
    let mut second = finish();
    say(&mut connection, b"250 chunk received\r\n421 bye\r\n");
    let error = second.poll(&mut connection).map(drop).unwrap_err();
    assert!(matches!(error, SendError::Unknown { .. }), "{error:?}");
}

/// INV7: of a message in two mail transactions, one is accepted; then the flow is dropped.
#[test]
fn inv7_a_part_that_was_delivered_is_not_forgotten_with_its_flow() {
    let mut connection = ready(config(TlsPolicy::None), b"250-hi\r\n250 LIMITS RCPTMAX=1\r\n");
    let to = envelope(FROM, &["bob@example.net", "carol@example.net"]);
    let mut send = Send::new(&to, Body::Whole(BODY), SendOptions::default().split(true));
    for reply in [&b"250 ok\r\n"[..], b"250 ok\r\n", b"354 go\r\n"] {
        assert!(matches!(send.poll(&mut connection), Ok(Step::Continue)));
        connection.advance_output(connection.output().len()).unwrap();
        say(&mut connection, reply);
    }
    assert!(matches!(send.poll(&mut connection), Ok(Step::SupplyBody { .. })));
    let part = connection.body(BODY).unwrap();
    connection.advance_output(part.len()).unwrap();
    connection.finish_body().unwrap();
    connection.advance_output(connection.output().len()).unwrap();
    say(&mut connection, b"250 queued\r\n");
    assert!(matches!(send.poll(&mut connection), Ok(Step::Continue)), "MAIL for the other");
    drop(send);
    connection.abandon();
    assert!(connection.may_have_been_delivered());
}

/// INV5: RCPT had not begun to leave when the server began to speak, so nothing was waited for when it hung up, whether
/// the octets came with the reply to MAIL or after RCPT was ready to leave.
#[test]
fn inv5_what_has_not_begun_to_leave_was_not_waited_for_at_the_end() {
    let errors = [&[&b"250 ok\r\n2"[..]][..], &[b"250 ok\r\n", b"2"]].map(|pieces| {
        let mut connection = ready(config(TlsPolicy::None), b"250 hi\r\n");
        begin(&mut connection);
        write(&mut connection);
        for piece in pieces {
            connection.receive(piece);
            events(&mut connection);
        }
        connection.receive_eof();
        connection.poll_event().unwrap_err()
    });
    let expected = Error::Disconnected { stage: None, truncated: true, credentials_sent: false };
    assert_eq!(errors, [expected.clone(), expected]);
}

/// INV5: what a server says as it hangs up is told in the same words whether QUIT was about to leave or not.
#[test]
fn inv5_a_goodbye_before_quit_has_left_is_none_to_quit() {
    for goodbye in [&b"421 4.3.2 going down\r\n"[..], b"221 bye\r\n"] {
        let errors = [0, 1, goodbye.len()].map(|before| {
            let mut connection = ready(config(TlsPolicy::None), b"250 hi\r\n");
            connection.receive(&goodbye[..before]);
            let _ = connection.poll_event();
            let _ = connection.command(Command::Quit);
            connection.receive(&goodbye[before..]);
            let _ = connection.poll_event();
            connection.failure().unwrap().clone()
        });
        for error in &errors {
            assert!(matches!(error, Error::ServerClosed { stage: None, .. }), "{error:?}");
        }
    }
}
