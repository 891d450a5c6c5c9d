//! The client's octets, read as a strict server reads them: one clean line after the other, and messages between
//! (INV3, INV4), each allowed where it stands by what was offered and answered (RFC 2920, RFC 3207, RFC 5321 §4.1.4).

use smtp_proto::connection::{Stage, TlsPolicy, Window};

use super::bodies::{repaired, unstuffed};
use super::capabilities::Offered;
use super::ledger::{Awaited, Ledger, Transaction, is_negative, is_positive};
use super::message::DOMAIN;
use super::secrets;

/// What the next octet belongs to.
#[derive(Debug, Default)]
pub(super) struct Reading {
    place: Place,
    line: Vec<u8>,
    /// Of the message under way, as on the wire; under BDAT without the command lines.
    message: Vec<u8>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Place {
    #[default]
    Line,
    Data,
    Chunk {
        left: u64,
        last: bool,
    },
}

impl Reading {
    pub(super) fn data() -> Self {
        Self { place: Place::Data, ..Self::default() }
    }

    /// Whether a line, or a message, is half said.
    pub(super) fn is_between(&self) -> bool {
        self.place == Place::Line && self.line.is_empty()
    }
}

impl Ledger {
    /// The transport has taken these octets.
    pub(super) fn wrote(&mut self, octets: &[u8]) {
        for &octet in octets {
            self.octets += 1;
            match self.reading.place {
                Place::Line => self.line_octet(octet),
                Place::Data => self.data_octet(octet),
                Place::Chunk { left, last } => self.chunk_octet(octet, left, last),
            }
        }
    }

    /// INV3.
    fn line_octet(&mut self, octet: u8) {
        if self.reading.line.is_empty() {
            self.may_begin();
        }
        let after_cr = self.reading.line.last() == Some(&b'\r');
        match octet {
            b'\n' => assert!(after_cr, "INV3: LF within a line"),
            _ => assert!(!after_cr, "INV3: CR within a line"),
        }
        assert!(matches!(octet, b'\r' | b'\n' | 0x20..=0x7e | 0x80..), "INV3: {octet:#x} in a line");
        self.reading.line.push(octet);
        if octet == b'\n' {
            let line = std::mem::take(&mut self.reading.line);
            let text = std::str::from_utf8(&line[..line.len() - 2]).expect("INV3: a line is text");
            self.left(text, line.len());
        }
    }

    /// RFC 2920 §3.1: what may be unanswered while another line begins.
    fn may_begin(&self) {
        assert!(!self.closed && !self.tls_due, "INV11, INV1: a line after the end, or before the handshake");
        assert_eq!(self.fatal, None, "INV11: a line after a reply that ends the session");
        assert!(self.tls || self.policy != TlsPolicy::Implicit, "INV1: a line before the handshake");
        if self.queue.is_empty() {
            return;
        }
        assert!(self.offered.has("PIPELINING"), "S12: more than one command in flight");
        let groups = |awaited: &Awaited| {
            matches!(awaited.stage, Stage::Mail | Stage::Rcpt | Stage::Rset | Stage::Bdat | Stage::EndOfData)
        };
        assert!(self.queue.iter().all(groups), "S11: behind a command that ends its group");
        assert!(self.queue.len() < self.window.commands.max(1), "S15: the window of commands");
    }

    /// A whole line has left.
    fn left(&mut self, line: &str, cost: usize) {
        if self.challenged {
            self.challenged = false;
            assert!(line.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+/=*".contains(&octet)));
            self.secret(line);
            self.expect(Stage::Auth, cost);
            return;
        }
        let (verb, rest) = line.split_once(' ').map_or((line, ""), |(verb, rest)| (verb, rest));
        let stage = self.stage(line, verb, rest);
        self.may_be_said(stage);
        let in_clear = self.policy == TlsPolicy::Required && !self.tls;
        assert!(
            !in_clear || !matches!(stage, Stage::Mail | Stage::Auth),
            "T09: {stage} though TLS is required"
        );
        match stage {
            Stage::Mail => {
                let transaction = read_mail(rest, &self.offered, self.tls);
                self.transactions.push(transaction);
                self.open = Some(self.transactions.len() - 1);
                let mails = self.offered.number("LIMITS", "MAILMAX").unwrap_or(u64::MAX);
                assert!(mails > 0);
            }
            Stage::Rcpt => {
                let recipient = read_rcpt(rest, &self.offered);
                let open = self.open.expect("RCPT in a transaction");
                let recipients = &mut self.transactions[open].recipients;
                recipients.push((recipient, None));
                let most = self.offered.number("LIMITS", "RCPTMAX").unwrap_or(u64::MAX);
                assert!(recipients.len() as u64 <= most, "RFC 9422: RCPTMAX");
            }
            Stage::Ehlo | Stage::Helo | Stage::Lhlo => self.offered = Offered::default(),
            Stage::Auth => {
                self.secret(rest);
                assert!(!self.no_auth || self.tls, "T14: AUTH in clear under opportunistic TLS");
                let mechanism = rest.split(' ').next().unwrap_or_default();
                assert!(self.offered.has_mechanism(mechanism), "AUTH {mechanism} was not offered");
            }
            _ => {}
        }
        self.expect(stage, cost);
        match stage {
            Stage::Bdat | Stage::EndOfData => self.chunk_begins(rest),
            Stage::Rset => {
                self.open = None;
                self.message_over();
            }
            _ => {}
        }
        let (cost, count) = self.queue.iter().fold((0, 0), |(cost, n), awaited| (cost + awaited.cost, n + 1));
        assert!(count == 1 || cost <= self.window.octets, "S15: the window of octets");
    }

    /// What kind of line it is, by its first word.
    fn stage(&self, line: &str, verb: &str, rest: &str) -> Stage {
        let bare = |stage| {
            assert_eq!(rest, "", "{verb} has no argument");
            stage
        };
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => Stage::Ehlo,
            "HELO" => Stage::Helo,
            "LHLO" => Stage::Lhlo,
            "STARTTLS" => bare(Stage::StartTls),
            "AUTH" => Stage::Auth,
            "MAIL" => Stage::Mail,
            "RCPT" => Stage::Rcpt,
            "DATA" => bare(Stage::Data),
            "BDAT" if rest.ends_with(" LAST") => Stage::EndOfData,
            "BDAT" => Stage::Bdat,
            "RSET" => bare(Stage::Rset),
            "VRFY" => Stage::Vrfy,
            "EXPN" => Stage::Expn,
            "HELP" => Stage::Help,
            "ETRN" => Stage::Etrn,
            "XCLIENT" => Stage::XClient,
            "NOOP" => bare(Stage::Noop),
            "QUIT" => bare(Stage::Quit),
            _ => {
                assert!(self.customs.iter().any(|custom| custom == line.as_bytes()), "nobody said {line:?}");
                Stage::Custom
            }
        }
    }

    /// Whether the line makes sense where it stands.
    fn may_be_said(&self, stage: Stage) {
        let open = self.open.map(|open| &self.transactions[open]);
        // What was refused was never opened.
        let closed = open.is_none_or(|open| open.mail.is_some_and(is_negative));
        let offered = |keyword| assert!(self.offered.has(keyword), "{stage} without {keyword}");
        let idle = self.queue.is_empty();
        // By hand a caller may queue more than the server turns out to take, and a full window holds lines back until
        // they are of no use; else a flow says nothing in vain.
        let roomy = self.window == Window::default();
        let own = open.and_then(|open| open.message).is_some_and(|number| self.by_flow.contains(&number));
        let careful = idle && roomy && own;
        match stage {
            Stage::Ehlo | Stage::Helo => assert!(!self.lmtp),
            Stage::Lhlo => assert!(self.lmtp),
            Stage::StartTls => {
                offered("STARTTLS");
                assert!(!self.tls && idle && closed, "T08, T23, T24");
            }
            Stage::Auth => {
                assert!(idle && closed, "A20, A21");
            }
            // It may have been queued behind a RSET.
            Stage::Mail => {
                assert!(closed || open.is_some_and(|open| open.reset_refused), "MAIL within a transaction")
            }
            Stage::Rcpt => {
                let open = open.expect("RCPT without a transaction");
                assert!(!careful || open.mail.is_some_and(is_positive), "RCPT though MAIL was refused");
            }
            Stage::Data => {
                let open = open.expect("DATA without a transaction");
                assert!(!open.binary, "BINARYMIME after DATA");
                assert!(
                    !open.recipients.is_empty() && (!careful || open.accepted() > 0),
                    "DATA without recipients"
                );
            }
            Stage::Bdat | Stage::EndOfData => {
                offered("CHUNKING");
                assert!(open.is_some_and(|open| !open.recipients.is_empty()), "BDAT without recipients");
            }
            Stage::Etrn => offered("ETRN"),
            Stage::XClient => {
                offered("XCLIENT");
                assert!(closed, "XCLIENT within a transaction");
            }
            _ => {}
        }
    }

    /// INV2.
    fn secret(&self, line: &str) {
        assert!(
            self.tls || self.secrets_in_clear || !secrets::told_in(line.as_bytes()),
            "INV2: a secret in clear: {line:?}"
        );
    }

    // ---- messages ----

    fn data_octet(&mut self, octet: u8) {
        self.message_octet(octet, true);
        let ends: [&[u8]; 2] = [b".\r\n", b"\r\n.\r\n"];
        let message = &self.reading.message;
        if message == ends[0] || message.ends_with(ends[1]) {
            let taken_back = message == ends[0] && self.bodies.lone_dot(self.bodies_left);
            let message = unstuffed(message);
            let body = self.bodies.get(self.bodies_left);
            assert!(body.ended, "INV4: the end of the message within the message");
            assert_eq!(message, repaired(&body.octets, true), "INV4: what is read is what was given");
            let open = self.open.expect("a message in a transaction");
            self.transactions[open].taken_back = taken_back;
            self.reading.place = Place::Line;
            self.expect(Stage::EndOfData, 0);
            self.end_left();
        }
    }

    /// No lone CR, no lone LF, and nothing that the server was not told to expect.
    fn message_octet(&mut self, octet: u8, after_data: bool) {
        let open = self.open.expect("a message in a transaction");
        let Transaction { eight_bit, binary, .. } = self.transactions[open];
        if !binary {
            let after_cr = self.reading.message.last() == Some(&b'\r');
            assert_eq!(after_cr, octet == b'\n', "INV4: a lone CR or LF");
            assert!(octet != 0, "D08: NUL");
            assert!(eight_bit || octet < 128, "D09: an octet above 127");
        }
        assert!(!binary || !after_data);
        self.reading.message.push(octet);
    }

    fn chunk_begins(&mut self, argument: &str) {
        let (octets, last) = match argument.strip_suffix(" LAST") {
            Some(octets) => (octets, true),
            None => (argument, false),
        };
        let left = octets.parse().expect("a number of octets");
        self.queue.back_mut().expect("just sent").chunk = true;
        let chunks = self.queue.iter().filter(|awaited| awaited.chunk).count();
        assert!(chunks <= self.window.chunks.max(1), "S15: the window of chunks");
        self.chunk_goes_on(left, last);
    }

    fn chunk_octet(&mut self, octet: u8, left: u64, last: bool) {
        self.message_octet(octet, false);
        self.chunk_goes_on(left - 1, last);
    }

    fn chunk_goes_on(&mut self, left: u64, last: bool) {
        self.reading.place = if left == 0 { Place::Line } else { Place::Chunk { left, last } };
        if left == 0 && last {
            let open = self.open.expect("a message in a transaction");
            let body = self.bodies.get(self.bodies_left);
            assert!(body.ended, "the last chunk before the end was given");
            if self.transactions[open].binary {
                assert_eq!(self.reading.message, body.octets, "D12");
            } else {
                assert_eq!(self.reading.message, repaired(&body.octets, false), "D12");
            }
            self.end_left();
        }
    }

    fn end_left(&mut self) {
        let open = self.open.take().expect("a message in a transaction");
        self.transactions[open].end_left = true;
        self.reading.message.clear();
        self.bodies_left += 1;
    }

    /// RSET took back a message that was begun in chunks.
    fn message_over(&mut self) {
        if !self.reading.message.is_empty() {
            self.reading.message.clear();
            self.bodies_left += 1;
        }
    }

    /// What has left of a message that has not ended is the beginning of what was given.
    pub(super) fn check_begun(&self) {
        if self.reading.message.is_empty() {
            return;
        }
        let Some(body) = self.bodies.begun(self.bodies_left) else {
            let begins_lone_dot =
                self.reading.place == Place::Data && b".\r".starts_with(&self.reading.message);
            assert!(begins_lone_dot, "no octet of a body leaves that was not supplied");
            return;
        };
        let given = &body.octets;
        let open = self.open.expect("a message in a transaction");
        let sound = match (self.reading.place, self.transactions[open].binary) {
            (Place::Data, _) => repaired(given, true).starts_with(&unstuffed_so_far(&self.reading.message)),
            (_, true) => given.starts_with(&self.reading.message),
            (_, false) => repaired(given, false).starts_with(&self.reading.message),
        };
        assert!(sound, "INV4: what has left is not what was given");
    }
}

/// As [`unstuffed`], of whole lines only.
fn unstuffed_so_far(wire: &[u8]) -> Vec<u8> {
    let whole = wire.iter().rposition(|&octet| octet == b'\n').map_or(0, |at| at + 1);
    unstuffed(&wire[..whole])
}

/// The path, and the parameters behind it. Paths with `>` or a space in them are in no test of extensions.
fn path_and_parameters<'l>(
    argument: &'l str,
    verb: &str,
) -> (&'l str, impl Iterator<Item = (&'l str, &'l str)>) {
    let argument = argument.strip_prefix(verb).expect("the rest of the verb");
    let (path, parameters) = argument.split_once("> ").unwrap_or((argument, ""));
    let words = parameters.split(' ').filter(|word| !word.is_empty());
    (path, words.map(|word| word.split_once('=').unwrap_or((word, ""))))
}

fn read_mail(argument: &str, offered: &Offered, tls: bool) -> Transaction {
    let (path, parameters) = path_and_parameters(argument, "FROM:<");
    let mut transaction = Transaction { message: number_of(path, 'm'), ..Transaction::default() };
    let mut utf8 = false;
    for (keyword, value) in parameters {
        let extension = match keyword {
            "SIZE" => {
                let size: u64 = value.parse().expect("a size");
                assert!(offered.number("SIZE", "").is_none_or(|limit| size <= limit), "D11");
                "SIZE"
            }
            "BODY" => {
                transaction.eight_bit = value == "8BITMIME";
                transaction.binary = value == "BINARYMIME";
                if transaction.binary { "BINARYMIME" } else { "8BITMIME" }
            }
            "SMTPUTF8" => {
                utf8 = true;
                "SMTPUTF8"
            }
            "RET" | "ENVID" => "DSN",
            "AUTH" => "AUTH",
            "REQUIRETLS" => {
                assert!(tls, "RFC 8689 §4.2.1");
                "REQUIRETLS"
            }
            "BY" => "DELIVERBY",
            "MT-PRIORITY" => "MT-PRIORITY",
            "HOLDFOR" | "HOLDUNTIL" => "FUTURERELEASE",
            // A quoted local part may hold anything.
            _ if path.contains('"') || argument.contains('"') => continue,
            other => panic!("nobody said {other}"),
        };
        assert!(offered.has(extension), "I08: {keyword} without {extension}");
    }
    assert!(path.is_ascii() || utf8, "I09: an address outside ASCII without SMTPUTF8");
    transaction
}

fn read_rcpt(argument: &str, offered: &Offered) -> Option<usize> {
    let (path, parameters) = path_and_parameters(argument, "TO:<");
    for (keyword, _) in parameters {
        match keyword {
            "NOTIFY" | "ORCPT" => assert!(offered.has("DSN"), "I08: {keyword} without DSN"),
            _ if argument.contains('"') => {}
            other => panic!("nobody said {other}"),
        }
    }
    number_of(path, 'r').map(|number| number as usize)
}

/// The number in the address of a message that a flow sends.
fn number_of(path: &str, letter: char) -> Option<u32> {
    let (local, _) = path.split_once(DOMAIN)?;
    local.strip_prefix(letter)?.trim_end_matches('é').parse().ok()
}
