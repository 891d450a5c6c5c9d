//! `--check`: what is told of a server, and that nothing is sent.

use serde_json::json;
use smtp_tests::sink::{Limits, Sink};

use super::support::{Directory, FROM_TO, MESSAGE, PASSWORD, at, joined, send, send_with, speak};

#[test]
fn a_check_tells_what_changed_with_tls_and_what_a_login_would_use() {
    let sink = Sink::builder().user("alice", PASSWORD).require_tls().require_auth().size_limit(5000);
    let sink = sink.limits(Limits { rcpt: Some(10), ..Limits::default() }).with_extension("DELIVERBY 60");
    let sink = sink.start().unwrap();
    let directory = Directory::new();
    let ran = send_with(&joined(&at(&sink, &directory), &["--check"]), b"", None).ended(0);
    for words in [
        "\n  - STARTTLS\n",
        "\n  = SIZE 5000\n",
        "\n  + AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-256 SCRAM-SHA-256-PLUS\n",
        "\nTLS: TLS 1.3, TLS_AES_256_GCM_SHA384; the certificate is valid for the server's name\n",
        "\n  1. CN=Sink, issued by CN=Sink test authority\n     for localhost, 127.0.0.1, ::1\n",
        "     valid from 1975-01-01 00:00:00 until 4096-01-01 00:00:00 UTC, ",
        "\nLogin: not tried, as no user is given; with a password it would be\n",
        "\n    PLAIN: SCRAM-SHA-256-PLUS is preferred\n",
        "\n  * SCRAM-SHA-256-PLUS: chosen\n",
        "\nA short message to one recipient would go in chunks (BDAT), MAIL with SIZE=26: 2 round trips\n",
        "\n  at most 5000 octets in a message (SIZE)\n  at most 10 recipients in a mail transaction (RCPTMAX)\n",
        "\n  returned after at least 60 seconds (DELIVERBY)\n",
        "  TLS handshake\n",
        "  in all\n",
    ] {
        assert!(ran.out.contains(words), "{words:?} is not in {}", ran.out);
    }
    assert!(!ran.out.contains("AUTH PLAIN <") && !ran.out.contains("MAIL FROM"), "{}", ran.out);
    assert_eq!((sink.messages(), sink.client_errors()), (vec![], vec![]));
}

#[test]
fn a_check_in_json() {
    let sink = Sink::builder().user("alice", PASSWORD).mechanisms(&["XOAUTH2", "CRAM-MD5", "PLAIN"]);
    let sink = sink.token("alice", "ya29").without_extension("CHUNKING").start().unwrap();
    let directory = Directory::new();
    let file = directory.file("message", "Subject: \u{e4}\r\n\r\n");
    let options =
        [&FROM_TO[..], &["--check", "--json", "--user", "alice", "--notify", "never", &file]].concat();
    let document = send(&joined(&at(&sink, &directory), &options)).ended(0).json();
    assert_eq!(document["outcome"], "checked");
    assert_eq!(
        document["login"],
        json!({
            "user_given": true, "logged_in": true, "chosen": "CRAM-MD5", "may_send_secret": true,
            "mechanisms": [
                { "name": "XOAUTH2", "why": "it takes a token" },
                { "name": "CRAM-MD5", "why": "chosen" },
                { "name": "PLAIN", "why": "CRAM-MD5 is preferred" },
            ],
        }),
    );
    assert_eq!(
        document["plan"],
        json!({ "parameters": "SIZE=15 BODY=8BITMIME", "chunks": false, "transactions": 1, "round_trips": 2 }),
    );
    let offered = |place: &str| document["capabilities"][place].as_array().unwrap().clone();
    assert!(offered("in_clear").contains(&json!("STARTTLS")));
    assert!(!offered("under_tls").contains(&json!("STARTTLS")));
    assert!(offered("under_tls").contains(&json!("AUTH XOAUTH2 CRAM-MD5 PLAIN")));
    assert_eq!(document["tls"]["version"], "TLS 1.3");
    assert_eq!(document["tls"]["certificates"][0]["names"], json!(["localhost", "127.0.0.1", "::1"]));
    assert_eq!(sink.messages(), []);
}

#[test]
fn a_message_that_would_not_go_is_told_before_it_is_sent() {
    let (address, _heard) = speak(&["220 hi", "250-hi\r\n250 SIZE 10", "221 bye"], false);
    let directory = Directory::new();
    let (file, server) = (directory.file("message", MESSAGE), format!("smtp://{address}?tls=none"));
    let ran = send(&[&FROM_TO[..], &["--server", &server, "--check", "-q", &file]].concat()).ended(0);
    let words = "would not go: ";
    assert!(ran.out.contains(words) && ran.out.contains("the server takes at most 10"), "{}", ran.out);
    assert!(ran.out.contains("\nTLS: none; all of it can be read on the way\n"), "{}", ran.out);
    assert!(ran.out.contains("\nLogin: the server offers none here\n"), "{}", ran.out);
}

#[test]
fn an_option_that_the_server_does_not_know_is_told_without_a_message() {
    let (address, heard) = speak(&["220 hi", "250 hi", "221 bye"], false);
    let ran = send(&["--server", &format!("smtp://{address}?tls=none"), "--check", "--ret", "full"]).ended(0);
    let words = "\nA short message to one recipient would not go: ";
    assert!(
        ran.out.contains(words) && ran.out.contains("does not offer DSN\n  try: without --notify"),
        "{}",
        ran.out
    );
    assert_eq!(heard.iter().collect::<Vec<_>>(), ["EHLO [127.0.0.1]", "QUIT"]);
}

#[test]
fn a_check_that_fails_shows_how_far_it_came() {
    let (address, heard) = speak(&["220 hi", "250-hi\r\n250-AUTH PLAIN\r\n250 SIZE 10"], false);
    let server = format!("smtp://alice@{address}");
    let ran = send(&["--server", &server, "--check"]).ended(3);
    assert!(ran.out.contains("\nOffered:\n    SIZE 10\n    AUTH PLAIN\n"), "{}", ran.out);
    ran.complained(&["TLS is required, and the server does not offer STARTTLS", "try: another port: 587"]);
    assert_eq!(heard.iter().collect::<Vec<_>>(), ["EHLO [127.0.0.1]"]);
}

#[test]
fn without_a_server_the_one_brought_along_is_checked() {
    let ran = send(&["--check"]).ended(0);
    assert!(ran.out.contains("\nLogin: done\n"), "{}", ran.out);
    let document = send(&["--check", "--json"]).ended(0).json();
    assert_eq!(document["login"]["chosen"], "SCRAM-SHA-256-PLUS");
}
