//! Sizes in bytes as Prometheus writes them: `10MB`, `1.5GiB`, powers of two throughout.

/// Parses a size: a number and a unit (B, KB, KiB, MB, ... EB); the unit is mandatory and always
/// counts in powers of two. A bare `0` is accepted, as Prometheus does.
///
/// # Errors
/// Prometheus's wording, `units: ...`.
pub fn parse(text: &str) -> Result<u64, String> {
    if text == "0" {
        return Ok(0);
    }
    let split = text
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    if number.is_empty() {
        return Err(format!("units: invalid {text}"));
    }
    let number: f64 = number
        .parse()
        .map_err(|_| format!("units: invalid {text}"))?;
    let factor = factor(unit).ok_or_else(|| format!("units: unknown unit {unit} in {text}"))?;
    let bytes = number * factor as f64;
    if bytes >= i64::MAX as f64 {
        return Err(format!("units: size out of range in {text}"));
    }
    Ok(bytes as u64)
}

fn factor(unit: &str) -> Option<u64> {
    if unit == "B" {
        return Some(1);
    }
    let prefix = unit.strip_suffix("iB").or_else(|| unit.strip_suffix('B'))?;
    let power = ["K", "M", "G", "T", "P", "E"]
        .iter()
        .position(|own| *own == prefix)?;
    Some(1 << (10 * (power + 1)))
}

/// The size as Prometheus prints it: the largest unit that divides it, `0` for zero.
#[must_use]
pub fn format(bytes: u64) -> String {
    if bytes == 0 {
        return "0".to_owned();
    }
    let mut value = bytes;
    let mut unit = 0;
    while value.is_multiple_of(1024) && unit < 6 {
        value /= 1024;
        unit += 1;
    }
    format!("{value}{}", ["B", "KB", "MB", "GB", "TB", "PB", "EB"][unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_count_in_powers_of_two() {
        for (text, bytes) in [("10MB", 10 << 20), ("1.5KiB", 1536), ("7B", 7), ("0", 0)] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        assert_eq!(format(10 << 20), "10MB");
        assert_eq!(format(1500), "1500B");
    }

    #[test]
    fn a_missing_unit_is_refused_in_prometheus_words() {
        assert_eq!(parse("100"), Err("units: unknown unit  in 100".to_owned()));
        assert_eq!(parse("MB"), Err("units: invalid MB".to_owned()));
        assert_eq!(
            parse("1XB"),
            Err("units: unknown unit XB in 1XB".to_owned())
        );
    }
}
