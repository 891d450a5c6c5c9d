//! What the connection tells its caller.

use crate::reply::Reply;
use crate::stage::Stage;

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
