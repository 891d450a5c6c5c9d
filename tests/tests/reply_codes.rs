//! S05: every reply code in every state, against a table written from the RFCs.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, BODY_LINES, FROM, clear, hello, steps};
use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::connection::Stage;
use smtp_proto::error::Misuse;
use smtp_proto::flow::{Envelope, Open, SendError, Step};
use smtp_proto::params::{MailParameters, RcptParameters, XClient, XClientProto};
use smtp_tests::script::{Mode, Session, envelope};

const MAIL: &str = "C: MAIL FROM:<alice@example.org>\n";

fn to(n: usize) -> Envelope {
    let names: Vec<String> = (0..n).map(|i| format!("r{i}@example.net")).collect();
    envelope(FROM, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn rcpt(i: usize) -> String {
    format!("C: RCPT TO:<r{i}@example.net>\n")
}

/// Opens a session and sends one message to `n` recipients.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The command succeeded.
    Done,
    /// The server wants more.
    GoOn,
    /// Refused; the session goes on.
    Refused,
    /// The session is over.
    Fatal,
    /// Of a message whose end has left: no verdict came. The session is over.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Auth,
    AuthStep,
    Mail,
    Rcpt,
    Data,
    Dot,
    Rset,
    Noop,
    Vrfy,
    Expn,
    Help,
    Etrn,
    XClient,
    Custom,
    Quit,
}

const STATES: [State; 19] = [
    State::Greeting,
    State::Ehlo,
    State::Helo,
    State::StartTls,
    State::Auth,
    State::AuthStep,
    State::Mail,
    State::Rcpt,
    State::Data,
    State::Dot,
    State::Rset,
    State::Noop,
    State::Vrfy,
    State::Expn,
    State::Help,
    State::Etrn,
    State::XClient,
    State::Custom,
    State::Quit,
];

/// Written from RFC 5321 §4.3.2, RFC 3207 §4 and RFC 4954 §4, §6; the first digit decides where they do not.
fn expected(state: State, code: u16) -> Class {
    use Class::{Done, Fatal, GoOn, Refused, Unknown};
    let digit = code / 100;
    match state {
        State::Quit => Done,
        State::Dot if digit == 2 && code != 221 => Done,
        State::Dot if code == 421 => Fatal,
        State::Dot if digit == 4 || digit == 5 => Refused,
        State::Dot => Unknown,
        _ if !(2..=5).contains(&digit) || code == 421 || code == 221 => Fatal,
        State::Greeting | State::StartTls => {
            if code == 220 {
                Done
            } else {
                Fatal
            }
        }
        State::Ehlo | State::Helo => match digit {
            4 | 5 => Refused,
            _ if code == 250 => Done,
            _ => Fatal,
        },
        State::Auth | State::AuthStep => match (code, digit) {
            (235, _) => Done,
            (334, _) => GoOn,
            (_, 4 | 5) => Refused,
            _ => Fatal,
        },
        State::Data => match (code, digit) {
            (354, _) => GoOn,
            (_, 4 | 5) => Refused,
            _ => Fatal,
        },
        // A RSET that is refused leaves a state that nobody knows (S20).
        State::Rset => {
            if digit == 2 {
                Done
            } else {
                Fatal
            }
        }
        State::Custom if digit == 3 => GoOn,
        // Postfix's XCLIENT_README: the server greets anew.
        State::XClient => match digit {
            4 | 5 => Refused,
            _ if code == 220 => Done,
            _ => Fatal,
        },
        State::Mail
        | State::Rcpt
        | State::Noop
        | State::Vrfy
        | State::Expn
        | State::Help
        | State::Etrn
        | State::Custom => match digit {
            2 => Done,
            3 => Fatal,
            _ => Refused,
        },
    }
}

fn before(state: State) -> String {
    let ready = hello(&["STARTTLS", "AUTH X", "ETRN", "XCLIENT PROTO"]);
    let mail = format!("{ready}{MAIL}S: 250 ok\n");
    let data = format!("{mail}{}S: 250 ok\nC: DATA\n", rcpt(0));
    match state {
        State::Greeting => String::new(),
        State::Ehlo => format!("{ready}C: EHLO client.test\n"),
        State::Helo => format!("{ready}C: HELO client.test\n"),
        State::StartTls => format!("{ready}C: STARTTLS\n"),
        State::Auth => format!("{ready}C: AUTH X\n"),
        State::AuthStep => format!("{ready}C: AUTH X\nS: 334\nC: aGk=\n"),
        State::Mail => format!("{ready}{MAIL}"),
        State::Rcpt => format!("{mail}{}", rcpt(0)),
        State::Data => data,
        State::Dot => format!("{data}S: 354 go\n{BODY_LINES}"),
        State::Rset => format!("{ready}C: RSET\n"),
        State::Noop => format!("{ready}C: NOOP\n"),
        State::Vrfy => format!("{ready}C: VRFY a\n"),
        State::Expn => format!("{ready}C: EXPN a\n"),
        State::Help => format!("{ready}C: HELP\n"),
        State::Etrn => format!("{ready}C: ETRN a\n"),
        State::XClient => format!("{ready}C: XCLIENT PROTO=ESMTP\n"),
        State::Custom => format!("{ready}C: XFOO\n"),
        State::Quit => format!("{ready}C: QUIT\n"),
    }
}

fn class(session: &mut Session, state: State) -> Class {
    if state == State::Greeting {
        let result = session.run(Open::greeting(), &[]);
        return if result.is_ok() { Class::Done } else { Class::Fatal };
    }
    session.open().unwrap();
    let name = "client.test".parse().unwrap();
    let from = FROM.parse().unwrap();
    let path = "r0@example.net".parse().unwrap();
    let mail = Command::Mail(&from, &MailParameters::new());
    let rcpt = Command::Rcpt(&path, &RcptParameters::new());
    let data = DataCommand { rules: BodyRules::new(BodyKind::SevenBit), size: None };
    let auth = smtp_proto::command::AuthCommand { mechanism: "X", initial_response: None };
    let result = match state {
        State::Ehlo => session.ask(Command::Ehlo(&name)),
        State::Helo => session.ask(Command::Helo(&name)),
        State::StartTls => session.ask(Command::StartTls),
        State::Auth => session.ask(Command::Auth(auth)),
        State::AuthStep => {
            assert_eq!(session.ask(Command::Auth(auth)).unwrap().code().get(), 334);
            let mut waiting = None;
            session.run(
                steps(|connection| {
                    let id = match waiting {
                        Some(id) => id,
                        None => *waiting.insert(connection.auth_respond(b"hi")?),
                    };
                    Ok(match connection.poll_event()? {
                        Some(smtp_proto::connection::Event::Reply { id: answered, reply, .. }) => {
                            assert_eq!(answered, id);
                            Step::Done(reply)
                        }
                        _ => Step::Continue,
                    })
                }),
                &[],
            )
        }
        State::Mail => session.ask(mail),
        State::Rcpt | State::Data => {
            session.ask(mail).unwrap();
            let rcpt = session.ask(rcpt);
            if state == State::Rcpt { rcpt } else { session.ask(Command::Data(data)) }
        }
        State::Dot => {
            return match session.send(&to(1), BODY) {
                Ok(_) => Class::Done,
                Err(SendError::Rejected { stage: Stage::EndOfData, .. }) => Class::Refused,
                Err(SendError::NotSent { .. }) => Class::Fatal,
                Err(SendError::Unknown { .. }) => Class::Unknown,
                Err(other) => panic!("{other:?}"),
            };
        }
        State::Rset => session.command(Command::Rset),
        State::Noop => session.ask(Command::Noop),
        State::Vrfy => session.ask(Command::Vrfy("a")),
        State::Expn => session.ask(Command::Expn("a")),
        State::Help => session.ask(Command::Help("")),
        State::Etrn => session.ask(Command::Etrn("a")),
        State::XClient => session.ask(Command::XClient(&XClient::new().proto(XClientProto::Esmtp))),
        State::Custom => session.ask(Command::Custom("XFOO")),
        State::Quit => {
            session.quit().unwrap();
            assert!(session.connection().is_closed());
            return Class::Done;
        }
        State::Greeting => unreachable!(),
    };
    let connection = session.connection();
    let reply = match result {
        Err(error) => {
            assert!(connection.failure().is_some(), "{error:?}");
            return Class::Fatal;
        }
        Ok(reply) => reply,
    };
    assert!(connection.failure().is_none());
    // What the connection made of it, not what the code looks like.
    let effect = match state {
        State::Ehlo | State::Helo => connection.is_ready(),
        State::XClient => !connection.is_ready() && connection.capabilities().is_empty(),
        State::StartTls => connection.tls_upgrade().is_some(),
        State::Auth | State::AuthStep => connection.is_authenticated(),
        State::Mail => connection.in_transaction(),
        State::Rcpt => connection.command(Command::Data(data)) != Err(Misuse::NoRecipient.into()),
        State::Data => connection.wants_body(),
        _ => reply.is_positive_completion(),
    };
    match (effect, reply.is_positive_intermediate()) {
        (true, _) if state == State::Data => Class::GoOn,
        (true, _) => Class::Done,
        (false, true) => Class::GoOn,
        (false, false) => Class::Refused,
    }
}

#[test]
fn s05_every_code_in_every_state() {
    for state in STATES {
        let before = before(state);
        for code in 0..1000 {
            // DATA is queued behind an accepted RCPT to see that it may be.
            let after =
                if state == State::Rcpt && expected(state, code) == Class::Done { "\nC: DATA" } else { "" };
            let script = format!("{before}S: {code:03} x\n{after}");
            let class = clear(&script).modes(&[Mode::Whole, Mode::Bytes]).run(|session| {
                let class = class(session, state);
                if !after.is_empty() {
                    session
                        .run(
                            steps(|c| {
                                Ok(if c.output().is_empty() { Step::Done(()) } else { Step::Continue })
                            }),
                            &[],
                        )
                        .unwrap();
                }
                class
            });
            assert_eq!(class, expected(state, code), "{state:?} answered {code:03}");
        }
    }
}
