//! How long each phase may take (RFC 5321 §4.5.3.2). The core names phase and budget; the caller owns the clock.

use core::time::Duration;

use crate::stage::{Stage, TimeoutPhase};

/// The time budget of each phase; the defaults are those of RFC 5321 §4.5.3.2 where it has one.
///
/// Each budget is for one whole reply, however many pieces it arrives in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Connecting the transport, each address by itself: 30 seconds.
    pub connect: Duration,
    /// The greeting: 5 minutes.
    pub greeting: Duration,
    /// EHLO, HELO and LHLO: 5 minutes.
    pub hello: Duration,
    /// STARTTLS, and the TLS handshake: 5 minutes each.
    pub tls: Duration,
    /// Each step of an AUTH exchange: 5 minutes.
    pub auth: Duration,
    /// MAIL: 5 minutes.
    pub mail: Duration,
    /// Each RCPT: 5 minutes.
    pub rcpt: Duration,
    /// DATA: 2 minutes.
    pub data: Duration,
    /// Progress while the body is written: 3 minutes without an octet accepted by the transport.
    pub data_block: Duration,
    /// The caller supplying more of a body: 5 minutes. Servers give up on a client that says nothing for so long.
    pub body_source: Duration,
    /// The reply to the end of the message, and to each BDAT: 10 minutes. Shorter values cause duplicates (RFC 1047).
    pub data_termination: Duration,
    /// RSET: 20 seconds.
    pub rset: Duration,
    /// QUIT: 5 seconds.
    pub quit: Duration,
    /// Any other command: 5 minutes.
    pub other: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        Self {
            connect: Duration::from_secs(30),
            greeting: Duration::from_secs(5 * MINUTE),
            hello: Duration::from_secs(5 * MINUTE),
            tls: Duration::from_secs(5 * MINUTE),
            auth: Duration::from_secs(5 * MINUTE),
            mail: Duration::from_secs(5 * MINUTE),
            rcpt: Duration::from_secs(5 * MINUTE),
            data: Duration::from_secs(2 * MINUTE),
            data_block: Duration::from_secs(3 * MINUTE),
            body_source: Duration::from_secs(5 * MINUTE),
            data_termination: Duration::from_secs(10 * MINUTE),
            rset: Duration::from_secs(20),
            quit: Duration::from_secs(5),
            other: Duration::from_secs(5 * MINUTE),
        }
    }
}

impl Timeouts {
    /// The same budget for every phase.
    #[must_use]
    pub fn all(budget: Duration) -> Self {
        Self {
            connect: budget,
            greeting: budget,
            hello: budget,
            tls: budget,
            auth: budget,
            mail: budget,
            rcpt: budget,
            data: budget,
            data_block: budget,
            body_source: budget,
            data_termination: budget,
            rset: budget,
            quit: budget,
            other: budget,
        }
    }

    /// The budget of `phase`.
    #[must_use]
    pub fn budget(&self, phase: TimeoutPhase) -> Duration {
        match phase {
            TimeoutPhase::TlsHandshake => self.tls,
            TimeoutPhase::DataBlock => self.data_block,
            TimeoutPhase::BodySource => self.body_source,
            TimeoutPhase::Reply(stage) => match stage {
                Stage::Greeting => self.greeting,
                Stage::Ehlo | Stage::Helo | Stage::Lhlo => self.hello,
                Stage::StartTls => self.tls,
                Stage::Auth => self.auth,
                Stage::Mail => self.mail,
                Stage::Rcpt => self.rcpt,
                Stage::Data => self.data,
                Stage::Bdat | Stage::EndOfData => self.data_termination,
                Stage::Rset => self.rset,
                Stage::Quit => self.quit,
                Stage::Vrfy
                | Stage::Expn
                | Stage::Help
                | Stage::Etrn
                | Stage::XClient
                | Stage::Noop
                | Stage::Custom => self.other,
            },
        }
    }
}

/// What the connection waits for, and how long it may take in all.
///
/// Start the clock when the value [`Connection::timeout`](super::Connection::timeout) returns *changes*, not
/// at each read: `sequence` makes two waits for the same kind of reply differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeout {
    /// What is awaited.
    pub phase: TimeoutPhase,
    /// The time allowed from the moment this value first appeared.
    pub budget: Duration,
    /// Tells this wait from others of the same phase; it is the whole value that has to be compared.
    pub sequence: u64,
}
