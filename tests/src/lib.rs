//! Test tools.

pub mod script;
