//! Which segments may go. Pure.
//!
//! A segment goes when every queue has settled all blocks in it; and, oldest first, while the log
//! is larger than its budget. The newest one always stays.

use crate::model::block::Sequence;
use crate::model::position::AckRanges;

use super::segment::SegmentInfo;

/// A segment to delete, and the block numbers it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// The segment.
    pub segment: SegmentInfo,
    /// Its last block, as far as the catalog knows.
    pub last: Sequence,
    /// Whether it goes for its space; else everyone has settled it.
    pub for_space: bool,
}

/// Decides. `segments` are sorted by number; `settled` has one entry per queue that counts.
#[must_use]
pub fn plan(segments: &[SegmentInfo], settled: &[AckRanges], budget: u64) -> Vec<Doomed> {
    let mut bytes: u64 = segments.iter().map(|own| own.bytes).sum();
    let mut doomed = Vec::new();
    for pair in segments.windows(2) {
        let (segment, next) = (pair[0], pair[1]);
        let last = Sequence(next.first.0.saturating_sub(1));
        let done = settled
            .iter()
            .all(|ranges| covers(ranges, segment.first, last));
        let for_space = !done && bytes > budget;
        if !done && !for_space {
            break;
        }
        bytes -= segment.bytes;
        doomed.push(Doomed {
            segment,
            last,
            for_space,
        });
    }
    doomed
}

/// Whether `first..=last` is settled. An empty range is.
fn covers(ranges: &AckRanges, first: Sequence, last: Sequence) -> bool {
    last <= ranges.floor()
        || first > last
        || ranges.ranges().iter().any(|(from, to)| {
            let first = first.max(ranges.floor().next());
            *from <= first && last <= *to
        })
}

/// How many numbers of `first..=last` are not settled.
#[must_use]
pub fn unsettled(ranges: &AckRanges, first: Sequence, last: Sequence) -> u64 {
    let first = first.max(ranges.floor().next());
    if first > last {
        return 0;
    }
    let inside = ranges.ranges().iter().map(|(from, to)| {
        let (from, to) = ((*from).max(first), (*to).min(last));
        (to.0 + 1).saturating_sub(from.0)
    });
    last.0 - first.0 + 1 - inside.sum::<u64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::block::EpochId;
    use proptest::prelude::*;

    fn segments(count: u64) -> Vec<SegmentInfo> {
        let info = |number| SegmentInfo {
            number,
            first: Sequence(number * 10),
            end: 100,
            bytes: 100,
            epoch: EpochId(1),
        };
        (1..=count).map(info).collect()
    }

    fn numbers(doomed: &[Doomed]) -> Vec<(u64, bool)> {
        doomed
            .iter()
            .map(|own| (own.segment.number, own.for_space))
            .collect()
    }

    #[test]
    fn settled_segments_go_and_then_the_oldest_while_there_are_too_many_bytes() {
        let segments = segments(5);
        let slow = AckRanges::up_to(Sequence(19));
        let fast = AckRanges::up_to(Sequence(40));
        let both = [slow, fast.clone()];
        assert_eq!(numbers(&plan(&segments, &both, 1000)), [(1, false)]);
        assert_eq!(
            numbers(&plan(&segments, &both, 350)),
            [(1, false), (2, true)]
        );
        assert_eq!(numbers(&plan(&segments, &[fast], 1000)).len(), 3);
        assert_eq!(numbers(&plan(&segments, &[], 1000)).len(), 4);
        assert_eq!(numbers(&plan(&segments, &both, 0)).len(), 4);
    }

    proptest! {
        #[test]
        fn unsettled_numbers_are_counted(
            inserts in prop::collection::vec((1u64..60, 0u64..8), 0..9), first in 1u64..60, len in 0u64..30) {
            let mut ranges = AckRanges::up_to(Sequence(3));
            for (from, length) in inserts {
                ranges.insert(Sequence(from), Sequence(from + length));
            }
            let last = first + len;
            let naive = (first..=last).filter(|n| !ranges.contains(Sequence(*n))).count() as u64;
            prop_assert_eq!(unsettled(&ranges, Sequence(first), Sequence(last)), naive);
            prop_assert_eq!(covers(&ranges, Sequence(first), Sequence(last)), naive == 0);
        }
    }
}
