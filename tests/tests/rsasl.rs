//! The example that plugs `rsasl` in works, and `rsasl`'s mechanism is held to the rules of ours.
#![allow(missing_docs, unreachable_pub, clippy::unwrap_used, clippy::panic)]

#[path = "../examples/rsasl.rs"]
mod example;

use rsasl::config::SASLConfig;
use rsasl::mechname::Mechname;
use smtp_proto::Error;
use smtp_proto::error::AuthenticationFailure;
use smtp_proto::sasl::{Mechanism, MechanismError, ServerInfo};
use smtp_proto::security::Security;

#[test]
fn a_foreign_mechanism_authenticates() {
    assert_eq!(example::authenticate("wonderland").unwrap().as_deref(), Some("alice"));
}

#[test]
fn a_foreign_mechanism_is_refused() {
    let error = example::authenticate("looking-glass").unwrap_err();
    let error = error.downcast::<smtp_blocking::Error>().unwrap();
    let Error::AuthenticationFailed(failed) = error.kind() else { panic!("{error:?}") };
    assert_eq!((failed.reason, &failed.cause), (AuthenticationFailure::Credentials, &None));
}

#[test]
fn a01_a_foreign_mechanism_asks_whether_it_may() {
    let config = SASLConfig::with_credentials(None, "alice".into(), "wonderland".into()).unwrap();
    let plain = Mechname::parse(b"PLAIN").unwrap();
    let mut mechanism = example::Rsasl::new(config, plain, "mail.example");
    let mut start = |name, security| mechanism.start(&ServerInfo::new(name, &security)).map(drop);
    assert_eq!(start("mail.example", Security::Plaintext), Err(MechanismError::NotEncrypted));
    assert!(matches!(
        start("other.example", Security::LocalPlaintext),
        Err(MechanismError::WrongHost { .. })
    ));
    assert_eq!(start("mail.example", Security::LocalPlaintext), Ok(()));
    assert_eq!(mechanism.respond(b"").unwrap_err(), MechanismError::UnexpectedChallenge);
}
