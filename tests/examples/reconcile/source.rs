//! Where a message's octets come from: they are there, or they are read while the message is sent, and then the
//! source may fail before its end.

use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use crate::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    Whole,
    /// Read in pieces of so many octets; the server may be told the size.
    Stream {
        piece: usize,
        sized: bool,
    },
    /// The same, and it fails in the middle.
    Broken {
        piece: usize,
        sized: bool,
    },
}

impl Source {
    /// One in six is a stream; one in 30 fails, unless the message has to be accepted in the end.
    pub(crate) fn draw(random: &mut Random, may_break: bool) -> Self {
        let (piece, sized) = (random.between(100, 3_000), random.one_in(2));
        match random.below(30) {
            0 if may_break => Self::Broken { piece, sized },
            1..5 => Self::Stream { piece, sized },
            _ => Self::Whole,
        }
    }
}

/// Reads a message, and fails in the middle of it if it is to.
pub(crate) struct Reader {
    octets: io::Cursor<Vec<u8>>,
    fails: bool,
}

impl Reader {
    pub(crate) fn new(mut octets: Vec<u8>, fails: bool) -> Self {
        if fails {
            octets.truncate(octets.len() / 2);
        }
        Self { octets: io::Cursor::new(octets), fails }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.octets.read(buffer)? {
            0 if self.fails => Err(io::Error::other("the source is broken")),
            count => Ok(count),
        }
    }
}

impl AsyncRead for Reader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.read(buffer.initialize_unfilled())?;
        buffer.advance(count);
        Poll::Ready(Ok(()))
    }
}
