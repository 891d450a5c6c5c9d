//! A program without `std` that uses `smtp-proto`: that it links is the proof, that it runs is a bonus.
//!
//! It ends with 0, or with the number of the first step that went wrong. `../tests/no_std.rs` builds and runs
//! it on the host, whose C library starts it.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;
use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::panic::PanicInfo;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

use smtp_proto::body::{BodyEncoder, BodyKind, BodyRules};
use smtp_proto::command::Command;
use smtp_proto::connection::{Config, Connection, Event, Peer, TlsPolicy};
use smtp_proto::flow::{Flow, Open, Step};
use smtp_proto::params::MailParameters;
use smtp_proto::path::ReversePath;
use smtp_proto::reply::{ReplyLimits, ReplyRef};
use smtp_proto::sasl::{Mechanism, Nonce, ScramSha256, ServerInfo};
use smtp_proto::security::Security;

#[link(name = "c")]
unsafe extern "C" {}

#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    let steps: [fn() -> Option<()>; 5] =
        [parse_a_reply, encode_a_command, encode_a_message, open_a_session, prove_a_password];
    for (step, number) in steps.into_iter().zip(1..) {
        if step().is_none() {
            return number;
        }
    }
    0
}

fn parse_a_reply() -> Option<()> {
    let (reply, taken) =
        ReplyRef::parse(b"550-5.1.1 no\r\n550 5.1.1 bye\r\n", &ReplyLimits::default()).ok()??;
    is(taken == 29 && reply.to_reply().text() == b"5.1.1 no\n5.1.1 bye")
}

fn encode_a_command() -> Option<()> {
    let path: ReversePath = "alice@example.org".parse().ok()?;
    let mut line = Vec::new();
    Command::Mail(&path, &MailParameters::new().size(10)).encode(&mut line).ok()?;
    is(line == b"MAIL FROM:<alice@example.org> SIZE=10\r\n")
}

fn encode_a_message() -> Option<()> {
    let mut encoder = BodyEncoder::new(BodyRules::new(BodyKind::SevenBit));
    let mut wire = encoder.encode(b".\nx").ok()?.slices().collect::<Vec<_>>().concat();
    wire.extend_from_slice(encoder.terminator().ok()?);
    is(wire == b"..\r\nx\r\n.\r\n")
}

fn open_a_session() -> Option<()> {
    let mut connection = Connection::new(Config::new("mx.example").tls(TlsPolicy::None), Peer::Remote);
    let mut open = Open::new();
    connection.receive(b"220 mx.example\r\n");
    is(matches!(open.poll(&mut connection).ok()?, Step::Continue))?;
    connection.advance_output(connection.output().len()).ok()?;
    connection.receive(b"250 mx.example\r\n");
    is(matches!(open.poll(&mut connection).ok()?, Step::Done(())))?;
    connection.command(Command::Quit).ok()?;
    connection.advance_output(connection.output().len()).ok()?;
    connection.receive(b"221 bye\r\n");
    is(matches!(connection.poll_event().ok()??, Event::Reply { .. } | Event::Closed))
}

/// RFC 7677 §3.
fn prove_a_password() -> Option<()> {
    let nonce = Nonce::new("rOprNGfwEbeRWgbNEkqO").ok()?;
    let mut scram = ScramSha256::new("user", "pencil", "mx.example", nonce);
    scram.start(&ServerInfo::new("mx.example", &Security::Plaintext)).ok()??;
    let first = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let proof = scram.respond(first).ok()?;
    is(proof.expose().ends_with(b"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="))?;
    scram.respond(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=").ok()?;
    scram.finish().ok()
}

fn is(so: bool) -> Option<()> {
    so.then_some(())
}

/// Hands out the heap from front to back, and takes nothing back.
struct Bump {
    heap: UnsafeCell<[u8; Self::SIZE]>,
    used: AtomicUsize,
}

impl Bump {
    const SIZE: usize = 1 << 20;
}

// SAFETY: the heap is handed out in parts that do not overlap, as `used` only grows and does so atomically.
unsafe impl Sync for Bump {}

// SAFETY: a part begins at a multiple of the alignment asked for, has the size asked for, lies within the heap,
// and is never handed out again.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let heap = self.heap.get().cast::<u8>();
        let mut at = 0;
        let reserve = |used: usize| {
            at = (heap as usize + used).next_multiple_of(layout.align()) - heap as usize;
            at.checked_add(layout.size()).filter(|end| *end <= Self::SIZE)
        };
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve) {
            Ok(_) => heap.wrapping_add(at),
            Err(_) => null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static HEAP: Bump = Bump { heap: UnsafeCell::new([0; Bump::SIZE]), used: AtomicUsize::new(0) };

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    end()
}

/// The `alloc` that comes with the compiler was built to unwind, and names what would unwind it.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    end()
}

/// As [`_Unwind_Resume`].
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() -> ! {
    end()
}

fn end() -> ! {
    unsafe extern "C" {
        fn abort() -> !;
    }
    // SAFETY: `abort` of the C library takes nothing and asks for nothing.
    unsafe { abort() }
}
