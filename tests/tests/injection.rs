//! Application data never becomes a command. The names begin with the case's number.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{FROM, config};
use smtp_proto::capabilities::Extension;
use smtp_proto::command::{AuthCommand, Command, CommandError};
use smtp_proto::connection::{Connection, Peer, Protocol, TlsPolicy};
use smtp_proto::error::{Error, Misuse};
use smtp_proto::flow::{Flow, Open, Send, SendError, SendOptions, Step};
use smtp_proto::params::{Hold, MailParameters, ParameterError, RcptParameters, XClient, XClientAttribute};
use smtp_proto::path::{ClientName, ForwardPath, Mailbox, ReversePath};
use smtp_tests::script::envelope;

/// A session that is ready for commands, at a server that offers these keywords.
fn ready(keywords: &[&str]) -> Connection {
    let mut connection = Connection::new(config(TlsPolicy::None), Peer::Remote);
    let mut open = Open::new();
    connection.receive(b"220 x\r\n");
    let _ = open.poll(&mut connection).unwrap();
    let n = connection.output().len();
    connection.advance_output(n).unwrap();
    connection.receive(format!("250-x\r\n250-{}\r\n250 X-LAST\r\n", keywords.join("\r\n250-")).as_bytes());
    assert!(matches!(open.poll(&mut connection), Ok(Step::Done(()))));
    connection
}

const EVERYTHING: [&str; 15] = [
    "SIZE",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "AUTH X",
    "CHUNKING",
    "BINARYMIME",
    "REQUIRETLS",
    "DELIVERBY",
    "FUTURERELEASE",
    "VRFY",
    "EXPN",
    "ETRN",
    "XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT",
    "PIPELINING",
];

/// A way for a string of the application to reach the wire: `Err` if it was refused, else the command was
/// queued.
type Way = fn(&mut Connection, &str) -> Result<(), String>;

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn mail(connection: &mut Connection, path: &ReversePath, parameters: MailParameters) -> Result<(), String> {
    let parameters = if path.needs_smtputf8() { parameters.smtp_utf8() } else { parameters };
    connection.command(Command::Mail(path, &parameters)).map(drop_id).map_err(told)
}

fn drop_id<T>(_: T) {}

fn rcpt(connection: &mut Connection, path: &ForwardPath, parameters: &RcptParameters) -> Result<(), String> {
    let mail = MailParameters::new();
    let utf8 = connection.capabilities().supports(Extension::SmtpUtf8);
    let mail = if utf8 { mail.smtp_utf8() } else { mail };
    let from = ReversePath::null();
    let mut trial = |command: Command<'_>| connection.command(command).map(drop_id).map_err(told);
    trial(Command::Mail(&from, &mail))?;
    let result = trial(Command::Rcpt(path, parameters));
    if result.is_err() {
        connection.abandon();
    }
    result
}

fn xclient(connection: &mut Connection, client: Result<XClient, ParameterError>) -> Result<(), String> {
    connection.command(Command::XClient(&client.map_err(told)?)).map(drop_id).map_err(told)
}

fn from() -> ReversePath {
    FROM.parse().unwrap()
}

fn to() -> ForwardPath {
    "bob@example.net".parse().unwrap()
}

const WAYS: &[(&str, Way)] = &[
    ("EHLO", |c, s| {
        let name: ClientName = s.parse().map_err(told)?;
        c.command(Command::Ehlo(&name)).map(drop_id).map_err(told)
    }),
    ("EHLO literal", |c, s| {
        let name: ClientName = format!("[IPv6:{s}]").parse().map_err(told)?;
        c.command(Command::Ehlo(&name)).map(drop_id).map_err(told)
    }),
    ("LHLO", |c, s| {
        *c = Connection::new(config(TlsPolicy::None).protocol(Protocol::Lmtp), Peer::Remote);
        c.receive(b"220 x\r\n");
        c.poll_event().map_err(told)?;
        c.command(Command::Lhlo(&s.parse().map_err(told)?)).map(drop_id).map_err(told)
    }),
    ("HELO", |c, s| {
        let name = ClientName::domain(s).map_err(told)?;
        c.command(Command::Helo(&name)).map(drop_id).map_err(told)
    }),
    ("MAIL", |c, s| mail(c, &s.parse().map_err(told)?, MailParameters::new())),
    ("MAIL local part", |c, s| {
        mail(c, &format!("{s}@example.org").parse().map_err(told)?, MailParameters::new())
    }),
    ("MAIL quoted", |c, s| {
        mail(c, &format!("\"{s}\"@example.org").parse().map_err(told)?, MailParameters::new())
    }),
    ("MAIL escaped", |c, s| {
        mail(c, &format!("\"a\\{s}\"@example.org").parse().map_err(told)?, MailParameters::new())
    }),
    ("MAIL domain", |c, s| mail(c, &format!("a@{s}").parse().map_err(told)?, MailParameters::new())),
    ("MAIL literal", |c, s| mail(c, &format!("a@[TAG:{s}]").parse().map_err(told)?, MailParameters::new())),
    ("RCPT", |c, s| rcpt(c, &s.parse().map_err(told)?, &RcptParameters::new())),
    ("RCPT brackets", |c, s| rcpt(c, &format!("<{s}>").parse().map_err(told)?, &RcptParameters::new())),
    ("RCPT quoted", |c, s| {
        rcpt(c, &format!("\"{s}\"@example.org").parse().map_err(told)?, &RcptParameters::new())
    }),
    ("RCPT domain", |c, s| rcpt(c, &format!("a@{s}").parse().map_err(told)?, &RcptParameters::new())),
    ("ENVID", |c, s| mail(c, &from(), MailParameters::new().envid(s).map_err(told)?)),
    ("MAIL AUTH", |c, s| {
        let mailbox: Mailbox = format!("\"{s}\"@example.org").parse().map_err(told)?;
        mail(c, &from(), MailParameters::new().auth(Some(&mailbox)))
    }),
    ("HOLDUNTIL", |c, s| {
        let hold = Hold::Until(s.parse().map_err(told)?);
        mail(c, &from(), MailParameters::new().hold(hold).map_err(told)?)
    }),
    ("MAIL raw keyword", |c, s| mail(c, &from(), MailParameters::new().raw(s, Some("v")).map_err(told)?)),
    ("MAIL raw value", |c, s| mail(c, &from(), MailParameters::new().raw("XFOO", Some(s)).map_err(told)?)),
    ("ORCPT type", |c, s| rcpt(c, &to(), &RcptParameters::new().orcpt(s, "a@b").map_err(told)?)),
    ("ORCPT", |c, s| rcpt(c, &to(), &RcptParameters::new().orcpt("rfc822", s).map_err(told)?)),
    ("ORCPT utf-8", |c, s| rcpt(c, &to(), &RcptParameters::new().orcpt("utf-8", s).map_err(told)?)),
    ("ORCPT mailbox", |c, s| {
        let mailbox: Mailbox = format!("\"{s}\"@example.org").parse().map_err(told)?;
        rcpt(c, &to(), &RcptParameters::new().orcpt_mailbox(&mailbox).map_err(told)?)
    }),
    ("RCPT raw keyword", |c, s| rcpt(c, &to(), &RcptParameters::new().raw(s, None).map_err(told)?)),
    ("RCPT raw value", |c, s| rcpt(c, &to(), &RcptParameters::new().raw("XFOO", Some(s)).map_err(told)?)),
    ("VRFY", |c, s| c.command(Command::Vrfy(s)).map(drop_id).map_err(told)),
    ("EXPN", |c, s| c.command(Command::Expn(s)).map(drop_id).map_err(told)),
    ("HELP", |c, s| c.command(Command::Help(s)).map(drop_id).map_err(told)),
    ("ETRN", |c, s| c.command(Command::Etrn(s)).map(drop_id).map_err(told)),
    ("ETRN @", |c, s| c.command(Command::Etrn(&format!("@{s}"))).map(drop_id).map_err(told)),
    ("ETRN #", |c, s| c.command(Command::Etrn(&format!("#{s}"))).map(drop_id).map_err(told)),
    ("XCLIENT NAME", |c, s| xclient(c, XClient::new().name(s))),
    ("XCLIENT HELO", |c, s| xclient(c, XClient::new().helo(s))),
    ("XCLIENT LOGIN", |c, s| xclient(c, XClient::new().login(s))),
    ("custom", |c, s| c.command(Command::Custom(s)).map(drop_id).map_err(told)),
    ("custom argument", |c, s| {
        c.command(Command::Custom(&format!("XFORWARD NAME={s}"))).map(drop_id).map_err(told)
    }),
    ("mechanism", |c, s| {
        let auth = AuthCommand { mechanism: s, initial_response: None };
        c.command(Command::Auth(auth)).map(drop_id).map_err(told)
    }),
];

/// What was queued for this string, if it was taken: every line of it, as it will be written.
fn emitted(way: Way, keywords: &[&str], text: &str) -> Option<Vec<u8>> {
    let mut connection = ready(keywords);
    match way(&mut connection, text) {
        Ok(()) => Some(connection.output().to_vec()),
        Err(_) => {
            assert!(connection.output().is_empty(), "refused, and yet something is written");
            None
        }
    }
}

fn placed(base: &str, what: char) -> [String; 3] {
    let middle = base.len() / 2;
    [
        format!("{what}{base}"),
        format!("{}{what}{}", &base[..middle], &base[middle..]),
        format!("{base}{what}"),
    ]
}

/// One line for each command, and nothing in them that could end one.
fn assert_lines(line: &[u8], context: &str) {
    let text = std::str::from_utf8(line).expect("UTF-8");
    for line in text.strip_suffix("\r\n").expect("CRLF").split("\r\n") {
        let bad = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
        assert!(!line.is_empty() && !line.contains(bad), "{context}: {line:?}");
    }
    let lines = text.matches("\r\n").count();
    let verbs = ["MAIL FROM:<> SMTPUTF8\r\n", "MAIL FROM:<>\r\n"];
    let expected = if verbs.iter().any(|verb| text.starts_with(verb)) { 2 } else { 1 };
    assert!(lines <= expected, "{context}: {text:?}");
}

/// Strings that the ways take, so that what is refused is refused for the control in it.
fn good(name: &str) -> &'static str {
    match name {
        "MAIL" | "RCPT" | "RCPT brackets" | "ORCPT" | "ORCPT utf-8" => "user@example.org",
        "mechanism" => "X",
        "custom" => "XFOO",
        "EHLO literal" => "2001:db8::1",
        "HOLDUNTIL" => "2026-08-03T12:00:00Z",
        "MAIL escaped" => "bc",
        _ => "example",
    }
}

#[test]
fn the_strings_without_faults_are_taken() {
    for (name, way) in WAYS {
        let line = emitted(*way, &EVERYTHING, good(name)).unwrap_or_else(|| panic!("{name}"));
        assert_lines(&line, name);
    }
}

#[test]
fn i02_every_control_at_every_place_is_refused() {
    let mut cases = 0;
    for (name, way) in WAYS {
        for control in (0..0x20_u8).chain([0x7f]) {
            for text in placed(good(name), char::from(control)) {
                assert_eq!(emitted(*way, &EVERYTHING, &text), None, "{name} {text:?}");
                cases += 1;
            }
        }
    }
    println!("injection, controls: {cases} cases, {} ways to the wire", WAYS.len());
    assert_eq!(cases, WAYS.len() * 33 * 3);
}

#[test]
fn i05_look_alikes_of_line_ends_never_end_a_line() {
    let ascii: Vec<&str> = EVERYTHING.iter().copied().filter(|k| *k != "SMTPUTF8").collect();
    let mut cases = 0;
    for (name, way) in WAYS {
        for look_alike in ['\u{010D}', '\u{010A}', '\u{560D}', '\u{560A}', '\u{760D}', '\u{760A}'] {
            for text in placed(good(name), look_alike) {
                if let Some(line) = emitted(*way, &ascii, &text) {
                    assert!(line.is_ascii(), "{name} {text:?}: sent without SMTPUTF8");
                    assert_lines(&line, name);
                }
                if let Some(line) = emitted(*way, &EVERYTHING, &text) {
                    assert_lines(&line, name);
                }
                cases += 1;
            }
        }
        for separator in ['\u{85}', '\u{2028}', '\u{2029}', '\u{80}', '\u{9f}'] {
            for text in placed(good(name), separator) {
                assert_eq!(emitted(*way, &EVERYTHING, &text), None, "{name} {text:?}");
                cases += 1;
            }
        }
    }
    println!("injection, look-alikes: {cases} cases");
    assert_eq!(cases, WAYS.len() * 11 * 3);
}

/// What a mechanism says is octets, and none of them is refused: in base64 none of them can end a line.
#[test]
fn i02_the_responses_of_a_mechanism_are_one_line_whatever_is_in_them() {
    for octet in 0..=255_u8 {
        for response in
            [vec![octet], vec![octet, b'a', b'b'], vec![b'a', octet, b'b'], vec![b'a', b'b', octet]]
        {
            let mut connection = ready(&EVERYTHING);
            let auth = AuthCommand { mechanism: "X", initial_response: Some(&response) };
            connection.command(Command::Auth(auth)).unwrap();
            assert_lines(connection.output(), "initial response");
            let n = connection.output().len();
            connection.advance_output(n).unwrap();
            connection.receive(b"334 \r\n");
            connection.poll_event().unwrap();
            connection.auth_respond(&response).unwrap();
            assert_lines(connection.output(), "response");
        }
    }
}

#[test]
fn i01_i06_whole_commands_are_refused() {
    for (name, way) in WAYS {
        for text in [
            "a@b>\r\nDATA\r\nInjected\r\n.\r\nQUIT\r\n",
            "x\r\nMAIL FROM:<e@x>",
            "x\nMAIL FROM:<e@x>",
            "x\rMAIL FROM:<e@x>",
            "\"a\r\nRCPT TO:<x@y>\"@b",
            "100\r\nRCPT TO:<x>",
            "\r\n",
            "\r\n.\r\n",
        ] {
            assert_eq!(emitted(*way, &EVERYTHING, text), None, "{name} {text:?}");
        }
    }
}

#[test]
fn i03_an_address_adds_no_parameter_and_closes_no_path() {
    let texts = [
        "a@b> SIZE=1",
        "a@b> NOTIFY=NEVER",
        "a b@c",
        "a@b c",
        "a@b>",
        "<a@b",
        "<<a@b>>",
        "a>@b",
        "a<@b",
        "a@b<",
        "a@b>c",
        "a@[x]> SIZE=1",
        "a@[1.2.3.4]>",
        "a@b>,<c@d",
        "@x:a@b",
        "a@b@c",
        "a,b@c",
        "a:b@c",
        "a;b@c",
        "a@b;c",
        "a\\@b",
        "a@",
        "@b",
        "a",
        "",
        " a@b",
        "a@b ",
    ];
    for text in texts {
        assert!(text.parse::<ReversePath>().is_err(), "MAIL {text:?}");
        assert!(text.parse::<ForwardPath>().is_err(), "RCPT {text:?}");
    }
    // Quoted, they are data: the path ends where the quotes and the domain do.
    for text in [r#""a@b> SIZE=1"@c"#, r#""a>"@c"#, r#""a\"> X=1"@c"#, r#""a\\"@c"#] {
        let path: ReversePath = text.parse().unwrap();
        let mut line = Vec::new();
        Command::Mail(&path, &MailParameters::new()).encode(&mut line).unwrap();
        assert_eq!(line, format!("MAIL FROM:<{text}>\r\n").as_bytes());
    }
    for text in [r#""a\"@c"#, r#""a"b"@c"#, r#""a" SIZE=1@c"#, r#""a@c"#, r#"a"b@c"#] {
        assert!(text.parse::<ReversePath>().is_err(), "{text:?}");
    }
}

#[test]
fn i03_a_parameter_is_one_parameter() {
    for text in ["a b", "a=b", "", " ", "a SIZE=1", "=", "ü"] {
        assert!(MailParameters::new().raw("X", Some(text)).is_err(), "value {text:?}");
        assert!(RcptParameters::new().raw("X", Some(text)).is_err(), "value {text:?}");
        assert!(MailParameters::new().raw(text, None).is_err(), "keyword {text:?}");
        assert!(RcptParameters::new().raw(text, None).is_err(), "keyword {text:?}");
    }
    for taken in ["SIZE", "size", "Body", "SMTPUTF8", "RET", "ENVID", "AUTH", "REQUIRETLS", "By", "HOLDFOR"] {
        assert!(MailParameters::new().raw(taken, Some("1")).is_err(), "{taken}");
    }
}

#[test]
fn i06_client_names() {
    let long = |n: usize| {
        let name = "a.".repeat(n / 2) + if n % 2 == 1 { "a" } else { "" };
        if name.ends_with('.') { format!("{}aa", &name[..name.len() - 2]) } else { name }
    };
    for bad in [
        "",
        " ",
        "a b",
        "a ",
        "ü.example",
        "[",
        "[]",
        "[x",
        "a]",
        "a..b",
        "-a",
        "a-",
        "a_b!",
        "[1.2.3]",
        "[IPv6:zz]",
        "a@b",
        "<a>",
    ] {
        assert!(bad.parse::<ClientName>().is_err(), "{bad:?}");
    }
    assert!(long(255).parse::<ClientName>().is_ok());
    assert_eq!(long(255).len(), 255);
    assert!(long(257).parse::<ClientName>().is_err());
    assert!("x".repeat(256).parse::<ClientName>().is_err());
}

#[test]
fn i08_parameters_need_their_extension() {
    let unsupported = |extension| Err(Error::Unsupported(extension));
    let mut connection = ready(&["X-NONE"]);
    let from = from();
    let new = MailParameters::new;
    use smtp_proto::body::BodyKind;
    for (parameters, extension) in [
        (new().size(1), Extension::Size),
        (new().body(BodyKind::EightBitMime), Extension::EightBitMime),
        (new().body(BodyKind::SevenBit), Extension::EightBitMime),
        (new().body(BodyKind::BinaryMime), Extension::BinaryMime),
        (new().smtp_utf8(), Extension::SmtpUtf8),
        (new().ret(smtp_proto::params::Ret::Full), Extension::Dsn),
        (new().envid("x").unwrap(), Extension::Dsn),
        (new().auth(None), Extension::Auth),
    ] {
        assert_eq!(connection.command(Command::Mail(&from, &parameters)), unsupported(extension));
        assert!(connection.output().is_empty());
    }
    connection.command(Command::Mail(&from, &new())).unwrap();
    let to = to();
    let new = RcptParameters::new;
    for parameters in [new().notify(smtp_proto::params::Notify::Never), new().orcpt("rfc822", "a@b").unwrap()]
    {
        assert_eq!(connection.command(Command::Rcpt(&to, &parameters)), unsupported(Extension::Dsn));
    }
    assert_eq!(
        connection.command(Command::StartTls),
        Err(Misuse::InTransaction(smtp_proto::connection::Stage::StartTls).into())
    );
}

#[test]
fn i09_an_address_beyond_ascii_needs_smtputf8() {
    let mut connection = ready(&["SIZE"]);
    for (from, to) in
        [("jürgen@example.org", "bob@example.net"), (FROM, "bob@exämple.net"), (FROM, "bøb@example.net")]
    {
        let envelope = envelope(from, &[to]);
        let mut flow = Send::new(&envelope, smtp_proto::flow::Body::Whole(b"x\r\n"), SendOptions::default());
        let error = flow.poll(&mut connection).map(drop).unwrap_err();
        assert!(
            matches!(error, SendError::NotSent { cause: Error::Unsupported(Extension::SmtpUtf8), .. }),
            "{error:?}"
        );
        assert!(connection.output().is_empty());
        assert!(connection.is_idle());
    }
}

#[test]
fn i10_lengths() {
    let local = |n: usize| format!("{}@example.org", "l".repeat(n));
    for (n, good) in [(63, true), (64, true), (65, false)] {
        assert_eq!(local(n).parse::<ReversePath>().is_ok(), good, "local part of {n}");
        assert_eq!(local(n).parse::<ForwardPath>().is_ok(), good, "local part of {n}");
    }
    // A path of 256 octets with its brackets: local part, `@`, domain.
    let path = |n: usize| {
        let domain = n - 2 - 2;
        let labels = "d".repeat(61) + ".";
        let mut name = labels.repeat(4);
        name.truncate(domain);
        if name.ends_with('.') {
            name.pop();
            name.push('d');
        }
        format!("l@{name}")
    };
    for (n, good) in [(251, true), (252, true)] {
        assert_eq!(path(n).len() + 2, n);
        assert_eq!(path(n).parse::<ForwardPath>().is_ok(), good);
    }
    let wide = |n: usize| {
        let rest = n - 2 - 65;
        let name: String = (0..rest).map(|i| if i % 50 == 49 && i + 1 != rest { '.' } else { 'd' }).collect();
        format!("{}@{name}", "l".repeat(64))
    };
    for (n, good) in [(255, true), (256, true), (257, false)] {
        assert_eq!(wide(n).len() + 2, n);
        assert_eq!(wide(n).parse::<ForwardPath>().is_ok(), good, "path of {n}");
        assert_eq!(wide(n).parse::<ReversePath>().is_ok(), good, "path of {n}");
    }
    // A command line of 512 octets with its CRLF.
    for (n, good) in [(504, true), (505, true), (506, false)] {
        let mut line = Vec::new();
        let result = Command::Vrfy(&"v".repeat(n)).encode(&mut line);
        assert_eq!(result.is_ok(), good, "{n}");
        let limit = CommandError::TooLong { len: 513, limit: 512 };
        assert!(if good { line.len() <= 512 } else { result == Err(limit) && line.is_empty() });
    }
}

#[test]
fn i11_the_null_path_and_postmaster() {
    assert!("<>".parse::<ReversePath>().unwrap().is_null());
    assert!("<>".parse::<ForwardPath>().is_err());
    assert!("<postmaster>".parse::<ForwardPath>().unwrap().is_postmaster());
    assert!("".parse::<ReversePath>().is_err());
    let mut line = Vec::new();
    Command::Mail(&ReversePath::null(), &MailParameters::new()).encode(&mut line).unwrap();
    Command::Rcpt(&ForwardPath::postmaster(), &RcptParameters::new()).encode(&mut line).unwrap();
    assert_eq!(line, b"MAIL FROM:<>\r\nRCPT TO:<postmaster>\r\n");
}

#[test]
fn i12_xtext() {
    let parameters = MailParameters::new().envid("a+b=c d~").unwrap();
    assert_eq!(parameters.to_string(), "ENVID=a+2Bb+3Dc+20d~");
    let parameters = RcptParameters::new().orcpt("rfc822", "a+b=c d@e").unwrap();
    assert_eq!(parameters.to_string(), "ORCPT=rfc822;a+2Bb+3Dc+20d@e");
    for bad in ["\u{7f}", "ü", "", "a\tb"] {
        assert!(MailParameters::new().envid(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn i14_custom_commands_are_lines_like_any_other() {
    let mut connection = ready(&["XFORWARD NAME ADDR"]);
    connection.command(Command::Custom("XFORWARD NAME=spike.porcupine.org ADDR=168.100.189.2")).unwrap();
    assert_eq!(connection.output(), b"XFORWARD NAME=spike.porcupine.org ADDR=168.100.189.2\r\n");
    for followed in [
        "EHLO x",
        "helo x",
        "STARTTLS",
        "auth PLAIN x",
        "MAIL FROM:<a@b>",
        "Rcpt TO:<a@b>",
        "DATA",
        "BDAT 3 LAST",
        "rset",
        "QUIT",
        "LHLO x",
        "xclient NAME=x",
    ] {
        let mut connection = ready(&["XCLIENT"]);
        assert_eq!(
            connection.command(Command::Custom(followed)),
            Err(CommandError::FollowedVerb.into()),
            "{followed}"
        );
        assert!(connection.output().is_empty());
    }
    for bad in ["", " ", " NOOP", "\tNOOP", "a@b", "-x", "DATA\u{a0}"] {
        assert!(connection.command(Command::Custom(bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn i14_the_node_of_etrn() {
    for good in ["example.org", "@example.org", "example", "#queue:7", "#a@b", "@a-b.c"] {
        let mut connection = ready(&["ETRN"]);
        connection.command(Command::Etrn(good)).unwrap();
        assert_eq!(connection.output(), format!("ETRN {good}\r\n").as_bytes());
    }
    let mut connection = ready(&["ETRN"]);
    for bad in [
        "",
        " ",
        "@",
        "#",
        "@@a",
        "@#a",
        "a b",
        "# a",
        "#a b",
        "a..b",
        ".a",
        "-a",
        "a_b",
        "[1.2.3.4]",
        "\u{fc}.de",
    ] {
        let result = connection.command(Command::Etrn(bad));
        assert_eq!(result, Err(CommandError::NodeName.into()), "{bad:?}");
        assert!(connection.output().is_empty());
    }
    let mut line = Vec::new();
    let long = Command::Etrn(&format!("#{}", "q".repeat(505))).encode(&mut line);
    assert_eq!(long, Err(CommandError::TooLong { len: 513, limit: 512 }));
}

#[test]
fn i12_i14_the_attributes_of_xclient() {
    let client = XClient::new()
        .name("a+b=c d")
        .unwrap()
        .unavailable(XClientAttribute::Addr)
        .port(65535)
        .helo("[192.0.2.1]")
        .unwrap()
        .login("j\u{fc}rgen")
        .unwrap()
        .dest_addr("::1".parse().unwrap())
        .dest_port(25)
        .addr("192.0.2.1".parse().unwrap());
    let mut connection = ready(&EVERYTHING);
    connection.command(Command::XClient(&client)).unwrap();
    let line = "XCLIENT NAME=a+2Bb+3Dc+20d ADDR=192.0.2.1 PORT=65535 HELO=[192.0.2.1] LOGIN=j+C3+BCrgen \
                DESTADDR=IPV6:::1 DESTPORT=25\r\n";
    assert_eq!(connection.output(), line.as_bytes());
    assert_eq!(XClient::new().name_temporarily_unavailable().to_string(), "NAME=[TEMPUNAVAIL]");
    // An over-long line is not split (I10).
    let mut connection = ready(&EVERYTHING);
    for (n, good) in [(497, true), (498, false)] {
        let client = XClient::new().name(&"n".repeat(n)).unwrap();
        assert_eq!("XCLIENT NAME=\r\n".len() + n <= 512, good);
        let mut line = Vec::new();
        assert_eq!(Command::XClient(&client).encode(&mut line).is_ok(), good, "{n}");
    }
    let nothing = connection.command(Command::XClient(&XClient::new()));
    assert_eq!(nothing, Err(CommandError::EmptyArgument.into()));
}

#[test]
fn i08_verbs_and_attributes_need_their_extension() {
    let unsupported = |extension| Err(Error::Unsupported(extension));
    let client = XClient::new().port(25);
    let mut connection = ready(&["X-NONE"]);
    assert_eq!(connection.command(Command::Etrn("example.org")), unsupported(Extension::Etrn));
    assert_eq!(connection.command(Command::XClient(&client)), unsupported(Extension::XClient));
    for offer in ["XCLIENT", "XCLIENT NAME ADDR PROTO HELO", "XCLIENT PORTS DESTPORT"] {
        let mut connection = ready(&[offer]);
        let result = connection.command(Command::XClient(&client));
        assert_eq!(result, Err(Error::UnsupportedAttribute(XClientAttribute::Port)), "{offer}");
        assert!(connection.output().is_empty());
    }
    ready(&["XCLIENT name port"]).command(Command::XClient(&client)).unwrap();
}
