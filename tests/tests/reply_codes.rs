//! S05: every reply code in every state, against a table written from the RFCs.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, BODY_LINES, FROM, config, hello, steps};
use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::command::{Command, DataCommand};
use smtp_proto::connection::{Connection, Protocol, Stage, TlsPolicy};
use smtp_proto::error::{Error, Misuse};
use smtp_proto::flow::{Body, Envelope, Open, SendError, SendOptions, Step, Transfer};
use smtp_proto::params::{MailParameters, RcptParameters, XClient, XClientProto};
use smtp_tests::script::{Mode, Scenario, Session, envelope};

const MAIL: &str = "C: MAIL FROM:<alice@example.org>\n";

fn to(n: usize) -> Envelope {
    let names: Vec<String> = (0..n).map(|i| format!("r{i}@example.net")).collect();
    envelope(FROM, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn rcpt(i: usize) -> String {
    format!("C: RCPT TO:<r{i}@example.net>\n")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// The command succeeded.
    Done,
    /// The server wants more.
    GoOn,
    /// Refused; the session goes on.
    Refused,
    /// Refused, and the session is over: the server may have taken the chunk for commands.
    RefusedForGood,
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
    Lhlo,
    StartTls,
    Auth,
    AuthStep,
    Mail,
    Rcpt,
    Data,
    Dot,
    /// The only verdict of an LMTP session with one recipient.
    LmtpDot,
    /// A chunk that is not the last.
    Bdat,
    BdatLast,
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

const STATES: [State; 23] = [
    State::Greeting,
    State::Ehlo,
    State::Helo,
    State::Lhlo,
    State::StartTls,
    State::Auth,
    State::AuthStep,
    State::Mail,
    State::Rcpt,
    State::Data,
    State::Dot,
    State::LmtpDot,
    State::Bdat,
    State::BdatLast,
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

/// Written from RFC 5321 §4.3.2, RFC 3030 §2, RFC 3207 §4 and RFC 4954 §4, §6; the first digit decides where they do
/// not.
fn expected(state: State, code: u16) -> Class {
    use Class::{Done, Fatal, GoOn, Refused, RefusedForGood, Unknown};
    let digit = code / 100;
    let ends_message = matches!(state, State::Dot | State::LmtpDot | State::BdatLast);
    match state {
        State::Quit => Done,
        // BDAT not known, or no mail taken at all: said without reading the chunk (Postfix, Dovecot).
        State::Bdat | State::BdatLast if matches!(code, 500 | 502 | 530) => RefusedForGood,
        _ if ends_message && digit == 2 && code != 221 => Done,
        _ if ends_message && code == 421 => Fatal,
        _ if ends_message && (digit == 4 || digit == 5) => Refused,
        _ if ends_message => Unknown,
        _ if !(2..=5).contains(&digit) || code == 421 || code == 221 => Fatal,
        State::Greeting | State::StartTls => {
            if code == 220 {
                Done
            } else {
                Fatal
            }
        }
        State::Ehlo | State::Helo | State::Lhlo => match digit {
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
        | State::Bdat
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
        State::Dot | State::LmtpDot | State::BdatLast => unreachable!("an end of the message"),
    }
}

fn before(state: State) -> String {
    let keywords = &["STARTTLS", "AUTH X", "CHUNKING", "ETRN", "XCLIENT PROTO"];
    let ready = if is_lmtp(state) { hello(keywords).replace("EHLO", "LHLO") } else { hello(keywords) };
    let mail = format!("{ready}{MAIL}S: 250 ok\n");
    let data = format!("{mail}{}S: 250 ok\nC: DATA\n", rcpt(0));
    match state {
        State::Greeting => String::new(),
        State::Ehlo => format!("{ready}C: EHLO client.test\n"),
        State::Helo => format!("{ready}C: HELO client.test\n"),
        State::Lhlo => format!("{ready}C: LHLO client.test\n"),
        State::StartTls => format!("{ready}C: STARTTLS\n"),
        State::Auth => format!("{ready}C: AUTH X\n"),
        State::AuthStep => format!("{ready}C: AUTH X\nS: 334\nC: aGk=\n"),
        State::Mail => format!("{ready}{MAIL}"),
        State::Rcpt => format!("{mail}{}", rcpt(0)),
        State::Data => data,
        State::Dot | State::LmtpDot => format!("{data}S: 354 go\n{BODY_LINES}"),
        State::Bdat | State::BdatLast => {
            let first = "C: BDAT 19\nC: Subject: hi\nC:\nC: hi\n";
            let last = if state == State::BdatLast { "S: 250 ok\nC: BDAT 0 LAST\n" } else { "" };
            format!("{mail}{}S: 250 ok\n{first}{last}", rcpt(0))
        }
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

fn is_lmtp(state: State) -> bool {
    matches!(state, State::Lhlo | State::LmtpDot)
}

/// What has to be said after the reply, for what it means to show.
fn after(state: State, class: Class) -> &'static str {
    match (state, class) {
        // DATA is queued behind an accepted RCPT to see that it may be.
        (State::Rcpt, Class::Done) => "\nC: DATA",
        (State::Bdat, Class::Done) => "C: BDAT 0 LAST\nS: 250 ok\n",
        (State::Bdat | State::BdatLast, Class::Refused) => "C: RSET\nS: 250 ok\n",
        _ => "",
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
        State::Lhlo => session.ask(Command::Lhlo(&name)),
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
        State::Dot | State::LmtpDot | State::Bdat | State::BdatLast => {
            let sent = if matches!(state, State::Bdat | State::BdatLast) {
                let body = Body::Stream { kind: BodyKind::SevenBit, size: None };
                let options = SendOptions::default().transfer(Transfer::Chunks);
                session.send_with(&to(1), body, options, &[BODY])
            } else {
                session.send(&to(1), BODY)
            };
            let broken = session.connection().failure().is_some();
            let refused = if state == State::Bdat { Stage::Bdat } else { Stage::EndOfData };
            return match sent {
                Ok(_) => Class::Done,
                Err(SendError::Rejected { stage, .. }) if stage == refused && broken => Class::RefusedForGood,
                Err(SendError::Rejected { stage, .. }) if stage == refused => Class::Refused,
                Err(SendError::NotSent { .. }) if broken => Class::Fatal,
                Err(SendError::Unknown { .. }) if broken => Class::Unknown,
                other => panic!("{other:?}"),
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
        State::Ehlo | State::Helo | State::Lhlo => connection.is_ready(),
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
    let mut cases = 0;
    for state in STATES {
        let before = before(state);
        let protocol = if is_lmtp(state) { Protocol::Lmtp } else { Protocol::Smtp };
        for code in 0..1000 {
            let after = after(state, expected(state, code));
            let script = format!("{before}S: {code:03} x\n{after}");
            let scenario = Scenario::new(config(TlsPolicy::None).protocol(protocol)).script(&script);
            let class = scenario.modes(&[Mode::Whole, Mode::Bytes]).run(|session| {
                let class = class(session, state);
                if state == State::Rcpt && class == Class::Done {
                    session.run(steps(written), &[]).unwrap();
                }
                class
            });
            assert_eq!(class, expected(state, code), "{state:?} answered {code:03}");
            cases += 1;
        }
    }
    println!("s05: {cases} cases, {} states", STATES.len());
    assert_eq!(cases, 23_000);
}

/// Waits until everything queued has left.
fn written(connection: &mut Connection) -> Result<Step<()>, Error> {
    Ok(if connection.output().is_empty() { Step::Done(()) } else { Step::Continue })
}
