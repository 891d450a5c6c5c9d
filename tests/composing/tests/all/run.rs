//! The programs themselves: without arguments each sends to a server of its own; with wrong ones it says which.

use std::path::PathBuf;
use std::process::{Command, Output};

/// Runs an example, which `cargo test` has built.
fn run(example: &str, arguments: &[&str], password: Option<(&str, &str)>) -> Output {
    let mut path: PathBuf = std::env::current_exe().unwrap();
    path.pop();
    path.set_file_name("examples");
    path.push(format!("{example}{}", std::env::consts::EXE_SUFFIX));
    let output = Command::new(&path).args(arguments).env_remove("SMTP_PASSWORD").envs(password).output();
    output.unwrap_or_else(|error| panic!("{}: {error}; `cargo build --examples` makes it", path.display()))
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

#[test]
fn without_arguments_each_example_sends_a_message_and_shows_what_arrived() {
    for (example, expected) in [
        ("mail_builder", "over TLS, from alice --"),
        ("lettre_builder", "over TLS, from alice --"),
        ("from_file", "over TLS, from alice --"),
        ("dkim", "-- the signature: Pass --"),
        ("socks5", "over TLS, from alice --"),
        ("mx", "-- as received for bob@example.net, over TLS, from nobody --"),
    ] {
        let output = run(example, &[], None);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{example}: {err}");
        assert!(out.contains("250 2.0.0 Ok: queued as SINK000001"), "{example}: {out}");
        assert!(out.contains(expected), "{example}: {out}");
    }
}

#[test]
fn an_argument_that_will_not_do_is_named() {
    const REAL: &[&str] =
        &["--server", "mail.example", "--user", "a", "--from", "a@b.example", "--to", "c@d.example"];
    for (example, arguments, expected) in [
        ("mail_builder", &["--server", "mail.example"][..], "--user <NAME>"),
        ("mail_builder", &["--to", "c@d.example"], "--server <HOST>"),
        ("mail_builder", &["--port", "smtp"], "invalid value 'smtp' for '--port <PORT>'"),
        ("mail_builder", &["--sever", "mail.example"], "'--server'"),
        (
            "mail_builder",
            REAL,
            "error: --user needs a password: put it in the environment variable SMTP_PASSWORD",
        ),
        ("from_file", &["no/such/file"], "error: cannot read no/such/file: "),
        ("dkim", &["--key", "key.pem"], "--selector <SELECTOR>"),
        ("dkim", REAL, "error: --key and --selector are missing: "),
        ("socks5", &["--proxy", "nowhere"], "error: cannot reach the proxy nowhere: "),
        ("mx", &["--from", "a@b.example"], "--to <ADDRESS>"),
    ] {
        let password = (!expected.contains("needs a password")).then_some(("SMTP_PASSWORD", "secret"));
        let output = run(example, arguments, password);
        assert!(!output.status.success(), "{example} {arguments:?}");
        let err = text(&output.stderr);
        assert!(err.contains(expected), "{example} {arguments:?}: {err}");
    }
}
