//! The core under `polling`: a non-blocking socket, and one wait for whatever comes first: octets, room for octets, or the
//! deadline. `cargo run --example loop_polling` brings a server along.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Instant;

use polling::{Event, Events, Poller};
use smtp_loops::{Channel, Letter, Outcome, demonstrate};
use smtp_proto::{Flow as _, Step};

fn main() -> ExitCode {
    demonstrate(true, |address, letter| Ok(vec![send(address, letter)?]))
}

// ---- the glue ----

/// Sends the letter; fails if there is no connection to begin with, or it cannot be watched.
pub fn send(address: SocketAddr, letter: &Letter) -> io::Result<Outcome> {
    let socket = TcpStream::connect(address)?;
    socket.set_nonblocking(true)?;
    let poller = Poller::new()?;
    // SAFETY: it is deleted below, before the socket is dropped.
    #[allow(unsafe_code)]
    unsafe {
        poller.add(&socket, Event::none(0))?;
    }
    let outcome = run(&poller, &socket, address, letter);
    poller.delete(&socket)?;
    outcome
}

fn run(poller: &Poller, mut socket: &TcpStream, address: SocketAddr, letter: &Letter) -> io::Result<Outcome> {
    let (mut smtp, mut submit, mut channel) =
        (letter.connection(address), letter.submit(), Channel::default());
    let (began, mut at, mut broken, mut buffer) = (Instant::now(), 0, false, [0; 4096]);
    let mut events = Events::new();
    loop {
        match submit.poll(&mut smtp) {
            Ok(Step::Done(delivery)) => return Ok(Ok(delivery)),
            Err(error) => return Ok(Err(error)),
            Ok(Step::SupplyBody { .. }) => smtp.supply_body(&letter.message, &mut at),
            Ok(Step::UpgradeTls(upgrade)) => channel.upgrade(&mut smtp, upgrade, &letter.tls),
            Ok(Step::Continue) => {
                let Some(left) = smtp.tick(began.elapsed()) else { continue };
                let output = channel.output(&mut smtp);
                let writing = !output.is_empty() && !broken;
                if writing {
                    match socket.write(output) {
                        Ok(n) => {
                            channel.advance(&mut smtp, n);
                            continue;
                        }
                        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                        // What the server said before it closed may still be read.
                        Err(_) => broken = true,
                    }
                }
                match socket.read(&mut buffer) {
                    Ok(n) if n > 0 => channel.receive(&mut smtp, &buffer[..n]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        poller.modify(socket, Event::new(0, true, writing))?;
                        events.clear();
                        poller.wait(&mut events, Some(left))?;
                    }
                    _ => smtp.receive_eof(),
                }
            }
        }
    }
}
