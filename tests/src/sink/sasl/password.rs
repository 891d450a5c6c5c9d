//! PLAIN (RFC 4616) and CRAM-MD5 (RFC 2195).

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::super::settings::User;
use super::{Step, find, verdict};

/// `[authzid] NUL authcid NUL passwd`; one may act for oneself only.
pub(super) fn plain(response: &[u8], users: &[User]) -> Step {
    let fields: Vec<&[u8]> = response.split(|&octet| octet == 0).collect();
    let &[authzid, authcid, password] = fields.as_slice() else { return Step::Malformed };
    verdict(find(users, authcid), |user| {
        user.password.as_bytes() == password && (authzid.is_empty() || authzid == authcid)
    })
}

/// `user-name SP digest`, the digest in lower-case hexadecimal.
pub(super) fn cram_md5(challenge: &str, response: &[u8], users: &[User]) -> Step {
    let Some(space) = response.iter().rposition(|&octet| octet == b' ') else { return Step::Malformed };
    let (name, digest) = response.split_at(space);
    verdict(find(users, name), |user| {
        let Ok(mut hmac) = Hmac::<Md5>::new_from_slice(user.password.as_bytes()) else { return false };
        hmac.update(challenge.as_bytes());
        let expected: String =
            hmac.finalize().into_bytes().iter().map(|octet| format!("{octet:02x}")).collect();
        digest.get(1..) == Some(expected.as_bytes())
    })
}
