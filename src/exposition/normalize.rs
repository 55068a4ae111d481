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
    if name != bound {
        return None;
    }
    let normal = open_metrics_float(number::decimal_or_name(value.as_bytes()).ok()?);
    (normal != value).then_some(normal)
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
