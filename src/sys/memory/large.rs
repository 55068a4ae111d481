//! Blocks that are mappings of their own.

use std::alloc::Layout;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::mm::{MapFlags, MremapFlags, ProtFlags, mmap_anonymous, mremap, munmap};

use crate::limits;

/// Alignment that every mapping has: the smallest page of any system.
const ALIGNMENT: usize = 4096;

/// Bytes of all blocks, and of what others took from the system.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Bytes that were taken and not given back.
pub(super) fn held() -> usize {
    HELD.load(Ordering::Relaxed)
}

pub(super) fn count(taken: usize, given_back: usize) {
    HELD.fetch_add(taken.wrapping_sub(given_back), Ordering::Relaxed);
}

/// Whether a block of that layout is a mapping.
pub(super) fn is_large(layout: Layout) -> bool {
    layout.size() >= limits::LARGE_BLOCK_BYTES && layout.align() <= ALIGNMENT
}

/// A block of `size` zeros; null if the system has none.
pub(super) fn take(size: usize) -> *mut u8 {
    let block = map(size);
    if !block.is_null() {
        count(size, 0);
    }
    block
}

/// Lets the system have a block. If it will not, the block stays, unused.
///
/// # Safety
/// It came from [`take`] or [`resize`] with that size, and nobody uses it any more.
#[expect(unsafe_code, reason = "a system call that has no safe form")]
pub(super) unsafe fn give_back(block: *mut u8, size: usize) {
    // SAFETY: the caller gives up all of it.
    let _stays = unsafe { unmap(block, size) };
    count(0, size);
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
    moved.map_or(ptr::null_mut(), |block| {
        count(new, old);
        block.cast()
    })
}

/// A new mapping of `size` zeros; null if the system has none.
#[expect(unsafe_code, reason = "a system call that has no safe form")]
pub(super) fn map(size: usize) -> *mut u8 {
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: without a wished address nothing that exists is touched.
    let mapped = unsafe { mmap_anonymous(ptr::null_mut(), size, protection, MapFlags::PRIVATE) };
    mapped.map_or(ptr::null_mut(), <*mut _>::cast)
}

/// Gives up whole pages of a mapping. False if the system will not have them, which happens when it
/// has no room to note that a mapping has become two.
///
/// # Safety
/// The pages are the caller's, and nobody uses them any more.
#[expect(unsafe_code, reason = "a system call that has no safe form")]
pub(super) unsafe fn unmap(start: *mut u8, size: usize) -> bool {
    // SAFETY: the caller gives up those pages.
    unsafe { munmap(start.cast(), size).is_ok() }
}
