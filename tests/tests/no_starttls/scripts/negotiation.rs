//! The scripts of the folders `Buffering` and `Negotiation`, the one with every mechanism, and the well-behaved server.

use smtp_proto::connection::{Stage, TimeoutPhase};

use super::{EHLO, HELO_QUIT, OFFER, QUIT, Row, both, delivered, opportunistic, required, row};
use crate::application::End;

/// What servers have been seen to offer, and names that only begin or end like a mechanism's (A19).
const MECHANISMS: &str = "9798-M-DSA-SHA1 ANONYMOUS APOP CRAM_MD5 CRAM-MD5 CRAM-MD5-2 CRAM-MD5-LOCAL CRAM-SHA1 \
    CRAM-SHA256 CRYPT DIGEST-MD5 EAP-AES128 ECDSA-NIST256P-CHALLENGE EXTERNAL GS2-KRB5 GSS-SPNEGO GSSAPI HASH \
    KERBEROS_V4 KERBEROS_V5 LOGIN LOGIN1 LOGIN2 LOGIN_2 LOGIN-LDAP LOGIN_OLD MD5 MD5-CRYPT MSN NMAS_LOGIN NTLM \
    OAUTH10A OAUTHBEARER OLD_LOGIN OPENID20 OTP PASSDSS-3DES-1 PLAIN PLAIN2 PLAIN_3 PLAIN-CLIENTTOKEN PLAIN-MD5 RPA \
    SAML20 SASLPLAIN SCRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-256-PLUS SCRAM-SHA-512 SECURID \
    SHA-1 SKEY SPA SPNEGO SPNEGO-PLUS SXOVER-PLUS X-ROOT XALIOAUTH XOAUTH XOAUTH2 XPLAIN XTOKEN";

/// The same without those that the client knows and a password suffices for.
const LOOK_ALIKES: &str = "CRAM_MD5 CRAM-MD5-2 CRAM-MD5-LOCAL LOGIN1 LOGIN2 LOGIN_2 LOGIN-LDAP LOGIN_OLD NMAS_LOGIN \
    OLD_LOGIN PLAIN2 PLAIN_3 PLAIN-CLIENTTOKEN PLAIN-MD5 SASLPLAIN SCRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-512 XPLAIN";

pub(super) fn rows() -> Vec<Row> {
    assert!(MECHANISMS.split(' ').count() > 60);
    let stripped = format!("{EHLO}S: 250-mail.example\nS: 250 AUTH PLAIN LOGIN\n");
    let crowded = format!("{EHLO}S: 250-mail.example\nS: 250 AUTH {MECHANISMS}\n");
    let crowded_legacy =
        format!("{EHLO}S: 250-mail.example\nS: 250-AUTH {MECHANISMS}\nS: 250 AUTH={MECHANISMS}\n");
    let starttls = |answer: &str| format!("{EHLO}{OFFER}S: {answer}");
    vec![
        row(
            "setup",
            "T06 T07",
            "nothing is amiss: STARTTLS on offer, and under TLS AUTH PLAIN",
            [delivered("220 mail.example ESMTP", "221 bye")],
        ),
        row(
            "Buffering/B_1",
            "T01 T15",
            "an EHLO reply behind the 220 to STARTTLS in clear, and none to the EHLO under TLS",
            [
                both(
                    &format!("{EHLO}{OFFER}S: 220 begin\nS: 250-evil.example\nS: 250 AUTH LOGIN"),
                    End::Residue,
                ),
                // In a segment of its own: the server is heard before the handshake begins.
                both(
                    &format!("{EHLO}{OFFER}S: 220 begin\n\nS: 250-evil.example\nS: 250 AUTH LOGIN"),
                    End::Residue,
                ),
                both(
                    &format!("{EHLO}{OFFER}S: 220 begin\ntls\nC: EHLO client.test\npause"),
                    End::Silence(TimeoutPhase::Reply(Stage::Ehlo)),
                ),
            ],
        ),
        row(
            "Negotiation/D_1",
            "T11",
            "a server that knows neither EHLO nor STARTTLS (502)",
            [
                required(&format!("{EHLO}S: 502 EHLO is not known"), End::Refused(Stage::Ehlo, 502)),
                opportunistic(&format!("{EHLO}S: 502 EHLO is not known\n{HELO_QUIT}"), End::NoLogin),
            ],
        ),
        row(
            "Negotiation/O_1",
            "T09 T14",
            "AUTH on offer in clear, STARTTLS not",
            [required(&stripped, End::NoStartTls), opportunistic(&format!("{stripped}{QUIT}"), End::NoLogin)],
        ),
        row(
            "Negotiation/O_2",
            "T10",
            "STARTTLS on offer, and then not known (502)",
            [both(&starttls("502 not implemented"), End::Refused(Stage::StartTls, 502))],
        ),
        row(
            "Negotiation/O_3",
            "T10",
            "STARTTLS on offer, and then not available for now (454)",
            [both(&starttls("454-no TLS today\nS: 454 but do go on"), End::Refused(Stage::StartTls, 454))],
        ),
        row(
            "Negotiation/O_4",
            "T10",
            "STARTTLS answered as if it were DATA (354)",
            [both(&starttls("354 let us talk of something else"), End::NoAnswer(Stage::StartTls, 354))],
        ),
        row(
            "others/X_1",
            "T09 A19",
            "more than sixty mechanisms in clear, real ones and look-alikes, and no STARTTLS",
            [
                required(&crowded, End::NoStartTls),
                opportunistic(&format!("{crowded}{QUIT}"), End::NoLogin),
                // Under TLS it is the exact name that counts.
                both(
                    &format!(
                        "{EHLO}{OFFER}S: 220 begin\ntls\nC: EHLO client.test\nS: 250-mail.example\n\
                         S: 250 AUTH {LOOK_ALIKES}\n{QUIT}"
                    ),
                    End::NoMechanism,
                ),
            ],
        ),
        row(
            "others/ehlo/250-all-no-starttls",
            "T09 T14 A19",
            "the same mechanisms, in the old form of the line too, from a server that has TLS and does not say so",
            [
                required(&crowded_legacy, End::NoStartTls),
                opportunistic(&format!("{crowded_legacy}{QUIT}"), End::NoLogin),
            ],
        ),
        row(
            "others/ehlo/250-empty",
            "T09 T14",
            "an EHLO reply without any keyword",
            [
                required(&format!("{EHLO}S: 250 mail.example"), End::NoStartTls),
                opportunistic(&format!("{EHLO}S: 250 mail.example\n{QUIT}"), End::NoLogin),
            ],
        ),
    ]
}
