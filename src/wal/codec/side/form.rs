//! The form of a histogram, everything but its numbers, as the difference from another one
//! (`docs/log-format.md`, 5.5).

use crate::bytes::cursor::{Cursor, put_zigzag};
use crate::bytes::varint;
use crate::model::histogram::{Buckets, Counts, NativeHistogram, ResetHint, Span};

const FLOAT: u64 = 1;
const HINT_SHIFT: u32 = 1;
const HINT: u64 = 3;
const VERBATIM: u64 = 1 << 3;
const SCHEMA: u64 = 1 << 4;
const POSITIVE: u64 = 1 << 5;
const NEGATIVE: u64 = 1 << 6;
const CUSTOM: u64 = 1 << 7;

/// A histogram of nothing: what the first form of a key block differs from.
pub(super) fn nothing() -> NativeHistogram {
    NativeHistogram {
        reset_hint: ResetHint::Unknown,
        schema: 0,
        zero_threshold: 0.0,
        counts: Counts::Integer(Buckets::default()),
        positive_spans: Box::default(),
        negative_spans: Box::default(),
        custom_values: Box::default(),
    }
}

/// A histogram of the same form without counts.
pub(super) fn shell(own: &NativeHistogram) -> NativeHistogram {
    NativeHistogram {
        counts: empty(is_float(own)),
        positive_spans: own.positive_spans.clone(),
        negative_spans: own.negative_spans.clone(),
        custom_values: own.custom_values.clone(),
        ..*own
    }
}

fn empty(float: bool) -> Counts {
    if float {
        Counts::Float(Buckets::default())
    } else {
        Counts::Integer(Buckets::default())
    }
}

fn is_float(own: &NativeHistogram) -> bool {
    matches!(own.counts, Counts::Float(_))
}

/// Whether both hold the same numbers, bit by bit.
pub(super) fn same_bits(one: &[f64], two: &[f64]) -> bool {
    let bits = |own: &f64| own.to_bits();
    one.iter().map(bits).eq(two.iter().map(bits))
}

fn same_scale(one: &NativeHistogram, two: &NativeHistogram) -> bool {
    one.schema == two.schema && one.zero_threshold.to_bits() == two.zero_threshold.to_bits()
}

/// Whether both have the same form.
pub(super) fn is_same(one: &NativeHistogram, two: &NativeHistogram) -> bool {
    is_float(one) == is_float(two)
        && one.reset_hint == two.reset_hint
        && same_scale(one, two)
        && one.positive_spans == two.positive_spans
        && one.negative_spans == two.negative_spans
        && same_bits(&one.custom_values, &two.custom_values)
}

/// Spans and bounds: what takes memory beside the numbers.
pub(super) fn parts(own: &NativeHistogram) -> usize {
    own.positive_spans.len() + own.negative_spans.len() + own.custom_values.len()
}

/// Appends the form as it differs from another; with a sum, its numbers too, as they are.
pub(super) fn put(
    out: &mut Vec<u8>,
    own: &NativeHistogram,
    other: &NativeHistogram,
    verbatim: Option<f64>,
) {
    let flag = |on: bool, flag: u64| if on { flag } else { 0 };
    let flags = flag(is_float(own), FLOAT)
        | (own.reset_hint as u64) << HINT_SHIFT
        | flag(verbatim.is_some(), VERBATIM)
        | flag(!same_scale(own, other), SCHEMA)
        | flag(own.positive_spans != other.positive_spans, POSITIVE)
        | flag(own.negative_spans != other.negative_spans, NEGATIVE)
        | flag(!same_bits(&own.custom_values, &other.custom_values), CUSTOM);
    varint::write(out, flags);
    if flags & SCHEMA != 0 {
        put_zigzag(out, own.schema.into());
        put_float(out, own.zero_threshold);
    }
    if flags & POSITIVE != 0 {
        put_spans(out, &own.positive_spans, &other.positive_spans);
    }
    if flags & NEGATIVE != 0 {
        put_spans(out, &own.negative_spans, &other.negative_spans);
    }
    if flags & CUSTOM != 0 {
        put_all(out, &own.custom_values, |out, bound| put_float(out, *bound));
    }
    if let Some(sum) = verbatim {
        put_float(out, sum);
        put_counts(out, &own.counts);
    }
}

fn put_float(out: &mut Vec<u8>, value: f64) {
    out.extend_from_slice(&value.to_bits().to_le_bytes());
}

fn take_float(cursor: &mut Cursor<'_>) -> Option<f64> {
    cursor.u64().map(f64::from_bits)
}

fn take_delta(cursor: &mut Cursor<'_>) -> Option<i64> {
    cursor.zigzag()
}

fn put_all<T>(out: &mut Vec<u8>, all: &[T], put: impl Fn(&mut Vec<u8>, &T)) {
    varint::write(out, all.len() as u64);
    for one in all {
        put(out, one);
    }
}

/// The count of what follows bounds it: each takes a byte at least.
fn take_all<T>(
    cursor: &mut Cursor<'_>,
    take: impl Fn(&mut Cursor<'_>) -> Option<T>,
) -> Option<Box<[T]>> {
    let count = cursor.count(cursor.rest().len())?;
    (0..count).map(|_| take(cursor)).collect()
}

/// Appends how many spans at the front and at the end are those of `other`, and those between.
fn put_spans(out: &mut Vec<u8>, own: &[Span], other: &[Span]) {
    let pairs = own.iter().zip(other);
    let front = pairs.take_while(|(one, two)| one == two).count();
    let (own, other) = (&own[front..], &other[front..]);
    let pairs = own.iter().rev().zip(other.iter().rev());
    let back = pairs.take_while(|(one, two)| one == two).count();
    varint::write(out, front as u64);
    varint::write(out, back as u64);
    put_all(out, &own[..own.len() - back], |out, span| {
        put_zigzag(out, span.offset.into());
        varint::write(out, span.length.into());
    });
}

fn take_spans(cursor: &mut Cursor<'_>, other: &[Span]) -> Option<Box<[Span]>> {
    let front = cursor.count(other.len())?;
    let back = cursor.count(other.len() - front)?;
    let between = take_all(cursor, |cursor| {
        Some(Span {
            offset: i32::try_from(cursor.zigzag()?).ok()?,
            length: cursor.varint_u32()?,
        })
    })?;
    let ends = (&other[..front], &other[other.len() - back..]);
    Some([ends.0, &between, ends.1].concat().into())
}

fn put_counts(out: &mut Vec<u8>, counts: &Counts) {
    match counts {
        Counts::Integer(own) => {
            varint::write(out, own.count);
            varint::write(out, own.zero);
            for deltas in [&own.positive, &own.negative] {
                put_all(out, deltas, |out, delta| put_zigzag(out, *delta));
            }
        }
        Counts::Float(own) => {
            put_float(out, own.count);
            put_float(out, own.zero);
            for counts in [&own.positive, &own.negative] {
                put_all(out, counts, |out, count| put_float(out, *count));
            }
        }
    }
}

fn take_counts(cursor: &mut Cursor<'_>, float: bool) -> Option<Counts> {
    Some(if float {
        Counts::Float(Buckets {
            count: take_float(cursor)?,
            zero: take_float(cursor)?,
            positive: take_all(cursor, take_float)?,
            negative: take_all(cursor, take_float)?,
        })
    } else {
        Counts::Integer(Buckets {
            count: cursor.varint()?,
            zero: cursor.varint()?,
            positive: take_all(cursor, take_delta)?,
            negative: take_all(cursor, take_delta)?,
        })
    })
}

/// Reads what [`put`] appends: the histogram, with counts if a sum is there too. None as well if
/// what the form takes from `other` has more than `most` parts.
pub(super) fn take(
    cursor: &mut Cursor<'_>,
    other: &NativeHistogram,
    most: usize,
) -> Option<(NativeHistogram, Option<f64>)> {
    if parts(other) > most {
        return None;
    }
    let flags = cursor.varint()?;
    let float = flags & FLOAT != 0;
    let mut own = NativeHistogram {
        counts: empty(float),
        reset_hint: ResetHint::from_number(flags >> HINT_SHIFT & HINT)?,
        ..shell(other)
    };
    if flags & SCHEMA != 0 {
        own.schema = i8::try_from(cursor.zigzag()?).ok()?;
        own.zero_threshold = take_float(cursor)?;
    }
    if flags & POSITIVE != 0 {
        own.positive_spans = take_spans(cursor, &other.positive_spans)?;
    }
    if flags & NEGATIVE != 0 {
        own.negative_spans = take_spans(cursor, &other.negative_spans)?;
    }
    if flags & CUSTOM != 0 {
        own.custom_values = take_all(cursor, take_float)?;
    }
    if flags & VERBATIM == 0 {
        return Some((own, None));
    }
    let sum = take_float(cursor)?;
    own.counts = take_counts(cursor, float)?;
    Some((own, Some(sum)))
}
