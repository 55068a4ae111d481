//! A classic histogram, gathered from its series, as a native one with custom buckets (Prometheus's
//! `convertnhcb`).

use super::buckets::to_deltas;
use super::{Buckets, CUSTOM_BUCKETS, Counts, NativeHistogram, ResetHint, Span};

/// From here on a float is no `i64` any more: 2^63.
const INTEGER_END: f64 = 9_223_372_036_854_775_808.0;

/// Runs of empty buckets that integer histograms keep.
const INTEGER_GAP: u32 = 2;

/// Why series are no histogram.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum ClassicError {
    /// A count below zero.
    #[error("bucket count must be non-negative: le={bound}, count={count}")]
    NegativeBucket {
        /// Upper bound of the bucket.
        bound: f64,
        /// Its count.
        count: f64,
    },
    /// A bucket without a bound.
    #[error("bucket boundary must not be NaN")]
    NanBound,
    /// A total below zero.
    #[error("count must be non-negative: count={0}")]
    NegativeCount(f64),
    /// A bucket that holds less than the one before.
    #[error("count is not cumulative: {lower} > {upper}")]
    NotCumulative {
        /// Count of the lower bucket.
        lower: f64,
        /// Count of the upper one.
        upper: f64,
    },
    /// The last bucket and the total differ.
    #[error("count mismatch: count={count} != le=+Inf count={last}")]
    Mismatch {
        /// The total.
        count: f64,
        /// Count of the last bucket.
        last: f64,
    },
}

/// What was gathered. Its memory is meant to be used again for the next.
#[derive(Clone, Debug, Default)]
pub struct ClassicHistogram {
    /// Upper bounds, growing, and cumulative counts.
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
    error: Option<ClassicError>,
}

impl ClassicHistogram {
    /// Begins another one.
    pub fn clear(&mut self) {
        self.buckets.clear();
        (self.count, self.sum, self.error) = (None, 0.0, None);
    }

    /// Takes the count of a bucket and of all below it. The second one with that bound is ignored.
    pub fn bucket(&mut self, bound: f64, count: f64) {
        if self.error.is_none() {
            self.error = self.insert(bound, count).err();
        }
    }

    fn insert(&mut self, bound: f64, count: f64) -> Result<(), ClassicError> {
        if bound.is_nan() {
            return Err(ClassicError::NanBound);
        }
        if count < 0.0 {
            return Err(ClassicError::NegativeBucket { bound, count });
        }
        let at = self.buckets.partition_point(|(own, _)| *own < bound);
        let upper = self.buckets.get(at).copied();
        if upper.is_some_and(|(own, _)| own == bound) {
            return Ok(());
        }
        let lower = at.checked_sub(1).map(|at| self.buckets[at].1);
        let neighbours = [
            lower.map(|lower| (lower, count)),
            upper.map(|upper| (count, upper.1)),
        ];
        for (lower, upper) in neighbours.into_iter().flatten() {
            if upper < lower {
                return Err(ClassicError::NotCumulative { lower, upper });
            }
        }
        self.buckets.insert(at, (bound, count));
        Ok(())
    }

    /// Takes the number of all observations.
    pub fn count(&mut self, count: f64) {
        if self.error.is_some() {
            return;
        }
        if count < 0.0 {
            self.error = Some(ClassicError::NegativeCount(count));
        } else {
            self.count = Some(count);
        }
    }

    /// Takes the sum of all observations.
    pub fn sum(&mut self, sum: f64) {
        if self.error.is_none() {
            self.sum = sum;
        }
    }

    /// Adds what may be missing (the last bucket, the total) and checks the whole.
    ///
    /// # Errors
    /// Why it is no histogram.
    pub fn finish(&mut self) -> Result<Gathered<'_>, ClassicError> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let last = self.buckets.last().copied();
        let count = self.count.or(last.map(|(_, count)| count)).unwrap_or(0.0);
        if last.is_none_or(|(bound, _)| bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let last = self.buckets.last().map_or(count, |(_, count)| *count);
        // Written so that NaN fails.
        if last == count {
            Ok(Gathered {
                buckets: &self.buckets,
                sum: self.sum,
            })
        } else {
            Err(ClassicError::Mismatch { count, last })
        }
    }
}

/// A complete classic histogram.
#[derive(Clone, Copy, Debug)]
pub struct Gathered<'a> {
    /// Upper bounds, growing, the last one infinite, and cumulative counts.
    pub buckets: &'a [(f64, f64)],
    /// Sum of all observations.
    pub sum: f64,
}

/// The histogram of upper bounds, growing, the last one infinite, and cumulative counts: of
/// integers if all counts are whole.
#[must_use]
pub fn custom(
    buckets: impl ExactSizeIterator<Item = (f64, f64)> + Clone,
    reset_hint: ResetHint,
) -> NativeHistogram {
    let len = buckets.len();
    let whole = |count: f64| count == count.trunc() && count < INTEGER_END;
    let is_integer = buckets.clone().all(|(_, count)| whole(count));
    let bounds = buckets.clone().take(len.saturating_sub(1));
    let custom_values = bounds.map(|(bound, _)| bound).collect();
    let cumulative = buckets.map(|(_, count)| count);
    let (counts, gap) = if is_integer {
        (integers(cumulative), INTEGER_GAP)
    } else {
        (floats(cumulative), 0)
    };
    let mut histogram = NativeHistogram {
        reset_hint,
        schema: CUSTOM_BUCKETS,
        zero_threshold: 0.0,
        counts,
        positive_spans: [Span {
            offset: 0,
            length: u32::try_from(len).unwrap_or(u32::MAX),
        }]
        .into(),
        negative_spans: [].into(),
        custom_values,
    };
    histogram.compact(gap);
    histogram
}

fn integers(cumulative: impl Iterator<Item = f64>) -> Counts {
    let mut counts: Vec<i64> = cumulative.map(|count| count as i64).collect();
    let count = counts.last().copied().unwrap_or(0);
    // Once for the count of each bucket, once for what the model holds.
    to_deltas(&mut counts);
    to_deltas(&mut counts);
    Counts::Integer(Buckets {
        count: count as u64,
        zero: 0,
        positive: counts.into(),
        negative: [].into(),
    })
}

fn floats(cumulative: impl Iterator<Item = f64>) -> Counts {
    let mut count = 0.0;
    let counts = cumulative.map(|own| own - std::mem::replace(&mut count, own));
    let positive = counts.collect();
    Counts::Float(Buckets {
        count,
        zero: 0.0,
        positive,
        negative: [].into(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::histogram::testing::{by_index, span};

    const INF: f64 = f64::INFINITY;

    fn gather(buckets: &[(f64, f64)], count: Option<f64>) -> Result<NativeHistogram, ClassicError> {
        let mut own = ClassicHistogram::default();
        for (bound, count) in buckets {
            own.bucket(*bound, *count);
        }
        if let Some(count) = count {
            own.count(count);
        }
        let gathered = own.finish()?;
        Ok(custom(gathered.buckets.iter().copied(), ResetHint::Unknown))
    }

    #[test]
    fn whole_counts_give_integers_and_others_floats() {
        let own = gather(&[(0.5, 1.0), (1.0, 1.0), (INF, 4.0)], Some(4.0)).expect("right");
        assert_eq!(*own.custom_values, [0.5, 1.0]);
        assert_eq!(*own.positive_spans, [span(0, 3)]);
        let Counts::Integer(counts) = &own.counts else {
            panic!("whole counts");
        };
        assert_eq!((counts.count, &*counts.positive), (4, &[1, -1, 3][..]));
        let own = gather(&[(0.5, 1.5), (1.0, 1.5), (INF, 4.0)], None).expect("right");
        assert_eq!(*own.positive_spans, [span(0, 1), span(1, 1)]);
        let Counts::Float(counts) = &own.counts else {
            panic!("a half");
        };
        assert_eq!((counts.count, &*counts.positive), (4.0, &[1.5, 2.5][..]));
    }

    #[test]
    fn what_is_missing_is_added() {
        let own = gather(&[(1.0, 3.0)], Some(5.0)).expect("a last bucket is added");
        assert_eq!(by_index(&own).into_values().collect::<Vec<_>>(), [3.0, 2.0]);
        let own = gather(&[(1.0, 3.0)], None).expect("a count is added");
        assert_eq!(by_index(&own).into_values().collect::<Vec<_>>(), [3.0]);
        let own = gather(&[], Some(7.0)).expect("a count alone");
        assert_eq!(by_index(&own).into_values().collect::<Vec<_>>(), [7.0]);
        assert_eq!(gather(&[], None).expect("nothing at all").bucket_count(), 0);
    }

    #[test]
    fn order_does_not_matter_and_repetitions_are_ignored() {
        let one = gather(&[(2.0, 3.0), (1.0, 2.0), (INF, 3.0), (1.0, 9.0)], None);
        assert_eq!(one, gather(&[(1.0, 2.0), (2.0, 3.0), (INF, 3.0)], None));
    }

    #[test]
    fn what_is_no_histogram_is_refused() {
        let nan = f64::NAN;
        for (buckets, count) in [
            (&[(1.0, -1.0)][..], None),
            (&[(nan, 1.0)], None),
            (&[(1.0, 1.0)], Some(-1.0)),
            (&[(1.0, 3.0), (2.0, 2.0)], None),
            (&[(2.0, 2.0), (1.0, 3.0)], None),
            (&[(1.0, 1.0), (INF, 2.0)], Some(3.0)),
            (&[(1.0, 1.0)], Some(nan)),
        ] {
            assert!(gather(buckets, count).is_err(), "{buckets:?} {count:?}");
        }
    }

    #[test]
    fn counts_past_64_bits_are_floats() {
        let own = gather(&[(INF, 9.3e18)], None).expect("large");
        assert!(matches!(own.counts, Counts::Float(_)));
    }

    proptest! {
        #[test]
        fn what_is_made_is_valid(
            counts in prop::collection::vec(prop_oneof![0..3i32, Just(0)], 0..12),
            half: bool,
        ) {
            let step = if half { 0.5 } else { 1.0 };
            let mut total = 0.0;
            let buckets: Vec<_> = counts.iter().enumerate().map(|(bound, count)| {
                total += f64::from(*count) * step;
                (bound as f64, total)
            }).collect();
            let own = gather(&buckets, Some(total)).expect("cumulative");
            prop_assert_eq!(own.validate(1.0), Ok(()));
            let found: f64 = by_index(&own).into_values().sum();
            prop_assert_eq!(found, total);
        }
    }
}
