//! The `session` target: the input is a whole session, what the caller does and what the server says.
//!
//! A [`script`] is read from the input and carried out by the [`driver`] on a connection. Beside it a [`ledger`]
//! reads both directions of the wire as a naive server and a naive client would, and knows nothing else; after
//! each operation the [`checks`] hold what the connection says against it, and what a flow says of a message is
//! held against what left and what was answered ([`outcome`]). The script is then run again with every octet
//! by itself, and where there was a STARTTLS, with another server before it: neither may make a difference.

mod bodies;
mod capabilities;
mod checks;
mod command;
mod driver;
mod flows;
mod journal;
mod ledger;
mod lines;
mod message;
mod outcome;
mod replies;
mod script;
mod secrets;
mod server;
mod settings;

use driver::{Driver, Run};
use script::Script;
pub(super) use secrets::base64;

/// Asserts INV1 to INV8 and INV10 to INV12 of a whole session, after each of its operations.
pub fn session(input: &[u8]) {
    let script = Script::read(input);
    let whole = Driver::run(&script, Run::Whole);
    let split = Driver::run(&script, Run::Split);
    journal::same(&whole, &split);
    if journal::upgraded(&whole) {
        let elsewhere = Driver::run(&script, Run::OtherInClear);
        journal::same_under_tls(&whole, &elsewhere);
    }
}
