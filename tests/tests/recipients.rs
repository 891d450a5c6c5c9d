//! S10: recipients by DATA by end of data by policy, against a model written from RFC 5321 and RFC 2920.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, BODY_LINES, FROM, clear, hello};
use smtp_proto::body::BodyKind;
use smtp_proto::capabilities::Limit;
use smtp_proto::connection::Stage;
use smtp_proto::error::{Error, Misuse};
use smtp_proto::flow::{
    Body, Envelope, RecipientPolicy, RecipientState, SendError, SendOptions, Transfer, queue_id,
};
use smtp_tests::script::{Mode, envelope};

const MAIL: &str = "C: MAIL FROM:<alice@example.org>\n";

fn to(n: usize) -> Envelope {
    let names: Vec<String> = (0..n).map(|i| format!("r{i}@example.net")).collect();
    envelope(FROM, &names.iter().map(String::as_str).collect::<Vec<_>>())
}

fn rcpt(i: usize) -> String {
    format!("C: RCPT TO:<r{i}@example.net>\n")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Code(u16),
    Close,
    Timeout,
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Accepted,
    Rejected(Stage, u16),
    NotSent,
    Unknown,
}

/// What the RFCs say that happens: the transcript, the outcome, and which recipients got a reply.
fn model(rcpts: &[u16], data: End, dot: End, all: bool, pipelining: bool) -> (String, Outcome, usize) {
    let good = |code: &u16| *code / 100 == 2;
    let said = |end: End| match end {
        End::Code(code) => format!("S: {code} x\n"),
        End::Close => "close\n".into(),
        End::Timeout => "pause\n".into(),
    };
    let mut script = MAIL.to_owned();
    // DATA goes with the group unless a refusal could call the message off: a recipient cannot be taken back.
    let with_data = pipelining && (!all || rcpts.len() == 1);
    let mut asked = rcpts.len();
    if pipelining {
        (0..rcpts.len()).for_each(|i| script += &rcpt(i));
        if with_data {
            script += "C: DATA\n";
        }
        script += "S: 250 ok\n";
        rcpts.iter().for_each(|code| script += &format!("S: {code} x\n"));
    } else {
        script += "S: 250 ok\n";
        for (i, code) in rcpts.iter().enumerate() {
            script += &format!("{}S: {code} x\n", rcpt(i));
            if all && !good(code) {
                asked = i + 1;
                break;
            }
        }
    }
    let go = if all { rcpts.iter().all(good) } else { rcpts.iter().any(good) };
    let refusals = || rcpts[..asked].iter().copied().filter(|code| !good(code));
    let transient = |code: &u16| code / 100 == 4 || *code == 552;
    let refused = refusals().find(transient).or_else(|| refusals().next());
    let undone = "C: RSET\nS: 250 ok\n";
    if !go && !with_data {
        return (script + undone, Outcome::Rejected(Stage::Rcpt, refused.unwrap()), asked);
    }
    if !with_data {
        script += "C: DATA\n";
    }
    script += &said(data);
    if go {
        let outcome = match data {
            End::Code(354) => {
                script += BODY_LINES;
                script += &said(dot);
                match dot {
                    End::Code(421) => Outcome::NotSent,
                    End::Code(code) if good(&code) => Outcome::Accepted,
                    End::Code(code) => Outcome::Rejected(Stage::EndOfData, code),
                    End::Close | End::Timeout => Outcome::Unknown,
                }
            }
            End::Code(421) | End::Close | End::Timeout => Outcome::NotSent,
            End::Code(code) => {
                script += undone;
                Outcome::Rejected(Stage::Data, code)
            }
        };
        return (script, outcome, asked);
    }
    let ends = |end: End| !matches!(end, End::Code(code) if code != 421);
    let mut over = ends(data);
    if data == End::Code(354) {
        script += "C: .\n";
        script += &said(dot);
        // The dot ends the transaction, whatever the server says to it.
        over = true;
    }
    if !over {
        script += undone;
    }
    (script, Outcome::Rejected(Stage::Rcpt, refused.unwrap()), asked)
}

#[test]
fn s10_recipients_by_data_by_end_of_data_by_policy() {
    let data_outcomes = [End::Code(354), End::Code(451), End::Code(554), End::Code(421), End::Close];
    let dot_outcomes =
        [End::Code(250), End::Code(451), End::Code(554), End::Code(421), End::Close, End::Timeout];
    let mut cases = 0;
    for n in 1..=8_usize {
        for pattern in 0..3_usize.pow(n as u32) {
            let rcpts: Vec<u16> = (0..n)
                .map(|i| match pattern / 3_usize.pow(i as u32) % 3 {
                    0 => [250, 251, 252][i % 3],
                    1 => [450, 452][i % 2],
                    _ => [550, 552][i % 2],
                })
                .collect();
            for data in data_outcomes {
                for dot in if data == End::Code(354) { &dot_outcomes[..] } else { &dot_outcomes[..1] } {
                    for all in [false, true] {
                        for pipelining in [false, true] {
                            check_s10(&rcpts, data, *dot, all, pipelining);
                            cases += 1;
                        }
                    }
                }
            }
        }
    }
    println!("s10: {cases} cases");
    assert_eq!(cases, (1..=8).map(|n| 3_usize.pow(n)).sum::<usize>() * 10 * 4);
}

fn check_s10(rcpts: &[u16], data: End, dot: End, all: bool, pipelining: bool) {
    let (script, expected, asked) = model(rcpts, data, dot, all, pipelining);
    let first = hello(if pipelining { &["PIPELINING"] } else { &[] });
    let envelope = to(rcpts.len());
    let options = if all { SendOptions::all_or_nothing() } else { SendOptions::default() };
    let modes = if rcpts.len() < 4 { &[Mode::Whole, Mode::Bytes][..] } else { &[Mode::Whole] };
    let result = clear(&format!("{first}{script}")).modes(modes).run(|session| {
        session.open().unwrap();
        session.send_with(&envelope, Body::Whole(BODY), options, &[BODY])
    });
    let outcome = match &result {
        Ok(_) => Outcome::Accepted,
        Err(SendError::Rejected { stage, reply, .. }) => Outcome::Rejected(*stage, reply.code().get()),
        Err(SendError::NotSent { .. }) => Outcome::NotSent,
        Err(SendError::Unknown { .. }) => Outcome::Unknown,
    };
    assert_eq!(outcome, expected, "{rcpts:?} {script}");
    let recipients = match &result {
        Ok(delivery) => &delivery.recipients[..],
        Err(error) => error.recipients(),
    };
    let codes: Vec<_> = recipients.iter().map(|r| r.reply.as_ref().map(|reply| reply.code().get())).collect();
    let told = rcpts.iter().enumerate().map(|(i, code)| (i < asked).then_some(*code));
    assert_eq!(codes, told.collect::<Vec<_>>(), "{script}");
    let states = rcpts.iter().enumerate().map(|(i, code)| match expected {
        _ if i < asked && code / 100 != 2 => RecipientState::Refused,
        Outcome::Accepted => RecipientState::Accepted,
        Outcome::Rejected(Stage::Rcpt, _) | Outcome::NotSent => RecipientState::NotSent,
        Outcome::Rejected(..) => RecipientState::Refused,
        Outcome::Unknown => RecipientState::Unknown,
    });
    assert!(recipients.iter().map(|recipient| recipient.state).eq(states), "{recipients:?} {script}");
    for (recipient, code) in recipients.iter().zip(rcpts).take(asked) {
        assert_eq!(recipient.is_accepted(), code / 100 == 2);
        assert_eq!(recipient.is_transient(), code / 100 == 4 || *code == 552);
        assert_eq!(recipient.is_permanent(), code / 100 == 5 && *code != 552);
    }
    if let Err(error) = &result {
        assert_eq!(error.is_safe_to_retry(), expected != Outcome::Unknown);
        if let Outcome::Rejected(Stage::Rcpt, _) = expected {
            let any = rcpts[..asked].iter().any(|code| code / 100 == 4 || *code == 552);
            assert_eq!((error.is_transient(), error.is_permanent()), (any, !any));
        }
    }
}

#[test]
fn s10_the_policies_are_two() {
    assert_eq!(SendOptions::default().recipients, RecipientPolicy::Any);
    assert_eq!(SendOptions::all_or_nothing().recipients, RecipientPolicy::All);
}

/// RFC 9422: more recipients than the server takes at a time are refused before anything is sent, or split on request.
#[test]
fn an_envelope_larger_than_rcptmax_is_split_on_request_only() {
    let keywords = &["PIPELINING", "LIMITS RCPTMAX=2"];
    let mail = |recipients: &[usize]| {
        let rcpts: String = recipients.iter().map(|&i| rcpt(i)).collect();
        format!("C: MAIL FROM:<alice@example.org>\n{rcpts}C: DATA\n")
    };
    let ok = |n: usize| "S: 250 ok\n".repeat(n);
    let script = format!(
        "{}{}{}S: 354 go\n{BODY_LINES}{}S: 250 queued as A\n{}S: 354 go\n{BODY_LINES}S: 250 queued as B\n",
        hello(keywords),
        mail(&[0, 1]),
        ok(3),
        mail(&[2]),
        ok(2),
    );
    let split = SendOptions::default().split(true).transfer(Transfer::Data);
    let delivery = clear(&script)
        .run(|session| {
            session.open().unwrap();
            session.send_with(&to(3), Body::Whole(BODY), split, &[BODY])
        })
        .unwrap();
    assert_eq!(delivery.queue_id(), Some("A"));
    let ids = delivery.recipients.iter().map(|outcome| queue_id(outcome.verdict.as_ref().unwrap()));
    assert_eq!(ids.collect::<Vec<_>>(), [Some("A"), Some("A"), Some("B")]);

    let refused = |body: Body<'_>, options: SendOptions| {
        clear(&hello(keywords)).run(|session| {
            session.open().unwrap();
            match session.send_with(&to(3), body, options, &[]) {
                Err(SendError::NotSent { cause, .. }) => cause,
                other => panic!("{other:?}"),
            }
        })
    };
    let whole = Body::Whole(BODY);
    let stream = Body::Stream { kind: BodyKind::SevenBit, size: None };
    let limit = Error::LimitReached { limit: Limit::RcptMax, max: 2 };
    assert_eq!(refused(whole, SendOptions::default()), limit);
    assert_eq!(refused(whole, SendOptions::all_or_nothing().split(true)), Misuse::SplitAllOrNothing.into());
    assert_eq!(refused(stream, split), Misuse::SplitStream.into());
}

/// A server that declares more than it takes, or nonsense: its word is no reason to lose anybody.
#[test]
fn a_server_that_lies_about_its_limits_is_told_from_a_full_mailbox() {
    for limits in ["LIMITS RCPTMAX=100", "LIMITS RCPTMAX=0 MAILMAX=many RCPTDOMAINMAX", "LIMITS"] {
        let script = format!(
            "{}{MAIL}{}{}{}C: DATA\nS: 250 ok\nS: 250 ok\nS: 452 4.5.3 too many\nS: 452 4.2.2 full\nS: 354 go\n\
             {BODY_LINES}S: 250 queued as A\n",
            hello(&["PIPELINING", limits]),
            rcpt(0),
            rcpt(1),
            rcpt(2),
        );
        let delivery = clear(&script)
            .run(|session| {
                session.open().unwrap();
                session.send(&to(3), BODY)
            })
            .unwrap();
        let told: Vec<_> =
            delivery.recipients.iter().map(|one| (one.is_accepted(), one.is_one_too_many())).collect();
        assert_eq!(told, [(true, false), (false, true), (false, false)]);
        assert!(delivery.recipients[1].is_transient() && delivery.recipients[2].is_transient());
    }
}
