//! The log's own metrics; names as Prometheus has them where it has one.

use std::sync::Arc;

use crate::telemetry::registry::{Counter, Gauge, Registry, Summary};

/// Quantiles of durations, Prometheus's own.
const DURATION_QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

/// The segment that a queue has come to.
const QUEUE_SEGMENT: &str = "prometheus_wal_watcher_current_segment";

/// Counters and gauges of the log.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Float samples taken.
    pub samples: Arc<Counter>,
    /// Native histograms taken.
    pub histograms: Arc<Counter>,
    /// Exemplars taken.
    pub exemplars: Arc<Counter>,
    /// Series with a sample in the last block of their target.
    pub active_series: Arc<Gauge>,
    /// Ends of series that the log still has blocks of.
    pub deleted_series: Arc<Gauge>,
    /// Damaged places found.
    pub corruptions: Arc<Counter>,
    /// Number of the segment being written.
    pub segment: Arc<Gauge>,
    /// Bytes of all segments.
    pub bytes: Arc<Gauge>,
    /// Bytes on the stage.
    pub staged_bytes: Arc<Gauge>,
    /// What the disk refused.
    pub failures: FailureMetrics,
    /// Durations of syncs.
    pub sync_seconds: Arc<Summary>,
    /// The deleting of segments.
    pub truncation: TruncationMetrics,
    /// How long the log took to open.
    pub replay_seconds: Arc<Gauge>,
    /// Frames written.
    pub frames: Arc<Counter>,
    /// Bytes written.
    pub written_bytes: Arc<Counter>,
    /// Samples that no segment has, because writing failed for too long.
    pub unlogged: Arc<Counter>,
    /// Blocks that no frame can hold.
    pub too_large: Arc<Counter>,
    /// Records of unknown kind that were skipped.
    pub unknown_records: Arc<Counter>,
}

/// What is counted of a disk that refuses.
#[derive(Debug)]
pub struct FailureMetrics {
    /// Writes and syncs that failed.
    pub writes: Arc<Counter>,
    /// 1 while nothing can be written.
    pub failing: Arc<Gauge>,
    /// Times that positions could not be stored.
    pub positions: Arc<Counter>,
}

impl FailureMetrics {
    fn new(registry: &Registry) -> FailureMetrics {
        let counter = |name, help| registry.counter(name, help, &[]);
        FailureMetrics {
            writes: counter(
                "prometheus_tsdb_wal_writes_failed_total",
                "Total number of log writes and syncs that failed",
            ),
            failing: registry.gauge(
                "narthex_log_failing",
                "1 while the log cannot be written and samples are delivered from memory",
                &[],
            ),
            positions: counter(
                "narthex_log_position_failures_total",
                "Total number of times that the positions of queues could not be stored",
            ),
        }
    }
}

/// What is counted of the deleting of segments.
#[derive(Debug)]
pub struct TruncationMetrics {
    /// Rounds.
    pub rounds: Arc<Counter>,
    /// Rounds that the disk ended early.
    pub failed: Arc<Counter>,
    /// Durations of rounds.
    pub seconds: Arc<Summary>,
}

impl TruncationMetrics {
    fn new(registry: &Registry) -> TruncationMetrics {
        let counter = |name, help| registry.counter(name, help, &[]);
        TruncationMetrics {
            rounds: counter(
                "prometheus_tsdb_wal_truncations_total",
                "Total number of times that segments were deleted",
            ),
            failed: counter(
                "prometheus_tsdb_wal_truncations_failed_total",
                "Total number of times that segments could not be deleted",
            ),
            seconds: registry.summary(
                "prometheus_agent_truncate_duration_seconds",
                "Duration of deleting segments",
                &[],
                &[],
            ),
        }
    }
}

fn samples_of(registry: &Registry, kind: &str) -> Arc<Counter> {
    registry.counter(
        "prometheus_agent_samples_appended_total",
        "Total number of samples appended to the storage",
        &[("type", kind)],
    )
}

impl Metrics {
    /// Registers everything.
    #[must_use]
    pub fn new(registry: &Registry) -> Metrics {
        let counter = |name, help| registry.counter(name, help, &[]);
        let gauge = |name, help| registry.gauge(name, help, &[]);
        Metrics {
            samples: samples_of(registry, "float"),
            histograms: samples_of(registry, "histogram"),
            exemplars: counter(
                "prometheus_agent_exemplars_appended_total",
                "Total number of exemplars appended to the storage",
            ),
            active_series: gauge(
                "prometheus_agent_active_series",
                "Number of series with a sample in the last scrape of their target",
            ),
            deleted_series: gauge(
                "prometheus_agent_deleted_series",
                "Number of ends of series that the log still holds samples of",
            ),
            corruptions: counter(
                "prometheus_agent_corruptions_total",
                "Total number of damaged places found in the log",
            ),
            segment: gauge(
                "prometheus_tsdb_wal_segment_current",
                "Number of the segment that the log is writing to",
            ),
            staged_bytes: gauge(
                "narthex_log_staged_bytes",
                "Bytes of frames in memory that outlive the process and are not on disk yet",
            ),
            bytes: gauge(
                "prometheus_tsdb_wal_storage_size_bytes",
                "Size of the log on disk",
            ),
            failures: FailureMetrics::new(registry),
            sync_seconds: registry.summary(
                "prometheus_tsdb_wal_fsync_duration_seconds",
                "Duration of log syncs",
                &[],
                &DURATION_QUANTILES,
            ),
            truncation: TruncationMetrics::new(registry),
            replay_seconds: gauge(
                "prometheus_agent_data_replay_duration_seconds",
                "Time that opening the log took at the start",
            ),
            frames: counter("narthex_log_frames_total", "Total number of frames written"),
            written_bytes: counter(
                "narthex_log_written_bytes_total",
                "Total number of bytes written to segments",
            ),
            unlogged: counter(
                "narthex_log_unlogged_samples_total",
                "Samples that were never on disk because writing failed for too long",
            ),
            too_large: counter(
                "narthex_log_too_large_total",
                "Scrapes that were delivered from memory only, being too large for the log",
            ),
            unknown_records: counter(
                "narthex_log_unknown_records_total",
                "Records of unknown kind that were skipped",
            ),
            registry: registry.clone(),
        }
    }

    /// Shows the segment that a queue has come to, or takes it off the page.
    pub fn queue_segment(&self, queue: &str, segment: Option<u64>) {
        let labels = [("consumer", queue)];
        if let Some(number) = segment {
            let help = "Number of the segment that the queue has come to";
            let gauge = self.registry.gauge(QUEUE_SEGMENT, help, &labels);
            gauge.set(number as f64);
        } else {
            self.registry.remove(QUEUE_SEGMENT, &labels);
        }
    }

    /// Samples that a queue lost for a reason, `budget` or `damage`. What damage cost is an
    /// estimate: nobody can count what cannot be read.
    #[must_use]
    pub fn lost(&self, queue: &str, reason: &'static str) -> Arc<Counter> {
        self.registry.counter(
            "narthex_log_lost_samples_total",
            "Samples that left the log before the queue had settled them",
            &[("queue", queue), ("reason", reason)],
        )
    }
}
