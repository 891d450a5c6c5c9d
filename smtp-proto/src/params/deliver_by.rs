//! `BY=`: a time by which to deliver (RFC 2852).

use alloc::vec::Vec;

use super::decimal::{push_decimal, push_signed};
use super::{ParameterError, ParameterErrorKind};

/// The grammar of RFC 2852 §4 has nine digits.
const MAX_SECONDS: u32 = 999_999_999;

/// By when a message is to be delivered, and what happens if it is not (RFC 2852 §4).
///
/// Time runs from when the server has the message. Which notifications the sender gets is still up to NOTIFY: a
/// recipient with [`Notify::Never`](super::Notify::Never) is given up, or late, in silence.
///
/// ```
/// use smtp_proto::params::{DeliverBy, MailParameters};
///
/// let parameters = MailParameters::new().deliver_by(DeliverBy::or_return(3600)?);
/// assert_eq!(parameters.to_string(), "BY=3600;R");
/// let parameters = MailParameters::new().deliver_by(DeliverBy::or_notify(-30)?.trace());
/// assert_eq!(parameters.to_string(), "BY=-30;NT");
/// assert!(DeliverBy::or_return(0).is_err());
/// # Ok::<(), smtp_proto::params::ParameterError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[must_use]
pub struct DeliverBy {
    late: Late,
    trace: bool,
}

/// `by-time` and `by-mode` in one, so that no mode has a time that is not allowed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Late {
    Return(u32),
    Notify(i32),
}

impl DeliverBy {
    /// Deliver within this many seconds, or return the message as undeliverable (mode `R`).
    ///
    /// # Errors
    /// [`DeliverBy`](ParameterErrorKind::DeliverBy) when `seconds` is 0 or has more than nine digits.
    pub fn or_return(seconds: u32) -> Result<Self, ParameterError> {
        match seconds {
            1..=MAX_SECONDS => Ok(Self { late: Late::Return(seconds), trace: false }),
            _ => Err(ParameterError::new(ParameterErrorKind::DeliverBy)),
        }
    }

    /// Deliver within this many seconds, or notify the sender of the delay and go on trying (mode `N`). 0 and
    /// below mean that the time has run out already, as a relay may have to say.
    ///
    /// # Errors
    /// [`DeliverBy`](ParameterErrorKind::DeliverBy) when `seconds` has more than nine digits.
    pub fn or_notify(seconds: i32) -> Result<Self, ParameterError> {
        if seconds.unsigned_abs() > MAX_SECONDS {
            return Err(ParameterError::new(ParameterErrorKind::DeliverBy));
        }
        Ok(Self { late: Late::Notify(seconds), trace: false })
    }

    /// Asks for a notification too when the message is relayed to a server that does not know this extension
    /// (the trace modifier `T`).
    pub fn trace(mut self) -> Self {
        self.trace = true;
        self
    }

    /// The seconds after which the message is returned; `None` when it is not returned for being late. It is
    /// only to these that a server may set a minimum (RFC 2852 §2).
    #[must_use]
    pub const fn return_after(self) -> Option<u32> {
        match self.late {
            Late::Return(seconds) => Some(seconds),
            Late::Notify(_) => None,
        }
    }

    pub(super) fn write_to(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b" BY=");
        match self.late {
            Late::Return(seconds) => {
                push_decimal(seconds.into(), out);
                out.extend_from_slice(b";R");
            }
            Late::Notify(seconds) => {
                push_signed(seconds, out);
                out.extend_from_slice(b";N");
            }
        }
        if self.trace {
            out.push(b'T');
        }
    }
}
