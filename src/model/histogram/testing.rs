//! Histograms for the tests of this folder.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::buckets::{absolute, indices, to_deltas};
use super::{Buckets, Counts, NativeHistogram, ResetHint, Span};

pub(super) const fn span(offset: i32, length: u32) -> Span {
    Span { offset, length }
}

fn around(counts: Counts, positive: &[Span]) -> NativeHistogram {
    NativeHistogram {
        reset_hint: ResetHint::Unknown,
        schema: 0,
        zero_threshold: 0.0,
        counts,
        positive_spans: positive.into(),
        negative_spans: [].into(),
        custom_values: [].into(),
    }
}

/// A histogram with these absolute counts on the positive side.
pub(super) fn integers(spans: &[Span], counts: &[i64]) -> NativeHistogram {
    let mut deltas = counts.to_vec();
    to_deltas(&mut deltas);
    let own = Buckets {
        count: counts.iter().sum::<i64>() as u64,
        zero: 0,
        positive: deltas.into(),
        negative: [].into(),
    };
    around(Counts::Integer(own), spans)
}

/// The same in floats.
pub(super) fn floats(spans: &[Span], counts: &[f64]) -> NativeHistogram {
    let own = Buckets {
        count: counts.iter().sum(),
        zero: 0.0,
        positive: counts.into(),
        negative: [].into(),
    };
    around(Counts::Float(own), spans)
}

/// Absolute counts, without the empty buckets, by side and index.
pub(super) fn by_index(own: &NativeHistogram) -> BTreeMap<(bool, i64), f64> {
    let (positive, negative): (Vec<f64>, Vec<f64>) = match &own.counts {
        Counts::Integer(counts) => (
            absolute(&counts.positive)
                .map(|count| count as f64)
                .collect(),
            absolute(&counts.negative)
                .map(|count| count as f64)
                .collect(),
        ),
        Counts::Float(counts) => (counts.positive.to_vec(), counts.negative.to_vec()),
    };
    let side = |is_positive, spans: &[Span], counts: Vec<f64>| {
        let own: Vec<_> = indices(spans).zip(counts).collect();
        own.into_iter()
            .map(move |(index, count)| ((is_positive, index), count))
    };
    side(true, &own.positive_spans, positive)
        .chain(side(false, &own.negative_spans, negative))
        .filter(|(_, count)| *count != 0.0)
        .collect()
}

fn side() -> impl Strategy<Value = (Vec<Span>, Vec<i64>)> {
    let spans = prop::collection::vec((0i32..6, 0u32..6), 0..5);
    (spans, -20i32..20).prop_flat_map(|(spans, first)| {
        let spans = spans
            .into_iter()
            .enumerate()
            .map(|(number, (gap, length))| span(if number == 0 { first } else { gap }, length));
        let spans: Vec<Span> = spans.collect();
        let buckets = spans.iter().map(|span| span.length as usize).sum::<usize>();
        (Just(spans), prop::collection::vec(0i64..4, buckets))
    })
}

/// Any histogram that is right, of either kind, in a schema that can be made coarser.
pub(super) fn histogram() -> impl Strategy<Value = NativeHistogram> {
    (side(), side(), any::<bool>(), 0u64..5).prop_map(|(positive, negative, is_float, zero)| {
        let count = zero as i64 + positive.1.iter().chain(&negative.1).sum::<i64>();
        let counts = if is_float {
            let floats = |counts: &[i64]| counts.iter().map(|count| *count as f64).collect();
            Counts::Float(Buckets {
                count: count as f64,
                zero: zero as f64,
                positive: floats(&positive.1),
                negative: floats(&negative.1),
            })
        } else {
            let deltas = |counts: &[i64]| {
                let mut counts = counts.to_vec();
                to_deltas(&mut counts);
                counts.into_boxed_slice()
            };
            Counts::Integer(Buckets {
                count: count as u64,
                zero,
                positive: deltas(&positive.1),
                negative: deltas(&negative.1),
            })
        };
        NativeHistogram {
            reset_hint: ResetHint::Unknown,
            schema: 3,
            zero_threshold: 1e-128,
            counts,
            positive_spans: positive.0.into(),
            negative_spans: negative.0.into(),
            custom_values: [].into(),
        }
    })
}
