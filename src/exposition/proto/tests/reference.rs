//! The samples of a page, taken from the messages in the plainest way.

use super::Sample;
use crate::exposition::normalize::open_metrics_float;
use crate::exposition::proto::testing::{self as pb, MetricFamily};
use crate::exposition::transcode::Histograms;
use crate::model::histogram::ResetHint;
use crate::model::value::canonical;

/// Collects samples.
pub(super) struct Reference {
    pub(super) options: Histograms,
    pub(super) out: Vec<Sample>,
}

impl Reference {
    fn push(&mut self, name: String, own: &pb::Metric, more: Option<(&str, f64)>, value: f64) {
        let pairs = own.label.iter().cloned();
        let mut labels: Vec<_> = pairs.map(|pair| (pair.name, pair.value)).collect();
        labels.push(("__name__".to_owned(), name));
        labels.extend(more.map(|(label, bound)| (label.to_owned(), open_metrics_float(bound))));
        labels.sort_by(|one, two| one.0.cmp(&two.0));
        self.out.push(Sample {
            labels,
            bits: canonical(value).to_bits(),
            timestamp_ms: (own.timestamp_ms != 0).then_some(own.timestamp_ms),
            start_ms: None,
            native: None,
            exemplars: Vec::new(),
        });
    }

    fn extra(&mut self, start: Option<pb::Timestamp>, exemplars: &[&pb::Exemplar], timed: bool) {
        let last = self.out.last_mut().expect("a sample");
        last.start_ms = start.map(millis).filter(|at| *at != 0);
        let own = exemplars
            .iter()
            .map(|own| (own.value.to_bits(), own.timestamp.map(millis)));
        last.exemplars = own.filter(|(_, at)| !timed || at.is_some()).collect();
    }

    pub(super) fn family(&mut self, own: &MetricFamily) {
        for metric in &own.metric {
            let name = own.name.clone();
            match own.r#type {
                pb::COUNTER => {
                    let counter = metric.counter.clone().unwrap_or_default();
                    self.push(name, metric, None, counter.value);
                    let exemplars: Vec<_> = counter.exemplar.iter().collect();
                    self.extra(counter.start_timestamp, &exemplars, false);
                }
                pb::GAUGE => {
                    let value = metric.gauge.unwrap_or_default().value;
                    self.push(name, metric, None, value);
                }
                pb::UNTYPED => {
                    let value = metric.untyped.unwrap_or_default().value;
                    self.push(name, metric, None, value);
                }
                pb::SUMMARY => self.summary(&name, metric),
                kind => self.histogram(name, metric, kind == pb::GAUGE_HISTOGRAM),
            }
        }
    }

    fn summary(&mut self, name: &str, metric: &pb::Metric) {
        let own = metric.summary.clone().unwrap_or_default();
        let start = own.start_timestamp;
        self.push(
            format!("{name}_count"),
            metric,
            None,
            own.sample_count as f64,
        );
        self.extra(start, &[], false);
        self.push(format!("{name}_sum"), metric, None, own.sample_sum);
        self.extra(start, &[], false);
        for part in own.quantile {
            let more = Some(("quantile", part.quantile));
            self.push(name.to_owned(), metric, more, part.value);
            self.extra(start, &[], false);
        }
    }

    fn histogram(&mut self, name: String, metric: &pb::Metric, is_gauge: bool) {
        let own = metric.histogram.clone().unwrap_or_default();
        let start = own.start_timestamp;
        let has_native = !own.positive_span.is_empty()
            || !own.negative_span.is_empty()
            || own.zero_threshold > 0.0
            || own.zero_count > 0;
        let count = match own.sample_count_float {
            0.0 => own.sample_count as f64,
            count => count,
        };
        let native = self.options.native && has_native;
        let hint = if is_gauge {
            ResetHint::Gauge
        } else {
            ResetHint::Unknown
        };
        if native {
            self.push(name.clone(), metric, None, own.sample_sum);
            let from_buckets = own
                .bucket
                .iter()
                .filter_map(|bucket| bucket.exemplar.as_ref());
            let exemplars: Vec<_> = match own.exemplars.as_slice() {
                [] => from_buckets.collect(),
                own => own.iter().collect(),
            };
            self.extra(start, &exemplars, true);
            let is_float = own.sample_count_float > 0.0 || own.zero_count_float > 0.0;
            let total = if is_float {
                own.sample_count_float
            } else {
                own.sample_count as f64
            };
            self.out.last_mut().expect("a sample").native = Some((total, hint));
        }
        let keep = self.options.always_classic;
        if (native && keep && !own.bucket.is_empty())
            || (!native && (keep || !self.options.to_custom))
        {
            self.classic(&name, metric, &own, count);
        }
        if !native && self.options.to_custom {
            self.push(name, metric, None, own.sample_sum);
            self.extra(start, &[], true);
            self.out.last_mut().expect("a sample").native = Some((count, hint));
        }
    }

    fn classic(&mut self, name: &str, metric: &pb::Metric, own: &pb::Histogram, count: f64) {
        let start = own.start_timestamp;
        self.push(format!("{name}_count"), metric, None, count);
        self.extra(start, &[], false);
        self.push(format!("{name}_sum"), metric, None, own.sample_sum);
        self.extra(start, &[], false);
        let mut buckets = own.bucket.clone();
        if buckets
            .iter()
            .all(|bucket| bucket.upper_bound != f64::INFINITY)
        {
            buckets.push(pb::Bucket {
                cumulative_count_float: count,
                upper_bound: f64::INFINITY,
                ..pb::Bucket::default()
            });
        }
        for bucket in buckets {
            let value = match bucket.cumulative_count_float {
                0.0 => bucket.cumulative_count as f64,
                value => value,
            };
            let more = Some(("le", bucket.upper_bound));
            self.push(format!("{name}_bucket"), metric, more, value);
            self.extra(start, &bucket.exemplar.iter().collect::<Vec<_>>(), false);
            if bucket.upper_bound == f64::INFINITY {
                break;
            }
        }
    }
}

fn millis(at: pb::Timestamp) -> i64 {
    at.seconds * 1000 + i64::from(at.nanos) / 1_000_000
}
