//! AUTH with tokens and certificates against real servers, and the choice of the mechanism.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use std::sync::{Arc, Mutex};

use interop_support::client::{tls_config, tls_config_with_certificate};
use interop_support::contract::{When, sorted, variable};
use interop_support::{Client, Kind, envelope, everywhere, message, token};
use smtp_proto::Error;
use smtp_proto::error::AuthenticationFailure;
use smtp_proto::sasl::{Credentials, Mechanism, OAuthBearer, RefusedToken, Secret, XOAuth2};

/// The mechanisms for a token that the server offers.
fn by_token(offered: &str, token: &str) -> Vec<Box<dyn Mechanism>> {
    let all: Vec<Box<dyn Mechanism>> = vec![
        Box::new(XOAuth2::new("alice", token, "localhost")),
        Box::new(OAuthBearer::new("alice", token, "localhost")),
    ];
    all.into_iter().filter(|mechanism| offered.split(' ').any(|name| name == mechanism.name())).collect()
}

fn auth_lines(client: &Client) -> Vec<String> {
    let transcript = client.transcript().into_iter();
    transcript.filter_map(|line| Some(line.strip_prefix("C: AUTH ")?.split(' ').next()?.to_owned())).collect()
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_token_logs_in_and_one_that_has_expired_is_told_why_not() {
    let good = variable("SMTP_INTEROP_TOKEN").unwrap();
    let expired = variable("SMTP_INTEROP_EXPIRED_TOKEN").unwrap();
    everywhere(&Kind::WITH_AUTH, |listener, adapter| {
        let mut client = listener.connect(adapter);
        let capabilities = client.capabilities().unwrap();
        let offered = capabilities.get("AUTH").unwrap();
        for (mut wrong, mut right) in by_token(offered, &expired).into_iter().zip(by_token(offered, &good)) {
            let mut client = listener.connect(adapter);
            let failure = client.auth(&mut *wrong).unwrap_err();
            let Error::AuthenticationFailed(failed) = failure else { panic!("{failure:?}") };
            assert_eq!((failed.reply.code().get(), failed.reason), (535, AuthenticationFailure::Credentials));
            let detail = String::from_utf8(failed.detail.clone().unwrap().into()).unwrap();
            assert!(detail.starts_with('{') && detail.contains("\"status\""), "{detail}");
            assert!(!format!("{failed:?} {failed}").contains(&expired));

            client.auth(&mut *right).unwrap();
            let token = token();
            let message = message(&token, format!("by {}\r\n", right.name()).as_bytes());
            client.send(&envelope(&["alice@example.test"]), &message).unwrap();
            assert!(!client.transcript().join("\n").contains(&good));
            client.quit().unwrap();
            listener.mailbox().assert_has(&token, &message);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn the_provider_is_asked_once_more_for_a_token_that_is_refused() {
    let tokens = ["EXPIRED_TOKEN", "TOKEN"].map(|name| variable(&format!("SMTP_INTEROP_{name}")).unwrap());
    everywhere(&Kind::WITH_AUTH, |listener, adapter| {
        let mut client = listener.connect(adapter);
        let capabilities = client.capabilities().unwrap();
        let offered = by_token(capabilities.get("AUTH").unwrap(), "x").into_iter();
        let Some(strongest) = offered.map(|mechanism| mechanism.name().to_owned()).last() else { return };
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        let [expired, good] = tokens.clone();
        let provider = move |refused: Option<&RefusedToken<'_>>| {
            told.lock().unwrap().push(refused.and_then(|refused| refused.detail.map(<[u8]>::to_vec)));
            Ok(Secret::from(if refused.is_none() { expired.clone() } else { good.clone() }))
        };
        let reply = client.login(&Credentials::token("alice", provider)).unwrap();
        assert_eq!(reply.code().get(), 235);
        let asked = asked.lock().unwrap();
        let [None, Some(detail)] = &asked[..] else { panic!("{asked:?}") };
        assert!(detail.starts_with(b"{"), "{}", detail.escape_ascii());
        assert_eq!(auth_lines(&client), [strongest.clone(), strongest]);
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_password_goes_by_the_strongest_mechanism_on_offer() {
    everywhere(&Kind::WITH_AUTH, |listener, adapter| {
        let mut client = listener.connect(adapter);
        let capabilities = client.capabilities().unwrap();
        let offered: Vec<&str> = capabilities.get("AUTH").unwrap().split(' ').collect();
        let preference = ["SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"];
        let strongest = preference.into_iter().find(|name| offered.contains(name)).unwrap();
        client.login(&Credentials::password("alice", "secret")).unwrap();
        assert_eq!(auth_lines(&client), [strongest]);

        // A wrong one is not tried with another mechanism.
        let mut client = listener.connect(adapter);
        let failure = client.login(&Credentials::password("alice", "wrong")).unwrap_err();
        assert!(matches!(failure, Error::AuthenticationFailed(_)), "{failure:?}");
        assert_eq!(auth_lines(&client), [strongest]);
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_certificate_logs_in_by_external_and_without_one_the_password_does() {
    everywhere(&Kind::WITH_TLS, |listener, adapter| {
        if !["exim", "dovecot"].contains(&&*listener.server.name) {
            return;
        }
        let tls = tls_config_with_certificate();
        let mut client =
            Client::connect_with_tls(adapter, &listener.address, listener.config(), tls).unwrap();
        let credentials = Credentials::external("").or(Credentials::password("alice", "secret"));
        assert_eq!(client.login(&credentials).unwrap().code().get(), 235);
        assert_eq!(auth_lines(&client), ["EXTERNAL"]);
        let token = token();
        let message = message(&token, b"by a certificate\r\n");
        client.send(&envelope(&["alice@example.test"]), &message).unwrap();
        client.quit().unwrap();
        listener.mailbox().assert_has(&token, &message);

        let mut client =
            Client::connect_with_tls(adapter, &listener.address, listener.config(), tls_config()).unwrap();
        match client.login(&Credentials::external("")) {
            // Exim offers EXTERNAL to who has a certificate.
            Err(Error::NoMechanism) => assert_eq!(listener.server.name, "exim"),
            Err(Error::AuthenticationFailed(_)) => assert_eq!(listener.server.name, "dovecot"),
            other => panic!("{other:?}"),
        }
        client.login(&Credentials::password("alice", "secret")).unwrap();
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn after_auth_another_ehlo_tells_what_is_offered_then() {
    everywhere(&Kind::WITH_AUTH, |listener, adapter| {
        let Some(expected) = listener.advertised(When::AfterAuth) else { return };
        let mut client = listener.ready_client(adapter);
        client.renew_hello().unwrap();
        let capabilities = client.capabilities().unwrap();
        let line =
            |(keyword, parameters): (&str, &str)| format!("{keyword} {parameters}").trim_end().to_owned();
        assert_eq!(sorted(capabilities.iter().map(line)), expected);
        let token = token();
        let message = message(&token, b"after another EHLO\r\n");
        client.send(&envelope(&["alice@example.test"]), &message).unwrap();
        client.quit().unwrap();
        listener.mailbox().assert_has(&token, &message);
    });
}
