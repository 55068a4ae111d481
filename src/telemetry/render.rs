//! The registry as the text that Prometheus scrapes.
//!
//! Two formats: the text format 0.0.4 and OpenMetrics 1.0.0, chosen by the `Accept` header as
//! Prometheus's own client library chooses. Metric names and label names are ours and valid;
//! label values and help texts may hold anything and are escaped. No time stamps, no exemplars.

use std::fmt::Write;

use crate::model::float;

use super::registry::{Metric, MetricFamily, MetricLabels, Registry};

/// A format to render.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text format 0.0.4.
    Text,
    /// OpenMetrics 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What the client prefers: OpenMetrics when its `Accept` header names it with at least the
    /// weight of everything else we have, the text format otherwise.
    #[must_use]
    pub fn negotiate(accept: &str) -> Format {
        let mut best = (0.0, Format::Text);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let format = match parts.next() {
                Some("application/openmetrics-text") => Format::OpenMetrics,
                Some("text/plain" | "text/*" | "*/*") => Format::Text,
                _ => continue,
            };
            let weight = parts
                .find_map(|part| part.strip_prefix("q="))
                .map_or(1.0, |weight| weight.parse().unwrap_or(0.0));
            if weight > best.0 {
                best = (weight, format);
            }
        }
        best.1
    }

    /// The `Content-Type` of the format.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Format::Text => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Renders every metric of the registry.
#[must_use]
pub fn render(registry: &Registry, format: Format) -> String {
    let mut page = Page {
        text: String::new(),
        format,
    };
    for (name, family) in registry.snapshot() {
        page.family(name, &family);
    }
    if format == Format::OpenMetrics {
        page.text.push_str("# EOF\n");
    }
    page.text
}

struct Page {
    text: String,
    format: Format,
}

impl Page {
    fn family(&mut self, name: &str, family: &MetricFamily) {
        let Some(first) = family.metrics.values().next() else {
            return;
        };
        let kind = match first {
            Metric::Counter(_) => "counter",
            Metric::Gauge(_) => "gauge",
            Metric::Histogram(_) => "histogram",
            Metric::Summary(_) => "summary",
        };
        let shown = self.family_name(name, first);
        self.text.push_str("# HELP ");
        self.text.push_str(shown);
        self.text.push(' ');
        escape(
            &mut self.text,
            family.help,
            self.format == Format::OpenMetrics,
        );
        self.line(format_args!("\n# TYPE {shown} {kind}"));
        for (labels, metric) in &family.metrics {
            self.metric(name, labels, metric);
        }
    }

    /// OpenMetrics names a counter's family without the `_total` of its samples.
    fn family_name<'a>(&self, name: &'a str, metric: &Metric) -> &'a str {
        match (self.format, metric) {
            (Format::OpenMetrics, Metric::Counter(_)) => {
                name.strip_suffix("_total").unwrap_or(name)
            }
            _ => name,
        }
    }

    fn metric(&mut self, name: &str, labels: &MetricLabels, metric: &Metric) {
        match metric {
            Metric::Counter(counter) => {
                let suffix = if self.format == Format::OpenMetrics && !name.ends_with("_total") {
                    "_total"
                } else {
                    ""
                };
                self.sample((name, suffix), labels, None, counter.get());
            }
            Metric::Gauge(gauge) => self.sample((name, ""), labels, None, gauge.get()),
            Metric::Histogram(histogram) => {
                let buckets = histogram.cumulative();
                for (bound, count) in &buckets {
                    let extra = Some(("le", *bound));
                    self.sample((name, "_bucket"), labels, extra, *count as f64);
                }
                let count = buckets.last().map_or(0, |(_, count)| *count);
                self.sample((name, "_sum"), labels, None, histogram.sum());
                self.sample((name, "_count"), labels, None, count as f64);
            }
            Metric::Summary(summary) => {
                for (quantile, value) in summary.quantiles() {
                    self.sample((name, ""), labels, Some(("quantile", quantile)), value);
                }
                self.sample((name, "_sum"), labels, None, summary.sum());
                self.sample((name, "_count"), labels, None, summary.count() as f64);
            }
        }
    }

    fn sample(
        &mut self,
        (name, suffix): (&str, &str),
        labels: &MetricLabels,
        number: Option<(&str, f64)>,
        value: f64,
    ) {
        self.text.push_str(name);
        self.text.push_str(suffix);
        let mut separator = '{';
        for (label, value) in labels {
            self.text.push(separator);
            separator = ',';
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape(&mut self.text, value, true);
            self.text.push('"');
        }
        if let Some((label, value)) = number {
            self.text.push(separator);
            separator = ',';
            self.text.push_str(label);
            self.text.push_str("=\"");
            write_number(&mut self.text, value, self.format);
            self.text.push('"');
        }
        if separator == ',' {
            self.text.push('}');
        }
        self.text.push(' ');
        float::write_go(&mut self.text, value);
        self.text.push('\n');
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _infallible = self.text.write_fmt(line);
        self.text.push('\n');
    }
}

fn escape(text: &mut String, value: &str, quotes: bool) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

/// A bucket's bound or a quantile; OpenMetrics wants a decimal point in every number.
fn write_number(text: &mut String, value: f64, format: Format) {
    let start = text.len();
    float::write_go(text, value);
    let number = &text[start..];
    if format == Format::OpenMetrics && value.is_finite() && !number.contains(['.', 'e']) {
        text.push_str(".0");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        let registry = Registry::default();
        let help = "Requests, by \"code\" and \\.";
        registry
            .counter("x_requests_total", help, &[("path", "/a\"b\\c\nd")])
            .add(1_234_567.0);
        registry.gauge("x_ready", "Ready.", &[]).set(1.0);
        registry
            .histogram("x_seconds", "Time.", &[("handler", "/")], &[0.1, 2.0])
            .observe(0.5);
        registry
            .summary("x_took_seconds", "Took.", &[("job", "j")], &[0.5, 1.0])
            .observe(0.25);
        registry
    }

    #[test]
    fn the_text_format_is_that_of_prometheus() {
        let expected = r#"# HELP x_ready Ready.
# TYPE x_ready gauge
x_ready 1
# HELP x_requests_total Requests, by "code" and \\.
# TYPE x_requests_total counter
x_requests_total{path="/a\"b\\c\nd"} 1.234567e+06
# HELP x_seconds Time.
# TYPE x_seconds histogram
x_seconds_bucket{handler="/",le="0.1"} 0
x_seconds_bucket{handler="/",le="2"} 1
x_seconds_bucket{handler="/",le="+Inf"} 1
x_seconds_sum{handler="/"} 0.5
x_seconds_count{handler="/"} 1
# HELP x_took_seconds Took.
# TYPE x_took_seconds summary
x_took_seconds{job="j",quantile="0.5"} 0.25
x_took_seconds{job="j",quantile="1"} 0.25
x_took_seconds_sum{job="j"} 0.25
x_took_seconds_count{job="j"} 1
"#;
        assert_eq!(render(&registry(), Format::Text), expected);
    }

    #[test]
    fn openmetrics_differs_in_names_bounds_and_the_end() {
        let page = render(&registry(), Format::OpenMetrics);
        assert!(page.contains("# TYPE x_requests counter\nx_requests_total{"));
        assert!(page.contains(r#"# HELP x_requests Requests, by \"code\" and \\."#));
        assert!(page.contains("quantile=\"1.0\""));
        assert!(page.contains("le=\"2.0\"") && page.contains("le=\"+Inf\""));
        assert!(page.ends_with("# EOF\n"));
    }

    #[test]
    fn the_accept_header_of_prometheus_is_understood() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.8,\
                          text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(Format::negotiate(prometheus), Format::OpenMetrics);
        for accept in ["", "*/*", "text/html", "application/openmetrics-text;q=0"] {
            assert_eq!(Format::negotiate(accept), Format::Text, "{accept}");
        }
    }
}
