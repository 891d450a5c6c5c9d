//! A heap for programs that do not run for long.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Hands out the heap from front to back, and takes nothing back.
pub(crate) struct Bump {
    heap: UnsafeCell<[u8; Self::SIZE]>,
    used: AtomicUsize,
}

impl Bump {
    const SIZE: usize = 1 << 20;

    pub(crate) const fn new() -> Self {
        Self { heap: UnsafeCell::new([0; Self::SIZE]), used: AtomicUsize::new(0) }
    }
}

// SAFETY: the heap is handed out in parts that do not overlap, as `used` only grows and does so atomically.
unsafe impl Sync for Bump {}

// SAFETY: a part begins at a multiple of the alignment asked for, has the size asked for, lies within the heap,
// and is never handed out again.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let heap = self.heap.get().cast::<u8>();
        let mut at = 0;
        let reserve = |used: usize| {
            at = (heap as usize + used).next_multiple_of(layout.align()) - heap as usize;
            at.checked_add(layout.size()).filter(|end| *end <= Self::SIZE)
        };
        match self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reserve) {
            Ok(_) => heap.wrapping_add(at),
            Err(_) => null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}
