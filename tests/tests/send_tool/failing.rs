//! What goes wrong: the exit status, what happened and where, and what to try; and that nothing was given away.

use std::time::{Duration, Instant};

use smtp_tests::sink::Sink;

use super::support::{Directory, FROM_TO, MESSAGE, at, joined, send, send_with, speak};
use super::tls_support::server::{VERSIONS, server_config};
use super::tls_support::{Authority, Conduct, Identity, Leaf, Server};

/// Runs with a message for the server of this URL.
fn send_to(server: &str, options: &[&str]) -> super::support::Ran {
    let directory = Directory::new();
    let file = directory.file("message", MESSAGE);
    send(&[&FROM_TO[..], &["--server", server, &file], options].concat())
}

#[test]
fn an_argument_that_will_not_do_is_named_with_what_would() {
    let directory = Directory::new();
    let (file, empty) = (directory.file("message", MESSAGE), directory.file("empty", ""));
    let envelope = &FROM_TO[..];
    for (options, words) in [
        (
            &["--server", "smtp://h?tsl=none", &file][..],
            ["there is no option `tsl`", "the options are `tls` and `auth`"],
        ),
        (&["--server", "smtp://h/x", &file], ["a path; behind the host come", "(octet 8 of the URL)"]),
        (
            &["--server", "imap://h", &file],
            ["the scheme is one of `smtp`, `smtps` and `lmtp`", "try: --server"],
        ),
        (&["--server", "h:smtp", &file], ["--server: the port is a number from 1 to 65535", "try: --server"]),
        (&["--server", "h:465", &file], ["port 465 is for TLS from the first octet", "try: smtps://HOST"]),
        (&["--server", "::1", &file], ["an IPv6 address in brackets", "[2001:db8::25]"]),
        (&["--server", "smtps://h", "--tls", "none", &file], ["--tls, or the URL: ", "try: either"]),
        (&["--server", "smtp://h?tls=none", "--tls", "required", &file], ["is given twice", "try: either"]),
        (
            &["--server", "smtp://a@h", "--user", "b", &file],
            ["--user, and a URL with a user in it", "try: one"],
        ),
        (
            &["--server", "h", "--lmtp", "--tls", "implicit", &file],
            ["--lmtp and --tls implicit", "--tls required"],
        ),
        (
            &["--server", "h", "--auth", "GSSAPI", "--user", "a", &file],
            ["--auth: the option `auth` is one of EXTERNAL", "--check"],
        ),
        (
            &["--server", "h", "--auth", "plain", &file],
            ["--auth: this mechanism of the option `auth` needs a user", "--user NAME"],
        ),
        (
            &["--server", "h", "no/such/file"],
            ["the message cannot be read from no/such/file: ", "- for standard input"],
        ),
        (&["--server", "h"], ["no message", "--batch DIR for many"]),
        (
            &["--server", "h", "--batch", "no/such/dir"],
            ["--batch: no/such/dir cannot be read: ", "a directory of messages"],
        ),
        (
            &["--server", "h", "--ca", "no/such", &file],
            ["--ca: no certificate authorities in no/such", "BEGIN CERTIFICATE"],
        ),
        (&["--server", "h", "--ca", &empty, &file], ["there are none", "BEGIN CERTIFICATE"]),
        (&["--server", "h", "--client-cert", &empty, &file], ["--client-cert: ", "BEGIN PRIVATE KEY"]),
        (&["--server", "h", "--priority", "10", &file], ["--priority: ", "a number from -9 to 9"]),
        (&["--server", "h", "--envid", "\u{e4}", &file], ["--envid: ", "up to 100 printable ASCII"]),
        (
            &["--server", "h", "--notify", "never,delay", &file],
            ["--notify: `never` and something else", "either"],
        ),
        (&["--server", "h", "--timeout", "0", &file], ["'--timeout <SECONDS>'", "1 to 86400"]),
        (
            &["--server", "h", "--deliver-by", "soon", &file],
            ["'--deliver-by <SECONDS[:notify]>'", "`:notify`"],
        ),
        (&["--server", "h", "--hold-until", "tomorrow", &file], ["'--hold-until <MOMENT>'", "tomorrow"]),
        (&["--server", "h", "--tls", "maybe", &file], ["'maybe'", "required, implicit, opportunistic, none"]),
        (&["--server", "h", "--to", "bob", &file], ["--to: recipient 2: ", "local-part@domain"]),
        (&[&file], ["--server", "required"]),
    ] {
        send(&[envelope, options].concat()).ended(2).complained(&words);
    }
    send(&["--server", "h", "--to", "b@c.example", &file]).ended(2).complained(&["no sender", "--from ''"]);
    send(&["--server", "h", "--from", "b@c.example", &file])
        .ended(2)
        .complained(&["no recipient", "--to-file"]);
    let options = [envelope, &["--server", "smtp://h?tsl=none", "--json", &file]].concat();
    let document = send(&options).ended(2).json();
    assert_eq!(document["outcome"], "usage");
    assert!(document["error"].as_str().unwrap().contains("there is no option `tsl`"));
    assert!(document["try"].is_string());
}

#[cfg(unix)]
#[test]
fn without_a_terminal_and_a_password_it_says_where_to_put_it() {
    let directory = Directory::new();
    let file = directory.file("message", MESSAGE);
    let options = [&FROM_TO[..], &["--server", "smtp://alice@localhost:1", &file]].concat();
    // With a terminal of its own, which a test may have, the program would ask there.
    if std::fs::File::open("/dev/tty").is_err() {
        send_with(&options, b"", None).ended(2).complained(&["no password could be read", "SMTP_PASSWORD"]);
    }
    send_with(&options, b"", Some("")).ended(2).complained(&["an empty password", "SMTP_PASSWORD"]);
}

#[test]
fn a_server_that_is_not_there_or_says_nothing_does_not_hold_it_up() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = nobody.to_string();
    let words = [&place, "could not connect to the server", "try: check host and port"];
    send_to(&format!("smtp://{nobody}"), &[]).ended(3).complained(&words);
    let (silent, _heard) = speak(&["", ""], true);
    let began = Instant::now();
    let ran = send_to(&format!("smtp://{silent}"), &["--timeout", "1"]).ended(3);
    ran.complained(&["no greeting from the server", "try: check that an SMTP server is at this port"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_wrong_password_is_told_and_nothing_is_sent() {
    let sink = Sink::builder().user("alice", "another").require_auth().start().unwrap();
    let directory = Directory::new();
    let (file, arguments) = (directory.file("message", MESSAGE), at(&sink, &directory));
    let options = [&FROM_TO[..], &["--user", "alice", &file]].concat();
    let ran = send(&joined(&arguments, &options)).ended(3);
    ran.complained(&["authentication failed: 535 5.7.8", "check --user and SMTP_PASSWORD"]);
    let document = send(&joined(&arguments, &["--user", "alice", "--check", "--json"])).ended(3).json();
    assert_eq!((&document["outcome"], &document["login"]["logged_in"]), (&"not_sent".into(), &false.into()));
    assert!(document["error"].as_str().unwrap().contains("authentication failed"));
    assert_eq!(sink.messages(), []);
    // Without a user the server says what it wants.
    let ran = send(&joined(&arguments, &[&FROM_TO[..], &[&file]].concat())).ended(1);
    ran.complained(&["530 5.7.0", "try: --user"]);
}

#[test]
fn nothing_is_sent_in_clear_that_was_asked_to_be_encrypted() {
    let (address, heard) = speak(&["220 hi", "250-hi\r\n250 AUTH PLAIN LOGIN", "235 ok"], false);
    let ran = send_to(&format!("smtp://alice@{address}"), &[]).ended(3);
    ran.complained(&["TLS is required", "nothing more was sent", "try: another port"]);
    assert_eq!(heard.iter().collect::<Vec<_>>(), ["EHLO [127.0.0.1]"]);
    let (address, heard) = speak(&["220 hi", "250 hi"], false);
    let ran = send_to(&format!("smtps://alice@{address}"), &[]).ended(3);
    ran.complained(&["clear text where TLS is due from the first octet", "try: leave out --tls implicit"]);
    assert!(heard.iter().all(|line| !line.contains("EHLO") && !line.contains("AUTH")));
    let sink = Sink::builder().start().unwrap();
    let server = format!("smtp://{}?tls=none", sink.address());
    let ran = send_to(&server, &["--require-tls"]).ended(3);
    ran.complained(&["the server does not offer REQUIRETLS", "try: without --require-tls"]);
}

/// Each fault of a certificate has its own words.
#[test]
fn certificates_that_are_wrong_are_told_apart() {
    let (trusted, unknown) = (Authority::new(), Authority::new());
    let directory = Directory::new();
    let ca = directory.file("ca.pem", trusted.pem());
    let here = Leaf::of(&["localhost"]);
    for (identity, what, advice) in [
        (
            trusted.sign(Leaf { years: Some((2001, 2002)), ..here }),
            "the server's certificate expired on 2002-01-01 00:00:00 UTC, ",
            "tell those who run the server",
        ),
        (
            trusted.sign(Leaf { years: Some((2200, 2201)), ..here }),
            "the server's certificate is not valid before 2200-01-01 00:00:00 UTC",
            "check this machine's clock",
        ),
        (
            trusted.sign(Leaf::of(&["mail.example"])),
            "the server's certificate is for another name: asked for localhost, it is for ",
            "--server with the name that is in the certificate",
        ),
        // By the name of the one that is trusted, and by another.
        (unknown.sign(here), "of an authority that is not trusted here", "--ca FILE"),
        (unknown.below(true).sign(here), "of an authority that is not trusted here", "--ca FILE"),
    ] {
        for (conduct, scheme, clear) in [
            (Conduct::StartTls, "smtp", "EHLO [127.0.0.1]\r\nSTARTTLS\r\n"),
            (Conduct::Implicit, "smtps", ""),
        ] {
            let shown = Identity { chain: identity.chain.clone(), key: identity.key.clone_key() };
            let server = Server::start(conduct, server_config(shown, VERSIONS[1]));
            let place = format!("localhost:{}", server.address.port());
            let ran = send_to(&format!("{scheme}://alice@{place}"), &["--ca", &ca]).ended(3);
            ran.complained(&[&place, what, advice, "nothing more was sent"]);
            let heard = server.heard();
            assert_eq!((String::from_utf8(heard.clear).unwrap(), heard.tls), (clear.to_owned(), vec![]));
        }
    }
}

#[test]
fn a_refused_message_and_one_without_a_verdict_have_their_own_status() {
    let rejected: &[&str] = &["220 hi", "250 hi", "250 ok", "550 5.1.1 no", "221 bye"];
    let (address, _heard) = speak(rejected, false);
    let server = format!("smtp://{address}?tls=none");
    let ran = send_to(&server, &[]).ended(1);
    assert!(ran.out.ends_with("  <bob@example.net>: refused: 550 5.1.1 no\n"), "{}", ran.out);
    ran.complained(&["message rejected at RCPT: 550 5.1.1 no", "try: check the recipients"]);
    // The server hears the whole message, and goes away.
    let unknown: &[&str] = &["220 hi", "250 hi", "250 ok", "250 ok", "354 go", "", "", ""];
    let (address, _heard) = speak(unknown, false);
    let ran = send_to(&format!("smtp://{address}?tls=none"), &[]).ended(4);
    ran.complained(&["it may have been delivered", "try: look whether the message arrived"]);
    let (address, _heard) = speak(unknown, true);
    let ran = send_to(&format!("smtp://{address}?tls=none"), &["--json", "--final-timeout", "1"]).ended(4);
    let document = ran.json();
    assert_eq!(
        (&document["outcome"], &document["messages"][0]["cause"]),
        (&"unknown".into(), &"timeout".into())
    );
}

#[test]
fn an_option_that_the_server_does_not_know_is_named() {
    let sink = Sink::builder().without_extension("DSN").without_extension("CHUNKING").start().unwrap();
    for (option, value, extension) in [
        ("--notify", "never", "DSN"),
        ("--ret", "full", "DSN"),
        ("--priority", "3", "MT-PRIORITY"),
        ("--deliver-by", "60", "DELIVERBY"),
        ("--hold-for", "60", "FUTURERELEASE"),
        ("--transfer", "chunks", "CHUNKING"),
    ] {
        let server = format!("smtp://{}?tls=none", sink.address());
        let ran = send_to(&server, &[option, value]).ended(3);
        let missing = format!("the server does not offer {extension}");
        let advice = if option == "--transfer" { "--transfer data" } else { option };
        ran.complained(&[&missing, advice]);
    }
    assert_eq!((sink.messages(), sink.client_errors()), (vec![], vec![]));
}
