//! What each error is called in a log, and what it says of a retry.

#![allow(clippy::unwrap_used)]

use alloc::string::ToString;

use super::*;
use crate::SendError;
use crate::params::OutOfRange;
use crate::reply::{ReplyCode, ReplyError};
use crate::sasl::CredentialFault;

fn reply(code: u16) -> Box<Reply> {
    Box::new(Reply::new(ReplyCode::new(code).unwrap(), b"4.0.0 x"))
}

fn failed(code: u16) -> Error {
    let reason = AuthenticationFailure::Credentials;
    Error::AuthenticationFailed(AuthenticationFailed {
        reply: reply(code),
        reason,
        cause: None,
        detail: None,
    })
}

#[test]
fn what_an_error_says_of_a_retry() {
    let refused = |code| Error::Refused { stage: Stage::Mail, reply: reply(code) };
    let closed = Error::ServerClosed { stage: None, reply: reply(421) };
    let lost = Error::Disconnected { stage: None, truncated: false, credentials_sent: false };
    let unexpected = ProtocolError::UnexpectedReply { stage: Stage::Data, reply: reply(250) };
    // (error, its reply, transient, permanent)
    for (error, code, transient, permanent) in [
        (refused(450), Some(450), true, false),
        (refused(550), Some(550), false, true),
        (failed(454), Some(454), true, false),
        (failed(535), Some(535), false, true),
        (closed, Some(421), true, false),
        (lost, None, true, false),
        (Error::Timeout(TimeoutPhase::DataBlock), None, true, false),
        (Error::NotConnected, None, true, false),
        (unexpected.into(), Some(250), false, false),
        (Error::Abandoned, None, false, false),
        (Error::TlsRequired, None, false, false),
        (Misuse::NoBody.into(), None, false, false),
    ] {
        let told = error.reply().map(|reply| reply.code().get());
        assert_eq!(
            (told, error.is_transient(), error.is_permanent()),
            (code, transient, permanent),
            "{error:?}"
        );
    }
}

#[test]
fn what_went_wrong_is_told() {
    let protocol = |error: ProtocolError| error.to_string();
    let malformed = |stage| ProtocolError::Reply { stage, error: ReplyError::TooManyBlankLines };
    let why = ReplyError::TooManyBlankLines;
    assert_eq!(
        protocol(malformed(Some(Stage::Mail))),
        alloc::format!("the server's reply to MAIL is malformed: {why}")
    );
    assert_eq!(
        protocol(malformed(None)),
        alloc::format!("the server sent something that is no reply: {why}")
    );
    let unexpected = ProtocolError::UnexpectedReply { stage: Stage::Data, reply: reply(250) };
    assert_eq!(protocol(unexpected), "the server answered DATA with 250 4.0.0 x, which is no answer to it");
    assert_eq!(
        protocol(ProtocolError::Premature(Stage::Data)),
        "the server answered DATA before all of it was sent"
    );

    for (phase, told) in [
        (TimeoutPhase::Reply(Stage::Greeting), "no greeting from the server"),
        (TimeoutPhase::Reply(Stage::Mail), "no reply to MAIL"),
        (TimeoutPhase::TlsHandshake, "the TLS handshake did not finish"),
        (TimeoutPhase::BodySource, "the message body was not supplied"),
        (TimeoutPhase::DataBlock, "the server took no more of the message body"),
    ] {
        assert_eq!(phase.to_string(), told);
    }

    let out_of_range = OutOfRange::DeliverBy { seconds: 5, minimum: 10 };
    let told = "delivery within 5 seconds is asked for; the server takes 10 at the least";
    assert_eq!((out_of_range.to_string(), Error::from(out_of_range).to_string()), (told.into(), told.into()));

    for (error, told) in [
        (MechanismError::UnexpectedChallenge, "unexpected challenge from the server"),
        (MechanismError::ChallengeTooLong { limit: 5 }, "challenge longer than 5 octets"),
        (
            MechanismError::InvalidCredential { field: "user name", fault: CredentialFault::Nul },
            "the user name contains NUL",
        ),
        // Names and reasons reach a log, and may come from somebody else.
        (MechanismError::Other("a\nb".into()), "a\\nb"),
        (
            MechanismError::WrongHost { expected: "a\n".into(), actual: "b".into() },
            "credentials for host \"a\\n\", but the connection is to \"b\"",
        ),
    ] {
        assert_eq!(error.to_string(), told);
    }
}

#[test]
fn a_refused_authentication_is_of_the_stage_auth() {
    assert_eq!((failed(535).stage(), failed(535).label()), (Some(Stage::Auth), "authentication_failed"));
}

/// Who reads of a session that failed to open asks first what was given away; later it is no answer.
#[test]
fn that_nothing_more_was_sent_is_told_of_the_opening_alone() {
    let refused = |stage| Error::Refused { stage, reply: reply(554) };
    let late = |stage| Error::Timeout(TimeoutPhase::Reply(stage));
    for (error, told) in [
        (refused(Stage::Greeting), true),
        (late(Stage::Ehlo), true),
        (late(Stage::StartTls), true),
        (Error::Timeout(TimeoutPhase::TlsHandshake), true),
        (Error::TlsRequired, true),
        (late(Stage::Mail), false),
        (refused(Stage::Rset), false),
        (refused(Stage::Mail), false),
        (Error::Abandoned, false),
        (Error::NoMechanism, false),
    ] {
        assert_eq!(error.to_string().ends_with("; nothing more was sent"), told, "{error}");
    }
}

/// An error with another beneath it.
#[derive(Debug)]
struct Io(&'static str, Option<core::num::ParseIntError>);

impl fmt::Display for Io {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for Io {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        self.1.as_ref().map(|beneath| beneath as _)
    }
}

#[test]
fn a_failure_is_shown_with_what_led_to_it_and_has_what_is_beneath_that_as_its_source() {
    use core::error::Error as _;
    let beneath = "x".parse::<u8>().unwrap_err();
    let failure = Failure::new(Error::TlsFailed, Some(Io("bad certificate", Some(beneath.clone()))));
    assert_eq!(failure.to_string(), std::format!("{}: bad certificate", Error::TlsFailed));
    assert_eq!(failure.source().unwrap().to_string(), beneath.to_string());
    assert_eq!(failure.io().unwrap().0, "bad certificate");
    assert_eq!((failure.kind(), &*failure), (&Error::TlsFailed, &Error::TlsFailed));
    assert_eq!((failure.address(), failure.earlier().len()), (None, 0));
    assert_eq!(failure.into_kind(), Error::TlsFailed);

    let bare: Failure<Error, Io> = Error::TlsFailed.into();
    assert_eq!(bare.to_string(), Error::TlsFailed.to_string());
    assert!(bare.io().is_none() && bare.source().is_none());
    let wide: Failure<SendError, Io> = bare.into();
    assert_eq!(wide.kind().cause(), Some(&Error::TlsFailed));
    let wide: Failure<SendError, Io> = Error::TlsFailed.into();
    assert_eq!(wide.kind().cause(), Some(&Error::TlsFailed));
    let wide: Failure<SendError, Io> = Failure::not_connected(Io("refused", None)).widen();
    assert_eq!(wide.io().unwrap().0, "refused");
    assert!(wide.source().is_none(), "what is shown already is not the source");
}

#[test]
fn the_addresses_tried_are_told_of_sixteen_at_most() {
    let address = |port| core::net::SocketAddr::from(([192, 0, 2, 1], port));
    assert!(Attempts::<Io>::default().into_failure().is_none());
    let shown = |attempts: u16| {
        let mut all = Attempts::default();
        (1..=attempts).for_each(|port| all.add(address(port), Failure::not_connected(Io("refused", None))));
        let failure = all.into_failure().unwrap();
        assert_eq!(failure.address(), Some(address(attempts)), "that of the last");
        let earlier: std::vec::Vec<_> = failure.earlier().iter().map(|attempt| attempt.address).collect();
        assert_eq!(earlier, (1..attempts.min(16)).map(address).collect::<std::vec::Vec<_>>());
        failure.to_string()
    };
    let refused = std::format!("{}: refused", Error::NotConnected);
    assert_eq!(shown(1), std::format!("192.0.2.1:1: {refused}"));
    assert_eq!(shown(2), std::format!("192.0.2.1:1: {refused}; 192.0.2.1:2: {refused}"));
    assert!(!shown(16).contains("more"));
    let seventeen = shown(17);
    assert!(
        seventeen.ends_with(&std::format!("192.0.2.1:15: {refused}; 1 more; 192.0.2.1:17: {refused}")),
        "{seventeen}"
    );
}
