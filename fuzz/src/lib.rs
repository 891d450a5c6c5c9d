//! What the fuzz targets assert, each as a function of the fuzzer's input.
//!
//! The functions panic where a promise of `smtp-proto` does not hold. They stand apart from the targets so
//! that `tests/tests/corpus.rs` replays the seeds through the same code, without a fuzzer.

// `corpus.rs` includes this file as a module of its own.
#![allow(unreachable_pub)]
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod command;
mod data;
mod ehlo;
mod reply;
mod sasl;
mod session;

pub use command::command;
pub use data::data;
pub use ehlo::ehlo;
pub use reply::reply;
pub use sasl::sasl;
pub use session::session;

/// Cuts the input into pieces of pseudo-random length, the same ones for the same input.
struct Pieces<'a> {
    rest: &'a [u8],
    dice: Dice,
    most: u64,
}

impl<'a> Pieces<'a> {
    /// Pieces of 0 to `most` octets.
    fn new(input: &'a [u8], most: u64) -> Self {
        Self { rest: input, dice: Dice::new(input), most }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let len = self.dice.throw(self.most + 1).min(self.rest.len() as u64);
        let (piece, rest) = self.rest.split_at(len as usize);
        self.rest = rest;
        Some(piece)
    }
}

/// Xorshift, seeded with the input: a finding has to come back when its input does.
#[derive(Debug, Clone)]
struct Dice(u64);

impl Dice {
    fn new(input: &[u8]) -> Self {
        let fnv = |hash: u64, octet: &u8| (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3);
        Self(input.iter().fold(0xcbf2_9ce4_8422_2325, fnv) | 1)
    }

    /// A number below `sides`.
    fn throw(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}
