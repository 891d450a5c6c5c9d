//! Test tools.

pub mod sink;
