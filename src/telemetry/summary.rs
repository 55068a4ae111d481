//! A summary: how many observations, their sum, and quantiles of the newest ones.
//!
//! Prometheus's own summaries weigh the observations of the last ten minutes with a sketch. Here
//! the quantiles are those of the last [`limits::SUMMARY_WINDOW`] observations, exactly: a fixed
//! amount of memory, no lock and no clock. A summary without quantiles keeps no window.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::registry::add_to;
use crate::limits;

/// Counts observations and adds them up; may tell quantiles.
#[derive(Debug)]
pub struct Summary {
    quantiles: Box<[f64]>,
    count: AtomicU64,
    sum: AtomicU64,
    /// A ring of observations; not a number where there was none yet.
    window: Box<[AtomicU64]>,
    next: AtomicUsize,
}

impl Summary {
    /// An empty summary that tells these quantiles, each between 0 and 1.
    pub(super) fn new(quantiles: &[f64]) -> Summary {
        let slots = if quantiles.is_empty() {
            0
        } else {
            limits::SUMMARY_WINDOW
        };
        Summary {
            quantiles: quantiles.into(),
            count: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            window: (0..slots)
                .map(|_| AtomicU64::new(f64::NAN.to_bits()))
                .collect(),
            next: AtomicUsize::new(0),
        }
    }

    /// Counts one observation.
    pub fn observe(&self, value: f64) {
        self.count.fetch_add(1, Ordering::Relaxed);
        add_to(&self.sum, value);
        if !self.window.is_empty() {
            let slot = self.next.fetch_add(1, Ordering::Relaxed) % self.window.len();
            self.window[slot].store(value.to_bits(), Ordering::Relaxed);
        }
    }

    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Sum of all observations.
    #[must_use]
    pub fn sum(&self) -> f64 {
        f64::from_bits(self.sum.load(Ordering::Relaxed))
    }

    /// The quantiles with their values: the smallest observation of the window that is not below
    /// the wanted share of it. Not a number before the first observation.
    #[must_use]
    pub fn quantiles(&self) -> Vec<(f64, f64)> {
        let window = self.window.iter();
        let mut seen: Vec<f64> = window
            .map(|slot| f64::from_bits(slot.load(Ordering::Relaxed)))
            .filter(|value| !value.is_nan())
            .collect();
        seen.sort_unstable_by(f64::total_cmp);
        let value = |quantile: f64| {
            let rank = (quantile * seen.len() as f64).ceil().max(1.0);
            // The rank is between 1 and the window's length.
            seen.get(rank as usize - 1).copied().unwrap_or(f64::NAN)
        };
        self.quantiles
            .iter()
            .map(|quantile| (*quantile, value(*quantile)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_newest_observations() {
        let summary = Summary::new(&[0.01, 0.5, 0.99, 1.0]);
        assert!(summary.quantiles().iter().all(|(_, value)| value.is_nan()));
        for value in 1..=100 {
            summary.observe(f64::from(value));
        }
        let expected = [(0.01, 1.0), (0.5, 50.0), (0.99, 99.0), (1.0, 100.0)];
        assert_eq!(summary.quantiles(), expected);
        for _ in 0..limits::SUMMARY_WINDOW {
            summary.observe(7.0);
        }
        assert!(summary.quantiles().iter().all(|(_, value)| *value == 7.0));
        assert_eq!(summary.count(), 100 + limits::SUMMARY_WINDOW as u64);
        assert_eq!(summary.sum(), 5050.0 + 7.0 * limits::SUMMARY_WINDOW as f64);
    }

    #[test]
    fn without_quantiles_nothing_is_kept() {
        let summary = Summary::new(&[]);
        summary.observe(2.0);
        assert_eq!((summary.count(), summary.sum()), (1, 2.0));
        assert!(summary.quantiles().is_empty() && summary.window.is_empty());
    }
}
