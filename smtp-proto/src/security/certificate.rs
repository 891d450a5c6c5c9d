//! The hash that names a server by its certificate (RFC 5929 §4.1).
//!
//! No more of X.509 is read than the name of the signature algorithm (RFC 5280 §4.1); the certificate itself was
//! verified by the TLS library.

use alloc::boxed::Box;

use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

/// The certificate's hash by the algorithm it is signed with; `None` where that is not defined.
pub(super) fn end_point(der: &[u8]) -> Option<Box<[u8]>> {
    let hash = Hash::of_certificate(der)?;
    Some(match hash {
        Hash::Sha224 => Box::from(Sha224::digest(der).as_slice()),
        Hash::Sha256 => Box::from(Sha256::digest(der).as_slice()),
        Hash::Sha384 => Box::from(Sha384::digest(der).as_slice()),
        Hash::Sha512 => Box::from(Sha512::digest(der).as_slice()),
    })
}

/// MD5 and SHA-1 are here as SHA-256, which takes their place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// `pkcs-1` (RFC 8017 appendix C), whose last arc names the algorithm.
const PKCS_1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
/// `ecdsa-with-SHA1` (RFC 3279 §2.2.3).
const ECDSA_SHA_1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
/// `ecdsa-with-SHA2` (RFC 5758 §3.2), whose last arc names the hash.
const ECDSA_SHA_2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
/// `hashAlgs` of NIST (RFC 5754 §2), whose last arc names the hash.
const NIST_HASH: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02];

const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
/// The hash in `RSASSA-PSS-params` (RFC 4055 §3.1).
const PSS_HASH: u8 = 0xa0;

impl Hash {
    /// `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }`
    fn of_certificate(der: &[u8]) -> Option<Self> {
        let (certificate, _) = element(SEQUENCE, der)?;
        let (_, rest) = element(SEQUENCE, certificate)?;
        let (algorithm, _) = element(SEQUENCE, rest)?;
        let (identifier, parameters) = element(OBJECT_IDENTIFIER, algorithm)?;
        if identifier == ECDSA_SHA_1 {
            return Some(Hash::Sha256);
        }
        let (&last, arcs) = identifier.split_last()?;
        match (arcs, last) {
            (PKCS_1, 4 | 5 | 11) | (ECDSA_SHA_2, 2) => Some(Hash::Sha256),
            (PKCS_1, 12) | (ECDSA_SHA_2, 3) => Some(Hash::Sha384),
            (PKCS_1, 13) | (ECDSA_SHA_2, 4) => Some(Hash::Sha512),
            (PKCS_1, 14) | (ECDSA_SHA_2, 1) => Some(Hash::Sha224),
            (PKCS_1, 10) => Self::of_pss(parameters),
            _ => None,
        }
    }

    /// `RSASSA-PSS-params ::= SEQUENCE { [0] hashAlgorithm DEFAULT sha1, … }`
    fn of_pss(parameters: &[u8]) -> Option<Self> {
        let (parameters, _) = element(SEQUENCE, parameters)?;
        let Some((hash, _)) = element(PSS_HASH, parameters) else { return Some(Hash::Sha256) };
        let (algorithm, _) = element(SEQUENCE, hash)?;
        let (identifier, _) = element(OBJECT_IDENTIFIER, algorithm)?;
        let (&last, arcs) = identifier.split_last()?;
        match (arcs, last) {
            (NIST_HASH, 1) => Some(Hash::Sha256),
            (NIST_HASH, 2) => Some(Hash::Sha384),
            (NIST_HASH, 3) => Some(Hash::Sha512),
            (NIST_HASH, 4) => Some(Hash::Sha224),
            _ => None,
        }
    }
}

/// Takes an element with this tag off the front: its contents, and what follows it. `None` if there is another.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, rest) = der.split_first().filter(|&(&found, _)| found == tag)?;
    let (&first, rest) = rest.split_first()?;
    let (len, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // The length's own length; no certificate needs more than four octets for it.
        0x81..=0x84 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (
                octets
                    .iter()
                    .try_fold(0_usize, |len, &octet| len.checked_mul(256)?.checked_add(octet.into()))?,
                rest,
            )
        }
        _ => return None,
    };
    rest.split_at_checked(len)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;
    use crate::security::ChannelBindings;
    use alloc::format;
    use alloc::vec::Vec;

    fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
        let len = contents.len();
        let header = match len {
            0..=0x7f => [tag, len as u8].to_vec(),
            _ => [tag, 0x82, (len >> 8) as u8, len as u8].to_vec(),
        };
        [&header[..], contents].concat()
    }

    /// A certificate of which only the signature algorithm is real.
    fn certificate(identifier: &[u8], parameters: &[u8]) -> Vec<u8> {
        let algorithm = [tlv(OBJECT_IDENTIFIER, identifier), parameters.to_vec()].concat();
        let parts = [tlv(SEQUENCE, &[0; 300]), tlv(SEQUENCE, &algorithm), tlv(0x03, &[0; 65])];
        tlv(SEQUENCE, &parts.concat())
    }

    fn pkcs_1(last: u8) -> Vec<u8> {
        [PKCS_1, &[last]].concat()
    }

    fn pss(hash: &[u8]) -> Vec<u8> {
        tlv(SEQUENCE, &tlv(PSS_HASH, &tlv(SEQUENCE, &tlv(OBJECT_IDENTIFIER, hash))))
    }

    #[test]
    fn a22_the_hash_is_that_of_the_signature() {
        let null = [0x05, 0x00];
        let nist = |last: u8| pss(&[NIST_HASH, &[last]].concat());
        let ecdsa = |last: u8| [ECDSA_SHA_2, &[last]].concat();
        let table = [
            (certificate(&pkcs_1(4), &null), Some(Hash::Sha256)), // MD5
            (certificate(&pkcs_1(5), &null), Some(Hash::Sha256)), // SHA-1
            (certificate(&pkcs_1(11), &null), Some(Hash::Sha256)),
            (certificate(&pkcs_1(12), &null), Some(Hash::Sha384)),
            (certificate(&pkcs_1(13), &null), Some(Hash::Sha512)),
            (certificate(&pkcs_1(14), &null), Some(Hash::Sha224)),
            (certificate(&pkcs_1(1), &null), None), // a key's, not a signature's
            (certificate(ECDSA_SHA_1, &[]), Some(Hash::Sha256)),
            (certificate(&ecdsa(1), &[]), Some(Hash::Sha224)),
            (certificate(&ecdsa(2), &[]), Some(Hash::Sha256)),
            (certificate(&ecdsa(3), &[]), Some(Hash::Sha384)),
            (certificate(&ecdsa(4), &[]), Some(Hash::Sha512)),
            (certificate(&ecdsa(5), &[]), None),
            (certificate(&pkcs_1(10), &tlv(SEQUENCE, &[])), Some(Hash::Sha256)), // SHA-1 by default
            (certificate(&pkcs_1(10), &nist(1)), Some(Hash::Sha256)),
            (certificate(&pkcs_1(10), &nist(2)), Some(Hash::Sha384)),
            (certificate(&pkcs_1(10), &nist(3)), Some(Hash::Sha512)),
            (certificate(&pkcs_1(10), &nist(4)), Some(Hash::Sha224)),
            (certificate(&pkcs_1(10), &nist(9)), None),
            (certificate(&pkcs_1(10), &[]), None),
            (certificate(&[0x2b, 0x65, 0x70], &[]), None), // Ed25519
            (certificate(&[], &[]), None),
        ];
        for (der, expected) in table {
            assert_eq!(Hash::of_certificate(&der), expected, "{der:x?}");
            let len = match expected {
                Some(Hash::Sha224) => Some(28),
                Some(Hash::Sha256) => Some(32),
                Some(Hash::Sha384) => Some(48),
                Some(Hash::Sha512) => Some(64),
                None => None,
            };
            assert_eq!(end_point(&der).map(|hash| hash.len()), len);
        }
    }

    #[test]
    fn a22_a_certificate_adds_its_binding_and_nothing_else() {
        let der = certificate(&pkcs_1(11), &[0x05, 0x00]);
        let exporter = || ChannelBindings::new().with_exporter([7; 32]);
        let both = exporter().with_certificate(&der);
        assert_eq!(both.exporter(), Some(&[7; 32][..]));
        assert_eq!(both.server_end_point(), end_point(&der).as_deref());
        assert_eq!(exporter().with_certificate(b"none"), exporter());
        assert_eq!(format!("{both:?}"), "ChannelBindings { exporter: true, server_end_point: true }");
    }

    #[test]
    fn a22_what_is_no_certificate_has_no_hash() {
        let whole = certificate(&pkcs_1(11), &[0x05, 0x00]);
        for len in 0..whole.len() {
            assert_eq!(end_point(whole.get(..len).unwrap()), None, "{len}");
        }
        for rubbish in
            [&[0x30, 0x80][..], &[0x30, 0x85, 1, 1, 1, 1, 1], &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]]
        {
            assert_eq!(end_point(rubbish), None);
        }
    }
}
