//! What waits on the stage: a kill leaves it, a power cut may take it, and flash is spared.

use super::super::positions;
use super::*;
use crate::model::position::AckRanges;
use crate::sys::fs::Storage;
use crate::sys::fs_sim::Fault;
use crate::sys::published::Shared;

/// A log with a stage, and a queue that is registered.
fn begin() -> (Sim, Shared<AckRanges>) {
    // Else frames are closed early, to make room in memory.
    let options = Options {
        ring_bytes: 40_000,
        ..staged()
    };
    let mut sim = Sim::new(4, options);
    sim.begin_epoch(1, true);
    let seat = sim.opened.queues.register("q");
    (sim, seat.settled)
}

fn settle(settled: &Shared<AckRanges>, last: Sequence) {
    settled.with(|own| own.insert(Sequence(1), last));
}

/// A block every second, delivered three seconds later.
fn deliver_in_time(sim: &mut Sim, settled: &Shared<AckRanges>, seconds: u64) {
    for _ in 0..seconds {
        let last = sim.append();
        settle(settled, Sequence(last.0.saturating_sub(3)));
        sim.pass(1000);
    }
}

fn file_bytes(sim: &Sim) -> u64 {
    let files = sim.disk.list(&sim.opened.log.segments_dir).expect("listed");
    files.iter().map(|file| file.len).sum()
}

#[test]
fn what_is_delivered_in_time_is_not_written_to_disk() {
    let (mut sim, settled) = begin();
    let totals = sim.opened.queues.register("q").totals;
    let stored = |sim: &Sim| {
        let file = sim.disk.open(Path::new("/data/narthex/positions/q.pos"));
        positions::newest(positions::read_slots(&*file.expect("there")))
    };
    deliver_in_time(&mut sim, &settled, 20);
    let position = stored(&sim);
    totals.with(|own| own.acknowledged = 4711);
    let (before, synced) = (file_bytes(&sim), sim.opened.core.status().progress.synced);
    deliver_in_time(&mut sim, &settled, 200);
    assert_eq!(file_bytes(&sim), before);
    assert_eq!(stored(&sim), position);
    let progress = sim.opened.core.status().progress;
    assert_eq!((progress.synced, progress.written), (synced, synced));
    assert!(progress.taken.0 - progress.staged.0 <= 1, "{progress:?}");
    // Not for ever: a disk that died meanwhile is noticed.
    deliver_in_time(&mut sim, &settled, 110);
    assert!(sim.opened.core.status().progress.synced > synced);
}

#[test]
fn what_is_not_delivered_in_time_is_synced_before_it_is_older_than_the_interval() {
    let (mut sim, settled) = begin();
    deliver_in_time(&mut sim, &settled, 60);
    settle(&settled, sim.opened.core.status().progress.taken);
    // The receiver goes away.
    let first = sim.append();
    for _ in 0..9 {
        sim.pass(1000);
        sim.append();
    }
    assert!(sim.opened.core.status().progress.synced < first);
    sim.pass(1000);
    let progress = sim.opened.core.status().progress;
    assert!(progress.synced >= first, "{progress:?}");
    let disk = sim.disk.crash(1);
    let sim = sim.restart(disk);
    let mut reader = sim.reader();
    let read = sim.read_all(&mut reader, Sequence::ZERO);
    assert!(
        (1..=first.0).all(|number| read.contains(&number)),
        "{read:?}"
    );
}

#[test]
fn a_kill_at_any_operation_leaves_what_was_staged_and_its_positions() {
    /// With a stretch in which nothing is delivered, so that the stage goes to disk and is used
    /// again. Returns what was staged, and the position, while operations got through.
    fn script(sim: &mut Sim, settled: &Shared<AckRanges>, until: u64) -> (Sequence, Sequence) {
        let mut known = (Sequence::ZERO, Sequence::ZERO);
        for second in 0..49 {
            let last = sim.append();
            if !(25..37).contains(&second) {
                settle(settled, Sequence(last.0.saturating_sub(3)));
            }
            sim.pass(1000);
            if sim.disk.operations() < until {
                let staged = sim.opened.core.status().progress.staged;
                known = (staged, sim.opened.queues.stored()[0].floor());
            }
        }
        known
    }
    let (mut sim, settled) = begin();
    let begun = sim.disk.operations();
    script(&mut sim, &settled, 0);
    let last = sim.disk.operations();
    for at in begun + 1..=last {
        let (mut sim, settled) = begin();
        // From there on nothing gets through, as if the process were dead.
        sim.disk.inject(at, Fault::Halt);
        let (known, stored) = script(&mut sim, &settled, at);
        sim.disk.heal();
        let disk = sim.disk.clone();
        let sim = sim.restart(disk);
        let mut reader = sim.reader();
        let read = sim.read_all(&mut reader, Sequence::ZERO);
        let missing: Vec<_> = (1..=known.0).filter(|own| !read.contains(own)).collect();
        assert_eq!(missing, [0u64; 0], "killed at operation {at}");
        let floor = sim.opened.queues.stored()[0].floor();
        assert!(floor >= stored, "{floor:?} {stored:?} at operation {at}");
        assert!(sim.opened.queues.highest() <= sim.last_in_segments());
    }
}

#[test]
fn positions_on_the_stage_are_as_new_as_those_on_disk_would_be() {
    let (mut sim, settled) = begin();
    deliver_in_time(&mut sim, &settled, 100);
    let taken = sim.opened.core.status().progress.taken;
    assert!(sim.opened.queues.stored()[0].floor().0 < 30);
    let disk = sim.disk.clone();
    let sim = sim.restart(disk);
    let floor = sim.opened.queues.stored()[0].floor();
    // Three seconds under way, and one interval.
    assert!(floor.0 + 14 >= taken.0, "{floor:?} of {taken:?}");
    assert_eq!(sim.opened.queues.register("q").start.floor(), floor);
}

#[test]
fn a_queue_that_is_away_has_its_backlog_on_disk() {
    let (mut sim, settled) = begin();
    let other = sim.opened.queues.register("away");
    sim.opened.queues.deregister(other.ticket, sim.clock.mono());
    deliver_in_time(&mut sim, &settled, 40);
    let progress = sim.opened.core.status().progress;
    assert!(progress.synced.0 + 12 >= progress.taken.0, "{progress:?}");
    let disk = sim.disk.crash(3);
    let sim = sim.restart(disk);
    let mut reader = sim.reader();
    let read = sim.read_all(&mut reader, other.start.floor());
    assert!(read.len() as u64 + 12 >= progress.taken.0, "{}", read.len());
}

#[test]
fn losses_are_stored_with_the_positions_that_settle_them() {
    use crate::model::loss::{LossReason, LossRecorder, Lost};
    let (mut sim, settled) = begin();
    deliver_in_time(&mut sim, &settled, 50);
    let lost = Lost {
        queue: "q",
        job: "node",
        reason: LossReason::Invalid,
        sequence: Sequence(50),
        samples: 3,
    };
    sim.opened.log.losses.lost(lost);
    deliver_in_time(&mut sim, &settled, 12);
    let disk = sim.disk.clone();
    let sim = sim.restart(disk);
    let books = sim.opened.log.losses.snapshot();
    assert_eq!(books.iter().map(|(_, loss)| loss.samples).sum::<u64>(), 3);
    assert!(sim.opened.queues.stored()[0].floor() >= Sequence(50));
}

#[test]
fn an_orderly_end_needs_nothing_of_the_stage() {
    let (mut sim, settled) = begin();
    deliver_in_time(&mut sim, &settled, 30);
    sim.opened.core.finish(sim.clock.mono());
    let left = sim.disk.list(Path::new(STAGE)).expect("listed");
    assert_eq!(left, []);
    let progress = sim.opened.core.status().progress;
    assert_eq!(progress.synced, progress.taken);
}

#[test]
fn a_write_that_fails_there_or_on_disk_costs_nothing_that_is_not_delivered() {
    let (sim, _) = begin();
    let begun = sim.disk.operations();
    let mut without = 0;
    for at in begun + 1..begun + 130 {
        let (mut sim, settled) = begin();
        sim.disk.inject(at, Fault::Once);
        deliver_in_time(&mut sim, &settled, 20);
        for _ in 0..15 {
            sim.append();
            sim.pass(1000);
        }
        deliver_in_time(&mut sim, &settled, 20);
        sim.disk.heal();
        for _ in 0..25 {
            sim.append();
            sim.pass(1000);
        }
        let progress = sim.opened.core.status().progress;
        assert!(progress.synced.0 + 12 >= progress.taken.0, "{progress:?}");
        without += u64::from(progress.staged == progress.written);
        let floor = settled.with(|own| own.floor());
        let disk = sim.disk.clone();
        let sim = sim.restart(disk);
        let mut reader = sim.reader();
        let read = sim.read_all(&mut reader, Sequence::ZERO);
        let owed = floor.0 + 1..=progress.staged.0;
        let missing: Vec<_> = owed.filter(|own| !read.contains(own)).collect();
        assert_eq!(missing, [0u64; 0], "failed at operation {at}");
    }
    assert!(without > 0, "the stage never failed");
}

#[test]
fn the_stage_of_another_log_is_left_alone() {
    let (mut sim, settled) = begin();
    deliver_in_time(&mut sim, &settled, 30);
    let foreign = sim.disk.clone();
    // Another log of the same age, with a segment of the same number.
    let mut other = Sim::new(5, staged());
    other.clock.advance_ms(77);
    other.begin_epoch(1, true);
    let seat = other.opened.queues.register("q");
    deliver_in_time(&mut other, &seat.settled, 30);
    let known = other.opened.core.status().progress.written;
    let disk = other.disk.clone();
    for file in foreign.list(Path::new(STAGE)).expect("listed") {
        let path = Path::new(STAGE).join(&file.name);
        let mut bytes = vec![0; file.len as usize];
        let from = foreign.open(&path).expect("there");
        from.read_exact_at(0, &mut bytes).expect("read");
        let to = disk.open(&path).expect("there");
        to.set_len(0).expect("cut");
        to.write_at(0, &bytes).expect("written");
    }
    let other = other.restart(disk);
    assert_eq!(other.opened.unstaged_bytes, 0);
    assert_eq!(other.opened.core.status().progress.taken, known);
}

#[test]
fn an_older_position_on_the_stage_takes_nothing_from_a_newer_one_on_disk() {
    use crate::model::loss::{LossReason, LossRecorder, Lost};
    let (mut sim, settled) = begin();
    let totals = sim.opened.queues.register("q").totals;
    for _ in 0..60 {
        sim.append();
        sim.pass(100);
    }
    let insert = |first, last| settled.with(|own| own.insert(Sequence(first), Sequence(last)));
    // The sixth is set aside for hours.
    insert(1, 5);
    insert(7, 10);
    let staged = sim.opened.core.status().progress.staged;
    let stage = Path::new(STAGE);
    sim.opened.queues.stage(stage, staged).expect("staged");
    // From here on only the disk gets positions, as long as something lost is open.
    sim.opened.log.losses.lost(Lost {
        queue: "other",
        job: "node",
        reason: LossReason::Invalid,
        sequence: Sequence(60),
        samples: 3,
    });
    insert(11, 50);
    totals.with(|own| own.acknowledged = 4711);
    sim.pass(11_000);
    assert!(sim.opened.queues.stored()[0].contains(Sequence(50)));
    let disk = sim.disk.clone();
    let sim = sim.restart(disk);
    assert!(sim.opened.unstaged_bytes > 0);
    let again = sim.opened.queues.register("q");
    assert!(again.start.contains(Sequence(50)), "{:?}", again.start);
    assert!(!again.start.contains(Sequence(6)));
    assert_eq!(again.totals.with(|own| own.acknowledged), 4711);
}
