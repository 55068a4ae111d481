//! The memory budget: compares what is held with what may be, and counts what is given up.
//!
//! All engines share one. Any thread may ask or compare at any time: it is a few atomics.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::registry::{Counter, Gauge, Registry};
use crate::limits;
use crate::model::pressure::{Relief, step};

/// The budget. Clones share it.
#[derive(Clone)]
pub struct MemoryBudget(Arc<Inner>);

struct Inner {
    /// Bytes; none for no budget.
    bytes: Option<u64>,
    /// Bytes that are held now.
    held: Box<dyn Fn() -> u64 + Send + Sync>,
    step: AtomicU8,
    shown_held: Arc<Gauge>,
    shown_step: Arc<Gauge>,
    /// By [`Relief`], in its order.
    counters: [Arc<Counter>; 6],
}

impl fmt::Debug for MemoryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (bytes, step) = (self.0.bytes, self.0.step.load(Ordering::Relaxed));
        f.debug_struct("MemoryBudget")
            .field("bytes", &bytes)
            .field("step", &step)
            .finish_non_exhaustive()
    }
}

impl MemoryBudget {
    /// A budget of `bytes`, none for no limit; `held` tells how many bytes are held.
    pub fn new(
        registry: &Registry,
        bytes: Option<u64>,
        held: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> MemoryBudget {
        let counter = |relief: Relief| {
            registry.counter(
                "narthex_memory_shed_total",
                "What was given up because memory ran short, by measure.",
                &[("measure", relief.as_str())],
            )
        };
        let gauge = |name, help| registry.gauge(name, help, &[]);
        let budget = gauge(
            "narthex_memory_budget_bytes",
            "Memory that the agent may hold before it sheds load; 0 without a budget.",
        );
        budget.set(bytes.unwrap_or(0) as f64);
        MemoryBudget(Arc::new(Inner {
            bytes: bytes.filter(|bytes| *bytes > 0),
            held: Box::new(held),
            step: AtomicU8::new(0),
            shown_held: gauge("narthex_memory_held_bytes", "Memory that is allocated."),
            shown_step: gauge(
                "narthex_memory_step",
                "How many measures against a shortage of memory are in force: 0 to 6.",
            ),
            counters: Relief::ALL.map(counter),
        }))
    }

    /// Without a limit, for tests and tools.
    #[must_use]
    pub fn unlimited() -> MemoryBudget {
        MemoryBudget::new(&Registry::default(), None, || 0)
    }

    /// With the first measures up to `relief` in force for ever, for tests.
    #[cfg(test)]
    pub(crate) fn short_of(registry: &Registry, relief: Relief) -> MemoryBudget {
        let held = 70 + 5 * u64::from(relief.number());
        let budget = MemoryBudget::new(registry, Some(100), move || held);
        budget.compare();
        budget
    }

    /// What a measure has cost so far.
    #[cfg(test)]
    pub(crate) fn counted(&self, relief: Relief) -> f64 {
        self.0.counters[usize::from(relief.number() - 1)].get()
    }

    /// Compares what is held with the budget, and says so when more or less is given up.
    pub fn compare(&self) {
        let held = (self.0.held)();
        self.0.shown_held.set(held as f64);
        let Some(bytes) = self.0.bytes else { return };
        let before = self.0.step.load(Ordering::Relaxed);
        let now = step(before, held, bytes);
        // Two threads at once may both say so, or take one another's step back for a moment: the
        // next comparison is right.
        if now == before {
            return;
        }
        self.0.step.store(now, Ordering::Relaxed);
        self.0.shown_step.set(f64::from(now));
        let measure = |step: u8| match step.checked_sub(1) {
            Some(index) => Relief::ALL[usize::from(index)].as_str(),
            None => "none",
        };
        if before == 0 {
            log::warn!(component = "memory", held = held, budget = bytes, up_to = measure(now); "Memory runs short; load is shed");
        } else if now == 0 {
            log::info!(component = "memory", held = held, budget = bytes; "Memory is enough again");
        } else {
            log::debug!(component = "memory", held = held, budget = bytes, up_to = measure(now); "Load is shed");
        }
    }

    /// Whether a measure is in force.
    #[must_use]
    pub fn sheds(&self, relief: Relief) -> bool {
        self.0.step.load(Ordering::Relaxed) >= relief.number()
    }

    /// Counts what a measure cost: visitors, postponed scrapes, requests, exemplars and rounds of
    /// metadata, series, or failed scrapes.
    pub fn count(&self, relief: Relief, amount: u64) {
        self.0.counters[usize::from(relief.number() - 1)].add(amount as f64);
    }

    /// Whether a measure is in force; if so, it costs one more.
    #[must_use]
    pub fn shed(&self, relief: Relief) -> bool {
        let sheds = self.sheds(relief);
        if sheds {
            self.count(relief, 1);
        }
        sheds
    }

    /// The largest body, in bytes, that a page may have, decoded or not: what comes of it takes
    /// several times as much while it is read. None without a budget.
    #[must_use]
    pub fn body_bytes_max(&self) -> Option<u64> {
        let bytes = self.0.bytes?;
        Some((bytes / limits::MEMORY_BODY_PARTS).max(limits::MEMORY_BODY_BYTES_MIN))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::render::{Format, render};
    use std::sync::atomic::AtomicU64;

    #[test]
    fn measures_follow_what_is_held_and_are_counted() {
        let (registry, held) = (Registry::default(), Arc::new(AtomicU64::new(0)));
        let own = Arc::clone(&held);
        let budget = MemoryBudget::new(&registry, Some(1000), move || own.load(Ordering::Relaxed));
        let at = |bytes| {
            held.store(bytes, Ordering::Relaxed);
            budget.compare();
            Relief::ALL.map(|relief| budget.shed(relief))
        };
        assert_eq!(at(700), [false; 6]);
        assert_eq!(at(860), [true, true, true, false, false, false]);
        assert_eq!(at(1000), [true; 6]);
        assert_eq!(at(500), [false; 6]);
        budget.count(Relief::NewSeries, 40);
        let text = render(&registry, Format::Text);
        for line in [
            "narthex_memory_shed_total{measure=\"batches\"} 2",
            "narthex_memory_shed_total{measure=\"new_series\"} 41",
            "narthex_memory_budget_bytes 1000",
            "narthex_memory_held_bytes 500",
            "narthex_memory_step 0",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn without_a_budget_nothing_is_given_up() {
        let budget = MemoryBudget::new(&Registry::default(), None, || u64::MAX);
        budget.compare();
        assert!(Relief::ALL.iter().all(|relief| !budget.sheds(*relief)));
        assert_eq!(budget.body_bytes_max(), None);
    }
}
