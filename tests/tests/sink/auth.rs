//! AUTH, each mechanism, with the client's side written out.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use smtp_tests::sink::{Builder, ClientCertificates, ScramFault, Sink, TlsMode};

use std::io::{Read, Write};

use crate::client::{Client, Tls, greeted, plain, tcp, tls, tls_with};

const WELCOME: &str = "S: 235 2.7.0 Welcome";
const WRONG: &str = "S: 535 5.7.8 The credentials are not valid";
const MALFORMED: &str = "S: 501 5.5.2 Not a response of this mechanism";

fn base64(octets: impl AsRef<[u8]>) -> String {
    BASE64_STANDARD.encode(octets)
}

#[test]
fn password_mechanisms() {
    let sink = plain().user("tim", "tanstaaftanstaaf").auth_without_tls().start().unwrap();
    let greeted = || greeted(&sink);
    let password = base64("tanstaaftanstaaf");

    for (response, reply) in [
        ("\0tim\0tanstaaftanstaaf", WELCOME),
        ("tim\0tim\0tanstaaftanstaaf", WELCOME),
        ("tom\0tim\0tanstaaftanstaaf", WRONG),
        ("\0tim\0", WRONG),
        ("\0\0tanstaaftanstaaf", WRONG),
        ("tim\0tanstaaftanstaaf", MALFORMED),
    ] {
        greeted().run(&format!("C: AUTH PLAIN {}\n{reply}", base64(response)));
        greeted().run(&format!("C: auth plain\nS: 334 \nC: {}\n{reply}", base64(response)));
    }
    for (password, reply) in [(&*password, WELCOME), ("", WRONG)] {
        greeted().run(&format!(
            "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGlt\nS: 334 UGFzc3dvcmQ6\nC: {password}\n{reply}"
        ));
        greeted().run(&format!("C: AUTH LOGIN dGlt\nS: 334 UGFzc3dvcmQ6\nC: {password}\n{reply}"));
    }
    for (secret, reply) in [("tanstaaftanstaaf", WELCOME), ("other", WRONG)] {
        let mut client = greeted();
        client.run("C: AUTH CRAM-MD5");
        let challenge = client.line();
        let challenge = BASE64_STANDARD.decode(challenge.strip_prefix("334 ").unwrap()).unwrap();
        assert!(challenge.starts_with(b"<") && challenge.ends_with(b"@localhost>"));
        let mut hmac = Hmac::<md5::Md5>::new_from_slice(secret.as_bytes()).unwrap();
        hmac.update(&challenge);
        let digest: String = hmac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect();
        client.run(&format!("C: {}\n{reply}", base64(format!("tim {digest}"))));
    }
    greeted().run(
        "C: AUTH PLAIN
         S: 334\u{20}
         C: *
         S: 501 5.7.0 Broken off
         C: AUTH PLAIN !
         S: 501 5.5.2 Not base64
         C: AUTH PLAIN =
         S: 501 5.5.2 Not a response of this mechanism
         C: AUTH SCRAM-SHA-1
         S: 504 5.5.4 No such mechanism
         C: MAIL FROM:<>
         S: 250 2.1.0 Ok
         C: AUTH LOGIN
         S: 503 5.5.1 AUTH comes once, and not in a mail transaction",
    );
}

// ---- SCRAM ----

/// A SCRAM client as far as its second message.
struct Scram {
    header: &'static str,
    binding: Vec<u8>,
    password: &'static str,
}

const FIRST: &str = "n=tim,r=fyko+d2lbbFgONRv9qkxdawL";

fn hmac(key: &[u8], message: &str) -> Vec<u8> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    hmac.update(message.as_bytes());
    hmac.finalize().into_bytes().to_vec()
}

/// What comes after the code of a reply with this code, out of base64.
#[track_caller]
fn challenge<S: Read + Write>(client: &mut Client<S>) -> String {
    let line = client.line();
    let text = line.strip_prefix("334 ").unwrap_or_else(|| panic!("no challenge: {line}"));
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

impl Scram {
    fn new(header: &'static str, binding: &[u8]) -> Self {
        Self { header, binding: binding.to_vec(), password: "tanstaaftanstaaf" }
    }

    /// The client's second message for the server's first, and the signature that the server owes for it.
    fn proof(&self, server_first: &str) -> (String, String) {
        let fields: Vec<&str> = server_first.split(',').collect();
        let [nonce, salt, count] = fields[..] else { panic!("{server_first}") };
        let salt = BASE64_STANDARD.decode(salt.strip_prefix("s=").unwrap()).unwrap();
        let count: u32 = count.strip_prefix("i=").unwrap().parse().unwrap();
        let keyed = Hmac::<Sha256>::new_from_slice(self.password.as_bytes()).unwrap();
        let mut block = [&salt[..], &[0, 0, 0, 1]].concat();
        let mut salted = vec![0; 32];
        for _ in 0..count {
            let mut hmac = keyed.clone();
            hmac.update(&block);
            block = hmac.finalize().into_bytes().to_vec();
            salted.iter_mut().zip(&block).for_each(|(sum, octet)| *sum ^= octet);
        }
        let bound = base64([self.header.as_bytes(), &self.binding].concat());
        let without_proof = format!("c={bound},{nonce}");
        let message = format!("{FIRST},{server_first},{without_proof}");
        let key = hmac(&salted, "Client Key");
        let signature = hmac(&Sha256::digest(&key), &message);
        let proof: Vec<u8> = key.iter().zip(signature).map(|(a, b)| a ^ b).collect();
        let verifier = hmac(&hmac(&salted, "Server Key"), &message);
        (format!("{without_proof},p={}", base64(proof)), format!("v={}", base64(verifier)))
    }

    /// The exchange up to the server's answer to the proof.
    fn run<S: Read + Write>(&self, client: &mut Client<S>, mechanism: &str) -> (String, String) {
        client.run(&format!("C: AUTH {mechanism} {}", base64(format!("{}{FIRST}", self.header))));
        let server_first = challenge(client);
        let (message, signature) = self.proof(&server_first);
        client.run(&format!("C: {}", base64(message)));
        (client.line(), signature)
    }

    #[track_caller]
    fn succeeds<S: Read + Write>(&self, client: &mut Client<S>, mechanism: &str) {
        let (line, signature) = self.run(client, mechanism);
        assert_eq!(line, format!("334 {}", base64(signature)));
        client.run(&format!("C:\n{WELCOME}"));
    }

    #[track_caller]
    fn fails<S: Read + Write>(&self, client: &mut Client<S>, mechanism: &str) {
        assert_eq!(format!("S: {}", self.run(client, mechanism).0), WRONG);
    }
}

fn tim() -> Builder {
    Sink::builder().user("tim", "tanstaaftanstaaf")
}

fn under_tls(sink: &Sink) -> Client<Tls> {
    let mut client = Client { stream: tls(sink, tcp(sink), "localhost") };
    client.run("S: 220 localhost ESMTP sink");
    client.ehlo();
    client
}

#[test]
fn scram_without_tls() {
    let sink = tim().tls(TlsMode::None).auth_without_tls().scram_iterations(100).start().unwrap();
    Scram::new("n,,", b"").succeeds(&mut greeted(&sink), "scram-sha-256");
    Scram::new("y,,", b"").succeeds(&mut greeted(&sink), "SCRAM-SHA-256");
    Scram::new("n,a=tim,", b"").succeeds(&mut greeted(&sink), "SCRAM-SHA-256");
    Scram { password: "other", ..Scram::new("n,,", b"") }.fails(&mut greeted(&sink), "SCRAM-SHA-256");
    // What `c=` says is not what was said first.
    Scram::new("n,,", b"x").fails(&mut greeted(&sink), "SCRAM-SHA-256");
    let mut client = greeted(&sink);
    client.run("C: AUTH SCRAM-SHA-256\n S: 334\u{20}");
    client.run(&format!("C: {}", base64(format!("n,,{FIRST}"))));
    assert!(challenge(&mut client).starts_with("r=fyko+d2lbbFgONRv9qkxdawL"));
    client.run("C: *\n S: 501 5.7.0 Broken off");
    for first in [
        "",
        "n,,n=tim",
        "n,,r=x,n=tim",
        "x,,n=tim,r=x",
        "p=tls-exporter,,n=tim,r=x",
        "n,b,n=tim,r=x",
        "n,,n=,r=x",
    ] {
        let first = if first.is_empty() { "=".to_owned() } else { base64(first) };
        client.run(&format!("C: AUTH SCRAM-SHA-256 {first}\n{MALFORMED}"));
    }
    client.run(&format!("C: AUTH SCRAM-SHA-256 {}\n{WRONG}", base64("n,a=tom,n=tim,r=x")));
    client.run("C: AUTH SCRAM-SHA-256-PLUS\n S: 504 5.5.4 No such mechanism");
    // Nobody learns from the challenge that there is no such user.
    client.run(&format!("C: AUTH SCRAM-SHA-256 {}", base64("n,,n=nobody,r=x")));
    let nonce = challenge(&mut client).split(',').next().unwrap().to_owned();
    client.run(&format!("C: {}\n{WRONG}", base64(format!("c=biws,{nonce},p=AAAA"))));
}

#[test]
fn scram_with_channel_binding() {
    let sink = tim().tls(TlsMode::Implicit).scram_iterations(100).start().unwrap();
    let mut client = under_tls(&sink);
    let exporter =
        client.stream.conn.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).unwrap();
    Scram::new("p=tls-exporter,,", &exporter).succeeds(&mut client, "SCRAM-SHA-256-PLUS");

    let mut client = under_tls(&sink);
    let end_point = Sha256::digest(&client.stream.conn.peer_certificates().unwrap()[0]);
    Scram::new("p=tls-server-end-point,,", &end_point).succeeds(&mut client, "SCRAM-SHA-256-PLUS");

    let mut client = under_tls(&sink);
    // The exporter of another connection, the wrong kind, and none.
    Scram::new("p=tls-exporter,,", &exporter).fails(&mut client, "SCRAM-SHA-256-PLUS");
    Scram::new("p=tls-server-end-point,,", &exporter).fails(&mut client, "SCRAM-SHA-256-PLUS");
    Scram::new("p=tls-exporter,,", b"").fails(&mut client, "SCRAM-SHA-256-PLUS");
    for (mechanism, header, reply) in [
        ("SCRAM-SHA-256-PLUS", "n,,", MALFORMED),
        ("SCRAM-SHA-256-PLUS", "p=tls-unique,,", WRONG),
        ("SCRAM-SHA-256", "p=tls-exporter,,", MALFORMED),
        // The sink did offer PLUS: who says that it did not has been lied to.
        ("SCRAM-SHA-256", "y,,", WRONG),
    ] {
        client.run(&format!("C: AUTH {mechanism} {}\n{reply}", base64(format!("{header}{FIRST}"))));
    }
    Scram::new("n,,", b"").succeeds(&mut client, "SCRAM-SHA-256");

    let sink =
        tim().tls(TlsMode::Implicit).mechanisms(&["scram-sha-256"]).scram_iterations(1).start().unwrap();
    Scram::new("y,,", b"").succeeds(&mut under_tls(&sink), "SCRAM-SHA-256");
}

#[test]
fn scram_misbehaving() {
    let sink = |builder: Builder| builder.tls(TlsMode::None).auth_without_tls().start().unwrap();
    let faulty = |fault| sink(tim().scram_iterations(10).scram_fault(fault));
    let client = Scram::new("n,,", b"");
    let wrong = Scram { password: "other", ..Scram::new("n,,", b"") };

    let liar = faulty(ScramFault::WrongSignature);
    let mut session = greeted(&liar);
    let (line, signature) = client.run(&mut session, "SCRAM-SHA-256");
    assert!(line.starts_with("334 ") && line != format!("334 {}", base64(signature)), "{line}");
    session.run(&format!("C:\n{WELCOME}"));
    wrong.fails(&mut greeted(&liar), "SCRAM-SHA-256");

    let foreign = faulty(ScramFault::ForeignNonce);
    let mut session = greeted(&foreign);
    session.run(&format!("C: AUTH SCRAM-SHA-256 {}", base64(format!("n,,{FIRST}"))));
    assert!(!challenge(&mut session).contains("fyko"));

    let silent = faulty(ScramFault::NoSignature);
    assert_eq!(format!("S: {}", client.run(&mut greeted(&silent), "SCRAM-SHA-256").0), WELCOME);

    let verbose = faulty(ScramFault::ErrorMessage);
    let mut session = greeted(&verbose);
    let (line, _) = wrong.run(&mut session, "SCRAM-SHA-256");
    assert_eq!(line, format!("334 {}", base64("e=invalid-proof")));
    session.run(&format!("C:\n{WRONG}"));

    let slow = sink(tim().scram_iterations(u32::MAX));
    let mut session = greeted(&slow);
    session.run(&format!("C: AUTH SCRAM-SHA-256 {}", base64(format!("n,,{FIRST}"))));
    let server_first = challenge(&mut session);
    assert!(server_first.ends_with(",i=4294967295"));
    let nonce = server_first.split(',').next().unwrap();
    session.run(&format!("C: {}\n{WRONG}", base64(format!("c=biws,{nonce},p=AAAA"))));
}

// ---- tokens, certificates, nobody ----

#[test]
fn tokens() {
    let sink = plain().token("alice", "s3cr3t.t0k3n").auth_without_tls().start().unwrap();
    let mut client = Client::connect(&sink);
    client.send("EHLO a\r\n");
    let mut line = client.line();
    while line.starts_with("250-") {
        line = client.line();
    }
    assert_eq!(line, "250 AUTH XOAUTH2 OAUTHBEARER");

    let xoauth2 = |token: &str| base64(format!("user=alice\x01auth=Bearer {token}\x01\x01"));
    let bearer = |token: &str| {
        base64(format!("n,a=alice,\x01host=localhost\x01port=587\x01auth=Bearer {token}\x01\x01"))
    };
    let scope = "\"scope\":\"https://mail.test/\"}";
    let failure2 = base64(format!("{{\"status\":\"401\",\"schemes\":\"bearer\",{scope}"));
    let failure = base64(format!("{{\"status\":\"invalid_token\",{scope}"));
    greeted(&sink).run(&format!("C: AUTH XOAUTH2 {}\n{WELCOME}", xoauth2("s3cr3t.t0k3n")));
    greeted(&sink).run(&format!("C: AUTH OAUTHBEARER {}\n{WELCOME}", bearer("s3cr3t.t0k3n")));
    greeted(&sink)
        .run(&format!("C: AUTH XOAUTH2\n S: 334\u{20}\n C: {}\n{WELCOME}", xoauth2("s3cr3t.t0k3n")));
    let nameless = base64("n,,\x01auth=Bearer s3cr3t.t0k3n\x01\x01");
    greeted(&sink).run(&format!("C: AUTH OAUTHBEARER {nameless}\n{WELCOME}"));
    let (xoauth2, bearer) = (xoauth2("stale"), bearer("stale"));
    assert_eq!(sink.client_errors(), []);
    let mut client = greeted(&sink);
    client.run(&format!("C: AUTH XOAUTH2 {xoauth2}\n S: 334 {failure2}\n C:\n{WRONG}"));
    client.run(&format!("C: AUTH OAUTHBEARER {bearer}\n S: 334 {failure}\n C: AQ==\n{WRONG}"));
    assert_eq!(sink.client_errors(), [], "a stale token is no fault of the client's");
    client.run(&format!("C: AUTH XOAUTH2 {xoauth2}\n S: 334 {failure2}\n C: AQ==\n{MALFORMED}"));
    client.run(&format!("C: AUTH OAUTHBEARER {bearer}\n S: 334 {failure}\n C:\n{MALFORMED}"));
    client.run(&format!("C: AUTH OAUTHBEARER {xoauth2}\n{MALFORMED}"));
    client.run("C: AUTH PLAIN\n S: 504 5.5.4 No such mechanism");
    assert_eq!(sink.client_errors().len(), 4);
    assert!(sink.client_errors().iter().all(|error| error.command == "AUTH"));
}

#[test]
fn external_takes_a_certificate() {
    let sink = Sink::builder()
        .tls(TlsMode::Implicit)
        .client_certificates(ClientCertificates::Requested)
        .external_identity("alice", "postmaster")
        .start()
        .unwrap();
    let authority = sink.certificate_authority();
    let alice = authority.client_config_with(&authority.issue_client("alice").unwrap()).unwrap();
    let shown = || {
        let mut client = Client { stream: tls_with(alice.clone(), tcp(&sink), "localhost") };
        client.run("S: 220 localhost ESMTP sink");
        client.ehlo();
        client
    };
    for (response, reply) in [
        ("=", WELCOME),
        ("YWxpY2U=", WELCOME),
        ("cG9zdG1hc3Rlcg==", WELCOME),
        ("Ym9i", WRONG),
        ("/w==", MALFORMED),
    ] {
        shown().run(&format!("C: AUTH EXTERNAL {response}\n{reply}"));
    }
    let mut client = shown();
    client.run(&format!("C: AUTH EXTERNAL\n S: 334\u{20}\n C: cG9zdG1hc3Rlcg==\n{WELCOME}"));
    client.send("MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nBDAT 0 LAST\r\n");
    client.run("S: 250 2.1.0 Ok\n S: 250 2.1.5 Ok\n S: 250 2.0.0 Ok: queued as SINK000001");
    assert_eq!(sink.messages()[0].authenticated_as.as_deref(), Some("postmaster"));

    // Without a certificate there is no EXTERNAL; one from elsewhere does not pass the handshake.
    under_tls(&sink).run("C: AUTH EXTERNAL =\n S: 502 5.5.1 AUTH is not offered");
    let other = Sink::builder().start().unwrap();
    let foreign = other.certificate_authority().issue_client("alice").unwrap();
    let mut stream = tls_with(authority.client_config_with(&foreign).unwrap(), tcp(&sink), "localhost");
    assert!(stream.read(&mut [0]).is_err());
    assert!(foreign.pem().contains("BEGIN PRIVATE KEY") && !format!("{foreign:?}").contains("PRIVATE"));
}

#[test]
fn a_certificate_may_be_required() {
    let sink = tim().client_certificates(ClientCertificates::Required).start().unwrap();
    let starttls = || {
        let mut client = greeted(&sink);
        client.run("C: STARTTLS\n S: 220 2.0.0 Ready to start TLS");
        client.stream
    };
    let authority = sink.certificate_authority();
    let config = authority.client_config_with(&authority.issue_client("tom").unwrap()).unwrap();
    let mut client = Client { stream: tls_with(config, starttls(), "localhost") };
    client.ehlo();
    client.run(&format!("C: AUTH EXTERNAL dG9t\n{WELCOME}"));
    let mut stream = tls(&sink, starttls(), "localhost");
    let _ = stream.write_all(b"EHLO a\r\n");
    assert!(stream.read(&mut [0]).is_err());
}

#[test]
fn anonymous_and_masks() {
    let sink = tim()
        .tls(TlsMode::None)
        .auth_without_tls()
        .anonymous()
        .mechanisms(&["anonymous", "LOGIN"])
        .require_auth();
    let sink = sink.start().unwrap();
    let mut client = Client::connect(&sink);
    client.send("EHLO a\r\n");
    let mut line = client.line();
    while line.starts_with("250-") {
        line = client.line();
    }
    assert_eq!(line, "250 AUTH ANONYMOUS LOGIN");
    client.run("C: AUTH PLAIN\n S: 504 5.5.4 No such mechanism");
    client.run(&format!("C: AUTH ANONYMOUS {}\n{MALFORMED}", base64("a\n")));
    client.run(&format!("C: AUTH ANONYMOUS {}\n{WELCOME}", base64("sirhc")));
    client.send("MAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\nBDAT 0 LAST\r\n");
    client.run("S: 250 2.1.0 Ok\n S: 250 2.1.5 Ok\n S: 250 2.0.0 Ok: queued as SINK000001");
    assert_eq!(sink.messages()[0].authenticated_as.as_deref(), Some("anonymous"));

    let sink = tim().tls(TlsMode::None).auth_without_tls().without_extension("AUTH").start().unwrap();
    greeted(&sink).run("C: AUTH CRAM-MD5\n S: 502 5.5.1 AUTH is not offered");
}
