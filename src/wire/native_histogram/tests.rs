use proptest::prelude::*;
use prost::Message;

use super::*;
use crate::model::histogram::{Buckets, CUSTOM_BUCKETS, ResetHint};
use crate::model::testing::{Observed, histogram, render};
use crate::wire::prompb_histogram::{BucketSpan, Count, Histogram, ZeroCount};

fn spans(own: &[Span]) -> Vec<BucketSpan> {
    let span = |own: &Span| BucketSpan {
        offset: own.offset,
        length: own.length,
    };
    own.iter().map(span).collect()
}

/// The message as somebody would build it who has the definition alone.
fn message(sample: &HistogramSample<'_>) -> Histogram {
    let own = sample.histogram;
    let mut message = Histogram {
        sum: sample.sum,
        schema: own.schema.into(),
        zero_threshold: own.zero_threshold,
        negative_spans: spans(&own.negative_spans),
        positive_spans: spans(&own.positive_spans),
        reset_hint: own.reset_hint as i32,
        timestamp: sample.timestamp_ms,
        custom_values: own.custom_values.to_vec(),
        start_timestamp: sample.start_ms,
        ..Histogram::default()
    };
    match &own.counts {
        Counts::Integer(counts) => {
            message.count = Some(Count::Int(counts.count));
            message.zero_count = Some(ZeroCount::Int(counts.zero));
            message.positive_deltas = counts.positive.to_vec();
            message.negative_deltas = counts.negative.to_vec();
        }
        Counts::Float(counts) => {
            message.count = Some(Count::Float(counts.count));
            message.zero_count = Some(ZeroCount::Float(counts.zero));
            message.positive_counts = counts.positive.to_vec();
            message.negative_counts = counts.negative.to_vec();
        }
    }
    message
}

/// The message's bytes, without the field around it.
fn written(sample: &HistogramSample<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    append(&mut out, 0x1a, sample);
    assert_eq!(out[0], 0x1a);
    let (len, used) = varint::read(&out[1..]).expect("a length");
    assert_eq!(out.len(), 1 + used + len as usize);
    out.split_off(1 + used)
}

proptest! {
    #[test]
    fn it_is_what_prost_writes(
        mut own in histogram(), sum: f64, timestamp_ms: i64, start_ms: i64, late: bool,
    ) {
        // Minus zero alone is written otherwise: it keeps its sign.
        let plain = |value: f64| if value.to_bits() == 1 << 63 { 0.0 } else { value };
        own.zero_threshold = plain(own.zero_threshold);
        let sample = HistogramSample {
            histogram: &own,
            sum: plain(sum),
            timestamp_ms,
            start_ms: if late { start_ms } else { 0 },
        };
        let bytes = written(&sample);
        prop_assert_eq!(&bytes, &message(&sample).encode_to_vec());
        prop_assert!(bytes.len() < encoded_len_max(&own));
        let back = Histogram::decode(bytes.as_slice()).expect("valid");
        prop_assert_eq!(back.sum.to_bits(), sample.sum.to_bits());
        let model = back.to_model().expect("every schema of the model fits");
        prop_assert_eq!(render(&model), render(&own));
    }
}

#[test]
fn a_minus_zero_keeps_its_sign() {
    let mut own = Observed::new(0, 1).histogram();
    own.zero_threshold = -0.0;
    let sample = HistogramSample {
        histogram: &own,
        sum: -0.0,
        timestamp_ms: 0,
        start_ms: 0,
    };
    let back = Histogram::decode(written(&sample).as_slice()).expect("valid");
    assert!(back.sum.is_sign_negative() && back.zero_threshold.is_sign_negative());
}

fn span(offset: i32, length: u32) -> Span {
    Span { offset, length }
}

#[test]
fn the_bytes_of_an_integer_histogram_are_these() {
    let own = NativeHistogram {
        reset_hint: ResetHint::Gauge,
        schema: -1,
        zero_threshold: 1.0,
        counts: Counts::Integer(Buckets {
            count: 300,
            zero: 0,
            positive: [2, -1].into(),
            negative: [64].into(),
        }),
        positive_spans: [span(-3, 1), span(0, 1)].into(),
        negative_spans: [span(5, 1)].into(),
        custom_values: [].into(),
    };
    let expected: Vec<u8> = [
        // count_int, sum
        &[0x08, 0xac, 0x02, 0x19][..],
        &2.5f64.to_le_bytes(),
        // schema, zero_threshold
        &[0x20, 1, 0x29],
        &1.0f64.to_le_bytes(),
        // zero_count_int: it says that counts are whole numbers
        &[0x30, 0],
        // negative_spans, negative_deltas
        &[0x42, 4, 0x08, 10, 0x10, 1, 0x4a, 2, 0x80, 0x01],
        // positive_spans, positive_deltas
        &[0x5a, 4, 0x08, 5, 0x10, 1, 0x5a, 2, 0x10, 1, 0x62, 2, 4, 1],
        // reset_hint, timestamp, start_timestamp
        &[0x70, 3, 0x78, 0xac, 0x02, 0x88, 0x01, 7],
    ]
    .concat();
    let sample = HistogramSample {
        histogram: &own,
        sum: 2.5,
        timestamp_ms: 300,
        start_ms: 7,
    };
    assert_eq!(written(&sample), expected);
}

#[test]
fn the_bytes_of_a_float_histogram_with_custom_buckets_are_these() {
    let own = NativeHistogram {
        reset_hint: ResetHint::Unknown,
        schema: CUSTOM_BUCKETS,
        zero_threshold: 0.0,
        counts: Counts::Float(Buckets {
            count: 1.0,
            zero: 0.0,
            positive: [1.0, 0.0].into(),
            negative: [].into(),
        }),
        positive_spans: [span(1, 2)].into(),
        negative_spans: [].into(),
        custom_values: [1.0].into(),
    };
    let one = 1.0f64.to_le_bytes();
    let expected: Vec<u8> = [
        // count_float, schema, zero_count_float
        &[0x11][..],
        &one,
        &[0x20, 105, 0x39],
        &[0; 8],
        // positive_spans, positive_counts
        &[0x5a, 4, 0x08, 2, 0x10, 2, 0x6a, 16],
        &one,
        &[0; 8],
        // custom_values
        &[0x82, 0x01, 8],
        &one,
    ]
    .concat();
    let sample = HistogramSample {
        histogram: &own,
        sum: 0.0,
        timestamp_ms: 0,
        start_ms: 0,
    };
    assert_eq!(written(&sample), expected);
}
