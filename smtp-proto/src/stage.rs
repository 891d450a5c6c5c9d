//! The names of what a session waits for.

use core::fmt;

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Nothing the client said: the server speaks first.
    Greeting,
    /// EHLO.
    Ehlo,
    /// HELO.
    Helo,
    /// LHLO, in LMTP.
    Lhlo,
    /// STARTTLS.
    StartTls,
    /// AUTH, or a response within its exchange.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// A chunk of a message, other than the last.
    Bdat,
    /// The end of a message: the final dot, or the last chunk.
    EndOfData,
    /// RSET.
    Rset,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// HELP.
    Help,
    /// ETRN.
    Etrn,
    /// XCLIENT.
    XClient,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// A custom command.
    Custom,
}

impl Stage {
    /// The name as `Display` shows it: the command's verb, or what stands in its place.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Greeting => "the greeting",
            Stage::Ehlo => "EHLO",
            Stage::Helo => "HELO",
            Stage::Lhlo => "LHLO",
            Stage::StartTls => "STARTTLS",
            Stage::Auth => "AUTH",
            Stage::Mail => "MAIL",
            Stage::Rcpt => "RCPT",
            Stage::Data => "DATA",
            Stage::Bdat => "BDAT",
            Stage::EndOfData => "the end of the message",
            Stage::Rset => "RSET",
            Stage::Vrfy => "VRFY",
            Stage::Expn => "EXPN",
            Stage::Help => "HELP",
            Stage::Etrn => "ETRN",
            Stage::XClient => "XCLIENT",
            Stage::Noop => "NOOP",
            Stage::Quit => "QUIT",
            Stage::Custom => "the custom command",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A phase that has a time budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// The reply to the command of this stage.
    Reply(Stage),
    /// The TLS handshake.
    TlsHandshake,
    /// The transport taking the next part of a message body.
    DataBlock,
    /// The caller supplying the next octets of a message body.
    BodySource,
}

impl fmt::Display for TimeoutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeoutPhase::Reply(Stage::Greeting) => f.write_str("no greeting from the server"),
            TimeoutPhase::Reply(stage) => write!(f, "no reply to {stage}"),
            TimeoutPhase::TlsHandshake => f.write_str("the TLS handshake did not finish"),
            TimeoutPhase::BodySource => f.write_str("the message body was not supplied"),
            TimeoutPhase::DataBlock => f.write_str("the server took no more of the message body"),
        }
    }
}
