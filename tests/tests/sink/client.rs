//! A raw client, and what stands in most tests.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use smtp_tests::sink::{Builder, Sink, TlsMode};

/// A client that knows no SMTP beyond where a reply ends.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
}

pub(crate) type Tls = StreamOwned<ClientConnection, TcpStream>;

impl Client<TcpStream> {
    /// Connected, greeting read.
    pub(crate) fn connect(sink: &Sink) -> Self {
        let mut client = Client { stream: tcp(sink) };
        client.run("S: 220 localhost ESMTP sink");
        client
    }
}

/// Connected, greeting and EHLO behind it.
pub(crate) fn greeted(sink: &Sink) -> Client<TcpStream> {
    let mut client = Client::connect(sink);
    client.ehlo();
    client
}

pub(crate) fn tcp(sink: &Sink) -> TcpStream {
    let stream = TcpStream::connect(sink.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

pub(crate) fn tls(sink: &Sink, stream: TcpStream, name: &'static str) -> Tls {
    tls_with(sink.certificate_authority().client_config().unwrap(), stream, name)
}

pub(crate) fn tls_with(config: Arc<ClientConfig>, stream: TcpStream, name: &'static str) -> Tls {
    StreamOwned::new(ClientConnection::new(config, ServerName::try_from(name).unwrap()).unwrap(), stream)
}

impl<S: Read + Write> Client<S> {
    /// Runs a transcript: `C:` lines are sent with CRLF, `S:` lines are what has to come, exactly.
    #[track_caller]
    pub(crate) fn run(&mut self, transcript: &str) {
        for line in transcript.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            match line.split_at_checked(2) {
                Some(("C:", text)) => self.send(format!("{}\r\n", text.strip_prefix(' ').unwrap_or(text))),
                Some(("S:", text)) => assert_eq!(self.line(), text.strip_prefix(' ').unwrap_or(text)),
                _ => panic!("neither C: nor S: {line}"),
            }
        }
    }

    pub(crate) fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.stream.write_all(octets.as_ref()).unwrap();
        self.stream.flush().unwrap();
    }

    /// One line, whatever it is, without CRLF.
    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let mut octet = [0];
            self.stream.read_exact(&mut octet).unwrap();
            line.extend(octet);
        }
        line.truncate(line.len() - 2);
        String::from_utf8(line).unwrap()
    }

    /// The stream ends here, and orderly.
    #[track_caller]
    pub(crate) fn expect_end(&mut self) {
        assert_eq!(self.stream.read(&mut [0]).unwrap(), 0);
    }

    pub(crate) fn ehlo(&mut self) {
        self.send("EHLO client.test\r\n");
        while !self.line().starts_with("250 ") {}
    }
}

/// A sink without TLS.
pub(crate) fn plain() -> Builder {
    Sink::builder().tls(TlsMode::None)
}
