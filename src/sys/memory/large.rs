//! Blocks that are mappings of their own.

use std::alloc::Layout;
use std::ptr;

use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap, munmap};

use crate::limits;

/// Alignment that every mapping has: the smallest page of any system.
const ALIGNMENT: usize = 4096;

/// Whether a block of that layout is a mapping.
pub(super) fn is_large(layout: Layout) -> bool {
    layout.size() >= limits::LARGE_BLOCK_BYTES && layout.align() <= ALIGNMENT
}

/// A block of `size` zeros; null if the system has none.
#[expect(unsafe_code, reason = "a system call that has no safe form")]
pub(super) fn take(size: usize) -> *mut u8 {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: without a wished address nothing that exists is touched.
    let mapped = unsafe { mmap_anonymous(ptr::null_mut(), size, protection, MapFlags::PRIVATE) };
    mapped.map_or(ptr::null_mut(), <*mut _>::cast)
}

/// Lets the system have a block.
///
/// # Safety
/// It came from [`take`] or [`resize`] with that size, and nobody uses it any more.
#[expect(unsafe_code, reason = "a system call that has no safe form")]
pub(super) unsafe fn give_back(block: *mut u8, size: usize) {
    // SAFETY: the caller gives up the whole mapping. It fails when the system has no memory to split
    // a larger mapping: the block stays, unused.
    let _lost = unsafe { munmap(block.cast(), size) };
}

/// Makes a block larger or smaller; it may move, and its pages go with it uncopied. What is new is
/// zeros. Null, and the block as it was, if the system has no room.
///
/// # Safety
/// It came from [`take`] or [`resize`] with size `old`; after success only the result is used.
#[expect(unsafe_code, reason = "a system call that has no safe form")]
pub(super) unsafe fn resize(block: *mut u8, old: usize, new: usize) -> *mut u8 {
    // SAFETY: the whole mapping is the caller's, and the system chooses where it may move.
    let moved = unsafe { mremap(block.cast(), old, new, MremapFlags::MAYMOVE) };
    moved.map_or(ptr::null_mut(), <*mut _>::cast)
}
