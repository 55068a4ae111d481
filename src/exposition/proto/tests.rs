//! Pages made by `prost` from the public definition, and what must be read from them.

mod pages;
mod reference;

use std::collections::BTreeSet;

use proptest::prelude::*;
use prost::Message;

use self::pages::{families, options};
use self::reference::Reference;
use super::testing::{self as pb, delimited, family, labels};
use crate::exposition::key::{SeriesText, parse_key};
use crate::exposition::line::{Item, LineParser};
use crate::exposition::protocol::{Dialect, Format};
use crate::exposition::rows::extras::Extras;
use crate::exposition::transcode::{Histograms, Options, Transcoder};
use crate::model::histogram::{Counts, ResetHint};

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
fn the_stale_marker_must_not_come_from_a_page() {
    let metric = pb::Metric {
        gauge: Some(pb::Gauge {
            value: crate::model::value::STALE,
        }),
        ..pb::Metric::default()
    };
    let body = delimited(&[family("g", pb::GAUGE, vec![metric])]);
    let samples = read(&body, Histograms::default()).expect("a good page");
    assert_eq!(samples[0].bits, crate::model::value::NAN.to_bits());
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
