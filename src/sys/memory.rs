//! Gives memory back to the system.
//!
//! The allocator does so by itself, but only while it is being used: a process that idles after a
//! peak would keep it.

/// Gives back what the calling thread has freed. Takes a fraction of a millisecond; meant for the
/// rare time after something large.
pub fn give_back() {
    #[cfg(feature = "mimalloc")]
    allocator::mi_collect(true);
}

#[cfg(feature = "mimalloc")]
#[expect(
    unsafe_code,
    reason = "the crate has no safe way to this function, which is one for any caller"
)]
mod allocator {
    // Links the library that has the function.
    use mimalloc as _;

    unsafe extern "C" {
        pub(super) safe fn mi_collect(force: bool);
    }
}
