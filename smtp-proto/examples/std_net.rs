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
) -> Result<F::Output, Box<dyn Error>>
where
    F::Error: Error + 'static,
{
    let mut clock = Clock(None);
    let mut buffer = [0; 4096];
    loop {
        match flow.poll(connection)? {
            Step::Done(output) => return Ok(output),
            Step::UpgradeTls(_) => connection.tls_failed(),
            Step::SupplyBody { .. } => {
                let mut rest = message;
                while !rest.is_empty() {
                    let part = connection.body(rest)?;
                    for slice in part.slices() {
                        stream.write_all(slice)?;
                    }
                    connection.advance_output(part.len())?;
                    rest = rest.get(part.consumed()..).unwrap_or_default();
                }
                connection.finish_body()?;
            }
            Step::Continue if !connection.output().is_empty() => {
                let n = stream.write(connection.output())?;
                connection.advance_output(n)?;
            }
            Step::Continue => {
                let Some(timeout) = connection.timeout() else { return Err("nothing is awaited".into()) };
                let since = match clock.0 {
                    Some((same, since)) if same == timeout => since,
                    _ => clock.0.insert((timeout, Instant::now())).1,
                };
                let remaining = timeout.budget.saturating_sub(since.elapsed());
                if remaining.is_zero() {
                    connection.handle_timeout();
                    continue;
                }
                stream.set_read_timeout(Some(remaining))?;
                match stream.read(&mut buffer) {
                    Ok(0) => connection.receive_eof(),
                    Ok(n) => connection.receive(buffer.get(..n).unwrap_or_default()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => connection.handle_timeout(),
                    Err(_) => connection.receive_eof(),
                }
            }
        }
    }
}
