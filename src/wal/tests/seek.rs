//! Readers that begin inside a segment.

use proptest::prelude::*;

use super::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Lists change and definitions are forgotten on the way; every block behind the place is
    /// there all the same.
    #[test]
    fn a_reader_may_begin_anywhere(seed: u64, blocks in 1..400u64, per_frame in 1..9u64) {
        let mut sim = Sim::new(seed, options());
        sim.begin_epoch(1, true);
        let _holds_segments = sim.opened.queues.register("q");
        for number in 1..=blocks {
            sim.append();
            if number % per_frame == 0 {
                sim.pass(1_000);
            }
        }
        sim.pass(11_000);
        // Nothing is in the ring any more.
        let disk = sim.disk.clone();
        let sim = sim.restart(disk);
        for after in (0..blocks).step_by(17) {
            let read = sim.read_all(&mut sim.reader(), Sequence(after));
            prop_assert_eq!(read, (after + 1..=blocks).collect::<Vec<_>>());
        }
    }
}
