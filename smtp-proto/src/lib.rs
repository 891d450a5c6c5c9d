//! SMTP client protocol as a pure state machine: octets in, octets and events out. No sockets, no clock, no
//! TLS library, no `std`.
//!
//! A [`Connection`] is one SMTP session. A [`Flow`] drives it through one job: [`flow::Open`] for greeting,
//! EHLO and STARTTLS, [`flow::Authenticate`], [`flow::Send`] for a message, [`flow::Batch`] for many, [`flow::Quit`]. The loop around
//! them is yours, and it moves octets without looking at them:
//!
//! ```
//! # use std::io::{self, Read, Write};
//! use smtp_proto::{Connection, Flow, Step};
//!
//! fn run<F: Flow>(
//!     flow: &mut F,
//!     connection: &mut Connection,
//!     stream: &mut (impl Read + Write),
//!     message: &[u8],
//! ) -> Result<F::Output, F::Error> {
//!     let mut buffer = [0; 4096];
//!     let mut at = 0;
//!     loop {
//!         match flow.poll(connection)? {
//!             Step::Done(output) => return Ok(output),
//!             Step::UpgradeTls(token) => {
//!                 // Do the handshake for `token.server_name()`, then `connection.tls_established(token)`.
//! #               drop(token);
//!                 connection.tls_failed();
//!             }
//!             Step::SupplyBody { .. } => connection.supply_body(message, &mut at),
//!             Step::Continue if !connection.output().is_empty() => {
//!                 let n = stream.write(connection.output()).unwrap();
//!                 connection.advance_output(n)?;
//!             }
//!             Step::Continue => match stream.read(&mut buffer).unwrap() {
//!                 0 => connection.receive_eof(),
//!                 n => connection.receive(&buffer[..n]),
//!             },
//!         }
//!     }
//! }
//! # struct Canned(Vec<&'static [u8]>, Vec<u8>);
//! # impl Read for Canned {
//! #     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> { self.0.remove(0).read(buffer) }
//! # }
//! # impl Write for Canned {
//! #     fn write(&mut self, octets: &[u8]) -> io::Result<usize> { self.1.write(octets) }
//! #     fn flush(&mut self) -> io::Result<()> { Ok(()) }
//! # }
//! # use smtp_proto::connection::{Config, Peer, TlsPolicy};
//! # use smtp_proto::flow::{Body, Envelope, Open, Send, SendOptions};
//! # let mut stream = Canned(Vec::new(), Vec::new());
//! # let replies: [&[u8]; 4] =
//! #     [b"220 hi\r\n", b"250-hi\r\n250 PIPELINING\r\n", b"250 ok\r\n250 ok\r\n354 go\r\n", b"250 queued as 1\r\n"];
//! # stream.0.extend(replies);
//! # let mut connection = Connection::new(Config::new("mail.example").tls(TlsPolicy::None), Peer::Remote);
//! # run(&mut Open::new(), &mut connection, &mut stream, b"").unwrap();
//! # let envelope = Envelope::from_strs("a@example.org", &["b@example.org"]).unwrap();
//! # let message = b"Subject: hi\r\n\r\n.\r\n";
//! # let mut send = Send::new(&envelope, Body::Whole(message), SendOptions::default());
//! # let delivery = run(&mut send, &mut connection, &mut stream, message).unwrap();
//! # assert_eq!(delivery.queue_id(), Some("1"));
//! # assert!(stream.1.ends_with(b"Subject: hi\r\n\r\n..\r\n.\r\n"));
//! ```
//!
//! A loop that keeps deadlines also asks [`Connection::tick`] how long each read and write may last. The contract of every call is on
//! [`Connection`]; `smtp-blocking` and `smtp-tokio` are this loop over real streams, built on the same public
//! methods.
//!
//! [The guide](guide) goes on from here: the loop and its contract, what to do with each outcome, TLS in your own stack,
//! mechanisms and flows of your own, testing, fuzzing, and how to move from another client.
//!
//! # What happens to an octet
//!
//! ```text
//!             receive(&[u8])  receive_eof()                    handle_timeout()
//!                     │                                               │
//!                     ▼                                               ▼
//!         ┌──────────────────────── Connection ─────────────────────────────┐
//!         │ reply parser → in-flight queue → phase → capabilities → events  │
//!         └─────────────────────────────────────────────────────────────────┘
//!             │                    │                  │               │
//!      output() -> &[u8]    poll_event()         timeout()      body(&chunk)
//!      advance_output(n)                                        -> slices to write
//! ```
//!
//! [`reply`] parses it, [`connection`] matches it to the command it answers and judges it, [`flow`] decides
//! what comes next, and [`command`] puts that on a line. What then goes [over the wire](wire), flight by flight, is
//! shown for each way to send a message.
//!
//! # One exchange, step by step
//!
//! ```
//! use smtp_proto::command::Command;
//! use smtp_proto::connection::{Config, Connection, Event, Peer, Stage, TlsPolicy};
//!
//! let mut connection = Connection::new(Config::new("mail.example").tls(TlsPolicy::None), Peer::Remote);
//! assert_eq!(connection.output(), b"", "the server speaks first");
//!
//! connection.receive(b"220 mail.example ESMTP\r\n");
//! assert!(matches!(connection.poll_event()?, Some(Event::Greeting(_))));
//!
//! let name = "client.example".parse()?;
//! let ehlo = connection.command(Command::Ehlo(&name))?;
//! assert_eq!(connection.output(), b"EHLO client.example\r\n");
//! connection.advance_output(21)?;
//!
//! connection.receive(b"250-mail.exam");
//! assert_eq!(connection.poll_event()?, None, "not a whole reply yet");
//! connection.receive(b"ple\r\n250 SIZE 1000000\r\n");
//! let Some(Event::Reply { id, stage, .. }) = connection.poll_event()? else { panic!() };
//! assert_eq!((id, stage), (ehlo, Stage::Ehlo));
//! assert_eq!(connection.capabilities().size_limit(), Some(1_000_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// Nothing a server or a caller says makes this crate panic, or count wrong where the compiler would not have
// panicked. What panics openly is refused here, what panics behind a method's name in `clippy.toml`. An overflow is
// spelled out: `checked_` where it is an error, `saturating_` where the largest number is as good as the true one,
// `wrapping_` for positions in a slice, which cannot overflow, in the loops where each instruction counts.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        clippy::disallowed_macros,
        clippy::disallowed_methods,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::panic_in_result_fn,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used,
    )
)]
#![cfg_attr(test, allow(clippy::disallowed_macros, clippy::disallowed_methods))]

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
pub mod guide;
pub mod params;
pub mod path;
pub mod reply;
pub mod sasl;
pub mod security;
mod stage;
pub mod url;
pub mod watch;
#[doc = include_str!("wire.md")]
pub mod wire {}

pub use connection::{Config, Connection, Event, TlsPolicy};
pub use error::Error;
pub use flow::{Flow, SendError, Step};
pub use reply::Reply;

/// The README's program, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
