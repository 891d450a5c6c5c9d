//! The input as text: settings, then operations, between two of them an octet 0xff; between the fields of one 0xfe.
//!
//! An operation is a letter and what follows it, so that a seed can be read, and the words of the dictionary land
//! where they count.

use std::borrow::Cow;

use smtp_proto::path::ClientName;
use smtp_proto::sasl::{Credentials, RefusedToken, Secret, TokenError};

use super::super::Dice;
use super::command::{self, Line, Rules};
use super::message::Message;
use super::secrets::{self, FRESH_TOKEN, PASSWORD, TOKEN, USER};
use super::settings::Settings;

#[derive(Debug)]
pub(super) struct Script<'i> {
    pub(super) settings: Settings,
    pub(super) operations: Vec<Operation<'i>>,
    /// How octets are split.
    pub(super) dice: Dice,
    /// The input has a secret of this side in it: what is shown then cannot be told from what the server said.
    pub(super) guessed: bool,
}

/// One thing that the caller, the server or the network does.
#[derive(Debug)]
pub(super) enum Operation<'i> {
    /// The server says these octets; the client hears them at once, or only when it next listens.
    Say {
        octets: &'i [u8],
        heard: bool,
    },
    /// The server answers the oldest unanswered line, once for each symbol.
    Answer(&'i [u8]),
    /// The transport takes so many octets.
    Write(usize),
    /// More octets are said to have been taken than there were.
    WriteTooFar,
    /// Client and server go on until neither has anything to say; the symbols are the server's answers in turn.
    Go(&'i [u8]),
    /// What the flow asked for is done, once.
    Step,
    Queue(Line),
    Respond(&'i [u8]),
    CancelAuth,
    Body(&'i [u8]),
    FinishBody,
    CancelBody,
    FailBody,
    BeginChunks(Rules),
    TakeUpgrade,
    Upgrade,
    FailTls,
    /// So many seconds pass.
    Tick(u64),
    TimeOut,
    EndOfFile,
    Abandon,
    Mask(Cow<'i, str>),
    Name(ClientName),
    Poll,
    Start(Start),
    Drop,
}

/// A flow to be started, by the flow's own name.
#[allow(clippy::enum_variant_names)]
#[derive(Debug)]
pub(super) enum Start {
    Open,
    Greeting,
    Hello,
    StartTls,
    LogIn(Credentials),
    /// Which mechanism, and whether it is for another host.
    Authenticate(u8, bool),
    Send(Message),
    Submit(Message, Option<Credentials>),
    Batch {
        messages: Vec<Message>,
        quit: bool,
        later: bool,
    },
    BeginData(Rules),
    FinishData,
    Exchange(Line, bool),
    XClient(smtp_proto::params::XClient),
    Quit,
}

/// Operations after these are not looked at.
const MOST: usize = 80;

impl<'i> Script<'i> {
    pub(super) fn read(input: &'i [u8]) -> Self {
        let mut parts = input.split(|&octet| octet == 0xff);
        let settings = Settings::read(parts.next().unwrap_or_default());
        let operations =
            parts.take(MOST).enumerate().filter_map(|(nth, part)| Operation::read(nth as u32, part));
        Self {
            settings,
            operations: operations.collect(),
            dice: Dice::new(input),
            guessed: secrets::guessed(input),
        }
    }
}

impl<'i> Operation<'i> {
    fn read(nth: u32, part: &'i [u8]) -> Option<Self> {
        let (letter, rest) = part.split_first()?;
        Some(match letter {
            b'S' => Self::Say { octets: rest, heard: true },
            b's' => Self::Say { octets: rest, heard: false },
            b'R' => Self::Answer(rest),
            b'w' => Self::Write(number(rest)),
            b'W' => Self::Write(usize::MAX),
            b'y' => Self::WriteTooFar,
            b'G' => Self::Go(rest),
            b'g' => Self::Step,
            b'c' => Self::Queue(Line::read(rest)?),
            b'a' => Self::Respond(rest),
            b'*' => Self::CancelAuth,
            b'b' => Self::Body(rest),
            b'f' => Self::FinishBody,
            b'k' => Self::CancelBody,
            b'F' => Self::FailBody,
            b'B' => Self::BeginChunks(Rules::read(rest)),
            b't' => Self::TakeUpgrade,
            b'T' => Self::Upgrade,
            b'U' => Self::FailTls,
            b'i' => Self::Tick(number(rest) as u64 % 100_000),
            b'!' => Self::TimeOut,
            b'.' => Self::EndOfFile,
            b'x' => Self::Abandon,
            b'm' => Self::Mask(text(rest)),
            b'n' => Self::Name(command::client_name(rest)?),
            b'p' => Self::Poll,
            b'>' => Self::Start(Start::read(nth, rest)?),
            b'<' => Self::Drop,
            _ => return None,
        })
    }
}

impl Start {
    fn read(nth: u32, part: &[u8]) -> Option<Self> {
        let (letter, rest) = part.split_first()?;
        Some(match letter {
            b'O' => Self::Open,
            b'g' => Self::Greeting,
            b'H' => Self::Hello,
            b'T' => Self::StartTls,
            b'L' => Self::LogIn(credentials(rest)),
            b'A' => Self::Authenticate(*rest.first()?, rest.contains(&b'!')),
            b'S' => {
                let mut fields = fields(rest);
                let letters = fields.next()?;
                Self::Send(Message::read(nth * 8, letters, fields.next().unwrap_or_default()))
            }
            b'U' => {
                let mut fields = fields(rest);
                let message = Message::read(nth * 8, fields.next()?, fields.next().unwrap_or_default());
                Self::Submit(message, fields.next().map(credentials))
            }
            b'B' => batch(nth * 8, rest),
            b'D' => Self::BeginData(Rules::read(rest)),
            b'F' => Self::FinishData,
            b'E' => Self::Exchange(Line::read(rest)?, true),
            b'e' => Self::Exchange(Line::read(rest)?, false),
            b'X' => Self::XClient(command::xclient(rest)),
            b'Q' => Self::Quit,
            _ => return None,
        })
    }
}

/// Letters, and then in turn the letters and the body of each message.
fn batch(number: u32, part: &[u8]) -> Start {
    let mut fields = fields(part);
    let letters = fields.next().unwrap_or_default();
    let mut messages = Vec::new();
    while let (Some(own), true) = (fields.next(), messages.len() < 8) {
        let octets = fields.next().unwrap_or_default();
        messages.push(Message::read(number + messages.len() as u32, own, octets));
    }
    Start::Batch { messages, quit: letters.contains(&b'q'), later: letters.contains(&b'w') }
}

/// `p` for a password, `t` for a token, `e` for the certificate, `a` for nothing.
fn credentials(letters: &[u8]) -> Credentials {
    let mut all: Option<Credentials> = None;
    for letter in letters.iter().take(4) {
        let more = match letter {
            b'p' => Credentials::password(USER, PASSWORD),
            b't' => Credentials::token(USER, |refused: Option<&RefusedToken<'_>>| match refused {
                None => Ok(Secret::from(TOKEN)),
                Some(_) => Ok(Secret::from(FRESH_TOKEN)),
            }),
            b'f' => Credentials::token(USER, |_: Option<&RefusedToken<'_>>| Err(TokenError::new("none"))),
            b'e' => Credentials::external(""),
            _ => Credentials::anonymous("trace"),
        };
        all = Some(match all {
            Some(all) => all.or(more),
            None => more,
        });
    }
    all.unwrap_or_else(|| Credentials::password(USER, PASSWORD))
}

/// What stands between octets 0xfe.
pub(super) fn fields(part: &[u8]) -> impl Iterator<Item = &[u8]> {
    part.split(|&octet| octet == 0xfe)
}

pub(super) fn text(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets)
}

/// The digits that it begins with.
pub(super) fn number(octets: &[u8]) -> usize {
    let digits = octets.iter().take_while(|octet| octet.is_ascii_digit());
    digits.fold(0, |number: usize, digit| number.saturating_mul(10).saturating_add((digit - b'0').into()))
}
