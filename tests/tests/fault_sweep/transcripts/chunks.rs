//! One message in chunks (RFC 3030).

use smtp_proto::connection::Config;

use super::super::client::{Job, Supply};
use super::{Transcript, any, chunk, hello, mail, ok, rcpt, rcpts};

pub(super) fn all() -> Vec<Transcript> {
    let both = hello(&["PIPELINING", "CHUNKING"]);
    let alone = hello(&["CHUNKING"]);
    let first = format!("{}{}", mail(0), rcpt(0));
    let accepted = format!("{}{}", ok("sender"), ok("rcpt 0"));
    let new = |name: &str, text: String| {
        Transcript::new(name, &[Job::Send], &text).messages(&[1], Supply::Whole).chunks()
    };
    let eager = |config: Config| config.eager_chunks(true);
    let pieces = "C: BDAT 14\nC: Subject: 0\nC:\nC: BDAT 5 LAST\nC: .hi\n";
    let mut all = vec![
        new("a chunk", format!("{both}{first}{accepted}{}{}", chunk(0), ok("queued 0"))),
        new("an eager chunk", format!("{both}{first}{}{accepted}{}", chunk(0), ok("queued 0"))).config(eager),
        new(
            "an eager chunk from nobody",
            format!("{both}{first}{}S: 550 no\nS: 503 no\nS: 503 no\nC: RSET\n{}", chunk(0), ok("r")),
        )
        .config(eager),
        new(
            "chunks in lock-step",
            format!(
                "{alone}{}{}{}{}C: BDAT 14\nC: Subject: 0\nC:\n{}C: BDAT 5 LAST\nC: .hi\n{}",
                mail(0),
                ok("sender"),
                rcpt(0),
                ok("rcpt 0"),
                ok("14"),
                ok("queued 0")
            ),
        )
        .messages(&[1], Supply::Sized),
        new("chunks", format!("{both}{first}{accepted}{pieces}{}{}", ok("14"), ok("queued 0")))
            .messages(&[1], Supply::Sized),
        new(
            "chunks, the first refused",
            format!("{both}{first}{accepted}{pieces}S: 554 no\nS: 503 no\nC: RSET\n{}", ok("r")),
        )
        .messages(&[1], Supply::Sized),
        new(
            "chunks of a stream",
            format!(
                "{both}{first}{accepted}C: BDAT 14\nC: Subject: 0\nC:\nC: BDAT 5\nC: .hi\nC: BDAT 0 LAST\n{}{}{}",
                ok("14"),
                ok("5"),
                ok("queued 0")
            ),
        )
        .messages(&[1], Supply::Unsized),
        new(
            "eager chunks to two",
            format!("{both}{first}{}{pieces}{accepted}S: 550 who\n{}{}", rcpt(1), ok("14"), ok("queued 0")),
        )
        .messages(&[2], Supply::Sized)
        .config(eager),
        new(
            "an early refusal of a chunk",
            format!("{both}{first}{accepted}C| BDAT 19 LAST\\r\\nSubject\nS: 552 too big\n"),
        ),
    ];
    for rcpts in rcpts() {
        let ends: &[u16] = if any(&rcpts) { &[250, 451, 554] } else { &[554] };
        for &end in ends {
            all.extend([false, true].map(|eager| group(&rcpts, eager, &[end])));
            all.push(group(&rcpts, true, &[end]).prompt());
        }
        let ends: &[[u16; 2]] =
            if any(&rcpts) { &[[250, 250], [250, 554], [554, 503]] } else { &[[503, 503]] };
        all.extend(ends.iter().map(|ends| group(&rcpts, true, ends)));
    }
    all
}

/// One message in as many chunks as there are codes, behind MAIL and RCPT; `eager`: without waiting for their replies.
fn group(rcpts: &[u16], eager: bool, ends: &[u16]) -> Transcript {
    let supply = if ends.len() == 1 { Supply::Whole } else { Supply::Sized };
    let body = match supply {
        Supply::Whole => chunk(0),
        Supply::Sized | Supply::Unsized => {
            String::from("C: BDAT 14\nC: Subject: 0\nC:\nC: BDAT 5 LAST\nC: .hi\n")
        }
    };
    let mut text = format!("{}{}", hello(&["PIPELINING", "CHUNKING"]), mail(0));
    (0..rcpts.len()).for_each(|n| text += &rcpt(n));
    let mut replies = ok("sender");
    rcpts.iter().enumerate().for_each(|(n, code)| replies += &format!("S: {code} rcpt {n}\n"));
    let verdicts: String =
        ends.iter().enumerate().map(|(n, code)| format!("S: {code} chunk {n}\n")).collect();
    let sent = eager || any(rcpts);
    text += &match (eager, sent) {
        (true, _) => format!("{body}{replies}{verdicts}"),
        (false, true) => format!("{replies}{body}{verdicts}"),
        (false, false) => replies,
    };
    if !any(rcpts) || ends.last() != Some(&250) {
        text += &format!("C: RSET\n{}", ok("reset"));
    }
    Transcript::new(format!("chunks {rcpts:?} {ends:?}, eager: {eager}"), &[Job::Send], &text)
        .messages(&[rcpts.len()], supply)
        .chunks()
        .config(|config| config.eager_chunks(eager))
}
