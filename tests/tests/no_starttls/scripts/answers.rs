//! The scripts of the folder `others`: one command of the opening is answered with one code, whether it fits or not.

use smtp_proto::connection::{Stage, TimeoutPhase};

use super::{EHLO, HELO_QUIT, OFFER, QUIT, Row, both, delivered, opportunistic, required, row};
use crate::application::{End, Play};

pub(super) fn rows() -> Vec<Row> {
    [ehlo(), greeting(), helo(), quit(), rset(), starttls()].into_iter().flatten().collect()
}

fn ehlo() -> Vec<Row> {
    let answered = |answer: &str| format!("{EHLO}S: {answer}");
    // Under opportunistic TLS some codes say that EHLO is not known, and HELO follows; it offers nothing.
    let fallback = |answer: &str, code: u16| {
        [
            required(&answered(answer), End::Refused(Stage::Ehlo, code)),
            opportunistic(&format!("{}\n{HELO_QUIT}", answered(answer)), End::NoLogin),
        ]
    };
    vec![
        row(
            "others/ehlo/220",
            "T11 S05",
            "EHLO answered as if it were a greeting",
            [both(&answered("220 hello"), End::NoAnswer(Stage::Ehlo, 220))],
        ),
        row(
            "others/ehlo/221",
            "T11 S05",
            "EHLO answered as if it were QUIT",
            [both(&answered("221 goodbye"), End::Closed(Stage::Ehlo, 221))],
        ),
        row(
            "others/ehlo/354",
            "T11 S05",
            "EHLO answered as if it were DATA",
            [both(&answered("354 the message, please"), End::NoAnswer(Stage::Ehlo, 354))],
        ),
        row(
            "others/ehlo/421",
            "T11 S05",
            "the server closes at EHLO",
            [both(&answered("421 shutting down"), End::Closed(Stage::Ehlo, 421))],
        ),
        row("others/ehlo/500", "T11", "EHLO is not known", fallback("500 what?", 500)),
        row(
            "others/ehlo/501",
            "T11",
            "EHLO has a wrong argument",
            [both(&answered("501 no such name"), End::Refused(Stage::Ehlo, 501))],
        ),
        row("others/ehlo/502", "T11", "EHLO is not implemented", fallback("502 not here", 502)),
        row("others/ehlo/504", "T11", "EHLO's argument is not implemented", fallback("504 not so", 504)),
        row(
            "others/ehlo/530",
            "T11",
            "STARTTLS has to come before EHLO, which alone can offer it",
            [both(&answered("530 STARTTLS first"), End::Refused(Stage::Ehlo, 530))],
        ),
        row("others/ehlo/550", "T11", "EHLO is not allowed", fallback("550 rejected", 550)),
    ]
}

fn greeting() -> Vec<Row> {
    let greeted = |answer: &str, end| [both(&format!("S: {answer}"), end)];
    let refused = |code| End::Refused(Stage::Greeting, code);
    vec![
        row(
            "others/greeting/220",
            "T12 T06",
            "the greeting that a server has to give",
            [delivered("220 mail.example ready", "221 bye")],
        ),
        row(
            "others/greeting/221",
            "T12 S05",
            "a goodbye for a greeting",
            greeted("221 closing", End::Closed(Stage::Greeting, 221)),
        ),
        row(
            "others/greeting/354",
            "T12 S05",
            "a greeting that asks for the message",
            greeted("354 go on, end with a dot", End::NoAnswer(Stage::Greeting, 354)),
        ),
        row(
            "others/greeting/421",
            "T12 S05",
            "the server closes at once",
            greeted("421 shutting down", End::Closed(Stage::Greeting, 421)),
        ),
        row(
            "others/greeting/500",
            "T12",
            "a syntax error for a greeting",
            greeted("500 what?", refused(500)),
        ),
        row(
            "others/greeting/501",
            "T12",
            "a wrong argument for a greeting",
            greeted("501 no such name", refused(501)),
        ),
        row(
            "others/greeting/530",
            "T12",
            "a greeting that demands STARTTLS",
            greeted("530 STARTTLS first", refused(530)),
        ),
        row("others/greeting/554", "T12", "no mail here", greeted("554 no service", refused(554))),
    ]
}

/// EHLO is not known, and HELO gets this answer. Where TLS is required HELO is not said; where it is said, it is the
/// refusal of EHLO that is told.
fn helo() -> Vec<Row> {
    let plays = |answer: &str, end| {
        let before = format!("{EHLO}S: 500 EHLO?");
        [
            required(&before, End::Refused(Stage::Ehlo, 500)),
            opportunistic(&format!("{before}\nC: HELO client.test\nS: {answer}"), end),
        ]
    };
    let no_answer = |code| End::NoAnswer(Stage::Helo, code);
    let closed = |code| End::Closed(Stage::Helo, code);
    let first = End::Refused(Stage::Ehlo, 500);
    let script = |script, situation, plays| row(script, "T11 S05", situation, plays);
    vec![
        script(
            "others/helo/ehlo500_helo220",
            "HELO answered as if it were a greeting",
            plays("220 hello", no_answer(220)),
        ),
        script(
            "others/helo/ehlo500_helo221",
            "HELO answered as if it were QUIT",
            plays("221 goodbye", closed(221)),
        ),
        script(
            "others/helo/ehlo500_helo354",
            "HELO answered as if it were DATA",
            plays("354 go on", no_answer(354)),
        ),
        script(
            "others/helo/ehlo500_helo421",
            "the server closes at HELO",
            plays("421 shutting down", closed(421)),
        ),
        script("others/helo/ehlo500_helo500", "HELO is not known either", plays("500 HELO?", first)),
        script("others/helo/ehlo500_helo501", "HELO has a wrong argument", plays("501 no such name", first)),
        script(
            "others/helo/ehlo500_helo530",
            "STARTTLS has to come before HELO",
            plays("530 STARTTLS first", first),
        ),
    ]
}

/// The greeting is 500, and QUIT gets this answer. This client says no QUIT to a server that has not greeted it; what
/// the answer means where it is asked for is shown behind a message that was delivered.
fn quit() -> Vec<Row> {
    let script = |script, situation, farewell: &str| {
        let plays = [
            both("S: 500 what?", End::Refused(Stage::Greeting, 500)),
            delivered("220 mail.example", farewell),
        ];
        row(script, "T12 P20", situation, plays)
    };
    vec![
        script("others/quit/greeting500_quit220", "QUIT answered as if it were a greeting", "220 and now?"),
        script("others/quit/greeting500_quit221", "QUIT answered as it should be", "221 closing"),
        script("others/quit/greeting500_quit354", "QUIT answered as if it were DATA", "354 go on"),
        script(
            "others/quit/greeting500_quit421",
            "QUIT answered with a goodbye of the server's own",
            "421 down",
        ),
        script("others/quit/greeting500_quit500", "QUIT is not known", "500 what?"),
        script("others/quit/greeting500_quit501", "QUIT has a wrong argument", "501 no"),
        script("others/quit/greeting500_quit530", "STARTTLS has to come before QUIT", "530 STARTTLS first"),
    ]
}

/// EHLO is not known, and RSET gets this answer, from an application that says it after all.
fn rset() -> Vec<Row> {
    let script = |script, situation, answer: &str, end| {
        let before = format!("{EHLO}S: 500 EHLO?");
        let after = if end == End::Done { QUIT } else { "" };
        let in_clear =
            format!("{before}\nC: HELO client.test\nS: 250 mail.example\nC: RSET\nS: {answer}\n{after}");
        let plays: [Play; 2] = [
            required(&before, End::Refused(Stage::Ehlo, 500)),
            opportunistic(&in_clear, End::NoLogin).reset(end),
        ];
        row(script, "T11 S05 S20", situation, plays)
    };
    let refused = |code| End::Refused(Stage::Rset, code);
    let closed = |code| End::Closed(Stage::Rset, code);
    vec![
        script(
            "others/rset/ehlo500_rset220",
            "RSET answered as if it were a greeting: 2yz",
            "220 hello",
            End::Done,
        ),
        script("others/rset/ehlo500_rset221", "RSET answered as if it were QUIT", "221 goodbye", closed(221)),
        script(
            "others/rset/ehlo500_rset354",
            "RSET answered as if it were DATA",
            "354 go on",
            End::NoAnswer(Stage::Rset, 354),
        ),
        script("others/rset/ehlo500_rset421", "the server closes at RSET", "421 shutting down", closed(421)),
        script("others/rset/ehlo500_rset500", "RSET is not known", "500 RSET?", refused(500)),
        script("others/rset/ehlo500_rset501", "RSET has a wrong argument", "501 no", refused(501)),
        script(
            "others/rset/ehlo500_rset530",
            "STARTTLS has to come before RSET",
            "530 STARTTLS first",
            refused(530),
        ),
    ]
}

fn starttls() -> Vec<Row> {
    let answered = |answer: &str, end| [both(&format!("{EHLO}{OFFER}S: {answer}"), end)];
    let refused = |code| End::Refused(Stage::StartTls, code);
    let closed = |code| End::Closed(Stage::StartTls, code);
    vec![
        row(
            "others/starttls/220",
            "T15",
            "STARTTLS accepted, and then no TLS comes",
            answered("220 begin\npause", End::Silence(TimeoutPhase::TlsHandshake)),
        ),
        row(
            "others/starttls/221",
            "T10",
            "STARTTLS answered as if it were QUIT",
            answered("221 goodbye", closed(221)),
        ),
        row(
            "others/starttls/354",
            "T10",
            "STARTTLS answered as if it were DATA, from a server that has TLS",
            answered("354 end with a dot", End::NoAnswer(Stage::StartTls, 354)),
        ),
        row(
            "others/starttls/421",
            "T10",
            "the server closes at STARTTLS",
            answered("421 shutting down", closed(421)),
        ),
        row(
            "others/starttls/454",
            "T10",
            "TLS is not available for now",
            answered("454 later", refused(454)),
        ),
        row("others/starttls/500", "T10", "STARTTLS is not known", answered("500 what?", refused(500))),
        row("others/starttls/501", "T10", "STARTTLS has a wrong argument", answered("501 no", refused(501))),
        row(
            "others/starttls/530",
            "T10",
            "STARTTLS has to come before STARTTLS",
            answered("530 STARTTLS first", refused(530)),
        ),
    ]
}
