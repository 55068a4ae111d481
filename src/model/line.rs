//! A sample as one line of text for people: `name{label="value"} value milliseconds`.
//!
//! In the words of the exposition format, names that only the newer format knows in quotes. The
//! staleness marker is written as `StaleNaN`, which no parser takes for an ordinary value.
//! Control characters are escaped, so that a sample stays one line and leaves a terminal alone.

use std::fmt::Write;

use super::float;
use super::labels::{METRIC_NAME, is_legacy_label_name, is_legacy_metric_name};
use super::value;

/// Appends a sample without a newline; `timestamp_ms` is in milliseconds since 1970.
pub fn write_sample<'a>(
    out: &mut String,
    labels: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    value: f64,
    timestamp_ms: Option<i64>,
) {
    write_series(out, labels);
    out.push(' ');
    write_value(out, value);
    if let Some(timestamp_ms) = timestamp_ms {
        // Writing to a String cannot fail.
        let _infallible = write!(out, " {timestamp_ms}");
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
        write_sample(&mut out, labels.iter().copied(), value, timestamp_ms);
        out
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
