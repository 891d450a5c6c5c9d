//! One message after DATA, in lock-step and in groups.

use smtp_proto::flow::RecipientPolicy;

use super::super::client::{Job, Supply};
use super::{QUIT, Transcript, any, dotted, hello, mail, ok, rcpt, rcpts};

pub(super) fn all() -> Vec<Transcript> {
    [lock_step(), pipelined()].into_iter().flatten().collect()
}

/// One message without PIPELINING; the replies to its commands in order.
fn step_by_step(rcpts: &[u16], all: bool, data: Option<(u16, Option<u16>)>) -> Transcript {
    let mut text = format!("{}{}{}", hello(&["8BITMIME"]), mail(0), ok("sender"));
    for (n, code) in rcpts.iter().enumerate() {
        text += &format!("{}S: {code} rcpt {n}\n", rcpt(n));
    }
    let name = format!("lock-step {rcpts:?} {data:?}");
    match data {
        None => text += &format!("C: RSET\n{}", ok("reset")),
        Some((code, None)) => text += &format!("C: DATA\nS: {code} no\nC: RSET\n{}", ok("reset")),
        Some((code, Some(end))) => {
            text += &format!("C: DATA\nS: {code} go\n{}S: {end} verdict\n", dotted(0));
        }
    }
    let policy = if all { RecipientPolicy::All } else { RecipientPolicy::Any };
    Transcript::new(name, &[Job::Send], &text)
        .messages(&[rcpts.len()], Supply::Whole)
        .options(|options| options.recipients(policy))
}

fn lock_step() -> Vec<Transcript> {
    let by_hand = |end: &str| {
        let text = format!(
            "{}{}{}{}{}C: DATA\nS: 354 go\n{}S: {end}\n",
            hello(&[]),
            mail(0),
            ok("sender"),
            rcpt(0),
            ok("rcpt 0"),
            dotted(0)
        );
        Transcript::new(format!("by hand, {end}"), &[Job::ByHand], &text).messages(&[1], Supply::Whole)
    };
    let mut all = vec![
        by_hand("250 queued 0"),
        by_hand("451 later"),
        step_by_step(&[250, 550, 250], false, Some((354, Some(250)))),
        step_by_step(&[250, 250, 250], true, Some((354, Some(250)))),
        step_by_step(&[250, 250], true, Some((354, Some(552)))),
    ];
    for rcpts in rcpts() {
        if any(&rcpts) {
            for end in [250, 451, 554] {
                all.push(step_by_step(&rcpts, false, Some((354, Some(end)))));
            }
            for data in [451, 554] {
                all.push(step_by_step(&rcpts, false, Some((data, None))));
            }
        } else {
            all.push(step_by_step(&rcpts, false, None));
        }
    }
    all.push(
        Transcript::new(
            "MAIL refused",
            &[Job::Send, Job::Quit],
            &format!("{}{}S: 550 not you\n{QUIT}", hello(&[]), mail(0)),
        )
        .messages(&[1], Supply::Whole),
    );
    let size = |text: &str| text.replace("m0.example>", "m0.example> SIZE=19");
    let text = format!(
        "{}{}{}{}{}C: DATA\nS: 354 go\n{}{}",
        hello(&["SIZE 1000"]),
        size(&mail(0)),
        ok("sender"),
        rcpt(0),
        ok("rcpt 0"),
        dotted(0),
        ok("queued 0")
    );
    all.push(
        Transcript::new("a stream of a declared size", &[Job::Send, Job::Quit], &format!("{text}{QUIT}"))
            .messages(&[1], Supply::Sized),
    );
    all.push(
        Transcript::new("a stream", &[Job::Send], &text.replace(" SIZE=19", ""))
            .messages(&[1], Supply::Unsized),
    );
    all
}

/// One message with PIPELINING: MAIL, RCPT and DATA in one group.
fn group(mail_code: u16, rcpts: &[u16], data: u16, end: Option<u16>) -> Transcript {
    let mut text = format!("{}{}", hello(&["PIPELINING"]), mail(0));
    (0..rcpts.len()).for_each(|n| text += &rcpt(n));
    text += &format!("C: DATA\nS: {mail_code} sender\n");
    rcpts.iter().enumerate().for_each(|(n, code)| text += &format!("S: {code} rcpt {n}\n"));
    text += &format!("S: {data} data\n");
    let wanted = mail_code == 250 && rcpts.iter().any(|code| code / 100 == 2);
    match end {
        Some(end) if wanted => text += &format!("{}S: {end} verdict\n", dotted(0)),
        // What a server holds that asks for a message whose MAIL it refused, nobody knows: RSET.
        Some(end) if mail_code != 250 => {
            text += &format!("C: .\nS: {end} verdict\nC: RSET\n{}", ok("reset"));
        }
        Some(end) => text += &format!("C: .\nS: {end} verdict\n"),
        None => text += &format!("C: RSET\n{}", ok("reset")),
    }
    Transcript::new(format!("group {mail_code} {rcpts:?} {data} {end:?}"), &[Job::Send], &text)
        .messages(&[rcpts.len()], Supply::Whole)
}

fn pipelined() -> Vec<Transcript> {
    let all_or_nothing = |rcpts: &[u16], rest: &str| {
        let mut text = format!("{}{}", hello(&["PIPELINING"]), mail(0));
        (0..rcpts.len()).for_each(|n| text += &rcpt(n));
        text += &ok("sender");
        rcpts.iter().enumerate().for_each(|(n, code)| text += &format!("S: {code} rcpt {n}\n"));
        Transcript::new(format!("all or nothing {rcpts:?}"), &[Job::Send], &(text + rest))
            .messages(&[rcpts.len()], Supply::Whole)
            .options(|options| options.recipients(RecipientPolicy::All))
    };
    let early = |split: &str| {
        // The refusal comes while the body is being said; the client stops, and the transcript with it.
        let text = format!(
            "{}{}{}C: DATA\n{}{}S: 354 go\nC| {split}\nS: 552 too big\n",
            hello(&["PIPELINING"]),
            mail(0),
            rcpt(0),
            ok("sender"),
            ok("rcpt 0")
        );
        Transcript::new(format!("an early refusal behind {split}"), &[Job::Send], &text)
            .messages(&[1], Supply::Whole)
    };
    let mut all = vec![
        group(250, &[552, 250, 251], 354, Some(250)),
        group(550, &[503], 503, None),
        group(451, &[503, 503], 354, Some(554)),
        all_or_nothing(&[250, 250], &format!("C: DATA\nS: 354 go\n{}{}", dotted(0), ok("queued 0"))),
        all_or_nothing(&[250, 450, 550], &format!("C: RSET\n{}", ok("reset"))),
        early("Subject: 0\\r\\n"),
        early("Subject: 0\\r\\n\\r\\n..hi\\r\\n."),
    ];
    for rcpts in rcpts() {
        let ends: &[u16] = if any(&rcpts) { &[250, 451, 554] } else { &[250, 554] };
        all.extend(ends.iter().map(|end| group(250, &rcpts, 354, Some(*end))));
        all.push(group(250, &rcpts, 354, Some(250)).prompt());
        let refusals: &[u16] = if any(&rcpts) { &[451, 554] } else { &[503] };
        all.extend(refusals.iter().map(|data| group(250, &rcpts, *data, None)));
    }
    all
}
