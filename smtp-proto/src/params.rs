//! Parameters of MAIL and RCPT: what stands behind the path (RFC 5321 §4.1.2, `Mail-parameters` and
//! `Rcpt-parameters`); and the attributes of XCLIENT, which are of the same kind.
//!
//! A parameter is a value of its own type, checked when it is set, so that no text a caller passes can add
//! another parameter or end the line. Each names the extension it belongs to: a client must not send it to a
//! server that does not offer that extension (RFC 5321 §4.1.1.2, §4.1.1.3), and
//! [`required_extensions`](MailParameters::required_extensions) lets the caller check before it writes.
//!
//! To add a parameter: a field and its setter, a line in `write_to`, a line in `required_extensions`, and its
//! keyword among those that `raw` leaves to the setters.

mod decimal;
mod deliver_by;
mod error;
mod hold;
mod mail;
mod raw;
mod rcpt;
mod xclient;
mod xtext;

#[cfg(test)]
use crate::body::BodyKind;
pub use deliver_by::DeliverBy;
pub use error::{OutOfRange, ParameterError, ParameterErrorKind};
pub use hold::{DateTime, Hold};
pub use mail::{MailParameters, Ret};
pub use rcpt::{Notify, NotifyOn, RcptParameters};
pub use xclient::{XClient, XClientAttribute, XClientProto};
pub use xtext::xtext;

#[cfg(test)]
mod tests;
