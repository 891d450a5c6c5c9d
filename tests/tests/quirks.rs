//! What the caller may switch off for a server that does not do what it says.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{BODY, BODY_LINES, FROM, config, ehlo, hello, hello_tls};
use smtp_proto::capabilities::Extension;
use smtp_proto::command::Command;
use smtp_proto::connection::{Quirks, Stage, TlsPolicy};
use smtp_proto::error::{Error, Misuse};
use smtp_proto::sasl::{CramMd5, Login, MechanismError, Plain};
use smtp_tests::script::{Scenario, envelope};

fn scenario(tls: TlsPolicy, quirks: Quirks, script: &str) -> Scenario {
    Scenario::new(config(tls).quirks(quirks)).script(script)
}

#[test]
fn ignored_keywords_are_masked_at_every_ehlo() {
    let quirks = || Quirks::new().ignore("size").ignore("Auth").ignore("X-UNKNOWN");
    let offers = ["SIZE 10", "DSN", "AUTH PLAIN", "SIZE 20"];
    scenario(TlsPolicy::None, quirks(), &format!("{}{}", hello(&offers), ehlo(&offers))).run(|session| {
        session.open().unwrap();
        for again in [true, false] {
            let capabilities = session.connection().capabilities();
            assert_eq!(capabilities.iter().collect::<Vec<_>>(), [("DSN", "")]);
            assert_eq!(capabilities.size_limit(), None);
            assert_eq!(session.auth(&mut Plain::new("", "a", "b", "mail.example")), Err(Error::NoMechanism));
            if again {
                session.hello().unwrap();
            }
        }
    });
    // Also under TLS, whose EHLO reply knows nothing of the one before it (T06).
    scenario(TlsPolicy::Required, quirks(), &hello_tls(&offers)).run(|session| {
        session.open().unwrap();
        assert!(!session.connection().capabilities().supports(Extension::Size));
        assert!(session.connection().capabilities().supports(Extension::Dsn));
    });
}

#[test]
fn t09_an_ignored_starttls_is_not_offered_and_nothing_is_sent_in_clear() {
    let script = hello(&["STARTTLS", "AUTH PLAIN"]);
    scenario(TlsPolicy::Required, Quirks::new().ignore("STARTTLS"), &script).run(|session| {
        assert_eq!(session.open(), Err(Error::TlsRequired));
    });
}

#[test]
fn s12_without_pipelining_one_command_is_in_flight() {
    let script = format!(
        "{}C: MAIL FROM:<{FROM}>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\n{BODY_LINES}S: 250 ok\n",
        hello(&["PIPELINING"])
    );
    scenario(TlsPolicy::None, Quirks::new().no_pipelining(), &script).run(|session| {
        session.open().unwrap();
        assert!(!session.connection().is_pipelining());
        session.send(&envelope(FROM, &["bob@example.net"]), BODY).unwrap();
    });
}

#[test]
fn the_initial_response_answers_an_empty_challenge() {
    let quirks = || Quirks::new().no_initial_response();
    let begin = format!("{}C: AUTH PLAIN\nS: 334\n", hello(&["AUTH PLAIN LOGIN CRAM-MD5"]));
    let script = format!("{begin}C: AGFsaWNlAHNlY3JldA==\nS: 235 ok\n");
    scenario(TlsPolicy::None, quirks(), &script).local().run(|session| {
        session.open().unwrap();
        session.auth(&mut Plain::new("", "alice", "secret", "mail.example")).unwrap();
    });
    // A challenge that is not empty gets no secret.
    let begin = begin.replace("S: 334\n", "S: 334 aGVsbG8=\n");
    let script = format!("{begin}C: *\nS: 501 cancelled\n");
    scenario(TlsPolicy::None, quirks(), &script).local().run(|session| {
        session.open().unwrap();
        match session.auth(&mut Plain::new("", "alice", "secret", "mail.example")) {
            Err(Error::AuthenticationFailed(failed)) => {
                assert_eq!(failed.cause, Some(MechanismError::UnexpectedChallenge));
            }
            other => panic!("{other:?}"),
        }
    });
    // A07: what was said once is not said again.
    let script = format!(
        "{}C: AUTH PLAIN\nS: 334\nC: AGFsaWNlAHNlY3JldA==\nS: 334\nC: *\nS: 501 cancelled\n",
        hello(&["AUTH PLAIN"])
    );
    scenario(TlsPolicy::None, quirks(), &script).local().run(|session| {
        session.open().unwrap();
        let result = session.auth(&mut Plain::new("", "alice", "secret", "mail.example"));
        assert!(matches!(result, Err(Error::AuthenticationFailed(_))), "{result:?}");
    });
}

#[test]
fn mechanisms_without_an_initial_response_are_as_they_were() {
    let script = format!(
        "{}C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YWxpY2U=\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0\nS: 235 ok\n",
        hello(&["AUTH LOGIN"])
    );
    scenario(TlsPolicy::None, Quirks::new().no_initial_response(), &script).local().run(|session| {
        session.open().unwrap();
        session.auth(&mut Login::new("alice", "secret", "mail.example")).unwrap();
    });
    let script = format!(
        "{}C: AUTH CRAM-MD5\nS: 334 PDFAYT4=\nC: YWxpY2UgMmFiNGE2NjVmMTI5ZWE5MWIwY2ZhY2U4MGMxNDQ3OWI=\nS: 235 ok\n",
        hello(&["AUTH CRAM-MD5"])
    );
    scenario(TlsPolicy::None, Quirks::new().no_initial_response(), &script).run(|session| {
        session.open().unwrap();
        session.auth(&mut CramMd5::new("alice", "secret")).unwrap();
    });
}

#[test]
fn s21_forced_helo_has_no_extension() {
    for policy in [TlsPolicy::None, TlsPolicy::Opportunistic] {
        // What a server lists in answer to HELO counts for nothing.
        let script = format!(
            "S: 220 hi\nC: HELO client.test\nS: 250-mail.example\nS: 250-STARTTLS\nS: 250 AUTH PLAIN\nC: MAIL FROM:<{FROM}>\nS: 250 ok\nC: RCPT TO:<bob@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\n{BODY_LINES}S: 250 ok\n"
        );
        scenario(policy, Quirks::new().force_helo(), &script).run(|session| {
            session.open().unwrap();
            assert!(session.connection().capabilities().is_empty());
            assert_eq!(
                session.connection().command(Command::StartTls),
                Err(Error::Unsupported(Extension::StartTls))
            );
            session.send(&envelope(FROM, &["bob@example.net"]), BODY).unwrap();
        });
    }
    scenario(
        TlsPolicy::Implicit,
        Quirks::new().force_helo(),
        "tls\nS: 220 hi\nC: HELO client.test\nS: 250 x",
    )
    .run(|session| session.open().unwrap());
}

#[test]
fn t11_forced_helo_is_refused_where_tls_is_required() {
    scenario(TlsPolicy::Required, Quirks::new().force_helo(), "S: 220 hi").run(|session| {
        let error = session.open().unwrap_err();
        assert_eq!(error, Error::Misuse(Misuse::HeloWithoutTls));
        assert_eq!(
            error.to_string(),
            "HELO is forced, and cannot be followed by the STARTTLS that is required"
        );
        assert!(session.wire().is_empty());
    });
}

#[test]
fn a_refused_forced_helo_ends_the_session() {
    let script = "S: 220 hi\nC: HELO client.test\nS: 502 EHLO, please";
    scenario(TlsPolicy::None, Quirks::new().force_helo(), script).run(|session| {
        let error = session.open().unwrap_err();
        assert!(
            matches!(&error, Error::Refused { stage: Stage::Helo, reply } if reply.code().get() == 502),
            "{error:?}"
        );
    });
}
