//! Batches against a simulated server that knows what it took. What each message's outcome has to be is written
//! down here from RFC 5321, RFC 2920 and RFC 3030 alone, and every sequence of replies with up to two surprises
//! is tried, and many with more.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;
mod model;

use common::config;
use model::{Ends, Server};
use smtp_proto::body::BodyKind;
use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy, Window};
use smtp_proto::flow::{
    Batch, Body, Delivery, Envelope, Flow, Open, RecipientPolicy, RecipientState, SendError, SendOptions,
    Step, Transfer,
};

const MESSAGES: usize = 3;

/// What is the same for all sequences of replies.
#[derive(Debug, Clone, Copy)]
struct Setting {
    keywords: &'static str,
    transfer: Transfer,
    policy: RecipientPolicy,
    recipients: usize,
    /// Known whole, or else in two pieces: with its size declared, or not.
    body: Supply,
    /// Replies are heard between two writes, or only when nothing is left to write.
    prompt: bool,
    /// DATA is answered with 354 though nobody was accepted (RFC 2920 §3.1).
    lenient: bool,
    /// With a window so small that hardly anything is in flight at once.
    tight: bool,
}

impl Setting {
    /// Where both are possible they take turns.
    fn options(&self, message: usize) -> SendOptions {
        let transfer = match self.transfer {
            Transfer::Automatic if message % 2 == 0 => Transfer::Chunks,
            Transfer::Automatic => Transfer::Data,
            transfer => transfer,
        };
        SendOptions::default().transfer(transfer).recipients(self.policy)
    }

    fn config(&self) -> Config {
        let mut window = Window::default();
        if self.tight {
            (window.commands, window.octets, window.chunks, window.chunk_octets) = (2, 50, 1, 2);
        }
        config(TlsPolicy::None).window(window)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Supply {
    Whole,
    Sized,
    Unsized,
}

type Outcome = Result<Delivery, SendError>;

fn pieces(setting: &Setting, message: usize) -> Vec<Vec<u8>> {
    match setting.body {
        Supply::Whole => vec![format!("{message}\r\n").into_bytes()],
        Supply::Sized | Supply::Unsized => vec![format!("{message}").into_bytes(), b"\r\n".to_vec()],
    }
}

fn envelope(setting: &Setting, message: usize) -> Envelope {
    let to: Vec<String> = (0..setting.recipients).map(|n| format!("r{n}@m{message}.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    Envelope::from_strs(&format!("from@m{message}.example"), &to).unwrap()
}

/// Sends the batch to the server. The octets of a write count as left when the server's transport took them, which
/// it does even after it closed.
fn send(setting: &Setting, server: &mut Server) -> Vec<Outcome> {
    let mut connection = Connection::new(setting.config(), Peer::Remote);
    connection.receive(b"220 hi\r\n");
    let mut open = Open::new();
    let _ = open.poll(&mut connection).unwrap();
    connection.advance_output(connection.output().len()).unwrap();
    connection.receive(format!("250-hi\r\n{}250 HELP\r\n", setting.keywords).as_bytes());
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));

    let mut batch = Batch::new();
    let mut pushed = 0;
    let mut supplied = [0; MESSAGES];
    for round in 0.. {
        assert!(round < 1000, "no end: {server:?}");
        while batch.wants_message() {
            if pushed == MESSAGES {
                batch.finish();
                break;
            }
            let all = pieces(setting, pushed).concat();
            let body = match setting.body {
                Supply::Whole => Body::Whole(&all),
                Supply::Sized => Body::Stream { kind: BodyKind::SevenBit, size: Some(all.len() as u64) },
                Supply::Unsized => Body::Stream { kind: BodyKind::SevenBit, size: None },
            };
            batch.push(envelope(setting, pushed), body, setting.options(pushed));
            pushed += 1;
        }
        match batch.poll(&mut connection) {
            Ok(Step::SupplyBody { message }) => {
                let (all, first) = (pieces(setting, message).concat(), pieces(setting, message)[0].len());
                let at = supplied[message];
                // To the end of the piece, or as far as the connection takes it.
                let piece = if at < first { &all[at..first] } else { &all[at..] };
                match piece {
                    [_, ..] => {
                        let part = connection.body(piece).unwrap();
                        server.hear(&part.slices().collect::<Vec<_>>().concat());
                        connection.advance_output(part.len()).unwrap();
                        supplied[message] += part.consumed();
                    }
                    [] => drop(connection.finish_body().unwrap()),
                }
            }
            Ok(Step::Continue) if !connection.output().is_empty() => {
                server.hear(connection.output());
                connection.advance_output(connection.output().len()).unwrap();
            }
            Ok(Step::Continue) if batch.wants_message() => continue,
            Ok(Step::Continue) => match server.speak() {
                Some(reply) => connection.receive(&reply),
                None if server.closed => connection.receive_eof(),
                None => panic!("both wait: {server:?}"),
            },
            Ok(Step::Done(())) | Err(_) => break,
            Ok(step) => panic!("{step:?}"),
        }
        if setting.prompt {
            while let Some(reply) = server.speak() {
                connection.receive(&reply);
            }
        }
    }
    while pushed < MESSAGES {
        batch.push(envelope(setting, pushed), Body::Whole(b"x\r\n"), setting.options(pushed));
        pushed += 1;
    }
    std::iter::from_fn(|| batch.next_outcome()).collect()
}

/// What the outcome of a message has to be, from what its server said and did.
fn expected(setting: &Setting, server: &Server, message: usize) -> &'static str {
    let told = &server.told[message];
    let refused = |code: &Option<u16>| code.is_some_and(|code| code >= 400 && code != 421);
    let refusals = told.rcpt.iter().filter(|code| refused(code)).count();
    let unwanted = match setting.policy {
        RecipientPolicy::All => refusals > 0,
        _ => refusals == setting.recipients,
    };
    if refused(&told.mail) {
        "rejected MAIL"
    } else if unwanted {
        "rejected RCPT"
    } else if refused(&told.data) {
        "rejected DATA"
    } else if refused(&told.chunk) {
        "rejected BDAT"
    } else {
        match told.end {
            Some(250) => "accepted",
            Some(421) => "not sent",
            Some(_) => "rejected EndOfData",
            // A 421 to MAIL is a refusal of all that came behind it.
            None if told.left && told.mail != Some(421) => "unknown",
            None => "not sent",
        }
    }
}

fn word(outcome: &Outcome) -> &'static str {
    use smtp_proto::connection::Stage;
    match outcome {
        Ok(_) => "accepted",
        Err(SendError::Rejected { stage: Stage::Mail, .. }) => "rejected MAIL",
        Err(SendError::Rejected { stage: Stage::Rcpt, .. }) => "rejected RCPT",
        Err(SendError::Rejected { stage: Stage::Data, .. }) => "rejected DATA",
        Err(SendError::Rejected { stage: Stage::Bdat, .. }) => "rejected BDAT",
        Err(SendError::Rejected { .. }) => "rejected EndOfData",
        Err(SendError::NotSent { .. }) => "not sent",
        Err(SendError::Unknown { .. }) => "unknown",
    }
}

fn check(setting: &Setting, server: &mut Server) {
    let outcomes = send(setting, server);
    let words: Vec<_> = outcomes.iter().map(word).collect();
    let expected: Vec<_> = (0..MESSAGES).map(|message| expected(setting, server, message)).collect();
    assert_eq!(words, expected, "{setting:?}\n{server:#?}");
    assert_eq!(server.faults, Vec::<String>::new(), "{setting:?}\n{server:#?}");
    for (message, outcome) in outcomes.iter().enumerate() {
        let taken: Vec<_> = server.deliveries.iter().filter(|d| d.message == message).collect();
        assert!(taken.len() <= 1, "{server:#?}");
        let Some(taken) = taken.first() else {
            assert!(outcome.is_err(), "{server:#?}");
            continue;
        };
        // INV7: what the server took is never told as not taken.
        assert!(matches!(outcome, Ok(_) | Err(SendError::Unknown { .. })), "{outcome:?}\n{server:#?}");
        let recipients = match outcome {
            Ok(delivery) => &delivery.recipients[..],
            Err(error) => error.recipients(),
        };
        assert_eq!(recipients.len(), setting.recipients);
        for (n, recipient) in recipients.iter().enumerate() {
            let got = taken.recipients.contains(&format!("r{n}@m{message}.example"));
            let may = match recipient.state {
                RecipientState::Accepted => got,
                RecipientState::Unknown => outcome.is_err(),
                RecipientState::Refused | RecipientState::NotSent => !got,
            };
            assert!(may, "recipient {n} of message {message}: {recipient:?}\n{server:#?}");
        }
        if setting.policy == RecipientPolicy::All {
            assert_eq!(taken.recipients.len(), setting.recipients, "{server:#?}");
        }
    }
}

/// Every sequence of replies with at most `surprises` that are not what the client hopes for.
fn explore(setting: &Setting, plan: &mut Vec<(usize, usize)>, surprises: usize) -> usize {
    let mut server = Server::planned(plan.clone(), setting.lenient);
    check(setting, &mut server);
    let mut runs = 1;
    if surprises > 0 {
        let from = plan.last().map_or(0, |&(at, _)| at + 1);
        for (at, &options) in server.options.iter().enumerate().skip(from) {
            for option in 1..options {
                plan.push((at, option));
                runs += explore(setting, plan, surprises - 1);
                plan.pop();
            }
        }
    }
    runs
}

fn settings() -> Vec<Setting> {
    const NONE: &str = "";
    const PIPELINING: &str = "250-PIPELINING\r\n";
    const CHUNKING: &str = "250-CHUNKING\r\n";
    const BOTH: &str = "250-PIPELINING\r\n250-CHUNKING\r\n";
    let mut all = Vec::new();
    for (keywords, transfer, tight) in [
        (NONE, Transfer::Data, false),
        (PIPELINING, Transfer::Data, false),
        (PIPELINING, Transfer::Data, true),
        (CHUNKING, Transfer::Chunks, false),
        (BOTH, Transfer::Chunks, false),
        (BOTH, Transfer::Chunks, true),
        (BOTH, Transfer::Automatic, false),
    ] {
        for policy in [RecipientPolicy::Any, RecipientPolicy::All] {
            for recipients in [1, 2] {
                for body in [Supply::Whole, Supply::Sized, Supply::Unsized] {
                    for prompt in [false, true] {
                        let lenient = prompt == (recipients == 2);
                        all.push(Setting {
                            keywords,
                            transfer,
                            policy,
                            recipients,
                            body,
                            prompt,
                            lenient,
                            tight,
                        });
                    }
                }
            }
        }
    }
    all
}

#[test]
fn every_sequence_of_replies_with_up_to_two_surprises() {
    let mut runs = 0;
    for setting in settings() {
        // What is supplied how makes no difference to a dot.
        let deep = setting.transfer != Transfer::Data || setting.body == Supply::Whole;
        runs += explore(&setting, &mut Vec::new(), if deep { 2 } else { 1 });
    }
    assert!(runs > 50_000, "{runs}");
}

#[test]
fn sequences_full_of_surprises() {
    for (n, setting) in settings().iter().enumerate() {
        for seed in 0..400 {
            check(setting, &mut Server::random(seed + 1000 * n as u64, setting.lenient));
        }
    }
}

#[test]
fn the_model_itself() {
    let mut server = Server::planned(vec![(3, Ends::TakenThenClosed as usize)], false);
    let setting = settings()[0];
    let outcomes = send(&setting, &mut server);
    assert_eq!(word(&outcomes[0]), "unknown");
    assert_eq!(server.deliveries.len(), 1);
}
