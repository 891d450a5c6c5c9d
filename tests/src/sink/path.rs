//! Paths and mailboxes (RFC 5321 §4.1.2), and xtext (RFC 3461 §4), in which they are put into parameters.

/// The path that `input` begins with, without its angle brackets and source route (RFC 5321 §4.1.1.3), and what
/// follows it.
pub(super) fn path_and_rest(input: &str) -> Option<(&str, &str)> {
    let inner = input.strip_prefix('<')?;
    let (path, rest) = inner.split_at_checked(closing_bracket(inner)?)?;
    let path = match path.strip_prefix('@') {
        Some(route) => route.split_once(':')?.1,
        None => path,
    };
    Some((path, rest.strip_prefix('>')?))
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
pub(super) fn is_mailbox(path: &str) -> bool {
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

/// The domain of a forward-path, in lower case; empty for `Postmaster`, who has none.
pub(super) fn domain_of(forward_path: &str) -> String {
    forward_path.rsplit_once('@').map_or(String::new(), |(_, domain)| domain.to_lowercase())
}

/// Decodes xtext: printable ASCII but `+` and `=`, and any octet as `+` and two upper-case hexadecimal digits.
/// `None` for what is not xtext, or not of UTF-8.
pub(super) fn xtext(input: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(input.len());
    let mut octets = input.bytes();
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'+' => hexadecimal(octets.next()?)? << 4 | hexadecimal(octets.next()?)?,
            b'=' => return None,
            b'!'..=b'~' => octet,
            _ => return None,
        });
    }
    String::from_utf8(decoded).ok()
}

fn hexadecimal(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_decoded_strictly() {
        assert_eq!(xtext("a+2Bb+3D+20+C3+A4").as_deref(), Some("a+b= ä"));
        assert_eq!(xtext("").as_deref(), Some(""));
        for input in ["+", "+2", "+2b", "a=b", "a b", "ä", "+FF", "+-1"] {
            assert_eq!(xtext(input), None, "{input:?}");
        }
    }
}
