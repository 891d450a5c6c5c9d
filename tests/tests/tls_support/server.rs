//! A server for one connection, with TLS at once or after STARTTLS, that notes what it hears in clear, as TLS records
//! and under TLS.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::server::Acceptor;
use rustls::{
    HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    version,
};

use super::Identity;

/// TLS versions, one at a time.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// How a server comes to TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    StartTls,
    Implicit,
}

/// A server that waits for its client.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    thread: JoinHandle<Heard>,
}

/// What a client said.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// Before the handshake.
    pub(crate) clear: Vec<u8>,
    /// The octets on the wire from there on.
    pub(crate) records: Vec<u8>,
    /// Under TLS.
    pub(crate) tls: Vec<u8>,
    /// The server name indication.
    pub(crate) sni: Option<String>,
    /// What the handshakes that were concluded agreed on, and whether they took up an earlier session.
    pub(crate) agreed: Vec<(ProtocolVersion, HandshakeKind)>,
}

/// A stream that keeps what was read from it.
struct Noting<'n>(TcpStream, &'n mut Vec<u8>);

impl Read for Noting<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let n = self.0.read(room)?;
        self.1.extend_from_slice(&room[..n]);
        Ok(n)
    }
}

impl Write for Noting<'_> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.0.write(octets)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A configuration that shows `identity` and speaks this version of TLS alone.
pub(crate) fn server_config(
    identity: Identity,
    version: &'static SupportedProtocolVersion,
) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let builder = builder.with_protocol_versions(&[version]).unwrap().with_no_client_auth();
    Arc::new(builder.with_single_cert(identity.chain, identity.key).unwrap())
}

impl Server {
    /// Serves one client, whose host has the names of `identity` or not.
    pub(crate) fn start(conduct: Conduct, tls: Arc<ServerConfig>) -> Self {
        Self::play(move |stream, heard| match conduct {
            Conduct::StartTls => {
                let mut stream = stream;
                offer(&mut stream, heard)?;
                stream.write_all(b"220 named.in.starttls\r\n")?;
                speak(stream, tls, heard, b"")
            }
            Conduct::Implicit => speak(stream, tls, heard, b"220 hello\r\n"),
        })
    }

    /// Serves so many clients, one after the other, that may resume each other's sessions. What is heard under TLS is
    /// that of the last.
    pub(crate) fn start_many(clients: usize, tls: Arc<ServerConfig>) -> Self {
        Self::listen(move |listener, heard| {
            for _ in 0..clients {
                let stream = accept_client(listener);
                heard.tls.clear();
                let _ = speak(stream, Arc::clone(&tls), heard, b"220 hello\r\n");
            }
            Ok(())
        })
    }

    /// Serves one client by hand.
    pub(crate) fn play(serve: impl FnOnce(TcpStream, &mut Heard) -> io::Result<()> + Send + 'static) -> Self {
        Self::listen(|listener, heard| serve(accept_client(listener), heard))
    }

    fn listen(serve: impl FnOnce(&TcpListener, &mut Heard) -> io::Result<()> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let thread = std::thread::spawn(move || {
            let mut heard = Heard::default();
            // That the client has gone is no failure of the server's: what it said until then is what counts.
            let _ = serve(&listener, &mut heard);
            heard
        });
        Self { address, thread }
    }

    /// What was heard, when the client has gone.
    pub(crate) fn heard(self) -> Heard {
        self.thread.join().unwrap()
    }
}

fn accept_client(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().unwrap();
    // Only a test that is lost anyway waits for so long.
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Says the greeting and the offer of STARTTLS, and hears the client out to where it expects the 220.
pub(crate) fn offer(stream: &mut TcpStream, heard: &mut Heard) -> io::Result<()> {
    // The names in here must never count.
    stream.write_all(b"220 named.in.greeting\r\n")?;
    heard.clear.extend(line(stream));
    stream.write_all(b"250-named.in.ehlo\r\n250 STARTTLS\r\n")?;
    heard.clear.extend(line(stream));
    Ok(())
}

/// Does the server's part of the handshake, and what follows it: a greeting, EHLO, AUTH, QUIT.
pub(crate) fn speak(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    heard: &mut Heard,
    greeting: &[u8],
) -> io::Result<()> {
    let Heard { records, tls: said, sni, agreed, .. } = heard;
    let mut stream = Noting(stream, records);
    let result = accept(&mut stream, tls, sni).and_then(|mut server| {
        while server.is_handshaking() {
            server.complete_io(&mut stream)?;
        }
        agreed.extend(server.protocol_version().zip(server.handshake_kind()));
        let mut server = StreamOwned::new(server, &mut stream);
        server.write_all(greeting)?;
        loop {
            let heard = line(&mut server);
            said.extend_from_slice(&heard);
            let reply: &[u8] = match heard.get(..4) {
                Some(b"EHLO") => b"250-hello\r\n250 AUTH PLAIN\r\n",
                Some(b"AUTH") => b"235 welcome\r\n",
                Some(b"QUIT") => b"221 bye\r\n",
                _ => return Ok(()),
            };
            server.write_all(reply)?;
        }
    });
    // What a client would say after a failed handshake is heard as well.
    let _ = io::copy(&mut stream, &mut io::sink());
    result
}

/// Reads the ClientHello first, for the name in it.
fn accept(
    stream: &mut Noting<'_>,
    tls: Arc<ServerConfig>,
    sni: &mut Option<String>,
) -> io::Result<ServerConnection> {
    let mut acceptor = Acceptor::default();
    loop {
        if acceptor.read_tls(stream)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(accepted) = acceptor.accept().map_err(|(error, _)| io::Error::other(error))? {
            *sni = accepted.client_hello().server_name().map(str::to_owned);
            return accepted.into_connection(tls).map_err(|(error, mut alert)| {
                let _ = alert.write_all(stream);
                io::Error::other(error)
            });
        }
    }
}

/// One line, or what there is of it.
pub(crate) fn line(stream: &mut impl Read) -> Vec<u8> {
    let mut line = Vec::new();
    let mut octet = [0];
    while !line.ends_with(b"\n") && matches!(stream.read(&mut octet), Ok(1)) {
        line.push(octet[0]);
    }
    line
}
