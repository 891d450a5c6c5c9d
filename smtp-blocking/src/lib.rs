//! SMTP over blocking streams: a thin adapter of [`smtp_proto`].
//!
//! Every decision about the protocol is the core's; this crate moves octets, does the TLS handshake and keeps
//! the deadlines. See [`ClientBuilder`] for the way in, by a URL or call by call, [`Client`] for a session step by step,
//! and [`send_mail`] for one message in one call.
//!
//! # Coming from Go's `net/smtp`
//!
//! | `net/smtp` | here | what is different |
//! |---|---|---|
//! | `Dial(addr)` | [`Client::connect`] | every address is tried until a server greets; TLS is required unless the [`Config`] says otherwise |
//! | `NewClient(conn, host)` | [`Client::new`] | any `Read + Write` that implements [`Stream`]; the greeting is read when first needed |
//! | `Client.Hello` | [`Client::hello`] | takes a parsed [`ClientName`](smtp_proto::path::ClientName), as `mail` and `rcpt` take parsed paths; optional; the default name is the address literal of the local socket, not `localhost` |
//! | `Client.StartTLS` | [`Client::start_tls`], [`Client::start_tls_with`] | under the default policy it happens by itself; octets behind the 220 are fatal |
//! | `Client.TLSConnectionState` | [`Client::tls_state`] | |
//! | `Client.Auth` | [`Client::auth`], [`Client::login`] | only mechanisms the server advertises; nothing is retried with another after 535 |
//! | `Client.Verify` | [`Client::verify`] | returns the reply |
//! | `Client.Mail` | [`Client::mail`], [`Client::mail_with`] | BODY=8BITMIME where offered; SMTPUTF8 only where the address needs it |
//! | `Client.Rcpt` | [`Client::rcpt`], [`Client::rcpt_with`] | |
//! | `Client.Data` | [`Client::data`] | 8-bit octets need the server's 8BITMIME, lone CR and LF become CRLF; [`DataWriter::finish`] commits and returns the reply with the queue id; dropping never commits |
//! | `Client.Extension` | [`Client::extension`], [`Client::capabilities`] | |
//! | `Client.Reset` | [`Client::reset`] | |
//! | `Client.Noop` | [`Client::noop`] | |
//! | `Client.Quit` | [`Client::quit`] | consumes the client; never fails after QUIT has left |
//! | `Client.Close` | [`Client::close`], or drop | |
//! | `Client.Text` | [`Client::command`] | one line, checked, its reply returned |
//! | `SendMail` | [`send_mail`] | opportunistic STARTTLS and all-or-nothing, as there; [`Client::send`] gives one result a recipient |
//! | `Auth`, `ServerInfo` | [`Mechanism`](smtp_proto::sasl::Mechanism), [`ServerInfo`](smtp_proto::sasl::ServerInfo) | the server is local by its *address*, not by its name |
//! | `PlainAuth` | [`Plain`](smtp_proto::sasl::Plain) | |
//! | `CRAMMD5Auth` | [`CramMd5`](smtp_proto::sasl::CramMd5) | |

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
mod connect;
mod data;
mod error;
mod job;
mod login;
mod message;
mod pump;
mod stream;
#[cfg(feature = "rustls")]
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
pub use stream::{Remote, Stream};
#[cfg(feature = "rustls")]
pub use tls::{TlsState, default_tls_config};

/// The README's program, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
