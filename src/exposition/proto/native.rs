//! The native half of the message `Histogram`.

use super::wire::{Field, Fields, WireError};
use crate::bytes::varint::unzigzag;
use crate::model::histogram::validate::invalid_schema;
use crate::model::histogram::{Buckets, Counts, NativeHistogram, ResetHint, Span};

/// One side as it stands in the message.
#[derive(Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

/// What the message holds. Fields as in the definition.
#[derive(Default)]
struct Message {
    count: u64,
    count_float: f64,
    zero: u64,
    zero_float: f64,
    zero_threshold: f64,
    schema: i64,
    positive: Side,
    negative: Side,
}

/// Reads the native part of a `Histogram`, without empty buckets. It is one of floats if a count is
/// given as a float.
///
/// # Errors
/// What cannot be read, or in which way spans and buckets disagree.
pub(in crate::exposition) fn decode(
    message: &[u8],
    reset_hint: ResetHint,
) -> Result<NativeHistogram, String> {
    let own = read(message).map_err(|error| error.what.to_owned())?;
    let is_float = own.count_float > 0.0 || own.zero_float > 0.0;
    for (name, side) in [("positive", &own.positive), ("negative", &own.negative)] {
        let have = if is_float {
            side.counts.len()
        } else {
            side.deltas.len()
        };
        let need: u64 = side.spans.iter().map(|span| u64::from(span.length)).sum();
        if need != have as u64 {
            return Err(format!(
                "{name} side: spans require {need} buckets, have {have}"
            ));
        }
    }
    let schema = i8::try_from(own.schema).map_err(|_| invalid_schema(own.schema))?;
    let (positive, negative) = (own.positive, own.negative);
    let counts = if is_float {
        Counts::Float(Buckets {
            count: own.count_float,
            zero: own.zero_float,
            positive: positive.counts.into(),
            negative: negative.counts.into(),
        })
    } else {
        Counts::Integer(Buckets {
            count: own.count,
            zero: own.zero,
            positive: positive.deltas.into(),
            negative: negative.deltas.into(),
        })
    };
    let mut histogram = NativeHistogram {
        reset_hint,
        schema,
        zero_threshold: own.zero_threshold,
        counts,
        positive_spans: positive.spans.into(),
        negative_spans: negative.spans.into(),
        custom_values: [].into(),
    };
    histogram.compact(0);
    Ok(histogram)
}

fn read(message: &[u8]) -> Result<Message, WireError<'_>> {
    let mut fields = Fields::of(message);
    let mut own = Message::default();
    while let Some(field) = fields.next()? {
        match field.number {
            1 => own.count = field.varint()?,
            4 => own.count_float = field.double()?,
            5 => own.schema = unzigzag(field.varint()?),
            6 => own.zero_threshold = field.double()?,
            7 => own.zero = field.varint()?,
            8 => own.zero_float = field.double()?,
            9..=11 => own.negative.take(&field, 9)?,
            12..=14 => own.positive.take(&field, 12)?,
            _ => {}
        }
    }
    Ok(own)
}

impl Side {
    /// Takes one of the three fields of a side, which follow one another from `first` on.
    fn take<'a>(&mut self, field: &Field<'a>, first: u32) -> Result<(), WireError<'a>> {
        match field.number - first {
            0 => self.spans.push(span(field.bytes()?)?),
            1 => field.varints(|delta| self.deltas.push(unzigzag(delta)))?,
            _ => field.doubles(|count| self.counts.push(count))?,
        }
        Ok(())
    }
}

fn span(message: &[u8]) -> Result<Span, WireError<'_>> {
    let mut fields = Fields::of(message);
    let mut own = Span {
        offset: 0,
        length: 0,
    };
    while let Some(field) = fields.next()? {
        match field.number {
            1 => own.offset = unzigzag(field.varint()?) as i32,
            2 => own.length = field.varint()? as u32,
            _ => {}
        }
    }
    Ok(own)
}
