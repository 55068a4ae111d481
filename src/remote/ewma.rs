//! A rate, smoothed as Prometheus smooths those that decide about shards.

/// Weight of the newest tick (Prometheus's `ewmaWeight`).
const WEIGHT: f64 = 0.2;

/// An exponentially weighted moving average of events a second.
#[derive(Clone, Debug, Default)]
pub struct Ewma {
    events: f64,
    rate: Option<f64>,
}

impl Ewma {
    /// Counts events of the current tick.
    pub fn add(&mut self, events: f64) {
        self.events += events;
    }

    /// Ends a tick that lasted `seconds`. The first one sets the rate, later ones move it.
    pub fn tick(&mut self, seconds: f64) {
        if seconds <= 0.0 {
            return;
        }
        let instant = self.events / seconds;
        self.events = 0.0;
        self.rate = Some(match self.rate {
            Some(rate) => rate + WEIGHT * (instant - rate),
            None => instant,
        });
    }

    /// Events a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate.unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_moves_a_fifth_of_the_way_with_each_tick() {
        let mut rate = Ewma::default();
        rate.add(100.0);
        rate.tick(10.0);
        assert_eq!(rate.rate(), 10.0);
        rate.tick(10.0);
        assert_eq!(rate.rate(), 8.0);
        rate.tick(0.0);
        assert_eq!(rate.rate(), 8.0);
    }
}
