//! The floors: canned octets written, canned replies read and not looked at. The least that the shape of a
//! dialogue costs.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime::Runtime;

use crate::contestant::{Session, runtime};
use crate::job::Job;
use crate::{Result, server};

/// Messages that "in flight" keeps without an answer.
const WINDOW: usize = 16;

/// Octets that leave in one write, and how many octets answer them.
struct Flight {
    octets: Vec<u8>,
    replies: usize,
}

impl Flight {
    fn new(parts: &[&[u8]], replies: &[&[u8]]) -> Self {
        Self { octets: parts.concat(), replies: replies.iter().map(|reply| reply.len()).sum() }
    }

    /// Two flights in one write.
    fn and(&self, next: &Flight) -> Flight {
        Flight { octets: [&self.octets[..], &next.octets].concat(), replies: self.replies + next.replies }
    }
}

/// The flights of one message, and what can be put together of them.
struct Script {
    first: Vec<Flight>,
    between: Vec<Flight>,
    last: Vec<Flight>,
}

impl Script {
    /// Every message is said alone.
    fn alone(flights: Vec<Flight>) -> Self {
        Self { first: Vec::new(), between: flights, last: Vec::new() }
    }

    /// The flights of so many messages, in order.
    fn of(&self, count: usize) -> impl Iterator<Item = &Flight> {
        let between = count - usize::from(!self.first.is_empty());
        let between = (0..between).flat_map(|_| &self.between);
        self.first.iter().chain(between).chain(&self.last)
    }

    fn lock_step(job: &Job) -> Self {
        let mut flights = vec![Flight::new(&[&mail(job)], &[server::MAIL])];
        flights.extend(job.recipients.iter().map(|to| Flight::new(&[&rcpt(to)], &[server::RCPT])));
        flights.push(Flight::new(&[b"DATA\r\n"], &[server::DATA]));
        flights.push(message(job));
        Self::alone(flights)
    }

    fn pipelining(job: &Job) -> Self {
        Self::alone(vec![envelope(job), message(job)])
    }

    /// The end of each message and the envelope of the next leave together.
    fn across(job: &Job) -> Self {
        let (envelope, message) = (envelope(job), message(job));
        Self { between: vec![message.and(&envelope)], first: vec![envelope], last: vec![message] }
    }

    fn bdat(job: &Job) -> Self {
        let mut replies = vec![server::MAIL];
        replies.extend(job.recipients.iter().map(|_| server::RCPT));
        replies.push(server::QUEUED);
        let bdat = format!("BDAT {} LAST\r\n", job.message.len());
        Self::alone(vec![Flight::new(&[&commands(job), bdat.as_bytes(), &job.message], &replies)])
    }
}

fn mail(job: &Job) -> Vec<u8> {
    format!("MAIL FROM:<{}>\r\n", job.sender).into_bytes()
}

fn rcpt(to: &str) -> Vec<u8> {
    format!("RCPT TO:<{to}>\r\n").into_bytes()
}

fn commands(job: &Job) -> Vec<u8> {
    let mut commands = mail(job);
    commands.extend(job.recipients.iter().flat_map(|to| rcpt(to)));
    commands
}

fn envelope(job: &Job) -> Flight {
    let mut replies = vec![server::MAIL];
    replies.extend(job.recipients.iter().map(|_| server::RCPT));
    replies.push(server::DATA);
    Flight::new(&[&commands(job), b"DATA\r\n"], &replies)
}

fn message(job: &Job) -> Flight {
    Flight::new(&[&job.message, b".\r\n"], &[server::QUEUED])
}

/// The blocking floors.
struct Blocking {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Blocking {
    fn open(server: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        let mut floor = Self { stream, buffer: vec![0; 16 * 1024] };
        floor.read_until(b" ESMTP\r\n")?;
        floor.stream.write_all(b"EHLO client.example.org\r\n")?;
        floor.read_until(b"250 HELP\r\n")?;
        Ok(floor)
    }

    fn read_until(&mut self, end: &[u8]) -> Result {
        let mut heard = Vec::new();
        while !heard.ends_with(end) {
            let n = self.read()?;
            heard.extend(&self.buffer[..n]);
        }
        Ok(())
    }

    fn read(&mut self) -> Result<usize> {
        match self.stream.read(&mut self.buffer)? {
            0 => Err("the server has closed".into()),
            n => Ok(n),
        }
    }

    fn exchange(&mut self, flight: &Flight) -> Result {
        self.stream.write_all(&flight.octets)?;
        let mut left = flight.replies;
        while left > 0 {
            left = left.checked_sub(self.read()?).ok_or("more replies than commands")?;
        }
        Ok(())
    }
}

struct OneByOne {
    floor: Blocking,
    script: Script,
}

impl OneByOne {
    fn open<'j>(server: SocketAddr, script: Script) -> Result<Box<dyn Session + 'j>> {
        Ok(Box::new(Self { floor: Blocking::open(server)?, script }))
    }
}

impl Session for OneByOne {
    fn send(&mut self, count: usize) -> Result {
        self.script.of(count).try_for_each(|flight| self.floor.exchange(flight))
    }
}

pub(crate) fn lock_step(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    OneByOne::open(server, Script::lock_step(job))
}

pub(crate) fn pipelining(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    OneByOne::open(server, Script::pipelining(job))
}

pub(crate) fn across(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    OneByOne::open(server, Script::across(job))
}

pub(crate) fn bdat(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    OneByOne::open(server, Script::bdat(job))
}

pub(crate) fn bdat_in_flight(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    let flight = Script::bdat(job).between.pop().ok_or("no flight")?;
    Ok(Box::new(InFlight { floor: Blocking::open(server)?, flight }))
}

/// Reads only when the window is full.
struct InFlight {
    floor: Blocking,
    flight: Flight,
}

impl Session for InFlight {
    fn send(&mut self, count: usize) -> Result {
        let replies = self.flight.replies;
        let mut outstanding = 0;
        for _ in 0..count {
            while outstanding > (WINDOW - 1) * replies {
                outstanding -= self.floor.read()?;
            }
            self.floor.stream.write_all(&self.flight.octets)?;
            outstanding += replies;
        }
        while outstanding > 0 {
            outstanding -= self.floor.read()?;
        }
        Ok(())
    }
}

/// The tokio floors, which begin as the blocking ones do.
struct Tokio {
    runtime: Runtime,
    stream: tokio::net::TcpStream,
    buffer: Vec<u8>,
    script: Script,
}

impl Tokio {
    fn open<'j>(server: SocketAddr, script: Script) -> Result<Box<dyn Session + 'j>> {
        let runtime = runtime()?;
        let Blocking { stream, buffer } = Blocking::open(server)?;
        stream.set_nonblocking(true)?;
        let stream = runtime.block_on(async { tokio::net::TcpStream::from_std(stream) })?;
        Ok(Box::new(Self { runtime, stream, buffer, script }))
    }
}

impl Session for Tokio {
    fn send(&mut self, count: usize) -> Result {
        let Self { runtime, stream, buffer, script } = self;
        runtime.block_on(async {
            for flight in script.of(count) {
                stream.write_all(&flight.octets).await?;
                let mut left = flight.replies;
                while left > 0 {
                    let n = stream.read(buffer).await?;
                    if n == 0 {
                        return Err("the server has closed".into());
                    }
                    left = left.checked_sub(n).ok_or("more replies than commands")?;
                }
            }
            Ok(())
        })
    }
}

pub(crate) fn tokio_pipelining(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    Tokio::open(server, Script::pipelining(job))
}

pub(crate) fn tokio_across(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    Tokio::open(server, Script::across(job))
}

pub(crate) fn tokio_bdat(server: SocketAddr, job: &Job) -> Result<Box<dyn Session + '_>> {
    Tokio::open(server, Script::bdat(job))
}
