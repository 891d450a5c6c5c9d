//! Three messages on one connection, one behind the other.

use super::super::client::{Job, Supply};
use super::{QUIT, Transcript, chunk, dotted, hello, mail, ok, rcpt};

pub(super) fn all() -> Vec<Transcript> {
    let data = |codes: [u16; 3], quit: bool| {
        let mut text = format!("{}{}{}C: DATA\n", hello(&["PIPELINING"]), mail(0), rcpt(0));
        for (k, code) in codes.into_iter().enumerate() {
            // What the last dot was answered comes together with the next group's replies.
            let before = if k == 0 { String::new() } else { format!("S: {} end {}\n", codes[k - 1], k - 1) };
            text += &format!("{before}{}{}S: 354 go {k}\n{}", ok("sender"), ok("rcpt"), dotted(k));
            if k < 2 {
                text += &format!("{}{}C: DATA\n", mail(k + 1), rcpt(0));
            } else if quit {
                text += "C: QUIT\n";
            }
            if k == 2 {
                text += &format!("S: {code} end 2\n");
            }
        }
        text += if quit { "S: 221 bye\n" } else { "" };
        Transcript::new(format!("batch {codes:?}"), &[Job::SendAll { quit }], &text)
            .messages(&[1, 1, 1], Supply::Whole)
    };
    let guarded = |codes: [u16; 3], quit: bool| {
        let one = |k: usize| format!("{}{}{}", mail(k), rcpt(0), chunk(k));
        let mut text =
            format!("{}{}C: RSET\n{}C: RSET\n{}", hello(&["PIPELINING", "CHUNKING"]), one(0), one(1), one(2));
        if quit {
            text += "C: QUIT\n";
        }
        for (k, code) in codes.into_iter().enumerate() {
            let guard = if k == 0 { String::new() } else { ok("reset") };
            text += &format!("{guard}{}{}S: {code} end {k}\n", ok("sender"), ok("rcpt"));
        }
        text += if quit { "S: 221 bye\n" } else { "" };
        Transcript::new(format!("guarded batch {codes:?}"), &[Job::SendAll { quit }], &text)
            .messages(&[1, 1, 1], Supply::Whole)
            .chunks()
            .config(|config| config.eager_chunks(true))
    };
    let lock_step = {
        let mut text = hello(&[]);
        for k in 0..3 {
            text += &format!("{}{}{}{}C: DATA\n", mail(k), ok("sender"), rcpt(0), ok("rcpt"));
            text += &format!("S: 354 go\n{}{}", dotted(k), ok("end"));
        }
        Transcript::new("lock-step batch", &[Job::SendAll { quit: true }], &format!("{text}{QUIT}"))
            .messages(&[1, 1, 1], Supply::Whole)
    };
    let mut all = vec![lock_step];
    for number in 0..8 {
        let codes = |refusal: u16| [0, 1, 2].map(|k| if number >> k & 1 == 0 { 250 } else { refusal });
        all.push(data(codes(451), number % 2 == 0));
        all.push(guarded(codes(554), true));
    }
    all
}
