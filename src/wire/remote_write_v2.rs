//! Appends the entries of an `io.prometheus.write.v2.Request` (remote write 2.0) to a byte buffer.
//!
//! Every text goes to the table of [`symbols`] and an entry holds numbers only. Unlike other
//! writers, a sample's timestamp stands before its value: what stands before a value is then the
//! same in many entries, from the labels of the target to the time of the scrape, and costs one
//! copy in snappy instead of two (`docs/adr/0006-remote-write-2.md` has the figures). Protocol
//! buffers allow any order of fields. A value of minus zero is written, so that it keeps its sign.
//!
//! Implements the Prometheus remote-write specification 2.0 and `io/prometheus/write/v2/types.proto`.
//! Does not know batches, blocks or compression.

pub mod labels;
pub mod symbols;

use self::symbols::Symbols;
use super::native_histogram::{self, HistogramSample};
use crate::bytes::varint;
use crate::model::exemplar::Exemplar;
use crate::model::metadata::Family;

#[cfg(test)]
mod tests;

/// `Request.timeseries`, `TimeSeries.metadata`.
const TAG_5_BYTES: u8 = 0x2a;
/// `TimeSeries.exemplars`.
const TAG_4_BYTES: u8 = 0x22;
/// `TimeSeries.histograms`.
const TAG_3_BYTES: u8 = 0x1a;
/// `TimeSeries.samples`.
const TAG_2_BYTES: u8 = 0x12;
/// `TimeSeries.labels_refs` and `Exemplar.labels_refs`, packed.
const TAG_1_BYTES: u8 = 0x0a;
/// `Sample.value`.
const TAG_1_DOUBLE: u8 = 0x09;
/// `Exemplar.value`.
const TAG_2_DOUBLE: u8 = 0x11;
/// `Metadata.type`.
const TAG_1_VARINT: u8 = 0x08;
/// `Sample.timestamp`.
const TAG_2_VARINT: u8 = 0x10;
/// `Exemplar.timestamp`, `Metadata.help_ref`, `Sample.start_timestamp`.
const TAG_3_VARINT: u8 = 0x18;
/// `Metadata.unit_ref`.
const TAG_4_VARINT: u8 = 0x20;

/// A nested message whose length is not known yet. One byte is kept for it, which is right up to
/// 127 bytes: nearly every series. A longer message is moved.
#[derive(Debug)]
#[must_use = "the message is damaged until its length is written"]
pub struct Open {
    start: usize,
}

fn open(out: &mut Vec<u8>, tag: u8) -> Open {
    out.extend_from_slice(&[tag, 0]);
    Open { start: out.len() }
}

fn close(out: &mut Vec<u8>, open: &Open) {
    let length = out.len() - open.start;
    if length < 0x80 {
        out[open.start - 1] = length as u8;
        return;
    }
    let mut bytes = [0; varint::BYTES_MAX];
    let used = varint_into(&mut bytes, length as u64);
    out.splice(open.start - 1..open.start, bytes[..used].iter().copied());
}

/// Writes a varint to the front of `bytes`, which have room for it; returns its length.
#[inline]
fn varint_into(bytes: &mut [u8], mut value: u64) -> usize {
    let mut at = 0;
    while value >= 0x80 {
        bytes[at] = value as u8 | 0x80;
        value >>= 7;
        at += 1;
    }
    bytes[at] = value as u8;
    at + 1
}

/// Begins an entry of `timeseries`. Labels come first, then samples, exemplars, metadata.
pub fn begin_series(out: &mut Vec<u8>) -> Open {
    open(out, TAG_5_BYTES)
}

/// Ends the entry.
pub fn end_series(out: &mut Vec<u8>, series: &Open) {
    close(out, series);
}

/// Takes the entry back as if it had not begun.
pub fn abandon_series(out: &mut Vec<u8>, series: &Open) {
    out.truncate(series.start - 2);
}

/// Appends a sample to the open series.
#[inline]
pub fn append_sample(out: &mut Vec<u8>, value: f64, timestamp_ms: i64) {
    let mut bytes = [0u8; 2 + 1 + varint::BYTES_MAX + 9];
    bytes[0] = TAG_2_BYTES;
    let mut at = 2;
    if timestamp_ms != 0 {
        bytes[at] = TAG_2_VARINT;
        at += 1;
        at += varint_into(&mut bytes[at..], timestamp_ms as u64);
    }
    if value.to_bits() != 0 {
        bytes[at] = TAG_1_DOUBLE;
        bytes[at + 1..at + 9].copy_from_slice(&value.to_le_bytes());
        at += 9;
    }
    bytes[1] = (at - 2) as u8;
    out.extend_from_slice(&bytes[..at]);
}

/// Appends a sample that counts since `start_ms` to the open series.
pub fn append_started_sample(out: &mut Vec<u8>, value: f64, timestamp_ms: i64, start_ms: i64) {
    let message = out.len() + 1;
    append_sample(out, value, timestamp_ms);
    if start_ms == 0 {
        return;
    }
    let before = out.len();
    out.push(TAG_3_VARINT);
    varint::write(out, start_ms as u64);
    // Two numbers and a double: far below what would take a second byte of length.
    out[message] += (out.len() - before) as u8;
}

/// Appends a native histogram to the open series.
pub fn append_histogram(out: &mut Vec<u8>, sample: &HistogramSample<'_>) {
    native_histogram::append(out, TAG_3_BYTES, sample);
}

/// Appends an exemplar to the open series; `scrape_ms` is its time if it has none of its own.
pub fn append_exemplar(
    out: &mut Vec<u8>,
    symbols: &mut Symbols,
    exemplar: &Exemplar,
    scrape_ms: i64,
) {
    let message = open(out, TAG_4_BYTES);
    if !exemplar.labels.is_empty() {
        let refs = open(out, TAG_1_BYTES);
        for (name, value) in exemplar.labels.iter() {
            varint::write(out, symbols.refer(name.as_bytes()).into());
            varint::write(out, symbols.refer(value.as_bytes()).into());
        }
        close(out, &refs);
    }
    if exemplar.value.to_bits() != 0 {
        out.push(TAG_2_DOUBLE);
        out.extend_from_slice(&exemplar.value.to_le_bytes());
    }
    let timestamp_ms = exemplar.timestamp_ms.unwrap_or(scrape_ms);
    if timestamp_ms != 0 {
        out.push(TAG_3_VARINT);
        varint::write(out, timestamp_ms as u64);
    }
    close(out, &message);
}

/// Appends what a family says of itself, for all its series: the same bytes go into each.
pub fn append_metadata(out: &mut Vec<u8>, symbols: &mut Symbols, family: &Family) {
    let message = open(out, TAG_5_BYTES);
    let kind = family.kind() as u8;
    if kind != 0 {
        out.extend_from_slice(&[TAG_1_VARINT, kind]);
    }
    for (tag, text) in [(TAG_3_VARINT, family.help()), (TAG_4_VARINT, family.unit())] {
        if !text.is_empty() {
            out.push(tag);
            varint::write(out, symbols.refer(text.as_bytes()).into());
        }
    }
    close(out, &message);
}
