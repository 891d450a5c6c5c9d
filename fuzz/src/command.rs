//! The `command` target: the input is a command whose arguments an application took from its users.

pub(super) mod line;

use std::borrow::Cow;
use std::fmt::{Debug, Display};
use std::net::IpAddr;

use arbitrary::{Arbitrary, Unstructured};
use smtp_proto::body::{BodyKind, BodyRules};
use smtp_proto::command::{
    AuthCommand, Command, CommandError, DataCommand, MAX_AUTH_LINE, MAX_LINE, MAX_MAIL_LINE,
};
use smtp_proto::params::{
    DateTime, DeliverBy, Hold, MailParameters, Notify, NotifyOn, ParameterError, RcptParameters, Ret, XClient,
};
use smtp_proto::path::{ClientName, ForwardPath, Mailbox, ReversePath};

use line::{decode_base64, decode_xtext, decoded, said};

/// Asserts that a command is refused, with nothing written, or is exactly one line that says what was asked
/// for and nothing else.
pub fn command(input: &[u8]) {
    if let Ok(input) = Input::arbitrary(&mut Unstructured::new(input)) {
        input.run();
    }
}

/// A command as text: a letter, then fields that end where an octet 0xff stands, which is in no text.
///
/// In place of the encodings that `arbitrary` derives, this one makes seeds that can be read, and lets the
/// words of the dictionary land where they count.
#[derive(Debug)]
struct Input<'a> {
    verb: u8,
    fields: Vec<&'a [u8]>,
}

impl<'a> Arbitrary<'a> for Input<'a> {
    fn arbitrary(unstructured: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let verb = unstructured.arbitrary()?;
        let fields = unstructured.bytes(unstructured.len())?.split(|&octet| octet == 0xff).collect();
        Ok(Self { verb, fields })
    }
}

impl Input<'_> {
    fn run(&self) {
        let text = text(self.fields.first().copied().unwrap_or_default());
        let text = &*text;
        match self.verb {
            b'E' => self.hello("EHLO ", text, |name| line_of(Command::Ehlo(name), MAX_LINE)),
            b'H' => self.hello("HELO ", text, |name| line_of(Command::Helo(name), MAX_LINE)),
            b'A' => self.auth(text),
            b'M' => self.mail(text),
            b'R' => self.rcpt(text),
            b'V' => free_text("VRFY ", text, Command::Vrfy(text)),
            b'X' => free_text("EXPN ", text, Command::Expn(text)),
            b'?' if text.is_empty() => fixed("HELP", Command::Help("")),
            b'?' => free_text("HELP ", text, Command::Help(text)),
            b'e' => free_text("ETRN ", text, Command::Etrn(text)),
            b'x' => self.xclient(),
            b'C' => free_text("", text, Command::Custom(text)),
            b'S' => fixed("STARTTLS", Command::StartTls),
            b'D' => {
                let rules = BodyRules::new(body_kind(text));
                fixed("DATA", Command::Data(DataCommand { rules, size: text.parse().ok() }));
            }
            b'T' => fixed("RSET", Command::Rset),
            b'N' => fixed("NOOP", Command::Noop),
            _ => fixed("QUIT", Command::Quit),
        }
    }

    fn hello(
        &self,
        verb: &str,
        text: &str,
        line_of: impl FnOnce(&ClientName) -> Result<String, CommandError>,
    ) {
        if let Ok(address) = text.parse() {
            let name = ClientName::from_ip(address);
            assert_eq!(name.as_str().parse(), Ok(name.clone()));
        }
        if let Some(name) = accepted(text.parse::<ClientName>()) {
            assert_eq!(name.as_str(), text);
            assert!(text.bytes().all(|octet| octet.is_ascii_graphic()));
            assert_eq!(line_of(&name), Ok(format!("{verb}{text}")));
        }
        if let Some(name) = accepted(ClientName::domain(text)) {
            assert_eq!(text.parse(), Ok(name));
        }
    }

    fn auth(&self, mechanism: &str) {
        let initial_response = self.fields.get(1).copied();
        let command = AuthCommand { mechanism, initial_response };
        if let Some(line) = accepted(line_of(Command::Auth(command), MAX_AUTH_LINE)) {
            let words: Vec<&str> = line.split(' ').collect();
            assert_eq!(words[..2], ["AUTH", mechanism]);
            let sent = words.get(2).map(|word| if *word == "=" { Vec::new() } else { decode_base64(word) });
            assert_eq!(sent.as_deref(), initial_response);
            assert!(words.len() <= 3);
        }
        let other = AuthCommand { mechanism, initial_response: initial_response.map(|_| &b"other"[..]) };
        assert_eq!(format!("{command:?}"), format!("{other:?}"), "a secret is not shown");
    }

    /// Attributes: `n`, `h` or `l` and a text, `a` and an address, `p` and a port.
    fn xclient(&self) {
        let mut client = XClient::new();
        let mut expected: Vec<(&str, String)> = Vec::new();
        for (kind, argument) in self.options() {
            let before = client.clone();
            let (name, with) = match kind {
                b'n' => ("NAME", before.name(&argument)),
                b'h' => ("HELO", before.helo(&argument)),
                b'l' => ("LOGIN", before.login(&argument)),
                b'a' => match argument.parse::<IpAddr>() {
                    Ok(address) => ("ADDR", Ok(before.addr(address))),
                    Err(_) => continue,
                },
                _ => match argument.parse() {
                    Ok(port) => ("PORT", Ok(before.port(port))),
                    Err(_) => continue,
                },
            };
            let Some(with) = accepted(with) else { continue };
            client = with;
            let value = match (name, argument.parse()) {
                ("ADDR", Ok(IpAddr::V6(address))) => format!("IPV6:{address}"),
                ("PORT", _) => argument.parse::<u16>().expect("a port").to_string(),
                _ => argument.into_owned(),
            };
            match expected.iter_mut().find(|(taken, _)| *taken == name) {
                Some((_, before)) => *before = value,
                None => expected.push((name, value)),
            }
        }
        if let Some(line) = accepted(line_of(Command::XClient(&client), MAX_LINE)) {
            let said = line.strip_prefix("XCLIENT ").expect("the verb").split(' ');
            let said = said.map(|attribute| attribute.split_once('=').expect("a value"));
            let said: Vec<_> = said.map(|(name, value)| (name, decode_xtext(value))).collect();
            assert_eq!(said, expected);
        }
    }

    fn mail(&self, text: &str) {
        let Some(path) = accepted(text.parse::<ReversePath>()) else { return };
        same_text(text, path.as_str());
        assert_eq!(path.to_string().parse(), Ok(path.clone()));
        assert_eq!(path.mailbox().is_some(), !path.is_null());
        let mut parameters = MailParameters::new();
        // The keywords in the order in which they are sent, each with its value as it was before encoding.
        let mut expected: [Option<(String, Option<String>)>; 10] = Default::default();
        let mut raw = Vec::new();
        for (kind, argument) in self.options() {
            let before = parameters.clone();
            let said = |keyword: &str, value: &str| Some((keyword.to_owned(), Some(value.to_owned())));
            match kind {
                b's' => {
                    let size = argument.parse().unwrap_or(u64::MAX);
                    parameters = parameters.size(size);
                    expected[0] = said("SIZE", &size.to_string());
                }
                b'b' => {
                    let kind = body_kind(&argument);
                    parameters = parameters.body(kind);
                    expected[1] = said("BODY", kind.as_str());
                }
                b'u' => {
                    parameters = parameters.smtp_utf8();
                    expected[2] = Some(("SMTPUTF8".to_owned(), None));
                }
                b'r' => {
                    let ret = if argument.is_empty() { Ret::Full } else { Ret::Headers };
                    parameters = parameters.ret(ret);
                    expected[3] = said("RET", ret.as_str());
                }
                b'i' => match accepted(parameters.envid(&argument)) {
                    Some(with) => {
                        parameters = with;
                        expected[4] = said("ENVID", &argument);
                    }
                    None => parameters = before,
                },
                b'a' => {
                    let submitter = accepted(argument.parse::<Mailbox>());
                    parameters = parameters.auth(submitter.as_ref());
                    expected[5] = said("AUTH", submitter.as_ref().map_or("<>", Mailbox::as_str));
                }
                b't' => {
                    parameters = parameters.require_tls();
                    expected[6] = Some(("REQUIRETLS".to_owned(), None));
                }
                b'd' => {
                    if let Some((deliver_by, value)) = accepted(deliver_by(&argument)) {
                        parameters = parameters.deliver_by(deliver_by);
                        expected[7] = said("BY", &value);
                    }
                }
                b'p' => match accepted(parameters.mt_priority(argument.parse().unwrap_or(i8::MAX))) {
                    Some(with) => {
                        parameters = with;
                        expected[8] =
                            said("MT-PRIORITY", &argument.parse::<i8>().expect("a number").to_string());
                    }
                    None => parameters = before,
                },
                b'h' => {
                    let (keyword, hold) = match argument.parse() {
                        Ok(seconds) => ("HOLDFOR", Ok(Hold::For(seconds))),
                        Err(_) => ("HOLDUNTIL", argument.parse::<DateTime>().map(Hold::Until)),
                    };
                    match accepted(hold.and_then(|hold| parameters.hold(hold))) {
                        Some(with) => {
                            parameters = with;
                            let value =
                                argument.parse::<u32>().map_or(argument.into_owned(), |n| n.to_string());
                            expected[9] = said(keyword, &value);
                        }
                        None => parameters = before,
                    }
                }
                _ => {
                    let (keyword, value) = keyword_and_value(&argument);
                    match accepted(parameters.raw(keyword, value)) {
                        Some(with) => {
                            parameters = with;
                            raw.push((keyword.to_owned(), value.map(str::to_owned)));
                        }
                        None => parameters = before,
                    }
                }
            }
        }
        let shown = parameters.to_string();
        if let Some(line) = accepted(line_of(Command::Mail(&path, &parameters), MAX_MAIL_LINE)) {
            let said = said(&line, "MAIL FROM:<", path.as_str());
            assert_eq!(said.join(" "), shown);
            let expected = expected.into_iter().flatten().chain(raw);
            assert!(decoded(&said, &["ENVID", "AUTH"]).eq(expected), "{line:?}");
        }
    }

    fn rcpt(&self, text: &str) {
        let Some(path) = accepted(text.parse::<ForwardPath>()) else { return };
        if path.is_postmaster() {
            same_text(&text.to_ascii_lowercase(), path.as_str());
        } else {
            same_text(text, path.as_str());
        }
        assert_eq!(path.to_string().parse(), Ok(path.clone()));
        let mut parameters = RcptParameters::new();
        let mut expected: [Option<(String, Option<String>)>; 2] = Default::default();
        let mut raw = Vec::new();
        for (kind, argument) in self.options() {
            let before = parameters.clone();
            match kind {
                b'n' => {
                    let (notify, value) = notify(argument.len());
                    parameters = parameters.notify(notify);
                    expected[0] = Some(("NOTIFY".to_owned(), Some(value)));
                }
                b'o' => {
                    let (address_type, address) = keyword_and_value(&argument);
                    let address = address.unwrap_or_default();
                    match accepted(parameters.orcpt(address_type, address)) {
                        Some(with) => {
                            parameters = with;
                            expected[1] =
                                Some(("ORCPT".to_owned(), Some(format!("{address_type};{address}"))));
                        }
                        None => parameters = before,
                    }
                }
                b'p' => {
                    let Some(mailbox) = accepted(argument.parse::<Mailbox>()) else { continue };
                    let address_type = if mailbox.is_ascii() { "rfc822" } else { "utf-8" };
                    match accepted(parameters.orcpt_mailbox(&mailbox)) {
                        Some(with) => {
                            parameters = with;
                            expected[1] =
                                Some(("ORCPT".to_owned(), Some(format!("{address_type};{mailbox}"))));
                        }
                        None => parameters = before,
                    }
                }
                _ => {
                    let (keyword, value) = keyword_and_value(&argument);
                    match accepted(parameters.raw(keyword, value)) {
                        Some(with) => {
                            parameters = with;
                            raw.push((keyword.to_owned(), value.map(str::to_owned)));
                        }
                        None => parameters = before,
                    }
                }
            }
        }
        let shown = parameters.to_string();
        if let Some(line) = accepted(line_of(Command::Rcpt(&path, &parameters), MAX_MAIL_LINE)) {
            let said = said(&line, "RCPT TO:<", path.as_str());
            assert_eq!(said.join(" "), shown);
            let expected = expected.into_iter().flatten().chain(raw);
            assert!(decoded(&said, &["ORCPT"]).eq(expected), "{line:?}");
        }
    }

    /// The fields after the first: a letter, and text.
    fn options(&self) -> impl Iterator<Item = (u8, Cow<'_, str>)> {
        self.fields.iter().skip(1).filter_map(|field| Some((*field.first()?, text(&field[1..]))))
    }
}

fn text(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets)
}

/// `KEYWORD value` or `KEYWORD`: what separates them here is a space, which neither may hold.
fn keyword_and_value(argument: &str) -> (&str, Option<&str>) {
    match argument.split_once(' ') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (argument, None),
    }
}

fn body_kind(text: &str) -> BodyKind {
    [BodyKind::SevenBit, BodyKind::EightBitMime, BodyKind::BinaryMime][text.len() % 3]
}

fn notify(choice: usize) -> (Notify, String) {
    let events = [(NotifyOn::SUCCESS, "SUCCESS"), (NotifyOn::FAILURE, "FAILURE"), (NotifyOn::DELAY, "DELAY")];
    let chosen = events.iter().enumerate().filter(|(bit, _)| choice >> bit & 1 == 1).map(|(_, event)| event);
    let names: Vec<&str> = chosen.clone().map(|(_, name)| *name).collect();
    match chosen.map(|(event, _)| *event).reduce(|events, event| events | event) {
        None => (Notify::Never, "NEVER".to_owned()),
        Some(events) => (events.into(), names.join(",")),
    }
}

/// `R` or another letter for the mode, `T` for the trace, and seconds.
fn deliver_by(argument: &str) -> Result<(DeliverBy, String), ParameterError> {
    let (argument, trace) = argument.strip_suffix('T').map_or((argument, ""), |argument| (argument, "T"));
    let (deliver_by, value) = match argument.strip_prefix('R') {
        Some(seconds) => {
            let seconds = seconds.parse().unwrap_or(0);
            (DeliverBy::or_return(seconds)?, format!("{seconds};R{trace}"))
        }
        None => {
            let seconds = argument.parse().unwrap_or(i32::MIN);
            (DeliverBy::or_notify(seconds)?, format!("{seconds};N{trace}"))
        }
    };
    Ok((if trace.is_empty() { deliver_by } else { deliver_by.trace() }, value))
}

/// The value, if there is one; an error has to be fit for a log.
fn accepted<T, E: Debug + Display>(result: Result<T, E>) -> Option<T> {
    result
        .inspect_err(|error| {
            for shown in [error.to_string(), format!("{error:?}")] {
                assert!(shown.len() < 200 && shown.bytes().all(|octet| matches!(octet, b' '..=b'~')));
            }
        })
        .ok()
}

/// What the command adds to the octets before it, without its CRLF: one line or nothing.
fn line_of(command: Command<'_>, longest: usize) -> Result<String, CommandError> {
    const BEFORE: &[u8] = b"NOOP\r\n";
    let mut out = BEFORE.to_vec();
    let result = command.encode(&mut out);
    let added = out.strip_prefix(BEFORE).expect("what was there stays");
    if let Err(error) = result {
        assert!(added.is_empty(), "nothing is added on error");
        return Err(error);
    }
    assert!(added.len() <= longest);
    let line = added.strip_suffix(b"\r\n").expect("a line ends with CRLF");
    assert!(line.iter().all(|&octet| octet >= 0x20 && octet != 0x7f), "{line:?}");
    let line = String::from_utf8(line.to_vec()).expect("what came in as text goes out as text");
    assert!(!line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')), "{line:?}");
    Ok(line)
}

fn fixed(expected: &str, command: Command<'_>) {
    assert_eq!(line_of(command, MAX_LINE).as_deref(), Ok(expected));
}

fn free_text(verb: &str, text: &str, command: Command<'_>) {
    if let Some(line) = accepted(line_of(command, MAX_LINE)) {
        // RFC 6531 §3.7.4.2.
        let utf8 = matches!(verb, "VRFY " | "EXPN ") && !text.is_ascii();
        assert_eq!(line, format!("{verb}{text}{}", if utf8 { " SMTPUTF8" } else { "" }));
    }
}

fn same_text(given: &str, kept: &str) {
    assert!(given == kept || given == format!("<{kept}>"), "{given:?} became {kept:?}");
}
