//! What the connection tells its caller, and the names of the stages it goes through.

use core::fmt;

use crate::reply::Reply;

/// Something that happened, in the order of the octets received. Owned: it borrows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The server's greeting, 220. Any other is an error.
    Greeting(Reply),
    /// The reply to a command, whatever its code.
    Reply {
        /// The command's id, as the queueing call returned it.
        id: CommandId,
        /// Which kind of command it was.
        stage: Stage,
        /// The reply.
        reply: Reply,
    },
    /// The server closed the transport after QUIT; what was asked is done.
    Closed,
}

/// Names a queued command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub(crate) u64);

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
    /// The final dot of a message.
    EndOfData,
    /// RSET.
    Rset,
    /// VRFY.
    Vrfy,
    /// EXPN.
    Expn,
    /// HELP.
    Help,
    /// NOOP.
    Noop,
    /// QUIT.
    Quit,
    /// A custom command.
    Custom,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Greeting => "the greeting",
            Stage::Ehlo => "EHLO",
            Stage::Helo => "HELO",
            Stage::StartTls => "STARTTLS",
            Stage::Auth => "AUTH",
            Stage::Mail => "MAIL",
            Stage::Rcpt => "RCPT",
            Stage::Data => "DATA",
            Stage::EndOfData => "the end of the message",
            Stage::Rset => "RSET",
            Stage::Vrfy => "VRFY",
            Stage::Expn => "EXPN",
            Stage::Help => "HELP",
            Stage::Noop => "NOOP",
            Stage::Quit => "QUIT",
            Stage::Custom => "the custom command",
        })
    }
}
