//! What it takes to test an SMTP client without a network, for this workspace and for those who embed it.
//!
//! - [`script`]: a server whose part is written as a readable transcript, played against the core, the
//!   blocking and the tokio adapter, whole and octet by octet.
//! - [`sink`]: a server that takes mail and keeps it, strict, over SMTP and LMTP, with every extension that
//!   the client speaks.
//! - [`library`]: the TLS libraries that the adapters can be built with.
//!
//! The conformance suites are this package's tests; `tests/interop/run` starts real servers for the last.

pub mod library;
pub mod script;
pub mod sink;

/// The README's programs, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The programs on the pages of the guide that need more than the core, compiled.
#[cfg(doctest)]
#[doc = include_str!("../../smtp-proto/src/guide/tls.md")]
pub struct GuideTls;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../../smtp-proto/src/guide/testing.md")]
pub struct GuideTesting;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../../smtp-proto/src/guide/moving_from_net_smtp.md")]
pub struct GuideMovingFromNetSmtp;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../../smtp-proto/src/guide/moving_from_lettre.md")]
pub struct GuideMovingFromLettre;

/// The same.
#[cfg(doctest)]
#[doc = include_str!("../../smtp-proto/src/guide/moving_from_mail_send.md")]
pub struct GuideMovingFromMailSend;
