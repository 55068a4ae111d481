//! Scrapes that were ordered ahead of their time, until it comes. Pure.

use std::sync::Arc;
use std::time::Duration;

use crate::limits;
use crate::model::time::Mono;

/// A scrape whose time has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ordered {
    pub(super) id: u64,
    /// When it was due.
    pub(super) scheduled: Mono,
    /// Report the target as down for this reason, without fetching.
    pub(super) refused: Option<Arc<str>>,
}

impl Ordered {
    /// What scrapes are told apart by, and their order.
    fn key(&self) -> (Mono, u64) {
        (self.scheduled, self.id)
    }
}

/// Those that wait for their time, the next one last: bounded, as a target is ordered at most
/// [`limits::SCRAPE_AHEAD`] before it.
#[derive(Debug, Default)]
pub(super) struct Upcoming(Vec<Ordered>);

impl Upcoming {
    /// Takes an order. The same target at the same time is one scrape.
    pub(super) fn insert(&mut self, ordered: Ordered) {
        let key = ordered.key();
        let later = self.0.partition_point(|own| own.key() > key);
        if self.0.get(later).is_none_or(|own| own.key() != key) {
            self.0.insert(later, ordered);
        }
    }

    /// The next one that is due.
    pub(super) fn pop(&mut self, now: Mono) -> Option<Ordered> {
        self.0
            .pop_if(|next| next.scheduled.since(now) < limits::POLL_STEP)
    }

    /// How long a poll may wait before the next one, in whole milliseconds.
    pub(super) fn wait(&self, now: Mono) -> Option<Duration> {
        let left = self.0.last()?.scheduled.since(now);
        let rest = left.subsec_nanos() % 1_000_000;
        Some(left.saturating_sub(Duration::from_nanos(u64::from(rest))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(id: u64, micros: u64) -> Ordered {
        Ordered {
            id,
            scheduled: Mono(micros * 1000),
            refused: None,
        }
    }

    #[test]
    fn scrapes_come_in_the_order_of_their_times_and_once() {
        let mut upcoming = Upcoming::default();
        for (id, micros) in [(1, 9000), (2, 5000), (3, 7000), (1, 9000), (1, 5000)] {
            upcoming.insert(ordered(id, micros));
        }
        let due = std::iter::from_fn(|| upcoming.pop(Mono(9_000_000)));
        let due: Vec<_> = due.map(|own| (own.id, own.scheduled.0 / 1000)).collect();
        assert_eq!(due, [(1, 5000), (2, 5000), (3, 7000), (1, 9000)]);
        assert_eq!(
            (upcoming.wait(Mono(0)), upcoming.pop(Mono::NEVER)),
            (None, None)
        );
    }

    #[test]
    fn a_poll_that_waits_in_whole_milliseconds_is_neither_late_nor_asked_in_vain() {
        for (left, wait) in [(5000, 5), (5001, 5), (5999, 5), (1000, 1), (999, 0), (0, 0)] {
            let mut upcoming = Upcoming::default();
            upcoming.insert(ordered(1, 20_000 + left));
            let now = Mono(20_000_000);
            let asked = upcoming.wait(now).expect("one waits");
            assert_eq!(asked, Duration::from_millis(wait), "{left}");
            let due = upcoming.pop(now).is_some();
            assert_eq!(due, left < 1000, "{left}");
            assert!(
                due || upcoming.pop(now + asked).is_some(),
                "{left}: a second wait"
            );
        }
    }

    #[test]
    fn one_whose_time_has_passed_is_due() {
        let mut upcoming = Upcoming::default();
        upcoming.insert(ordered(4, 10));
        assert_eq!(upcoming.wait(Mono(50_000)), Some(Duration::ZERO));
        assert_eq!(upcoming.pop(Mono(50_000)), Some(ordered(4, 10)));
    }
}
