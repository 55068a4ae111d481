//! Any messages.

use proptest::prelude::*;

use crate::exposition::proto::testing::{self as pb, MetricFamily, family, labels};
use crate::exposition::transcode::Histograms;

/// Any number but negative zero, which `prost` does not tell from none.
fn number() -> impl Strategy<Value = f64> {
    any::<f64>().prop_map(|value| value + 0.0)
}

fn timestamp() -> impl Strategy<Value = pb::Timestamp> {
    (0i64..2_000_000_000, 0i32..1_000_000_000)
        .prop_map(|(seconds, nanos)| pb::Timestamp { seconds, nanos })
}

fn exemplar() -> impl Strategy<Value = pb::Exemplar> {
    let timestamp = prop::option::of(timestamp());
    ("[a-z]{0,8}", -9i32..9, timestamp).prop_map(|(id, value, timestamp)| pb::Exemplar {
        label: labels(&[("id", &id)]),
        value: f64::from(value) / 2.0,
        timestamp,
    })
}

fn summary() -> impl Strategy<Value = pb::Summary> {
    let quantiles = prop::collection::vec((0.0..1.0f64, number()), 0..4);
    (
        any::<u32>(),
        number(),
        quantiles,
        prop::option::of(timestamp()),
    )
        .prop_map(
            |(count, sample_sum, quantiles, start_timestamp)| pb::Summary {
                sample_count: count.into(),
                sample_sum,
                quantile: quantiles
                    .into_iter()
                    .map(|(quantile, value)| pb::Quantile { quantile, value })
                    .collect(),
                start_timestamp,
            },
        )
}

/// A histogram with both halves, either of which may be empty, and that agree.
fn histogram() -> impl Strategy<Value = pb::Histogram> {
    let buckets = prop::collection::vec((0u64..5, prop::option::of(exemplar())), 0..5);
    let native = prop::collection::vec((0i32..4, prop::collection::vec(0i64..4, 0..4)), 0..4);
    let more = (any::<bool>(), any::<bool>(), any::<bool>(), number());
    let exemplars = prop::collection::vec(exemplar(), 0..3);
    (
        buckets,
        native,
        more,
        exemplars,
        prop::option::of(timestamp()),
    )
        .prop_map(
            |(buckets, spans, (is_float, last, zero, sum), exemplars, start_timestamp)| {
                let mut own = pb::Histogram {
                    sample_sum: sum,
                    exemplars,
                    start_timestamp,
                    ..pb::Histogram::default()
                };
                let mut total = 0;
                for (number, (count, exemplar)) in buckets.into_iter().enumerate() {
                    total += count;
                    own.bucket.push(pb::Bucket {
                        cumulative_count: if is_float { 0 } else { total },
                        cumulative_count_float: if is_float { total as f64 } else { 0.0 },
                        upper_bound: number as f64 / 4.0,
                        exemplar,
                    });
                }
                if let Some(bucket) = own.bucket.last_mut().filter(|_| last) {
                    bucket.upper_bound = f64::INFINITY;
                } else {
                    total += 1;
                }
                let mut before = 0;
                for (offset, counts) in spans {
                    let length = counts.len() as u32;
                    own.positive_span.push(pb::BucketSpan { offset, length });
                    for count in counts {
                        own.positive_delta
                            .push(count - std::mem::replace(&mut before, count));
                        own.positive_count.push(count as f64);
                    }
                }
                own.zero_count = u64::from(zero && !is_float);
                if is_float {
                    own.sample_count_float = total as f64;
                    if total == 0 {
                        // No float says so: it is one of integers then.
                        own.positive_count.clear();
                    }
                } else {
                    own.sample_count = total;
                }
                own
            },
        )
}

fn metric(kind: i32) -> impl Strategy<Value = pb::Metric> {
    let label = prop::collection::btree_map("[a-f]{1,3}|[^\0]{1,3}", ".{0,4}", 0..3);
    let counter = (
        number(),
        prop::option::of(exemplar()),
        prop::option::of(timestamp()),
    );
    (
        label,
        prop_oneof![Just(0), any::<i64>()],
        counter,
        summary(),
        histogram(),
    )
        .prop_map(
            move |(label, timestamp_ms, (value, exemplar, start_timestamp), summary, histogram)| {
                let label = label.into_iter().filter(|(name, _)| name != "le");
                let mut own = pb::Metric {
                    label: label
                        .map(|(name, value)| pb::LabelPair { name, value })
                        .collect(),
                    timestamp_ms,
                    ..pb::Metric::default()
                };
                match kind {
                    pb::COUNTER => {
                        own.counter = Some(pb::Counter {
                            value,
                            exemplar,
                            start_timestamp,
                        });
                    }
                    pb::GAUGE => own.gauge = Some(pb::Gauge { value }),
                    pb::UNTYPED => own.untyped = Some(pb::Gauge { value }),
                    pb::SUMMARY => own.summary = Some(summary),
                    _ => own.histogram = Some(histogram),
                }
                own
            },
        )
}

pub(super) fn families() -> impl Strategy<Value = Vec<MetricFamily>> {
    let family = (0i32..6).prop_flat_map(|kind| {
        let name = "[a-z]{1,4}(:[a-z])?|[^\0]{1,3}";
        let metrics = prop::collection::vec(metric(kind), 0..4);
        (name, metrics).prop_map(move |(name, metrics)| family(&name, kind, metrics))
    });
    prop::collection::vec(family, 0..5)
}

pub(super) fn options() -> impl Strategy<Value = Histograms> {
    any::<(bool, bool, bool)>().prop_map(|(native, always_classic, to_custom)| Histograms {
        native,
        always_classic,
        to_custom,
    })
}
