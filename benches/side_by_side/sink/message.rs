//! The samples of a remote write request, read without narthex's own decoder, so that both cannot
//! be wrong in the same way.
//!
//! Walks the fields of `prometheus.WriteRequest` (1.0) and `io.prometheus.write.v2.Request` (2.0)
//! where they lie. A series is known by a hash of its labels.

use foldhash::fast::FixedState;
use std::hash::{BuildHasher, Hash, Hasher};

/// One sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    /// Hash of the labels.
    pub(crate) series: u64,
    /// Milliseconds since 1970.
    pub(crate) timestamp_ms: i64,
    /// The value's bits.
    pub(crate) bits: u64,
}

/// Which message a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// `prometheus.WriteRequest`.
    V1,
    /// `io.prometheus.write.v2.Request`.
    V2,
}

/// The body is no message of that version.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// A field's content.
enum Field<'a> {
    Varint(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// Takes a varint off the front.
fn varint(rest: &mut &[u8]) -> Result<u64, Malformed> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, tail) = rest.split_first().ok_or(Malformed)?;
        *rest = tail;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed)
}

fn bytes<'a>(rest: &mut &'a [u8], length: u64) -> Result<&'a [u8], Malformed> {
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    let (taken, tail) = rest.split_at_checked(length).ok_or(Malformed)?;
    *rest = tail;
    Ok(taken)
}

/// Calls `each` with the number and content of every field.
fn fields<'a>(
    mut rest: &'a [u8],
    mut each: impl FnMut(u64, Field<'a>) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    while !rest.is_empty() {
        let tag = varint(&mut rest)?;
        let field = match tag & 7 {
            0 => Field::Varint(varint(&mut rest)?),
            1 => {
                let fixed = bytes(&mut rest, 8)?.try_into().map_err(|_| Malformed)?;
                Field::Fixed(u64::from_le_bytes(fixed))
            }
            2 => {
                let length = varint(&mut rest)?;
                Field::Bytes(bytes(&mut rest, length)?)
            }
            _ => return Err(Malformed),
        };
        each(tag >> 3, field)?;
    }
    Ok(())
}

/// Appends all samples of a message.
///
/// # Errors
/// When it is not one.
pub(crate) fn samples(
    version: Version,
    body: &[u8],
    out: &mut Vec<Sample>,
) -> Result<(), Malformed> {
    let mut symbols: Vec<&[u8]> = Vec::new();
    if version == Version::V2 {
        fields(body, |number, field| {
            if let (4, Field::Bytes(symbol)) = (number, field) {
                symbols.push(symbol);
            }
            Ok(())
        })?;
    }
    let entry = match version {
        Version::V1 => 1,
        Version::V2 => 5,
    };
    fields(body, |number, field| match field {
        Field::Bytes(series) if number == entry => one_series(version, &symbols, series, out),
        _ => Ok(()),
    })
}

/// Labels come before samples in no certain order, so samples get their series at the end.
fn one_series(
    version: Version,
    symbols: &[&[u8]],
    series: &[u8],
    out: &mut Vec<Sample>,
) -> Result<(), Malformed> {
    let first = out.len();
    let mut hasher = FixedState::default().build_hasher();
    fields(series, |number, field| {
        match (number, field) {
            (1, Field::Bytes(label)) if version == Version::V1 => label.hash(&mut hasher),
            (1, Field::Bytes(mut refs)) => {
                while !refs.is_empty() {
                    let at = varint(&mut refs)? as usize;
                    symbols.get(at).ok_or(Malformed)?.hash(&mut hasher);
                }
            }
            (2, Field::Bytes(sample)) => out.push(one_sample(sample)?),
            _ => {}
        }
        Ok(())
    })?;
    let hash = hasher.finish();
    for sample in &mut out[first..] {
        sample.series = hash;
    }
    Ok(())
}

fn one_sample(message: &[u8]) -> Result<Sample, Malformed> {
    let mut sample = Sample {
        series: 0,
        timestamp_ms: 0,
        bits: 0,
    };
    fields(message, |number, field| {
        match (number, field) {
            (1, Field::Fixed(bits)) => sample.bits = bits,
            (2, Field::Varint(time)) => sample.timestamp_ms = time as i64,
            _ => {}
        }
        Ok(())
    })?;
    Ok(sample)
}
