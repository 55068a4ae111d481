//! Durations as Prometheus writes them: `1h30m`, `15s`, `500ms`.

use std::fmt;
use std::time::Duration;

/// Unit, its length in milliseconds. In this order, each at most once.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Why a text is no duration, in Prometheus's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Nothing there.
    #[error("empty duration string")]
    Empty,
    /// Not of the form `1h30m`.
    #[error("not a valid duration string: {0:?}")]
    Invalid(String),
    /// A unit that does not exist.
    #[error("unknown unit {0:?} in duration {1:?}")]
    UnknownUnit(String, String),
    /// Longer than 292 years, what Go's durations hold.
    #[error("duration out of range")]
    OutOfRange,
}

/// Parses a duration: units y w d h m s ms, each at most once and in that order; a bare `0`.
///
/// # Errors
/// A [`DurationError`] with Prometheus's wording.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    match text {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let invalid = || DurationError::Invalid(text.to_owned());
    let mut rest = text;
    let mut units = UNITS.iter();
    let mut millis: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let tail = &rest[digits..];
        let unit = &tail[..tail
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(tail.len())];
        if digits == 0 || unit.is_empty() {
            return Err(invalid());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(DurationError::UnknownUnit(unit.to_owned(), text.to_owned()));
        }
        let (_, length) = units
            .by_ref()
            .find(|(name, _)| *name == unit)
            .ok_or_else(invalid)?;
        let number: u64 = rest[..digits]
            .parse()
            .map_err(|_| DurationError::OutOfRange)?;
        let part = number
            .checked_mul(*length)
            .ok_or(DurationError::OutOfRange)?;
        millis = millis.checked_add(part).ok_or(DurationError::OutOfRange)?;
        rest = &tail[unit.len()..];
    }
    if millis > i64::MAX as u64 / 1_000_000 {
        return Err(DurationError::OutOfRange);
    }
    Ok(Duration::from_millis(millis))
}

/// A duration that prints as Prometheus prints it: years and weeks only when they come out even,
/// `0s` for zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pretty(pub Duration);

impl fmt::Display for Pretty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        if millis == 0 {
            return f.write_str("0s");
        }
        for (name, length) in UNITS {
            let exact = matches!(name, "y" | "w");
            if millis / length > 0 && (!exact || millis % length == 0) {
                write!(f, "{}{name}", millis / length)?;
                millis %= length;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_durations_print_as_prometheus_prints_them() {
        for (text, millis, printed) in [
            ("0", 0, "0s"),
            ("0s", 0, "0s"),
            ("324ms", 324, "324ms"),
            ("90s", 90_000, "1m30s"),
            ("1h30m", 5_400_000, "1h30m"),
            ("4d1h", 349_200_000, "4d1h"),
            ("14d", 1_209_600_000, "2w"),
            ("3w2d1h", 1_990_800_000, "23d1h"),
            ("10y", 315_360_000_000, "10y"),
        ] {
            let duration = parse(text).expect(text);
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(Pretty(duration).to_string(), printed, "{text}");
        }
    }

    #[test]
    fn invalid_durations_are_refused_in_prometheus_words() {
        for text in ["1", "1y1m1d", "-1w", "d", "1s1s", "ms"] {
            let expected = format!("not a valid duration string: {text:?}");
            assert_eq!(parse(text).map_err(|e| e.to_string()), Err(expected));
        }
        assert_eq!(
            parse("5x").map_err(|e| e.to_string()),
            Err("unknown unit \"x\" in duration \"5x\"".to_owned())
        );
        assert_eq!(parse(""), Err(DurationError::Empty));
        assert_eq!(parse("294y"), Err(DurationError::OutOfRange));
        assert_eq!(
            parse("99999999999999999999s"),
            Err(DurationError::OutOfRange)
        );
    }
}
