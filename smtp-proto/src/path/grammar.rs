//! The grammar of RFC 5321 §4.1.2 and §4.1.3, widened by RFC 6531 §3.3, in the order of the RFC.
//!
//! Each function checks the text it is given and knows at which `offset` of the caller's text it starts, so
//! that an error points into what the caller wrote. [`refuse_controls`] comes first, always: what is checked
//! after it holds no control character, and the rules below need not think of one.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::{AddressError, AddressErrorKind};

/// RFC 5321 §4.5.3.1.1.
const MAX_LOCAL_PART: usize = 64;
/// RFC 5321 §4.5.3.1.2.
const MAX_DOMAIN: usize = 255;
/// RFC 5321 §4.5.3.1.3: 256 octets, of which the angle brackets take two.
const MAX_MAILBOX: usize = 254;
/// RFC 1035 §2.3.4.
const MAX_LABEL: usize = 63;

fn fail<T>(kind: AddressErrorKind, offset: usize) -> Result<T, AddressError> {
    Err(AddressError::new(kind, offset))
}

/// Refuses C0, DEL, C1 and the separators U+2028 and U+2029 wherever they stand.
pub(super) fn refuse_controls(text: &str) -> Result<(), AddressError> {
    match text.char_indices().find(|&(_, c)| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')) {
        Some((offset, _)) => fail(AddressErrorKind::ControlCharacter, offset),
        None => Ok(()),
    }
}

/// `Mailbox = Local-part "@" ( Domain / address-literal )`; returns the length of the local part.
pub(super) fn check_mailbox(text: &str, offset: usize) -> Result<u8, AddressError> {
    refuse_source_route(text, offset)?;
    let local_len =
        if text.starts_with('"') { quoted_string_len(text, offset)? } else { dot_string_len(text, offset)? };
    if local_len > MAX_LOCAL_PART {
        return fail(AddressErrorKind::LocalPartTooLong, offset.saturating_add(MAX_LOCAL_PART));
    }
    let domain = text.get(local_len.saturating_add(1)..).unwrap_or_default();
    if domain.is_empty() {
        return fail(AddressErrorKind::EmptyDomain, offset.saturating_add(text.len()));
    }
    check_domain_or_literal(domain, offset.saturating_add(local_len).saturating_add(1))?;
    if text.len() > MAX_MAILBOX {
        return fail(AddressErrorKind::PathTooLong, offset.saturating_add(MAX_MAILBOX));
    }
    u8::try_from(local_len)
        .or_else(|_| fail(AddressErrorKind::LocalPartTooLong, offset.saturating_add(MAX_LOCAL_PART)))
}

/// `A-d-l ":"`: no mailbox begins with `@`, so what does and goes on to one is a route.
fn refuse_source_route(text: &str, offset: usize) -> Result<(), AddressError> {
    let Some(rest) = text.strip_prefix('@') else { return Ok(()) };
    match rest.split_once(':') {
        Some((_, mailbox)) if mailbox.contains('@') => fail(AddressErrorKind::SourceRoute, offset),
        _ => fail(AddressErrorKind::EmptyLocalPart, offset),
    }
}

/// `Dot-string = Atom *("." Atom)`, up to the `@`.
fn dot_string_len(text: &str, offset: usize) -> Result<usize, AddressError> {
    let mut after_dot = true;
    for (at, c) in text.char_indices() {
        match c {
            '@' if after_dot => {
                return fail(AddressErrorKind::LocalPartDot, offset.saturating_add(at).saturating_sub(1));
            }
            '@' => return Ok(at),
            '.' if after_dot => return fail(AddressErrorKind::LocalPartDot, offset.saturating_add(at)),
            '.' => after_dot = true,
            c if is_atext(c) => after_dot = false,
            _ => return fail(AddressErrorKind::LocalPartCharacter, offset.saturating_add(at)),
        }
    }
    fail(AddressErrorKind::MissingAt, offset.saturating_add(text.len()))
}

/// `atext` of RFC 5322 §3.2.3, widened by `UTF8-non-ascii`.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || !c.is_ascii() || "!#$%&'*+-/=?^_`{|}~".contains(c)
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`, up to the `@` that has to follow it.
fn quoted_string_len(text: &str, offset: usize) -> Result<usize, AddressError> {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' if text.get(at.saturating_add(1)..).is_some_and(|rest| rest.starts_with('@')) => {
                return Ok(at.saturating_add(1));
            }
            '"' => return fail(AddressErrorKind::QuotedString, offset.saturating_add(at).saturating_add(1)),
            // quoted-pairSMTP: RFC 6531 widened only what needs no backslash.
            '\\' => match chars.next() {
                Some((_, escaped)) if escaped.is_ascii() => {}
                Some((at, _)) => {
                    return fail(AddressErrorKind::LocalPartCharacter, offset.saturating_add(at));
                }
                None => break,
            },
            _ => {}
        }
    }
    fail(AddressErrorKind::QuotedString, offset.saturating_add(text.len()))
}

/// `Domain / address-literal`, at most 255 octets.
pub(super) fn check_domain_or_literal(text: &str, offset: usize) -> Result<(), AddressError> {
    match text.strip_prefix('[') {
        None => check_domain(text, offset),
        Some(rest) => {
            check_domain_length(text, offset)?;
            match rest.strip_suffix(']') {
                Some(literal) if is_address_literal(literal) => Ok(()),
                _ => fail(AddressErrorKind::AddressLiteral, offset),
            }
        }
    }
}

fn check_domain_length(text: &str, offset: usize) -> Result<(), AddressError> {
    if text.len() > MAX_DOMAIN {
        return fail(AddressErrorKind::DomainTooLong, offset.saturating_add(MAX_DOMAIN));
    }
    Ok(())
}

/// `Domain = sub-domain *("." sub-domain)`, where RFC 6531 lets a sub-domain be a U-label.
pub(super) fn check_domain(text: &str, offset: usize) -> Result<(), AddressError> {
    if let Some((at, _)) = text.char_indices().find(|&(_, c)| c != '.' && !is_domain_character(c)) {
        return fail(AddressErrorKind::DomainCharacter, offset.saturating_add(at));
    }
    check_domain_length(text, offset)?;
    let mut at = offset;
    for label in text.split('.') {
        check_label(label, at)?;
        at = at.saturating_add(label.len()).saturating_add(1);
    }
    Ok(())
}

fn check_label(label: &str, offset: usize) -> Result<(), AddressError> {
    if label.is_empty() || label.starts_with('-') {
        return fail(AddressErrorKind::DomainLabel, offset);
    }
    if label.ends_with('-') {
        return fail(AddressErrorKind::DomainLabel, offset.saturating_add(label.len()).saturating_sub(1));
    }
    // The limit is on the A-label; a U-label, which we do not convert, may take more octets than that.
    if label.is_ascii() && label.len() > MAX_LABEL {
        return fail(AddressErrorKind::DomainLabel, offset.saturating_add(MAX_LABEL));
    }
    Ok(())
}

/// Letters, digits and hyphens; beyond ASCII all but what IDNA would take for a dot, or no one would see.
fn is_domain_character(c: char) -> bool {
    if c.is_ascii() {
        return c.is_ascii_alphanumeric() || c == '-';
    }
    let dot = matches!(c, '\u{3002}' | '\u{ff0e}' | '\u{ff61}');
    let direction_mark =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let invisible = matches!(c, '\u{200b}' | '\u{2060}' | '\u{feff}');
    !(dot || direction_mark || invisible || c.is_whitespace())
}

/// `IPv4-address-literal / IPv6-address-literal / General-address-literal`, without the brackets.
fn is_address_literal(text: &str) -> bool {
    match text.split_once(':') {
        None => text.parse::<Ipv4Addr>().is_ok(),
        Some((tag, address)) if tag.eq_ignore_ascii_case("IPv6") => address.parse::<Ipv6Addr>().is_ok(),
        Some((tag, content)) => is_standardized_tag(tag) && is_dcontent(content),
    }
}

/// `Standardized-tag = Ldh-str`.
fn is_standardized_tag(tag: &str) -> bool {
    tag.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-')
        && tag.ends_with(|c: char| c.is_ascii_alphanumeric())
}

/// `1*dcontent`: printable ASCII but the space, the brackets and the backslash; angle brackets, which the
/// RFC lets pass, are refused too, as a server that looks for `>` would close the path there.
fn is_dcontent(content: &str) -> bool {
    !content.is_empty()
        && content.bytes().all(|octet| matches!(octet, 33..=90 | 94..=126) && !matches!(octet, b'<' | b'>'))
}
