//! Shorthand for the tests of this room.

use std::sync::Arc;
use std::time::Duration;

use crate::config::http_client::HttpClientConfig;
use crate::config::scrape::{EscapingScheme, ScrapeConfig, ScrapeLimits, ScrapeProtocol};
use crate::model::block::ScrapeBlock;
use crate::model::labels::Labels;
use crate::model::target_group::{LabelMap, TargetGroup};
use crate::model::value::{is_absent, is_stale};
use crate::relabel::rule::NameScheme;

/// A job with Prometheus's defaults, an interval of 15 s and a timeout of 10 s.
pub(crate) fn job(name: &str) -> ScrapeConfig {
    ScrapeConfig {
        job_name: name.to_owned(),
        scrape_interval: Duration::from_secs(15),
        scrape_timeout: Duration::from_secs(10),
        scrape_protocols: vec![ScrapeProtocol::PrometheusText0_0_4],
        fallback_scrape_protocol: None,
        scrape_native_histograms: false,
        always_scrape_classic_histograms: false,
        convert_classic_histograms_to_nhcb: false,
        native_histogram_bucket_limit: 0,
        native_histogram_min_bucket_factor: 0.0,
        start_timestamps: false,
        start_zeros: false,
        name_scheme: NameScheme::Utf8,
        escaping: EscapingScheme::AllowUtf8,
        extra_scrape_metrics: false,
        honor_labels: false,
        honor_timestamps: true,
        track_timestamps_staleness: false,
        metrics_path: "/metrics".to_owned(),
        scheme: "http".to_owned(),
        params: Vec::new(),
        enable_compression: None,
        limits: ScrapeLimits::default(),
        scrape_failure_log_file: None,
        relabel_configs: Vec::new(),
        metric_relabel_configs: Vec::new(),
        http_client: HttpClientConfig::default(),
        discovery: [].into(),
    }
}

/// Labels from pairs.
pub(crate) fn labels(pairs: &[(&str, &str)]) -> LabelMap {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// A group of targets by address.
pub(crate) fn group(source: &str, addresses: &[&str]) -> Arc<TargetGroup> {
    let targets = addresses
        .iter()
        .map(|address| labels(&[("__address__", address)]))
        .collect();
    Arc::new(TargetGroup {
        source: source.to_owned(),
        labels: LabelMap::new(),
        targets,
    })
}

/// A block as sorted lines; report series are left out, markers shown as `stale`.
pub(crate) fn lines(blocks: &[ScrapeBlock]) -> Vec<String> {
    let mut lines = Vec::new();
    for block in blocks {
        for (slot, (chunk, index)) in block.series.iter().enumerate() {
            let labels = Labels::from_pairs(block.series.labels(chunk, index));
            let name = labels.get("__name__").unwrap_or_default();
            if is_absent(block.values[slot]) || name.starts_with("scrape_") {
                continue;
            }
            let value = block.values[slot];
            let value = if is_stale(value) {
                "stale".to_owned()
            } else {
                value.to_string()
            };
            let side = block.side.as_ref().and_then(|side| {
                side.timestamps
                    .iter()
                    .find(|(own, _)| *own as usize == slot)
            });
            let at = side.map_or(String::new(), |(_, at)| format!(" @{at}"));
            let extra = labels
                .iter()
                .filter(|(name, _)| !matches!(*name, "job" | "instance"));
            lines.push(format!("{} {value}{at}", Labels::from_pairs(extra)));
        }
    }
    lines.sort();
    lines
}
