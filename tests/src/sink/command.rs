//! Command lines, taken apart as strictly as RFC 5321 §4.1 writes them.

/// A command and its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Ehlo(&'a str),
    Helo(&'a str),
    StartTls,
    Auth { mechanism: &'a str, initial_response: Option<&'a str> },
    Mail { reverse_path: &'a str, parameters: Parameters },
    Rcpt { forward_path: &'a str, parameters: Parameters },
    Data,
    Rset,
    Noop,
    Vrfy(&'a str),
    Expn(&'a str),
    Help,
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
            "RSET" => alone(Command::Rset, "RSET"),
            "NOOP" => Ok(Command::Noop),
            "VRFY" if arguments.is_empty() => Err(Fault::Arguments("VRFY string")),
            "VRFY" => Ok(Command::Vrfy(arguments)),
            "EXPN" if arguments.is_empty() => Err(Fault::Arguments("EXPN string")),
            "EXPN" => Ok(Command::Expn(arguments)),
            "HELP" => Ok(Command::Help),
            "QUIT" => alone(Command::Quit, "QUIT"),
            _ => Err(Fault::Verb),
        }
    }

    /// Whether a client has to wait for the reply before it sends anything more (RFC 2920 §3.1, RFC 3207 §4,
    /// RFC 4954 §4).
    pub(super) fn ends_group(&self) -> bool {
        match self {
            Command::Mail { .. } | Command::Rcpt { .. } | Command::Rset | Command::Help => false,
            Command::Ehlo(_)
            | Command::Helo(_)
            | Command::StartTls
            | Command::Auth { .. }
            | Command::Data
            | Command::Noop
            | Command::Vrfy(_)
            | Command::Expn(_)
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

fn after_keyword<'a>(arguments: &'a str, keyword: &str) -> Option<&'a str> {
    let (start, rest) = arguments.split_at_checked(keyword.len())?;
    start.eq_ignore_ascii_case(keyword).then_some(rest)
}

/// `<path>[ parameters]`, the path without its angle brackets and source route (RFC 5321 §4.1.1.3).
fn path_and_parameters(input: &str) -> Result<(&str, Parameters), Fault> {
    let inner = input.strip_prefix('<').ok_or(Fault::Path)?;
    let (path, rest) =
        inner.split_at_checked(closing_bracket(inner).ok_or(Fault::Path)?).ok_or(Fault::Path)?;
    let path = match path.strip_prefix('@') {
        Some(route) => route.split_once(':').ok_or(Fault::Path)?.1,
        None => path,
    };
    match rest.strip_prefix('>') {
        Some("") => Ok((path, Parameters::new())),
        Some(rest) => {
            let parameters = rest.strip_prefix(' ').ok_or(Fault::Parameters)?;
            Ok((path, parse_parameters(parameters)?))
        }
        None => Err(Fault::Path),
    }
}

/// Where the first `>` outside a quoted string is.
fn closing_bracket(input: &str) -> Option<usize> {
    let mut quoted = false;
    let mut octets = input.bytes().enumerate();
    while let Some((at, octet)) = octets.next() {
        match octet {
            b'\\' if quoted => drop(octets.next()),
            b'"' => quoted = !quoted,
            b'>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// `Local-part@Domain` (RFC 5321 §4.1.2, with RFC 6531 §3.3), its finer points left to the client's own tests.
fn is_mailbox(path: &str) -> bool {
    let Some((local, domain)) = path.rsplit_once('@') else { return false };
    let quoted = local.len() >= 2 && local.starts_with('"') && local.ends_with('"');
    let atoms = |c: char| c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    let local_valid = if quoted {
        !local.chars().any(char::is_control)
    } else {
        local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(atoms))
    };
    let literal = domain.starts_with('[') && domain.ends_with(']');
    let domain_valid = if literal {
        domain.len() > 2 && domain.bytes().all(|octet| octet.is_ascii_graphic())
    } else {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || !c.is_ascii();
        domain.split('.').all(|label| !label.is_empty() && label.chars().all(letters))
    };
    local_valid && domain_valid && local.len() <= 64 && domain.len() <= 255
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
        for rest in ["x", " =", " A=", " A A", " A  B", " -A", " A=b=c"] {
            let line = format!("MAIL FROM:<a@b>{rest}");
            assert_eq!(Command::parse(line.as_bytes()), Err(Fault::Parameters), "{line:?}");
        }
    }
}
