//! The system's allocator with a count of the bytes that are taken, per thread.
//!
//! Per thread, because tests run side by side; what one thread takes and another gives back is
//! wrong in both, so a measurement stays on its thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The allocator.
pub(crate) struct Counting;

#[derive(Clone, Copy, Default)]
struct Counts {
    held: isize,
    peak: isize,
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { held: 0, peak: 0 }) };
}

fn count(bytes: isize) {
    // A thread that is ending has no counts any more.
    let _ending = COUNTS.try_with(|cell| {
        let mut counts = cell.get();
        counts.held += bytes;
        counts.peak = counts.peak.max(counts.held);
        cell.set(counts);
    });
}

#[expect(
    unsafe_code,
    reason = "the trait is unsafe; every call goes to the system's allocator"
)]
// SAFETY: memory comes from and goes to `System` with the caller's layout.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What a piece of work took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Bytes that are still held.
    pub(crate) held: isize,
    /// Bytes that were held at most at one time.
    pub(crate) peak: isize,
}

/// Counts what `work` takes on this thread.
pub(crate) fn measure<T>(work: impl FnOnce() -> T) -> (T, Taken) {
    let before = COUNTS.with(|cell| {
        let mut counts = cell.get();
        counts.peak = counts.held;
        cell.set(counts);
        counts
    });
    let result = work();
    let after = COUNTS.with(Cell::get);
    let taken = Taken {
        held: after.held - before.held,
        peak: after.peak - before.held,
    };
    (result, taken)
}
