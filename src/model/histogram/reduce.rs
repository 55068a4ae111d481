//! Coarser buckets: a step down in schema merges them in pairs (Prometheus's `ReduceResolution`).

use super::buckets::{Count, Side, absolute, indices, to_deltas};
use super::{CUSTOM_BUCKETS, Counts, EXPONENTIAL_SCHEMAS, NativeHistogram, Span};

/// Schemas that are reserved for exponential buckets; [`EXPONENTIAL_SCHEMAS`] are in use.
const RESERVED_SCHEMAS: std::ops::RangeInclusive<i8> = -9..=52;

/// The finest schema in which every bucket is at least `factor` times as wide as the one before
/// (`native_histogram_min_bucket_factor`; 1 and less is no restriction).
#[must_use]
pub fn schema_of_factor(factor: f64) -> i8 {
    let (coarsest, finest) = (*EXPONENTIAL_SCHEMAS.start(), *EXPONENTIAL_SCHEMAS.end());
    if factor <= 1.0 || factor.is_nan() {
        return finest;
    }
    let schema = (-factor.log2().log2()).floor();
    schema.clamp(f64::from(coarsest), f64::from(finest)) as i8
}

impl NativeHistogram {
    /// Makes the buckets of a schema finer than `finest` as coarse as that one has them.
    pub fn limit_schema(&mut self, finest: i8) {
        if RESERVED_SCHEMAS.contains(&self.schema) && self.schema > finest {
            self.reduce(finest);
        }
    }

    /// Makes buckets coarser, step by step, until there are at most `most`. False if that cannot be
    /// done: custom buckets stay as they are, and there is a coarsest schema.
    #[must_use]
    pub fn limit_buckets(&mut self, most: u64) -> bool {
        while self.bucket_count() as u64 > most {
            let reducible = EXPONENTIAL_SCHEMAS.contains(&self.schema)
                && self.schema > *EXPONENTIAL_SCHEMAS.start();
            if !reducible {
                return false;
            }
            self.reduce(self.schema - 1);
        }
        true
    }

    fn reduce(&mut self, schema: i8) {
        debug_assert!(self.schema != CUSTOM_BUCKETS && schema < self.schema);
        let steps = i64::from(self.schema) - i64::from(schema);
        let own = (&mut self.positive_spans, &mut self.negative_spans);
        match &mut self.counts {
            Counts::Integer(counts) => {
                integers(own.0, &mut counts.positive, steps);
                integers(own.1, &mut counts.negative, steps);
            }
            Counts::Float(counts) => {
                floats(own.0, &mut counts.positive, steps);
                floats(own.1, &mut counts.negative, steps);
            }
        }
        self.schema = schema;
    }
}

fn integers(spans: &mut Box<[Span]>, deltas: &mut Box<[i64]>, steps: i64) {
    let counts = absolute(deltas);
    let mut counts = merged(spans, deltas.len(), counts, steps);
    to_deltas(&mut counts);
    *deltas = counts.into_boxed_slice();
}

fn floats(spans: &mut Box<[Span]>, counts: &mut Box<[f64]>, steps: i64) {
    let own = counts.iter().copied();
    *counts = merged(spans, counts.len(), own, steps).into_boxed_slice();
}

fn merged<C: Count>(
    spans: &mut Box<[Span]>,
    len: usize,
    counts: impl Iterator<Item = C>,
    steps: i64,
) -> Vec<C> {
    let mut side = Side::with_capacity(len);
    for (index, count) in indices(spans).zip(counts) {
        // A bucket includes its upper bound; that of index 0 is 1 in every schema.
        let target = ((index - 1) >> steps) + 1;
        if side.last_index() == Some(target) {
            side.add_to_last(count);
        } else {
            side.push(target, count, 0);
        }
    }
    let counts;
    (*spans, counts) = side.finish();
    counts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::histogram::testing::{by_index, histogram, integers, span};

    #[test]
    fn factors_have_the_schemas_of_prometheus() {
        for (factor, schema) in [
            (0.0, 8),
            (1.0, 8),
            (1.001, 8),
            (1.00271, 8),
            (1.01, 6),
            (1.1, 2),
            (1.189_207_115_002_721, 2),
            (1.5, 0),
            (2.0, 0),
            (4.0, -1),
            (65_536.0, -4),
            (1e9, -4),
            (f64::INFINITY, -4),
        ] {
            assert_eq!(schema_of_factor(factor), schema, "{factor}");
        }
    }

    #[test]
    fn buckets_merge_by_their_upper_bounds() {
        // Indices -1 to 4: (1/4, 1/2], (1/2, 1], (1, 2], (2, 4], (4, 8], (8, 16].
        let mut own = integers(&[span(-1, 6)], &[1, 2, 3, 4, 5, 6]);
        own.schema = 0;
        own.limit_schema(-1);
        assert_eq!(*own.positive_spans, [span(0, 3)]);
        let merged: Vec<_> = by_index(&own).into_values().collect();
        assert_eq!(merged, [3.0, 7.0, 11.0]);
    }

    #[test]
    fn the_limit_is_kept_or_said_to_be_out_of_reach() {
        let mut own = integers(&[span(0, 8)], &[1; 8]);
        own.schema = 3;
        assert!(own.limit_buckets(8) && own.schema == 3);
        assert!(own.limit_buckets(4) && own.schema == 1);
        assert!(own.bucket_count() <= 4);
        let mut apart = integers(&[span(-40, 1), span(100_000, 1)], &[1, 1]);
        apart.schema = 8;
        assert!(!apart.limit_buckets(1));
        assert_eq!(apart.schema, -4, "as coarse as it gets");
        let mut custom = integers(&[span(0, 3)], &[1; 3]);
        custom.schema = CUSTOM_BUCKETS;
        assert!(!custom.limit_buckets(2));
        assert_eq!(custom.bucket_count(), 3);
    }

    proptest! {
        #[test]
        fn a_step_merges_pairs_and_loses_nothing(mut own in histogram(), steps in 1i8..4) {
            let mut expected = BTreeMap::new();
            for ((side, index), count) in by_index(&own) {
                // Pairs (1, 2), (3, 4) and so on become 1, 2: each half, rounded up.
                let target = (0..steps).fold(index, |index, _| (index + 1).div_euclid(2));
                *expected.entry((side, target)).or_insert(0.0) += count;
            }
            let schema = own.schema - steps;
            own.limit_schema(schema);
            prop_assert_eq!(own.schema, schema);
            prop_assert_eq!(by_index(&own), expected);
            for spans in [&own.positive_spans, &own.negative_spans] {
                prop_assert!(spans.iter().skip(1).all(|span| span.offset > 0 && span.length > 0));
            }
        }
    }
}
