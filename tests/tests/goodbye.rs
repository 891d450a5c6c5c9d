//! S04: 421, with which a server may end the session whatever it was asked (RFC 5321 §3.8, §4.2.3): in answer to every
//! command, alone and at every place of a group. It is the answer to that command and the last word of the session;
//! what it means for each message is written in the tables.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, FROM, clear, config, hello, hello_tls, secure};
use smtp_proto::body::BodyKind;
use smtp_proto::command::Command;
use smtp_proto::connection::{Protocol, Stage, TlsPolicy};
use smtp_proto::error::Error;
use smtp_proto::flow::{Body, Delivery, SendError, SendOptions, Transfer};
use smtp_proto::params::{XClient, XClientProto};
use smtp_proto::sasl::{CramMd5, Login, Plain};
use smtp_tests::script::{Scenario, Session, envelope};

/// Ways to say it, and what the transport does then.
const GOODBYES: [&str; 5] = [
    "S: 421 bye\n",
    "S: 421\n",
    "S: 421 4.3.2 going down\nclose\n",
    "S: 421-going\nS: 421 down\nreset\n",
    "S: 421 bye\nS: 250 ok\n",
];

fn said_421(error: &Error, stage: Stage) -> bool {
    matches!(error, Error::ServerClosed { stage: Some(to), reply } if *to == stage && reply.code().get() == 421)
}

// ---- one command at a time ----

type Ask = fn(&mut Session) -> Result<(), Error>;

fn open(session: &mut Session) -> Result<(), Error> {
    session.open()
}

fn then(session: &mut Session, command: Command<'_>) -> Result<(), Error> {
    session.open().unwrap();
    session.ask(command).map(drop)
}

/// What is said before the 421, and to which command it is the answer.
fn commands() -> Vec<(Stage, Scenario, String, Ask)> {
    let lmtp = Scenario::new(config(TlsPolicy::None).protocol(Protocol::Lmtp));
    let plain = || clear("").local();
    let user = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGlt\n";
    let cram = "C: AUTH CRAM-MD5\nS: 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n\
                C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\n";
    let log_in: Ask = |session| {
        session.open().unwrap();
        session.auth(&mut Login::new("tim", "tanstaaf", "mail.example")).map(drop)
    };
    let initial: Ask = |session| {
        session.open().unwrap();
        session.auth(&mut Plain::new("", "tim", "tanstaaf", "mail.example")).map(drop)
    };
    let digest: Ask = |session| {
        session.open().unwrap();
        session.auth(&mut CramMd5::new("tim", "tanstaaftanstaaf")).map(drop)
    };
    let after = |keywords: &[&str], line: &str| format!("{}{line}", hello(keywords));
    vec![
        (Stage::Greeting, clear(""), String::new(), open),
        (Stage::Greeting, secure(""), String::new(), open),
        (Stage::Ehlo, clear(""), "S: 220 hi\nC: EHLO client.test\n".into(), open),
        (Stage::Ehlo, secure(""), "S: 220 hi\nC: EHLO client.test\n".into(), open),
        (
            Stage::Helo,
            clear(""),
            "S: 220 hi\nC: EHLO client.test\nS: 502 what\nC: HELO client.test\n".into(),
            open,
        ),
        (Stage::Lhlo, lmtp, "S: 220 hi\nC: LHLO client.test\n".into(), open),
        (Stage::StartTls, secure(""), after(&["STARTTLS"], "C: STARTTLS\n"), open),
        (
            Stage::Ehlo,
            secure(""),
            format!("{}C: STARTTLS\nS: 220 go\ntls\nC: EHLO client.test\n", hello(&["STARTTLS"])),
            open,
        ),
        (Stage::Auth, plain(), after(&["AUTH PLAIN"], "C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\n"), initial),
        (
            Stage::Auth,
            secure(""),
            format!("{}C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\n", hello_tls(&["AUTH PLAIN"])),
            initial,
        ),
        (Stage::Auth, plain(), after(&["AUTH LOGIN"], "C: AUTH LOGIN\n"), log_in),
        (Stage::Auth, plain(), after(&["AUTH LOGIN"], user), log_in),
        (
            Stage::Auth,
            plain(),
            after(&["AUTH LOGIN"], &format!("{user}S: 334 UGFzc3dvcmQ6\nC: dGFuc3RhYWY=\n")),
            log_in,
        ),
        (Stage::Auth, plain(), after(&["AUTH CRAM-MD5"], cram), digest),
        // The exchange was broken off, and this is said to the `*`.
        (Stage::Auth, plain(), after(&["AUTH CRAM-MD5"], "C: AUTH CRAM-MD5\nS: 334 !\nC: *\n"), digest),
        (Stage::Rset, clear(""), after(&[], "C: RSET\n"), |session| {
            session.open().unwrap();
            session.command(Command::Rset).map(drop)
        }),
        (Stage::Noop, clear(""), after(&[], "C: NOOP\n"), |session| then(session, Command::Noop)),
        (Stage::Vrfy, clear(""), after(&[], "C: VRFY a\n"), |session| then(session, Command::Vrfy("a"))),
        (Stage::Expn, clear(""), after(&[], "C: EXPN a\n"), |session| then(session, Command::Expn("a"))),
        (Stage::Help, clear(""), after(&[], "C: HELP\n"), |session| then(session, Command::Help(""))),
        (Stage::Etrn, clear(""), after(&["ETRN"], "C: ETRN a\n"), |session| {
            then(session, Command::Etrn("a"))
        }),
        (Stage::XClient, clear(""), after(&["XCLIENT PROTO"], "C: XCLIENT PROTO=ESMTP\n"), |session| {
            then(session, Command::XClient(&XClient::new().proto(XClientProto::Esmtp)))
        }),
        (Stage::Ehlo, clear(""), format!("{}C: EHLO client.test\n", hello(&[])), |session| {
            then(session, Command::Ehlo(&"client.test".parse().unwrap()))
        }),
        (Stage::Custom, clear(""), after(&[], "C: XFOO\n"), |session| then(session, Command::Custom("XFOO"))),
    ]
}

#[test]
fn s04_421_to_every_command() {
    let mut cases = 0;
    for (stage, scenario, before, ask) in commands() {
        for goodbye in GOODBYES {
            let script = format!("{before}{goodbye}");
            let error = scenario.clone().script(&script).run(|session| ask(session).unwrap_err());
            assert!(said_421(&error, stage), "{script}{error:?}");
            assert!(error.is_transient() && error.is_fatal());
            cases += 1;
        }
    }
    println!("s04, one command at a time: {cases} cases");
    assert_eq!(cases, 24 * GOODBYES.len());
}

#[test]
fn s04_421_to_quit_is_an_end_like_any_other() {
    for goodbye in &GOODBYES[..2] {
        clear(&format!("{}C: QUIT\n{goodbye}", hello(&[]))).run(|session| {
            session.open().unwrap();
            assert_eq!(session.quit(), Ok(()));
            assert!(session.connection().is_closed());
        });
    }
}

// ---- messages ----

/// What a message is told when the session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Accepted,
    Rejected,
    NotSent,
    /// It had left whole, and the server did not say of *it* that it does not have it.
    Unknown,
}

use Told::{Accepted, NotSent, Rejected, Unknown};

/// A command, the reply that is hoped for, and what each message is told if 421 comes in its place.
type Row<const N: usize> = (Stage, &'static str, &'static str, [Told; N]);

const MAIL: &str = "C: MAIL FROM:<alice@example.org>\n";
const RCPT: [&str; 3] =
    ["C: RCPT TO:<r0@b.example>\n", "C: RCPT TO:<r1@b.example>\n", "C: RCPT TO:<r2@b.example>\n"];
const DATA: &str = "C: DATA\n";
const DOT: &str = "C: Subject: hi\nC:\nC: hi\nC: .\n";
const CHUNK: &str = "C: BDAT 19 LAST\nC: Subject: hi\nC:\nC: hi\n";
const FIRST: &str = "C: BDAT 15\nC: Subject: hi\nC:\n";
const LAST: &str = "C: BDAT 4 LAST\nC: hi\n";
const RSET: &str = "C: RSET\n";
const OK: &str = "S: 250 ok\n";
const GO: &str = "S: 354 go\n";

/// How the messages of a table are sent.
#[derive(Debug, Clone, Copy, Default)]
struct How {
    keywords: &'static [&'static str],
    recipients: usize,
    options: SendOptions,
    /// In two pieces, the size declared.
    pieces: bool,
    lmtp: bool,
    quit: bool,
}

fn send<const N: usize>(session: &mut Session, how: How) -> Vec<Result<Delivery, SendError>> {
    session.open().unwrap();
    let to: Vec<String> = (0..how.recipients).map(|n| format!("r{n}@b.example")).collect();
    let to = envelope(FROM, &to.iter().map(String::as_str).collect::<Vec<_>>());
    if how.pieces {
        let body = Body::Stream { kind: BodyKind::SevenBit, size: Some(BODY.len() as u64) };
        return vec![session.send_with(&to, body, how.options, &[&BODY[..15], &BODY[15..]])];
    }
    let messages: Vec<_> = (0..N).map(|_| (to.clone(), BODY)).collect();
    session.send_all(&messages, how.options, how.quit)
}

/// Runs each row of a table with 421 as its reply. A group is what leaves in one go.
fn check<const N: usize>(how: How, groups: &[&[Row<N>]]) -> usize {
    let mut cases = 0;
    for (number, group) in groups.iter().enumerate() {
        for (at, (stage, _, _, expected)) in group.iter().enumerate() {
            for goodbye in if *stage == Stage::Quit { &GOODBYES[..2] } else { &GOODBYES } {
                let mut script =
                    if how.lmtp { hello(how.keywords).replace("EHLO", "LHLO") } else { hello(how.keywords) };
                for before in &groups[..number] {
                    before.iter().for_each(|(_, said, ..)| script += said);
                    before.iter().for_each(|(_, _, hoped, _)| script += hoped);
                }
                group.iter().for_each(|(_, said, ..)| script += said);
                group[..at].iter().for_each(|(_, _, hoped, _)| script += hoped);
                script += goodbye;
                one(how, &script, *stage, expected);
                cases += 1;
            }
        }
    }
    cases
}

fn one<const N: usize>(how: How, script: &str, stage: Stage, expected: &[Told; N]) {
    let config = config(TlsPolicy::None);
    let config = if how.lmtp { config.protocol(Protocol::Lmtp) } else { config };
    let outcomes = Scenario::new(config).script(script).run(|session| {
        let outcomes = send::<N>(session, how);
        let connection = session.connection();
        if stage == Stage::Quit {
            assert!(connection.is_closed() && connection.failure().is_none(), "{script}");
        } else {
            assert!(said_421(connection.failure().unwrap(), stage), "{script}{:?}", connection.failure());
        }
        assert!(connection.may_have_been_delivered() || !expected.contains(&Unknown), "{script}");
        outcomes
    });
    let told = outcomes.iter().map(|outcome| match outcome {
        Ok(_) => Accepted,
        Err(SendError::Rejected { .. }) => Rejected,
        Err(SendError::NotSent { .. }) => NotSent,
        Err(SendError::Unknown { .. }) => Unknown,
    });
    assert_eq!(told.collect::<Vec<_>>(), expected, "{script}");
    for error in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()) {
        assert_eq!(error.is_safe_to_retry(), !matches!(error, SendError::Unknown { .. }));
        assert!(error.cause().is_none_or(|cause| said_421(cause, stage)), "{script}{error:?}");
        assert!(error.cause().is_none() || error.is_transient());
    }
}

const CHUNKING: &[&str] = &["PIPELINING", "CHUNKING"];

fn in_chunks() -> SendOptions {
    SendOptions::default().transfer(Transfer::Chunks)
}

#[test]
fn s04_421_to_every_command_of_a_message() {
    let data =
        How { recipients: 3, options: SendOptions::default().transfer(Transfer::Data), ..How::default() };
    let mut cases = check(
        data,
        &[
            &[(Stage::Mail, MAIL, OK, [NotSent])],
            &[(Stage::Rcpt, RCPT[0], OK, [NotSent])],
            &[(Stage::Rcpt, RCPT[1], "S: 550 who\n", [NotSent])],
            &[(Stage::Rcpt, RCPT[2], OK, [NotSent])],
            &[(Stage::Data, DATA, GO, [NotSent])],
            &[(Stage::EndOfData, DOT, OK, [NotSent])],
        ],
    );
    // In one group.
    let group = How { keywords: &["PIPELINING"], ..data };
    cases += check(
        group,
        &[
            &[
                (Stage::Mail, MAIL, OK, [NotSent]),
                (Stage::Rcpt, RCPT[0], OK, [NotSent]),
                (Stage::Rcpt, RCPT[1], "S: 550 who\n", [NotSent]),
                (Stage::Rcpt, RCPT[2], OK, [NotSent]),
                (Stage::Data, DATA, GO, [NotSent]),
            ],
            &[(Stage::EndOfData, DOT, OK, [NotSent])],
        ],
    );
    // What was refused before stays refused.
    cases += check(
        group,
        &[
            &[
                (Stage::Mail, MAIL, OK, [NotSent]),
                (Stage::Rcpt, RCPT[0], "S: 550 who\n", [NotSent]),
                (Stage::Rcpt, RCPT[1], "S: 450 later\n", [NotSent]),
                (Stage::Rcpt, RCPT[2], "S: 550 who\n", [NotSent]),
                (Stage::Data, DATA, "S: 503 no\n", [Rejected]),
            ],
            &[(Stage::Rset, RSET, OK, [Rejected])],
        ],
    );
    cases += check(
        group,
        &[
            &[
                (Stage::Mail, MAIL, "S: 550 no\n", [NotSent]),
                (Stage::Rcpt, RCPT[0], "S: 503 no\n", [Rejected]),
                (Stage::Rcpt, RCPT[1], "S: 503 no\n", [Rejected]),
                (Stage::Rcpt, RCPT[2], "S: 503 no\n", [Rejected]),
                (Stage::Data, DATA, GO, [Rejected]),
            ],
            // A lone dot.
            &[(Stage::EndOfData, "C: .\n", "S: 554 no\n", [Rejected])],
        ],
    );
    let all = How { options: SendOptions::all_or_nothing().transfer(Transfer::Data), ..group };
    cases += check(
        all,
        &[
            &[
                (Stage::Mail, MAIL, OK, [NotSent]),
                (Stage::Rcpt, RCPT[0], OK, [NotSent]),
                (Stage::Rcpt, RCPT[1], "S: 550 who\n", [NotSent]),
                (Stage::Rcpt, RCPT[2], OK, [Rejected]),
            ],
            &[(Stage::Rset, RSET, OK, [Rejected])],
        ],
    );
    println!("s04, messages after DATA: {cases} cases");
    assert_eq!(cases, (6 + 6 + 6 + 6 + 5) * GOODBYES.len());
}

#[test]
fn s04_421_to_every_chunk() {
    let lock_step =
        How { keywords: &["CHUNKING"], recipients: 1, options: in_chunks(), pieces: true, ..How::default() };
    let mut cases = check(
        lock_step,
        &[
            &[(Stage::Mail, MAIL, OK, [NotSent])],
            &[(Stage::Rcpt, RCPT[0], OK, [NotSent])],
            &[(Stage::Bdat, FIRST, OK, [NotSent])],
            &[(Stage::EndOfData, LAST, OK, [NotSent])],
        ],
    );
    // Everything leaves at once. MAIL opened no transaction, so the chunks had none; of RCPT and the first chunk that
    // is only likely.
    cases += check(
        How { keywords: CHUNKING, ..lock_step },
        &[&[
            (Stage::Mail, MAIL, OK, [NotSent]),
            (Stage::Rcpt, RCPT[0], OK, [Unknown]),
            (Stage::Bdat, FIRST, OK, [Unknown]),
            (Stage::EndOfData, LAST, OK, [NotSent]),
        ]],
    );
    cases += check(
        How { keywords: CHUNKING, recipients: 2, pieces: false, ..lock_step },
        &[
            &[
                (Stage::Mail, MAIL, OK, [NotSent]),
                (Stage::Rcpt, RCPT[0], "S: 550 who\n", [Unknown]),
                (Stage::Rcpt, RCPT[1], "S: 550 who\n", [Unknown]),
                (Stage::EndOfData, CHUNK, "S: 554 no\n", [Rejected]),
            ],
            &[(Stage::Rset, RSET, OK, [Rejected])],
        ],
    );
    println!("s04, messages in chunks: {cases} cases");
    assert_eq!(cases, (4 + 4 + 5) * GOODBYES.len());
}

#[test]
fn s04_421_at_every_place_of_a_batch() {
    let data = How {
        keywords: &["PIPELINING"],
        recipients: 1,
        options: SendOptions::default().transfer(Transfer::Data),
        quit: true,
        ..How::default()
    };
    let mut cases = check(
        data,
        &[
            &[
                (Stage::Mail, MAIL, OK, [NotSent, NotSent, NotSent]),
                (Stage::Rcpt, RCPT[0], OK, [NotSent, NotSent, NotSent]),
                (Stage::Data, DATA, GO, [NotSent, NotSent, NotSent]),
            ],
            &[
                (Stage::EndOfData, DOT, OK, [NotSent, NotSent, NotSent]),
                (Stage::Mail, MAIL, OK, [Accepted, NotSent, NotSent]),
                (Stage::Rcpt, RCPT[0], OK, [Accepted, NotSent, NotSent]),
                (Stage::Data, DATA, GO, [Accepted, NotSent, NotSent]),
            ],
            &[
                (Stage::EndOfData, DOT, "S: 554 no\n", [Accepted, NotSent, NotSent]),
                (Stage::Mail, MAIL, OK, [Accepted, Rejected, NotSent]),
                (Stage::Rcpt, RCPT[0], OK, [Accepted, Rejected, NotSent]),
                (Stage::Data, DATA, GO, [Accepted, Rejected, NotSent]),
            ],
            &[
                (Stage::EndOfData, DOT, OK, [Accepted, Rejected, NotSent]),
                (Stage::Quit, "C: QUIT\n", "", [Accepted, Rejected, Accepted]),
            ],
        ],
    );
    let chunks = How { keywords: CHUNKING, options: in_chunks(), ..data };
    cases += check(
        chunks,
        &[&[
            (Stage::Mail, MAIL, OK, [NotSent, Unknown, Unknown]),
            (Stage::Rcpt, RCPT[0], OK, [Unknown, Unknown, Unknown]),
            (Stage::EndOfData, CHUNK, OK, [NotSent, Unknown, Unknown]),
            (Stage::Rset, RSET, OK, [Accepted, Unknown, Unknown]),
            (Stage::Mail, MAIL, OK, [Accepted, NotSent, Unknown]),
            (Stage::Rcpt, RCPT[0], OK, [Accepted, Unknown, Unknown]),
            (Stage::EndOfData, CHUNK, "S: 554 no\n", [Accepted, NotSent, Unknown]),
            (Stage::Rset, RSET, OK, [Accepted, Rejected, Unknown]),
            (Stage::Mail, MAIL, OK, [Accepted, Rejected, NotSent]),
            (Stage::Rcpt, RCPT[0], OK, [Accepted, Rejected, Unknown]),
            (Stage::EndOfData, CHUNK, OK, [Accepted, Rejected, NotSent]),
            (Stage::Quit, "C: QUIT\n", "", [Accepted, Rejected, Accepted]),
        ]],
    );
    println!("s04, batches: {cases} cases");
    assert_eq!(cases, (12 + 11) * GOODBYES.len() + 2 * 2);
}

/// RFC 2033 §4.2: it is the verdict on one recipient, and nothing is known of those behind it.
#[test]
fn s04_421_to_every_verdict_of_lmtp() {
    let how = How {
        keywords: &["PIPELINING"],
        recipients: 2,
        options: SendOptions::default().transfer(Transfer::Data),
        lmtp: true,
        ..How::default()
    };
    let group: &[Row<1>] = &[
        (Stage::Mail, MAIL, OK, [NotSent]),
        (Stage::Rcpt, RCPT[0], OK, [NotSent]),
        (Stage::Rcpt, RCPT[1], OK, [NotSent]),
        (Stage::Data, DATA, GO, [NotSent]),
    ];
    let mut cases = 0;
    for (first, last) in [(OK, Accepted), ("S: 452 full\n", NotSent)] {
        let ends: &[Row<1>] =
            &[(Stage::EndOfData, DOT, first, [Unknown]), (Stage::EndOfData, "", OK, [last])];
        cases += check(how, &[group, ends]);
    }
    println!("s04, LMTP: {cases} cases");
    assert_eq!(cases, 2 * 6 * GOODBYES.len());
}
