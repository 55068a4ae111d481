//! The timer wheel with ten thousand targets: one turn of the scheduler, which finds what is due
//! and puts it back an interval later.

use narthex::model::time::Mono;
use narthex::scrape::wheel::Wheel;

use crate::measure::Bench;

const TARGETS: u64 = 10_000;
const INTERVAL_MS: u64 = 15_000;

/// Measures a scrape's share of the wheel.
pub(crate) fn measure(bench: &mut Bench) {
    let mut wheel = Wheel::new(Mono(0));
    for key in 0..TARGETS {
        // 7919 is prime: the targets lie scattered over the interval.
        wheel.insert(key, Mono::from_millis(key * 7919 % INTERVAL_MS));
    }
    let mut due: Vec<u64> = Vec::new();
    bench.run("wheel, one of 10,000 targets due", 1, || {
        while due.is_empty() {
            let now = wheel.next_deadline().expect("targets");
            wheel.advance(now, &mut due);
            let again = Mono::from_millis(now.as_millis() + INTERVAL_MS);
            for key in &due {
                wheel.insert(*key, again);
            }
        }
        due.pop();
    });
}
