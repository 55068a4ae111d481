//! Bucket bounds and quantiles in the one spelling of OpenMetrics, whatever the target writes,
//! so that `le="1"` and `le="1.0"` are one series.

use super::number;
use crate::model::float;
use crate::model::metadata::MetricType;

/// The value that the label `name` gets in a page whose last `# TYPE` said `kind`; None if it
/// stays as it is. Only `le` of histograms and `quantile` of summaries are rewritten, and only
/// where they are numbers.
#[must_use]
pub fn label_value(kind: MetricType, name: &str, value: &str) -> Option<String> {
    let bound = match kind {
        MetricType::Histogram => "le",
        MetricType::Summary => "quantile",
        _ => return None,
    };
    if name != bound || is_normal(value.as_bytes()) {
        return None;
    }
    let normal = open_metrics_float(number::decimal_or_name(value.as_bytes()).ok()?);
    (normal != value).then_some(normal)
}

/// Most digits that a double always keeps apart, so that a text of so many is its shortest.
const DIGITS_MAX: usize = 15;

/// Whether a bound is certainly as [`open_metrics_float`] would write it: what exporters show
/// mostly is, and need not be read as a number to be told so.
fn is_normal(value: &[u8]) -> bool {
    if value == b"+Inf" {
        return true;
    }
    let Some(point) = value.iter().position(|byte| *byte == b'.') else {
        return false;
    };
    let (whole, fraction) = (&value[..point], &value[point + 1..]);
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    // Go writes an exponent from a million on, and below a ten thousandth.
    if !digits(whole) || !digits(fraction) || whole.len() > 6 || value.len() > DIGITS_MAX {
        return false;
    }
    match (whole, fraction) {
        (_, b"0") => whole == b"0" || whole[0] != b'0',
        (b"0", _) => fraction.last() != Some(&b'0') && !fraction.starts_with(b"0000"),
        _ => fraction.last() != Some(&b'0') && whole[0] != b'0',
    }
}

/// A float as OpenMetrics wants it: like Go's, but never looking like an integer.
#[must_use]
pub fn open_metrics_float(value: f64) -> String {
    // There is no negative zero in labels.
    let value = if value == 0.0 { 0.0 } else { value };
    let mut text = float::format_go(value);
    if value.is_finite() && !text.contains(['e', '.']) {
        text.push_str(".0");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_looks_normal_is(text in "[0-9]{0,7}\\.?[0-9]{0,12}") {
            if is_normal(text.as_bytes()) {
                let value = number::decimal_or_name(text.as_bytes()).expect("a number");
                prop_assert_eq!(open_metrics_float(value), text);
            }
        }

        #[test]
        fn usual_bounds_look_normal(whole in 1..1_000_000u32, thousandths in 1..1000u32) {
            let value = f64::from(whole) + f64::from(thousandths) / 1000.0;
            prop_assert!(is_normal(open_metrics_float(value).as_bytes()));
            prop_assert!(is_normal(open_metrics_float(f64::from(whole)).as_bytes()));
            let small = f64::from(thousandths) / 1000.0;
            prop_assert!(is_normal(open_metrics_float(small).as_bytes()));
        }
    }

    #[test]
    fn bounds_and_quantiles_look_like_floats() {
        for (written, expected) in [
            ("1", Some("1.0")),
            ("1.0", None),
            ("-0", Some("0.0")),
            ("0.50", Some("0.5")),
            ("+Inf", None),
            ("inf", Some("+Inf")),
            ("1000000", Some("1e+06")),
            ("1e+06", None),
            (".25", Some("0.25")),
            ("nan", Some("NaN")),
            ("high", None),
            ("1e999", None),
            ("", None),
        ] {
            let normal = label_value(MetricType::Histogram, "le", written);
            assert_eq!(normal.as_deref(), expected, "{written}");
        }
    }

    #[test]
    fn only_the_label_of_the_type_is_rewritten() {
        assert_eq!(label_value(MetricType::Summary, "le", "1"), None);
        assert_eq!(
            label_value(MetricType::Summary, "quantile", "1").as_deref(),
            Some("1.0")
        );
        assert_eq!(label_value(MetricType::GaugeHistogram, "le", "1"), None);
        assert_eq!(label_value(MetricType::Unknown, "quantile", "1"), None);
    }
}
