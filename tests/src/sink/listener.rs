//! The listening socket and the threads behind it, and how they end.

use std::collections::HashMap;
use std::io::{self, Read};
use std::net::Shutdown;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Shared;
use super::socket::{Socket, Stream};

pub(super) struct Listener {
    socket: Arc<Socket>,
    open: Arc<OpenConnections>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub(super) fn start(socket: Socket, shared: Arc<Shared>) -> io::Result<Self> {
        let socket = Arc::new(socket);
        let open = Arc::new(OpenConnections::default());
        let thread = {
            let (socket, open) = (Arc::clone(&socket), Arc::clone(&open));
            thread::Builder::new().name("sink".into()).spawn(move || accept(&socket, &shared, &open))?
        };
        Ok(Self { socket, open, thread: Some(thread) })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.open.stop();
        if let (Ok(()), Some(thread)) = (self.socket.wake(), self.thread.take()) {
            let _ = thread.join();
        }
    }
}

fn accept(socket: &Socket, shared: &Arc<Shared>, open: &Arc<OpenConnections>) {
    let mut sessions: Vec<JoinHandle<()>> = Vec::new();
    loop {
        let accepted = socket.accept();
        if open.stopped() {
            break;
        }
        sessions.retain(|session| !session.is_finished());
        let Ok(stream) = accepted else {
            // Out of file descriptors, most likely: wait for sessions to end.
            thread::sleep(Duration::from_millis(10));
            continue;
        };
        let (shared, open) = (Arc::clone(shared), Arc::clone(open));
        let session = thread::Builder::new().name("sink session".into()).spawn(move || {
            // How a session failed is the client's to see, and the test's through the messages.
            let _ = serve(&shared, &open, &stream);
        });
        sessions.extend(session);
    }
    for session in sessions {
        let _ = session.join();
    }
}

fn serve(shared: &Shared, open: &OpenConnections, stream: &Stream) -> io::Result<()> {
    stream.prepare(shared.settings.idle_timeout)?;
    let Some(id) = open.add(stream.try_clone()?) else { return Ok(()) };
    let served = shared.serve(stream);
    linger(stream);
    open.remove(id);
    served
}

/// Ends the stream so that the last reply arrives: a socket closed with input unread is reset, and a reset
/// throws away what the client has not read yet.
fn linger(mut stream: &Stream) {
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.set_read_timeout(Duration::from_millis(500));
    let mut rest = [0; 4096];
    for _ in 0..1024 {
        if !matches!(stream.read(&mut rest), Ok(1..)) {
            break;
        }
    }
}

/// The sockets of running sessions, kept so that they can be shut down from outside.
#[derive(Default)]
struct OpenConnections {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    stopped: bool,
    last: u64,
    streams: HashMap<u64, Stream>,
}

impl OpenConnections {
    /// `None` when the sink is stopping; the stream is closed then.
    fn add(&self, stream: Stream) -> Option<u64> {
        let mut inner = self.lock();
        if inner.stopped {
            return None;
        }
        inner.last += 1;
        let id = inner.last;
        inner.streams.insert(id, stream);
        Some(id)
    }

    fn remove(&self, id: u64) {
        self.lock().streams.remove(&id);
    }

    fn stopped(&self) -> bool {
        self.lock().stopped
    }

    fn stop(&self) {
        let mut inner = self.lock();
        inner.stopped = true;
        for (_, stream) in inner.streams.drain() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
