//! A link with a delay: a proxy that hands octets on after a while, and counts round trips.
//!
//! A round trip is causal, not timed: whatever the client sends belongs to the round trip after the latest of
//! which it has seen an answer, and whatever the server sends, to the latest of which it has seen a command. A
//! flight may so be cut into any number of segments, and a client that never waits is at its first.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use crate::Result;

/// The proxy, for one connection after another; its threads end with their connections.
pub(crate) struct Link {
    pub(crate) address: SocketAddr,
    round_trips: Arc<AtomicU64>,
}

impl Link {
    /// A link to `server` that takes `delay` each way.
    pub(crate) fn start(server: SocketAddr, delay: Duration) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let round_trips = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&round_trips);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A connection that fails is the client's to report.
                let _ = connect(client, server, delay, Arc::clone(&count));
            }
        });
        Ok(Self { address, round_trips })
    }

    /// Round trips begun so far.
    pub(crate) fn round_trips(&self) -> u64 {
        self.round_trips.load(SeqCst)
    }
}

fn connect(client: TcpStream, server: SocketAddr, delay: Duration, round_trips: Arc<AtomicU64>) -> Result {
    let server = TcpStream::connect(server)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let begun = round_trips.load(SeqCst);
    let [seen_by_client, seen_by_server] = [begun, begun].map(|begun| Arc::new(AtomicU64::new(begun)));
    let (seen, trips) = (Arc::clone(&seen_by_client), round_trips);
    let sent = move || {
        let trip = seen.load(SeqCst) + 1;
        trips.fetch_max(trip, SeqCst);
        trip
    };
    let seen = Arc::clone(&seen_by_server);
    let answered = move || seen.load(SeqCst);
    carry(client.try_clone()?, server.try_clone()?, delay, sent, seen_by_server);
    carry(server, client, delay, answered, seen_by_client);
    Ok(())
}

/// Carries octets one way, each read marked with the round trip it belongs to.
fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    delay: Duration,
    mark: impl Fn() -> u64 + Send + 'static,
    seen: Arc<AtomicU64>,
) {
    let (queue, arrivals) = channel::<(Instant, u64, Vec<u8>)>();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if queue.send((Instant::now() + delay, mark(), buffer[..n].to_vec())).is_err() {
                break;
            }
        }
    });
    thread::spawn(move || {
        for (due, trip, octets) in arrivals {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            seen.fetch_max(trip, SeqCst);
            if to.write_all(&octets).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
}
