//! Floats as Go prints them by default: `strconv.FormatFloat(value, 'g', -1, 64)`.

use std::fmt::Write;

/// Decimal exponents that are written out; others get an `e`.
const PLAIN_EXPONENTS: std::ops::Range<i32> = -4..6;

/// Appends the shortest text that reads back as `value`: `NaN`, `+Inf`, `-Inf`, `0.25`, `1e+06`.
pub fn write_go(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str("NaN");
        return;
    }
    if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
        return;
    }
    // Rust prints the same shortest digits; only the notation differs.
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let _ = if PLAIN_EXPONENTS.contains(&exponent) {
        write!(out, "{value}")
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write!(out, "{digits}e{sign}{:02}", exponent.unsigned_abs())
    };
}

/// The text that [`write_go`] appends.
#[must_use]
pub fn format_go(value: f64) -> String {
    let mut out = String::new();
    write_go(&mut out, value);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_go_prints_them() {
        // The right-hand sides are output of Go.
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (1_234_567.0, "1.234567e+06"),
            (123_456.789, "123456.789"),
            (21_000_000.0, "2.1e+07"),
            (1e21, "1e+21"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5, "-2.5"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (1_795_319_602.12, "1.79531960212e+09"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(format_go(value), expected);
        }
    }
}
