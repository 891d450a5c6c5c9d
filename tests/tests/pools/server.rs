//! A server in clear that takes whatever mail it is given, and remembers what was said to it, connection by connection.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Far longer than it takes.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// In a server's log: the connection is closed.
pub const END: &str = "(end)";

/// What a server has to say besides: to each connection, counted from 0, and each line, or the greeting if that is
/// empty. What it leaves open, is answered as usual.
pub type Habit = fn(usize, &str) -> Option<&'static str>;

pub struct Server {
    pub address: SocketAddr,
    said: Log,
}

type Log = Arc<Mutex<Vec<Vec<String>>>>;

impl Server {
    pub fn start(habit: Habit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let said = Log::default();
        let log = Arc::clone(&said);
        std::thread::spawn(move || {
            for (n, stream) in listener.incoming().enumerate() {
                log.lock().unwrap().push(Vec::new());
                let log = Arc::clone(&log);
                std::thread::spawn(move || {
                    let _ = serve(&stream.unwrap(), &|line| note(&log, n, line), &|line| habit(n, line));
                    note(&log, n, END);
                });
            }
        });
        Self { address, said }
    }

    /// What was said so far, once this many connections were made and all but the last so many are closed.
    pub fn said(&self, connections: usize, open: usize) -> Vec<Vec<String>> {
        let start = Instant::now();
        loop {
            let said = self.said.lock().unwrap().clone();
            let ended = said.iter().filter(|lines| lines.last().is_some_and(|line| line == END)).count();
            if said.len() == connections && ended == connections - open {
                return said;
            }
            assert!(start.elapsed() < PATIENCE, "{connections} connections, {open} of them open: {said:#?}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.said.lock().unwrap().len()
    }
}

fn note(log: &Log, n: usize, line: &str) {
    log.lock().unwrap()[n].push(line.to_owned());
}

/// An answer that ends with this octet is the last.
pub const CLOSE: char = '\x04';

fn serve(
    stream: &TcpStream,
    note: &dyn Fn(&str),
    habit: &dyn Fn(&str) -> Option<&'static str>,
) -> std::io::Result<()> {
    let mut out = stream;
    let mut lines = BufReader::new(stream).lines();
    let mut line = String::new();
    loop {
        let verb = line.split(' ').next().unwrap_or_default();
        let usual = match verb {
            "" => "220 hi\r\n",
            "EHLO" => "250-hi\r\n250-AUTH PLAIN\r\n250-XCLIENT NAME\r\n250 PIPELINING\r\n",
            "DATA" => "354 go\r\n",
            "." => "250 queued\r\n",
            "AUTH" => "235 welcome\r\n",
            "XCLIENT" => "220 again\r\n",
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        let in_body = verb == "DATA";
        let answer = habit(&line).unwrap_or(usual);
        out.write_all(answer.trim_end_matches(CLOSE).as_bytes())?;
        if answer.ends_with(CLOSE) || verb == "QUIT" {
            return Ok(());
        }
        loop {
            line = match lines.next() {
                Some(line) => line?,
                None => return Ok(()),
            };
            if !in_body || line == "." {
                break;
            }
        }
        note(&line);
    }
}
