//! Every rule about which command may come when. Theory of operation:
//!
//! Two cursors walk through the session, as in Postfix's client. The *sending* cursor stands where the session
//! will be if every queued command succeeds; it says what may be queued next ([`Phase::queue`]). The
//! *receiving* cursor stands where the replies so far have brought the session; each reply moves it
//! ([`Phase::answer`]). With nothing in flight the two are one: then the sending cursor is set to the
//! receiving one, and what a refused command would have opened is gone. Codes are judged in [`verdict`], the
//! only place that knows which code answers which command (RFC 5321 §4.3.2).

use super::Stage;
use crate::error::Misuse;
use crate::reply::Reply;

/// Where in the session a cursor stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The TLS handshake is due: at once under implicit TLS, or after the 220 to STARTTLS.
    TlsPending,
    /// The greeting is awaited.
    Greeting,
    /// EHLO or HELO is due.
    Hello,
    /// No mail transaction is open.
    Ready,
    /// MAIL has opened a mail transaction.
    Transaction {
        /// Whether a RCPT has been added to it.
        recipient: bool,
    },
    /// The command of this stage decides how things go on; nothing may be queued behind it.
    Decision(Stage),
    /// An AUTH challenge waits for its response.
    Challenge,
    /// The body is due: 354 has asked for it, or it goes out in chunks unasked.
    Body,
    /// The session has ended.
    Closed,
}

impl Phase {
    /// Where the sending cursor stands after queueing the command of `stage`, or why it may not be queued.
    /// `idle` says that nothing is queued or in flight.
    pub(super) fn queue(self, stage: Stage, idle: bool) -> Result<Phase, Misuse> {
        match (self, stage) {
            (Phase::Closed, _) => Err(Misuse::Closed),
            (Phase::TlsPending, _) => Err(Misuse::TlsPending),
            (Phase::Greeting, _) => Err(Misuse::BeforeGreeting),
            (Phase::Decision(pending), _) => Err(Misuse::AwaitingReply(pending)),
            (Phase::Body, _) => Err(Misuse::AwaitingReply(Stage::EndOfData)),
            (Phase::Challenge, Stage::Auth) => Ok(Phase::Decision(Stage::Auth)),
            (Phase::Challenge, _) => Err(Misuse::AwaitingReply(Stage::Auth)),

            (_, Stage::Quit) => Ok(Phase::Decision(stage)),
            (Phase::Hello | Phase::Ready, Stage::Ehlo | Stage::Helo | Stage::Lhlo) => {
                Ok(Phase::Decision(stage))
            }
            (Phase::Hello, _) => Err(Misuse::BeforeHello),

            (Phase::Ready, Stage::StartTls | Stage::Auth) if !idle => Err(Misuse::NotPipelined(stage)),
            (Phase::Ready, Stage::StartTls | Stage::Auth) => Ok(Phase::Decision(stage)),
            (Phase::Ready, Stage::XClient) => Ok(Phase::Decision(stage)),
            (Phase::Ready, Stage::Mail) => Ok(Phase::Transaction { recipient: false }),
            (Phase::Ready, Stage::Rcpt | Stage::Data | Stage::Bdat) => Err(Misuse::NoTransaction(stage)),

            (
                Phase::Transaction { .. },
                Stage::Ehlo | Stage::Helo | Stage::Lhlo | Stage::StartTls | Stage::Auth | Stage::Mail,
            ) => Err(Misuse::InTransaction(stage)),
            (Phase::Transaction { .. }, Stage::Rcpt) => Ok(Phase::Transaction { recipient: true }),
            (Phase::Transaction { recipient: true }, Stage::Data) => Ok(Phase::Decision(stage)),
            (Phase::Transaction { recipient: true }, Stage::Bdat) => Ok(Phase::Body),
            (Phase::Transaction { recipient: false }, Stage::Data | Stage::Bdat) => Err(Misuse::NoRecipient),
            (Phase::Transaction { .. }, Stage::Etrn | Stage::XClient) => Err(Misuse::InTransaction(stage)),

            (_, Stage::Rset) => Ok(Phase::Ready),
            (same, Stage::Noop | Stage::Vrfy | Stage::Expn | Stage::Help | Stage::Etrn | Stage::Custom) => {
                Ok(same)
            }
            // Never queued as commands: the one is the server's, the other is made by `finish_body`.
            (_, Stage::Greeting | Stage::EndOfData) => Err(Misuse::NoBody),
        }
    }

    /// Where the receiving cursor stands after this verdict on the command of `stage`.
    pub(super) fn answer(self, stage: Stage, verdict: Verdict) -> Phase {
        match (stage, verdict) {
            (Stage::Greeting, Verdict::Done) => Phase::Hello,
            (Stage::Ehlo | Stage::Helo | Stage::Lhlo, Verdict::Done) => Phase::Ready,
            // The server's state is unchanged (RFC 5321 §4.1.4), but what it offers is no longer known.
            (Stage::Ehlo | Stage::Helo | Stage::Lhlo, _) => Phase::Hello,
            (Stage::StartTls, Verdict::Done) => Phase::TlsPending,
            (Stage::XClient, Verdict::Done) => Phase::Hello,
            (Stage::Auth, Verdict::GoOn) => Phase::Challenge,
            (Stage::Auth, _) => Phase::Ready,
            (Stage::Mail, Verdict::Done) => Phase::Transaction { recipient: false },
            (Stage::Rcpt, Verdict::Done) => Phase::Transaction { recipient: true },
            (Stage::Data, Verdict::GoOn) => Phase::Body,
            (Stage::EndOfData, _) | (Stage::Rset, Verdict::Done) => Phase::Ready,
            (Stage::Quit, _) => Phase::Closed,
            (_, _) => self,
        }
    }
}

/// What a reply means for its command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The command succeeded.
    Done,
    /// The server wants more: a response to its challenge, or the body.
    GoOn,
    /// The command was refused; the session goes on.
    Refused,
    /// The command was refused, and without it the session cannot go on.
    Fatal,
    /// The server is closing the session.
    Closing,
    /// No answer to this command: the two sides no longer agree on where they are.
    Unexpected,
}

/// Judges a reply (RFC 5321 §4.3.2, RFC 3030 §2, RFC 3207 §4, RFC 4954 §4).
pub(super) fn verdict(stage: Stage, reply: &Reply) -> Verdict {
    match (stage, reply.code().get()) {
        // Whatever a server says to QUIT, it is quitting.
        (Stage::Quit, _) => Verdict::Done,
        (_, 421 | 221) => Verdict::Closing,
        (Stage::Greeting | Stage::StartTls | Stage::XClient, 220) => Verdict::Done,
        // Postfix, XCLIENT_README: the server greets anew, or refuses.
        (Stage::XClient, 200..=399) => Verdict::Unexpected,
        (Stage::Greeting | Stage::StartTls, 400..=599) => Verdict::Fatal,
        (Stage::Greeting | Stage::StartTls, _) => Verdict::Unexpected,
        (Stage::Auth, 334) => Verdict::GoOn,
        (Stage::Auth, 235) => Verdict::Done,
        (Stage::Ehlo | Stage::Helo | Stage::Lhlo, 250) => Verdict::Done,
        (Stage::Data, 354) => Verdict::GoOn,
        (Stage::Auth | Stage::Ehlo | Stage::Helo | Stage::Lhlo | Stage::Data, 200..=399) => {
            Verdict::Unexpected
        }
        (_, 200..=299) => Verdict::Done,
        (Stage::Custom, 300..=399) => Verdict::GoOn,
        (_, 300..=399) => Verdict::Unexpected,
        (_, _) => Verdict::Refused,
    }
}
