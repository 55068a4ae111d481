//! A sample as one line of text for people: `name{label="value"} value milliseconds`.
//!
//! In the words of the exposition format, names that only the newer format knows in quotes. The
//! staleness marker is written as `StaleNaN`, which no parser takes for an ordinary value.
//! Control characters are escaped, so that a sample stays one line and leaves a terminal alone.
//! A native histogram stands in braces in the place of the value, in the terms of OpenMetrics 2.0, and
//! a start timestamp behind all as `st@milliseconds`.

mod histogram;

use std::fmt::Write;

pub use self::histogram::write_histogram;
use super::float;
use super::histogram::NativeHistogram;
use super::labels::{METRIC_NAME, is_legacy_label_name, is_legacy_metric_name};
use super::value;

/// A sample beside its labels.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Its value; the sum of a histogram.
    pub value: f64,
    /// What else a histogram is.
    pub histogram: Option<&'a NativeHistogram>,
    /// Its time in milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// Since when it counts, in milliseconds since 1970.
    pub start_ms: Option<i64>,
}

/// Appends a sample without a newline.
pub fn write_sample<'a>(
    out: &mut String,
    labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    sample: Sample<'_>,
) {
    write_series(out, labels);
    out.push(' ');
    match sample.histogram {
        Some(histogram) => write_histogram(out, histogram, sample.value),
        None => write_value(out, sample.value),
    }
    // Writing to a String cannot fail.
    if let Some(timestamp_ms) = sample.timestamp_ms {
        let _infallible = write!(out, " {timestamp_ms}");
    }
    if let Some(start_ms) = sample.start_ms {
        let _infallible = write!(out, " st@{start_ms}");
    }
}

/// Appends a series: its name and its other labels in braces.
fn write_series<'a>(out: &mut String, labels: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
    let name = labels.clone().find(|(name, _)| *name == METRIC_NAME);
    let (_, name) = name.unwrap_or_default();
    let mut separator = '{';
    if is_legacy_metric_name(name) {
        out.push_str(name);
    } else if !name.is_empty() {
        let _infallible = write!(out, "{{{name:?}");
        separator = ',';
    }
    let others = labels.filter(|(name, _)| *name != METRIC_NAME);
    separator = write_pairs(out, others, separator);
    if separator == ',' {
        out.push('}');
    } else if name.is_empty() {
        out.push_str("{}");
    }
}

/// Appends labels in braces, as an exemplar has them.
pub fn write_labels<'a>(out: &mut String, labels: impl Iterator<Item = (&'a str, &'a str)>) {
    match write_pairs(out, labels, '{') {
        '{' => out.push_str("{}"),
        _ => out.push('}'),
    }
}

/// Appends labels, the first behind `separator`; returns what the next would stand behind.
fn write_pairs<'a>(
    out: &mut String,
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    mut separator: char,
) -> char {
    for (name, value) in labels {
        let _infallible = if is_legacy_label_name(name) {
            write!(out, "{separator}{name}={value:?}")
        } else {
            write!(out, "{separator}{name:?}={value:?}")
        };
        separator = ',';
    }
    separator
}

/// Appends a value as Go prints it, or `StaleNaN`.
pub fn write_value(out: &mut String, value: f64) {
    if value::is_stale(value) {
        out.push_str("StaleNaN");
    } else {
        float::write_go(out, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(labels: &[(&str, &str)], value: f64, timestamp_ms: Option<i64>) -> String {
        let mut out = String::new();
        let sample = Sample {
            value,
            histogram: None,
            timestamp_ms,
            start_ms: None,
        };
        write_sample(&mut out, labels.iter().copied(), sample);
        out
    }

    #[test]
    fn a_start_timestamp_stands_last() {
        let sample = Sample {
            value: 2.0,
            histogram: None,
            timestamp_ms: Some(9),
            start_ms: Some(-1),
        };
        let mut out = String::new();
        write_sample(&mut out, [("__name__", "x")].into_iter(), sample);
        assert_eq!(out, "x 2 9 st@-1");
    }

    #[test]
    fn samples_read_like_an_exposition() {
        let up = [("__name__", "up"), ("job", "a\"b\n\u{1b}")];
        assert_eq!(line(&up, 1.5, Some(-7)), r#"up{job="a\"b\n\u{1b}"} 1.5 -7"#);
        assert_eq!(line(&up[..1], value::STALE, None), "up StaleNaN");
        let dotted = [("__name__", "my.metric"), ("a b", "c"), ("l", "v")];
        assert_eq!(
            line(&dotted, value::NAN, Some(0)),
            r#"{"my.metric","a b"="c",l="v"} NaN 0"#
        );
        assert_eq!(line(&dotted[..1], 0.0, None), r#"{"my.metric"} 0"#);
        assert_eq!(line(&[("l", "v")], 0.0, None), r#"{l="v"} 0"#);
        assert_eq!(line(&[], 0.0, None), "{} 0");
        let mut out = String::new();
        write_labels(&mut out, [].into_iter());
        write_labels(&mut out, [("trace", "1")].into_iter());
        assert_eq!(out, r#"{}{trace="1"}"#);
    }
}
