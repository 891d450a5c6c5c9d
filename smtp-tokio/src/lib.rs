//! SMTP over tokio streams: a thin adapter of [`smtp_proto`].
//!
//! Every decision about the protocol is the core's; this crate moves octets, does the TLS handshake and keeps
//! the deadlines. See [`ClientBuilder`] for the way in, by a URL or call by call, [`Client`] for a session step by step,
//! and [`send_mail`] for one message in one call.
//!
//! [`Client::set_transcript`], [`Client::set_progress`], [`Client::counters`] and, with the feature `tracing`, spans and
//! events show what goes on: [Watching](smtp_proto::guide::watching) lists it all.
//!
//! The verbs are those of `smtp-blocking`, one to one. Coming from Go's `net/smtp`, from lettre or from mail-send?
//! [The guide](smtp_proto::guide) goes through them name by name.
//!
//! ```no_run
//! use smtp_tokio::ClientBuilder;
//! use smtp_tokio::smtp_proto::flow::Envelope;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ClientBuilder::from_url("smtps://alice:p%40ssword@mail.example.org")?;
//! let envelope = Envelope::from_strs("alice@example.org", &["bob@example.net"])?;
//! let mut client = server.connect().await?; // TLS, and logged in
//! let delivery = client.send(&envelope, b"Subject: hi\r\n\r\nHello!\r\n").await?;
//! println!("accepted as {:?}", delivery.queue_id());
//! client.quit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # TLS
//!
//! | feature | library | |
//! |---|---|---|
//! | `rustls` (default) | rustls with `ring` | |
//! | `aws-lc-rs` | rustls with aws-lc-rs | a C compiler for its C code |
//! | `native-tls` | the platform's: OpenSSL, SChannel, Secure Transport | OpenSSL's headers where it is OpenSSL |
//! | none of them | one of yours, through [`Client::start_tls_with`] and [`Client::over_tls`] | |
//!
//! They may be on together. Settings decide which is used (`TlsConfig`); without any it is the first in this order, and
//! since some other crate may turn on an earlier one, give settings where that matters. `default-features = false`
//! leaves `ring` out.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
// No server and no stream makes this crate panic; the top of smtp-proto's lib.rs says how overflows are spelled.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
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

mod batch;
mod builder;
mod client;
mod clock;
mod connect;
mod data;
mod error;
mod job;
mod login;
mod message;
#[cfg(feature = "deadpool")]
pub mod pool;
mod pump;
mod race;
mod stream;
#[cfg(feature = "__tls")]
mod tls;
mod transport;

pub use batch::SendAll;
pub use builder::ClientBuilder;
pub use client::{Client, send_mail};
pub use data::DataWriter;
pub use error::{Attempt, Error, SendError};
#[cfg(feature = "scram")]
pub use login::scram_nonce;
pub use message::Message;
pub use smtp_proto;
pub use smtp_proto::connection::{Config, TlsPolicy};
#[cfg(feature = "__tls")]
pub use smtp_proto::security::{TlsState, TlsVersion};
pub use stream::{Remote, Stream};
#[cfg(feature = "__tls")]
pub use tls::{TlsConfig, default_tls_config};

/// The README's program, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
