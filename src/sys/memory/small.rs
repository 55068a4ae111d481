//! Small blocks: one heap for all threads.
//!
//! Allocators for fast programs give each thread a heap of its own and each size a page of its own,
//! which with a dozen threads that do little takes more than the contents. Here nothing is
//! allocated where it is hot, so all threads share one heap behind a lock, in which a block of any
//! size finds the hole that fits best. It grows by [`limits::HEAP_SEGMENT_BYTES`], and a segment of
//! which nothing is used goes back to the system.

use std::alloc::{GlobalAlloc, Layout};
use std::ptr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dlmalloc::Dlmalloc;

use super::large;
use crate::limits;

/// The heap, as an allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Heap;

/// A lock of the standard library, because others allocate when a thread has to wait.
static HEAP: Mutex<Shared> = Mutex::new(new());

struct Shared {
    heap: Dlmalloc<Segments>,
    /// Bytes of all live blocks, and what the heap needs for each.
    used: usize,
}

/// What the heap needs for a block: a note, and what it rounds up on average.
const EXTRA: usize = 16;

const fn new() -> Shared {
    let mut heap = Dlmalloc::new_with_allocator(Segments);
    // Refuses what is no power of two, which the tests would notice.
    let _set = heap.set_granularity(limits::HEAP_SEGMENT_BYTES);
    heap.set_max_release_check_rate(limits::HEAP_RELEASE_FREES);
    Shared { heap, used: 0 }
}

fn shared() -> MutexGuard<'static, Shared> {
    HEAP.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    /// Counts a block that was taken; none is at null.
    fn took(&mut self, block: *mut u8, size: usize) -> *mut u8 {
        if !block.is_null() {
            self.used += size + EXTRA;
        }
        block
    }

    fn gave(&mut self, size: usize) {
        self.used = self.used.saturating_sub(size + EXTRA);
    }
}

/// Bytes of all live blocks with what the heap needs for each, and an eighth for holes. The segments
/// may have more, but a hole is used again before they become more, so it is no reason to refuse
/// what would fit.
pub(super) fn held() -> usize {
    let used = shared().used;
    used + used / 8
}

/// Gives back the segments of which nothing is used.
pub(super) fn give_back() {
    #[expect(
        unsafe_code,
        reason = "the crate calls it so; it asks nothing of the caller"
    )]
    // SAFETY: only memory that nobody uses is given back.
    let _some = unsafe { shared().heap.trim(0) };
}

#[expect(
    unsafe_code,
    reason = "the trait is unsafe; every call goes to the heap with the caller's layout"
)]
// SAFETY: the heap's functions have the contracts of the trait's, and the lock keeps them apart.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut shared = shared();
        // SAFETY: the caller keeps the contract of `alloc`.
        let block = unsafe { shared.heap.malloc(layout.size(), layout.align()) };
        shared.took(block, layout.size())
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let mut shared = shared();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        let block = unsafe { shared.heap.calloc(layout.size(), layout.align()) };
        shared.took(block, layout.size())
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let mut shared = shared();
        shared.gave(layout.size());
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { shared.heap.free(block, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let mut shared = shared();
        // SAFETY: the caller keeps the contract of `realloc`.
        let moved = unsafe {
            shared
                .heap
                .realloc(block, layout.size(), layout.align(), size)
        };
        if !moved.is_null() {
            shared.gave(layout.size());
        }
        shared.took(moved, size)
    }
}

/// Where the heap has its segments from. They never touch: the heap would join those that do, and
/// one block would keep all of them.
struct Segments;

/// What lies between two segments: address space only. A page of any system.
const GAP: usize = 64 * 1024;

#[expect(
    unsafe_code,
    reason = "the trait is unsafe; segments are mappings that belong to the heap"
)]
// SAFETY: segments are mappings of their own, cut and given back as the heap says, which owns them.
unsafe impl dlmalloc::Allocator for Segments {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let start = size.checked_add(GAP).map_or(ptr::null_mut(), large::map);
        if start.is_null() {
            return (start, 0, 0);
        }
        // SAFETY: the mapping is larger than the gap.
        (unsafe { start.add(GAP) }, size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        // The heap copies instead.
        ptr::null_mut()
    }

    fn free_part(&self, start: *mut u8, old: usize, new: usize) -> bool {
        // SAFETY: the heap gives up the end of its segment.
        unsafe { large::unmap(start.add(new), old - new) }
    }

    fn free(&self, start: *mut u8, size: usize) -> bool {
        // SAFETY: the heap gives up the segment, before which its gap lies.
        unsafe { large::unmap(start.sub(GAP), size + GAP) }
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        GAP
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A live block: where, how large, how aligned, and the byte that fills it.
    struct Block(*mut u8, Layout, u8);

    #[expect(unsafe_code, reason = "calls the trait as collections do")]
    impl Block {
        fn take(size: usize, align: usize, zeroed: bool, mark: u8) -> Block {
            let layout = Layout::from_size_align(size, align).expect("layout");
            // SAFETY: the size is not zero.
            let start = unsafe {
                if zeroed {
                    Heap.alloc_zeroed(layout)
                } else {
                    Heap.alloc(layout)
                }
            };
            assert!(!start.is_null() && start.addr().is_multiple_of(align));
            let mut block = Block(start, layout, mark);
            assert!(!zeroed || block.bytes().iter().all(|byte| *byte == 0));
            block.bytes().fill(mark);
            block
        }

        fn bytes(&mut self) -> &mut [u8] {
            // SAFETY: the block is live and has that size; bytes that nobody wrote are written
            // before they are looked at.
            unsafe { std::slice::from_raw_parts_mut(self.0, self.1.size()) }
        }

        fn resize(&mut self, size: usize) {
            let kept = size.min(self.1.size());
            // SAFETY: the block is live and came with this layout.
            self.0 = unsafe { Heap.realloc(self.0, self.1, size) };
            assert!(!self.0.is_null() && self.0.addr().is_multiple_of(self.1.align()));
            self.1 = Layout::from_size_align(size, self.1.align()).expect("layout");
            let mark = self.2;
            assert!(self.bytes()[..kept].iter().all(|byte| *byte == mark));
            self.bytes().fill(mark);
        }
    }

    #[expect(unsafe_code, reason = "calls the trait as collections do")]
    impl Drop for Block {
        fn drop(&mut self) {
            let mark = self.2;
            assert!(self.bytes().iter().all(|byte| *byte == mark), "overwritten");
            // SAFETY: the block is live and came with this layout.
            unsafe { Heap.dealloc(self.0, self.1) };
        }
    }

    fn sizes() -> impl Strategy<Value = usize> {
        prop_oneof![4 => 1..100usize, 3 => 100..3000usize, 1 => 3000..200_000usize]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]
        #[test]
        fn blocks_keep_their_bytes_whatever_happens_to_others(
            steps in prop::collection::vec((0..8u8, sizes(), 0..10u32, any::<prop::sample::Index>()), 1..400)
        ) {
            let mut blocks: Vec<Block> = Vec::new();
            for (number, (what, size, align, which)) in steps.into_iter().enumerate() {
                match what {
                    0..=3 => blocks.push(Block::take(size, 1 << align, what == 0, number as u8)),
                    _ if blocks.is_empty() => {}
                    4 | 5 => drop(blocks.swap_remove(which.index(blocks.len()))),
                    6 => {
                        let index = which.index(blocks.len());
                        blocks[index].resize(size);
                    }
                    _ => give_back(),
                }
            }
        }
    }

    #[test]
    fn what_is_free_goes_back() {
        // Other tests take memory and give it back meanwhile: not always so much.
        assert!((0..20).any(|_| goes_back()));
    }

    fn goes_back() -> bool {
        let resident = || crate::sys::usage::read().resident_bytes >> 20;
        let before = resident();
        let mut blocks: Vec<Block> = (0..64 * 1024)
            .map(|number| Block::take(1024, 8, false, number as u8))
            .collect();
        let most = resident();
        // One of a hundred thousand stays, as it would.
        blocks.truncate(1);
        give_back();
        most >= before + 48 && resident() < before + 32
    }

    #[test]
    fn threads_share_the_heap() {
        std::thread::scope(|scope| {
            for mark in 0..8u8 {
                scope.spawn(move || {
                    for round in 1..2000usize {
                        let mut block = Block::take(round % 700 + 1, 16, round % 3 == 0, mark);
                        block.resize(round % 1500 + 1);
                    }
                });
            }
        });
    }
}
