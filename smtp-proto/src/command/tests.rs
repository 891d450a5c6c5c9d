//! Each limit to the octet, and what is said of a line that breaks one.

#![allow(clippy::unwrap_used)]

use alloc::format;
use alloc::string::{String, ToString};

use super::*;

fn line(command: Command<'_>) -> Result<Vec<u8>, CommandError> {
    let mut out = b"before\r\n".to_vec();
    let result = command.encode(&mut out);
    let line = out.split_off(8);
    assert_eq!(out, b"before\r\n");
    result.map(|()| line)
}

/// As long as allowed, and an octet longer; `of` makes a line of so many octets, CRLF included.
#[track_caller]
fn check_limit<'a>(limit: usize, mut of: impl FnMut(usize) -> Command<'a>) {
    for len in [limit - 1, limit] {
        let written = line(of(len)).unwrap();
        assert!(written.len() == len && written.ends_with(b"\r\n"), "{} for {len}", written.len());
        assert_eq!(of(len).check(&mut Vec::new()), Ok(()));
    }
    let error = CommandError::TooLong { len: limit + 1, limit };
    assert_eq!(line(of(limit + 1)), Err(error.clone()));
    assert_eq!(of(limit + 1).check(&mut b"scratch".to_vec()), Err(error));
}

#[test]
fn i10_every_command_has_the_limit_of_its_line() {
    let text: String = "A".repeat(3000);
    check_limit(512, |len| Command::Vrfy(&text[..len - "VRFY \r\n".len()]));
    check_limit(512, |len| Command::Help(&text[..len - "HELP \r\n".len()]));
    check_limit(512, |len| Command::Custom(&text[..len - "\r\n".len()]));

    let path = "a@example.org".parse().unwrap();
    let of = |len: usize| {
        let value = "v".repeat(len - "MAIL FROM:<a@example.org> X=\r\n".len());
        MailParameters::new().raw("X", Some(&value)).unwrap()
    };
    let mails = [2047, 2048, 2049].map(of);
    check_limit(2048, |len| Command::Mail(&path, &mails[len - 2047]));

    let path = "a@example.org".parse().unwrap();
    let of = |len: usize| {
        let value = "v".repeat(len - "RCPT TO:<a@example.org> X=\r\n".len());
        RcptParameters::new().raw("X", Some(&value)).unwrap()
    };
    let rcpts = [2047, 2048, 2049].map(of);
    check_limit(2048, |len| Command::Rcpt(&path, &rcpts[len - 2047]));
}

#[test]
fn a17_the_line_of_auth_has_12288_octets_at_most() {
    // `AUTH ` and a name of so many octets, a space, four for every three, CRLF.
    let response = [b'r'; 9210];
    let auth =
        |mechanism, len| Command::Auth(AuthCommand { mechanism, initial_response: Some(&response[..len]) });
    let written = line(auth("EXTERNAL", 9204)).unwrap();
    assert_eq!(written.len(), 12_288);
    let error = CommandError::TooLong { len: 12_292, limit: 12_288 };
    assert_eq!(line(auth("EXTERNAL", 9205)), Err(error));
    for (len, expected) in [(None, 15), (Some(0), 17), (Some(1), 20), (Some(3), 20), (Some(4), 24)] {
        let auth = AuthCommand { mechanism: "EXTERNAL", initial_response: len.map(|len| &response[..len]) };
        assert_eq!((auth.line_len(), line(Command::Auth(auth)).unwrap().len()), (expected, expected));
    }
    let mut out = Vec::new();
    assert!(encode_auth_response(&response[..9213 - 3], &mut out).is_ok());
    assert_eq!(out.len(), auth_response_len(&response));
}

#[test]
fn a18_a_mechanism_name_is_held_to_its_grammar() {
    let auth = |mechanism| line(Command::Auth(AuthCommand { mechanism, initial_response: None }));
    for legal in ["A", "SCRAM-SHA-256-PLUS", "X_9", "ABCDEFGHIJKLMNOPQRST"] {
        assert_eq!(auth(legal).unwrap(), format!("AUTH {legal}\r\n").as_bytes());
    }
    for illegal in
        ["", "ABCDEFGHIJKLMNOPQRSTU", "plain", "A B", "A.B", "A\r\n", "A=", "\u{c4}", "@", "[", "/", ":"]
    {
        assert_eq!(auth(illegal), Err(CommandError::MechanismName), "{illegal:?}");
    }
}

#[test]
fn i02_an_octet_that_no_line_may_hold_is_told_with_its_place() {
    for (argument, octet, position) in [
        ("\u{1f}", 0x1f, 5),
        ("a\u{7f}", 0x7f, 6),
        ("a\tb", 0x09, 6),
        ("\u{80}", 0xc2, 5),
        ("a\u{9f}", 0xc2, 6),
        ("ab\u{2028}", 0xe2, 7),
        ("\u{2029}", 0xe2, 5),
    ] {
        assert_eq!(
            line(Command::Vrfy(argument)),
            Err(CommandError::Octet { octet, position }),
            "{argument:?}"
        );
    }
    for legal in ["a !~b", "\u{a0}", "\u{2027}\u{202a}"] {
        assert!(line(Command::Vrfy(legal)).is_ok(), "{legal:?}");
    }
}

#[test]
fn l01_auth_shows_its_mechanism_and_no_response() {
    let auth = AuthCommand { mechanism: "PLAIN", initial_response: Some(b"secret") };
    let shown = format!("{auth:?}");
    assert_eq!(shown, r#"AuthCommand { mechanism: "PLAIN", initial_response: Some("<redacted>") }"#);
}

#[test]
fn what_is_wrong_with_a_line_is_told() {
    for (error, told) in [
        (
            CommandError::TooLong { len: 513, limit: 512 },
            "the command line would have 513 octets; the limit is 512",
        ),
        (CommandError::EmptyArgument, "the command needs an argument"),
        (CommandError::Verb, "the command does not begin with a verb of letters and digits"),
    ] {
        assert_eq!(error.to_string(), told);
    }
}
