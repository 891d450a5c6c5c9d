//! The core in a loop of one's own: `std::net`, no adapter, no TLS. Sends one message to a server on this
//! machine, for example `cargo run -p smtp-proto --example std_net -- 127.0.0.1:2525`.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use smtp_proto::connection::{Config, Connection, Peer, Timeout, TlsPolicy};
use smtp_proto::flow::{Body, Envelope, Flow, Open, Quit, Send, SendOptions, Step};

/// The clock of one wait, which begins anew whenever the connection waits for something else.
struct Clock(Option<(Timeout, Instant)>);

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("usage: std_net HOST:PORT")?;
    let mut stream = TcpStream::connect(&address)?;
    stream.set_nodelay(true)?;
    let config = Config::new(smtp_proto::path::host_of(&address)).tls(TlsPolicy::None);
    let mut connection = Connection::new(config, Peer::of(stream.peer_addr()?.ip()));
    connection.set_transcript(|entry| println!("{entry}"));

    let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
    let message = b"Subject: hello\r\n\r\nA message through a loop of one's own.\r\n";
    run(&mut Open::new(), &mut connection, &mut stream, b"")?;
    let mut send = Send::new(&envelope, Body::Whole(message), SendOptions::default());
    let delivery = run(&mut send, &mut connection, &mut stream, message)?;
    println!("queue id: {}", delivery.queue_id().unwrap_or("none"));
    run(&mut Quit::new(), &mut connection, &mut stream, b"")?;
    Ok(())
}

fn run<F: Flow>(
    flow: &mut F,
    connection: &mut Connection,
    stream: &mut TcpStream,
    message: &[u8],
) -> Result<F::Output, F::Error> {
    let mut clock = Clock(None);
    let mut buffer = [0; 4096];
    let mut rest = message;
    loop {
        match flow.poll(connection)? {
            Step::Done(output) => return Ok(output),
            Step::UpgradeTls(_) => connection.tls_failed(),
            Step::SupplyBody { .. } if rest.is_empty() => drop(connection.finish_body()),
            Step::SupplyBody { .. } => {
                // What is wrong with the octets, the flow tells.
                let Ok(mut part) = connection.body(rest) else { continue };
                rest = rest.get(part.consumed()..).unwrap_or_default();
                while let Some(slice) = part.slices().next() {
                    match clock.tick(connection, stream, |stream| stream.write(slice)) {
                        Some(n) => {
                            part.advance(n);
                            connection.advance_output(n)?;
                        }
                        // If that was the end, the flow says so.
                        None => drop(flow.poll(connection)?),
                    }
                }
            }
            Step::Continue if !connection.output().is_empty() => {
                let output = connection.output().to_vec();
                if let Some(n) = clock.tick(connection, stream, |stream| stream.write(&output)) {
                    connection.advance_output(n)?;
                }
            }
            Step::Continue => {
                if let Some(n) = clock.tick(connection, stream, |stream| stream.read(&mut buffer)) {
                    connection.receive(buffer.get(..n).unwrap_or_default());
                }
            }
        }
    }
}

impl Clock {
    /// One read or write within the time that is left. `None` when it moved nothing: the connection knows
    /// already if that was the end.
    fn tick(
        &mut self,
        connection: &mut Connection,
        stream: &mut TcpStream,
        call: impl FnOnce(&mut TcpStream) -> io::Result<usize>,
    ) -> Option<usize> {
        let timeout = connection.timeout()?;
        let since = match self.0 {
            Some((same, since)) if same == timeout => since,
            _ => self.0.insert((timeout, Instant::now())).1,
        };
        let remaining = timeout.budget.saturating_sub(since.elapsed());
        let bounded = stream.set_read_timeout(Some(remaining)).and(stream.set_write_timeout(Some(remaining)));
        // A budget of nothing left is no timeout that a socket takes, and so is an error here, too.
        match bounded.and_then(|()| call(stream)) {
            Ok(0) => connection.receive_eof(),
            Ok(n) => return Some(n),
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::InvalidInput => {
                    connection.handle_timeout();
                }
                _ => connection.receive_eof(),
            },
        }
        None
    }
}
