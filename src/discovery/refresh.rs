//! The loop of providers that poll, and when they poll.
//!
//! The first refresh is at once, then one per interval, spread a little so that a fleet does not
//! knock at the same moment. A failure is counted and logged, what was found before stays.
//! Before the first success the pauses begin short, because the network may just be coming up. A
//! provider that hears of changes is asked soon after one.
//!
//! # Thread
//! - Owns: the provider's client and memory. Inbox: news of the provider, at most one. Outbox:
//!   updates, blocks when full.
//! - Waits on: its stop channel, news. Deadlines: the schedule. Stops when: the stop channel
//!   closes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crossbeam_channel::{Receiver, never, select};

use super::manager::Update;
use super::outlet::Outlet;
use super::provider::Refresh;
use crate::limits;
use crate::sys::jitter::Jitter;

/// How a refresh ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With groups.
    Well,
    /// With an error.
    Badly,
    /// With a panic.
    InPanic,
}

/// When to refresh. Pure.
#[derive(Debug)]
pub struct Schedule {
    interval: Duration,
    jitter: Jitter,
    retry: Duration,
    ever_succeeded: bool,
}

impl Schedule {
    /// One refresh per interval, at least [`limits::SD_REFRESH_MIN`].
    #[must_use]
    pub fn new(interval: Duration, jitter: Jitter) -> Schedule {
        Schedule {
            interval: interval.max(limits::SD_REFRESH_MIN),
            jitter,
            retry: limits::SD_RETRY_MIN,
            ever_succeeded: false,
        }
    }

    /// The time from the beginning of the last refresh to that of the next.
    pub fn next(&mut self, ended: Ended) -> Duration {
        self.ever_succeeded |= ended == Ended::Well;
        let spread = 0.95 + 0.1 * self.jitter.fraction();
        match ended {
            Ended::Badly if !self.ever_succeeded && self.retry < self.interval => {
                let pause = self.retry;
                self.retry *= 2;
                pause.mul_f64(spread)
            }
            Ended::InPanic => self.interval.max(limits::SD_RETRY_MIN),
            Ended::Well | Ended::Badly => self.interval.mul_f64(spread),
        }
    }
}

/// Refreshes until the outlet is stopped.
pub(super) fn run(mut provider: Box<dyn Refresh>, mut schedule: Schedule, outlet: &Outlet) {
    let mut news = provider.news().unwrap_or_else(never);
    loop {
        let began = outlet.clock().mono();
        let ended = turn(&mut *provider, outlet);
        if outlet.stopped() {
            return;
        }
        let took = outlet.clock().mono().since(began);
        outlet.took(took);
        // Never in a busy loop, not even when every refresh takes longer than the interval.
        let pause = schedule.next(ended).saturating_sub(took);
        let pause = pause.max(limits::SD_REFRESH_MIN);
        if !rest(outlet, &mut news, pause) {
            return;
        }
    }
}

/// Waits for the next refresh. False when the provider is to stop.
fn rest(outlet: &Outlet, news: &mut Receiver<()>, pause: Duration) -> bool {
    let due = outlet.clock().mono() + pause;
    // Also keeps news from becoming a busy loop.
    if !outlet.wait(pause.min(limits::SD_NEWS_GAP)) {
        return false;
    }
    loop {
        let left = due.since(outlet.clock().mono());
        select! {
            recv(outlet.stop()) -> _stopped => return false,
            recv(news) -> heard => match heard {
                Ok(()) => {
                    let settled = outlet.wait(limits::SD_NEWS_SETTLE.min(left));
                    // What came meanwhile is part of the same burst.
                    let _same_burst = news.try_recv();
                    return settled;
                }
                // Nobody is there to tell any more.
                Err(_) => *news = never(),
            },
            default(left) => return true,
        }
    }
}

fn turn(provider: &mut dyn Refresh, outlet: &Outlet) -> Ended {
    match catch_unwind(AssertUnwindSafe(|| provider.refresh(outlet))) {
        Ok(Ok(Some(groups))) => {
            let _stopped = outlet.send(Update::Full(groups));
            Ended::Well
        }
        Ok(Ok(None)) => {
            outlet.unchanged();
            Ended::Well
        }
        // What was interrupted did not fail.
        Ok(Err(_)) if outlet.stopped() => Ended::Badly,
        Ok(Err(error)) => {
            outlet.failed(&*error);
            Ended::Badly
        }
        Err(payload) => {
            outlet.panicked(&*payload);
            Ended::InPanic
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(schedule: &mut Schedule, ended: Ended) -> u64 {
        schedule.next(ended).as_secs_f64().round() as u64
    }

    #[test]
    fn until_the_first_success_failures_are_retried_soon() {
        let mut schedule = Schedule::new(Duration::from_secs(10), Jitter::seeded(1));
        let mut pauses = Vec::new();
        for _ in 0..6 {
            pauses.push(seconds(&mut schedule, Ended::Badly).min(9));
        }
        assert_eq!(pauses, [1, 2, 4, 8, 9, 9]);
        assert!(seconds(&mut schedule, Ended::Well) >= 9);
        assert!(seconds(&mut schedule, Ended::Badly) >= 9);
    }

    #[test]
    fn pauses_are_spread_around_the_interval() {
        let mut schedule = Schedule::new(Duration::from_secs(100), Jitter::seeded(1));
        let pauses: Vec<_> = (0..50).map(|_| schedule.next(Ended::Well)).collect();
        let (low, high) = (Duration::from_secs(95), Duration::from_secs(105));
        assert!(pauses.iter().all(|pause| (low..=high).contains(pause)));
        assert!(pauses.iter().any(|pause| *pause != pauses[0]));
    }

    #[test]
    fn no_interval_is_so_short_that_it_becomes_a_busy_loop() {
        let mut schedule = Schedule::new(Duration::ZERO, Jitter::seeded(1));
        assert!(schedule.next(Ended::Well) > limits::SD_REFRESH_MIN / 2);
        assert!(schedule.next(Ended::InPanic) >= limits::SD_RETRY_MIN);
    }
}
