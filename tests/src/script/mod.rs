//! Sessions written down as transcripts, and the player that runs a client against them.
//!
//! A script says what the server says and what the client has to say, octet for octet:
//!
//! ```
//! use smtp_proto::connection::{Config, TlsPolicy};
//! use smtp_tests::script::Scenario;
//!
//! let config = Config::new("mail.example").client_name("client.test".parse()?).tls(TlsPolicy::None);
//! let queue_id = Scenario::new(config)
//!     .script(
//!         "
//!         S: 220 mail.example ready
//!         C: EHLO client.test
//!         S: 250-mail.example
//!         S: 250 PIPELINING
//!         C: MAIL FROM:<alice@example.org>
//!         C: RCPT TO:<bob@example.net>
//!         C: DATA
//!         S: 250 ok
//!         S: 250 ok
//!         S: 354 go ahead
//!         C: Subject: hi
//!         C: .
//!         S: 250 queued as 4711
//!         ",
//!     )
//!     .run(|session| {
//!         session.open().unwrap();
//!         let envelope = smtp_tests::script::envelope("alice@example.org", &["bob@example.net"]);
//!         session.send(&envelope, b"Subject: hi\r\n").unwrap().queue_id().map(str::to_owned)
//!     });
//! assert_eq!(queue_id.as_deref(), Some("4711"));
//! # Ok::<(), smtp_proto::path::AddressError>(())
//! ```
//!
//! # The language
//!
//! | line | means |
//! |---|---|
//! | `S: 220 hi` | the server says this line; CRLF is added |
//! | `S\| 250 a\r` | the server says these octets, nothing added; `\r \n \t \0 \xNN \\` stand for one octet each |
//! | `C: QUIT`, `C\| .\r` | the client has to say this line, or these octets |
//! | `tls` | the TLS handshake happens here |
//! | `tls fails` | it happens, and fails |
//! | `pause` | the server says nothing until the client's time budget is spent |
//! | `wait 299s` | the server says nothing for that long |
//! | `stall` | the server reads nothing more, until the next `C` line |
//! | `close` | end of file: the server says nothing more |
//! | `reset` | reads and writes fail from here on |
//! | `# text` | a comment |
//!
//! `S` lines that follow each other directly are *one* segment: they arrive together. A blank line or a
//! comment between two of them makes two segments, of which the second arrives when the client reads again.
//!
//! # The player
//!
//! [`Scenario::run`] runs a closure against the script once in each [`Mode`], on virtual time, and asserts
//! that the client said exactly the `C` lines, in turn; that result, transcript and state are the same in
//! every mode; that a broken connection stays silent; and that no step goes round without progress.
//! [`Peer`] is the script as a state machine, without a client; [`Stream`] makes it a transport for
//! `std::io` and tokio.

// A failed expectation is a panic: this is a test tool.
#![allow(clippy::panic, clippy::unwrap_used, clippy::expect_used)]

mod language;
mod peer;
mod scenario;
mod session;
mod stream;

pub use language::Script;
pub use peer::{Heard, Peer, Taken};
pub use scenario::{Mode, Scenario};
pub use session::Session;
pub use stream::{PeerHandle, Stream};

use smtp_proto::flow::Envelope;

/// In the place of a chunk of a body: its source fails here.
pub const SOURCE_FAILS: &[u8] = b"\0the source fails\0";

/// An envelope of these addresses, which have to be well formed.
pub fn envelope(from: &str, to: &[&str]) -> Envelope {
    Envelope::new(
        from.parse().expect("reverse-path"),
        to.iter().map(|path| path.parse().expect("forward-path")),
    )
}
