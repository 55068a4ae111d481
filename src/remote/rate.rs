//! A limit of bytes a second, for uplinks that are paid or shared. Pure; the time is handed in.
//!
//! Whoever has a request reserves its bytes and gets the time at which it may go: at once while
//! there is credit, which grows at the limit's pace up to [`limits::REMOTE_RATE_BURST`]. A request
//! that is larger than the credit goes when the credit is full, and the next one pays for it.
//! Reservations are served in their order, so nobody starves, backlog or live.

use std::time::Duration;

use crate::limits;
use crate::model::time::Mono;

/// The limit of one endpoint, shared by its shards.
#[derive(Clone, Debug)]
pub struct RateLimit {
    bytes_per_second: u64,
    /// When everything reserved so far is paid for.
    paid_at: Mono,
}

impl RateLimit {
    /// A limit with full credit. Less than one byte a second is taken as one.
    #[must_use]
    pub fn new(bytes_per_second: u64) -> RateLimit {
        RateLimit {
            bytes_per_second: bytes_per_second.max(1),
            paid_at: Mono(0),
        }
    }

    /// Reserves bytes. Returns when they may go.
    pub fn reserve(&mut self, now: Mono, bytes: u64) -> Mono {
        let cost = self.cost(bytes);
        // Credit never grows beyond the burst, and a request never needs more than all of it.
        let from = self.paid_at.max(now - limits::REMOTE_RATE_BURST);
        self.paid_at = from + cost;
        now.max(from + cost.min(limits::REMOTE_RATE_BURST))
    }

    fn cost(&self, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(millis: u64) -> Mono {
        Mono::from_millis(millis)
    }

    #[test]
    fn credit_goes_at_once_and_then_the_limit_holds() {
        let mut limit = RateLimit::new(1000);
        let now = ms(10_000);
        assert_eq!(limit.reserve(now, 600), now);
        assert_eq!(limit.reserve(now, 400), now);
        assert_eq!(limit.reserve(now, 500), ms(10_500));
        assert_eq!(limit.reserve(ms(10_500), 500), ms(11_000));
        assert_eq!(limit.reserve(ms(60_000), 1000), ms(60_000));
        assert_eq!(limit.reserve(ms(60_000), 1), ms(60_001));
    }

    #[test]
    fn a_request_larger_than_the_credit_goes_and_the_next_one_pauses() {
        let mut limit = RateLimit::new(1000);
        assert_eq!(limit.reserve(ms(10_000), 5000), ms(10_000));
        assert_eq!(limit.reserve(ms(10_000), 1), ms(14_001));
        // With no credit it waits until the credit is full.
        assert_eq!(limit.reserve(ms(20_000), 700), ms(20_000));
        assert_eq!(limit.reserve(ms(20_000), 5000), ms(20_700));
    }

    proptest! {
        /// In any stretch of time no more goes than the limit, the credit and one request allow,
        /// requests go in the order in which they were reserved, and whoever waits is not kept
        /// longer than those before him cost.
        #[test]
        fn no_window_has_more_than_it_may(
            rate in 1u64..100_000, asks in prop::collection::vec((0u64..3000, 1u64..200_000), 1..40),
        ) {
            let mut limit = RateLimit::new(rate);
            let (mut now, mut gone) = (ms(100_000), Vec::new());
            for (pause, bytes) in asks {
                now = now + Duration::from_millis(pause);
                let at = limit.reserve(now, bytes);
                prop_assert!(at >= now);
                gone.push((at, bytes));
            }
            for pair in gone.windows(2) {
                prop_assert!(pair[0].0 <= pair[1].0);
            }
            for (first, (begin, _)) in gone.iter().enumerate() {
                let (mut sum, mut largest) = (0, 0);
                for (at, bytes) in &gone[first..] {
                    (sum, largest) = (sum + bytes, largest.max(*bytes));
                    let time = (at.since(*begin) + limits::REMOTE_RATE_BURST).as_secs_f64();
                    let most = time * rate as f64 + largest as f64 + 1.0;
                    prop_assert!(sum as f64 <= most, "{sum} bytes, {most} may go");
                }
            }
        }
    }
}
