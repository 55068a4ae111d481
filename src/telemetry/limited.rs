//! How often something may be said: at most once per interval, with the number left unsaid.
//!
//! A value, not a global: whoever logs owns its limiter, hands it the time and reports the count
//! it gets back. [`KeyedRateLimit`] does the same per target, endpoint or client and never holds
//! more than [`limits::RATE_LIMIT_KEYS_MAX`] keys; what does not fit shares one limiter.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::limits;
use crate::model::time::Mono;

/// Lets one event per interval through.
#[derive(Clone, Debug)]
pub struct RateLimit {
    interval: Duration,
    next: Mono,
    suppressed: u64,
}

impl RateLimit {
    /// A limiter whose first event passes.
    #[must_use]
    pub const fn new(interval: Duration) -> RateLimit {
        RateLimit {
            interval,
            next: Mono(0),
            suppressed: 0,
        }
    }

    /// The number of events suppressed since the last one that passed, if this one may pass.
    pub fn allow(&mut self, now: Mono) -> Option<u64> {
        if now < self.next {
            self.suppressed += 1;
            return None;
        }
        self.next = now + self.interval;
        Some(std::mem::take(&mut self.suppressed))
    }

    /// Whether forgetting this limiter would change nothing.
    fn is_idle(&self, now: Mono) -> bool {
        now >= self.next && self.suppressed == 0
    }
}

/// A limiter per key.
#[derive(Clone, Debug)]
pub struct KeyedRateLimit<K> {
    interval: Duration,
    keys: BTreeMap<K, RateLimit>,
    /// For keys that found no room.
    overflow: RateLimit,
}

impl<K: Ord + Clone> KeyedRateLimit<K> {
    /// Limiters of the same interval for every key.
    #[must_use]
    pub const fn new(interval: Duration) -> KeyedRateLimit<K> {
        KeyedRateLimit {
            interval,
            keys: BTreeMap::new(),
            overflow: RateLimit::new(interval),
        }
    }

    /// As [`RateLimit::allow`], for one key.
    pub fn allow(&mut self, now: Mono, key: &K) -> Option<u64> {
        if let Some(limit) = self.keys.get_mut(key) {
            return limit.allow(now);
        }
        if self.keys.len() >= limits::RATE_LIMIT_KEYS_MAX {
            self.keys.retain(|_, limit| !limit.is_idle(now));
        }
        if self.keys.len() >= limits::RATE_LIMIT_KEYS_MAX {
            return self.overflow.allow(now);
        }
        let limit = self.keys.entry(key.clone());
        limit
            .or_insert_with(|| RateLimit::new(self.interval))
            .allow(now)
    }

    /// Forgets a key, so that its next event passes: what it was about is over.
    pub fn forget(&mut self, key: &K) {
        self.keys.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn one_event_passes_per_interval_and_the_next_tells_how_many_did_not() {
        let mut limit = RateLimit::new(MINUTE);
        assert_eq!(limit.allow(Mono(5)), Some(0));
        assert_eq!(limit.allow(Mono(6)), None);
        assert_eq!(limit.allow(Mono(7)), None);
        assert_eq!(limit.allow(Mono(5) + MINUTE), Some(2));
        assert_eq!(limit.allow(Mono(6) + MINUTE), None);
    }

    #[test]
    fn keys_are_independent_until_there_are_too_many() {
        let mut limit = KeyedRateLimit::new(MINUTE);
        for key in 0..limits::RATE_LIMIT_KEYS_MAX {
            assert_eq!(limit.allow(Mono(1), &key), Some(0));
        }
        let (one, two) = (limits::RATE_LIMIT_KEYS_MAX, limits::RATE_LIMIT_KEYS_MAX + 1);
        assert_eq!(limit.allow(Mono(2), &one), Some(0));
        assert_eq!(limit.allow(Mono(2), &two), None);
        // Once their interval is over, quiet keys give room.
        let later = Mono(3) + MINUTE;
        assert_eq!(limit.allow(later, &one), Some(0));
        assert_eq!(limit.allow(later, &two), Some(0));
        assert_eq!(limit.keys.len(), 2);
        limit.forget(&one);
        assert_eq!(limit.allow(later, &one), Some(0));
    }
}
