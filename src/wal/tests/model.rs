//! The log against a plain model, under any sequence of operations.

use proptest::prelude::*;

use super::*;
use crate::model::position::AckRanges;
use crate::model::source::GapReason;

#[derive(Clone, Debug)]
enum Operation {
    Append(u16),
    Pass(u16),
    /// A reader reads so many blocks.
    Read(usize, u8),
    /// A queue settles what its reader has read, but for the last so many.
    Settle(usize, u8),
    /// Stop in an orderly way and open again.
    Restart,
    /// The process dies, the machine does not.
    Kill,
    /// Power cut.
    Crash(u64),
}

fn operation() -> impl Strategy<Value = Operation> {
    operation_of(30)
}

/// At most so many blocks are appended at once.
fn operation_of(most: u16) -> impl Strategy<Value = Operation> {
    prop_oneof![
        6 => (1..most).prop_map(Operation::Append),
        4 => (0..15_000u16).prop_map(Operation::Pass),
        4 => (0..2usize, 1..60u8).prop_map(|(reader, count)| Operation::Read(reader, count)),
        3 => (0..2usize, 0..5u8).prop_map(|(queue, keep)| Operation::Settle(queue, keep)),
        1 => Just(Operation::Restart),
        1 => Just(Operation::Kill),
        1 => any::<u64>().prop_map(Operation::Crash),
    ]
}

/// A queue of the model.
struct Queue {
    reader: LogReader,
    settled: crate::sys::published::Shared<AckRanges>,
    /// What its reader has read up to.
    after: Sequence,
}

fn seat(sim: &Sim, name: &str) -> Queue {
    let seat = sim.opened.queues.register(name);
    Queue {
        reader: sim.reader(),
        after: seat.start.floor(),
        settled: seat.settled,
    }
}

struct World {
    sim: Sim,
    queues: Vec<Queue>,
    /// Blocks that no crash may take.
    safe: AckRanges,
    /// The last number when this life of the log began.
    born: Sequence,
}

const NAMES: [&str; 2] = ["one", "two"];

impl World {
    fn new(options: Options) -> World {
        let mut sim = Sim::new(11, options);
        sim.begin_epoch(1, true);
        let queues = NAMES.iter().map(|name| seat(&sim, name)).collect();
        World {
            sim,
            queues,
            safe: AckRanges::default(),
            born: Sequence::ZERO,
        }
    }

    fn run(mut self, operation: &Operation) -> World {
        match operation {
            Operation::Append(count) => {
                for _ in 0..*count {
                    self.sim.append();
                }
            }
            Operation::Pass(millis) => self.sim.pass((*millis).into()),
            Operation::Read(reader, count) => self.read(*reader, *count),
            Operation::Settle(queue, keep) => {
                let queue = &self.queues[*queue];
                let last = Sequence(queue.after.0.saturating_sub((*keep).into()));
                queue.settled.with(|own| own.insert(Sequence(1), last));
            }
            Operation::Restart => {
                self.sim.opened.core.finish(self.sim.clock.mono());
                let taken = self.sim.opened.core.status().progress.taken;
                let disk = self.sim.disk.clone();
                self = self.reopen(disk);
                assert_eq!(self.sim.opened.core.status().progress.taken, taken);
            }
            Operation::Kill => {
                let progress = self.sim.opened.core.status().progress;
                self.safe.insert(self.born.next(), progress.staged);
                let disk = self.sim.disk.clone();
                self = self.reopen(disk);
                assert!(self.born >= progress.staged, "it had outlived the process");
            }
            Operation::Crash(seed) => {
                let disk = self.sim.disk.crash(*seed);
                self = self.reopen(disk);
            }
        }
        let progress = self.sim.opened.core.status().progress;
        self.safe.insert(self.born.next(), progress.synced);
        self
    }

    fn read(&mut self, reader: usize, count: u8) {
        let trimmed = self.sim.opened.log.catalog.lock().trimmed;
        let queue = &mut self.queues[reader];
        for _ in 0..count {
            match queue
                .reader
                .next(queue.after)
                .expect("the disk can be read")
            {
                Next::Block(block) => {
                    assert_eq!(block.sequence, queue.after.next());
                    let appended = self.sim.appended.get(&block.sequence.0);
                    assert_eq!(appended, Some(&render(&block)));
                    queue.after = block.sequence;
                }
                Next::Gap {
                    first,
                    last,
                    reason,
                } => {
                    assert_eq!(first, queue.after.next());
                    match reason {
                        GapReason::Budget => assert!(last <= trimmed),
                        GapReason::Damage => {
                            let mut gap = (first.0..=last.0).map(Sequence);
                            assert!(
                                !gap.any(|own| self.safe.contains(own)),
                                "lost what was safe"
                            );
                        }
                    }
                    queue.after = last;
                }
                Next::CaughtUp => {
                    let taken = self.sim.opened.core.status().progress.taken;
                    assert_eq!(queue.after, taken);
                    return;
                }
            }
        }
    }

    fn reopen(mut self, disk: SimFs) -> World {
        self.queues.clear();
        self.sim = self.sim.restart(disk);
        let taken = self.sim.opened.core.status().progress.taken;
        assert!(taken.next() > self.safe.floor());
        let highest = self.sim.opened.queues.highest();
        assert!(
            highest <= self.sim.last_in_segments(),
            "a position is ahead of the log"
        );
        self.born = taken;
        self.sim.appended.retain(|number, _| *number <= taken.0);
        for name in NAMES {
            self.queues.push(seat(&self.sim, name));
        }
        self
    }
}

/// With small segments and room for all blocks in memory.
fn roomy() -> Options {
    Options {
        budget_bytes: crate::limits::LOG_BYTES_MIN,
        ring_bytes: 1 << 30,
        ..options()
    }
}

fn check(options: Options, operations: &[Operation]) -> Sim {
    let mut world = World::new(options);
    for operation in operations {
        world = world.run(operation);
    }
    for reader in 0..NAMES.len() {
        for _ in 0..200 {
            world.read(reader, 255);
        }
        let taken = world.sim.opened.core.status().progress.taken;
        assert_eq!(world.queues[reader].after, taken);
    }
    world.sim
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_log_agrees_with_a_list(operations in prop::collection::vec(operation(), 1..60)) {
        let sim = check(options(), &operations);
        prop_assert!(sim.opened.core.status().failing.is_none());
    }

    #[test]
    fn a_log_with_a_stage_agrees_with_a_list(operations in prop::collection::vec(operation(), 1..60)) {
        let sim = check(staged(), &operations);
        prop_assert!(sim.opened.core.status().failing.is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    /// Segments end by size in the middle of it, and frames are not closed because memory is short.
    #[test]
    fn a_log_with_room_in_memory_agrees_with_a_list(
        operations in prop::collection::vec(operation_of(1000), 10..30)) {
        let sim = check(roomy(), &operations);
        prop_assert!(sim.opened.core.status().failing.is_none());
    }
}

#[test]
fn a_full_budget_drops_the_oldest_and_counts_it() {
    let mut options = options();
    options.budget_bytes = crate::limits::LOG_BYTES_MIN;
    let registry = Registry::default();
    let mut sim = Sim::new(5, options.clone());
    let queue = sim.opened.queues.register("slow");
    let lost = sim.opened.log.metrics.lost("slow", "budget");
    let mut samples = 0;
    while sim.opened.log.catalog.lock().trimmed == Sequence::ZERO {
        for _ in 0..200 {
            sim.append();
        }
        sim.pass(1_000);
        let bytes = sim.opened.core.status().bytes;
        assert!(bytes <= options.budget_bytes + 100_000, "{bytes}");
    }
    let trimmed = sim.opened.log.catalog.lock().trimmed;
    let gone = (1..=trimmed.0).filter_map(|number| sim.appended.get(&number));
    for block in gone {
        let values = block.lines().skip(1);
        samples += values
            .filter(|line| !line.ends_with("7ff0000000000003"))
            .count();
    }
    assert_eq!(lost.get(), samples as f64);
    let mut reader = sim.reader();
    let next = reader.next(queue.start.floor()).expect("readable");
    assert!(matches!(next, Next::Gap { reason: GapReason::Budget, last, .. } if last == trimmed));
    assert!(registry.snapshot().is_empty());
}

#[test]
fn settled_segments_go_once_the_position_is_stored() {
    let mut sim = Sim::new(6, options());
    let queue = sim.opened.queues.register("q");
    for _ in 0..3 {
        for _ in 0..10 {
            sim.append();
        }
        sim.pass(11_000);
        let disk = sim.disk.clone();
        sim = sim.restart(disk);
    }
    assert_eq!(sim.opened.core.status().segments, 3);
    let seat = sim.opened.queues.register("q");
    assert_eq!(queue.start, seat.start);
    seat.settled
        .with(|own| own.insert(Sequence(1), Sequence(25)));
    sim.append();
    sim.pass(11_000);
    let catalog = sim.opened.log.catalog.lock().clone();
    let numbers: Vec<_> = catalog.segments.iter().map(|own| own.number).collect();
    assert_eq!((numbers, catalog.trimmed), (vec![3, 4], Sequence(20)));
}

#[test]
fn a_new_queue_begins_behind_the_newest_block() {
    let mut sim = Sim::new(6, options());
    for _ in 0..10 {
        sim.append();
    }
    let seat = sim.opened.queues.register("late");
    assert_eq!(seat.start.floor(), Sequence(10));
    // Nothing was synced yet, so nothing of that may be on disk.
    assert_eq!(sim.opened.queues.stored()[0].floor(), Sequence(0));
    sim.pass(11_000);
    sim.pass(11_000);
    assert_eq!(sim.opened.queues.stored()[0].floor(), Sequence(10));
}

#[test]
fn a_sync_interval_of_zero_syncs_every_frame_and_does_not_spin() {
    let mut options = options();
    options.sync_interval = Duration::ZERO;
    let mut sim = Sim::new(6, options);
    for _ in 0..5 {
        let last = sim.append();
        sim.pass(1_000);
        assert_eq!(sim.opened.core.status().progress.synced, last);
        assert!(sim.opened.core.next_deadline() > sim.clock.mono());
    }
}

#[test]
fn a_segment_that_ends_by_size_keeps_its_newest_block() {
    for stage_dir in [None, Some(STAGE.into())] {
        let mut sim = Sim::new(
            5,
            Options {
                stage_dir,
                ..roomy()
            },
        );
        sim.begin_epoch(1, true);
        let _holds_segments = sim.opened.queues.register("q");
        for _ in 0..3000 {
            sim.append();
        }
        assert!(sim.opened.core.status().segments > 1);
        sim.opened.core.finish(sim.clock.mono());
        let disk = sim.disk.clone();
        let sim = sim.restart(disk);
        let read = sim.read_all(&mut sim.reader(), Sequence::ZERO);
        let missing: Vec<_> = (1..=3000).filter(|own| !read.contains(own)).collect();
        assert_eq!(missing, [0u64; 0]);
    }
}
