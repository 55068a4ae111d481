//! What is given up, and in which order, when memory runs short. Pure: it is told how much is held.
//!
//! Never given up: the log on disk and what is in it, `up` and the other report series, and the
//! agent's own metrics.

/// Something that is given up, in the order in which that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Relief {
    /// New connections to the web side are closed, but for very few, and large answers refused.
    Visitors,
    /// Few scrapes run at a time, targets with large pages last.
    Concurrency,
    /// Requests to receivers are smaller.
    Batches,
    /// Exemplars are not taken, and metadata is not sent.
    Extras,
    /// Series that a target has not shown before are not taken.
    NewSeries,
    /// The scrape of the target with most series fails.
    Largest,
}

impl Relief {
    /// All, in their order.
    pub const ALL: [Relief; 6] = [
        Relief::Visitors,
        Relief::Concurrency,
        Relief::Batches,
        Relief::Extras,
        Relief::NewSeries,
        Relief::Largest,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Relief::Visitors => "visitors",
            Relief::Concurrency => "concurrency",
            Relief::Batches => "batches",
            Relief::Extras => "extras",
            Relief::NewSeries => "new_series",
            Relief::Largest => "largest",
        }
    }

    /// Percent of the budget at which it begins.
    const fn begins(self) -> u64 {
        match self {
            Relief::Visitors => 75,
            Relief::Concurrency => 80,
            Relief::Batches => 85,
            Relief::Extras => 90,
            Relief::NewSeries => 95,
            Relief::Largest => 100,
        }
    }

    /// Its place in the order, from 1.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8 + 1
    }
}

/// A measure that has begun ends when less than so many percent are held of what began it.
const ENDS: u64 = 80;

/// How many measures are in force: 0 for none, 6 for all. `before` is what it was, `held` and
/// `budget` are bytes.
#[must_use]
pub fn step(before: u8, held: u64, budget: u64) -> u8 {
    // In units of a hundredth of a percent, and without overflow.
    let scaled = u128::from(held) * 10_000;
    let holds = |relief: &Relief| {
        let begun = relief.number() <= before;
        let percent = relief.begins() * if begun { ENDS } else { 100 };
        scaled >= u128::from(budget) * u128::from(percent)
    };
    Relief::ALL
        .iter()
        .take_while(|relief| holds(relief))
        .count() as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn measures_begin_in_their_order() {
        let steps: Vec<u8> = [0, 74, 75, 80, 84, 85, 90, 95, 99, 100, 500]
            .map(|held| step(0, held, 100))
            .into();
        assert_eq!(steps, [0, 0, 1, 2, 2, 3, 4, 5, 5, 6, 6]);
        let numbers = Relief::ALL.map(Relief::number);
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_measure_lasts_until_a_fifth_less_is_held() {
        assert_eq!(step(6, 100, 100), 6);
        assert_eq!(step(6, 80, 100), 6);
        assert_eq!(step(6, 79, 100), 5);
        assert_eq!(step(5, 75, 100), 4);
        assert_eq!(step(1, 60, 100), 1);
        assert_eq!(step(1, 59, 100), 0);
        // What ended begins again at its own mark only.
        assert_eq!(step(5, 99, 100), 5);
    }

    proptest! {
        #[test]
        fn more_memory_never_means_fewer_measures(before in 0..=6u8, held in any::<u64>(), more in any::<u64>(), budget in 1..u64::MAX) {
            let (low, high) = (step(before, held, budget), step(before, held.saturating_add(more), budget));
            prop_assert!(low <= high);
            // With the same amount, what is in force stays so.
            prop_assert_eq!(step(low, held, budget), low);
        }
    }
}
