//! The metrics of discovery, under the names that Prometheus gives them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::time::Wall;
use crate::telemetry::registry::{Counter, Gauge, Histogram, Registry, Summary};

/// Which manager; Prometheus has another one for Alertmanagers.
const NAME: (&str, &str) = ("name", "scrape");
/// Upper bounds in seconds, Prometheus's own.
const DURATION_BOUNDS: [f64; 4] = [0.01, 0.1, 1.0, 10.0];
/// Quantiles of durations, Prometheus's own.
pub(super) const DURATION_QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];
const DISCOVERED: &str = "prometheus_sd_discovered_targets";
const LAST_UPDATE: &str = "prometheus_sd_last_update_timestamp_seconds";
const REFRESH_FAILURES: &str = "prometheus_sd_refresh_failures_total";
const REFRESH_DURATION: &str = "prometheus_sd_refresh_duration_seconds";

/// Metrics of the manager.
#[derive(Debug)]
pub struct ManagerMetrics {
    registry: Registry,
    jobs: BTreeMap<String, JobMetrics>,
    /// Providers that could not be created.
    pub failed_configs: Arc<Gauge>,
    /// Updates that came from providers.
    pub received: Arc<Counter>,
    /// Publications that met one which nobody had read yet.
    pub delayed: Arc<Counter>,
    /// Publications.
    pub updates: Arc<Counter>,
    /// Updates with too many targets or labels.
    pub refused: Arc<Counter>,
}

#[derive(Debug)]
struct JobMetrics {
    targets: Arc<Gauge>,
    last_update: Arc<Gauge>,
}

impl ManagerMetrics {
    /// Registers them.
    #[must_use]
    pub fn new(registry: &Registry) -> ManagerMetrics {
        let labels = &[NAME];
        ManagerMetrics {
            registry: registry.clone(),
            jobs: BTreeMap::new(),
            failed_configs: registry.gauge(
                "prometheus_sd_failed_configs",
                "Current number of service discovery configurations that failed to load.",
                labels,
            ),
            received: registry.counter(
                "prometheus_sd_received_updates_total",
                "Total number of update events received from the SD providers.",
                labels,
            ),
            delayed: registry.counter(
                "prometheus_sd_updates_delayed_total",
                "Total number of update events that couldn't be sent immediately.",
                labels,
            ),
            updates: registry.counter(
                "prometheus_sd_updates_total",
                "Total number of update events sent to the SD consumers.",
                labels,
            ),
            refused: registry.counter(
                "narthex_sd_refused_updates_total",
                "Total number of updates refused because a provider had too many targets or labels.",
                labels,
            ),
        }
    }

    /// Notes a publication with the number of targets of each job.
    pub fn published<'a>(&mut self, now: Wall, jobs: impl Iterator<Item = (&'a str, usize)>) {
        self.updates.inc();
        let mut old = std::mem::take(&mut self.jobs);
        for (job, targets) in jobs {
            let metrics = old
                .remove(job)
                .unwrap_or_else(|| JobMetrics::new(&self.registry, job));
            metrics.targets.set(targets as f64);
            metrics.last_update.set(now.as_seconds());
            self.jobs.insert(job.to_owned(), metrics);
        }
        for job in old.keys() {
            let labels = [("config", job.as_str()), NAME];
            self.registry.remove(DISCOVERED, &labels);
            self.registry.remove(LAST_UPDATE, &labels);
        }
    }
}

impl JobMetrics {
    fn new(registry: &Registry, job: &str) -> JobMetrics {
        let labels = &[("config", job), NAME];
        JobMetrics {
            targets: registry.gauge(DISCOVERED, "Current number of discovered targets.", labels),
            last_update: registry.gauge(
                LAST_UPDATE,
                "Timestamp of the last update sent to the SD consumers.",
                labels,
            ),
        }
    }
}

/// Metrics of one provider.
#[derive(Clone, Debug)]
pub struct RefreshMetrics {
    /// Refreshes that failed.
    pub failures: Arc<Counter>,
    duration: Arc<Summary>,
    histogram: Arc<Histogram>,
    /// Panics that were caught.
    pub panics: Arc<Counter>,
}

impl RefreshMetrics {
    /// Registers those of the provider that `config` (a job) was the first to have.
    #[must_use]
    pub fn new(registry: &Registry, mechanism: &str, config: &str) -> RefreshMetrics {
        let both = &[("config", config), ("mechanism", mechanism)];
        let mechanism = &[("mechanism", mechanism)];
        RefreshMetrics {
            failures: registry.counter(
                REFRESH_FAILURES,
                "Number of refresh failures for the given SD mechanism.",
                both,
            ),
            duration: registry.summary(
                REFRESH_DURATION,
                "The duration of a refresh in seconds for the given SD mechanism.",
                both,
                &DURATION_QUANTILES,
            ),
            histogram: registry.histogram(
                "prometheus_sd_refresh_duration_histogram_seconds",
                "The duration of a refresh for the given SD mechanism.",
                mechanism,
                &DURATION_BOUNDS,
            ),
            panics: registry.counter(
                "narthex_sd_panics_total",
                "Total number of panics caught in the given SD mechanism.",
                mechanism,
            ),
        }
    }

    /// Notes how long a refresh took.
    pub fn took(&self, seconds: f64) {
        self.duration.observe(seconds);
        self.histogram.observe(seconds);
    }

    /// Removes those of a provider that is gone.
    pub fn remove(registry: &Registry, mechanism: &str, config: &str) {
        let both = [("config", config), ("mechanism", mechanism)];
        registry.remove(REFRESH_FAILURES, &both);
        registry.remove(REFRESH_DURATION, &both);
    }
}
