//! Ways to open a session, to log in, and the smaller verbs.

use smtp_proto::command::Command;
use smtp_proto::connection::TlsPolicy;
use smtp_proto::sasl::{CramMd5, Login, Mechanism, Nonce, Plain, ScramSha256};

use super::super::client::{Job, Supply};
use super::{QUIT, Transcript, dotted, hello, hello_tls, mail, ok, rcpt};

pub(super) fn all() -> Vec<Transcript> {
    [openings(), implicit(), xclient(), logins(), verbs()].into_iter().flatten().collect()
}

fn openings() -> Vec<Transcript> {
    let helo = "S: 220 m\nC: EHLO c.test\nS: 502 what\nC: HELO c.test\nS: 250 m\n";
    let long = "S: 220-m\nS: 220-no spam\nS: 220 here\nC: EHLO c.test\nS: 250-m\nS: 250-SIZE 1000\nS: 250-8BITMIME\nS: 250-ENHANCEDSTATUSCODES\nS: 250 HELP\n";
    vec![
        Transcript::new("EHLO", &[Job::Quit], &format!("{}{QUIT}", hello(&["SIZE 1000", "PIPELINING"]))),
        Transcript::new("long replies", &[Job::Ask(Command::Noop)], &format!("{long}C: NOOP\nS: 250 ok\n")),
        Transcript::new("HELO", &[Job::Quit], &format!("{helo}{QUIT}")),
        Transcript::new(
            "HELO, and a message",
            &[Job::Send],
            &format!(
                "{helo}{}{}{}{}C: DATA\nS: 354 go\n{}{}",
                mail(0),
                ok("sender"),
                rcpt(0),
                ok("rcpt 0"),
                dotted(0),
                ok("queued 0")
            ),
        )
        .messages(&[1], Supply::Whole),
        Transcript::new("STARTTLS", &[Job::Quit], &format!("{}{QUIT}", hello_tls(&["PIPELINING"])))
            .config(|config| config.tls(TlsPolicy::Required)),
        Transcript::new(
            "STARTTLS, multi-line, and a message",
            &[Job::Send, Job::Quit],
            &format!(
                "{}{}{}C: DATA\n{}{}S: 354 go\n{}{}{QUIT}",
                hello_tls(&["PIPELINING"]).replace("S: 220 go\n", "S: 220-wait\nS: 220 go\n"),
                mail(0),
                rcpt(0),
                ok("sender"),
                ok("rcpt 0"),
                dotted(0),
                ok("queued 0")
            ),
        )
        .config(|config| config.tls(TlsPolicy::Required))
        .messages(&[1], Supply::Whole),
    ]
}

/// RFC 8314 §3: the handshake comes first.
fn implicit() -> Vec<Transcript> {
    let tls = |name: &str, jobs: &[Job], text: String| {
        Transcript::new(name, jobs, &format!("tls\n{text}")).config(|config| config.tls(TlsPolicy::Implicit))
    };
    let group = format!("{}{}{}{}", mail(0), rcpt(0), "C: DATA\n", ok("sender"));
    vec![
        tls("implicit TLS", &[Job::Quit], format!("{}{QUIT}", hello(&["SIZE 1000"]))),
        tls(
            "implicit TLS, and a message",
            &[Job::Send, Job::Quit],
            format!(
                "{}{group}{}S: 354 go\n{}{}{QUIT}",
                hello(&["PIPELINING"]),
                ok("rcpt 0"),
                dotted(0),
                ok("queued 0")
            ),
        )
        .messages(&[1], Supply::Whole),
    ]
}

/// After it the session is a new one, and EHLO comes again.
fn xclient() -> Vec<Transcript> {
    let again = hello(&["SIZE 1000"]).replace("S: 220 m ESMTP\n", "");
    let offers = hello(&["XCLIENT NAME ADDR"]);
    let jobs = [Job::XClient, Job::Quit];
    vec![
        Transcript::new(
            "XCLIENT",
            &jobs,
            &format!("{offers}C: XCLIENT NAME=c.example\nS: 220 m ESMTP\n{again}{QUIT}"),
        )
        .xclient(),
        Transcript::new(
            "XCLIENT, refused",
            &jobs[..1],
            &format!("{offers}C: XCLIENT NAME=c.example\nS: 550 not you\n"),
        )
        .xclient(),
    ]
}

fn verbs() -> Vec<Transcript> {
    let jobs = [
        Job::Ask(Command::Noop),
        Job::Ask(Command::Vrfy("bob")),
        Job::Ask(Command::Expn("staff")),
        Job::Ask(Command::Help("")),
        Job::Ask(Command::Custom("XYZZY 1")),
        Job::Reset,
        Job::Quit,
    ];
    let answers = |noop: &str, vrfy: &str, expn: &str, help: &str, custom: &str| {
        format!(
            "{}C: NOOP\nS: {noop}\nC: VRFY bob\nS: {vrfy}\nC: EXPN staff\n{expn}C: HELP\nS: {help}\n\
             C: XYZZY 1\nS: {custom}\nC: RSET\nS: 250 reset\n{QUIT}",
            hello(&["PIPELINING", "VRFY", "EXPN"])
        )
    };
    vec![
        Transcript::new(
            "verbs",
            &jobs,
            &answers(
                "250 ok",
                "252 try",
                "S: 250-<a@b.example>\nS: 250 <c@d.example>\n",
                "214 help",
                "299 x",
            ),
        ),
        Transcript::new(
            "verbs, refused",
            &jobs,
            &answers("450 no", "550 who", "S: 502 no\n", "504 no", "500 what"),
        ),
    ]
}

/// RFC 5802 §3, computed here: the client's proof and the server's signature.
fn scram_lines() -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use hmac::{Hmac, KeyInit, Mac};
    use sha2::{Digest, Sha256};
    let mac = |key: &[u8], text: &[u8]| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text);
        mac.finalize().into_bytes()
    };
    let (first, nonce) = ("n=user,r=fyko+d2lbbFgONRv9qkxdawL", "r=fyko+d2lbbFgONRv9qkxdawL3rfc");
    let challenge = format!("{nonce},s={},i=1", STANDARD.encode("salt"));
    let last = format!("c=biws,{nonce}");
    // One iteration of PBKDF2: what the RFC calls U1.
    let salted = mac(b"pencil", b"salt\0\0\0\x01");
    let client_key = mac(&salted, b"Client Key");
    let said = format!("{first},{challenge},{last}");
    let signature = mac(&Sha256::digest(client_key), said.as_bytes());
    let proof: Vec<u8> = client_key.iter().zip(signature.iter()).map(|(a, b)| a ^ b).collect();
    let verifier = mac(&mac(&salted, b"Server Key"), said.as_bytes());
    format!(
        "C: AUTH SCRAM-SHA-256 {}\nS: 334 {}\nC: {}\nS: 334 {}\nC:\nS: 235 welcome\n",
        STANDARD.encode(format!("n,,{first}")),
        STANDARD.encode(challenge),
        STANDARD.encode(format!("{last},p={}", STANDARD.encode(proof))),
        STANDARD.encode(format!("v={}", STANDARD.encode(verifier))),
    )
}

fn logins() -> Vec<Transcript> {
    let session = |name: &'static str, mechanism: fn() -> Box<dyn Mechanism>, lines: &str, then: &[Job]| {
        let keyword = format!("AUTH {name}");
        let after = match then {
            [] => String::new(),
            _ => format!("{}S: 503 5.5.1 no\n{QUIT}", "C: NOOP\n"),
        };
        let jobs = [&[Job::Auth(mechanism)], then].concat();
        Transcript::new(name, &jobs, &format!("{}{lines}{after}", hello(&[&keyword]))).mechanism(name)
    };
    let more = [Job::Ask(Command::Noop), Job::Quit];
    let login_lines = "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: dGlt\nS: 334 UGFzc3dvcmQ6\nC: dGFuc3RhYWY=\n";
    let cram_lines = "C: AUTH CRAM-MD5\nS: 334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n\
                      C: dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\n";
    let plain_line = "C: AUTH PLAIN AHRpbQB0YW5zdGFhZg==\n";
    let rcpt_and_data = format!(
        "{}{}C: DATA\n{}{}S: 354 go\n{}{}",
        mail(0),
        rcpt(0),
        ok("sender"),
        ok("rcpt 0"),
        dotted(0),
        ok("queued 0")
    );
    vec![
        session("PLAIN", plain, &format!("{plain_line}S: 235 welcome\n"), &more),
        session("PLAIN", plain, &format!("{plain_line}S: 535 who\n"), &[]),
        session("PLAIN", plain, &format!("{plain_line}S: 334\nC: *\nS: 501 cancelled\n"), &[]),
        session("LOGIN", login, &format!("{login_lines}S: 235 welcome\n"), &more),
        session("LOGIN", login, &format!("{login_lines}S: 535 who\n"), &[]),
        session("CRAM-MD5", cram, &format!("{cram_lines}S: 235 welcome\n"), &more),
        session("CRAM-MD5", cram, &format!("{cram_lines}S: 454 later\n"), &[]),
        session("SCRAM-SHA-256", scram, &scram_lines(), &more),
        Transcript::new(
            "STARTTLS, AUTH, and a message",
            &[Job::Auth(plain), Job::Send],
            &format!(
                "{}{plain_line}S: 235 welcome\n{rcpt_and_data}",
                hello_tls(&["PIPELINING", "AUTH PLAIN"])
            ),
        )
        .config(|config| config.tls(TlsPolicy::Required))
        .mechanism("PLAIN")
        .messages(&[1], Supply::Whole),
    ]
}

fn plain() -> Box<dyn Mechanism> {
    Box::new(Plain::new("", "tim", "tanstaaf", "mail.example"))
}

fn login() -> Box<dyn Mechanism> {
    Box::new(Login::new("tim", "tanstaaf", "mail.example"))
}

fn cram() -> Box<dyn Mechanism> {
    Box::new(CramMd5::new("tim", "tanstaaftanstaaf"))
}

fn scram() -> Box<dyn Mechanism> {
    let nonce = Nonce::new("fyko+d2lbbFgONRv9qkxdawL").unwrap();
    Box::new(ScramSha256::new("user", "pencil", "mail.example", nonce).iterations(1..=1))
}
