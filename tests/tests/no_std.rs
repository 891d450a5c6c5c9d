//! `smtp-proto` links into a program without `std` and into a wasm module, works there, and wants nothing of its host
//! that the compiler does not want for itself; with the feature `tracing`, too.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;

const WASM: &str = "wasm32-unknown-unknown";

/// What a linked program takes from the C library: what the compiler copies and compares memory with; and the start and
/// the end of the program, which are not the core's.
const IMPORTS: [&str; 7] = ["memcpy", "memmove", "memset", "memcmp", "bcmp", "__libc_start_main", "abort"];

/// Builds a part of the package that has no `std`; where it then is.
fn build(arguments: &[&str]) -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR")).join("no-std");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("no-std");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--locked", "--offline"])
        .args(arguments)
        .current_dir(&package)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    target
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_program_without_std() {
    for features in ["", "tracing"] {
        a_program_with(features);
    }
}

fn a_program_with(features: &str) {
    let program = build(&["--bin", "smtp-no-std", "--features", features]).join("debug/smtp-no-std");
    let ended = Command::new(&program).status().unwrap();
    assert_eq!(ended.code(), Some(0), "the number of the step that went wrong");
    #[cfg(target_os = "linux")]
    {
        // `w memcpy@GLIBC_2.14`: weak ones are the C compiler's, and may be missing.
        let symbols = output(Command::new("nm").args(["-D", "--undefined-only"]).arg(&program));
        let names = symbols.lines().filter_map(|line| line.trim().strip_prefix("U "));
        let imports: Vec<_> = names.map(|name| name.split('@').next().unwrap_or(name)).collect();
        assert!(imports.contains(&"memcpy"), "nothing was looked at: {symbols}");
        let others: Vec<_> = imports.iter().filter(|name| !IMPORTS.contains(name)).collect();
        assert!(others.is_empty(), "{others:?}");
    }
}

#[test]
fn a_wasm_module_without_imports() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let library = output(Command::new(rustc).args(["--print", "target-libdir", "--target", WASM]));
    if !Path::new(library.trim()).exists() {
        // .ci/run installs it.
        eprintln!("NOT TRIED: Rust has no {WASM} here; `rustup target add {WASM}` adds it");
        return;
    }
    for features in ["", "tracing"] {
        a_module_with(features);
    }
}

fn a_module_with(features: &str) {
    let build = build(&["--lib", "--target", WASM, "--features", features]);
    let module = build.join(WASM).join("debug/smtp_no_std.wasm");
    let octets = std::fs::read(&module).unwrap();
    let found = ids(&octets);
    assert!(found.contains(&EXPORTS) && !found.contains(&IMPORTS_OF_WASM), "{found:?}");
    // One that imports a function would have been found out.
    let importing = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x02\x07\x01\x01m\x01f\0\0";
    assert_eq!(ids(importing), [1, IMPORTS_OF_WASM]);

    // A host that offers nothing at all, if there is one.
    let host = "WebAssembly.instantiate(require('fs').readFileSync(process.argv[1]), {})
        .then(module => process.exit(module.instance.exports.run()))";
    match Command::new("node").args(["-e", host]).arg(&module).status() {
        Ok(ended) => assert_eq!(ended.code(), Some(0), "the number of the step that went wrong"),
        Err(error) => eprintln!("NOT RUN, only looked at: node: {error}"),
    }
}

/// The numbers of two sections.
const IMPORTS_OF_WASM: u8 = 2;
const EXPORTS: u8 = 7;

/// The numbers of a wasm module's sections, each a number, a length in LEB128, and as many octets.
fn ids(module: &[u8]) -> Vec<u8> {
    let mut rest = module.strip_prefix(b"\0asm\x01\0\0\0").unwrap();
    std::iter::from_fn(move || {
        let (&id, mut octets) = rest.split_first()?;
        let (mut length, mut shift, mut more) = (0, 0, true);
        while more {
            let (&octet, behind) = octets.split_first().unwrap();
            length |= usize::from(octet & 0x7f) << shift;
            (shift, more, octets) = (shift + 7, octet & 0x80 != 0, behind);
        }
        rest = octets.get(length..).unwrap();
        Some(id)
    })
    .collect()
}
