//! Appends the entries of a `prometheus.WriteRequest` (remote write 1.0) to a byte buffer.
//!
//! Byte for byte what prost writes for the messages in [`super::prompb`] (a property test holds
//! that), without building them: labels go from their stored form straight into the buffer, fields
//! that hold zero are left out, and a nested message's length is put in afterwards. The one
//! difference: a value of minus zero is written, so that it keeps its sign.
//!
//! Implements the Prometheus remote-write specification 1.0, `prompb/remote.proto` and
//! `prompb/types.proto`. Does not know batches, blocks or compression.

use super::native_histogram::{self, HistogramSample};
use crate::bytes::varint;
use crate::model::exemplar::Exemplar;
use crate::model::labels::Labels;
use crate::model::metadata::Family;
use crate::model::series::Encoded;

pub use self::pattern::Pattern;

mod pattern;

#[cfg(test)]
mod tests;

/// `WriteRequest.timeseries`, `TimeSeries.labels`, `Label.name`, `Exemplar.labels`.
const TAG_1_BYTES: u8 = 0x0a;
/// `TimeSeries.samples`, `Label.value`, `MetricMetadata.metric_family_name`.
const TAG_2_BYTES: u8 = 0x12;
/// `WriteRequest.metadata`, `TimeSeries.exemplars`.
const TAG_3_BYTES: u8 = 0x1a;
/// `MetricMetadata.help`, `TimeSeries.histograms`.
const TAG_4_BYTES: u8 = 0x22;
/// `MetricMetadata.unit`.
const TAG_5_BYTES: u8 = 0x2a;
/// `MetricMetadata.type`.
const TAG_1_VARINT: u8 = 0x08;
/// `Sample.timestamp`.
const TAG_2_VARINT: u8 = 0x10;
/// `Exemplar.timestamp`.
const TAG_3_VARINT: u8 = 0x18;
/// `Sample.value`.
const TAG_1_DOUBLE: u8 = 0x09;
/// `Exemplar.value`.
const TAG_2_DOUBLE: u8 = 0x11;

/// A nested message whose length is not known yet. Two bytes are kept for it, which is right for
/// 128 to 16,383 bytes: nearly every series. Otherwise the message is moved.
#[derive(Debug)]
#[must_use = "the message is damaged until its length is written"]
pub struct Open {
    start: usize,
}

const LENGTH_BYTES: usize = 2;

fn open(out: &mut Vec<u8>, tag: u8) -> Open {
    out.extend_from_slice(&[tag, 0, 0]);
    Open { start: out.len() }
}

fn close(out: &mut Vec<u8>, open: &Open) {
    let length = out.len() - open.start;
    let front = open.start - LENGTH_BYTES;
    if (1 << 7..1 << 14).contains(&length) {
        if let Some(bytes) = out[front..].first_chunk_mut() {
            *bytes = [length as u8 | 0x80, (length >> 7) as u8];
        }
        return;
    }
    if length < 1 << 7 {
        out[front] = length as u8;
        out.copy_within(open.start.., front + 1);
        out.truncate(front + 1 + length);
        return;
    }
    let needed = varint::len(length as u64);
    let mut bytes = [0; varint::BYTES_MAX];
    let mut rest = length;
    for (index, byte) in bytes[..needed].iter_mut().enumerate() {
        let more = if index + 1 < needed { 0x80 } else { 0 };
        *byte = (rest & 0x7f) as u8 | more;
        rest >>= 7;
    }
    out.splice(front..open.start, bytes[..needed].iter().copied());
}

/// Begins an entry of `timeseries`. Labels come first, then samples, then exemplars.
pub fn begin_series(out: &mut Vec<u8>) -> Open {
    open(out, TAG_1_BYTES)
}

/// Ends the entry.
pub fn end_series(out: &mut Vec<u8>, series: &Open) {
    close(out, series);
}

/// Takes the entry back as if it had not begun.
pub fn abandon_series(out: &mut Vec<u8>, series: &Open) {
    out.truncate(series.start - LENGTH_BYTES - 1);
}

fn append_text(out: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        out.push(tag);
        varint::write(out, text.len() as u64);
        out.extend_from_slice(text.as_bytes());
    }
}

fn text_len(text: &str) -> usize {
    if text.is_empty() {
        return 0;
    }
    1 + varint::len(text.len() as u64) + text.len()
}

/// Appends one label of a series or an exemplar.
pub fn append_label(out: &mut Vec<u8>, name: &str, value: &str) {
    out.push(TAG_1_BYTES);
    varint::write(out, (text_len(name) + text_len(value)) as u64);
    append_text(out, TAG_1_BYTES, name);
    append_text(out, TAG_2_BYTES, value);
}

/// The field of a sample's timestamp, finished: all samples of a scrape have the same one.
#[derive(Clone, Copy, Debug)]
pub struct SampleTime {
    field: [u8; 1 + varint::BYTES_MAX],
    used: usize,
}

impl SampleTime {
    /// For this time in milliseconds since 1970.
    #[must_use]
    pub fn new(timestamp_ms: i64) -> SampleTime {
        let mut time = SampleTime {
            field: [0; 1 + varint::BYTES_MAX],
            used: 0,
        };
        if timestamp_ms == 0 {
            return time;
        }
        time.field[0] = TAG_2_VARINT;
        time.used = 1;
        let mut rest = timestamp_ms as u64;
        while rest >= 0x80 {
            time.field[time.used] = rest as u8 | 0x80;
            rest >>= 7;
            time.used += 1;
        }
        time.field[time.used] = rest as u8;
        time.used += 1;
        time
    }
}

/// Appends a sample to the open series.
#[inline]
pub fn append_sample(out: &mut Vec<u8>, value: f64, time: &SampleTime) {
    const HEAD: usize = 2;
    const VALUE: usize = 9;
    let mut bytes = [0u8; HEAD + VALUE + 1 + varint::BYTES_MAX];
    bytes[0] = TAG_2_BYTES;
    let mut used = 0;
    if value.to_bits() != 0 {
        bytes[HEAD] = TAG_1_DOUBLE;
        bytes[HEAD + 1..HEAD + VALUE].copy_from_slice(&value.to_le_bytes());
        used = VALUE;
    }
    let field = bytes[HEAD + used..].first_chunk_mut();
    if let Some(field) = field {
        *field = time.field;
    }
    used += time.used;
    bytes[1] = used as u8;
    out.extend_from_slice(&bytes[..HEAD + used]);
}

/// As [`append_sample`], with the fields in the other order, which readers have to take as well: what
/// stands before the value is then that of the target's series before, in one piece.
#[inline]
pub fn append_sample_time_first(out: &mut Vec<u8>, value: f64, time: &SampleTime) {
    let has_value = value.to_bits() != 0;
    let length = time.used + if has_value { 1 + size_of::<f64>() } else { 0 };
    out.extend_from_slice(&[TAG_2_BYTES, length as u8]);
    out.extend_from_slice(&time.field[..time.used]);
    if has_value {
        out.push(TAG_1_DOUBLE);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

/// Appends a native histogram to the open series; this version sends no start timestamp.
pub fn append_histogram(out: &mut Vec<u8>, sample: &HistogramSample<'_>) {
    let sample = HistogramSample {
        start_ms: 0,
        ..*sample
    };
    native_histogram::append(out, TAG_4_BYTES, &sample);
}

/// Appends an exemplar to the open series; `scrape_ms` is its time if it has none of its own.
pub fn append_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar, scrape_ms: i64) {
    let message = open(out, TAG_3_BYTES);
    for (name, value) in exemplar.labels.iter() {
        append_label(out, name, value);
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

/// Appends an entry of `metadata`.
pub fn append_metadata(out: &mut Vec<u8>, family: &Family) {
    let message = open(out, TAG_3_BYTES);
    let kind = family.kind() as u8;
    if kind != 0 {
        out.extend_from_slice(&[TAG_1_VARINT, kind]);
    }
    append_text(out, TAG_2_BYTES, family.name());
    append_text(out, TAG_4_BYTES, family.help());
    append_text(out, TAG_5_BYTES, family.unit());
    close(out, &message);
}

/// A label that all series of a target share, as a finished `TimeSeries.labels` field.
#[derive(Debug)]
struct SharedLabel {
    name: Box<str>,
    /// Where its field ends in [`SharedLabels::fields`]; it begins where the one before ends.
    end: u32,
    /// The target has it (and not only the external labels).
    of_target: bool,
    /// The external label of the same name, if the target's hides one.
    hidden_external: Option<Box<str>>,
}

/// The labels that every series of a target gets: the target's over the external ones, encoded
/// once.
#[derive(Debug, Default)]
pub struct SharedLabels {
    labels: Box<[SharedLabel]>,
    fields: Box<[u8]>,
    /// All names, each behind its length.
    names: Box<[u8]>,
}

impl SharedLabels {
    /// Merges both sets; the target's value wins.
    #[must_use]
    pub fn new(target: &Labels, external: &Labels) -> SharedLabels {
        let (mut fields, mut all_names) = (Vec::new(), Vec::new());
        let both = target.iter().chain(external.iter());
        let names: std::collections::BTreeSet<&str> = both.map(|(name, _)| name).collect();
        let label = |name: &str| {
            let (own, outer) = (target.get(name), external.get(name));
            varint::write(&mut all_names, name.len() as u64);
            all_names.extend_from_slice(name.as_bytes());
            append_label(&mut fields, name, own.or(outer).unwrap_or_default());
            SharedLabel {
                name: name.into(),
                end: u32::try_from(fields.len()).unwrap_or(u32::MAX),
                of_target: own.is_some(),
                hidden_external: own.and(outer).map(Into::into),
            }
        };
        SharedLabels {
            labels: names.into_iter().map(label).collect(),
            fields: fields.into(),
            names: all_names.into(),
        }
    }

    /// Whether the other's labels have the same names.
    #[inline]
    #[must_use]
    pub fn has_names_of(&self, other: &SharedLabels) -> bool {
        std::ptr::eq(self, other) || self.names == other.names
    }

    /// The finished fields of some labels, which stand together.
    #[inline]
    fn fields(&self, labels: std::ops::Range<usize>) -> &[u8] {
        &self.fields[self.start(labels.start)..self.start(labels.end)]
    }

    /// Size of all fields in bytes.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.fields.len()
    }

    #[inline]
    fn start(&self, index: usize) -> usize {
        index
            .checked_sub(1)
            .map_or(0, |before| self.labels[before].end as usize)
    }

    /// What the shared label at `index` becomes for a series that has a label of the same name
    /// with an empty value: the target's goes, the external one stays or returns.
    fn append_uncovered(&self, out: &mut Vec<u8>, index: usize) {
        let label = &self.labels[index];
        if let Some(value) = &label.hidden_external {
            append_label(out, &label.name, value);
        } else if !label.of_target {
            out.extend_from_slice(&self.fields[self.start(index)..label.end as usize]);
        }
    }
}

/// A name or value as a series chunk stores it: length and text together, and the text alone.
struct Stored<'a> {
    with_length: &'a [u8],
    text: &'a [u8],
}

#[inline]
fn stored<'a>(rest: &mut &'a [u8]) -> Option<Stored<'a>> {
    let (length, used) = match rest.first() {
        Some(byte) if *byte < 0x80 => (u64::from(*byte), 1),
        _ => varint::read(rest)?,
    };
    let end = used.checked_add(usize::try_from(length).ok()?)?;
    let with_length = rest.get(..end)?;
    *rest = &rest[end..];
    Some(Stored {
        with_length,
        text: &with_length[used..],
    })
}

/// Appends the labels of a series: `own` as [`crate::model::series::SeriesChunk::encoded`] gives
/// them, laid over the shared ones. Own labels win; an empty own value removes a target's label
/// (an external label of that name then shows).
pub fn append_labels(out: &mut Vec<u8>, mut own: Encoded<'_>, shared: &SharedLabels) {
    let mut next = 0;
    let mut copied = 0;
    loop {
        let piece = own.piece();
        let (Some(name), Some(value)) = (stored(piece), stored(piece)) else {
            break;
        };
        while let Some(label) = shared.labels.get(next)
            && label.name.as_bytes() < name.text
        {
            next += 1;
        }
        let upto = shared.start(next);
        out.extend_from_slice(&shared.fields[copied..upto]);
        copied = upto;
        if let Some(label) = shared.labels.get(next)
            && label.name.as_bytes() == name.text
        {
            if value.text.is_empty() {
                shared.append_uncovered(out, next);
            }
            copied = label.end as usize;
            next += 1;
        }
        if !value.text.is_empty() {
            append_stored(out, &name, &value);
        }
    }
    out.extend_from_slice(&shared.fields[copied..]);
}

#[inline]
fn append_stored(out: &mut Vec<u8>, name: &Stored<'_>, value: &Stored<'_>) {
    let length = 2 + name.with_length.len() + value.with_length.len();
    out.push(TAG_1_BYTES);
    varint::write(out, length as u64);
    out.push(TAG_1_BYTES);
    out.extend_from_slice(name.with_length);
    out.push(TAG_2_BYTES);
    out.extend_from_slice(value.with_length);
}
