//! What of an error may be written down anywhere: which it is, and where it happened.

use super::{Error, ProtocolError};
use crate::stage::{Stage, TimeoutPhase};

impl Error {
    /// A name for the kind of error, for metrics and log fields: lower case, of a fixed set, without anything the
    /// server said.
    ///
    /// ```
    /// # use smtp_proto::Error;
    /// assert_eq!(Error::NotConnected.label(), "not_connected");
    /// ```
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Error::Misuse(_) => "misuse",
            Error::Command(_) => "command",
            Error::Unsupported(_) | Error::UnsupportedAttribute(_) => "unsupported",
            Error::TooLarge { .. } => "too_large",
            Error::OutOfRange(_) => "out_of_range",
            Error::LimitReached { .. } => "limit_reached",
            Error::Body(_) => "body",
            Error::Mechanism(_) => "mechanism",
            Error::NoMechanism => "no_mechanism",
            Error::Refused { .. } => "refused",
            Error::AuthenticationFailed(_) => "authentication_failed",
            Error::Address { .. } => "address",
            Error::NotConnected => "not_connected",
            Error::TlsRequired => "tls_required",
            Error::TlsFailed => "tls_failed",
            Error::Protocol(_) => "protocol",
            Error::ServerClosed { .. } => "server_closed",
            Error::Disconnected { .. } => "disconnected",
            Error::Timeout(_) => "timeout",
            Error::BodySource => "body_source",
            Error::Abandoned => "abandoned",
            Error::Poisoned => "poisoned",
        }
    }

    /// What was refused, or whose reply did not come as it should, where the error is about a reply.
    #[must_use]
    pub fn stage(&self) -> Option<Stage> {
        match self {
            Error::Refused { stage, .. }
            | Error::Timeout(TimeoutPhase::Reply(stage))
            | Error::Protocol(
                ProtocolError::UnexpectedReply { stage, .. } | ProtocolError::Premature(stage),
            ) => Some(*stage),
            Error::Protocol(ProtocolError::Reply { stage, .. })
            | Error::ServerClosed { stage, .. }
            | Error::Disconnected { stage, .. } => *stage,
            Error::AuthenticationFailed(_) => Some(Stage::Auth),
            _ => None,
        }
    }
}
