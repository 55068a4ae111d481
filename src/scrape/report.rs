//! The synthetic series of a target: `up` and its companions.
//!
//! They carry the target's labels only; no metric relabelling and no limit applies to them.

use std::sync::Arc;
use std::time::Duration;

use super::samples::Counts;
use crate::model::labels::METRIC_NAME;
use crate::model::metadata::{Family, MetricType};
use crate::model::series::{ChunkBuilder, SeriesChunk};

/// The series that every target has, in slot order.
const NAMES: [&str; 5] = [
    "up",
    "scrape_duration_seconds",
    "scrape_samples_scraped",
    "scrape_samples_post_metric_relabeling",
    "scrape_series_added",
];

/// Those that `extra_scrape_metrics` adds behind them.
const EXTRA_NAMES: [&str; 3] = [
    "scrape_timeout_seconds",
    "scrape_sample_limit",
    "scrape_body_size_bytes",
];

/// The two chunks of report series, shared by all targets.
#[derive(Clone, Debug)]
pub struct ReportSeries {
    plain: Arc<SeriesChunk>,
    extra: Arc<SeriesChunk>,
}

impl Default for ReportSeries {
    fn default() -> Self {
        // One family for all, so that they share a chunk: what remote write 2.0 says of them.
        let family = Arc::new(Family::new(
            "scrape",
            MetricType::Gauge,
            "What the agent says of the scrape.",
            "",
        ));
        let chunk = |names: &[&str]| {
            let mut builder = ChunkBuilder::default();
            for name in names {
                builder.push([(METRIC_NAME, *name)]);
            }
            Arc::new(builder.finish(Some(Arc::clone(&family))))
        };
        let extra: Vec<&str> = NAMES.into_iter().chain(EXTRA_NAMES).collect();
        ReportSeries {
            plain: chunk(&NAMES),
            extra: chunk(&extra),
        }
    }
}

impl ReportSeries {
    /// The chunk of a target.
    #[must_use]
    pub fn chunk(&self, extra: bool) -> &Arc<SeriesChunk> {
        if extra { &self.extra } else { &self.plain }
    }
}

/// What the report says of one scrape.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    /// Whether the scrape succeeded.
    pub up: bool,
    /// From its start to its end.
    pub duration: Duration,
    /// What the page brought.
    pub counts: Counts,
    /// Time it was given.
    pub timeout: Duration,
    /// The job's `sample_limit`, zero for none.
    pub sample_limit: u64,
    /// Decoded size of the page; none when it was over the limit.
    pub body_bytes: Option<u64>,
}

impl Report {
    /// Appends the values in the slot order of [`ReportSeries::chunk`].
    pub fn push_values(&self, extra: bool, values: &mut Vec<f64>) {
        values.extend([
            f64::from(u8::from(self.up)),
            self.duration.as_secs_f64(),
            self.counts.scraped as f64,
            self.counts.post_relabel as f64,
            self.counts.series_added as f64,
        ]);
        if extra {
            let body = self.body_bytes.map_or(-1.0, |bytes| bytes as f64);
            values.extend([self.timeout.as_secs_f64(), self.sample_limit as f64, body]);
        }
    }
}
