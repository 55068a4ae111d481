//! One query that is asked again and again: its index, and when it may be asked next. Pure.
//!
//! A blocking query answers when something changed behind the index it carries, or after its wait.
//! An index that goes backwards (Consul restored from a snapshot) or is missing begins anew. An
//! answer that comes before its time costs an allowance of [`limits::SD_CONSUL_BURST`] for each
//! refresh interval, so that neither a service that changes all the time nor a server that does
//! not block makes a busy loop. Failures are retried with a pause that doubles.

use std::time::Duration;

use crate::limits;
use crate::model::time::Mono;
use crate::sys::jitter::Jitter;

/// A question under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    id: u64,
    at: Mono,
    wait: Duration,
}

/// The state of one query.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    /// When it is due, unless it is under way.
    due: Mono,
    /// What the last answer carried; 0 for a question that does not block.
    index: u64,
    asked: Option<Asked>,
    /// Failures in a row.
    failures: u32,
    /// When the allowance would be whole again, in the manner of a leaky bucket.
    whole_at: Mono,
}

impl Turn {
    /// One that is due at once.
    pub(super) fn new(now: Mono) -> Turn {
        Turn {
            due: now,
            index: 0,
            asked: None,
            failures: 0,
            whole_at: now,
        }
    }

    /// When it is due; nothing while it is under way.
    pub(super) fn due(&self) -> Option<Mono> {
        self.asked.is_none().then_some(self.due)
    }

    /// The index to ask with.
    pub(super) fn index(&self) -> u64 {
        self.index
    }

    /// Notes that it is asked.
    pub(super) fn ask(&mut self, now: Mono, id: u64, wait: Duration) {
        let wait = if self.index == 0 {
            Duration::ZERO
        } else {
            wait
        };
        self.asked = Some(Asked { id, at: now, wait });
    }

    /// Notes that whoever was asked is gone. The allowance is whole again: whoever begins anew has
    /// paused, and the question that this costs must not put off the next ones.
    pub(super) fn forget(&mut self, now: Mono) {
        self.asked = None;
        self.index = 0;
        self.due = self.due.min(now);
        self.whole_at = self.whole_at.min(now);
    }

    /// Whether an answer is the one that is waited for.
    pub(super) fn expects(&self, id: u64) -> bool {
        self.asked.is_some_and(|asked| asked.id == id)
    }

    /// Takes an answer with this index.
    pub(super) fn answered(&mut self, now: Mono, index: u64, interval: Duration) {
        self.index = if index < self.index { 0 } else { index };
        self.failures = 0;
        let early = self
            .asked
            .take()
            .is_none_or(|asked| asked.wait.is_zero() || now.since(asked.at) < asked.wait);
        self.due = now;
        if early {
            self.whole_at = self.whole_at.max(now) + interval;
            let allowance = interval * (limits::SD_CONSUL_BURST - 1);
            self.due = now.max(self.whole_at - allowance);
        }
    }

    /// Takes a failure: what is known may be old, so the next question does not block.
    pub(super) fn failed(&mut self, now: Mono, jitter: &mut Jitter) {
        self.asked = None;
        self.index = 0;
        let doubled = limits::SD_RETRY_MIN * 2_u32.saturating_pow(self.failures.min(16));
        let pause = doubled.min(limits::SD_RETRY_MAX);
        self.failures += 1;
        self.due = now + pause.mul_f64(0.5 + jitter.fraction());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);
    const WAIT: Duration = Duration::from_secs(10);

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1000)
    }

    #[test]
    fn an_index_that_goes_backwards_begins_anew() {
        let mut turn = Turn::new(at(0));
        for (index, next) in [(5, 5), (7, 7), (7, 7), (3, 0), (3, 3), (0, 0)] {
            turn.ask(at(0), 1, WAIT);
            turn.answered(at(0), index, INTERVAL);
            assert_eq!(turn.index(), next, "after {index}");
        }
    }

    #[test]
    fn the_first_news_are_free_and_later_ones_cost_an_interval() {
        let mut turn = Turn::new(at(0));
        let mut due = Vec::new();
        for index in 1..=5 {
            let now = turn.due().expect("not under way");
            turn.ask(now, index, WAIT);
            turn.answered(now, index, INTERVAL);
            due.push(turn.due().expect("answered").as_millis() / 1000);
        }
        assert_eq!(due, [0, 0, 30, 60, 90]);
        // An hour later the allowance is whole again.
        turn.ask(at(3600), 6, WAIT);
        turn.answered(at(3600), 6, INTERVAL);
        assert_eq!(turn.due(), Some(at(3600)));
    }

    #[test]
    fn beginning_anew_puts_nothing_off() {
        let mut turn = Turn::new(at(0));
        for id in 1..=20 {
            turn.forget(at(0));
            turn.ask(at(0), id, WAIT);
            turn.answered(at(0), 1, INTERVAL);
            assert_eq!(turn.due(), Some(at(0)), "after {id} times");
        }
    }

    #[test]
    fn an_answer_after_the_whole_wait_costs_nothing() {
        let mut turn = Turn::new(at(0));
        turn.ask(at(0), 1, WAIT);
        turn.answered(at(0), 9, INTERVAL);
        for round in 0..20 {
            let now = at(round * 10);
            assert_eq!(turn.due(), Some(now));
            turn.ask(now, round, WAIT);
            assert_eq!(turn.due(), None);
            turn.answered(now + WAIT, 9, INTERVAL);
        }
    }

    #[test]
    fn a_server_that_does_not_block_is_not_asked_in_a_busy_loop() {
        let mut turn = Turn::new(at(0));
        let mut questions = 0;
        while let Some(now) = turn.due().filter(|due| *due < at(3600)) {
            turn.ask(now, 1, WAIT);
            turn.answered(now, 0, INTERVAL);
            questions += 1;
        }
        assert_eq!(questions, 120 + limits::SD_CONSUL_BURST - 1);
    }

    #[test]
    fn pauses_after_failures_double_up_to_a_bound() {
        let mut jitter = Jitter::seeded(1);
        let mut turn = Turn::new(at(0));
        let mut longest = Duration::ZERO;
        for failure in 0..40 {
            turn.ask(at(0), failure, WAIT);
            turn.failed(at(0), &mut jitter);
            let pause = turn.due().expect("failed").since(at(0));
            let whole = limits::SD_RETRY_MIN * (1 << failure.min(20));
            let whole = whole.min(limits::SD_RETRY_MAX);
            assert!(pause >= whole / 2 && pause <= whole * 3 / 2, "{pause:?}");
            longest = longest.max(pause);
        }
        assert!(longest > limits::SD_RETRY_MAX);
    }
}
