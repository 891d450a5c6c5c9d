//! The proxy between a client and a server, which makes the faults. Each worker of the run has a listener of its
//! own, so that the faults of its first, second, third connection follow from the seed.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fault::{Close, Fault};
use crate::passage::{Ending, Passage};
use crate::random::Random;
use crate::wire::{Slot, Wire};

/// Longer than any server needs to notice that a client is gone.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where the connections of a worker go.
pub(crate) struct Route {
    /// What the plans follow from, besides the connection's number.
    pub(crate) seed: String,
    pub(crate) backends: Arc<Vec<Backend>>,
    /// How long the client waits.
    pub(crate) deadline: Duration,
    pub(crate) tls: bool,
    pub(crate) slot: Arc<Slot>,
    pub(crate) tally: Arc<Tally>,
}

/// A server behind the proxy.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    /// The fault that it is, if it is one; the proxy makes no other then.
    pub(crate) fault: Option<String>,
    /// How many connections in all those of the other backends it gets.
    pub(crate) weight: usize,
}

/// How many connections there were, and the faults that came about.
#[derive(Default)]
pub(crate) struct Tally(Mutex<BTreeMap<String, usize>>);

impl Tally {
    pub(crate) const CONNECTIONS: &str = "connections";

    pub(crate) fn count(&self, what: &str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Accepts until told to stop, and returns when each connection has ended at both ends.
pub(crate) async fn serve(listener: TcpListener, route: Route, mut stop: watch::Receiver<bool>) {
    let mut passages = JoinSet::new();
    let mut number = 0_usize;
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => client,
                Err(_) => continue,
            },
            _ = stop.changed() => break,
        };
        let mut random = Random::new(&[route.seed.as_bytes(), &number.to_le_bytes()]);
        number += 1;
        let (address, fault) = plan(&route, &mut random);
        let (wire, tally, tls) = (route.slot.get(), Arc::clone(&route.tally), route.tls);
        tally.count(Tally::CONNECTIONS);
        passages.spawn(async move {
            let connected = TcpStream::connect(address).await;
            match connected {
                Ok(server) => pass((client, server), fault, tls, &wire, &tally).await,
                Err(error) => wire.note(&format!("proxy: no server: {error}")),
            }
        });
    }
    while passages.join_next().await.is_some() {}
}

/// Where a connection goes and what becomes of it.
fn plan(route: &Route, random: &mut Random) -> (SocketAddr, Fault) {
    let weights: usize = route.backends.iter().map(|backend| backend.weight).sum();
    let mut chosen = random.below(weights);
    let mut backends = route.backends.iter();
    let backend = backends.find(|backend| match chosen.checked_sub(backend.weight) {
        Some(rest) => {
            chosen = rest;
            false
        }
        None => true,
    });
    let Some(backend) = backend.or(route.backends.first()) else {
        return (SocketAddr::from(([127, 0, 0, 1], 0)), Fault::None);
    };
    let fault = match &backend.fault {
        Some(name) => {
            route.tally.count(name);
            route.slot.get().note(&format!("proxy: to {name}"));
            Fault::None
        }
        None => Fault::draw(random, route.deadline, route.tls),
    };
    (backend.address, fault)
}

async fn pass(ends: (TcpStream, TcpStream), fault: Fault, tls: bool, wire: &Wire, tally: &Tally) {
    let (mut client, mut server) = ends;
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    let mut passage = Passage::new(fault, tls, wire, tally);
    let ending = passage.run(&mut client, &mut server).await;
    wire.note(&format!("proxy: {}, {ending:?}", passage.summary()));
    wire.passed(passage.accepted());
    match ending {
        Ending::Ended => {}
        Ending::Close(Close::Fin) => close(client, server).await,
        Ending::Close(Close::Rst) => {
            let _ = client.set_zero_linger().and(server.set_zero_linger());
        }
    }
}

/// Ends both connections in good order: reads what still comes until they have ended too, so that whatever the
/// server makes of what it has, it has made when this returns.
async fn close(mut client: TcpStream, mut server: TcpStream) {
    use tokio::io::AsyncWriteExt;
    let _ = (server.shutdown().await, client.shutdown().await);
    let drained = async { tokio::join!(drain(&mut client), drain(&mut server)) };
    let _ = timeout(PATIENCE, drained).await;
}

async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
