//! Which target is given up when there is no memory left: the one with most series of all workers.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::limits;
use crate::model::time::Mono;

/// Knows how large the largest target is. Clones share it.
///
/// A lock, because the workers share it; taken once per scrape.
#[derive(Clone, Debug, Default)]
pub struct Offender(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Series that a target must have to be given up.
    largest: usize,
    /// No target is given up before.
    spared_until: Mono,
}

const PAUSE: Duration = limits::MEMORY_GIVE_UP_PAUSE;

impl Offender {
    /// Takes note of a target's series.
    pub fn note(&self, series: usize) {
        let mut state = self.0.lock();
        state.largest = state.largest.max(series);
    }

    /// Whether a target with so many series is to be given up now; if so, it is taken as done, and
    /// nobody is for a while. Then all that are half as large may be, until larger ones are noted:
    /// large targets may be known no more, or be gone.
    #[must_use]
    pub fn gives_up(&self, now: Mono, series: usize) -> bool {
        let mut state = self.0.lock();
        if series == 0 || now < state.spared_until {
            return false;
        }
        let given_up = series >= state.largest;
        if given_up {
            state.largest = series / 2;
            state.spared_until = now + PAUSE;
        } else if now >= state.spared_until + PAUSE {
            state.largest /= 2;
            state.spared_until = now;
        }
        given_up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(1_000_000 + seconds * 1000)
    }

    #[test]
    fn one_of_the_largest_is_given_up_at_a_time() {
        let offender = Offender::default();
        for series in [10, 5000, 5000] {
            offender.note(series);
        }
        assert!(!offender.gives_up(at(0), 10));
        assert!(offender.gives_up(at(0), 5000));
        assert!(!offender.gives_up(at(0), 5000), "what it held goes first");
        offender.note(10);
        assert!(!offender.gives_up(at(5), 10), "there are larger ones");
        assert!(offender.gives_up(at(5), 5000));
        assert!(!offender.gives_up(at(20), 0), "it has nothing to give");
    }

    #[test]
    fn when_large_targets_are_gone_smaller_ones_follow() {
        let offender = Offender::default();
        offender.note(1000);
        let given_up = (0..600).find(|second| offender.gives_up(at(*second), 100));
        assert_eq!(given_up, Some(16), "1000, 500, 250, 125, 62");
    }
}
