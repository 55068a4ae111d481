//! Numbers as Go reads them: decimal floats, infinities and NaN by name, and nothing that came
//! after Go 1.12 (no hexadecimal floats, no underscores), as Prometheus insists.

use super::words;
use crate::model::value;

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberError {
    /// Holds `p`, `P` or `_`.
    Unsupported,
    /// Is none.
    Syntax,
    /// Is too large.
    Range,
}

impl NumberError {
    /// Prometheus's words for `quoted`, read by Go's `strconv.{function}`.
    pub(super) fn words(self, function: &str, quoted: &str) -> String {
        let reason = match self {
            NumberError::Unsupported => return "unsupported character in float".to_owned(),
            NumberError::Syntax => "invalid syntax",
            NumberError::Range => "value out of range",
        };
        format!("strconv.{function}: parsing {quoted}: {reason}")
    }
}

/// Reads the decimal at the start of `text` if it begins with a digit, a minus sign before it or not, and
/// is finite; and its length. None says nothing about the text.
pub(super) fn plain_decimal(text: &[u8]) -> Option<(f64, usize)> {
    let magnitude = text.strip_prefix(b"-").unwrap_or(text);
    if !magnitude.first()?.is_ascii_digit() {
        return None;
    }
    let found: (f64, usize) = fast_float2::parse_partial(text).ok()?;
    found.0.is_finite().then_some(found)
}

/// The end of the number at `at` if it is of the commonest kind (digits, perhaps a fraction, perhaps an
/// exponent of two digits) and so short that it is finite for certain. None says nothing about it.
pub(super) fn plain_finite(text: &[u8], at: usize) -> Option<usize> {
    let mut end = words::digits(text, at);
    if end == at {
        return None;
    }
    if text.get(end) == Some(&b'.') {
        end = words::digits(text, end + 1);
    }
    let is_short = end - at < 100;
    if let Some(b'e' | b'E') = text.get(end) {
        let [_, b'+' | b'-', b'0'..=b'9', b'0'..=b'9'] = text.get(end..)?.first_chunk()? else {
            return None;
        };
        end += 4;
    }
    is_short.then_some(end)
}

/// Reads the integer of one to seven digits at the start of `text`, if a newline follows it, and its
/// length: what most rows end with. All eight bytes are looked at together; that there are so many
/// holds everywhere but at the end of a page.
#[inline(always)]
pub(super) fn short_integer_line(text: &[u8]) -> Option<(f64, usize)> {
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let word = u64::from_le_bytes(*text.first_chunk()?);
    let digits = word ^ u64::from_ne_bytes([b'0'; 8]);
    // A byte above 9 gets its high bit. Carries spoil bytes behind the first one only.
    let others = (digits.wrapping_add(u64::from_ne_bytes([0x80 - 10; 8])) | digits) & HIGH;
    let bits = others.trailing_zeros() & !7;
    if bits == 0 || bits == u64::BITS || (word >> bits) as u8 != b'\n' {
        return None;
    }
    // Zeros in front.
    let value = words::joined(digits << (u64::BITS - bits));
    Some((exact(value), (bits / 8) as usize))
}

/// An integer below 2^52 as a float. The instruction that converts one waits for what its register held
/// before, which was the value of the row before.
#[inline(always)]
fn exact(value: u64) -> f64 {
    const TWO_TO_52: u64 = 0x4330_0000_0000_0000;
    f64::from_bits(TWO_TO_52 | value) - f64::from_bits(TWO_TO_52)
}

/// Reads the whole of `text` as a float; every NaN becomes the canonical one.
///
/// # Errors
/// See [`NumberError`].
pub(super) fn float(text: &[u8]) -> Result<f64, NumberError> {
    if let Some((value, length)) = plain_decimal(text)
        && length == text.len()
    {
        return Ok(value);
    }
    if text.iter().any(|byte| matches!(byte, b'p' | b'P' | b'_')) {
        return Err(NumberError::Unsupported);
    }
    decimal_or_name(text)
}

/// As [`float`], with whatever characters the text holds.
pub(super) fn decimal_or_name(text: &[u8]) -> Result<f64, NumberError> {
    let (negative, magnitude) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if magnitude.eq_ignore_ascii_case(b"inf") || magnitude.eq_ignore_ascii_case(b"infinity") {
        return Ok(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        });
    }
    // A NaN has no sign.
    if text.eq_ignore_ascii_case(b"nan") {
        return Ok(value::NAN);
    }
    // No second sign, and no further names for infinity.
    if !matches!(magnitude.first(), Some(b'0'..=b'9' | b'.')) {
        return Err(NumberError::Syntax);
    }
    let parsed = fast_float2::parse_partial(magnitude);
    let (value, length): (f64, usize) = parsed.map_err(|_| NumberError::Syntax)?;
    if length < magnitude.len() {
        return Err(NumberError::Syntax);
    }
    if value.is_infinite() {
        return Err(NumberError::Range);
    }
    Ok(if negative { -value } else { value })
}

/// Reads digits as a count of milliseconds.
///
/// # Errors
/// [`NumberError::Range`] above 63 bits.
pub(super) fn millis(digits: &[u8]) -> Result<i64, NumberError> {
    digits.iter().try_fold(0i64, |value, byte| {
        let digit = i64::from(byte.wrapping_sub(b'0'));
        let shifted = value.checked_mul(10).ok_or(NumberError::Range)?;
        shifted.checked_add(digit).ok_or(NumberError::Range)
    })
}

/// Seconds as whole milliseconds, cut off; what no integer holds becomes the lowest one, as on
/// Prometheus's most usual processor.
pub(super) fn seconds_to_millis(seconds: f64) -> i64 {
    let millis = seconds * 1000.0;
    if millis >= -(2f64.powi(63)) && millis < 2f64.powi(63) {
        millis as i64
    } else {
        i64::MIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn short_integers_end_with_their_line() {
        for (text, expected) in [
            (&b"0\nabcdefg"[..], Some((0.0, 1))),
            (b"7\n8\n9\n10\n", Some((7.0, 1))),
            (b"0012345\n", Some((12345.0, 7))),
            (b"9999999\n", Some((9_999_999.0, 7))),
            (b"12345678\n", None),
            (b"1 1\nabcdef", None),
            (b"1.5\nabcdef", None),
            (b"-1\nabcdefg", None),
            (b"\n1\nabcdefg", None),
            (b"1\n", None),
            (b"\xb1\nabcdefg", None),
            (b"1\xff\n\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(short_integer_line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn what_go_does_not_read_is_no_number() {
        for text in [
            "",
            ".",
            "-",
            "+",
            "--1",
            "-+1",
            "+-1",
            "1e",
            "1e+",
            "1.e",
            "e5",
            "1.2.3",
            "1 ",
            " 1",
            "1,5",
            "in",
            "infi",
            "infinityy",
            "nanx",
            "0x10",
            "1f",
            "١",
            "1e5.",
            "..5",
            "-.",
        ] {
            assert_eq!(float(text.as_bytes()), Err(NumberError::Syntax), "{text:?}");
        }
        for text in ["1_0", "0x1p3", "1P", "_"] {
            assert_eq!(
                float(text.as_bytes()),
                Err(NumberError::Unsupported),
                "{text:?}"
            );
        }
        for (text, expected) in [
            (".5", 0.5),
            ("5.", 5.0),
            ("+1e2", 100.0),
            ("-.5e-1", -0.05),
            ("1E+02", 100.0),
            ("-0", -0.0),
            ("+Inf", f64::INFINITY),
            ("-infinity", f64::NEG_INFINITY),
            ("1e-400", 0.0),
        ] {
            assert_eq!(
                float(text.as_bytes()).map(f64::to_bits),
                Ok(expected.to_bits()),
                "{text:?}"
            );
        }
        assert_eq!(float(b"1e400"), Err(NumberError::Range));
        assert_eq!(float(b"-1e400"), Err(NumberError::Range));
    }

    proptest! {
        #[test]
        fn short_integers_are_what_other_readers_make_of_them(
            text in "[0-9]{0,9}[\\n .e:/]?[0-9\\n]{0,3}", behind in prop::collection::vec(any::<u8>(), 0..9)) {
            let mut text = text.into_bytes();
            text.extend(behind);
            if let Some((value, length)) = short_integer_line(&text) {
                prop_assert_eq!(plain_decimal(&text), Some((value, length)));
                prop_assert_eq!(text[length], b'\n');
            } else {
                let short = text.iter().position(|byte| *byte == b'\n').unwrap_or(8);
                let plain = text[..short.min(text.len())].iter().all(u8::is_ascii_digit);
                prop_assert!(!plain || short == 0 || short > 7 || text.len() < 8);
            }
        }
    }
}
