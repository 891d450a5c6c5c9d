//! Sendmail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use interop_support::{Kind, Server, both, plain};
use smtp_proto::Error;
use smtp_proto::capabilities::Extension;
use smtp_proto::connection::TlsPolicy;

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn mechanisms_that_appear_under_tls_are_the_ones_that_count() {
    both(|adapter| {
        let listener = Server::named("sendmail").listener(Kind::Submission).unwrap();
        let mut client = listener.connect_with(adapter, listener.config().tls(TlsPolicy::None)).unwrap();
        assert_eq!(client.auth(&mut plain()).unwrap_err(), Error::NoMechanism);
        client.start_tls().unwrap();
        client.auth(&mut plain()).unwrap();
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn expn_vrfy_and_help_have_answers_of_several_lines() {
    both(|adapter| {
        let mut client = Server::named("sendmail").listener(Kind::Mx).unwrap().connect(adapter);
        let capabilities = client.capabilities().unwrap();
        assert_eq!(capabilities.get("DELIVERBY"), Some("60"));
        assert!(capabilities.supports(Extension::Expn));
        let help = client.help("").unwrap();
        assert!(help.code().get() == 214 && help.lines().count() > 1, "{help}");
        // VRFY is not among its keywords, and works.
        assert!(client.verify("alice@example.test").unwrap().is_positive_completion());
        assert!(client.expand("alice@example.test").unwrap().is_positive_completion());
        client.quit().unwrap();
    });
}
