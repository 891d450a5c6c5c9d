//! What the pages say of the code is held against the code: each test that `README.md` names for a feature and
//! `SECURITY.md` for a promise exists, and the table of limits shows the defaults.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use smtp_proto::Error;
use smtp_proto::command::{Command, MAX_AUTH_LINE, MAX_LINE, MAX_MAIL_LINE};
use smtp_proto::connection::{Config, Connection, Peer, Timeouts, TlsPolicy, Window};
use smtp_proto::flow::{Authenticate, Flow};
use smtp_proto::reply::{ReplyLimits, ReplyRef};
use smtp_proto::sasl::{
    Anonymous, CramMd5, External, Login, Mechanism, MechanismError, Nonce, OAuthBearer, Plain, ScramSha256,
    Secret, ServerInfo, XOAuth2,
};
use smtp_proto::security::Security;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The page's section under this heading.
fn section(page: &str, heading: &str) -> String {
    let page = std::fs::read_to_string(root().join(page)).unwrap();
    let rest = page.split(&format!("\n## {heading}\n")).nth(1).expect("the heading");
    rest.split("\n## ").next().unwrap().to_owned()
}

/// Where a short name leads.
fn file(name: &str) -> String {
    match name.split_once('/') {
        Some(_) => name.to_owned(),
        None => format!("tests/tests/{name}.rs"),
    }
}

/// The names between backquotes that look like `place::test`.
fn named(table: &str) -> Vec<(&str, &str)> {
    let quoted = table.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| name.rsplit_once("::").filter(|(_, test)| is_test(test))).collect()
}

fn is_test(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase()) && name.contains('_')
}

fn assert_tests_exist(table: &str, at_least: usize) {
    let named = named(table);
    assert!(named.len() >= at_least, "only {} tests are named", named.len());
    for (place, test) in named {
        attributes(place, test);
    }
}

/// What stands above a test that has to exist.
fn attributes(place: &str, test: &str) -> String {
    let path = root().join(file(place));
    let source = std::fs::read_to_string(&path).unwrap_or_default();
    let Some((before, _)) = source.split_once(&format!("fn {test}(")) else {
        panic!("{} has no {test}", path.display())
    };
    let above = before.rsplit_once("\n\n").map_or(before, |(_, above)| above);
    assert!(above.contains("#[test]") || above.contains("#[tokio::test"), "{test} is no test");
    above.to_owned()
}

#[test]
fn every_test_named_for_a_feature_exists() {
    assert_tests_exist(&section("README.md", "Features"), 31);
}

#[test]
fn every_promise_names_a_test_that_exists() {
    let promises = section("SECURITY.md", "Promises");
    assert_tests_exist(&promises, 40);
    let rows = promises.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise |"));
    for row in rows {
        let named = named(row);
        assert!(!named.is_empty(), "a promise without a test: {row}");
        for (place, test) in named {
            assert!(!attributes(place, test).contains("#[ignore"), "{test} does not run");
        }
    }
}

/// What a published crate depends on, by feature or always, its tests aside.
fn dependencies(manifest: &str) -> Vec<&str> {
    let table = manifest.split("\n[dependencies]\n").nth(1).expect("the dependencies");
    let table = table.split("\n[").next().unwrap();
    table
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn l08_no_published_crate_serialises() {
    for (package, known) in
        [("smtp-proto", "base64"), ("smtp-blocking", "smtp-proto"), ("smtp-tokio", "smtp-proto")]
    {
        let manifest = std::fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        assert!(dependencies(&manifest).contains(&known), "the manifest is not understood");
        assert!(!manifest.contains("target.'"), "dependencies of one target have to be read as well");
        assert!(!manifest.contains("serde"), "{package}: a setting that serialises would hold a secret");
    }
}

/// 65,536
fn grouped(number: usize) -> String {
    match number {
        0..1000 => number.to_string(),
        _ => format!("{},{:03}", grouped(number / 1000), number % 1000),
    }
}

/// A mechanism that says nothing of how much it will answer.
#[derive(Debug)]
struct Own;

impl Mechanism for Own {
    fn name(&self) -> &'static str {
        "X-OWN"
    }

    fn start(&mut self, _: &ServerInfo<'_>) -> Result<Option<Secret>, MechanismError> {
        Ok(None)
    }

    fn respond(&mut self, _: &[u8]) -> Result<Secret, MechanismError> {
        Ok(Secret::from(""))
    }
}

#[test]
fn the_table_of_limits_shows_the_defaults() {
    let table = section("SECURITY.md", "Limits and defaults");
    let mut rows = 0;
    let mut shows = |setting: &str, default: &str| {
        let row = format!("| {default} | `{setting}` |");
        assert!(table.contains(&row), "the table has no row that ends with {row}");
        rows += 1;
    };
    let octets = |number| format!("{} octets", grouped(number));

    let ReplyLimits { line, lines, reply, unread, kept, .. } = ReplyLimits::default();
    shows("ReplyLimits::line", &octets(line));
    shows("ReplyLimits::lines", &grouped(lines));
    shows("ReplyLimits::reply", &octets(reply));
    shows("ReplyLimits::unread", &octets(unread));
    shows("ReplyLimits::kept", &octets(kept));

    let window = Window::default();
    shows("Window::commands", &grouped(window.commands));
    shows("Window::octets", &octets(window.octets));
    shows("Window::chunks", &grouped(window.chunks));
    shows("Window::chunk_octets", &octets(window.chunk_octets));

    let timeouts = Timeouts::default();
    let seconds = |budget: Duration| format!("{} s", budget.as_secs());
    for (name, budget) in [
        ("connect", timeouts.connect),
        ("greeting", timeouts.greeting),
        ("hello", timeouts.hello),
        ("tls", timeouts.tls),
        ("auth", timeouts.auth),
        ("mail", timeouts.mail),
        ("rcpt", timeouts.rcpt),
        ("data", timeouts.data),
        ("data_block", timeouts.data_block),
        ("body_source", timeouts.body_source),
        ("data_termination", timeouts.data_termination),
        ("rset", timeouts.rset),
        ("quit", timeouts.quit),
        ("other", timeouts.other),
    ] {
        shows(&format!("Timeouts::{name}"), &seconds(budget));
    }
    let lines = [MAX_LINE, MAX_MAIL_LINE, MAX_AUTH_LINE].map(grouped).join("; ");
    assert!(table.contains(&format!("| {lines} octets |")), "{lines}");
    assert_eq!(Config::new("mail.example").tls_policy(), TlsPolicy::Required);
    shows("Config::tls", "required");

    let nonce = Nonce::new("rOprNGfwEbeRWgbNEkqO").unwrap();
    let scram = ScramSha256::new("tim", "tanstaaf", "mail.example", nonce);
    let others: [&dyn Mechanism; 6] = [
        &Plain::new("", "tim", "tanstaaf", "mail.example"),
        &CramMd5::new("tim", "tanstaaf"),
        &XOAuth2::new("tim", "token", "mail.example"),
        &OAuthBearer::new("tim", "token", "mail.example"),
        &External::new(""),
        &Anonymous::new("trace"),
    ];
    assert!(others.iter().all(|mechanism| mechanism.max_challenges() == 1));
    let login = Login::new("tim", "tanstaaf", "mail.example").max_challenges();
    assert_eq!(login, scram.max_challenges());
    let challenges =
        format!("LOGIN and SCRAM {login}, the others 1, one of your own {}", Own.max_challenges());
    shows("Mechanism::max_challenges", &challenges);
    shows("ScramSha256::iterations", "4,096 to 1,000,000");
    for (iterations, answered) in [(4_095, false), (4_096, true), (1_000_001, false)] {
        let nonce = Nonce::new("rOprNGfwEbeRWgbNEkqO").unwrap();
        let mut scram = ScramSha256::new("tim", "tanstaaf", "mail.example", nonce);
        scram.start(&ServerInfo::new("mail.example", &Security::Plaintext)).unwrap();
        let challenge = format!("r=rOprNGfwEbeRWgbNEkqO1,s=W22ZaJ0SNY7soEsUEjb6gQ==,i={iterations}");
        assert_eq!(scram.respond(challenge.as_bytes()).is_ok(), answered, "{iterations} iterations");
    }

    let long = format!("550 {}\r\n", "x".repeat(2_000));
    let reply = ReplyRef::parse(long.as_bytes(), &ReplyLimits::default());
    let shown = reply.unwrap().unwrap().0.to_reply().to_string().matches('x').count();
    assert!(table.contains(&format!("| text of the server in an error | {shown} octets | – |")), "{shown}");

    shows("Config::allow_plaintext_auth", "refused");
    let mut connection = Connection::new(Config::new("mail.example").tls(TlsPolicy::None), Peer::Remote);
    connection.receive(b"220 hi\r\n");
    while connection.poll_event().unwrap().is_some() {}
    connection.command(Command::Ehlo(&"client.test".parse().unwrap())).unwrap();
    connection.advance_output(connection.output().len()).unwrap();
    connection.receive(b"250-hi\r\n250 AUTH PLAIN\r\n");
    let refused = Authenticate::new(Plain::new("", "tim", "tanstaaf", "mail.example")).poll(&mut connection);
    assert!(matches!(refused, Err(Error::Mechanism(MechanismError::NotEncrypted))), "{refused:?}");
    println!("limits: {rows} rows");
}
