//! A program without `std` that uses `smtp-proto`: that it links is the proof, that it runs is a bonus.
//!
//! It ends with 0, or with the number of the first step that went wrong. `../tests/no_std.rs` builds and runs
//! it on the host, whose C library starts it.

#![no_std]
#![no_main]

extern crate alloc;

mod heap;
mod steps;

use core::ffi::c_int;
use core::panic::PanicInfo;

use heap::Bump;

#[link(name = "c")]
unsafe extern "C" {}

#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    steps::run()
}

#[global_allocator]
static HEAP: Bump = Bump::new();

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    end()
}

/// The `alloc` that comes with the compiler was built to unwind, and names what would unwind it.
#[unsafe(no_mangle)]
extern "C" fn _Unwind_Resume() -> ! {
    end()
}

/// As [`_Unwind_Resume`].
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() -> ! {
    end()
}

fn end() -> ! {
    unsafe extern "C" {
        fn abort() -> !;
    }
    // SAFETY: `abort` of the C library takes nothing and asks for nothing.
    unsafe { abort() }
}
