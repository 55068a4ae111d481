//! One spelling for equal histograms (Prometheus's `Compact`): no empty buckets at the ends of
//! spans, no spans that touch.

use super::buckets::{Count, Side, absolute, indices, to_deltas};
use super::{Counts, NativeHistogram, Span};

impl NativeHistogram {
    /// Takes empty buckets out. Runs of at most `gap_max` between others stay, or are put in where
    /// spans leave them out.
    ///
    /// Spans must hold as many buckets as there are.
    pub fn compact(&mut self, gap_max: u32) {
        let own = (&mut self.positive_spans, &mut self.negative_spans);
        match &mut self.counts {
            Counts::Integer(counts) => {
                integers(own.0, &mut counts.positive, gap_max);
                integers(own.1, &mut counts.negative, gap_max);
            }
            Counts::Float(counts) => {
                floats(own.0, &mut counts.positive, gap_max);
                floats(own.1, &mut counts.negative, gap_max);
            }
        }
    }
}

fn integers(spans: &mut Box<[Span]>, deltas: &mut Box<[i64]>, gap_max: u32) {
    if is_compact(spans, absolute(deltas), gap_max) {
        return;
    }
    let counts = absolute(deltas);
    let mut counts = compacted(spans, deltas.len(), counts, gap_max);
    to_deltas(&mut counts);
    *deltas = counts.into_boxed_slice();
}

fn floats(spans: &mut Box<[Span]>, counts: &mut Box<[f64]>, gap_max: u32) {
    if is_compact(spans, counts.iter().copied(), gap_max) {
        return;
    }
    let own = counts.iter().copied();
    *counts = compacted(spans, counts.len(), own, gap_max).into_boxed_slice();
}

/// Whether there is surely nothing to do: the common case, and the cheap one.
fn is_compact<C: Count>(spans: &[Span], mut counts: impl Iterator<Item = C>, gap_max: u32) -> bool {
    let apart = |span: &Span| i64::from(span.offset) > i64::from(gap_max);
    spans.iter().all(|span| span.length > 0)
        && spans.iter().skip(1).all(apart)
        && !counts.any(|count| count == C::default())
}

fn compacted<C: Count>(
    spans: &mut Box<[Span]>,
    len: usize,
    counts: impl Iterator<Item = C>,
    gap_max: u32,
) -> Vec<C> {
    let mut side = Side::with_capacity(len);
    for (index, count) in indices(spans).zip(counts) {
        if count != C::default() {
            side.push(index, count, gap_max);
        }
    }
    let counts;
    (*spans, counts) = side.finish();
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::histogram::testing::{by_index, floats, histogram, integers, span};

    #[test]
    fn empty_buckets_go_and_spans_that_touch_are_one() {
        let mut own = integers(&[span(-1, 3), span(0, 2), span(4, 1)], &[0, 2, 0, 0, 3, 0]);
        own.compact(0);
        assert_eq!(*own.positive_spans, [span(0, 1), span(2, 1)]);
        let mut own = integers(&[span(0, 2), span(2, 2), span(3, 1)], &[1, 2, 3, 0, 5]);
        own.compact(2);
        assert_eq!(*own.positive_spans, [span(0, 5), span(4, 1)]);
        let Counts::Integer(counts) = own.counts else {
            panic!("integers stay integers");
        };
        assert_eq!(*counts.positive, [1, 1, -2, 0, 3, 2]);
    }

    #[test]
    fn a_histogram_of_empty_buckets_has_none() {
        for spans in [vec![span(0, 0)], vec![span(3, 2)], vec![]] {
            let buckets = spans.iter().map(|span| span.length as usize).sum();
            let mut own = floats(&spans, &vec![0.0; buckets]);
            own.compact(0);
            assert!(own.positive_spans.is_empty() && own.bucket_count() == 0);
        }
    }

    proptest! {
        #[test]
        fn counts_stay_where_they_are(mut own in histogram(), gap in 0u32..4) {
            let before = by_index(&own);
            own.compact(gap);
            prop_assert_eq!(&by_index(&own), &before);
            for spans in [&own.positive_spans, &own.negative_spans] {
                prop_assert!(spans.iter().all(|span| span.length > 0));
                prop_assert!(spans.iter().skip(1).all(|span| span.offset > gap as i32));
            }
            let again = own.clone();
            own.compact(gap);
            prop_assert_eq!(own, again);
        }
    }
}
