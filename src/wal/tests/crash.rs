//! Power cuts and failing disks at every operation of a script.

use super::super::positions::PositionFile;
use super::*;
use crate::sys::fs::Storage;
use crate::sys::fs_sim::Fault;

/// A little of everything; does not care when the machine has stopped. Returns the last number
/// that was certainly on disk at some point.
fn script(sim: &mut Sim) -> Sequence {
    sim.begin_epoch(1, false);
    let seat = sim.opened.queues.register("q");
    let mut synced = Sequence::ZERO;
    for round in 0..60u64 {
        sim.append();
        sim.pass(if round % 7 == 6 { 1500 } else { 300 });
        if round == 20 {
            sim.begin_epoch(1, true);
        }
        if round % 9 == 8 {
            let taken = sim.opened.core.status().progress.taken;
            let acknowledged = Sequence(taken.0.saturating_sub(3));
            seat.settled
                .with(|own| own.insert(Sequence(1), acknowledged));
            sim.pass(10_000);
        }
        synced = synced.max(sim.opened.core.status().progress.synced);
    }
    synced
}

/// What must hold after a crash: what was synced is there, positions are covered.
fn check_after_crash(sim: &Sim, synced: impl IntoIterator<Item = u64>) {
    let catalog = sim.opened.log.catalog.lock().clone();
    let mut reader = sim.reader();
    let read = sim.read_all(&mut reader, Sequence::ZERO);
    let lost = synced.into_iter().filter(|number| !read.contains(number));
    let lost: Vec<_> = lost.filter(|number| *number > catalog.trimmed.0).collect();
    assert_eq!(lost, [0u64; 0], "synced blocks are gone");
    let highest = sim.opened.queues.highest();
    assert!(
        highest <= sim.last_in_segments(),
        "a position is ahead of the log"
    );
    for settled in sim.opened.queues.stored() {
        assert!(
            settled.floor() >= catalog.trimmed,
            "trimmed what was not settled"
        );
    }
}

fn count_operations(seed: u64) -> u64 {
    let mut sim = Sim::new(seed, options());
    script(&mut sim);
    sim.disk.operations()
}

#[test]
fn a_power_cut_at_any_operation_loses_nothing_that_was_synced() {
    for at in 1..=count_operations(7) + 1 {
        for seed in 0..4 {
            let mut sim = Sim::new(7, options());
            sim.disk.inject(at, Fault::Halt);
            let synced = script(&mut sim);
            let taken = sim.opened.core.status().progress.taken;
            let disk = sim.disk.crash(seed ^ at << 8);
            let mut sim = sim.restart(disk);
            check_after_crash(&sim, 1..=synced.0);
            // Numbers that only memory had may come again; those are not in the way.
            let durable = sim.opened.core.status().progress.taken;
            assert!(durable <= taken);
            sim.appended.retain(|number, _| *number <= durable.0);
            sim.append();
            sim.pass(11_000);
            let disk = sim.disk.crash(seed);
            let last = sim.opened.core.status().progress.synced;
            assert_eq!(last, durable.next());
            check_after_crash(&sim.restart(disk), (1..=synced.0).chain([last.0]));
        }
    }
}

#[test]
fn a_sync_takes_the_open_frame_along() {
    let mut sim = Sim::new(7, options());
    sim.begin_epoch(1, true);
    sim.append();
    sim.pass(1_500);
    sim.pass(8_000);
    let last = sim.append();
    // The frame is not due yet, the sync is.
    sim.pass(600);
    assert_eq!(sim.opened.core.status().progress.synced, last);
    let disk = sim.disk.crash(1);
    check_after_crash(&sim.restart(disk), [last.0]);
}

#[test]
fn a_failing_operation_loses_nothing_while_the_process_lives() {
    for at in 1..=count_operations(8) {
        let mut options = options();
        options.ring_bytes = 1 << 20;
        let mut sim = Sim::new(8, options);
        sim.disk.inject(at, Fault::Once);
        script(&mut sim);
        for _ in 0..4 {
            sim.pass(10_000);
        }
        let progress = sim.opened.core.status().progress;
        assert_eq!(progress.synced, progress.taken, "operation {at}");
        check_after_crash(&sim, 1..=progress.synced.0);
        let disk = sim.disk.crash(at);
        check_after_crash(&sim.restart(disk), 1..=progress.synced.0);
    }
}

#[test]
fn a_full_disk_is_survived_and_used_again_when_there_is_room() {
    for at in (1..count_operations(9)).step_by(3) {
        let mut sim = Sim::new(9, options());
        sim.disk.inject(at, Fault::Full);
        script(&mut sim);
        let mut reader = sim.reader();
        let newest = sim.opened.core.status().progress.taken;
        let read = sim.read_all(&mut reader, Sequence(newest.0 - 2));
        assert_eq!(read.len(), 2, "the newest blocks come from memory");
        for _ in 0..20 {
            sim.pass(10_000);
            sim.append();
        }
        let files = sim.disk.list(&sim.opened.log.segments_dir).expect("listed");
        let known = sim.opened.core.status().segments;
        assert!(
            files.len() <= known + 1,
            "{} files, {known} segments",
            files.len()
        );
        sim.disk.heal();
        sim.append();
        sim.pass(10_000);
        sim.pass(1_000);
        sim.pass(10_000);
        let progress = sim.opened.core.status().progress;
        assert_eq!(progress.synced, progress.taken);
        let unlogged = sim.opened.log.catalog.lock().unlogged.clone();
        let disk = sim.disk.crash(at);
        let logged = (1..=progress.taken.0).filter(|number| !unlogged.contains(Sequence(*number)));
        check_after_crash(&sim.restart(disk), logged);
    }
}

#[test]
fn a_frozen_epoch_is_durable_before_it_is_published() {
    for at in 1..=count_operations(7) {
        let mut sim = Sim::new(7, options());
        sim.disk.inject(at, Fault::Halt);
        sim.begin_epoch(1, false);
        sim.append();
        sim.pass(2_000);
        sim.begin_epoch(1, true);
        let healthy = sim.opened.core.status().failing.is_none() && sim.disk.operations() < at;
        let disk = sim.disk.crash(at);
        let sim = sim.restart(disk);
        if healthy {
            let epoch = sim.opened.timeline.load().get(EpochId(1)).expect("known");
            assert!(epoch.frozen);
        }
    }
}

#[test]
fn epochs_live_as_long_as_their_blocks() {
    let mut options = options();
    options.budget_bytes = 1 << 20;
    let mut sim = Sim::new(3, options);
    for id in 1..=60 {
        sim.begin_epoch(id, true);
        for _ in 0..3 {
            sim.append();
        }
        sim.pass(11_000);
        let disk = sim.disk.clone();
        sim = sim.restart(disk);
        assert_eq!(
            sim.opened.timeline.load().last().map(|own| own.id),
            Some(EpochId(id))
        );
    }
    let catalog = sim.opened.log.catalog.lock().clone();
    let oldest = catalog.segments.first().expect("some").epoch;
    let timeline = sim.opened.timeline.load();
    assert!((oldest.0..=60).all(|id| timeline.get(EpochId(id)).is_some()));
}

#[test]
fn a_position_waits_for_the_sync_of_what_it_names() {
    let mut sim = Sim::new(4, options());
    let seat = sim.opened.queues.register("q");
    // Freezing an epoch syncs out of turn: from there on housekeeping comes between syncs.
    sim.append();
    sim.pass(3_000);
    sim.pass(7_500);
    sim.begin_epoch(1, true);
    for _ in 0..5 {
        let last = sim.append();
        seat.settled.with(|own| own.insert(Sequence(1), last));
        sim.pass(2_000);
        let synced = sim.opened.core.status().progress.synced;
        assert!(sim.opened.queues.stored()[0].floor() <= synced);
        for seed in 0..8 {
            let disk = sim.disk.crash(seed);
            let (_, found) = PositionFile::open(&disk, Path::new("/data/narthex/positions/q.pos"))
                .expect("its name is durable");
            let floor = found.expect("one slot is whole").settled.floor();
            let dir = &sim.opened.log.segments_dir;
            assert!(floor <= recover(&disk, dir).expect("readable").last);
        }
    }
    sim.pass(10_000);
    assert_eq!(sim.opened.queues.stored()[0].floor(), Sequence(6));
}

#[test]
fn an_end_in_the_pause_after_a_failure_writes_all_the_same() {
    let mut options = options();
    options.ring_bytes = 1 << 20;
    // The frame of the second block, at its write or at its sync; or whatever the end does first.
    for at in 1..6 {
        let mut sim = Sim::new(8, options.clone());
        let _holds_segments = sim.opened.queues.register("q");
        sim.append();
        sim.pass(11_000);
        sim.disk.inject(sim.disk.operations() + at, Fault::Once);
        sim.append();
        sim.pass(1_500);
        for _ in 0..10 {
            sim.append();
        }
        sim.opened.core.end(sim.clock.mono());
        sim.disk.heal();
        let disk = sim.disk.clone();
        let sim = sim.restart(disk);
        let read = sim.read_all(&mut sim.reader(), Sequence::ZERO);
        assert_eq!(read, (1..=12).collect::<Vec<_>>(), "operation {at}");
    }
}
