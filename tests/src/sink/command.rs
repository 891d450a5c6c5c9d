//! Command lines, taken apart as strictly as RFC 5321 §4.1 and the extensions write them.

use super::path::{is_mailbox, path_and_rest, xtext};

/// A command and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Ehlo(&'a str),
    Helo(&'a str),
    Lhlo(&'a str),
    StartTls,
    Auth { mechanism: &'a str, initial_response: Option<&'a str> },
    Mail { reverse_path: &'a str, parameters: Parameters },
    Rcpt { forward_path: &'a str, parameters: Parameters },
    Data,
    Bdat { octets: u64, last: bool },
    Rset,
    Noop(&'a str),
    Vrfy(&'a str),
    Expn(&'a str),
    Help(&'a str),
    Etrn(&'a str),
    Xclient(Vec<(String, String)>),
    Quit,
}

/// Parameters of MAIL or RCPT in the order given, keywords in upper case.
pub(super) type Parameters = Vec<(String, Option<String>)>;

/// Why a line is no command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The verb is not known.
    Verb,
    /// The arguments are not what the verb takes; says what it takes.
    Arguments(&'static str),
    /// What stands for a path is none.
    Path,
    /// What stands for parameters is none, or one is given twice.
    Parameters,
    /// It is BDAT, and how many octets follow cannot be told.
    Chunk,
}

impl<'a> Command<'a> {
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Fault> {
        let line = std::str::from_utf8(line).map_err(|_| Fault::Verb)?;
        let (verb, arguments) = line.split_once(' ').unwrap_or((line, ""));
        let arguments = arguments.trim_end_matches(' ');
        let alone = |command, usage| match arguments {
            "" => Ok(command),
            _ => Err(Fault::Arguments(usage)),
        };
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => Ok(Command::Ehlo(word(arguments, "EHLO domain")?)),
            "HELO" => Ok(Command::Helo(word(arguments, "HELO domain")?)),
            "LHLO" => Ok(Command::Lhlo(word(arguments, "LHLO domain")?)),
            "STARTTLS" => alone(Command::StartTls, "STARTTLS"),
            "AUTH" => auth(arguments),
            "MAIL" => {
                let path = after_keyword(arguments, "FROM:").ok_or(Fault::Arguments("MAIL FROM:<path>"))?;
                let (reverse_path, parameters) = path_and_parameters(path)?;
                let valid = reverse_path.is_empty() || is_mailbox(reverse_path);
                if valid { Ok(Command::Mail { reverse_path, parameters }) } else { Err(Fault::Path) }
            }
            "RCPT" => {
                let path = after_keyword(arguments, "TO:").ok_or(Fault::Arguments("RCPT TO:<path>"))?;
                let (forward_path, parameters) = path_and_parameters(path)?;
                let valid = forward_path.eq_ignore_ascii_case("postmaster") || is_mailbox(forward_path);
                if valid { Ok(Command::Rcpt { forward_path, parameters }) } else { Err(Fault::Path) }
            }
            "DATA" => alone(Command::Data, "DATA"),
            "BDAT" => bdat(arguments).ok_or(Fault::Chunk),
            "RSET" => alone(Command::Rset, "RSET"),
            "NOOP" => Ok(Command::Noop(arguments)),
            "VRFY" if arguments.is_empty() => Err(Fault::Arguments("VRFY string")),
            "VRFY" => Ok(Command::Vrfy(arguments)),
            "EXPN" if arguments.is_empty() => Err(Fault::Arguments("EXPN string")),
            "EXPN" => Ok(Command::Expn(arguments)),
            "HELP" => Ok(Command::Help(arguments)),
            "ETRN" => Ok(Command::Etrn(word(arguments, "ETRN node")?)),
            "XCLIENT" => xclient(arguments).ok_or(Fault::Arguments("XCLIENT name=value...")),
            "QUIT" => alone(Command::Quit, "QUIT"),
            _ => Err(Fault::Verb),
        }
    }

    /// Whether a client has to wait for the reply before it sends anything more (RFC 2920 §3.1, RFC 3207 §4,
    /// RFC 4954 §4). BDAT comes with its chunk and needs no reply before what follows (RFC 3030 §4.2).
    pub(super) fn ends_group(&self) -> bool {
        match self {
            Command::Mail { .. } | Command::Rcpt { .. } | Command::Bdat { .. } | Command::Rset => false,
            // Neither RFC 2920 nor RFC 1985 says that anyone has to wait for these.
            Command::Help(_) | Command::Etrn(_) => false,
            Command::Ehlo(_)
            | Command::Helo(_)
            | Command::Lhlo(_)
            | Command::StartTls
            | Command::Auth { .. }
            | Command::Data
            | Command::Noop(_)
            | Command::Vrfy(_)
            | Command::Expn(_)
            | Command::Xclient(_)
            | Command::Quit => true,
        }
    }
}

/// One printable ASCII word.
fn word<'a>(arguments: &'a str, usage: &'static str) -> Result<&'a str, Fault> {
    let valid = !arguments.is_empty() && arguments.bytes().all(|octet| octet.is_ascii_graphic());
    if valid { Ok(arguments) } else { Err(Fault::Arguments(usage)) }
}

fn auth(arguments: &str) -> Result<Command<'_>, Fault> {
    let usage = "AUTH mechanism [initial-response]";
    let (mechanism, initial_response) = match arguments.split_once(' ') {
        Some((mechanism, response)) => (mechanism, Some(word(response, usage)?)),
        None => (arguments, None),
    };
    Ok(Command::Auth { mechanism: word(mechanism, usage)?, initial_response })
}

/// `chunk-size [ SP "LAST" ]` (RFC 3030 §2).
fn bdat(arguments: &str) -> Option<Command<'_>> {
    let (size, last) = match arguments.split_once(' ') {
        Some((size, last)) => (size, last.eq_ignore_ascii_case("LAST").then_some(true)?),
        None => (arguments, false),
    };
    let digits = !size.is_empty() && size.bytes().all(|octet| octet.is_ascii_digit());
    Some(Command::Bdat { octets: if digits { size.parse().ok()? } else { return None }, last })
}

/// `1*( SP attribute-name "=" attribute-value )`, the values in xtext.
fn xclient(arguments: &str) -> Option<Command<'_>> {
    let attributes = arguments.split(' ').map(|attribute| {
        let (name, value) = attribute.split_once('=')?;
        let named = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphabetic());
        named.then_some((name.to_ascii_uppercase(), xtext(value).filter(|value| !value.is_empty())?))
    });
    Some(Command::Xclient(attributes.collect::<Option<_>>()?))
}

fn after_keyword<'a>(arguments: &'a str, keyword: &str) -> Option<&'a str> {
    let (start, rest) = arguments.split_at_checked(keyword.len())?;
    start.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// `<path>[ parameters]`, the path without its angle brackets and source route (RFC 5321 §4.1.1.3).
fn path_and_parameters(input: &str) -> Result<(&str, Parameters), Fault> {
    let (path, rest) = path_and_rest(input).ok_or(Fault::Path)?;
    if rest.is_empty() {
        return Ok((path, Parameters::new()));
    }
    let parameters = rest.strip_prefix(' ').ok_or(Fault::Parameters)?;
    Ok((path, parse_parameters(parameters)?))
}

fn parse_parameters(input: &str) -> Result<Parameters, Fault> {
    let mut parameters = Parameters::new();
    for parameter in input.split(' ') {
        let (keyword, value) = match parameter.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (parameter, None),
        };
        let keyword_valid = keyword.starts_with(|c: char| c.is_ascii_alphanumeric())
            && keyword.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
        let value_valid = value
            .is_none_or(|value| !value.is_empty() && !value.contains(|c: char| c == '=' || c.is_control()));
        let keyword = keyword.to_ascii_uppercase();
        if !keyword_valid || !value_valid || parameters.iter().any(|(known, _)| *known == keyword) {
            return Err(Fault::Parameters);
        }
        parameters.push((keyword, value.map(str::to_owned)));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_case_insensitive_and_paths_are_kept() {
        assert_eq!(Command::parse(b"ehlo client.test"), Ok(Command::Ehlo("client.test")));
        let parameters = vec![("SIZE".to_owned(), Some("12".to_owned())), ("SMTPUTF8".to_owned(), None)];
        assert_eq!(
            Command::parse(b"Mail From:<\"a>b\\\"\"@Example.org> size=12 SMTPUTF8"),
            Ok(Command::Mail { reverse_path: "\"a>b\\\"\"@Example.org", parameters }),
        );
        assert_eq!(
            Command::parse(b"RCPT TO:<@relay.test,@other.test:b@example.org>"),
            Ok(Command::Rcpt { forward_path: "b@example.org", parameters: Vec::new() }),
        );
        assert_eq!(
            Command::parse(b"MAIL FROM:<>"),
            Ok(Command::Mail { reverse_path: "", parameters: Vec::new() }),
        );
    }

    #[test]
    fn chunks_and_attributes() {
        assert_eq!(Command::parse(b"bdat 0 last"), Ok(Command::Bdat { octets: 0, last: true }));
        assert_eq!(Command::parse(b"BDAT 0012"), Ok(Command::Bdat { octets: 12, last: false }));
        let attributes = vec![("NAME".into(), "a b".into()), ("ADDR".into(), "IPV6:::1".into())];
        assert_eq!(Command::parse(b"XCLIENT name=a+20b ADDR=IPV6:::1"), Ok(Command::Xclient(attributes)));
    }

    #[test]
    fn what_is_no_command() {
        for line in ["", " ", "EHLOx", "\u{e9}", "MAILFROM:<a@b>"] {
            assert_eq!(Command::parse(line.as_bytes()), Err(Fault::Verb), "{line:?}");
        }
        assert_eq!(Command::parse(b"\xff\xfe"), Err(Fault::Verb));
        for line in
            ["EHLO", "EHLO a b", "DATA now", "MAIL", "MAIL TO:<a@b>", "AUTH", "AUTH PLAIN a b", "VRFY"]
        {
            assert!(matches!(Command::parse(line.as_bytes()), Err(Fault::Arguments(_))), "{line:?}");
        }
        for line in ["<", "<a", "<a@b", "a@b", " <a@b>", "<a>", "<@b>", "<a@>", "<a b@c>", "<a@b@c>", "<@x>"]
        {
            assert_eq!(Command::parse(format!("RCPT TO:{line}").as_bytes()), Err(Fault::Path), "{line:?}");
        }
        for rest in ["", "x", "-1", "+1", "1 FIRST", "1  LAST", "1 LAST x", "99999999999999999999", "0x1"] {
            assert_eq!(Command::parse(format!("BDAT {rest}").as_bytes()), Err(Fault::Chunk), "{rest:?}");
        }
        for rest in ["", "NAME", "NAME=", "NA-ME=x", "NAME=a+2", "NAME=a  ADDR=b"] {
            let line = format!("XCLIENT {rest}");
            assert!(matches!(Command::parse(line.as_bytes()), Err(Fault::Arguments(_))), "{line:?}");
        }
        for rest in ["x", " =", " A=", " A A", " A  B", " -A", " A=b=c"] {
            let line = format!("MAIL FROM:<a@b>{rest}");
            assert_eq!(Command::parse(line.as_bytes()), Err(Fault::Parameters), "{line:?}");
        }
    }
}
