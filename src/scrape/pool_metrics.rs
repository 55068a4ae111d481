//! Metrics of one scrape pool: they come and go with the job.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::metrics::DURATION_QUANTILES;
use super::status::{PoolEntry, Status};
use crate::telemetry::registry::{Counter, Gauge, Histogram, Registry};

/// Buckets of the sync histogram, in seconds.
const SYNC_BUCKETS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];

const SYNC_LENGTH: &str = "prometheus_target_sync_length_seconds";
const SYNC_LENGTH_HISTOGRAM: &str = "prometheus_target_sync_length_histogram_seconds";

/// Family names of [`PoolMetrics`], for their removal.
const FAMILIES: [&str; 8] = [
    "prometheus_target_scrape_pool_targets",
    "prometheus_target_scrape_pool_target_limit",
    "prometheus_target_scrape_pool_sync_total",
    "prometheus_target_sync_failed_total",
    "prometheus_target_metadata_cache_entries",
    "prometheus_target_metadata_cache_bytes",
    SYNC_LENGTH,
    SYNC_LENGTH_HISTOGRAM,
];

/// Metrics of one scrape pool; removed with it.
#[derive(Debug)]
pub struct PoolMetrics {
    /// Targets that are scraped.
    pub targets: Arc<Gauge>,
    /// The job's `target_limit`.
    pub target_limit: Arc<Gauge>,
    /// Times the target set was applied.
    pub syncs: Arc<Counter>,
    /// Targets that could not be built.
    pub sync_failed: Arc<Counter>,
    /// Feeds the summary, too.
    sync_length: Arc<Histogram>,
    metadata: MetadataGauges,
    registry: Registry,
    job: String,
}

impl PoolMetrics {
    /// Creates the metrics of a job.
    #[must_use]
    pub fn new(registry: &Registry, job: &str, metadata: &MetadataGauges) -> PoolMetrics {
        let labels = &[("scrape_job", job)];
        metadata.add(registry, job);
        let sync_length = registry.summary(
            SYNC_LENGTH,
            "Actual interval to sync the scrape pool.",
            labels,
            &DURATION_QUANTILES,
        );
        PoolMetrics {
            targets: registry.gauge(
                "prometheus_target_scrape_pool_targets",
                "Current number of targets in this scrape pool.",
                labels,
            ),
            target_limit: registry.gauge(
                "prometheus_target_scrape_pool_target_limit",
                "Maximum number of targets allowed in this scrape pool.",
                labels,
            ),
            syncs: registry.counter(
                "prometheus_target_scrape_pool_sync_total",
                "Total number of syncs that were executed on a scrape pool.",
                labels,
            ),
            sync_failed: registry.counter(
                "prometheus_target_sync_failed_total",
                "Total number of target sync failures.",
                labels,
            ),
            sync_length: registry.histogram_and(
                SYNC_LENGTH_HISTOGRAM,
                "Actual interval to sync the scrape pool as a histogram.",
                labels,
                (&SYNC_BUCKETS, sync_length),
            ),
            metadata: metadata.clone(),
            registry: registry.clone(),
            job: job.to_owned(),
        }
    }

    /// Takes note of a sync.
    pub fn synced(&self, took: Duration) {
        self.syncs.inc();
        self.sync_length.observe(took.as_secs_f64());
    }
}

impl Drop for PoolMetrics {
    fn drop(&mut self) {
        self.metadata.remove(&self.job);
        for family in FAMILIES {
            self.registry.remove(family, &[("scrape_job", &self.job)]);
        }
    }
}

/// Gauges of entries and bytes of the metadata that a pool's targets show, by job; counted when
/// somebody looks.
#[derive(Clone, Debug, Default)]
pub struct MetadataGauges(Arc<Mutex<BTreeMap<String, EntriesAndBytes>>>);

type EntriesAndBytes = (Arc<Gauge>, Arc<Gauge>);

impl MetadataGauges {
    /// Has the gauges set from the targets' status whenever the registry is rendered.
    pub fn follow(&self, registry: &Registry, status: Status) {
        let gauges = self.clone();
        registry.on_render(move || gauges.refresh(&status));
    }

    fn add(&self, registry: &Registry, job: &str) {
        let labels = &[("scrape_job", job)];
        let entries = registry.gauge(
            "prometheus_target_metadata_cache_entries",
            "Total number of metric metadata entries in the cache",
            labels,
        );
        let bytes = registry.gauge(
            "prometheus_target_metadata_cache_bytes",
            "The number of bytes that are currently used for storing metric metadata in the cache",
            labels,
        );
        self.0.lock().insert(job.to_owned(), (entries, bytes));
    }

    fn remove(&self, job: &str) {
        self.0.lock().remove(job);
    }

    fn refresh(&self, status: &Status) {
        let table = status.load();
        for (job, (entries, bytes)) in self.0.lock().iter() {
            let (count, size) = table.get(job.as_str()).map_or((0, 0), metadata_of);
            entries.set(count as f64);
            bytes.set(size as f64);
        }
    }
}

/// Entries and bytes of text. Targets that show the same family share its memory, but each has an
/// entry, as in Prometheus.
fn metadata_of(pool: &PoolEntry) -> (usize, usize) {
    let (mut entries, mut bytes) = (0, 0);
    for target in &pool.active {
        let families = target.last.with(|last| Arc::clone(&last.families));
        entries += families.len();
        let texts = families.iter().map(|family| family.text_bytes());
        bytes += texts.sum::<usize>();
    }
    (entries, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::status::PoolTable;

    #[test]
    fn a_pools_metrics_go_with_it() {
        let registry = Registry::default();
        let metadata = MetadataGauges::default();
        metadata.follow(&registry, Status::new(PoolTable::new()));
        let pool = PoolMetrics::new(&registry, "j", &metadata);
        pool.synced(Duration::from_millis(20));
        assert_eq!(registry.snapshot().len(), FAMILIES.len());
        let labels = &[("scrape_job", "j")];
        let summary = registry.summary(SYNC_LENGTH, "", labels, &[]);
        assert_eq!((summary.count(), summary.sum()), (1, 0.02));
        drop(pool);
        assert!(registry.snapshot().is_empty());
    }
}
