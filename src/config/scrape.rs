//! A scrape job, with the global defaults folded in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::decode::Cursor;
use super::error::{ConfigError, Problems};
use super::http_client::HttpClientConfig;
use super::yaml::Node;
pub use crate::exposition::protocol::{EscapingScheme, ScrapeProtocol};
use crate::relabel::rule::{NameScheme, Rule};

/// One job of `scrape_configs`.
#[derive(Clone, Debug, PartialEq)]
pub struct ScrapeConfig {
    /// Unique name.
    pub job_name: String,
    /// Time between scrapes.
    pub scrape_interval: Duration,
    /// Time for a whole scrape; at most the interval.
    pub scrape_timeout: Duration,
    /// Formats to ask for, best first. Never empty.
    pub scrape_protocols: Vec<ScrapeProtocol>,
    /// Format to assume when the target names none that we know.
    pub fallback_scrape_protocol: Option<ScrapeProtocol>,
    /// Ask for native histograms.
    pub scrape_native_histograms: bool,
    /// Keep the classic buckets beside a native histogram.
    pub always_scrape_classic_histograms: bool,
    /// Turn classic histograms into native ones with custom buckets.
    pub convert_classic_histograms_to_nhcb: bool,
    /// Most buckets of a native histogram; above it the resolution is lowered. 0 for no limit.
    pub native_histogram_bucket_limit: u64,
    /// Least growth from one bucket of a native histogram to the next. 0 for no limit.
    pub native_histogram_min_bucket_factor: f64,
    /// Keep start timestamps beside samples.
    pub start_timestamps: bool,
    /// Add a sample of zero at a start timestamp.
    pub start_zeros: bool,
    /// Which names are valid.
    pub name_scheme: NameScheme,
    /// How targets are asked to escape names.
    pub escaping: EscapingScheme,
    /// Add `scrape_timeout_seconds`, `scrape_sample_limit`, `scrape_body_size_bytes`.
    pub extra_scrape_metrics: bool,
    /// Scraped labels win over target labels.
    pub honor_labels: bool,
    /// Timestamps of the page are used.
    pub honor_timestamps: bool,
    /// Series with timestamps get staleness markers too.
    pub track_timestamps_staleness: bool,
    /// Path of the page.
    pub metrics_path: String,
    /// `http` or `https`.
    pub scheme: String,
    /// Query parameters, sorted by name.
    pub params: Vec<(String, Vec<String>)>,
    /// Whether compression was asked for: none when the configuration does not say.
    pub enable_compression: Option<bool>,
    /// Bounds on what a target may expose.
    pub limits: ScrapeLimits,
    /// JSON lines of failed scrapes go here.
    pub scrape_failure_log_file: Option<PathBuf>,
    /// Applied to targets.
    pub relabel_configs: Vec<Rule>,
    /// Applied to series.
    pub metric_relabel_configs: Vec<Rule>,
    /// How to reach targets.
    pub http_client: HttpClientConfig,
    /// Where targets come from, by mechanism (`static` last), then in file order.
    ///
    /// Shared: a job may list thousands of targets, and each of them compares versions of it.
    pub discovery: Arc<[DiscoveryConfig]>,
}

impl ScrapeConfig {
    /// Whether pages are asked for start timestamps; without, `_created` lines are series like others.
    #[must_use]
    pub const fn takes_starts(&self) -> bool {
        self.start_timestamps || self.start_zeros
    }

    /// Whether another version of the job yields the same series from the same page (Prometheus keeps
    /// its cache in exactly these cases).
    #[must_use]
    pub fn yields_the_same_series(&self, other: &ScrapeConfig) -> bool {
        let comparable = |config: &ScrapeConfig| ScrapeConfig {
            scrape_interval: Duration::ZERO,
            scrape_timeout: Duration::ZERO,
            limits: ScrapeLimits {
                samples: None,
                ..config.limits
            },
            http_client: HttpClientConfig::default(),
            discovery: [].into(),
            ..config.clone()
        };
        comparable(self) == comparable(other)
    }
}

/// Bounds of a job. Zero means none, except where a field says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ScrapeLimits {
    /// Decoded bytes of a page. None when nothing was written: our own default then holds.
    pub body_size: Option<u64>,
    /// Samples after relabelling. None when nothing was written: our own default then holds.
    pub samples: Option<u64>,
    /// Targets after relabelling.
    pub targets: u64,
    /// Labels of a series.
    pub labels: u64,
    /// Bytes of a label name.
    pub label_name_length: u64,
    /// Bytes of a label value.
    pub label_value_length: u64,
    /// Dropped targets remembered for the status API.
    pub keep_dropped_targets: u64,
}

/// One entry of a discovery section. The mechanism itself reads it further, with [`Fields`].
///
/// Two entries are equal when they say the same, wherever they stand: a comment added above does
/// not make a job a different one.
///
/// [`Fields`]: super::decode::Fields
#[derive(Clone, Debug)]
pub struct DiscoveryConfig {
    /// Mechanism: `static`, `file`, `http`, `dns`, `kubernetes`.
    pub mechanism: String,
    /// The entry as it stands in the file, with positions; relative paths are joined already.
    pub node: Node,
    /// The file that holds it, for errors.
    pub file: Arc<str>,
    /// Keys and indices that lead to it, like `scrape_configs[0].http_sd_configs[1]`.
    pub path: String,
}

impl PartialEq for DiscoveryConfig {
    fn eq(&self, other: &Self) -> bool {
        self.mechanism == other.mechanism && self.node.same_content(&other.node)
    }
}

impl DiscoveryConfig {
    /// Where to begin reading.
    #[must_use]
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor::new(&self.node, self.path.as_str())
    }

    /// The mistakes that a mechanism found, as an error of the file that holds the entry.
    #[must_use]
    pub fn error(&self, problems: Problems) -> ConfigError {
        let file = self.file.as_ref().to_owned();
        ConfigError { file, problems }
    }
}
