//! What a session has to know of the TLS connection that it runs over.

use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};

use super::certificates::ServerTls;

/// Facts of one TLS connection, taken once its handshake is complete.
pub(super) struct TlsFacts {
    /// The channel binding `tls-exporter` (RFC 9266).
    pub(super) exporter: Vec<u8>,
    /// The channel binding `tls-server-end-point` (RFC 5929 §4.1).
    pub(super) end_point: Vec<u8>,
    /// The common name in the certificate that the client showed; `None` if it showed none.
    pub(super) client: Option<String>,
}

impl TlsFacts {
    pub(super) fn of(connection: &ServerConnection, own: &ServerTls) -> Result<Self, rustls::Error> {
        let exporter =
            connection.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(b""))?;
        let client = connection.peer_certificates().and_then(|chain| chain.first());
        Ok(Self {
            exporter,
            end_point: Sha256::digest(&own.certificate).to_vec(),
            client: client.map(|certificate| common_name(certificate).unwrap_or_default()),
        })
    }
}

/// The subject's common name. The certificate has been verified, so it is well formed; whatever looks otherwise
/// has no name.
fn common_name(certificate: &CertificateDer<'_>) -> Option<String> {
    const SEQUENCE: u8 = 0x30;
    const SET: u8 = 0x31;
    const OBJECT_IDENTIFIER: u8 = 0x06;
    const VERSION: u8 = 0xa0;
    const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

    let (certificate, _) = element(certificate, SEQUENCE)?;
    let (fields, _) = element(certificate, SEQUENCE)?;
    let fields = element(fields, VERSION).map_or(fields, |(_, rest)| rest);
    // Serial number, signature algorithm, issuer and validity stand before the subject.
    let fields = (0..4).try_fold(fields, |fields, _| any_element(fields).map(|(_, _, rest)| rest))?;
    let (mut subject, _) = element(fields, SEQUENCE)?;
    while let Some((attributes, rest)) = element(subject, SET) {
        subject = rest;
        let (attribute, _) = element(attributes, SEQUENCE)?;
        let (kind, value) = element(attribute, OBJECT_IDENTIFIER)?;
        if kind == COMMON_NAME {
            return String::from_utf8(any_element(value)?.1.to_vec()).ok();
        }
    }
    None
}

/// The content of a DER element with this tag, and what follows it.
fn element(input: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any_element(input)?;
    (found == tag).then_some((content, rest))
}

/// Tag and content of a DER element, and what follows it.
fn any_element(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, length], rest) = input.split_first_chunk::<2>()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        let (octets, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
        let length = octets.iter().try_fold(0_usize, |length, &octet| {
            length.checked_mul(256).map(|length| length | usize::from(octet))
        })?;
        (length, rest)
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::certificates;
    use super::super::settings::ClientCertificates;
    use super::*;

    #[test]
    fn the_common_name_is_found() {
        let (authority, own) = certificates::generate("mx.test", ClientCertificates::Ignored).unwrap();
        assert_eq!(common_name(authority.der()).as_deref(), Some("Sink test authority"));
        assert_eq!(common_name(&own.certificate).as_deref(), Some("Sink"));
        let long = "Ä".repeat(100);
        let client = authority.issue_client(&long).unwrap();
        assert_eq!(common_name(client.certificate()), Some(long));
    }

    #[test]
    fn no_certificate_no_name() {
        let (_, own) = certificates::generate("mx.test", ClientCertificates::Ignored).unwrap();
        for end in 0..own.certificate.len() {
            assert_eq!(common_name(&CertificateDer::from(&own.certificate[..end])), None);
        }
    }
}
