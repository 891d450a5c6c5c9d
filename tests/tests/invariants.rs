//! The promises that hold whatever the server does, each shown at its edge or under a great many inputs; the
//! cases behind them are in the other suites. Also the few cases that are about what cannot be said at all.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use smtp_proto::command::{AuthCommand, Command, DataCommand};
use smtp_proto::connection::{Config, Connection, Event, Peer, Stage, TlsPolicy};
use smtp_proto::flow::{Body, Envelope, Open, SendOptions};
use smtp_proto::params::{MailParameters, RcptParameters};
use smtp_proto::sasl::{Login, Mechanism, Plain};
use smtp_proto::{Error, SendError};
use smtp_tests::script::{Mode, Scenario, Session, envelope};

fn config(tls: TlsPolicy) -> Config {
    Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(tls)
}

fn clear() -> Config {
    config(TlsPolicy::None)
}

#[test]
fn inv1_nothing_heard_in_clear_outlives_the_handshake() {
    let script = "
        S: 220 hi
        C: EHLO client.test
        S: 250-x
        S: 250-STARTTLS
        S: 250-PIPELINING
        S: 250-SIZE 1
        S: 250 AUTH PLAIN
        C: STARTTLS
        S: 220 go
        tls
        C: EHLO client.test
        S: 250 x
        ";
    Scenario::new(config(TlsPolicy::Required)).script(script).run(|session| {
        session.open().unwrap();
        let connection = session.connection();
        assert!(connection.capabilities().is_empty() && !connection.is_pipelining());
        assert!(connection.server_info().mechanisms.is_empty());
    });
}

#[test]
fn inv2_no_secret_leaves_in_clear() {
    let script = "S: 220 hi\nC: EHLO client.test\nS: 250-x\nS: 250 AUTH PLAIN LOGIN";
    let plain: fn() -> Box<dyn Mechanism> = || Box::new(Plain::new("", "tim", "tanstaaf", "mail.example"));
    let login: fn() -> Box<dyn Mechanism> = || Box::new(Login::new("tim", "tanstaaf", "mail.example"));
    for mechanism in [plain, login] {
        Scenario::new(clear()).script(script).run(|session: &mut Session| {
            session.open().unwrap();
            let error = session.auth(&mut *mechanism()).unwrap_err();
            assert!(matches!(error, Error::Mechanism(_)), "{error:?}");
            assert_eq!(session.wire(), b"EHLO client.test\r\n");
        });
    }
}

#[test]
fn inv3_i13_i14_every_line_is_one_clean_line() {
    for octet in 0..=255u32 {
        let c = char::from_u32(octet).unwrap();
        for text in [format!("XYZZY {c}a"), format!("XYZZY a{c}b"), format!("XYZZY a{c}"), format!("{c}")] {
            for command in
                [Command::Custom(&text), Command::Vrfy(&text), Command::Expn(&text), Command::Help(&text)]
            {
                let mut out = b"before".to_vec();
                match command.encode(&mut out) {
                    Err(_) => assert_eq!(out, b"before"),
                    Ok(()) => {
                        let line = out.strip_prefix(b"before").unwrap().strip_suffix(b"\r\n").unwrap();
                        assert!(line.iter().all(|&b| b >= 0x20 && b != 0x7f), "{text:?}");
                    }
                }
            }
        }
    }
}

/// I07: a number is a number in the interface; there is no text to smuggle a line in.
#[test]
fn i07_numeric_parameters_are_numbers() {
    let _: fn(MailParameters, u64) -> MailParameters = MailParameters::size;
    let mut line = Vec::new();
    let parameters = MailParameters::new().size(u64::MAX);
    Command::Mail(&"a@example.org".parse().unwrap(), &parameters).encode(&mut line).unwrap();
    assert_eq!(line, b"MAIL FROM:<a@example.org> SIZE=18446744073709551615\r\n");
}

/// A connection that waits for the body of a message to one recipient.
fn at_the_body() -> Connection {
    let mut connection = Connection::new(clear(), Peer::Remote);
    let step = |connection: &mut Connection, said: &[u8]| {
        let n = connection.output().len();
        connection.advance_output(n).unwrap();
        connection.receive(said);
        while connection.poll_event().unwrap().is_some() {}
    };
    step(&mut connection, b"220 hi\r\n");
    connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
    step(&mut connection, b"250-x\r\n250 PIPELINING\r\n");
    connection.command(Command::Mail(&"a@example.org".parse().unwrap(), &MailParameters::new())).unwrap();
    connection.command(Command::Rcpt(&"b@example.org".parse().unwrap(), &RcptParameters::new())).unwrap();
    let data = connection.default_data();
    connection.command(Command::Data(data)).unwrap();
    step(&mut connection, b"250 ok\r\n250 ok\r\n354 go\r\n");
    assert!(connection.wants_body());
    connection
}

/// What the receiver makes of the lines before the terminator (RFC 5321 §4.5.2).
fn unstuffed(wire: &[u8]) -> Vec<u8> {
    let lines = wire.split_inclusive(|&b| b == b'\n');
    lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect()
}

/// The message with CRLF for each line end, one at its end.
fn normalised(message: &[u8]) -> Vec<u8> {
    let mut lines = String::from_utf8(message.to_vec()).unwrap().replace("\r\n", "\n").replace('\r', "\n");
    if !lines.is_empty() && !lines.ends_with('\n') {
        lines.push('\n');
    }
    lines.replace('\n', "\r\n").into_bytes()
}

#[test]
fn inv4_a_message_ends_once_and_comes_back_whole() {
    let alphabet = b"\r\n.a";
    for len in 0..=5u32 {
        for number in 0..4usize.pow(len) {
            let message: Vec<u8> = (0..len).map(|i| alphabet[number / 4usize.pow(i) % 4]).collect();
            let mut connection = at_the_body();
            let mut wire = b"\r\n".to_vec();
            let mut rest = &message[..];
            while !rest.is_empty() {
                let part = connection.body(rest).unwrap();
                part.slices().for_each(|slice| wire.extend_from_slice(slice));
                connection.advance_output(part.len()).unwrap();
                rest = &rest[part.consumed()..];
            }
            connection.finish_body().unwrap();
            wire.extend_from_slice(connection.output());
            let ends: Vec<usize> =
                (0..wire.len()).filter(|&at| wire[at..].starts_with(b"\r\n.\r\n")).collect();
            assert_eq!(ends, [wire.len() - 5], "{message:?}");
            let stray = (0..wire.len()).any(|at| match wire[at] {
                b'\r' => wire.get(at + 1) != Some(&b'\n'),
                b'\n' => at == 0 || wire[at - 1] != b'\r',
                _ => false,
            });
            assert!(!stray, "{message:?}");
            let back = unstuffed(&wire[2..wire.len() - 3]);
            assert_eq!(back, normalised(&message), "{message:?}");
        }
    }
}

/// What client and server say in turn when a message is accepted.
const EXCHANGE: [(&str, &str); 5] = [
    ("", "220 hi\r\n"),
    ("C: EHLO client.test\n", "250 mail.example\r\n"),
    ("C: MAIL FROM:<a@example.org>\n", "250 ok\r\n"),
    ("C: RCPT TO:<b@example.org>\n", "250 ok\r\n"),
    ("C: DATA\n", "354 go\r\n"),
];
const VERDICT: (&str, &str) = ("C: x\nC: .\n", "250-queued\r\n250 as 1\r\n");

/// The script up to octet `octets` of reply `reply`, and then the end of the connection.
fn cut(reply: usize, octets: usize) -> String {
    let steps: Vec<(&str, &str)> = EXCHANGE.into_iter().chain([VERDICT]).collect();
    let mut script = String::new();
    for (client, server) in &steps[..reply] {
        script += &format!("{client}S| {}\n", server.escape_default());
    }
    let (client, server) = steps[reply];
    let said = server[..octets].escape_default();
    script + client + &if octets > 0 { format!("S| {said}\nclose") } else { "close".to_owned() }
}

#[test]
fn inv5_inv7_o09_a_cut_anywhere_tells_the_truth_in_every_split() {
    for (reply, (_, server)) in EXCHANGE.iter().chain([&VERDICT]).enumerate() {
        for octets in 0..=server.len() {
            let script = cut(reply, octets);
            // Every mode has to give the same octets and the same result: `run` asserts it. Not `Copied`, in which the
            // end leaves with the body, before the cut between them is noticed.
            let modes = [Mode::Whole, Mode::ByteReads, Mode::ByteWrites, Mode::Bytes];
            let outcome = Scenario::new(clear()).modes(&modes).script(&*script).run(|session| {
                session.open().map_err(SendError::from)?;
                session.send(&envelope("a@example.org", &["b@example.org"]), b"x\r\n").map(|d| d.reply)
            });
            match outcome {
                Ok(_) => assert_eq!((reply, octets), (EXCHANGE.len(), server.len()), "{script}"),
                Err(SendError::Unknown { .. }) => {
                    assert!(reply == EXCHANGE.len() && octets < server.len(), "{script}");
                }
                Err(SendError::NotSent { .. }) => assert!(reply < EXCHANGE.len(), "{script}"),
                Err(other) => panic!("{script}: {other:?}"),
            }
        }
    }
}

#[test]
fn inv6_a_reply_nobody_asked_for_is_fatal_and_a_goodbye_is_orderly() {
    for (said, orderly) in [("250 x", false), ("550 x", false), ("421 x", true), ("221 x", true)] {
        let mut connection = Connection::new(clear(), Peer::Remote);
        connection.receive(format!("220 hi\r\n{said}\r\n").as_bytes());
        assert!(matches!(connection.poll_event(), Ok(Some(Event::Greeting(_)))));
        let error = connection.poll_event().unwrap_err();
        assert_eq!(matches!(error, Error::ServerClosed { stage: None, .. }), orderly, "{said}: {error:?}");
    }
}

#[test]
fn inv8_every_flood_is_cut_off_within_the_limits() {
    let floods: [&[u8]; 5] = [b"2", b"250-\r\n", b"250-abcdefgh\r\n", b"334 VXNlcm5hbWU6\r\n", b"\r\n"];
    for flood in floods {
        let mut connection = Connection::new(clear(), Peer::Remote);
        let mut fed = 0;
        while connection.poll_event().is_ok() {
            connection.receive(flood);
            fed += flood.len();
            assert!(fed <= 256 * 1024, "{:?} is taken for ever", flood.escape_ascii().to_string());
        }
    }
}

/// A small generator, so that a failure can be played again from its seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

/// Any calls in any order, on any input: no panic, a typed error, and silence once the connection has broken.
#[test]
fn inv10_inv11_any_calls_on_any_input_end_in_order_or_in_silence() {
    let said: [&[u8]; 22] = [
        b"220 hi\r\n",
        b"250 ok\r\n",
        b"250-x\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n",
        b"354 go\r\n",
        b"334 \r\n",
        b"235 ok\r\n",
        b"421 bye\r\n",
        b"221 bye\r\n",
        b"550 no\r\n",
        b"450 later\r\n",
        b"250",
        b"-",
        b"\r\n",
        b"\r",
        b"\n",
        b"2",
        b"25",
        b"999 x\r\n",
        b"x",
        b"\xff\x00",
        b"250 ok\r\n250 ok\r\n354 go\r\n",
        b"250 a\n",
    ];
    let name = "client.test".parse().unwrap();
    let (from, to) = ("a@example.org".parse().unwrap(), "b@example.org".parse().unwrap());
    let (mail, rcpt) = (MailParameters::new(), RcptParameters::new());
    for seed in 0..30_000 {
        let mut dice = Dice(seed);
        let policy = [TlsPolicy::None, TlsPolicy::Implicit][dice.throw(2)];
        let mut connection = Connection::new(config(policy), Peer::Remote);
        if policy == TlsPolicy::None {
            connection.receive(said[0]);
            while connection.poll_event().is_ok_and(|event| event.is_some()) {}
            connection.command(Command::Ehlo(&name)).unwrap();
            let n = connection.output().len();
            connection.advance_output(n).unwrap();
            connection.receive(said[2]);
        }
        for _ in 0..60 {
            let data = DataCommand { rules: connection.default_data().rules, size: None };
            let auth = AuthCommand { mechanism: "PLAIN", initial_response: Some(b"\0a\0b") };
            let commands = [
                Command::Ehlo(&name),
                Command::Helo(&name),
                Command::StartTls,
                Command::Auth(auth),
                Command::Mail(&from, &mail),
                Command::Rcpt(&to, &rcpt),
                Command::Data(data),
                Command::Rset,
                Command::Noop,
                Command::Vrfy("x"),
                Command::Help(""),
                Command::Custom("XYZZY"),
                Command::Quit,
                Command::Custom("DATA"),
                Command::Vrfy("a\r\nb"),
            ];
            match dice.throw(12) {
                0..=3 => drop(connection.command(commands[dice.throw(commands.len())])),
                4 | 5 => connection.receive(said[dice.throw(said.len())]),
                6 => {
                    let n = dice.throw(connection.output().len() + 2);
                    drop(connection.advance_output(n));
                }
                7 => drop(connection.body(&b"a\r\n.b\rc"[..dice.throw(8)])),
                8 => drop(connection.finish_body()),
                9 => match dice.throw(6) {
                    0 => connection.receive_eof(),
                    1 => connection.handle_timeout(),
                    2 => drop(connection.auth_respond(b"x")),
                    3 => drop(connection.auth_cancel()),
                    4 => drop(connection.cancel_body()),
                    _ => drop(connection.tls_upgrade().map(|token| connection.tls_established(token))),
                },
                _ => drop(connection.poll_event()),
            }
            let mut events = 0;
            while dice.throw(2) == 0 && connection.poll_event().is_ok_and(|event| event.is_some()) {
                events += 1;
                assert!(events < 1000, "seed {seed}: events without end");
            }
            if connection.failure().is_some() {
                assert_eq!(connection.output(), b"", "seed {seed}: output after {:?}", connection.failure());
                assert_eq!(connection.command(Command::Quit).unwrap_err(), Error::Poisoned, "seed {seed}");
                assert_eq!(connection.timeout(), None, "seed {seed}");
            }
        }
    }
}

#[test]
fn inv12_l08_no_secret_in_what_can_be_printed() {
    // L08: nothing here implements serde, so nothing can be serialised with its secret.
    let plain = Plain::new("", "tim", "tanstaaf", "mail.example");
    let auth = AuthCommand { mechanism: "PLAIN", initial_response: Some(b"\0tim\0tanstaaf") };
    let mut connection = Connection::new(clear().allow_plaintext_auth(true), Peer::Remote);
    connection.receive(b"220 hi\r\n");
    connection.poll_event().unwrap();
    let printed = format!("{plain:?} {auth:?} {:?} {connection:?}", Command::Auth(auth));
    for secret in ["tanstaaf", "dGFuc3RhYWY", "AHRpbQB0YW5zdGFhZg", "116, 97, 110"] {
        assert!(!printed.contains(secret), "{printed}");
    }
}

#[test]
fn p20_quit_ends_the_session_whatever_the_server_says() {
    for last in ["S: 221 bye", "S: 0", "S: 500 what", "S: 421 no", "close", "S| 22\nclose", "reset", "pause"]
    {
        let script = format!("S: 220 hi\nC: EHLO client.test\nS: 250 x\nC: QUIT\n{last}");
        Scenario::new(clear()).script(&*script).run(|session| {
            session.open().unwrap();
            assert_eq!(session.quit(), Ok(()), "{last}");
        });
    }
}

#[test]
fn r05_a_timeout_before_the_dot_is_not_sent_and_after_it_unknown() {
    let until_data = "S: 220 hi\nC: EHLO client.test\nS: 250 x\nC: MAIL FROM:<a@example.org>\n";
    let rest = "S: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\npause";
    for (script, unknown) in [
        ("pause".to_owned(), false),
        (format!("{until_data}pause"), false),
        (format!("{until_data}{rest}"), true),
    ] {
        let error = Scenario::new(clear()).script(&*script).run(|session| {
            session.open().map_err(SendError::from)?;
            let sent = session.send(&envelope("a@example.org", &["b@example.org"]), b"x\r\n");
            assert!(session.connection().failure().is_some(), "always poisoned");
            sent.map(drop)
        });
        let error = error.unwrap_err();
        assert_eq!(
            matches!(error, SendError::Unknown { cause: Error::Timeout(_), .. }),
            unknown,
            "{error:?}"
        );
        assert_eq!(error.is_safe_to_retry(), !unknown);
    }
}

/// T22: what a connection is for is fixed when it is made; there is no call that changes its host or policy.
#[test]
fn t22_credentials_for_another_host_are_refused_on_any_connection() {
    let script = "S: 220 hi\nC: EHLO client.test\nS: 250-x\nS: 250 AUTH PLAIN";
    Scenario::new(clear()).local().script(script).run(|session| {
        session.open().unwrap();
        let error = session.auth(&mut Plain::new("", "tim", "tanstaaf", "other.example")).unwrap_err();
        assert!(matches!(error, Error::Mechanism(_)), "{error:?}");
    });
}

#[test]
fn d17_a_declared_length_has_to_be_kept() {
    for (declared, unknown) in [(2, false), (3, true), (4, false)] {
        let mode = [Mode::Whole];
        let script = if unknown {
            "S: 220 hi\nC: EHLO client.test\nS: 250 x\nC: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\nS: 250 ok"
        } else {
            "S: 220 hi\nC: EHLO client.test\nS: 250 x\nC: MAIL FROM:<a@example.org>\nS: 250 ok\nC: RCPT TO:<b@example.org>\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nclose"
        };
        let sent = Scenario::new(clear()).modes(&mode).script(script).run(|session| {
            session.run(Open::new(), &[])?;
            let envelope = Envelope::from_strs("a@example.org", &["b@example.org"])?;
            let body = Body::Stream { kind: smtp_proto::body::BodyKind::SevenBit, size: Some(declared) };
            session.send_with(&envelope, body, SendOptions::default(), &[b"x\r\n"])
        });
        match sent {
            Ok(delivery) => assert!(unknown && delivery.reply.is_positive_completion()),
            Err(SendError::NotSent { cause: Error::Misuse(_), .. }) => assert!(!unknown),
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!(Stage::EndOfData.to_string(), "the end of the message");
}
