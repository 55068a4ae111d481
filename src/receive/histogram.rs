//! What makes a native histogram valid, by the data model that both versions of the protocol refer to.

use super::rules::Broken;
use crate::model::histogram::{CUSTOM_BUCKETS, EXPONENTIAL_SCHEMAS, ResetHint};
use crate::model::value;
use crate::wire::prompb_histogram::{BucketSpan, Count, Histogram, ZeroCount};
use crate::wire::version::Version;

/// Checks one histogram. One that ends the series may hold anything.
pub(super) fn check(own: &Histogram, version: Version, mut found: impl FnMut(Broken)) {
    if value::is_stale(own.sum) {
        return;
    }
    let is_custom = own.schema == i32::from(CUSTOM_BUCKETS);
    let schema = i8::try_from(own.schema).ok();
    if !is_custom && !schema.is_some_and(|own| EXPONENTIAL_SCHEMAS.contains(&own)) {
        found(Broken::HistogramSchema);
    }
    let hint = u64::try_from(own.reset_hint).ok();
    if hint.and_then(ResetHint::from_number).is_none() {
        found(Broken::HistogramResetHint);
    }
    if is_custom && version == Version::V1 {
        found(Broken::CustomBuckets);
    }
    if !has_one_kind(own) {
        return found(Broken::HistogramKind);
    }
    if !spans_fit(own) {
        return found(Broken::HistogramSpans);
    }
    if !bounds_fit(own, is_custom) {
        found(Broken::HistogramBounds);
    }
    match totals(own) {
        None => found(Broken::HistogramBuckets),
        Some(total) if !count_fits(own, total) => found(Broken::HistogramCount),
        Some(_) => {}
    }
}

fn has_one_kind(own: &Histogram) -> bool {
    let floats = own.positive_counts.len() + own.negative_counts.len();
    let integers = own.positive_deltas.len() + own.negative_deltas.len();
    match own.count {
        Some(Count::Int(_)) => floats == 0 && !matches!(own.zero_count, Some(ZeroCount::Float(_))),
        Some(Count::Float(_)) => {
            integers == 0 && !matches!(own.zero_count, Some(ZeroCount::Int(_)))
        }
        None => false,
    }
}

fn spans_fit(own: &Histogram) -> bool {
    let fits = |spans: &[BucketSpan], buckets: usize| {
        let ascends = spans.iter().skip(1).all(|span| span.offset >= 0);
        let named: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
        ascends && named == buckets as u64
    };
    let positive = own.positive_deltas.len() + own.positive_counts.len();
    let negative = own.negative_deltas.len() + own.negative_counts.len();
    fits(&own.positive_spans, positive) && fits(&own.negative_spans, negative)
}

/// Custom buckets have bounds that ascend, no zero bucket and no negative ones; others have no
/// bounds, and a zero bucket that is not less than nothing wide.
fn bounds_fit(own: &Histogram, is_custom: bool) -> bool {
    if !is_custom {
        return own.custom_values.is_empty() && own.zero_threshold >= 0.0;
    }
    let bounds = &own.custom_values;
    let ascends = bounds.windows(2).all(|pair| pair[0] < pair[1]);
    let finite = bounds
        .iter()
        .all(|bound| !bound.is_nan() && *bound != f64::INFINITY);
    let zero = match own.zero_count {
        Some(ZeroCount::Int(zero)) => zero == 0,
        Some(ZeroCount::Float(zero)) => zero == 0.0,
        None => true,
    };
    let mut end = 0i64;
    for span in &own.positive_spans {
        end = end.saturating_add(i64::from(span.offset) + i64::from(span.length));
    }
    let begins = own
        .positive_spans
        .first()
        .is_none_or(|span| span.offset >= 0);
    // The last bucket has no upper bound.
    let known = begins && end <= bounds.len() as i64 + 1;
    ascends && finite && known && zero && own.zero_threshold == 0.0 && own.negative_spans.is_empty()
}

/// Observations in all buckets of an integer histogram, 0 for a float one; none if a bucket has less
/// than none.
fn totals(own: &Histogram) -> Option<u128> {
    let floats = own.positive_counts.iter().chain(&own.negative_counts);
    if floats.clone().any(|count| *count < 0.0) {
        return None;
    }
    let mut total = 0u128;
    for deltas in [&own.positive_deltas, &own.negative_deltas] {
        let mut count = 0i128;
        for delta in deltas {
            count += i128::from(*delta);
            total += u128::try_from(count).ok()?;
        }
    }
    Some(total)
}

/// Observations of NaN are in no bucket; the sum is then NaN too. Floats are not added up: they
/// may be rounded.
fn count_fits(own: &Histogram, buckets: u128) -> bool {
    match (own.count, own.zero_count) {
        (Some(Count::Int(count)), zero) => {
            let zero = match zero {
                Some(ZeroCount::Int(zero)) => zero,
                _ => 0,
            };
            let all = buckets + u128::from(zero);
            let count = u128::from(count);
            if own.sum.is_nan() {
                all <= count
            } else {
                all == count
            }
        }
        (Some(Count::Float(count)), Some(ZeroCount::Float(zero))) => count >= 0.0 && zero >= 0.0,
        (Some(Count::Float(count)), _) => count >= 0.0,
        (None, _) => false,
    }
}
