//! Memory that a C library has taken: the allocator does not see it, so its owner says how much it is.

use super::large;

/// What one owner holds; counted among the bytes that are held until it is dropped.
#[derive(Debug, Default)]
pub struct Foreign {
    bytes: usize,
}

impl Foreign {
    /// It is so many bytes now.
    pub fn set(&mut self, bytes: usize) {
        large::count(bytes, self.bytes);
        self.bytes = bytes;
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::memory::held_bytes;

    #[test]
    fn what_is_said_is_counted_until_it_is_dropped() {
        // Far more than other tests hold at the same time.
        const MUCH: usize = usize::MAX / 8;
        let mut foreign = Foreign::default();
        foreign.set(MUCH);
        assert!(held_bytes() >= MUCH as u64);
        foreign.set(MUCH / 2);
        assert!((MUCH as u64 / 2..MUCH as u64).contains(&held_bytes()));
        drop(foreign);
        assert!(held_bytes() < MUCH as u64 / 2);
    }
}
