//! From a name to a TCP connection: the look-up, and one attempt at one address.

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream, ToSocketAddrs, lookup_host};
use tokio::time::timeout;

/// The addresses behind a name, within the time.
pub(crate) async fn look_up(names: impl ToSocketAddrs, budget: Duration) -> io::Result<Vec<SocketAddr>> {
    Ok(within(budget, lookup_host(names)).await?.collect())
}

/// Connects to an address within the time, from the local one if there is one.
pub(crate) async fn dial(
    address: SocketAddr,
    local: Option<IpAddr>,
    budget: Duration,
) -> io::Result<TcpStream> {
    let stream = match local {
        None => within(budget, TcpStream::connect(address)).await?,
        Some(local) => {
            let socket = if local.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            let bound = socket.bind(SocketAddr::new(local, 0));
            bound.map_err(|error| crate::error::because(&format!("from {local}"), error))?;
            within(budget, socket.connect(address)).await?
        }
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Gives a step of connecting its time.
async fn within<T>(budget: Duration, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(budget, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
