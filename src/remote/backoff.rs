//! How long to wait after a failure: pure, randomness handed in.
//!
//! Prometheus's rule: from `min` doubling to `max`; a `Retry-After` replaces the wait and the next
//! one then begins at twice of it. Ours on top: up to a quarter of jitter, downwards, so that a
//! fleet does not return in step, while a written minimum and maximum hold exactly; and
//! `Retry-After` is believed only up to [`crate::limits::REMOTE_RETRY_AFTER_MAX`].

use std::time::Duration;

use crate::limits;

/// Largest part of a delay that jitter takes away.
const JITTER_PART: f64 = 0.25;

/// The delays of one shard.
#[derive(Clone, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Begins at `min`; `max` is taken as at least that.
    #[must_use]
    pub fn new(min: Duration, max: Duration) -> Backoff {
        Backoff {
            min,
            max: max.max(min),
            next: min,
        }
    }

    /// After a success: the next failure begins at the minimum again.
    pub fn reset(&mut self) {
        self.next = self.min;
    }

    /// The wait after one more failure. `fraction` is random in `0.0..1.0`.
    pub fn fail(&mut self, retry_after: Option<Duration>, fraction: f64) -> Duration {
        let spread = self.next.saturating_sub(self.min).mul_f64(JITTER_PART);
        let room = self.next.saturating_sub(self.min);
        let own = self.next - spread.min(room).mul_f64(fraction.clamp(0.0, 1.0));
        let asked = retry_after.map(|asked| asked.min(limits::REMOTE_RETRY_AFTER_MAX));
        let wait = own.max(asked.unwrap_or_default());
        let grown = if asked.is_some() { wait } else { self.next };
        self.next = grown.saturating_mul(2).clamp(self.min, self.max);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn delays_double_up_to_the_maximum() {
        let mut backoff = Backoff::new(ms(30), ms(200));
        let waits: Vec<_> = (0..5).map(|_| backoff.fail(None, 0.0)).collect();
        assert_eq!(waits, [ms(30), ms(60), ms(120), ms(200), ms(200)]);
        backoff.reset();
        assert_eq!(backoff.fail(None, 0.9), ms(30));
    }

    #[test]
    fn retry_after_replaces_a_shorter_wait_and_the_next_is_twice_as_long() {
        let mut backoff = Backoff::new(ms(30), ms(5000));
        assert_eq!(backoff.fail(Some(ms(1000)), 0.0), ms(1000));
        assert_eq!(backoff.fail(None, 0.0), ms(2000));
        assert_eq!(backoff.fail(Some(ms(1)), 0.0), ms(4000));
        let forever = backoff.fail(Some(Duration::MAX), 0.0);
        assert_eq!(forever, limits::REMOTE_RETRY_AFTER_MAX);
        assert_eq!(backoff.fail(None, 0.0), ms(5000));
    }

    proptest! {
        #[test]
        fn every_wait_is_between_minimum_and_maximum(
            min in 1u64..10_000, more in 0u64..100_000, fractions in prop::collection::vec(0.0..1.0, 20),
        ) {
            let mut backoff = Backoff::new(ms(min), ms(min + more));
            for fraction in fractions {
                let wait = backoff.fail(None, fraction);
                prop_assert!(ms(min) <= wait && wait <= ms(min + more), "{wait:?}");
            }
        }
    }
}
