//! Appends a native histogram as the `Histogram` message of remote write to a byte buffer: the
//! same message in 1.0 (`prompb/types.proto`) and in 2.0 (`io/prometheus/write/v2/types.proto`),
//! where it may have a start timestamp too.
//!
//! Byte for byte what prost writes for the message in [`super::prompb_histogram`] (a property test
//! holds that), but that a minus zero keeps its sign.

use crate::bytes::varint;
use crate::model::histogram::{Counts, NativeHistogram, Span};

#[cfg(test)]
mod tests;

const COUNT_INT: u8 = 0x08;
const COUNT_FLOAT: u8 = 0x11;
const SUM: u8 = 0x19;
const SCHEMA: u8 = 0x20;
const ZERO_THRESHOLD: u8 = 0x29;
const ZERO_COUNT_INT: u8 = 0x30;
const ZERO_COUNT_FLOAT: u8 = 0x39;
const NEGATIVE_SPANS: u8 = 0x42;
const NEGATIVE_DELTAS: u8 = 0x4a;
const NEGATIVE_COUNTS: u8 = 0x52;
const POSITIVE_SPANS: u8 = 0x5a;
const POSITIVE_DELTAS: u8 = 0x62;
const POSITIVE_COUNTS: u8 = 0x6a;
const RESET_HINT: u8 = 0x70;
const TIMESTAMP: u8 = 0x78;
const CUSTOM_VALUES: [u8; 2] = [0x82, 0x01];
const START_TIMESTAMP: [u8; 2] = [0x88, 0x01];
/// `BucketSpan.offset` and `BucketSpan.length`.
const OFFSET: u8 = 0x08;
const LENGTH: u8 = 0x10;

/// Bytes of a fixed field.
const DOUBLE: usize = 9;

/// One sample of a histogram.
#[derive(Clone, Copy, Debug)]
pub struct HistogramSample<'a> {
    /// What was counted.
    pub histogram: &'a NativeHistogram,
    /// The sum of all observations.
    pub sum: f64,
    /// Time of the sample in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// Since when it counts, in milliseconds since 1970; 0 for unknown. 1.0 has none.
    pub start_ms: i64,
}

/// Bytes of the message at most, with its field's tag and length.
#[must_use]
pub fn encoded_len_max(histogram: &NativeHistogram) -> usize {
    const AROUND: usize = 1 + varint::BYTES_MAX;
    AROUND
        + message_len(&HistogramSample {
            histogram,
            sum: 1.0,
            timestamp_ms: i64::MIN,
            start_ms: i64::MIN,
        })
}

/// Appends the message as a field of that tag.
pub fn append(out: &mut Vec<u8>, tag: u8, sample: &HistogramSample<'_>) {
    let own = sample.histogram;
    let len = message_len(sample);
    out.reserve(len + 1 + varint::BYTES_MAX);
    out.push(tag);
    varint::write(out, len as u64);
    append_count(out, &own.counts, [COUNT_INT, COUNT_FLOAT], Which::All);
    append_double(out, SUM, sample.sum);
    if own.schema != 0 {
        append_varint(out, SCHEMA, varint::zigzag(own.schema.into()));
    }
    append_double(out, ZERO_THRESHOLD, own.zero_threshold);
    append_count(
        out,
        &own.counts,
        [ZERO_COUNT_INT, ZERO_COUNT_FLOAT],
        Which::Zero,
    );
    append_spans(out, NEGATIVE_SPANS, &own.negative_spans);
    match &own.counts {
        Counts::Integer(counts) => append_deltas(out, NEGATIVE_DELTAS, &counts.negative),
        Counts::Float(counts) => append_doubles(out, &[NEGATIVE_COUNTS], &counts.negative),
    }
    append_spans(out, POSITIVE_SPANS, &own.positive_spans);
    match &own.counts {
        Counts::Integer(counts) => append_deltas(out, POSITIVE_DELTAS, &counts.positive),
        Counts::Float(counts) => append_doubles(out, &[POSITIVE_COUNTS], &counts.positive),
    }
    if own.reset_hint as u64 != 0 {
        append_varint(out, RESET_HINT, own.reset_hint as u64);
    }
    if sample.timestamp_ms != 0 {
        append_varint(out, TIMESTAMP, sample.timestamp_ms as u64);
    }
    append_doubles(out, &CUSTOM_VALUES, &own.custom_values);
    if sample.start_ms != 0 {
        out.extend_from_slice(&START_TIMESTAMP);
        varint::write(out, sample.start_ms as u64);
    }
}

fn message_len(sample: &HistogramSample<'_>) -> usize {
    let own = sample.histogram;
    let double = |value: f64| if value.to_bits() == 0 { 0 } else { DOUBLE };
    let number = |tag: usize, value: u64| {
        if value == 0 {
            0
        } else {
            tag + varint::len(value)
        }
    };
    let counts = match &own.counts {
        Counts::Integer(counts) => {
            2 + varint::len(counts.count)
                + varint::len(counts.zero)
                + packed(1, deltas_len(&counts.positive))
                + packed(1, deltas_len(&counts.negative))
        }
        Counts::Float(counts) => {
            2 * DOUBLE + packed(1, 8 * counts.positive.len()) + packed(1, 8 * counts.negative.len())
        }
    };
    let both = own.positive_spans.iter().chain(&own.negative_spans);
    let spans: usize = both.map(|span| 2 + span_len(span)).sum();
    counts
        + spans
        + double(sample.sum)
        + double(own.zero_threshold)
        + number(1, varint::zigzag(own.schema.into()))
        + number(1, own.reset_hint as u64)
        + number(1, sample.timestamp_ms as u64)
        + packed(2, 8 * own.custom_values.len())
        + number(2, sample.start_ms as u64)
}

/// Bytes of a packed field with a tag of so many bytes; an empty one is left out.
fn packed(tag: usize, bytes: usize) -> usize {
    if bytes == 0 {
        return 0;
    }
    tag + varint::len(bytes as u64) + bytes
}

fn deltas_len(deltas: &[i64]) -> usize {
    let lens = deltas
        .iter()
        .map(|delta| varint::len(varint::zigzag(*delta)));
    lens.sum()
}

/// Bytes of a span without tag and length, which take two: it is never longer than 127.
fn span_len(span: &Span) -> usize {
    let offset = match span.offset {
        0 => 0,
        offset => 1 + varint::len(varint::zigzag(offset.into())),
    };
    let length = match span.length {
        0 => 0,
        length => 1 + varint::len(length.into()),
    };
    offset + length
}

enum Which {
    All,
    Zero,
}

/// Appends one of the two counts; also a zero, because which of both fields is there tells what kind
/// of histogram it is.
fn append_count(out: &mut Vec<u8>, counts: &Counts, [int, float]: [u8; 2], which: Which) {
    match (counts, which) {
        (Counts::Integer(own), Which::All) => append_varint(out, int, own.count),
        (Counts::Integer(own), Which::Zero) => append_varint(out, int, own.zero),
        (Counts::Float(own), Which::All) => append_float(out, float, own.count),
        (Counts::Float(own), Which::Zero) => append_float(out, float, own.zero),
    }
}

fn append_varint(out: &mut Vec<u8>, tag: u8, value: u64) {
    out.push(tag);
    varint::write(out, value);
}

fn append_float(out: &mut Vec<u8>, tag: u8, value: f64) {
    out.push(tag);
    out.extend_from_slice(&value.to_le_bytes());
}

fn append_double(out: &mut Vec<u8>, tag: u8, value: f64) {
    if value.to_bits() != 0 {
        append_float(out, tag, value);
    }
}

fn append_doubles(out: &mut Vec<u8>, tag: &[u8], values: &[f64]) {
    if values.is_empty() {
        return;
    }
    out.extend_from_slice(tag);
    varint::write(out, 8 * values.len() as u64);
    for value in values {
        out.extend_from_slice(&value.to_le_bytes());
    }
}

fn append_deltas(out: &mut Vec<u8>, tag: u8, deltas: &[i64]) {
    if deltas.is_empty() {
        return;
    }
    append_varint(out, tag, deltas_len(deltas) as u64);
    for delta in deltas {
        varint::write(out, varint::zigzag(*delta));
    }
}

fn append_spans(out: &mut Vec<u8>, tag: u8, spans: &[Span]) {
    for span in spans {
        out.extend_from_slice(&[tag, span_len(span) as u8]);
        if span.offset != 0 {
            append_varint(out, OFFSET, varint::zigzag(span.offset.into()));
        }
        if span.length != 0 {
            append_varint(out, LENGTH, span.length.into());
        }
    }
}
