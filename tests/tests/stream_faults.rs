//! X01, X02, X10: every call of every transcript meets every fault a stream can have, in both adapters. Whatever
//! it is, what is told of each message is true, no reply is taken for another's, and a connection that broke stays
//! silent. Nothing spins and nothing hangs.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod transcripts;

use std::collections::BTreeSet;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use smtp_proto::SendError;
use smtp_proto::connection::{Config, Stage, TlsPolicy};
use smtp_tests::library::Library;
use smtp_tests::script::envelope;
use transcripts::ways::{blocking, blocking_op, tokio, tokio_op};
use transcripts::{Fault, Line, Model, Over, Plan, Told, Watch, tls, virtual_time};

const ADAPTERS: [bool; 2] = [false, true];

/// Plays a case over a stream with this plan: what was told, and what the server had heard by then.
fn play(
    model: &Model,
    plan: Plan,
    is_tokio: bool,
    time: &tokio::runtime::Runtime,
) -> (Vec<(Told, usize)>, Watch) {
    let line = Line::secure(model.case.script(model.over), &tls().server, plan);
    let watch = line.watch();
    let mut told = Vec::new();
    if is_tokio {
        time.block_on(async {
            let mut client = tokio(model.case, model.over, line);
            for (op, _) in model.case.ops {
                let word = tokio_op(&mut client, *op).await;
                told.push((word, watch.wire_len()));
            }
        });
    } else {
        let mut client = blocking(model.case, model.over, line);
        for (op, _) in model.case.ops {
            let word = blocking_op(&mut client, *op);
            told.push((word, watch.wire_len()));
        }
    }
    (told, watch)
}

/// Asserts that what was told is true, and that nothing was said after the connection broke.
fn check(model: &Model, told: &[(Told, usize)], watch: &Watch, transparent: bool, way: &str) {
    let name = model.case.name;
    assert_eq!(watch.fault(), None, "{name}: {way}");
    assert!(watch.calls() < 2 * model.calls + 100, "{name}: {way}: {} calls", watch.calls());
    let mut broken_at = None;
    for (index, (told, heard)) in told.iter().enumerate() {
        let same =
            model.judge(index, told, *heard).unwrap_or_else(|why| panic!("{name}: {way}, {index}: {why}"));
        assert!(same || !transparent, "{name}: {way}, {index}: {told:?}");
        if let Some(broken_at) = broken_at {
            assert_eq!(*heard, broken_at, "{name}: {way}, {index}: it spoke after the connection broke");
            assert!(told.word.contains("Poisoned"), "{name}: {way}, {index}: {told:?}");
        } else if !same {
            broken_at = Some(*heard);
        }
    }
}

/// Each fault at each call, until no call is left to meet it.
fn sweep(model: &Model, base: Plan, time: &tokio::runtime::Runtime) -> usize {
    let mut cases = 0;
    for is_tokio in ADAPTERS {
        for fault in Fault::ALL {
            if fault == Fault::Interrupted && is_tokio && model.goes_through_tls() {
                // By its contract an AsyncWrite never says so, and tokio-rustls relies on that.
                continue;
            }
            let transparent = match fault {
                Fault::OneOctet | Fault::Interrupted => true,
                Fault::WouldBlock => is_tokio,
                Fault::Zero | Fault::TimedOut | Fault::Reset | Fault::BrokenPipe => false,
            };
            for call in 0.. {
                let plan = Plan { fault: Some((call, fault)), ..base };
                let (told, watch) = play(model, plan, is_tokio, time);
                let way = format!("{:?}, tokio {is_tokio}, {fault:?} at call {call}", plan.library);
                check(model, &told, &watch, transparent || !watch.fault_was_met(), &way);
                if call >= watch.calls() {
                    break;
                }
                cases += usize::from(watch.fault_was_met());
            }
        }
    }
    cases
}

#[test]
fn x01_x02_every_fault_at_every_call_in_clear() {
    let time = virtual_time();
    let cases: usize = Model::all(Over::Clear).map(|model| sweep(&model, Plan::default(), &time)).sum();
    println!("x01_x02: {cases} cases");
    assert!(cases >= 5_000, "{cases}");
}

#[test]
fn x01_x02_x10_every_fault_at_every_call_under_tls() {
    let time = virtual_time();
    for &library in Library::all() {
        let plan = Plan { library, ..Plan::default() };
        let cases: usize = Model::all_with(Over::Tls, plan).map(|model| sweep(&model, plan, &time)).sum();
        println!("x10: {}: {cases} cases", library.name());
        assert!(cases >= 6_000, "{cases}");
    }
}

fn config() -> Config {
    Config::new("mail.example").client_name("client.test".parse().unwrap()).tls(TlsPolicy::None)
}

/// What NOOP finds, with the I/O error underneath, when any one of its calls meets this fault.
fn found(is_tokio: bool, fault: Fault, time: &::tokio::runtime::Runtime) -> BTreeSet<String> {
    const SCRIPT: &str = "S: 220 hi\nC: EHLO client.test\nS: 250 hi\nC: NOOP\nS: 250 ok";
    let mut found = BTreeSet::new();
    for call in 0.. {
        let line = Line::new(SCRIPT, Plan { fault: Some((call, fault)), ..Plan::default() });
        let watch = line.watch();
        let (opened, error) = if is_tokio {
            time.block_on(async {
                let mut client = smtp_tokio::Client::new(line, config());
                let opened = client.capabilities().await.is_ok() && !watch.fault_was_met();
                let error = client.noop().await.err();
                (opened, error.map(|e| (format!("{:?}", e.kind()), e.io().map(io::Error::kind))))
            })
        } else {
            let mut client = smtp_blocking::Client::new(line, config());
            let opened = client.capabilities().is_ok() && !watch.fault_was_met();
            let error = client.noop().err();
            (opened, error.map(|e| (format!("{:?}", e.kind()), e.io().map(io::Error::kind))))
        };
        if call >= watch.calls() {
            return found;
        }
        if opened && watch.fault_was_met() {
            let (kind, io) = error.unwrap_or_else(|| ("none".into(), None));
            let word: String = kind.chars().take_while(char::is_ascii_alphanumeric).collect();
            found.insert(format!("{word} {io:?}"));
        }
    }
    unreachable!()
}

/// The names of the faults: a write that takes nothing is WriteZero, after which the server, which was not asked, says
/// nothing in its time; a read that gives nothing is the end, and one that gave up is a timeout by either name. (To an async stream a timeout is the connection's end: it never gives up
/// by itself. What it meets between two commands, the next read meets again.)
#[test]
fn x01_x02_what_each_fault_is_called() {
    let time = virtual_time();
    for (is_tokio, fault, expected) in [
        (false, Fault::Zero, &["Disconnected None", "Timeout Some(WriteZero)"][..]),
        (true, Fault::Zero, &["Disconnected None", "Timeout Some(WriteZero)"]),
        (false, Fault::WouldBlock, &["Timeout Some(WouldBlock)"]),
        (true, Fault::WouldBlock, &["none None"]),
        (false, Fault::TimedOut, &["Timeout Some(TimedOut)"]),
        (true, Fault::TimedOut, &["Disconnected Some(TimedOut)", "Timeout Some(TimedOut)", "none None"]),
    ] {
        let found = found(is_tokio, fault, &time);
        assert_eq!(Vec::from_iter(&found), expected, "tokio {is_tokio}, {fault:?}");
    }
}

/// A server in the same breath: it answers each write, and breaks the connection at the dot, of which it takes so many
/// octets, after these words.
struct Breaks {
    says: Vec<u8>,
    takes: usize,
    words: &'static [u8],
    ending: bool,
    broken: bool,
}

impl Breaks {
    fn new(takes: usize, words: &'static [u8]) -> Self {
        Self { says: b"220 hi\r\n".to_vec(), takes, words, ending: false, broken: false }
    }
}

impl Read for Breaks {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        if self.says.is_empty() && !self.broken {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let n = self.says.len().min(room.len());
        room[..n].copy_from_slice(&self.says[..n]);
        self.says.drain(..n);
        Ok(n)
    }
}

impl Write for Breaks {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let ends = octets.ends_with(b"\r\n.\r\n");
        if self.ending || (ends && self.takes == 0) {
            self.ending = true;
            if !std::mem::replace(&mut self.broken, true) {
                self.says.extend(self.words);
            }
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if ends {
            self.ending = true;
            return Ok(self.takes);
        }
        let reply: &[u8] = if octets == b"DATA\r\n" { b"354 go\r\n" } else { b"250 ok\r\n" };
        self.says.extend(reply);
        Ok(octets.len())
    }

    fn write_vectored(&mut self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.write(&slices.iter().flat_map(|slice| slice.iter().copied()).collect::<Vec<_>>())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl smtp_blocking::Stream for Breaks {
    fn set_read_timeout(&mut self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Breaks {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, room: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut octets = vec![0; room.remaining()];
        match self.get_mut().read(&mut octets) {
            Ok(n) => {
                room.put_slice(&octets[..n]);
                Poll::Ready(Ok(()))
            }
            // It speaks only when it is written to.
            Err(_) => Poll::Pending,
        }
    }
}

impl AsyncWrite for Breaks {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write(octets))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(self.get_mut().write_vectored(slices))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl smtp_tokio::Stream for Breaks {}

/// O06: the write of the dot fails, and what the server said before it went is read and decides.
#[test]
fn o06_a_verdict_behind_a_broken_pipe() {
    let time = virtual_time();
    let to = envelope("alice@example.org", &["bob@example.org"]);
    for is_tokio in ADAPTERS {
        for takes in [0, 1, 3, 5] {
            for words in [&b"552 no\r\n"[..], b""] {
                let stream = Breaks::new(takes, words);
                let (error, io) = if is_tokio {
                    time.block_on(async {
                        let mut client = smtp_tokio::Client::new(stream, config());
                        let error = client.send(&to, b"x\r\n").await.unwrap_err();
                        let io = error.io().map(io::Error::kind);
                        (error.into_kind(), io)
                    })
                } else {
                    let mut client = smtp_blocking::Client::new(stream, config());
                    let error = client.send(&to, b"x\r\n").unwrap_err();
                    let io = error.io().map(io::Error::kind);
                    (error.into_kind(), io)
                };
                let way = format!("tokio {is_tokio}, {takes} octets taken: {error:?}, {io:?}");
                match &error {
                    SendError::Rejected { stage, reply, .. } if !words.is_empty() => {
                        assert_eq!((*stage, reply.code().get()), (Stage::EndOfData, 552), "{way}");
                    }
                    SendError::NotSent { cause: smtp_proto::Error::Disconnected { .. }, .. }
                        if words.is_empty() =>
                    {
                        assert_eq!(io, Some(io::ErrorKind::BrokenPipe), "{way}");
                    }
                    _ => panic!("{way}"),
                }
            }
        }
    }
}
