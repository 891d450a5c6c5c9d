//! One attempt at one address.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

/// Connects to an address within the time, from the local one if there is one.
pub(crate) fn dial(address: SocketAddr, local: Option<IpAddr>, budget: Duration) -> io::Result<TcpStream> {
    // To have no time is to be out of time, which the standard library calls an invalid argument.
    if budget.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    let stream = match local {
        None => TcpStream::connect_timeout(&address, budget)?,
        Some(local) => dial_from(local, address, budget)?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

#[cfg(feature = "local-address")]
fn dial_from(local: IpAddr, address: SocketAddr, budget: Duration) -> io::Result<TcpStream> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    let bound = socket.bind(&SocketAddr::new(local, 0).into());
    bound.map_err(|error| crate::error::because(&format!("from {local}"), error))?;
    socket.connect_timeout(&address.into(), budget)?;
    Ok(socket.into())
}

#[cfg(not(feature = "local-address"))]
fn dial_from(_: IpAddr, _: SocketAddr, _: Duration) -> io::Result<TcpStream> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "no local address can be chosen (feature `local-address`)",
    ))
}
