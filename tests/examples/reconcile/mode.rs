//! The ways in which messages are sent; each has its row in the table.

use std::fmt;

use smtp_proto::flow::Transfer;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) adapter: Adapter,
    pub(crate) chunks: bool,
    /// STARTTLS, and AUTH behind it.
    pub(crate) tls: bool,
    pub(crate) way: Way,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Adapter {
    Blocking,
    Tokio,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// One message after the other over a connection.
    Each,
    /// Many messages, none of which waits for the one before it.
    Batch,
    /// As a batch, and what is safe to retry is sent again until it is accepted.
    Retry,
    /// Batches that are dropped before their end, futures that are dropped while they wait, and messages that are
    /// sent over the same connection after that.
    Drop,
}

impl Mode {
    /// Those that fit a server.
    pub(crate) fn all(chunking: bool, tls: bool) -> Vec<Self> {
        let ways = [Way::Each, Way::Batch, Way::Retry, Way::Drop].map(|way| (way, false));
        let under_tls = tls.then_some((Way::Batch, true));
        let mut modes = Vec::new();
        for (way, tls) in ways.into_iter().chain(under_tls) {
            for chunks in [false, true] {
                if chunks && !chunking {
                    continue;
                }
                let adapters = [Adapter::Blocking, Adapter::Tokio];
                modes.extend(adapters.map(|adapter| Self { adapter, chunks, tls, way }));
            }
        }
        modes
    }

    pub(crate) fn transfer(self) -> Transfer {
        if self.chunks { Transfer::Chunks } else { Transfer::Data }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let adapter = match self.adapter {
            Adapter::Blocking => "blocking",
            Adapter::Tokio => "tokio",
        };
        let way = match self.way {
            Way::Each => "each",
            Way::Batch => "batch",
            Way::Retry => "retry",
            Way::Drop => "drop",
        };
        let tls = if self.tls { "-tls" } else { "" };
        write!(f, "{adapter}-{}-{way}{tls}", if self.chunks { "bdat" } else { "data" })
    }
}
