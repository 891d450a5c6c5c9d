//! A22: SCRAM (RFC 5802, RFC 7677).

use super::*;
use crate::security::ChannelBindings;

/// RFC 7677 §3.
const NONCE: &str = "rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                            p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn nonce() -> Nonce {
    Nonce::new(NONCE).expect("a nonce")
}

fn scram() -> ScramSha256 {
    ScramSha256::new("user", "pencil", HOST, nonce())
}

fn clear() -> ServerInfo<'static> {
    ServerInfo::new(HOST, &Security::Plaintext)
}

/// Begun, and waiting for the server's first message.
fn begun() -> ScramSha256 {
    let mut scram = scram();
    assert!(scram.start(&clear()).is_ok());
    scram
}

#[test]
fn a22_rfc_7677_vector() {
    let mut scram = scram();
    assert_eq!(scram.name(), "SCRAM-SHA-256");
    let first = scram.start(&clear()).expect("starts").expect("speaks first");
    assert_eq!(first.expose(), format!("n,,n=user,r={NONCE}").as_bytes());
    assert_eq!(respond(&mut scram, SERVER_FIRST.as_bytes()), CLIENT_FINAL.as_bytes());
    assert_eq!(respond(&mut scram, SERVER_FINAL.as_bytes()), b"");
    assert_eq!(scram.finish(), Ok(()));
    // The exchange is over.
    assert_eq!(scram.respond(b"").unwrap_err(), MechanismError::UnexpectedChallenge);
}

#[test]
fn a22_a_server_that_has_not_proved_itself_is_not_believed() {
    let not_authentic = Err(MechanismError::ServerNotAuthentic);
    assert_eq!(scram().finish(), not_authentic);
    let mut scram = begun();
    assert_eq!(scram.finish(), not_authentic);
    respond(&mut scram, SERVER_FIRST.as_bytes());
    assert_eq!(scram.finish(), not_authentic, "235 right after the proof");

    for forged in ["v=AAAATRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", "v=", "v=6rri"] {
        let mut scram = begun();
        respond(&mut scram, SERVER_FIRST.as_bytes());
        assert_eq!(scram.respond(forged.as_bytes()).unwrap_err(), MechanismError::ServerNotAuthentic);
        assert_eq!(scram.finish(), not_authentic);
        // There is no second try.
        let again = scram.respond(SERVER_FINAL.as_bytes()).unwrap_err();
        assert_eq!(again, MechanismError::UnexpectedChallenge);
    }
    for rubbish in ["", "v", "x=1", "v=!!", &SERVER_FINAL[2..], &format!(",{SERVER_FINAL}"), "\u{fc}"] {
        let mut scram = begun();
        respond(&mut scram, SERVER_FIRST.as_bytes());
        assert_eq!(scram.respond(rubbish.as_bytes()).unwrap_err(), MechanismError::InvalidChallenge);
        assert_eq!(scram.finish(), not_authentic);
    }
    // An extension behind the signature does no harm (RFC 5802 §7).
    let mut scram = begun();
    respond(&mut scram, SERVER_FIRST.as_bytes());
    respond(&mut scram, format!("{SERVER_FINAL},x=1").as_bytes());
    assert_eq!(scram.finish(), Ok(()));
}

#[test]
fn a22_the_error_of_the_server_is_kept() {
    for (message, detail) in [("e=invalid-proof", "invalid-proof"), ("e=other-error,x=y", "other-error")] {
        let mut scram = begun();
        respond(&mut scram, SERVER_FIRST.as_bytes());
        assert_eq!(respond(&mut scram, message.as_bytes()), b"");
        assert_eq!(scram.error_detail(), Some(detail.as_bytes()));
        assert_eq!(scram.finish(), Err(MechanismError::ServerNotAuthentic), "whatever it says next");
    }
}

#[test]
fn a22_the_first_message_has_to_be_one() {
    for bad in [
        // The nonce: not the client's, not extended, extended with what is none.
        "r=rOprNGfwEbeRWgbNEkqX%hvY,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=XrOprNGfwEbeRWgbNEkqOX,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO a,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO\u{fc},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        // A mandatory extension.
        "m=1,r=rOprNGfwEbeRWgbNEkqO%,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
        // The salt and the iterations.
        "r=rOprNGfwEbeRWgbNEkqO%,s=,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO%,s=!,i=4096",
        "r=rOprNGfwEbeRWgbNEkqO%,s=W22ZaJ0SNY7soEsUEjb6gQ==",
        "r=rOprNGfwEbeRWgbNEkqO%,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=",
        "r=rOprNGfwEbeRWgbNEkqO%,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=+4096",
        "r=rOprNGfwEbeRWgbNEkqO%,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1",
        "r=rOprNGfwEbeRWgbNEkqO%,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4294967296",
        // The order.
        "s=W22ZaJ0SNY7soEsUEjb6gQ==,r=rOprNGfwEbeRWgbNEkqO%,i=4096",
        SERVER_FINAL,
        "e=unknown-user",
        "",
        ",,,",
    ] {
        let mut scram = begun();
        assert_eq!(scram.respond(bad.as_bytes()).unwrap_err(), MechanismError::InvalidChallenge, "{bad}");
        let again = scram.respond(SERVER_FIRST.as_bytes()).unwrap_err();
        assert_eq!(again, MechanismError::UnexpectedChallenge);
    }
    let mut scram = begun();
    assert_eq!(scram.respond(b"r=\xff").unwrap_err(), MechanismError::InvalidChallenge);
    // What a server may do: any printable octets in its nonce, an extension at the end.
    let mut scram = begun();
    let odd = format!("r={NONCE}=\"\\{{~,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,x=1");
    assert!(scram.respond(odd.as_bytes()).is_ok());
}

#[test]
fn a22_iterations_are_bounded_before_anything_is_hashed() {
    let first = |count: u32| format!("r={NONCE}%,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={count}");
    // Hashing four thousand million times would be noticed here.
    for count in [0, 1, 4095, 1_000_001, u32::MAX] {
        let error = begun().respond(first(count).as_bytes()).unwrap_err();
        assert_eq!(error, MechanismError::Iterations(count));
    }
    let mut scram = scram().iterations(1..=10);
    assert!(scram.start(&clear()).is_ok());
    assert!(scram.respond(first(10).as_bytes()).is_ok());
    scram.renew(nonce());
    assert!(scram.start(&clear()).is_ok());
    assert_eq!(scram.respond(first(11).as_bytes()).unwrap_err(), MechanismError::Iterations(11));
}

#[test]
fn a22_a_nonce_serves_once() {
    let mut scram = begun();
    assert_eq!(refusal(&mut scram, &clear()), MechanismError::NonceUsed);
    scram.renew(nonce());
    assert!(scram.start(&clear()).is_ok());
    assert_eq!(
        refusal(&mut ScramSha256::new("user", "pencil", HOST, None), &clear()),
        MechanismError::NonceUsed
    );
    let fault = |text| match Nonce::new(text) {
        Err(MechanismError::InvalidCredential { field: "nonce", fault }) => Some(fault),
        _ => None,
    };
    assert_eq!(fault("fifteen-octets-"), Some(CredentialFault::TooShort));
    assert_eq!(fault("sixteen octets!!"), Some(CredentialFault::Forbidden));
    assert_eq!(fault("sixteen,octets!!"), Some(CredentialFault::Forbidden));
    assert_eq!(fault("sixteen-octets-\x7f"), Some(CredentialFault::Forbidden));
    assert_eq!(fault("sixteen-octets-\u{fc}"), Some(CredentialFault::Forbidden));
    assert_eq!(fault("sixteen-octets!!"), None);
    let made = Nonce::from_entropy([0xff; 18]);
    assert_eq!(made.as_str(), "////////////////////////");
    assert!(Nonce::new(made.as_str()).is_ok());
}

#[test]
fn a22_the_gs2_flag_tells_what_the_client_could_have_done() {
    let security = tls(HOST);
    let both = ChannelBindings::new().with_exporter([b'x'; 32]).with_server_end_point(*b"hash");
    let (end_point, none) = (ChannelBindings::new().with_server_end_point(*b"hash"), ChannelBindings::new());
    let (listed, unlisted) = ("SCRAM-SHA-256 SCRAM-SHA-256-PLUS", "SCRAM-SHA-256");
    let exporter = [&b"p=tls-exporter,,"[..], &[b'x'; 32]].concat();
    let table: [(bool, &ChannelBindings, &str, &str, &[u8]); 7] = [
        (false, &none, unlisted, "n,,", b"n,,"),
        (false, &none, listed, "n,,", b"n,,"),
        // Somebody has taken the offer away, or there was none: the server knows.
        (false, &both, unlisted, "y,,", b"y,,"),
        (false, &end_point, unlisted, "y,,", b"y,,"),
        (false, &both, listed, "n,,", b"n,,"),
        (true, &both, listed, "p=tls-exporter,,", &exporter),
        (true, &end_point, listed, "p=tls-server-end-point,,", b"p=tls-server-end-point,,hash"),
    ];
    for (plus, bindings, advertised, header, input) in table {
        let mut server = ServerInfo::new(HOST, &security);
        server.channel_bindings = bindings;
        server.mechanisms = Mechanisms(advertised);
        let mut scram = match plus {
            true => ScramSha256::plus("user", "pencil", HOST, nonce()),
            false => scram(),
        };
        assert_eq!(scram.name(), if plus { "SCRAM-SHA-256-PLUS" } else { "SCRAM-SHA-256" });
        let first = scram.start(&server).expect("starts").expect("speaks first");
        assert_eq!(first.expose(), format!("{header}n=user,r={NONCE}").as_bytes());
        let proof = respond(&mut scram, SERVER_FIRST.as_bytes());
        assert!(proof.starts_with(format!("c={},r=", STANDARD.encode(input)).as_bytes()));
    }
    let mut plus = ScramSha256::plus("user", "pencil", HOST, nonce());
    assert_eq!(refusal(&mut plus, &ServerInfo::new(HOST, &security)), MechanismError::NoChannelBinding);
    // Such a start costs no nonce.
    let mut server = ServerInfo::new(HOST, &security);
    server.channel_bindings = &both;
    assert!(plus.start(&server).is_ok());
}

#[test]
fn a22_names_are_escaped_and_prepared() {
    let mut named = ScramSha256::new("a,b=c", "pencil", HOST, nonce()).acting_for("admin=,");
    let first = named.start(&clear()).expect("starts").expect("speaks first");
    assert_eq!(first.expose(), format!("n,a=admin=3D=2C,n=a=2Cb=3Dc,r={NONCE}").as_bytes());
    use CredentialFault::{Control, Empty};
    for (username, password, identity, field, fault) in [
        ("", "pencil", "", "username", Empty),
        ("user", "", "", "password", Empty),
        ("us\0er", "pencil", "", "username", Control),
        ("user", "pen\ncil", "", "password", Control),
        ("user", "pencil", "\x7f", "identity", Control),
    ] {
        let mut scram = ScramSha256::new(username, password, HOST, nonce()).acting_for(identity);
        assert_eq!(refusal(&mut scram, &clear()), MechanismError::InvalidCredential { field, fault });
    }
    // Outside ASCII as it is.
    let mut scram = ScramSha256::new("J\u{fc}rgen", "p\u{e4}ncil", HOST, nonce());
    let first = scram.start(&clear()).expect("starts").expect("speaks first");
    assert_eq!(first.expose(), format!("n,,n=J\u{fc}rgen,r={NONCE}").as_bytes());
    assert!(scram.respond(SERVER_FIRST.as_bytes()).is_ok());
}

#[test]
fn a22_scram_shows_no_secret() {
    let mut scram = begun();
    let proof = scram.respond(SERVER_FIRST.as_bytes()).expect("answers");
    let shown = format!("{scram:?} {scram:#?} {proof:?} {proof} {:?}", nonce());
    for secret in ["pencil", "user\"", NONCE, "dHzbZapW", "6rriTRBi"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert_eq!(format!("{scram:?}"), r#"ScramSha256 { plus: false, host: "mail.example", .. }"#);
}
