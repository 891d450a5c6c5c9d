//! From an error to what happened, where, and what to try.

use std::borrow::Cow;
use std::io;

use rustls::CertificateError;
use smtp_blocking::SendError;
use smtp_proto::Error;
use smtp_proto::capabilities::Limit;
use smtp_proto::connection::Stage;
use smtp_proto::error::{AuthenticationFailure, ProtocolError};
use smtp_proto::flow::SendError as Kind;
use smtp_proto::sasl::MechanismError;

use crate::certificate::day;
use crate::status::{Failure, Status};

/// Of a session that could not be begun, or a login that failed.
pub fn of_session(place: &str, error: &smtp_blocking::Error) -> Failure {
    let place = match error.address() {
        Some(address) if address.to_string() != place => format!("{place} ({address})"),
        _ => place.to_owned(),
    };
    let mut failure = of_error(&place, error.kind(), error.io());
    for attempt in error.earlier().iter().rev() {
        failure.what = format!("{}: {}; {}", attempt.address, attempt.error, failure.what);
    }
    failure
}

/// Of a message that was not delivered, or is not known to be.
pub fn of_message(place: &str, error: &SendError) -> Failure {
    let (status, advice) = match error.kind() {
        Kind::Unknown { .. } => {
            (Status::Unknown, "look whether the message arrived before sending it again".into())
        }
        Kind::NotSent { cause, .. } => return of_error(place, cause, error.io()),
        Kind::Rejected { stage, reply, .. } => {
            (Status::Rejected, of_refusal(*stage, reply.code().get(), error).into())
        }
    };
    Failure { what: format!("{place}: {error}"), advice, status }
}

fn of_refusal(stage: Stage, code: u16, error: &SendError) -> &'static str {
    match stage {
        _ if code == 530 => "--user, the server wants to know who sends; or --tls required",
        _ if error.is_transient() => "the same again later",
        Stage::Rcpt => "check the recipients; to send to other domains, most servers want --user",
        Stage::Mail => "another --from: most servers take only addresses of the user who is logged in",
        _ => "change what the server's reply objects to; sent again as it is, it will be refused again",
    }
}

/// Of an error, with the I/O or TLS error behind it.
pub fn of_error(place: &str, error: &Error, io: Option<&io::Error>) -> Failure {
    let status = match error {
        Error::Address { .. } => Status::Usage,
        _ => Status::NotSent,
    };
    let tls = io.and_then(io::Error::get_ref).and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let (Error::TlsFailed, Some(tls)) = (error, tls) {
        let (what, advice) = of_tls(tls);
        return Failure { what: format!("{place}: {what}; nothing more was sent"), advice, status };
    }
    let what = match io {
        Some(io) => format!("{place}: {error}: {io}"),
        None => format!("{place}: {error}"),
    };
    Failure { what, advice: of_kind(error).into(), status }
}

/// What is wrong with the certificate, or the handshake.
fn of_tls(error: &rustls::Error) -> (String, Cow<'static, str>) {
    const NOTHING_HERE: &str = "tell those who run the server: nothing here can mend it";
    let certificate = match error {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        rustls::Error::InvalidMessage(_) => {
            let advice = "leave out --tls implicit, or use smtp:// in place of smtps://: this port is likely to be one for STARTTLS";
            return (format!("the server does not speak TLS: {error}"), advice.into());
        }
        _ => {
            return (
                format!("the TLS handshake failed: {error}"),
                "--check, which shows how far it gets; an old server may know no version of TLS that is safe"
                    .into(),
            );
        }
    };
    match certificate {
        CertificateError::ExpiredContext { not_after, .. } => {
            let (day, ago) = day(not_after.as_secs());
            (format!("the server's certificate expired on {day} UTC, {ago} days ago"), NOTHING_HERE.into())
        }
        CertificateError::Expired => ("the server's certificate has expired".into(), NOTHING_HERE.into()),
        CertificateError::NotValidYetContext { not_before, .. } => {
            let (day, _) = day(not_before.as_secs());
            (
                format!("the server's certificate is not valid before {day} UTC"),
                "check this machine's clock; if it is right, tell those who run the server".into(),
            )
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented: Vec<_> = presented.iter().map(|name| name.escape_debug().to_string()).collect();
            let what = format!(
                "the server's certificate is for another name: asked for {}, it is for {}",
                expected.to_str(),
                if presented.is_empty() { "none".to_owned() } else { presented.join(", ") },
            );
            (what, "--server with the name that is in the certificate, if that is the server you mean".into())
        }
        CertificateError::NotValidForName => (
            "the server's certificate is for another name".into(),
            "--server with the name that is in the certificate, if that is the server you mean".into(),
        ),
        // The latter: of one that only has the name of an authority that is trusted.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            "the server's certificate is of an authority that is not trusted here".into(),
            "--ca FILE, if it is a private authority that you trust; otherwise somebody may be listening"
                .into(),
        ),
        CertificateError::Revoked => {
            ("the server's certificate has been revoked".into(), NOTHING_HERE.into())
        }
        other => (format!("the server's certificate is not valid: {other}"), NOTHING_HERE.into()),
    }
}

fn of_kind(error: &Error) -> &'static str {
    match error {
        Error::Address { .. } => "local-part@domain, without a display name",
        Error::NotConnected => {
            "check host and port; submission is at 587, or 465 with smtps://, and many networks block 25"
        }
        Error::TlsRequired => {
            "another port: 587 usually offers STARTTLS, 465 takes smtps://; or, if you trust the \
             network, --tls opportunistic"
        }
        Error::TlsFailed => {
            "name the server as its certificate does; give a private authority with --ca FILE; if the port \
             does not begin with TLS, leave out --tls implicit"
        }
        Error::NoMechanism => {
            "--check, which tells what is offered; --tls required, as many servers offer AUTH under TLS only; or \
             leave out --user"
        }
        Error::Mechanism(MechanismError::NotEncrypted) => {
            "--tls required or --tls implicit: a password does not leave in clear"
        }
        Error::Mechanism(MechanismError::InvalidCredential { .. }) => {
            "check the user name and password for stray characters, a line end for example"
        }
        Error::Mechanism(MechanismError::ServerNotAuthentic) => {
            "do not go on: this server does not know the password, and so is not the one you mean"
        }
        Error::AuthenticationFailed(failed) => match failed.reason {
            AuthenticationFailure::Temporary => "again later",
            AuthenticationFailure::Mechanism => {
                "what the server's reply asks for; --auth MECHANISM takes another"
            }
            _ => "check --user and SMTP_PASSWORD; many providers want a password made for this application",
        },
        Error::Protocol(ProtocolError::ClearTextBeforeTls) => {
            "leave out --tls implicit, or use smtp:// in place of smtps://"
        }
        Error::Timeout(_) | Error::Protocol(ProtocolError::Reply { stage: Some(Stage::Greeting), .. })
            if is_at_the_beginning(error) =>
        {
            "check that an SMTP server is at this port; one that waits for TLS first (465) takes smtps://; a slow one \
             takes --timeout SECONDS"
        }
        Error::Timeout(_) => "--timeout SECONDS, for a server that is slow",
        Error::TooLarge { .. } => "a smaller message, or another server",
        Error::Unsupported(extension) => of_extension(extension.keyword()),
        Error::OutOfRange(_) => "a value within the limits that --check shows",
        Error::LimitReached { limit: Limit::MailMax, .. } | Error::Poisoned | Error::Abandoned => {
            "the same again for what was not sent, over a new connection"
        }
        Error::LimitReached { .. } => "fewer recipients in a message",
        Error::Body(_) => "mend the message; binary parts have to be in base64",
        Error::BodySource => "look at what should supply the message; nothing of it was delivered",
        Error::Refused { stage: Stage::Ehlo, .. } => {
            "--name with the name of this machine, which some servers look up"
        }
        Error::Disconnected { .. } | Error::ServerClosed { .. } => {
            "again later; if it happens each time, the server's log or its last reply says why"
        }
        Error::Misuse(_) => "other options: these do not go together with this server",
        error if error.is_transient() => "again later",
        _ => "look at the session: --check shows it with times",
    }
}

fn is_at_the_beginning(error: &Error) -> bool {
    error.stage() == Some(Stage::Greeting)
}

fn of_extension(keyword: &str) -> &'static str {
    match keyword {
        "DSN" => "without --notify, --ret and --envid, or another server",
        "MT-PRIORITY" => "without --priority, or another server",
        "DELIVERBY" => "without --deliver-by, or another server",
        "FUTURERELEASE" => "without --hold-for and --hold-until, or another server",
        "REQUIRETLS" => "without --require-tls, or another server; most offer it under TLS only",
        "CHUNKING" => "--transfer auto, or --transfer data",
        "8BITMIME" => "the message as a file in place of `-`: one of plain ASCII can be sent to this server",
        "STARTTLS" => "another port: 587 usually offers STARTTLS, 465 takes smtps://",
        _ => "addresses and a message in plain ASCII, or another server",
    }
}
