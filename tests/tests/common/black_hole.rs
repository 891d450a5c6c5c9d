//! An address that takes no more connections and refuses none: its queue is full (Linux).

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// Such an address, as long as the sockets are kept.
pub(crate) fn black_hole() -> (SocketAddr, Vec<Socket>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut kept = vec![listener];
    for _ in 0..4 {
        let waiting = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        waiting.set_nonblocking(true).unwrap();
        let _ = waiting.connect(&address);
        kept.push(waiting);
    }
    (address.as_socket().unwrap(), kept)
}
