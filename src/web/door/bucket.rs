//! A bucket of tokens: so many at once, and one more every interval.

use std::time::Duration;

use crate::model::time::Mono;

/// A bucket. Full at first.
#[derive(Clone, Debug)]
pub(super) struct Bucket {
    interval: Duration,
    burst: f64,
    tokens: f64,
    last: Option<Mono>,
}

impl Bucket {
    pub(super) fn new(interval: Duration, burst: u32) -> Bucket {
        Bucket {
            interval,
            burst: f64::from(burst),
            tokens: f64::from(burst),
            last: None,
        }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Mono) -> bool {
        let passed = self.last.map_or(Duration::ZERO, |last| now.since(last));
        self.last = Some(now);
        let grown = passed.as_secs_f64() / self.interval.as_secs_f64();
        self.tokens = (self.tokens + grown).min(self.burst);
        let has_one = self.tokens >= 1.0;
        if has_one {
            self.tokens -= 1.0;
        }
        has_one
    }

    /// Puts one back.
    pub(super) fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.burst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_an_interval() {
        let second = Duration::from_secs(1);
        let mut bucket = Bucket::new(second, 2);
        let begin = Mono(5);
        assert!(bucket.take(begin) && bucket.take(begin) && !bucket.take(begin));
        assert!(!bucket.take(begin + second / 2));
        assert!(bucket.take(begin + second) && !bucket.take(begin + second));
        bucket.give_back();
        assert!(bucket.take(begin + second));
        let later = begin + second * 100;
        assert!(bucket.take(later) && bucket.take(later) && !bucket.take(later));
        assert!(!Bucket::new(second, 0).take(later));
    }
}
