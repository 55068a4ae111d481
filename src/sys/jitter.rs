//! The only source of randomness: a small seeded generator. Not for secrets.

/// A SplitMix64 generator.
#[derive(Clone, Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// A generator that always yields the same numbers for the same seed.
    #[must_use]
    pub const fn seeded(seed: u64) -> Jitter {
        Jitter(seed)
    }

    /// A generator seeded by the operating system's per-process hash keys.
    #[must_use]
    pub fn from_system() -> Jitter {
        use std::hash::{BuildHasher, RandomState};
        Jitter(RandomState::new().hash_one(0u8))
    }

    /// The next number, evenly spread over all of `u64`.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Brings `items` into a random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for end in (1..items.len()).rev() {
            // The remainder favours low numbers by one in 2^64 / `end`.
            let other = self.next_u64() % (end as u64 + 1);
            items.swap(end, other as usize);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_in_range() {
        let (mut one, mut two) = (Jitter::seeded(7), Jitter::seeded(7));
        for _ in 0..1000 {
            let fraction = one.fraction();
            assert!((0.0..1.0).contains(&fraction));
            assert_eq!(fraction, two.fraction());
        }
    }

    #[test]
    fn every_order_of_shuffled_items_comes_up_about_equally_often() {
        let mut jitter = Jitter::seeded(1);
        let mut seen = std::collections::BTreeMap::new();
        for _ in 0..6000 {
            let mut items = [1, 2, 3];
            jitter.shuffle(&mut items);
            *seen.entry(items).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(
            seen.values().all(|times| (900..1100).contains(times)),
            "{seen:?}"
        );
        jitter.shuffle::<u8>(&mut []);
    }
}
