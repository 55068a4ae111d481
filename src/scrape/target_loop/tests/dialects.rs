//! The same content in text and in protobuf gives the same samples.

use proptest::prelude::*;

use super::histograms::{CUSTOM, histograms};
use super::*;
use crate::exposition::proto_messages::{self as pb, MetricFamily, family};
use crate::exposition::protocol::Dialect;
use crate::exposition::transcode::Histograms;

/// The text page of the same content.
fn as_text(families: &[MetricFamily]) -> String {
    let mut page = String::new();
    for family in families {
        let kind = if family.r#type == pb::SUMMARY {
            "summary"
        } else {
            "histogram"
        };
        page.push_str(&format!(
            "# HELP {0} About {0}.\n# TYPE {0} {kind}\n",
            family.name
        ));
        for metric in &family.metric {
            let label = &metric.label[0];
            let labels = format!("{}=\"{}\"", label.name, label.value);
            let mut row = |suffix: &str, more: &str, value: f64| {
                page.push_str(&format!(
                    "{}{suffix}{{{labels}{more}}} {value}\n",
                    family.name
                ));
            };
            if let Some(own) = &metric.summary {
                for part in &own.quantile {
                    row("", &format!(",quantile=\"{}\"", part.quantile), part.value);
                }
                row("_sum", "", own.sample_sum);
                row("_count", "", own.sample_count as f64);
            }
            if let Some(own) = &metric.histogram {
                for bucket in &own.bucket {
                    let more = format!(",le=\"{}\"", bucket.upper_bound);
                    row("_bucket", &more, bucket.cumulative_count as f64);
                }
                row("_bucket", ",le=\"+Inf\"", own.sample_count as f64);
                row("_sum", "", own.sample_sum);
                row("_count", "", own.sample_count as f64);
            }
        }
    }
    page
}

fn classic_metric() -> impl Strategy<Value = (bool, pb::Metric)> {
    let parts = prop::collection::vec((0u64..9, -4i32..9), 0..4);
    ("[a-z]{1,4}", any::<bool>(), parts, -5i32..50).prop_map(|(value, is_summary, parts, sum)| {
        let label = pb::LabelPair {
            name: "l".to_owned(),
            value,
        };
        let sample_sum = f64::from(sum) / 8.0;
        let mut own = pb::Metric {
            label: vec![label],
            ..pb::Metric::default()
        };
        let sample_count = parts.iter().map(|(count, _)| count).sum();
        if is_summary {
            let quantile = parts
                .iter()
                .enumerate()
                .map(|(at, (_, value))| pb::Quantile {
                    quantile: at as f64 / 10.0,
                    value: f64::from(*value),
                });
            own.summary = Some(pb::Summary {
                sample_count,
                sample_sum,
                quantile: quantile.collect(),
                start_timestamp: None,
            });
            return (true, own);
        }
        let mut total = 0;
        let bucket = parts.iter().enumerate().map(|(at, (count, _))| {
            total += count;
            pb::Bucket {
                cumulative_count: total,
                upper_bound: at as f64 * 5.0,
                ..pb::Bucket::default()
            }
        });
        own.histogram = Some(pb::Histogram {
            bucket: bucket.collect(),
            sample_count,
            sample_sum,
            ..pb::Histogram::default()
        });
        (false, own)
    })
}

proptest! {
    #[test]
    fn both_dialects_give_the_same_samples(
        metrics in prop::collection::vec(classic_metric(), 0..6),
        custom: bool,
    ) {
        let of = |wanted: bool| -> Vec<_> {
            let mut seen = std::collections::BTreeSet::new();
            metrics
                .iter()
                .filter(|(is_summary, _)| *is_summary == wanted)
                .map(|(_, metric)| metric.clone())
                .filter(|metric| seen.insert(metric.label[0].value.clone()))
                .collect()
        };
        let families = [
            family("s", pb::SUMMARY, of(true)),
            family("h", pb::HISTOGRAM, of(false)),
        ];
        let options = if custom { CUSTOM } else { Histograms::default() };
        let proto = Harness::new(|_| {}).protobuf(&families, options);
        let page = as_text(&families);
        let text = Harness::new(|_| {}).body(Dialect::Text(Format::Text), page.as_bytes(), options);
        prop_assert_eq!(lines(&proto.blocks), lines(&text.blocks));
        prop_assert_eq!(histograms(&proto), histograms(&text));
        prop_assert_eq!(proto.counts, text.counts);
        // Once more from the cache.
        let mut harness = Harness::new(|_| {});
        harness.protobuf(&families, options);
        let again = harness.protobuf(&families, options);
        prop_assert_eq!(lines(&again.blocks), lines(&text.blocks));
        prop_assert_eq!(histograms(&again), histograms(&text));
    }
}
