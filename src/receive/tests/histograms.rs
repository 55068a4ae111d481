//! Native histograms: which are valid, and how they are shown.

use super::*;
use crate::model::value::STALE;
use crate::receive::histogram::check;
use crate::wire::prompb_histogram::{BucketSpan, Count, Histogram, ZeroCount};
use crate::wire::version::Version;

fn span(offset: i32, length: u32) -> BucketSpan {
    BucketSpan { offset, length }
}

/// Three buckets with 2, 3 and 1 observations, and one in the zero bucket.
fn whole() -> Histogram {
    Histogram {
        count: Some(Count::Int(7)),
        sum: 4.5,
        schema: 3,
        zero_threshold: 0.001,
        zero_count: Some(ZeroCount::Int(1)),
        positive_spans: vec![span(-2, 2), span(3, 1)],
        positive_deltas: vec![2, 1, -2],
        timestamp: 10,
        ..Histogram::default()
    }
}

fn custom() -> Histogram {
    Histogram {
        schema: -53,
        zero_threshold: 0.0,
        zero_count: Some(ZeroCount::Int(0)),
        count: Some(Count::Int(6)),
        positive_spans: vec![span(0, 3)],
        custom_values: vec![0.5, 1.0],
        ..whole()
    }
}

fn float() -> Histogram {
    Histogram {
        count: Some(Count::Float(7.5)),
        zero_count: Some(ZeroCount::Float(0.5)),
        positive_deltas: Vec::new(),
        positive_counts: vec![2.5, 0.25, 1.0],
        ..whole()
    }
}

fn broken(own: &Histogram, version: Version) -> Vec<Broken> {
    let mut all = Vec::new();
    check(own, version, |broken| all.push(broken));
    all
}

fn changed(mut own: Histogram, change: fn(&mut Histogram)) -> Vec<Broken> {
    change(&mut own);
    broken(&own, Version::V2)
}

type Change = fn(&mut Histogram);

/// Every one of these changes breaks that rule, and no other.
fn breaks(own: fn() -> Histogram, changes: &[Change], rule: Broken) {
    for change in changes {
        assert_eq!(changed(own(), *change), [rule]);
    }
}

#[test]
fn valid_histograms_break_no_rule() {
    let ended = || Histogram {
        sum: STALE,
        ..Histogram::default()
    };
    for own in [whole(), custom(), float(), ended()] {
        assert_eq!(broken(&own, Version::V2), []);
    }
    // An observation of NaN is in no bucket.
    let nan = |own: &mut Histogram| {
        own.sum = f64::NAN;
        own.count = Some(Count::Int(9));
    };
    assert_eq!(changed(whole(), nan), []);
}

#[test]
fn schema_and_reset_hint_must_exist() {
    let schemas: [Change; 3] = [
        |own| own.schema = 9,
        |own| own.schema = -5,
        |own| own.schema = 1 << 20,
    ];
    breaks(whole, &schemas, Broken::HistogramSchema);
    breaks(
        whole,
        &[|own| own.reset_hint = 4],
        Broken::HistogramResetHint,
    );
}

#[test]
fn counts_must_be_there_and_of_one_kind() {
    let integers: [Change; 3] = [
        |own| own.count = None,
        |own| own.count = Some(Count::Float(7.0)),
        |own| own.negative_counts.push(1.0),
    ];
    breaks(whole, &integers, Broken::HistogramKind);
    let floats: [Change; 2] = [
        |own| own.zero_count = Some(ZeroCount::Int(0)),
        |own| own.positive_deltas.push(1),
    ];
    breaks(float, &floats, Broken::HistogramKind);
}

#[test]
fn spans_must_name_the_buckets() {
    let changes: [Change; 3] = [
        |own| own.positive_spans[0].length = 1,
        |own| own.positive_spans[1].offset = -1,
        |own| own.negative_spans.push(span(0, 1)),
    ];
    breaks(whole, &changes, Broken::HistogramSpans);
}

#[test]
fn counts_must_be_what_buckets_hold() {
    breaks(
        whole,
        &[|own| own.positive_deltas[0] = -1],
        Broken::HistogramBuckets,
    );
    breaks(
        float,
        &[|own| own.positive_counts[0] = -0.5],
        Broken::HistogramBuckets,
    );
    breaks(
        whole,
        &[|own| own.count = Some(Count::Int(8))],
        Broken::HistogramCount,
    );
    let changes: [Change; 2] = [
        |own| own.count = Some(Count::Float(-1.0)),
        |own| own.zero_count = Some(ZeroCount::Float(-1.0)),
    ];
    breaks(float, &changes, Broken::HistogramCount);
}

#[test]
fn bounds_must_fit() {
    let others: [Change; 2] = [
        |own| own.custom_values.push(1.0),
        |own| own.zero_threshold = -1.0,
    ];
    breaks(whole, &others, Broken::HistogramBounds);
    let customs: [Change; 5] = [
        |own| own.custom_values.swap(0, 1),
        |own| own.custom_values.truncate(1),
        |own| own.custom_values[1] = f64::INFINITY,
        |own| own.zero_threshold = 1.0,
        |own| own.positive_spans[0].offset = 1,
    ];
    breaks(custom, &customs, Broken::HistogramBounds);
}

#[test]
fn custom_buckets_are_none_of_1_0() {
    assert_eq!(broken(&custom(), Version::V1), [Broken::CustomBuckets]);
    assert_eq!(broken(&whole(), Version::V1), []);
}

#[test]
fn histograms_are_samples_in_the_books() {
    let labels = [("__name__", "seconds"), ("job", "node")];
    let mut own = series(&labels, &[]);
    own.histograms = vec![whole()];
    let mut ledger = Ledger::default();
    let good = request(vec![own.clone()]);
    assert_eq!(broken_by(&ledger, &good), []);
    ledger.take(&good.clone().into(), &Findings::default());
    assert_eq!((ledger.samples, ledger.histograms), (1, 1));
    assert_eq!(ledger.jobs["node"].samples, 1);
    // The same again is what a retry sends; another one at that time is not.
    assert_eq!(broken_by(&ledger, &good), []);
    own.histograms[0].sum = 5.0;
    let other = request(vec![own.clone()]);
    assert_eq!(broken_by(&ledger, &other), [Broken::DuplicateTimestamp]);
    own.histograms[0].timestamp = 9;
    let earlier = request(vec![own.clone()]);
    assert_eq!(broken_by(&ledger, &earlier), [Broken::OutOfOrder]);
    // A marker of either kind ends it.
    own.histograms[0].timestamp = 11;
    own.histograms[0].sum = STALE;
    let ended: Message = request(vec![own]).into();
    ledger.take(&ended, &Findings::default());
    assert_eq!(ledger.jobs["node"].stale, 1);
    let lines: Vec<String> = ended.series[0].lines().collect();
    assert_eq!(lines, ["seconds{job=\"node\"} StaleNaN 11"]);
}

#[test]
fn a_strict_receiver_refuses_a_broken_histogram() {
    let receiver = super::start(true, None);
    let labels = [("__name__", "seconds"), ("job", "node")];
    let mut own = series(&labels, &[]);
    own.histograms = vec![whole()];
    own.histograms[0].count = Some(Count::Int(8));
    let body = packed_bytes(&request(vec![own]).encode_to_vec());
    let answer = receiver.post(HEADERS, &body);
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(
        answer.ends_with("histogram whose count is not what is in its buckets\n"),
        "{answer}"
    );
    assert!(receiver.stop().contains("histogram_count: 1\n"));
}
