//! `/api/v1/status/self_metrics`: our own metrics as JSON, in the form that the metric families of
//! Prometheus's protobuf format have there: whole numbers of counts as text, names of types in
//! capitals.

use serde::{Serialize, Serializer};

use crate::http::server::request::RequestHead;
use crate::http::server::response::Response;
use crate::relabel::regex;
use crate::telemetry::registry::{Histogram, Metric, MetricFamily, MetricLabels, Summary};

use super::{Site, json};

#[derive(Serialize)]
struct Family<'a> {
    name: &'a str,
    help: &'a str,
    #[serde(rename = "type")]
    kind: &'static str,
    metric: Vec<MetricObject<'a>>,
}

#[derive(Serialize)]
struct MetricObject<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    label: Vec<Label<'a>>,
    #[serde(flatten)]
    value: Value,
}

#[derive(Serialize)]
struct Label<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Value {
    Gauge {
        value: Number,
    },
    Counter {
        value: Number,
    },
    #[serde(rename_all = "camelCase")]
    Summary {
        sample_count: String,
        sample_sum: Number,
        quantile: Vec<Quantile>,
    },
    #[serde(rename_all = "camelCase")]
    Histogram {
        sample_count: String,
        sample_sum: Number,
        bucket: Vec<Bucket>,
    },
}

#[derive(Serialize)]
struct Quantile {
    quantile: Number,
    value: Number,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Bucket {
    cumulative_count: String,
    upper_bound: Number,
}

/// A float; what JSON has no number for is a text.
struct Number(f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            value if value.is_finite() => serializer.serialize_f64(value),
            value if value.is_nan() => serializer.serialize_str("NaN"),
            value if value > 0.0 => serializer.serialize_str("Infinity"),
            _ => serializer.serialize_str("-Infinity"),
        }
    }
}

pub(super) fn self_metrics(site: &Site, head: &RequestHead) -> Response {
    let pattern = head.parameter("metric_name_pattern");
    let pattern = pattern.filter(|text| !text.is_empty());
    let pattern = match pattern.as_deref().map(regex::compile).transpose() {
        Ok(pattern) => pattern,
        Err(error) => return json::bad_data(&format!("invalid metric_name_pattern: {error}")),
    };
    let families = site.registry.snapshot();
    let wanted = families.iter().filter(|(name, _)| {
        let pattern = pattern.as_ref();
        pattern.is_none_or(|pattern| pattern.is_match(name))
    });
    let shown: Vec<_> = wanted.filter_map(|(name, own)| family(name, own)).collect();
    json::success(site, shown)
}

fn family<'a>(name: &'a str, family: &'a MetricFamily) -> Option<Family<'a>> {
    let kind = match family.metrics.values().next()? {
        Metric::Counter(_) => "COUNTER",
        Metric::Gauge(_) => "GAUGE",
        Metric::Histogram(_) => "HISTOGRAM",
        Metric::Summary(_) => "SUMMARY",
    };
    let metrics = family.metrics.iter();
    let metric = |(labels, metric): (&'a MetricLabels, &Metric)| MetricObject {
        label: labels
            .iter()
            .map(|(name, value)| Label { name, value })
            .collect(),
        value: value(metric),
    };
    Some(Family {
        name,
        help: family.help,
        kind,
        metric: metrics.map(metric).collect(),
    })
}

fn value(metric: &Metric) -> Value {
    match metric {
        Metric::Counter(counter) => Value::Counter {
            value: Number(counter.get()),
        },
        Metric::Gauge(gauge) => Value::Gauge {
            value: Number(gauge.get()),
        },
        Metric::Histogram(histogram) => of_histogram(histogram),
        Metric::Summary(summary) => of_summary(summary),
    }
}

fn of_histogram(histogram: &Histogram) -> Value {
    let buckets = histogram.cumulative();
    let count = buckets.last().map_or(0, |(_, count)| *count);
    let bucket = |(bound, count): (f64, u64)| Bucket {
        cumulative_count: count.to_string(),
        upper_bound: Number(bound),
    };
    Value::Histogram {
        sample_count: count.to_string(),
        sample_sum: Number(histogram.sum()),
        bucket: buckets.into_iter().map(bucket).collect(),
    }
}

fn of_summary(summary: &Summary) -> Value {
    let quantile = |(quantile, value): (f64, f64)| Quantile {
        quantile: Number(quantile),
        value: Number(value),
    };
    Value::Summary {
        sample_count: summary.count().to_string(),
        sample_sum: Number(summary.sum()),
        quantile: summary.quantiles().into_iter().map(quantile).collect(),
    }
}
