//! Servers that say what they were given and then end in one way or another.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// A server with one client. It ends with that.
pub struct Server {
    /// Where it listens.
    pub address: SocketAddr,
}

/// What it does when it has said everything.
#[derive(Clone, Copy)]
pub enum Ending {
    /// It reads, and says nothing.
    Silence,
    /// It says these octets one at a time, the last of them for ever.
    Trickle(&'static [u8]),
    /// It closes.
    Close,
}

impl Server {
    /// Says the first unasked, and each other once a line has come.
    pub fn says(script: &[&'static str], ending: Ending) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let script = script.to_vec();
        std::thread::spawn(move || {
            let (client, _) = listener.accept().unwrap();
            // The client may be gone before everything is said.
            let _ = serve(client, &script, ending);
        });
        Self { address }
    }
}

fn serve(mut client: TcpStream, script: &[&str], ending: Ending) -> std::io::Result<()> {
    for (index, reply) in script.iter().enumerate() {
        if index > 0 {
            hear_line(&mut client)?;
        }
        client.write_all(format!("{reply}\r\n").as_bytes())?;
    }
    match ending {
        Ending::Silence => while client.read(&mut [0; 512])? > 0 {},
        Ending::Trickle(octets) => {
            let _ = client.read(&mut [0; 512])?;
            let forever = octets.last().into_iter().cycle();
            for octet in octets.iter().chain(forever) {
                client.write_all(&[*octet])?;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Ending::Close => drop(client.read(&mut [0; 512])?),
    }
    Ok(())
}

/// Takes what the client says, up to the end of a line.
fn hear_line(client: &mut TcpStream) -> std::io::Result<()> {
    let mut octet = [0];
    while octet != *b"\n" && client.read(&mut octet)? > 0 {}
    Ok(())
}
