//! How much is kept of what the server says about one message.
//!
//! Each recipient has a reply, perhaps two, and a server may make each as long as a reply may be: together they are
//! bounded here ([`ReplyLimits::kept`](crate::reply::ReplyLimits::kept)), and by nothing else.

use crate::connection::Connection;
use crate::reply::Reply;

/// The octets of long replies that have been kept for a message.
#[derive(Debug, Default)]
pub(super) struct Texts {
    octets: usize,
}

impl Texts {
    /// The reply as it is to be kept: whole, unless the long ones before it were too many.
    pub(super) fn keep(&mut self, reply: Reply, connection: &Connection) -> Reply {
        if !reply.is_long() {
            return reply;
        }
        let octets = self.octets.saturating_add(reply.text().len());
        if octets > connection.config().limits.kept {
            return reply.brief();
        }
        self.octets = octets;
        reply
    }
}
