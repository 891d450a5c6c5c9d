//! The OAuth mechanisms' messages (RFC 7628 §3.1), EXTERNAL and ANONYMOUS.

use super::*;

fn initial(mechanism: &mut dyn Mechanism) -> Vec<u8> {
    let server = ServerInfo::new(HOST, &Security::LocalPlaintext);
    mechanism.start(&server).expect("starts").expect("speaks first").expose().to_vec()
}

#[test]
fn a13_oauthbearer_messages() {
    let mut plain = OAuthBearer::new("tim", "token", HOST);
    assert_eq!(initial(&mut plain), b"n,a=tim,\x01host=mail.example\x01auth=Bearer token\x01\x01");
    let mut port = OAuthBearer::new("tim", "token", HOST).port(465);
    assert_eq!(initial(&mut port), b"n,a=tim,\x01host=mail.example\x01port=465\x01auth=Bearer token\x01\x01");
    // Without a user the token alone tells who it is.
    let mut nobody = OAuthBearer::new("", "token", HOST);
    assert_eq!(initial(&mut nobody), b"n,,\x01host=mail.example\x01auth=Bearer token\x01\x01");
}

#[test]
fn a16_a_user_name_ends_no_field_of_the_gs2_header() {
    let mut bearer = OAuthBearer::new("a,b=c,=2C", "token", HOST);
    let expected = b"n,a=a=2Cb=3Dc=2C=3D2C,\x01host=mail.example\x01auth=Bearer token\x01\x01";
    assert_eq!(initial(&mut bearer), expected);
    // XOAUTH2 has no header, and its user ends at 0x01.
    let mut xoauth2 = XOAuth2::new("a,b=c", "token", HOST);
    assert_eq!(initial(&mut xoauth2), b"user=a,b=c\x01auth=Bearer token\x01\x01");
}

#[test]
fn a13_a_refusal_is_kept_and_acknowledged_once() {
    let mut xoauth2 = XOAuth2::new(USER, "token", HOST);
    let mut bearer = OAuthBearer::new(USER, "token", HOST);
    let cases: [(&mut dyn Mechanism, &[u8]); 2] = [(&mut xoauth2, b""), (&mut bearer, b"\x01")];
    for (mechanism, acknowledgement) in cases {
        assert_eq!(mechanism.respond(b"{}").unwrap_err(), MechanismError::UnexpectedChallenge);
        for detail in [&b"{\"status\":\"400\"}"[..], b"\xff\0", b""] {
            initial(mechanism);
            assert_eq!(mechanism.error_detail(), None);
            assert_eq!(respond(mechanism, detail), acknowledgement);
            assert_eq!(mechanism.error_detail(), Some(detail).filter(|detail| !detail.is_empty()));
            assert_eq!(mechanism.respond(b"").unwrap_err(), MechanismError::UnexpectedChallenge);
            assert_eq!(mechanism.finish(), Ok(()), "A14: the server is the authority");
        }
    }
}

#[test]
fn a07_external_and_anonymous_say_one_word() {
    for (mut mechanism, message) in [
        (Box::new(External::new("")) as Box<dyn Mechanism>, ""),
        (Box::new(External::new("tim@mail.example")), "tim@mail.example"),
        (Box::new(Anonymous::new("")), ""),
        (Box::new(Anonymous::new("sirhc@example.com")), "sirhc@example.com"),
        (Box::new(Anonymous::new(&"\u{fc}".repeat(255))), &"\u{fc}".repeat(255)),
    ] {
        assert_eq!(initial(&mut *mechanism), message.as_bytes());
        assert_eq!(mechanism.respond(b"").unwrap_err(), MechanismError::UnexpectedChallenge);
    }
}
