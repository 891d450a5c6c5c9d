//! The parameters of MAIL and RCPT, each checked against what was advertised and against its own grammar.

use super::command::Parameters;
use super::path::{is_mailbox, xtext};
use super::time::date_time;

/// Code, enhanced status code and text of a reply that refuses.
pub(super) type Refusal = (u16, &'static str, &'static str);

/// What the client was told in reply to EHLO, as far as it still holds.
pub(super) struct Offer {
    /// Keyword and arguments, none after HELO.
    pub(super) lines: Vec<String>,
    pub(super) tls: bool,
    /// The sink would offer REQUIRETLS under TLS.
    pub(super) require_tls: bool,
    pub(super) size_limit: u64,
}

impl Offer {
    /// The arguments of an extension that is offered.
    pub(super) fn arguments(&self, keyword: &str) -> Option<&str> {
        self.lines.iter().find_map(|line| {
            let (offered, arguments) = line.split_once(' ').unwrap_or((line, ""));
            (offered == keyword).then_some(arguments)
        })
    }

    pub(super) fn has(&self, keyword: &str) -> bool {
        self.arguments(keyword).is_some()
    }

    /// Checks what came with MAIL.
    pub(super) fn check_mail(&self, parameters: &Parameters) -> Result<(), Refusal> {
        for (keyword, value) in parameters {
            self.check_mail_parameter(keyword, value.as_deref())?;
        }
        let given = |name: &str| parameters.iter().any(|(keyword, _)| keyword == name);
        if given("HOLDFOR") && given("HOLDUNTIL") {
            return Err((501, "5.5.4", "Either HOLDFOR or HOLDUNTIL"));
        }
        Ok(())
    }

    fn check_mail_parameter(&self, keyword: &str, value: Option<&str>) -> Result<(), Refusal> {
        match (keyword, value) {
            ("SIZE", Some(value)) if self.has("SIZE") => match number(value) {
                Some(size) if size > self.size_limit => Err((552, "5.3.4", "The message is too large")),
                Some(_) => Ok(()),
                None => Err((501, "5.5.4", "SIZE takes a number")),
            },
            ("BODY", Some(value)) if value.eq_ignore_ascii_case("BINARYMIME") => {
                let offered = self.has("BINARYMIME") && self.has("CHUNKING");
                if offered { Ok(()) } else { Err(NOT_OFFERED) }
            }
            ("BODY", Some(value)) if self.has("8BITMIME") => {
                one_of(value, &["7BIT", "8BITMIME"], "BODY takes 7BIT, 8BITMIME or BINARYMIME")
            }
            ("SMTPUTF8", None) if self.has("SMTPUTF8") => Ok(()),
            ("RET", Some(value)) if self.has("DSN") => {
                one_of(value, &["FULL", "HDRS"], "RET takes FULL or HDRS")
            }
            ("ENVID", Some(value)) if self.has("DSN") => {
                let printable = |id: &String| id.bytes().all(|octet| matches!(octet, b' '..=b'~'));
                let valid = value.len() <= 100 && xtext(value).as_ref().is_some_and(printable);
                if valid { Ok(()) } else { Err((501, "5.5.4", "ENVID takes up to 100 octets of xtext")) }
            }
            ("AUTH", Some(value)) if self.has("AUTH") => {
                let valid = value == "<>" || xtext(value).is_some_and(|mailbox| is_mailbox(&mailbox));
                if valid { Ok(()) } else { Err((501, "5.5.4", "AUTH takes <> or a mailbox in xtext")) }
            }
            ("REQUIRETLS", None) if self.has("REQUIRETLS") => Ok(()),
            ("REQUIRETLS", None) if self.require_tls && !self.tls => {
                Err((530, "5.7.0", "REQUIRETLS needs TLS"))
            }
            ("BY", Some(value)) => match self.arguments("DELIVERBY") {
                Some(least) => check_by(value, number(least).unwrap_or(0)),
                None => Err(NOT_OFFERED),
            },
            ("MT-PRIORITY", Some(value)) if self.has("MT-PRIORITY") => {
                let digits = value.strip_prefix('-').unwrap_or(value);
                let valid = digits.len() == 1 && number(digits).is_some() && value != "-0";
                if valid { Ok(()) } else { Err((501, "5.5.2", "MT-PRIORITY takes -9 to 9")) }
            }
            ("HOLDFOR", Some(value)) => match self.arguments("FUTURERELEASE") {
                Some(limits) => check_hold_for(value, limits),
                None => Err(NOT_OFFERED),
            },
            ("HOLDUNTIL", Some(value)) => match self.arguments("FUTURERELEASE") {
                Some(limits) => check_hold_until(value, limits),
                None => Err(NOT_OFFERED),
            },
            _ => Err(NOT_OFFERED),
        }
    }

    /// Checks what came with RCPT; `smtputf8` came with MAIL.
    pub(super) fn check_rcpt(&self, parameters: &Parameters, smtputf8: bool) -> Result<(), Refusal> {
        for (keyword, value) in parameters {
            match (keyword.as_str(), value.as_deref()) {
                ("NOTIFY", Some(value)) if self.has("DSN") => check_notify(value)?,
                ("ORCPT", Some(value)) if self.has("DSN") => check_orcpt(value, smtputf8)?,
                _ => return Err(NOT_OFFERED),
            }
        }
        Ok(())
    }
}

const NOT_OFFERED: Refusal = (555, "5.5.4", "A parameter that was not offered");

fn one_of(value: &str, known: &[&str], usage: &'static str) -> Result<(), Refusal> {
    let valid = known.iter().any(|known| known.eq_ignore_ascii_case(value));
    if valid { Ok(()) } else { Err((501, "5.5.4", usage)) }
}

/// Digits and nothing else, not more than fit.
fn number(value: &str) -> Option<u64> {
    let digits = !value.is_empty() && value.len() <= 20 && value.bytes().all(|octet| octet.is_ascii_digit());
    if digits { value.parse().ok() } else { None }
}

/// `BY=` up to nine digits with a sign, `;`, `R` or `N`, and perhaps `T` (RFC 2852 §4).
fn check_by(value: &str, least: u64) -> Result<(), Refusal> {
    let usage = (501, "5.5.4", "BY takes seconds;R or seconds;N, and T behind it");
    let (seconds, mode) = value.split_once(';').ok_or(usage)?;
    let digits = seconds.trim_start_matches(['+', '-']);
    let signed = seconds.len() <= digits.len() + 1;
    let time = number(digits).filter(|_| signed && digits.len() <= 9).ok_or(usage)?;
    match mode.to_ascii_uppercase().as_str() {
        "N" | "NT" => Ok(()),
        "R" | "RT" if seconds.starts_with('-') || time == 0 => {
            Err((501, "5.5.4", "BY with R takes a time to come"))
        }
        "R" | "RT" if time < least => Err((555, "5.5.4", "BY with R takes no less than was advertised")),
        "R" | "RT" => Ok(()),
        _ => Err(usage),
    }
}

/// `HOLDFOR=` seconds, not beyond the first argument of FUTURERELEASE (RFC 4865 §3).
fn check_hold_for(value: &str, limits: &str) -> Result<(), Refusal> {
    let most = limits.split(' ').next().and_then(number).unwrap_or(u64::MAX);
    match number(value).filter(|&seconds| seconds > 0 && value.len() <= 9) {
        Some(seconds) if seconds <= most => Ok(()),
        Some(_) => Err((501, "5.5.4", "HOLDFOR takes no more than was advertised")),
        None => Err((501, "5.5.4", "HOLDFOR takes seconds")),
    }
}

/// `HOLDUNTIL=` a point in time, not beyond the second argument of FUTURERELEASE.
fn check_hold_until(value: &str, limits: &str) -> Result<(), Refusal> {
    let most = limits.split(' ').nth(1).and_then(date_time).unwrap_or(i64::MAX);
    match date_time(value) {
        Some(time) if time <= most => Ok(()),
        Some(_) => Err((501, "5.5.4", "HOLDUNTIL takes no later than was advertised")),
        None => Err((501, "5.5.4", "HOLDUNTIL takes a date-time")),
    }
}

/// `NEVER`, or a list of the others, each once (RFC 3461 §4.1).
fn check_notify(value: &str) -> Result<(), Refusal> {
    let value = value.to_ascii_uppercase();
    let events: Vec<&str> = value.split(',').collect();
    let known = events.iter().all(|event| ["SUCCESS", "FAILURE", "DELAY"].contains(event));
    let once = events.iter().enumerate().all(|(i, event)| !events.iter().take(i).any(|other| other == event));
    let valid = value == "NEVER" || known && once;
    if valid { Ok(()) } else { Err((501, "5.5.4", "NOTIFY takes NEVER, or some of SUCCESS,FAILURE,DELAY")) }
}

/// `addr-type ";" address`, the address in xtext (RFC 3461 §4.2), or for `utf-8` as RFC 6533 §3 has it.
fn check_orcpt(value: &str, smtputf8: bool) -> Result<(), Refusal> {
    let usage = (501, "5.5.4", "ORCPT takes type;address, the address in xtext");
    let (kind, address) = value.split_once(';').ok_or(usage)?;
    let kind_valid =
        !kind.is_empty() && kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    let address_valid = if kind.eq_ignore_ascii_case("utf-8") {
        address.is_ascii() && utf8_address(address)
            || !address.is_ascii() && smtputf8 && !address.contains(['+', '='])
    } else {
        xtext(address).is_some()
    };
    let valid = kind_valid && address_valid && !address.is_empty() && value.len() <= 500;
    if valid { Ok(()) } else { Err(usage) }
}

/// ASCII but `+`, `=` and `\`, and any other character as `\x{` upper-case hexadecimal digits `}`.
fn utf8_address(address: &str) -> bool {
    let mut parts = address.split('\\');
    let plain =
        |part: &str| part.bytes().all(|octet| octet.is_ascii_graphic() && !matches!(octet, b'+' | b'='));
    parts.next().is_some_and(plain)
        && parts.all(|part| {
            let Some((digits, rest)) = part.strip_prefix("x{").and_then(|part| part.split_once('}')) else {
                return false;
            };
            let upper = digits.bytes().all(|octet| matches!(octet, b'0'..=b'9' | b'A'..=b'F'));
            upper && u32::from_str_radix(digits, 16).is_ok_and(|c| char::from_u32(c).is_some()) && plain(rest)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(lines: &[&str]) -> Offer {
        let lines = lines.iter().map(|&line| line.to_owned()).collect();
        Offer { lines, tls: false, require_tls: true, size_limit: 100 }
    }

    fn parameter(text: &str) -> (String, Option<String>) {
        let (keyword, value) = text.split_once('=').map_or((text, None), |(k, v)| (k, Some(v.to_owned())));
        (keyword.to_owned(), value)
    }

    #[test]
    fn parameters_of_mail() {
        let offer = offer(&[
            "SIZE 100",
            "8BITMIME",
            "SMTPUTF8",
            "CHUNKING",
            "BINARYMIME",
            "DSN",
            "AUTH PLAIN",
            "DELIVERBY 60",
            "MT-PRIORITY MIXER",
            "FUTURERELEASE 86400 2030-01-01T00:00:00Z",
        ]);
        for (text, code) in [
            ("SIZE=100", 0),
            ("SIZE=101", 552),
            ("SIZE=+1", 501),
            ("SIZE", 555),
            ("BODY=binarymime", 0),
            ("BODY=8bit", 501),
            ("SMTPUTF8=yes", 555),
            ("RET=hdrs", 0),
            ("RET=HEADERS", 501),
            ("ENVID=a+3Db", 0),
            ("ENVID=+C3+A4", 501),
            ("ENVID=+0A", 501),
            ("AUTH=<>", 0),
            ("AUTH=e+3Dmc2@example.com", 0),
            ("AUTH=<a@b>", 501),
            ("REQUIRETLS", 530),
            ("BY=60;R", 0),
            ("BY=59;R", 555),
            ("BY=59;NT", 0),
            ("BY=-59;n", 0),
            ("BY=-59;R", 501),
            ("BY=0;R", 501),
            ("BY=--5;N", 501),
            ("BY=1234567890;N", 501),
            ("BY=60", 501),
            ("BY=60;RX", 501),
            ("MT-PRIORITY=-9", 0),
            ("MT-PRIORITY=3", 0),
            ("MT-PRIORITY=10", 501),
            ("MT-PRIORITY=+3", 501),
            ("HOLDFOR=86400", 0),
            ("HOLDFOR=86401", 501),
            ("HOLDFOR=soon", 501),
            ("HOLDUNTIL=2030-01-01T00:00:00Z", 0),
            ("HOLDUNTIL=2030-01-01T00:00:01Z", 501),
            ("HOLDUNTIL=86400", 501),
            ("NOTIFY=NEVER", 555),
            ("X=y", 555),
        ] {
            let found = offer.check_mail(&vec![parameter(text)]).map_or_else(|(code, ..)| code, |()| 0);
            assert_eq!(found, code, "{text}");
        }
        let both = ["HOLDFOR=1", "HOLDUNTIL=2029-01-01T00:00:00Z"].map(parameter).to_vec();
        assert_eq!(offer.check_mail(&both).map_err(|(code, ..)| code), Err(501));
    }

    #[test]
    fn parameters_of_rcpt() {
        let offer = offer(&["DSN"]);
        for (text, code) in [
            ("NOTIFY=NEVER", 0),
            ("NOTIFY=success,DELAY,FAILURE", 0),
            ("NOTIFY=NEVER,DELAY", 501),
            ("NOTIFY=DELAY,DELAY", 501),
            ("NOTIFY=,", 501),
            ("ORCPT=rfc822;a+2Bb@c.test", 0),
            ("ORCPT=rfc822;a+b@c.test", 501),
            ("ORCPT=a@c.test", 501),
            ("ORCPT=rfc822;", 501),
            ("ORCPT=utf-8;\\x{E4}@b.test", 0),
            ("ORCPT=utf-8;\\xE4@b.test", 501),
            ("ORCPT=utf-8;ä@b.test", 501),
            ("SIZE=1", 555),
        ] {
            let found =
                offer.check_rcpt(&vec![parameter(text)], false).map_or_else(|(code, ..)| code, |()| 0);
            assert_eq!(found, code, "{text}");
        }
        assert_eq!(offer.check_rcpt(&vec![parameter("ORCPT=utf-8;ä@b.test")], true), Ok(()));
    }

    #[test]
    fn nothing_is_taken_that_was_not_offered() {
        let offer = offer(&[]);
        for text in [
            "SIZE=1",
            "BODY=7BIT",
            "BODY=BINARYMIME",
            "SMTPUTF8",
            "RET=FULL",
            "ENVID=x",
            "AUTH=<>",
            "BY=60;N",
            "MT-PRIORITY=0",
            "HOLDFOR=1",
            "HOLDUNTIL=2029-01-01T00:00:00Z",
        ] {
            assert_eq!(offer.check_mail(&vec![parameter(text)]), Err(NOT_OFFERED), "{text}");
        }
        assert_eq!(offer.check_rcpt(&vec![parameter("NOTIFY=NEVER")], false), Err(NOT_OFFERED));
    }
}
