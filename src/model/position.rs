//! A queue's position: which blocks are settled, as ranges of sequence numbers.
//!
//! Shards finish out of order, so a position is a floor (everything up to it is settled) and a
//! few ranges above it. *Acknowledged* and *abandoned* blocks are both settled, but counted apart.

use super::block::Sequence;

/// Settled sequence numbers: all up to the floor, and disjoint inclusive ranges above it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AckRanges {
    floor: Sequence,
    /// Sorted, disjoint, not touching one another nor the floor.
    ranges: Vec<(Sequence, Sequence)>,
}

impl AckRanges {
    /// A position where everything up to `floor` is settled.
    #[must_use]
    pub fn up_to(floor: Sequence) -> AckRanges {
        AckRanges {
            floor,
            ranges: Vec::new(),
        }
    }

    /// Everything up to here is settled.
    #[must_use]
    pub fn floor(&self) -> Sequence {
        self.floor
    }

    /// The ranges above the floor.
    #[must_use]
    pub fn ranges(&self) -> &[(Sequence, Sequence)] {
        &self.ranges
    }

    /// Whether that block is settled.
    #[must_use]
    pub fn contains(&self, sequence: Sequence) -> bool {
        sequence <= self.floor
            || self
                .ranges
                .iter()
                .any(|(first, last)| *first <= sequence && sequence <= *last)
    }

    /// Settles `first..=last`. An empty range (first above last) changes nothing.
    pub fn insert(&mut self, first: Sequence, last: Sequence) {
        if first > last || last <= self.floor {
            return;
        }
        let (mut first, mut last) = (first, last);
        self.ranges.retain(|(own_first, own_last)| {
            let touches =
                own_first.0 <= last.0.saturating_add(1) && first.0 <= own_last.0.saturating_add(1);
            if touches {
                first = first.min(*own_first);
                last = last.max(*own_last);
            }
            !touches
        });
        if first <= self.floor.next() {
            self.floor = last;
            return;
        }
        let at = self
            .ranges
            .partition_point(|(own_first, _)| *own_first < first);
        self.ranges.insert(at, (first, last));
    }

    /// Settles what another position says is settled.
    pub fn join(&mut self, other: &AckRanges) {
        self.insert(Sequence::ZERO, other.floor);
        for (first, last) in &other.ranges {
            self.insert(*first, *last);
        }
    }

    /// Limits the position to blocks up to `last`: what is above was never durable.
    pub fn clamp(&mut self, last: Sequence) {
        self.floor = self.floor.min(last);
        self.ranges.retain_mut(|(range_first, range_last)| {
            *range_last = (*range_last).min(last);
            *range_first <= *range_last
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn ranges_agree_with_a_set(inserts in prop::collection::vec((1u64..60, 0u64..8), 0..40),
                                   clamp in 0u64..70) {
            let mut ranges = AckRanges::up_to(Sequence(3));
            let mut model: BTreeSet<u64> = (0..=3).collect();
            for (first, length) in inserts {
                ranges.insert(Sequence(first), Sequence(first + length));
                model.extend(first..=first + length);
                for number in 0..80 {
                    prop_assert_eq!(ranges.contains(Sequence(number)), model.contains(&number));
                }
                for pair in ranges.ranges().windows(2) {
                    prop_assert!(pair[0].1.0 + 1 < pair[1].0.0);
                }
                if let Some((first, _)) = ranges.ranges().first() {
                    prop_assert!(first.0 > ranges.floor().0 + 1);
                }
            }
            ranges.clamp(Sequence(clamp));
            for number in 0..80 {
                let expected = model.contains(&number) && number <= clamp;
                prop_assert_eq!(ranges.contains(Sequence(number)), expected);
            }
        }
    }
}
