//! The client tests of "Why TLS Is Better Without STARTTLS" (Poddebniak, Ising, Böck, Schinzel; USENIX Security 2021),
//! situation by situation. Its fake mail server has 57 scripts for SMTP; each is a row of [`scripts`], under its
//! name there, told anew as a transcript and played to an application that has credentials and a message: in the core
//! whole and octet by octet, and through both adapters. Four more situations are certificates ([`certificates`]).
//!
//! The promise is the same for all of them: no credential and no octet of a message in clear, and where the session
//! cannot be made safe, an error that says what happened on a connection that never speaks again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod adapters;
mod application;
mod certificates;
mod scripts;
#[path = "../tls_support/mod.rs"]
mod tls_support;

use std::collections::BTreeSet;

use application::{Play, in_clear};
use scripts::{Row, rows};
use smtp_proto::connection::{Config, TlsPolicy};
use smtp_tests::script::Scenario;

/// As the application configures it: the name of the server, and when TLS is used.
fn config(policy: TlsPolicy) -> Config {
    Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(policy)
}

/// Plays one transcript to the application in the core, in every mode, and judges what became of it.
fn play_in_the_core(row: &Row, policy: TlsPolicy, play: &Play) {
    let way = format!("{}, {policy:?}: {}", row.script, row.situation);
    let (trace, wire) = Scenario::new(config(policy)).script(play.transcript).run(|session| {
        let trace = application::run(session, play);
        (trace, session.wire().to_vec())
    });
    play.judge(&trace, &way);
    application::assert_no_secret(in_clear(&wire, play), &way);
}

#[test]
fn no_starttls_57_scripts_in_the_core() {
    for row in rows() {
        for play in &row.plays {
            for &policy in play.policies {
                play_in_the_core(&row, policy, play);
            }
        }
    }
}

/// T17: the servers of all scripts speak first, and in clear. Where TLS is due from the first octet on, that ends it.
#[test]
fn no_starttls_57_scripts_on_an_implicit_tls_port() {
    for row in rows() {
        let greeting = row.plays[0].transcript.lines().next().unwrap();
        let play = Play::of(&[TlsPolicy::Implicit], greeting, application::End::ClearText);
        play_in_the_core(&row, TlsPolicy::Implicit, &play);
        adapters::play(&row, TlsPolicy::Implicit, &play);
    }
}

#[test]
fn no_starttls_57_scripts_through_both_adapters() {
    for row in rows() {
        for play in &row.plays {
            for &policy in play.policies {
                adapters::play(&row, policy, play);
            }
        }
    }
}

#[test]
fn no_starttls_has_57_scripts_and_4_certificates() {
    let rows = rows();
    assert_eq!(rows.len(), 57);
    assert_eq!(certificates::SITUATIONS.len(), 4);
    let names: BTreeSet<_> = rows.iter().map(|row| row.script).collect();
    assert_eq!(names.len(), 57, "each script once");
    let situations: BTreeSet<_> = rows.iter().map(|row| row.situation).collect();
    assert_eq!(situations.len(), 57, "each situation once");
    let transcripts: BTreeSet<Vec<_>> =
        rows.iter().map(|row| row.plays.iter().map(|play| play.transcript).collect()).collect();
    assert_eq!(transcripts.len(), 57, "no two rows say the same");

    let known = |case: &str| {
        let numbered = |letter: &str, most: u8| {
            case.strip_prefix(letter)
                .and_then(|n| n.parse().ok())
                .is_some_and(|n: u8| (1..=most).contains(&n))
        };
        numbered("T", 17) || ["S05", "S20", "A19", "P20"].contains(&case)
    };
    let policies = |row: &Row| row.plays.iter().flat_map(|play| play.policies).copied().collect::<Vec<_>>();
    for row in &rows {
        assert!(row.cases.split(' ').all(known), "{}: {}", row.script, row.cases);
        for policy in [TlsPolicy::Required, TlsPolicy::Opportunistic] {
            assert!(policies(row).contains(&policy), "{} is not played under {policy:?}", row.script);
        }
    }
}
