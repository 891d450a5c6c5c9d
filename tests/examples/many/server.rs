//! A server of the same kind: one thread, any number of connections. It believes what it is told, refuses one
//! recipient, and keeps no message.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

/// Starts a server on a thread of its own, which ends with the process.
///
/// # Errors
/// If there is no port to listen on.
pub fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || run(listener));
    Ok(address)
}

const LISTENER: Token = Token(usize::MAX);

/// Serves for ever.
///
/// # Errors
/// Of the listener, as when there are no file descriptors left.
pub fn run(mut listener: TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients = HashMap::new();
    let mut accepted = 0;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Some(stream) = accept(&listener)? {
                    let mut client = Client::greet(stream);
                    let token = Token(accepted);
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    poll.registry().register(&mut client.stream, token, interest)?;
                    clients.insert(token, client);
                    accepted += 1;
                }
            } else if let Some(client) = clients.get_mut(&event.token()) {
                if client.go_on(&mut buffer).is_err() {
                    clients.remove(&event.token());
                }
            }
        }
    }
}

fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

struct Client {
    stream: TcpStream,
    in_message: bool,
    quitting: bool,
    heard: Vec<u8>,
    saying: Vec<u8>,
}

impl Client {
    fn greet(stream: TcpStream) -> Self {
        let saying = b"220 localhost ESMTP\r\n".to_vec();
        Self { stream, in_message: false, quitting: false, heard: Vec::new(), saying }
    }

    /// Goes on until nothing more can be read; an error is the end.
    fn go_on(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        loop {
            self.write()?;
            if self.quitting && self.saying.is_empty() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => self.hear(&buffer[..n]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&mut self) -> io::Result<()> {
        while !self.saying.is_empty() {
            match self.stream.write(&self.saying) {
                Ok(n) => drop(self.saying.drain(..n)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.saying = Vec::new();
        Ok(())
    }

    fn hear(&mut self, octets: &[u8]) {
        self.heard.extend_from_slice(octets);
        while let Some(end) = self.heard.windows(2).position(|pair| pair == b"\r\n") {
            let line: Vec<u8> = self.heard.drain(..end + 2).collect();
            let reply = self.reply(&line[..end]);
            self.saying.extend_from_slice(reply.as_bytes());
        }
        if self.heard.is_empty() {
            self.heard = Vec::new();
        }
    }

    fn reply(&mut self, line: &[u8]) -> &'static str {
        if self.in_message {
            self.in_message = line != b".";
            return if self.in_message { "" } else { "250 2.0.0 Ok: queued as 1\r\n" };
        }
        match line.get(..4) {
            Some(b"EHLO") => {
                "250-localhost\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-AUTH PLAIN\r\n\
                 250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"
            }
            Some(b"AUTH") => "235 2.7.0 Welcome\r\n",
            Some(b"RCPT") if line.starts_with(b"RCPT TO:<nobody@") => "550 5.1.1 No such user\r\n",
            Some(b"MAIL" | b"RCPT") => "250 2.1.0 Ok\r\n",
            Some(b"DATA") => {
                self.in_message = true;
                "354 Go on\r\n"
            }
            Some(b"QUIT") => {
                self.quitting = true;
                "221 2.0.0 Bye\r\n"
            }
            _ => "500 5.5.1 What?\r\n",
        }
    }
}
