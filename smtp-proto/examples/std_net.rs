//! The core in a loop of one's own: `std::net`, no adapter, no TLS. Sends one message to a server on this
//! machine, for example `cargo run -p smtp-proto --example std_net -- 127.0.0.1:2525`.

use std::error::Error;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use smtp_proto::connection::{Config, Connection, Peer, TlsPolicy};
use smtp_proto::flow::{Body, Envelope, Flow, SendOptions, Step, Submit};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: std_net HOST:PORT")?;
    let mut stream = TcpStream::connect(&address)?;
    stream.set_nodelay(true)?;
    let config = Config::new(smtp_proto::path::host_of(&address)).tls(TlsPolicy::None);
    let mut connection = Connection::new(config, Peer::of(stream.peer_addr()?.ip()));
    connection.set_transcript(|entry| println!("{entry}"));

    let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
    let message = b"Subject: hello\r\n\r\nA message through a loop of one's own.\r\n";
    let mut submit = Submit::new(&envelope, Body::Whole(message), SendOptions::default());
    let delivery = run(&mut submit, &mut connection, &mut stream, message)?;
    println!("queue id: {}", delivery.queue_id().unwrap_or("none"));
    Ok(())
}

fn run<F: Flow>(
    flow: &mut F,
    connection: &mut Connection,
    stream: &mut TcpStream,
    message: &[u8],
) -> Result<F::Output, F::Error> {
    let (began, mut at, mut broken, mut buffer) = (Instant::now(), 0, false, [0; 4096]);
    loop {
        match flow.poll(connection)? {
            Step::Done(output) => return Ok(output),
            Step::UpgradeTls(_) => connection.tls_failed(),
            Step::SupplyBody { .. } => connection.supply_body(message, &mut at),
            Step::Continue => {
                let Some(left) = connection.tick(began.elapsed()) else { continue };
                let writing = !connection.output().is_empty() && !broken;
                let bounded = stream.set_read_timeout(Some(left)).and(stream.set_write_timeout(Some(left)));
                let moved = bounded.and_then(|()| match writing {
                    true => stream.write(connection.output()),
                    false => stream.read(&mut buffer),
                });
                match moved.map_err(|error| error.kind()) {
                    Ok(n) if writing && n > 0 => connection.advance_output(n)?,
                    Ok(n) if n > 0 => connection.receive(buffer.get(..n).unwrap_or_default()),
                    // The next tick tells whether the time is over.
                    Err(ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted) => {}
                    // What the server said before it closed may still be read.
                    _ if writing => broken = true,
                    _ => connection.receive_eof(),
                }
            }
        }
    }
}
