#![allow(clippy::unwrap_used)]

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::ParameterErrorKind as Kind;
use super::*;
use crate::capabilities::Extension;
use crate::path::Mailbox;

fn mailbox(text: &str) -> Mailbox {
    text.parse().unwrap()
}

fn mail_line(parameters: &MailParameters) -> String {
    let mut out = Vec::from(b"MAIL FROM:<>");
    parameters.write_to(&mut out);
    String::from_utf8(out).unwrap()
}

fn rcpt_line(parameters: &RcptParameters) -> String {
    let mut out = Vec::from(b"RCPT TO:<a@b>");
    parameters.write_to(&mut out);
    String::from_utf8(out).unwrap()
}

fn fault<T>(result: Result<T, ParameterError>) -> (Kind, Option<usize>) {
    result.err().map(|error| (error.kind(), error.offset())).unwrap()
}

/// C0, DEL and the characters that end a line somewhere or whose low octet does.
fn hostile() -> impl Iterator<Item = char> {
    let controls = (0u8..=0x1f).chain([0x7f]).map(char::from);
    let look_alikes = ['\u{10d}', '\u{10a}', '\u{560d}', '\u{560a}', '\u{760d}', '\u{760a}'];
    controls.chain(look_alikes).chain(['\u{85}', '\u{2028}', '\u{2029}'])
}

fn at_start_middle_end(c: char) -> [(String, usize); 3] {
    [(format!("{c}xy"), 0), (format!("x{c}y"), 1), (format!("xy{c}"), 2)]
}

fn decode_xtext(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut rest = text.iter();
    while let Some(&octet) = rest.next() {
        if octet == b'+' {
            let digits: String = rest.by_ref().take(2).map(|&digit| char::from(digit)).collect();
            assert!(digits.len() == 2 && digits == digits.to_uppercase());
            decoded.push(u8::from_str_radix(&digits, 16).unwrap());
        } else {
            assert!(matches!(octet, 33..=126) && octet != b'=');
            decoded.push(octet);
        }
    }
    decoded
}

#[test]
fn i12_xtext() {
    let mut out = Vec::from(b"ENVID=");
    xtext(b"a+b=c d\x7f\x00\xff\r\n\tz~!", &mut out);
    assert_eq!(out, b"ENVID=a+2Bb+3Dc+20d+7F+00+FF+0D+0A+09z~!");
    for octet in 0..=u8::MAX {
        let mut out = Vec::new();
        xtext(&[octet], &mut out);
        assert_eq!(decode_xtext(&out), [octet]);
        let stays = matches!(octet, 33..=126) && octet != b'+' && octet != b'=';
        assert_eq!(out.len(), if stays { 1 } else { 3 }, "{octet}");
    }
    let parameters = MailParameters::new().envid("a+b=c d").unwrap();
    assert_eq!(mail_line(&parameters), "MAIL FROM:<> ENVID=a+2Bb+3Dc+20d");
    let parameters = RcptParameters::new().orcpt("x400", "/C=de/S=a b/").unwrap();
    assert_eq!(rcpt_line(&parameters), "RCPT TO:<a@b> ORCPT=x400;/C+3Dde/S+3Da+20b/");
}

#[test]
fn i02_controls_at_start_middle_end() {
    for (text, offset) in hostile().flat_map(at_start_middle_end) {
        for (result, kind) in [
            (MailParameters::new().envid(&text).map(drop), Kind::EnvelopeId),
            (MailParameters::new().raw(&text, None).map(drop), Kind::Keyword),
            (MailParameters::new().raw(&text, Some("v")).map(drop), Kind::Keyword),
            (MailParameters::new().raw("X", Some(&text)).map(drop), Kind::Value),
            (RcptParameters::new().raw(&text, None).map(drop), Kind::Keyword),
            (RcptParameters::new().raw("X", Some(&text)).map(drop), Kind::Value),
            (RcptParameters::new().orcpt(&text, "a").map(drop), Kind::AddressType),
            (RcptParameters::new().orcpt("rfc822", &text).map(drop), Kind::OriginalRecipient),
        ] {
            assert_eq!(fault(result), (kind, Some(offset)), "{text:?}");
        }
        // The type utf-8 takes what is neither a control nor a line end, and writes ASCII.
        match RcptParameters::new().orcpt("utf-8", &text) {
            Ok(parameters) => assert!(rcpt_line(&parameters).bytes().all(|octet| matches!(octet, 32..=126))),
            Err(error) => assert_eq!((error.kind(), error.offset()), (Kind::OriginalRecipient, Some(offset))),
        }
    }
}

#[test]
fn i03_no_value_adds_a_parameter() {
    for value in ["1 SIZE=2", "1=2", " ", "", "=", "a\u{a0}b"] {
        assert_eq!(fault(MailParameters::new().raw("X", Some(value))).0, Kind::Value, "{value:?}");
    }
    for keyword in ["", "-X", "X Y", "X=1", "X_Y", "X>", "X\u{e4}"] {
        assert_eq!(fault(RcptParameters::new().raw(keyword, None)).0, Kind::Keyword, "{keyword:?}");
    }
    for address_type in ["", "rfc822;", "a b", "a=b", "a+b"] {
        assert_eq!(fault(RcptParameters::new().orcpt(address_type, "a")).0, Kind::AddressType);
    }
    let parameters = RcptParameters::new().orcpt("rfc822", "a> NOTIFY=NEVER").unwrap();
    assert_eq!(rcpt_line(&parameters), "RCPT TO:<a@b> ORCPT=rfc822;a>+20NOTIFY+3DNEVER");
    assert_eq!(fault(MailParameters::new().envid("")), (Kind::EnvelopeId, Some(0)));
    assert_eq!(fault(RcptParameters::new().orcpt("rfc822", "")), (Kind::OriginalRecipient, Some(0)));
}

#[test]
fn mail_parameters_in_fixed_order() {
    let parameters = MailParameters::new()
        .raw("X-LAST", Some("a;b<c>"))
        .unwrap()
        .auth(None)
        .envid("id")
        .unwrap()
        .ret(Ret::Full)
        .smtp_utf8()
        .body(BodyKind::EightBitMime)
        .size(u64::MAX)
        .raw("8FLAG", None)
        .unwrap();
    assert_eq!(
        mail_line(&parameters),
        "MAIL FROM:<> SIZE=18446744073709551615 BODY=8BITMIME SMTPUTF8 RET=FULL ENVID=id AUTH=<> X-LAST=a;b<c> 8FLAG"
    );
    assert_eq!(format!("MAIL FROM:<> {parameters}"), mail_line(&parameters));
    let parameters =
        MailParameters::new().size(7).size(0).body(BodyKind::SevenBit).body(BodyKind::BinaryMime);
    assert_eq!(parameters.to_string(), "SIZE=0 BODY=BINARYMIME");
}

#[test]
fn auth_parameter() {
    for (text, expected) in [
        ("e=mc2@example.com", "AUTH=e+3Dmc2@example.com"),
        ("\"a b\"@c", "AUTH=\"a+20b\"@c"),
        ("\u{e4}@b", "AUTH=+C3+A4@b"),
    ] {
        assert_eq!(MailParameters::new().auth(Some(&mailbox(text))).to_string(), expected);
    }
    assert_eq!(MailParameters::new().auth(None).to_string(), "AUTH=<>");
}

#[test]
fn envelope_id_lengths_n_minus_1_n_n_plus_1() {
    for len in [99, 100] {
        let parameters = MailParameters::new().envid(&"a".repeat(len)).unwrap();
        assert_eq!(parameters.to_string().len(), "ENVID=".len() + len);
    }
    assert_eq!(fault(MailParameters::new().envid(&"a".repeat(101))), (Kind::EnvelopeIdTooLong, None));
    // Counted as it is written.
    assert!(MailParameters::new().envid(&format!("{}a", " ".repeat(33))).is_ok());
    assert_eq!(fault(MailParameters::new().envid(&" ".repeat(34))).0, Kind::EnvelopeIdTooLong);
}

#[test]
fn original_recipient_lengths_n_minus_1_n_n_plus_1() {
    let overhead = "ORCPT=rfc822;".len();
    for len in [499, 500] {
        let parameters = RcptParameters::new().orcpt("rfc822", &"a".repeat(len - overhead)).unwrap();
        assert_eq!(parameters.to_string().len(), len);
    }
    let result = RcptParameters::new().orcpt("rfc822", &"a".repeat(501 - overhead));
    assert_eq!(fault(result), (Kind::OriginalRecipientTooLong, None));
}

#[test]
fn original_recipient_of_a_mailbox() {
    for (text, expected) in [
        ("a+b@c", "ORCPT=rfc822;a+2Bb@c"),
        ("\"a b\"@c", "ORCPT=rfc822;\"a+20b\"@c"),
        (r#""\"\\"@c"#, r#"ORCPT=rfc822;"\"\\"@c"#),
        ("\u{e4}@b", r"ORCPT=utf-8;\x{E4}@b"),
        ("\u{1f4e7}+\u{4f8b}=@b", r"ORCPT=utf-8;\x{1F4E7}\x{2B}\x{4F8B}\x{3D}@b"),
        ("\"\u{e4} \\\"\"@b", "ORCPT=utf-8;\"\\x{E4}\\x{20}\\x{5C}\"\"@b"),
    ] {
        assert_eq!(RcptParameters::new().orcpt_mailbox(&mailbox(text)).unwrap().to_string(), expected);
    }
    assert_eq!(RcptParameters::new().orcpt("UTF-8", "a+b").unwrap().to_string(), r"ORCPT=UTF-8;a\x{2B}b");
}

#[test]
fn notify_has_no_contradictory_value() {
    let (success, failure, delay) = (NotifyOn::SUCCESS, NotifyOn::FAILURE, NotifyOn::DELAY);
    for (notify, expected) in [
        (Notify::Never, "NOTIFY=NEVER"),
        (success.into(), "NOTIFY=SUCCESS"),
        (failure.into(), "NOTIFY=FAILURE"),
        (delay.into(), "NOTIFY=DELAY"),
        ((failure | success).into(), "NOTIFY=SUCCESS,FAILURE"),
        ((delay | success).into(), "NOTIFY=SUCCESS,DELAY"),
        ((delay | failure).into(), "NOTIFY=FAILURE,DELAY"),
        ((delay | failure | success | delay).into(), "NOTIFY=SUCCESS,FAILURE,DELAY"),
    ] {
        let parameters = RcptParameters::new().notify(notify);
        assert_eq!(rcpt_line(&parameters), format!("RCPT TO:<a@b> {expected}"));
    }
    let parameters = RcptParameters::new()
        .raw("X", None)
        .unwrap()
        .orcpt("rfc822", "a@b")
        .unwrap()
        .notify(NotifyOn::SUCCESS)
        .notify(Notify::Never);
    assert_eq!(parameters.to_string(), "NOTIFY=NEVER ORCPT=rfc822;a@b X");
}

#[test]
fn i08_required_extensions() {
    let of = |parameters: MailParameters| parameters.required_extensions().collect::<Vec<_>>();
    let none = MailParameters::new();
    assert!(none.is_empty() && none.to_string().is_empty());
    assert_eq!(of(none), []);
    assert_eq!(of(MailParameters::new().size(0)), [Extension::Size]);
    assert_eq!(of(MailParameters::new().body(BodyKind::SevenBit)), [Extension::EightBitMime]);
    assert_eq!(of(MailParameters::new().body(BodyKind::EightBitMime)), [Extension::EightBitMime]);
    let binary = [Extension::BinaryMime, Extension::Chunking];
    assert_eq!(of(MailParameters::new().body(BodyKind::BinaryMime)), binary);
    assert_eq!(of(MailParameters::new().smtp_utf8()), [Extension::SmtpUtf8]);
    assert_eq!(of(MailParameters::new().ret(Ret::Headers)), [Extension::Dsn]);
    assert_eq!(of(MailParameters::new().ret(Ret::Full).envid("x").unwrap()), [Extension::Dsn]);
    assert_eq!(of(MailParameters::new().auth(None)), [Extension::Auth]);
    assert_eq!(of(MailParameters::new().require_tls()), [Extension::RequireTls]);
    assert_eq!(
        of(MailParameters::new().deliver_by(DeliverBy::or_return(1).unwrap())),
        [Extension::DeliverBy]
    );
    assert_eq!(of(MailParameters::new().mt_priority(0).unwrap()), [Extension::MtPriority]);
    assert_eq!(of(MailParameters::new().hold(Hold::For(1)).unwrap()), [Extension::FutureRelease]);
    let raw = MailParameters::new().raw("SOLICIT", Some("org.example:ADV")).unwrap();
    assert!(!raw.is_empty());
    let never = RcptParameters::new().notify(Notify::Never);
    assert!(!never.is_empty());
    assert_eq!(of(raw), []);

    let of = |parameters: RcptParameters| parameters.required_extensions().collect::<Vec<_>>();
    assert!(RcptParameters::new().is_empty());
    assert_eq!(of(RcptParameters::new()), []);
    assert_eq!(of(RcptParameters::new().notify(Notify::Never)), [Extension::Dsn]);
    assert_eq!(of(RcptParameters::new().orcpt("rfc822", "a").unwrap()), [Extension::Dsn]);
    assert_eq!(of(RcptParameters::new().raw("X", None).unwrap()), []);
}

#[test]
fn parameters_of_delivery_in_fixed_order() {
    let moment: DateTime = "2026-08-03T12:00:00Z".parse().unwrap();
    let parameters = MailParameters::new()
        .raw("X-LAST", None)
        .unwrap()
        .hold(Hold::For(5))
        .unwrap()
        .hold(Hold::Until(moment))
        .unwrap()
        .mt_priority(-9)
        .unwrap()
        .deliver_by(DeliverBy::or_return(86_400).unwrap().trace())
        .require_tls()
        .auth(None);
    assert_eq!(
        mail_line(&parameters),
        "MAIL FROM:<> AUTH=<> REQUIRETLS BY=86400;RT MT-PRIORITY=-9 HOLDUNTIL=2026-08-03T12:00:00Z X-LAST"
    );
    assert!(parameters.requires_tls() && !MailParameters::new().requires_tls());
}

#[test]
fn i07_numbers_at_their_limits() {
    for (seconds, expected) in [(1, "BY=1;R"), (999_999_999, "BY=999999999;R")] {
        let deliver_by = DeliverBy::or_return(seconds).unwrap();
        assert_eq!(deliver_by.return_after(), Some(seconds));
        assert_eq!(MailParameters::new().deliver_by(deliver_by).to_string(), expected);
    }
    for seconds in [0, 1_000_000_000, u32::MAX] {
        assert_eq!(fault(DeliverBy::or_return(seconds)), (Kind::DeliverBy, None));
    }
    for (seconds, expected) in
        [(-999_999_999, "BY=-999999999;N"), (-1, "BY=-1;N"), (0, "BY=0;N"), (999_999_999, "BY=999999999;N")]
    {
        let deliver_by = DeliverBy::or_notify(seconds).unwrap();
        assert_eq!(deliver_by.return_after(), None);
        assert_eq!(MailParameters::new().deliver_by(deliver_by).to_string(), expected);
    }
    for seconds in [1_000_000_000, -1_000_000_000, i32::MAX, i32::MIN] {
        assert_eq!(fault(DeliverBy::or_notify(seconds)), (Kind::DeliverBy, None));
    }
    for priority in -9..=9 {
        let parameters = MailParameters::new().mt_priority(priority).unwrap();
        assert_eq!(parameters.to_string(), format!("MT-PRIORITY={priority}"));
    }
    for priority in [-10, 10, i8::MIN, i8::MAX] {
        assert_eq!(fault(MailParameters::new().mt_priority(priority)), (Kind::Priority, None));
    }
    for seconds in [1, 999_999_999] {
        let parameters = MailParameters::new().hold(Hold::For(seconds)).unwrap();
        assert_eq!(parameters.to_string(), format!("HOLDFOR={seconds}"));
    }
    for seconds in [0, 1_000_000_000, u32::MAX] {
        assert_eq!(fault(MailParameters::new().hold(Hold::For(seconds))), (Kind::HoldFor, None));
    }
}

#[test]
fn i02_i07_a_moment_is_a_moment_in_utc() {
    for good in [
        "2026-08-03T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2024-02-29T00:00:00Z",
        "2026-04-30T00:00:00Z",
        "2000-02-29T00:00:00Z",
        "2016-12-31T23:59:60Z",
        "2026-08-03T12:00:00.0Z",
        "2026-08-03T12:00:00.123456789Z",
    ] {
        let moment: DateTime = good.parse().unwrap();
        assert_eq!(moment.to_string(), good);
        let parameters = MailParameters::new().hold(Hold::Until(moment)).unwrap();
        assert_eq!(parameters.to_string(), format!("HOLDUNTIL={good}"));
    }
    for bad in [
        "",
        "Z",
        "T",
        "2026-08-03",
        "2026-08-03T12:00:00",
        "2026-08-03t12:00:00z",
        "2026-08-03 12:00:00Z",
        "2026-08-03T12:00:00+00:00",
        "2026-08-03T12:00:00-02:00",
        "2026-08-03T12:00Z",
        "2026-8-3T12:00:00Z",
        "26-08-03T12:00:00Z",
        "+2026-08-03T12:00:00Z",
        "2026-00-03T12:00:00Z",
        "2026-13-03T12:00:00Z",
        "2026-08-00T12:00:00Z",
        "2026-08-32T12:00:00Z",
        "2026-04-31T12:00:00Z",
        "2026-02-29T12:00:00Z",
        "1900-02-29T12:00:00Z",
        "2026-08-03T24:00:00Z",
        "2026-08-03T12:60:00Z",
        "2026-08-03T12:00:60Z",
        "2026-08-03T23:59:61Z",
        "2026-08-03T12:00:00.Z",
        "2026-08-03T12:00:00.-1Z",
        "2026-08-03T12:00:00.1234567890Z",
        "2026-08-03T12:00:00.5.5Z",
        "2026-08-03T12:00:00:00Z",
        "2026-08-03-01T12:00:00Z",
        "2026-08-03T12:00:00Z SIZE=1",
        "2026-08-03T12:00:00ZZ",
        "\u{0662}026-08-03T12:00:00Z",
    ] {
        assert_eq!(fault(bad.parse::<DateTime>()), (Kind::DateTime, None), "{bad:?}");
    }
    for (text, _) in hostile().flat_map(|c| {
        ["", "2026-08-", "2026-08-03T12:00:00Z"].map(|before| {
            let (_, after) = "2026-08-03T12:00:00Z".split_at(before.len());
            (format!("{before}{c}{after}"), 0)
        })
    }) {
        assert_eq!(fault(text.parse::<DateTime>()), (Kind::DateTime, None), "{text:?}");
    }
}

#[test]
fn moments_are_in_the_order_of_time() {
    let moments = [
        "0000-01-01T00:00:00Z",
        "2026-08-03T11:59:59.999999999Z",
        "2026-08-03T12:00:00Z",
        "2026-08-03T12:00:00.05Z",
        "2026-08-03T12:00:00.5Z",
        "2026-08-03T12:00:00.50000001Z",
        "2026-08-03T12:00:01Z",
        "2026-12-31T23:59:59Z",
        "2026-12-31T23:59:60Z",
        "2027-01-01T00:00:00Z",
    ]
    .map(|text| text.parse::<DateTime>().unwrap());
    assert!(moments.is_sorted_by(|earlier, later| earlier < later));
    let moment = |text: &str| text.parse::<DateTime>().unwrap();
    assert_eq!(moment("2026-08-03T12:00:00Z"), moment("2026-08-03T12:00:00.000Z"));
    assert_eq!(moment("2026-08-03T12:00:10.5Z"), moment("2026-08-03T12:00:10.50Z"));
    assert_ne!(moment("2026-08-03T12:00:10Z"), moment("2026-08-03T12:00:01Z"));
}

#[test]
fn recipient_valid_since_is_a_raw_parameter() {
    // RFC 7293: it has no setter, and its value is an ordinary one.
    let parameters = RcptParameters::new().raw("RRVS", Some("2014-04-03T23:01:00Z;C")).unwrap();
    assert_eq!(rcpt_line(&parameters), "RCPT TO:<a@b> RRVS=2014-04-03T23:01:00Z;C");
}

#[test]
fn raw_keywords_are_given_once_and_have_no_setter() {
    let with_setter = ["SIZE", "size", "Body", "SMTPUTF8", "RET", "ENVID", "auth"];
    for keyword in with_setter.into_iter().chain(["RequireTLS", "by", "mt-priority", "HoldFor", "HOLDUNTIL"])
    {
        assert_eq!(fault(MailParameters::new().raw(keyword, Some("1"))).0, Kind::KeywordHasSetter);
        assert!(RcptParameters::new().raw(keyword, Some("1")).is_ok());
    }
    for keyword in ["NOTIFY", "orcpt"] {
        assert_eq!(fault(RcptParameters::new().raw(keyword, Some("1"))).0, Kind::KeywordHasSetter);
        assert!(MailParameters::new().raw(keyword, Some("1")).is_ok());
    }
    let once = MailParameters::new().raw("XA", Some("1")).unwrap().raw("XB", None).unwrap();
    for keyword in ["XA", "xa", "xb"] {
        assert_eq!(fault(once.clone().raw(keyword, None)), (Kind::DuplicateKeyword, None));
    }
    assert_eq!(once.raw("X", None).unwrap().to_string(), "XA=1 XB X");
}

#[test]
fn errors_name_the_fault_and_do_not_echo_the_text() {
    let error = MailParameters::new().envid("secret\u{1b}[2J").unwrap_err();
    assert_eq!(error.to_string(), "envelope id empty or not printable ASCII at octet offset 6");
    let error = MailParameters::new().envid(&"a".repeat(101)).unwrap_err();
    assert_eq!(error.to_string(), "envelope id longer than 100 octets as xtext");
}

#[test]
fn moments_that_are_the_same_hash_the_same() {
    use std::hash::{BuildHasher, RandomState};
    let state = RandomState::new();
    let hash = |text: &str| state.hash_one(text.parse::<DateTime>().unwrap());
    assert_eq!(hash("2026-08-03T12:00:00Z"), hash("2026-08-03T12:00:00.0Z"));
    assert_ne!(hash("2026-08-03T12:00:00Z"), hash("2026-08-03T12:00:01Z"));
}
