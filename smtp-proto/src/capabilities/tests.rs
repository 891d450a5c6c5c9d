#![allow(clippy::unwrap_used)]

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::*;
use crate::params::DateTime;

fn parse(lines: &[&str]) -> Capabilities {
    Capabilities::parse(lines.iter().map(|line| line.as_bytes()))
}

/// What the server offers when `lines` follow the greeting line of its reply.
fn offered(lines: &[&str]) -> Capabilities {
    Capabilities::parse(core::iter::once(&b"mx.test"[..]).chain(lines.iter().map(|line| line.as_bytes())))
}

fn keywords(capabilities: &Capabilities) -> Vec<(&str, &str)> {
    capabilities.iter().collect()
}

fn mechanisms(capabilities: &Capabilities) -> Vec<&str> {
    capabilities.auth_mechanisms().iter().collect()
}

#[test]
fn p15_first_line_is_not_a_keyword() {
    for reply in
        [&["STARTTLS"][..], &["mail STARTTLS AUTH PLAIN"], &["AUTH PLAIN"], &["AUTH=PLAIN"], &[""], &[]]
    {
        let capabilities = parse(reply);
        assert!(capabilities.is_empty(), "{reply:?}");
        assert_eq!(capabilities, Capabilities::default());
        assert_eq!(keywords(&capabilities), []);
        assert!(Extension::ALL.iter().all(|&extension| !capabilities.supports(extension)));
        assert!(capabilities.auth_mechanisms().is_empty());
    }
    assert!(parse(&["STARTTLS", "DSN"]).supports(Extension::Dsn));
    assert!(!parse(&["STARTTLS", "DSN"]).supports(Extension::StartTls));
}

#[test]
fn p16_keywords_in_any_case() {
    for line in ["STARTTLS", "starttls", "StartTls"] {
        let capabilities = offered(&[line]);
        assert!(capabilities.supports(Extension::StartTls));
        assert_eq!(capabilities.get("startTLS"), Some(""));
        assert_eq!(keywords(&capabilities), [("STARTTLS", "")]);
    }
    for &extension in Extension::ALL {
        let lower = extension.keyword().to_ascii_lowercase();
        let capabilities = offered(&[&lower, "X-OTHER"]);
        assert!(capabilities.supports(extension), "{lower}");
        assert_eq!(Extension::from_keyword(&lower), Some(extension));
        let others = Extension::ALL.iter().filter(|&&other| other != extension);
        assert!(others.copied().all(|other| !capabilities.supports(other)));
    }
    assert_eq!(Extension::from_keyword("STARTTLS2"), None);
}

#[test]
fn p16_blanks() {
    let capabilities =
        offered(&["  SIZE \t 100  ", "\tLIMITS\tRCPTMAX=10 \t MAILMAX=2\t", "", "  \t", "DSN "]);
    assert_eq!(keywords(&capabilities), [("SIZE", "100"), ("LIMITS", "RCPTMAX=10 MAILMAX=2"), ("DSN", "")]);
    assert_eq!(capabilities.size_limit(), Some(100));
    assert!(capabilities.supports(Extension::Dsn));
}

#[test]
fn p16_parameters_that_do_not_belong_and_unknown_keywords() {
    let capabilities =
        offered(&["STARTTLS foo", "X-EXPS=LOGIN", "xfoo Bar=Baz", "BURL imap imap://localhost", "8bit_mime"]);
    assert!(capabilities.supports(Extension::StartTls));
    assert_eq!(capabilities.get("starttls"), Some("foo"));
    assert_eq!(capabilities.get("x-exps=login"), Some(""));
    assert_eq!(capabilities.get("XFOO"), Some("Bar=Baz"));
    assert_eq!(capabilities.get("BURL"), Some("imap imap://localhost"));
    assert_eq!(capabilities.get("X"), None);
    assert_eq!(capabilities.get(""), None);
    assert_eq!(capabilities.get("XFOO Bar=Baz"), None);
    assert!(!capabilities.supports(Extension::EightBitMime));
}

#[test]
fn p16_duplicates() {
    let capabilities = offered(&["SIZE 100", "DSN", "AUTH PLAIN", "size 200", "AUTH LOGIN"]);
    assert_eq!(capabilities.size_limit(), Some(200));
    assert_eq!(capabilities.get("AUTH"), Some("PLAIN LOGIN"));
    let expected = [("SIZE", "100"), ("DSN", ""), ("SIZE", "200"), ("AUTH", "PLAIN LOGIN")];
    assert_eq!(keywords(&capabilities), expected);
}

#[test]
fn p16_octets_that_are_not_printable_ascii() {
    let capabilities = Capabilities::parse([
        &b"mx.test \xff"[..],
        b"STARTTLS\0",
        b"START\x7fTLS",
        b"CHUNKING\r",
        b"\xffDSN",
        b"PIPELINING\xc2\xa0",
        b"\x0bVRFY",
        b"SIZE 10\x000",
        b"AUTH PLAIN\0 LOGIN \xc3\xa9 X\nY",
        b"XFOO caf\xc3\xa9",
        b"8BITMIME",
    ]);
    let expected = [("SIZE", "10?0"), ("XFOO", "caf??"), ("8BITMIME", ""), ("AUTH", "PLAIN? LOGIN ?? X?Y")];
    assert_eq!(keywords(&capabilities), expected);
    assert_eq!(capabilities.size_limit(), None);
    assert!(!capabilities.auth_mechanisms().contains("PLAIN"));
    assert!(capabilities.auth_mechanisms().contains("LOGIN"));
    for extension in
        [Extension::StartTls, Extension::Chunking, Extension::Dsn, Extension::Pipelining, Extension::Vrfy]
    {
        assert!(!capabilities.supports(extension), "{extension:?}");
    }
    // Every line of one octet, and every octet inside of a keyword and of a parameter: no panic, no control.
    for octet in 0..=u8::MAX {
        for line in [&[octet][..], &[b'A', octet, b'B'], &[b'A', b' ', octet, b'B'], b"AUTH="] {
            let capabilities = Capabilities::parse([&b"mx.test"[..], line, b"HELP"]);
            assert!(capabilities.supports(Extension::Help));
            for (keyword, parameters) in capabilities.iter() {
                assert!(!keyword.is_empty() && keyword.bytes().all(|octet| octet.is_ascii_graphic()));
                assert!(parameters.bytes().all(|octet| octet == b' ' || octet.is_ascii_graphic()));
            }
        }
    }
}

#[test]
fn p17_many_keywords_take_no_more_memory_than_the_reply() {
    let lines: Vec<String> = (0..10_000).map(|number| format!("X{number} y")).collect();
    let octets: usize = lines.iter().map(|line| line.len() + 1).sum();
    let capabilities = Capabilities::parse(
        core::iter::once("mx.test").chain(lines.iter().map(String::as_str)).map(str::as_bytes),
    );
    assert_eq!(capabilities.iter().count(), 10_000);
    assert_eq!(capabilities.get("x9999"), Some("y"));
    assert!(capabilities.lines.len() < octets);
}

#[test]
fn t06_a_new_session_knows_nothing() {
    let capabilities = Capabilities::default();
    assert!(capabilities.is_empty() && capabilities.auth_mechanisms().is_empty());
    assert_eq!((capabilities.size_limit(), capabilities.get("PIPELINING")), (None, None));
    assert!(Extension::ALL.iter().all(|&extension| !capabilities.supports(extension)));
}

#[test]
fn a18_legacy_auth_line() {
    for lines in [
        &["AUTH=PLAIN LOGIN"][..],
        &["auth=PLAIN LOGIN"],
        &["AUTH= PLAIN\tLOGIN"],
        &["AUTH PLAIN", "AUTH=LOGIN"],
        &["AUTH=PLAIN", "DSN", "AUTH LOGIN"],
    ] {
        let capabilities = offered(lines);
        assert_eq!(mechanisms(&capabilities), ["PLAIN", "LOGIN"], "{lines:?}");
        assert!(capabilities.supports(Extension::Auth));
        assert_eq!(capabilities.get("auth"), Some("PLAIN LOGIN"));
    }
    // The keyword alone, as Dovecot sends it to a client that has authenticated.
    for line in ["AUTH", "AUTH=", "AUTH "] {
        let capabilities = offered(&[line]);
        assert!(capabilities.supports(Extension::Auth), "{line:?}");
        assert!(capabilities.auth_mechanisms().is_empty());
        assert_eq!(capabilities.get("AUTH"), Some(""));
    }
    // Neither is AUTH.
    for line in ["AUTHPLAIN LOGIN", "XAUTH PLAIN", "AUTH-X PLAIN"] {
        assert!(!offered(&[line]).supports(Extension::Auth), "{line:?}");
    }
}

#[test]
fn a19_mechanisms_are_compared_whole() {
    let mut line = String::from("AUTH CRAM_MD5 PLAIN2 LOGIN_OLD XPLAIN PLAIN-CLIENTTOKEN ANONYMOUSLY");
    for number in 0..60 {
        line.push_str(&format!(" X-JUNK-{number}"));
    }
    let capabilities = offered(&[&line]);
    let mechanisms = capabilities.auth_mechanisms();
    for name in ["PLAIN", "LOGIN", "CRAM-MD5", "CRAM", "X-JUNK", "AUTH", "", " ", "CRAM_MD5 PLAIN2"] {
        assert!(!mechanisms.contains(name), "{name:?}");
    }
    for name in ["PLAIN2", "plain2", "X-JUNK-0", "X-JUNK-59", "Login_Old"] {
        assert!(mechanisms.contains(name), "{name:?}");
    }
    assert_eq!(mechanisms.iter().count(), 66);

    let capabilities = offered(&[&format!("{line} plain")]);
    assert!(capabilities.auth_mechanisms().contains("PLAIN"));
}

#[test]
fn d11_size() {
    for (line, limit) in [
        ("SIZE 1", Some(1)),
        ("SIZE 20480000", Some(20_480_000)),
        ("SIZE 0000000010", Some(10)),
        ("SIZE 18446744073709551615", Some(u64::MAX)),
        ("SIZE 18446744073709551616", None),
        ("SIZE 99999999999999999999", None),
        ("SIZE", None),
        ("SIZE ", None),
        ("SIZE 0", None),
        ("SIZE 000", None),
        ("SIZE -1", None),
        ("SIZE +1", None),
        ("SIZE 1e9", None),
        ("SIZE 0x10", None),
        ("SIZE 1 2", None),
        ("SIZE=10", None),
        ("SIZES 10", None),
    ] {
        assert_eq!(offered(&[line]).size_limit(), limit, "{line:?}");
    }
    assert_eq!(offered(&["DSN"]).size_limit(), None);
    assert!(offered(&["SIZE"]).supports(Extension::Size));
}

#[test]
fn limits_of_a_session() {
    let limits = |lines: &[&str]| {
        let limits = offered(lines).limits();
        (limits.mail_max, limits.rcpt_max, limits.rcpt_domain_max)
    };
    assert_eq!(limits(&["LIMITS MAILMAX=10 RCPTMAX=100 RCPTDOMAINMAX=1"]), (Some(10), Some(100), Some(1)));
    assert_eq!(limits(&["limits rcptMax=5"]), (None, Some(5), None));
    assert_eq!(limits(&["LIMITS XMAX=1 MAILMAXIMUM=2 MAIL=3 rcptmax=007"]), (None, Some(7), None));
    assert_eq!(limits(&["LIMITS MAILMAX=18446744073709551615"]), (Some(u64::MAX), None, None));
    // The smaller of two, and the last line of two, as with every keyword.
    assert_eq!(limits(&["LIMITS MAILMAX=5 MAILMAX=3 MAILMAX=x MAILMAX=9"]), (Some(3), None, None));
    assert_eq!(limits(&["LIMITS MAILMAX=5", "LIMITS RCPTMAX=6"]), (None, Some(6), None));
    for nothing in [
        "LIMITS",
        "LIMITS ",
        "LIMITS =",
        "LIMITS =5",
        "LIMITS MAILMAX",
        "LIMITS MAILMAX 5",
        "LIMITS MAILMAX=",
        "LIMITS MAILMAX=0",
        "LIMITS MAILMAX=000",
        "LIMITS MAILMAX=-1",
        "LIMITS MAILMAX=+1",
        "LIMITS MAILMAX=1e3",
        "LIMITS MAILMAX=0x10",
        "LIMITS MAILMAX=1,000",
        "LIMITS MAILMAX==5",
        "LIMITS MAILMAX=5=5",
        "LIMITS MAILMAX=5;RCPTMAX=5",
        "LIMITS MAILMAX=18446744073709551616",
        "LIMITS MAILMAX=99999999999999999999999999",
        "LIMITS=5",
        "XLIMITS MAILMAX=5",
        "DSN",
    ] {
        assert_eq!(limits(&[nothing]), (None, None, None), "{nothing:?}");
    }
    let mut masked = offered(&["LIMITS MAILMAX=1"]);
    masked.mask("limits");
    assert_eq!(masked.limits(), Limits::default());
}

#[test]
fn deliver_by_minimum() {
    for (line, minimum) in [
        ("DELIVERBY 240", Some(240)),
        ("deliverby 240,OTHER=5", Some(240)),
        ("DELIVERBY 1", Some(1)),
        ("DELIVERBY 18446744073709551615", Some(u64::MAX)),
        ("DELIVERBY 18446744073709551616", None),
        ("DELIVERBY", None),
        ("DELIVERBY 0", None),
        ("DELIVERBY ,OTHER", None),
        ("DELIVERBY -240", None),
        ("DELIVERBY +240", None),
        ("DELIVERBY 2h", None),
        ("DELIVERBY 240 300", None),
        ("DSN", None),
    ] {
        assert_eq!(offered(&[line]).deliver_by_minimum(), minimum, "{line:?}");
    }
}

#[test]
fn future_release_limits() {
    let moment = |text: &str| text.parse::<DateTime>().ok();
    for (line, max_interval, max_date_time) in [
        ("FUTURERELEASE 86400 2026-08-03T00:00:00Z", Some(86_400), moment("2026-08-03T00:00:00Z")),
        ("futurerelease 999999999 9999-12-31T23:59:59Z", Some(999_999_999), moment("9999-12-31T23:59:59Z")),
        ("FUTURERELEASE 1209600 999999999", Some(1_209_600), None),
        ("FUTURERELEASE 86400", Some(86_400), None),
        ("FUTURERELEASE x 2026-08-03T00:00:00Z", None, moment("2026-08-03T00:00:00Z")),
        ("FUTURERELEASE 2026-08-03T00:00:00Z 86400", None, None),
        ("FUTURERELEASE 99999999999999999999 2026-13-03T00:00:00Z", None, None),
        ("FUTURERELEASE 0 2026-08-03T00:00:00+01:00", None, None),
        ("FUTURERELEASE", None, None),
    ] {
        let offered = offered(&[line]).future_release().unwrap();
        assert_eq!((offered.max_interval, offered.max_date_time), (max_interval, max_date_time), "{line:?}");
    }
    assert_eq!(offered(&["DSN"]).future_release(), None);
}

#[test]
fn priorities_and_attributes() {
    assert_eq!(offered(&["MT-PRIORITY MIXER"]).mt_priority_profile(), Some("MIXER"));
    assert_eq!(offered(&["mt-priority"]).mt_priority_profile(), None);
    assert_eq!(offered(&["DSN"]).mt_priority_profile(), None);
    let attributes = |line: &str| offered(&[line]).xclient_attributes().map(String::from).collect::<Vec<_>>();
    assert_eq!(attributes("XCLIENT NAME ADDR  PROTO helo"), ["NAME", "ADDR", "PROTO", "helo"]);
    assert_eq!(attributes("XCLIENT"), [""; 0]);
    assert_eq!(attributes("XFORWARD NAME"), [""; 0]);
}

#[test]
fn no_parameter_of_any_octet_panics() {
    for keyword in ["SIZE", "LIMITS", "DELIVERBY", "FUTURERELEASE", "MT-PRIORITY", "XCLIENT"] {
        for octet in 0..=u8::MAX {
            for around in [&b""[..], b"9", b"MAILMAX=", b"2026-08-03T00:00:00Z", b"86400 2026-08-03T00:00:00"]
            {
                let line = [keyword.as_bytes(), b" ", around, &[octet], around].concat();
                let capabilities = Capabilities::parse([&b"mx.test"[..], &line]);
                let _ = (capabilities.size_limit(), capabilities.limits(), capabilities.deliver_by_minimum());
                let _ = (capabilities.future_release(), capabilities.mt_priority_profile());
                assert!(capabilities.xclient_attributes().all(|name| !name.is_empty()));
            }
        }
    }
}

#[test]
fn masked_never_widened() {
    let reply = ["PIPELINING", "SIZE 100", "AUTH PLAIN", "XFOO a", "AUTH=LOGIN", "xfoo b", "DSN"];
    let full = offered(&reply);
    for keyword in ["pipelining", "SIZE", "Auth", "xFoo", "DSN"] {
        let mut masked = full.clone();
        masked.mask(keyword);
        let expected: Vec<_> =
            full.iter().filter(|(listed, _)| !listed.eq_ignore_ascii_case(keyword)).collect();
        assert_eq!(keywords(&masked), expected);
        assert_eq!(masked.get(keyword), None);
        for &extension in Extension::ALL {
            let wanted = full.supports(extension) && !extension.keyword().eq_ignore_ascii_case(keyword);
            assert_eq!(masked.supports(extension), wanted, "{keyword} {extension:?}");
        }
    }
    for keyword in ["CHUNKING", "SIZ", "", "XFOO a", "\n", "PIPELINING\nSIZE"] {
        let mut masked = full.clone();
        masked.mask(keyword);
        assert_eq!(masked, full, "{keyword:?}");
    }
    assert!(!full.is_empty() && !full.auth_mechanisms().is_empty());
    let mut masked = full.clone();
    masked.mask("AUTH");
    assert!(masked.auth_mechanisms().is_empty());
    for (keyword, _) in full.iter() {
        masked.mask(keyword);
    }
    assert_eq!(masked, Capabilities::default());
}

#[test]
fn memory_of_a_typical_server() {
    let capabilities = parse(&[
        "localhost",
        "PIPELINING",
        "SIZE 20480000",
        "VRFY",
        "ETRN",
        "AUTH PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 XOAUTH2 OAUTHBEARER",
        "ENHANCEDSTATUSCODES",
        "8BITMIME",
        "DSN",
        "SMTPUTF8",
        "CHUNKING",
    ]);
    assert_eq!(capabilities.iter().count(), 10);
    assert!(core::mem::size_of::<Capabilities>() + capabilities.lines.len() <= 256);
    assert_eq!(capabilities.auth_mechanisms().iter().count(), 8);
}

#[test]
fn debug_shows_a_map() {
    assert_eq!(format!("{:?}", offered(&["DSN", "SIZE 5"])), r#"{"DSN": "", "SIZE": "5"}"#);
}
