//! Metrics of an endpoint, under the names that dashboards for Prometheus's queues use.
//!
//! `*_total` of samples, native histograms, exemplars and metadata count what was put into requests,
//! every attempt anew, as Prometheus does, which tells samples from histograms; `narthex_remote_*`
//! count what became of it, and a histogram is a sample there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::endpoint::Intake;
use super::refusal::Refusal;
use crate::model::block::Sequence;
use crate::telemetry::registry::{Counter, Gauge, Histogram, Registry};
use crate::wire::compress::Compression;
use crate::wire::version::{Protocol, Version};

/// Upper bounds of `sent_batch_duration_seconds` in seconds: Go's defaults and four long ones.
const DURATION_BOUNDS: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 60.0, 120.0, 300.0,
];

/// Samples of all endpoints together, each block counted once however many queues read it.
#[derive(Debug)]
pub struct Incoming {
    newest: AtomicU64,
    samples: Arc<Counter>,
    histograms: Arc<Counter>,
    exemplars: Arc<Counter>,
    highest: Arc<Gauge>,
}

impl Incoming {
    /// Registers the metrics without labels.
    #[must_use]
    pub fn new(registry: &Registry) -> Incoming {
        registry.counter(
            "prometheus_remote_storage_string_interner_zero_reference_releases_total",
            "Releases of strings that nobody held; there is no interner.",
            &[],
        );
        Incoming {
            newest: AtomicU64::new(0),
            samples: registry.counter(
                "prometheus_remote_storage_samples_in_total",
                "Samples that came into remote storage.",
                &[],
            ),
            histograms: registry.counter(
                "prometheus_remote_storage_histograms_in_total",
                "Native histograms that came into remote storage.",
                &[],
            ),
            exemplars: registry.counter(
                "prometheus_remote_storage_exemplars_in_total",
                "Exemplars that came into remote storage.",
                &[],
            ),
            highest: registry.gauge(
                "prometheus_remote_storage_highest_timestamp_in_seconds",
                "Newest timestamp that came into remote storage, in seconds since 1970.",
                &[],
            ),
        }
    }

    /// Counts a block, unless a queue that is further ahead has done so.
    pub fn count(&self, sequence: Sequence, intake: Intake, timestamp_ms: i64) {
        if self.newest.fetch_max(sequence.0, Ordering::Relaxed) >= sequence.0 {
            return;
        }
        let floats = intake.samples.saturating_sub(intake.histograms);
        self.samples.add(floats as f64);
        self.histograms.add(intake.histograms as f64);
        self.exemplars.add(intake.exemplars as f64);
        self.highest
            .set(self.highest.get().max(timestamp_ms as f64 / 1000.0));
    }
}

/// Makes metrics and remembers them for removal.
struct Maker<'a> {
    registry: &'a Registry,
    labels: [(&'static str, &'a str); 2],
    made: Vec<(&'static str, Option<&'static str>)>,
}

impl Maker<'_> {
    fn counter(&mut self, name: &'static str, help: &'static str) -> Arc<Counter> {
        self.made.push((name, None));
        self.registry.counter(name, help, &self.labels)
    }

    fn reason(
        &mut self,
        name: &'static str,
        help: &'static str,
        reason: &'static str,
    ) -> Arc<Counter> {
        self.made.push((name, Some(reason)));
        let [name_label, url] = self.labels;
        let labels = [name_label, url, ("reason", reason)];
        self.registry.counter(name, help, &labels)
    }

    fn gauge(&mut self, name: &'static str, help: &'static str) -> Arc<Gauge> {
        self.made.push((name, None));
        self.registry.gauge(name, help, &self.labels)
    }
}

macro_rules! queue_metrics {
    (
        counters { $($counter:ident = $counter_name:literal, $counter_help:literal;)* }
        reasons { $($reason:ident = $reason_name:literal, $why:literal, $reason_help:literal;)* }
        gauges { $($gauge:ident = $gauge_name:literal, $gauge_help:literal;)* }
    ) => {
        /// Metrics of one queue, labelled `remote_name` and `url`.
        #[derive(Debug)]
        pub struct QueueMetrics {
            $(#[doc = $counter_help] pub $counter: Arc<Counter>,)*
            $(#[doc = $reason_help] pub $reason: Arc<Counter>,)*
            $(#[doc = $gauge_help] pub $gauge: Arc<Gauge>,)*
            /// Seconds that requests took.
            pub batch_duration: Arc<Histogram>,
            registry: Registry,
            labels: [(&'static str, String); 2],
            made: Vec<(&'static str, Option<&'static str>)>,
        }

        impl QueueMetrics {
            /// Registers the metrics of a queue. `url` is shown: it must hold no secret.
            #[must_use]
            pub fn new(registry: &Registry, name: &str, url: &str) -> QueueMetrics {
                let labels = [("remote_name", name), ("url", url)];
                registry.hold(&labels);
                let mut maker = Maker { registry, labels, made: Vec::new() };
                let batch_duration = registry.histogram(
                    DURATION, "Seconds that requests to the endpoint took.",
                    &labels, &DURATION_BOUNDS,
                );
                maker.made.push((DURATION, None));
                QueueMetrics {
                    $($counter: maker.counter($counter_name, $counter_help),)*
                    $($reason: maker.reason($reason_name, $reason_help, $why),)*
                    $($gauge: maker.gauge($gauge_name, $gauge_help),)*
                    batch_duration,
                    registry: registry.clone(),
                    labels: labels.map(|(name, value)| (name, value.to_owned())),
                    made: maker.made,
                }
            }
        }
    };
}

const DURATION: &str = "prometheus_remote_storage_sent_batch_duration_seconds";

queue_metrics! {
    counters {
        samples = "prometheus_remote_storage_samples_total",
            "Samples put into requests, attempts counted one by one.";
        exemplars = "prometheus_remote_storage_exemplars_total",
            "Exemplars put into requests, attempts counted one by one.";
        histograms = "prometheus_remote_storage_histograms_total",
            "Native histograms put into requests, attempts counted one by one.";
        metadata = "prometheus_remote_storage_metadata_total",
            "Metadata entries put into requests, attempts counted one by one.";
        samples_failed = "prometheus_remote_storage_samples_failed_total",
            "Samples that the endpoint refused for good.";
        exemplars_failed = "prometheus_remote_storage_exemplars_failed_total",
            "Exemplars that the endpoint refused for good.";
        histograms_failed = "prometheus_remote_storage_histograms_failed_total",
            "Native histograms that the endpoint refused for good.";
        metadata_failed = "prometheus_remote_storage_metadata_failed_total",
            "Metadata entries that the endpoint refused for good.";
        samples_retried = "prometheus_remote_storage_samples_retried_total",
            "Samples of requests that failed and are repeated.";
        exemplars_retried = "prometheus_remote_storage_exemplars_retried_total",
            "Exemplars of requests that failed and are repeated.";
        histograms_retried = "prometheus_remote_storage_histograms_retried_total",
            "Native histograms of requests that failed and are repeated.";
        metadata_retried = "prometheus_remote_storage_metadata_retried_total",
            "Metadata entries of requests that failed and are repeated.";
        enqueue_retries = "prometheus_remote_storage_enqueue_retries_total",
            "Times that reading stopped because a shard was full.";
        bytes = "prometheus_remote_storage_bytes_total",
            "Bytes of samples sent, after compression.";
        metadata_bytes = "prometheus_remote_storage_metadata_bytes_total",
            "Bytes of metadata sent, after compression.";
        acknowledged = "narthex_remote_samples_acknowledged_total",
            "Samples that the endpoint has acknowledged.";
        requests = "narthex_remote_requests_total",
            "Requests sent, whatever the answer.";
        misunderstood = "narthex_remote_version_fallbacks_total",
            "Requests of remote write 2.0 or with zstd that the endpoint did not understand, sent again as 1.0 with snappy.";
        partial = "narthex_remote_partial_writes_total",
            "Requests of which the endpoint says that it wrote only a part.";
        unwritten = "narthex_remote_samples_unwritten_total",
            "Samples that the endpoint accepted and says it did not write.";
        rejected_kept = "narthex_remote_rejected_kept_total",
            "Refused samples that were written to the file of refused samples.";
        rejected_dropped = "narthex_remote_rejected_dropped_total",
            "Refused samples that were not: too many at once, too long, or the disk refused.";
    }
    reasons {
        too_old = "prometheus_remote_storage_samples_dropped_total", "too_old",
            "Samples that were not sent.";
        dropped_series = "prometheus_remote_storage_samples_dropped_total", "dropped_series",
            "Samples that were not sent.";
        unintended = "prometheus_remote_storage_samples_dropped_total",
            "unintentionally_dropped_series", "Samples that were not sent.";
        exemplars_dropped = "prometheus_remote_storage_exemplars_dropped_total",
            "dropped_series", "Exemplars that were not sent.";
        histograms_dropped = "prometheus_remote_storage_histograms_dropped_total",
            "nhcb_in_rw1_not_supported", "Native histograms that were not sent.";
        histograms_unwanted = "prometheus_remote_storage_histograms_dropped_total",
            "not_configured", "Native histograms that were not sent.";
        repeated = "narthex_remote_samples_refused_total", "repeated",
            "Samples refused by the endpoint: repeated ones it has already, others are lost.";
        out_of_order = "narthex_remote_samples_refused_total", "out_of_order",
            "Samples refused by the endpoint: repeated ones it has already, others are lost.";
        invalid = "narthex_remote_samples_refused_total", "invalid",
            "Samples refused by the endpoint: repeated ones it has already, others are lost.";
        too_large = "narthex_remote_samples_refused_total", "too_large",
            "Samples refused by the endpoint: repeated ones it has already, others are lost.";
        unsearched = "narthex_remote_samples_refused_total", "unsearched",
            "Samples refused by the endpoint: repeated ones it has already, others are lost.";
        throttled = "narthex_remote_samples_refused_total", "throttled",
            "Samples refused by the endpoint: repeated ones it has already, others are lost.";
        unauthorized = "narthex_remote_samples_refused_total", "unauthorized",
            "Samples refused by the endpoint: repeated ones it has already, others are lost.";
        set_aside_lost = "narthex_remote_samples_refused_total", "set_aside",
            "Samples refused by the endpoint: repeated ones it has already, others are lost.";
        gap_budget = "narthex_remote_blocks_abandoned_total", "budget",
            "Scrapes that were lost before this endpoint had them.";
        gap_damage = "narthex_remote_blocks_abandoned_total", "damage",
            "Scrapes that were lost before this endpoint had them.";
        no_epoch = "narthex_remote_blocks_abandoned_total", "unknown_time",
            "Scrapes that were lost before this endpoint had them.";
    }
    gauges {
        highest = "prometheus_remote_storage_queue_highest_timestamp_seconds",
            "Newest timestamp taken into the queue, in seconds since 1970.";
        highest_sent = "prometheus_remote_storage_queue_highest_sent_timestamp_seconds",
            "Newest timestamp that was acknowledged or refused, in seconds since 1970.";
        samples_pending = "prometheus_remote_storage_samples_pending",
            "Samples in the shards but for native histograms.";
        exemplars_pending = "prometheus_remote_storage_exemplars_pending",
            "Exemplars in the shards, which are not counted apart.";
        histograms_pending = "prometheus_remote_storage_histograms_pending",
            "Native histograms in the shards.";
        shard_capacity = "prometheus_remote_storage_shard_capacity",
            "Samples that a shard holds beside its batch.";
        shards = "prometheus_remote_storage_shards",
            "Shards that are running.";
        shards_min = "prometheus_remote_storage_shards_min",
            "Fewest shards.";
        shards_max = "prometheus_remote_storage_shards_max",
            "Most shards.";
        shards_desired = "prometheus_remote_storage_shards_desired",
            "Shards that the load asks for.";
        batch_samples = "prometheus_remote_storage_max_samples_per_send",
            "Most samples of a request.";
        set_aside = "narthex_remote_samples_set_aside",
            "Samples that the endpoint fails at alone, waiting to be tried again.";
        version = "narthex_remote_protocol_version",
            "Version of remote write that the endpoint gets: 1 or 2.";
        zstd = "narthex_remote_zstd",
            "1 while requests to the endpoint are compressed with zstd, 0 while with snappy.";
        holding = "narthex_remote_holding",
            "1 while the endpoint answers 401 to 405, 407 or 415 and is asked once a minute.";
    }
}

impl QueueMetrics {
    /// Shows the protocol that the endpoint gets.
    pub fn show_protocol(&self, protocol: Protocol) {
        self.version.set(match protocol.version() {
            Version::V1 => 1.0,
            Version::V2 => 2.0,
        });
        let zstd = protocol.compression() == Compression::Zstd;
        self.zstd.set(f64::from(u8::from(zstd)));
    }

    /// Counts samples that were given up, native histograms among them.
    pub fn count_given_up(&self, refusal: Refusal, samples: u64, histograms: u64) {
        let counter = match refusal {
            Refusal::Repeated => &self.repeated,
            Refusal::OutOfOrder => &self.out_of_order,
            Refusal::Invalid => &self.invalid,
            Refusal::Unsearched => &self.unsearched,
            Refusal::TooLarge => &self.too_large,
            Refusal::Throttled => &self.throttled,
            Refusal::Unauthorized => &self.unauthorized,
            Refusal::SetAside => &self.set_aside_lost,
        };
        counter.add(samples as f64);
        if refusal != Refusal::Repeated {
            let floats = samples.saturating_sub(histograms);
            self.samples_failed.add(floats as f64);
            self.histograms_failed.add(histograms as f64);
        }
    }
}

/// Takes the queue's metrics off the page, unless another one shows the same: the endpoint that
/// follows one of that name, or the same one with the URL it had before.
impl Drop for QueueMetrics {
    fn drop(&mut self) {
        let [name, url] = &self.labels;
        let base = [(name.0, name.1.as_str()), (url.0, url.1.as_str())];
        self.registry.release(&base, || {
            for (metric, reason) in &self.made {
                let mut labels = base.to_vec();
                labels.extend(reason.map(|reason| ("reason", reason)));
                self.registry.remove(metric, &labels);
            }
        });
    }
}

/// A URL as it may be shown: without userinfo, query and fragment, which can hold secrets.
#[must_use]
pub fn shown_url(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let Some((scheme, rest)) = url[..end].split_once("://") else {
        return url[..end].to_owned();
    };
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_shown_without_secrets() {
        for (url, shown) in [
            ("http://a:9090/api/v1/write", "http://a:9090/api/v1/write"),
            ("https://u:p@a/w?token=s#f", "https://a/w"),
            ("https://u:p@a", "https://a"),
            ("https://a/x@y", "https://a/x@y"),
        ] {
            assert_eq!(shown_url(url), shown);
        }
    }

    #[test]
    fn the_last_one_leaves_nothing() {
        let registry = Registry::default();
        let first = QueueMetrics::new(&registry, "n", "http://a/");
        let second = QueueMetrics::new(&registry, "n", "http://a/");
        let other = QueueMetrics::new(&registry, "n", "http://b/");
        let all = registry.snapshot().len();
        assert!(all > 30);
        drop((first, other));
        assert_eq!(registry.snapshot().len(), all);
        second.requests.inc();
        let labels = [("remote_name", "n"), ("url", "http://a/")];
        let shown = registry.counter("narthex_remote_requests_total", "", &labels);
        assert_eq!(shown.get(), 1.0);
        drop(second);
        assert!(registry.snapshot().is_empty());
    }

    #[test]
    fn a_block_is_counted_once_however_many_queues_read_it() {
        let registry = Registry::default();
        let incoming = Incoming::new(&registry);
        let intake = |samples, histograms| Intake {
            samples,
            histograms,
            ..Intake::default()
        };
        incoming.count(Sequence(1), intake(10, 2), 5000);
        incoming.count(Sequence(1), intake(10, 2), 5000);
        incoming.count(Sequence(2), intake(5, 0), 4000);
        assert_eq!(incoming.samples.get(), 13.0);
        assert_eq!(incoming.histograms.get(), 2.0);
        assert_eq!(incoming.highest.get(), 5.0);
    }
}
