//! The engine's own metrics, under Prometheus's names.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::pool_metrics::MetadataGauges;
use super::samples::Counts;
use crate::config::scrape::ScrapeConfig;
use crate::model::duration::Pretty;
use crate::telemetry::registry::{Counter, Histogram, Registry};

/// Quantiles of lengths, Prometheus's own.
pub(super) const DURATION_QUANTILES: [f64; 5] = [0.01, 0.05, 0.5, 0.9, 0.99];

/// Buckets of the interval histogram, in seconds: the usual scrape intervals.
const INTERVAL_BUCKETS: [f64; 11] = [
    0.01, 0.1, 0.5, 1.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0,
];

/// Counters that all workers share.
#[derive(Clone, Debug)]
pub struct ScrapeMetrics {
    /// Pages over the size limit.
    pub body_size_limit: Arc<Counter>,
    /// Scrapes over the sample limit.
    pub sample_limit: Arc<Counter>,
    /// Scrapes with a native histogram over the limit of buckets.
    pub bucket_limit: Arc<Counter>,
    /// Scrapes over a label limit.
    pub label_limits: Arc<Counter>,
    /// Rows rejected because the series stood on the page before.
    pub duplicate: Arc<Counter>,
    /// Rows rejected because their timestamp does not follow the last.
    pub out_of_order: Arc<Counter>,
    /// The same, under the name that the storage has in Prometheus: here order is decided before.
    pub out_of_order_appends: Arc<Counter>,
    /// Rows rejected because their timestamp lies in the future.
    pub out_of_bounds: Arc<Counter>,
    /// Exemplars rejected.
    pub exemplars_rejected: Arc<Counter>,
    /// Scrapes that were due while the last one of the target was still under way, or began after they
    /// were due.
    pub missed: Arc<Counter>,
    /// Times a pool had more targets than its limit.
    pub target_limit: Arc<Counter>,
    /// Scrape pools.
    pub pools: Arc<Counter>,
    /// Changed jobs that were applied to their pool.
    pub reloads: Arc<Counter>,
    /// Metadata of the pools.
    pub metadata: MetadataGauges,
    /// Panics contained in one target's exchange.
    pub panics: Arc<Counter>,
    pools_failed: Arc<Counter>,
    reloads_failed: Arc<Counter>,
    /// Jobs whose HTTP client failed, so that a job counts once however many workers it has.
    /// Locked when a job begins or changes.
    failed: Arc<Mutex<Vec<Weak<ScrapeConfig>>>>,
    registry: Registry,
}

/// Says that the cache never holds more than the last page.
fn never_flushed(registry: &Registry) {
    registry.counter(
        "prometheus_target_scrapes_cache_flush_forced_total",
        "How many times a scrape cache was flushed due to getting big while scrapes are failing. Always 0: this cache never holds more than the last page.",
        &[],
    );
}

fn bucket_limit(registry: &Registry) -> Arc<Counter> {
    registry.counter(
        "prometheus_target_scrapes_exceeded_native_histogram_bucket_limit_total",
        "Total number of scrapes that hit the native histogram bucket limit and were rejected.",
        &[],
    )
}

impl ScrapeMetrics {
    /// Creates the metrics.
    #[must_use]
    pub fn new(registry: &Registry) -> ScrapeMetrics {
        let counter = |name, help| registry.counter(name, help, &[]);
        never_flushed(registry);
        ScrapeMetrics {
            body_size_limit: counter(
                "prometheus_target_scrapes_exceeded_body_size_limit_total",
                "Total number of scrapes that hit the body size limit.",
            ),
            sample_limit: counter(
                "prometheus_target_scrapes_exceeded_sample_limit_total",
                "Total number of scrapes that hit the sample limit and were rejected.",
            ),
            bucket_limit: bucket_limit(registry),
            label_limits: counter(
                "prometheus_target_scrape_pool_exceeded_label_limits_total",
                "Total number of times scrape pools hit the label limits.",
            ),
            duplicate: counter(
                "prometheus_target_scrapes_sample_duplicate_timestamp_total",
                "Total number of samples rejected due to duplicate timestamps but different values.",
            ),
            out_of_order: counter(
                "prometheus_target_scrapes_sample_out_of_order_total",
                "Total number of samples rejected due to not being out of the expected order.",
            ),
            out_of_bounds: counter(
                "prometheus_target_scrapes_sample_out_of_bounds_total",
                "Total number of samples rejected due to timestamp falling outside of the time bounds.",
            ),
            out_of_order_appends: counter(
                "prometheus_agent_out_of_order_samples_total",
                "Total number of out of order samples that were not taken.",
            ),
            exemplars_rejected: counter(
                "prometheus_target_scrapes_exemplar_out_of_order_total",
                "Total number of exemplars rejected.",
            ),
            missed: counter(
                "narthex_target_scrapes_missed_total",
                "Scrapes skipped because the target's last one was still under way, or began after they were due.",
            ),
            target_limit: counter(
                "prometheus_target_scrape_pool_exceeded_target_limit_total",
                "Total number of times scrape pools hit the target limit, during sync or config reload.",
            ),
            pools: counter(
                "prometheus_target_scrape_pools_total",
                "Total number of scrape pool creation attempts.",
            ),
            panics: counter(
                "narthex_target_scrape_panics_total",
                "Panics while handling one target, contained there.",
            ),
            reloads: counter(
                "prometheus_target_scrape_pool_reloads_total",
                "Total number of scrape pool reloads.",
            ),
            metadata: MetadataGauges::default(),
            pools_failed: counter(
                "prometheus_target_scrape_pools_failed_total",
                "Total number of scrape pool creations that failed.",
            ),
            reloads_failed: counter(
                "prometheus_target_scrape_pool_reloads_failed_total",
                "Total number of failed scrape pool reloads.",
            ),
            failed: Arc::default(),
            registry: registry.clone(),
        }
    }

    /// Adds what one page counted.
    pub fn count(&self, counts: &Counts) {
        for (counter, amount) in [
            (&self.duplicate, counts.duplicate),
            (&self.out_of_order, counts.out_of_order),
            (&self.out_of_order_appends, counts.out_of_order),
            (&self.out_of_bounds, counts.out_of_bounds),
            (&self.exemplars_rejected, counts.exemplars_rejected),
        ] {
            if amount > 0 {
                counter.add(amount as f64);
            }
        }
    }

    /// The histogram of actual times between scrapes of targets with that interval. It feeds the
    /// summary, too.
    #[must_use]
    pub fn interval_length(&self, interval: &str) -> Arc<Histogram> {
        let labels = &[("interval", interval)];
        let summary = self.registry.summary(
            "prometheus_target_interval_length_seconds",
            "Actual intervals between scrapes.",
            labels,
            &DURATION_QUANTILES,
        );
        self.registry.histogram_and(
            "prometheus_target_interval_length_histogram_seconds",
            "Actual intervals between scrapes as a histogram.",
            labels,
            (&INTERVAL_BUCKETS, summary),
        )
    }

    /// Takes note of a changed job that was applied to its pool.
    pub fn reloaded(&self, config: &ScrapeConfig, took: Duration) {
        self.reloads.inc();
        let interval = Pretty(config.scrape_interval).to_string();
        let length = self.registry.summary(
            "prometheus_target_reload_length_seconds",
            "Actual interval to reload the scrape pool with a given configuration.",
            &[("interval", &interval)],
            &DURATION_QUANTILES,
        );
        length.observe(took.as_secs_f64());
    }

    /// Takes note of a job whose HTTP client cannot be made, once per version of the job. Whether it
    /// is news.
    pub fn client_failed(&self, config: &Arc<ScrapeConfig>, is_reload: bool) -> bool {
        let mut failed = self.failed.lock();
        failed.retain(|known| known.strong_count() > 0);
        let same = |known: &Weak<ScrapeConfig>| std::ptr::eq(known.as_ptr(), Arc::as_ptr(config));
        if failed.iter().any(same) {
            return false;
        }
        failed.push(Arc::downgrade(config));
        let counter = if is_reload {
            &self.reloads_failed
        } else {
            &self.pools_failed
        };
        counter.inc();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scrape::testing::job;

    #[test]
    fn a_job_without_a_client_counts_once_per_version() {
        let registry = Registry::default();
        let metrics = ScrapeMetrics::new(&registry);
        let (first, second) = (Arc::new(job("j")), Arc::new(job("j")));
        for _worker in 0..3 {
            metrics.client_failed(&first, false);
        }
        metrics.client_failed(&second, true);
        metrics.client_failed(&second, true);
        assert_eq!(metrics.pools_failed.get(), 1.0);
        assert_eq!(metrics.reloads_failed.get(), 1.0);
    }
}
