//! Measures what the decision about shards is made from.

use super::ewma::Ewma;
use super::reshard::Load;
use crate::model::time::Mono;

/// Smoothed rates of one endpoint; ticks every [`crate::limits::REMOTE_RESHARD_INTERVAL`].
#[derive(Debug)]
pub struct LoadMeter {
    input: Ewma,
    dropped: Ewma,
    output: Ewma,
    busy: Ewma,
    last: Mono,
    sent_before: (u64, f64),
}

impl LoadMeter {
    /// Begins to measure.
    #[must_use]
    pub fn new(now: Mono) -> LoadMeter {
        LoadMeter {
            input: Ewma::default(),
            dropped: Ewma::default(),
            output: Ewma::default(),
            busy: Ewma::default(),
            last: now,
            sent_before: (0, 0.0),
        }
    }

    /// Counts samples that came in, and how many of them were not sent on.
    pub fn take_in(&mut self, samples: u64, dropped: u64) {
        self.input.add(samples as f64);
        self.dropped.add(dropped as f64);
    }

    /// Ends a tick. `sent` are all samples settled so far and the seconds their requests took;
    /// `delay` is how far the newest settled sample is behind, in seconds.
    pub fn tick(&mut self, now: Mono, sent: (u64, f64), delay: f64) -> Load {
        let seconds = now.since(self.last).as_secs_f64();
        self.last = now;
        let (samples, busy) = self.sent_before;
        self.output.add(sent.0.saturating_sub(samples) as f64);
        self.busy.add((sent.1 - busy).max(0.0));
        self.sent_before = sent;
        for rate in [
            &mut self.input,
            &mut self.dropped,
            &mut self.output,
            &mut self.busy,
        ] {
            rate.tick(seconds);
        }
        Load {
            in_rate: self.input.rate(),
            dropped_rate: self.dropped.rate(),
            out_rate: self.output.rate(),
            busy: self.busy.rate(),
            delay,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_tick() {
        let mut meter = LoadMeter::new(Mono(0));
        meter.take_in(1000, 100);
        let load = meter.tick(Mono::from_millis(10_000), (500, 2.5), 3.0);
        assert_eq!((load.in_rate, load.dropped_rate), (100.0, 10.0));
        assert_eq!((load.out_rate, load.busy, load.delay), (50.0, 0.25, 3.0));
        let load = meter.tick(Mono::from_millis(20_000), (1500, 2.5), 0.0);
        assert_eq!((load.out_rate, load.busy), (60.0, 0.2));
    }
}
