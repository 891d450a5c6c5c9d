//! The sessions that the faults strike: every way to open one, to log in, to send messages and to end.
//!
//! `C:` and `S:` are lines of client and server, `C|` is octets as they stand, with `\r` and `\n`; `tls` is the
//! handshake. What the server says between two turns of the client is one segment; a blank line makes two.

mod batches;
mod chunks;
mod data;
mod lmtp;
mod sessions;

use std::sync::Arc;

use smtp_proto::connection::{Config, TlsPolicy};
use smtp_proto::flow::{Envelope, RecipientPolicy, SendOptions, Transfer};

use super::client::{Job, Message, Supply};
use super::line::Turn;
use super::outcome_model::Setting;

/// All of them.
pub fn all() -> Vec<Transcript> {
    [sessions::all(), data::all(), chunks::all(), batches::all(), lmtp::all()].into_iter().flatten().collect()
}

/// A session in which nothing goes wrong but what the server refuses.
pub struct Transcript {
    pub name: String,
    pub config: Arc<Config>,
    pub jobs: Vec<Job>,
    pub messages: Vec<Message>,
    pub options: SendOptions,
    pub turns: Vec<Turn>,
    pub setting: Setting,
}

impl Transcript {
    fn new(name: impl Into<String>, jobs: &[Job], text: &str) -> Self {
        let config = Config::new("mail.example").client_name("c.test".parse().unwrap()).tls(TlsPolicy::None);
        let turns = turns(text);
        let said = turns.iter().filter_map(|turn| match turn {
            Turn::Client(octets) => Some(&octets[..]),
            Turn::Server(_) | Turn::Tls => None,
        });
        let intended = said.collect::<Vec<_>>().concat();
        Self {
            name: name.into(),
            config: config.into(),
            jobs: [&[Job::Open], jobs].concat(),
            messages: Vec::new(),
            options: SendOptions::default().transfer(Transfer::Data),
            turns,
            setting: Setting { intended, ..Setting::default() },
        }
    }

    fn config(mut self, change: impl FnOnce(Config) -> Config) -> Self {
        self.config = change((*self.config).clone()).into();
        self.setting.tls_required = self.config.tls_policy() == TlsPolicy::Required;
        self.setting.tls_first = self.config.tls_policy() == TlsPolicy::Implicit;
        self.setting.lmtp = self.config.is_lmtp();
        self
    }

    /// Messages to so many recipients each.
    fn messages(mut self, recipients: &[usize], supply: Supply) -> Self {
        self.messages = recipients.iter().enumerate().map(|(k, &n)| message(k, n, supply)).collect();
        self.setting.recipients = recipients.to_vec();
        self
    }

    fn options(mut self, change: impl FnOnce(SendOptions) -> SendOptions) -> Self {
        self.options = change(self.options);
        self.setting.all = self.options.recipients == RecipientPolicy::All;
        self.setting.chunks = self.options.transfer == Transfer::Chunks;
        self
    }

    fn mechanism(mut self, name: &'static str) -> Self {
        self.setting.mechanism = Some(name);
        self
    }

    fn xclient(mut self) -> Self {
        self.setting.xclient = true;
        self
    }

    fn chunks(self) -> Self {
        self.options(|options| options.transfer(Transfer::Chunks))
    }

    /// The same with a server that answers each command of the first group as soon as it has heard it. What the
    /// client says is the same.
    fn prompt(mut self) -> Self {
        let is_group = |turn: &Turn| matches!(turn, Turn::Client(octets) if octets.starts_with(b"MAIL"));
        let at = self.turns.iter().position(is_group).unwrap();
        let (Turn::Client(asked), Turn::Server(said)) = (&self.turns[at], &self.turns[at + 1]) else {
            panic!()
        };
        let lines: Vec<&[u8]> = asked.split_inclusive(|octet| *octet == b'\n').collect();
        let chunk = lines.iter().position(|line| line.starts_with(b"BDAT")).unwrap_or(lines.len());
        let commands = lines[..chunk].iter().map(|line| line.to_vec());
        let commands = commands.chain((chunk < lines.len()).then(|| lines[chunk..].concat()));
        let replies = said.split_inclusive(|octet| *octet == b'\n').map(<[u8]>::to_vec);
        let turns = commands.zip(replies).flat_map(|(asked, said)| [Turn::Client(asked), Turn::Server(said)]);
        let turns: Vec<Turn> = turns.collect();
        self.turns.splice(at..at + 2, turns);
        self.name += ", prompt";
        self
    }

    pub fn client_octets(&self) -> usize {
        self.setting.intended.len()
    }

    pub fn server_octets(&self) -> usize {
        let said = self.turns.iter().map(|turn| match turn {
            Turn::Server(octets) => octets.len(),
            Turn::Client(_) | Turn::Tls => 0,
        });
        said.sum()
    }
}

fn turns(text: &str) -> Vec<Turn> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut joined = false;
    for line in text.lines().map(str::trim_start) {
        let turn = match line.split_at_checked(2) {
            Some(("C:", rest)) => Turn::Client(format!("{}\r\n", rest.trim_start()).into_bytes()),
            Some(("C|", rest)) => {
                Turn::Client(rest.trim_start().replace("\\r", "\r").replace("\\n", "\n").into_bytes())
            }
            Some(("S:", rest)) => Turn::Server(format!("{}\r\n", rest.trim_start()).into_bytes()),
            _ if line == "tls" => Turn::Tls,
            _ => {
                assert_eq!(line, "");
                joined = false;
                continue;
            }
        };
        match (turns.last_mut(), turn) {
            (Some(Turn::Client(before)), Turn::Client(more)) => before.extend(more),
            (Some(Turn::Server(before)), Turn::Server(more)) if joined => before.extend(more),
            (_, turn) => turns.push(turn),
        }
        joined = true;
    }
    turns
}

const BODIES: [&[u8]; 3] =
    [b"Subject: 0\r\n\r\n.hi\r\n", b"Subject: 1\r\n\r\n.hi\r\n", b"Subject: 2\r\n\r\n.hi\r\n"];

fn message(k: usize, recipients: usize, supply: Supply) -> Message {
    let to: Vec<String> = (0..recipients).map(|n| format!("r{n}@b.example")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let envelope = Envelope::from_strs(&format!("a@m{k}.example"), &to).unwrap();
    let pieces = match supply {
        Supply::Whole => vec![BODIES[k]],
        Supply::Sized | Supply::Unsized => vec![&BODIES[k][..14], &BODIES[k][14..]],
    };
    Message { envelope, pieces, supply }
}

// ---- the parts of a session ----

fn hello(keywords: &[&str]) -> String {
    let mut text = String::from("S: 220 m ESMTP\nC: EHLO c.test\n");
    for (at, line) in std::iter::once(&"m").chain(keywords).enumerate() {
        text += &format!("S: 250{}{line}\n", if at == keywords.len() { ' ' } else { '-' });
    }
    text
}

fn hello_tls(keywords: &[&str]) -> String {
    let secure = hello(keywords).replace("S: 220 m ESMTP\n", "");
    format!("{}C: STARTTLS\nS: 220 go\ntls\n{secure}", hello(&["STARTTLS"]))
}

fn mail(k: usize) -> String {
    format!("C: MAIL FROM:<a@m{k}.example>\n")
}

fn rcpt(n: usize) -> String {
    format!("C: RCPT TO:<r{n}@b.example>\n")
}

fn dotted(k: usize) -> String {
    format!("C: Subject: {k}\nC:\nC: ..hi\nC: .\n")
}

/// A message in one chunk.
fn chunk(k: usize) -> String {
    format!("C: BDAT 19 LAST\nC: Subject: {k}\nC:\nC: .hi\n")
}

fn ok(words: &str) -> String {
    format!("S: 250 {words}\n")
}

const QUIT: &str = "C: QUIT\nS: 221 bye\n";

/// Every sequence of so many replies to RCPT.
fn patterns(n: u32) -> impl Iterator<Item = Vec<u16>> {
    (0..3_usize.pow(n))
        .map(move |number| (0..n).map(|i| [250, 450, 550][number / 3_usize.pow(i) % 3]).collect())
}

/// Those of one and of two recipients.
fn rcpts() -> impl Iterator<Item = Vec<u16>> {
    patterns(1).chain(patterns(2))
}

fn any(rcpts: &[u16]) -> bool {
    rcpts.contains(&250)
}
