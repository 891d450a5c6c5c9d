//! The session, moment by moment.

use super::client::{Asked, Expecting, Verb};
use super::message::{Outcome, Told};
use super::reader::{Read, Reader, Said};
use super::{Broken, Due, Facts, Judgement, Moment, Setting};

/// Judges a session by its facts.
pub fn judge(setting: &Setting, facts: &Facts) -> Judgement {
    // What the client was about to say when it was cut off, only the plan tells.
    let kept_to_it = setting.intended.starts_with(&facts.wire);
    let stream = if kept_to_it { &setting.intended } else { &facts.wire };
    let told = |&recipients: &usize| Told::new(recipients, setting.all, setting.lmtp);
    let mut judge = Judge {
        setting,
        stream,
        taken: 0,
        reader: Reader::default(),
        at: 0,
        expecting: Expecting::Greeting,
        secret_left: false,
        first_refusal: None,
        handshake: setting.tls_first,
        tls: false,
        message: None,
        messages: setting.recipients.iter().map(told).collect(),
        broken: None,
        refused: None,
        no_mechanism: false,
        no_xclient: false,
        no_chunking: false,
        lone_dots: Vec::new(),
        offences: Vec::new(),
    };
    judge.watch(facts);
    judge.conclude()
}

struct Judge<'a> {
    setting: &'a Setting,
    stream: &'a [u8],
    taken: usize,
    reader: Reader,
    /// Where the oldest command without a reply begins, and how it is to be read.
    at: usize,
    expecting: Expecting,
    /// Credentials have left in an AUTH exchange that is not concluded.
    secret_left: bool,
    /// To EHLO; HELO was then tried.
    first_refusal: Option<u16>,
    /// The TLS handshake is due.
    handshake: bool,
    tls: bool,
    /// The message of the latest MAIL that was answered.
    message: Option<usize>,
    messages: Vec<Told>,
    broken: Option<Broken>,
    refused: Option<(Verb, u16)>,
    no_mechanism: bool,
    no_xclient: bool,
    no_chunking: bool,
    /// Where nothing but a lone dot may be said.
    lone_dots: Vec<usize>,
    offences: Vec<String>,
}

impl Judge<'_> {
    fn watch(&mut self, facts: &Facts) {
        let mut heard = 0;
        for moment in &facts.moments {
            match *moment {
                Moment::Took(octets) => {
                    if let Some(broken) = &self.broken {
                        self.offences.push(format!("INV11: {octets} octets after {broken:?}"));
                    }
                    self.taken += octets;
                }
                Moment::Heard(octets) => {
                    for octet in &facts.heard[heard..heard + octets] {
                        self.hear(*octet);
                    }
                    heard += octets;
                }
                Moment::Tls => (self.handshake, self.tls) = (false, true),
                Moment::Ended => self.ended(),
                Moment::TimedOut => self.timed_out(),
            }
        }
    }

    /// The oldest command without a reply.
    fn oldest(&self) -> Option<Asked> {
        Asked::read(self.stream, self.at, self.expecting)
    }

    fn has_left(&self, asked: &Asked) -> bool {
        asked.end <= self.taken
    }

    /// A message has begun when 354 asks for it, everything else with its first octet.
    fn has_begun(&self, asked: &Asked) -> bool {
        asked.begin < self.taken || self.has_left(asked) || self.expecting == Expecting::Message
    }

    fn due(&self) -> Due {
        match self.oldest() {
            Some(asked) if self.has_begun(&asked) => Due::Reply(asked.verb),
            _ => Due::Nothing,
        }
    }

    /// Whether the client has nothing to say but QUIT; so it is where the messages cannot be sent at all.
    fn at_quit(&self) -> bool {
        self.no_chunking || self.oldest().is_some_and(|asked| asked.verb == Verb::Quit)
    }

    /// The session is over. What comes after QUIT was about to be said matters to nobody.
    fn breaks(&mut self, broken: Broken) {
        let broken = if self.at_quit() { Broken::AtQuit } else { broken };
        self.broken.get_or_insert(broken);
    }

    fn ended(&mut self) {
        let exchange = self.oldest().filter(|asked| asked.verb == Verb::Auth);
        let secret = self.secret_left || exchange.is_some_and(|asked| asked.secret && self.has_begun(&asked));
        let broken = if self.handshake {
            Broken::TlsFailed
        } else {
            Broken::Lost { due: self.due(), truncated: !self.reader.is_blank(), secret }
        };
        self.breaks(broken);
    }

    fn timed_out(&mut self) {
        let broken = match self.oldest() {
            _ if self.handshake => Broken::NoHandshake,
            Some(asked) if asked.is_body() && !self.has_left(&asked) => Broken::NoProgress,
            _ => Broken::NoReply(self.due()),
        };
        self.breaks(broken);
    }

    fn hear(&mut self, octet: u8) {
        if self.broken.is_some() {
            return;
        }
        if self.handshake {
            return self.breaks(if self.setting.tls_first { Broken::ClearText } else { Broken::Residue });
        }
        match self.reader.read(octet) {
            Read::Blank => {}
            Read::Begun => self.begun(),
            Read::Reply(said) => self.reply(said),
            Read::Malformed => self.breaks(Broken::Malformed(self.due())),
        }
    }

    /// Half a reply, where none is due, is one too many already: the rest of it must not be taken for the reply to
    /// what is said next. Only a goodbye may come at any time, and a refusal while a message is being said.
    fn begun(&mut self) {
        let asked = self.oldest();
        if asked.is_some_and(|asked| self.has_left(&asked)) || self.reader.may_be_goodbye() {
            return;
        }
        match asked {
            Some(asked) if asked.is_body() && self.has_begun(&asked) => {}
            Some(asked) if self.has_begun(&asked) => self.breaks(Broken::Premature(asked.verb)),
            _ => self.breaks(Broken::Surplus),
        }
    }

    fn reply(&mut self, said: Said) {
        let goodbye = matches!(said.code, 421 | 221);
        let Some(asked) = self.oldest().filter(|asked| self.has_begun(asked)) else {
            return self.breaks(if goodbye { Broken::Closed(None, said.code) } else { Broken::Surplus });
        };
        if self.has_left(&asked) {
            return self.answer(asked, said);
        }
        match said.code {
            _ if goodbye => self.breaks(Broken::Closed(asked.is_body().then_some(asked.verb), said.code)),
            400..=599 if asked.is_body() => {
                self.current(|told| told.decide(Outcome::Rejected(asked.verb, said.code)));
                self.breaks(Broken::Refused(asked.verb, said.code));
            }
            _ => self.breaks(Broken::Premature(asked.verb)),
        }
    }

    /// Does something to what was told of the message whose commands are being answered.
    fn current(&mut self, act: impl FnOnce(&mut Told)) {
        if let Some(told) = self.message.and_then(|message| self.messages.get_mut(message)) {
            act(told);
        }
    }

    /// What a reply means to the command that it answers (RFC 5321 §4.3.2).
    fn answer(&mut self, asked: Asked, said: Said) {
        let (verb, code) = (asked.verb, said.code);
        if verb == Verb::Mail {
            self.message = asked.message;
        }
        if verb == Verb::Quit {
            return self.breaks(Broken::AtQuit);
        }
        if matches!(code, 421 | 221) {
            match verb {
                Verb::End if code == 421 => self.current(|told| told.closed_at_end(said)),
                // Whatever came behind MAIL, there was no transaction for it.
                Verb::Mail if code == 421 => self.current(|told| told.decide(Outcome::NotSent)),
                _ => {}
            }
            return self.breaks(Broken::Closed(Some(verb), code));
        }
        let success = match verb {
            Verb::Greeting | Verb::StartTls | Verb::XClient => code == 220,
            Verb::Ehlo | Verb::Helo | Verb::Lhlo => code == 250,
            Verb::Auth => matches!(code, 235 | 334),
            Verb::Data => code == 354,
            Verb::Other => code < 400,
            _ => code < 300,
        };
        if !success && code < 400 {
            return self.breaks(Broken::Unexpected(verb, code));
        }
        self.expecting = Expecting::Command;
        let again = verb == Verb::End && self.ends_to_come() > 1;
        let at = self.at;
        self.at = if again { at } else { asked.end };
        if again {
            self.expecting = if asked.chunk { Expecting::Command } else { Expecting::Message };
        }
        if success { self.succeeded(asked, said) } else { self.was_refused(asked, said) }
    }

    fn ends_to_come(&self) -> usize {
        let told = self.message.and_then(|message| self.messages.get(message));
        told.map_or(1, Told::ends_missing)
    }

    fn succeeded(&mut self, asked: Asked, said: Said) {
        match asked.verb {
            Verb::StartTls => self.handshake = true,
            Verb::Ehlo | Verb::Lhlo | Verb::Helo => self.introduced(asked.verb, &said),
            Verb::Auth => {
                let goes_on = said.code == 334;
                self.expecting = if goes_on { Expecting::Response } else { Expecting::Command };
                self.secret_left = goes_on && (self.secret_left || asked.secret);
            }
            Verb::Rcpt => self.current(|told| told.recipient(said.code)),
            Verb::Data => self.asked_for_the_message(),
            Verb::End => self.end(asked, said),
            Verb::Greeting
            | Verb::Mail
            | Verb::Bdat
            | Verb::Rset
            | Verb::XClient
            | Verb::Noop
            | Verb::Vrfy
            | Verb::Expn
            | Verb::Help
            | Verb::Quit
            | Verb::Other => {}
        }
    }

    fn was_refused(&mut self, asked: Asked, said: Said) {
        let (verb, code) = (asked.verb, said.code);
        match verb {
            Verb::Greeting | Verb::StartTls => self.breaks(Broken::Refused(verb, code)),
            // RFC 5321 §3.2: HELO is for servers that do not know EHLO; it must not do away with TLS.
            Verb::Ehlo
                if matches!(code, 500 | 502 | 504 | 550) && !self.setting.tls_required && !self.tls =>
            {
                self.first_refusal = Some(code);
            }
            Verb::Ehlo | Verb::Helo | Verb::Lhlo => {
                self.refused = Some(self.first_refusal.map_or((verb, code), |first| (Verb::Ehlo, first)));
                self.breaks(Broken::GivenUp);
            }
            Verb::Auth => {
                self.secret_left = false;
                self.refused = Some((verb, code));
            }
            Verb::Mail | Verb::Data | Verb::Bdat => {
                self.current(|told| told.decide(Outcome::Rejected(verb, code)));
            }
            Verb::Rcpt => self.current(|told| told.recipient(code)),
            Verb::End => self.end(asked, said),
            // RFC 5321 §4.1.1.5: RSET cannot fail.
            Verb::Rset => {
                self.refused = Some((verb, code));
                self.breaks(Broken::GivenUp);
            }
            // The session goes on as it was.
            Verb::XClient => self.refused = Some((verb, code)),
            // The caller asked, and is told.
            Verb::Noop | Verb::Vrfy | Verb::Expn | Verb::Help | Verb::Other | Verb::Quit => {}
        }
    }

    /// RFC 5321 §4.1.1.1: the first line of the reply is a greeting, the others are keywords.
    fn introduced(&mut self, verb: Verb, said: &Said) {
        let text = String::from_utf8_lossy(&said.text).to_ascii_uppercase();
        let offers = |keyword: &str| {
            let mut words = text.split('\n').skip(1).map(|line| line.split(' ').collect::<Vec<_>>());
            let (keyword, argument) = keyword.split_once(' ').unwrap_or((keyword, ""));
            let listed = words
                .any(|words| words[0] == keyword && (argument.is_empty() || words[1..].contains(&argument)));
            verb != Verb::Helo && listed
        };
        if self.setting.tls_required && !self.tls {
            if !offers("STARTTLS") {
                self.breaks(Broken::TlsMissing);
            }
            return;
        }
        self.no_mechanism = self.setting.mechanism.is_some_and(|name| !offers(&format!("AUTH {name}")));
        self.no_xclient = self.setting.xclient && !offers("XCLIENT NAME");
        self.no_chunking = self.setting.chunks && !offers("CHUNKING");
    }

    /// The server said 354. If nobody is to get the message, a lone dot takes DATA back (RFC 2920 §3.1); in LMTP
    /// nobody would answer it.
    fn asked_for_the_message(&mut self) {
        self.expecting = Expecting::Message;
        let mut unwanted = (false, false);
        self.current(|told| unwanted = (told.is_decided(), told.lmtp && told.accepted() == 0));
        match unwanted {
            (true, true) => self.breaks(Broken::GivenUp),
            (true, false) => self.lone_dots.push(self.at),
            (false, _) => {}
        }
    }

    fn end(&mut self, asked: Asked, said: Said) {
        let mut sound = true;
        self.current(|told| sound = told.end(said, asked.chunk));
        if !sound {
            self.breaks(Broken::GivenUp);
        }
    }

    /// Which messages left whole though nothing was said to them, and the verdicts.
    fn conclude(mut self) -> Judgement {
        let (mut at, mut expecting, mut message) = (self.at, self.expecting, self.message);
        while let Some(asked) = Asked::read(self.stream, at, expecting).filter(|asked| self.has_left(asked)) {
            match asked.verb {
                Verb::Mail => message = asked.message,
                Verb::End => {
                    if let Some(told) = message.and_then(|message| self.messages.get_mut(message)) {
                        told.left = true;
                    }
                }
                _ => {}
            }
            (at, expecting) = (asked.end, Expecting::Command);
        }
        for at in &self.lone_dots {
            let said = self.stream.get(*at..self.taken.min(at + 3)).unwrap_or_default();
            if !b".\r\n".starts_with(said) {
                self.offences.push(format!("a message for nobody: {}", said.escape_ascii()));
            }
        }
        Judgement {
            broken: self.broken,
            refused: self.refused,
            no_mechanism: self.no_mechanism,
            no_xclient: self.no_xclient,
            no_chunking: self.no_chunking,
            messages: self.messages.iter().map(|told| (told.outcome(), told.fates())).collect(),
            offences: self.offences,
        }
    }
}
