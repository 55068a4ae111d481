//! The allocator of the program: large blocks from the system, small ones from another allocator.
//!
//! Allocators keep what is freed, for the next who asks. For the bodies and buffers of one large
//! page that is wrong on a small machine: the next large page may never come, and each allocator
//! has its own rules by which the memory goes back, or does not. A mapping of its own goes back
//! when it is freed. It also grows without being copied, so a growing vector never holds its old
//! and its new memory at once.

use std::alloc::{GlobalAlloc, Layout};

use super::large;

/// Large blocks from the system, small ones from `S`.
#[derive(Debug, Default)]
pub struct Allocator<S>(S);

impl<S> Allocator<S> {
    /// With `small` for small blocks.
    pub const fn new(small: S) -> Allocator<S> {
        Allocator(small)
    }
}

#[expect(
    unsafe_code,
    reason = "the trait is unsafe; a block's size says from where it came, so it goes back there"
)]
// SAFETY: every block comes from the inner allocator or from the system, by its layout alone, which
// the caller has to repeat when it gives the block back.
unsafe impl<S: GlobalAlloc> GlobalAlloc for Allocator<S> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if large::is_large(layout) {
            return large::take(layout.size());
        }
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if large::is_large(layout) {
            return large::take(layout.size());
        }
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block came from where its layout says, and the caller gives it up.
        unsafe {
            if large::is_large(layout) {
                large::give_back(block, layout.size());
            } else {
                self.0.dealloc(block, layout);
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller keeps the contract of `realloc`: `size` is valid with that alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the block came from where its layout says; where it has to move from one side to
        // the other, both blocks are as large as what is copied, and they are not the same.
        unsafe {
            match (large::is_large(layout), large::is_large(wanted)) {
                (false, false) => self.0.realloc(block, layout, size),
                (true, true) => large::resize(block, layout.size(), size),
                _ => {
                    let moved = self.alloc(wanted);
                    if !moved.is_null() {
                        block.copy_to_nonoverlapping(moved, layout.size().min(size));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;
    use crate::sys::memory::Heap;

    const ALLOCATOR: Allocator<Heap> = Allocator::new(Heap);
    const LARGE: usize = limits::LARGE_BLOCK_BYTES;

    /// A block that remembers its layout.
    struct Block {
        start: *mut u8,
        layout: Layout,
    }

    #[expect(unsafe_code, reason = "calls the trait as collections do")]
    impl Block {
        fn take(size: usize, zeroed: bool) -> Block {
            let layout = Layout::from_size_align(size, 8).expect("layout");
            // SAFETY: the size is not zero.
            let start = unsafe {
                if zeroed {
                    ALLOCATOR.alloc_zeroed(layout)
                } else {
                    ALLOCATOR.alloc(layout)
                }
            };
            assert!(!start.is_null() && start.is_aligned_to_8());
            Block { start, layout }
        }

        fn resize(&mut self, size: usize) {
            // SAFETY: the block is live and came with this layout.
            self.start = unsafe { ALLOCATOR.realloc(self.start, self.layout, size) };
            assert!(!self.start.is_null());
            self.layout = Layout::from_size_align(size, 8).expect("layout");
        }

        fn bytes(&mut self) -> &mut [u8] {
            // SAFETY: the block is live, has that size, and was filled or zeroed.
            unsafe { std::slice::from_raw_parts_mut(self.start, self.layout.size()) }
        }
    }

    #[expect(unsafe_code, reason = "calls the trait as collections do")]
    impl Drop for Block {
        fn drop(&mut self) {
            // SAFETY: the block is live and came with this layout.
            unsafe { ALLOCATOR.dealloc(self.start, self.layout) };
        }
    }

    trait Aligned {
        fn is_aligned_to_8(&self) -> bool;
    }

    impl Aligned for *mut u8 {
        fn is_aligned_to_8(&self) -> bool {
            self.addr().is_multiple_of(8)
        }
    }

    #[test]
    fn content_survives_every_change_of_size() {
        let sizes = [
            10,
            LARGE - 1,
            LARGE,
            LARGE + 1,
            40 * LARGE,
            3 * LARGE,
            LARGE - 9,
            7,
        ];
        for from in sizes {
            for to in sizes {
                let mut block = Block::take(from, true);
                assert!(block.bytes().iter().all(|byte| *byte == 0));
                for (at, byte) in block.bytes().iter_mut().enumerate() {
                    *byte = (at % 251) as u8;
                }
                block.resize(to);
                let same = block.bytes()[..from.min(to)].iter().enumerate();
                assert!(
                    { same }.all(|(at, byte)| *byte == (at % 251) as u8),
                    "{from} {to}"
                );
            }
        }
    }

    #[test]
    fn a_freed_large_block_is_clean_when_it_comes_again() {
        for _round in 0..3 {
            let mut block = Block::take(2 * LARGE, true);
            assert!(block.bytes().iter().all(|byte| *byte == 0));
            block.bytes().fill(1);
        }
    }

    #[test]
    fn what_is_aligned_beyond_a_page_is_left_to_the_other() {
        let layout = Layout::from_size_align(LARGE, 1 << 16).expect("layout");
        assert!(!large::is_large(layout));
    }

    #[test]
    fn large_blocks_that_many_threads_free_at_once_are_gone_at_once() {
        // Other tests take memory and give it back meanwhile: not always so much.
        assert!((0..20).any(|_| are_gone_at_once()));
    }

    fn are_gone_at_once() -> bool {
        const EACH: usize = 48;
        let resident = || crate::sys::usage::read().resident_bytes >> 20;
        let before = resident();
        std::thread::scope(|scope| {
            for _thread in 0..4 {
                scope.spawn(|| {
                    let blocks: Vec<Block> = (0..EACH)
                        .map(|_| {
                            let mut block = Block::take(1 << 20, false);
                            block.bytes().fill(1);
                            block
                        })
                        .collect();
                    drop(blocks);
                });
            }
        });
        resident() < before + 96
    }
}
