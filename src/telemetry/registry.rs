//! Counters, gauges, histograms and summaries, and the registry that renders them.
//!
//! A metric is an `Arc` of atomics: its owner updates it without a lock, the registry's lock is
//! taken only to create, remove and render. Families keep the order of their names, series the
//! order of their label values, so that two renderings differ only in values.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

pub use super::summary::Summary;

/// A count that only grows. Holds a float, as Prometheus's do.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

/// A value that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

/// Adds to a float in an atomic cell.
pub(super) fn add_to(cell: &AtomicU64, amount: f64) {
    let mut old = cell.load(Ordering::Relaxed);
    loop {
        let new = (f64::from_bits(old) + amount).to_bits();
        match cell.compare_exchange_weak(old, new, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return,
            Err(seen) => old = seen,
        }
    }
}

impl Counter {
    /// Adds one.
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Adds a non-negative amount.
    pub fn add(&self, amount: f64) {
        add_to(&self.0, amount);
    }

    /// The count so far.
    #[must_use]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds an amount of either sign.
    pub fn add(&self, amount: f64) {
        add_to(&self.0, amount);
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Counts observations in buckets with fixed upper bounds.
#[derive(Debug)]
pub struct Histogram {
    bounds: Box<[f64]>,
    /// One more than bounds: the last bucket is unbounded. Not cumulative.
    buckets: Box<[AtomicU64]>,
    sum: AtomicU64,
    /// Fed with the same observations: Prometheus shows some durations both ways.
    summary: Option<Arc<Summary>>,
}

impl Histogram {
    fn new(bounds: &[f64], summary: Option<Arc<Summary>>) -> Histogram {
        let buckets = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram {
            bounds: bounds.into(),
            buckets,
            sum: AtomicU64::new(0),
            summary,
        }
    }

    /// Counts one observation.
    pub fn observe(&self, value: f64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        add_to(&self.sum, value);
        if let Some(summary) = &self.summary {
            summary.observe(value);
        }
    }

    /// The upper bounds of the buckets and the cumulative counts, the last one unbounded.
    #[must_use]
    pub fn cumulative(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let mut total = 0;
        bounds
            .zip(self.buckets.iter())
            .map(|(bound, bucket)| {
                total += bucket.load(Ordering::Relaxed);
                (bound, total)
            })
            .collect()
    }

    /// Sum of all observations.
    #[must_use]
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Ordering::Relaxed))
    }
}

/// One metric of a family.
#[derive(Clone, Debug)]
pub enum Metric {
    /// A counter.
    Counter(Arc<Counter>),
    /// A gauge.
    Gauge(Arc<Gauge>),
    /// A histogram.
    Histogram(Arc<Histogram>),
    /// A summary.
    Summary(Arc<Summary>),
}

/// Label pairs of one metric, in the order they were given.
pub type MetricLabels = Vec<(String, String)>;

/// A family: help and its metrics by labels.
#[derive(Clone, Debug)]
pub struct MetricFamily {
    /// Help text.
    pub help: &'static str,
    /// The metrics, sorted by labels.
    pub metrics: BTreeMap<MetricLabels, Metric>,
}

/// A callback that fills gauges just before a rendering.
type Refresh = Box<dyn Fn() + Send + Sync>;

/// All metrics of the process. Cheap to clone; clones share the metrics.
#[derive(Clone, Default)]
pub struct Registry(Arc<Inner>);

#[derive(Default)]
struct Inner {
    // A lock because metrics are created by every engine; never taken on the path of a sample.
    families: Mutex<BTreeMap<&'static str, MetricFamily>>,
    refreshes: Mutex<Vec<Refresh>>,
    /// Owners of what has these labels, where it has several at times.
    holders: Mutex<BTreeMap<MetricLabels, usize>>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("families", &self.0.families.lock().len())
            .finish()
    }
}

impl Registry {
    /// The counter of that name and labels, made if it is not there.
    pub fn counter(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
    ) -> Arc<Counter> {
        let metric = self.metric(name, help, labels, || Metric::Counter(Arc::default()));
        if let Metric::Counter(counter) = metric {
            counter
        } else {
            Arc::default()
        }
    }

    /// The gauge of that name and labels, made if it is not there.
    pub fn gauge(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
    ) -> Arc<Gauge> {
        let metric = self.metric(name, help, labels, || Metric::Gauge(Arc::default()));
        if let Metric::Gauge(gauge) = metric {
            gauge
        } else {
            Arc::default()
        }
    }

    /// The histogram of that name and labels, made with these bounds if it is not there.
    pub fn histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        bounds: &[f64],
    ) -> Arc<Histogram> {
        self.make_histogram(name, help, labels, (bounds, None))
    }

    /// The histogram of that name and labels; if it is made, then with these bounds and so that
    /// all its observations go into the summary, too.
    pub fn histogram_and(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        (bounds, summary): (&[f64], Arc<Summary>),
    ) -> Arc<Histogram> {
        self.make_histogram(name, help, labels, (bounds, Some(summary)))
    }

    fn make_histogram(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        (bounds, summary): (&[f64], Option<Arc<Summary>>),
    ) -> Arc<Histogram> {
        let new = || Arc::new(Histogram::new(bounds, summary.clone()));
        let metric = self.metric(name, help, labels, || Metric::Histogram(new()));
        if let Metric::Histogram(histogram) = metric {
            histogram
        } else {
            new()
        }
    }

    /// The summary of that name and labels, made with these quantiles if it is not there. None
    /// means sum and count alone.
    pub fn summary(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        quantiles: &[f64],
    ) -> Arc<Summary> {
        let make = || Metric::Summary(Arc::new(Summary::new(quantiles)));
        let metric = self.metric(name, help, labels, make);
        if let Metric::Summary(summary) = metric {
            summary
        } else {
            Arc::new(Summary::new(quantiles))
        }
    }

    fn metric(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&str, &str)],
        make: impl FnOnce() -> Metric,
    ) -> Metric {
        let key = owned(labels);
        let mut families = self.0.families.lock();
        let family = families.entry(name).or_insert_with(|| MetricFamily {
            help,
            metrics: BTreeMap::new(),
        });
        family.metrics.entry(key).or_insert_with(make).clone()
    }

    /// Removes one metric; its holders may go on using it unseen.
    pub fn remove(&self, name: &str, labels: &[(&str, &str)]) {
        if let Some(family) = self.0.families.lock().get_mut(name) {
            family.metrics.remove(&owned(labels));
        }
    }

    /// Notes one more owner of the metrics with these labels, which it shares with the others, until
    /// [`Registry::release`].
    pub fn hold(&self, labels: &[(&str, &str)]) {
        *self.0.holders.lock().entry(owned(labels)).or_default() += 1;
    }

    /// Ends a hold. The last owner removes the metrics, by `remove`; whoever wants to hold them
    /// meanwhile waits, and then gets new ones.
    pub fn release(&self, labels: &[(&str, &str)], remove: impl FnOnce()) {
        let (key, mut holders) = (owned(labels), self.0.holders.lock());
        let left = holders.get(&key).map_or(0, |count| count.saturating_sub(1));
        if left > 0 {
            holders.insert(key, left);
            return;
        }
        holders.remove(&key);
        remove();
    }

    /// Has `refresh` called before every rendering: for values that are cheaper to ask for than
    /// to keep.
    pub fn on_render(&self, refresh: impl Fn() + Send + Sync + 'static) {
        self.0.refreshes.lock().push(Box::new(refresh));
    }

    /// All families with at least one metric, after the refresh callbacks have run.
    #[must_use]
    pub fn snapshot(&self) -> Vec<(&'static str, MetricFamily)> {
        for refresh in self.0.refreshes.lock().iter() {
            refresh();
        }
        let families = self.0.families.lock();
        let filled = families
            .iter()
            .filter(|(_, family)| !family.metrics.is_empty());
        filled
            .map(|(name, family)| (*name, family.clone()))
            .collect()
    }
}

fn owned(labels: &[(&str, &str)]) -> MetricLabels {
    labels
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_and_labels_are_the_same_metric() {
        let registry = Registry::default();
        registry.counter("a_total", "A.", &[("x", "1")]).inc();
        registry.counter("a_total", "A.", &[("x", "1")]).add(2.0);
        assert_eq!(registry.counter("a_total", "A.", &[("x", "1")]).get(), 3.0);
        registry.remove("a_total", &[("x", "1")]);
        assert!(registry.snapshot().is_empty());
    }

    #[test]
    fn a_histogram_can_feed_a_summary() {
        let registry = Registry::default();
        let summary = registry.summary("s", "S.", &[], &[0.5]);
        let histogram = registry.histogram_and("h", "H.", &[], (&[1.0], Arc::clone(&summary)));
        histogram.observe(3.0);
        assert_eq!((histogram.sum(), summary.sum()), (3.0, 3.0));
        assert_eq!(summary.quantiles(), [(0.5, 3.0)]);
    }

    #[test]
    fn histogram_buckets_include_their_bound() {
        let registry = Registry::default();
        let histogram = registry.histogram("h", "H.", &[], &[1.0, 2.0]);
        for value in [0.5, 1.0, 1.5, 9.0] {
            histogram.observe(value);
        }
        let expected = [(1.0, 2), (2.0, 3), (f64::INFINITY, 4)];
        assert_eq!(histogram.cumulative(), expected);
        assert_eq!(histogram.sum(), 12.0);
    }
}
