//! The loop: one thread, all connections, and what they hold.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use allocation_counter::measure;
use mio::{Events, Interest, Poll, Token};
use smtp_proto::Error;
use smtp_proto::connection::{Config, Connection, TlsPolicy};
use smtp_proto::flow::{Envelope, RecipientState};
use smtp_proto::sasl::Credentials;

use super::deadlines::Deadlines;
use super::session::{Job, Session};

/// Connections that are being opened at once: a listener has only so much patience.
const OPENING: usize = 200;

/// What came of it all.
#[derive(Debug)]
pub struct Report {
    /// Messages that the server took, each for one of its two recipients.
    pub delivered: usize,
    /// Sessions that were idle at the same time, authenticated and greeted.
    pub idle: usize,
    /// Sessions that ended with QUIT.
    pub closed: usize,
    /// Octets of an idle connection: the value, and what it has on the heap.
    pub value: usize,
    /// The same.
    pub heap: usize,
    /// Octets of the process in memory before the first connection and when all were idle, where the system tells.
    pub resident: Option<(usize, usize)>,
    /// From the first connection to the last message.
    pub time: Duration,
}

/// Sends a message on each of `count` connections; fails if one of them fares other than it should.
///
/// # Errors
/// Of the sockets; or, as text, the first session that did not do as the others.
pub fn run(address: SocketAddr, count: usize) -> io::Result<Report> {
    let job = job().map_err(io::Error::other)?;
    let mut sessions = Sessions::new(&job, address, count)?;
    let before = resident();
    while sessions.idle + sessions.over < count {
        sessions.connect()?;
        sessions.turn()?;
    }
    let (time, idle) = (sessions.began.elapsed(), sessions.idle);
    let resident = before.zip(resident());
    sessions.check()?;
    let delivered = sessions.delivered();

    // The first is let go without a word, to see what that frees.
    let heap = sessions.forget_first()?;
    sessions.quit();
    while sessions.over < count - 1 {
        sessions.turn()?;
    }
    sessions.check()?;
    let closed = sessions.over;
    Ok(Report { delivered, idle, closed, value: size_of::<Connection>(), heap, resident, time })
}

fn job() -> Result<Job, Error> {
    Ok(Job {
        config: Arc::new(Config::new("localhost").client_name("many.example".parse()?).tls(TlsPolicy::None)),
        credentials: Credentials::password("alice", "wonderland"),
        envelope: Envelope::from_strs("alice@example.org", &["bob@example.net", "nobody@example.net"])?,
        message: b"Subject: hello\r\n\r\nOne of many.\r\n".to_vec(),
    })
}

struct Sessions<'j> {
    job: &'j Job,
    address: SocketAddr,
    count: usize,
    poll: Poll,
    events: Events,
    buffer: Vec<u8>,
    sessions: Vec<Option<Session<'j>>>,
    deadlines: Deadlines,
    began: Instant,
    idle: usize,
    over: usize,
}

impl<'j> Sessions<'j> {
    fn new(job: &'j Job, address: SocketAddr, count: usize) -> io::Result<Self> {
        Ok(Self {
            job,
            address,
            count,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            buffer: vec![0; 16 * 1024],
            sessions: Vec::with_capacity(count),
            deadlines: Deadlines::default(),
            began: Instant::now(),
            idle: 0,
            over: 0,
        })
    }

    /// Opens as many connections as may be opened now.
    fn connect(&mut self) -> io::Result<()> {
        while self.sessions.len() < self.count && self.sessions.len() - self.idle - self.over < OPENING {
            let mut session = Session::connect(self.address, self.job)?;
            let token = Token(self.sessions.len());
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut session.stream, token, interest)?;
            self.sessions.push(Some(session));
            self.go_on(token.0);
        }
        Ok(())
    }

    /// Waits for the sockets, or for the first deadline, and goes on with whom that concerns.
    fn turn(&mut self) -> io::Result<()> {
        let left = self.deadlines.next().map(|due| due.saturating_sub(self.began.elapsed()));
        match self.poll.poll(&mut self.events, left) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let ready: Vec<_> = self.events.iter().map(|event| event.token().0).collect();
        ready.into_iter().for_each(|index| self.go_on(index));
        let now = self.began.elapsed();
        while let Some(index) = self.deadlines.pop(now) {
            self.go_on(index);
        }
        Ok(())
    }

    fn go_on(&mut self, index: usize) {
        let Some(session) = &mut self.sessions[index] else { return };
        let before = (session.is_idle(), session.end().is_some());
        let now = self.began.elapsed();
        let left = session.go_on(&mut self.buffer, now);
        let after = (session.is_idle(), session.end().is_some());
        self.idle = self.idle + usize::from(after.0) - usize::from(before.0);
        self.over += usize::from(after.1 && !before.1);
        if let Some(left) = left {
            self.deadlines.note(index, now.saturating_add(left));
        }
    }

    fn quit(&mut self) {
        for index in 0..self.sessions.len() {
            if let Some(session) = self.sessions[index].as_mut().filter(|session| session.is_idle()) {
                session.quit();
                self.idle -= 1;
            }
            self.go_on(index);
        }
    }

    /// Fails with the first session that failed, or whose message did not fare as it should.
    fn check(&self) -> io::Result<()> {
        for (index, session) in self.sessions.iter().enumerate() {
            let Some(session) = session else { continue };
            let told = match (session.end(), &session.outcome) {
                (Some(Err(error)), _) => error.to_string(),
                (_, Some(Err(error))) => error.to_string(),
                (_, Some(Ok(delivery)))
                    if delivery.recipients.iter().map(|recipient| recipient.state).ne(STATES) =>
                {
                    format!("{:?}", delivery.recipients)
                }
                (_, Some(Ok(_))) => continue,
                (_, None) => "no message was sent".to_owned(),
            };
            return Err(io::Error::other(format!("connection {index}: {told}")));
        }
        Ok(())
    }

    fn delivered(&self) -> usize {
        self.sessions.iter().flatten().filter(|session| matches!(session.outcome, Some(Ok(_)))).count()
    }

    /// Lets the first connection go; the octets that it had on the heap.
    fn forget_first(&mut self) -> io::Result<usize> {
        let session = self.sessions.first_mut().and_then(Option::take);
        let Some(session) = session.filter(Session::is_idle) else {
            return Err(io::Error::other("the first connection is not idle"));
        };
        let mut connection = Some(session.connection);
        let counted = measure(|| connection = None);
        self.idle -= 1;
        Ok(counted.bytes_current.unsigned_abs() as usize)
    }
}

/// What becomes of the two recipients.
const STATES: [RecipientState; 2] = [RecipientState::Accepted, RecipientState::Refused];

/// Octets of this process in memory.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()? * 1024)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { delivered, idle, closed, value, heap, time, .. } = self;
        let rate = *delivered as f64 / time.as_secs_f64();
        writeln!(f, "{delivered} messages in {:.2} s: {rate:.0} a second", time.as_secs_f64())?;
        writeln!(f, "{idle} connections idle at once, {closed} closed with QUIT, one without")?;
        writeln!(f, "the core holds {} octets for one: {value}, and {heap} on the heap", value + heap)?;
        if let Some((before, after)) = self.resident {
            let each = after.saturating_sub(before) / (*idle).max(1);
            writeln!(f, "resident: {} KiB, {each} octets a connection", after / 1024)?;
        }
        Ok(())
    }
}
