//! Real servers, started by `tests/interop/run`: what each of them goes through.
//!
//! Each test goes through both adapters and every listener that is fit for it, and reads back what was
//! delivered. They are ignored in a hermetic run, and fail rather than skip when the servers are not there.
//! What is peculiar to one server is in `interop_<server>.rs`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod interop_support;

use interop_support::client::{send_mail, tls_config, tls_config_of, tls_config_without_authority};
use interop_support::contract::{When, sorted};
use interop_support::{
    Adapter, Client, Kind, Server, awkward, envelope, everywhere, mechanisms, message, servers, token,
};
use smtp_proto::body::BodyKind;
use smtp_proto::capabilities::{Capabilities, Extension};
use smtp_proto::connection::{Protocol, Stage, TlsPolicy};
use smtp_proto::flow::{Body, SendOptions, Transfer};
use smtp_proto::sasl::Credentials;
use smtp_proto::{Config, Error, SendError};

fn lines(capabilities: &Capabilities) -> Vec<String> {
    let line = |(keyword, parameters): (&str, &str)| match parameters {
        "" => keyword.to_owned(),
        _ => format!("{keyword} {parameters}"),
    };
    sorted(capabilities.iter().map(line))
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn the_capabilities_are_those_that_the_server_is_known_to_have() {
    everywhere(&Kind::SMTP, |listener, adapter| {
        if listener.kind.policy() != TlsPolicy::Implicit {
            let config = listener.config().tls(TlsPolicy::None);
            let mut client = listener.connect_with(adapter, config).unwrap();
            let expected = listener.advertised(When::InClear).unwrap();
            assert_eq!(lines(&client.capabilities().unwrap()), expected);
        }
        if listener.kind.policy() != TlsPolicy::None {
            let mut client = listener.connect(adapter);
            let expected = listener.advertised(When::UnderTls).unwrap();
            assert_eq!(lines(&client.capabilities().unwrap()), expected);
            client.quit().unwrap();
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn every_mechanism_with_the_right_password_delivers() {
    everywhere(&Kind::WITH_AUTH, |listener, adapter| {
        let offered = listener.connect(adapter).capabilities().unwrap();
        for mut mechanism in mechanisms(offered.get("AUTH").unwrap(), "secret") {
            let token = token();
            let message = message(&token, format!("by {}\r\n", mechanism.name()).as_bytes());
            let mut client = listener.connect(adapter);
            client.auth(&mut *mechanism).unwrap();
            let delivery = client.send(&envelope(&["alice@example.test"]), &message).unwrap();
            if listener.server.get("QUEUE_IDS").is_some() {
                assert!(delivery.queue_id().is_some(), "no queue id in {}", delivery.reply);
            }
            client.quit().unwrap();
            listener.mailbox().assert_has(&token, &message);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn every_mechanism_with_a_wrong_password_is_refused_and_the_right_one_is_still_welcome() {
    everywhere(&Kind::WITH_AUTH, |listener, adapter| {
        let mut client = listener.connect(adapter);
        let offered = client.capabilities().unwrap();
        let offered = offered.get("AUTH").unwrap();
        for mut mechanism in mechanisms(offered, "not the secret") {
            let failure = client.auth(&mut *mechanism).unwrap_err();
            let Error::AuthenticationFailed(failed) = failure else { panic!("{failure:?}") };
            assert_eq!(failed.reply.code().get(), 535);
            assert!(!format!("{failed:?} {failed}").contains("not the secret"));
        }
        client.auth(&mut *mechanisms(offered, "secret").remove(0)).unwrap();
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn the_strongest_mechanism_that_both_sides_know_logs_in() {
    everywhere(&Kind::WITH_AUTH, |listener, adapter| {
        let mut client = listener.connect(adapter);
        assert_eq!(client.login(&Credentials::password("alice", "secret")).unwrap().code().get(), 235);
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn tls_1_2_and_1_3_are_both_understood() {
    everywhere(&Kind::WITH_TLS, |listener, adapter| {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let tls = tls_config_of(&[version]);
            let address = &listener.address;
            let mut client = Client::connect_with_tls(adapter, address, listener.config(), tls).unwrap();
            client.noop().unwrap();
            assert!(client.connection().security().is_tls());
            client.quit().unwrap();
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn opportunistic_tls_is_used_where_it_is_offered() {
    everywhere(&[Kind::Submission, Kind::Mx], |listener, adapter| {
        let config = listener.config().tls(TlsPolicy::Opportunistic);
        let mut client = listener.connect_with(adapter, config).unwrap();
        client.noop().unwrap();
        let offered = listener.advertised(When::InClear).unwrap().contains(&"STARTTLS".to_owned());
        assert_eq!(client.connection().security().is_tls(), offered);
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_certificate_for_another_name_or_from_an_unknown_authority_is_refused() {
    everywhere(&Kind::WITH_TLS, |listener, adapter| {
        let other_name = Config::new("mail.example.test").tls(listener.kind.policy());
        let cases = [(other_name, tls_config()), (listener.config(), tls_config_without_authority())];
        for (config, tls) in cases {
            let client = Client::connect_with_tls(adapter, &listener.address, config, tls);
            let failure = match client {
                Err(error) => error,
                Ok(mut client) => client.capabilities().unwrap_err(),
            };
            assert_eq!(failure, Error::TlsFailed);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn mail_without_authentication_is_refused_for_every_recipient() {
    everywhere(&Kind::WITH_AUTH, |listener, adapter| {
        let mut client = listener.connect(adapter);
        let failure = client.send(&envelope(&["alice@example.test"]), b"x\r\n").unwrap_err();
        let SendError::Rejected { stage, recipients, .. } = failure else { panic!("{failure:?}") };
        assert!(matches!(stage, Stage::Mail | Stage::Rcpt), "{stage}");
        assert!(!recipients.iter().any(|recipient| recipient.is_accepted()));
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn refused_recipients_are_results_and_the_others_get_the_message() {
    everywhere(&Kind::SMTP, |listener, adapter| {
        if !listener.refuses("nobody") {
            return;
        }
        let mut client = listener.ready_client(adapter);
        let deferred =
            if listener.refuses("deferme") { "deferme@example.test" } else { "nobody@example.test" };
        let to = ["nobody@example.test", "alice@example.test", deferred];
        let token = token();
        let message = message(&token, b"partial\r\n");
        let delivery = client.send(&envelope(&to), &message).unwrap();
        let [nobody, alice, deferme] = &delivery.recipients[..] else { panic!("{delivery:?}") };
        assert!(nobody.is_permanent() && !nobody.is_accepted());
        assert!(alice.is_accepted());
        assert!(!deferme.is_accepted());
        assert_eq!(deferme.is_transient(), listener.refuses("deferme"));
        listener.mailbox().assert_has(&token, &message);

        let failure = client.send_with(&envelope(&to), &message, SendOptions::all_or_nothing()).unwrap_err();
        let SendError::Rejected { stage: Stage::Rcpt, .. } = failure else { panic!("{failure:?}") };

        // Nobody left: with PIPELINING the DATA that went along is taken back by a lone dot.
        let failure = client.send(&envelope(&["nobody@example.test", deferred]), &message).unwrap_err();
        let SendError::Rejected { stage: Stage::Rcpt, recipients, .. } = failure else {
            panic!("{failure:?}")
        };
        assert_eq!(recipients.len(), 2);

        // The session goes on after that.
        let token = self::token();
        let message = self::message(&token, b"after a refusal\r\n");
        client.send(&envelope(&["alice@example.test"]), &message).unwrap();
        client.quit().unwrap();
        listener.mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn messages_arrive_octet_for_octet() {
    everywhere(&Kind::SMTP, |listener, adapter| {
        let token = token();
        let message = message(&token, &awkward());
        let mut client = listener.ready_client(adapter);
        let options = SendOptions::default().transfer(Transfer::Data);
        client.send_with(&envelope(&["alice@example.test"]), &message, options).unwrap();
        client.quit().unwrap();
        listener.mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn several_messages_over_one_connection_arrive() {
    everywhere(&Kind::SMTP, |listener, adapter| {
        let mut client = listener.ready_client(adapter);
        let sent: Vec<(String, Vec<u8>)> = (0..3)
            .map(|number| {
                let token = token();
                let message = message(&token, format!("the {number}th\r\n").as_bytes());
                client.send(&envelope(&["alice@example.test"]), &message).unwrap();
                (token, message)
            })
            .collect();
        client.quit().unwrap();
        for (token, message) in sent {
            listener.mailbox().assert_has(&token, &message);
        }
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn fifty_recipients_in_one_transaction_are_all_accepted() {
    let to: Vec<String> = (0..50).map(|number| format!("alice+{number}@example.test")).collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    everywhere(&[Kind::Submission, Kind::Mx], |listener, adapter| {
        let token = token();
        let message = message(&token, b"to fifty\r\n");
        let mut client = listener.ready_client(adapter);
        let delivery = client.send(&envelope(&to), &message).unwrap();
        assert_eq!(delivery.recipients.iter().filter(|outcome| outcome.is_accepted()).count(), 50);
        client.quit().unwrap();
        listener.mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn one_call_sends_a_message() {
    everywhere(&[Kind::Mx], |listener, adapter| {
        // With TLS it would want a certificate that the machine trusts.
        if listener.advertised(When::InClear).unwrap().contains(&"STARTTLS".to_owned()) {
            return;
        }
        let token = token();
        let message = message(&token, b"in one call\r\n");
        let to = ["alice@example.test", "bob@example.test"];
        send_mail(adapter, &listener.address, "alice@example.test", &to, &message).unwrap();
        listener.mailbox().assert_has(&token, &message);
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn an_lmtp_server_that_is_taken_for_an_smtp_server_gets_no_mail() {
    everywhere(&[Kind::Lmtp], |listener, adapter| {
        let config = listener.config().protocol(Protocol::Smtp);
        let failure = listener.connect_with(adapter, config).unwrap().noop().unwrap_err();
        let Error::Refused { stage: Stage::Ehlo | Stage::Helo, reply } = failure else {
            panic!("{failure:?}")
        };
        assert!(reply.is_permanent());
    });
}

/// 25 MiB of lines of base64.
fn attachment() -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut state = 1u64;
    let mut body = Vec::with_capacity(26 << 20);
    while body.len() < 25 << 20 {
        for _ in 0..76 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            body.push(ALPHABET[(state >> 58) as usize]);
        }
        body.extend_from_slice(b"\r\n");
    }
    body
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn twenty_five_megabytes_of_base64_arrive_octet_for_octet() {
    let body = attachment();
    let send = |server: &Server, kind: Kind, adapter: Adapter| {
        println!("{} {kind:?} {adapter:?}", server.name);
        let token = token();
        let message = message(&token, &body);
        let listener = server.listener(kind).unwrap();
        let mut client = listener.ready_client(adapter);
        client.send(&envelope(&["alice@example.test"]), &message).unwrap();
        client.quit().unwrap();
        server.mailbox().assert_has(&token, &message);
    };
    for server in servers() {
        let kind = server.any_listener().kind;
        send(&server, kind, Adapter::Blocking);
        send(&server, kind, Adapter::Tokio);
    }
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_streamed_message_and_one_written_by_hand_arrive() {
    for server in servers() {
        for adapter in [Adapter::Blocking, Adapter::Tokio] {
            println!("{} {adapter:?}", server.name);
            for by_hand in [false, true] {
                let token = token();
                let message = message(&token, b"one\r\n.two\r\nthree\r\n");
                let to = envelope(&["alice@example.test"]);
                let mut client = server.any_listener().ready_client(adapter);
                if by_hand {
                    client.by_hand(&to, &message);
                } else {
                    let size = Some(message.len() as u64);
                    let body = Body::Stream { kind: BodyKind::SevenBit, size };
                    client.stream(&to, &message, body).unwrap();
                }
                client.quit().unwrap();
                server.mailbox().assert_has(&token, &message);
            }
        }
    }
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn what_a_server_offers_besides_mail_is_answered_and_the_session_goes_on() {
    everywhere(&Kind::SMTP, |listener, adapter| {
        let mut client = listener.ready_client(adapter);
        let offered = client.capabilities().unwrap();
        if offered.supports(Extension::Vrfy) {
            client.verify("alice@example.test").unwrap();
        }
        if offered.supports(Extension::Expn) {
            client.expand("alice@example.test").unwrap();
        }
        if offered.supports(Extension::Help) {
            client.help("").unwrap();
        }
        client.noop().unwrap();
        client.reset().unwrap();
        let reply = client.command("XYZZY").unwrap();
        assert!(reply.is_permanent(), "{reply}");
        client.noop().unwrap();
        client.quit().unwrap();
    });
}

#[test]
#[ignore = "needs the servers of tests/interop/run"]
fn a_message_larger_than_the_limit_never_leaves() {
    everywhere(&[Kind::Submission, Kind::Mx], |listener, adapter| {
        let mut client = listener.ready_client(adapter);
        let Some(limit) = client.capabilities().unwrap().size_limit() else { return };
        let said = client.transcript().len();
        let body = Body::Stream { kind: BodyKind::SevenBit, size: Some(limit + 1) };
        let failure = client.stream(&envelope(&["alice@example.test"]), b"", body).unwrap_err();
        let SendError::NotSent { cause: Error::TooLarge { .. }, .. } = failure else { panic!("{failure:?}") };
        assert_eq!(client.transcript().len(), said);
        client.quit().unwrap();
    });
}
