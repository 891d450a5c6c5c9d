//! The core in a loop by hand over `std::net`: one blocking read or write at a time, for as long as the core allows, and
//! rustls from STARTTLS on. `cargo run --example loop_std` brings a server along.
//!
//! It reads when there is nothing to write; `smtp-blocking` also hears a server that speaks while a message is on its way.

use std::io::{self, Error, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use smtp_loops::{Letter, Outcome, demonstrate};
use smtp_proto::connection::{Connection, TlsUpgrade};
use smtp_proto::{Flow as _, Step};

fn main() -> ExitCode {
    demonstrate(true, |address, letter| Ok(vec![send(address, letter)?]))
}

// ---- the glue ----

/// Sends the letter; fails if there is no connection to begin with.
pub fn send(address: SocketAddr, letter: &Letter) -> io::Result<Outcome> {
    let mut socket = TcpStream::connect(address)?;
    socket.set_nodelay(true)?;
    let (mut smtp, mut submit, mut at) = (letter.connection(address), letter.submit(), 0);
    let (began, mut tls, mut broken) = (Instant::now(), None, false);
    loop {
        match submit.poll(&mut smtp) {
            Ok(Step::Done(delivery)) => return Ok(Ok(delivery)),
            Err(error) => return Ok(Err(error)),
            Ok(Step::SupplyBody { .. }) => smtp.supply_body(&letter.message, &mut at),
            Ok(Step::UpgradeTls(upgrade)) => {
                let name = ServerName::try_from(upgrade.server_name().to_owned()).map_err(Error::other)?;
                let client = ClientConnection::new(Arc::clone(&letter.tls), name).map_err(Error::other)?;
                tls = Some((client, Some(upgrade)));
            }
            Ok(Step::Continue) => {
                let Some(left) = smtp.tick(began.elapsed()) else { continue };
                socket.set_read_timeout(Some(left)).and(socket.set_write_timeout(Some(left)))?;
                match turn(&mut smtp, &mut socket, &mut tls, broken).map_err(|error| error.kind()) {
                    // The next tick tells whether the time is over.
                    Ok(()) | Err(ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                    // What the server said before it closed may still be read.
                    Err(_) if !broken => broken = true,
                    Err(_) => smtp.receive_eof(),
                }
            }
        }
    }
}

type Tls = Option<(ClientConnection, Option<TlsUpgrade>)>;

/// One write, if there is something to write, or one read.
fn turn(smtp: &mut Connection, socket: &mut TcpStream, tls: &mut Tls, broken: bool) -> io::Result<()> {
    let mut buffer = [0; 4096];
    let offered = if broken { &[] } else { smtp.output() };
    let Some((tls, upgrade)) = tls else {
        if offered.is_empty() {
            match socket.read(&mut buffer)? {
                0 => smtp.receive_eof(),
                n => smtp.receive(&buffer[..n]),
            }
            return Ok(());
        }
        return smtp.advance_output(socket.write(offered)?).map_err(Error::other);
    };
    let n = tls.writer().write(offered)?;
    smtp.advance_output(n).map_err(Error::other)?;
    if tls.wants_write() && !broken {
        return tls.write_tls(socket).map(drop);
    }
    let ended = tls.read_tls(socket)? == 0;
    match tls.process_new_packets() {
        Err(_) if upgrade.is_some() => smtp.tls_failed(),
        Ok(_) if !ended => {}
        _ => smtp.receive_eof(),
    }
    if let Some(upgrade) = upgrade.take_if(|_| !tls.is_handshaking()) {
        smtp.tls_established(upgrade).map_err(Error::other)?;
    }
    while let Ok(n @ 1..) = tls.reader().read(&mut buffer) {
        smtp.receive(&buffer[..n]);
    }
    Ok(())
}
