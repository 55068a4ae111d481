//! Which segments may go. Pure.
//!
//! A segment goes when every queue has settled all blocks in it; and, oldest first, while the log
//! is larger than its budget or the segment is too old. The newest one always stays.

use crate::model::block::Sequence;
use crate::model::loss::LossReason;
use crate::model::position::AckRanges;
use crate::model::time::Wall;

use super::segment::SegmentInfo;
use crate::limits;

/// A segment to delete, and the block numbers it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// The segment.
    pub segment: SegmentInfo,
    /// Its last block, as far as the catalog knows.
    pub last: Sequence,
    /// Why it goes although not everyone has settled it; none if everyone has.
    pub lost_by: Option<LossReason>,
}

/// How much a log may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Bytes of all segments.
    pub bytes: u64,
    /// What ended before this time is too old; none without an age limit, or while nobody knows the
    /// time.
    pub oldest: Option<Wall>,
}

impl Bounds {
    /// Why a segment must go that `later` ones follow, in a log of so many bytes.
    fn exceeded(&self, bytes: u64, later: &[SegmentInfo]) -> Option<LossReason> {
        if bytes > self.bytes {
            return Some(LossReason::Budget);
        }
        // A segment ended before any later one was made. What was made by a clock that cannot have
        // been right does not say when.
        let made = later.iter().map(|own| own.created);
        let ended = made.min_by_key(|made| (made.0 < limits::CLOCK_PLAUSIBLE_AFTER_MS, *made))?;
        let is_old = ended.0 >= limits::CLOCK_PLAUSIBLE_AFTER_MS && ended < self.oldest?;
        is_old.then_some(LossReason::Age)
    }
}

/// Decides. `segments` are sorted by number; `settled` has one entry per queue that counts.
#[must_use]
pub fn plan(segments: &[SegmentInfo], settled: &[AckRanges], bounds: Bounds) -> Vec<Doomed> {
    let mut bytes: u64 = segments.iter().map(|own| own.bytes).sum();
    let mut doomed = Vec::new();
    for (index, pair) in segments.windows(2).enumerate() {
        let (segment, next) = (pair[0], pair[1]);
        let last = Sequence(next.first.0.saturating_sub(1));
        let done = settled
            .iter()
            .all(|ranges| covers(ranges, segment.first, last));
        let lost_by = bounds
            .exceeded(bytes, &segments[index + 1..])
            .filter(|_| !done);
        if !done && lost_by.is_none() {
            break;
        }
        bytes -= segment.bytes;
        doomed.push(Doomed {
            segment,
            last,
            lost_by,
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
            created: made(number),
        };
        (1..=count).map(info).collect()
    }

    /// When a segment was made: one an hour.
    fn made(number: u64) -> Wall {
        Wall(limits::CLOCK_PLAUSIBLE_AFTER_MS + 3_600_000 * number as i64)
    }

    fn numbers(doomed: &[Doomed]) -> Vec<(u64, Option<LossReason>)> {
        doomed
            .iter()
            .map(|own| (own.segment.number, own.lost_by))
            .collect()
    }

    fn bytes(bytes: u64) -> Bounds {
        Bounds {
            bytes,
            oldest: None,
        }
    }

    #[test]
    fn settled_segments_go_and_then_the_oldest_while_there_are_too_many_bytes() {
        let segments = segments(5);
        let slow = AckRanges::up_to(Sequence(19));
        let fast = AckRanges::up_to(Sequence(40));
        let both = [slow, fast.clone()];
        assert_eq!(numbers(&plan(&segments, &both, bytes(1000))), [(1, None)]);
        assert_eq!(
            numbers(&plan(&segments, &both, bytes(350))),
            [(1, None), (2, Some(LossReason::Budget))]
        );
        assert_eq!(numbers(&plan(&segments, &[fast], bytes(1000))).len(), 3);
        assert_eq!(numbers(&plan(&segments, &[], bytes(1000))).len(), 4);
        assert_eq!(numbers(&plan(&segments, &both, bytes(0))).len(), 4);
    }

    #[test]
    fn segments_that_ended_too_long_ago_go() {
        let mut segments = segments(5);
        let none = [AckRanges::default()];
        let older_than = |oldest| Bounds {
            bytes: 1000,
            oldest: Some(oldest),
        };
        // The second one ended when the third was made.
        assert_eq!(numbers(&plan(&segments, &none, older_than(made(2)))), []);
        let just_after = Wall(made(3).0 + 1);
        let by_age = Some(LossReason::Age);
        assert_eq!(
            numbers(&plan(&segments, &none, older_than(just_after))),
            [(1, by_age), (2, by_age)]
        );
        // Made in 1970: what is before it ended before the one behind it was made.
        segments[1].created = Wall(1000);
        assert_eq!(numbers(&plan(&segments, &none, older_than(made(3)))), []);
        assert_eq!(
            numbers(&plan(&segments, &none, older_than(just_after))),
            [(1, by_age), (2, by_age)]
        );
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
