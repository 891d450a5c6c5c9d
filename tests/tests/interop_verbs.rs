//! Parameters of MAIL and RCPT, the smaller verbs, and quirks, against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use interop_support::mail::{Mailbox, assert_lock_step};
use interop_support::{Kind, envelope, everywhere, message, plain, token};
use smtp_proto::body::BodyKind;
use smtp_proto::capabilities::Extension;
use smtp_proto::connection::{Quirks, Stage};
use smtp_proto::error::ProtocolError;
use smtp_proto::flow::Envelope;
use smtp_proto::params::{
    DeliverBy, MailParameters, NotifyOn, OutOfRange, RcptParameters, Ret, XClient, XClientAttribute,
};
use smtp_proto::reply::{EtrnAnswer, ExpnAnswer, HelpAnswer, VrfyAnswer};
use smtp_proto::{Error, SendError};

const ALICE: &str = "alice@example.test";

fn with(parameters: MailParameters) -> Envelope {
    Envelope { parameters, ..envelope(&[ALICE]) }
}

fn not_sent(outcome: Result<smtp_proto::flow::Delivery, SendError>) -> Error {
    match outcome {
        Err(SendError::NotSent { cause, .. }) => cause,
        other => panic!("{other:?}"),
    }
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn parameters_of_dsn_are_taken_where_they_are_offered_and_stay_here_elsewhere() {
    everywhere(&Kind::SMTP, |listener, adapter| {
        let parameters = MailParameters::new().ret(Ret::Headers).envid("QQ=314+159 x").unwrap();
        let mut to = with(parameters);
        to.recipients[0].parameters = RcptParameters::new()
            .notify(NotifyOn::FAILURE | NotifyOn::DELAY)
            .orcpt("rfc822", "alice+list@example.test")
            .unwrap();
        let token = token();
        let message = message(&token, b"with DSN\r\n");
        let mut client = listener.ready_client(adapter);
        if listener.server.name == "dovecot" {
            // It offers DSN after AUTH only.
            client.renew_hello().unwrap();
        }
        if client.capabilities().unwrap().supports(Extension::Dsn) {
            client.send(&to, &message).unwrap();
            let path = listener.mailbox().assert_has(&token, &message);
            if listener.server.name == "smtp-server" {
                let kept = Mailbox::kept_envelope(&path);
                let parts = [
                    r#""dsn":{"ret":"HDRS","envid":"QQ=314+159 x"}"#,
                    r#""notify":["FAILURE","DELAY"]"#,
                    r#""orcpt":"rfc822;alice+list@example.test""#,
                ];
                for part in parts {
                    assert!(xtext_read(&kept).contains(part), "no {part} in {kept}");
                }
            }
        } else {
            let said = client.transcript().len();
            assert_eq!(not_sent(client.send(&to, &message)), Error::Unsupported(Extension::Dsn));
            assert_eq!(client.transcript().len(), said);
        }
        client.quit().unwrap();
    });
}

/// smtp-server keeps xtext as it came.
fn xtext_read(text: &str) -> String {
    text.replace("+3D", "=").replace("+20", " ").replace("+2B", "+")
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn requiretls_is_kept_under_tls_and_stays_here_without() {
    everywhere(&Kind::SMTP, |listener, adapter| {
        let to = with(MailParameters::new().require_tls());
        let token = token();
        let message = message(&token, b"TLS all the way\r\n");
        let mut client = listener.ready_client(adapter);
        if client.capabilities().unwrap().supports(Extension::RequireTls) {
            assert!(client.connection().security().is_tls());
            client.send(&to, &message).unwrap();
            let kept = Mailbox::kept_envelope(&listener.mailbox().assert_has(&token, &message));
            assert!(kept.contains(r#""requireTLS":true"#), "{kept}");
        } else {
            let said = client.transcript().len();
            not_sent(client.send(&to, &message));
            assert_eq!(client.transcript().len(), said);
        }
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn deliverby_below_the_minimum_stays_here_and_above_it_is_taken() {
    everywhere(&Kind::SMTP, |listener, adapter| {
        let mut client = listener.ready_client(adapter);
        let capabilities = client.capabilities().unwrap();
        let soon = with(MailParameters::new().deliver_by(DeliverBy::or_return(30).unwrap()));
        let said = client.transcript().len();
        let cause = not_sent(client.send(&soon, b"x\r\n"));
        assert_eq!(client.transcript().len(), said);
        if capabilities.get("DELIVERBY").is_none() {
            assert_eq!(cause, Error::Unsupported(Extension::DeliverBy));
        } else {
            let below = OutOfRange::DeliverBy { seconds: 30, minimum: 60 };
            assert_eq!(cause, Error::OutOfRange(below));
            let token = token();
            let message = message(&token, b"in two minutes\r\n");
            let later = with(MailParameters::new().deliver_by(DeliverBy::or_notify(120).unwrap()));
            client.send(&later, &message).unwrap();
            let mail = client.transcript().into_iter().rfind(|line| line.starts_with("C: MAIL")).unwrap();
            assert!(mail.contains("BY=120;N"), "{mail}");
            listener.mailbox().assert_has(&token, &message);
        }
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn size_and_8bitmime_are_said_where_they_are_offered() {
    everywhere(&Kind::SMTP, |listener, adapter| {
        let token = token();
        let message = message(&token, "Gr\u{fc}\u{df}e\r\n".as_bytes());
        let mut client = listener.ready_client(adapter);
        client.send(&envelope(&[ALICE]), &message).unwrap();
        let capabilities = client.capabilities().unwrap();
        let mail = client.transcript().into_iter().find(|line| line.starts_with("C: MAIL")).unwrap();
        let size = format!("SIZE={}", message.len());
        assert_eq!(mail.contains(&size), capabilities.supports(Extension::Size), "{mail}");
        let eight_bit = format!("BODY={}", BodyKind::EightBitMime);
        assert_eq!(mail.contains(&eight_bit), capabilities.supports(Extension::EightBitMime), "{mail}");
        client.quit().unwrap();
        listener.mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn an_address_outside_ascii_is_taken_with_smtputf8_and_stays_here_without() {
    everywhere(&Kind::SMTP, |listener, adapter| {
        let to = Envelope::from_strs("alice@example.test", &["j\u{f6}rg@example.test"]).unwrap();
        let token = token();
        let message = message(&token, "Gr\u{fc}\u{df}e\r\n".as_bytes());
        let mut client = listener.ready_client(adapter);
        if client.capabilities().unwrap().supports(Extension::SmtpUtf8) {
            client.send(&to, &message).unwrap();
            listener.mailbox().assert_has(&token, &message);
        } else {
            assert_eq!(not_sent(client.send(&to, &message)), Error::Unsupported(Extension::SmtpUtf8));
        }
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn xclient_speaks_for_another_client_and_an_attribute_not_offered_stays_here() {
    everywhere(&[Kind::Mx, Kind::Clear], |listener, adapter| {
        let mut client = listener.connect(adapter);
        let capabilities = client.capabilities().unwrap();
        let name = XClient::new().name("spike.example.test").unwrap().helo("spike.example.test").unwrap();
        let address = name.clone().addr("192.0.2.7".parse().unwrap());
        let said = client.transcript().len();
        match capabilities.get("XCLIENT") {
            None => {
                assert_eq!(client.xclient(&name).unwrap_err(), Error::Unsupported(Extension::XClient));
                assert_eq!(client.transcript().len(), said);
                return;
            }
            Some(offered) if offered.split(' ').any(|name| name == "ADDR") => {
                client.xclient(&address).unwrap();
            }
            Some(_) => {
                let refused = Error::UnsupportedAttribute(XClientAttribute::Addr);
                assert_eq!(client.xclient(&address).unwrap_err(), refused);
                assert_eq!(client.transcript().len(), said);
                // It is smtp-sink, which says 250 in place of 220: no greeting, so no session to go on with.
                let failure = client.xclient(&name).unwrap_err();
                let Error::Protocol(ProtocolError::UnexpectedReply { stage: Stage::XClient, .. }) = failure
                else {
                    panic!("{failure:?}")
                };
                return;
            }
        }
        if listener.kind.wants_auth() {
            client.auth(&mut plain()).unwrap();
        }
        let token = token();
        let message = message(&token, b"for another\r\n");
        client.send(&envelope(&[ALICE]), &message).unwrap();
        client.quit().unwrap();
        let path = listener.mailbox().assert_has(&token, &message);
        if listener.server.name == "smtp-server" {
            let kept = Mailbox::kept_envelope(&path);
            assert!(kept.contains(r#""ADDR":"192.0.2.7""#), "{kept}");
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn etrn_is_answered_in_one_of_the_ways_of_its_rfc() {
    everywhere(&[Kind::Submission, Kind::Mx], |listener, adapter| {
        let mut client = listener.ready_client(adapter);
        if !client.capabilities().unwrap().supports(Extension::Etrn) {
            assert_eq!(client.etrn("example.test").unwrap_err(), Error::Unsupported(Extension::Etrn));
            return;
        }
        // Each asks for a node of its own: Exim does not work on one twice at a time, and wants a "#" in front.
        let node = format!("{}.example.test", token());
        let node = if listener.server.name == "exim" { format!("#{node}") } else { node };
        let answer = match client.etrn(&node) {
            Ok(reply) => EtrnAnswer::of(&reply),
            Err(Error::Refused { reply, .. }) => EtrnAnswer::of(&reply),
            Err(other) => panic!("{other:?}"),
        };
        match &*listener.server.name {
            // Its flush service knows relay domains only.
            "postfix" => assert_eq!(answer, EtrnAnswer::NotAllowed),
            _ => assert_eq!(answer, EtrnAnswer::Started),
        }
        client.noop().unwrap();
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn vrfy_expn_and_help_are_read_as_what_they_say() {
    everywhere(&[Kind::Mx], |listener, adapter| {
        let mut client = listener.connect(adapter);
        let name = &*listener.server.name;
        let told = |reply: Result<_, Error>| match reply {
            Ok(reply) => reply,
            Err(Error::Refused { reply, .. }) => *reply,
            Err(other) => panic!("{name}: {other:?}"),
        };
        let vrfy = told(client.verify(ALICE));
        let expn = told(client.expand(ALICE));
        let help = told(client.help(""));
        match (name, VrfyAnswer::of(&vrfy)) {
            // It relays, so it cannot know.
            ("sendmail", VrfyAnswer::CannotVerify) => {}
            ("exim", VrfyAnswer::Confirmed(_)) => {}
            ("postfix" | "aiosmtpd" | "smtp-server" | "haraka", VrfyAnswer::CannotVerify) => {}
            ("smtp-sink", VrfyAnswer::Confirmed(_)) | ("opensmtpd", VrfyAnswer::Refused) => {}
            (_, other) => panic!("{name}: {other:?} {vrfy}"),
        }
        match (name, ExpnAnswer::of(&expn)) {
            ("sendmail", ExpnAnswer::Members(members)) => {
                let mailboxes: Vec<_> = members.iter().filter_map(|member| member.mailbox()).collect();
                assert_eq!(mailboxes.first().unwrap().as_str(), ALICE);
            }
            ("exim", ExpnAnswer::Members(members)) => assert_eq!(members.iter().count(), 1),
            (_, ExpnAnswer::Refused) => {}
            (_, other) => panic!("{name}: {other:?} {expn}"),
        }
        match (name, HelpAnswer::of(&help)) {
            ("sendmail" | "exim" | "smtp-server" | "opensmtpd", HelpAnswer::Help(lines)) => {
                assert!(lines.iter().count() > 0);
            }
            (_, HelpAnswer::Refused) => {}
            (_, other) => panic!("{name}: {other:?} {help}"),
        }
        client.noop().unwrap();
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_keyword_that_is_ignored_is_not_used() {
    everywhere(&[Kind::Mx, Kind::Submission], |listener, adapter| {
        let config =
            listener.config().quirks(Quirks::new().ignore("chunking").ignore("SIZE").no_pipelining());
        let mut client = listener.connect_with(adapter, config).unwrap();
        if listener.kind.wants_auth() {
            client.auth(&mut plain()).unwrap();
        }
        let token = token();
        let message = message(&token, b"step by step\r\n");
        let to = envelope(&[ALICE, "alice+two@example.test"]);
        client.send(&to, &message).unwrap();
        let transcript = client.transcript();
        assert_lock_step(&transcript);
        assert!(transcript.contains(&"C: DATA".to_owned()));
        assert!(!transcript.iter().any(|line| line.contains(" SIZE=")));
        client.quit().unwrap();
        listener.mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn helo_by_force_and_auth_without_an_initial_response_are_understood() {
    everywhere(&[Kind::Mx], |listener, adapter| {
        let config = listener.config().quirks(Quirks::new().force_helo());
        let mut client = listener.connect_with(adapter, config).unwrap();
        let token = token();
        let message = message(&token, b"in SMTP\r\n");
        client.send(&envelope(&[ALICE]), &message).unwrap();
        let transcript = client.transcript();
        assert!(transcript.iter().any(|line| line.starts_with("C: HELO")));
        assert!(!transcript.iter().any(|line| line.starts_with("C: EHLO")));
        client.quit().unwrap();
        listener.mailbox().assert_has(&token, &message);
    });
    everywhere(&Kind::WITH_AUTH, |listener, adapter| {
        let config = listener.config().quirks(Quirks::new().no_initial_response());
        let mut client = listener.connect_with(adapter, config).unwrap();
        if !client.capabilities().unwrap().auth_mechanisms().contains("PLAIN") {
            return;
        }
        client.auth(&mut plain()).unwrap();
        assert!(client.transcript().contains(&"C: AUTH PLAIN".to_owned()));
        client.quit().unwrap();
    });
}
