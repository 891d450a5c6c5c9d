//! The same for a wasm host that offers nothing: a module with one function, `run`. `../tests/no_std.rs` builds it where
//! Rust has the target, and looks at what it imports.

#![no_std]

extern crate alloc;

mod heap;
mod steps;

use core::panic::PanicInfo;

use heap::Bump;

/// 0, or the number of the first step that went wrong.
#[unsafe(no_mangle)]
pub extern "C" fn run() -> i32 {
    steps::run()
}

#[global_allocator]
static HEAP: Bump = Bump::new();

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
