//! XOAUTH2 (Google's) and OAUTHBEARER (RFC 7628): bearer tokens, and a failure that the client has to
//! acknowledge before it is told in SMTP's terms.

use super::super::settings::User;
use super::{Step, find, verdict};

/// Which of the two, and how far.
pub(in super::super) enum Token {
    XOAuth2,
    OAuthBearer,
    /// The token was wrong, the client has been told why, and this has to come next.
    Failed {
        acknowledgement: &'static [u8],
    },
}

/// What is said of a wrong token, in JSON (RFC 7628 §3.2.2).
const XOAUTH2_FAILURE: &[u8] = br#"{"status":"401","schemes":"bearer","scope":"https://mail.test/"}"#;
const OAUTHBEARER_FAILURE: &[u8] = br#"{"status":"invalid_token","scope":"https://mail.test/"}"#;

impl Token {
    pub(super) fn step(&mut self, response: &[u8], tokens: &[User]) -> Step {
        let (credentials, acknowledgement, failure): (_, &[u8], _) = match self {
            Token::Failed { acknowledgement } if *acknowledgement == response => return Step::Rejected,
            Token::Failed { .. } => return Step::Malformed,
            Token::XOAuth2 => (xoauth2(response), b"", XOAUTH2_FAILURE),
            Token::OAuthBearer => (oauthbearer(response), b"\x01", OAUTHBEARER_FAILURE),
        };
        let Some((name, token)) = credentials else { return Step::Malformed };
        let is_right = |user: &User| user.password.as_bytes() == token;
        // OAUTHBEARER may leave it to the token to say whose it is.
        let user =
            if name.is_empty() { tokens.iter().find(|user| is_right(user)) } else { find(tokens, name) };
        match verdict(user, is_right) {
            Step::Rejected => {
                *self = Token::Failed { acknowledgement };
                Step::Challenge(failure.to_vec())
            }
            accepted => accepted,
        }
    }
}

/// `user=` name `^A` `auth=Bearer` token `^A ^A`.
fn xoauth2(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let fields: Vec<&[u8]> = response.split(|&octet| octet == 1).collect();
    let &[user, auth, b"", b""] = fields.as_slice() else { return None };
    let user = user.strip_prefix(b"user=").filter(|user| !user.is_empty())?;
    Some((user, bearer(auth.strip_prefix(b"auth=")?)?))
}

/// `n,` and perhaps `a=` name, `, ^A auth=Bearer` token `^A` and perhaps `host=` and `port=`, each before a `^A`, and another
/// `^A` at the end (RFC 7628 §3.1).
fn oauthbearer(response: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, pairs) = response.split_at_checked(response.iter().position(|&octet| octet == 1)?)?;
    let authzid = header.strip_prefix(b"n,")?.strip_suffix(b",")?;
    let name = match authzid {
        b"" => authzid,
        _ => authzid.strip_prefix(b"a=").filter(|name| !name.is_empty() && !name.contains(&b','))?,
    };
    let pairs = pairs.strip_prefix(b"\x01")?.strip_suffix(b"\x01\x01")?;
    let mut auth = None;
    for pair in pairs.split(|&octet| octet == 1) {
        let (key, value) = pair.split_at_checked(pair.iter().position(|&octet| octet == b'=')?)?;
        if key.is_empty() || !key.iter().all(u8::is_ascii_alphabetic) {
            return None;
        }
        if key == b"auth" {
            auth = value.strip_prefix(b"=");
        }
    }
    Some((name, bearer(auth?)?))
}

/// The token behind the scheme, whose case does not matter (RFC 6750 §2.1).
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    let token_valid = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    (scheme.eq_ignore_ascii_case(b"Bearer ") && token_valid).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_in_the_standards() {
        let google =
            b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01";
        let token = &b"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"[..];
        assert_eq!(xoauth2(google), Some((&b"someuser@example.com"[..], token)));
        let rfc = b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\x01\x01";
        let token = &b"vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="[..];
        assert_eq!(oauthbearer(rfc), Some((&b"user@example.com"[..], token)));
        assert_eq!(oauthbearer(b"n,,\x01auth=bearer t\x01\x01"), Some((&b""[..], &b"t"[..])));
    }

    #[test]
    fn what_is_neither() {
        for response in [
            &b""[..],
            b"user=a\x01auth=Bearer t\x01",
            b"user=a\x01auth=Basic t\x01\x01",
            b"user=a\x01auth=Bearer \x01\x01",
            b"n,a=a,\x01auth=Bearer t\x01",
            b"n,b,\x01auth=Bearer t\x01\x01",
            b"user=\x01auth=Bearer t\x01\x01",
            b"n,a=a,\x01host=h\x01\x01",
            b"y,a=a,\x01auth=Bearer t\x01\x01",
            b"n,a=a,\x01=x\x01auth=Bearer t\x01\x01",
        ] {
            assert_eq!(xoauth2(response), None, "{}", response.escape_ascii());
            assert_eq!(oauthbearer(response), None, "{}", response.escape_ascii());
        }
    }
}
