//! Values as an integer over a power of ten (`docs/log-format.md`, 5.1).
//!
//! Decimals are what exporters print, so most values are one, and the difference of two such
//! integers is small.

/// Powers of ten that a double holds exactly, or nearest to.
const POWERS: [f64; 19] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18,
];

/// The largest exponent.
pub(super) const EXPONENT_MAX: u8 = POWERS.len() as u8 - 1;

/// Doubles hold every integer up to here.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// `value` times ten to `exponent`, rounded; none if that is no integer that a double holds.
#[inline]
fn scale(value: f64, exponent: u8) -> Option<i64> {
    let scaled = value * POWERS.get(usize::from(exponent))?;
    (scaled.abs() <= INTEGER_MAX).then(|| (scaled + 0.5f64.copysign(scaled)) as i64)
}

#[inline]
fn unscale(integer: i64, exponent: u8) -> Option<u64> {
    let value = integer as f64 / POWERS.get(usize::from(exponent))?;
    Some(value.to_bits())
}

/// The integer that gives back exactly `bits` with this exponent.
#[inline]
fn exact(bits: u64, exponent: u8) -> Option<i64> {
    let integer = scale(f64::from_bits(bits), exponent)?;
    (unscale(integer, exponent) == Some(bits)).then_some(integer)
}

/// The predecessor as an integer with this exponent; zero where it is none.
#[inline]
fn base(before: u64, exponent: u8) -> i64 {
    scale(f64::from_bits(before), exponent).unwrap_or(0)
}

/// How far `bits` is from its predecessor, in units of the exponent; none if it is no such decimal.
#[inline]
pub(super) fn step(bits: u64, before: u64, exponent: u8) -> Option<i64> {
    Some(exact(bits, exponent)? - base(before, exponent))
}

/// The value that is so far from its predecessor: the mirror of [`step`].
#[inline]
pub(super) fn follow(step: i64, before: u64, exponent: u8) -> Option<u64> {
    unscale(base(before, exponent).checked_add(step)?, exponent)
}

/// The smallest exponent that gives back exactly `bits`.
pub(super) fn smallest_exponent(bits: u64) -> Option<u8> {
    for exponent in 0..=EXPONENT_MAX {
        let integer = scale(f64::from_bits(bits), exponent)?;
        if unscale(integer, exponent) == Some(bits) {
            return Some(exponent);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_the_exponent_of_their_last_digit() {
        let cases = [
            (0.0, Some(0)),
            (1200.0, Some(0)),
            (-0.25, Some(2)),
            (1.795317975e9, Some(0)),
            (0.1 + 0.2, None),
            (1e-18, Some(18)),
            (f64::NAN, None),
            (f64::INFINITY, None),
        ];
        for (value, exponent) in cases {
            assert_eq!(smallest_exponent(value.to_bits()), exponent, "{value}");
        }
    }

    #[test]
    fn a_step_leads_back() {
        for (value, before, exponent) in [(12.34, 12.3, 2), (5.0, f64::NAN, 0), (-1.5, 1e300, 1)] {
            let (bits, before) = (f64::to_bits(value), f64::to_bits(before));
            let step = step(bits, before, exponent).expect("a decimal");
            assert_eq!(follow(step, before, exponent), Some(bits));
        }
        assert_eq!(follow(i64::MAX, 1f64.to_bits(), 0), None);
    }
}
