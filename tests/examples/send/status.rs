//! How it ended: the exit status, its name, and what is said of a failure.

use std::borrow::Cow;
use std::fmt::Display;
use std::process::ExitCode;

/// How it ended; `--help` has the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Accepted = 0,
    Rejected = 1,
    Usage = 2,
    NotSent = 3,
    Unknown = 4,
    Partly = 5,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Usage => "usage",
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
            Self::Partly => "partly",
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// What went wrong, and what to try.
#[derive(Clone, Debug)]
pub struct Failure {
    pub what: String,
    pub advice: Cow<'static, str>,
    pub status: Status,
}

impl Failure {
    /// Something that was asked for and cannot be.
    pub fn usage(what: impl Display, advice: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.to_string(), advice: advice.into(), status: Status::Usage }
    }

    /// Something that kept the message from being sent.
    pub fn not_sent(what: impl Display, advice: impl Into<Cow<'static, str>>) -> Self {
        Self { what: what.to_string(), advice: advice.into(), status: Status::NotSent }
    }
}
