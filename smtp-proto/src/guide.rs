//! The guide: how to embed the core, page by page, and how to come here from another client.
//!
//! | page | for whom |
//! |---|---|
//! | [The loop and its contract](run_loop) | everyone who brings a loop |
//! | [Replies and outcomes](outcomes) | everyone who has to decide whether to send again |
//! | [TLS in your own stack](tls) | who brings a TLS library |
//! | [Limits and time budgets](limits) | who has little memory, or little time |
//! | [Watching](watching): transcript, counters, progress, `tracing` | operators |
//! | [Writing a mechanism](mechanism) | who has another way to authenticate |
//! | [Writing a flow](flow) | who has another job for a session |
//! | [Testing your integration](testing) | everyone |
//! | [Fuzzing](fuzzing) | fuzzers |
//! | Moving from [`net/smtp`](moving_from_net_smtp), [lettre](moving_from_lettre), [mail-send](moving_from_mail_send) | who has a program already |
//!
//! Each flight of octets that a message costs is on the page [`wire`](crate::wire).

#[doc = include_str!("guide/run_loop.md")]
pub mod run_loop {}

#[doc = include_str!("guide/outcomes.md")]
pub mod outcomes {}

#[doc = include_str!("guide/limits.md")]
pub mod limits {}

#[doc = include_str!("guide/watching.md")]
pub mod watching {}

#[doc = include_str!("guide/mechanism.md")]
pub mod mechanism {}

#[doc = include_str!("guide/flow.md")]
pub mod flow {}

#[doc = include_str!("guide/fuzzing.md")]
pub mod fuzzing {}

// The programs on these pages need the adapters or the test tools; the package `smtp-tests` compiles them.
#[cfg_attr(not(doctest), doc = include_str!("guide/tls.md"))]
pub mod tls {}

#[cfg_attr(not(doctest), doc = include_str!("guide/testing.md"))]
pub mod testing {}

#[cfg_attr(not(doctest), doc = include_str!("guide/moving_from_net_smtp.md"))]
pub mod moving_from_net_smtp {}

#[cfg_attr(not(doctest), doc = include_str!("guide/moving_from_lettre.md"))]
pub mod moving_from_lettre {}

#[cfg_attr(not(doctest), doc = include_str!("guide/moving_from_mail_send.md"))]
pub mod moving_from_mail_send {}
