//! The application that meets the scripts: it has a password and a message, wants to log in and send, and, when that
//! fails, does everything that a careless caller might.

use smtp_proto::command::Command;
use smtp_proto::connection::{Stage, TimeoutPhase, TlsPolicy};
use smtp_proto::error::{Error, ProtocolError};
use smtp_proto::sasl::{Credentials, MechanismError};
use smtp_tests::script::{Session, envelope};

pub(crate) const USER: &str = "tim";
pub(crate) const PASSWORD: &str = "tanstaaf";
pub(crate) const FROM: &str = "alice@example.org";
pub(crate) const TO: &str = "bob@example.net";
pub(crate) const MESSAGE: &[u8] = b"Subject: secret\r\n\r\nfor bob\r\n";

/// One transcript of a row: what is said, and how it ends.
pub(crate) struct Play {
    /// The policies under which it goes just so.
    pub(crate) policies: &'static [TlsPolicy],
    pub(crate) transcript: &'static str,
    pub(crate) end: End,
    /// The application says RSET before it says QUIT, and this is its end.
    pub(crate) reset: Option<End>,
}

/// What becomes of the application's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Logged in and delivered, all of it under TLS.
    Delivered,
    /// RSET only: done.
    Done,
    /// The session is in clear, so the client itself refuses to log in; the application says QUIT.
    NoLogin,
    /// Under TLS, with no mechanism that the client knows.
    NoMechanism,
    /// The command of this stage was refused with this code.
    Refused(Stage, u16),
    /// The server answered it by closing the session.
    Closed(Stage, u16),
    /// The code is no answer to it.
    NoAnswer(Stage, u16),
    /// No STARTTLS on offer.
    NoStartTls,
    /// Octets in clear behind the 220 to STARTTLS.
    Residue,
    /// Octets in clear where TLS is due from the first octet on.
    ClearText,
    /// Silence.
    Silence(TimeoutPhase),
}

impl Play {
    pub(crate) fn of(policies: &'static [TlsPolicy], transcript: &str, end: End) -> Self {
        // A table lives as long as the test.
        Self { policies, transcript: transcript.to_owned().leak(), end, reset: None }
    }

    /// With an RSET that ends so.
    pub(crate) fn reset(mut self, end: End) -> Self {
        self.reset = Some(end);
        self
    }

    /// Whether the script expects a TLS handshake that succeeds.
    pub(crate) fn has_tls(&self) -> bool {
        self.transcript.lines().any(|line| line == "tls")
    }

    /// Holds what the application met against the end that the row tells.
    pub(crate) fn judge(&self, trace: &Trace, way: &str) {
        self.end.judge(&trace.wish, way);
        match (self.reset, &trace.reset) {
            (None, None) => {}
            (Some(end), Some(met)) => end.judge(met, way),
            (expected, met) => panic!("{way}: RSET should have ended with {expected:?}, not {met:?}"),
        }
        if trace.poisoned {
            assert!(trace.insisted.iter().all(Result::is_err), "{way}: {:?}", trace.insisted);
            let error = trace.reset.as_ref().unwrap_or(&trace.wish).as_ref().unwrap_err();
            assert!(error.is_fatal(), "{way}: {error:?}");
            if self.reset.is_none() {
                assert!(error.to_string().ends_with("; nothing more was sent"), "{way}: {error}");
            }
        } else {
            assert_eq!(trace.quit, Some(Ok(())), "{way}: QUIT ends a session that is not broken");
        }
    }
}

impl End {
    fn judge(self, met: &Result<(), Error>, way: &str) {
        let code = |reply: &smtp_proto::reply::Reply| reply.code().get();
        let as_expected = match (self, met) {
            (End::Delivered | End::Done, result) => result.is_ok(),
            (_, Ok(())) => false,
            (End::NoLogin, Err(error)) => *error == MechanismError::NotEncrypted.into(),
            (End::NoMechanism, Err(error)) => *error == Error::NoMechanism,
            (End::Refused(at, n), Err(Error::Refused { stage, reply })) => at == *stage && n == code(reply),
            (End::Closed(at, n), Err(Error::ServerClosed { stage, reply })) => {
                Some(at) == *stage && n == code(reply)
            }
            (End::NoAnswer(at, n), Err(Error::Protocol(ProtocolError::UnexpectedReply { stage, reply }))) => {
                at == *stage && n == code(reply)
            }
            (End::NoStartTls, Err(error)) => *error == Error::TlsRequired,
            (End::Residue, Err(error)) => *error == ProtocolError::StartTlsResidue.into(),
            (End::ClearText, Err(error)) => *error == ProtocolError::ClearTextBeforeTls.into(),
            (End::Silence(phase), Err(error)) => *error == Error::Timeout(phase),
            (End::Refused(..) | End::Closed(..) | End::NoAnswer(..), Err(_)) => false,
        };
        assert!(as_expected, "{way}\n should have ended with {self:?}\n and ended with {met:?}");
    }
}

/// What the application met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trace {
    /// Opening, logging in and sending, up to the first error.
    pub(crate) wish: Met,
    pub(crate) reset: Option<Met>,
    pub(crate) quit: Option<Met>,
    /// The connection broke.
    pub(crate) poisoned: bool,
    /// What it tried on the broken connection.
    pub(crate) insisted: Vec<Met>,
}

impl Trace {
    pub(crate) fn of(wish: Met) -> Self {
        Self { wish, reset: None, quit: None, poisoned: false, insisted: Vec::new() }
    }
}

pub(crate) type Met = Result<(), Error>;

pub(crate) fn credentials() -> Credentials {
    Credentials::password(USER, PASSWORD)
}

/// Runs the application in the core.
pub(crate) fn run(session: &mut Session, play: &Play) -> Trace {
    let mut trace = Trace::of(wish(session));
    let alive = |session: &mut Session| session.connection().failure().is_none();
    if play.reset.is_some() && alive(session) {
        trace.reset = Some(session.command(Command::Rset).map(drop));
    }
    trace.poisoned = !alive(session);
    if !trace.poisoned {
        trace.quit = Some(session.quit());
        return trace;
    }
    let said = session.wire().len();
    trace.insisted = vec![
        session.open(),
        session.start_tls(),
        session.log_in(&credentials(), None).map(drop),
        session.send(&envelope(FROM, &[TO]), MESSAGE).map(drop).map_err(cause),
        session.command(Command::Rset).map(drop),
        session.quit(),
    ];
    assert_eq!(session.wire().len(), said, "a poisoned connection speaks");
    trace
}

fn wish(session: &mut Session) -> Met {
    session.open()?;
    session.log_in(&credentials(), None)?;
    session.send(&envelope(FROM, &[TO]), MESSAGE).map(drop).map_err(cause)
}

/// What kept a message from being sent.
pub(crate) fn cause(error: smtp_proto::SendError) -> Error {
    match error {
        smtp_proto::SendError::NotSent { cause, .. } => cause,
        other => panic!("the message went out: {other:?}"),
    }
}

/// The part of the wire that anyone on the path can read: up to the handshake, if there is one.
pub(crate) fn in_clear<'w>(wire: &'w [u8], play: &Play) -> &'w [u8] {
    const LAST: &[u8] = b"STARTTLS\r\n";
    let handshake = wire.windows(LAST.len()).position(|octets| octets == LAST).filter(|_| play.has_tls());
    &wire[..handshake.map_or(wire.len(), |at| at + LAST.len())]
}

/// Nothing of the credentials or the message, and none of the commands that go with them.
pub(crate) fn assert_no_secret(clear: &[u8], way: &str) {
    use base64::Engine as _;
    let base64 = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let (user, password) = (base64(USER), base64(PASSWORD));
    let plain = base64(&format!("\0{USER}\0{PASSWORD}"));
    let telltale = [USER, PASSWORD, &user, &password, &plain, FROM, TO, "secret", "for bob"];
    let commands = ["AUTH", "MAIL", "RCPT", "DATA", "BDAT"];
    for needle in telltale.into_iter().chain(commands) {
        let found = clear.windows(needle.len()).any(|octets| octets == needle.as_bytes());
        assert!(!found, "{way}: {needle:?} in clear: {}", clear.escape_ascii());
    }
}
