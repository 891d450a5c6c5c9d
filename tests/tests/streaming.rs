//! A body longer than memory is worth, streamed through each adapter: what is held meanwhile.
//!
//! Plain `cargo test` sends as much as takes a second or two; by name, optimised, it is 1 GiB, or as many as
//! `STREAM_GIB` says:
//! `STREAM_GIB=10 cargo test --release -p smtp-tests --test streaming -- --ignored --test-threads 1 --nocapture`.
#![allow(clippy::unwrap_used)]

mod simulated;

use std::io::{BufRead, BufReader, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use allocation_counter::measure;
use simulated::{CHUNKING, Server, Wire, config, envelope, text};
use smtp_proto::body::BodyKind;
use smtp_proto::flow::{Body, SendOptions, Transfer};

/// The most that may be on the heap at once, the buffers of the reader, the adapter and the server included.
const HELD: u64 = 1024 * 1024;

/// The most that the process may ever have had in memory.
const RESIDENT: u64 = 8 * 1024 * 1024;

const MIB: u64 = 1024 * 1024;

#[test]
fn a_stream_is_never_collected() {
    stream(64 * MIB);
}

#[test]
#[ignore = "takes a while unless optimised"]
fn a_stream_of_a_gibibyte_is_never_collected() {
    let gibibytes = std::env::var("STREAM_GIB").map_or(1, |number| number.parse().unwrap());
    stream(gibibytes * 1024 * MIB);
}

fn stream(size: u64) {
    println!("{:<10}{:<8}{:>10}{:>14}{:>14}{:>8}", "", "", "MiB", "held, octets", "resident, KiB", "s");
    for (adapter, send) in [("blocking", blocking as fn(u64, Transfer) -> u64), ("tokio", tokio)] {
        for (name, transfer) in [("DATA", Transfer::Data), ("BDAT", Transfer::Chunks)] {
            let mut taken = 0;
            let began = Instant::now();
            let held = measure(|| taken = send(size, transfer)).bytes_max;
            let resident = resident();
            println!(
                "{adapter:<10}{name:<8}{:>10}{held:>14}{:>14}{:>8.1}",
                size / MIB,
                resident.unwrap_or(0) / 1024,
                began.elapsed().as_secs_f64()
            );
            assert!(taken >= size, "{taken} octets arrived");
            assert!(held <= HELD, "{held} octets held");
            assert!(resident.is_none_or(|octets| octets <= RESIDENT), "{resident:?} octets resident");
        }
    }
}

/// What the process had in memory when it had most, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// As long a text as is wanted, in pieces as a file is read.
struct Endless {
    piece: Vec<u8>,
    at: usize,
    left: u64,
}

impl Endless {
    fn new(size: u64) -> Self {
        Self { piece: text(64 * 1024), at: 0, left: size }
    }
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let mut whole = self.fill_buf()?;
        let n = whole.read(buffer)?;
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Endless {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        let piece = &self.piece[self.at..];
        let n = self.left.min(piece.len() as u64) as usize;
        Ok(&piece[..n])
    }

    fn consume(&mut self, n: usize) {
        self.left -= n as u64;
        self.at = (self.at + n) % self.piece.len();
    }
}

/// The same for tokio.
struct AsyncEndless(Endless);

impl tokio::io::AsyncRead for AsyncEndless {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let n = self.0.read(buffer.initialize_unfilled())?;
        buffer.advance(n);
        Poll::Ready(Ok(()))
    }
}

fn blocking(size: u64, transfer: Transfer) -> u64 {
    let wire = Wire::new(Server::new(CHUNKING));
    let mut client = smtp_blocking::Client::new(wire.clone(), config());
    let body = Body::Stream { kind: BodyKind::SevenBit, size: None };
    let options = SendOptions::default().transfer(transfer);
    // As a file is read: through a buffer.
    let mut reader = BufReader::with_capacity(64 * 1024, Endless::new(size));
    client.send_stream(&envelope(1), &mut reader, body, options).unwrap();
    wire.taken().1
}

fn tokio(size: u64, transfer: Transfer) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let wire = Wire::new(Server::new(CHUNKING));
        let mut client = smtp_tokio::Client::new(wire.clone(), config());
        let body = Body::Stream { kind: BodyKind::SevenBit, size: None };
        let options = SendOptions::default().transfer(transfer);
        let reader = AsyncEndless(Endless::new(size));
        let mut reader = tokio::io::BufReader::with_capacity(64 * 1024, reader);
        client.send_stream(&envelope(1), &mut reader, body, options).await.unwrap();
        wire.taken().1
    })
}
