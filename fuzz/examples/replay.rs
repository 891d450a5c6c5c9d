//! Runs files through a target without a fuzzer: `replay TARGET FILE...`. A finding tells more here than in the fuzzer,
//! which ends the process at once.

use std::{env, fs};

fn main() -> std::io::Result<()> {
    let mut arguments = env::args().skip(1);
    let target = match arguments.next().as_deref() {
        Some("reply") => smtp_fuzz::reply,
        Some("data") => smtp_fuzz::data,
        Some("command") => smtp_fuzz::command,
        Some("ehlo") => smtp_fuzz::ehlo,
        Some("sasl") => smtp_fuzz::sasl,
        Some("session") => smtp_fuzz::session,
        other => panic!("no target {other:?}"),
    };
    for file in arguments {
        target(&fs::read(&file)?);
    }
    Ok(())
}
