//! The server: it answers at once with canned replies, and collects those of one read in one write.
//!
//! It understands just enough to keep up with a client that pipelines: it looks for the end of each line, for the
//! end of a message after DATA, and counts the octets of a BDAT chunk. It refuses nothing.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use memchr::memchr;
use memchr::memmem::Finder;
use socket2::SockRef;

use crate::Result;

pub(crate) const MAIL: &[u8] = b"250 2.1.0 Ok\r\n";
pub(crate) const RCPT: &[u8] = b"250 2.1.5 Ok\r\n";
pub(crate) const DATA: &[u8] = b"354 End data with <CR><LF>.<CR><LF>\r\n";
pub(crate) const QUEUED: &[u8] = b"250 2.0.0 Ok: queued as 4Yb1Q23zLvz9sX\r\n";
const CHUNK: &[u8] = b"250 2.0.0 Ok\r\n";
const OK: &[u8] = b"250 2.0.0 Ok\r\n";
const BYE: &[u8] = b"221 2.0.0 Bye\r\n";
const UNKNOWN: &[u8] = b"500 5.5.2 What?\r\n";

/// How much one read may bring: a window of messages in flight.
const BUFFER: usize = 256 * 1024;

/// Extensions of the server that a contestant meets.
pub(crate) const WITH_DATA: &str = "PIPELINING SIZE 8BITMIME ENHANCEDSTATUSCODES";
pub(crate) const WITH_BDAT: &str = "PIPELINING SIZE 8BITMIME ENHANCEDSTATUSCODES CHUNKING";

/// A server in a process of its own, so that its time and system calls are not taken for the client's. It ends
/// with this value.
pub(crate) struct Server {
    process: Child,
    pub(crate) with_data: SocketAddr,
    pub(crate) with_bdat: SocketAddr,
}

impl Server {
    pub(crate) fn start(delay_acks: bool) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("serve").args([WITH_DATA, WITH_BDAT]);
        if delay_acks {
            command.arg("--delay-acks");
        }
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let mut lines = io::BufRead::lines(io::BufReader::new(process.stdout.take().ok_or("no output")?));
        let mut address =
            || -> Result<SocketAddr> { Ok(lines.next().ok_or("the server is silent")??.parse()?) };
        Ok(Self { with_data: address()?, with_bdat: address()?, process })
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves a list of extensions on a port each, prints the addresses, and ends when its input does.
pub(crate) fn serve(extensions: &[String], delay_acks: bool) -> Result {
    for extensions in extensions {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        let ehlo = ehlo_reply(extensions);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let ehlo = ehlo.clone();
                // A connection that breaks is the client's to report.
                thread::spawn(move || converse(stream, &ehlo, delay_acks));
            }
        });
    }
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn ehlo_reply(extensions: &str) -> Vec<u8> {
    let mut reply = b"250-mx.example.net\r\n".to_vec();
    for extension in extensions.split_whitespace() {
        reply.extend(format!("250-{extension}\r\n").bytes());
    }
    reply.extend(b"250 HELP\r\n");
    reply
}

fn converse(
    mut stream: TcpStream,
    ehlo: &[u8],
    delay_acks: bool,
) -> std::result::Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 mx.example.net ESMTP\r\n")?;
    let mut dialogue = Dialogue { ehlo, expect: Expect::Command, end_of_data: Finder::new(b"\r\n.\r\n") };
    let mut buffer = vec![0; BUFFER];
    let mut replies = Vec::new();
    let mut kept = 0;
    loop {
        if delay_acks {
            // The kernel falls back to ACKs at once by itself, so it is told again and again.
            SockRef::from(&stream).set_tcp_quickack(false)?;
        }
        let n = stream.read(&mut buffer[kept..])?;
        if n == 0 {
            return Ok(());
        }
        let filled = kept + n;
        let done = dialogue.answer(&buffer[..filled], &mut replies);
        buffer.copy_within(done..filled, 0);
        kept = filled - done;
        if !replies.is_empty() {
            stream.write_all(&replies)?;
            replies.clear();
        } else if !delay_acks {
            // A client without TCP_NODELAY that writes the end of a message apart waits for this ACK. What that
            // costs it is a bench of its own.
            SockRef::from(&stream).set_tcp_quickack(true)?;
        }
    }
}

struct Dialogue<'a> {
    ehlo: &'a [u8],
    expect: Expect,
    end_of_data: Finder<'a>,
}

enum Expect {
    Command,
    /// A message after DATA. The line end of the command before is part of what is searched, so that an empty
    /// message ends too.
    Message,
    Chunk {
        left: usize,
        last: bool,
    },
}

impl Dialogue<'_> {
    /// Answers what `input` holds, and tells how much of it need not be seen again.
    fn answer(&mut self, input: &[u8], replies: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            match &mut self.expect {
                Expect::Command => {
                    let Some(end) = memchr(b'\n', rest) else { break };
                    at += self.command(&rest[..=end], replies);
                }
                Expect::Message => match self.end_of_data.find(rest) {
                    Some(end) => {
                        replies.extend(QUEUED);
                        self.expect = Expect::Command;
                        at += end + 5;
                    }
                    None => return at.max(input.len().saturating_sub(4)),
                },
                Expect::Chunk { left, last } => {
                    let n = rest.len().min(*left);
                    *left -= n;
                    at += n;
                    if *left == 0 {
                        replies.extend(if *last { QUEUED } else { CHUNK });
                        self.expect = Expect::Command;
                    }
                }
            }
        }
        at
    }

    /// Answers one line, and tells how much of it is done with.
    fn command(&mut self, line: &[u8], replies: &mut Vec<u8>) -> usize {
        let verb = line.first_chunk().map(|verb: &[u8; 4]| verb.to_ascii_uppercase());
        replies.extend(match verb.as_ref().map(|verb| &verb[..]) {
            Some(b"RCPT") => RCPT,
            Some(b"MAIL") => MAIL,
            Some(b"DATA") => {
                self.expect = Expect::Message;
                replies.extend(DATA);
                return line.len() - 2;
            }
            Some(b"BDAT") => {
                let mut words = line[4..].trim_ascii().split(|&octet| octet == b' ');
                let size = words.next().and_then(|size| std::str::from_utf8(size).ok()?.parse().ok());
                let last = words.next().is_some();
                match size {
                    Some(0) if last => QUEUED,
                    Some(0) => CHUNK,
                    Some(left) => {
                        self.expect = Expect::Chunk { left, last };
                        return line.len();
                    }
                    None => UNKNOWN,
                }
            }
            Some(b"EHLO") => self.ehlo,
            Some(b"HELO" | b"RSET" | b"NOOP") => OK,
            Some(b"QUIT") => BYE,
            _ => UNKNOWN,
        });
        line.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is answered to a session that comes in pieces of so many octets.
    fn replies(session: &[u8], piece: usize) -> String {
        let mut dialogue =
            Dialogue { ehlo: b"", expect: Expect::Command, end_of_data: Finder::new(b"\r\n.\r\n") };
        let (mut kept, mut replies) = (Vec::new(), Vec::new());
        for piece in session.chunks(piece) {
            kept.extend(piece);
            let done = dialogue.answer(&kept, &mut replies);
            kept.drain(..done);
        }
        assert!(kept.is_empty());
        replies
            .split(|&octet| octet == b'\n')
            .map(|line| line.first().map_or(' ', |&octet| octet.into()))
            .collect()
    }

    #[test]
    fn a_session_is_understood_in_pieces_of_any_size() {
        let session = b"MAIL FROM:<>\r\nRCPT TO:<a@b>\r\nDATA\r\n.x\r\n..\r\nDATA\r\n\r\n.\r\n\
            MAIL FROM:<>\r\nDATA\r\n.\r\nBDAT 6\r\n\r\n.\r\n\nBDAT 0 LAST\r\nBDAT 3 LAST\r\n...QUIT\r\n";
        for piece in 1..=session.len() {
            assert_eq!(replies(session, piece), "22322322222 ", "in pieces of {piece}");
        }
    }
}
