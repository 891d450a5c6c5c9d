//! A script's stream for a client whose TLS is real: it tells TLS records from clear text. The records are not the
//! script's business, and whatever follows the first of them has to be one.

use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use smtp_tests::script::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A script's stream under a real TLS library.
pub(crate) struct Scripted {
    pub(crate) stream: Stream,
    one_octet: bool,
    /// What was written from the first TLS record on.
    pub(crate) records: Arc<Mutex<Vec<u8>>>,
}

/// What a TLS handshake begins with (RFC 8446 §5.1); no command does.
const HANDSHAKE_RECORD: u8 = 0x16;

impl Scripted {
    pub(crate) fn new(script: &str, one_octet: bool) -> Self {
        let stream = Stream::new(script);
        let stream = if one_octet { stream.one_octet() } else { stream };
        Self { stream, one_octet, records: Arc::default() }
    }

    /// Takes what is a TLS record; `None` if it is for the script.
    fn take_record(&self, octets: &[u8]) -> Option<usize> {
        let mut records = self.records.lock().unwrap();
        let tls = !records.is_empty() || octets.first() == Some(&HANDSHAKE_RECORD);
        let n = if self.one_octet { octets.len().min(1) } else { octets.len() };
        tls.then(|| {
            records.extend_from_slice(&octets[..n]);
            n
        })
    }
}

impl Read for Scripted {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.stream.read(room)
    }
}

impl Write for Scripted {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.take_record(octets).map_or_else(|| self.stream.write(octets), Ok)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.write(&slices.iter().flat_map(|slice| slice.iter()).copied().collect::<Vec<_>>())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl smtp_blocking::Stream for Scripted {
    fn try_read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self.stream.peer().with(|peer| peer.is_readable()) {
            true => self.stream.read(room),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl AsyncRead for Scripted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, room)
    }
}

impl AsyncWrite for Scripted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.take_record(octets) {
            Some(n) => Poll::Ready(Ok(n)),
            None => Pin::new(&mut self.stream).poll_write(cx, octets),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl smtp_tokio::Stream for Scripted {}
