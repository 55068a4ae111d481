//! One changed value as a token (`docs/log-format.md`, 5.3).
//!
//! Decimals are what exporters print, so most values are an integer over a power of ten, and the
//! difference of two such integers is small. The rest are XORed with their predecessor.

use crate::bytes::cursor::Cursor;
use crate::bytes::varint;
use crate::model::value::{ABSENT_BITS, NAN_BITS, STALE_BITS};

/// The exponent that says "not as a decimal".
pub(super) const RAW: u8 = 31;

/// Classes of values that have no digits worth coding, and their bits.
const SPECIALS: [(u8, u64); 6] = [
    (24, 0x8000_0000_0000_0000), // -0.0
    (25, 0xfff0_0000_0000_0000), // -Inf
    (26, 0x7ff0_0000_0000_0000), // +Inf
    (27, ABSENT_BITS),
    (28, STALE_BITS),
    (29, NAN_BITS),
];

/// Doubles hold every integer up to here.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// Differences from here on take five bytes: another exponent may be worth its two.
const FAR: u64 = 1 << 28;

const POWERS: [f64; 19] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18,
];

/// `value` times ten to `exponent`, rounded; none if it is no integer that a double holds.
fn scale(value: f64, exponent: u8) -> Option<i64> {
    let scaled = value * POWERS.get(usize::from(exponent))?;
    (scaled.abs() <= INTEGER_MAX).then(|| (scaled + 0.5f64.copysign(scaled)) as i64)
}

fn unscale(integer: i64, exponent: u8) -> Option<u64> {
    let value = integer as f64 / POWERS.get(usize::from(exponent))?;
    Some(value.to_bits())
}

/// The integer that gives back exactly `bits` with this exponent.
fn exact(bits: u64, exponent: u8) -> Option<i64> {
    let integer = scale(f64::from_bits(bits), exponent)?;
    (unscale(integer, exponent) == Some(bits)).then_some(integer)
}

/// The smallest exponent that fits, and its integer.
fn find_decimal(bits: u64) -> Option<(u8, i64)> {
    for exponent in 0..POWERS.len() as u8 {
        let integer = scale(f64::from_bits(bits), exponent)?;
        if unscale(integer, exponent) == Some(bits) {
            return Some((exponent, integer));
        }
    }
    None
}

/// The difference of `integer` from the predecessor in the same exponent.
fn difference(integer: i64, before: u64, exponent: u8) -> u64 {
    let base = scale(f64::from_bits(before), exponent).unwrap_or(0);
    varint::zigzag(integer - base)
}

/// Appends the token of a value that differs from `before`; returns the new exponent.
#[inline]
pub(super) fn put(out: &mut Vec<u8>, bits: u64, before: u64, exponent: u8) -> u8 {
    if let Some(integer) = exact(bits, exponent) {
        let difference = difference(integer, before, exponent);
        if difference > 0 && (difference < FAR || exponent == 0) {
            varint::write(out, difference);
            return exponent;
        }
    }
    put_slow(out, bits, before, exponent)
}

fn put_slow(out: &mut Vec<u8>, bits: u64, before: u64, exponent: u8) -> u8 {
    if let Some((class, _)) = SPECIALS.iter().find(|(_, special)| *special == bits) {
        out.extend([0, *class]);
        return exponent;
    }
    let xor = Xor::new(bits, before);
    let xor_bytes = xor.len + if exponent == RAW { 1 } else { 3 };
    // A raw slot leaves that state for whole numbers only: looking for its exponent each time
    // would cost more than it gains. A key block tries again.
    let decimal = if exponent == RAW {
        exact(bits, 0).map(|integer| (0, integer))
    } else {
        find_decimal(bits)
    };
    if let Some((chosen, integer)) = decimal {
        let there = difference(integer, before, chosen);
        let bytes = varint::len(there) + 2;
        if let Some(stay) = exact(bits, exponent).map(|own| difference(own, before, exponent))
            && stay > 0
            && varint::len(stay) <= bytes.min(xor_bytes)
        {
            varint::write(out, stay);
            return exponent;
        }
        if bytes <= xor_bytes {
            out.extend([0, chosen]);
            varint::write(out, there);
            return chosen;
        }
    }
    if exponent != RAW {
        out.extend([0, RAW]);
    }
    xor.put(out);
    RAW
}

/// The bytes in which two patterns differ: `len` bytes from byte `shift` on.
struct Xor {
    bits: u64,
    shift: usize,
    len: usize,
}

impl Xor {
    fn new(bits: u64, before: u64) -> Xor {
        let bits = bits ^ before;
        // Equal patterns get no token; one byte would do for them as well.
        let shift = (bits | 1 << 63).trailing_zeros() as usize / 8;
        let len = 8 - (bits | 1).leading_zeros() as usize / 8 - shift;
        Xor { bits, shift, len }
    }

    fn put(&self, out: &mut Vec<u8>) {
        out.push((self.shift << 4 | self.len) as u8);
        out.extend_from_slice(&self.bits.to_le_bytes()[self.shift..self.shift + self.len]);
    }
}

/// Reads the token of a changed value: its bits and the new exponent.
#[inline]
pub(super) fn take(tokens: &mut Cursor<'_>, before: u64, exponent: u8) -> Option<(u64, u8)> {
    if exponent == RAW {
        return match tokens.u8()? {
            0 => take_class(tokens, before, exponent),
            control => take_xor(tokens, before, control),
        };
    }
    match tokens.varint()? {
        0 => take_class(tokens, before, exponent),
        difference => take_decimal(difference, before, exponent),
    }
}

fn take_class(tokens: &mut Cursor<'_>, before: u64, exponent: u8) -> Option<(u64, u8)> {
    let class = tokens.u8()?;
    if class == RAW {
        let control = tokens.u8()?;
        return take_xor(tokens, before, control);
    }
    if let Some((_, bits)) = SPECIALS.iter().find(|(own, _)| *own == class) {
        return Some((*bits, exponent));
    }
    take_decimal(tokens.varint()?, before, class)
}

fn take_decimal(difference: u64, before: u64, exponent: u8) -> Option<(u64, u8)> {
    let base = scale(f64::from_bits(before), exponent).unwrap_or(0);
    let integer = base.checked_add(varint::unzigzag(difference))?;
    Some((unscale(integer, exponent)?, exponent))
}

fn take_xor(tokens: &mut Cursor<'_>, before: u64, control: u8) -> Option<(u64, u8)> {
    let (shift, len) = (usize::from(control >> 4), usize::from(control & 15));
    if len == 0 || shift + len > 8 {
        return None;
    }
    let mut bytes = [0; 8];
    bytes[shift..shift + len].copy_from_slice(tokens.bytes(len)?);
    Some((before ^ u64::from_le_bytes(bytes), RAW))
}
