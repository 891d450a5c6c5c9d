//! LMTP: one verdict for each recipient (RFC 2033 §4.2).

use smtp_proto::connection::{Config, Protocol};
use smtp_proto::flow::RecipientPolicy;

use super::super::client::{Job, Supply};
use super::{Transcript, any, chunk, dotted, hello, mail, ok, patterns, rcpt};

pub(super) fn all() -> Vec<Transcript> {
    let hello = |keywords: &[&str]| hello(keywords).replace("EHLO", "LHLO");
    let protocol = |config: Config| config.protocol(Protocol::Lmtp);
    let group = |codes: &[u16], ends: &[u16]| {
        let mut text = format!("{}{}", hello(&["PIPELINING"]), mail(0));
        (0..codes.len()).for_each(|n| text += &rcpt(n));
        text += &format!("C: DATA\n{}", ok("sender"));
        codes.iter().enumerate().for_each(|(n, code)| text += &format!("S: {code} rcpt {n}\n"));
        text += &format!("S: 354 go\n{}", dotted(0));
        ends.iter().enumerate().for_each(|(n, code)| text += &format!("S: {code} end {n}\n\n"));
        Transcript::new(format!("LMTP {codes:?} {ends:?}"), &[Job::Send], &text)
            .messages(&[codes.len()], Supply::Whole)
            .config(protocol)
    };
    let by_hand = |ends: &[u16]| {
        let mut text = format!("{}{}{}", hello(&[]), mail(0), ok("sender"));
        (0..2).for_each(|n| text += &format!("{}{}", rcpt(n), ok("rcpt")));
        text += &format!("C: DATA\nS: 354 go\n{}", dotted(0));
        ends.iter().enumerate().for_each(|(n, code)| text += &format!("S: {code} end {n}\n"));
        // This caller gives up at the first recipient refused.
        Transcript::new(format!("LMTP by hand {ends:?}"), &[Job::ByHand], &text)
            .messages(&[2], Supply::Whole)
            .options(|options| options.recipients(RecipientPolicy::All))
            .config(protocol)
    };
    let mut all = vec![
        group(&[250, 250, 250], &[250, 250, 250]),
        group(&[250, 250, 250], &[250, 452, 554]),
        group(&[250, 550, 250], &[450, 250]),
        group(&[250, 450, 550], &[554]),
        by_hand(&[250, 250]),
        by_hand(&[554, 250]),
        Transcript::new(
            "LMTP in a chunk",
            &[Job::Send],
            &format!(
                "{}{}{}{}{}{}{}{}{}{}",
                hello(&["PIPELINING", "CHUNKING"]),
                mail(0),
                rcpt(0),
                rcpt(1),
                ok("sender"),
                ok("rcpt 0"),
                ok("rcpt 1"),
                chunk(0),
                ok("end 0"),
                ok("end 1")
            ),
        )
        .messages(&[2], Supply::Whole)
        .chunks()
        .config(protocol),
    ];
    // One after the other: how often a server answers the last chunk behind one that it refused, no RFC says.
    let in_chunks = |ends: &[u16]| {
        let mut text = format!("{}{}{}", hello(&["CHUNKING"]), mail(0), ok("sender"));
        (0..2).for_each(|n| text += &format!("{}{}", rcpt(n), ok("rcpt")));
        text += &format!("C: BDAT 14\nC: Subject: 0\nC:\n{}C: BDAT 5 LAST\nC: .hi\n", ok("14"));
        ends.iter().enumerate().for_each(|(n, code)| text += &format!("S: {code} end {n}\n"));
        if !any(ends) {
            text += &format!("C: RSET\n{}", ok("reset"));
        }
        Transcript::new(format!("LMTP in chunks {ends:?}"), &[Job::Send], &text)
            .messages(&[2], Supply::Sized)
            .chunks()
            .config(protocol)
    };
    all.extend([in_chunks(&[250, 250]), in_chunks(&[450, 250]), in_chunks(&[554, 452])]);
    for codes in patterns(1).chain(patterns(2)) {
        let accepted = codes.iter().filter(|code| **code == 250).count();
        if accepted > 0 {
            all.extend(patterns(accepted as u32).map(|ends| group(&codes, &ends)));
        }
    }
    all
}
