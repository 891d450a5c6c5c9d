//! What the TLS suites have in common: [`authority`], certificates of every kind of wrong; [`server`], a server that
//! shows one and notes all it hears; [`backend`], every TLS library in every adapter, one entry each;
//! [`brought`], TLS that the caller does; [`scripted`], a script to play to a client whose TLS is real.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub(crate) mod authority;
pub(crate) mod backend;
pub(crate) mod brought;
pub(crate) mod scripted;
pub(crate) mod server;

pub(crate) use authority::{Authority, Identity, Leaf};
pub(crate) use backend::{Ask, Attempt, Backend, Outcome, Trust, backends, brought as backends_brought};
pub(crate) use scripted::Scripted;
pub(crate) use server::{Conduct, Heard, Server};

/// Nothing but whole TLS records (RFC 8446 §5.1), of which the last may be cut short.
pub(crate) fn assert_tls_records(octets: &[u8], way: &str) {
    let mut rest = octets;
    while let [kind, major, _, high, low, ..] = *rest {
        assert!((20..=23).contains(&kind) && major == 3, "{way}: no TLS record: {}", rest.escape_ascii());
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(5 + length..).unwrap_or_default();
    }
    assert!(rest.is_empty() || (20..=23).contains(&rest[0]), "{way}: no TLS record: {}", rest.escape_ascii());
}
