//! The commands that a caller queues by hand, each with arguments from the input.

use smtp_proto::body::{BodyKind, BodyRules, LineEndings};
use smtp_proto::command::{AuthCommand, Command, DataCommand};
use smtp_proto::connection::Connection;
use smtp_proto::params::{DeliverBy, Hold, MailParameters, NotifyOn, RcptParameters, Ret, XClient};
use smtp_proto::path::{ClientName, ForwardPath, ReversePath};

use super::script::{fields, number, text};

/// A command that owns its arguments.
#[derive(Debug)]
pub(super) enum Line {
    Ehlo(ClientName),
    Helo(ClientName),
    Lhlo(ClientName),
    StartTls,
    Auth { mechanism: String, response: Option<Vec<u8>> },
    Mail(ReversePath, MailParameters),
    Rcpt(ForwardPath, RcptParameters),
    Data(Rules),
    Rset,
    Vrfy(String),
    Expn(String),
    Help(String),
    Etrn(String),
    XClient(XClient),
    Noop,
    Quit,
    Custom(String),
}

/// What a caller says of a body: nothing, or its kind and perhaps its size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    kind: Option<BodyKind>,
    line_endings: LineEndings,
    size: Option<u64>,
}

impl Rules {
    /// `7`, `8` or `b` for the kind, `r` to reject stray line ends, and a size behind `=`.
    pub(super) fn read(argument: &[u8]) -> Self {
        let size =
            argument.iter().position(|&octet| octet == b'=').map(|at| number(&argument[at + 1..]) as u64);
        let kinds =
            [(b'7', BodyKind::SevenBit), (b'8', BodyKind::EightBitMime), (b'b', BodyKind::BinaryMime)];
        let kind =
            kinds.into_iter().find(|(letter, _)| argument.first() == Some(letter)).map(|(_, kind)| kind);
        let line_endings =
            if argument.contains(&b'r') { LineEndings::Reject } else { LineEndings::Normalize };
        Self { kind, line_endings, size }
    }

    pub(super) fn data(&self, connection: &Connection) -> DataCommand {
        let data = connection.default_data();
        let rules =
            BodyRules { line_endings: self.line_endings, ..self.kind.map_or(data.rules, BodyRules::new) };
        DataCommand { rules, size: self.size.or(data.size) }
    }
}

impl Line {
    /// A letter and fields; `None` if they make no command.
    pub(super) fn read(argument: &[u8]) -> Option<Self> {
        let (&letter, rest) = argument.split_first()?;
        let mut fields = fields(rest);
        let first = fields.next().unwrap_or_default();
        let words = || text(first).into_owned();
        Some(match letter {
            b'E' => Self::Ehlo(client_name(first)?),
            b'H' => Self::Helo(client_name(first)?),
            b'L' => Self::Lhlo(client_name(first)?),
            b'S' => Self::StartTls,
            b'A' => Self::Auth { mechanism: words(), response: fields.next().map(<[u8]>::to_vec) },
            b'M' => Self::Mail(path(first)?.parse().ok()?, mail_parameters(fields)),
            b'R' => Self::Rcpt(path(first)?.parse().ok()?, rcpt_parameters(fields)),
            b'D' => Self::Data(Rules::read(first)),
            b'T' => Self::Rset,
            b'V' => Self::Vrfy(words()),
            b'X' => Self::Expn(words()),
            b'?' => Self::Help(words()),
            b'e' => Self::Etrn(words()),
            b'x' => Self::XClient(xclient(rest)),
            b'N' => Self::Noop,
            b'Q' => Self::Quit,
            b'C' => Self::Custom(custom(first)?),
            _ => return None,
        })
    }

    pub(super) fn command<'a>(&'a self, connection: &Connection) -> Command<'a> {
        match self {
            Self::Ehlo(name) => Command::Ehlo(name),
            Self::Helo(name) => Command::Helo(name),
            Self::Lhlo(name) => Command::Lhlo(name),
            Self::StartTls => Command::StartTls,
            Self::Auth { mechanism, response } => {
                Command::Auth(AuthCommand { mechanism, initial_response: response.as_deref() })
            }
            Self::Mail(path, parameters) => Command::Mail(path, parameters),
            Self::Rcpt(path, parameters) => Command::Rcpt(path, parameters),
            Self::Data(rules) => Command::Data(rules.data(connection)),
            Self::Rset => Command::Rset,
            Self::Vrfy(words) => Command::Vrfy(words),
            Self::Expn(words) => Command::Expn(words),
            Self::Help(words) => Command::Help(words),
            Self::Etrn(words) => Command::Etrn(words),
            Self::XClient(client) => Command::XClient(client),
            Self::Noop => Command::Noop,
            Self::Quit => Command::Quit,
            Self::Custom(words) => Command::Custom(words),
        }
    }
}

pub(super) fn client_name(argument: &[u8]) -> Option<ClientName> {
    text(argument).parse().ok()
}

/// Any other line. On the wire these verbs cannot be told from the commands above, and nobody needs to.
fn custom(argument: &[u8]) -> Option<String> {
    let words = text(argument).into_owned();
    let verb = words.split([' ', '\t']).next().unwrap_or_default().to_ascii_uppercase();
    (!["VRFY", "EXPN", "HELP", "NOOP", "ETRN"].contains(&verb.as_str())).then_some(words)
}

/// An address; those of the messages that flows send are told apart by their domain, and are not to be had here.
fn path(argument: &[u8]) -> Option<String> {
    let path = text(argument).into_owned();
    (!path.contains(super::message::DOMAIN)).then_some(path)
}

fn mail_parameters<'i>(fields: impl Iterator<Item = &'i [u8]>) -> MailParameters {
    let mut parameters = MailParameters::new();
    for (&letter, argument) in fields.filter_map(<[u8]>::split_first) {
        let with = match letter {
            b's' => Some(parameters.clone().size(number(argument) as u64)),
            b'7' => Some(parameters.clone().body(BodyKind::SevenBit)),
            b'8' => Some(parameters.clone().body(BodyKind::EightBitMime)),
            b'b' => Some(parameters.clone().body(BodyKind::BinaryMime)),
            b'u' => Some(parameters.clone().smtp_utf8()),
            b'r' => Some(parameters.clone().ret(Ret::Headers)),
            b'i' => parameters.clone().envid(&text(argument)).ok(),
            b'a' => Some(parameters.clone().auth(None)),
            b't' => Some(parameters.clone().require_tls()),
            b'd' => {
                let by = DeliverBy::or_return(number(argument) as u32).ok();
                by.map(|by| parameters.clone().deliver_by(by))
            }
            b'p' => parameters.clone().mt_priority(number(argument) as i8).ok(),
            b'h' => parameters.clone().hold(Hold::For(number(argument) as u32)).ok(),
            _ => None,
        };
        parameters = with.unwrap_or(parameters);
    }
    parameters
}

fn rcpt_parameters<'i>(fields: impl Iterator<Item = &'i [u8]>) -> RcptParameters {
    let mut parameters = RcptParameters::new();
    for (&letter, argument) in fields.filter_map(<[u8]>::split_first) {
        let with = match letter {
            b'n' => Some(parameters.clone().notify(NotifyOn::FAILURE)),
            b'o' => parameters.clone().orcpt("rfc822", &text(argument)).ok(),
            _ => None,
        };
        parameters = with.unwrap_or(parameters);
    }
    parameters
}

/// `n` and `l` with a text, `a` with an address, `p` with a port.
pub(super) fn xclient(argument: &[u8]) -> XClient {
    let mut client = XClient::new();
    for (&letter, argument) in fields(argument).filter_map(<[u8]>::split_first) {
        let with = match letter {
            b'n' => client.clone().name(&text(argument)).ok(),
            b'l' => client.clone().login(&text(argument)).ok(),
            b'a' => text(argument).parse().ok().map(|address| client.clone().addr(address)),
            b'p' => Some(client.clone().port(number(argument) as u16)),
            _ => None,
        };
        client = with.unwrap_or(client);
    }
    client
}
