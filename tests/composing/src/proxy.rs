//! A SOCKS5 proxy for the example and its tests (RFC 1928): CONNECT without authentication, for as long as the process
//! lives.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

/// What the proxy says to a request.
#[derive(Clone, Copy)]
pub enum Rule {
    /// It connects.
    Allow,
    /// "Connection not allowed by ruleset".
    Refuse,
    /// Nothing, ever.
    Silence,
}

pub struct Proxy {
    pub address: SocketAddr,
    /// What it was asked to connect to, as it was asked: `name:port`.
    pub asked: Receiver<String>,
}

impl Proxy {
    /// # Errors
    /// No port of 127.0.0.1 is to be had.
    pub fn start(rule: Rule) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let (ask, asked) = channel();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let ask = ask.clone();
                // A client that breaks the protocol is left, as one that has gone.
                thread::spawn(move || serve(client, rule, &ask));
            }
        });
        Ok(Self { address, asked })
    }
}

fn serve(mut client: TcpStream, rule: Rule, ask: &Sender<String>) -> io::Result<()> {
    if matches!(rule, Rule::Silence) {
        thread::park();
    }
    let [5, methods] = read(&mut client)? else { return Err(io::ErrorKind::InvalidData.into()) };
    client.read_exact(&mut vec![0; methods.into()])?;
    client.write_all(&[5, 0])?;
    let [5, 1, 0, kind] = read(&mut client)? else { return Err(io::ErrorKind::InvalidData.into()) };
    let host = match kind {
        1 => std::net::Ipv4Addr::from(read::<4>(&mut client)?).to_string(),
        4 => format!("[{}]", std::net::Ipv6Addr::from(read::<16>(&mut client)?)),
        _ => {
            let [length] = read(&mut client)?;
            let mut name = vec![0; length.into()];
            client.read_exact(&mut name)?;
            String::from_utf8(name).map_err(io::Error::other)?
        }
    };
    let target = format!("{host}:{}", u16::from_be_bytes(read(&mut client)?));
    let server =
        if matches!(rule, Rule::Refuse) { Err(2) } else { TcpStream::connect(&target).map_err(|_| 5) };
    let _ = ask.send(target);
    client.write_all(&[5, *server.as_ref().err().unwrap_or(&0), 0, 1, 0, 0, 0, 0, 0, 0])?;
    let Ok(server) = server else { return Ok(()) };
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || pass(from_client, to_server));
    pass(server, client);
    Ok(())
}

/// Passes on what is said until it ends, and then that it has ended.
fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}

fn read<const N: usize>(stream: &mut TcpStream) -> io::Result<[u8; N]> {
    let mut octets = [0; N];
    stream.read_exact(&mut octets)?;
    Ok(octets)
}
