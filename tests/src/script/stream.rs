//! A scripted server as a transport, blocking or async, with the faults that transports have.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{Heard, Peer, Script, Taken};

/// A transport whose other end is a [`Peer`]: `Read + Write` without threads, and `AsyncRead + AsyncWrite`.
///
/// `tls` in the script is [`Stream::handshake`], for a client that upgrades the stream itself. `pause` is
/// [`io::ErrorKind::TimedOut`] to a blocking read; an async one stays pending, as a silent server has it.
///
/// ```
/// use std::io::{Read, Write};
/// use smtp_tests::script::Stream;
///
/// let mut stream = Stream::new("S: 220 hi\nC: QUIT\nclose").one_octet();
/// let peer = stream.peer();
/// let mut line = [0; 8];
/// stream.read_exact(&mut line)?;
/// stream.write_all(b"QUIT\r\n")?;
/// stream.flush()?;
/// assert_eq!(stream.read(&mut line)?, 0);
/// peer.verify(false);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Stream {
    peer: PeerHandle,
    one_octet: bool,
    interrupts: bool,
    would_block_at: Option<usize>,
    zero_at: Option<usize>,
    /// Reads and writes so far.
    calls: usize,
    unflushed: bool,
    pause: Option<Pin<Box<Sleep>>>,
    waiting: Vec<Waker>,
}

/// The [`Peer`] of a [`Stream`], to look at after the client has taken the stream.
#[derive(Debug, Clone)]
pub struct PeerHandle(Arc<Mutex<Peer>>);

impl PeerHandle {
    /// Looks at the peer.
    pub fn with<T>(&self, look: impl FnOnce(&mut Peer) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    /// [`Peer::verify`].
    ///
    /// # Panics
    /// If the client did not keep to the script.
    pub fn verify(&self, broken: bool) {
        self.with(|peer| peer.verify(broken));
    }
}

impl Stream {
    /// A transport to the server of this script.
    pub fn new(script: impl Into<Script>) -> Self {
        Self {
            peer: PeerHandle(Arc::new(Mutex::new(Peer::new(script)))),
            one_octet: false,
            interrupts: false,
            would_block_at: None,
            zero_at: None,
            calls: 0,
            unflushed: false,
            pause: None,
            waiting: Vec::new(),
        }
    }

    /// One octet per read and per write.
    #[must_use]
    pub fn one_octet(mut self) -> Self {
        self.one_octet = true;
        self
    }

    /// Every other call is interrupted (async: pending, and woken at once).
    #[must_use]
    pub fn interrupted(mut self) -> Self {
        self.interrupts = true;
        self
    }

    /// Call `k` of all reads and writes, counted from 0, fails with `WouldBlock` (async: pending, woken at once).
    #[must_use]
    pub fn would_block_at(mut self, k: usize) -> Self {
        self.would_block_at = Some(k);
        self
    }

    /// Call `k` of all reads and writes, counted from 0, gives `Ok(0)`.
    #[must_use]
    pub fn zero_at(mut self, k: usize) -> Self {
        self.zero_at = Some(k);
        self
    }

    /// The other end.
    #[must_use]
    pub fn peer(&self) -> PeerHandle {
        self.peer.clone()
    }

    /// How many reads and writes there have been.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// The TLS handshake of the script, for a client that upgrades the stream itself.
    ///
    /// # Errors
    /// When the script has it fail, or has none here.
    pub fn handshake(&mut self) -> io::Result<()> {
        match self.peer.with(Peer::handshake) {
            Ok(true) => Ok(()),
            Ok(false) => Err(io::Error::new(io::ErrorKind::InvalidData, "the handshake failed")),
            Err(heard) => {
                Err(io::Error::new(io::ErrorKind::InvalidData, format!("no handshake but {heard:?}")))
            }
        }
    }

    /// The fault that this call meets, if any; then nothing is moved.
    fn fault(&mut self) -> Option<io::Result<usize>> {
        let call = self.calls;
        self.calls += 1;
        if self.zero_at == Some(call) {
            Some(Ok(0))
        } else if self.would_block_at == Some(call) {
            Some(Err(io::ErrorKind::WouldBlock.into()))
        } else if self.interrupts && call % 2 == 0 {
            Some(Err(io::ErrorKind::Interrupted.into()))
        } else {
            None
        }
    }

    fn hear(&mut self, most: usize) -> Heard {
        assert!(!self.unflushed, "the client reads, and has not flushed what it wrote");
        let most = if self.one_octet { most.min(1) } else { most };
        self.peer.with(|peer| peer.read(most))
    }

    fn take(&mut self, octets: &[u8]) -> Taken {
        self.unflushed = true;
        let n = if self.one_octet { octets.len().min(1) } else { octets.len() };
        self.peer.with(|peer| peer.write(&octets[..n]))
    }

    fn wake(&mut self) {
        self.waiting.drain(..).for_each(Waker::wake);
    }
}

impl Read for Stream {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if let Some(fault) = self.fault() {
            return fault;
        }
        match self.hear(room.len()) {
            Heard::Octets(octets) => {
                room[..octets.len()].copy_from_slice(&octets);
                Ok(octets.len())
            }
            Heard::Silence(_) => Err(io::ErrorKind::TimedOut.into()),
            Heard::Eof => Ok(0),
            Heard::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            Heard::Nothing => {
                let position = self.peer.with(|peer| peer.position());
                Err(io::Error::other(format!("the client waits; the script is at {position}")))
            }
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if octets.is_empty() {
            return Ok(0);
        }
        if let Some(fault) = self.fault() {
            return fault;
        }
        match self.take(octets) {
            Taken::Octets(n) => Ok(n),
            Taken::Blocked => Err(io::ErrorKind::TimedOut.into()),
            Taken::Reset => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.unflushed = false;
        Ok(())
    }
}

impl Stream {
    /// An async call's fault: a retry becomes "pending, and woken at once".
    fn poll_fault(&mut self, context: &Context<'_>) -> Option<Poll<io::Result<usize>>> {
        self.fault().map(|fault| match fault {
            Err(_) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(n) => Poll::Ready(Ok(n)),
        })
    }

    fn poll_pause(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.pause {
            None => Poll::Ready(()),
            Some(pause) => {
                std::task::ready!(pause.as_mut().poll(context));
                self.pause = None;
                Poll::Ready(())
            }
        }
    }

    fn wait(&mut self, context: &Context<'_>) {
        self.waiting.push(context.waker().clone());
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        std::task::ready!(this.poll_pause(context));
        if let Some(fault) = this.poll_fault(context) {
            return fault.map_ok(|_| ());
        }
        loop {
            // A reader may ask while its other half still writes.
            this.unflushed = false;
            match this.hear(room.remaining()) {
                Heard::Octets(octets) => {
                    room.put_slice(&octets);
                    this.wake();
                    return Poll::Ready(Ok(()));
                }
                Heard::Silence(Some(time)) => {
                    this.pause = Some(Box::pin(sleep_until(Instant::now() + time)));
                    std::task::ready!(this.poll_pause(context));
                }
                Heard::Eof => return Poll::Ready(Ok(())),
                Heard::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                Heard::Silence(None) | Heard::Nothing => {
                    this.wait(context);
                    return Poll::Pending;
                }
            }
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if octets.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if let Some(fault) = this.poll_fault(context) {
            return fault;
        }
        match this.take(octets) {
            Taken::Octets(n) => {
                this.wake();
                Poll::Ready(Ok(n))
            }
            Taken::Blocked => {
                this.wait(context);
                Poll::Pending
            }
            Taken::Reset => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
