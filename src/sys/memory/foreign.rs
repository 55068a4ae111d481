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

    /// What was said last.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.bytes
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

    #[test]
    fn what_is_said_is_counted_until_it_is_dropped() {
        // Other tests count at the same time: far more than they hold, and too little to matter.
        const MUCH: usize = usize::MAX / 16;
        let near = |expected: usize, before: usize| {
            let difference = large::held().wrapping_sub(before).wrapping_sub(expected) as isize;
            assert!(difference.unsigned_abs() < MUCH / 4, "{difference}");
        };
        let before = large::held();
        let mut foreign = Foreign::default();
        foreign.set(MUCH);
        near(MUCH, before);
        foreign.set(MUCH / 2);
        near(MUCH / 2, before);
        drop(foreign);
        near(0, before);
    }
}
