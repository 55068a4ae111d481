//! When the log's thread lets blocks wait in its inbox, to take several at a time. Pure.
//!
//! Taking a block costs the log's thread, and each queue's, a wake-up, which is dearer than the block
//! of a small or a dead target. Where blocks come one after another, those that come within
//! [`limits::LOG_GATHER`] are therefore taken together. Where they come seldom, each is taken at once:
//! a thread that waits for more would only wake up twice.

use crate::limits;
use crate::model::time::Mono;

/// What is done with blocks that come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// They are taken at once.
    #[default]
    Open,
    /// They are left alone for a while.
    Gathering { since: Mono },
    /// They were left alone, and are taken now.
    Ended { since: Mono },
}

/// Whether blocks are gathered.
#[derive(Debug, Default)]
pub(super) struct Gather {
    state: State,
    /// When the inbox was last emptied.
    emptied: Option<Mono>,
}

impl Gather {
    /// Until when blocks are to be left in the inbox; none when they are to be taken at once.
    pub(super) fn until(&self, now: Mono) -> Option<Mono> {
        let State::Gathering { since } = self.state else {
            return None;
        };
        let until = since + limits::LOG_GATHER;
        (now < until).then_some(until)
    }

    /// Nothing waits any longer: the inbox fills up, or not all of it could be taken.
    pub(super) fn end(&mut self) {
        if let State::Gathering { since } = self.state {
            self.state = State::Ended { since };
        }
    }

    /// When what is in the inbox may have come.
    pub(super) fn came(&self, now: Mono) -> Mono {
        match self.state {
            State::Open => now,
            State::Gathering { since } | State::Ended { since } => {
                since.max(now - limits::LOG_GATHER)
            }
        }
    }

    /// The inbox was emptied of so many messages. Gathering begins when they come quickly, and goes on
    /// as long as those that waited have company.
    pub(super) fn emptied(&mut self, now: Mono, messages: usize) {
        let before = self.emptied.replace(now);
        let often = match self.state {
            State::Open => before.is_some_and(|before| now.since(before) <= limits::LOG_GATHER / 2),
            State::Gathering { .. } | State::Ended { .. } => messages > 1,
        };
        self.state = match often {
            true => State::Gathering { since: now },
            false => State::Open,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const GATHER: Duration = limits::LOG_GATHER;
    const QUICK: Duration = Duration::from_millis(limits::LOG_GATHER.as_millis() as u64 / 2);
    const MOMENT: Duration = Duration::from_millis(1);

    /// Takes so many blocks each time, so long after the last time.
    fn taken(takes: &[(Duration, usize)]) -> (Gather, Mono) {
        let (mut gather, mut now) = (Gather::default(), Mono::from_millis(5000));
        for (gap, messages) in takes {
            now = now + *gap;
            gather.emptied(now, *messages);
        }
        (gather, now)
    }

    #[test]
    fn blocks_that_come_seldom_are_taken_at_once() {
        let seldom = (QUICK + MOMENT, 1);
        for takes in [
            &[][..],
            &[(MOMENT, 1)],
            &[seldom, seldom, seldom],
            &[(MOMENT, 1), (MOMENT, 1), (GATHER, 1)],
        ] {
            let (gather, now) = taken(takes);
            assert_eq!(
                (gather.until(now), gather.came(now)),
                (None, now),
                "{takes:?}"
            );
        }
    }

    #[test]
    fn blocks_that_come_quickly_wait_for_one_another() {
        for takes in [
            &[(MOMENT, 1), (QUICK, 1)][..],
            &[(MOMENT, 1), (MOMENT, 1), (GATHER + MOMENT, 2)],
        ] {
            let (mut gather, now) = taken(takes);
            let until = now + GATHER;
            assert_eq!(gather.until(now), Some(until), "{takes:?}");
            assert_eq!(gather.until(until - MOMENT), Some(until));
            assert_eq!(gather.until(until), None);
            gather.end();
            assert_eq!(gather.until(now), None);
        }
    }

    #[test]
    fn what_waited_may_have_come_when_the_inbox_was_emptied_and_no_earlier_than_the_gathering() {
        let (mut gather, now) = taken(&[(MOMENT, 1), (MOMENT, 1)]);
        assert_eq!(gather.came(now + MOMENT), now);
        assert_eq!(gather.came(now + GATHER), now);
        assert_eq!(gather.came(now + GATHER + MOMENT), now + MOMENT);
        // Not all could be taken: what is left is as old.
        gather.end();
        assert_eq!(gather.came(now + MOMENT), now);
        gather.emptied(now + MOMENT, 2);
        assert_eq!(gather.came(now + MOMENT), now + MOMENT);
    }
}
