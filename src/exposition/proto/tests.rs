//! Pages made by `prost` from the public definition, and what must be read from them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use prost::Message;

use super::testing::{self as pb, MetricFamily, delimited, family, labels};
use crate::exposition::key::{SeriesText, parse_key};
use crate::exposition::line::{Item, LineParser};
use crate::exposition::normalize::open_metrics_float;
use crate::exposition::protocol::{Dialect, Format};
use crate::exposition::rows::extras::Extras;
use crate::exposition::transcode::{Histograms, Options, Transcoder};
use crate::model::histogram::{Counts, ResetHint};
use crate::model::value::canonical;

/// What a row says, comparable bit for bit.
#[derive(Clone, Debug, PartialEq)]
struct Sample {
    labels: Vec<(String, String)>,
    bits: u64,
    timestamp_ms: Option<i64>,
    start_ms: Option<i64>,
    /// Count and reset hint of a native histogram.
    native: Option<(f64, ResetHint)>,
    exemplars: Vec<(u64, Option<i64>)>,
}

fn read(body: &[u8], histograms: Histograms) -> Result<Vec<Sample>, String> {
    let options = Options {
        histograms,
        start_timestamps: true,
        rows_max: 0,
    };
    let mut transcoder = Transcoder::default();
    let page = transcoder.page(Dialect::Protobuf, body, options);
    assert_eq!(
        (page.format, page.body_bytes),
        (Format::Rows, body.len() as u64)
    );
    let mut parser = LineParser::new(Format::Rows);
    let (mut rest, mut samples) = (page.bytes, Vec::new());
    loop {
        let step = parser.step(rest, true);
        match step.map_err(|error| error.message.to_string())? {
            None => break,
            Some((item, length)) => {
                if let Item::Row(row) = item {
                    let found = parser.clone().tail(rest, row.key.len());
                    // As text, in which NaN equals NaN.
                    let expected = format!("{:?}", Some((row.tail, length)));
                    assert_eq!(format!("{found:?}"), expected, "the short way");
                    samples.push(sample(row.key, &row.tail)?);
                }
                rest = &rest[length..];
            }
        }
    }
    parser.finish().expect("nothing is missing at the end");
    Ok(samples)
}

fn sample(key: &[u8], tail: &crate::exposition::line::Tail<'_>) -> Result<Sample, String> {
    let mut text = SeriesText::default();
    parse_key(key, Format::Rows, &mut text).map_err(|error| error.to_string())?;
    let own = text.iter();
    let mut found = Sample {
        labels: own
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        bits: tail.value.to_bits(),
        timestamp_ms: tail.timestamp_ms,
        start_ms: None,
        native: None,
        exemplars: Vec::new(),
    };
    if let Some(raw) = tail.exemplar {
        let extras = Extras::read(raw).expect("extras");
        found.start_ms = extras.start_ms;
        if let Some(raw) = extras.histogram {
            let own = raw.decode()?;
            let count = match &own.counts {
                Counts::Integer(counts) => counts.count as f64,
                Counts::Float(counts) => counts.count,
            };
            found.native = Some((count, own.reset_hint));
        }
        for exemplar in extras.exemplars() {
            let own = exemplar.ok_or("a malformed exemplar")?;
            found
                .exemplars
                .push((own.value.to_bits(), own.timestamp_ms));
        }
    }
    Ok(found)
}

/// The same, taken from the messages in the plainest way.
struct Reference {
    options: Histograms,
    out: Vec<Sample>,
}

impl Reference {
    fn push(&mut self, name: String, own: &pb::Metric, more: Option<(&str, f64)>, value: f64) {
        let pairs = own.label.iter().cloned();
        let mut labels: Vec<_> = pairs.map(|pair| (pair.name, pair.value)).collect();
        labels.push(("__name__".to_owned(), name));
        labels.extend(more.map(|(label, bound)| (label.to_owned(), open_metrics_float(bound))));
        labels.sort_by(|one, two| one.0.cmp(&two.0));
        self.out.push(Sample {
            labels,
            bits: canonical(value).to_bits(),
            timestamp_ms: (own.timestamp_ms != 0).then_some(own.timestamp_ms),
            start_ms: None,
            native: None,
            exemplars: Vec::new(),
        });
    }

    fn extra(&mut self, start: Option<pb::Timestamp>, exemplars: &[&pb::Exemplar], timed: bool) {
        let last = self.out.last_mut().expect("a sample");
        last.start_ms = start.map(millis).filter(|at| *at != 0);
        let own = exemplars
            .iter()
            .map(|own| (own.value.to_bits(), own.timestamp.map(millis)));
        last.exemplars = own.filter(|(_, at)| !timed || at.is_some()).collect();
    }

    fn family(&mut self, own: &MetricFamily) {
        for metric in &own.metric {
            let name = own.name.clone();
            match own.r#type {
                pb::COUNTER => {
                    let counter = metric.counter.clone().unwrap_or_default();
                    self.push(name, metric, None, counter.value);
                    let exemplars: Vec<_> = counter.exemplar.iter().collect();
                    self.extra(counter.start_timestamp, &exemplars, false);
                }
                pb::GAUGE => {
                    let value = metric.gauge.unwrap_or_default().value;
                    self.push(name, metric, None, value);
                }
                pb::UNTYPED => {
                    let value = metric.untyped.unwrap_or_default().value;
                    self.push(name, metric, None, value);
                }
                pb::SUMMARY => self.summary(name, metric),
                kind => self.histogram(name, metric, kind == pb::GAUGE_HISTOGRAM),
            }
        }
    }

    fn summary(&mut self, name: String, metric: &pb::Metric) {
        let own = metric.summary.clone().unwrap_or_default();
        let start = own.start_timestamp;
        self.push(
            format!("{name}_count"),
            metric,
            None,
            own.sample_count as f64,
        );
        self.extra(start, &[], false);
        self.push(format!("{name}_sum"), metric, None, own.sample_sum);
        self.extra(start, &[], false);
        for part in own.quantile {
            let more = Some(("quantile", part.quantile));
            self.push(name.clone(), metric, more, part.value);
            self.extra(start, &[], false);
        }
    }

    fn histogram(&mut self, name: String, metric: &pb::Metric, is_gauge: bool) {
        let own = metric.histogram.clone().unwrap_or_default();
        let start = own.start_timestamp;
        let has_native = !own.positive_span.is_empty()
            || !own.negative_span.is_empty()
            || own.zero_threshold > 0.0
            || own.zero_count > 0;
        let count = match own.sample_count_float {
            0.0 => own.sample_count as f64,
            count => count,
        };
        let native = self.options.native && has_native;
        let hint = if is_gauge {
            ResetHint::Gauge
        } else {
            ResetHint::Unknown
        };
        if native {
            self.push(name.clone(), metric, None, own.sample_sum);
            let from_buckets = own
                .bucket
                .iter()
                .filter_map(|bucket| bucket.exemplar.as_ref());
            let exemplars: Vec<_> = match own.exemplars.as_slice() {
                [] => from_buckets.collect(),
                own => own.iter().collect(),
            };
            self.extra(start, &exemplars, true);
            let is_float = own.sample_count_float > 0.0 || own.zero_count_float > 0.0;
            let total = if is_float {
                own.sample_count_float
            } else {
                own.sample_count as f64
            };
            self.out.last_mut().expect("a sample").native = Some((total, hint));
        }
        let keep = self.options.always_classic;
        if (native && keep && !own.bucket.is_empty())
            || (!native && (keep || !self.options.to_custom))
        {
            self.classic(&name, metric, &own, count);
        }
        if !native && self.options.to_custom {
            self.push(name, metric, None, own.sample_sum);
            self.extra(start, &[], true);
            self.out.last_mut().expect("a sample").native = Some((count, hint));
        }
    }

    fn classic(&mut self, name: &str, metric: &pb::Metric, own: &pb::Histogram, count: f64) {
        let start = own.start_timestamp;
        self.push(format!("{name}_count"), metric, None, count);
        self.extra(start, &[], false);
        self.push(format!("{name}_sum"), metric, None, own.sample_sum);
        self.extra(start, &[], false);
        let mut buckets = own.bucket.clone();
        if buckets
            .iter()
            .all(|bucket| bucket.upper_bound != f64::INFINITY)
        {
            buckets.push(pb::Bucket {
                cumulative_count_float: count,
                upper_bound: f64::INFINITY,
                ..pb::Bucket::default()
            });
        }
        for bucket in buckets {
            let value = match bucket.cumulative_count_float {
                0.0 => bucket.cumulative_count as f64,
                value => value,
            };
            let more = Some(("le", bucket.upper_bound));
            self.push(format!("{name}_bucket"), metric, more, value);
            self.extra(start, &bucket.exemplar.iter().collect::<Vec<_>>(), false);
            if bucket.upper_bound == f64::INFINITY {
                break;
            }
        }
    }
}

fn millis(at: pb::Timestamp) -> i64 {
    at.seconds * 1000 + i64::from(at.nanos) / 1_000_000
}

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

fn families() -> impl Strategy<Value = Vec<MetricFamily>> {
    let family = (0i32..6).prop_flat_map(|kind| {
        let name = "[a-z]{1,4}(:[a-z])?|[^\0]{1,3}";
        let metrics = prop::collection::vec(metric(kind), 0..4);
        (name, metrics).prop_map(move |(name, metrics)| family(&name, kind, metrics))
    });
    prop::collection::vec(family, 0..5)
}

fn options() -> impl Strategy<Value = Histograms> {
    any::<(bool, bool, bool)>().prop_map(|(native, always_classic, to_custom)| Histograms {
        native,
        always_classic,
        to_custom,
    })
}

proptest! {
    #[test]
    fn pages_say_what_the_messages_say(families in families(), options in options()) {
        let mut reference = Reference { options, out: Vec::new() };
        for family in &families {
            reference.family(family);
        }
        let mut found = read(&delimited(&families), options).expect("a good page");
        if options.to_custom {
            // What becomes of exemplars is the next test's.
            for sample in found.iter_mut().chain(&mut reference.out) {
                if sample.native.is_some() {
                    sample.exemplars.clear();
                }
            }
        }
        prop_assert_eq!(found, reference.out);
    }

    #[test]
    fn any_bytes_are_read_or_refused(body: Vec<u8>, options in options()) {
        let _ = read(&body, options);
    }

    #[test]
    fn a_page_that_is_cut_or_damaged_is_refused_or_read(
        families in families(),
        at: prop::sample::Index,
        byte: u8,
        options in options(),
    ) {
        let mut body = delimited(&families);
        if !body.is_empty() {
            let at = at.index(body.len());
            let end: usize = families.iter().scan(0, |end, family| {
                *end += family.encode_length_delimited_to_vec().len();
                Some(*end)
            }).take_while(|end| *end <= at).last().unwrap_or(0);
            if end != at {
                let error = read(&body[..at], options).expect_err("cut");
                prop_assert_eq!(
                    error,
                    format!("protobuf: a metric family at byte {end} has a wrong length")
                );
            }
            body[at] = byte;
            let _ = read(&body, options);
        }
    }
}

#[test]
fn exemplars_of_native_histograms_count_only_with_a_time() {
    let exemplar = |value, timestamp| pb::Exemplar {
        label: labels(&[("id", "x")]),
        value,
        timestamp,
    };
    let at = Some(pb::Timestamp {
        seconds: 1,
        nanos: 5_999_999,
    });
    let bucket = |upper_bound, exemplar| pb::Bucket {
        cumulative_count: 1,
        upper_bound,
        exemplar: Some(exemplar),
        ..pb::Bucket::default()
    };
    let mut own = pb::Histogram {
        sample_count: 1,
        bucket: vec![
            bucket(1.0, exemplar(1.0, at)),
            bucket(2.0, exemplar(2.0, None)),
        ],
        ..pb::Histogram::default()
    };
    let exemplars = |own: &pb::Histogram, histograms| {
        let metric = pb::Metric {
            histogram: Some(own.clone()),
            ..pb::Metric::default()
        };
        let body = delimited(&[family("h", pb::HISTOGRAM, vec![metric])]);
        let samples = read(&body, histograms).expect("a good page");
        let found = samples.into_iter().flat_map(|sample| sample.exemplars);
        found
            .map(|(bits, at)| (f64::from_bits(bits), at))
            .collect::<Vec<_>>()
    };
    let custom = Histograms {
        to_custom: true,
        ..Histograms::default()
    };
    let plain = Histograms::default();
    assert_eq!(exemplars(&own, plain), [(1.0, Some(1005)), (2.0, None)]);
    assert_eq!(exemplars(&own, custom), [(1.0, Some(1005))]);
    own.exemplars = vec![exemplar(3.0, None), exemplar(4.0, at)];
    assert_eq!(exemplars(&own, custom), [(4.0, Some(1005))]);
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let metric = pb::Metric {
        label: labels(&[("", "x")]),
        ..pb::Metric::default()
    };
    let good = delimited(&[family("good", pb::GAUGE, vec![pb::Metric::default()])]);
    let mut body = good.clone();
    body.extend(delimited(&[family("bad", pb::GAUGE, vec![metric])]));
    let start = good.len();
    let error = read(&body, Histograms::default()).expect_err("a label without a name");
    let at = body.len() - 5;
    assert_eq!(
        error,
        format!(
            "protobuf: invalid label name: it is empty at byte {at} (metric family \"bad\" at \
             byte {start})"
        )
    );
    let unknown = delimited(&[family("u", 9, vec![pb::Metric::default()])]);
    let error = read(&unknown, Histograms::default()).expect_err("a type from the future");
    assert!(
        error.starts_with("protobuf: unknown metric type at byte"),
        "{error}"
    );
    let nameless = delimited(&[family("", pb::GAUGE, vec![pb::Metric::default()])]);
    let error = read(&nameless, Histograms::default()).expect_err("no name");
    assert!(
        error.starts_with("protobuf: invalid metric name: it is empty"),
        "{error}"
    );
}

#[test]
fn a_classic_histogram_that_cannot_be_converted_fails_the_page() {
    let bucket = |upper_bound, cumulative_count| pb::Bucket {
        upper_bound,
        cumulative_count,
        ..pb::Bucket::default()
    };
    let own = pb::Histogram {
        sample_count: 2,
        bucket: vec![bucket(1.0, 2), bucket(2.0, 1)],
        ..pb::Histogram::default()
    };
    let metric = pb::Metric {
        histogram: Some(own),
        ..pb::Metric::default()
    };
    let body = delimited(&[family("h", pb::HISTOGRAM, vec![metric])]);
    let custom = Histograms {
        to_custom: true,
        ..Histograms::default()
    };
    assert_eq!(
        read(&body, Histograms::default())
            .expect("fine as it is")
            .len(),
        5
    );
    let error = read(&body, custom).expect_err("not cumulative");
    assert!(
        error.starts_with("protobuf: count is not cumulative: 2 > 1 at byte 0"),
        "{error}"
    );
}

#[test]
fn rows_are_bounded_whatever_the_page_repeats() {
    let long = "x".repeat(10_000);
    let buckets = (0..1000).map(|bound| pb::Bucket {
        upper_bound: f64::from(bound),
        ..pb::Bucket::default()
    });
    let own = pb::Histogram {
        bucket: buckets.collect(),
        ..pb::Histogram::default()
    };
    let metric = pb::Metric {
        label: labels(&[("l", &long)]),
        histogram: Some(own),
        ..pb::Metric::default()
    };
    let body = delimited(&[family("h", pb::HISTOGRAM, vec![metric])]);
    let options = Options {
        rows_max: 1_000_000,
        ..Options::default()
    };
    let mut transcoder = Transcoder::default();
    let page = transcoder.page(Dialect::Protobuf, &body, options);
    assert!(page.bytes.len() < 1_100_000);
    let text = String::from_utf8_lossy(page.bytes);
    assert!(text.contains("the page takes too much memory"));
    transcoder.release();
}

#[test]
fn distinct_labels_are_distinct_series() {
    let gauge = |pairs: &[(&str, &str)]| pb::Metric {
        label: labels(pairs),
        gauge: Some(pb::Gauge { value: 1.0 }),
        ..pb::Metric::default()
    };
    let metrics = vec![
        gauge(&[("a", "b\",c=\"d")]),
        gauge(&[("a", "b"), ("c", "d")]),
        gauge(&[("a", "b\\n")]),
        gauge(&[("a", "b\n")]),
        gauge(&[("a.b", "")]),
    ];
    let body = delimited(&[family("my.metric", pb::GAUGE, metrics)]);
    let samples = read(&body, Histograms::default()).expect("a good page");
    let series: BTreeSet<_> = samples.iter().map(|sample| &sample.labels).collect();
    assert_eq!(series.len(), 5);
}
