//! The choice of a mechanism.

use super::*;
use crate::security::ChannelBindings;

#[test]
fn a18_the_choice_is_among_what_is_advertised() {
    let credentials = Credentials::password(USER, PASSWORD);
    let table = [
        ("PLAIN LOGIN CRAM-MD5", Some("CRAM-MD5")),
        ("LOGIN PLAIN", Some("PLAIN")),
        ("login plain", Some("PLAIN")),
        ("LOGIN", Some("LOGIN")),
        ("XOAUTH2 GSSAPI", None),
        ("", None),
        // A19: exact tokens.
        ("PLAIN2 LOGIN_OLD CRAM_MD5 XPLAIN PLAI", None),
        ("PLAIN2 LOGIN_OLD CRAM_MD5 LOGIN", Some("LOGIN")),
    ];
    for (advertised, expected) in table {
        assert_eq!(choose(&credentials, advertised), expected, "{advertised}");
    }
}

/// What the credentials choose among these, on a connection that knows its TLS channel.
fn choose(credentials: &Credentials, advertised: &str) -> Option<&'static str> {
    let security = tls(HOST);
    let bindings = ChannelBindings::new().with_exporter([7; 32]);
    let mut server = ServerInfo::new(HOST, &security);
    server.mechanisms = Mechanisms(advertised);
    server.channel_bindings = &bindings;
    credentials.choose(&server)
}

#[test]
fn a18_the_order_of_preference() {
    let token = || Credentials::token(USER, Secret::from("token"));
    let password = || Credentials::password(USER, PASSWORD);
    let all = Credentials::anonymous("trace").or(token()).or(password()).or(Credentials::external(""));
    let mut advertised = vec!["ANONYMOUS", "LOGIN", "PLAIN", "CRAM-MD5", "XOAUTH2", "OAUTHBEARER"];
    if cfg!(feature = "scram") {
        advertised.extend(["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]);
    }
    advertised.push("EXTERNAL");
    while let Some(&strongest) = advertised.last() {
        assert_eq!(choose(&all, &advertised.join(" ")), Some(strongest));
        advertised.pop();
    }
    assert_eq!(choose(&all, ""), None);
    // Each kind chooses its own.
    let every = "EXTERNAL OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN ANONYMOUS GSSAPI";
    let table = [
        (Credentials::external(""), "EXTERNAL"),
        (token(), "OAUTHBEARER"),
        (password(), "CRAM-MD5"),
        (Credentials::anonymous(""), "ANONYMOUS"),
    ];
    for (credentials, expected) in table {
        assert_eq!(choose(&credentials, every), Some(expected));
        assert_eq!(choose(&credentials, "GSSAPI"), None);
    }
}

#[cfg(feature = "scram")]
#[test]
fn a22_without_a_nonce_scram_is_out_of_the_choice() {
    let credentials = Credentials::password(USER, PASSWORD);
    let security = tls(HOST);
    let channel = ChannelBindings::new().with_exporter([7; 32]);
    let none = ChannelBindings::new();
    let choice = |bindings, nonce| {
        let mut server = ServerInfo::new(HOST, &security);
        server.mechanisms = Mechanisms("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN");
        server.channel_bindings = bindings;
        credentials.choice(&server, nonce).map(|choice| choice.name)
    };
    assert_eq!(choice(&channel, true), Some("SCRAM-SHA-256-PLUS"));
    assert_eq!(choice(&none, true), Some("SCRAM-SHA-256"));
    assert_eq!(choice(&channel, false), Some("PLAIN"));
    assert_eq!(choice(&none, false), Some("PLAIN"));
}

#[test]
fn a03_chosen_mechanisms_are_bound_to_the_host() {
    let security = tls("b.example");
    let token = Secret::from("token");
    let credentials = Credentials::password(USER, PASSWORD).or(Credentials::token(USER, token.clone()));
    let mut names = vec!["OAUTHBEARER", "XOAUTH2", "CRAM-MD5", "PLAIN", "LOGIN"];
    if cfg!(feature = "scram") {
        names.push("SCRAM-SHA-256");
    }
    for name in names {
        let mut server = ServerInfo::new("b.example", &security);
        server.mechanisms = Mechanisms(name);
        let choice = credentials.choice(&server, true).expect("one is offered");
        let mut mechanism = choice.mechanism(
            HOST,
            Some(&token),
            #[cfg(feature = "scram")]
            Some(Nonce::from_entropy([7; 18])),
        );
        assert_eq!(mechanism.name(), name);
        assert_eq!(refusal(&mut *mechanism, &server), wrong_host(HOST, "b.example"));
    }
}

/// The choice and its reasons, on a connection without channel bindings.
#[test]
fn a18_each_mechanism_is_told_why_it_is_not_chosen() {
    use Suitability::{Chosen, LessPreferred, Needs, NoChannelBinding, NotTheOnlyOne, Unknown};
    let security = tls(HOST);
    let mut server = ServerInfo::new(HOST, &security);
    server.mechanisms = Mechanisms("plain NTLM EXTERNAL XOAUTH2 SCRAM-SHA-256-PLUS ANONYMOUS LOGIN");
    let judge =
        |credentials: &Credentials| credentials.judge(&server).map(|(_, why)| why).collect::<Vec<_>>();
    let password = Credentials::password(USER, PASSWORD);
    let scram = if cfg!(feature = "scram") { NoChannelBinding } else { Suitability::NotBuilt };
    let no_trace = Needs("a trace in place of credentials");
    let (no_identity, no_token) =
        (Needs("the client's identity from elsewhere, such as a certificate"), Needs("a token"));
    assert_eq!(
        judge(&password),
        [Chosen, Unknown, no_identity, no_token, scram, no_trace, LessPreferred("PLAIN")],
    );
    let only = if cfg!(feature = "scram") { NotTheOnlyOne } else { Suitability::NotBuilt };
    let other = NotTheOnlyOne;
    assert_eq!(judge(&password.only("Login")), [other, Unknown, other, other, only, other, Chosen]);
    server.mechanisms = Mechanisms("");
    assert_eq!(Credentials::anonymous("").judge(&server).count(), 0);
}

#[test]
fn the_reason_against_a_mechanism_is_a_clause() {
    for (suitability, told) in [
        (Suitability::Chosen, "chosen"),
        (Suitability::LessPreferred("PLAIN"), "PLAIN is preferred"),
        (Suitability::Needs("a token"), "it takes a token"),
        (Suitability::NotTheOnlyOne, "another one was asked for"),
        (Suitability::NoChannelBinding, "it binds to the TLS channel, and nothing is known of one"),
        (Suitability::NotBuilt, "it is not in this program: it takes the feature `scram`"),
        (Suitability::Unknown, "it is not known here"),
    ] {
        assert_eq!(suitability.to_string(), told);
    }
}
