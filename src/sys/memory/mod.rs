//! Memory: where it comes from, and how it goes back to the system.
//!
//! What is large ([`limits::LARGE_BLOCK_BYTES`]) comes from the system and goes back to it the
//! moment it is freed, whichever thread does so and whatever happens next ([`Allocator`]). What is
//! small is the business of the allocator below.

mod allocator;
mod large;

pub use self::allocator::Allocator;

/// Gives back what the calling thread has freed in small pieces. Takes a fraction of a millisecond;
/// meant for the rare time after very many of them.
pub fn give_back() {
    #[cfg(feature = "mimalloc")]
    small::give_back();
}

#[cfg(feature = "mimalloc")]
mod small {
    use parking_lot::Mutex;

    // Links the library that has the function.
    use mimalloc as _;

    #[expect(
        unsafe_code,
        reason = "the crate has no safe way to this function, which is one for any caller"
    )]
    unsafe extern "C" {
        safe fn mi_collect(force: bool);
    }

    /// The library lets one thread purge at a time; another that comes meanwhile is sent away with
    /// nothing done, so it has to wait here.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

    pub(super) fn give_back() {
        let _alone = ONE_AT_A_TIME.lock();
        mi_collect(true);
    }
}
