//! Memory: where it comes from, and how it goes back to the system.
//!
//! What is large ([`limits::LARGE_BLOCK_BYTES`](crate::limits::LARGE_BLOCK_BYTES)) comes from the
//! system and goes back to it the moment it is freed, whichever thread does so and whatever happens
//! next ([`Allocator`]). What is small shares one heap ([`Heap`]). Pages of the program file that
//! were needed once go back as well ([`ProgramPages`]).

mod allocator;
#[cfg(all(
    target_arch = "x86_64",
    target_pointer_width = "64",
    any(test, target_env = "musl")
))]
mod copy;
mod foreign;
mod large;
mod program;
mod small;

pub use self::allocator::Allocator;
pub use self::foreign::Foreign;
pub use self::program::ProgramPages;
pub use self::small::Heap;

/// Gives back what is free in the heap of small blocks, as far as whole segments are. Takes
/// microseconds; the heap does the same by itself while it is used.
pub fn give_back() {
    small::give_back();
}

/// Bytes of all live blocks: large ones whether they are touched or not, small ones with what the
/// heap needs for them; and what C libraries hold, as far as it is told ([`Foreign`]).
#[must_use]
pub fn held_bytes() -> u64 {
    (large::held() + small::held()) as u64
}

/// Keeps the system from making huge pages of what is used in part. Call it before threads begin.
pub fn refuse_huge_pages() {
    // An old kernel has no such switch; then memory is as it is.
    let _unknown = rustix::thread::disable_transparent_huge_pages(true);
}
