//! When the log has to be synced.
//!
//! A loss of power may cost what was scraped in the last sync interval. Without a stage everything
//! unsynced gets to disk that often. With one only what no queue has delivered in time does: what
//! is delivered cannot be lost, and its sync waits, so that flash wears less.

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits;
use crate::model::block::Sequence;
use crate::model::time::Mono;

/// What is written and not synced, and since when.
#[derive(Debug)]
pub struct Due {
    interval: Duration,
    /// Whether the sync of what is delivered waits.
    patient: bool,
    last_sync: Mono,
    /// Since when something is not synced.
    since: Option<Mono>,
    /// Frames with something that is neither synced nor delivered: their last block, and when their
    /// oldest record came.
    frames: VecDeque<(Sequence, Mono)>,
    hurried: bool,
    /// Something failed, and what it kept from the disk is written again: older than it looks.
    overdue: bool,
}

impl Due {
    /// Nothing is written yet.
    #[must_use]
    pub fn new(interval: Duration, patient: bool) -> Due {
        Due {
            interval,
            patient,
            last_sync: Mono(0),
            since: None,
            frames: VecDeque::new(),
            hurried: false,
            overdue: false,
        }
    }

    /// From now on what is delivered does not wait either.
    pub fn lose_patience(&mut self) {
        self.patient = false;
    }

    /// A frame was written whose last block is `last` and whose oldest record came at `since`.
    pub fn wrote(&mut self, last: Sequence, since: Mono) {
        self.since.get_or_insert(since);
        if self.patient {
            self.frames.push_back((last, since));
        }
    }

    /// Every queue has settled everything up to `floor`.
    pub fn settle(&mut self, floor: Sequence) {
        while self
            .frames
            .pop_front_if(|(last, _)| *last <= floor)
            .is_some()
        {}
    }

    /// Something else waits for the next sync, which does not wait then.
    pub fn hurry(&mut self, hurried: bool) {
        self.hurried = hurried;
    }

    /// A sync was tried; it says itself what became of it.
    pub fn tried(&mut self, now: Mono) {
        self.last_sync = now;
    }

    /// Everything written is synced.
    pub fn done(&mut self) {
        self.since = None;
        self.frames.clear();
        self.overdue = false;
    }

    /// What was written counts for nothing; it is written again, and does not wait then.
    pub fn failed(&mut self) {
        self.done();
        self.overdue = true;
    }

    /// Whether something is written and not synced.
    #[must_use]
    pub fn is_unsynced(&self) -> bool {
        self.since.is_some()
    }

    /// When to sync; [`Mono::NEVER`] while everything is.
    #[must_use]
    pub fn at(&self) -> Mono {
        let Some(since) = self.since else {
            return Mono::NEVER;
        };
        let regular = self.last_sync + self.interval;
        if !self.patient || self.hurried || self.overdue {
            return regular;
        }
        let late = since + self.interval * limits::LOG_SYNC_PUT_OFF;
        let undelivered = self.frames.front().map(|(_, since)| *since + self.interval);
        undelivered.unwrap_or(Mono::NEVER).min(late).max(regular)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(1000 * seconds)
    }

    #[test]
    fn without_patience_a_sync_is_due_an_interval_after_the_last() {
        let mut due = Due::new(INTERVAL, false);
        due.tried(at(100));
        assert_eq!(due.at(), Mono::NEVER);
        due.wrote(Sequence(5), at(107));
        due.settle(Sequence(5));
        assert_eq!(due.at(), at(110));
        due.tried(at(110));
        assert_eq!(due.at(), at(120), "it failed");
        due.done();
        assert_eq!(due.at(), Mono::NEVER);
    }

    #[test]
    fn what_is_not_delivered_is_synced_before_it_is_older_than_the_interval() {
        let mut due = Due::new(INTERVAL, true);
        due.tried(at(100));
        due.wrote(Sequence(5), at(107));
        due.wrote(Sequence(8), at(108));
        assert_eq!(due.at(), at(117));
        due.settle(Sequence(4));
        assert_eq!(due.at(), at(117));
        due.settle(Sequence(5));
        assert_eq!(due.at(), at(118));
        // What comes soon after a sync waits for the next one, as without a stage.
        due.tried(at(112));
        assert_eq!(due.at(), at(122));
    }

    #[test]
    fn what_is_delivered_waits_but_not_for_ever_nor_when_something_hurries() {
        let mut due = Due::new(INTERVAL, true);
        due.tried(at(100));
        due.wrote(Sequence(5), at(107));
        due.settle(Sequence(9));
        let late = at(107) + INTERVAL * limits::LOG_SYNC_PUT_OFF;
        assert_eq!(due.at(), late);
        due.hurry(true);
        assert_eq!(due.at(), at(110));
        due.hurry(false);
        assert_eq!(due.at(), late);
        due.lose_patience();
        assert_eq!(due.at(), at(110));
    }
}
