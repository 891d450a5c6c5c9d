//! SMTP client protocol as a pure state machine.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod body;
pub mod capabilities;
pub mod command;
pub mod connection;
pub mod error;
pub mod escape;
pub mod flow;
pub mod params;
pub mod path;
pub mod reply;
pub mod sasl;
pub mod security;

pub use connection::{Config, Connection, Event, TlsPolicy};
pub use error::Error;
pub use flow::{Flow, SendError, Step};
