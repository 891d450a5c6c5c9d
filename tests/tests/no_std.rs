//! `smtp-proto` links into a program without `std`, and works there.

#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::Command;

#[test]
fn a_program_without_std() {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("no-std");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-std");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--offline"])
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let ended = Command::new(target.join("debug/smtp-no-std")).status().unwrap();
    assert_eq!(ended.code(), Some(0), "the number of the step that went wrong");
}
