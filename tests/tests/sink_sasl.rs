//! The mechanisms against the sink, which has its own idea of each.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use smtp_blocking::{Client, Config};
use smtp_proto::Error;
use smtp_proto::sasl::{Credentials, MechanismError, RefusedToken, Secret};
use smtp_tests::sink::{Builder, ScramFault, Sink};

fn log_in(sink: Builder, credentials: &Credentials) -> (Result<(), Error>, Vec<String>) {
    let sink = sink.start().unwrap();
    let tls = sink.certificate_authority().client_config().unwrap();
    let mut client = Client::connect_with_tls(sink.address(), Config::new("localhost"), tls).unwrap();
    let said = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = std::sync::Arc::clone(&said);
    client.set_transcript(move |entry| {
        let line = entry.to_string();
        if line.starts_with("C: AUTH") {
            noted.lock().unwrap().push(line.split(' ').nth(2).unwrap().to_owned());
        }
    });
    let result = client.login(credentials).map(drop).map_err(|error| error.into_kind());
    (result, said.lock().unwrap().clone())
}

fn user() -> Builder {
    Sink::builder().user("alice", "wonderland")
}

#[test]
fn a22_scram_and_its_faults() {
    let alice = Credentials::password("alice", "wonderland");
    assert_eq!(log_in(user(), &alice), (Ok(()), vec!["SCRAM-SHA-256-PLUS".into()]));
    let without = user().mechanisms(&["PLAIN", "SCRAM-SHA-256"]);
    assert_eq!(log_in(without, &alice), (Ok(()), vec!["SCRAM-SHA-256".into()]));
    let wrong = Credentials::password("alice", "x");
    assert!(matches!(log_in(user(), &wrong).0, Err(Error::AuthenticationFailed(f)) if f.cause.is_none()));
    let fault = |fault, credentials: &Credentials| log_in(user().scram_fault(fault), credentials).0;
    let Err(Error::AuthenticationFailed(f)) = fault(ScramFault::WrongSignature, &alice) else { panic!() };
    assert_eq!(f.cause, Some(MechanismError::ServerNotAuthentic));
    let Err(Error::AuthenticationFailed(f)) = fault(ScramFault::ForeignNonce, &alice) else { panic!() };
    assert_eq!(f.cause, Some(MechanismError::InvalidChallenge));
    assert_eq!(fault(ScramFault::NoSignature, &alice), Err(MechanismError::ServerNotAuthentic.into()));
    let Err(Error::AuthenticationFailed(f)) = fault(ScramFault::ErrorMessage, &wrong) else { panic!() };
    assert_eq!(f.detail.as_deref(), Some(&b"invalid-proof"[..]));
    for count in [4095, 1_000_001] {
        let Err(Error::AuthenticationFailed(f)) = log_in(user().scram_iterations(count), &alice).0 else {
            panic!()
        };
        assert_eq!(f.cause, Some(MechanismError::Iterations(count)));
    }
}

#[test]
fn a13_tokens_anonymous() {
    let sink = || Sink::builder().token("alice", "good");
    let good = Credentials::token("alice", Secret::from("good"));
    assert_eq!(log_in(sink(), &good), (Ok(()), vec!["OAUTHBEARER".into()]));
    assert_eq!(log_in(sink().mechanisms(&["XOAUTH2"]), &good), (Ok(()), vec!["XOAUTH2".into()]));
    for name in ["XOAUTH2", "OAUTHBEARER"] {
        let renewed = Credentials::token("alice", |refused: Option<&RefusedToken<'_>>| {
            Ok(Secret::from(if refused.is_some() { "good" } else { "old" }))
        });
        assert_eq!(log_in(sink().mechanisms(&[name]), &renewed), (Ok(()), vec![name.into(); 2]));
        let old = Credentials::token("alice", Secret::from("old"));
        let Err(Error::AuthenticationFailed(f)) = log_in(sink().mechanisms(&[name]), &old).0 else {
            panic!()
        };
        assert!(f.detail.is_some());
    }
    let anonymous = log_in(Sink::builder().anonymous(), &Credentials::anonymous("sirhc"));
    assert_eq!(anonymous, (Ok(()), vec!["ANONYMOUS".into()]));
}
