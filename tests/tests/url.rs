//! A server as a URL: every form, every fault with its words and its place, and no secret in any of them.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::hello;
use smtp_proto::capabilities::Capabilities;
use smtp_proto::connection::{Config, Protocol, TlsPolicy};
use smtp_proto::sasl::ServerInfo;
use smtp_proto::security::Security;
use smtp_proto::url::{ServerUrl, UrlErrorKind};
use smtp_tests::script::Scenario;

fn parse(url: &str) -> ServerUrl {
    url.parse().unwrap_or_else(|error| panic!("{url}: {error}"))
}

#[test]
fn each_scheme_has_its_protocol_its_tls_and_its_port() {
    use TlsPolicy::{Implicit, None, Opportunistic, Required};
    let table = [
        ("smtp://mail.example", false, Required, 587),
        ("SMTP://mail.example", false, Required, 587),
        ("smtp://mail.example/", false, Required, 587),
        ("smtp://mail.example?", false, Required, 587),
        ("smtp://mail.example/?tls=required", false, Required, 587),
        ("smtp://mail.example?tls=opportunistic", false, Opportunistic, 587),
        ("smtp://mail.example?tls=none", false, None, 587),
        ("smtp://mail.example:25", false, Required, 25),
        ("smtp://mail.example:65535?tls=none", false, None, 65535),
        ("smtps://mail.example", false, Implicit, 465),
        ("smtps://mail.example?tls=required", false, Implicit, 465),
        ("smtps://mail.example:465", false, Implicit, 465),
        ("smtps://mail.example:2465", false, Implicit, 2465),
        ("lmtp://mail.example", true, Required, 24),
        ("lmtp://mail.example?tls=none", true, None, 24),
        ("lmtp://mail.example:2003?tls=opportunistic", true, Opportunistic, 2003),
    ];
    for (url, lmtp, tls, port) in table {
        let server = parse(url);
        assert_eq!(server.config().host(), "mail.example", "{url}");
        assert_eq!(server.config().is_lmtp(), lmtp, "{url}");
        assert_eq!((server.config().tls_policy(), server.port()), (tls, port), "{url}");
        assert!(server.credentials().is_none(), "{url}");
    }
    let shown = format!("{:?}", parse("smtps://alice:secret@mail.example"));
    assert_eq!(
        shown,
        r#"ServerUrl { host: "mail.example", port: 465, tls: Implicit, credentials: Some(Credentials { .. }), .. }"#
    );
    // The port that was not given follows what is set later.
    assert!(parse("smtp://h").into_parts().1.is_none());
    assert_eq!(Config::new("h").protocol(Protocol::Lmtp).tls(TlsPolicy::Implicit).default_port(), 24);
}

#[test]
fn hosts_of_each_kind() {
    for (url, host) in [
        ("smtp://localhost", "localhost"),
        ("smtp://mail.example.org.:587", "mail.example.org."),
        ("smtp://mail_server:1025", "mail_server"),
        ("smtp://xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("smtp://192.0.2.1:25", "192.0.2.1"),
        ("smtp://[2001:db8::1]", "2001:db8::1"),
        ("smtp://alice:secret@[::1]:2525?tls=none", "::1"),
        ("smtp://1and1.example", "1and1.example"),
    ] {
        assert_eq!(parse(url).config().host(), host, "{url}");
    }
}

/// Logs in with the URL's credentials at a local server that offers these mechanisms; `said` is what the client says.
fn logs_in(url: &str, mechanisms: &str, said: &str) {
    let (config, _, credentials) = parse(url).into_parts();
    let config = config.client_name("client.test".parse().unwrap()).tls(TlsPolicy::None);
    let script = format!("{}C: {said}\nS: 235 ok\n", hello(&[&format!("AUTH {mechanisms}")]));
    Scenario::new(config).local().script(script).run(|session| {
        session.open().unwrap();
        session.log_in(credentials.as_ref().unwrap(), None).unwrap();
    });
}

fn encode(octets: &[u8], everything: bool) -> String {
    let unreserved = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&octet);
    octets.iter().fold(String::new(), |text, &octet| match unreserved(octet) && !everything {
        true => text + char::from(octet).encode_utf8(&mut [0]),
        false => format!("{text}%{octet:02x}"),
    })
}

#[test]
fn user_and_password_are_what_was_encoded() {
    let said = |user: &str, password: &[u8]| {
        let message = [b"\0", user.as_bytes(), b"\0", password].concat();
        format!("AUTH PLAIN {}", STANDARD.encode(message))
    };
    for (url, user, password) in [
        ("smtp://alice:secret@h", "alice", "secret"),
        ("smtp://alice%40example.org:p%40ss%3Aw%2Fo%25rd@h:25", "alice@example.org", "p@ss:w/o%rd"),
        ("smtp://alice:a:b@h", "alice", "a:b"),
        ("smtp://%61lice:!$&'()*+,;=@h?tls=none", "alice", "!$&'()*+,;="),
        ("smtp://j%C3%BCrgen:gr%c3%bcn%20@h", "jürgen", "grün "),
        ("smtp://jürgen:[x]@h", "jürgen", "[x]"),
    ] {
        logs_in(url, "PLAIN", &said(user, password.as_bytes()));
    }
    // Every octet that a mechanism can carry.
    let every: Vec<u8> = (1..=255).collect();
    for everything in [false, true] {
        let url = format!("smtp://alice:{}@h", encode(&every, everything));
        logs_in(&url, "PLAIN", &said("alice", &every));
    }
}

#[test]
fn the_option_auth_names_the_only_mechanism() {
    let all = "EXTERNAL OAUTHBEARER XOAUTH2 CRAM-MD5 PLAIN LOGIN ANONYMOUS";
    let b64 = |text: &str| STANDARD.encode(text);
    logs_in("smtp://tim:pw@h?auth=PLAIN", all, &format!("AUTH PLAIN {}", b64("\0tim\0pw")));
    logs_in("smtp://tim:pw@h?tls=none&auth=plain", all, &format!("AUTH PLAIN {}", b64("\0tim\0pw")));
    let token = b64("user=tim\u{1}auth=Bearer ya29\u{1}\u{1}");
    logs_in("smtp://tim:ya29@h?auth=XOAUTH2", all, &format!("AUTH XOAUTH2 {token}"));
    logs_in("smtp://h?auth=EXTERNAL", all, "AUTH EXTERNAL =");
    logs_in("smtp://tim@h?auth=External", all, &format!("AUTH EXTERNAL {}", b64("tim")));
    logs_in("smtp://h?auth=ANONYMOUS", all, "AUTH ANONYMOUS =");
    logs_in("smtp://guest@h?auth=anonymous", all, &format!("AUTH ANONYMOUS {}", b64("guest")));

    // What is not offered is not replaced, and SCRAM with channel binding is another mechanism.
    let capabilities = Capabilities::parse([&b"h"[..], b"AUTH SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN"]);
    let mut server = ServerInfo::new("h", &Security::LocalPlaintext);
    server.mechanisms = capabilities.auth_mechanisms();
    for (mechanism, chosen) in [
        ("SCRAM-SHA-256", Some("SCRAM-SHA-256")),
        ("scram-sha-256-plus", None),
        ("CRAM-MD5", Some("CRAM-MD5")),
        ("login", Some("LOGIN")),
        ("OAUTHBEARER", None),
        ("EXTERNAL", None),
    ] {
        let user = if mechanism == "EXTERNAL" { "" } else { "tim:pw@" };
        let server_url = parse(&format!("smtp://{user}h?auth={mechanism}"));
        assert_eq!(server_url.credentials().unwrap().choose(&server), chosen, "{mechanism}");
    }
    assert_eq!(parse("smtp://tim:pw@h").credentials().unwrap().choose(&server), Some("SCRAM-SHA-256"));
}

const CHARACTER: &str =
    "a control character or white space; in a user or a password it is percent-encoded, a space as %20";
const SCHEME: &str = "a URL begins with `smtp://`, `smtps://` or `lmtp://`";
const UNENCODED: &str = "in a user or a password, `/` is written %2F, `?` %3F, `#` %23 and `@` %40";
const PERCENT: &str = "`%` is followed by two hexadecimal digits; `%` itself is written %25";
const EMPTY_USER: &str = "an empty user; before the `@` comes `user:password`";
const PASSWORD: &str = "no password; behind the user comes `:password`";
const USER: &str = "this mechanism of the option `auth` needs a user; before the host comes `user:password@`";
const NEEDLESS: &str = "a password, which the mechanism of the option `auth` does not use; before the host comes `user@` or nothing";
const HOST: &str =
    "the host is a domain in ASCII, an IPv4 address, or an IPv6 address in brackets, and `:port` may follow";
const PORT: &str = "the port is a number from 1 to 65535";
const IMPLICIT: &str = "port 465 is for TLS from the first octet, and the scheme for that is `smtps`";
const PATH: &str = "a path; behind the host come `:port` and `?option=value`, and nothing else";
const FRAGMENT: &str = "a fragment; a `#` in a user or a password is written %23";
const TLS: &str = "the option `tls` is one of `required`, `opportunistic` and `none`; for TLS from the first octet the scheme is `smtps`";
const CONTRADICTION: &str = "`smtps` is TLS from the first octet; its option `tls` is `required` or left out, and clear text is for `smtp`";
const AUTH: &str = "the option `auth` is one of EXTERNAL, SCRAM-SHA-256-PLUS, SCRAM-SHA-256, OAUTHBEARER, XOAUTH2, CRAM-MD5, PLAIN, LOGIN and ANONYMOUS";

#[test]
fn each_fault_is_told_in_full_and_with_its_place() {
    let unknown = |name: &str| format!("there is no option `{name}`; the options are `tls` and `auth`");
    let long = format!("smtp://{}.example", "a".repeat(64));
    let table: &[(&str, &str, usize)] = &[
        ("", SCHEME, 0),
        ("mail.example:587", SCHEME, 0),
        ("smtp:mail.example", SCHEME, 0),
        ("http://mail.example", "the scheme is one of `smtp`, `smtps` and `lmtp`", 0),
        ("smtp+tls://mail.example", "the scheme is one of `smtp`, `smtps` and `lmtp`", 0),
        ("://mail.example", "the scheme is one of `smtp`, `smtps` and `lmtp`", 0),
        (" smtp://mail.example", CHARACTER, 0),
        ("smtp://mail.example\n", CHARACTER, 19),
        ("smtp://alice:pass word@h", CHARACTER, 17),
        ("smtp://alice:pass\u{a0}word@h", CHARACTER, 17),
        ("smtp://mail.example?tls=none\0", CHARACTER, 28),
        ("smtp://alice@example.org:secret@h", UNENCODED, 12),
        ("smtp://alice:p@ss@h", UNENCODED, 14),
        ("smtp://alice:a/b@h", UNENCODED, 14),
        ("smtp://alice:a?b@h", UNENCODED, 14),
        ("smtp://alice:a#b@h", UNENCODED, 14),
        ("smtp://alice:100%@h", PERCENT, 16),
        ("smtp://alice:%4@h", PERCENT, 13),
        ("smtp://alice:%4g@h", PERCENT, 13),
        ("smtp://alice:%+4@h", PERCENT, 13),
        ("smtp://al%ice:x@h", PERCENT, 9),
        ("smtp://@h", EMPTY_USER, 7),
        ("smtp://:secret@h", EMPTY_USER, 7),
        ("smtp://%ff:x@h", "the user is not UTF-8", 7),
        ("smtp://alice@h", PASSWORD, 12),
        ("smtp://alice:@h", PASSWORD, 12),
        ("smtp://alice@h?auth=XOAUTH2", PASSWORD, 12),
        ("smtp://h?auth=PLAIN", USER, 14),
        ("smtp://h?auth=OAUTHBEARER", USER, 14),
        ("smtp://alice:secret@h?auth=EXTERNAL", NEEDLESS, 13),
        ("smtp://alice:secret@h?auth=ANONYMOUS", NEEDLESS, 13),
        ("smtp://", "no host", 7),
        ("smtp:///", "no host", 7),
        ("smtp://:25", "no host", 7),
        ("smtp://a:b@", "no host", 11),
        ("smtp://mail example", CHARACTER, 11),
        ("smtp://münchen.example", HOST, 8),
        ("smtp://mail%2Eexample", HOST, 11),
        ("smtp://mail..example", HOST, 7),
        ("smtp://.example", HOST, 7),
        ("smtp://.", HOST, 7),
        (&long, HOST, 7),
        ("smtp://127.1", HOST, 7),
        ("smtp://192.0.2.256", HOST, 7),
        ("smtp://2130706433", HOST, 7),
        ("smtp://2001:db8::1", HOST, 7),
        ("smtp://fe80::1", HOST, 7),
        ("smtp://[2001:db8::1", HOST, 7),
        ("smtp://[192.0.2.1]", HOST, 8),
        ("smtp://[fe80::1%25eth0]", HOST, 8),
        ("smtp://[::1]25", HOST, 12),
        ("smtp://mail.example:", PORT, 20),
        ("smtp://mail.example:0", PORT, 20),
        ("smtp://mail.example:65536", PORT, 20),
        ("smtp://mail.example:+25", PORT, 20),
        ("smtp://mail.example:smtp", PORT, 20),
        ("smtp://[::1]:", PORT, 13),
        ("smtp://mail.example:465", IMPLICIT, 20),
        ("smtp://a:b@[::1]:0465?tls=none", IMPLICIT, 17),
        ("smtp://mail.example/inbox", PATH, 19),
        ("smtp://mail.example//", PATH, 19),
        ("smtp://mail.example/?tls=none#x", FRAGMENT, 29),
        ("smtp://mail.example#", FRAGMENT, 19),
        ("smtp://mail.example?tsl=required", &unknown("tsl"), 20),
        ("smtp://mail.example?TLS=required", &unknown("TLS"), 20),
        ("smtp://mail.example?tls=none&", &unknown(""), 29),
        ("smtp://mail.example?tls=none&&auth=PLAIN", &unknown(""), 29),
        ("smtp://mail.example?\u{202e}=1", &unknown(r"\u{202e}"), 20),
        ("smtp://mail.example?tls=none&tls=none", "the option `tls` is given twice", 29),
        ("smtp://a:b@h?auth=PLAIN&auth=LOGIN", "the option `auth` is given twice", 24),
        ("smtp://mail.example?tls", TLS, 23),
        ("smtp://mail.example?tls=", TLS, 24),
        ("smtp://mail.example?tls=Required", TLS, 24),
        ("smtp://mail.example?tls=implicit", TLS, 24),
        ("smtps://mail.example?tls=none", CONTRADICTION, 25),
        ("smtps://mail.example?tls=opportunistic", CONTRADICTION, 25),
        ("smtp://a:b@h?auth=GSSAPI", AUTH, 18),
        ("smtp://a:b@h?auth=", AUTH, 18),
    ];
    let mut kinds = BTreeSet::new();
    for (url, words, offset) in table {
        let error = url.parse::<ServerUrl>().map(|server| panic!("{url}: {server:?}")).unwrap_err();
        assert_eq!(error.to_string(), format!("{words} (octet {offset} of the URL)"), "{url}");
        assert_eq!(error.offset(), *offset, "{url}");
        kinds.insert(format!("{:?}", std::mem::discriminant(error.kind())));
    }
    // All but `MechanismNotBuilt`: this program has them all.
    assert_eq!(kinds.len(), 21, "not every kind of fault is in the table");
    let not_built = UrlErrorKind::MechanismNotBuilt("SCRAM-SHA-256").to_string();
    assert_eq!(not_built, "SCRAM-SHA-256 is not in this program: it takes the feature `scram`");
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % u64::try_from(end).unwrap()).unwrap()
    }

    fn pick<'t>(&mut self, among: &[&'t str]) -> &'t str {
        among[self.below(among.len())]
    }
}

#[test]
fn whatever_the_url_nothing_panics_and_the_place_is_in_it() {
    let pieces = [
        "smtp",
        "smtps",
        "lmtp",
        "://",
        ":",
        "/",
        "?",
        "#",
        "@",
        "[",
        "]",
        "%",
        "%4",
        "%40",
        "%zz",
        "=",
        "&",
        "tls",
        "auth",
        "none",
        "required",
        "PLAIN",
        "EXTERNAL",
        "::1",
        "127.0.0.1",
        "h",
        ".",
        "é",
        "\u{202e}",
        "\n",
        "0",
        "65535",
        "65536",
        "alice",
        "",
    ];
    let mut random = Random(5);
    let mut good = 0;
    for n in 0..200_000 {
        let mut url = String::from(if n % 4 == 0 { "" } else { "smtp://" });
        for _ in 0..random.below(10) {
            url += random.pick(&pieces);
        }
        match url.parse::<ServerUrl>() {
            Ok(server) => {
                good += 1;
                assert!(server.port() != 0 && !server.config().host().is_empty(), "{url:?}");
            }
            Err(error) => {
                assert!(url.is_char_boundary(error.offset()), "{url:?}: {error}");
                let shown = error.to_string();
                assert!(!shown.chars().any(char::is_control) && !shown.contains('\u{202e}'), "{shown:?}");
            }
        }
    }
    assert!(good > 1_000, "only {good} URLs were good");
}

/// L01: a password that was written as it is, with octets in it that tear the URL apart, is not shown either.
#[test]
fn l01_no_url_error_shows_user_or_password() {
    let mut random = Random(7);
    let marks =
        ["/", "?", "#", "@", ":", "%", "%4", "[", "]", "=", "&", "tls=", "?x=", "\n", " ", "é", "://"];
    let (mut bad, mut good) = (0, 0);
    for _ in 0..100_000 {
        // Every run of letters in a user or a password is one that stands in no message.
        let mut secret = |letter: &str| {
            let mut text = letter.repeat(4);
            for _ in 0..random.below(4) {
                text += random.pick(&marks);
                text += &letter.repeat(4);
            }
            text
        };
        let (user, password) = (secret("q"), secret("zx"));
        let tail =
            random.pick(&["h", "h:99999", "h?tls=none", "h?tsl=none", "h/x", "h?auth=EXTERNAL", "", "[::1"]);
        let scheme = random.pick(&["smtp://", "smtps://", "http://", "smtp:", ""]);
        let url = format!("{scheme}{user}:{password}@{tail}");
        let shown = match url.parse::<ServerUrl>() {
            Ok(server) => {
                good += 1;
                format!("{server:?}{server:#?}")
            }
            Err(error) => {
                bad += 1;
                format!("{error}{error:?}{error:#?}")
            }
        };
        assert!(!shown.contains("qqqq") && !shown.contains("zxzx"), "{url:?}: {shown}");
    }
    assert!(bad > 10_000 && good > 1_000, "{bad} bad, {good} good");
}

#[test]
fn a_missing_password_is_asked_for_and_no_other() {
    let ask = |url: &str, answer: Option<&str>| {
        let mut asked = Vec::new();
        let parsed = ServerUrl::parse_with(url, |user| {
            asked.push(user.to_owned());
            answer.map(Into::into)
        });
        (parsed.map(|url| url.credentials().is_some()), asked)
    };
    for url in ["smtp://al%69ce@h", "smtp://alice:@h", "smtps://alice@h?auth=XOAUTH2"] {
        assert_eq!(ask(url, Some("secret")), (Ok(true), vec!["alice".to_owned()]), "{url}");
        let (error, asked) = ask(url, None);
        assert_eq!((error.unwrap_err().kind(), asked.len()), (&UrlErrorKind::MissingPassword, 1), "{url}");
    }
    for url in
        ["smtp://h", "smtp://alice:secret@h", "smtp://alice@h?auth=EXTERNAL", "smtp://h?auth=ANONYMOUS"]
    {
        assert_eq!(ask(url, Some("another")).1, [""; 0], "{url}");
    }
    // Nobody is asked about a URL that is none.
    for url in ["smtp://alice@h/x", "smtp://alice@h?tsl=none", "smtp://alice@"] {
        let (error, asked) = ask(url, Some("secret"));
        assert!(error.is_err() && asked.is_empty(), "{url}");
    }
}
