//! The system's allocator with a count of the bytes that are taken and of the calls that take them,
//! per thread.
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
    calls: usize,
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { held: 0, peak: 0, calls: 0 }) };
}

fn count(bytes: isize, calls: usize) {
    // A thread that is ending has no counts any more.
    let _ending = COUNTS.try_with(|cell| {
        let mut counts = cell.get();
        counts.held += bytes;
        counts.peak = counts.peak.max(counts.held);
        counts.calls += calls;
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
        count(layout.size() as isize, 1);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize), 0);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize, 1);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

/// What a piece of work took.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Bytes that are still held.
    pub(crate) held: isize,
    /// Bytes that were held at most at one time.
    pub(crate) peak: isize,
    /// Calls that took memory or more of it: allocations and reallocations.
    pub(crate) calls: usize,
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
        calls: after.calls - before.calls,
    };
    (result, taken)
}
