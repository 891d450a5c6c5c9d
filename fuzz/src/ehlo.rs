//! The `ehlo` target: the input is the text of an EHLO reply, a line each, and behind an octet 0xff the keywords that
//! the caller asks for and takes away.

use smtp_proto::capabilities::{Capabilities, Extension};
use smtp_proto::command::Command;
use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
use smtp_proto::params::DateTime;

/// Asserts that everything that can be asked of [`Capabilities`] is answered as a naive reading of the lines has it;
/// that taking a keyword away takes that and nothing else, and adds nothing; and that a connection has them from its
/// latest accepted EHLO alone.
pub fn ehlo(input: &[u8]) {
    let mut parts = input.split(|&octet| octet == 0xff);
    let text = parts.next().unwrap_or_default();
    let lines: Vec<&[u8]> = text.split(|&octet| octet == b'\n').collect();
    let mut asked: Vec<String> =
        parts.take(8).map(|part| String::from_utf8_lossy(part).into_owned()).collect();
    let mut capabilities = Capabilities::parse(lines.iter().copied());
    let mut offered = Offered::read(&lines);
    offered.agrees_with(&capabilities, &asked);
    on_a_connection(&lines, &capabilities);
    while let Some(keyword) = asked.pop() {
        capabilities.mask(&keyword);
        offered.lines.retain(|(listed, _)| !listed.eq_ignore_ascii_case(&keyword));
        asked.insert(0, keyword);
        offered.agrees_with(&capabilities, &asked);
        if asked.len() > 1 && offered.lines.is_empty() {
            break;
        }
        let done = asked.remove(0);
        assert_eq!(capabilities.get(&done), None);
    }
}

/// Keywords in upper case and the words behind them, `AUTH` once and last.
struct Offered {
    lines: Vec<(String, Vec<String>)>,
}

impl Offered {
    fn read(lines: &[&[u8]]) -> Self {
        let mut offered = Vec::new();
        let mut auth: Option<Vec<String>> = None;
        for line in lines.iter().skip(1) {
            let spaced: String =
                line.iter().map(|&octet| if octet == b'\t' { ' ' } else { char::from(octet) }).collect();
            let line = spaced.trim_matches(' ');
            let legacy = line.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("AUTH="));
            let (keyword, rest) =
                if legacy { ("AUTH", &line[5..]) } else { line.split_once(' ').unwrap_or((line, "")) };
            if keyword.is_empty() || !keyword.chars().all(|c| c.is_ascii_graphic()) {
                continue;
            }
            let words = rest.split(' ').filter(|word| !word.is_empty());
            let words = words.map(|word| word.replace(|c: char| !c.is_ascii_graphic(), "?"));
            match keyword.to_ascii_uppercase().as_str() {
                "AUTH" => auth.get_or_insert_default().extend(words),
                keyword => offered.push((keyword.to_owned(), words.collect())),
            }
        }
        offered.extend(auth.map(|mechanisms| ("AUTH".to_owned(), mechanisms)));
        Self { lines: offered }
    }

    /// The words of the last line with this keyword.
    fn get(&self, keyword: &str) -> Option<&[String]> {
        let found = self.lines.iter().rev().find(|(listed, _)| listed.eq_ignore_ascii_case(keyword));
        found.map(|(_, words)| words.as_slice())
    }

    fn agrees_with(&self, capabilities: &Capabilities, asked: &[String]) {
        let joined = |words: &[String]| words.join(" ");
        let listed: Vec<(&str, String)> =
            self.lines.iter().map(|(keyword, words)| (keyword.as_str(), joined(words))).collect();
        assert!(capabilities.iter().eq(listed.iter().map(|(keyword, words)| (*keyword, words.as_str()))));
        assert_eq!(capabilities.is_empty(), self.lines.is_empty());
        let known = Extension::ALL.iter().map(|extension| extension.keyword());
        for keyword in known.chain(asked.iter().map(String::as_str)) {
            assert_eq!(
                capabilities.get(keyword).map(str::to_owned),
                self.get(keyword).map(joined),
                "{keyword}"
            );
            if let Some(extension) = Extension::from_keyword(keyword) {
                assert_eq!(capabilities.supports(extension), self.get(keyword).is_some(), "{keyword}");
            }
        }
        self.agrees_on_values(capabilities, asked);
        let shown = format!("{capabilities:?}");
        assert!(shown.is_ascii() && !shown.chars().any(char::is_control), "{shown:?}");
    }

    fn agrees_on_values(&self, capabilities: &Capabilities, asked: &[String]) {
        let words = |keyword| self.get(keyword).unwrap_or_default();
        let alone = |keyword| match words(keyword) {
            [word] => number(word),
            _ => None,
        };
        assert_eq!(capabilities.size_limit(), alone("SIZE"));
        let limits = capabilities.limits();
        for (name, value) in [
            ("MAILMAX", limits.mail_max),
            ("RCPTMAX", limits.rcpt_max),
            ("RCPTDOMAINMAX", limits.rcpt_domain_max),
        ] {
            let pairs = words("LIMITS").iter().filter_map(|word| word.split_once('='));
            let values = pairs.filter(|(given, _)| given.eq_ignore_ascii_case(name));
            assert_eq!(value, values.filter_map(|(_, value)| number(value)).min(), "{name}");
        }
        let time = words("DELIVERBY").join(" ");
        assert_eq!(
            capabilities.deliver_by_minimum(),
            number(time.split(',').next().unwrap_or_default().trim())
        );
        let held = self.get("FUTURERELEASE");
        assert_eq!(capabilities.future_release().is_some(), held.is_some());
        if let (Some(release), Some(held)) = (capabilities.future_release(), held) {
            assert_eq!(release.max_interval, held.first().and_then(|word| number(word)));
            let moment = held.get(1).filter(|word| word.parse::<DateTime>().is_ok());
            assert_eq!(release.max_date_time.as_ref().map(DateTime::as_str), moment.map(String::as_str));
        }
        assert_eq!(capabilities.mt_priority_profile(), words("MT-PRIORITY").first().map(String::as_str));
        assert!(capabilities.xclient_attributes().eq(words("XCLIENT").iter().map(String::as_str)));
        let mechanisms = capabilities.auth_mechanisms();
        assert!(mechanisms.iter().eq(words("AUTH").iter().map(String::as_str)));
        assert_eq!(mechanisms.is_empty(), words("AUTH").is_empty());
        for name in asked.iter().map(String::as_str).chain(["PLAIN", "LOGIN", "SCRAM-SHA-256"]) {
            let listed = words("AUTH").iter().any(|word| word.eq_ignore_ascii_case(name));
            assert_eq!(mechanisms.contains(name), listed, "A19: {name}");
        }
    }
}

/// A decimal number below 2⁶⁴ that is not 0.
fn number(text: &str) -> Option<u64> {
    let mut number: u128 = 0;
    for digit in text.chars() {
        number = (number * 10 + u128::from(digit.to_digit(10)?)).min(1 << 64);
    }
    u64::try_from(number).ok().filter(|&number| number != 0)
}

/// P15, P18, S20: what a connection knows is what its latest EHLO was answered with, if that was a success.
fn on_a_connection(lines: &[&[u8]], capabilities: &Capabilities) {
    // A CR at the end of a line goes with the LF behind it.
    if lines.iter().any(|line| line.ends_with(b"\r")) {
        return;
    }
    let reply = |code: &[u8]| {
        let mut reply = Vec::new();
        for (nth, line) in lines.iter().enumerate() {
            let separator: &[u8] = if nth + 1 < lines.len() { b"-" } else { b" " };
            reply.extend([code, separator, line, b"\r\n"].concat());
        }
        reply
    };
    let mut connection = Connection::new(Config::new("mail.example").tls(TlsPolicy::None), Peer::Remote);
    connection.receive(b"220 hi\r\n");
    let name = "client.example".parse().expect("a name");
    for (code, known) in [(b"250", true), (b"550", false), (b"250", true)] {
        while connection.poll_event().is_ok_and(|event| event.is_some()) {}
        let Ok(_) = connection.command(Command::Ehlo(&name)) else { return };
        assert!(connection.capabilities().is_empty(), "S20");
        connection.advance_output(connection.output().len()).expect("what was on offer");
        connection.receive(&reply(code));
        match connection.poll_event() {
            Ok(_) if known => assert_eq!(connection.capabilities(), capabilities),
            Ok(_) => assert!(connection.capabilities().is_empty(), "P18"),
            // More than the limits allow.
            Err(_) => return,
        }
    }
}
