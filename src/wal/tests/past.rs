//! What a log knows of time when it is opened again.

use super::*;
use crate::model::time::Wall;

#[test]
fn an_epoch_that_was_never_frozen_is_found_with_its_length() {
    let mut sim = Sim::new(3, options());
    let _holds_segments = sim.opened.queues.register("q");
    assert_eq!(sim.opened.past.open_epochs, []);
    let mut lasted = Vec::new();
    // Two lives without a clock, then one with.
    for epoch in 1..=3 {
        sim.begin_epoch(epoch, epoch == 3);
        for _ in 0..5 {
            sim.append();
        }
        lasted.push((EpochId(epoch), sim.newest_offset()));
        sim.pass(11_000);
        let disk = sim.disk.clone();
        sim = sim.restart(disk);
    }
    assert_eq!(sim.opened.past.open_epochs, lasted[..2]);
    assert_eq!(sim.opened.past.latest, Some(Wall(3000 + lasted[2].1)));
    // Once they are settled they are no news any more, and their blocks can be sent.
    sim.begin_epoch(2, true);
    sim.pass(11_000);
    let disk = sim.disk.clone();
    let sim = sim.restart(disk);
    assert_eq!(sim.opened.past.open_epochs, lasted[..1]);
    let timeline = sim.opened.timeline.load();
    assert_eq!(timeline.resolve(EpochId(2), 7), Some(Wall(2007)));
    assert_eq!(timeline.resolve(EpochId(1), 7), None);
}
