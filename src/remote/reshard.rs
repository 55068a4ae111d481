//! How many shards an endpoint needs: Prometheus's formula, a pure function of numbers.
//!
//! Time that one sample takes, times the samples that arrive plus a twentieth of those that wait.
//! Changes within 30% are not made, and nobody leaves while the queue is more than 10 s behind.

/// Part of the backlog that is to be worked off in a second.
const BACKLOG_PART: f64 = 0.05;

/// Relative change that is too small to be made.
const TOLERANCE: f64 = 0.3;

/// Delay in seconds above which the number is never lowered.
const BEHIND_SECONDS: f64 = 10.0;

/// What the formula looks at. Rates are smoothed, see [`super::ewma`].
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Samples a second that come in.
    pub in_rate: f64,
    /// Samples a second that relabelling or age dropped.
    pub dropped_rate: f64,
    /// Samples a second that were sent.
    pub out_rate: f64,
    /// Seconds of sending in a second, over all shards.
    pub busy: f64,
    /// Seconds by which the newest sent sample is behind the newest known one.
    pub delay: f64,
}

/// Bounds of the number of shards; `min` at most `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardBounds {
    /// Fewest.
    pub min: u32,
    /// Most.
    pub max: u32,
}

/// The answer: what the formula gives, and what to run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Decision {
    /// Unrounded, for `shards_desired`.
    pub desired: f64,
    /// The number of shards from now on.
    pub shards: u32,
}

/// Decides from the load and the present number. None while nothing was sent: there is nothing
/// to calculate with.
#[must_use]
pub fn decide(load: &Load, now: u32, bounds: ShardBounds) -> Option<Decision> {
    if load.out_rate <= 0.0 {
        return None;
    }
    let kept = load.out_rate / (load.dropped_rate + load.out_rate);
    let arriving = load.in_rate * kept;
    let backlog = load.delay.max(0.0) * arriving * BACKLOG_PART;
    let desired = load.busy / load.out_rate * (arriving + backlog);
    Some(Decision {
        desired,
        shards: settle(desired, load.delay, now, bounds),
    })
}

fn settle(desired: f64, delay: f64, now: u32, bounds: ShardBounds) -> u32 {
    let rounded = desired.ceil();
    let present = f64::from(now);
    let close = present * (1.0 - TOLERANCE) <= rounded && rounded <= present * (1.0 + TOLERANCE);
    let too_early = rounded < present && delay > BEHIND_SECONDS;
    let wanted = if close || too_early {
        now
    } else {
        rounded as u32
    };
    wanted.clamp(bounds.min.max(1), bounds.max.max(bounds.min).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: ShardBounds = ShardBounds { min: 1, max: 50 };
    const LOAD: Load = Load {
        in_rate: 1000.0,
        dropped_rate: 0.0,
        out_rate: 1000.0,
        busy: 1.0,
        delay: 0.0,
    };

    fn shards(load: Load, now: u32) -> u32 {
        decide(&load, now, BOUNDS)
            .expect("something was sent")
            .shards
    }

    #[test]
    fn the_number_follows_the_time_that_sending_takes() {
        let busy = Load { busy: 4.0, ..LOAD };
        assert_eq!(shards(busy, 1), 4);
        assert_eq!(shards(LOAD, 4), 1);
        let half_dropped = Load {
            dropped_rate: 1000.0,
            ..busy
        };
        assert_eq!(shards(half_dropped, 1), 2);
    }

    #[test]
    fn a_backlog_adds_a_twentieth_of_it() {
        let behind = Load {
            delay: 60.0,
            ..LOAD
        };
        let decision = decide(&behind, 1, BOUNDS).expect("decided");
        assert_eq!(decision.desired, 4.0);
        assert_eq!(decision.shards, 4);
    }

    #[test]
    fn small_changes_are_not_made() {
        let little_more = Load { busy: 10.5, ..LOAD };
        assert_eq!(shards(little_more, 10), 10);
        assert_eq!(shards(Load { busy: 13.0, ..LOAD }, 10), 10);
        assert_eq!(shards(Load { busy: 13.1, ..LOAD }, 10), 14);
    }

    #[test]
    fn shards_stay_while_the_queue_is_behind() {
        let behind = Load {
            busy: 0.1,
            delay: 10.5,
            ..LOAD
        };
        assert_eq!(shards(behind, 8), 8);
        let caught_up = Load {
            delay: 9.0,
            ..behind
        };
        assert_eq!(shards(caught_up, 8), 1);
    }

    #[test]
    fn bounds_hold_and_silence_decides_nothing() {
        assert_eq!(
            shards(
                Load {
                    busy: 900.0,
                    ..LOAD
                },
                1
            ),
            50
        );
        let narrow = ShardBounds { min: 3, max: 3 };
        assert_eq!(decide(&LOAD, 1, narrow).map(|own| own.shards), Some(3));
        let silent = Load {
            out_rate: 0.0,
            ..LOAD
        };
        assert_eq!(decide(&silent, 2, BOUNDS), None);
    }
}
